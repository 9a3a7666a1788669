//! Pairs of random networks that differ in their weights only, and what their public files say apart.

use super::onnx;
use anyhow::Result;
use rand::{rngs::StdRng, seq::SliceRandom, Rng, SeedableRng};
use serde_json::{json, Value};
use std::collections::BTreeSet;
use zkml_import::{parse_onnx, parse_onnx_declared, FloatModel, ImportOptions, Model};

/// Functions of one number.
const FUNCTIONS: [&str; 26] = [
    "Softplus",
    "Sigmoid",
    "Log",
    "Sqrt",
    "Tanh",
    "Exp",
    "Abs",
    "Sinh",
    "Atan",
    "Softsign",
    "Erf",
    "Relu",
    "Sin",
    "Reciprocal",
    "Floor",
    "Round",
    "Cosh",
    "Asinh",
    "Gelu",
    "Mish",
    "HardSwish",
    "Elu",
    "Sign",
    "Softmax",
    "LogSoftmax",
    "LeakyRelu",
];

/// Weights of a network.
struct Weights {
    name: String,
    dims: Vec<u64>,
    values: Vec<f32>,
    /// Variances are.
    positive: bool,
}

/// A network under construction.
struct Network {
    rng: StdRng,
    nodes: Vec<Vec<u8>>,
    weights: Vec<Weights>,
    /// The tensors so far, the last one included.
    names: Vec<String>,
}

impl Network {
    fn last(&self) -> String {
        self.names.last().cloned().unwrap_or_default()
    }

    fn node(&mut self, op: &str, inputs: &[&str]) {
        let name = format!("t{}", self.names.len());
        self.nodes.push(onnx::node(op, &name, inputs, &name));
        self.names.push(name);
    }

    fn weights(&mut self, dims: &[u64], positive: bool) -> String {
        let name = format!("w{}", self.weights.len());
        let size = [0.05, 0.3, 1.0]
            .choose(&mut self.rng)
            .copied()
            .unwrap_or(1.0);
        let count = dims.iter().product::<u64>();
        let low = if positive { 0.2 } else { -1.0 };
        let values = (0..count).map(|_| self.rng.gen_range(low..1.0) * size);
        self.weights.push(Weights {
            name: name.clone(),
            dims: dims.to_vec(),
            values: values.collect(),
            positive,
        });
        name
    }

    /// A layer on a row of `width` numbers.
    fn layer(&mut self, width: u64) {
        let x = self.last();
        match self.rng.gen_range(0..9) {
            0 | 1 => {
                let (w, b) = (
                    self.weights(&[width, width], false),
                    self.weights(&[width], false),
                );
                self.node("Gemm", &[&x, &w, &b]);
            }
            2 => {
                let op = ["Add", "Sub", "Mul", "Div"].choose(&mut self.rng).copied();
                let op = op.unwrap_or("Add");
                let w = self.weights(&[width], op == "Div");
                self.node(op, &[&x, &w]);
            }
            3 => {
                let op = ["Add", "Mul", "Div", "Max", "Min"]
                    .choose(&mut self.rng)
                    .copied();
                let other = self
                    .names
                    .choose(&mut self.rng)
                    .cloned()
                    .unwrap_or_default();
                self.node(op.unwrap_or("Max"), &[&x, &other]);
            }
            _ => {
                let op = FUNCTIONS.choose(&mut self.rng).copied().unwrap_or("Relu");
                self.node(op, &[&x]);
            }
        }
    }

    /// Convolution, normalisation, activation, and the mean of what comes out.
    fn image(&mut self) {
        let x = self.last();
        let w = self.weights(&[3, 2, 2, 2], false);
        self.node("Conv", &[&x, &w]);
        let x = self.last();
        let mut inputs = vec![x];
        for positive in [false, false, false, true] {
            inputs.push(self.weights(&[3], positive));
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        self.node("BatchNormalization", &inputs);
        for op in ["Mish", "Abs", "Sqrt"] {
            if self.rng.gen() {
                let x = self.last();
                self.node(op, &[&x]);
            }
        }
        let x = self.last();
        self.node("GlobalAveragePool", &[&x]);
    }

    fn file(&self, input: &[u64], output: &[u64]) -> Vec<u8> {
        let each = self.weights.iter();
        let tensors = each.map(|w| onnx::tensor(&w.name, &w.dims, &w.values));
        let tensors: Vec<Vec<u8>> = tensors.collect();
        onnx::model(
            &self.nodes,
            &tensors,
            onnx::value("x", input),
            onnx::value(&self.last(), output),
        )
    }

    /// Draws the weights anew: exchanged, moved a little, or others of the same size.
    fn redraw(&mut self) {
        for weights in &mut self.weights {
            let values = &mut weights.values;
            let top = values.iter().fold(0f32, |top, v| top.max(v.abs()));
            match self.rng.gen_range(0..3) {
                0 => values.shuffle(&mut self.rng),
                1 => values
                    .iter_mut()
                    .for_each(|v| *v *= self.rng.gen_range(0.97..1.03)),
                _ => {
                    let low = if weights.positive { 0.2 * top } else { -top };
                    values
                        .iter_mut()
                        .for_each(|v| *v = self.rng.gen_range(low..=top));
                    if let Some(first) = values.first_mut() {
                        *first = top;
                    }
                }
            }
        }
    }
}

/// Two networks with the same nodes.
pub fn pair(seed: u64) -> [Vec<u8>; 2] {
    let mut network = Network {
        rng: StdRng::seed_from_u64(seed),
        nodes: Vec::new(),
        weights: Vec::new(),
        names: vec!["x".to_owned()],
    };
    let image = seed.is_multiple_of(5);
    let (input, output): (&[u64], &[u64]) = match image {
        true => (&[1, 2, 4, 4], &[1, 3, 1, 1]),
        false => (&[1, 4], &[1, 4]),
    };
    if image {
        network.image();
    } else {
        let layers = network.rng.gen_range(2..7);
        (0..layers).for_each(|_| network.layer(4));
    }
    let first = network.file(input, output);
    network.redraw();
    [first, network.file(input, output)]
}

/// What two models' public files are to each other.
#[derive(Debug)]
pub enum Verdict {
    /// The same, byte by byte, as their declared bounds are.
    Equal,
    /// Declared bounds are the same, and the files differ: in these places.
    Leak(BTreeSet<String>),
    /// Declared bounds differ.
    Declared(Declared),
    /// One of them is refused.
    Refused,
}

/// What two models with other declared bounds are to each other.
#[derive(Debug)]
pub struct Declared {
    /// Where their files differ.
    pub places: BTreeSet<String>,
    /// Whether at least all ranges in `config.json` are the same.
    pub same_ranges: bool,
    /// Where the first model's graph, made with the declared bounds of the second, differs from the second's before
    /// ranges are entered, which are declared bounds themselves.
    pub else_decided: BTreeSet<String>,
}

fn options() -> ImportOptions {
    ImportOptions {
        input_range: Some((-1.0, 1.0)),
        ..Default::default()
    }
}

fn read(bytes: &[u8]) -> Option<(FloatModel, Model)> {
    let float = parse_onnx(bytes, &options()).ok()?;
    let model = float.clone().quantise().ok()?;
    Some((float, model))
}

/// All that `config.json` has of a model; layout and keys are functions of it.
fn public(model: &Model) -> Value {
    json!({ "graph": model.graph, "source": model.source })
}

/// Compares the public files of two models.
pub fn compare([a, b]: &[Vec<u8>; 2]) -> Result<Verdict> {
    let (Some((first, left)), Some((second, b))) = (read(a), read(b)) else {
        return Ok(Verdict::Refused);
    };
    let (bytes, a) = (a, left);
    let ranges = |model: &Model| -> Vec<_> {
        let tensors = model.graph.tensors.iter().map(|tensor| tensor.range);
        let nodes = model.graph.nodes.iter().map(|node| node.pre);
        tensors.chain(nodes).collect()
    };
    let same = ranges(&a) == ranges(&b);
    let (left, right) = (public(&a), public(&b));
    let mut places = BTreeSet::new();
    differences(&left, &right, String::new(), &mut places);
    if !same || first.declared != second.declared {
        let declared = second.declared.clone();
        let moved = parse_onnx_declared(bytes, &options(), declared)?;
        let graph = |model: &FloatModel| json!({ "graph": model.graph, "source": model.source });
        let mut others = BTreeSet::new();
        differences(&graph(&moved), &graph(&second), String::new(), &mut others);
        return Ok(Verdict::Declared(Declared {
            places,
            same_ranges: same,
            else_decided: others,
        }));
    }
    let equal = serde_json::to_vec(&left)? == serde_json::to_vec(&right)?;
    Ok(if equal {
        Verdict::Equal
    } else {
        Verdict::Leak(places)
    })
}

/// The places where two values differ, without indices.
pub fn differences(a: &Value, b: &Value, place: String, into: &mut BTreeSet<String>) {
    let join = |key: &str| match place.as_str() {
        "" => key.to_owned(),
        place => format!("{place}.{key}"),
    };
    match (a, b) {
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            for ((key, a), b) in a.iter().zip(b.values()) {
                differences(a, b, join(key), into);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let pairs = a.iter().zip(b);
            pairs.for_each(|(a, b)| differences(a, b, place.clone(), into));
        }
        (a, b) if a == b => {}
        _ => {
            into.insert(place);
        }
    }
}

/// What many pairs came to.
#[derive(Default)]
pub struct Found {
    /// Pairs with equal declared bounds.
    pub pairs: usize,
    /// Those whose files differ.
    pub differ: usize,
    /// Pairs with other declared bounds; those of them with the same ranges in `config.json`.
    pub declared: usize,
    pub same_ranges: usize,
    pub refused: usize,
    /// Where files differ because declared bounds do.
    pub places: BTreeSet<String>,
    /// Where they differ although declared bounds do not.
    pub leaks: BTreeSet<String>,
    /// Pairs whose graphs differ when they declare the same bounds.
    pub else_decided: usize,
}

/// Compares random pairs until `pairs` have equal declared bounds.
pub fn search(pairs: usize) -> Result<Found> {
    let mut found = Found::default();
    for seed in 0.. {
        if found.pairs >= pairs {
            break;
        }
        match compare(&pair(seed))? {
            Verdict::Equal => found.pairs += 1,
            Verdict::Leak(places) => {
                (found.pairs, found.differ) = (found.pairs + 1, found.differ + 1);
                found.leaks.extend(places);
            }
            Verdict::Declared(one) => {
                found.declared += 1;
                found.same_ranges += usize::from(one.same_ranges);
                found.else_decided += usize::from(!one.else_decided.is_empty());
                found.places.extend(one.places);
                found.leaks.extend(one.else_decided);
            }
            Verdict::Refused => found.refused += 1,
        }
    }
    Ok(found)
}
