//! What public files tell of the weights. The measure is that of the tests.

#[path = "../tests/support/leaks.rs"]
mod pairs;

use anyhow::Result;
use serde_json::{json, Value};

// Other tests use the rest of it.
#[allow(dead_code)]
#[path = "../tests/support/onnx.rs"]
mod onnx;

use crate::meter::measure;

/// `files/leaks`: pairs of random models with equal declared bounds, and how many of their public files differ.
pub fn leaks(case: &str) -> Result<Value> {
    let (measured, found) = measure(|| pairs::search(1000))?;
    Ok(measured.line(
        case,
        json!({
            "pairs": found.pairs,
            "differ": found.differ,
            "declared_otherwise": found.declared,
            "else_decided": found.else_decided,
            "refused": found.refused,
        }),
    ))
}
