//! An imported model, and what the caller may choose.

use super::{
    error::ImportError,
    fate::{self, Initialiser},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use zkml_graph::range::propagate;
use zkml_graph::{Clamp, Graph, Op, Weights};

/// Scale of float models where the caller names none.
pub const DEFAULT_SCALE: i64 = 512;

/// What the caller may choose.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportOptions {
    /// Fixed-point scale. `None`: the file's own, or [`DEFAULT_SCALE`].
    pub scale: Option<i64>,
    /// Range of the inputs that have none of their own, as real numbers, both ends included. `None`: `[-4, 4)`.
    pub input_range: Option<(f64, f64)>,
    /// Ranges of inputs by their names in the file.
    pub input_ranges: BTreeMap<String, (f64, f64)>,
}

/// File formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// zkml's MessagePack map.
    Msgpack,
    /// ONNX.
    Onnx,
    /// TensorFlow Lite.
    Tflite,
}

/// Order of an image's elements in an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Height, width, channel.
    ChannelsLast,
    /// Channel, height, width.
    ChannelsFirst,
    /// Not an image.
    Plain,
}

/// An input or output as the source file declares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Name in the file (an index in zkml's).
    pub name: String,
    /// Shape in the file, with its batch dimension.
    pub shape: Vec<usize>,
    /// Order of the elements.
    pub layout: Layout,
    /// 1 for integers and booleans; otherwise the graph's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<i64>,
}

impl Port {
    /// How many units of the graph's integers a number is.
    pub fn scale_or(&self, graph: i64) -> i64 {
        self.scale.unwrap_or(graph)
    }
}

/// What is known of the file that a model came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its format.
    pub format: Format,
    /// Inputs, in the order of [`Graph::inputs`].
    pub inputs: Vec<Port>,
    /// Outputs, in the order of [`Graph::outputs`].
    pub outputs: Vec<Port>,
}

impl Source {
    /// An element of an input as a number of the file, from the graph's units.
    pub fn shown(&self, scale: i64, input: usize, units: i64) -> String {
        let port = self.inputs.get(input);
        let unit = port.map_or(scale, |port| port.scale_or(scale));
        (units as f64 / unit.max(1) as f64).to_string()
    }
}

/// A tensor of which nothing is left at a model's scale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Vanished {
    /// Which, and what becomes of it.
    pub what: String,
    /// A scale at which a few units are left of its largest number.
    pub scale: i64,
}

/// An imported model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The architecture, with every value's interval.
    pub graph: Graph,
    /// The integer weights.
    pub weights: Weights,
    /// Where it came from.
    pub source: Source,
    /// What became of the file's initialisers.
    pub initialisers: Vec<Initialiser>,
    /// What rounding to integers left nothing of.
    pub vanished: Vec<Vanished>,
}

impl Model {
    /// Fails if numbers that may have been learned are public, and are none of those named.
    pub fn check_public(&self, named: &[String]) -> Result<(), ImportError> {
        fate::consented(&self.initialisers, named)
    }

    /// The model with a result also where its file has none: what is outside of an operator's definition
    /// counts as the nearest number inside. Also says what and where that is.
    pub fn defined(mut self) -> Result<(Model, Vec<String>), ImportError> {
        let mut places = Vec::new();
        for node in &mut self.graph.nodes {
            if let Op::Check { x, lo, hi, why } = node.op {
                let expected = why.asks(lo, hi);
                places.push(format!("node '{}' takes {expected}", node.name));
                node.op = Op::clamped(x, Clamp { lo, hi });
            }
        }
        propagate(&mut self.graph, &self.weights)?;
        Ok((self, places))
    }

    /// Fails if one of the names is none of an initialiser.
    pub fn check_names(&self, named: &[String]) -> Result<(), ImportError> {
        fate::known(&self.initialisers, named)
    }

    /// Numbers that [`Model::check_public`] fails for: names, and what each decides.
    pub fn unnamed_public<'a>(&'a self, named: &'a [String]) -> Vec<(&'a str, &'a str)> {
        fate::unnamed(&self.initialisers, named).collect()
    }

    /// The model on `count` inputs at once: see [`Graph::batched`]. Inputs and outputs have them in
    /// their first dimension.
    pub fn batched(self, count: usize) -> Result<Model, ImportError> {
        if count <= 1 {
            return Ok(self);
        }
        let mut source = self.source;
        for port in source.inputs.iter_mut().chain(&mut source.outputs) {
            match port.shape.first_mut() {
                Some(batch @ 1) => *batch = count,
                _ => port.shape.insert(0, count),
            }
        }
        let mut graph = self.graph.batched(count);
        propagate(&mut graph, &self.weights)?;
        Ok(Model {
            graph,
            weights: self.weights,
            source,
            initialisers: self.initialisers,
            vanished: self.vanished,
        })
    }
}
