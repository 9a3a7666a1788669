//! The executor: the reference semantics, and the source of the circuit's witness.

mod kernels;

use super::movement::sources;
use super::ops::{elements, rd_wide, saturate, GraphError};
use super::{Clamp, Graph, Interval, Node, Op, Role, TensorId, Weights};
use thiserror::Error;

/// Why a graph could not be run.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExecError {
    /// The graph itself is malformed.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Another number of inputs than the model has.
    #[error("the model has {expected} inputs, got {got}")]
    InputCount {
        /// Inputs of the model.
        expected: usize,
        /// Inputs given.
        got: usize,
    },
    /// An input with another number of elements.
    #[error("input '{name}': expected {expected} elements (shape {shape:?}), got {got}")]
    InputLength {
        /// Input name.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Elements of that shape.
        expected: usize,
        /// Elements given.
        got: usize,
    },
    /// An input value outside the declared range. It may be private: the message has its place only.
    #[error("input '{name}' element {index} is outside [{}, {}]", range.lo, range.hi)]
    InputRange {
        /// Input name.
        name: String,
        /// Row-major index.
        index: usize,
        /// The declared range.
        range: Interval,
    },
    /// A weight tensor that is missing, of another length, or out of its declared width.
    #[error("weights '{name}': {problem}")]
    Weights {
        /// Tensor name.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// A value for which the model is not defined: what the model's own runtime calls an error.
    #[error("{0}")]
    Undefined(Box<Undefined>),
    /// A computed value outside the interval that the circuit is built for. It is private as well.
    #[error(
        "node '{node}' element {index} is outside [{}, {}]: these weights are not the ones that the graph's ranges were computed for; import the model again",
        range.lo, range.hi
    )]
    Range {
        /// Node name.
        node: String,
        /// Row-major index.
        index: usize,
        /// The interval.
        range: Interval,
    },
}

/// A value for which the model is not defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undefined {
    /// Node name.
    pub node: String,
    /// Row-major index among its elements.
    pub index: usize,
    /// What is defined.
    pub expected: String,
    /// The input that it is an element of, if it is no computed value.
    pub input: Option<Origin>,
}

/// An element of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Which input.
    pub input: usize,
    /// Its name.
    pub name: String,
    /// Row-major index.
    pub index: usize,
    /// The element as the caller's file has it, where everybody may see it.
    pub value: Option<String>,
}

impl std::fmt::Display for Undefined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Undefined {
            node,
            index,
            expected,
            input,
        } = self;
        match input {
            None => write!(f, "node '{node}' element {index} is not defined")?,
            Some(Origin {
                name, index, value, ..
            }) => {
                write!(f, "input '{name}' element {index}")?;
                if let Some(value) = value {
                    write!(f, " is {value}")?;
                }
                write!(f, ", for which node '{node}' is not defined")?;
            }
        }
        write!(
            f,
            ": expected {expected}; --undefined define takes the nearest value that is"
        )
    }
}

impl ExecError {
    /// Names the value that is at fault, for inputs that everybody may see.
    pub fn with_values(mut self, value: impl Fn(usize, usize) -> Option<String>) -> Self {
        if let ExecError::Undefined(found) = &mut self {
            if let Some(origin) = &mut found.input {
                origin.value = value(origin.input, origin.index);
            }
        }
        self
    }
}

/// Runs the graph: the values of every tensor, by [`TensorId`]; `None` for tensors that nothing
/// reads or computes.
///
/// Every input, weight and computed value is checked against its declared interval, so the
/// trace is always a witness that fits the circuit.
pub fn run(
    graph: &Graph,
    weights: &Weights,
    inputs: &[Vec<i64>],
) -> Result<Vec<Option<Vec<i64>>>, ExecError> {
    graph.validate()?;
    check_inputs(graph, inputs)?;
    let mut trace: Vec<Option<Vec<i64>>> = vec![None; graph.tensors.len()];
    for (id, values) in graph.inputs.iter().zip(inputs) {
        if let Some(slot) = trace.get_mut(id.0) {
            *slot = Some(values.clone());
        }
    }
    for node in &graph.nodes {
        for id in node.op.weight_operands() {
            let known = trace.get(id.0).is_some_and(Option::is_some);
            if !known {
                let values = checked_weights(graph, weights, id)?.to_vec();
                if let Some(slot) = trace.get_mut(id.0) {
                    *slot = Some(values);
                }
            }
        }
        let values = node_values(graph, node, &trace)?;
        if let Some(slot) = trace.get_mut(node.output.0) {
            *slot = Some(values);
        }
    }
    Ok(trace)
}

/// The output tensors of a trace, in the model's order.
pub fn outputs(graph: &Graph, trace: &[Option<Vec<i64>>]) -> Vec<Vec<i64>> {
    let read = |id: &TensorId| trace.get(id.0).cloned().flatten().unwrap_or_default();
    graph.outputs.iter().map(read).collect()
}

/// Checks the inputs' number, lengths and ranges.
pub fn check_inputs(graph: &Graph, inputs: &[Vec<i64>]) -> Result<(), ExecError> {
    if graph.inputs.len() != inputs.len() {
        return Err(ExecError::InputCount {
            expected: graph.inputs.len(),
            got: inputs.len(),
        });
    }
    for (&id, values) in graph.inputs.iter().zip(inputs) {
        let tensor = graph.tensor(id, "the list of inputs")?;
        let expected = elements(&tensor.shape).unwrap_or(0);
        if expected != values.len() {
            return Err(ExecError::InputLength {
                name: tensor.name.clone(),
                shape: tensor.shape.clone(),
                expected,
                got: values.len(),
            });
        }
        let range = tensor.range;
        if let Some(index) = values.iter().position(|&v| !range.contains(v)) {
            return Err(ExecError::InputRange {
                name: tensor.name.clone(),
                index,
                range,
            });
        }
    }
    Ok(())
}

/// A weight tensor's values, checked against its declaration.
pub fn checked_weights<'w>(
    graph: &Graph,
    weights: &'w Weights,
    id: TensorId,
) -> Result<&'w [i64], ExecError> {
    let tensor = graph.tensor(id, "the weights")?;
    let fail = |problem: String| ExecError::Weights {
        name: tensor.name.clone(),
        problem,
    };
    if tensor.role != Role::Weight {
        return Err(fail("not a weight tensor".to_owned()));
    }
    let values = weights.get(&id).ok_or_else(|| fail("missing".to_owned()))?;
    let expected = elements(&tensor.shape).unwrap_or(0);
    if values.len() != expected {
        return Err(fail(format!(
            "expected {expected} values, got {}",
            values.len()
        )));
    }
    let range = tensor.range;
    // A weight is secret: the message has its place only.
    match values.iter().position(|&v| !range.contains(v)) {
        None => Ok(values),
        Some(i) => Err(fail(format!(
            "element {i} is outside [{}, {}]",
            range.lo, range.hi
        ))),
    }
}

/// Reads operands that [`Graph::validate`] has vouched for.
struct Operands<'a> {
    graph: &'a Graph,
    node: &'a Node,
    trace: &'a [Option<Vec<i64>>],
}

impl<'a> Operands<'a> {
    fn values(&self, id: TensorId) -> Result<&'a [i64], GraphError> {
        let tensor = self.graph.tensor(id, &self.node.name)?;
        let values = self.trace.get(id.0).and_then(Option::as_deref);
        values.ok_or_else(|| GraphError::Order {
            place: format!("node '{}'", self.node.name),
            tensor: tensor.name.clone(),
            problem: "read before it is computed",
        })
    }

    fn shape(&self, id: TensorId) -> Result<&'a [usize], GraphError> {
        Ok(&self.graph.tensor(id, &self.node.name)?.shape)
    }

    fn image(&self, id: TensorId) -> Result<[usize; 3], GraphError> {
        match *self.shape(id)? {
            [c, h, w] => Ok([c, h, w]),
            _ => Ok([0; 3]),
        }
    }

    fn optional(&self, id: Option<TensorId>) -> Result<Option<&'a [i64]>, GraphError> {
        id.map(|id| self.values(id)).transpose()
    }
}

fn node_values(
    graph: &Graph,
    node: &Node,
    trace: &[Option<Vec<i64>>],
) -> Result<Vec<i64>, ExecError> {
    let read = Operands { graph, node, trace };
    let output = graph.tensor(node.output, &node.name)?;
    let div = node.op.divisor();
    let out_image = || match *output.shape {
        [_, h, w] => [h, w],
        _ => [0; 2],
    };
    let plane = output.shape.iter().skip(1).product::<usize>().max(1);
    let per_channel = |bias: Option<&[i64]>, i: usize| {
        bias.and_then(|b| b.get(i / plane))
            .map_or(0, |&b| i128::from(b))
    };
    let values: Vec<i128> = match &node.op {
        Op::Conv {
            x,
            w,
            bias,
            window,
            groups,
            ..
        } => {
            let image = kernels::Image {
                values: read.values(*x)?,
                dims: read.image(*x)?,
            };
            let sums = kernels::conv(image, read.values(*w)?, window, *groups, out_image());
            let bias = read.optional(*bias)?;
            sums.into_iter()
                .enumerate()
                .map(|(i, a)| rd_wide(a, div) + per_channel(bias, i))
                .collect()
        }
        Op::Linear { x, w, bias, .. } => {
            let bias = read.optional(*bias)?;
            let sums = kernels::linear(read.values(*x)?, read.values(*w)?);
            sums.into_iter()
                .enumerate()
                .map(|(i, a)| rd_wide(a, div) + per_channel(bias, i))
                .collect()
        }
        Op::Scale { x, w, bias, .. } => {
            let (w, bias) = (read.optional(*w)?, read.optional(*bias)?);
            let factor = |i: usize| {
                w.and_then(|w| w.get(i / plane))
                    .map_or(1, |&w| i128::from(w))
            };
            let one = |(i, &v): (usize, &i64)| {
                rd_wide(i128::from(v) * factor(i), div) + per_channel(bias, i)
            };
            read.values(*x)?.iter().enumerate().map(one).collect()
        }
        Op::Combine {
            terms, constant, ..
        } => {
            let mut sums = vec![i128::from(*constant); elements(&output.shape).unwrap_or(0)];
            for (factor, x) in terms {
                let values = read.values(*x)?;
                for (sum, &v) in sums.iter_mut().zip(values) {
                    *sum += i128::from(v) * i128::from(*factor);
                }
            }
            sums.into_iter().map(|sum| rd_wide(sum, div)).collect()
        }
        Op::Mul { a, b, .. } => {
            let one = |(&a, &b): (&i64, &i64)| rd_wide(i128::from(a) * i128::from(b), div);
            read.values(*a)?
                .iter()
                .zip(read.values(*b)?)
                .map(one)
                .collect()
        }
        Op::AvgPool { x, window } => {
            let image = kernels::Image {
                values: read.values(*x)?,
                dims: read.image(*x)?,
            };
            let mut sums = vec![0i128; elements(&output.shape).unwrap_or(0)];
            kernels::windows(image, window, out_image(), |at, v| {
                if let Some(sum) = sums.get_mut(at) {
                    *sum += i128::from(v);
                }
            });
            sums.into_iter().map(|sum| rd_wide(sum, div)).collect()
        }
        Op::MaxPool { x, window } => {
            let image = kernels::Image {
                values: read.values(*x)?,
                dims: read.image(*x)?,
            };
            let mut best = vec![i128::MIN; elements(&output.shape).unwrap_or(0)];
            kernels::windows(image, window, out_image(), |at, v| {
                if let Some(best) = best.get_mut(at) {
                    *best = (*best).max(i128::from(v));
                }
            });
            best
        }
        Op::MatMul { a, b, .. } => {
            let sums = match (read.shape(*a)?, read.shape(*b)?) {
                ([.., m, k], [.., n]) => {
                    kernels::products(read.values(*a)?, read.values(*b)?, [*m, *k, *n])
                }
                _ => Vec::new(),
            };
            sums.into_iter().map(|sum| rd_wide(sum, div)).collect()
        }
        Op::Div { a, b, factor } => {
            let divisors = read.values(*b)?;
            let positive = Interval {
                lo: 1,
                hi: i64::MAX,
            };
            if let Some(index) = divisors.iter().position(|&b| b < 1) {
                return Err(outside(node, index, positive));
            }
            let one = |(&a, &b): (&i64, &i64)| rd_wide(i128::from(a) * i128::from(*factor), b);
            read.values(*a)?.iter().zip(divisors).map(one).collect()
        }
        Op::Max { a, b } | Op::Min { a, b } => {
            let max = matches!(node.op, Op::Max { .. });
            let one = |(&a, &b): (&i64, &i64)| i128::from(if max { a.max(b) } else { a.min(b) });
            let (a, b) = (read.values(*a)?, read.values(*b)?);
            a.iter().zip(b).map(one).collect()
        }
        Op::Wrap { x, bits, signed } => {
            let values = Op::residues(*bits, *signed);
            let size = 1i64 << bits.min(&62);
            // What is left is below the size, which has at most 32 bits.
            let one = |&v: &i64| {
                let rest = (i128::from(v) - i128::from(values.lo)).rem_euclid(size.into());
                rest + i128::from(values.lo)
            };
            read.values(*x)?.iter().map(one).collect()
        }
        Op::Check { x, lo, hi, why } => {
            let values = read.values(*x)?;
            let inside = |&&v: &&i64| *lo <= v && hi.is_none_or(|hi| v <= hi);
            if let Some(index) = values.iter().position(|v| !inside(&v)) {
                return Err(undefined(graph, node, (*x, index), why.asks(*lo, *hi)));
            }
            values.iter().map(|&v| i128::from(v)).collect()
        }
        Op::Table { x, table } => {
            let table = graph.table(*table, &node.name)?;
            let one = |(index, &x): (usize, &i64)| match table.get(x) {
                Some(y) => Ok(i128::from(y)),
                None => Err(outside(node, index, table.domain())),
            };
            let values = read.values(*x)?.iter().enumerate().map(one);
            values.collect::<Result<_, _>>()?
        }
        Op::ReduceSum { x, .. } => {
            let length = read.shape(*x)?.last().copied().unwrap_or(1).max(1);
            let sum = |row: &[i64]| row.iter().map(|&v| i128::from(v)).sum();
            let sums = read.values(*x)?.chunks(length).map(sum);
            sums.map(|sum| rd_wide(sum, div)).collect()
        }
        Op::Constant { values, .. } => values.iter().map(|&v| i128::from(v)).collect(),
        Op::Parameter { w } => read.values(*w)?.iter().map(|&v| i128::from(v)).collect(),
        Op::Reshape { .. } | Op::Transpose { .. } | Op::Gather { .. } | Op::Concat { .. } => {
            let operands = node.op.data_operands();
            let shapes = operands
                .iter()
                .map(|id| read.shape(*id))
                .collect::<Result<Vec<_>, _>>()?;
            let values = operands
                .iter()
                .map(|id| read.values(*id))
                .collect::<Result<Vec<_>, _>>()?;
            let at = |(operand, element): (usize, usize)| {
                let values = values.get(operand).copied().unwrap_or_default();
                values.get(element).map_or(0, |&v| i128::from(v))
            };
            let moved = sources(&node.op, &shapes).unwrap_or_default();
            moved.into_iter().map(at).collect()
        }
    };
    finish(node, output.range, node.op.clamp(), &values)
}

/// Names the input that a value was taken from as it is, if it was.
fn undefined(
    graph: &Graph,
    node: &Node,
    (id, index): (TensorId, usize),
    expected: String,
) -> ExecError {
    let (mut at, mut index_there) = (id, index);
    while let Some(maker) = graph.nodes.iter().find(|node| node.output == at) {
        let operands = maker.op.data_operands();
        let shapes: Option<Vec<&[usize]>> = operands
            .iter()
            .map(|id| graph.tensors.get(id.0).map(|t| t.shape.as_slice()))
            .collect();
        let moved = shapes.and_then(|shapes| sources(&maker.op, &shapes));
        let Some((operand, from)) = moved.and_then(|all| all.get(index_there).copied()) else {
            break;
        };
        let Some(&next) = operands.get(operand) else {
            break;
        };
        (at, index_there) = (next, from);
    }
    let input = graph.inputs.iter().position(|&input| input == at);
    ExecError::Undefined(Box::new(Undefined {
        node: node.name.clone(),
        index,
        expected,
        input: input.map(|input| Origin {
            input,
            name: graph
                .tensors
                .get(at.0)
                .map_or_else(String::new, |t| t.name.clone()),
            index: index_there,
            value: None,
        }),
    }))
}

fn outside(node: &Node, index: usize, range: Interval) -> ExecError {
    ExecError::Range {
        node: node.name.clone(),
        index,
        range,
    }
}

/// Checks the value before the clamp, clamps, and checks the result.
fn finish(
    node: &Node,
    range: Interval,
    clamp: Option<Clamp>,
    values: &[i128],
) -> Result<Vec<i64>, ExecError> {
    let check = |index: usize, value: i128, range: Interval| {
        let narrow = saturate(value);
        if i128::from(narrow) == value && range.contains(narrow) {
            return Ok(narrow);
        }
        Err(outside(node, index, range))
    };
    let one = |(index, &value): (usize, &i128)| {
        let before = check(index, value, node.pre)?;
        match clamp {
            None => check(index, i128::from(before), range),
            Some(clamp) => check(index, i128::from(clamp.apply(before)), range),
        }
    };
    values.iter().enumerate().map(one).collect()
}
