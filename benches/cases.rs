//! The cases.

use std::{path::Path, sync::Arc};

use anyhow::{anyhow, Context, Result};
use halo2_proofs::poly::commitment::ParamsProver;
use serde_json::{json, Value};
use zkml_circuits::{
    aggregate::{self, AggregationKey, AggregationShape},
    import::{self, ImportOptions},
    inputs,
    layout::{Goal, Plan, Visibilities},
    prove::{self, Architecture, Keys, Opening, Proof, Request, Verifier},
    srs::{self, Srs},
};
use zkml_evm_verifier::{
    check::{build, check_contract},
    codegen::Labels,
    compile::find_compiler,
    exec::Fork,
};

use crate::meter::measure;

/// Gate columns of the aggregation circuit.
const COLUMNS: usize = 4;

/// What a case finds ready in its folder.
pub fn needs(case: &str) -> &'static [&'static str] {
    match case {
        "mnist/prove" | "mnist/verify" => &["prove"],
        "aggregate/1" | "evm/1" => &["onchain"],
        _ => &[],
    }
}

/// Makes what cases need.
pub fn prepare(needed: &str, folder: &Path) -> Result<()> {
    let place = folder.join(needed);
    std::fs::create_dir(&place)?;
    let goal = match needed {
        "onchain" => Goal::Onchain,
        _ => Goal::Prove,
    };
    let (made, opening) = setup(goal)?;
    made.architecture.save(&place.join("config.json"))?;
    made.keys.save(&place.join("proving.key"))?;
    made.keys.save_verifier(&place.join("verifying.key"))?;
    opening.save(&place.join("weights.opening"))?;
    let request = request(&made.architecture)?;
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
        "aggregate/1" => aggregate_case(case, folder),
        "evm/1" => evm_case(case, folder),
        "srs/20" => {
            let (measured, _) = measure(|| Ok(Srs::development(20, &|_, _| ())?))?;
            Ok(measured.line(case, json!({ "k": 20 })))
        }
        other => Err(anyhow!("no case '{other}'")),
    }
}

struct Made {
    architecture: Architecture,
    plan: Arc<Plan>,
    srs: Srs,
    keys: Keys,
}

fn rng() -> rand::rngs::OsRng {
    rand::rngs::OsRng
}

/// zkml's MNIST model where the shared data is, else the example; its name and files.
fn model() -> (&'static str, [std::path::PathBuf; 2]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = std::env::var_os("ZKML_SHARED")
        .map_or_else(|| root.join("../shared"), std::path::PathBuf::from)
        .join("data/zkml/mnist");
    let files = ["model.msgpack", "inp.msgpack"].map(|name| shared.join(name));
    if files.iter().all(|file| file.exists()) {
        ("zkml mnist/model.msgpack", files)
    } else {
        let files = ["model.onnx", "seven.png"].map(|name| root.join("examples/digits").join(name));
        ("examples/digits/model.onnx", files)
    }
}

fn cached(k: u32) -> Result<Srs> {
    let folder = srs::default_cache_folder()?;
    Ok(srs::cached(&folder, k, &|_, _| ())?)
}

fn setup(goal: Goal) -> Result<(Made, Opening)> {
    let (_, [file, _]) = model();
    let model = import::load(&file, &ImportOptions::default())?;
    let (architecture, plan) =
        Architecture::new(model.graph, model.source, Visibilities::default(), goal)?;
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

fn request(architecture: &Architecture) -> Result<Request> {
    let (_, [_, input]) = model();
    Ok(Request {
        inputs: inputs::load(&input, &architecture.graph, &architecture.source)?,
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

fn with(mut object: Value, key: &str, value: Value) -> Value {
    object[key] = value;
    object
}

/// Model file to keys on disk, the SRS in the cache.
fn setup_case(case: &str) -> Result<Value> {
    let folder = tempfile::tempdir()?;
    setup(Goal::Prove)?;
    let (measured, made) = measure(|| {
        let (made, opening) = setup(Goal::Prove)?;
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
        let request = request(&architecture)?;
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
    let plan = architecture.plan()?;
    let srs = cached(plan.shape.k)?;
    let key = Verifier::load(&folder.join("verifying.key"), &architecture)?;
    let proof = Proof::load(&folder.join("proof.zkml"))?;
    let (measured, ()) = measure(|| Ok(proof.verify(&architecture, &plan, &srs, &key.vk)?))?;
    let more = with(shape(&plan), "proof_bytes", json!(proof.argument.len()));
    Ok(measured.line(case, more))
}

/// The inner proof of the folder, and a key that aggregates it.
fn outer(folder: &Path) -> Result<(Srs, AggregationKey, snark_verifier_sdk::Snark)> {
    let inner = folder.join("onchain");
    let architecture = Architecture::load(&inner.join("config.json"))?;
    let plan = architecture.plan()?;
    let inner_srs = cached(plan.shape.k)?;
    let verifier = Verifier::load(&inner.join("verifying.key"), &architecture)?;
    let proof = Proof::load(&inner.join("proof.zkml"))?;
    let snark = proof.snark(&architecture, &plan, &inner_srs, &verifier.vk)?;
    let protocols = [snark.protocol.clone()];
    let (outer_shape, _) = AggregationShape::choose(&protocols, COLUMNS)?;
    let srs = cached(outer_shape.k)?;
    let key = aggregate::keygen(&srs.params, &protocols, outer_shape)?;
    Ok((srs, key, snark))
}

fn aggregate_case(case: &str, folder: &Path) -> Result<Value> {
    let (srs, key, snark) = outer(folder)?;
    let snarks = [snark];
    let (measured, proof) = measure(|| {
        Ok(aggregate::prove(
            &srs.params,
            &key,
            &snarks,
            rng(),
            &mut |_| (),
        )?)
    })?;
    let more = json!({
        "model": model().0,
        "k": key.shape().k,
        "columns": key.shape().columns,
        "proof_bytes": proof.proof.len(),
    });
    Ok(measured.line(case, more))
}

fn evm_case(case: &str, folder: &Path) -> Result<Value> {
    let (srs, key, snark) = outer(folder)?;
    let proof = aggregate::prove(&srs.params, &key, &[snark], rng(), &mut |_| ())?;
    let protocol = key.protocol(&srs.params)?;
    let generator = srs
        .params
        .get_g()
        .first()
        .context("an SRS without points")?;
    let deciding = (*generator, srs.params.g2(), srs.params.s_g2()).into();
    let labels = Labels {
        contract: "Verifier".into(),
        srs: srs.provenance.to_string(),
        notes: Vec::new(),
    };
    let compiler = find_compiler(None)?;
    let (measured, (source, bytecode)) =
        measure(|| Ok(build(&compiler, &deciding, &protocol, &labels)?))?;
    let forks = [Fork::Prague, Fork::Osaka];
    let report = check_contract(
        &bytecode,
        source.layout,
        &proof.instances,
        &proof.proof,
        &forks,
    )?;
    let gas = |fork: Fork| {
        let found = report.gas.iter().find(|(rules, _)| *rules == fork);
        found.map(|(_, gas)| gas.total)
    };
    Ok(measured.line(
        case,
        json!({
            "model": model().0,
            "gas": gas(Fork::Osaka),
            "gas_prague": gas(Fork::Prague),
            "calldata_bytes": report.calldata_bytes,
            "runtime_bytes": report.runtime_bytes,
        }),
    ))
}
