//! What does not fit together, and how it is said.

use crate::{
    scene::{checked, copy, evm, evm_json, prepared, registered, tamper, REGISTER, SUBMIT, VERIFY},
    support::{anvil::Anvil, text, Zkml},
};
use serde_json::{json, Value};
use std::fs;

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
