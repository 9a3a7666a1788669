//! Whole networks (`shared/data/onnx/NAME/{network.onnx, input.json}`): imported, run in integers,
//! and compared with floating point.
//!
//! Floating point is this crate's own; where onnxruntime 1.32.0 takes the file (92 of 95), the first eight
//! values of each output that it gives (`scripts/onnx_expected.py`) must be the same to 1/1000.
//!
//! A network is right if every real output is within 64/scale·(1 + |expected|) + |expected|/64 of
//! floating point (errors add up over the layers), and every integer one is exact.

use std::collections::BTreeMap;
use std::path::Path;
use zkml_import::{evaluate_float, parse_onnx, ImportOptions, Port};

fn flatten(value: &serde_json::Value, into: &mut Vec<f64>) {
    match value {
        serde_json::Value::Array(items) => items.iter().for_each(|v| flatten(v, into)),
        serde_json::Value::Bool(b) => into.push(f64::from(u8::from(*b))),
        other => into.push(other.as_f64().unwrap_or(f64::NAN)),
    }
}

fn given(text: &[u8]) -> Result<Vec<Vec<f64>>, String> {
    let json: serde_json::Value = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    let items = json["input_data"].as_array().ok_or("no input_data")?;
    let one = |item| {
        let mut flat = Vec::new();
        flatten(item, &mut flat);
        flat
    };
    Ok(items.iter().map(one).collect())
}

/// Inputs for a network that comes without: the fractions of multiples of the golden ratio.
fn made(model: &[u8]) -> Result<Vec<Vec<f64>>, String> {
    let options = ImportOptions {
        input_range: Some((0.0, 1.0)),
        ..Default::default()
    };
    let float = parse_onnx(model, &options).map_err(|e| e.to_string())?;
    let one = |port: &Port| {
        let n: usize = port.shape.iter().product();
        (0..n).map(|i| (i as f64 * 0.618_034).fract()).collect()
    };
    Ok(float.source.inputs.iter().map(one).collect())
}

/// Whether floating point is what another implementation says.
fn agrees(stated: &[Vec<f64>], expected: &[Vec<f64>]) -> Result<(), String> {
    if stated.len() != expected.len() {
        return Err(format!("{} outputs for {}", expected.len(), stated.len()));
    }
    for (at, (stated, own)) in stated.iter().zip(expected).enumerate() {
        for (s, o) in stated.iter().zip(own) {
            if (s - o).abs() > 1e-3 * (1.0 + s.abs()) {
                return Err(format!("output {at}: floating point {o}, onnxruntime {s}"));
            }
        }
    }
    Ok(())
}

/// Checks a network; the options that it is right with, and its inputs.
pub fn check(
    folder: &Path,
    stated: Option<&[Vec<f64>]>,
) -> Result<(ImportOptions, Vec<Vec<f64>>), String> {
    let bytes = std::fs::read(folder.join("network.onnx")).map_err(|e| e.to_string())?;
    let inputs = match std::fs::read(folder.join("input.json")) {
        Ok(text) => given(&text)?,
        Err(_) => made(&bytes)?,
    };
    let expected = evaluate_float(&bytes, &inputs).map_err(|e| e.to_string())?;
    if let Some(stated) = stated {
        agrees(stated, &expected)?;
    }
    let mut last = String::new();
    for scale in super::support::SCALES {
        let options = ImportOptions {
            scale: Some(scale),
            input_range: Some(super::support::range(&inputs)),
            ..ImportOptions::default()
        };
        let outputs = match super::support::integers(&bytes, &options, &inputs) {
            Ok(outputs) => outputs,
            Err(error) => {
                last = error;
                continue;
            }
        };
        let near = |(got, expected): (&f64, &f64), real: bool| {
            let size = expected.abs();
            let bound = 64.0 / scale as f64 * (1.0 + size) + size / 64.0;
            got == expected || (real && (got - expected).abs() <= bound)
        };
        let mut wrong = None;
        for (at, (expected, (got, real))) in expected.iter().zip(&outputs).enumerate() {
            if got.len() != expected.len() {
                wrong = Some(format!(
                    "output {at}: {} values for {}",
                    got.len(),
                    expected.len()
                ));
            }
            let pairs = got.iter().zip(expected);
            if let Some((g, e)) = pairs.into_iter().find(|&pair| !near(pair, *real)) {
                wrong = Some(format!("output {at}, scale {scale}: {g} for {e}"));
            }
        }
        match wrong {
            None => return Ok((options, inputs)),
            Some(text) => last = text,
        }
    }
    Err(last)
}

/// How many networks are right and how many there are; what is wrong with the others.
pub fn measure(folder: &Path, only: &str) -> (usize, usize, String) {
    let stated: BTreeMap<String, Vec<Vec<f64>>> =
        serde_json::from_str(include_str!("../data/onnx-networks.json")).unwrap();
    let entries = std::fs::read_dir(folder).unwrap();
    let mut networks: Vec<_> = entries.map(|e| e.unwrap().path()).collect();
    networks.retain(|network| network.to_string_lossy().contains(only));
    networks.sort();
    let (mut right, mut log) = (0, String::new());
    for network in &networks {
        let name = network.file_name().unwrap().to_string_lossy();
        match check(network, stated.get(name.as_ref()).map(Vec::as_slice)) {
            Ok(_) => right += 1,
            Err(error) => log.push_str(&format!("{name}: {error}\n")),
        }
    }
    (right, networks.len(), log)
}
