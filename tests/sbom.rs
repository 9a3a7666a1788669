//! What zkml is made of: the bill of materials lists it, and nothing of ours runs while it is built.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path, process::Command};

fn json(command: &mut Command) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = command.current_dir(root).output().expect("it starts");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{said}");
    serde_json::from_slice(&out.stdout).unwrap()
}

#[test]
fn the_bill_of_materials_lists_what_the_lock_file_does() {
    let bill = json(Command::new("scripts/sbom").arg("--out=/dev/stdout"));
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
    let lock = fs::read_to_string(lock).unwrap();
    let value = |line: &str| line.split('"').nth(1).unwrap().to_owned();
    let locked: BTreeSet<String> = lock
        .split("[[package]]")
        .skip(1)
        .map(|package| {
            let mut lines = package.trim().lines();
            let mut next = || value(lines.next().unwrap());
            format!("pkg:cargo/{}@{}", next(), next())
        })
        .collect();
    let components = bill["components"].as_array().unwrap();
    let mut listed: BTreeSet<String> = components
        .iter()
        .map(|component| component["purl"].as_str().unwrap().to_owned())
        .collect();
    listed.insert(
        bill["metadata"]["component"]["purl"]
            .as_str()
            .unwrap()
            .into(),
    );
    assert_eq!(listed, locked);
    for component in components {
        let ours = component["name"].as_str().unwrap().starts_with("zkml");
        assert!(
            ours || component["hashes"][0]["alg"] == "SHA-256",
            "{component}"
        );
        assert!(component["licenses"].is_array(), "{component}");
    }
}

/// No build script and no macro of ours, so nothing that could reach the network while zkml is built.
#[test]
fn nothing_of_ours_runs_while_it_is_built() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "metadata",
        "--format-version=1",
        "--locked",
        "--offline",
        "--no-deps",
    ]);
    let data = json(&mut cargo);
    let packages = data["packages"].as_array().unwrap();
    assert!(packages.len() >= 3);
    for package in packages {
        for target in package["targets"].as_array().unwrap() {
            let kinds = target["kind"].as_array().unwrap();
            let runs = |kind: &Value| kind == "custom-build" || kind == "proc-macro";
            assert!(!kinds.iter().any(runs), "{target}");
        }
        let dependencies = package["dependencies"].as_array().unwrap();
        let for_building = |dependency: &&Value| dependency["kind"] == "build";
        assert_eq!(dependencies.iter().find(for_building), None);
    }
}
