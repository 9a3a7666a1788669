//! `zkml run`: what the model says, in the proof's arithmetic, without a proof.

use crate::{
    args::{note_public, ModelArgs},
    ui::Ui,
    values::{outputs_json, say_outputs},
};
use anyhow::Result;
use clap::Args;
use serde_json::{json, Value};
use std::path::PathBuf;
use zkml_graph::{exec, Visibility};
use zkml_import::inputs;

/// Run a model on an input, in the same fixed-point arithmetic that a proof is about.
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml run model.onnx digit.png
  zkml run model.msgpack inp.msgpack
  zkml run model.onnx input.npy --scale 1024 --input-range 0,1 --json")]
pub struct RunArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Input file (.npy, .json, .msgpack, .png)
    input: PathBuf,
}

/// Runs the command.
pub fn run(args: &RunArgs, ui: &Ui) -> Result<Value> {
    let model = args.model.load()?;
    args.model.check_scale(&model, true, ui)?;
    let asked = note_public(&model, ui);
    let sight = |_| Visibility::Public;
    let input = inputs::read(&args.input, &model.graph, &model.source, &sight)
        .map_err(|error| args.model.refused(&args.input, error))?;
    let given = |at: usize, index: usize| {
        let units = input.values.get(at)?.get(index)?;
        Some(model.source.shown(model.graph.scale, at, *units))
    };
    let trace = exec::run(&model.graph, &model.weights, &input.values)
        .map_err(|error| error.with_values(given))?;
    let outputs = exec::outputs(&model.graph, &trace);
    say_outputs(ui, &model.graph, &model.source, &outputs)?;
    Ok(json!({
        "scale": model.graph.scale,
        "needs_public": asked,
        "outputs": outputs_json(&model.graph, &model.source, &outputs),
    }))
}
