//! Spelled-out activations, and what they cost.

use super::super::tests::{check, floats, kinds, model, node};
use super::*;
use crate::import::{ImportOptions, Model};
use crate::layout::{choose, Goal, Visibilities};

/// GELU by tanh, with `cubic` before x³, of some elements.
fn by_tanh(cubic: f32, elements: i64) -> GraphProto {
    let numbers = vec![
        floats("half", &[], &[0.5]),
        floats("one", &[], &[1.0]),
        floats("k", &[], &[0.797_884_6]),
        floats("cubic", &[1], &[cubic]),
    ];
    let nodes = vec![
        node("Mul", &["x", "half"], "a", &[]),
        node("Mul", &["x", "x"], "b", &[]),
        node("Mul", &["x", "b"], "c", &[]),
        node("Mul", &["c", "cubic"], "d", &[]),
        node("Add", &["x", "d"], "e", &[]),
        node("Mul", &["k", "e"], "f", &[]),
        node("Tanh", &["f"], "g", &[]),
        node("Add", &["g", "one"], "h", &[]),
        node("Mul", &["a", "h"], "y", &[]),
    ];
    model(&[-1, elements], numbers, nodes).graph.unwrap()
}

fn by_erf(elements: i64) -> GraphProto {
    let numbers = vec![
        floats("two", &[], &[2.0]),
        floats("one", &[], &[1.0]),
        floats("root", &[], &[std::f32::consts::SQRT_2]),
    ];
    let nodes = vec![
        node("Div", &["x", "root"], "a", &[]),
        node("Erf", &["a"], "b", &[]),
        node("Add", &["one", "b"], "c", &[]),
        node("Div", &["x", "two"], "d", &[]),
        node("Mul", &["c", "d"], "y", &[]),
    ];
    model(&[-1, elements], numbers, nodes).graph.unwrap()
}

fn silu(elements: i64) -> GraphProto {
    let nodes = vec![
        node("Sigmoid", &["x"], "a", &[]),
        node("Mul", &["a", "x"], "y", &[]),
    ];
    model(&[-1, elements], Vec::new(), nodes).graph.unwrap()
}

fn operators(mut graph: GraphProto) -> Vec<String> {
    name_activations(&mut graph);
    graph.node.into_iter().map(|node| node.op_type).collect()
}

/// Data cells of the layout for the fastest proof, as the file is and with its activations named.
fn cells(graph: &GraphProto, named: bool) -> usize {
    let options = ImportOptions {
        scale: Some(256),
        input_range: Some((-4.0, 4.0)),
    };
    let mut graph = graph.clone();
    if named {
        name_activations(&mut graph);
    }
    let loaded = super::super::import((graph, 22), &options).and_then(|draft| draft.quantise());
    let model: Model = loaded.unwrap();
    let plan = choose(&model.graph, &Visibilities::default(), Goal::Prove).unwrap();
    plan.usage.data_cells
}

#[test]
fn spelled_activations_are_named() {
    assert_eq!(operators(by_tanh(0.044_715, 16)), ["Gelu"]);
    assert_eq!(operators(by_erf(16)), ["Gelu"]);
    assert_eq!(operators(silu(16)), ["Swish"]);
    // Another function.
    assert_eq!(operators(by_tanh(0.05, 16)).len(), 9);
}

#[test]
fn what_something_else_reads_stays() {
    let mut graph = by_erf(16);
    graph.node.push(node("Neg", &["b"], "z", &[]));
    graph.output.push(super::super::tests::info("z", &[]));
    assert_eq!(operators(graph), ["Div", "Erf", "Gelu", "Neg"]);
}

#[test]
fn named_activations_cost_fewer_cells() {
    let graphs = [by_tanh(0.044_715, 1000), by_erf(1000), silu(1000)];
    for (graph, tenths) in graphs.iter().zip([20, 15, 10]) {
        let (spelled, named) = (cells(graph, false), cells(graph, true));
        println!("{spelled} cells spelled, {named} named");
        assert!(10 * spelled > tenths * named, "{spelled} and {named} cells");
    }
}

#[test]
fn named_activations_compute_the_function() {
    let x: Vec<f32> = (-8..8).map(|i| i as f32 * 0.9).collect();
    let graphs = [by_erf(16), by_tanh(0.044_715, 16), silu(16)];
    for (graph, (_, _, f)) in graphs.into_iter().zip(KNOWN) {
        let expected: Vec<f32> = x.iter().map(|v| f(f64::from(*v)) as f32).collect();
        let proto = super::super::schema::ModelProto {
            graph: Some(graph),
            opset_import: Vec::new(),
        };
        let model = check(&proto, &x, &expected);
        assert!(!kinds(&model).contains(&"Mul"), "{:?}", kinds(&model));
    }
}
