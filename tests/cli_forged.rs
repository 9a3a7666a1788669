//! Files that claim to be what they are not are refused: `support/forged` has them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

#[path = "support/forged/mod.rs"]
mod forged;

use forged::Scene;
use std::path::Path;

#[test]
fn no_forged_file_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_zkml"));
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/digits");
    let scene = Scene::new(program, folder.path(), &example).unwrap();
    let cases = scene.run().unwrap();
    assert!(cases.len() > 40, "{}", cases.len());
    let accepted = cases.iter().filter(|case| case.accepted);
    let accepted: Vec<String> = accepted
        .map(|case| format!("{}: {}", case.name, case.said))
        .collect();
    assert!(accepted.is_empty(), "{}", accepted.join("\n\n"));
}
