//! Setup, proof and verification through the command line, on the shipped classifier.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

#[path = "support/onnx.rs"]
#[allow(dead_code)]
mod onnx;
mod support;

use std::{
    fs,
    sync::{Arc, OnceLock},
};
use support::{digits, json, text, Folder, Run, Zkml};
use zkml_graph::TensorId;
use zkml_model::{
    layout::{Cell, Plan, Step},
    prove::{Architecture, Keys, Opening},
};
use zkml_srs::cached;

struct Fixture {
    folder: Folder,
    keys: String,
    proof: String,
    setup: serde_json::Value,
}

/// One setup and one proof for all the tests.
fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let folder = Folder::new();
        let (model, image) = digits();
        let (keys, proof) = (folder.path("keys"), folder.path("proof.zkml"));
        let setup = Zkml::new()
            .args(&[
                "setup",
                &model,
                "--out",
                &keys,
                "--input-range",
                "0,1",
                "--json",
            ])
            .run();
        assert_eq!(setup.code, 0, "{}", setup.stderr);
        assert!(setup.stderr.contains("INSECURE"), "{}", setup.stderr);
        let out = Zkml::new()
            .args(&[
                "prove",
                &image,
                "--keys",
                &keys,
                "--out",
                &proof,
                "--context",
                "0x2a",
            ])
            .run();
        assert_eq!(out.code, 0, "{}", out.stderr);
        assert!(out.stdout.contains("class: 7"), "{}", out.stdout);
        Fixture {
            setup: json(&setup),
            folder,
            keys,
            proof,
        }
    })
}

fn verify(proof: &str, keys: &str, more: &[&str]) -> Run {
    Zkml::new()
        .args(&[
            "verify",
            proof,
            "--keys",
            keys,
            "--trust-srs",
            "development",
        ])
        .args(more)
        .run()
}

#[test]
fn a_proof_is_accepted_for_what_it_states() {
    let Fixture {
        keys, proof, setup, ..
    } = fixture();
    let commitment = text(setup, "commitment");
    let (_, image) = digits();
    let all = [
        "--commitment",
        commitment,
        "--context",
        "0x2a",
        "--input",
        &image,
        "--rederive",
    ];
    let out = verify(proof, keys, &all);
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert!(out.stdout.ends_with("Proof verified!\n"), "{}", out.stdout);
    assert!(out.stdout.contains(commitment), "{}", out.stdout);
    // Which C, and that it was compared, stands first.
    let compared = out.stdout.lines().nth(1).unwrap_or_default().trim();
    assert_eq!(compared, "compared with --commitment: the same");
    let rounding = "784 numbers were rounded to the nearest multiple of 1/512";
    assert!(out.stdout.contains(rounding), "{}", out.stdout);
    assert!(out.stderr.contains("INSECURE"), "{}", out.stderr);

    let out = verify(proof, keys, &["--json", "--quiet"]);
    let object = json(&out);
    assert_eq!(
        (text(&object, "status"), &object["class"]),
        ("ok", &7.into())
    );
    assert_eq!(text(&object["statement"], "commitment"), commitment);
    let pinned = format!("{keys}/model.commitment");
    assert_eq!(text(&object, "commitment_compared_with"), pinned);
    assert_eq!(object["names"]["outputs"][0], "logits");
    assert_eq!(out.stderr, "");
}

#[test]
fn a_proof_of_other_weights_is_rejected_unasked() {
    let Fixture {
        folder,
        proof,
        setup,
        ..
    } = fixture();
    let (model, _) = digits();
    // The same architecture and so the same key; another salt is another C.
    let other = folder.path("other-keys");
    let options = ["setup", &model, "--out", &other, "--input-range", "0,1"];
    let out = Zkml::new().args(&options).run();
    assert_eq!(out.code, 0, "{}", out.stderr);
    let pin = format!("{other}/model.commitment");
    let out = verify(proof, &other, &[]);
    assert_eq!(out.code, 3, "{}{}", out.stdout, out.stderr);
    assert!(
        out.stderr.contains("another model commitment"),
        "{}",
        out.stderr
    );
    assert!(out.stderr.contains("model.commitment"), "{}", out.stderr);
    // What the user says goes before the folder.
    let commitment = text(setup, "commitment");
    let out = verify(proof, &other, &["--commitment", commitment]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    // A folder of an earlier version: its opening says what C is.
    fs::remove_file(&pin).unwrap();
    let out = verify(proof, &other, &[]);
    assert_eq!(out.code, 3, "{}{}", out.stdout, out.stderr);
    assert!(out.stderr.contains("weights.opening"), "{}", out.stderr);
    // Nothing to compare with: it says so before all else.
    fs::remove_file(format!("{other}/weights.opening")).unwrap();
    let out = verify(proof, &other, &[]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    let compared = out.stdout.lines().nth(1).unwrap_or_default().trim();
    assert!(compared.starts_with("NOT COMPARED"), "{}", out.stdout);
    let object = json(&verify(proof, &other, &["--json"]));
    assert!(object["commitment_compared_with"].is_null(), "{object}");
    fs::write(&pin, "0xzz").unwrap();
    let out = verify(proof, &other, &[]);
    assert_eq!(out.code, 1, "{}", out.stderr);
    assert!(
        out.stderr.contains("model.commitment: expected 0x"),
        "{}",
        out.stderr
    );
}

#[test]
fn a_proof_is_rejected_for_anything_else() {
    let Fixture {
        folder,
        keys,
        proof,
        ..
    } = fixture();
    let blank = folder.path("blank.json");
    fs::write(&blank, format!("[{}]", vec!["0.5"; 784].join(","))).unwrap();
    for other in [
        &["--commitment", "0x1"][..],
        &["--context", "0x2b"],
        &["--input", &blank],
    ] {
        let out = verify(proof, keys, other);
        assert_eq!(out.code, 3, "{other:?}: {}", out.stderr);
        assert!(out.stderr.starts_with("error: "), "{}", out.stderr);
        assert!(out.stdout.is_empty(), "{}", out.stdout);
    }
    let object = json(&verify(proof, keys, &["--context", "0x2b", "--json"]));
    assert_eq!(text(&object, "status"), "rejected");
}

#[test]
fn verifying_needs_the_public_files_only() {
    let Fixture {
        folder,
        keys,
        proof,
        ..
    } = fixture();
    let public = folder.path("public");
    fs::create_dir(&public).unwrap();
    for name in ["config.json", "verifying.key", "verifying.srs"] {
        fs::copy(format!("{keys}/{name}"), format!("{public}/{name}")).unwrap();
    }
    assert_eq!(verify(proof, &public, &[]).code, 0);
    // The cache has the SRS of the setup as well.
    fs::remove_file(format!("{public}/verifying.srs")).unwrap();
    assert_eq!(verify(proof, &public, &[]).code, 0);
    let srs = folder.path("other.srs");
    let k = fixture().setup["shape"]["k"].to_string();
    let cache = folder.path("other-cache");
    let mut other = std::process::Command::new(env!("CARGO_BIN_EXE_zkml"));
    other
        .args(["srs", "dev", "--k", &k, "--out", &srs])
        .env("ZKML_CACHE", cache);
    assert!(other.output().unwrap().status.success());
    let out = verify(proof, &public, &["--srs", &srs]);
    assert_eq!(out.code, 1, "{}", out.stderr);
    assert!(out.stderr.contains("another SRS"), "{}", out.stderr);
}

#[test]
fn damaged_and_tampered_proofs_are_told_apart() {
    let Fixture {
        folder,
        keys,
        proof,
        ..
    } = fixture();
    let bytes = fs::read(proof).unwrap();
    let damaged = folder.path("damaged.zkml");
    let mut flipped = bytes.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for content in [
        &flipped[..],
        &bytes[..bytes.len() - 1],
        b"",
        b"not a proof at all",
    ] {
        fs::write(&damaged, content).unwrap();
        let out = verify(&damaged, keys, &[]);
        assert_eq!(out.code, 1, "{}", out.stderr);
        assert!(out.stderr.contains("damaged.zkml"), "{}", out.stderr);
    }
    // A forger can make the file's digest, but not the proof.
    type Forge = fn(&mut zkml_model::prove::Proof);
    let forgeries: [(&str, Forge); 5] = [
        ("bit", |proof| *proof.argument.last_mut().unwrap() ^= 1),
        ("length", |proof| proof.argument.push(0)),
        ("context", |proof| {
            proof.statement.context = "0x2b".parse().unwrap()
        }),
        ("commitment", |proof| {
            proof.statement.commitment = "0x1".parse().unwrap()
        }),
        ("output", |proof| {
            let outputs = proof.statement.outputs.first_mut();
            if let Some(zkml_model::prove::Exposure::Public(values)) = outputs {
                values[0] += 1;
            }
        }),
    ];
    for (name, forge) in forgeries {
        let forged = folder.path("forged.zkml");
        let mut proof = zkml_model::prove::Proof::load(proof.as_ref()).unwrap();
        forge(&mut proof);
        proof.save(forged.as_ref()).unwrap();
        let out = verify(&forged, keys, &[]);
        assert_eq!(out.code, 3, "{name}: {}", out.stderr);
        assert!(out.stderr.contains("reject"), "{name}: {}", out.stderr);
    }
}

#[test]
fn keys_of_another_model_are_refused_and_hashed_inputs_can_be_opened() {
    let Fixture { folder, proof, .. } = fixture();
    let (model, image) = digits();
    let keys = folder.path("hashed-keys");
    let setup = ["--input-range", "0,1", "--input-visibility", "hashed"];
    let out = Zkml::new()
        .args(&["setup", &model, "--out", &keys])
        .args(&setup)
        .run();
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert_eq!(verify(proof, &keys, &[]).code, 3);

    let hashed = folder.path("hashed.zkml");
    let out = Zkml::new()
        .args(&["prove", &image, "--keys", &keys, "--out", &hashed])
        .run();
    assert_eq!(out.code, 0, "{}", out.stderr);
    let salts = format!("{hashed}.salts.json");
    let opened = ["--input", &image, "--salts", &salts];
    let out = verify(&hashed, &keys, &opened);
    assert_eq!(out.code, 0, "{}", out.stderr);
    let out = verify(&hashed, &keys, &["--input", &image]);
    assert_eq!(out.code, 1, "{}", out.stderr);
    assert!(out.stderr.contains("--salts"), "{}", out.stderr);
    fs::write(&salts, r#"{"input 0": "0x5"}"#).unwrap();
    assert_eq!(verify(&hashed, &keys, &opened).code, 3);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &str| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&format!("{keys}/weights.opening")), 0o600);
    }
}

/// Whoever supplies a proving key may have added a constraint to its circuit, such as that two weights are equal: a
/// prover that used it would say whether they are.
#[test]
fn a_proving_key_of_another_circuit_makes_no_proof() {
    let folder = Folder::new();
    let (model, keys) = (folder.path("model.onnx"), folder.path("keys"));
    let row = |name| onnx::value(name, &[1, 2]);
    let weights = onnx::tensor("W", &[2, 2], &[0.3, 0.3, 0.1, 0.4]);
    let layer = onnx::node("MatMul", "layer", &["x", "W"], "y");
    fs::write(
        &model,
        onnx::model(&[layer], &[weights], row("x"), row("y")),
    )
    .unwrap();
    let out = Zkml::new().args(&["setup", &model, "--out", &keys]).run();
    assert_eq!(out.code, 0, "{}", out.stderr);

    let architecture = Architecture::load(format!("{keys}/config.json").as_ref()).unwrap();
    let mut plan = Plan::clone(&architecture.plan().unwrap());
    // Two weights that are equal, so that the constraint holds.
    let opening = Opening::load(format!("{keys}/weights.opening").as_ref()).unwrap();
    let equal = |step: &Step| {
        let Step::Given {
            limbs, elements, ..
        } = step
        else {
            return None;
        };
        let weight = |of: &Option<(TensorId, usize)>| {
            of.and_then(|(id, at)| opening.weights.get(&id)?.get(at).copied())
        };
        let all: Vec<Option<i64>> = elements.iter().map(weight).collect();
        let mut pairs = (0..all.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
        let (a, b) = pairs.find(|(a, b)| all[*a].is_some() && all[*a] == all[*b])?;
        let block = limbs.first()?.block;
        Some([a, b].map(|index| Cell { block, index }))
    };
    let [a, b] = plan.steps.iter().find_map(equal).unwrap();
    let copies = vec![(a, b)];
    plan.steps.push(Step::Gather { copies });
    let cache = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
    let srs = cached(&cache, plan.shape.k, &|_, _| ()).unwrap();
    let chosen = Keys::new(&Arc::new(plan), &srs).unwrap();

    let (input, proof) = (folder.path("input.json"), folder.path("proof.zkml"));
    fs::write(&input, "[[0.25, -0.5]]").unwrap();
    let prove = ["prove", &input, "--keys", &keys, "--out", &proof];
    let refused = |part: &str| {
        let out = Zkml::new().args(&prove).run();
        assert_eq!(out.code, 1, "{}", out.stderr);
        assert!(out.stderr.contains(part), "{part}: {}", out.stderr);
        assert!(!std::path::Path::new(&proof).exists());
    };
    let [proving, verifying] =
        ["proving.key", "verifying.key"].map(|name| format!("{keys}/{name}"));
    let kept = [&proving, &verifying].map(|path| fs::read(path).unwrap());
    chosen.save(proving.as_ref()).unwrap();
    refused("are keys of different circuits");
    chosen.save_verifier(verifying.as_ref()).unwrap();
    refused("proving.key is not the key of");

    // The honest one on another machine: derived again once.
    let [honest, public] = &kept;
    fs::write(&proving, honest).unwrap();
    fs::write(&verifying, public).unwrap();
    let other = folder.path("cache");
    fs::create_dir(&other).unwrap();
    fs::copy(cache.join("dev.seed"), format!("{other}/dev.seed")).unwrap();
    for derived in [true, false] {
        let out = Zkml::new().env("ZKML_CACHE", &other).args(&prove).run();
        assert_eq!(out.code, 0, "{}", out.stderr);
        let said = out.stderr.contains("proving.key: not made on this machine");
        assert_eq!(said, derived, "{}", out.stderr);
    }
}

#[test]
fn an_input_that_does_not_fit_leaves_no_proof() {
    let Fixture { folder, keys, .. } = fixture();
    let input = folder.path("short.json");
    fs::write(&input, "[1, 2, 3]").unwrap();
    let out_file = folder.path("none.zkml");
    let out = Zkml::new()
        .args(&["prove", &input, "--keys", keys, "--out", &out_file])
        .run();
    assert_eq!(out.code, 1, "{}", out.stderr);
    assert!(
        out.stderr.contains("a flat list of 784, got shape [3]"),
        "{}",
        out.stderr
    );
    assert!(!std::path::Path::new(&out_file).exists());

    let nowhere = folder.path("no-such-folder/p.zkml");
    let (model, image) = digits();
    let out = Zkml::new()
        .args(&["prove", &image, "--keys", keys, "--out", &nowhere])
        .run();
    assert_eq!(out.code, 1, "{}", out.stderr);
    assert!(out.stderr.contains("no-such-folder"), "{}", out.stderr);
    // The secret that opens a published commitment is not replaced by accident.
    let out = Zkml::new().args(&["setup", &model, "--out", keys]).run();
    assert_eq!(out.code, 1, "{}", out.stderr);
    assert!(out.stderr.contains("--force"), "{}", out.stderr);
}

/// All that `setup` and `prove` write to the terminal, logs at their fullest included, has no weight.
#[test]
fn no_log_line_shows_a_weight() {
    let folder = Folder::new();
    let weights = [61.234f32, -53.111, 40.404, 37.77, -29.91, 17.533];
    let tensor = onnx::tensor("w", &[2, 3], &weights);
    let nodes = [onnx::node("MatMul", "product", &["x", "w"], "y")];
    let [x, y] = [("x", 2), ("y", 3)].map(|(name, size)| onnx::value(name, &[1, size]));
    let [model, input, keys] = ["model.onnx", "input.json", "keys"].map(|name| folder.path(name));
    fs::write(&model, onnx::model(&nodes, &[tensor], x, y)).unwrap();
    fs::write(&input, "[0.25, -0.5]").unwrap();
    let mut said = String::new();
    let commands: [&[&str]; 2] = [
        &[
            "setup",
            &model,
            "--out",
            &keys,
            "--scale",
            "512",
            "--input-range=-1,1",
        ],
        &[
            "prove",
            &input,
            "--keys",
            &keys,
            "--out",
            &folder.path("proof.zkml"),
        ],
    ];
    for command in commands {
        let out = Zkml::new()
            .env("ZKML_LOG", "trace")
            .args(command)
            .args(&["-vvv"])
            .run();
        assert_eq!(out.code, 0, "{}", out.stderr);
        assert!(out.stderr.contains("INFO"), "{}", out.stderr);
        said += &(out.stderr + &out.stdout);
    }
    let words = said.split(|c: char| !c.is_alphanumeric() && c != '.');
    let words: Vec<&str> = words.map(|word| word.trim_matches('.')).collect();
    for weight in weights.map(f32::abs) {
        let integer = (f64::from(weight) * 512.0).round() as i64;
        for shown in [
            weight.to_string(),
            integer.to_string(),
            format!("0x{integer:x}"),
        ] {
            assert!(!words.contains(&shown.as_str()), "{shown}: {said}");
        }
    }
}
