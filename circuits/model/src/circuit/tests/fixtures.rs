//! Small models, written as graphs.

use std::sync::Arc;

use halo2_proofs::{dev::MockProver, halo2curves::bn256::Fr};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

use crate::{
    circuit::{ModelCircuit, Purpose, Witness},
    layout::{Clamps, LayoutError, Plan, Shape, Visibilities},
};
use zkml_graph::{
    exec, range, Clamp, Graph, Interval, Node, Op, Role, Tensor, TensorId, Visibility, Weights,
    Window,
};

/// A graph with its weights, in the making.
#[derive(Clone)]
pub struct Model {
    pub graph: Graph,
    pub weights: Weights,
    pub visibilities: Visibilities,
    /// Where cheats lay it out.
    pub shape: Shape,
    rng: ChaCha20Rng,
}

pub const SCALE: i64 = 32;

impl Model {
    pub fn new(seed: u64) -> Self {
        Self {
            graph: Graph {
                scale: SCALE,
                tensors: Vec::new(),
                nodes: Vec::new(),
                inputs: Vec::new(),
                outputs: Vec::new(),
                tables: Vec::new(),
            },
            weights: Weights::new(),
            visibilities: Visibilities::default(),
            shape: the_shape(),
            rng: ChaCha20Rng::seed_from_u64(seed),
        }
    }

    /// The same model in another shape.
    pub fn on(self, shape: Shape) -> Self {
        Self { shape, ..self }
    }

    fn tensor(&mut self, shape: &[usize], role: Role, range: Interval) -> TensorId {
        let id = TensorId(self.graph.tensors.len());
        self.graph.tensors.push(Tensor {
            name: format!("t{}", id.0),
            shape: shape.to_vec(),
            role,
            range,
        });
        id
    }

    pub fn input(&mut self, shape: &[usize], bits: u32) -> TensorId {
        let bound = 1i64 << (bits - 1);
        let range = Interval {
            lo: -bound,
            hi: bound - 1,
        };
        let id = self.tensor(shape, Role::Input, range);
        self.graph.inputs.push(id);
        id
    }

    pub fn weight(&mut self, shape: &[usize], bound: i64) -> TensorId {
        let count = shape.iter().product();
        let values: Vec<i64> = (0..count)
            .map(|_| self.rng.gen_range(-bound..=bound))
            .collect();
        let range = range::weight_range(&values);
        let id = self.tensor(shape, Role::Weight, range);
        self.weights.insert(id, values);
        id
    }

    pub fn node(&mut self, shape: &[usize], op: Op) -> TensorId {
        let zero = Interval { lo: 0, hi: 0 };
        let id = self.tensor(shape, Role::Activation, zero);
        self.graph.nodes.push(Node {
            name: format!("n{}", self.graph.nodes.len()),
            op,
            output: id,
            pre: zero,
        });
        id
    }

    pub fn finish(mut self, output: TensorId) -> Self {
        self.graph.outputs.push(output);
        range::propagate(&mut self.graph, &self.weights).unwrap();
        self
    }

    pub fn plan(&self, shape: Shape) -> Arc<Plan> {
        Arc::new(Plan::new(&self.graph, &self.visibilities, shape).unwrap())
    }

    pub fn random_input(&mut self) -> Vec<Vec<i64>> {
        let ids = self.graph.inputs.clone();
        ids.iter()
            .map(|id| {
                let tensor = &self.graph.tensors[id.0];
                let range = tensor.range;
                let count = tensor.shape.iter().product();
                (0..count)
                    .map(|_| self.rng.gen_range(range.lo..=range.hi))
                    .collect()
            })
            .collect()
    }

    pub fn witness(&self, plan: &Plan, inputs: &[Vec<i64>]) -> Arc<Witness> {
        let trace = exec::run(&self.graph, &self.weights, inputs).unwrap();
        let values = |id: TensorId| {
            self.graph
                .inputs
                .iter()
                .position(|input| *input == id)
                .map(|i| inputs[i].as_slice())
                .or_else(|| self.weights.get(&id).map(Vec::as_slice))
        };
        let salts = (0..plan.statement.messages.len() as u64)
            .map(|i| Fr::from(1000 + i))
            .collect();
        let names = |node: usize| self.graph.nodes[node].name.clone();
        let witness = Witness::new(plan, &names, &values, salts, Fr::from(9)).unwrap();
        // The circuit's cells hold what the executor computed.
        for (id, home) in plan.homes.iter().enumerate() {
            let (Some(home), Some(expected)) = (home, &trace[id]) else {
                continue;
            };
            for (e, &position) in home.positions.iter().enumerate() {
                let value = home.limbs.iter().fold(home.offset, |sum, limb| {
                    sum + (limb.base * witness.blocks[limb.block][position]) as i64
                });
                assert_eq!(value, expected[e], "tensor {id} element {e}");
            }
        }
        Arc::new(witness)
    }

    pub fn mock(&mut self, shape: Shape) -> MockProver<Fr> {
        let plan = self.plan(shape);
        let inputs = self.random_input();
        let witness = self.witness(&plan, &inputs);
        let instances = vec![witness.instances.clone()];
        let circuit = ModelCircuit::with_witness(plan, witness, Purpose::Constraints);
        MockProver::run(shape.k, &circuit, instances).unwrap()
    }
}

pub fn shape(k: u32, data: usize, hash_width: usize) -> Shape {
    Shape {
        k,
        data,
        hash_width,
        limb_bits: k - 2,
        clamps: Clamps::ALL,
        stacked: false,
    }
}

/// What cheats are tried in.
pub fn the_shape() -> Shape {
    shape(12, 5, 3)
}

/// A stacked shape.
pub fn stacked(k: u32) -> Shape {
    Shape {
        stacked: true,
        limb_bits: k - 3,
        ..shape(k, 1, 3)
    }
}

/// The shape with the fewest gates that the model can do with.
pub fn leanest(model: &Model, shape: Shape) -> Shape {
    Clamps::choices()
        .map(|clamps| Shape { clamps, ..shape })
        .filter(
            |lean| match Plan::new(&model.graph, &model.visibilities, *lean) {
                Ok(_) => true,
                Err(LayoutError::NoGate { .. }) => false,
                Err(error) => panic!("{error}"),
            },
        )
        .min_by_key(|lean| lean.clamps.columns())
        .expect("the canonical shape does")
}

pub fn relu6() -> Option<Clamp> {
    Some(Clamp {
        lo: 0,
        hi: Some(6 * SCALE),
    })
}

pub fn relu() -> Option<Clamp> {
    Some(Clamp { lo: 0, hi: None })
}

pub fn window(kernel: usize, stride: usize, pad: usize) -> Window {
    Window {
        kernel: [kernel; 2],
        stride: [stride; 2],
        pads: [pad; 4],
    }
}

/// `[channels, side, side]` → conv 3×3.
pub fn conv(
    seed: u64,
    channels: usize,
    side: usize,
    window: Window,
    groups: usize,
    clamp: Option<Clamp>,
) -> Model {
    let mut model = Model::new(seed);
    let x = model.input(&[channels, side, side], 7);
    let outputs = if groups > 1 { channels } else { 3 };
    let per_group = channels / groups;
    let [kh, kw] = window.kernel;
    let w = model.weight(&[outputs, per_group, kh, kw], 40);
    let bias = Some(model.weight(&[outputs], 50));
    let [h, w_out] = window.output(side, side).unwrap();
    let y = model.node(
        &[outputs, h, w_out],
        Op::Conv {
            x,
            w,
            bias,
            window,
            groups,
            div: SCALE,
            clamp,
        },
    );
    model.finish(y)
}

/// Conv, pool, scale, conv, linear: all of a classifier's kinds.
pub fn classifier(seed: u64, clamp: Option<Clamp>) -> Model {
    let mut model = Model::new(seed);
    let x = model.input(&[1, 10, 10], 7);
    let w = model.weight(&[3, 1, 3, 3], 30);
    let bias = Some(model.weight(&[3], 20));
    let x = model.node(
        &[3, 8, 8],
        Op::Conv {
            x,
            w,
            bias,
            window: window(3, 1, 0),
            groups: 1,
            div: SCALE,
            clamp,
        },
    );
    let x = model.node(
        &[3, 4, 4],
        Op::AvgPool {
            x,
            window: window(2, 2, 0),
        },
    );
    let factor = model.weight(&[3], 60);
    let bias = Some(model.weight(&[3], 30));
    let x = model.node(
        &[3, 4, 4],
        Op::Scale {
            x,
            w: Some(factor),
            bias,
            div: SCALE,
            clamp: None,
        },
    );
    let w = model.weight(&[4, 3, 3, 3], 30);
    let x = model.node(
        &[4, 2, 2],
        Op::Conv {
            x,
            w,
            bias: None,
            window: window(3, 1, 0),
            groups: 1,
            div: SCALE,
            clamp,
        },
    );
    let x = model.node(&[16], Op::Reshape { x });
    let w = model.weight(&[16, 16], 30);
    let bias = Some(model.weight(&[16], 30));
    let x = model.node(
        &[16],
        Op::Linear {
            x,
            w,
            bias,
            div: SCALE,
            clamp,
        },
    );
    let w = model.weight(&[5, 16], 30);
    let bias = Some(model.weight(&[5], 30));
    let y = model.node(
        &[5],
        Op::Linear {
            x,
            w,
            bias,
            div: SCALE,
            clamp: None,
        },
    );
    model.finish(y)
}

/// All visibilities hashed.
pub fn hashed(mut model: Model) -> Model {
    model.visibilities = Visibilities {
        inputs: vec![Visibility::Hashed],
        outputs: vec![Visibility::Hashed],
    };
    model
}
