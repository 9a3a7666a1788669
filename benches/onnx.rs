//! Models of others: how many of the ONNX project's node tests, and of whole networks, are right. The
//! measure is that of the tests.

#![allow(clippy::unwrap_used, clippy::panic)] // As in the tests that the modules are of.

#[path = "../circuits/tests/onnx/networks.rs"]
mod networks;
#[path = "../circuits/tests/onnx/nodes.rs"]
mod nodes;
#[path = "../circuits/tests/onnx/support.rs"]
mod support;

use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use std::path::Path;

use crate::meter::measure;

/// `onnx/node-tests`.
pub fn node_tests(case: &str) -> Result<Value> {
    let folder = nodes::folder().context("no ONNX node tests: scripts/onnx-tests fetches them")?;
    let (measured, found) = measure(|| Ok(nodes::measure(&folder, "")))?;
    let all = found.all;
    let operators = found
        .table
        .values()
        .filter(|count| count.passed > 0)
        .count();
    Ok(measured.line(
        case,
        json!({
            "passed": all.passed,
            "with_constants": all.constant,
            "folded": all.folded,
            "supported": all.supported,
            "total": all.total,
            "operators": operators,
            "logged": found.log.lines().count(),
        }),
    ))
}

/// `onnx/networks`.
pub fn whole_networks(case: &str) -> Result<Value> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("ZKML_SHARED").map_or(beside, Into::into);
    let folder = shared.join("data/onnx");
    ensure!(folder.is_dir(), "no {}: set ZKML_SHARED", folder.display());
    let (measured, (right, total, log)) = measure(|| Ok(networks::measure(&folder, "")))?;
    Ok(measured.line(
        case,
        json!({ "passed": right, "total": total, "wrong": log }),
    ))
}
