//! `zkml calibrate`: a scale and an input range from sample data.

use crate::{
    args::{note_public, Settings},
    commands::eval::sample_size,
    output::{self, Content},
    plot::{bars, TITLE},
    ui::Ui,
    values::tensor,
};
use anyhow::{bail, Context, Result};
use clap::{Args, ValueEnum};
use serde_json::{json, Value};
use std::path::{Path, PathBuf};
use zkml_files::write_atomic;
use zkml_graph::real::RealWeights;
use zkml_import::{
    accuracy::{Accuracy, Pair, TensorError},
    inputs::dataset::Samples,
    load_real, ImportOptions, Model,
};
use zkml_model::{
    layout::Visibilities,
    planner::{choose, Cost, Goal},
};

/// Scales that are tried: powers of two.
const BITS: std::ops::RangeInclusive<u32> = 4..=14;

/// Try scales on sample data, and write the one to use to a settings file.
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml calibrate model.onnx --data samples.npy --out settings.json
  zkml calibrate model.onnx --data t10k-images-idx3-ubyte.gz --samples 200 --target cost
  zkml calibrate model.onnx --data samples/ --plot errors.svg
  zkml setup model.onnx --settings settings.json --out keys")]
pub struct CalibrateArgs {
    /// Model file
    model: PathBuf,
    /// Samples: .npy or IDX (gzipped or not), the number of samples first, or a folder of such files
    #[arg(long, value_name = "FILE|DIR")]
    data: PathBuf,
    /// Use only so many samples, from the first on
    #[arg(long, value_name = "N", default_value_t = 32)]
    samples: usize,
    /// What the scale is chosen for
    #[arg(long, value_enum, default_value_t)]
    target: Target,
    /// Settings file to write
    #[arg(long, value_name = "FILE", default_value = "settings.json")]
    out: PathBuf,
    /// Plot of the error of each layer to write
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
}

/// What the scale is chosen for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// Outputs within 1/256 of their span, and the same class on every sample, as cheaply as possible
    #[default]
    Accuracy,
    /// The same class on 99 of 100 samples, as cheaply as possible
    Cost,
}

/// A scale, and how it does.
struct Trial {
    scale: i64,
    model: Model,
    real: RealWeights,
    found: Accuracy,
    /// The real outputs' largest magnitude.
    span: f64,
    k: u32,
    columns: usize,
    seconds: f64,
}

/// Runs the command.
pub fn run(args: &CalibrateArgs, ui: &Ui) -> Result<Value> {
    let model = args.model.as_path();
    let data = args.data.as_path();
    output::check(&args.out, Content::Settings, &[model, data])?;
    if let Some(path) = &args.plot {
        output::check(path, Content::Plot, &[model, data, &args.out])?;
    }
    let first = load_real(&args.model, &ImportOptions::default())?;
    let asked = note_public(&first.0, ui);
    let samples = read_samples(&args.data, sample_size(&first.0)?)?;
    let chosen: Vec<&[f64]> = samples.iter().take(args.samples).collect();
    let (lo, hi) = samples.range();
    let range = (lo.min(0.0), hi.max(0.0));
    let mut trials = Vec::new();
    ui.say("   scale  largest error  same class  rows  columns  proving")?;
    for scale in scales(&first.0, &args.model) {
        let stage = ui.stage(&format!("scale {scale}"), None, || {
            try_scale(&args.model, scale, range, &chosen)
        });
        match stage.value {
            Ok(trial) => {
                ui.say(format_args!(
                    "{:>8}  {:>13.6}  {:>8.1} %  2^{:<2}  {:>7}  {:>5.1} s",
                    trial.scale,
                    trial.found.worst,
                    100.0 * trial.share(),
                    trial.k,
                    trial.columns,
                    trial.seconds
                ))?;
                trials.push(trial);
            }
            Err(error) => ui.say(format_args!("{scale:>8}  {error:#}"))?,
        }
    }
    let Some(best) = pick(&trials, args.target) else {
        bail!(
            "{}: no scale meets the target; use more samples, another --target, or choose by the table above",
            args.model.display()
        );
    };
    let pair = best.pair();
    let errors = pair.errors(&chosen)?;
    say_errors(ui, &best.model, &errors)?;
    let range = declared(&best.model)?;
    let settings = Settings {
        scale: Some(best.scale),
        input_range: Some(range),
        ..Settings::default()
    };
    settings.write(&args.out)?;
    ui.say(format_args!(
        "scale {} with inputs in [{}, {}]: wrote {}",
        best.scale,
        range.0,
        range.1,
        args.out.display()
    ))?;
    if let Some(path) = &args.plot {
        let rows: Vec<(String, f64)> = errors
            .iter()
            .map(|e| (tensor(&best.model.graph, e.tensor).0, e.error))
            .collect();
        let title = format!("{TITLE} at scale {}", best.scale);
        let svg = bars(&title, &rows);
        write_atomic(path, &mut |file| file.write_all(svg.as_bytes()))?;
        ui.say(format_args!("wrote {}", path.display()))?;
    }
    Ok(json!({
        "scale": best.scale,
        "needs_public": asked,
        "input_range": [range.0, range.1],
        "samples": chosen.len(),
        "trials": trials.iter().map(Trial::json).collect::<Vec<_>>(),
        "settings": args.out,
    }))
}

/// The range of the input in real numbers as the configuration will have it: the signed integers of the fewest bits that
/// hold all samples. Their own ends are as private as the samples.
fn declared(model: &Model) -> Result<(f64, f64)> {
    let (Some(id), Some(port)) = (model.graph.inputs.first(), model.source.inputs.first()) else {
        bail!("the model has no input");
    };
    let range = model.graph.tensor(*id, "the list of inputs")?.range;
    let scale = port.scale_or(model.graph.scale) as f64;
    Ok((range.lo as f64 / scale, range.hi as f64 / scale))
}

/// Powers of two; integers in the file fix the scale.
fn scales(model: &Model, path: &Path) -> Vec<i64> {
    let fixed = ImportOptions {
        scale: Some(model.graph.scale * 2),
        input_range: None,
        ..ImportOptions::default()
    };
    match load_real(path, &fixed) {
        Ok(_) => BITS.map(|bits| 1 << bits).collect(),
        Err(_) => vec![model.graph.scale],
    }
}

fn try_scale(path: &Path, scale: i64, range: (f64, f64), samples: &[&[f64]]) -> Result<Trial> {
    let options = ImportOptions {
        scale: Some(scale),
        input_range: Some(range),
        ..ImportOptions::default()
    };
    let (model, real) = load_real(path, &options)?;
    if let Some(lost) = model.vanished.first() {
        bail!("{}", lost.what);
    }
    let pair = Pair {
        graph: &model.graph,
        weights: &model.weights,
        real: &real,
        exact: None,
    };
    let found = pair.accuracy(samples, &vec![0; samples.len()], || ())?;
    let outputs = pair.errors(samples)?;
    let is_output = |e: &&TensorError| model.graph.outputs.contains(&e.tensor);
    let ends = |e: &TensorError| e.seen.0.abs().max(e.seen.1.abs());
    let span = outputs
        .iter()
        .filter(is_output)
        .map(ends)
        .fold(0.0, f64::max);
    let plan = choose(&model.graph, &Visibilities::default(), Goal::Prove)?;
    let (k, columns) = (plan.shape.k, plan.shape.data);
    let seconds = Cost::of(&plan.shape).prove_cpu_s;
    Ok(Trial {
        scale,
        model,
        real,
        found,
        span,
        k,
        columns,
        seconds,
    })
}

/// The cheapest trial that meets the target; of equals the most precise.
fn pick(trials: &[Trial], target: Target) -> Option<&Trial> {
    let meets = |trial: &&Trial| match target {
        Target::Accuracy => trial.share() == 1.0 && trial.found.worst * 256.0 <= trial.span,
        Target::Cost => trial.share() >= 0.99,
    };
    let order = |a: &&Trial, b: &&Trial| {
        let (a, b) = ((a.seconds, a.found.worst), (b.seconds, b.found.worst));
        a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
    };
    trials.iter().filter(meets).min_by(order)
}

impl Trial {
    fn pair(&self) -> Pair<'_> {
        Pair {
            graph: &self.model.graph,
            weights: &self.model.weights,
            real: &self.real,
            exact: None,
        }
    }

    /// Part of the samples on which integers and real numbers name one class.
    fn share(&self) -> f64 {
        self.found.agree as f64 / self.found.samples.max(1) as f64
    }

    fn json(&self) -> Value {
        json!({
            "scale": self.scale,
            "largest_error": self.found.worst,
            "same_class": self.share(),
            "k": self.k,
            "columns": self.columns,
            "prove_cpu_s": self.seconds,
        })
    }
}

fn say_errors(ui: &Ui, model: &Model, errors: &[TensorError]) -> Result<()> {
    ui.say("")?;
    ui.say("layer                             seen                    proven range               error     largest")?;
    let scale = model.graph.scale as f64;
    for error in errors {
        let (name, _) = tensor(&model.graph, error.tensor);
        let range = model.graph.tensor(error.tensor, "a layer")?.range;
        ui.say(format_args!(
            "{name:<28}  [{:>9.3}, {:>9.3}]  [{:>11.3}, {:>11.3}]  {:>9.6}  {:>9.6}",
            error.seen.0,
            error.seen.1,
            range.lo as f64 / scale,
            range.hi as f64 / scale,
            error.error,
            error.worst
        ))?;
    }
    ui.say("")
}

/// The samples of a file, or of all files of a folder, by name.
fn read_samples(path: &Path, size: usize) -> Result<Samples> {
    if !path.is_dir() {
        return Ok(Samples::read(path, size)?);
    }
    let entries = std::fs::read_dir(path).with_context(|| path.display().to_string())?;
    let mut files = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<PathBuf>>>()?;
    files.sort();
    let mut all = Samples {
        size,
        values: Vec::new(),
    };
    for file in files.iter().filter(|file| file.is_file()) {
        all.values.extend(Samples::read(file, size)?.values);
    }
    if all.values.is_empty() {
        bail!(
            "{}: expected .npy or IDX files of samples, got none",
            path.display()
        );
    }
    Ok(all)
}
