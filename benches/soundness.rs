//! The enemy's test of the model circuit: random configurations, and a prover without scruples.

use std::process::{Command, Stdio};

use anyhow::{ensure, Context, Result};
use serde_json::Value;

use crate::{made::root, meter::measure};

/// Graphs that are tried unless `ZKML_ENEMY_GRAPHS` says how many.
const GRAPHS: &str = "5000";
const NUMBER: &str = "ZKML_ENEMY_GRAPHS";
const TEST: &str = "circuit::tests::enemy::no_false_statement";
const MARK: &str = "enemy: ";

/// `soundness/enemy`. The enemy lives beside the circuit's tests, which see what a prover may write.
pub fn enemy(case: &str) -> Result<Value> {
    let graphs = std::env::var(NUMBER).unwrap_or_else(|_| GRAPHS.into());
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let run = || {
        let output = Command::new(&cargo)
            .args([
                "test",
                "--release",
                "--locked",
                "--workspace",
                "--lib",
                TEST,
            ])
            .args(["--", "--exact", "--nocapture"])
            .env(NUMBER, &graphs)
            .current_dir(root())
            .stderr(Stdio::inherit())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text.lines().find_map(|line| line.split_once(MARK));
        let (_, counts) = line.with_context(|| format!("no '{MARK}' of {TEST} in:\n{text}"))?;
        let counts: Value = serde_json::from_str(counts)?;
        for field in ["graphs", "false_statements", "unsat"] {
            ensure!(counts[field].is_u64(), "no count '{field}' in {counts}");
        }
        Ok(counts)
    };
    let (measured, counts) = measure(run)?;
    Ok(measured.line(case, counts))
}
