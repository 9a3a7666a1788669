//! What is sent, when, and what is not sent.

use crate::{
    scene::{copy, direct, evm, evm_json, registered, REGISTER, SUBMIT},
    support::{anvil::Anvil, text, Folder},
};
use serde_json::json;
use std::fs;
use zkml_cli::hex::hex;
use zkml_srs::Srs;

#[test]
fn a_dry_run_sends_nothing() {
    let (anvil, folder) = (Anvil::start(&[]), copy());
    let dry = evm_json(&anvil, &folder, &["deploy", "--dry-run"]);
    assert_eq!(dry["verifier"]["sent"], false);
    assert!(dry["verifier"]["price"]["at_most_wei"].is_string(), "{dry}");
    assert_eq!(anvil.block(), "0x0");
    let files = fs::read_dir(folder.path("contract")).unwrap().count();
    assert_eq!(files, 1, "no record");

    evm_json(&anvil, &folder, &["deploy", "--yes"]);
    evm_json(&anvil, &folder, &[&REGISTER[..5], &["--dry-run"]].concat());
    evm_json(&anvil, &folder, &REGISTER);
    let block = anvil.block();
    let out = evm(&anvil, &folder, &[&SUBMIT[..4], &["--dry-run"]].concat());
    assert_eq!(out.code, 0, "{}", out.stderr);
    for line in [
        "fee per gas ",
        "cost ",
        "Dry run: nothing was signed or sent.",
    ] {
        assert!(out.stdout.contains(line), "{}", out.stdout);
    }
    // Nor does a command that cannot ask.
    let out = evm(&anvil, &folder, &SUBMIT[..4]);
    assert_eq!(out.code, 1);
    assert!(out.stderr.contains("--yes"), "{}", out.stderr);
    assert_eq!(anvil.block(), block);
    // The fees that are offered are those that were asked for.
    let fees = ["--max-fee", "7.5", "--priority-fee", "0.25", "--dry-run"];
    let dry = evm_json(&anvil, &folder, &[&SUBMIT[..4], &fees].concat());
    let price = &dry["transaction"]["price"];
    assert_eq!(text(price, "max_fee_wei"), "7500000000");
    assert_eq!(text(price, "priority_fee_wei"), "250000000");
}

#[test]
fn an_insecure_srs_is_for_local_chains_only() {
    // On a local one it is said, by every command.
    let (anvil, folder) = (Anvil::start(&[]), copy());
    for command in [&["deploy", "--yes"][..], &REGISTER, &SUBMIT] {
        let out = evm(&anvil, &folder, command);
        assert_eq!(out.code, 0, "{}", out.stderr);
        let line = "warning: the contract trusts the SRS";
        assert!(out.stderr.contains(line), "{command:?}: {}", out.stderr);
    }
    let (anvil, folder) = (Anvil::start(&["--chain-id", "5"]), copy());
    let out = evm(&anvil, &folder, &["deploy", "--yes", "--chain-id", "5"]);
    assert_eq!(out.code, 1);
    for part in ["refused on chain 5", "no ceremony", "--allow-insecure-srs"] {
        assert!(out.stderr.contains(part), "{}", out.stderr);
    }
    assert_eq!(anvil.block(), "0x0");
    // On a chain that may hold value, 'yes' is said to a chain by its number.
    let allow = ["deploy", "--yes", "--allow-insecure-srs"];
    let out = evm(&anvil, &folder, &allow);
    assert!(
        out.code == 1 && out.stderr.contains("--chain-id 5"),
        "{}",
        out.stderr
    );
    evm_json(
        &anvil,
        &folder,
        &[&allow[..], &["--chain-id", "5"]].concat(),
    );
    let named = ["--chain-id", "5"];
    for command in [&REGISTER[..], &SUBMIT] {
        let out = evm(&anvil, &folder, &[command, &named].concat());
        assert!(
            out.code == 1 && out.stderr.contains("refused on chain 5"),
            "{}",
            out.stderr
        );
        let allowed = [command, &named, &["--allow-insecure-srs"]].concat();
        evm_json(&anvil, &folder, &allowed);
    }
}

/// The word `development` is about this machine, and others would rely on what stands on a chain.
#[test]
fn a_development_srs_that_is_trusted_is_for_local_chains_only() {
    let (anvil, folder) = (Anvil::start(&["--chain-id", "1"]), direct());
    let trust = ["--yes", "--chain-id", "1", "--trust-srs", "development"];
    let refused = |command: &[&str]| {
        let out = evm(&anvil, &folder, &[command, &trust].concat());
        assert_eq!(out.code, 1, "{}{}", out.stdout, out.stderr);
        let line = "refused on chain 1";
        assert!(out.stderr.contains(line), "{}", out.stderr);
    };
    refused(&["deploy"]);
    assert_eq!(anvil.block(), "0x0");
    let allowed = [&["deploy"][..], &trust, &["--allow-insecure-srs"]].concat();
    evm_json(&anvil, &folder, &allowed);
    refused(&["register", "--keys", "keys"]);
    refused(&["submit", "proof.zkml", "--keys", "keys"]);
    // Who says its fingerprint vouches for it.
    let srs = Srs::load(folder.path("keys/verifying.srs").as_ref()).unwrap();
    let fingerprint = hex(&srs.fingerprint());
    let named = [&trust[..4], &[&fingerprint]].concat();
    let register = [&["register", "--keys", "keys"][..], &named].concat();
    evm_json(&anvil, &folder, &register);
}

#[test]
fn waiting_goes_on_where_it_stopped() {
    let (anvil, folder) = (Anvil::start(&["--no-mining"]), copy());
    let deploy = ["deploy", "--yes", "--verifier-only", "--timeout", "1"];
    let two = [&deploy[..], &["--confirmations", "2"]].concat();
    let out = evm(&anvil, &folder, &two);
    assert_eq!(out.code, 1);
    assert!(
        out.stderr.contains("0 of 2 confirmations"),
        "{}",
        out.stderr
    );
    // Another transaction waits until that one is in a block.
    let other = Folder::new();
    fs::create_dir(other.path("contract")).unwrap();
    let artefact = "contract/ZkmlVerifier.json";
    fs::copy(folder.path(artefact), other.path(artefact)).unwrap();
    let out = evm(&anvil, &other, &deploy);
    assert!(
        out.code == 1 && out.stderr.contains("--nonce"),
        "{}",
        out.stderr
    );
    anvil.rpc("anvil_mine", json!(["0x1"]));
    let out = evm(&anvil, &folder, &two);
    assert!(
        out.stderr.contains("1 of 2 confirmations"),
        "{}",
        out.stderr
    );
    anvil.rpc("anvil_mine", json!(["0x1"]));
    let done = evm_json(&anvil, &folder, &two);
    assert_eq!(done["verifier"]["transaction"]["sent"], false, "{done}");
    let account = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
    let nonce = anvil.rpc("eth_getTransactionCount", json!([account, "latest"]));
    assert_eq!(nonce, "0x1", "sent once");
}

#[test]
fn a_transaction_that_fails_in_its_block_says_why() {
    let (anvil, folder) = registered(&[]);
    let out = evm(
        &anvil,
        &folder,
        &[&SUBMIT[..], &["--gas-limit", "150000"]].concat(),
    );
    assert_eq!(out.code, 1, "{}", out.stderr);
    assert!(out.stderr.contains("failed in block"), "{}", out.stderr);
    assert!(out.stderr.contains("gas"), "{}", out.stderr);
}
