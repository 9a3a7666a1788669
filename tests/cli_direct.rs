//! The way to a contract without aggregation, through the command line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

// Other tests use the rest of it.
#[allow(dead_code)]
mod support;
#[allow(dead_code)]
#[path = "support/verifier.rs"]
mod verifier;

use halo2_proofs::halo2curves::{
    bn256::{Fr, G2Affine},
    group::Curve,
};
use serde_json::{json, Value};
use std::{fs, sync::OnceLock};
use support::{digits, json, text, Folder, Run, Zkml};
use zkml_cli::hex::hex;
use zkml_srs::{fingerprint, Srs};

fn zkml(arguments: &[&str]) -> Run {
    Zkml::new().args(arguments).run()
}

#[test]
fn a_model_proof_is_checked_by_its_own_contract() {
    let folder = Folder::new();
    let (model, image) = digits();
    let path = |name: &str| folder.path(name);
    let (keys, proof, contract) = (path("keys"), path("proof.zkml"), path("contract"));
    let setup = ["--input-range", "0,1", "--optimize", "direct"];
    let out = Zkml::new()
        .args(&["setup", &model, "--out", &keys])
        .args(&setup)
        .run();
    assert_eq!(out.code, 0, "{}", out.stderr);
    let prove = ["prove", &image, "--keys", &keys, "--json"];
    let out = Zkml::new().args(&prove).args(&["--out", &proof]).run();
    assert_eq!(text(&json(&out), "transcript"), "keccak", "{}", out.stderr);
    let verify = ["verify", &proof, "--keys", &keys];
    let trust = ["--trust-srs", "development"];
    assert_eq!(zkml(&verify).code, 4);
    assert_eq!(zkml(&[&verify[..], &trust].concat()).code, 0);

    let generate = ["evm", "generate", "--keys", &keys, "--out", &contract];
    let direct = ["--mode", "direct", "--json"];
    let out = Zkml::new().args(&generate).args(&direct).run();
    assert_eq!(text(&json(&out), "mode"), "direct", "{}", out.stderr);
    let test = |proof: &str| zkml(&["evm", "test", proof, "--contract", &contract, "--json"]);
    let out = test(&proof);
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert!(json(&out)["gas_per_inference"].as_u64() > Some(200_000));

    // The typed front registers the model, and takes the proof with its values in the clear.
    let front = |proof: &str| {
        let estimate = ["evm", "estimate", proof, "--keys", &keys];
        let contract = ["--contract", &contract, "--json"];
        Zkml::new().args(&estimate).args(&contract).run()
    };
    let out = front(&proof);
    assert_eq!(out.code, 0, "{}", out.stderr);
    let steps = &json(&out)["forks"][1]["steps"];
    let named = |step: &str| steps.as_array().unwrap().iter().any(|s| s["step"] == step);
    assert!(
        named("registering a model") && named("submitting the proof"),
        "{steps}"
    );

    // A proof for aggregation is told apart, and the other way round.
    let other = path("poseidon.zkml");
    let poseidon = ["--out", &other, "--transcript", "poseidon"];
    let out = Zkml::new().args(&prove).args(&poseidon).run();
    assert_eq!(out.code, 0, "{}", out.stderr);
    let out = test(&other);
    assert_eq!(out.code, 1, "{}", out.stderr);
    assert!(out.stderr.contains("--transcript keccak"), "{}", out.stderr);
    let aggregate = path("aggregate.zkml");
    let out = zkml(&["aggregate", &proof, "--keys", &keys, "--out", &aggregate]);
    assert_eq!(out.code, 1, "{}", out.stderr);
    assert!(
        out.stderr.contains("--transcript poseidon"),
        "{}",
        out.stderr
    );

    // Another statement, and another model.
    let forged = path("forged.zkml");
    let mut tampered = zkml_model::prove::Proof::load(proof.as_ref()).unwrap();
    tampered.statement.context = "0x2b".parse().unwrap();
    tampered.save(forged.as_ref()).unwrap();
    assert_eq!(test(&forged).code, 3);
    assert_eq!(front(&forged).code, 3);
    tampered.verifying_key = "0x1".parse().unwrap();
    tampered.save(forged.as_ref()).unwrap();
    assert_eq!(test(&forged).code, 3);
    let two = ["--mode", "direct", "--proofs", "2"];
    let out = Zkml::new().args(&generate).args(&two).run();
    assert_eq!(out.code, 1, "{}", out.stderr);
}

const PLACE: &str = "0x0000000000000000000000000000000000000001";

/// Keys and their contract, made once: the folder, and the k of the keys.
fn made() -> &'static (Folder, String) {
    static MADE: OnceLock<(Folder, String)> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = Folder::lasting("cli-direct");
        let (model, _) = digits();
        let (keys, contract) = (folder.path("keys"), folder.path("contract"));
        let setup = ["setup", &model, "--out", &keys, "--input-range", "0,1"];
        let out = zkml(&[&setup[..], &["--optimize", "direct", "--json"]].concat());
        assert_eq!(out.code, 0, "{}", out.stderr);
        let k = json(&out)["shape"]["k"].to_string();
        let generate = ["evm", "generate", "--keys", &keys, "--out", &contract];
        let out = zkml(&[&generate[..], &["--mode", "direct", "--json"]].concat());
        assert_eq!(out.code, 0, "{}", out.stderr);
        assert_eq!(text(&json(&out), "srs_trust"), "development");
        (folder, k)
    })
}

/// The contract's artefact in a folder of its own, changed.
fn changed(change: impl FnOnce(&mut Value)) -> (Folder, String) {
    let (from, to) = (&made().0, Folder::new());
    let artefact = fs::read(from.path("contract/ZkmlVerifier.json")).unwrap();
    let mut artefact = serde_json::from_slice(&artefact).unwrap();
    change(&mut artefact);
    let path = to.path("ZkmlVerifier.json");
    fs::write(&path, artefact.to_string()).unwrap();
    (to, path)
}

fn fails(arguments: &[&str], parts: &[&str]) {
    let out = zkml(arguments);
    assert_eq!(out.code, 1, "{arguments:?}: {}{}", out.stdout, out.stderr);
    for part in parts {
        assert!(out.stderr.contains(part), "{part}: {}", out.stderr);
    }
}

/// A wallet that signs what `calldata` prints is told of the SRS as `deploy` tells it.
#[test]
fn calldata_for_others_needs_an_srs_that_somebody_relies_upon() {
    let folder = &made().0;
    let contract = folder.path("contract");
    let deploy = [
        "evm",
        "calldata",
        "--function",
        "deploy-verifier",
        "--contract",
        &contract,
        "--chain-id",
    ];
    let main = [&deploy[..], &["1"]].concat();
    fails(&main, &["refused on chain 1", "--allow-insecure-srs"]);
    // The word is about this machine, and others would rely on the contract.
    fails(
        &[&main[..], &["--trust-srs", "development"]].concat(),
        &["refused on chain 1"],
    );
    let srs = Srs::load(folder.path("keys/verifying.srs").as_ref()).unwrap();
    let named = hex(&srs.fingerprint());
    for more in [&["--allow-insecure-srs"][..], &["--trust-srs", &named]] {
        let out = zkml(&[&main[..], more].concat());
        assert_eq!(out.code, 0, "{more:?}: {}", out.stderr);
        let line = "warning: the contract trusts the SRS";
        assert!(out.stderr.contains(line), "{}", out.stderr);
    }
    let out = zkml(&[&deploy[..], &["31337", "--json"]].concat());
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert!(out.stderr.contains("warning: "), "{}", out.stderr);
    assert_eq!(json(&out)["srs"]["srs_secure"], false);
    assert_eq!(json(&out)["srs"]["srs_relied_upon"], false);
}

/// A contract of another SRS never verifies a proof of these keys: there is no id of it.
#[test]
fn a_contract_of_another_srs_is_refused() {
    let generator = G2Affine::generator();
    let other = (generator * Fr::from(99)).to_affine();
    let code = verifier::runtime(other);
    let (_folder, contract) = changed(|artefact| {
        artefact["runtime"] = json!(format!("0x{}", hex(&code)));
        artefact["creation"] = json!(format!("0x{}", hex(&verifier::creation(&code))));
    });
    let keys = made().0.path("keys");
    let own = Srs::load(made().0.path("keys/verifying.srs").as_ref()).unwrap();
    let id = ["evm", "model-id", "--keys", &keys, "--verifier", PLACE];
    fails(
        &[&id[..], &["--contract", &contract]].concat(),
        &[
            "another SRS",
            &hex(&own.fingerprint()),
            &hex(&fingerprint(&generator, &other)),
        ],
    );
}

/// What is read off the runtime is of what a deployment leaves.
#[test]
fn a_deployment_leaves_the_runtime() {
    let contract = made().0.path("contract");
    let deploy = ["evm", "calldata", "--function", "deploy-verifier"];
    let call = |contract: &str| {
        let more = ["--chain-id", "31337", "--contract", contract];
        zkml(&[&deploy[..], &more].concat())
    };
    assert_eq!(call(&contract).code, 0);
    let other = verifier::runtime((G2Affine::generator() * Fr::from(99)).to_affine());
    let creation = format!("0x{}", hex(&verifier::creation(&other)));
    let (_folder, contract) = changed(|artefact| artefact["creation"] = json!(creation));
    let out = call(&contract);
    assert_eq!(out.code, 1, "{}{}", out.stdout, out.stderr);
    assert!(out.stderr.contains("creation: expected"), "{}", out.stderr);
    assert_eq!(out.stdout, "");
}

/// Keys without their verifying.srs, on a machine that knows nothing of their SRS.
#[test]
fn the_srs_of_a_folder_without_one_is_given() {
    let (from, k) = made();
    let folder = Folder::new();
    fs::create_dir(folder.path("keys")).unwrap();
    for name in ["config.json", "verifying.key", "weights.opening"] {
        let name = format!("keys/{name}");
        fs::copy(from.path(&name), folder.path(&name)).unwrap();
    }
    let srs = folder.path("dev.srs");
    let out = zkml(&["srs", "dev", "-k", k, "--out", &srs]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    let (keys, contract) = (folder.path("keys"), from.path("contract"));
    let id = ["evm", "model-id", "--keys", &keys, "--contract", &contract];
    let id = |more: &[&str]| {
        Zkml::new()
            .env("ZKML_CACHE", &folder.path("cache"))
            .args(&id)
            .args(&["--verifier", PLACE])
            .args(more)
            .run()
    };
    let out = id(&[]);
    assert_eq!(out.code, 1, "{}{}", out.stdout, out.stderr);
    assert!(out.stderr.contains("another SRS"), "{}", out.stderr);
    let out = id(&["--srs", &srs]);
    assert_eq!(out.code, 0, "{}", out.stderr);
}
