//! Chains of elementwise nodes, and what they compute.

use super::super::erf::erf;
use super::super::schema::{GraphProto, NodeProto, TensorProto};
use super::super::tensor;
use prost::Message;
use std::cell::Cell;
use std::collections::HashMap;

/// Nodes that one spelling may have.
const LONGEST: usize = 24;

/// Nodes that may be computed to find a graph's spellings, beside as many as it has bytes. Those that are not found by
/// then stay as they are written.
const TRIED: usize = 1 << 19;

/// What is left of them, for a graph and its branches.
pub(super) struct Budget(Cell<usize>);

impl Budget {
    pub(super) fn of(graph: &GraphProto) -> Self {
        Budget(Cell::new(graph.encoded_len().saturating_add(TRIED)))
    }

    pub(super) fn is_spent(&self) -> bool {
        self.0.get() == 0
    }

    fn spend(&self) -> Option<()> {
        self.0.set(self.0.get().checked_sub(1)?);
        Some(())
    }
}

/// A graph's nodes by what they make, and its constants.
pub(super) struct Chains<'g> {
    nodes: &'g [NodeProto],
    makers: HashMap<&'g str, usize>,
    constants: HashMap<&'g str, &'g TensorProto>,
    budget: &'g Budget,
}

impl<'g> Chains<'g> {
    pub(super) fn new(graph: &'g GraphProto, budget: &'g Budget) -> Self {
        let mut makers = HashMap::new();
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
        Self {
            nodes: &graph.node,
            makers,
            constants: given.chain(constants).collect(),
            budget,
        }
    }

    pub(super) fn node(&self, at: usize) -> Option<&'g NodeProto> {
        self.nodes.get(at)
    }

    /// No chain goes through the node from now on.
    pub(super) fn end_at(&mut self, at: usize) {
        for name in self.node(at).iter().flat_map(|node| &node.output) {
            self.makers.remove(name.as_str());
        }
    }

    /// What the node is computed from, near first.
    pub(super) fn before(&self, at: usize) -> Vec<&'g str> {
        let mut names: Vec<&str> = Vec::new();
        let mut nodes = vec![at];
        let mut next = 0;
        while let Some(node) = nodes.get(next).and_then(|at| self.nodes.get(*at)) {
            next += 1;
            for name in &node.input {
                let name = name.as_str();
                let new = !self.constants.contains_key(name) && !names.contains(&name);
                if !new || names.len() == LONGEST {
                    continue;
                }
                names.push(name);
                nodes.extend(self.makers.get(name));
            }
        }
        names
    }

    fn constant(&self, name: &str) -> Option<Vec<f64>> {
        let array = tensor::constant(self.constants.get(name)?, name).ok()?;
        Some(array.values.to_vec())
    }

    /// A constant of one element whose dimensions broadcasting ignores.
    fn number(&self, name: &str) -> Option<f64> {
        let dims = &self.constants.get(name)?.dims;
        let one = dims.len() <= 1 && dims.iter().all(|d| *d == 1);
        one.then(|| self.constant(name)?.first().copied())?
    }
}

/// A chain computed with some row of values in place of one of its tensors.
pub(super) struct Trial<'c, 'g> {
    chains: &'c Chains<'g>,
    values: HashMap<&'g str, Vec<f64>>,
    width: usize,
    steps: usize,
    /// Constants of one element that were read.
    pub(super) numbers: Vec<f64>,
    /// Their names, and those of constants that say over which dimensions means are.
    told_by: Vec<&'g str>,
    /// The other constants that were read: they have the values of [`stand_in`].
    pub(super) factors: Vec<&'g str>,
    /// The dimensions that means are over, if there are means.
    pub(super) axes: Option<Vec<i64>>,
}

/// What stands in position `i` of the row in place of the `which`th constant of several elements.
pub(super) fn stand_in(which: usize, i: usize) -> f64 {
    1.5 + ((3 * which + 1) as f64 * (i as f64 + 0.7)).sin()
}

impl<'c, 'g> Trial<'c, 'g> {
    pub(super) fn new(chains: &'c Chains<'g>, x: &'g str, row: &[f64]) -> Self {
        Self {
            chains,
            values: HashMap::from([(x, row.to_vec())]),
            width: row.len(),
            steps: LONGEST,
            numbers: Vec::new(),
            told_by: Vec::new(),
            factors: Vec::new(),
            axes: None,
        }
    }

    /// The names that it was told by, for whoever reads the graph without them.
    pub(super) fn constants(&self) -> Vec<String> {
        self.told_by.iter().map(|&name| name.to_owned()).collect()
    }

    /// The row of tensor `name`; nothing if other nodes or tensors belong to it.
    pub(super) fn row(&mut self, name: &'g str) -> Option<Vec<f64>> {
        if let Some(row) = self.values.get(name) {
            return Some(row.clone());
        }
        let row = match self.chains.constants.contains_key(name) {
            true => self.stands_for(name),
            false => self.computed(name)?,
        };
        self.values.insert(name, row.clone());
        Some(row)
    }

    fn stands_for(&mut self, name: &'g str) -> Vec<f64> {
        if let Some(number) = self.chains.number(name) {
            self.numbers.push(number);
            self.told_by.push(name);
            return vec![number; self.width];
        }
        let which = self.factors.len();
        self.factors.push(name);
        (0..self.width).map(|i| stand_in(which, i)).collect()
    }

    fn computed(&mut self, name: &'g str) -> Option<Vec<f64>> {
        self.steps = self.steps.checked_sub(1)?;
        self.chains.budget.spend()?;
        let node = self.chains.node(*self.chains.makers.get(name)?)?;
        if node.op_type == "ReduceMean" {
            return self.mean(node);
        }
        let rows: Option<Vec<_>> = node.input.iter().map(|name| self.row(name)).collect();
        let of = |f: fn(f64) -> f64, a: &[f64]| a.iter().map(|a| f(*a)).collect();
        let both = |f: fn(f64, f64) -> f64, a: &[f64], b: &[f64]| {
            a.iter().zip(b).map(|(a, b)| f(*a, *b)).collect()
        };
        Some(match (node.op_type.as_str(), rows?.as_slice()) {
            ("Add", [a, b]) => both(|a, b| a + b, a, b),
            ("Sub", [a, b]) => both(|a, b| a - b, a, b),
            ("Mul", [a, b]) => both(|a, b| a * b, a, b),
            ("Div", [a, b]) => both(|a, b| a / b, a, b),
            ("Pow", [a, b]) => both(f64::powf, a, b),
            ("Neg", [a]) => of(|a| -a, a),
            ("Sqrt", [a]) => of(f64::sqrt, a),
            ("Reciprocal", [a]) => of(f64::recip, a),
            ("Tanh", [a]) => of(f64::tanh, a),
            ("Erf", [a]) => of(erf, a),
            ("Sigmoid", [a]) => of(|a| 1.0 / (1.0 + (-a).exp()), a),
            _ => return None,
        })
    }

    /// The mean in each position, if all means of the chain are over the same dimensions and keep them.
    fn mean(&mut self, node: &'g NodeProto) -> Option<Vec<f64>> {
        let attribute = |name: &str| node.attribute.iter().find(|a| a.name == name);
        if attribute("keepdims").is_some_and(|a| a.i != 1) {
            return None;
        }
        // An attribute before operator set 18.
        let axes: Vec<i64> = match (node.input.get(1), attribute("axes")) {
            (Some(axes), None) => {
                let known = self.chains.constant(axes)?;
                self.told_by.push(axes);
                known.into_iter().map(|a| a as i64).collect()
            }
            (None, Some(axes)) => axes.ints.clone(),
            _ => return None,
        };
        let same = self.axes.get_or_insert_with(|| axes.clone()) == &axes;
        let row = self.row(node.input.first()?)?;
        let mean = row.iter().sum::<f64>() / self.width as f64;
        (same && !axes.is_empty()).then(|| vec![mean; self.width])
    }
}
