//! What errors say: the user's own numbers and names, and a remedy only where one was tried and helps. One table:
//! cause, text, remedy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

// Other tests use the rest of it.
#[allow(dead_code)]
#[path = "support/onnx.rs"]
mod onnx;
#[allow(dead_code)]
mod support;

use onnx::{field, number};
use std::fs;
use support::{json, Folder, Run, Zkml};

const FLOAT: u64 = 1;
const INT64: u64 = 7;
const BOOL: u64 = 9;

/// An input or output of a type.
fn typed(name: &str, ty: u64, dims: &[u64]) -> Vec<u8> {
    let dims: Vec<u8> = dims
        .iter()
        .flat_map(|dim| field(1, number(1, *dim)))
        .collect();
    let tensor = [number(1, ty), field(2, dims)].concat();
    [field(1, name), field(2, field(1, tensor))].concat()
}

/// A model of several inputs and outputs.
fn model(nodes: &[Vec<u8>], tensors: &[Vec<u8>], ends: [&[Vec<u8>]; 2]) -> Vec<u8> {
    let mut graph: Vec<u8> = nodes.iter().flat_map(|node| field(1, node)).collect();
    graph.extend(tensors.iter().flat_map(|tensor| field(5, tensor)));
    let [inputs, outputs] = ends;
    graph.extend(inputs.iter().flat_map(|input| field(11, input)));
    graph.extend(outputs.iter().flat_map(|output| field(12, output)));
    [number(1, 8), field(7, graph), field(8, number(2, 13))].concat()
}

/// The row of a table that an id names, times a price; and a flag turned around.
fn shop() -> Vec<u8> {
    let table: Vec<f32> = (0..10).map(|i| i as f32 / 4.0).collect();
    model(
        &[
            onnx::node("Gather", "look_up", &["table", "id"], "row"),
            onnx::node("Add", "getitem", &["row", "price"], "total"),
            onnx::node("Not", "getitem", &["sold"], "free"),
        ],
        &[onnx::tensor("table", &[10, 1], &table)],
        [
            &[
                typed("id", INT64, &[2]),
                typed("price", FLOAT, &[2, 1]),
                typed("sold", BOOL, &[1]),
            ],
            &[typed("total", FLOAT, &[2, 1]), typed("free", BOOL, &[1])],
        ],
    )
}

struct Case {
    cause: &'static str,
    input: &'static [u8],
    /// In this order in the one error.
    text: &'static [&'static str],
    /// The option that it names, if any: with it, the same command succeeds.
    remedy: Option<[&'static str; 2]>,
}

const CASES: &[Case] = &[
    Case {
        cause: "a number beyond the range of its input",
        input: br#"{"id": [1, 2], "price": [1.5, 80.25], "sold": false}"#,
        text: &["input 'price', index [1, 0]: expected a number from -4 to 3.998046875, got 80.25"],
        remedy: Some(["--input-range", "price=0,101"]),
    },
    Case {
        cause: "an id of nothing",
        input: br#"{"id": [1, 10], "price": [1.5, 2], "sold": false}"#,
        text: &["input 'id', index [1]: expected a number from -10 to 9, got 10"],
        remedy: None,
    },
    Case {
        cause: "a negative id of nothing",
        input: br#"{"id": [-11, 1], "price": [1.5, 2], "sold": false}"#,
        text: &["input 'id', index [0]: expected a number from -10 to 9, got -11"],
        remedy: None,
    },
    Case {
        cause: "half an id",
        input: br#"{"id": [1, 2.5], "price": [1.5, 2], "sold": false}"#,
        text: &["input 'id', index [1]: expected a whole number", "got 2.5"],
        remedy: None,
    },
    Case {
        cause: "a boolean that is none",
        input: br#"{"id": [1, 2], "price": [1.5, 2], "sold": 2}"#,
        text: &["input 'sold', index [0]: expected a number from 0 to 1, got 2"],
        remedy: None,
    },
    Case {
        cause: "another shape",
        input: br#"{"id": [1, 2], "price": [[[1.5], [2], [3]]], "sold": false}"#,
        text: &[
            "input 'price': expected shape [2, 1]",
            "got shape [1, 3, 1]",
        ],
        remedy: None,
    },
    Case {
        cause: "lists of several lengths",
        input: br#"{"id": [1, 2], "price": [[1.5], [2, 3]], "sold": false}"#,
        text: &["JSON element 'price' [1]: expected a list of 1, as elsewhere in it, got one of 2"],
        remedy: None,
    },
    Case {
        cause: "an input that is missing",
        input: br#"{"id": [1, 2], "price": [1.5, 2]}"#,
        text: &["one for each of the model's inputs: 'id', 'price', 'sold', got keys id, price"],
        remedy: None,
    },
    Case {
        cause: "NaN, which JSON has not",
        input: br#"{"id": [1, 2], "price": [NaN, 2], "sold": false}"#,
        text: &["JSON, line 1, column", "expected a finite number, got NaN"],
        remedy: None,
    },
    Case {
        cause: "UTF-16",
        input: b"\xff\xfe{\0}\0",
        text: &["encoding: expected JSON in UTF-8, got UTF-16"],
        remedy: None,
    },
    Case {
        cause: "a pointer of Git LFS",
        input: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        text: &["expected an input, got a pointer of Git LFS"],
        remedy: None,
    },
];

fn run(folder: &Folder, model: &str, input: &[u8], more: &[&str]) -> Run {
    let path = folder.path("input.json");
    fs::write(&path, input).unwrap();
    Zkml::new().args(&["run", model, &path]).args(more).run()
}

/// Expects one error that says all of `text` in order.
fn assert_says(what: &str, said: &str, text: &[&str]) {
    let mut rest = said;
    for part in text {
        let Some((_, after)) = rest.split_once(part) else {
            panic!("{what}: no '{part}' in {said}");
        };
        rest = after;
    }
    assert_eq!(said.lines().count(), 1, "{what}: {said}");
}

#[test]
fn inputs_are_refused_in_the_users_words() {
    let folder = Folder::new();
    let path = folder.path("shop.onnx");
    fs::write(&path, shop()).unwrap();
    for case in CASES {
        let out = run(&folder, &path, case.input, &[]);
        assert_eq!(out.code, 1, "{}: {}", case.cause, out.stdout);
        assert_says(case.cause, &out.stderr, case.text);
        match case.remedy {
            None => assert!(!out.stderr.contains("--"), "{}: {}", case.cause, out.stderr),
            Some([option, value]) => {
                let said = format!("{option} '{value}'");
                assert!(out.stderr.contains(&said), "{}: {}", case.cause, out.stderr);
                let out = run(&folder, &path, case.input, &[option, value]);
                assert_eq!(out.code, 0, "{}: {}", case.cause, out.stderr);
            }
        }
    }
}

#[test]
fn outputs_have_the_names_of_the_file() {
    let folder = Folder::new();
    let path = folder.path("shop.onnx");
    fs::write(&path, shop()).unwrap();
    let input = br#"{"id": [1, -1], "price": [1.5, 2], "sold": false}"#;
    let out = run(&folder, &path, input, &[]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    for name in ["output 'total'", "output 'free'"] {
        assert!(out.stdout.contains(name), "{}", out.stdout);
    }
    assert!(!out.stdout.contains("getitem"), "{}", out.stdout);
    let object = json(&run(&folder, &path, input, &["--json"]));
    assert_eq!(object["outputs"][0]["name"], "total");
    assert_eq!(
        object["outputs"][0]["reals"],
        serde_json::json!([1.75, 4.25])
    );
    assert_eq!(object["outputs"][1]["name"], "free");
}

#[test]
fn ranges_are_of_inputs_by_name() {
    let folder = Folder::new();
    let path = folder.path("shop.onnx");
    fs::write(&path, shop()).unwrap();
    let input = br#"{"id": [1, -1], "price": [1.5, 200], "sold": false}"#;
    let ranges = ["--input-range", "price=0,200", "--input-range", "id=-2,5"];
    let out = run(&folder, &path, input, &ranges);
    assert_eq!(out.code, 0, "{}", out.stderr);
    // A range of prices is none of ids.
    let input = br#"{"id": [9, -10], "price": [0.5, 1], "sold": true}"#;
    let out = run(&folder, &path, input, &["--input-range", "0,1"]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    for (options, text) in [
        (
            &["--input-range", "cost=0,1"][..],
            "--input-range: expected the name of an input: 'id', 'price', 'sold', got 'cost'",
        ),
        (
            &["--input-range", "id=10,20"],
            "--input-range of 'id': expected numbers from -10 to 9, got 10,20",
        ),
        (
            &["--input-range", "id=0,1", "--input-range", "id=0,2"],
            "--input-range of 'id': expected it once, got it twice",
        ),
        (
            &["--input-range", "0,1", "--input-range", "0,2"],
            "--input-range: expected it once, got it twice",
        ),
    ] {
        let out = run(&folder, &path, input, options);
        assert_eq!(out.code, 1, "{options:?}");
        assert!(out.stderr.contains(text), "{options:?}: {}", out.stderr);
    }
    // The same from a settings file.
    let settings = folder.path("settings.json");
    let text = r#"{"scale": 512, "input_ranges": {"price": [0, 1]}}"#;
    fs::write(&settings, text).unwrap();
    let input = br#"{"id": [1, 2], "price": [1.5, 2], "sold": true}"#;
    let out = run(&folder, &path, input, &["--settings", &settings]);
    assert_eq!(out.code, 1, "{}", out.stdout);
    assert!(
        out.stderr
            .contains("'price', index [1, 0]: expected a number from -2"),
        "{}",
        out.stderr
    );
}

/// Models that are refused: what is wrong, and what helps, if anything does.
#[test]
fn models_are_refused_in_the_users_words() {
    let folder = Folder::new();
    let path = folder.path("model.onnx");
    let pair = |name: &str| typed(name, FLOAT, &[1, 2]);
    let product = |w: &[f32]| {
        model(
            &[onnx::node("MatMul", "mm", &["x", "w"], "y")],
            &[onnx::tensor("w", &[2, 2], w)],
            [&[pair("x")], &[pair("y")]],
        )
    };
    let squares: Vec<Vec<u8>> = (0..4)
        .map(|i| {
            let [x, y] = [format!("x{i}"), format!("x{}", i + 1)];
            onnx::node("Mul", &format!("square_{i}"), &[&x, &x], &y)
        })
        .collect();
    let squared = model(&squares, &[], [&[pair("x0")], &[pair("x4")]]);
    let integers = model(
        &squares,
        &[],
        [
            &[typed("x0", INT64, &[1, 2])],
            &[typed("x4", INT64, &[1, 2])],
        ],
    );
    let cases: [(&str, Vec<u8>, &[&str], bool); 6] = [
        (
            "NaN in a weight",
            product(&[1.0, 2.0, f32::NAN, 1.0]),
            &["initialiser 'w', index [1, 0]: expected a number, got NaN"],
            false,
        ),
        (
            "an infinite weight",
            product(&[1.0, f32::INFINITY, 2.0, 1.0]),
            &[
                "initialiser 'w', index [0, 1]: expected",
                "got an infinite one",
            ],
            false,
        ),
        (
            "a weight that is too large",
            product(&[1.0, 1.0, 2.0, 1e30]),
            &[
                "initialiser 'w', index [1, 1]: expected",
                "got a larger one",
            ],
            false,
        ),
        (
            "a batch of none",
            model(
                &[onnx::node("Relu", "r", &["x"], "y")],
                &[],
                [&[typed("x", FLOAT, &[0, 4])], &[typed("y", FLOAT, &[0, 4])]],
            ),
            &["input 'x': dimension 0: expected a size of at least 1, got 0 (a batch of none)"],
            false,
        ),
        (
            "values that grow too large",
            squared,
            &["node 'square_3'", "may reach"],
            true,
        ),
        ("integers that do", integers, &["node 'square_"], true),
    ];
    for (cause, bytes, text, helped) in cases {
        fs::write(&path, bytes).unwrap();
        let out = Zkml::new().args(&["inspect", &path]).run();
        assert_eq!(out.code, 1, "{cause}: {}", out.stdout);
        assert_says(cause, &out.stderr, text);
        let remedies = out.stderr.split_once("the model is read with ");
        assert_eq!(remedies.is_some(), helped, "{cause}: {}", out.stderr);
        // Each is one that helps.
        let remedies = remedies.map_or("", |(_, after)| after.trim());
        for remedy in remedies.split(", or with ").filter(|r| !r.is_empty()) {
            let mut options = vec!["inspect", &path];
            options.extend(remedy.split(' '));
            let out = Zkml::new().args(&options).run();
            let read = !out.stderr.contains("may reach") && !out.stderr.contains("may exceed");
            assert!(read, "{cause}: {remedy}: {}", out.stderr);
        }
    }
}
