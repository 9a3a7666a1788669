//! Random graphs of all operations: the layout's witness is what the executor computes, and the
//! circuit accepts it. Arrangements meet in ways that nobody would write down.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

use super::fixtures::*;
use zkml_graph::{Clamp, Defined, Op, Table, TensorId};

/// Tensors stay within these bounds, so that any operation can follow any other.
const BOUND: Clamp = Clamp {
    lo: -60,
    hi: Some(60),
};

struct Random {
    model: Model,
    rng: ChaCha20Rng,
    /// Tensors so far, all of 12 elements.
    known: Vec<(TensorId, Vec<usize>)>,
}

impl Random {
    fn new(seed: u64) -> Self {
        let mut model = Model::new(seed);
        let x = model.input(&[3, 4], 6);
        let y = model.input(&[12], 5);
        model.graph.tables = vec![Table {
            name: "f".into(),
            lo: -60,
            values: (-60..=60).map(|x: i64| (x * x) % 37 - x).collect(),
        }];
        Self {
            model,
            rng: ChaCha20Rng::seed_from_u64(seed),
            known: vec![(x, vec![3, 4]), (y, vec![12])],
        }
    }

    fn pick(&mut self) -> (TensorId, Vec<usize>) {
        let at = self.rng.gen_range(0..self.known.len());
        self.known[at].clone()
    }

    /// A tensor in a shape.
    fn shaped(&mut self, shape: &[usize]) -> TensorId {
        let (x, own) = self.pick();
        if own == shape {
            return x;
        }
        self.model.node(shape, Op::Reshape { x })
    }

    fn shape(&mut self) -> Vec<usize> {
        let shapes = [&[3, 4][..], &[4, 3], &[12], &[2, 3, 2], &[1, 12]];
        shapes[self.rng.gen_range(0..shapes.len())].to_vec()
    }

    fn step(&mut self) {
        let shape = self.shape();
        let [a, b] = [(); 2].map(|()| self.shaped(&shape));
        let clamp = Some(BOUND);
        let div = [1, 2, 7, 16][self.rng.gen_range(0..4)];
        let (op, out) = match self.rng.gen_range(0..15) {
            0 => (Op::sum(vec![(2, a), (-1, b)], clamp), shape),
            1 => (Op::Mul { a, b, div, clamp }, shape),
            2 => (Op::Max { a, b }, shape),
            3 => (Op::Min { a, b }, shape),
            4 => {
                let terms = vec![(1, b)];
                let above = Op::Combine {
                    terms,
                    constant: 3,
                    div: 1,
                    clamp: Some(Clamp { lo: 1, hi: Some(9) }),
                };
                let b = self.model.node(&shape, above);
                (Op::Div { a, b, factor: 1 }, shape)
            }
            5 => (Op::Table { x: a, table: 0 }, shape),
            6 => {
                let perm: Vec<usize> = (0..shape.len()).rev().collect();
                let out = perm.iter().map(|d| shape[*d]).collect();
                (Op::Transpose { x: a, perm }, out)
            }
            7 => {
                let size = shape[0];
                let indices = (0..size).map(|_| self.rng.gen_range(0..size)).collect();
                let op = Op::Gather {
                    x: a,
                    axis: 0,
                    indices,
                };
                (op, shape)
            }
            8 => {
                let (a, b) = (self.shaped(&[3, 4]), self.shaped(&[4, 3]));
                let op = Op::MatMul { a, b, div, clamp };
                let square = self.model.node(&[3, 3], op);
                let zeros = Op::Constant {
                    shape: vec![3, 1],
                    values: vec![-1, 0, 5],
                };
                let zeros = self.model.node(&[3, 1], zeros);
                let xs = vec![square, zeros];
                (Op::Concat { xs, axis: 1 }, vec![3, 4])
            }
            9 => {
                let x = self.shaped(&[3, 4]);
                let sums = self.model.node(&[3], Op::ReduceSum { x, div: 4 });
                let column = self.model.node(&[3, 1], Op::Reshape { x: sums });
                let op = Op::Gather {
                    x: column,
                    axis: 1,
                    indices: vec![0; 4],
                };
                (op, vec![3, 4])
            }
            13 => {
                let (bits, signed) = ([1, 3, 5][self.rng.gen_range(0..3)], div == 1);
                (Op::Wrap { x: a, bits, signed }, shape)
            }
            14 => {
                let op = Op::Check {
                    x: a,
                    lo: -60 - div,
                    hi: (div != 7).then_some(59 + div),
                    why: Defined::Index,
                };
                (op, shape)
            }
            10 => {
                let w = self.model.weight(&shape, 20);
                let p = self.model.node(&shape, Op::Parameter { w });
                (Op::sum(vec![(1, p), (1, a)], clamp), shape)
            }
            11 => {
                let x = self.shaped(&[3, 4]);
                let w = self.model.weight(&[3], 20);
                let op = Op::Scale {
                    x,
                    w: Some(w),
                    bias: None,
                    div,
                    clamp,
                };
                (op, vec![3, 4])
            }
            _ => {
                let x = self.shaped(&[12]);
                let w = self.model.weight(&[12, 12], 9);
                let op = Op::Linear {
                    x,
                    w,
                    bias: None,
                    div: 16,
                    clamp,
                };
                (op, vec![12])
            }
        };
        let mut y = self.model.node(&out, op);
        // Tables and the like leave the bounds.
        if self.rng.gen_bool(0.8) || !self.within(y) {
            y = self.model.node(&out, Op::clamped(y, BOUND));
        }
        self.known.push((y, out));
    }

    /// Whether the last operation clamps.
    fn within(&self, y: TensorId) -> bool {
        let node = self.model.graph.nodes.iter().find(|node| node.output == y);
        node.is_some_and(|node| {
            node.op.clamp() == Some(BOUND)
                || matches!(node.op, Op::Transpose { .. } | Op::Gather { .. })
        })
    }
}

#[test]
fn random_graphs() {
    for seed in 0..40 {
        let mut random = Random::new(seed);
        for _ in 0..7 {
            random.step();
        }
        let (output, _) = random.known.last().unwrap().clone();
        let mut model = random.model.finish(output);
        let shapes = [
            shape(11, 5, 3),
            shape(12, 2, 3),
            shape(13, 1, 3),
            stacked(14),
        ];
        model
            .mock(shapes[seed as usize % shapes.len()])
            .assert_satisfied();
    }
}
