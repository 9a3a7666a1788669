//! Whoever relies on a model computes its id, and asks whether a chain has it.

use crate::{
    scene::{checked, direct, evm_json},
    support::{
        anvil::{unhex, Anvil},
        json, text, Folder, Run, Zkml,
    },
};
use serde_json::json;
use zkml_evm_verifier::{
    chain::{keccak256, B256},
    front::{get_model, model_id, register_call, words, IModelVerifier::Model},
};

const ACCOUNT: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
/// Code that says yes to everything, as a verifier says it.
const YES: &str = "0x600160005260206000f3";

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{digits}")
}

fn audit(url: &str, folder: &Folder, more: &[&str]) -> Run {
    let zkml = Zkml::new()
        .current_dir(&folder.path(""))
        .env("ETH_RPC_URL", url);
    let zkml = zkml.args(&["evm", "audit", "--keys", "keys", "--contract", "contract"]);
    checked(zkml.args(more))
}

fn objected(out: &Run, parts: &[&str]) {
    assert_eq!(out.code, 3, "{}{}", out.stdout, out.stderr);
    for part in parts {
        assert!(out.stderr.contains(part), "{part}: {}", out.stderr);
    }
}

/// The model of the files, with its id computed without a node.
fn model(folder: &Folder) -> Model {
    let zkml = Zkml::new().current_dir(&folder.path(""));
    let id = [
        "evm",
        "model-id",
        "--keys",
        "keys",
        "--contract",
        "contract",
    ];
    let out = checked(zkml.args(&id).args(&["--chain-id", "31337", "--json"]));
    assert_eq!(out.code, 0, "{}", out.stderr);
    let object = json(&out);
    let told = &object["models"][0];
    let model = get_model(&unhex(text(told, "encoded"))).unwrap();
    assert_eq!(model_id(&model).to_string(), text(told, "model_id"));
    model
}

/// Registers a model, as anybody can.
fn register(anvil: &Anvil, front: &str, model: &Model) -> B256 {
    let call = json!({ "from": ACCOUNT, "to": front, "data": hex(&register_call(model)), "gas": "0x4c4b40" });
    assert_eq!(anvil.send(&call)["status"], "0x1");
    model_id(model)
}

/// Puts code on the chain.
fn create(anvil: &Anvil, runtime: &str) -> String {
    let runtime = &runtime[2..];
    let size = runtime.len() / 2;
    let creation = format!("0x60{size:02x}600c60003960{size:02x}6000f3{runtime}");
    let receipt = anvil.send(&json!({ "from": ACCOUNT, "data": creation, "gas": "0x4c4b40" }));
    text(&receipt, "contractAddress").to_owned()
}

#[test]
fn a_contract_that_says_yes_to_everything_is_named() {
    let (anvil, folder) = (Anvil::start(&[]), direct());
    let url = anvil.url();
    let deployed = evm_json(&anvil, &folder, &["deploy", "--yes"]);
    let address = |kind: &str| text(&deployed[kind]["record"], "address").to_owned();
    let (front, verifier) = (address("model_verifier"), address("verifier"));
    let honest = model(&folder);
    let id = model_id(&honest).to_string();
    // Not yet registered.
    for target in [&id, &front] {
        objected(
            &audit(&url, &folder, &[target]),
            &["registration: expected"],
        );
    }
    // The enemy is first: a verifier that says yes, under the victim's C.
    let yes = create(&anvil, YES);
    assert_eq!(anvil.rpc("eth_getCode", json!([yes, "latest"])), YES);
    let mut forged = honest.clone();
    forged.verifier = yes.parse().unwrap();
    forged.codeHash = keccak256(unhex(YES));
    let forged = register(&anvil, &front, &forged).to_string();
    let said = [
        "SRS in the verifier's code",
        "as registered",
        "on the chain",
    ];
    objected(&audit(&url, &folder, &[&forged]), &said);
    let out = audit(&url, &folder, &[&front, "--json"]);
    objected(&out, &["registration: expected", &forged, "NOT the model"]);
    assert_eq!(json(&out)["models"][0]["matches"], false);

    // The victim's own verifier under a key of the enemy's: of another mode, so that the digest is chosen.
    let mut other = honest.clone();
    other.mode = zkml_evm_verifier::front::IModelVerifier::Mode::Aggregated;
    other.keyDigest = zkml_evm_verifier::chain::U256::from(5);
    other.slots = vec![u16::try_from(words(&other)).unwrap()];
    let other = register(&anvil, &front, &other).to_string();
    let said = [
        "mode: expected",
        "slots: expected",
        "digest of the verifying key",
    ];
    objected(&audit(&url, &folder, &[&other]), &said);

    let registered = evm_json(&anvil, &folder, &["register", "--keys", "keys", "--yes"]);
    assert_eq!(text(&registered["models"][0], "model_id"), id);
    for target in [&id, &front, &verifier] {
        let out = audit(&url, &folder, &[target]);
        assert_eq!(out.code, 0, "{}", out.stderr);
        assert!(
            out.stdout.contains("all is as the files say"),
            "{}",
            out.stdout
        );
    }
    // Those under the same C are named beside it.
    let out = audit(&url, &folder, &[&front, "--json"]);
    let object = json(&out);
    let of = |id: &str| {
        let all = object["models"].as_array().unwrap();
        all.iter()
            .find(|one| text(one, "model_id") == id)
            .unwrap()
            .clone()
    };
    assert_eq!(of(&id)["matches"], true);
    for bad in [&forged, &other] {
        assert_eq!(of(bad)["matches"], false);
        let line = format!("model {bad} is registered under the same C, and is NOT");
        assert!(out.stderr.contains(&line), "{}", out.stderr);
    }
    objected(&audit(&url, &folder, &[&forged]), &said_of_code());

    // Other places, and other code at the right ones.
    objected(&audit(&url, &folder, &[&yes]), &["hash of the code"]);
    let nowhere = "0x00000000000000000000000000000000000000aa";
    objected(&audit(&url, &folder, &[nowhere]), &["hash of the code"]);
    for place in [&yes, nowhere] {
        let out = audit(&url, &folder, &[&id, "--model-verifier", place]);
        objected(&out, &["hash of ModelVerifier's code"]);
    }
    let unknown = format!("0x{}", "7".repeat(64));
    objected(
        &audit(&url, &folder, &[&unknown]),
        &["one of this id, got none"],
    );
    anvil.rpc("anvil_setCode", json!([verifier, YES]));
    objected(
        &audit(&url, &folder, &[&id]),
        &["on the chain", "SRS in the verifier's code"],
    );
}

fn said_of_code() -> [&'static str; 2] {
    ["hash of the verifier's code, as registered", "id: expected"]
}

#[test]
fn what_could_not_be_checked_is_no_mismatch() {
    let (anvil, folder) = (Anvil::start(&["--chain-id", "5"]), direct());
    let url = anvil.url();
    let allow = ["--yes", "--allow-insecure-srs", "--chain-id", "5"];
    let deployed = evm_json(&anvil, &folder, &[&["deploy"][..], &allow].concat());
    let register = ["register", "--keys", "keys"];
    let registered = evm_json(&anvil, &folder, &[&register[..], &allow].concat());
    let id = text(&registered["models"][0], "model_id");
    let front = text(&deployed["model_verifier"]["record"], "address");
    // All matches, under an SRS that nobody should rely upon.
    for target in [id, front] {
        let out = audit(&url, &folder, &[target, "--json"]);
        assert_eq!(out.code, 4, "{}{}", out.stdout, out.stderr);
        let object = json(&out);
        assert_eq!(text(&object, "status"), "untrusted");
        assert_eq!(object["models"][0]["matches"], true);
        let out = audit(&url, &folder, &[target, "--trust-srs", "development"]);
        assert_eq!(out.code, 0, "{}", out.stderr);
    }
    std::fs::remove_file(folder.path("keys/weights.opening")).unwrap();
    let out = audit(&url, &folder, &[id]);
    assert!(
        out.code == 1 && out.stderr.contains("--commitment"),
        "{}",
        out.stderr
    );
    let other = format!("0x{:064x}", 5);
    objected(
        &audit(&url, &folder, &[id, "--commitment", &other]),
        &["commitment C: expected"],
    );
    drop(anvil);
    let out = audit(&url, &folder, &[id, "--commitment", &other]);
    assert_eq!(out.code, 1, "{}", out.stderr);
    assert!(out.stderr.contains("eth_chainId"), "{}", out.stderr);
    let out = audit(&url, &folder, &["0x12"]);
    assert_eq!(out.code, 2, "{}", out.stderr);
}
