//! Values as files define them: integers of their types, what is undefined, weights that vanish.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

// Other tests use the rest of it.
#[allow(dead_code)]
mod support;

use serde_json::Value;
use std::path::PathBuf;
use support::{Folder, Zkml};

/// The folder of cases, where there is one.
fn cases() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("ZKML_SHARED").map_or(beside, PathBuf::from);
    let folder = shared.join("data/cases");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} is absent (set ZKML_SHARED)", folder.display());
    None
}

#[test]
fn integers_are_those_of_their_types() {
    let Some(cases) = cases() else { return };
    for (name, expected) in [
        ("u8add", [44, 200, 94]),
        ("u8sub", [158, 0, 150]),
        ("cast_i32_u8", [44, 255, 7]),
        ("i32mul", [-1_294_967_296, 1_294_967_296, 300_000]),
        ("cast_i64_i32", [-1_294_967_296, 1_294_967_296, 300_000]),
        ("neg_u", [255, 254, 0]),
        ("idiv", [3, -3, -4]),
    ] {
        let file = |end: &str| cases.join(format!("integers/{name}.{end}"));
        let [model, input] = ["onnx", "json"].map(|end| file(end).display().to_string());
        let run = Zkml::new().args(&["run", &model, &input, "--json"]).run();
        assert_eq!(run.code, 0, "{name}: {}", run.stderr);
        let found: Value = serde_json::from_str(&run.stdout).unwrap();
        let values = &found["outputs"][0]["values"];
        assert_eq!(*values, Value::from(expected.to_vec()), "{name}: {found}");
    }
}

#[test]
fn undefined_values_are_refused_unless_defined() {
    let Some(cases) = cases() else { return };
    let path = |name: &str| cases.join(name).display().to_string();
    let ids = "index [0, 2]: expected a number from -600 to 599, got";
    for (model, input, told) in [
        ("inputs/m.onnx", "inputs/oob.json", format!("{ids} 600")),
        ("inputs/m.onnx", "inputs/neg2.json", format!("{ids} -601")),
        (
            "integers/divzero.onnx",
            "integers/divzero.json",
            "a divisor that is not 0".to_owned(),
        ),
    ] {
        let [model, input] = [model, input].map(path);
        let run = Zkml::new().args(&["run", &model, &input]).run();
        assert_eq!(run.code, 1, "{input}");
        assert!(run.stderr.contains(&told), "{input}: {}", run.stderr);
    }
    let [model, input] = ["integers/divzero.onnx", "integers/divzero.json"].map(path);
    let define = ["--undefined", "define"];
    let run = Zkml::new().args(&["run", &model, &input]);
    let run = run.args(&define).run();
    assert_eq!(run.code, 0, "{}", run.stderr);
    let inspect = Zkml::new().args(&["inspect", &model]);
    let inspect = inspect.args(&define).run();
    assert_eq!(inspect.code, 0, "{}", inspect.stderr);
    assert!(inspect.stderr.contains("warning"), "{}", inspect.stderr);
}

#[test]
fn weights_that_vanish_are_named() {
    let Some(cases) = cases() else { return };
    let model = cases.join("weights/alltiny.onnx").display().to_string();
    let folder = Folder::new();
    let setup = Zkml::new().args(&["setup", &model, "--out", &folder.path("keys")]);
    let setup = setup.run();
    assert_eq!(setup.code, 1);
    assert!(setup.stderr.contains("'w'"), "{}", setup.stderr);
    let inspect = Zkml::new().args(&["inspect", &model]).run();
    assert_eq!(inspect.code, 0, "{}", inspect.stderr);
    let remedy = inspect.stderr.split("--scale ").nth(1).expect("a scale");
    let scale = remedy.split(' ').next().unwrap();
    let kept = Zkml::new()
        .args(&["inspect", &model, "--scale", scale])
        .run();
    assert_eq!(kept.code, 0, "{}", kept.stderr);
    assert!(!kept.stderr.contains("warning"), "{}", kept.stderr);
}
