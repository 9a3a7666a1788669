//! A short run of `zkml-fuzz`. `scripts/fuzz` is the long one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

use serde_json::Value;
use std::{path::Path, process::Command};

#[test]
fn every_reader_answers_a_few_thousand_files() {
    let crashes = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_zkml-fuzz"));
    command.args(["--executions", "4000", "--seed", "2", "--json", "--crashes"]);
    command.arg(crashes.path());
    if Path::new("/dev/shm").is_dir() {
        command.env("TMPDIR", "/dev/shm");
    }
    let out = command.output().expect("zkml-fuzz starts");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{said}");
    let line: Value = serde_json::from_slice(&out.stdout).expect("one line of JSON");
    assert_eq!(line["crashes"], 0, "{said}");
    assert!(line["executions"].as_u64().unwrap() >= 4000);
    let readers = line["targets"].as_object().unwrap();
    assert_eq!(readers.len(), 24, "{line}");
    // Each stands under libFuzzer as well.
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    let binaries = manifest.split("[[bin]]\nname = \"").skip(1);
    let mut binaries: Vec<&str> = binaries
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    binaries.sort_unstable();
    assert!(readers.keys().eq(binaries), "{manifest}");

    let unknown = Command::new(env!("CARGO_BIN_EXE_zkml-fuzz"))
        .args(["--target", "nothing"])
        .output()
        .expect("zkml-fuzz starts");
    assert!(!unknown.status.success());
}
