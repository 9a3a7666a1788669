//! Rounding, tables and types: what the node tests do not tell apart.

use super::*;

fn one(op: &str, attributes: &[AttributeProto]) -> ModelProto {
    let nodes = vec![node(op, &["x"], "y", attributes)];
    model(&[1, 6], vec![], nodes)
}

#[test]
fn rounding() {
    let x = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.25];
    check(&one("Round", &[]), &x, &[-2., -2., 0., 0., 2., 2.]);
    check(&one("Floor", &[]), &x, &[-3., -2., -1., 0., 1., 2.]);
    check(&one("Ceil", &[]), &x, &[-2., -1., 0., 1., 2., 3.]);
    // To integers and back: toward zero. Integers are at scale 1.
    let nodes = vec![
        node("Cast", &["x"], "i", &[int("to", 7)]),
        node("Cast", &["i"], "y", &[int("to", 1)]),
    ];
    let proto = model(&[1, 6], vec![], nodes);
    check(&proto, &x, &[-2., -1., 0., 0., 1., 2.]);
    let proto = one("Cast", &[int("to", 7)]);
    let loaded = load(&proto).unwrap();
    assert_eq!(loaded.source.outputs[0].scale, Some(1));
    assert_eq!(loaded.source.inputs[0].scale, None);
}

/// Arguments over 2^21 integers: tables in segments.
#[test]
fn wide_domains() {
    let x = [-15.5, -1.25, 0.0001, 0.25, 3.0, 15.75f32];
    let all = |f: fn(f64) -> f64| x.map(|v| f(f64::from(v)) as f32);
    let sigmoid = |v: f64| 1.0 / (1.0 + (-v).exp());
    for (op, f) in [
        ("Sigmoid", sigmoid as fn(f64) -> f64),
        ("Tanh", f64::tanh),
        ("Atan", f64::atan),
        ("Softsign", |v| v / (1.0 + v.abs())),
        ("Sqrt", |v| v.max(0.0).sqrt()),
    ] {
        let mut proto = one(op, &[]);
        if op == "Sqrt" {
            // Defined from 0 on.
            let nodes = &mut proto.graph.as_mut().unwrap().node;
            nodes[0].input = vec!["up".to_owned()];
            nodes.insert(0, node("Relu", &["x"], "up", &[]));
        }
        let model = check(&proto, &x, &all(f));
        let tables = &model.graph.tables;
        assert!(tables.len() > 1, "{op}");
        assert!(tables.iter().all(|t| t.values.len() <= 1 << 16), "{op}");
    }
    // Steps would matter: refused, as a question of size.
    let error = load(&one("Sin", &[])).unwrap_err();
    assert!(error.is_of_size());
    let text = error.to_string();
    assert!(text.contains("argument of sin"), "{text}");
}

#[test]
fn one_function_is_one_table() {
    let nodes = vec![
        node("Sigmoid", &["x"], "s", &[]),
        node("Add", &["x", "s"], "t", &[]),
        node("Sigmoid", &["t"], "y", &[]),
    ];
    let options = ImportOptions {
        scale: Some(512),
        input_range: Some((-3.0, 3.0)),
        ..ImportOptions::default()
    };
    let bytes = model(&[1, 6], vec![], nodes).encode_to_vec();
    let loaded = crate::onnx::load(&bytes, &options).unwrap();
    assert_eq!(loaded.graph.tables.len(), 1);
}

#[test]
fn normalisation_written_out_is_bounded() {
    let nodes = vec![
        node("ReduceMean", &["x"], "m", &[ints("axes", &[1])]),
        node("Sub", &["x", "m"], "d", &[]),
        node("Mul", &["d", "d"], "q", &[]),
        node("ReduceMean", &["q"], "v", &[ints("axes", &[1])]),
        node("Sqrt", &["v"], "s", &[]),
        node("Div", &["d", "s"], "y", &[]),
    ];
    let proto = model(&[1, 6], vec![], nodes);
    let x = [1., 2., 3., 4., 5., 6.];
    let expected = [-1.4638, -0.8783, -0.2928, 0.2928, 0.8783, 1.4638];
    let loaded = check(&proto, &x, &expected);
    let output = loaded.graph.outputs[0];
    // √6 and a little.
    let range = loaded.graph.tensors[output.0].range;
    assert!(range.hi <= 3 * SCALE && range.lo >= -3 * SCALE, "{range:?}");
}

/// What is folded in floating point is what the integers approximate.
#[test]
fn evaluation_folds_everything() {
    let proto = model(
        &[1, 2],
        vec![floats("w", &[2, 2], &[1., 2., 3., 4.])],
        vec![
            node("MatMul", &["x", "w"], "p", &[]),
            node("Softmax", &["p"], "y", &[]),
        ],
    );
    let got = crate::evaluate_float(&proto.encode_to_vec(), &[vec![0.5, -0.5]]).unwrap();
    assert!((got[0][0] - 0.5).abs() < 1e-12, "{got:?}");
    assert!(crate::evaluate_float(&proto.encode_to_vec(), &[vec![0.5]]).is_err());
}
