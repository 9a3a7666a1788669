//! Which initialisers decide something that is public, and that those are listed.

use super::{
    leaks::{compare, Verdict},
    onnx,
    support::{Folder, Zkml},
    then,
};
use std::fs;

/// A few nodes on a row of two numbers, with one row of weights.
fn row(nodes: &[Vec<u8>], w: [f32; 2]) -> Vec<u8> {
    let (x, y) = (onnx::value("x", &[1, 2]), onnx::value("y", &[1, 2]));
    onnx::model(nodes, &[onnx::tensor("w", &[2], &w)], x, y)
}

/// Whether what a node is computed from is positive decides what is checked, but not by the signs of weights.
#[test]
fn signs_of_weights_decide_nothing() {
    let exp = onnx::node("Exp", "exp", &["x"], "e");
    let then_each = |op: &str, inputs: &[&str]| -> Vec<Vec<Vec<u8>>> {
        let inner = onnx::node(op, "inner", inputs, "h");
        let lasts = [
            onnx::node("Reciprocal", "last", &["h"], "y"),
            onnx::node("Log", "last", &["h"], "y"),
            onnx::node("Sqrt", "last", &["h"], "y"),
            onnx::node("Div", "last", &["x", "h"], "y"),
        ];
        lasts
            .map(|last| vec![exp.clone(), inner.clone(), last])
            .into()
    };
    let all = [
        then_each("Add", &["e", "w"]),
        then_each("Sum", &["e", "w"]),
        then_each("Mul", &["e", "w"]),
        then_each("Max", &["x", "w"]),
        then_each("Mean", &["e", "w"]),
        vec![vec![onnx::node("Mod", "last", &["x", "w"], "y")]],
    ];
    for nodes in all.concat() {
        let files = [[0.01, 0.1], [-0.01, 0.1]].map(|w| row(&nodes, w));
        let verdict = compare(&files).unwrap();
        let same = match &verdict {
            Verdict::Equal => true,
            Verdict::Declared(one) => one.else_decided.is_empty(),
            Verdict::Leak(_) | Verdict::Refused => false,
        };
        assert!(
            same,
            "{:?}: {verdict:?}",
            String::from_utf8_lossy(&nodes.concat())
        );
    }
}

/// What `inspect` says of each initialiser.
fn fates(bytes: &[u8]) -> Vec<serde_json::Value> {
    let folder = Folder::new();
    let file = folder.path("model.onnx");
    fs::write(&file, bytes).unwrap();
    let out = Zkml::new().args(&["inspect", &file, "--json"]).run();
    assert_eq!(out.code, 0, "{}", out.stderr);
    let object: serde_json::Value = serde_json::from_str(&out.stdout).unwrap();
    assert_eq!(object["needs_public"], serde_json::json!([]));
    object["initialisers"].as_array().unwrap().clone()
}

/// The fate of one of them, and why.
fn fate(all: &[serde_json::Value], name: &str) -> (String, String) {
    let one = all.iter().find(|one| one["name"] == name).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    (text(&one["fate"]), text(&one["why"][0]["what"]))
}

/// The sign of an ε may decide, and then it is listed.
#[test]
fn signs_that_decide_are_listed() {
    let nodes = [
        onnx::node("Relu", "relu", &["h"], "r"),
        onnx::node("Add", "add", &["r", "eps"], "a"),
        onnx::node("Mul", "scale", &["a", "factor"], "s"),
        onnx::node("Log", "log", &["a"], "l"),
        onnx::node("Add", "sum", &["l", "s"], "y"),
    ];
    let numbers = [
        onnx::tensor("eps", &[1], &[0.01]),
        onnx::tensor("factor", &[1], &[0.6]),
    ];
    let all = fates(&then(&nodes, &numbers));
    let (eps, why) = fate(&all, "eps");
    assert_eq!(eps, "public");
    assert_eq!(why, "the sign of input 0 of node 'log' (Log)");
    for name in ["W", "factor"] {
        assert_eq!(fate(&all, name).0, "committed", "{name}");
    }
}

/// A bound that may have been learned is a weight.
#[test]
fn learned_bounds_are_committed() {
    let made = |lo: f32, hi: f32| {
        let bounds = [
            onnx::tensor("lo", &[], &[lo]),
            onnx::tensor("hi", &[], &[hi]),
        ];
        let clip = onnx::node("Clip", "clip", &["h", "lo", "hi"], "y");
        then(&[clip], &bounds)
    };
    let verdict = compare(&[made(-0.21, 0.7324), made(-0.22, 0.74)]).unwrap();
    assert!(matches!(verdict, Verdict::Equal), "{verdict:?}");
    for (lo, hi, public) in [
        (-0.21, 0.7324, [false, false]),
        (0.0, 6.0, [true, true]),
        (1e-6, 0.9, [true, false]),
        (-1.5, f32::MAX, [false, true]),
        (f32::NEG_INFINITY, 1.0, [true, true]),
    ] {
        let all = fates(&made(lo, hi));
        let found = ["lo", "hi"].map(|name| fate(&all, name).0 == "public");
        assert_eq!(found, public, "{lo}, {hi}");
    }
}

/// A number that is the ε of a spelled-out normalisation is in the graph, whatever else it is.
#[test]
fn numbers_of_spellings_are_listed() {
    let axes = [
        onnx::number(1, 1),
        onnx::number(2, 7),
        onnx::field(8, "axes"),
        onnx::field(9, (-1i64).to_le_bytes()),
    ]
    .concat();
    let nodes = [
        onnx::node("ReduceMean", "mean", &["h", "axes"], "m"),
        onnx::node("Sub", "centre", &["h", "m"], "d"),
        onnx::node("Mul", "square", &["d", "d"], "s"),
        onnx::node("ReduceMean", "variance", &["s", "axes"], "v"),
        onnx::node("Add", "add", &["v", "c"], "a"),
        onnx::node("Sqrt", "root", &["a"], "r"),
        onnx::node("Div", "norm", &["d", "r"], "n"),
        onnx::node("Mul", "scale", &["n", "c"], "y"),
    ];
    let c = onnx::tensor("c", &[1], &[0.37]);
    let all = fates(&then(&nodes, &[axes, c]));
    for name in ["c", "axes"] {
        let (public, why) = fate(&all, name);
        assert_eq!(public, "public", "{name}");
        assert!(why.starts_with("it spells"), "{why}");
    }
    assert_eq!(fate(&all, "W").0, "committed");
}
