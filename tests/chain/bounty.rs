//! A contract that acts on results, on a node: `ClassBounty` pays for a proof that answers its request.

use crate::{
    scene::{checked, evm_json},
    support::{
        anvil::{unhex, Anvil},
        text, Folder, Zkml,
    },
};
use serde_json::{json, Value};
use std::{path::Path, time::Duration};
use zkml_evm_verifier::{chain::keccak256, contracts::class_bounty};

/// Wei that a proof earns.
const REWARD: u64 = 1_000_000;

/// Sends from an account of the node's own; returns the receipt.
fn send(anvil: &Anvil, mut transaction: Value) -> Value {
    transaction["gas"] = json!("0x4c4b40");
    let hash = anvil.rpc("eth_sendTransaction", json!([transaction]));
    // The node answers before the block is there.
    for _ in 0..200 {
        let receipt = anvil.rpc("eth_getTransactionReceipt", json!([hash]));
        if !receipt.is_null() {
            return receipt;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("no receipt of {hash}");
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{digits}")
}

fn selector(function: &str) -> Vec<u8> {
    keccak256(function.as_bytes())[..4].to_vec()
}

/// `claim(input, output, proof)` from `submit(model, context, input, output, proof)`: two words less, so that the
/// offsets of the three are smaller by as much.
fn claim(submit: &[u8]) -> Vec<u8> {
    let words = &submit[4..];
    let mut out = selector("claim(bytes,bytes,bytes)");
    for i in 2..5 {
        let mut offset = words[32 * i..32 * (i + 1)].to_vec();
        let low = u64::from_be_bytes(offset[24..].try_into().unwrap());
        offset[24..].copy_from_slice(&(low - 64).to_be_bytes());
        out.extend(offset);
    }
    out.extend_from_slice(&words[32 * 5..]);
    out
}

#[test]
fn a_bounty_is_paid_once_to_whoever_asked() {
    let anvil = Anvil::start(&[]);
    let folder = Folder::new();
    let digits = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/digits");
    let file = |name: &str| digits.join(name).display().to_string();
    let run = |arguments: &[&str]| {
        let out = checked(Zkml::new().current_dir(&folder.path("")).args(arguments));
        assert_eq!(out.code, 0, "{arguments:?}: {}", out.stderr);
        out
    };
    let model = file("model.onnx");
    let setup = ["setup", &model, "--out", "keys", "--input-range", "0,1"];
    run(&[&setup[..], &["--optimize", "direct"]].concat());
    let generate = ["evm", "generate", "--keys", "keys", "--mode", "direct"];
    run(&[&generate[..], &["--out", "contract"]].concat());
    let deployed = evm_json(&anvil, &folder, &["deploy", "--yes"]);
    let front = text(&deployed["model_verifier"]["record"], "address").to_string();

    // Direct models are registered from any proof of theirs.
    let prove = |context: &str, out: &str| {
        let picture = file("seven.png");
        let proof = ["prove", &picture, "--keys", "keys", "--out", out];
        run(&[&proof[..], &["--context", context]].concat());
    };
    prove("0x1", "first.zkml");
    let register = [
        "register",
        "--keys",
        "keys",
        "--proof",
        "first.zkml",
        "--yes",
    ];
    let registered = evm_json(&anvil, &folder, &register);
    let id = unhex(text(&registered["models"][0], "model_id"));

    let accounts = anvil.rpc("eth_accounts", json!([]));
    let (owner, alice, bob) = (&accounts[0], &accounts[1], &accounts[2]);
    let word = |value: u64| format!("{value:064x}");
    let creation = hex(&class_bounty().unwrap().creation())
        + &format!("{:0>64}", &front[2..])
        + &hex(&id)[2..]
        + &word(7)
        + &word(REWARD);
    let value = format!("{:#x}", 2 * REWARD);
    let receipt = send(
        &anvil,
        json!({ "from": owner, "data": creation, "value": value }),
    );
    assert_eq!(receipt["status"], "0x1", "{receipt}");
    let bounty = receipt["contractAddress"].clone();

    // The request says which context the proof must have.
    let request = hex(&selector("request()"));
    let receipt = send(
        &anvil,
        json!({ "from": alice, "to": bounty, "data": request }),
    );
    assert_eq!(receipt["status"], "0x1", "{receipt}");
    let data = text(&receipt["logs"][0], "data");
    prove(&data[..66], "second.zkml");
    let claim_of = |proof: &str| {
        let calldata = ["calldata", proof, "--keys", "keys", "--chain-id", "31337"];
        let printed = evm_json(&anvil, &folder, &calldata);
        hex(&claim(&unhex(text(&printed, "calldata"))))
    };
    let held = || anvil.rpc("eth_getBalance", json!([bounty, "latest"]));
    let status = |from: &Value, data: &str| {
        send(&anvil, json!({ "from": from, "to": bounty, "data": data }))["status"].clone()
    };
    let good = claim_of("second.zkml");
    assert_eq!(
        status(alice, &claim_of("first.zkml")),
        "0x0",
        "another context"
    );
    assert_eq!(status(bob, &good), "0x0", "no request of his");
    assert_eq!(held(), value);
    assert_eq!(status(alice, &good), "0x1");
    assert_eq!(held(), format!("{REWARD:#x}"), "the reward is paid");
    assert_eq!(status(alice, &good), "0x0", "once");
    assert_eq!(held(), format!("{REWARD:#x}"));
}
