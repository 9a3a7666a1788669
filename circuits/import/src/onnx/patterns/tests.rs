//! Spelled-out activations, and what they cost.

use super::super::tests::{check, floats, integers, ints, kinds, model, node};
use super::activation::KNOWN;
use super::*;
use crate::{ImportOptions, Model};
use zkml_model::layout::Visibilities;
use zkml_model::planner::{choose, Goal};

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
    name_spellings(&mut graph);
    graph.node.into_iter().map(|node| node.op_type).collect()
}

/// What a spelling was told by is in the graph, and listed as public.
#[test]
fn constants_that_tell_a_spelling_are_named() {
    let names = name_spellings(&mut by_tanh(0.044_715, 4));
    assert_eq!(Vec::from_iter(names), ["cubic", "half", "k", "one"]);
    let names = name_spellings(&mut by_tanh(0.045, 4));
    assert!(names.is_empty(), "{names:?}");
}

/// Data cells of the layout for the fastest proof, as the file is and with its activations named.
fn cells(graph: &GraphProto, named: bool) -> usize {
    let options = ImportOptions {
        scale: Some(256),
        input_range: Some((-4.0, 4.0)),
        ..ImportOptions::default()
    };
    let mut graph = graph.clone();
    if named {
        name_spellings(&mut graph);
    }
    let loaded = super::super::link::link(graph, &[], 22, 0)
        .and_then(|linked| super::super::import(linked, &options, Vec::new()))
        .and_then(|draft| draft.quantise());
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
            ..Default::default()
        };
        let model = check(&proto, &x, &expected);
        assert!(!kinds(&model).contains(&"Mul"), "{:?}", kinds(&model));
    }
}

const GAMMA: [f32; 4] = [1.0, -0.5, 2.0, 0.25];
const BETA: [f32; 4] = [0.0, 0.5, -1.0, 2.0];

/// A node that has its axes as an input, where `axes` names one, or else as an attribute.
fn mean(of: &str, axes: &str, output: &str) -> NodeProto {
    match axes {
        "" => node("ReduceMean", &[of], output, &[ints("axes", &[-1])]),
        _ => node("ReduceMean", &[of, axes], output, &[]),
    }
}

fn layer_norm_model(nodes: Vec<NodeProto>) -> GraphProto {
    let numbers = vec![
        floats("one", &[], &[1.0]),
        floats("two", &[], &[2.0]),
        floats("epsilon", &[], &[1e-5]),
        floats("gamma", &[4], &GAMMA),
        floats("beta", &[4], &BETA),
        integers("last", &[-1]),
        integers("middle", &[1]),
    ];
    model(&[-1, 2, 4], numbers, nodes).graph.unwrap()
}

/// Rows of 4, as PyTorch writes it.
fn by_division(axes: [&str; 2]) -> GraphProto {
    layer_norm_model(vec![
        mean("x", axes[0], "mean"),
        node("Sub", &["x", "mean"], "centred", &[]),
        node("Pow", &["centred", "two"], "square", &[]),
        mean("square", axes[1], "variance"),
        node("Add", &["variance", "epsilon"], "sum", &[]),
        node("Sqrt", &["sum"], "deviation", &[]),
        node("Div", &["centred", "deviation"], "standard", &[]),
        node("Mul", &["standard", "gamma"], "scaled", &[]),
        node("Add", &["scaled", "beta"], "y", &[]),
    ])
}

/// The same as TensorFlow writes it; `shift` is multiplied by the mean.
fn by_factors(shift: &str) -> GraphProto {
    layer_norm_model(vec![
        mean("x", "last", "mean"),
        node("Sub", &["x", "mean"], "centred", &[]),
        node("Mul", &["centred", "centred"], "square", &[]),
        mean("square", "last", "variance"),
        node("Add", &["epsilon", "variance"], "sum", &[]),
        node("Sqrt", &["sum"], "deviation", &[]),
        node("Div", &["one", "deviation"], "factor", &[]),
        node("Mul", &["factor", "gamma"], "scale", &[]),
        node("Mul", &["x", "scale"], "scaled", &[]),
        node("Mul", &["mean", shift], "moved", &[]),
        node("Sub", &["beta", "moved"], "offset", &[]),
        node("Add", &["scaled", "offset"], "y", &[]),
    ])
}

#[test]
fn spelled_normalisation_is_named() {
    let named = ["MeanVarianceNormalization", "Mul", "Add"];
    for axes in [["", ""], ["last", "last"]] {
        assert_eq!(operators(by_division(axes)), named);
    }
    assert_eq!(operators(by_factors("scale")), named);
}

#[test]
fn what_only_resembles_normalisation_stays() {
    // Mean and variance over different dimensions.
    assert_eq!(operators(by_division(["last", "middle"])).len(), 9);
    // The mean is not multiplied by γ/√(σ² + ε).
    assert_eq!(operators(by_factors("factor")).len(), 12);
    // A third power.
    let mut graph = by_division(["", ""]);
    graph.initializer[1] = floats("two", &[], &[3.0]);
    assert_eq!(operators(graph).len(), 9);
    // Dimensions that the mean drops.
    let mut graph = by_division(["", ""]);
    graph.node[3]
        .attribute
        .push(super::super::tests::int("keepdims", 0));
    assert_eq!(operators(graph).len(), 9);
}

#[test]
fn named_normalisation_computes_the_function() {
    let x: [f32; 8] = [0.5, -1.5, 3.0, 0.0, -2.0, 2.0, 1.9, -0.1];
    let row = |row: &[f32]| {
        let mu = row.iter().sum::<f32>() / 4.0;
        let variance = row.iter().map(|v| (v - mu).powi(2)).sum::<f32>() / 4.0;
        let deviation = (variance + 1e-5).sqrt();
        let parts = row.iter().zip(GAMMA).zip(BETA);
        let y: Vec<f32> = parts
            .map(|((v, g), b)| (v - mu) / deviation * g + b)
            .collect();
        y
    };
    let expected: Vec<f32> = x.chunks(4).flat_map(row).collect();
    for graph in [by_division(["", ""]), by_factors("scale")] {
        let proto = super::super::schema::ModelProto {
            graph: Some(graph),
            ..Default::default()
        };
        check(&proto, &x, &expected);
    }
}
