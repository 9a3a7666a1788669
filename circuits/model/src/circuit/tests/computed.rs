//! Operations on computed tensors: honest witnesses of every kind of operand and arrangement.

use super::fixtures::*;
use zkml_graph::{Clamp, Op, Table, TensorId};

/// Cases on shapes whose rows are full, and not.
const SIZES: [usize; 4] = [1, 7, 10, 23];

fn accepted(model: &mut Model) {
    for (k, data) in [(11, 5), (12, 2), (13, 1)] {
        model.mock(shape(k, data, 3)).assert_satisfied();
    }
    model.mock(stacked(14)).assert_satisfied();
}

/// Two operands of different arrangement: an input, and one that an operation has laid out.
fn operands(model: &mut Model, n: usize) -> [TensorId; 2] {
    let a = model.input(&[n], 7);
    let b = model.input(&[n], 9);
    let b = model.node(&[n], Op::clamped(b, Clamp { lo: 0, hi: None }));
    [a, b]
}

#[test]
fn products() {
    for n in SIZES {
        for (div, clamp) in [(1, None), (SCALE, relu()), (7, relu6())] {
            let mut model = Model::new(3);
            let [a, b] = operands(&mut model, n);
            let y = model.node(&[n], Op::Mul { a, b, div, clamp });
            let square = model.node(
                &[n],
                Op::Mul {
                    a: y,
                    b: y,
                    div,
                    clamp: None,
                },
            );
            accepted(&mut model.finish(square));
        }
    }
}

#[test]
fn products_of_two_limbs() {
    let mut model = Model::new(4);
    let a = model.input(&[6], 14);
    let b = model.input(&[6], 13);
    let y = model.node(
        &[6],
        Op::Mul {
            a,
            b,
            div: 64,
            clamp: None,
        },
    );
    model.finish(y).mock(shape(11, 5, 3)).assert_satisfied();
}

#[test]
fn quotients() {
    for n in SIZES {
        let mut model = Model::new(5);
        let [a, b] = operands(&mut model, n);
        let b = model.node(
            &[n],
            Op::Combine {
                terms: vec![(1, b)],
                constant: 1,
                div: 1,
                clamp: None,
            },
        );
        let b = model.node(&[n], Op::clamped(b, Clamp { lo: 1, hi: None }));
        let y = model.node(&[n], Op::Div { a, b, factor: 32 });
        accepted(&mut model.finish(y));
    }
}

#[test]
fn maxima_and_minima() {
    for n in SIZES {
        let mut model = Model::new(6);
        let [a, b] = operands(&mut model, n);
        let max = model.node(&[n], Op::Max { a, b });
        let min = model.node(&[n], Op::Min { a: max, b: a });
        accepted(&mut model.finish(min));
    }
}

#[test]
fn functions() {
    for n in SIZES {
        let mut model = Model::new(7);
        let [a, b] = operands(&mut model, n);
        model.graph.tables = vec![
            Table {
                name: "square".into(),
                lo: -64,
                values: (-64..64).map(|x| x * x - 5).collect(),
            },
            Table {
                name: "steps".into(),
                lo: -10,
                values: (-10..300).map(|x: i64| -(x / 3)).collect(),
            },
        ];
        let y = model.node(&[n], Op::Table { x: a, table: 0 });
        let z = model.node(&[n], Op::Table { x: b, table: 1 });
        let sum = model.node(&[n], Op::sum(vec![(1, y), (-2, z)], None));
        accepted(&mut model.finish(sum));
    }
}

#[test]
fn matrix_products_and_sums() {
    for (batch, m, k, n) in [(1, 3, 4, 6), (2, 5, 3, 2), (1, 1, 9, 1)] {
        let mut model = Model::new(8);
        let a = model.input(&[batch, m, k], 6);
        let b = model.input(&[batch, k, n], 6);
        let y = model.node(
            &[batch, m, n],
            Op::MatMul {
                a,
                b,
                div: 16,
                clamp: relu(),
            },
        );
        let mean = model.node(&[batch, m], Op::ReduceSum { x: y, div: 3 });
        accepted(&mut model.finish(mean));
    }
}

#[test]
fn movement() {
    let mut model = Model::new(9);
    let x = model.input(&[2, 5], 6);
    let w = model.weight(&[2, 3], 100);
    let w = model.node(&[2, 3], Op::Parameter { w });
    let picked = model.node(
        &[2, 4],
        Op::Gather {
            x,
            axis: 1,
            indices: vec![4, 0, 0, 2],
        },
    );
    let zeros = model.node(
        &[2, 1],
        Op::Constant {
            shape: vec![2, 1],
            values: vec![0, 300],
        },
    );
    let joined = model.node(
        &[2, 8],
        Op::Concat {
            xs: vec![picked, zeros, w],
            axis: 1,
        },
    );
    let ramp = model.node(
        &[2, 8],
        Op::Constant {
            shape: vec![2, 8],
            values: (-8..8).collect(),
        },
    );
    let y = model.node(
        &[2, 8],
        Op::Mul {
            a: joined,
            b: ramp,
            div: 1,
            clamp: None,
        },
    );
    accepted(&mut model.finish(y));
}

/// Elements that a gather repeats share a cell, and what is computed from them must not.
#[test]
fn repeated_elements() {
    let repeated = |model: &mut Model| {
        let x = model.input(&[4], 6);
        let gather = Op::Gather {
            x,
            axis: 0,
            indices: vec![2, 0, 2, 2, 1, 0],
        };
        let spread = model.node(&[6], gather);
        let other = model.input(&[6], 6);
        [spread, other]
    };
    type Make = fn(&mut Model, TensorId, TensorId) -> Op;
    let makes: [Make; 7] = [
        |_, a, b| Op::sum(vec![(1, a), (2, b)], None),
        |_, a, b| Op::sum(vec![(1, b), (2, a)], None),
        |_, a, _| Op::clamped(a, Clamp { lo: 0, hi: None }),
        |_, a, b| Op::Mul {
            a,
            b,
            div: 1,
            clamp: None,
        },
        |_, a, b| Op::Max { a, b },
        |model, a, _| {
            model.graph.tables = vec![Table {
                name: "doubles".into(),
                lo: -32,
                values: (-32..32).map(|x| 2 * x).collect(),
            }];
            Op::Table { x: a, table: 0 }
        },
        |model, a, _| {
            let w = model.weight(&[6], 9);
            Op::Scale {
                x: a,
                w: Some(w),
                bias: None,
                div: 4,
                clamp: None,
            }
        },
    ];
    for make in makes {
        let mut model = Model::new(10);
        let [a, b] = repeated(&mut model);
        let op = make(&mut model, a, b);
        let y = model.node(&[6], op);
        accepted(&mut model.finish(y));
    }
}

/// Without a lower bound: no table holds what is between.
#[test]
fn bounds_from_above_alone() {
    for n in SIZES {
        let mut model = Model::new(11);
        let [a, b] = operands(&mut model, n);
        let sum = Op::Combine {
            terms: vec![(2, a), (-1, b)],
            constant: 7,
            div: 1,
            clamp: Some(Clamp {
                lo: -(1 << 42),
                hi: Some(9),
            }),
        };
        let y = model.node(&[n], sum);
        accepted(&mut model.finish(y));
    }
}

/// Outputs whose ranges exclude zero are exposed like others.
#[test]
fn positive_outputs() {
    for n in SIZES {
        let mut model = Model::new(12);
        let [a, _] = operands(&mut model, n);
        let y = model.node(
            &[n],
            Op::clamped(
                a,
                Clamp {
                    lo: 3,
                    hi: Some(40),
                },
            ),
        );
        accepted(&mut model.finish(y));
    }
}
