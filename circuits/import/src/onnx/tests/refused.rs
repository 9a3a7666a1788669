//! Files and models that are refused, with the words that say why.

use super::*;
use proptest::prelude::*;

fn error(proto: &ModelProto) -> String {
    load(proto).unwrap_err().to_string()
}

#[test]
fn unsupported_operators_are_listed_at_once() {
    let mut custom = node("Relu", &["s"], "q", &[]);
    custom.domain = "com.example".to_owned();
    let nodes = vec![
        node("Unique", &["x"], "s", &[]),
        custom,
        node("Det", &["q"], "e", &[]),
        node("Unique", &["e"], "y", &[]),
    ];
    assert_eq!(
        error(&model(&[1, 2], vec![], nodes)),
        "operators that are not supported: Det (e), Unique (s, y), com.example.Relu (q); \
         docs/conformance.md lists those that are"
    );
}

#[test]
fn attributes_and_operands() {
    let image = |op: &str, attributes: &[AttributeProto]| {
        let w = floats("w", &[2, 2, 2, 2], &[0.; 16]);
        error(&model(
            &[1, 2, 4, 4],
            vec![w],
            vec![node(op, &["x", "w"], "y", attributes)],
        ))
    };
    let kernel = ints("kernel_shape", &[3, 3]);
    let average = |more: &[AttributeProto]| {
        image(
            "AveragePool",
            &[&[kernel.clone(), ints("strides", &[2, 2])], more].concat(),
        )
    };
    let gemm = |attributes: &[AttributeProto], w: TensorProto| {
        error(&model(
            &[1, 2],
            vec![w],
            vec![node("Gemm", &["x", "w"], "y", attributes)],
        ))
    };
    let w = |dims: &[i64]| floats("w", dims, &vec![0.; dims.iter().product::<i64>() as usize]);
    let on = |op: &str, inputs: &[&str], attributes: &[AttributeProto]| {
        let constants = vec![
            w(&[3]),
            integers("big", &[i64::MAX, 2]),
            integers("minus", &[-1, -1]),
        ];
        error(&model(
            &[1, 2],
            constants,
            vec![node(op, inputs, "y", attributes)],
        ))
    };
    let cases = [
        (
            image("Conv", &[ints("dilations", &[9, 9])]),
            "window: expected one that fits",
        ),
        (
            image("Conv", &[ints("strides", &[0, 1])]),
            "attribute 'strides'",
        ),
        (
            image("Conv", &[ints("strides", &[1])]),
            "attribute 'strides': expected 2 numbers",
        ),
        (
            image("Conv", &[ints("pads", &[-1, 0, 0, 0])]),
            "attribute 'pads'",
        ),
        (
            image("Conv", &[ints("pads", &[i64::MAX; 4])]),
            "attribute 'pads'",
        ),
        (
            image("Conv", std::slice::from_ref(&kernel)),
            "attribute 'kernel_shape'",
        ),
        (
            image("Conv", &[int("group", 3)]),
            "kernels: expected kernels [outputs, 2 / groups, …] for 3 groups",
        ),
        (image("Conv", &[int("group", 2)]), "kernels"),
        (
            image("Conv", &[text("auto_pad", "ODD")]),
            "attribute 'auto_pad'",
        ),
        (image("MaxPool", &[]), "attribute 'kernel_shape'"),
        (image("MaxPool", &[ints("kernel_shape", &[9, 9])]), "window"),
        (
            average(&[ints("pads", &[9, 9])]),
            "attribute 'pads': expected 4 numbers",
        ),
        (
            gemm(&[int("transA", 1)], w(&[2, 2])),
            "operands: expected […, M, K] and […, K, N], got [2, 1] and [2, 2]",
        ),
        (gemm(&[], w(&[3, 2])), "got [1, 2] and [3, 2]"),
        (
            gemm(&[], w(&[2])),
            "inputs 0 and 1: expected two dimensions",
        ),
        (
            on("Add", &["x", "w"], &[]),
            "expected shapes that broadcast, such as [1, 2], got [3]",
        ),
        (
            on("Add", &["x"], &[]),
            "input 1: expected a tensor, got nothing",
        ),
        (on("Add", &["x", "nowhere"], &[]), "'nowhere'"),
        (on("MatMul", &["x", "x"], &[]), "got [1, 2] and [1, 2]"),
        (
            on("Reshape", &["x", "x"], &[]),
            "input 1: expected a constant",
        ),
        (on("Reshape", &["x", "big"], &[]), "shape"),
        (on("Reshape", &["x", "minus"], &[]), "shape"),
        (
            on("Transpose", &["x"], &[ints("perm", &[0, 0])]),
            "attribute 'perm'",
        ),
        (on("Unsqueeze", &["x"], &[ints("axes", &[9])]), "axis"),
        (on("Flatten", &["x"], &[int("axis", i64::MIN)]), "axis"),
        (on("Clip", &["x"], &[float("min", f32::NAN)]), "NaN"),
        (on("Constant", &[], &[]), "attributes"),
        (
            on("BatchNormalization", &["x", "w", "w", "w", "w"], &[]),
            "expected 2 values",
        ),
        (
            on("Conv", &["x", "w"], &[]),
            "input 0: expected [batch, channels, …]",
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
fn graphs() {
    let change = |change: fn(&mut GraphProto)| {
        let mut proto = model(&[1, 2], vec![], vec![node("Relu", &["x"], "y", &[])]);
        proto.graph.iter_mut().for_each(change);
        error(&proto)
    };
    let cases = [
        (change(|g| g.output.clear()), "graph outputs"),
        (change(|g| g.output[0].name = "z".to_owned()), "output 'z'"),
        (
            change(|g| g.input[0] = info("x", &[1, -1])),
            "dimension 1: expected a fixed size",
        ),
        (
            change(|g| g.input[0] = info("x", &[1, 1 << 30, 1 << 30])),
            "2^26",
        ),
        (
            change(|g| g.input[0] = info("x", &[1, i64::MAX, i64::MAX])),
            "2^26",
        ),
        (
            change(|g| g.input[0].r#type = None),
            "a tensor with a shape",
        ),
        (change(|g| g.node[0].output.clear()), "outputs"),
        (
            change(|g| g.node[0].output[0] = "x".to_owned()),
            "a new name",
        ),
        (
            change(|g| g.initializer.push(floats("y", &[1], &[1.0]))),
            "a new name",
        ),
        (
            change(|g| g.initializer.push(floats("w", &[2, 2], &[1.0]))),
            "expected 4 values",
        ),
        (
            change(|g| g.initializer.push(floats("w", &[-1], &[1.0]))),
            "tensor 'w': dims",
        ),
        (
            change(|g| g.initializer.push(floats("w", &[1 << 40], &[]))),
            "tensor 'w': dims",
        ),
        (
            change(|g| {
                g.initializer.push(TensorProto {
                    data_type: 8,
                    ..floats("w", &[], &[])
                })
            }),
            "data_type",
        ),
    ];
    for (text, expected) in cases {
        assert!(
            text.contains(expected),
            "'{text}' does not mention '{expected}'"
        );
    }
    let weights = |value: f32| {
        let w = floats("w", &[1], &[value]);
        error(&model(
            &[1, 1],
            vec![w],
            vec![node("Add", &["x", "w"], "y", &[])],
        ))
    };
    assert!(
        weights(f32::NAN).contains("initialiser 'w', index [0]: expected a number, got NaN"),
        "{}",
        weights(f32::NAN)
    );
    assert!(weights(f32::INFINITY).contains("got an infinite one"));
    assert!(error(&ModelProto {
        graph: None,
        ..Default::default()
    })
    .contains("a graph"));
}

#[test]
fn external_data_is_refused() {
    for location in ["../secret", "/etc/passwd", "weights.bin"] {
        let entry = StringStringEntryProto {
            key: "location".into(),
            value: location.into(),
        };
        let w = TensorProto {
            data_location: 1,
            external_data: vec![entry],
            ..floats("w", &[1], &[])
        };
        let text = error(&model(
            &[1, 1],
            vec![w],
            vec![node("Add", &["x", "w"], "y", &[])],
        ));
        assert!(
            text.contains("external data") && text.contains(location),
            "{text}"
        );
    }
}

fn sample() -> Vec<u8> {
    let nodes = vec![
        node("Conv", &["x", "w"], "c", &[ints("strides", &[1, 1])]),
        node("Flatten", &["c"], "f", &[]),
        node("Gemm", &["f", "g"], "y", &[int("transB", 1)]),
    ];
    let weights = vec![
        floats("w", &[1, 1, 2, 2], &[1.; 4]),
        floats("g", &[2, 4], &[1.; 8]),
    ];
    model(&[1, 1, 3, 3], weights, nodes).encode_to_vec()
}

#[test]
fn truncated_files() {
    let bytes = sample();
    let options = ImportOptions::default();
    for length in 0..bytes.len() {
        assert!(
            super::super::load(&bytes[..length], &options).is_err(),
            "{length} bytes"
        );
    }
}

proptest! {
    /// Bytes changed anywhere: an error or a model, never a panic.
    #[test]
    fn damaged_files(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = sample();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let loaded = super::super::load(&bytes, &ImportOptions::default());
        if let Ok(model) = loaded.and_then(FloatModel::quantise) {
            model.graph.validate().unwrap();
        }
    }

    #[test]
    fn noise(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let _ = super::super::load(&bytes, &ImportOptions::default());
    }
}
