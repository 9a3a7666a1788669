//! Activations that a file spells out in elementwise nodes: GELU in both forms, and x·sigmoid(x). One table
//! costs less than a dozen products.
//!
//! Spellings differ in the order of factors and in what is divided or raised to a power. So a chain is not
//! compared with a shape: it is a known function if it has that function's values, for arguments from −8 to
//! 8, to within single precision.

use std::collections::{HashMap, HashSet};
use std::f64::consts::{PI, SQRT_2};

use super::ops::activation::erf;
use super::schema::{AttributeProto, GraphProto, NodeProto, TensorProto};
use super::tensor;

/// Nodes that one spelling may have.
const LONGEST: usize = 24;
/// Values are compared at multiples of this.
const STEP: f64 = 0.173;
/// How far apart they may be.
const NEAR: f64 = 1e-5;

type Function = fn(f64) -> f64;

/// Name of the operator, its form, and the function.
const KNOWN: [(&str, &str, Function); 3] = [
    ("Gelu", "none", |v| 0.5 * v * (1.0 + erf(v / SQRT_2))),
    ("Gelu", "tanh", |v| {
        0.5 * v * (1.0 + ((2.0 / PI).sqrt() * (v + 0.044_715 * v * v * v)).tanh())
    }),
    ("Swish", "", |v| v / (1.0 + (-v).exp())),
];

/// Replaces the last node of each spelling by the operator, and drops nodes that nothing reads any more.
pub(super) fn name_activations(graph: &mut GraphProto) {
    let chains = Chains::new(graph);
    let found: Vec<(usize, NodeProto)> = (0..graph.node.len())
        .filter_map(|at| Some((at, chains.named(at)?)))
        .collect();
    if found.is_empty() {
        return;
    }
    for (at, node) in found {
        graph.node[at] = node;
    }
    let outputs = graph.output.iter().map(|info| &info.name);
    let mut read: HashSet<String> = outputs.cloned().collect();
    let mut kept = Vec::with_capacity(graph.node.len());
    while let Some(node) = graph.node.pop() {
        if node.output.iter().any(|name| read.contains(name)) {
            read.extend(node.input.iter().cloned());
            kept.push(node);
        }
    }
    kept.reverse();
    graph.node = kept;
}

/// A graph's nodes by what they make, and its numbers.
struct Chains<'g> {
    nodes: &'g [NodeProto],
    makers: HashMap<&'g str, usize>,
    numbers: HashMap<&'g str, f64>,
}

impl<'g> Chains<'g> {
    fn new(graph: &'g GraphProto) -> Self {
        let mut makers = HashMap::new();
        let mut numbers = HashMap::new();
        for (at, node) in graph.node.iter().enumerate() {
            for name in &node.output {
                makers.insert(name.as_str(), at);
            }
        }
        let given = graph.initializer.iter().map(|t| (t.name.as_str(), t));
        let constants = graph.node.iter().filter(|node| node.op_type == "Constant");
        let constants = constants.filter_map(|node| {
            let value = node.attribute.iter().find_map(|a| a.t.as_ref())?;
            Some((node.output.first()?.as_str(), value))
        });
        for (name, value) in given.chain(constants) {
            if let Some(number) = number(value) {
                numbers.insert(name, number);
            }
        }
        Self {
            nodes: &graph.node,
            makers,
            numbers,
        }
    }

    /// The operator that node `at` ends the spelling of.
    fn named(&self, at: usize) -> Option<NodeProto> {
        let last = self.nodes.get(at).filter(|node| node.op_type == "Mul")?;
        let output = last.output.first()?;
        for x in self.before(at) {
            // At one argument first: most chains are none of these functions.
            let value = |v: f64| {
                let mut steps = LONGEST;
                self.value(output, x, v, &mut steps)
            };
            let same = |f: Function, v: f64| value(v).is_some_and(|y| (y - f(v)).abs() <= NEAR);
            let all = |f: Function| (-46..=46).all(|i| same(f, f64::from(i) * STEP));
            let known = KNOWN.iter().find(|(_, _, f)| same(*f, 1.0) && all(*f));
            if let Some((operator, form, _)) = known {
                let approximate = AttributeProto {
                    name: "approximate".to_owned(),
                    s: form.as_bytes().to_vec(),
                    ..Default::default()
                };
                return Some(NodeProto {
                    input: vec![x.to_owned()],
                    op_type: (*operator).to_owned(),
                    attribute: vec![approximate],
                    ..last.clone()
                });
            }
        }
        None
    }

    /// What the node is computed from, near first.
    fn before(&self, at: usize) -> Vec<&'g str> {
        let mut names: Vec<&str> = Vec::new();
        let mut nodes = vec![at];
        let mut next = 0;
        while let Some(node) = nodes.get(next).and_then(|at| self.nodes.get(*at)) {
            next += 1;
            for name in &node.input {
                let new =
                    !self.numbers.contains_key(name.as_str()) && !names.contains(&name.as_str());
                if !new || names.len() == LONGEST {
                    continue;
                }
                names.push(name);
                nodes.extend(self.makers.get(name.as_str()));
            }
        }
        names
    }

    /// The value of `name` where `x` is `v`; nothing if it is computed from something else.
    fn value(&self, name: &str, x: &str, v: f64, steps: &mut usize) -> Option<f64> {
        if name == x {
            return Some(v);
        }
        if let Some(number) = self.numbers.get(name) {
            return Some(*number);
        }
        *steps = steps.checked_sub(1)?;
        let node = self.nodes.get(*self.makers.get(name)?)?;
        let mut operand = |i: usize| self.value(node.input.get(i)?, x, v, steps);
        let a = operand(0)?;
        match (node.op_type.as_str(), node.input.len()) {
            ("Add", 2) => Some(a + operand(1)?),
            ("Sub", 2) => Some(a - operand(1)?),
            ("Mul", 2) => Some(a * operand(1)?),
            ("Div", 2) => Some(a / operand(1)?),
            ("Pow", 2) => Some(a.powf(operand(1)?)),
            ("Tanh", 1) => Some(a.tanh()),
            ("Erf", 1) => Some(erf(a)),
            ("Sigmoid", 1) => Some(1.0 / (1.0 + (-a).exp())),
            _ => None,
        }
    }
}

/// A tensor of one element without dimensions, or with dimensions that broadcasting ignores.
fn number(value: &TensorProto) -> Option<f64> {
    let one = value.dims.len() <= 1 && value.dims.iter().all(|d| *d == 1);
    let array = one.then(|| tensor::constant(value, &value.name).ok())??;
    array.values.first().copied()
}

#[cfg(test)]
#[path = "tests/patterns.rs"]
mod tests;
