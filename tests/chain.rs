//! The on-chain commands, on a real node: from the guide's first command to its last, and what can go
//! wrong between.
//!
//! No output of any command has a private key: every run here is searched for them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

// Other tests use the rest of it.
#[allow(dead_code)]
mod support;

use serde_json::{json, Value};
use std::{fs, path::Path, sync::OnceLock};
use support::{
    anvil::{unhex, Anvil, KEYS},
    guide::{steps, Step, Style},
    json, text, Folder, Run, Zkml,
};
use zkml_circuits::files::{read_container, write_container, Kind};
use zkml_evm_verifier::{
    chain::{keccak256, Address},
    exec::{Call, Chain, Fork, MAX_TX_GAS},
};

/// The commands of docs/onchain.md: those before there is a node, and those on it.
fn guide() -> (Vec<Step>, Vec<Step>) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/onchain.md");
    let mut before = steps(&page, |info| (info == "sh anvil").then_some(Style::Plain));
    let first = before.iter().position(|step| step.arguments[1] == "deploy");
    let after = before.split_off(first.expect("a deployment in the guide"));
    let counts = (before.len(), after.len());
    assert!(
        counts.0 > 5 && counts.1 > 5,
        "only {counts:?} commands in the guide"
    );
    (before, after)
}

/// Does what a page says. What `zkml` gives has the environment that it asks for.
fn follow(steps: Vec<Step>, folder: &Folder, zkml: impl Fn() -> Zkml) {
    for step in steps {
        let arguments: Vec<&str> = step.arguments.iter().map(String::as_str).collect();
        let out = checked(zkml().current_dir(&folder.path("")).args(&arguments));
        assert_eq!(
            out.code, step.code,
            "{}\n{}{}",
            step.place, out.stdout, out.stderr
        );
    }
}

/// A proof and its contract, made once for all tests by the commands of the guide.
fn made() -> &'static Folder {
    static MADE: OnceLock<Folder> = OnceLock::new();
    MADE.get_or_init(|| {
        let digits = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/digits");
        let folder = Folder::lasting("onchain-guide");
        let examples = folder.path("examples/digits");
        fs::create_dir_all(&examples).unwrap();
        for name in ["model.onnx", "seven.png"] {
            fs::copy(digits.join(name), format!("{examples}/{name}")).unwrap();
        }
        follow(guide().0, &folder, Zkml::new);
        folder
    })
}

/// Runs a command, and searches what it says for private keys.
fn checked(zkml: Zkml) -> Run {
    let out = zkml.run();
    let said = (out.stdout.clone() + &out.stderr).to_lowercase();
    for key in KEYS {
        // A part of the key would be too much already.
        for part in [&key[..16], &key[24..40], &key[48..]] {
            assert!(!said.contains(part), "a private key is shown: {said}");
        }
    }
    out
}

/// A folder with the guide's contract, proof and keys, and no record of a deployment.
fn copy() -> Folder {
    let from = made();
    let to = Folder::new();
    for folder in ["contract", "keys"] {
        fs::create_dir(to.path(folder)).unwrap();
    }
    for name in [
        "contract/ZkmlVerifier.json",
        "keys/config.json",
        "keys/verifying.key",
        "keys/verifying.srs",
        "aggregate.zkml",
    ] {
        fs::copy(from.path(name), to.path(name)).unwrap();
    }
    to
}

/// Runs `zkml evm COMMAND` on the files of a folder.
fn evm(anvil: &Anvil, folder: &Folder, command: &[&str]) -> Run {
    checked(prepared(anvil, folder, command))
}

fn prepared(anvil: &Anvil, folder: &Folder, command: &[&str]) -> Zkml {
    let zkml = anvil.zkml().current_dir(&folder.path("")).args(&["evm"]);
    zkml.args(command).args(&["--contract", "contract"])
}

/// The same, with the object that it prints; it must succeed.
fn evm_json(anvil: &Anvil, folder: &Folder, command: &[&str]) -> Value {
    let out = checked(prepared(anvil, folder, command).args(&["--json"]));
    assert_eq!(out.code, 0, "{command:?}: {}{}", out.stdout, out.stderr);
    json(&out)
}

const REGISTER: [&str; 6] = [
    "register",
    "--keys",
    "keys",
    "--proof",
    "aggregate.zkml",
    "--yes",
];
const SUBMIT: [&str; 5] = ["submit", "aggregate.zkml", "--keys", "keys", "--yes"];
const VERIFY: [&str; 4] = ["verify", "aggregate.zkml", "--keys", "keys"];

/// A node on which the guide's contracts stand and its model is registered.
fn registered(more: &[&str]) -> (Anvil, Folder) {
    let (anvil, folder) = (Anvil::start(more), copy());
    evm_json(&anvil, &folder, &["deploy", "--yes"]);
    evm_json(&anvil, &folder, &REGISTER);
    (anvil, folder)
}

/// Changes the file of the aggregated proof as its maker could: its digest is made anew.
fn tamper(folder: &Folder, change: impl FnOnce(&mut Value)) {
    let path = folder.path("aggregate.zkml");
    let payload = read_container(path.as_ref(), Kind::AggregationProof, 1).unwrap();
    let mut bundle: Value = serde_json::from_slice(&payload).unwrap();
    change(&mut bundle);
    let payload = serde_json::to_vec(&bundle).unwrap();
    write_container(path.as_ref(), Kind::AggregationProof, 1, &mut |out| {
        out.write_all(&payload)
    })
    .unwrap();
}

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
fn keys_are_checked_and_never_shown() {
    let (anvil, folder) = (Anvil::start(&[]), copy());
    let key = KEYS[0];
    let letters = key.replace('f', "x");
    for bad in [&key[1..], &letters, "", "0x", &format!("{key}00")] {
        let zkml = prepared(&anvil, &folder, &["deploy", "--yes"]);
        let out = checked(zkml.env("ZKML_PRIVATE_KEY", bad).env("ZKML_LOG", "trace"));
        assert_eq!(out.code, 1, "{}", out.stderr);
        assert!(
            out.stderr.contains("$ZKML_PRIVATE_KEY: not a usable"),
            "{}",
            out.stderr
        );
    }
    // The key itself where its variable's name was to be.
    for name in [key, &format!("0x{key}")] {
        let out = evm(&anvil, &folder, &["deploy", "--yes", "--key-env", name]);
        assert_eq!(out.code, 1, "{}", out.stderr);
        assert!(
            out.stderr.contains("never belongs on a command line"),
            "{}",
            out.stderr
        );
    }
    let out = evm(
        &anvil,
        &folder,
        &["deploy", "--yes", "--key-env", "NO_SUCH_KEY"],
    );
    assert!(
        out.code == 1 && out.stderr.contains("$NO_SUCH_KEY is not set"),
        "{}",
        out.stderr
    );
    let out = evm(&anvil, &folder, &["deploy", "--yes", "--interactive"]);
    assert!(
        out.code == 1 && out.stderr.contains("terminal"),
        "{}",
        out.stderr
    );
    // An account without ether.
    let zkml = prepared(&anvil, &folder, &["deploy", "--yes"]);
    let out = checked(zkml.env("ZKML_PRIVATE_KEY", &"7".repeat(64)));
    assert_eq!(out.code, 1);
    assert!(out.stderr.contains("has 0 wei"), "{}", out.stderr);
    assert!(!out.stderr.contains("7777777"), "{}", out.stderr);
    assert_eq!(anvil.block(), "0x0");

    // Keystores: the one of the format's definition, whose account gets ether first.
    let keystore = folder.path("key.json");
    fs::write(&keystore, KEYSTORE).unwrap();
    let account = "0x008aeeda4d805471df9b2a5b0f38a0c3bcba786b";
    anvil.rpc("anvil_setBalance", json!([account, "0xde0b6b3a7640000"]));
    let password = folder.path("password");
    fs::write(&password, "wrong\n").unwrap();
    let open = [
        "deploy",
        "--yes",
        "--keystore",
        &keystore,
        "--password-file",
        &password,
    ];
    let out = evm(&anvil, &folder, &open);
    assert!(
        out.code == 1 && out.stderr.contains("key.json"),
        "{}",
        out.stderr
    );
    fs::write(&password, "testpassword\n").unwrap();
    let done = evm_json(&anvil, &folder, &open);
    assert_eq!(text(&done["verifier"]["record"], "deployer"), account);
}

const KEYSTORE: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},
"ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2",
"kdfparams":{"c":262144,"dklen":32,"prf":"hmac-sha256","salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
"mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},
"id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;

#[test]
fn an_insecure_srs_is_for_local_chains_only() {
    let (anvil, folder) = (Anvil::start(&["--chain-id", "5"]), copy());
    let out = evm(&anvil, &folder, &["deploy", "--yes", "--chain-id", "5"]);
    assert_eq!(out.code, 1);
    for part in ["refused on chain 5", "INSECURE", "--allow-insecure-srs"] {
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
    let out = evm(
        &anvil,
        &folder,
        &["calldata", "aggregate.zkml", "--raw", "--chain-id", "1"],
    );
    assert!(
        out.code == 1 && out.stderr.contains("chain 1"),
        "{}",
        out.stderr
    );
}

#[test]
fn the_doctor_says_what_is_there() {
    let anvil = Anvil::start(&[]);
    let object = json(&checked(anvil.zkml().args(&["evm", "doctor", "--json"])));
    assert_eq!(text(&object, "status"), "ok", "{object}");
    for field in ["version", "origin", "path"] {
        assert!(object["solc"][field].is_string(), "{object}");
    }
    assert!(
        text(&object["anvil"], "version").contains("anvil"),
        "{object}"
    );
    assert_eq!(object["rpc"]["chain_id"], 31337);
    let bad = ["evm", "doctor", "--solc", "/nowhere/solc"];
    let out = checked(anvil.zkml().args(&bad));
    assert_eq!(out.code, 1);
    assert!(out.stdout.contains("anvil"), "{}", out.stdout);
    assert!(out.stderr.contains("/nowhere/solc"), "{}", out.stderr);
    let url = anvil.url();
    drop(anvil);
    let out = checked(Zkml::new().args(&["evm", "doctor", "--rpc-url", &url]));
    assert!(
        out.code == 1 && out.stderr.contains("eth_chainId"),
        "{}",
        out.stderr
    );
}

/// On a terminal, which util-linux's `script` makes.
#[test]
#[cfg(target_os = "linux")]
fn secrets_are_asked_for_and_do_not_show() {
    use std::{
        io::Write,
        process::{Command, Stdio},
    };
    let (anvil, folder) = (Anvil::start(&[]), copy());
    let zkml = env!("CARGO_BIN_EXE_zkml");
    let url = anvil.url();
    let line = format!(
        "{zkml} evm deploy --verifier-only --contract contract --rpc-url {url} --interactive"
    );
    for (answer, code) in [("n", 1), ("y", 0)] {
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .current_dir(folder.path(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script of util-linux starts");
        let mut input = child.stdin.take().unwrap();
        // The terminal shows what is typed before the question comes.
        std::thread::sleep(std::time::Duration::from_secs(2));
        writeln!(input, "{}", KEYS[0]).unwrap();
        std::thread::sleep(std::time::Duration::from_secs(2));
        writeln!(input, "{answer}").unwrap();
        let out = child.wait_with_output().unwrap();
        drop(input);
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        assert_eq!(out.status.code(), Some(code), "{said}");
        assert!(said.contains("Private key: "), "{said}");
        assert!(!said.contains(&KEYS[0][..16]), "{said}");
        assert!(said.contains("for at most"), "{said}");
    }
}
