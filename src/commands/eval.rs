//! `zkml eval`: how often the model is right, in real numbers and in a proof's integers.

use crate::{
    args::{note_public, ModelArgs},
    ui::Ui,
};
use anyhow::{bail, Result};
use clap::Args;
use serde_json::{json, Value};
use std::path::PathBuf;
use zkml_import::{
    accuracy::Pair,
    inputs::dataset::{self, Samples},
    Model,
};

/// Measure a model's accuracy on labelled samples, in real numbers and in fixed point.
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml eval model.onnx --images t10k-images-idx3-ubyte.gz --labels t10k-labels-idx1-ubyte.gz
  zkml eval model.onnx --images images.npy --labels labels.npy --limit 1000 --scale 256

The real model is that of the file in 64-bit floating point if it is ONNX. Else it has the weights
before they were rounded, rounds nothing, and interpolates between the entries of a table (exp, tanh,
…); the weights in zkml's .msgpack files are integers already.")]
pub struct EvalArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Samples: IDX (as MNIST's, gzipped or not) or .npy, the number of samples first
    #[arg(long, value_name = "FILE")]
    images: PathBuf,
    /// Their classes, from 0 on: IDX or .npy
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,
    /// Use only so many samples, from the first on
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

/// Runs the command.
pub fn run(args: &EvalArgs, ui: &Ui) -> Result<Value> {
    let (model, real) = args.model.load_real()?;
    let asked = note_public(&model, ui);
    let exact = args.model.load_exact()?;
    let port = model.source.outputs.first();
    let unit = port.map_or(1, |port| port.scale_or(model.graph.scale)) as f64;
    let samples = Samples::read(&args.images, sample_size(&model)?)?;
    let labels = dataset::labels(&args.labels)?;
    if labels.len() != samples.count() {
        bail!(
            "{}: expected {} labels, one for each sample of {}, got {}",
            args.labels.display(),
            samples.count(),
            args.images.display(),
            labels.len()
        );
    }
    let chosen: Vec<&[f64]> = samples
        .iter()
        .take(args.limit.unwrap_or(usize::MAX))
        .collect();
    let bar = ui.counter("samples");
    bar.set_length(chosen.len() as u64);
    let pair = Pair {
        graph: &model.graph,
        weights: &model.weights,
        real: &real,
        exact: exact.as_ref().map(|exact| (exact, unit)),
    };
    let found = pair.accuracy(&chosen, &labels, || bar.inc(1))?;
    bar.finish_and_clear();
    let percent = |count: usize| 100.0 * count as f64 / found.samples.max(1) as f64;
    for (name, count) in [
        ("real numbers", found.real),
        ("fixed point", found.quantised),
        ("same class", found.agree),
    ] {
        ui.say(format_args!(
            "{name:<14} {:>7.2} %   {count} of {}",
            percent(count),
            found.samples
        ))?;
    }
    ui.say(format_args!(
        "largest difference of an output  {:.5}",
        found.worst
    ))?;
    Ok(json!({
        "samples": found.samples,
        "float": percent(found.real),
        "quantised": percent(found.quantised),
        "agreement": percent(found.agree),
        "largest_difference": found.worst,
        "scale": model.graph.scale,
        "needs_public": asked,
    }))
}

/// Values of a sample: the elements of the only input.
pub fn sample_size(model: &Model) -> Result<usize> {
    match model.graph.inputs.as_slice() {
        [id] => Ok(model
            .graph
            .tensor(*id, "the list of inputs")?
            .shape
            .iter()
            .product()),
        inputs => bail!(
            "the model has {} inputs; samples are for models with one",
            inputs.len()
        ),
    }
}
