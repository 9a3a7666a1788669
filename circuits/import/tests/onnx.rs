//! ONNX models of others: the ONNX project's node tests, and whole networks.

#![allow(clippy::unwrap_used, clippy::panic)] // A test fails by panicking.

#[path = "onnx/networks.rs"]
mod networks;
#[path = "onnx/nodes.rs"]
mod nodes;
#[path = "onnx/support.rs"]
mod support;

use nodes::Count;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Fewest node tests that must be right, and networks.
const BARS: (usize, usize) = (500, 80);

fn only() -> String {
    std::env::var("ZKML_ONNX_ONLY").unwrap_or_default()
}

#[test]
fn networks_compute_what_floating_point_does() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("ZKML_SHARED").map_or(beside, PathBuf::from);
    let folder = shared.join("data/onnx");
    if !folder.is_dir() {
        println!("skipped: no networks (set ZKML_SHARED to a folder that holds data/onnx)");
        return;
    }
    let (right, total, log) = networks::measure(&folder, &only());
    println!("{right} of {total} networks\n{log}");
    assert!(!only().is_empty() || right >= BARS.1, "{log}");
}

/// `ZKML_ONNX_WRITE=1` writes the page; `ZKML_ONNX_LOG=FILE` the outcome of each test.
#[test]
fn node_tests_are_right_or_refused() {
    let Some(folder) = nodes::folder() else {
        println!("skipped: no ONNX node tests (scripts/onnx-tests fetches them)");
        return;
    };
    let measured = nodes::measure(&folder, &only());
    let all = measured.all;
    println!(
        "{} right ({} with constants, {} folded), {} supported, {} in all",
        all.passed, all.constant, all.folded, all.supported, all.total
    );
    if let Some(path) = std::env::var_os("ZKML_ONNX_LOG") {
        std::fs::write(path, measured.log).unwrap();
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/conformance.md");
    if !only().is_empty() {
        return;
    }
    if std::env::var_os("ZKML_ONNX_WRITE").is_some() {
        write(&page, &measured.table, all);
        return;
    }
    compare(&page, &measured.table, all);
}

const MARK: &str = "<!-- node tests -->\n";

fn row(name: &str, count: Count) -> String {
    let Count {
        passed,
        constant,
        folded,
        supported,
        total,
    } = count;
    format!("| {name} | {passed} | {constant} | {folded} | {supported} | {total} |\n")
}

fn write(page: &Path, table: &BTreeMap<String, Count>, all: Count) {
    let text = std::fs::read_to_string(page).unwrap();
    let (head, rest) = text.split_once(MARK).unwrap();
    let tail = rest.split_once(MARK).unwrap().1;
    let mut rows = String::from("\n| operator | right | with constants | folded | supported | tests |\n|---|---:|---:|---:|---:|---:|\n");
    table
        .iter()
        .for_each(|(name, count)| rows.push_str(&row(name, *count)));
    rows.push_str(&row("**all**", all));
    std::fs::write(page, format!("{head}{MARK}{rows}\n{MARK}{tail}")).unwrap();
}

/// No operator may have fewer passes than the page says.
fn compare(page: &Path, table: &BTreeMap<String, Count>, all: Count) {
    let text = std::fs::read_to_string(page).unwrap();
    let rows = text.split(MARK).nth(1).unwrap().lines();
    let mut fallen = Vec::new();
    for line in rows.filter(|line| line.starts_with("| ")).skip(1) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let stated: usize = cells[2].parse().unwrap();
        let now = if cells[1] == "**all**" {
            all
        } else {
            table.get(cells[1]).copied().unwrap_or_default()
        };
        if now.passed < stated {
            fallen.push(format!("{}: {} of {stated}", cells[1], now.passed));
        }
    }
    assert!(
        fallen.is_empty(),
        "fewer node tests pass than docs/conformance.md says: {fallen:?}"
    );
    assert!(
        all.passed >= BARS.0,
        "{} node tests pass, at least {} must",
        all.passed,
        BARS.0
    );
}
