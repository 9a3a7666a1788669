//! The guide, followed; and that what is sent costs what the local EVM says.

use crate::{
    scene::{
        checked, copy, evm, evm_json, follow, guide, prepared, registered, REGISTER, SUBMIT, VERIFY,
    },
    support::{
        anvil::{unhex, Anvil, KEYS},
        text,
    },
};
use serde_json::{json, Value};
use std::fs;
use zkml_evm_verifier::chain::{keccak256, Address};
use zkml_evm_verifier::exec::{Call, Chain, Fork, MAX_TX_GAS};

#[test]
fn the_guide_holds_and_running_it_again_does_nothing() {
    let (anvil, folder) = (Anvil::start(&[]), copy());
    follow(guide().1, &folder, || anvil.zkml());
    let (anvil, folder) = (&anvil, &folder);
    let block = anvil.block();
    let again = evm_json(anvil, folder, &["deploy", "--yes"]);
    for contract in ["verifier", "model_verifier"] {
        assert_eq!(again[contract]["already"], true, "{again}");
    }
    let again = evm_json(anvil, folder, &REGISTER);
    assert_eq!(again["models"][0]["already"], true, "{again}");
    let again = evm_json(anvil, folder, &SUBMIT);
    assert_eq!(again["already"], true, "{again}");
    // Another account's submission says nothing new either.
    let other = prepared(anvil, folder, &SUBMIT).env("ZKML_PRIVATE_KEY", KEYS[1]);
    let out = checked(other);
    assert!(out.stdout.contains("verified already"), "{}", out.stdout);
    assert_eq!(anvil.block(), block, "nothing was sent");

    let verified = evm_json(anvil, folder, &VERIFY);
    assert_eq!(text(&verified, "status"), "ok");
    let raw = evm_json(anvil, folder, &["verify", "aggregate.zkml", "--raw"]);
    assert_ne!(raw["contract"], verified["contract"]);
    // It can be had anew, by whoever wants to pay for it.
    let anew = [&SUBMIT[..], &["--again"]].concat();
    let anew = evm_json(anvil, folder, &anew);
    assert_eq!(anew["already"], false);
    assert_ne!(anvil.block(), block);
}

#[test]
fn gas_is_that_of_the_local_evm() {
    let (anvil, folder) = (Anvil::start(&[]), copy());
    let deployed = evm_json(&anvil, &folder, &["deploy", "--yes"]);
    let registered = evm_json(&anvil, &folder, &REGISTER);
    let submitted = evm_json(&anvil, &folder, &SUBMIT);
    let raw = evm_json(
        &anvil,
        &folder,
        &["submit", "aggregate.zkml", "--raw", "--yes"],
    );
    let sent = |value: &Value| {
        assert_eq!(value["transaction"]["sent"], true, "{value}");
        let (gas, data) = anvil.transaction(text(&value["transaction"], "transaction"));
        assert_eq!(value["transaction"]["gas_used"], gas);
        (gas, data)
    };
    let mut chain = Chain::new(Fork::Prague);
    let mut places = Vec::new();
    for contract in ["verifier", "model_verifier"] {
        let (gas, creation) = sent(&deployed[contract]);
        assert_eq!(chain.deploy(&creation).unwrap().gas, gas, "{contract}");
        // At the address that it has on the node: addresses are in the calldata.
        let record = &deployed[contract]["record"];
        let address: Address = text(record, "address").parse().unwrap();
        let code = anvil.rpc("eth_getCode", json!([address, "latest"]));
        let code = unhex(code.as_str().unwrap());
        assert_eq!(keccak256(&code).to_string(), text(record, "code_hash"));
        chain.set_code(address, &code);
        places.push(address);
    }
    for (what, value, to) in [
        ("registration", &registered["models"][0], places[1]),
        ("submission", &submitted, places[1]),
        ("raw submission", &raw, places[0]),
    ] {
        let (gas, calldata) = sent(value);
        let call = Call {
            from: Address::ZERO,
            to,
            value: 0,
            calldata: &calldata,
            gas: MAX_TX_GAS,
        };
        let outcome = chain.send(&call).unwrap();
        assert!(outcome.returned, "{what}: {}", outcome.ending);
        assert_eq!(outcome.gas.total, gas, "{what}");
        let parts = outcome.gas;
        assert!(
            parts.precompiles > 100_000 || what == "registration",
            "{parts:?}"
        );
    }
    // The estimate knows no addresses: their zero bytes may cost a little less or more.
    let estimate = evm_json(
        &anvil,
        &folder,
        &["estimate", "aggregate.zkml", "--keys", "keys"],
    );
    let steps = estimate["forks"][0]["steps"].as_array().unwrap();
    let estimated = steps.last().unwrap()["gas"].as_u64().unwrap();
    let real = submitted["transaction"]["gas_used"].as_u64().unwrap();
    assert!(estimated.abs_diff(real) < 32 * 12, "{estimated} {real}");
    assert!(steps[0]["wei"].is_string(), "{estimate}");
}

#[test]
fn calldata_is_what_submit_sends() {
    let (anvil, folder) = registered(&[]);
    let chain = ["--chain-id", "31337"];
    let command = [&["calldata"][..], &SUBMIT[1..4], &chain].concat();
    let printed = evm_json(&anvil, &folder, &command);
    let out = evm(&anvil, &folder, &command);
    assert_eq!(out.stdout.trim_end(), text(&printed, "calldata"));
    let submitted = evm_json(&anvil, &folder, &SUBMIT);
    let (_, data) = anvil.transaction(text(&submitted["transaction"], "transaction"));
    assert_eq!(unhex(text(&printed, "calldata")), data);
    let file = folder.path("calldata.hex");
    let raw = [
        "calldata",
        "aggregate.zkml",
        "--raw",
        "--chain-id",
        "31337",
        "--out",
        &file,
    ];
    let raw = evm_json(&anvil, &folder, &raw);
    let written = fs::read_to_string(file).unwrap();
    assert_eq!(written.trim_end(), text(&raw, "calldata"));
    let elsewhere = ["calldata", "aggregate.zkml", "--raw", "--chain-id", "1"];
    let allow = [&elsewhere[..], &["--allow-insecure-srs"]].concat();
    let out = evm(&anvil, &folder, &allow);
    assert!(
        out.code == 1 && out.stderr.contains("no record of ZkmlVerifier on chain 1"),
        "{}",
        out.stderr
    );
}
