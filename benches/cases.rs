//! The cases.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use anyhow::{anyhow, Result};
use serde_json::{json, Value};
use snark_verifier_sdk::Snark;
use zkml_circuits::{
    aggregate::{self, AggregateProof, AggregationKey, AggregationShape},
    graph::Visibility,
    import::{self, ImportOptions, Model},
    inputs,
    layout::{Goal, Plan, Visibilities},
    prove::{self, Architecture, Keys, Opening, Proof, Request, Verifier},
    srs::{self, Srs},
};
use zkml_cli::aggregation::gate_columns;

use crate::{
    forged::Scene, leaks, meter::measure, models, onchain, onnx, right, settings, soundness,
};

/// What a case finds ready in its folder.
pub fn needs(case: &str) -> &'static [&'static str] {
    match case {
        "mnist/prove" | "mnist/verify" => &["prove"],
        "aggregate/1" | "evm/1" | "evm/model-verifier" => &["onchain"],
        "evm/direct" => &["direct"],
        "evm/batch-4" => &["hashed", "hashed-example"],
        "evm/translation" | "evm/settings" => &["direct", "onchain"],
        _ => &[],
    }
}

/// Makes what cases need.
pub fn prepare(needed: &str, folder: &Path) -> Result<()> {
    let place = folder.join(needed);
    std::fs::create_dir(&place)?;
    let (files, goal, visibilities) = match needed {
        "onchain" => (model().1, Goal::Onchain, Visibilities::default()),
        "direct" => (model().1, Goal::Direct, Visibilities::default()),
        "hashed" => (model().1, Goal::Onchain, hashed()),
        "hashed-example" => (example(), Goal::Onchain, hashed()),
        _ => (model().1, Goal::Prove, Visibilities::default()),
    };
    let (made, opening) = setup(&files, visibilities, goal)?;
    made.architecture.save(&place.join("config.json"))?;
    made.keys.save(&place.join("proving.key"))?;
    made.keys.save_verifier(&place.join("verifying.key"))?;
    opening.save(&place.join("weights.opening"))?;
    let request = request(&made.architecture, &files)?;
    let (proof, _) = prove::prove(
        &made.architecture,
        &made.plan,
        &made.srs,
        &made.keys,
        &opening,
        &request,
    )?;
    proof.save(&place.join("proof.zkml"))?;
    Ok(())
}

/// Runs one case.
pub fn run(case: &str, folder: &Path) -> Result<Value> {
    match case {
        "mnist/setup" => setup_case(case),
        "mnist/prove" => prove_case(case, &folder.join("prove")),
        "mnist/verify" => verify_case(case, &folder.join("prove")),
        "mnist/batch-16" => models::batch(case),
        "mnist/accuracy" => models::accuracy(case),
        "v2/prove" => models::v2(case),
        "aggregate/1" => aggregate_case(case, folder),
        "evm/1" => onchain::evm_case(case, folder),
        "evm/model-verifier" => onchain::model_verifier_case(case, folder),
        "evm/direct" => onchain::direct_case(case, &folder.join("direct")),
        "evm/batch-4" => onchain::batch_case(case, folder),
        "evm/partitions" => onchain::partitions_case(case),
        "evm/false-proofs" => onchain::false_proofs_case(case),
        "evm/translation" => onchain::translation_case(case, folder),
        "evm/settings" => settings::settings(case, folder),
        "onnx/node-tests" => onnx::node_tests(case),
        "onnx/networks" => onnx::whole_networks(case),
        "soundness/enemy" => soundness::enemy(case),
        "cases/right" => right::right(case),
        "graphs/differ" => right::differ(case),
        "files/leaks" => leaks::leaks(case),
        "files/forged" => forged_case(case, folder),
        "srs/20" => {
            let (measured, _) = measure(|| Ok(Srs::development(20, &|_, _| ())?))?;
            Ok(measured.line(case, json!({ "k": 20 })))
        }
        other => Err(anyhow!("no case '{other}'")),
    }
}

/// Files that claim to be what they are not, each handed to the program beside this one.
fn forged_case(case: &str, folder: &Path) -> Result<Value> {
    let program = std::env::current_exe()?.with_file_name("zkml");
    let place = folder.join("forged");
    std::fs::create_dir_all(&place)?;
    let [example, _] = example();
    let example = example.parent().ok_or_else(|| anyhow!("no example"))?;
    let scene = Scene::new(&program, &place, example)?;
    let start = Instant::now();
    let cases = scene.run()?;
    let accepted: Vec<_> = cases.iter().filter(|case| case.accepted).collect();
    for case in &accepted {
        eprintln!("accepted: {}: {}", case.name, case.said);
    }
    Ok(json!({
        "case": case,
        "wall_s": start.elapsed().as_secs_f64(),
        "tried": cases.len(),
        "accepted": accepted.len(),
    }))
}

pub struct Made {
    pub architecture: Architecture,
    pub plan: Arc<Plan>,
    pub srs: Srs,
    pub keys: Keys,
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where models and data are that the repository does not ship.
pub fn shared() -> PathBuf {
    std::env::var_os("ZKML_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from)
}

/// zkml's MNIST model where the shared data is, else the example; its name and files.
pub fn model() -> (&'static str, [PathBuf; 2]) {
    let shared = shared().join("data/zkml/mnist");
    let files = ["model.msgpack", "inp.msgpack"].map(|name| shared.join(name));
    if files.iter().all(|file| file.exists()) {
        ("zkml mnist/model.msgpack", files)
    } else {
        ("examples/digits/model.onnx", example())
    }
}

/// The shipped model and input.
fn example() -> [PathBuf; 2] {
    let folder = root().join("examples/digits");
    ["model.onnx", "seven.png"].map(|name| folder.join(name))
}

/// A hash of the input in place of its packed values.
fn hashed() -> Visibilities {
    Visibilities {
        inputs: vec![Visibility::Hashed],
        outputs: Vec::new(),
    }
}

pub fn cached(k: u32) -> Result<Srs> {
    let folder = srs::default_cache_folder()?;
    Ok(srs::cached(&folder, k, &|_, _| ())?)
}

fn setup(
    [file, _]: &[PathBuf; 2],
    visibilities: Visibilities,
    goal: Goal,
) -> Result<(Made, Opening)> {
    let model = import::load(file, &ImportOptions::default())?;
    set_up(model, visibilities, goal)
}

pub fn set_up(model: Model, visibilities: Visibilities, goal: Goal) -> Result<(Made, Opening)> {
    let (architecture, plan) = Architecture::new(model.graph, model.source, visibilities, goal)?;
    let srs = cached(plan.shape.k)?;
    let keys = Keys::new(&plan, &srs)?;
    let made = Made {
        architecture,
        plan,
        srs,
        keys,
    };
    Ok((made, Opening::new(model.weights)))
}

pub fn request(architecture: &Architecture, [_, input]: &[PathBuf; 2]) -> Result<Request> {
    Ok(Request {
        inputs: inputs::load(input, &architecture.graph, &architecture.source)?,
        context: Default::default(),
        transcript: architecture.transcript(),
    })
}

fn shape(plan: &Plan) -> Value {
    json!({
        "model": model().0,
        "k": plan.shape.k,
        "columns": plan.shape.data,
        "cells": plan.usage.data_cells,
    })
}

pub fn with(mut object: Value, key: &str, value: Value) -> Value {
    object[key] = value;
    object
}

/// Model file to keys on disk, the SRS in the cache.
fn setup_case(case: &str) -> Result<Value> {
    let files = model().1;
    let setup = || setup(&files, Visibilities::default(), Goal::Prove);
    setup()?;
    let (measured, made) = measure(|| {
        let (made, opening) = setup()?;
        // A secret that is there is not replaced.
        let folder = tempfile::tempdir()?;
        made.architecture.save(&folder.path().join("config.json"))?;
        made.keys.save(&folder.path().join("proving.key"))?;
        made.keys
            .save_verifier(&folder.path().join("verifying.key"))?;
        opening.save(&folder.path().join("weights.opening"))?;
        Ok(made)
    })?;
    Ok(measured.line(case, shape(&made.plan)))
}

/// Input file to verified proof file, the keys loaded.
fn prove_case(case: &str, folder: &Path) -> Result<Value> {
    let architecture = Architecture::load(&folder.join("config.json"))?;
    let plan = architecture.plan()?;
    let srs = cached(plan.shape.k)?;
    let keys = Keys::load(&folder.join("proving.key"), &architecture)?;
    let opening = Opening::load(&folder.join("weights.opening"))?;
    let out = tempfile::tempdir()?;
    let (measured, proof) = measure(|| {
        let request = request(&architecture, &model().1)?;
        let (proof, _) = prove::prove(&architecture, &plan, &srs, &keys, &opening, &request)?;
        proof.save(&out.path().join("proof.zkml"))?;
        Ok(proof)
    })?;
    let more = with(shape(&plan), "proof_bytes", json!(proof.argument.len()));
    Ok(measured.line(case, more))
}

/// The check of a loaded proof with a loaded key.
fn verify_case(case: &str, folder: &Path) -> Result<Value> {
    let architecture = Architecture::load(&folder.join("config.json"))?;
    let form = architecture.form()?;
    let srs = cached(architecture.shape.k)?;
    let key = Verifier::load(&folder.join("verifying.key"), &architecture)?;
    let proof = Proof::load(&folder.join("proof.zkml"))?;
    let (measured, ()) = measure(|| Ok(proof.verify(&form, &srs, &key.vk)?))?;
    // The figures of its layout, which verifying does without.
    let plan = architecture.plan()?;
    let more = with(shape(&plan), "proof_bytes", json!(proof.argument.len()));
    Ok(measured.line(case, more))
}

/// A proof of a folder as an aggregation takes it.
pub fn inner_proof(inner: &Path) -> Result<Snark> {
    let architecture = Architecture::load(&inner.join("config.json"))?;
    let inner_srs = cached(architecture.shape.k)?;
    let verifier = Verifier::load(&inner.join("verifying.key"), &architecture)?;
    let proof = Proof::load(&inner.join("proof.zkml"))?;
    Ok(proof.snark(&architecture.form()?, &inner_srs, &verifier.vk)?)
}

/// The SRS and the key that aggregate proofs.
pub fn outer(snarks: &[Snark]) -> Result<(Srs, AggregationKey)> {
    let protocols: Vec<_> = snarks.iter().map(|snark| snark.protocol.clone()).collect();
    let (outer_shape, _) = AggregationShape::choose(&protocols, gate_columns(None, snarks.len()))?;
    let srs = cached(outer_shape.k)?;
    let key = aggregate::keygen(&srs.params, &protocols, outer_shape)?;
    Ok((srs, key))
}

/// One proof of all.
pub fn aggregated(srs: &Srs, key: &AggregationKey, snarks: &[Snark]) -> Result<AggregateProof> {
    let progress = &mut |_| ();
    Ok(aggregate::prove(
        &srs.params,
        key,
        snarks,
        rand::rngs::OsRng,
        progress,
    )?)
}

/// A proof about inputs.
pub fn proven(made: &Made, opening: &Opening, inputs: Vec<Vec<i64>>) -> Result<Proof> {
    let request = Request {
        inputs,
        context: Default::default(),
        transcript: made.architecture.transcript(),
    };
    let (architecture, plan) = (&made.architecture, &made.plan);
    let proven = prove::prove(architecture, plan, &made.srs, &made.keys, opening, &request)?;
    Ok(proven.0)
}

fn aggregate_case(case: &str, folder: &Path) -> Result<Value> {
    let snarks = [inner_proof(&folder.join("onchain"))?];
    let (srs, key) = outer(&snarks)?;
    let (measured, proof) = measure(|| aggregated(&srs, &key, &snarks))?;
    let more = json!({
        "model": model().0,
        "k": key.shape().k,
        "columns": key.shape().columns,
        "proof_bytes": proof.proof.len(),
    });
    Ok(measured.line(case, more))
}
