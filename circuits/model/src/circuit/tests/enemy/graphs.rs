//! Random graphs of all operations, and what an enemy declares about them.

use rand::{seq::SliceRandom, Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

use super::super::fixtures::Model;
use crate::layout::Visibilities;
use zkml_graph::{range, Clamp, Graph, Interval, Op, Role, Table, TensorId, Visibility, Window};

/// Seeds from here on are of graphs with one sum of large numbers.
pub const LARGE: u64 = 1 << 40;

/// What the ranges of a configuration have to do with its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declared {
    /// They are what setup writes.
    Honest,
    /// Some are wider.
    Loosened,
    /// Some are narrower.
    Tightened,
    /// Some are any intervals.
    Nonsense,
}

/// A graph in the making.
struct Random {
    model: Model,
    rng: ChaCha20Rng,
    known: Vec<(TensorId, Vec<usize>)>,
    weights: Vec<(TensorId, Vec<usize>)>,
    /// Whether all steps are sums.
    sums: bool,
}

/// A random graph with weights; `None` where its values cannot be bounded.
pub fn graph(seed: u64) -> Option<Model> {
    let mut random = Random::new(seed);
    let steps = match seed < LARGE {
        true => random.rng.gen_range(1..6),
        false => 1,
    };
    for _ in 0..steps {
        random.step();
    }
    let (last, _) = random.known.last()?.clone();
    let mut outputs = vec![last];
    if random.rng.gen_bool(0.2) {
        outputs.push(random.pick().0);
    }
    let mut model = random.model;
    model.graph.outputs = outputs;
    let mut visibility = || match random.rng.gen_range(0..6) {
        0 => Visibility::Hashed,
        1 => Visibility::Private,
        _ => Visibility::Public,
    };
    model.visibilities = Visibilities {
        inputs: model.graph.inputs.iter().map(|_| visibility()).collect(),
        outputs: model.graph.outputs.iter().map(|_| visibility()).collect(),
    };
    range::propagate(&mut model.graph, &model.weights).ok()?;
    Some(model)
}

impl Random {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut model = Model::new(seed);
        let bits = [2, 5, 7, 12, 20, 41];
        let mut known = Vec::new();
        for shape in [&[2, 3, 2][..], &[7]].iter().take(rng.gen_range(1..=2)) {
            let bits = match seed < LARGE {
                true => bits[rng.gen_range(0..bits.len())],
                false => 41,
            };
            let x = model.input(shape, bits);
            if seed < LARGE && rng.gen_bool(0.2) {
                let lo = rng.gen_range(-9..9);
                let hi = lo + rng.gen_range(0..20);
                model.graph.tensors[x.0].range = Interval { lo, hi };
            }
            known.push((x, shape.to_vec()));
        }
        let lo = rng.gen_range(-70..2);
        model.graph.tables = vec![Table {
            name: "f".into(),
            lo,
            values: (lo..70).map(|x: i64| (x * x) % 37 - x).collect(),
        }];
        Self {
            model,
            rng,
            known,
            weights: Vec::new(),
            sums: seed >= LARGE,
        }
    }

    fn pick(&mut self) -> (TensorId, Vec<usize>) {
        // The last ones more often: chains.
        let last = self.known.len() - 1;
        let at = match self.rng.gen_bool(0.5) {
            true => last,
            false => self.rng.gen_range(0..=last),
        };
        self.known[at].clone()
    }

    /// A tensor in this shape, moved as needed.
    fn shaped(&mut self, shape: &[usize]) -> TensorId {
        let (x, own) = self.pick();
        if own == shape {
            return x;
        }
        let [from, to] = [&own[..], shape].map(|s| s.iter().product::<usize>());
        let flat = self.node(&[from], Op::Reshape { x });
        let indices = (0..to).map(|i| i % from).collect();
        let op = Op::Gather {
            x: flat,
            axis: 0,
            indices,
        };
        let fitting = if from == to {
            flat
        } else {
            self.node(&[to], op)
        };
        self.node(shape, Op::Reshape { x: fitting })
    }

    fn node(&mut self, shape: &[usize], op: Op) -> TensorId {
        self.model.node(shape, op)
    }

    /// Weights, perhaps some that another layer reads.
    fn weight(&mut self, shape: &[usize]) -> TensorId {
        let same = self.weights.iter().filter(|(_, known)| known == shape);
        let known: Vec<TensorId> = same.map(|(id, _)| *id).collect();
        if self.rng.gen_bool(0.5) {
            if let Some(id) = known.choose(&mut self.rng) {
                return *id;
            }
        }
        let bound = [1, 9, 100, 3000][self.rng.gen_range(0..4)];
        let id = self.model.weight(shape, bound);
        self.weights.push((id, shape.to_vec()));
        id
    }

    fn clamp(&mut self) -> Option<Clamp> {
        let rng = &mut self.rng;
        let near = |rng: &mut ChaCha20Rng| rng.gen_range(-130..130);
        match rng.gen_range(0..10) {
            0 | 1 => None,
            2 => Some(Clamp::RELU),
            3 => Some(Clamp {
                lo: near(rng),
                hi: None,
            }),
            4 => {
                let lo = near(rng);
                Some(Clamp { lo, hi: Some(lo) })
            }
            5 => Some(Clamp {
                lo: -(1 << rng.gen_range(9..40)),
                hi: Some(1 << rng.gen_range(0..40)),
            }),
            6 => {
                // Far from where values are.
                let far = 1i64 << rng.gen_range(12..38);
                let lo = if rng.gen_bool(0.5) { far } else { -far };
                let hi = Some(lo + rng.gen_range(1..60));
                Some(Clamp { lo, hi })
            }
            7 => Some(Clamp {
                lo: i64::MIN,
                hi: Some(near(rng)),
            }),
            _ => {
                let lo = near(rng);
                let hi = Some(lo + rng.gen_range(1..300));
                Some(Clamp { lo, hi })
            }
        }
    }

    fn divisor(&mut self) -> i64 {
        let all = [1, 1, 2, 3, 7, 16, 1 << 12, 1 << 30];
        all[self.rng.gen_range(0..all.len())]
    }

    fn window(&mut self, [height, width]: [usize; 2], padded: bool) -> Window {
        let mut side = |size: usize| {
            let kernel = self.rng.gen_range(1..=size.min(3));
            let pad = usize::from(padded && kernel > 1);
            (kernel, self.rng.gen_range(1..3), pad)
        };
        let ((kh, sh, top), (kw, sw, left)) = (side(height), side(width));
        Window {
            kernel: [kh, kw],
            stride: [sh, sw],
            pads: [top, left, 0, left],
        }
    }

    fn step(&mut self) {
        let (clamp, div) = (self.clamp(), self.divisor());
        let shapes = [&[2, 3, 2][..], &[12], &[3, 4], &[7]];
        let shape = shapes[self.rng.gen_range(0..shapes.len())];
        let image = [2, 3, 2];
        let padded = self.rng.gen_bool(0.5);
        let bias = self.rng.gen_bool(0.5);
        let kind = match self.sums {
            true => 5,
            false => self.rng.gen_range(0..21),
        };
        let (op, out): (Op, Vec<usize>) = match kind {
            0 | 1 => {
                let (x, depthwise) = (self.shaped(&image), self.rng.gen_bool(0.4));
                let window = self.window([3, 2], padded);
                let [kh, kw] = window.kernel;
                let (outputs, depth) = if depthwise { (2, 1) } else { (3, 2) };
                let op = Op::Conv {
                    x,
                    w: self.weight(&[outputs, depth, kh, kw]),
                    bias: bias.then(|| self.weight(&[outputs])),
                    window,
                    groups: if depthwise { 2 } else { 1 },
                    div,
                    clamp,
                };
                let [h, w] = window.output(3, 2).unwrap();
                (op, vec![outputs, h, w])
            }
            2 | 3 => {
                let op = Op::Linear {
                    x: self.shaped(&[7]),
                    w: self.weight(&[7, 7]),
                    bias: bias.then(|| self.weight(&[7])),
                    div,
                    clamp,
                };
                (op, vec![7])
            }
            4 => {
                let w = self.weight(&[shape[0]]);
                let op = Op::Scale {
                    x: self.shaped(shape),
                    w: Some(w),
                    bias: bias.then_some(w),
                    div,
                    clamp,
                };
                (op, shape.to_vec())
            }
            5..=7 => {
                let factors = [1, -1, 3, -7, 1 << 20, -(1 << 20)];
                let count = [1, 1, 2, 16][self.rng.gen_range(0..4)];
                let first = self.shaped(shape);
                let mut terms = vec![(1, first); count];
                for (factor, x) in &mut terms {
                    *factor = factors[self.rng.gen_range(0..factors.len())];
                    if self.rng.gen_bool(0.3) {
                        *x = self.shaped(shape);
                    }
                }
                if self.rng.gen_bool(0.3) {
                    terms.iter_mut().for_each(|(factor, _)| *factor = 1 << 20);
                }
                let op = Op::Combine {
                    terms,
                    constant: self.rng.gen_range(-300..300),
                    div,
                    clamp,
                };
                (op, shape.to_vec())
            }
            8 => {
                let (a, b) = (self.shaped(shape), self.shaped(shape));
                (Op::Mul { a, b, div, clamp }, shape.to_vec())
            }
            9 => {
                let (a, b) = (self.shaped(&[3, 4]), self.shaped(&[4, 2]));
                (Op::MatMul { a, b, div, clamp }, vec![3, 2])
            }
            10 => {
                let (a, b) = (self.shaped(shape), self.shaped(shape));
                let lo = self.rng.gen_range(1..5);
                let bounds = Clamp {
                    lo,
                    hi: Some(lo + self.rng.gen_range(0..90)),
                };
                let b = self.node(shape, Op::clamped(b, bounds));
                let factor = [1, 16, 1 << 20][self.rng.gen_range(0..3)];
                (Op::Div { a, b, factor }, shape.to_vec())
            }
            11 => {
                let (a, b) = (self.shaped(shape), self.shaped(shape));
                match padded {
                    true => (Op::Max { a, b }, shape.to_vec()),
                    false => (Op::Min { a, b }, shape.to_vec()),
                }
            }
            12 => {
                let lo = self.model.graph.tables[0].lo;
                let x = self.shaped(shape);
                let x = self.node(shape, Op::clamped(x, Clamp { lo, hi: Some(69) }));
                (Op::Table { x, table: 0 }, shape.to_vec())
            }
            13 => {
                let x = self.shaped(&[3, 4]);
                (Op::ReduceSum { x, div }, vec![3])
            }
            14 => {
                let (x, window) = (self.shaped(&image), self.window([3, 2], padded));
                let [h, w] = window.output(3, 2).unwrap();
                let op = match bias {
                    true => Op::AvgPool { x, window },
                    false => Op::MaxPool { x, window },
                };
                (op, vec![2, h, w])
            }
            15 => {
                let x = self.shaped(&image);
                let perm = vec![2, 0, 1];
                (Op::Transpose { x, perm }, vec![2, 2, 3])
            }
            16 => {
                let values = (0..3).map(|_| self.rng.gen_range(-40..40)).collect();
                let shape = vec![3];
                let numbers = self.node(&[3], Op::Constant { shape, values });
                let xs = vec![self.shaped(&[7]), numbers, self.shaped(&[2])];
                (Op::Concat { xs, axis: 0 }, vec![12])
            }
            17 => {
                let (bits, signed) = ([1, 2, 5, 8][self.rng.gen_range(0..4)], padded);
                let x = self.shaped(shape);
                (Op::Wrap { x, bits, signed }, shape.to_vec())
            }
            18 => {
                let x = self.shaped(shape);
                let bounds = Clamp {
                    lo: -3,
                    hi: Some(self.rng.gen_range(0..40)),
                };
                let x = match padded {
                    true => self.node(shape, Op::clamped(x, bounds)),
                    false => x,
                };
                let op = Op::Check {
                    x,
                    lo: bounds.lo - self.rng.gen_range(0..9),
                    hi: bounds.hi.filter(|_| bias),
                    why: zkml_graph::Defined::Index,
                };
                (op, shape.to_vec())
            }
            19 => {
                let w = self.weight(&[7]);
                (Op::Parameter { w }, vec![7])
            }
            _ => {
                let x = self.shaped(&[12]);
                let indices = (0..7).map(|_| self.rng.gen_range(0..12)).collect();
                let op = Op::Gather {
                    x,
                    axis: 0,
                    indices,
                };
                (op, vec![7])
            }
        };
        let y = self.node(&out, op);
        self.known.push((y, out));
    }
}

/// The same graph with other declared intervals.
pub fn declare(graph: &mut Graph, declared: Declared, rng: &mut ChaCha20Rng) {
    let change = |v: Interval, rng: &mut ChaCha20Rng| {
        if rng.gen_bool(0.4) {
            return v;
        }
        let far = |rng: &mut ChaCha20Rng| {
            let bits = [3, 8, 13, 30, 40][rng.gen_range(0..5)];
            rng.gen_range(-(1i64 << bits)..1 << bits)
        };
        let some = |v: i64, rng: &mut ChaCha20Rng| match rng.gen_bool(0.5) {
            true => v.abs() / 2 + rng.gen_range(0..5),
            false => v.abs() << rng.gen_range(0..4),
        };
        let limit = 1 << 40;
        let (lo, hi) = match declared {
            Declared::Honest => (v.lo, v.hi),
            Declared::Loosened => (v.lo - some(v.lo, rng), v.hi + some(v.hi, rng)),
            Declared::Tightened => {
                let (a, b) = (rng.gen_range(v.lo..=v.hi), rng.gen_range(v.lo..=v.hi));
                (a.min(b), a.max(b))
            }
            Declared::Nonsense => {
                let (a, b) = (far(rng), far(rng));
                (a.min(b), a.max(b))
            }
        };
        Interval {
            lo: lo.clamp(-limit, limit - 1),
            hi: hi.clamp(-limit, limit - 1),
        }
    };
    for node in &mut graph.nodes {
        node.pre = change(node.pre, rng);
    }
    for tensor in &mut graph.tensors {
        if tensor.role == Role::Activation || rng.gen_bool(0.3) {
            tensor.range = change(tensor.range, rng);
        }
    }
}
