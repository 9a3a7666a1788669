//! Transactions that are signed elsewhere, and calldata in its parts.

use crate::{
    scene::{checked, direct, evm, evm_json},
    support::{
        anvil::{unhex, Anvil, KEYS},
        json, text, Zkml,
    },
};
use serde_json::{json, Value};
use std::fs;

/// The first account: the node signs for it.
const ACCOUNT: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

/// The second account.
const OTHER: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

/// The items of a list in RLP, each without its head.
fn items(rlp: &[u8]) -> Vec<Vec<u8>> {
    let head = |bytes: &[u8]| -> (usize, usize) {
        let long = |count: u8| {
            let count = usize::from(count);
            let length = bytes[1..=count]
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (1 + count, length)
        };
        match bytes[0] {
            0..=0x7f => (0, 1),
            byte @ 0x80..=0xb7 => (1, usize::from(byte - 0x80)),
            byte @ 0xb8..=0xbf => long(byte - 0xb7),
            byte @ 0xc0..=0xf7 => (1, usize::from(byte - 0xc0)),
            byte => long(byte - 0xf7),
        }
    };
    let (start, length) = head(rlp);
    assert_eq!(start + length, rlp.len(), "nothing behind it");
    let (mut rest, mut found) = (&rlp[start..], Vec::new());
    while !rest.is_empty() {
        let (start, length) = head(rest);
        found.push(rest[start..start + length].to_vec());
        rest = &rest[start + length..];
    }
    found
}

/// Compares bytes and fields of a transaction.
fn same(sent: &Value) {
    let fields = &sent["unsigned"];
    let bytes = unhex(text(sent, "rlp"));
    let (kind, list) = bytes.split_first().unwrap();
    assert_eq!(*kind, 2, "EIP-1559");
    let expected: Vec<Vec<u8>> = [
        "chainId",
        "nonce",
        "maxPriorityFeePerGas",
        "maxFeePerGas",
        "gas",
        "to",
        "value",
        "data",
    ]
    .map(|field| match field {
        "to" => fields[field].as_str().map_or(Vec::new(), unhex),
        "data" => unhex(text(fields, field)),
        number => {
            let number = u128::from_str_radix(&text(fields, number)[2..], 16).unwrap();
            let bytes = number.to_be_bytes();
            bytes.into_iter().skip_while(|byte| *byte == 0).collect()
        }
    })
    .into();
    let found = items(list);
    assert_eq!(found.len(), 9);
    assert_eq!(found[..8], expected);
    assert_eq!(found[8], [0u8; 0], "no access list");
}

#[test]
fn transactions_can_be_signed_elsewhere() {
    let (anvil, folder) = (Anvil::start(&[]), direct());
    let unsigned = |command: &[&str]| {
        let zkml = Zkml::new()
            .current_dir(&folder.path(""))
            .env("ETH_RPC_URL", &anvil.url());
        // There is no key.
        let command = [
            command,
            &["--contract", "contract", "--unsigned", ACCOUNT, "--json"],
        ];
        let out = checked(zkml.args(&["evm"]).args(&command.concat()));
        assert_eq!(out.code, 0, "{}", out.stderr);
        json(&out)
    };
    let deployed = unsigned(&["deploy"]);
    assert_eq!(anvil.block(), "0x0");
    let files = fs::read_dir(folder.path("contract")).unwrap().count();
    assert_eq!(files, 1, "no record of what was not sent");
    let kinds = ["verifier", "model_verifier"];
    let mut adopt = vec!["deploy"];
    for (index, kind) in kinds.into_iter().enumerate() {
        let sent = &deployed[kind];
        same(sent);
        assert_eq!(sent["unsigned"]["nonce"], format!("{index:#x}"));
        let receipt = anvil.send(&sent["unsigned"]);
        assert_eq!(receipt["status"], "0x1", "{receipt}");
        let creates = text(sent, "creates");
        assert_eq!(text(&receipt, "contractAddress"), creates.to_lowercase());
        adopt.extend([["--verifier", "--model-verifier"][index], creates]);
    }
    evm_json(&anvil, &folder, &adopt);
    for (command, place) in [
        (&["register", "--keys", "keys"][..], "/models/0"),
        (&["submit", "proof.zkml", "--keys", "keys"], ""),
    ] {
        let out = unsigned(command);
        let sent = out.pointer(&format!("{place}/transaction")).unwrap();
        same(sent);
        let receipt = anvil.send(&sent["unsigned"]);
        assert_eq!(receipt["status"], "0x1", "{receipt}");
        let again = unsigned(command);
        assert_eq!(
            again.pointer(&format!("{place}/already")),
            Some(&json!(true)),
            "{again}"
        );
    }
}

/// The calldata of each step is what the step sends, and its parts are in it.
#[test]
fn calldata_of_every_step_is_what_is_sent() {
    let (anvil, folder) = (Anvil::start(&[]), direct());
    let calldata = |more: &[&str]| {
        let command = [&["calldata", "--chain-id", "31337"], more].concat();
        evm_json(&anvil, &folder, &command)
    };
    let of = |printed: &Value| unhex(text(printed, "calldata"));
    let creation = calldata(&["--function", "deploy-verifier"]);
    let front = calldata(&["--function", "deploy-model-verifier"]);
    let deployed = evm_json(&anvil, &folder, &["deploy", "--yes"]);
    for (kind, printed) in [("verifier", creation), ("model_verifier", front)] {
        let (_, data) = anvil.transaction(text(&deployed[kind]["transaction"], "transaction"));
        assert!(of(&printed) == data, "{kind}");
        assert_eq!(printed["to"], Value::Null);
    }
    let registration = calldata(&["--function", "register", "--keys", "keys"]);
    let registered = evm_json(&anvil, &folder, &["register", "--keys", "keys", "--yes"]);
    let registered = &registered["models"][0];
    let (_, data) = anvil.transaction(text(&registered["transaction"], "transaction"));
    assert_eq!(of(&registration), data);
    assert_eq!(registration["model_ids"][0], registered["model_id"]);

    let printed = calldata(&["proof.zkml", "--keys", "keys"]);
    let statement = &printed["statements"][0];
    assert_eq!(statement["model_id"], registered["model_id"]);
    // Solidity's encoding of the parts is the calldata.
    let part = |value: &Value, field: &str| unhex(text(value, field));
    let dynamic = [
        part(statement, "input"),
        part(statement, "output"),
        part(&printed, "proof"),
    ];
    let word = |number: usize| {
        let mut word = [0u8; 32];
        word[24..].copy_from_slice(&(number as u64).to_be_bytes());
        word
    };
    let mut expected = of(&printed)[..4].to_vec();
    expected.extend(part(statement, "model_id"));
    expected.extend(part(statement, "context"));
    let (mut offset, mut tail) = (5 * 32, Vec::new());
    for bytes in &dynamic {
        expected.extend(word(offset));
        tail.extend(word(bytes.len()));
        tail.extend(bytes);
        tail.resize(tail.len().next_multiple_of(32), 0);
        offset = 5 * 32 + tail.len();
    }
    expected.extend(tail);
    assert_eq!(of(&printed), expected);
    // What is missing, or too much, is said.
    for (command, message) in [
        (&["--function", "submit", "--keys", "keys"][..], "no proof"),
        (
            &["proof.zkml", "--function", "register", "--keys", "keys"],
            "only --function",
        ),
        (&["--function", "register"], "--keys"),
    ] {
        let out = evm(
            &anvil,
            &folder,
            &[&["calldata", "--chain-id", "31337"], command].concat(),
        );
        assert!(
            out.code == 1 && out.stderr.contains(message),
            "{}",
            out.stderr
        );
    }
}

/// One address, and one id, on every chain.
#[test]
fn create2_gives_one_address_on_every_chain() {
    let mut places = Vec::new();
    let mut ids = Vec::new();
    for (chain, key) in [("31337", 0), ("77", 1)] {
        let (anvil, folder) = (Anvil::start(&["--chain-id", chain]), direct());
        let run = |command: &[&str]| {
            let zkml = anvil.zkml().env("ZKML_PRIVATE_KEY", KEYS[key]);
            let zkml = zkml
                .current_dir(&folder.path(""))
                .args(&["evm"])
                .args(command);
            let out = checked(zkml.args(&["--contract", "contract", "--json"]));
            assert_eq!(out.code, 0, "{}", out.stderr);
            json(&out)
        };
        let allow = ["--yes", "--allow-insecure-srs", "--chain-id", chain];
        let deploy = [&["deploy", "--create2"][..], &allow].concat();
        // From any number of the account's.
        if key == 1 {
            anvil.send(&json!({ "from": OTHER, "to": OTHER, "value": "0x1" }));
        }
        let deployed = run(&deploy);
        for kind in ["verifier", "model_verifier"] {
            assert_eq!(deployed[kind]["already"], false, "{deployed}");
        }
        let block = anvil.block();
        assert_eq!(run(&deploy)["verifier"]["already"], true);
        let offline = run(&["model-id", "--keys", "keys", "--create2"]);
        let register = [&["register", "--keys", "keys"][..], &allow].concat();
        let registered = run(&register);
        let id = registered["models"][0]["model_id"].clone();
        assert_eq!(offline["models"][0]["model_id"], id);
        ids.push(id);
        places.push(
            ["verifier", "model_verifier"].map(|kind| deployed[kind]["record"]["address"].clone()),
        );
        // Whoever has no record finds them.
        let other = direct();
        let zkml = anvil
            .zkml()
            .current_dir(&other.path(""))
            .args(&["evm"])
            .args(&deploy);
        let out = checked(zkml.args(&["--contract", "contract", "--json"]));
        assert_eq!(out.code, 0, "{}", out.stderr);
        let found = &json(&out)["verifier"];
        assert_eq!(found["already"], true);
        assert_eq!(
            found["record"]["block"],
            deployed["verifier"]["record"]["block"]
        );
        // Beside those of another way of deploying there is no place for their records.
        let plain = direct();
        let without: Vec<&str> = deploy
            .iter()
            .copied()
            .filter(|part| *part != "--create2")
            .collect();
        let zkml = || anvil.zkml().current_dir(&plain.path("")).args(&["evm"]);
        let out = checked(zkml().args(&without).args(&["--contract", "contract"]));
        assert_eq!(out.code, 0, "{}", out.stderr);
        let out = checked(zkml().args(&deploy).args(&["--contract", "contract"]));
        assert!(
            out.code == 1 && out.stderr.contains("--create2"),
            "{}",
            out.stderr
        );
        assert_ne!(block, anvil.block());
        // A chain without the deployer.
        let none = direct();
        anvil.rpc(
            "anvil_setCode",
            json!(["0x4e59b44847b379578588920cA78FbF26c0B4956C", "0x"]),
        );
        anvil.rpc("anvil_setCode", json!([places[0][0], "0x"]));
        let zkml = anvil
            .zkml()
            .current_dir(&none.path(""))
            .args(&["evm"])
            .args(&deploy);
        let out = checked(zkml.args(&["--contract", "contract"]));
        assert!(
            out.code == 1 && out.stderr.contains("usual deployer"),
            "{}",
            out.stderr
        );
    }
    assert_eq!(places[0], places[1]);
    assert_eq!(ids[0], ids[1]);
}
