//! What does not fit together, and how it is said.

use crate::{
    scene::{checked, copy, evm, evm_json, prepared, registered, tamper, REGISTER, SUBMIT, VERIFY},
    support::{anvil::Anvil, text, Zkml},
};
use serde_json::{json, Value};
use std::fs;
use zkml_files::{read_container, write_container, Kind};

#[test]
fn nodes_and_chains_are_checked() {
    let (anvil, folder) = (Anvil::start(&[]), copy());
    let gone = Anvil::start(&[]).url();
    let secret = format!("{gone}/v3/api-key-5e1f");
    for (url, message) in [
        (secret.as_str(), "eth_chainId"),
        ("ws://127.0.0.1/api-key-5e1f", "URL cannot be used"),
        ("127.0.0.1:8545", "URL cannot be used"),
    ] {
        let zkml = prepared(&anvil, &folder, &["deploy", "--yes", "--rpc-url", url]);
        let out = checked(zkml.env("ZKML_LOG", "trace"));
        assert_eq!(out.code, 1, "{}", out.stderr);
        assert!(out.stderr.contains(message), "{}", out.stderr);
        assert!(!out.stderr.contains("api-key-5e1f"), "{}", out.stderr);
    }
    let out = evm(&anvil, &folder, &["deploy", "--yes", "--chain-id", "1"]);
    assert_eq!(out.code, 1);
    assert!(
        out.stderr.contains("chain 31337, expected chain 1"),
        "{}",
        out.stderr
    );
    let zkml = Zkml::new().args(&["evm", "deploy", "--contract", &folder.path("contract")]);
    let out = checked(zkml);
    assert!(
        out.code == 1 && out.stderr.contains("--rpc-url"),
        "{}",
        out.stderr
    );
    // What answers is not a node.
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    let answers = std::thread::spawn(move || {
        use std::io::{Read, Write};
        for body in [
            "<html>",
            "{}",
            r#"{"result":"x"}"#,
            r#"{"error":5}"#,
            r#"{"result":null}"#,
        ] {
            let (mut stream, _) = server.accept().unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).unwrap();
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            )
            .unwrap();
        }
    });
    for _ in 0..5 {
        let out = evm(&anvil, &folder, &["deploy", "--yes", "--rpc-url", &url]);
        assert_eq!(out.code, 1, "{}", out.stderr);
        assert!(out.stderr.contains("eth_chainId"), "{}", out.stderr);
    }
    answers.join().unwrap();
    assert_eq!(anvil.block(), "0x0");
}

#[test]
fn rejected_proofs_exit_with_3_and_are_not_sent() {
    let (anvil, folder) = registered(&[]);
    let block = anvil.block();
    let flip = |bundle: &mut Value| {
        let proof = bundle["aggregate"]["proof"].as_array_mut();
        match proof {
            Some(bytes) => {
                let last = bytes.last_mut().unwrap();
                *last = json!(last.as_u64().unwrap() ^ 1);
            }
            None => {
                let proof = text(&bundle["aggregate"], "proof").to_owned();
                let end = if proof.ends_with('0') { "1" } else { "0" };
                bundle["aggregate"]["proof"] = json!(proof[..proof.len() - 1].to_owned() + end);
            }
        }
    };
    let output = |bundle: &mut Value| {
        let values = &mut bundle["inner"][0]["statement"]["outputs"][0]["public"];
        values[0] = json!(values[0].as_i64().expect("an output") + 1);
    };
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 2] = [("a bit of the proof", flip), ("an output", output)];
    for (what, change) in changes {
        let before = fs::read(folder.path("aggregate.zkml")).unwrap();
        tamper(&folder, change);
        for command in [&VERIFY[..], &SUBMIT] {
            let out = evm(&anvil, &folder, command);
            assert_eq!(
                out.code, 3,
                "{what}: {command:?}: {}{}",
                out.stdout, out.stderr
            );
            assert!(out.stderr.contains("proof rejected: "), "{}", out.stderr);
        }
        fs::write(folder.path("aggregate.zkml"), before).unwrap();
    }
    tamper(&folder, flip);
    for command in ["verify", "submit"] {
        let raw = [command, "aggregate.zkml", "--raw"];
        let raw = if command == "submit" {
            [&raw[..], &["--yes"]].concat()
        } else {
            raw.to_vec()
        };
        let out = evm(&anvil, &folder, &raw);
        assert_eq!(out.code, 3, "{}{}", out.stdout, out.stderr);
        assert!(
            out.stderr.contains("MalformedProof") || out.stderr.contains("InvalidProof"),
            "{}",
            out.stderr
        );
    }
    assert_eq!(anvil.block(), block, "nothing was sent");
}

#[test]
fn what_is_missing_is_said() {
    let (anvil, folder) = (Anvil::start(&[]), copy());
    for command in [&VERIFY[..], &SUBMIT, &REGISTER] {
        let out = evm(&anvil, &folder, command);
        assert_eq!(out.code, 1, "{}", out.stderr);
        assert!(
            out.stderr.contains("run `zkml evm deploy` first"),
            "{}",
            out.stderr
        );
    }
    let deployed = evm_json(&anvil, &folder, &["deploy", "--yes"]);
    for command in [&VERIFY[..], &SUBMIT] {
        let out = evm(&anvil, &folder, command);
        assert_eq!(out.code, 1, "{}", out.stderr);
        assert!(
            out.stderr.contains("run `zkml evm register`"),
            "{}",
            out.stderr
        );
    }
    // An address with other code, and one with none.
    let verifier = text(&deployed["verifier"]["record"], "address");
    for (address, message) in [
        (verifier, "expected the code of ModelVerifier"),
        (
            "0x00000000000000000000000000000000000000aa",
            "there is no contract",
        ),
    ] {
        let out = evm(
            &anvil,
            &folder,
            &[&VERIFY[..], &["--model-verifier", address]].concat(),
        );
        assert!(
            out.code == 1 && out.stderr.contains(message),
            "{}",
            out.stderr
        );
    }
    // A node that has begun anew has none of it: it is deployed again.
    let anvil = Anvil::start(&[]);
    let again = evm_json(&anvil, &folder, &["deploy", "--yes"]);
    assert_eq!(again["verifier"]["already"], false);
}

/// What a proof's file says of its keys and its model is compared with them, so that a forged one registers nothing.
#[test]
fn a_forged_file_registers_nothing() {
    let (anvil, folder) = (Anvil::start(&[]), copy());
    evm_json(&anvil, &folder, &["deploy", "--yes"]);
    let block = anvil.block();
    let other = format!("0x{:064x}", 5);
    // Public values are in the file as the field library writes them: one is taken from another place.
    let digest = |bundle: &mut Value| {
        let value = bundle["aggregate"]["instances"][0].clone();
        bundle["aggregate"]["instances"][12] = value;
    };
    let claimed = |bundle: &mut Value| bundle["inner"][0]["key_digest"] = json!(other);
    let weights = |bundle: &mut Value| bundle["inner"][0]["statement"]["commitment"] = json!(other);
    let good = fs::read(folder.path("aggregate.zkml")).unwrap();
    type Change<'a> = &'a dyn Fn(&mut Value);
    let changes: [(&str, Change<'_>); 3] = [
        ("a digest among the public values", &digest),
        ("a digest beside them", &claimed),
        ("other weights", &weights),
    ];
    for (what, change) in changes {
        tamper(&folder, change);
        for command in [&REGISTER[..], &VERIFY, &SUBMIT] {
            let out = evm(&anvil, &folder, command);
            assert_eq!(out.code, 3, "{what}: {}{}", out.stdout, out.stderr);
        }
        fs::write(folder.path("aggregate.zkml"), &good).unwrap();
    }
    // Without the weights the commitment is the user's to say, not the proof's.
    fs::remove_file(folder.path("keys/weights.opening")).unwrap();
    let out = evm(&anvil, &folder, &REGISTER);
    assert_eq!(out.code, 1, "{}", out.stderr);
    assert!(out.stderr.contains("--commitment"), "{}", out.stderr);
    assert_eq!(anvil.block(), block, "nothing was sent");
}

/// A contract for circuits of other gates and columns would take the registration, and never verify a proof.
#[test]
fn a_model_that_the_contract_never_verifies_is_not_registered() {
    let (anvil, folder) = (Anvil::start(&[]), copy());
    evm_json(&anvil, &folder, &["deploy", "--yes"]);
    let block = anvil.block();
    let path = folder.path("contract/ZkmlVerifier.json");
    let good: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let own = good["checks"]["aggregate"]["structures"][0]
        .as_str()
        .unwrap();
    let other = format!("0x{:064x}", 5);
    let without: [&str; 4] = ["register", "--keys", "keys", "--yes"];
    for (structures, parts) in [
        (json!([other]), vec!["could never be verified", own, &other]),
        (
            json!([]),
            vec!["checks.aggregate.structures: expected one for each"],
        ),
    ] {
        let mut artefact = good.clone();
        artefact["checks"]["aggregate"]["structures"] = structures;
        fs::write(&path, artefact.to_string()).unwrap();
        for command in [&without[..], &REGISTER, &VERIFY] {
            let out = evm(&anvil, &folder, command);
            assert_eq!(out.code, 1, "{}", out.stdout);
            for part in &parts {
                assert!(out.stderr.contains(part), "{part}: {}", out.stderr);
            }
        }
    }
    assert_eq!(anvil.block(), block);
}

/// A key that says of itself what it is for, and is another.
#[test]
fn an_aggregation_key_of_another_circuit_is_refused() {
    let folder = copy();
    let keys = folder.path("keys");
    let key = folder.path("keys/aggregation-1.key");
    let made = crate::scene::made().path("keys/aggregation-1.key");
    let payload = read_container(made.as_ref(), Kind::AggregationKey, 2).unwrap();
    let length = u64::from_le_bytes(payload[..8].try_into().unwrap()) as usize;
    let (mut forged, first) = (payload.clone(), 8 + length + 10);
    // A fixed column of the circuit is another's.
    forged.copy_within(first + 64..first + 128, first);
    write_container(key.as_ref(), Kind::AggregationKey, 2, &mut |out| {
        out.write_all(&forged)
    })
    .unwrap();
    let contract = folder.path("forged");
    let generate = [
        "evm",
        "generate",
        "--mode",
        "aggregate",
        "--keys",
        &keys,
        "--out",
    ];
    let out = checked(Zkml::new().args(&generate).args(&[&contract]));
    assert_eq!(out.code, 3, "{}", out.stderr);
    assert!(
        out.stderr
            .contains("is not the aggregation key of these circuits"),
        "{}",
        out.stderr
    );
    assert!(fs::metadata(contract).is_err());
}

/// The verifying key of another circuit under a model's configuration: its digest would make another id, which looks like
/// that of the configuration.
#[test]
fn a_verifying_key_of_another_circuit_is_refused() {
    let (anvil, folder) = registered(&[]);
    let block = anvil.block();
    let key = folder.path("keys/verifying.key");
    let mut payload = read_container(key.as_ref(), Kind::VerifyingKey, 2).unwrap();
    let length = u32::from_le_bytes(payload[32..36].try_into().unwrap()) as usize;
    let first = 36 + length + 10;
    payload.copy_within(first + 64..first + 128, first);
    write_container(key.as_ref(), Kind::VerifyingKey, 2, &mut |out| {
        out.write_all(&payload)
    })
    .unwrap();
    let register = ["register", "--keys", "keys", "--yes"];
    let calldata = [
        "calldata",
        "--function",
        "register",
        "--keys",
        "keys",
        "--chain-id",
        "31337",
    ];
    let id = ["model-id", "--keys", "keys", "--verifier", PLACE];
    for command in [&register[..], &calldata, &id, &VERIFY, &SUBMIT] {
        let out = evm(&anvil, &folder, command);
        assert_eq!(out.code, 3, "{command:?}: {}{}", out.stdout, out.stderr);
        assert!(out.stderr.contains("is not the key of"), "{}", out.stderr);
        assert!(!out.stdout.contains("model id"), "{}", out.stdout);
    }
    assert_eq!(anvil.block(), block, "nothing was sent");
}

/// Whose weights a proof is of is known, or asked for.
#[test]
fn a_model_without_a_commitment_is_refused() {
    let (anvil, folder) = registered(&[]);
    fs::remove_file(folder.path("keys/weights.opening")).unwrap();
    for command in [&VERIFY[..], &SUBMIT] {
        let out = evm(&anvil, &folder, command);
        assert_eq!(out.code, 1, "{}{}", out.stdout, out.stderr);
        assert!(
            out.stderr.contains("commitment is not known"),
            "{}",
            out.stderr
        );
    }
}

const PLACE: &str = "0x0000000000000000000000000000000000000001";
