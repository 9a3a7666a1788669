//! Contracts that accept false proofs (ZKML-2026-001): told from bytes, files and addresses, and never used.

use crate::{
    scene::{checked, copy, evm, evm_json, REGISTER, SUBMIT, VERIFY},
    support::{anvil::Anvil, json, text, Run, Zkml},
};
use serde_json::{json, Value};
use std::{fs, path::Path};

const NAME: &str = "ZKML-2026-001";

/// A contract that zkml 0.1.0 made of a small circuit with an accumulator.
fn affected() -> String {
    let path = "evm-verifier/tests/data/zkml-2026-001.hex";
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn edit(path: &str, change: impl FnOnce(&mut Value)) {
    let mut artefact = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut artefact);
    fs::write(path, artefact.to_string()).unwrap();
}

fn assert_advised(out: &Run, code: i32) {
    assert_eq!(out.code, code, "{}{}", out.stdout, out.stderr);
    assert!(out.stderr.contains(NAME), "{}", out.stderr);
    assert!(out.stderr.contains("evm generate"), "{}", out.stderr);
}

#[test]
fn contracts_are_told_apart() {
    let (anvil, folder) = (Anvil::start(&[]), copy());
    let inspect = |contract: &str| {
        let zkml = anvil.zkml().current_dir(&folder.path(""));
        checked(zkml.args(&["evm", "inspect", contract, "--json"]))
    };
    let file = "contract/ZkmlVerifier.json";
    let deployed = evm_json(&anvil, &folder, &["deploy", "--yes"]);
    let address = deployed["verifier"]["record"]["address"].as_str().unwrap();
    let artefact: Value = serde_json::from_slice(&fs::read(folder.path(file)).unwrap()).unwrap();
    let good = text(&artefact, "runtime");
    for contract in ["contract", file, good, address] {
        let out = inspect(contract);
        assert_eq!(out.code, 0, "{}", out.stderr);
        assert_eq!(json(&out)["advisories"], json!([]), "{}", out.stdout);
    }

    let bad = affected();
    fs::write(folder.path("bad.hex"), &bad).unwrap();
    // What 0.1.0 wrote had no version.
    fs::copy(folder.path(file), folder.path("old.json")).unwrap();
    edit(&folder.path("old.json"), |artefact| {
        artefact["runtime"] = json!(bad.trim());
        artefact.as_object_mut().unwrap().remove("version");
    });
    let place = "0x00000000000000000000000000000000000000bb";
    anvil.rpc("anvil_setCode", json!([place, bad.trim()]));
    for contract in [bad.trim(), "bad.hex", "old.json", place] {
        let out = inspect(contract);
        assert_advised(&out, 3);
        assert!(out.stderr.contains("8 words"), "{}", out.stderr);
        assert_eq!(text(&json(&out), "status"), "rejected", "{}", out.stdout);
    }

    // What says nothing of a verifier is an error, and no all-clear.
    let nowhere = "0x00000000000000000000000000000000000000cc";
    for (contract, message) in [
        ("0x00", "no pairing"),
        ("0x", "no contract"),
        ("0x0", "even number"),
        (nowhere, "no contract at"),
        ("keys/verifying.key", "expected text"),
        ("keys/config.json", "evm generate"),
        ("nothing", "nothing"),
    ] {
        let out = inspect(contract);
        assert_eq!(out.code, 1, "{contract}: {}", out.stdout);
        assert!(out.stderr.contains(message), "{contract}: {}", out.stderr);
    }
}

#[test]
fn earlier_artefacts_and_their_bytecode_are_not_used() {
    let (anvil, folder) = (Anvil::start(&[]), copy());
    let file = folder.path("contract/ZkmlVerifier.json");
    let good = fs::read(&file).unwrap();
    let bad = affected();
    let unversioned = |artefact: &mut Value| {
        artefact.as_object_mut().unwrap().remove("version");
    };
    // Whoever writes a version into an old file has its bytecode refused.
    let relabelled = |artefact: &mut Value| artefact["runtime"] = json!(bad.trim());
    let changes: [&dyn Fn(&mut Value); 2] = [&unversioned, &relabelled];
    let calldata = [
        "calldata",
        "aggregate.zkml",
        "--keys",
        "keys",
        "--chain-id",
        "31337",
    ];
    for change in changes {
        fs::write(&file, &good).unwrap();
        edit(&file, change);
        let commands: [&[&str]; 5] = [
            &["deploy", "--yes"],
            &REGISTER,
            &SUBMIT,
            &VERIFY,
            &["estimate", "aggregate.zkml", "--keys", "keys"],
        ];
        for command in commands {
            assert_advised(&evm(&anvil, &folder, command), 1);
        }
        let test = ["evm", "test", "aggregate.zkml", "--contract", "contract"];
        let out = Zkml::new().current_dir(&folder.path("")).args(&test).run();
        assert_advised(&out, 1);
        assert_eq!(evm(&anvil, &folder, &calldata).code, 1);
    }
    fs::write(&file, &good).unwrap();
    edit(&file, |artefact| artefact["version"] = json!(99));
    let out = evm(&anvil, &folder, &["deploy", "--yes"]);
    assert_eq!(out.code, 1);
    let expected = format!("expected version {}", zkml_cli::contract::VERSION);
    assert!(out.stderr.contains(&expected), "{}", out.stderr);
    assert_eq!(anvil.block(), "0x0");
}
