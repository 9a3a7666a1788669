//! What helps against an error: said only after it was tried on this very model.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};
use zkml_graph::{exec, Visibility};
use zkml_import::{
    inputs::{self, Beyond, InputError},
    ImportError, ImportOptions, Model, DEFAULT_SCALE,
};

/// Trying ends after so long, and a second more for each megabyte of the file.
const PATIENCE: Duration = Duration::from_secs(2);
/// Scales that are tried are not below this.
const LEAST_SCALE: i64 = 16;
/// How often a range is halved.
const HALVINGS: i32 = 6;

/// The error of a file that it took so long to find, and the options that read the model, if they help.
pub fn for_model(
    model: &Path,
    options: &ImportOptions,
    error: ImportError,
    took: Duration,
    reads: &dyn Fn(&ImportOptions) -> bool,
) -> anyhow::Error {
    if !error.is_of_size() {
        return error.into();
    }
    let megabytes = fs::metadata(model).map_or(0, |file| file.len() >> 20);
    let patience = PATIENCE + Duration::from_secs(megabytes);
    let start = Instant::now();
    let helps = |options: &ImportOptions| start.elapsed() + took < patience && reads(options);
    let (lo, hi) = options.input_range.unwrap_or((-4.0, 4.0));
    let narrower = (1..=HALVINGS)
        .map(|n| (lo / 2f64.powi(n), hi / 2f64.powi(n)))
        .find(|&range| {
            helps(&ImportOptions {
                input_range: Some(range),
                ..options.clone()
            })
        })
        .map(|(lo, hi)| format!("--input-range {lo},{hi}"));
    let scales = std::iter::successors(options.scale.or(Some(DEFAULT_SCALE)), |scale| {
        Some(scale / 2)
    });
    let smaller = scales
        .skip(1)
        .take_while(|&scale| scale >= LEAST_SCALE)
        .find(|&scale| {
            helps(&ImportOptions {
                scale: Some(scale),
                ..options.clone()
            })
        })
        .map(|scale| format!("--scale {scale}"));
    let found: Vec<String> = narrower.into_iter().chain(smaller).collect();
    match found.is_empty() {
        true => error.into(),
        false => anyhow::anyhow!(
            "{error}; the model is read with {}",
            found.join(", or with ")
        ),
    }
}

/// The error, and the range with which the model takes the input; `load` reads it with other options.
pub fn for_input(
    input: &Path,
    error: InputError,
    options: ImportOptions,
    load: &dyn Fn(&ImportOptions) -> Option<Model>,
) -> anyhow::Error {
    let InputError::Range { beyond, .. } = &error else {
        return error.into();
    };
    match wider(input, beyond, options, load) {
        Some(remedy) => anyhow::anyhow!("{error}; it is taken with {remedy}"),
        None => error.into(),
    }
}

/// The option that takes the input, tried to the end: the model runs on it.
fn wider(
    input: &Path,
    beyond: &Beyond,
    mut options: ImportOptions,
    load: &dyn Fn(&ImportOptions) -> Option<Model>,
) -> Option<String> {
    let (lo, hi) = beyond.needed?;
    // Some room, in numbers that one can read.
    let outward = |v: f64| v.signum() * (v.abs() * 1.25).ceil();
    let range = (outward(lo), outward(hi));
    options.input_ranges.insert(beyond.input.clone(), range);
    let model = load(&options)?;
    let sight = |_| Visibility::Public;
    let read = inputs::read(input, &model.graph, &model.source, &sight).ok()?;
    exec::run(&model.graph, &model.weights, &read.values).ok()?;
    Some(format!(
        "--input-range '{}={},{}'",
        beyond.input, range.0, range.1
    ))
}
