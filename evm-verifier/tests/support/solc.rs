//! The compiler by its standard JSON, where a test wants other settings than the library's.

use serde_json::Value;
use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

/// What the compiler says to an input.
pub fn standard_json(compiler: &Path, input: &str) -> Value {
    let mut solc = Command::new(compiler)
        .arg("--standard-json")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = solc.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    serde_json::from_slice(&solc.wait_with_output().unwrap().stdout).unwrap()
}
