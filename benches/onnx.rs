//! Models of others: how many of the ONNX project's node tests, and of whole networks, are right. The
//! measure is that of the tests.

#![allow(clippy::unwrap_used, clippy::panic)] // As in the tests that the modules are of.

#[path = "../circuits/import/tests/onnx/networks.rs"]
mod networks;
#[path = "../circuits/import/tests/onnx/nodes.rs"]
mod nodes;
#[path = "../circuits/import/tests/onnx/support.rs"]
mod support;

use anyhow::{anyhow, ensure, Context, Result};
use serde_json::{json, Value};
use std::path::Path;

use zkml_import as import;
use zkml_model::{layout::Visibilities, planner::Goal};

use crate::{
    made::{proven, set_up, shared},
    meter::measure,
};

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
    let folder = shared().join("data/onnx");
    ensure!(folder.is_dir(), "no {}: set ZKML_SHARED", folder.display());
    let (measured, (right, total, log)) = measure(|| Ok(networks::measure(&folder, "")))?;
    let mut names: Vec<_> = std::fs::read_dir(&folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    names.sort();
    let (mut proven, mut not) = (0, Vec::new());
    for network in &names {
        match prove_network(network) {
            Ok(()) => proven += 1,
            Err(error) => not.push(format!("{}: {error:#}", network.display())),
        }
        eprintln!("{}: {proven} proven", network.display());
    }
    Ok(measured.line(
        case,
        json!({
            "passed": right,
            "proven": proven,
            "total": total,
            "wrong": log,
            "not_proven": not,
        }),
    ))
}

/// Keys, a proof of the network's sample input, and its verification.
fn prove_network(network: &Path) -> Result<()> {
    let (options, inputs) = networks::check(network, None).map_err(|e| anyhow!(e))?;
    let model = import::load(&network.join("network.onnx"), &options)?;
    let inputs = support::in_units(&inputs, &model);
    let (made, opening) = set_up(model, Visibilities::default(), Goal::Prove)?;
    let proof = proven(&made, &opening, inputs)?;
    let plan = &made.plan;
    proof.verify(&plan.statement.form, &made.srs, made.keys.pk.get_vk())?;
    Ok(())
}
