//! Values beyond what the integers hold: constrained not to occur, or refused when the file is read.

use super::*;
use zkml_graph::exec::ExecError;
use zkml_graph::Op;

const UNIT: i64 = 512;

fn read(proto: &ModelProto, range: (f64, f64)) -> Result<Model, ImportError> {
    let options = ImportOptions {
        scale: Some(UNIT),
        input_range: Some(range),
        ..ImportOptions::default()
    };
    super::super::load(&proto.encode_to_vec(), &options).and_then(FloatModel::quantise)
}

fn result(model: &Model, x: &[f64]) -> Result<Vec<f64>, ExecError> {
    let units = |v: &f64| (v * UNIT as f64).round() as i64;
    let trace = run(
        &model.graph,
        &model.weights,
        &[x.iter().map(units).collect()],
    )?;
    let unit = model.source.outputs[0].scale_or(UNIT) as f64;
    let values = outputs(&model.graph, &trace).remove(0);
    Ok(values.into_iter().map(|v| v as f64 / unit).collect())
}

/// What is said of an input that is none for the model.
fn undefined(model: &Model, x: &[f64]) -> String {
    let error = result(model, x).unwrap_err();
    assert!(matches!(error, ExecError::Undefined(_)), "{error}");
    error.to_string()
}

fn near(got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len());
    for (g, e) in got.iter().zip(expected) {
        let allowed = 16.0 / UNIT as f64 * (1.0 + e.abs()) + e.abs() / 256.0;
        assert!((g - e).abs() <= allowed, "{got:?}, expected {expected:?}");
    }
}

fn checks(model: &Model) -> usize {
    let nodes = model.graph.nodes.iter();
    nodes.filter(|n| matches!(n.op, Op::Check { .. })).count()
}

fn one(op: &str, attributes: &[AttributeProto]) -> ModelProto {
    model(&[1, 1], vec![], vec![node(op, &["x"], "y", attributes)])
}

fn power(exponent: f32) -> ModelProto {
    let constants = vec![floats("p", &[], &[exponent])];
    let nodes = vec![node("Pow", &["x", "p"], "y", &[])];
    model(&[1, 1], constants, nodes)
}

#[test]
fn functions_that_grow_are_not_cut_off() {
    let wide = (-40.0, 40.0);
    for (proto, inside, outside) in [
        (
            one("Exp", &[]),
            vec![(20.0, 20f64.exp()), (-40.0, 0.0)],
            vec![21.0, 39.0],
        ),
        (
            one("Sinh", &[]),
            vec![(20.0, 20f64.sinh()), (-20.0, -20f64.sinh())],
            vec![22.0, -22.0],
        ),
        (
            one("Cosh", &[]),
            vec![(20.0, 20f64.cosh()), (-20.0, 20f64.cosh())],
            vec![22.0, -22.0],
        ),
        (
            power(11.0),
            vec![(2.0, 2048.0), (-3.0, -177_147.0)],
            vec![8.0, -8.0],
        ),
    ] {
        let model = read(&proto, wide).unwrap();
        for (x, y) in inside {
            near(&result(&model, &[x]).unwrap(), &[y]);
        }
        for x in outside {
            let error = undefined(&model, &[x]);
            assert!(error.contains("an argument from "), "{error}");
        }
        // By the caller's choice the nearest argument counts.
        let (defined, places) = model.defined().unwrap();
        assert_eq!(places.len(), 1, "{places:?}");
        result(&defined, &[39.0]).unwrap();
    }
    // Where the bounds of the argument are inside, nothing is checked.
    assert_eq!(checks(&read(&one("Exp", &[]), (-8.0, 8.0)).unwrap()), 0);
    // A softmax is bounded by its own maximum.
    let softmax = read(&one("Softmax", &[]), (-1000.0, 1000.0)).unwrap();
    assert_eq!(checks(&softmax), 0);
}

#[test]
fn values_that_are_not_held_within_the_domain_are_refused() {
    let refused = |proto: &ModelProto, range: (f64, f64)| {
        let error = read(proto, range).unwrap_err();
        assert!(error.is_of_size(), "{error}");
        let text = error.to_string();
        assert!(text.contains("argument of "), "{text}");
    };
    // 0^-9 lies between what is held.
    refused(&power(-9.0), (-4.0, 4.0));
    refused(&one("Elu", &[float("alpha", 1e12)]), (-4.0, 4.0));
    // Poles between the points of a wide table, wherever they lie.
    refused(&one("Tan", &[]), (-200.0, 200.0));
    refused(&one("Sin", &[]), (-2000.0, 2000.0));
}

#[test]
fn powers_of_zero() {
    let nodes = vec![
        node("Slice", &["x", "zero", "one", "one"], "a", &[]),
        node("Slice", &["x", "one", "two", "one"], "b", &[]),
        node("Pow", &["a", "b"], "y", &[]),
    ];
    let constants = ["zero", "one", "two"].into_iter().zip(0..);
    let constants = constants.map(|(name, v)| integers(name, &[v])).collect();
    let model = read(&model(&[1, 2], constants, nodes), (-4.0, 4.0)).unwrap();
    for (a, b, y) in [
        (0.0, 2.0, 0.0),
        (0.0, 0.5, 0.0),
        (0.0, 0.0, 1.0),
        (2.0, 3.0, 8.0),
        (2.0, -1.0, 0.5),
        (3.0, 0.0, 1.0),
        (1.0 / 512.0, 1.0, 1.0 / 512.0),
    ] {
        near(&result(&model, &[a, b]).unwrap(), &[y]);
    }
    undefined(&model, &[0.0, -1.0]);
    undefined(&model, &[-2.0, 0.5]);
}

#[test]
fn integers_have_exact_powers_or_none() {
    let typed = |nodes: Vec<NodeProto>| {
        let constants = vec![floats("half", &[], &[0.5]), floats("three", &[], &[3.0])];
        let mut proto = model(&[1, 1], constants, nodes);
        let tensor = &mut proto.graph.as_mut().unwrap().input[0].r#type;
        tensor
            .as_mut()
            .unwrap()
            .tensor_type
            .as_mut()
            .unwrap()
            .elem_type = 6;
        read(&proto, (-8.0, 7.0))
    };
    let power = |by: &str| typed(vec![node("Pow", &["x", by], "y", &[])]);
    for by in ["x", "half"] {
        let error = power(by).unwrap_err().to_string();
        assert!(error.contains("the base has integers"), "{error}");
    }
    let cube = power("three").unwrap();
    let trace = run(&cube.graph, &cube.weights, &[vec![-7]]).unwrap();
    assert_eq!(outputs(&cube.graph, &trace), [[-343]]);
    for op in ["ReduceL2", "ReduceLogSum", "ReduceLogSumExp"] {
        let error = typed(vec![node(op, &["x"], "y", &[])]).unwrap_err();
        assert!(
            error.to_string().contains("real numbers, got int32"),
            "{error}"
        );
    }
}

const LOW: f32 = f32::NEG_INFINITY;

/// `x` of 2×3 numbers, masked, and what is done with it.
fn masked(mask: &[f32], nodes: &[(&str, &[AttributeProto])]) -> ModelProto {
    let constants = vec![
        floats("m", &[2, 3], mask),
        floats("low", &[], &[LOW]),
        floats("zero", &[], &[0.0]),
    ];
    let mut all = vec![node("Add", &["x", "m"], "t0", &[])];
    for (at, (op, attributes)) in nodes.iter().enumerate() {
        let last = at + 1 == nodes.len();
        let output = if last {
            "y".to_owned()
        } else {
            format!("t{}", at + 1)
        };
        all.push(node(op, &[&format!("t{at}")], &output, attributes));
    }
    model(&[2, 3], constants, all)
}

const X: [f64; 6] = [0.5, -1.0, 2.0, 1.0, 0.0, 3.0];

#[test]
fn masks_hide_what_they_are_added_to() {
    for low in [LOW, -1e30, -1e9, -1e4] {
        let mask = [0.0, low, 0.0, low, 0.0, 0.0];
        let proto = masked(&mask, &[("Softmax", &[])]);
        let model = read(&proto, (-4.0, 4.0)).unwrap();
        let got = result(&model, &X).unwrap();
        let e = |v: f64| v.exp();
        let (first, second) = (e(0.5) + e(2.0), e(0.0) + e(3.0));
        let expected = [
            e(0.5) / first,
            0.0,
            e(2.0) / first,
            0.0,
            1.0 / second,
            e(3.0) / second,
        ];
        near(&got, &expected);
        assert_eq!((got[1], got[3]), (0.0, 0.0));
        // A row always has something left: no cell is spent on that.
        assert_eq!(checks(&model), 0);
        for (op, expected) in [
            ("Relu", 0.0),
            ("Sigmoid", 0.0),
            ("Exp", 0.0),
            ("Tanh", -1.0),
        ] {
            let model = read(&masked(&mask, &[(op, &[])]), (-4.0, 4.0)).unwrap();
            near(&result(&model, &X).unwrap()[1..2], &[expected]);
        }
        let largest = masked(
            &mask,
            &[("ReduceMax", &[ints("axes", &[1]), int("keepdims", 0)])],
        );
        near(
            &result(&read(&largest, (-4.0, 4.0)).unwrap(), &X).unwrap(),
            &[2.0, 3.0],
        );
    }
}

#[test]
fn no_stand_in_is_taken_for_a_number() {
    let mask = [0.0, LOW, 0.0, LOW, 0.0, 0.0];
    let axes = [ints("axes", &[1])];
    for (op, attributes) in [
        ("Identity", &[][..]),
        ("Abs", &[]),
        ("Neg", &[]),
        ("LogSoftmax", &[]),
        ("ReduceSum", &[]),
        ("ReduceMin", &axes),
        ("IsInf", &[]),
        ("Cast", &[int("to", 7)]),
        ("Cast", &[int("to", 1)]),
        ("Transpose", &[]),
        ("Sqrt", &[]),
    ] {
        let error = read(&masked(&mask, &[(op, attributes)]), (-4.0, 4.0)).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("fixed-point integers hold"), "{op}: {text}");
        assert!(
            text.contains("initialiser 'm', index [0, 1]"),
            "{op}: {text}"
        );
    }
    // +∞ masks nothing, and numbers that large are no masks.
    for high in [f32::INFINITY, 1e30] {
        let mask = [0.0, high, 0.0, 0.0, 0.0, 0.0];
        read(&masked(&mask, &[("Softmax", &[])]), (-4.0, 4.0)).unwrap_err();
        read(&masked(&mask, &[("Identity", &[])]), (-4.0, 4.0)).unwrap_err();
    }
    // A row of which nothing is left has no softmax: 0/0.
    let hidden = masked(&[LOW, LOW, LOW, 0.0, 0.0, 0.0], &[("Softmax", &[])]);
    let model = read(&hidden, (-4.0, 4.0)).unwrap();
    let error = undefined(&model, &X);
    assert!(error.contains("that no mask hides"), "{error}");
    // Also where a choice is computed.
    let choice = vec![
        node("Less", &["x", "zero"], "c", &[]),
        node("Where", &["c", "low", "x"], "s", &[]),
        node("Softmax", &["s"], "y", &[]),
    ];
    let constants = vec![floats("low", &[], &[LOW]), floats("zero", &[], &[0.0])];
    let choice = read(&super::model(&[1, 2], constants, choice), (-4.0, 4.0)).unwrap();
    near(&result(&choice, &[-1.0, 1.0]).unwrap(), &[0.0, 1.0]);
    undefined(&choice, &[-1.0, -1.0]);
}

#[test]
fn infinities_are_compared_and_cut_off() {
    let with = |op: &str, c: &[f32]| {
        let constants = vec![floats("c", &[1, 2], c)];
        let nodes = vec![node(op, &["x", "c"], "y", &[])];
        read(&model(&[1, 2], constants, nodes), (-4.0, 4.0))
    };
    let y = |op: &str, c: &[f32]| result(&with(op, c).unwrap(), &[1.0, 1.0]).unwrap();
    assert_eq!(y("Less", &[f32::INFINITY, 0.0]), [1.0, 0.0]);
    assert_eq!(y("Greater", &[LOW, 2.0]), [1.0, 0.0]);
    assert_eq!(y("Max", &[LOW, 2.0]), [1.0, 2.0]);
    assert_eq!(y("Div", &[LOW, 2.0]), [0.0, 0.5]);
    for op in ["Mul", "Sub", "Min", "Add"] {
        assert!(with(op, &[LOW, 2.0]).is_err(), "{op}");
        assert!(with(op, &[f32::INFINITY, 2.0]).is_err(), "{op}");
    }
    // What is not defined is no number either.
    let error = with("Div", &[0.0, 2.0]).unwrap_err().to_string();
    assert!(error.contains("node 'y' (Div)"), "{error}");
}
