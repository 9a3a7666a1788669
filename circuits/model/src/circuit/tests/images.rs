//! Random graphs of images. Operations compute on cells without elements too, where whatever they hold must
//! stay in range: clamps here exclude zero, channels differ, and parts are cut out of planes.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

use super::fixtures::*;
use zkml_graph::{exec, Clamp, Op, TensorId, Window};

const CLAMPS: [Option<Clamp>; 5] = [
    None,
    Some(Clamp { lo: 0, hi: None }),
    Some(Clamp {
        lo: -40,
        hi: Some(60),
    }),
    Some(Clamp {
        lo: 5,
        hi: Some(70),
    }),
    Some(Clamp {
        lo: -70,
        hi: Some(-5),
    }),
];

/// Keeps values small enough for whatever follows.
const BOUND: Clamp = Clamp {
    lo: -90,
    hi: Some(90),
};

struct Images {
    model: Model,
    rng: ChaCha20Rng,
    last: TensorId,
    shape: [usize; 3],
}

impl Images {
    fn new(seed: u64) -> Self {
        let mut model = Model::new(seed);
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let shape = [rng.gen_range(1..4), 11, rng.gen_range(9..13)];
        Self {
            last: model.input(&shape, 6),
            model,
            rng,
            shape,
        }
    }

    fn clamp(&mut self) -> Option<Clamp> {
        CLAMPS[self.rng.gen_range(0..CLAMPS.len())]
    }

    fn weight(&mut self, shape: &[usize], bound: i64) -> Option<TensorId> {
        let there = self.rng.gen_bool(0.7);
        there.then(|| self.model.weight(shape, bound))
    }

    /// A window that fits.
    fn window(&mut self, padded: bool) -> Window {
        let [_, height, width] = self.shape;
        let mut side = |size: usize| {
            (
                self.rng.gen_range(1..=size.min(3)),
                self.rng.gen_range(1..4),
            )
        };
        let ((kh, sy), (kw, sx)) = (side(height), side(width));
        let pad = |kernel| usize::from(padded && kernel > 1);
        Window {
            kernel: [kh, kw],
            stride: [sy, sx],
            pads: [pad(kh), 0, 0, pad(kw)],
        }
    }

    fn step(&mut self) {
        let (x, shape @ [channels, height, width]) = (self.last, self.shape);
        let (clamp, div) = (self.clamp(), [1, 2, 7, 16][self.rng.gen_range(0..4)]);
        let padded = self.rng.gen_bool(0.3);
        let (op, out) = match self.rng.gen_range(0..10) {
            0 => {
                let window = self.window(padded);
                let [height, width] = window.output(height, width).unwrap();
                (Op::AvgPool { x, window }, [channels, height, width])
            }
            1 => {
                let window = self.window(padded);
                let [height, width] = window.output(height, width).unwrap();
                (Op::MaxPool { x, window }, [channels, height, width])
            }
            2 => {
                let w = self.weight(&[channels], 20);
                let op = Op::Scale {
                    x,
                    w,
                    div: if w.is_some() { div } else { 1 },
                    bias: self.weight(&[channels], 300),
                    clamp,
                };
                (op, shape)
            }
            3 => {
                let op = Op::Combine {
                    terms: vec![(-2, x)],
                    constant: self.rng.gen_range(-300..300),
                    div: 1,
                    clamp,
                };
                (op, shape)
            }
            4 => {
                let value = self.rng.gen_range(-200..200);
                let values = vec![value; channels * height * width];
                let shape_of = shape.to_vec();
                let constant = Op::Constant {
                    shape: shape_of,
                    values,
                };
                let k = self.model.node(&shape, constant);
                (Op::sum(vec![(1, x), (-1, k)], clamp), shape)
            }
            5 => {
                let kept = self.rng.gen_range(1..=channels);
                let first = self.rng.gen_range(0..=channels - kept);
                let op = Op::Gather {
                    x,
                    axis: 0,
                    indices: (first..first + kept).collect(),
                };
                (op, [kept, height, width])
            }
            6 if width > 2 => {
                let last = self.model.node(
                    &[height, width, channels],
                    Op::Transpose {
                        x,
                        perm: vec![1, 2, 0],
                    },
                );
                let sums = Op::ReduceSum { x: last, div };
                let sums = self.model.node(&[height, width], sums);
                (Op::Reshape { x: sums }, [1, height, width])
            }
            7 => {
                let op = Op::Transpose {
                    x,
                    perm: vec![0, 2, 1],
                };
                (op, [channels, width, height])
            }
            _ => {
                let window = self.window(padded);
                let [height, width] = window.output(height, width).unwrap();
                let depthwise = channels > 1 && self.rng.gen_bool(0.3);
                let (outputs, groups) = match depthwise {
                    true => (channels, channels),
                    false => (self.rng.gen_range(1..4), 1),
                };
                let [kh, kw] = window.kernel;
                let w = self.model.weight(&[outputs, channels / groups, kh, kw], 20);
                let op = Op::Conv {
                    x,
                    w,
                    bias: self.weight(&[outputs], 300),
                    window,
                    groups,
                    div: SCALE,
                    clamp,
                };
                (op, [outputs, height, width])
            }
        };
        self.shape = out;
        self.last = self.model.node(&out, op);
        if self.rng.gen_bool(0.4) {
            self.last = self.model.node(&out, Op::clamped(self.last, BOUND));
        }
    }
}

#[test]
fn random_images() {
    for seed in 0..100 {
        let mut images = Images::new(seed);
        for _ in 0..5 {
            images.step();
        }
        let mut model = images.model.finish(images.last);
        let shapes = [
            shape(13, 5, 3),
            shape(14, 2, 3),
            shape(14, 1, 3),
            stacked(15),
        ];
        let ops: Vec<&Op> = model.graph.nodes.iter().map(|node| &node.op).collect();
        println!("{seed}: {ops:?}");
        model
            .mock(shapes[seed as usize % shapes.len()])
            .assert_satisfied();
    }
}

/// Words of an output are padded with zero, which clamped values cannot be.
#[test]
fn outputs_below_zero() {
    let clamp = Some(Clamp {
        lo: -70,
        hi: Some(-5),
    });
    for outputs in [3, 47, 61] {
        let mut model = Model::new(71);
        let x = model.input(&[6], 6);
        let w = model.weight(&[outputs, 6], 40);
        let bias = Some(model.weight(&[outputs], 50));
        let y = Op::Linear {
            x,
            w,
            bias,
            div: SCALE,
            clamp,
        };
        let y = model.node(&[outputs], y);
        let mut model = model.finish(y);
        for shape in [shape(12, 5, 3), shape(13, 2, 3), stacked(14)] {
            model.mock(shape).assert_satisfied();
            // The circuit's words are those that a verifier packs.
            let plan = model.plan(shape);
            let inputs = model.random_input();
            let trace = exec::run(&model.graph, &model.weights, &inputs).unwrap();
            let values = &exec::outputs(&model.graph, &trace)[0];
            let exposed = &plan.statement.form.outputs[0];
            let words = exposed.pack(values);
            let from = exposed.instance.unwrap();
            let instances = model.witness(&plan, &inputs).instances.clone();
            assert_eq!(instances[from..from + words.len()], words);
        }
    }
}
