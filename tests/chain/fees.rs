//! What a node says of fees and gas is a claim of somebody who may earn them.

use crate::{
    scene::{checked, direct},
    support::{
        anvil::Anvil,
        json,
        proxy::{Answer, Proxy},
        text, Folder, Run,
    },
};
use serde_json::{json, Value};

/// The first account, whose key signs.
const ACCOUNT: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
/// 2,000,000 gwei: with it, a submission costs some 800 ether.
const TIP: &str = "0x71afd498d0000";

fn run(proxy: &Proxy, folder: &Folder, command: &[&str]) -> Run {
    let zkml = proxy.zkml().current_dir(&folder.path("")).args(&["evm"]);
    checked(zkml.args(command).args(&["--contract", "contract"]))
}

/// All commands that send.
const SENDING: [&[&str]; 3] = [
    &["deploy", "--yes"],
    &["register", "--keys", "keys", "--yes"],
    &["submit", "proof.zkml", "--keys", "keys", "--yes", "--again"],
];

/// A lie of a node, what more is said to the command, and what it answers.
type Case = (
    fn(&str, &Value) -> Answer,
    &'static [&'static str],
    &'static [&'static str],
);

fn history(base: &str, tip: &str) -> Answer {
    Answer::Result(json!({
        "oldestBlock": "0x0",
        "baseFeePerGas": [base, base],
        "gasUsedRatio": [0.5],
        "reward": [[tip]],
    }))
}

fn block(base: &str) -> Answer {
    let zero = |bytes: usize| format!("0x{}", "0".repeat(2 * bytes));
    Answer::Result(json!({
        "number": "0x1", "hash": zero(32), "parentHash": zero(32), "sha3Uncles": zero(32), "miner": zero(20),
        "stateRoot": zero(32), "transactionsRoot": zero(32), "receiptsRoot": zero(32), "logsBloom": zero(256),
        "difficulty": "0x0", "gasLimit": "0x1c9c380", "gasUsed": "0x0", "timestamp": "0x1", "extraData": "0x",
        "mixHash": zero(32), "nonce": zero(8), "baseFeePerGas": base, "transactions": [], "uncles": [], "size": "0x0",
    }))
}

/// Both methods name the tip.
fn tip(method: &str, _: &Value) -> Answer {
    match method {
        "eth_feeHistory" => history("0x3b9aca00", TIP),
        "eth_maxPriorityFeePerGas" => Answer::Result(json!(TIP)),
        _ => Answer::Honest,
    }
}

/// One does, and the other is said to be missing.
fn only_history(method: &str, _: &Value) -> Answer {
    match method {
        "eth_feeHistory" => history("0x3b9aca00", TIP),
        "eth_maxPriorityFeePerGas" => {
            Answer::Error(json!({ "code": -32601, "message": "no such method" }))
        }
        _ => Answer::Honest,
    }
}

/// More than 128 bits.
fn beyond(method: &str, _: &Value) -> Answer {
    let most = format!("0x{}", "f".repeat(64));
    match method {
        "eth_feeHistory" => history("0x3b9aca00", &most),
        "eth_maxPriorityFeePerGas" => Answer::Result(json!(most)),
        _ => Answer::Honest,
    }
}

/// A base fee that the newest block contradicts.
fn base(method: &str, _: &Value) -> Answer {
    match method {
        "eth_feeHistory" => history("0xe8d4a51000", "0x1"),
        _ => Answer::Honest,
    }
}

/// A base fee of 100,000 gwei, in all places.
fn base_everywhere(method: &str, _: &Value) -> Answer {
    match method {
        "eth_feeHistory" => history("0x5af3107a4000", "0x1"),
        "eth_getBlockByNumber" => block("0x5af3107a4000"),
        _ => Answer::Honest,
    }
}

fn gas(method: &str, _: &Value) -> Answer {
    match method {
        "eth_estimateGas" => Answer::Result(json!("0x1c9c380")),
        _ => Answer::Honest,
    }
}

const CASES: [Case; 7] = [
    (
        tip,
        &[],
        &["tip of 2000000000000000 wei", "5000000000 wei of --max-tip"],
    ),
    (
        only_history,
        &[],
        &["tip of 2000000000000000 wei", "--max-tip"],
    ),
    (beyond, &[], &["--max-tip"]),
    (
        tip,
        &["--max-tip", "2000000"],
        &["of --max-cost", "200000000000000000 wei"],
    ),
    (
        base,
        &[],
        &[
            "base fee is to be 1000000000000 wei",
            "eth_getBlockByNumber",
        ],
    ),
    (base_everywhere, &[], &["--max-cost"]),
    (
        gas,
        &[],
        &["estimates 30000000 gas", "own EVM", "--gas-limit"],
    ),
];

#[test]
fn no_node_names_what_costs_more_than_the_caps() {
    let (anvil, folder) = (Anvil::start(&[]), direct());
    for (step, command) in SENDING.into_iter().enumerate() {
        let before = (anvil.block(), balance(&anvil));
        for (case, (lie, more, said)) in CASES.into_iter().enumerate() {
            let proxy = Proxy::start(&anvil, lie);
            let out = run(&proxy, &folder, &[command, more].concat());
            let place = format!("{}, case {case}: {}", command[0], out.stderr);
            assert_eq!(out.code, 1, "{place}");
            for part in said {
                assert!(out.stderr.contains(part), "{part}: {place}");
            }
            // Neither is a price shown to be confirmed, nor a dry run said to be well.
            let dry = [&command[..command.len() - 1], more, &["--dry-run"]].concat();
            assert_eq!(run(&proxy, &folder, &dry).code, 1, "{place}");
        }
        assert_eq!((anvil.block(), balance(&anvil)), before, "nothing was sent");
        if step == 0 {
            let files = std::fs::read_dir(folder.path("contract")).unwrap().count();
            assert_eq!(files, 1, "no record");
        }
        let honest = Proxy::start(&anvil, |_, _| Answer::Honest);
        let out = run(&honest, &folder, command);
        assert_eq!(out.code, 0, "{}", out.stderr);
    }
}

/// The tip is the lower of two, and what the user says stands.
#[test]
fn the_lower_tip_is_offered_and_the_users_word_is_taken() {
    let (anvil, folder) = (Anvil::start(&[]), direct());
    let proxy = Proxy::start(&anvil, |method, _| match method {
        "eth_feeHistory" => history("0x3b9aca00", TIP),
        "eth_maxPriorityFeePerGas" => Answer::Result(json!("0x7")),
        _ => Answer::Honest,
    });
    let price = |more: &[&str]| {
        let dry = ["deploy", "--verifier-only", "--dry-run", "--json"];
        let out = run(&proxy, &folder, &[&dry[..], more].concat());
        assert_eq!(out.code, 0, "{}", out.stderr);
        let price = &json(&out)["verifier"]["price"];
        let tip = text(price, "priority_fee_wei").to_owned();
        (tip, text(price, "at_most_wei").parse::<u128>().unwrap())
    };
    let (tip, at_most) = price(&[]);
    assert_eq!(tip, "7");
    assert_eq!(price(&["--priority-fee", "9"]).0, "9000000000");
    // A cap of exactly what it may cost is enough, and a wei less is not.
    let ether = |wei: u128| format!("0.{wei:018}");
    price(&["--max-cost", &ether(at_most)]);
    let less = ether(at_most - 1);
    let dry = [
        "deploy",
        "--verifier-only",
        "--dry-run",
        "--max-cost",
        &less,
    ];
    let out = run(&proxy, &folder, &dry);
    assert_eq!(out.code, 1, "{}", out.stdout);
    assert!(
        out.stderr.contains(&format!("may cost {at_most} wei")),
        "{}",
        out.stderr
    );
}

fn balance(anvil: &Anvil) -> Value {
    anvil.rpc("eth_getBalance", json!([ACCOUNT, "latest"]))
}

/// Chains that take a fee for data: their contracts, faked.
#[test]
fn fees_for_data_are_a_part_of_the_estimate() {
    let (anvil, folder) = (Anvil::start(&[]), direct());
    let proxy = Proxy::start(&anvil, |_, _| Answer::Honest);
    let estimate = || {
        let estimate = ["estimate", "proof.zkml", "--keys", "keys", "--json"];
        let out = run(&proxy, &folder, &estimate);
        assert_eq!(out.code, 0, "{}", out.stderr);
        let steps = json(&out)["forks"][0]["steps"].as_array().unwrap().clone();
        let of = |field: &str| steps.iter().map(|step| step[field].clone()).collect();
        let fields: [Vec<Value>; 2] = [of("data_wei"), of("data_gas")];
        (fields, steps)
    };
    let ([wei, gas], steps) = estimate();
    assert!(wei.iter().chain(&gas).all(Value::is_null), "{steps:?}");
    assert_eq!(steps.len(), 4);
    // Returns the length of the calldata: of a selector, an offset, a length, and the transaction.
    let oracle = "0x420000000000000000000000000000000000000f";
    anvil.rpc("anvil_setCode", json!([oracle, "0x3660005260206000f3"]));
    let ([wei, gas], steps) = estimate();
    assert!(gas.iter().all(Value::is_null), "{steps:?}");
    let wei: Vec<usize> = wei
        .iter()
        .map(|wei| wei.as_str().unwrap().parse().unwrap())
        .collect();
    let artefact = std::fs::read(folder.path("contract/ZkmlVerifier.json")).unwrap();
    let artefact: Value = serde_json::from_slice(&artefact).unwrap();
    let creation = (text(&artefact, "creation").len() - 2) / 2;
    let around = 4 + 64;
    assert!(
        wei[0] > creation + around && wei[0] < creation + around + 100,
        "{wei:?}"
    );
    anvil.rpc("anvil_setCode", json!([oracle, "0x"]));
    // Three words: 7 gas, and two prices.
    let node = "0x00000000000000000000000000000000000000c8";
    anvil.rpc("anvil_setCode", json!([node, "0x600760005260606000f3"]));
    let ([wei, gas], steps) = estimate();
    assert!(wei.iter().all(Value::is_null), "{steps:?}");
    assert_eq!(gas, vec![json!(7); 4]);
    // What answers otherwise is an error, and no fee.
    anvil.rpc("anvil_setCode", json!([node, "0x60076000526001601ff3"]));
    let out = run(
        &proxy,
        &folder,
        &["estimate", "proof.zkml", "--keys", "keys"],
    );
    assert!(
        out.code == 1 && out.stderr.contains("does not say the gas for data"),
        "{}",
        out.stderr
    );
}
