//! Nodes that refuse, forget, or answer what was not asked.

use crate::{
    scene::{checked, direct, evm, evm_json},
    support::{
        anvil::Anvil,
        json,
        proxy::{Answer, Proxy},
        text, Folder, Run,
    },
};
use serde_json::{json, Value};
use std::{
    fs,
    sync::{
        atomic::{AtomicUsize, Ordering},
        Arc,
    },
};

const REGISTER: [&str; 4] = ["register", "--keys", "keys", "--yes"];
const SUBMIT: [&str; 5] = ["submit", "proof.zkml", "--keys", "keys", "--yes"];

fn through(proxy: &Proxy, folder: &Folder, command: &[&str]) -> Run {
    let zkml = proxy.zkml().current_dir(&folder.path("")).args(&["evm"]);
    checked(zkml.args(command).args(&["--contract", "contract"]))
}

/// First and last block of a question for events.
fn range(params: &Value, newest: u64) -> (u64, u64) {
    let block = |field: &str| {
        let text = text(&params[0], field);
        let digits = text.strip_prefix("0x");
        digits.map_or(newest, |digits| u64::from_str_radix(digits, 16).unwrap())
    };
    (block("fromBlock"), block("toBlock"))
}

/// A node that looks at no more than some blocks at once.
fn narrow(anvil: &Anvil, most: u64, newest: u64, asked: Arc<AtomicUsize>) -> Proxy {
    Proxy::start(anvil, move |method, params| {
        if method != "eth_getLogs" {
            return Answer::Honest;
        }
        asked.fetch_add(1, Ordering::SeqCst);
        let (from, to) = range(params, newest);
        if to - from < most {
            return Answer::Honest;
        }
        Answer::Error(json!({ "code": -32005, "message": format!("at most {most} blocks") }))
    })
}

#[test]
fn an_earlier_event_is_found_where_few_blocks_are_looked_at() {
    let (anvil, folder) = (Anvil::start(&[]), direct());
    anvil.rpc("anvil_mine", json!(["0x20"]));
    let deployed = evm_json(&anvil, &folder, &["deploy", "--yes"]);
    evm_json(&anvil, &folder, &REGISTER);
    let submitted = evm_json(&anvil, &folder, &SUBMIT);
    let hash = text(&submitted["transaction"], "transaction");
    anvil.rpc("anvil_mine", json!(["0x65"]));
    let block = anvil.block();
    let newest = u64::from_str_radix(&block.as_str().unwrap()[2..], 16).unwrap();

    // Adopted by its address, without the record of who deployed it.
    let record = |kind: &str, field: &str| deployed[kind]["record"][field].clone();
    let (verifier, front) = (
        record("verifier", "address"),
        record("model_verifier", "address"),
    );
    let other = direct();
    let adopt = ["deploy", "--yes", "--verifier", verifier.as_str().unwrap()];
    let named = ["--model-verifier", front.as_str().unwrap()];
    let adopted = evm_json(&anvil, &other, &[&adopt[..], &named].concat());
    for kind in ["verifier", "model_verifier"] {
        assert_eq!(
            adopted[kind]["record"]["block"],
            record(kind, "block"),
            "{adopted}"
        );
        assert_eq!(adopted[kind]["record"]["address"], record(kind, "address"));
    }
    // A record without its block, as of an earlier version.
    let path = other.path("contract/ModelVerifier.deployed-31337.json");
    let mut old: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    old["block"] = Value::Null;
    let old = old.to_string();

    for most in [1, 2, 7, 50, 1000] {
        let asked = Arc::new(AtomicUsize::new(0));
        let proxy = narrow(&anvil, most, newest, asked.clone());
        for folder in [&folder, &other] {
            let out = through(&proxy, folder, &[&SUBMIT[..], &["--json"]].concat());
            assert_eq!(out.code, 0, "{most}: {}", out.stderr);
            let out = json(&out);
            assert_eq!(out["already"], true, "{out}");
            assert_eq!(out["transactions"], json!([hash]));
        }
        // Blocks before the contract are not looked at.
        let asked = asked.load(Ordering::SeqCst);
        let least = (most as usize).div_ceil(2);
        let span = 2 * (newest as usize - 32).div_ceil(least);
        assert!(asked <= span + 2 * 9, "{most}: {asked} questions");
        fs::write(&path, &old).unwrap();
    }
    // An event is in the first block that is looked at, or in none.
    let proxy = narrow(&anvil, 3, newest, Arc::default());
    let registered = direct();
    for name in ["ZkmlVerifier", "ModelVerifier"] {
        let name = format!("contract/{name}.deployed-31337.json");
        fs::copy(folder.path(&name), registered.path(&name)).unwrap();
    }
    let image = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/digits/seven.png");
    let made = crate::scene::direct_made();
    let prove = [
        "prove",
        &image.display().to_string(),
        "--keys",
        &made.path("keys"),
    ];
    let more = ["--context", "0x7", "--out", &registered.path("proof.zkml")];
    let out = crate::support::Zkml::new().args(&prove).args(&more).run();
    assert_eq!(out.code, 0, "{}", out.stderr);
    let out = through(
        &proxy,
        &registered,
        &[&SUBMIT[..4], &["--dry-run", "--json"]].concat(),
    );
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert_eq!(json(&out)["already"], false, "{}", out.stdout);

    // One that looks at none is an error, which says what to do.
    let proxy = narrow(&anvil, 0, newest, Arc::default());
    let out = through(&proxy, &folder, &SUBMIT);
    assert_eq!(out.code, 1);
    for part in ["--again", "at most 0 blocks"] {
        assert!(out.stderr.contains(part), "{}", out.stderr);
    }
    let proxy = Proxy::start(&anvil, |method, _| match method {
        "eth_getLogs" => Answer::Garbage,
        _ => Answer::Honest,
    });
    let out = through(&proxy, &folder, &SUBMIT);
    assert!(
        out.code == 1 && out.stderr.contains("--again"),
        "{}",
        out.stderr
    );
    assert_eq!(anvil.block(), block, "nothing was sent");
}

/// A node without old states says nothing of where a contract began.
#[test]
fn a_record_is_replaced_only_where_that_is_asked_for() {
    let (anvil, folder, other) = (Anvil::start(&[]), direct(), direct());
    let deployed = [&folder, &other].map(|at| evm_json(&anvil, at, &["deploy", "--yes"]));
    for (kind, option, name) in [
        ("verifier", "--verifier", "ZkmlVerifier"),
        ("model_verifier", "--model-verifier", "ModelVerifier"),
    ] {
        let [own, theirs] = &deployed;
        let [own, theirs] = [own, theirs].map(|one| text(&one[kind]["record"], "address"));
        assert_ne!(own, theirs);
        let file = folder.path(&format!("contract/{name}.deployed-31337.json"));
        let before = fs::read(&file).unwrap();
        let out = evm(&anvil, &folder, &["deploy", "--yes", option, theirs]);
        assert_eq!(out.code, 1, "{}", out.stdout);
        // Addresses are said with their checksum.
        let said = out.stderr.to_lowercase();
        let place = format!("contract/{name}.deployed-31337.json").to_lowercase();
        for part in [&place, own, theirs, "--force"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert_eq!(fs::read(&file).unwrap(), before);
        // Of the address that it has, it may be said again.
        evm_json(&anvil, &folder, &["deploy", "--yes", option, own]);
        assert_eq!(fs::read(&file).unwrap(), before);
        let forced = ["deploy", "--yes", "--force", option, theirs];
        let forced = evm_json(&anvil, &folder, &forced);
        assert_eq!(text(&forced[kind]["record"], "address"), theirs);
        assert_ne!(fs::read(&file).unwrap(), before);
    }
}

#[test]
fn a_contract_is_adopted_from_a_node_without_old_states() {
    let (anvil, folder) = (Anvil::start(&[]), direct());
    let deployed = evm_json(&anvil, &folder, &["deploy", "--yes", "--verifier-only"]);
    let address = text(&deployed["verifier"]["record"], "address").to_owned();
    let proxy = Proxy::start(&anvil, |method, params| match method {
        "eth_getCode" if params[1] != "latest" => {
            Answer::Error(json!({ "code": -32000, "message": "missing trie node" }))
        }
        _ => Answer::Honest,
    });
    let other = direct();
    let adopt = [
        "deploy",
        "--verifier-only",
        "--verifier",
        &address,
        "--json",
    ];
    let out = through(&proxy, &other, &adopt);
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert!(out.stderr.contains("old states"), "{}", out.stderr);
    assert_eq!(json(&out)["verifier"]["record"]["block"], Value::Null);
}

#[test]
fn a_deployment_that_was_not_taken_leaves_no_record() {
    let (anvil, folder) = (Anvil::start(&[]), direct());
    let record = folder.path("contract/ZkmlVerifier.deployed-31337.json");
    let deploy = ["deploy", "--yes", "--verifier-only"];
    let proxy = Proxy::start(&anvil, |method, _| match method {
        "eth_sendRawTransaction" => {
            Answer::Error(json!({ "code": -32000, "message": "the node takes none today" }))
        }
        _ => Answer::Honest,
    });
    let out = through(&proxy, &folder, &deploy);
    assert_eq!(out.code, 1);
    assert!(out.stderr.contains("takes none today"), "{}", out.stderr);
    assert!(!fs::exists(&record).unwrap());

    // Where the answer is lost, it may have been taken: the record stays. It was not: the account creates something
    // else at that address, and the record is in nobody's way.
    let proxy = Proxy::start(&anvil, |method, _| match method {
        "eth_sendRawTransaction" => Answer::Garbage,
        _ => Answer::Honest,
    });
    let out = through(&proxy, &folder, &deploy);
    assert_eq!(out.code, 1);
    let lost: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    let account = text(&lost, "deployer");
    let receipt = anvil.send(&json!({ "from": account, "data": "0x60016000526001601ff3" }));
    let address = text(&receipt, "contractAddress").to_owned();
    assert_eq!(address, text(&lost, "address"));
    let again = evm_json(&anvil, &folder, &deploy);
    assert_eq!(again["verifier"]["already"], false);
    assert_ne!(text(&again["verifier"]["record"], "address"), address);

    // Nor does one that failed in its block leave a record.
    let other = direct();
    let record = other.path("contract/ZkmlVerifier.deployed-31337.json");
    let starved = [&deploy[..], &["--gas-limit", "2000000"]].concat();
    let out = evm(&anvil, &other, &starved);
    assert_eq!(out.code, 1);
    assert!(out.stderr.contains("failed in block"), "{}", out.stderr);
    assert!(!fs::exists(&record).unwrap());
    let done = evm_json(&anvil, &other, &deploy);
    assert_eq!(done["verifier"]["already"], false);
}

#[test]
fn a_reply_to_another_request_is_none() {
    let (anvil, folder) = (Anvil::start(&[]), direct());
    let chain = || json!("0x7a69");
    for whole in [
        json!({ "jsonrpc": "2.0", "id": 999, "result": chain() }),
        json!({ "jsonrpc": "2.0", "id": "1", "result": chain() }),
        json!({ "jsonrpc": "2.0", "id": null, "result": chain() }),
        json!({ "jsonrpc": "2.0", "result": chain() }),
        json!({ "jsonrpc": "2.0", "id": 999, "error": { "code": 3, "message": "reverted" } }),
    ] {
        let said = whole.to_string();
        let proxy = Proxy::start(&anvil, move |method, _| match method {
            "eth_chainId" => Answer::Whole(whole.clone()),
            _ => Answer::Honest,
        });
        let out = through(&proxy, &folder, &["deploy", "--yes"]);
        assert_eq!(out.code, 1, "{said}");
        assert!(
            out.stderr.contains("another request"),
            "{said}: {}",
            out.stderr
        );
    }
    assert_eq!(anvil.block(), "0x0");
}
