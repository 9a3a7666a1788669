//! The way to a contract without aggregation, through the command line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

// Other tests use the rest of it.
#[allow(dead_code)]
mod support;

use support::{digits, json, text, Folder, Run, Zkml};

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
    let mut tampered = zkml_circuits::prove::Proof::load(proof.as_ref()).unwrap();
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
