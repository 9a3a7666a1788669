//! Operators where they are not defined: neither run nor laid out, unless the caller says what counts.

use super::*;
use zkml_graph::exec::ExecError;
use zkml_graph::range::propagate;
use zkml_graph::{Interval, Op};

/// A model whose inputs are a vector of 2 indices and one of 3 real numbers.
fn with_index(nodes: Vec<NodeProto>, table: &[i64]) -> Model {
    let count: i64 = table.iter().product();
    let values: Vec<f32> = (0..count).map(|v| v as f32 + 1.0).collect();
    let mut proto = model(&[1, 2], vec![floats("table", table, &values)], nodes);
    wide(&mut proto)
}

/// The model on 64-bit integers, which are declared to be anything: an enemy's input has more bits than
/// indices need.
fn wide(proto: &mut ModelProto) -> Model {
    let graph = proto.graph.as_mut().unwrap();
    let tensor = graph.input[0].r#type.as_mut().unwrap();
    tensor.tensor_type.as_mut().unwrap().elem_type = 7;
    let mut model = import(proto);
    let input = model.graph.inputs[0];
    model.graph.tensors[input.0].range = Interval::signed(11);
    propagate(&mut model.graph, &model.weights).unwrap();
    model
}

fn import(proto: &ModelProto) -> Model {
    let options = ImportOptions {
        scale: Some(64),
        ..Default::default()
    };
    let draft = super::super::load(&proto.encode_to_vec(), &options);
    draft.and_then(FloatModel::quantise).unwrap()
}

fn result(model: &Model, x: &[i64]) -> Result<Vec<i64>, ExecError> {
    let trace = run(&model.graph, &model.weights, &[x.to_vec()])?;
    Ok(outputs(&model.graph, &trace).remove(0))
}

/// The message for an input that is refused; with a definition it is taken.
fn refused(model: &Model, x: &[i64]) -> String {
    let error = result(model, x).unwrap_err();
    assert!(matches!(error, ExecError::Undefined(_)), "{error}");
    let (defined, places) = model.clone().defined().unwrap();
    assert!(!places.is_empty());
    result(&defined, x).unwrap();
    let value = |_: usize, at: usize| x.get(at).map(i64::to_string);
    error.with_values(value).to_string()
}

#[test]
fn indices_out_of_range() {
    let gather = with_index(vec![node("Gather", &["table", "x"], "y", &[])], &[6, 2]);
    assert_eq!(result(&gather, &[5, -6]).unwrap().len(), 4);
    for outside in [6, -7, 600] {
        let error = refused(&gather, &[0, outside]);
        let told = format!("input 'x' element 1 is {outside}");
        assert!(
            error.contains(&told) && error.contains("[-6, 5]"),
            "{error}"
        );
    }
    // Of a secret the place is named, and not the value.
    let secret = result(&gather, &[0, 600]).unwrap_err().to_string();
    assert!(
        !secret.contains("600") && secret.contains("element 1"),
        "{secret}"
    );
    // The nearest index, where the caller says so.
    let (defined, _) = gather.clone().defined().unwrap();
    assert_eq!(result(&defined, &[600, -601]), result(&gather, &[5, -6]));

    let elements = with_index(
        vec![node("GatherElements", &["table", "x"], "y", &[])],
        &[5, 2],
    );
    let elements_at = |x: &[i64]| result(&elements, x);
    assert!(elements_at(&[4, -5]).is_ok());
    refused(&elements, &[5, 0]);
    let reshape = |to: &str| node("Reshape", &["x", to], "i", &[]);
    let mut nodes = vec![reshape("to"), node("GatherND", &["table", "i"], "y", &[])];
    let mut tuple = with_shape(&nodes, &[1, 2]);
    assert!(result(&tuple, &[3, 1]).is_ok());
    refused(&tuple, &[3, 2]);
    // A tuple whose row would be one of another's.
    refused(&tuple, &[0, 3]);
    nodes[1] = node("ScatterND", &["table", "i", "u"], "y", &[]);
    tuple = with_shape(&nodes, &[1, 2]);
    assert!(result(&tuple, &[3, -2]).is_ok());
    refused(&tuple, &[4, 0]);
    // Of computed indices there is no input to name.
    let one = node("Add", &["x", "x"], "i", &[]);
    let computed = with_index(
        vec![one, node("Gather", &["table", "i"], "y", &[])],
        &[6, 2],
    );
    assert!(result(&computed, &[2, -3]).is_ok());
    assert!(refused(&computed, &[3, 0]).contains("element 0 is not defined"));
    // One-hot rows are defined for all indices, and a choice of all there is needs no check.
    let bounded = vec![
        node("ArgMax", &["x"], "i", &[int("axis", 1)]),
        node("Gather", &["table", "i"], "y", &[]),
    ];
    let bounded = with_index(bounded, &[6, 2]);
    assert!(!bounded
        .graph
        .nodes
        .iter()
        .any(|n| matches!(n.op, Op::Check { .. })));
}

fn with_shape(nodes: &[NodeProto], to: &[i64]) -> Model {
    let values: Vec<f32> = (0..8).map(|v| v as f32).collect();
    let initialisers = vec![
        floats("table", &[4, 2], &values),
        integers("to", to),
        floats("u", &[1], &[9.0]),
    ];
    let mut proto = model(&[1, 2], initialisers, nodes.to_vec());
    wide(&mut proto)
}

#[test]
fn arguments_without_a_value() {
    let one = |op: &str, other: &[f32]| {
        let operands: &[&str] = if other.is_empty() {
            &["x"]
        } else {
            &["c", "x"]
        };
        let constants = match other {
            [] => vec![],
            all => vec![floats("c", &[1, 2], all)],
        };
        import(&model(
            &[1, 2],
            constants,
            vec![node(op, operands, "y", &[])],
        ))
    };
    // At a scale of 64.
    for (model, inside, outside) in [
        (
            one("Div", &[1.0, 0.0]),
            vec![[64, -64], [1, -1]],
            vec![[0, 64], [64, 0]],
        ),
        (one("Reciprocal", &[]), vec![[64, -64]], vec![[0, 1]]),
        (one("Log", &[]), vec![[64, 1]], vec![[0, 64], [64, -1]]),
        (one("Sqrt", &[]), vec![[64, 0]], vec![[64, -1]]),
        (one("Asin", &[]), vec![[64, -64]], vec![[65, 0], [0, -65]]),
        (one("Acos", &[]), vec![[64, -64]], vec![[65, 0], [0, -65]]),
        (one("Acosh", &[]), vec![[64, 65]], vec![[64, 63]]),
        (one("Atanh", &[]), vec![[63, -63]], vec![[64, 0], [0, -64]]),
        (one("Mod", &[1.0, 2.0]), vec![[64, -3]], vec![[64, 0]]),
    ] {
        for x in inside {
            result(&model, &x).unwrap();
        }
        for x in outside {
            refused(&model, &x);
        }
    }
    // What is positive by what it is computed from is divided by whatever its integer.
    let exp = vec![node("Exp", &["x"], "e", &[]), node("Log", &["e"], "y", &[])];
    let exp = import(&model(&[1, 2], vec![], exp));
    result(&exp, &[-250, 0]).unwrap();
    let nodes = vec![
        node("Mul", &["x", "x"], "s", &[]),
        node("Add", &["s", "eps"], "v", &[]),
        node("Sqrt", &["v"], "d", &[]),
        node("Div", &["x", "d"], "y", &[]),
    ];
    let eps = vec![floats("eps", &[1, 1], &[1e-5])];
    result(&import(&model(&[1, 2], eps, nodes)), &[0, 0]).unwrap();
}

#[test]
fn casts_of_real_numbers() {
    let cast = import(&model(
        &[1, 2],
        vec![],
        vec![node("Cast", &["x"], "y", &[int("to", 2)])],
    ));
    assert_eq!(result(&cast, &[130, 0]).unwrap(), [2, 0]);
    // Toward zero first: −0.9 is 0.
    assert_eq!(result(&cast, &[-60, 0]).unwrap(), [0, 0]);
    refused(&cast, &[-64, 0]);
}

/// A model on 64-bit integers with a range that fills no bits, as an input sees it that is not public: its cells hold
/// as many values as its bits.
fn beyond(range: (f64, f64), held: Interval, table: usize, nodes: Vec<NodeProto>) -> Model {
    let values: Vec<f32> = (0..table).map(|v| v as f32 + 1.0).collect();
    let constants = vec![
        floats("table", &[table as i64], &values),
        integers("two", &[2]),
        integers("nine", &[9]),
    ];
    let mut proto = model(&[1, 2], constants, nodes);
    let tensor = &mut proto.graph.as_mut().unwrap().input[0].r#type;
    let tensor = tensor.as_mut().unwrap().tensor_type.as_mut().unwrap();
    tensor.elem_type = 7;
    let options = ImportOptions {
        scale: Some(1),
        input_range: Some(range),
        input_ranges: [("x".to_owned(), range)].into(),
    };
    let draft = super::super::load(&proto.encode_to_vec(), &options);
    let mut model = draft.and_then(FloatModel::quantise).unwrap();
    let input = model.graph.inputs[0];
    model.graph.tensors[input.0].range = held;
    propagate(&mut model.graph, &model.weights).unwrap();
    model
}

#[test]
fn a_range_that_fills_no_bits_bounds_nothing() {
    let gather = |op: &str, inputs: &[&str]| {
        vec![
            node(op, inputs, "i", &[]),
            node("Gather", &["table", "i"], "y", &[]),
        ]
    };
    // Zeros pad a range below zero, so that its words hold more.
    let held = Interval { lo: -2, hi: 1 };
    let below = beyond((-2.0, -1.0), held, 2, gather("Add", &["x", "two"]));
    assert_eq!(result(&below, &[-2, -1]).unwrap(), [1, 2]);
    refused(&below, &[-2, 1]);

    let held = Interval { lo: 0, hi: 15 };
    let turned = beyond((0.0, 9.0), held, 10, gather("Sub", &["nine", "x"]));
    assert_eq!(result(&turned, &[0, 9]).unwrap(), [10, 1]);
    assert_eq!(result(&turned, &[15, 12]).unwrap(), [5, 8]);

    let nodes = vec![
        node("Sub", &["nine", "x"], "i", &[]),
        node("Abs", &["i"], "y", &[]),
    ];
    let size = beyond((0.0, 9.0), held, 1, nodes);
    assert_eq!(result(&size, &[0, 15]).unwrap(), [9, 6]);
}

/// What Clip keeps above 0 has a logarithm, unless its bounds have changed places: then all is the upper one.
#[test]
fn logarithms_of_what_is_clipped() {
    let checked = |lo: f32, hi: f32| {
        let bounds = [("lo", lo), ("hi", hi)].map(|(name, v)| floats(name, &[], &[v]));
        let nodes = vec![
            node("Clip", &["x", "lo", "hi"], "c", &[]),
            node("Log", &["c"], "y", &[]),
        ];
        let bytes = model(&[1, 2], bounds.to_vec(), nodes).encode_to_vec();
        let draft = super::super::load(&bytes, &ImportOptions::default());
        let Ok(model) = draft.and_then(FloatModel::quantise) else {
            return true;
        };
        let mut ops = model.graph.nodes.iter().map(|node| &node.op);
        ops.any(|op| matches!(op, Op::Check { .. }))
    };
    assert!(!checked(1.0, 6.0));
    assert!(checked(1.0, -1.0));
    assert!(checked(-1.0, 6.0));
}
