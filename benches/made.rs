//! What cases start from: models, keys, proofs.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Result;
use serde_json::{json, Value};
use snark_verifier_sdk::Snark;
use zkml_aggregation as aggregate;
use zkml_aggregation::{AggregateProof, AggregationKey, AggregationShape};
use zkml_cli::aggregation::gate_columns;
use zkml_graph::Visibility;
use zkml_import as import;
use zkml_import::{inputs, ImportOptions, Model};
use zkml_model::{
    layout::{Plan, Visibilities},
    planner::Goal,
    prove::{self, Architecture, Keys, Opening, Proof, Request, Verifier},
};
use zkml_srs as srs;
use zkml_srs::Srs;

/// The keys of a model, and what they are of.
pub struct Made {
    pub architecture: Architecture,
    pub plan: Arc<Plan>,
    pub srs: Srs,
    pub keys: Keys,
}

/// The checkout.
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
pub fn example() -> [PathBuf; 2] {
    let folder = root().join("examples/digits");
    ["model.onnx", "seven.png"].map(|name| folder.join(name))
}

/// A hash of the input in place of its packed values.
pub fn hashed() -> Visibilities {
    Visibilities {
        inputs: vec![Visibility::Hashed],
        outputs: Vec::new(),
    }
}

/// The development SRS of a size.
pub fn cached(k: u32) -> Result<Srs> {
    let folder = srs::default_cache_folder()?;
    Ok(srs::cached(&folder, k, &|_, _| ())?)
}

/// The keys of a model file.
pub fn setup(
    [file, _]: &[PathBuf; 2],
    visibilities: Visibilities,
    goal: Goal,
) -> Result<(Made, Opening)> {
    let model = import::load(file, &ImportOptions::default())?;
    set_up(model, visibilities, goal)
}

/// The keys of a model.
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

/// What to prove of a file.
pub fn request(architecture: &Architecture, [_, input]: &[PathBuf; 2]) -> Result<Request> {
    Ok(Request {
        inputs: inputs::load(input, &architecture.graph, &architecture.source)?,
        context: Default::default(),
        transcript: architecture.transcript(),
    })
}

/// Figures of a layout.
pub fn shape(plan: &Plan) -> Value {
    json!({
        "model": model().0,
        "k": plan.shape.k,
        "columns": plan.shape.data,
        "cells": plan.usage.data_cells,
    })
}

/// An object with one more field.
pub fn with(mut object: Value, key: &str, value: Value) -> Value {
    object[key] = value;
    object
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
