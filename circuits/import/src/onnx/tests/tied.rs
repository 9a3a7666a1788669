//! Weights that several nodes read are one tensor: nothing would say that two are equal.

use super::*;
use zkml_graph::Role;

/// How many tensors of weights there are, and numbers in them.
fn weights(model: &Model) -> (usize, usize) {
    let tensors = model.graph.tensors.iter();
    let weights: Vec<usize> = tensors
        .filter(|t| t.role == Role::Weight)
        .map(|t| t.shape.iter().product())
        .collect();
    (weights.len(), weights.iter().sum())
}

fn matrix(name: &str) -> TensorProto {
    floats(name, &[2, 2], &[0.5, -1.0, 2.0, 0.25])
}

#[test]
fn nodes_that_read_one_initialiser() {
    let row = [1.0, 2.0];
    // x·W·W, then with Wᵀ, as a product and as `Gemm`.
    let twice = |op, attributes: &[AttributeProto]| {
        let nodes = vec![
            node(op, &["x", "w"], "a", attributes),
            node(op, &["a", "w"], "y", attributes),
        ];
        model(&[1, 2], vec![matrix("w")], nodes)
    };
    let product = check(&twice("MatMul", &[]), &row, &[1.25, -4.625]);
    assert_eq!(weights(&product), (1, 4));
    let turned = check(&twice("Gemm", &[int("transB", 1)]), &row, &[-3.25, -2.375]);
    assert_eq!(weights(&turned), (1, 4));
    // Equal numbers of two initialisers are two tensors: that they are equal would show.
    let nodes = vec![
        node("MatMul", &["x", "w"], "a", &[]),
        node("MatMul", &["a", "v"], "y", &[]),
    ];
    let two = model(&[1, 2], vec![matrix("w"), matrix("v")], nodes);
    assert_eq!(weights(&check(&two, &row, &[1.25, -4.625])), (2, 8));
    // Offsets and factors.
    for (op, expected) in [("Add", [2.0, 0.0]), ("Mul", [0.25, 2.0])] {
        let nodes = vec![
            node(op, &["x", "c"], "a", &[]),
            node("Relu", &["a"], "b", &[]),
            node(op, &["b", "c"], "y", &[]),
        ];
        let c = match op {
            "Add" => floats("c", &[2], &[0.5, -1.5]),
            _ => floats("c", &[2], &[0.5, 1.0]),
        };
        let expected = match op {
            "Add" => [2.0, -1.0],
            _ => expected,
        };
        let proto = model(&[1, 2], vec![c], nodes);
        assert_eq!(weights(&check(&proto, &row, &expected)).0, 1, "{op}");
    }
}

#[test]
fn samples_of_a_batch_and_convolutions() {
    let kernels = floats("k", &[2, 1, 1, 1], &[0.5, 2.0]);
    let bias = floats("b", &[2], &[1.0, -1.0]);
    for attributes in [vec![], vec![int("group", 1), ints("dilations", &[2, 2])]] {
        let nodes = vec![node("Conv", &["x", "k", "b"], "y", &attributes)];
        let proto = model(&[2, 1, 1, 1], vec![kernels.clone(), bias.clone()], nodes);
        let model = check(&proto, &[1.0, 2.0], &[1.5, 1.0, 2.0, 3.0]);
        assert_eq!(weights(&model), (2, 4));
    }
    let numbers = |name, v: f32| floats(name, &[1], &[v]);
    let nodes = vec![node(
        "BatchNormalization",
        &["x", "s", "b", "m", "v"],
        "y",
        &[float("epsilon", 0.0)],
    )];
    let learned = vec![
        numbers("s", 3.0),
        numbers("b", 1.0),
        numbers("m", 1.0),
        numbers("v", 4.0),
    ];
    let normal = model(&[2, 1, 1, 1], learned, nodes);
    assert_eq!(weights(&check(&normal, &[3.0, 1.0], &[4.0, 1.0])), (2, 2));
}

#[test]
fn steps_of_a_recurrent_network() {
    let nodes = vec![node(
        "RNN",
        &["x", "w", "r", "b"],
        "y",
        &[int("hidden_size", 2)],
    )];
    let of = |steps: i64| {
        let known = vec![
            floats("w", &[1, 2, 1], &[0.5, -0.25]),
            floats("r", &[1, 2, 2], &[0.5, 0.125, -0.25, 1.0]),
            floats("b", &[1, 4], &[0.25, 0.5, 0.125, -0.5]),
        ];
        weights(&load(&model(&[steps, 1, 1], known, nodes.clone())).unwrap())
    };
    assert_eq!(of(3), of(9));
}

/// Numbers under two types become weights of two scales, wherever they lie.
#[test]
fn one_initialiser_as_integers_and_as_real_numbers() {
    let cast = |from, to| node("Cast", &[from], to, &[int("to", 1)]);
    let nodes = vec![
        node("Greater", &["x", "zero"], "b", &[]),
        cast("b", "f"),
        node("Cast", &["b"], "i", &[int("to", 7)]),
        cast("w", "r"),
        node("MatMul", &["i", "w"], "n", &[]),
        cast("n", "whole"),
        node("MatMul", &["f", "r"], "real", &[]),
        node("Sub", &["real", "whole"], "y", &[]),
    ];
    let mut w = integers("w", &[3, -5, 2, 7]);
    w.dims = vec![2, 2];
    let zero = floats("zero", &[], &[0.0]);
    check(
        &model(&[1, 2], vec![w, zero], nodes),
        &[1.0, 2.0],
        &[0.0, 0.0],
    );
}
