//! Cases on other models, on batches and on whole data sets.

use std::path::PathBuf;

use anyhow::Result;
use serde_json::{json, Value};
use zkml_import as import;
use zkml_import::{
    accuracy::Pair,
    inputs::dataset::{self, Samples},
    ImportOptions, Model,
};
use zkml_model::{layout::Visibilities, planner::Goal};

use crate::{
    made::{model, proven, root, set_up, shared, with},
    meter::measure,
};

/// Images of a batch.
const BATCH: usize = 16;

/// One proof for sixteen images; one after another they would take as many proofs.
pub fn batch(case: &str) -> Result<Value> {
    let model = import::load(&model().1[0], &ImportOptions::default())?.batched(BATCH)?;
    let size = model.graph.tensors[model.graph.inputs[0].0]
        .shape
        .iter()
        .product();
    let inputs = vec![pattern(size, 0, model.graph.scale)];
    let line = prove_case(case, model, inputs)?;
    let each = line["wall_s"].as_f64().map(|wall| wall / BATCH as f64);
    Ok(with(line, "wall_s_per_image", json!(each)))
}

/// The last layers of a MobileNet: half a million weights.
pub fn v2(case: &str) -> Result<Value> {
    let file = shared().join("data/zkml/v2_1.0_224_truncated/model.msgpack");
    if !file.exists() {
        return Ok(json!({ "case": case, "skipped": format!("{} is absent", file.display()) }));
    }
    let model = import::load(&file, &ImportOptions::default())?;
    let size = model.graph.tensors[model.graph.inputs[0].0]
        .shape
        .iter()
        .product();
    let inputs = vec![pattern(size, 0, model.graph.scale)];
    prove_case(case, model, inputs)
}

/// MNIST's test images by the example, in real numbers and in fixed point.
pub fn accuracy(case: &str) -> Result<Value> {
    let folder = shared().join("data/mnist");
    let [images, labels] =
        ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"].map(|name| folder.join(name));
    if !images.exists() {
        return Ok(json!({ "case": case, "skipped": format!("{} is absent", images.display()) }));
    }
    let options = ImportOptions {
        input_range: Some((0.0, 1.0)),
        ..ImportOptions::default()
    };
    let file: PathBuf = root().join("examples/digits/model.onnx");
    let (model, real) = import::load_real(&file, &options)?;
    let exact = import::load_exact(&file)?;
    let unit = model.graph.scale as f64;
    let samples = Samples::read(&images, 28 * 28)?;
    let labels = dataset::labels(&labels)?;
    let all: Vec<&[f64]> = samples.iter().collect();
    let pair = Pair {
        graph: &model.graph,
        weights: &model.weights,
        real: &real,
        exact: exact.as_ref().map(|exact| (exact, unit)),
    };
    let (measured, found) = measure(|| Ok(pair.accuracy(&all, &labels, || ())?))?;
    let percent = |count: usize| 100.0 * count as f64 / found.samples as f64;
    let more = json!({
        "model": "examples/digits/model.onnx",
        "samples": found.samples,
        "float": percent(found.real),
        "quantised": percent(found.quantised),
    });
    Ok(measured.line(case, more))
}

/// Input values in [0, 1), a different picture for each `seed`.
fn pattern(size: usize, seed: usize, scale: i64) -> Vec<i64> {
    let value = |i: usize| (i * 7919 + seed * 104_729) as i64 % scale.max(1);
    (0..size).map(value).collect()
}

fn prove_case(case: &str, model: Model, inputs: Vec<Vec<i64>>) -> Result<Value> {
    let (made, opening) = set_up(model, Visibilities::default(), Goal::Prove)?;
    let (measured, proof) = measure(|| proven(&made, &opening, inputs.clone()))?;
    let more = json!({
        "k": made.plan.shape.k,
        "columns": made.plan.shape.data,
        "cells": made.plan.usage.data_cells,
        "proof_bytes": proof.argument.len(),
    });
    Ok(measured.line(case, more))
}
