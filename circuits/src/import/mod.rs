//! Model files to integer graphs.
//!
//! [`load`] reads a file into a [`Model`]: an integer graph whose every value is bounded, its
//! integer weights, and what messages need to know of the source. Nothing here trusts the file.

mod draft;
mod error;
mod fate;
mod fuse;
mod lower;
mod movement;
mod msgpack;
mod onnx;
mod ranges;
mod tflite;
mod tied;
mod vanished;

pub use draft::{Draft, FloatModel};
pub use error::ImportError;
pub use fate::{Fate, Initialiser, Reason};
pub use msgpack::without_values;
pub(crate) use msgpack::{parse as parse_msgpack, RawTensor};
pub use msgpack::{LayerShape, Operand, Shapes};
pub use onnx::Exact;
pub(crate) use vanished::largest_lost;
pub use vanished::Vanished;

use crate::files::{is_pointer, read_bounded, POINTER_WORDS};
use crate::graph::range::propagate;
use crate::graph::real::RealWeights;
use crate::graph::{Clamp, Graph, Interval, Op, Weights};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Scale of float models where the caller names none.
pub const DEFAULT_SCALE: i64 = 512;

/// Largest file that is read.
const MAX_FILE: u64 = 2 << 30;

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

/// Reads a model, its format taken from the extension, or else from the content.
pub fn load(path: &Path, options: &ImportOptions) -> Result<Model, ImportError> {
    let bytes = read_bounded(path, MAX_FILE)?;
    let model = match format(path, &bytes)? {
        Format::Msgpack => msgpack::load(&bytes, options).and_then(Draft::finish_rounded),
        Format::Onnx => onnx::load(&bytes, options).and_then(FloatModel::quantise),
        Format::Tflite => tflite::load(&bytes, options).and_then(Draft::finish_rounded),
    };
    let named = model.and_then(|model| {
        options.check_names(&model.source)?;
        Ok(model)
    });
    named.map_err(|error| error.in_file(path))
}

/// Reads a model together with its weights before they were rounded. zkml's files hold integers, so
/// theirs are those.
pub fn load_real(
    path: &Path,
    options: &ImportOptions,
) -> Result<(Model, RealWeights), ImportError> {
    let bytes = read_bounded(path, MAX_FILE)?;
    let both = match format(path, &bytes)? {
        Format::Msgpack => msgpack::load(&bytes, options).and_then(Draft::split),
        Format::Tflite => tflite::load(&bytes, options).and_then(Draft::split),
        Format::Onnx => onnx::load(&bytes, options).and_then(|model| {
            let real = model.real_weights()?;
            Ok((model.quantise()?, real))
        }),
    };
    let named = both.and_then(|both| {
        options.check_names(&both.0.source)?;
        Ok(both)
    });
    named.map_err(|error| error.in_file(path))
}

/// Reads the layers of one of zkml's files, which need not have weights.
pub fn load_shapes(path: &Path) -> Result<Shapes, ImportError> {
    let bytes = read_bounded(path, MAX_FILE)?;
    let shapes = match format(path, &bytes)? {
        Format::Msgpack => msgpack::load_shapes(&bytes),
        Format::Onnx | Format::Tflite => {
            let expected = "zkml's .msgpack (other formats have weights: plan without --plan-only)";
            Err(ImportError::malformed("format", expected, "another one"))
        }
    };
    shapes.map_err(|error| error.in_file(path))
}

/// Reads an ONNX model without quantising its weights: what error bounds are measured against.
pub fn load_float(path: &Path, options: &ImportOptions) -> Result<FloatModel, ImportError> {
    let bytes = read_bounded(path, MAX_FILE)?;
    onnx::load(&bytes, options).map_err(|error| error.in_file(path))
}

/// Runs an ONNX model in floating point, on its inputs in order: what the integers approximate.
pub fn evaluate_float(bytes: &[u8], inputs: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, ImportError> {
    Exact::read(bytes)?.run(inputs)
}

/// The model in floating point, which ONNX files have.
pub fn load_exact(path: &Path) -> Result<Option<Exact>, ImportError> {
    let bytes = read_bounded(path, MAX_FILE)?;
    match format(path, &bytes)? {
        Format::Onnx => Exact::read(&bytes)
            .map(Some)
            .map_err(|error| error.in_file(path)),
        Format::Msgpack | Format::Tflite => Ok(None),
    }
}

/// An ONNX model from memory, its weights not quantised yet.
pub fn parse_onnx(bytes: &[u8], options: &ImportOptions) -> Result<FloatModel, ImportError> {
    onnx::load(bytes, options)
}

/// An ONNX model that declares the bounds of another one of its architecture, in their order
/// ([`Draft::declared`]): what in its public files is not that model's comes of neither's declared bounds.
pub fn parse_onnx_declared(
    bytes: &[u8],
    options: &ImportOptions,
    declared: Vec<Interval>,
) -> Result<FloatModel, ImportError> {
    onnx::load_declared(bytes, options, declared)
}

/// An ONNX tensor (`.pb`): shape and values.
pub fn parse_tensor(bytes: &[u8]) -> Result<(Vec<usize>, Vec<f64>), ImportError> {
    onnx::tensor(bytes)
}

fn format(path: &Path, bytes: &[u8]) -> Result<Format, ImportError> {
    let wrong = |got: &str| ImportError::malformed("content", "a model", got).in_file(path);
    if bytes.is_empty() {
        return Err(wrong("an empty file"));
    }
    if is_pointer(bytes) {
        return Err(wrong(POINTER_WORDS));
    }
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    match (extension.as_deref(), bytes) {
        (Some("msgpack"), _) => Ok(Format::Msgpack),
        (Some("onnx"), _) => Ok(Format::Onnx),
        (Some("tflite"), _) => Ok(Format::Tflite),
        _ if tflite::recognised(bytes) => Ok(Format::Tflite),
        // A map; an ONNX file starts with a field of ModelProto.
        (_, [0x80..=0x8f | 0xde | 0xdf, ..]) => Ok(Format::Msgpack),
        (_, [0x08 | 0x12 | 0x3a, ..]) => Ok(Format::Onnx),
        _ => {
            let got = extension.map_or("a file without extension".to_owned(), |e| format!(".{e}"));
            Err(ImportError::malformed("format", ".onnx, .tflite or .msgpack", got).in_file(path))
        }
    }
}
