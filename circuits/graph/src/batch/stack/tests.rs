//! Stacked and repeated batches compute what single runs compute.

use crate::{
    exec, range, Clamp, Graph, Interval, Node, Op, Role, Table, Tensor, TensorId, Weights, Window,
};

struct Model {
    graph: Graph,
    weights: Weights,
}

impl Model {
    fn new(shape: &[usize]) -> Self {
        let mut model = Self {
            graph: Graph {
                scale: 16,
                tensors: Vec::new(),
                nodes: Vec::new(),
                inputs: vec![TensorId(0)],
                outputs: Vec::new(),
                tables: Vec::new(),
            },
            weights: Weights::new(),
        };
        model.tensor(shape, Role::Input);
        model
    }

    fn tensor(&mut self, shape: &[usize], role: Role) -> TensorId {
        self.graph.tensors.push(Tensor {
            name: format!("t{}", self.graph.tensors.len()),
            shape: shape.to_vec(),
            role,
            range: Interval { lo: -32, hi: 31 },
        });
        TensorId(self.graph.tensors.len() - 1)
    }

    fn weight(&mut self, shape: &[usize]) -> TensorId {
        let id = self.tensor(shape, Role::Weight);
        let count = shape.iter().product::<usize>() as i64;
        let values = (0..count).map(|i| (i * 37 + 11) % 63 - 31).collect();
        self.weights.insert(id, values);
        id
    }

    fn node(&mut self, op: Op) -> TensorId {
        let shape = self.graph.infer_shape("node", &op).unwrap();
        self.shaped(op, &shape)
    }

    fn shaped(&mut self, op: Op, shape: &[usize]) -> TensorId {
        let output = self.tensor(shape, Role::Activation);
        self.graph.nodes.push(Node {
            name: format!("n{}", self.graph.nodes.len()),
            op,
            output,
            pre: Interval { lo: 0, hi: 0 },
        });
        output
    }

    fn conv(&mut self, x: TensorId, w: &[usize], window: Window) -> TensorId {
        let weights = self.weight(w);
        self.node(Op::Conv {
            x,
            w: weights,
            bias: None,
            window,
            groups: 1,
            div: 16,
            clamp: Some(Clamp::RELU),
        })
    }

    fn linear(&mut self, x: TensorId, n: usize, k: usize) -> TensorId {
        let w = self.weight(&[n, k]);
        self.node(Op::Linear {
            x,
            w,
            bias: None,
            div: 16,
            clamp: None,
        })
    }

    fn finish(mut self, output: TensorId) -> Self {
        self.graph.outputs.push(output);
        range::propagate(&mut self.graph, &self.weights).unwrap();
        self
    }

    /// Every batch against single runs; whether it is stacked is `stacks`.
    fn check(&self, stacks: bool) {
        let size: usize = self.graph.tensors[0].shape.iter().product();
        for count in [2, 3, 5] {
            assert_eq!(super::stacked(&self.graph, count).is_some(), stacks);
            let inputs: Vec<Vec<i64>> = (0..count)
                .map(|b| {
                    (0..size)
                        .map(|i| ((i * 31 + b * 17) % 64) as i64 - 32)
                        .collect()
                })
                .collect();
            let run = |graph: &Graph, input: Vec<i64>| -> Vec<i64> {
                let trace = exec::run(graph, &self.weights, &[input]).unwrap();
                exec::outputs(graph, &trace).concat()
            };
            let mut batch = self.graph.batched(count);
            range::propagate(&mut batch, &self.weights).unwrap();
            let together = run(&batch, inputs.concat());
            let alone: Vec<i64> = inputs
                .iter()
                .flat_map(|input| run(&self.graph, input.clone()))
                .collect();
            assert_eq!(together, alone, "{count} inputs");
        }
    }
}

fn window(kernel: [usize; 2], stride: [usize; 2], pads: [usize; 4]) -> Window {
    Window {
        kernel,
        stride,
        pads,
    }
}

#[test]
fn classifiers_stack() {
    let mut m = Model::new(&[2, 9, 7]);
    let x = m.conv(TensorId(0), &[3, 2, 3, 3], window([3, 3], [1, 1], [0; 4]));
    let pool = window([2, 2], [2, 2], [0; 4]);
    let x = m.node(Op::MaxPool { x, window: pool });
    let w = m.weight(&[3]);
    let x = m.node(Op::Scale {
        x,
        w: Some(w),
        bias: None,
        div: 16,
        clamp: None,
    });
    let x = m.conv(x, &[4, 3, 2, 3], window([2, 3], [1, 1], [0, 1, 0, 1]));
    let square = m.node(Op::Mul {
        a: x,
        b: x,
        div: 16,
        clamp: Some(Clamp {
            lo: 0,
            hi: Some(99),
        }),
    });
    let x = m.node(Op::sum(
        vec![(1, square), (-1, x)],
        Some(Clamp {
            lo: -50,
            hi: Some(50),
        }),
    ));
    m.graph.tables.push(Table {
        name: "f".into(),
        lo: -50,
        values: (-50..=50).map(|v: i64| v * v / 9).collect(),
    });
    let x = m.node(Op::Table { x, table: 0 });
    let size = m.graph.tensors[x.0].shape.iter().product();
    let x = m.shaped(Op::Reshape { x }, &[size]);
    let x = m.linear(x, 5, size);
    let x = m.node(Op::clamped(x, Clamp::RELU));
    let x = m.linear(x, 3, 5);
    m.finish(x).check(true);
}

#[test]
fn strides_stack() {
    for (side, kernel, stride) in [(9, 3, 2), (8, 3, 2), (11, 2, 3), (7, 4, 2)] {
        let mut m = Model::new(&[1, side, side]);
        let strided = window([kernel; 2], [stride; 2], [0; 4]);
        let x = m.conv(TensorId(0), &[2, 1, kernel, kernel], strided);
        let pool = window([2, 1], [1, 1], [0; 4]);
        let x = m.node(Op::AvgPool { x, window: pool });
        m.finish(x).check(true);
    }
}

#[test]
fn others_are_repeated() {
    let mut m = Model::new(&[1, 5, 5]);
    let x = m.conv(TensorId(0), &[2, 1, 3, 3], window([3, 3], [1, 1], [1; 4]));
    m.finish(x).check(false);
    let mut m = Model::new(&[2, 6]);
    let x = m.node(Op::ReduceSum {
        x: TensorId(0),
        div: 6,
    });
    m.finish(x).check(false);
}
