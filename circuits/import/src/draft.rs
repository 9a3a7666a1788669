//! A graph under construction.

use super::error::ImportError;
use super::fate::Initialiser;
use super::made::Made;
use super::model::{Format, Model, Source};
use super::vanished::{self, largest_lost};
use std::collections::{BTreeMap, HashMap};
use zkml_graph::ops::elements;
use zkml_graph::range::{propagate, weight_range};
use zkml_graph::real::RealWeights;
use zkml_graph::{Graph, Interval, Node, Op, Role, Tensor, TensorId};

/// Interval of what is not bounded yet.
pub(super) const UNKNOWN: Interval = Interval { lo: 0, hi: 0 };

/// Most nodes that one file may expand to: recurrent networks unroll.
pub(super) const MAX_NODES: usize = 1 << 16;

/// Most elements that all tensors of the graph and all folded constants may have together while a file is read:
/// so many, and more for each byte of it, up to a limit.
const EXPANDED: [usize; 3] = [1 << 24, 16, 1 << 26];

/// Most numbers that all tensors of weights may have together, unless the file has as many bytes.
const WEIGHTS: usize = 1 << 20;

/// The most for a file of this size.
pub(super) fn most_expanded(bytes: usize) -> usize {
    let [least, each, most] = EXPANDED;
    bytes.saturating_mul(each).saturating_add(least).min(most)
}

/// A graph, its weights as `W`, and its source.
#[derive(Clone, Debug)]
pub struct Draft<W> {
    /// The architecture; intervals are set last.
    pub graph: Graph,
    /// Values of the weight tensors.
    pub weights: BTreeMap<TensorId, Vec<W>>,
    /// Where it came from.
    pub source: Source,
    /// What the architecture was chosen by and comes of the weights: bounds, rounded outward.
    pub declared: Vec<Interval>,
    /// What became of the file's initialisers.
    pub initialisers: Vec<Initialiser>,
    /// The initialisers that each of the file's nodes reads, or what was computed from them.
    pub read: BTreeMap<String, Vec<String>>,
    /// Places of numbers in the file that are too large for a weight, one for each initialiser that has some.
    pub large: Vec<String>,
    /// Its weights by what they are made of.
    pub(super) tied: HashMap<Made, TensorId>,
    /// Numbers that tensors of weights may have yet.
    room: usize,
}

/// A graph with real weights: `value / scale` of every tensor is what the model computes.
pub type FloatModel = Draft<f64>;

impl<W: Copy> Draft<W> {
    pub(super) fn new(scale: i64, format: Format, bytes: usize) -> Self {
        Draft {
            graph: Graph {
                scale,
                tensors: Vec::new(),
                nodes: Vec::new(),
                inputs: Vec::new(),
                outputs: Vec::new(),
                tables: Vec::new(),
            },
            weights: BTreeMap::new(),
            source: Source {
                format,
                inputs: Vec::new(),
                outputs: Vec::new(),
            },
            declared: Vec::new(),
            initialisers: Vec::new(),
            read: BTreeMap::new(),
            large: Vec::new(),
            tied: HashMap::new(),
            room: bytes.max(WEIGHTS),
        }
    }

    fn tensor(&mut self, name: &str, shape: Vec<usize>, role: Role, range: Interval) -> TensorId {
        self.graph.tensors.push(Tensor {
            name: name.to_owned(),
            shape,
            role,
            range,
        });
        TensorId(self.graph.tensors.len() - 1)
    }

    pub(super) fn shape(&self, id: TensorId) -> &[usize] {
        self.graph.tensors.get(id.0).map_or(&[], |t| &t.shape)
    }

    pub(super) fn input(&mut self, name: &str, shape: Vec<usize>, range: Interval) -> TensorId {
        let id = self.tensor(name, shape, Role::Input, range);
        self.graph.inputs.push(id);
        id
    }

    pub(super) fn weight(
        &mut self,
        name: &str,
        shape: Vec<usize>,
        values: Vec<W>,
    ) -> Result<TensorId, ImportError> {
        if elements(&shape) != Some(values.len()) {
            let place = format!("tensor '{name}' of shape {shape:?}");
            return Err(ImportError::malformed(
                place,
                "as many values",
                values.len(),
            ));
        }
        // A constant that is spread over a tensor is as many weights.
        self.room = self.room.checked_sub(values.len()).ok_or_else(|| {
            let expected = format!("at most {WEIGHTS} weights, or as many as the file has bytes");
            ImportError::malformed(format!("tensor '{name}'"), expected, "more")
        })?;
        let id = self.tensor(name, shape, Role::Weight, UNKNOWN);
        self.weights.insert(id, values);
        Ok(id)
    }

    /// The tensor of weights that are made so, for all nodes that read them.
    pub(super) fn tied_weight(
        &mut self,
        name: &str,
        made: Made,
        shape: Vec<usize>,
        values: impl FnOnce() -> Vec<W>,
    ) -> Result<TensorId, ImportError> {
        let made = made.then(&shape);
        if let Some(known) = self.tied.get(&made) {
            return Ok(*known);
        }
        let id = self.weight(name, shape, values())?;
        self.tied.insert(made, id);
        Ok(id)
    }

    pub(super) fn node(&mut self, name: &str, op: Op) -> Result<TensorId, ImportError> {
        let shape = self.graph.infer_shape(name, &op)?;
        Ok(self.push(name, op, shape))
    }

    fn push(&mut self, name: &str, op: Op, shape: Vec<usize>) -> TensorId {
        let output = self.tensor(name, shape, Role::Activation, UNKNOWN);
        self.graph.nodes.push(Node {
            name: name.to_owned(),
            op,
            output,
            pre: UNKNOWN,
        });
        output
    }

    pub(super) fn reshape(
        &mut self,
        name: &str,
        x: TensorId,
        shape: Vec<usize>,
    ) -> Result<TensorId, ImportError> {
        if self.shape(x) == shape {
            return Ok(x);
        }
        let from = elements(self.shape(x));
        if from.is_none() || from != elements(&shape) {
            let place = format!("node '{name}': reshape");
            let expected = format!("as many elements as {:?}", self.shape(x));
            return Err(ImportError::malformed(
                place,
                expected,
                format!("{shape:?}"),
            ));
        }
        Ok(self.push(name, Op::Reshape { x }, shape))
    }

    pub(super) fn transpose(
        &mut self,
        name: &str,
        x: TensorId,
        perm: Vec<usize>,
    ) -> Result<TensorId, ImportError> {
        self.node(name, Op::Transpose { x, perm })
    }

    pub(super) fn gather(
        &mut self,
        name: &str,
        x: TensorId,
        axis: usize,
        indices: Vec<usize>,
    ) -> Result<TensorId, ImportError> {
        self.node(name, Op::Gather { x, axis, indices })
    }
}

/// A weight: an integer, and the real number in its units that it was rounded from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rounded {
    pub integer: i64,
    pub real: f64,
}

impl From<i64> for Rounded {
    fn from(integer: i64) -> Self {
        let real = integer as f64;
        Rounded { integer, real }
    }
}

impl Rounded {
    /// `value·scale`, rounded half to even; `None` where that is no number or beyond ±2^40.
    pub(super) fn to_even(value: f64, scale: i64) -> Option<Self> {
        let real = value * scale as f64;
        let rounded = real.round_ties_even();
        (rounded.abs() <= (1u64 << 40) as f64).then_some(Rounded {
            integer: rounded as i64,
            real,
        })
    }

    pub(super) fn negated(self) -> Self {
        Rounded {
            integer: self.integer.saturating_neg(),
            real: -self.real,
        }
    }
}

impl Draft<Rounded> {
    /// The integer model.
    pub(super) fn finish_rounded(self) -> Result<Model, ImportError> {
        let integers = self.values(|v| v.integer);
        let lost = self.weights.iter().filter_map(|(id, values)| {
            let known = integers.get(id).map_or(&[][..], Vec::as_slice);
            Some((*id, largest_lost(values.iter().map(|v| v.real), known)?))
        });
        let lost = lost.collect();
        self.with_weights(integers).finish(&lost)
    }

    /// The integer model, and its weights before they were rounded.
    pub(super) fn split(self) -> Result<(Model, RealWeights), ImportError> {
        let reals = self.values(|v| v.real);
        Ok((self.finish_rounded()?, reals))
    }

    fn values<V>(&self, of: impl Fn(&Rounded) -> V) -> BTreeMap<TensorId, Vec<V>> {
        let each = self.weights.iter();
        each.map(|(&id, values)| (id, values.iter().map(&of).collect()))
            .collect()
    }
}

impl Draft<i64> {
    /// Bounds every value. Of the weights in `lost` nothing is left but 0: the largest real ones.
    pub(crate) fn finish(mut self, lost: &BTreeMap<TensorId, f64>) -> Result<Model, ImportError> {
        // What tables were chosen by may be wider than what there is: what there is decides.
        let mut tensors = self.graph.tensors.iter_mut();
        tensors
            .by_ref()
            .filter(|t| t.role == Role::Activation)
            .for_each(|t| t.range = UNKNOWN);
        for (id, values) in &self.weights {
            if let Some(tensor) = self.graph.tensors.get_mut(id.0) {
                tensor.range = weight_range(values);
            }
        }
        propagate(&mut self.graph, &self.weights)?;
        let mut model = Model {
            graph: self.graph,
            weights: self.weights,
            source: self.source,
            initialisers: self.initialisers,
            vanished: Vec::new(),
        };
        model.vanished = vanished::of(&model, lost, &self.read);
        Ok(model)
    }
}

impl<W> Draft<W> {
    /// The same graph with other weights.
    pub(crate) fn with_weights<V>(self, weights: BTreeMap<TensorId, Vec<V>>) -> Draft<V> {
        Draft {
            graph: self.graph,
            weights,
            source: self.source,
            declared: self.declared,
            initialisers: self.initialisers,
            read: self.read,
            large: self.large,
            tied: self.tied,
            room: self.room,
        }
    }
}
