//! Integers are those of their type: random graphs over all integer types against Rust's own arithmetic,
//! and where operators are not defined.

use super::*;
use halo2_proofs::{arithmetic::Field, dev::MockProver, halo2curves::bn256::Fr};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use std::{collections::BTreeMap, sync::Arc};
use zkml_graph::exec::ExecError;
use zkml_graph::{Op, TensorId};
use zkml_model::circuit::{ModelCircuit, Purpose, Witness};
use zkml_model::layout::Visibilities;
use zkml_model::planner::{choose, Goal};

mod wider;

/// Codes of ONNX's integer types.
const TYPES: [i32; 8] = [2, 3, 4, 5, 6, 7, 12, 13];

/// Elements of each tensor.
const N: usize = 3;

/// What Rust makes of an operator; `None` where it has no result.
macro_rules! reference {
    ($type:ty, $op:expr, $a:expr, $b:expr) => {{
        let (a, b) = ($a as $type, $b as $type);
        let bits = <$type>::BITS;
        let shift = u32::try_from(b).ok().filter(|b| *b < bits);
        let value: Option<$type> = match $op {
            "Add" => Some(a.wrapping_add(b)),
            "Sub" => Some(a.wrapping_sub(b)),
            "Mul" => Some(a.wrapping_mul(b)),
            "Div" => (b != 0).then(|| a.wrapping_div(b)),
            "fmod" => (b != 0).then(|| a.wrapping_rem(b)),
            "Mod" => (b != 0).then(|| {
                let rest = a.wrapping_rem(b);
                let other = rest != 0 && (i128::from(rest) < 0) != (i128::from(b) < 0);
                if other {
                    rest.wrapping_add(b)
                } else {
                    rest
                }
            }),
            "Min" => Some(a.min(b)),
            "Max" => Some(a.max(b)),
            "Neg" => Some((0 as $type).wrapping_sub(a)),
            "Abs" => Some(if i128::from(a) < 0 {
                (0 as $type).wrapping_sub(a)
            } else {
                a
            }),
            "BitwiseNot" => Some(!a),
            "BitwiseAnd" => Some(a & b),
            "BitwiseOr" => Some(a | b),
            "BitwiseXor" => Some(a ^ b),
            "LEFT" => shift.map(|b| a.wrapping_shl(b)),
            "RIGHT" => shift.map(|b| a.wrapping_shr(b)),
            other => panic!("{other}"),
        };
        value.map(i128::from)
    }};
}

fn reference(ty: i32, op: &str, a: i128, b: i128) -> Option<i128> {
    match ty {
        2 => reference!(u8, op, a, b),
        3 => reference!(i8, op, a, b),
        4 => reference!(u16, op, a, b),
        5 => reference!(i16, op, a, b),
        6 => reference!(i32, op, a, b),
        7 => reference!(i64, op, a, b),
        12 => reference!(u32, op, a, b),
        _ => reference!(u64, op, a, b),
    }
}

fn cast(ty: i32, a: i128) -> i128 {
    match ty {
        2 => (a as u8).into(),
        3 => (a as i8).into(),
        4 => (a as u16).into(),
        5 => (a as i16).into(),
        6 => (a as i32).into(),
        7 => (a as i64).into(),
        12 => (a as u32).into(),
        _ => (a as u64).into(),
    }
}

/// Least and largest number of an input of this type, where no range is named.
fn given(ty: i32) -> (i128, i128) {
    match ty {
        2 => (0, 255),
        3 => (-128, 127),
        4 | 12 | 13 => (0, 65_535),
        _ => (-32_768, 32_767),
    }
}

fn typed(name: &str, ty: i32) -> ValueInfoProto {
    let mut info = info(name, &[1, N as i64]);
    if let Some(tensor) = info.r#type.as_mut().and_then(|t| t.tensor_type.as_mut()) {
        tensor.elem_type = ty;
    }
    info
}

fn numbers(name: &str, ty: i32, values: &[i128]) -> TensorProto {
    let mut tensor = integers(name, &[]);
    (tensor.dims, tensor.data_type) = (vec![1, values.len() as i64], ty);
    tensor.raw_data = match ty {
        2 | 3 => values.iter().map(|v| *v as u8).collect(),
        4 | 5 => values
            .iter()
            .flat_map(|v| (*v as u16).to_le_bytes())
            .collect(),
        6 | 12 => values
            .iter()
            .flat_map(|v| (*v as u32).to_le_bytes())
            .collect(),
        _ => values
            .iter()
            .flat_map(|v| (*v as u64).to_le_bytes())
            .collect(),
    };
    tensor
}

fn import(model: &ModelProto) -> Result<Model, ImportError> {
    let options = ImportOptions::default();
    super::super::load(&model.encode_to_vec(), &options).and_then(FloatModel::quantise)
}

/// A graph in the making, and its values; none from where on something is not defined.
struct Random {
    rng: ChaCha20Rng,
    model: ModelProto,
    known: Vec<(String, i32, Option<Vec<i128>>)>,
    inputs: Vec<Vec<i64>>,
    /// Whether a value is beyond what a graph holds.
    far: bool,
}

impl Random {
    fn new(seed: u64) -> Self {
        let mut random = Random {
            rng: ChaCha20Rng::seed_from_u64(seed),
            model: super::model(&[1, 3], vec![], vec![]),
            known: Vec::new(),
            inputs: Vec::new(),
            far: false,
        };
        let graph = random.model.graph.as_mut().unwrap();
        graph.input.clear();
        for at in 0..2 {
            let ty = TYPES[random.rng.gen_range(0..TYPES.len())];
            let values = random.numbers(ty);
            let name = format!("x{at}");
            let graph = random.model.graph.as_mut().unwrap();
            graph.input.push(typed(&name, ty));
            random
                .inputs
                .push(values.iter().map(|v| *v as i64).collect());
            random.known.push((name, ty, Some(values)));
        }
        random
    }

    /// Ends of the type, small numbers and any.
    fn numbers(&mut self, ty: i32) -> Vec<i128> {
        let (lo, hi) = given(ty);
        let rng = &mut self.rng;
        let one = |_| match rng.gen_range(0..6) {
            0 => lo,
            1 => hi,
            2 => 0,
            3 => rng.gen_range(lo.max(-5)..=5),
            _ => rng.gen_range(lo..=hi),
        };
        (0..N).map(one).collect()
    }

    /// A tensor of a type: one that there is, cast if need be, or numbers of the file.
    fn operand(&mut self, ty: i32) -> (String, Option<Vec<i128>>) {
        if self.rng.gen_bool(0.25) {
            let mut values = self.numbers(ty);
            // No input has them, unless it is said so.
            match ty {
                6 if self.rng.gen_bool(0.3) => values[0] = i32::MIN.into(),
                6 if self.rng.gen_bool(0.3) => values[1] = i32::MAX.into(),
                12 if self.rng.gen_bool(0.3) => values[2] = u32::MAX.into(),
                _ => {}
            }
            let name = format!("c{}", self.known.len());
            let tensor = numbers(&name, ty, &values);
            let public = self.rng.gen_bool(0.5);
            let graph = self.model.graph.as_mut().unwrap();
            if public {
                let value = AttributeProto {
                    name: "value".to_owned(),
                    t: Some(tensor),
                    ..Default::default()
                };
                graph.node.push(node("Constant", &[], &name, &[value]));
            } else {
                graph.initializer.push(tensor);
            }
            self.known.push((name.clone(), ty, Some(values.clone())));
            return (name, Some(values));
        }
        let (name, own, values) = self.known[self.rng.gen_range(0..self.known.len())].clone();
        if own == ty {
            return (name, values);
        }
        let to = format!("t{}", self.known.len());
        let values = values.map(|all| all.into_iter().map(|v| cast(ty, v)).collect());
        self.push(
            node("Cast", &[&name], &to, &[int("to", ty.into())]),
            ty,
            values,
        )
    }

    fn push(
        &mut self,
        node: NodeProto,
        ty: i32,
        values: Option<Vec<i128>>,
    ) -> (String, Option<Vec<i128>>) {
        let name = node.output[0].clone();
        self.far |= values.iter().flatten().any(|v| v.abs() >= 1 << 40);
        self.model.graph.as_mut().unwrap().node.push(node);
        self.known.push((name.clone(), ty, values.clone()));
        (name, values)
    }

    fn step(&mut self) {
        let ty = TYPES[self.rng.gen_range(0..TYPES.len())];
        let unsigned = matches!(ty, 2 | 4 | 12 | 13);
        let all = [
            "Add",
            "Sub",
            "Mul",
            "Add",
            "Sub",
            "Mul",
            "Div",
            "Mod",
            "fmod",
            "Min",
            "Max",
            "Neg",
            "Abs",
            "BitwiseNot",
            "BitwiseAnd",
            "BitwiseOr",
            "BitwiseXor",
            "LEFT",
            "RIGHT",
        ];
        let op = all[self.rng.gen_range(0..all.len())];
        if (op == "Neg" && unsigned) || (matches!(op, "LEFT" | "RIGHT") && !unsigned) {
            return;
        }
        let (a, x) = self.operand(ty);
        let (b, y) = self.operand(ty);
        let single = matches!(op, "Neg" | "Abs" | "BitwiseNot");
        let values = x.zip(y.or(single.then(|| vec![0; N]))).and_then(|(x, y)| {
            let pairs = x.iter().zip(&y);
            pairs.map(|(x, y)| reference(ty, op, *x, *y)).collect()
        });
        let output = format!("y{}", self.known.len());
        let (kind, attributes) = match op {
            "fmod" => ("Mod", vec![int("fmod", 1)]),
            "LEFT" | "RIGHT" => ("BitShift", vec![text("direction", op)]),
            other => (other, vec![]),
        };
        let operands: &[&str] = if single { &[&a] } else { &[&a, &b] };
        self.push(node(kind, operands, &output, &attributes), ty, values);
    }

    /// The graph, and what it gives if it is defined.
    fn finish(mut self) -> (ModelProto, Vec<Vec<i64>>, Option<Vec<i128>>, bool) {
        for _ in 0..self.rng.gen_range(1..5) {
            match self.rng.gen_bool(0.4) {
                true => self.wider(),
                false => self.step(),
            }
        }
        let last = self
            .known
            .iter()
            .rev()
            .find(|known| known.0.starts_with('y'));
        let (name, _, _) = last.unwrap_or(&self.known[0]).clone();
        // What the output depends on decides whether it is defined, and is all that there is.
        let graph = self.model.graph.as_mut().unwrap();
        let mut needed = vec![name.clone()];
        let mut at = 0;
        while at < needed.len() {
            let makes = |node: &&NodeProto| node.output[0] == needed[at];
            if let Some(node) = graph.node.iter().find(makes) {
                needed.extend(node.input.clone());
            }
            at += 1;
        }
        graph.node.retain(|node| needed.contains(&node.output[0]));
        graph.output = vec![info(&name, &[])];
        let found = self.known.iter().find(|known| known.0 == name);
        let values = found.and_then(|known| known.2.clone());
        (self.model, self.inputs, values, self.far)
    }
}

/// Lays the model out, and checks all constraints on its witness.
pub(super) fn satisfied(model: Model, inputs: &[Vec<i64>]) {
    let weights = model.weights;
    let graph = &model.graph;
    let plan = choose(graph, &Visibilities::default(), Goal::Prove).unwrap();
    let plan = Arc::new(plan);
    let values = |id: TensorId| {
        let input = graph.inputs.iter().position(|input| *input == id);
        let input = input.and_then(|input| inputs.get(input));
        input.or_else(|| weights.get(&id)).map(Vec::as_slice)
    };
    let names = |node: usize| graph.nodes[node].name.clone();
    let salts = vec![Fr::ZERO; plan.statement.messages.len()];
    let witness = Witness::new(&plan, &names, &values, salts, Fr::ZERO).unwrap();
    let instances = vec![witness.instances.clone()];
    let k = plan.shape.k;
    let circuit = ModelCircuit::with_witness(plan, Arc::new(witness), Purpose::Constraints);
    MockProver::run(k, &circuit, instances)
        .unwrap()
        .assert_satisfied();
}

#[test]
fn random_graphs_of_integers_are_those_of_their_types() {
    let (mut right, mut refused, mut undefined, mut laid) = (0, 0, 0, 0);
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..40_000u64 {
        let (proto, inputs, expected, far) = Random::new(seed).finish();
        let model = match import(&proto) {
            Ok(model) => model,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                refused += 1;
                continue;
            }
        };
        let names: Vec<&str> = model
            .source
            .inputs
            .iter()
            .map(|p| p.name.as_str())
            .collect();
        assert_eq!(names, ["x0", "x1"]);
        match (run(&model.graph, &model.weights, &inputs), expected) {
            (Ok(trace), Some(expected)) => {
                let got = outputs(&model.graph, &trace).remove(0);
                let got: Vec<i128> = got.into_iter().map(i128::from).collect();
                assert_eq!(got, expected, "seed {seed}: {proto:?}");
                right += 1;
                for node in &proto.graph.as_ref().unwrap().node {
                    *kinds.entry(node.op_type.clone()).or_default() += 1;
                }
                if right % 400 == 0 {
                    satisfied(model, &inputs);
                    laid += 1;
                }
            }
            (Err(ExecError::Undefined(_)), None) => undefined += 1,
            // 64 bits without a sign hold what no graph does.
            (Err(ExecError::Undefined(_)), Some(_)) if far => refused += 1,
            (got, expected) => {
                let got = got.map(|trace| outputs(&model.graph, &trace));
                panic!("seed {seed}: {got:?}, expected {expected:?}: {proto:?}");
            }
        }
    }
    println!("{right} right, {undefined} undefined, {refused} refused, {laid} in the circuit");
    println!("{kinds:?}");
    assert!(
        kinds.len() == 35 && kinds.values().all(|count| *count > 100),
        "{kinds:?}"
    );
    assert!(
        right > 12_000 && undefined > 500 && laid > 25,
        "{right} {undefined} {refused} {laid}"
    );
}

/// One operator on an input and numbers of its type.
fn single(op: &str, ty: i32, other: &[i128], attributes: &[AttributeProto]) -> ModelProto {
    let operands: &[&str] = if other.is_empty() {
        &["x"]
    } else {
        &["x", "c"]
    };
    let mut proto = super::model(&[1, 3], vec![], vec![node(op, operands, "y", attributes)]);
    let graph = proto.graph.as_mut().unwrap();
    graph.input = vec![typed("x", ty)];
    if !other.is_empty() {
        graph.initializer = vec![numbers("c", ty, other)];
    }
    proto
}

fn gives(proto: &ModelProto, x: &[i64], expected: &[i64]) -> Model {
    let model = import(proto).unwrap();
    let trace = run(&model.graph, &model.weights, &[x.to_vec()]).unwrap();
    assert_eq!(outputs(&model.graph, &trace), [expected]);
    satisfied(model.clone(), &[x.to_vec()]);
    model
}

fn wraps(model: &Model) -> bool {
    let mut ops = model.graph.nodes.iter().map(|node| &node.op);
    ops.any(|op| matches!(op, Op::Wrap { .. } | Op::Check { .. }))
}

#[test]
fn values_of_the_cases() {
    gives(
        &single("Add", 2, &[100; 3], &[]),
        &[200, 100, 250],
        &[44, 200, 94],
    );
    gives(
        &single("Sub", 2, &[100; 3], &[]),
        &[2, 100, 250],
        &[158, 0, 150],
    );
    let to_u8 = [int("to", 2)];
    gives(
        &single("Cast", 6, &[], &to_u8),
        &[300, -1, 7],
        &[44, 255, 7],
    );
    gives(
        &single("Mul", 6, &[100_000; 3], &[]),
        &[30_000, -30_000, 3],
        &[-1_294_967_296, 1_294_967_296, 300_000],
    );
    gives(
        &single("BitwiseNot", 2, &[], &[]),
        &[0, 1, 255],
        &[255, 254, 0],
    );
    gives(&single("Div", 6, &[2; 3], &[]), &[7, -7, -8], &[3, -3, -4]);
    gives(&single("Neg", 3, &[], &[]), &[-128, 5, 0], &[-128, -5, 0]);
    gives(&single("Abs", 3, &[], &[]), &[-128, -5, 7], &[-128, 5, 7]);
    let left = [text("direction", "LEFT")];
    gives(
        &single("BitShift", 2, &[4; 3], &left),
        &[31, 16, 1],
        &[240, 0, 16],
    );
    // 64 bits hold all that a graph does, and small sums stay in their type.
    assert!(!wraps(&gives(
        &single("Add", 7, &[1; 3], &[]),
        &[1, 2, 3],
        &[2, 3, 4]
    )));
    assert!(!wraps(&gives(
        &single("Add", 6, &[1; 3], &[]),
        &[1, 2, 3],
        &[2, 3, 4]
    )));
    // What no graph holds is refused with node, type and interval.
    let product = single("Mul", 7, &[1 << 39; 3], &[]);
    assert!(import(&product).unwrap_err().to_string().contains('y'));
    let chain = vec![
        node("Mul", &["x", "x"], "p", &[]),
        node("Mul", &["p", "p"], "q", &[]),
        node("Mul", &["q", "x"], "y", &[]),
    ];
    let mut chain = super::model(&[1, 3], vec![], chain);
    chain.graph.as_mut().unwrap().input = vec![typed("x", 6)];
    let error = import(&chain).unwrap_err().to_string();
    assert!(error.contains("'q'") && error.contains("int32"), "{error}");
}
