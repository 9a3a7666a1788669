//! Small models and inputs with what is right, or how they are refused: those of the shared data's `cases`.
//!
//! Each row of `right.json` is one call of `zkml run`, by the program beside this one. What is right was computed by
//! ONNX Runtime 1.32.0 from the same files, or stands in the folder's README.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Instant,
};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{json, Value};

use crate::made::{root, shared};

const TABLE: &str = include_str!("right.json");

/// A case.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    model: String,
    /// The input file.
    #[serde(default)]
    input: Option<String>,
    /// The input itself, where there is no file.
    #[serde(default)]
    text: Option<String>,
    /// Outputs by name.
    #[serde(default)]
    outputs: Option<BTreeMap<String, Vec<f64>>>,
    /// How far outputs may be off.
    #[serde(default)]
    within: f64,
    /// Another model: this one costs no more cells.
    #[serde(default)]
    cost_of: Option<String>,
    /// Words of the one error.
    #[serde(default)]
    refused: Vec<String>,
    /// Words on stderr.
    #[serde(default)]
    warned: Vec<String>,
}

/// Runs all, and counts those that are right.
pub fn right(case: &str) -> Result<Value> {
    let folder = shared().join("data/cases");
    if !folder.is_dir() {
        eprintln!("{case}: skipped, there is no {}", folder.display());
        return Ok(json!({ "case": case, "skipped": true }));
    }
    let rows: Vec<Row> = serde_json::from_str(TABLE)?;
    let program = std::env::current_exe()?.with_file_name("zkml");
    let scratch = tempfile::tempdir()?;
    let start = Instant::now();
    let mut right = 0;
    for row in &rows {
        match row.judge(&program, &folder, scratch.path()) {
            Ok(()) => right += 1,
            Err(error) => {
                let input = row.input.as_deref().or(row.text.as_deref());
                eprintln!("{} on {}: {error:#}", row.model, input.unwrap_or_default());
            }
        }
    }
    Ok(json!({
        "case": case,
        "wall_s": start.elapsed().as_secs_f64(),
        "right": right,
        "total": rows.len(),
    }))
}

/// Random graphs, run by zkml and by onnxruntime; the rest of 50,000 is `scripts/fuzz --graphs`.
pub fn differ(case: &str) -> Result<Value> {
    let start = Instant::now();
    let ran = Command::new(root().join("scripts/fuzz"))
        .args(["--graphs", "--count", "5000", "--json"])
        .stderr(std::process::Stdio::inherit())
        .output()?;
    let said = String::from_utf8_lossy(&ran.stdout);
    let Some(line) = said.lines().last() else {
        eprintln!("{case}: skipped, there is no onnxruntime");
        return Ok(json!({ "case": case, "skipped": true }));
    };
    let found: Value = serde_json::from_str(line)?;
    Ok(json!({
        "case": case,
        "wall_s": start.elapsed().as_secs_f64(),
        "graphs": found["graphs"],
        "refused": found["refused"],
        "differ": found["differ"],
    }))
}

impl Row {
    fn judge(&self, program: &Path, folder: &Path, scratch: &Path) -> Result<()> {
        let model = folder.join(&self.model);
        let input = self.input_file(folder, scratch)?;
        let zkml = |arguments: &[&Path], command: &str| -> Result<Output> {
            let output = Command::new(program)
                .arg(command)
                .args(arguments)
                .arg("--json")
                .output();
            output.with_context(|| program.display().to_string())
        };
        let ran = zkml(&[&model, &input], "run")?;
        let said = String::from_utf8_lossy(&ran.stderr);
        for word in self.refused.iter().chain(&self.warned) {
            anyhow::ensure!(said.contains(word), "no '{word}' in: {said}");
        }
        if !self.refused.is_empty() {
            anyhow::ensure!(ran.status.code() == Some(1), "it was taken");
            return Ok(());
        }
        anyhow::ensure!(ran.status.success(), "it was refused: {said}");
        if let Some(expected) = &self.outputs {
            self.compare(&serde_json::from_slice(&ran.stdout)?, expected)?;
        }
        if let Some(other) = &self.cost_of {
            let cells = |model: &Path| -> Result<u64> {
                let shown: Value = serde_json::from_slice(&zkml(&[model], "inspect")?.stdout)?;
                let cells = shown["usage"]["data_cells"].as_u64();
                cells.with_context(|| format!("{}: no cost", model.display()))
            };
            let (own, other) = (cells(&model)?, cells(&folder.join(other))?);
            anyhow::ensure!(own <= other, "{own} cells, the other has {other}");
        }
        Ok(())
    }

    fn input_file(&self, folder: &Path, scratch: &Path) -> Result<PathBuf> {
        match (&self.input, &self.text) {
            (Some(input), _) => Ok(folder.join(input)),
            (None, text) => {
                let path = scratch.join("input.json");
                std::fs::write(&path, text.as_deref().unwrap_or_default())?;
                Ok(path)
            }
        }
    }

    fn compare(&self, ran: &Value, expected: &BTreeMap<String, Vec<f64>>) -> Result<()> {
        let outputs = ran["outputs"].as_array().context("no outputs")?;
        anyhow::ensure!(
            outputs.len() == expected.len(),
            "{} outputs, expected {}",
            outputs.len(),
            expected.len()
        );
        for output in outputs {
            let name = output["name"].as_str().unwrap_or_default();
            let right = expected
                .get(name)
                .with_context(|| format!("an output '{name}', which the file has not"))?;
            let got: Vec<f64> = serde_json::from_value(output["reals"].clone())?;
            let near = |(a, b): (&f64, &f64)| (a - b).abs() <= self.within;
            let same = got.len() == right.len() && got.iter().zip(right).all(near);
            anyhow::ensure!(same, "'{name}' is {got:?}, expected {right:?}");
        }
        Ok(())
    }
}
