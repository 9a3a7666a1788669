//! Small files that ask for much: refused at once, without the memory that they ask for.

use super::*;
use std::time::{Duration, Instant};

/// `x: [1, 4]` through one node with some constants.
fn refused(op: &str, inputs: &[&str], attributes: &[AttributeProto]) -> String {
    let constants = vec![
        integers("large", &[1 << 40]),
        integers("many", &[1 << 24, 1 << 24]),
        integers("wide", &[0, 1 << 25, 0, 1 << 25]),
        integers("big", &[1 << 25]),
        integers("one", &[1]),
        integers("zero", &[0]),
        floats("factor", &[2], &[1e9, 1e9]),
        floats("two", &[2], &[0., 1.]),
        floats("w", &[1, 4, 4], &[1.; 16]),
    ];
    let start = Instant::now();
    let proto = model(&[1, 4], constants, vec![node(op, inputs, "y", attributes)]);
    let text = load(&proto).unwrap_err().to_string();
    assert!(start.elapsed() < Duration::from_secs(5), "{op}: {text}");
    text
}

#[test]
fn small_files_that_ask_for_much() {
    let cases = [
        (
            refused("Expand", &["x", "large"], &[]),
            "input 1: expected sizes",
        ),
        (
            refused("Expand", &["x", "many"], &[]),
            "shapes that broadcast",
        ),
        (
            refused("Tile", &["x", "many"], &[]),
            "size: expected a model",
        ),
        (
            refused("ConstantOfShape", &["many"], &[]),
            "size: expected a model",
        ),
        (
            refused("Pad", &["x", "wide"], &[]),
            "size: expected a model",
        ),
        (
            refused("Range", &["zero", "large", "one"], &[]),
            "at most 2^26 numbers",
        ),
        (
            refused("Range", &["zero", "one", "zero"], &[]),
            "at most 2^26 numbers",
        ),
        (
            refused("OneHot", &["x", "big", "two"], &[]),
            "size: expected a model",
        ),
        (
            refused("Resize", &["x", "factor"], &[]),
            "size: expected from 1 to 65536",
        ),
        (
            refused("HannWindow", &["large"], &[]),
            "input 0: expected sizes",
        ),
        (
            refused(
                "MaxPool",
                &["w"],
                &[
                    ints("kernel_shape", &[1 << 20]),
                    ints("pads", &[(1 << 20) - 1, (1 << 20) - 1]),
                ],
            ),
            "size: expected a model",
        ),
        (
            refused("Unsqueeze", &["x", "many"], &[]),
            "axis: expected less than",
        ),
        (
            refused("Split", &["x"], &[ints("split", &[i64::MAX, 1])]),
            "expected sizes",
        ),
    ];
    for (text, expected) in cases {
        assert!(
            text.contains(expected),
            "'{text}' does not mention '{expected}'"
        );
    }
}

#[test]
fn networks_that_unroll_too_far() {
    let steps = 1 << 15;
    let constants = vec![
        floats("w", &[1, 1, 1], &[0.5]),
        floats("r", &[1, 1, 1], &[0.5]),
    ];
    // Without tables: each step's would be made anew.
    let relu = AttributeProto {
        strings: vec![b"Relu".to_vec()],
        ..int("activations", 0)
    };
    let rnn = node("RNN", &["x", "w", "r"], "y", &[relu]);
    let text = load(&model(&[steps, 1, 1], constants, vec![rnn]))
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("size: expected a model that expands to at most"),
        "{text}"
    );
}

#[test]
fn newer_operator_sets_are_refused() {
    let mut proto = model(&[1, 4], vec![], vec![node("Relu", &["x"], "y", &[])]);
    proto.opset_import.push(OperatorSetIdProto {
        domain: String::new(),
        version: 99,
    });
    let text = load(&proto).unwrap_err().to_string();
    assert_eq!(
        text,
        "opset_import: expected an operator set up to 22 (export for an older one), got 99"
    );
}

/// Every operator on operands that it does not expect: an error or a model, never a panic.
#[test]
fn operands_of_any_shape() {
    let operators = include_str!("../../../../../docs/conformance.md");
    let (_, list) = operators.split_once("up to operator set 22: ").unwrap();
    let (list, _) = list.split_once(".\n").unwrap();
    let shapes: [&[i64]; 4] = [&[], &[2, 3], &[1, 2, 3, 3], &[2, 1, 2, 2, 2]];
    let attributes: [&[AttributeProto]; 4] = [
        &[],
        &[
            int("axis", 1),
            ints("kernel_shape", &[2, 2]),
            int("hidden_size", 3),
        ],
        &[
            int("axis", -9),
            ints("axes", &[5, -7]),
            ints("pads", &[9, 9, 9, 9]),
        ],
        &[
            ints("split", &[1, 1]),
            ints("shape", &[-1, 0, 3]),
            text("equation", "ij,jk->ik,,"),
            int("blocksize", 2),
        ],
    ];
    let mut loaded = 0;
    for op in list.split(", ") {
        for x in shapes {
            for c in shapes {
                let n = c.iter().product::<i64>() as usize;
                let constants = vec![floats("c", c, &vec![2.0; n]), integers("i", &[1, 0, -1])];
                for attributes in attributes {
                    for inputs in [
                        &["x"][..],
                        &["x", "c"],
                        &["x", "x", "x"],
                        &["x", "c", "c", "c", "c"],
                        &["c", "i", "x"],
                        &["x", "i", "x", "i"],
                    ] {
                        let proto = model(
                            x,
                            constants.clone(),
                            vec![node(op, inputs, "y", attributes)],
                        );
                        loaded += usize::from(load(&proto).is_ok());
                    }
                }
            }
        }
    }
    assert!(loaded > 500, "{loaded}");
}
