//! `zkml-bench [CASE…]`: measures, and prints one JSON line a case.
//!
//! Each case runs in a process of its own, so that its peak memory is its own. Cases under five
//! seconds run at least three times; the median counts. Nothing here passes or fails.

mod cases;
#[path = "../tests/support/forged/mod.rs"]
mod forged;
mod leaks;
mod made;
mod meter;
mod mnist;
mod models;
mod onchain;
mod onnx;
#[path = "../evm-verifier/tests/support/partitions.rs"]
mod partitions;
mod right;
mod settings;
mod soundness;

// Who proves what is false, and who judges it, is shared with the tests of the contracts.
#[path = "../evm-verifier/tests/forger/mod.rs"]
mod forger;
#[path = "../evm-verifier/tests/support/mod.rs"]
mod support;

use std::{path::PathBuf, process::ExitCode};

/// All cases, in the order in which they run.
const CASES: &[&str] = &[
    "mnist/setup",
    "mnist/prove",
    "mnist/verify",
    "mnist/batch-16",
    "mnist/accuracy",
    "aggregate/1",
    "evm/1",
    "evm/model-verifier",
    "evm/direct",
    "evm/batch-4",
    "evm/partitions",
    "evm/false-proofs",
    "evm/translation",
    "evm/settings",
    "srs/20",
    "v2/prove",
    "onnx/node-tests",
    "onnx/networks",
    "soundness/enemy",
    "files/leaks",
    "files/forged",
    "cases/right",
    "graphs/differ",
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((flag, [case, folder])) if flag == "--child" => {
            cases::run(case, &PathBuf::from(folder)).map(|line| println!("{line}"))
        }
        _ => run_all(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the named cases (all if none is named), each in a child process.
fn run_all(asked: &[String]) -> anyhow::Result<()> {
    if let Some(unknown) = asked.iter().find(|case| !CASES.contains(&case.as_str())) {
        anyhow::bail!("no case '{unknown}'; the cases are {}", CASES.join(", "));
    }
    let folder = tempfile::tempdir()?;
    let program = std::env::current_exe()?;
    for case in CASES {
        if !asked.is_empty() && !asked.iter().any(|name| name == case) {
            continue;
        }
        for needed in cases::needs(case) {
            if !folder.path().join(needed).exists() {
                cases::prepare(needed, folder.path())?;
            }
        }
        let status = std::process::Command::new(&program)
            .args(["--child", case])
            .arg(folder.path())
            .status()?;
        anyhow::ensure!(status.success(), "case {case} failed");
    }
    Ok(())
}
