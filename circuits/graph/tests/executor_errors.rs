//! What the graph's checks, the executor and interval propagation reject.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

use zkml_graph::exec::{run, ExecError};
use zkml_graph::ops::GraphError;
use zkml_graph::range::{propagate, round_outward, weight_range, RangeError};
use zkml_graph::{Clamp, Graph, Interval, Node, Op, Role, Tensor, TensorId, Weights, Window};

fn tensor(name: &str, shape: &[usize], role: Role, lo: i64, hi: i64) -> Tensor {
    Tensor {
        name: name.to_owned(),
        shape: shape.to_vec(),
        role,
        range: Interval { lo, hi },
    }
}

/// `y = relu(x·w)` with `x: [2]`, `w: [1, 2]`.
fn linear(weights: [i64; 2], lo: i64, hi: i64) -> (Graph, Weights) {
    let range = weight_range(&weights);
    let graph = Graph {
        scale: 1,
        tensors: vec![
            tensor("x", &[2], Role::Input, lo, hi),
            tensor("w", &[1, 2], Role::Weight, range.lo, range.hi),
            tensor("y", &[1], Role::Activation, 0, 0),
        ],
        nodes: vec![Node {
            name: "fc".to_owned(),
            op: Op::Linear {
                x: TensorId(0),
                w: TensorId(1),
                bias: None,
                div: 1,
                clamp: Some(Clamp::RELU),
            },
            output: TensorId(2),
            pre: Interval { lo: 0, hi: 0 },
        }],
        inputs: vec![TensorId(0)],
        outputs: vec![TensorId(2)],
        tables: Vec::new(),
    };
    (graph, Weights::from([(TensorId(1), weights.to_vec())]))
}

#[test]
fn inputs_are_checked() {
    let (mut graph, weights) = linear([1, 2], -1024, 1023);
    propagate(&mut graph, &weights).unwrap();
    let error = run(&graph, &weights, &[vec![0, 1300]]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "input 'x' element 1 is outside [-1024, 1023]"
    );
    let error = run(&graph, &weights, &[vec![0]]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "input 'x': expected 2 elements (shape [2]), got 1"
    );
    let error = run(&graph, &weights, &[]).unwrap_err();
    assert_eq!(
        error,
        ExecError::InputCount {
            expected: 1,
            got: 0
        }
    );
}

#[test]
fn weights_are_checked() {
    let (mut graph, weights) = linear([1, 2], -1024, 1023);
    propagate(&mut graph, &weights).unwrap();
    let with = |values: &[i64]| {
        let weights = Weights::from([(TensorId(1), values.to_vec())]);
        run(&graph, &weights, &[vec![0, 0]])
            .unwrap_err()
            .to_string()
    };
    assert_eq!(with(&[1]), "weights 'w': expected 2 values, got 1");
    assert_eq!(with(&[1, 4]), "weights 'w': element 1 is outside [-4, 3]");
    let error = run(&graph, &Weights::new(), &[vec![0, 0]]).unwrap_err();
    assert_eq!(error.to_string(), "weights 'w': missing");
}

#[test]
fn other_weights_that_leave_the_ranges_are_rejected() {
    let (mut graph, weights) = linear([-4, -1], 0, 1023);
    propagate(&mut graph, &weights).unwrap();
    let other = Weights::from([(TensorId(1), vec![3, 3])]);
    let error = run(&graph, &other, &[vec![1023, 1023]]).unwrap_err();
    assert!(
        matches!(error, ExecError::Range { index: 0, .. }),
        "{error}"
    );
    assert!(!error.to_string().contains("6138"), "{error}");
}

#[test]
fn intervals_are_powers_of_two() {
    let of = |lo, hi| {
        let v = round_outward(lo, hi);
        (v.lo, v.hi)
    };
    assert_eq!(of(0, 0), (0, 3));
    assert_eq!(of(0, 4), (0, 7));
    assert_eq!(of(5, 1000), (0, 1023));
    assert_eq!(of(-1, 3), (-4, 3));
    assert_eq!(of(-100, 3000), (-1024, 3071));
    assert_eq!(of(-3000, 100), (-3072, 1023));
    assert_eq!(of(-3000, 2000), (-4096, 4095));
    for lo in -70..=0 {
        for hi in 0..=70 {
            let v = round_outward(lo, hi);
            assert!(v.lo <= lo && hi <= v.hi);
            assert!(u64::try_from(v.hi - v.lo + 1).unwrap().is_power_of_two());
        }
    }
    assert_eq!(weight_range(&[-4, 3]), Interval { lo: -4, hi: 3 });
    assert_eq!(weight_range(&[4]), Interval { lo: -8, hi: 7 });
    assert_eq!(weight_range(&[0]), Interval { lo: -1, hi: 0 });
    assert_eq!(weight_range(&[]), Interval { lo: -1, hi: 0 });
}

#[test]
fn clamps_bound_the_range() {
    let (mut graph, weights) = linear([1, 1], 0, 1023);
    propagate(&mut graph, &weights).unwrap();
    assert_eq!(graph.nodes[0].pre, Interval { lo: 0, hi: 2047 });
    assert_eq!(graph.tensors[2].range, Interval { lo: 0, hi: 2047 });
    if let Op::Linear { clamp, .. } = &mut graph.nodes[0].op {
        *clamp = Some(Clamp {
            lo: 10,
            hi: Some(100),
        });
    }
    propagate(&mut graph, &weights).unwrap();
    assert_eq!(graph.nodes[0].pre, Interval { lo: 0, hi: 2047 });
    assert_eq!(graph.tensors[2].range, Interval { lo: 10, hi: 100 });
}

/// The last width that passes, and the first that does not.
#[test]
fn activations_stop_at_2_to_the_40() {
    let top = (1i64 << 39) - 1;
    let (mut graph, weights) = linear([1, 1], 0, top);
    propagate(&mut graph, &weights).unwrap();
    assert_eq!(
        graph.nodes[0].pre,
        Interval {
            lo: 0,
            hi: (1 << 40) - 1
        }
    );
    let (mut graph, weights) = linear([1, 1], 0, top + 1);
    let error = propagate(&mut graph, &weights).unwrap_err();
    assert!(matches!(error, RangeError::Activation { .. }));
    let text = error.to_string();
    assert!(
        text.contains("node 'fc'") && text.contains("2199023255551"),
        "{text}"
    );
    // What helps is for those to say who can try it.
    assert!(!text.contains("--"), "{text}");
    let (mut graph, weights) = linear([0, 0], -(1 << 41), 0);
    let error = propagate(&mut graph, &weights).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("tensor 'x'") && text.contains("is not within ±2^40"),
        "{text}"
    );
}

#[test]
fn accumulators_stop_at_2_to_the_120() {
    // Within the declared widths, though not with the weights at hand.
    let (mut graph, weights) = linear([0, 0], -(1 << 39), (1 << 39) - 1);
    graph.tensors[1].range = Interval {
        lo: -(1 << 60),
        hi: (1 << 60) - 1,
    };
    propagate(&mut graph, &weights).unwrap();
    graph.tensors[1] = tensor("w", &[1, 1 << 22], Role::Weight, -(1 << 60), (1 << 60) - 1);
    graph.tensors[0].shape = vec![1 << 22];
    let weights = Weights::from([(TensorId(1), vec![0; 1 << 22])]);
    let error = propagate(&mut graph, &weights).unwrap_err();
    assert!(
        matches!(
            error,
            RangeError::Accumulator {
                terms: 4_194_304,
                ..
            }
        ),
        "{error}"
    );
}

fn rejected(change: impl FnOnce(&mut Graph)) -> String {
    let (mut graph, _) = linear([1, 1], 0, 1);
    graph.validate().unwrap();
    change(&mut graph);
    graph.validate().unwrap_err().to_string()
}

#[test]
fn malformed_graphs() {
    let op = |graph: &mut Graph, op: Op| {
        graph.nodes[0].op = op;
        graph.tensors[2].shape = vec![2];
    };
    let x = TensorId(0);
    let cases: Vec<(String, &str)> = vec![
        (rejected(|g| g.scale = 0), "scale"),
        (
            rejected(|g| g.tensors[0].shape = vec![usize::MAX, 2]),
            "more than",
        ),
        (rejected(|g| g.tensors[0].shape = vec![0]), "no elements"),
        (rejected(|g| g.tensors[0].range.lo = 9), "empty"),
        (rejected(|g| g.inputs.push(x)), "defined twice"),
        (rejected(|g| g.inputs.push(TensorId(9))), "does not exist"),
        (rejected(|g| g.inputs.clear()), "read before it is computed"),
        (rejected(|g| g.inputs[0] = TensorId(1)), "another role"),
        (
            rejected(|g| g.nodes[0].output = x),
            "output: expected [1], got [2]",
        ),
        (
            rejected(|g| g.nodes.push(g.nodes[0].clone())),
            "defined twice",
        ),
        (rejected(|g| g.nodes.clear()), "not computed"),
        (rejected(|g| g.outputs[0] = TensorId(1)), "not computed"),
        (rejected(|g| g.outputs[0] = TensorId(7)), "does not exist"),
        (rejected(|g| g.tensors[2].shape = vec![2]), "output"),
        (rejected(|g| g.tensors[1].shape = vec![2, 1]), "weights"),
        (
            rejected(|g| g.nodes[0].pre = Interval { lo: 1, hi: 0 }),
            "interval",
        ),
        (
            rejected(|g| op(g, Op::clamped(TensorId(1), Clamp::RELU))),
            "a weight",
        ),
        (
            rejected(|g| op(g, Op::clamped(x, Clamp { lo: 1, hi: Some(0) }))),
            "clamp",
        ),
        (rejected(|g| g.nodes[0].op = Op::Reshape { x }), "output"),
        (
            rejected(|g| op(g, Op::Transpose { x, perm: vec![1] })),
            "permutation",
        ),
        (
            rejected(|g| {
                op(
                    g,
                    Op::Mul {
                        a: x,
                        b: x,
                        div: 0,
                        clamp: None,
                    },
                )
            }),
            "divisor",
        ),
        (
            rejected(|g| op(g, Op::sum(vec![(1, x), (1, TensorId(2))], None))),
            "before",
        ),
        (
            rejected(|g| op(g, Op::sum(vec![(1 << 21, x), (1, x)], None))),
            "factors",
        ),
        (rejected(|g| op(g, Op::sum(vec![], None))), "terms"),
        (rejected(|g| op(g, Op::Table { x, table: 0 })), "table"),
        (
            rejected(|g| {
                op(
                    g,
                    Op::Gather {
                        x,
                        axis: 1,
                        indices: vec![0],
                    },
                )
            }),
            "axis",
        ),
        (
            rejected(|g| {
                op(
                    g,
                    Op::Gather {
                        x,
                        axis: 0,
                        indices: vec![2],
                    },
                )
            }),
            "index",
        ),
        (
            rejected(|g| {
                op(
                    g,
                    Op::Concat {
                        xs: vec![x, x],
                        axis: 1,
                    },
                )
            }),
            "axis",
        ),
        (
            rejected(|g| {
                op(
                    g,
                    Op::MatMul {
                        a: x,
                        b: x,
                        div: 1,
                        clamp: None,
                    },
                )
            }),
            "operands",
        ),
        (
            rejected(|g| {
                op(
                    g,
                    Op::Constant {
                        shape: vec![2],
                        values: vec![1],
                    },
                )
            }),
            "constant",
        ),
    ];
    for (text, expected) in cases {
        assert!(
            text.contains(expected),
            "'{text}' does not mention '{expected}'"
        );
    }
    let zero = rejected(|g| {
        if let Op::Linear { div, .. } = &mut g.nodes[0].op {
            *div = 0;
        }
    });
    assert_eq!(zero, "node 'fc': divisor: expected at least 1, got 0");
}

#[test]
fn malformed_windows() {
    let infer = |op: Op| {
        let (mut graph, _) = linear([1, 1], 0, 1);
        graph.tensors[0].shape = vec![2, 4, 4];
        graph.tensors[1].shape = vec![2, 2, 3, 3];
        graph.infer_shape("n", &op)
    };
    let x = TensorId(0);
    let window = Window {
        kernel: [3, 3],
        stride: [1, 1],
        pads: [0; 4],
    };
    let conv = |window, groups| Op::Conv {
        x,
        w: TensorId(1),
        bias: None,
        window,
        groups,
        div: 1,
        clamp: None,
    };
    assert_eq!(infer(conv(window, 1)), Ok(vec![2, 2, 2]));
    assert_eq!(infer(Op::MaxPool { x, window }), Ok(vec![2, 2, 2]));
    let bad = [
        conv(window, 0),
        conv(window, 2),
        conv(window, 3),
        conv(
            Window {
                stride: [0, 1],
                ..window
            },
            1,
        ),
        conv(
            Window {
                kernel: [5, 5],
                ..window
            },
            1,
        ),
        conv(
            Window {
                pads: [usize::MAX, 0, 0, 0],
                ..window
            },
            1,
        ),
        Op::AvgPool {
            x,
            window: Window {
                kernel: [0, 1],
                ..window
            },
        },
        Op::AvgPool {
            x,
            window: Window {
                kernel: [5, 1],
                ..window
            },
        },
        Op::MaxPool {
            x,
            window: Window {
                pads: [3, 0, 0, 0],
                ..window
            },
        },
    ];
    for op in bad {
        assert!(
            matches!(infer(op.clone()), Err(GraphError::Shape { .. })),
            "{op:?}"
        );
    }
}
