//! Input files to the integers that a graph takes.
//!
//! `.npy`, `.json` and `.png` hold real numbers, quantised here at the graph's scale; zkml's
//! `.msgpack` holds integers already. Every value is checked against its declared range.

pub mod dataset;
mod json;
mod npy;
mod png;

use crate::files::{read_bounded, FileError};
use crate::graph::exec::{check_inputs, ExecError};
use crate::graph::ops::elements;
use crate::graph::{Graph, Tensor};
use crate::import::{parse_msgpack, ImportError, RawTensor, Source};
use crate::quantise::{quantise, unfit};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Largest input file that is read.
const MAX_FILE: u64 = 256 << 20;

/// What is wrong with an input file.
#[derive(Debug, Error)]
pub enum InputError {
    /// The file could not be read.
    #[error(transparent)]
    Read(#[from] FileError),
    /// Something that is not what the format or the model says it must be.
    #[error("{}: {place}: expected {expected}, got {got}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where in it.
        place: String,
        /// What would be right.
        expected: String,
        /// What there is.
        got: String,
    },
    /// A wrong length, or a value out of range.
    #[error("{}: {error}", path.display())]
    Values {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: ExecError,
    },
}

/// A problem before the file's name is known to it.
#[derive(Debug)]
struct Problem {
    place: String,
    expected: String,
    got: String,
}

fn problem(place: impl Into<String>, expected: impl Into<String>, got: impl ToString) -> Problem {
    Problem {
        place: place.into(),
        expected: expected.into(),
        got: got.to_string(),
    }
}

/// Reads the model's inputs, in the order of [`Graph::inputs`].
pub fn load(path: &Path, graph: &Graph, source: &Source) -> Result<Vec<Vec<i64>>, InputError> {
    let bytes = read_bounded(path, MAX_FILE)?;
    let result = parse(path, &bytes, graph, source);
    let values = result.map_err(
        |Problem {
             place,
             expected,
             got,
         }| InputError::Malformed {
            path: path.to_owned(),
            place,
            expected,
            got,
        },
    )?;
    check_inputs(graph, &values).map_err(|error| InputError::Values {
        path: path.to_owned(),
        error,
    })?;
    Ok(values)
}

fn parse(
    path: &Path,
    bytes: &[u8],
    graph: &Graph,
    source: &Source,
) -> Result<Vec<Vec<i64>>, Problem> {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    // Integers have a scale of their own: 1.
    let scale = |at: usize| {
        let port = source.inputs.get(at);
        port.map_or(graph.scale, |port| port.scale_or(graph.scale))
    };
    match extension.as_deref() {
        Some("npy") => {
            let tensor = only_input(graph, "a .npy file")?;
            let array = npy::parse(bytes)?;
            check_shape(tensor, &array.shape)?;
            Ok(vec![integers(&tensor.name, &array.values, scale(0))?])
        }
        Some("json") => {
            let sizes = graph.inputs.iter().filter_map(|id| graph.tensors.get(id.0));
            let most = sizes.filter_map(|t| elements(&t.shape)).sum();
            let reals = json::parse(bytes, graph.inputs.len(), most)?;
            let name = |at: usize| {
                let id = graph.inputs.get(at);
                id.and_then(|id| graph.tensors.get(id.0))
                    .map_or("", |t| t.name.as_str())
            };
            let one = |(at, v): (usize, &Vec<f64>)| integers(name(at), v, scale(at));
            reals.iter().enumerate().map(one).collect()
        }
        Some("png") => {
            let tensor = only_input(graph, "a .png file")?;
            let layout = source.inputs.first().map(|port| port.layout);
            let reals = png::parse(bytes, tensor, layout)?;
            Ok(vec![integers(&tensor.name, &reals, scale(0))?])
        }
        Some("msgpack") => msgpack(bytes, graph),
        _ => {
            let got = extension.map_or("a file without extension".to_owned(), |e| format!(".{e}"));
            Err(problem("format", ".npy, .json, .msgpack or .png", got))
        }
    }
}

fn only_input<'g>(graph: &'g Graph, what: &str) -> Result<&'g Tensor, Problem> {
    match graph.inputs.as_slice() {
        [id] => graph
            .tensors
            .get(id.0)
            .ok_or_else(|| problem("model", "an input", "none")),
        all => {
            let expected = format!("a model with one input ({what} holds one tensor)");
            Err(problem("model", expected, format!("{} inputs", all.len())))
        }
    }
}

/// The same shape up to dimensions of 1, or one flat list.
fn check_shape(tensor: &Tensor, got: &[usize]) -> Result<(), Problem> {
    let long = |shape: &[usize]| {
        shape
            .iter()
            .copied()
            .filter(|&d| d != 1)
            .collect::<Vec<_>>()
    };
    let flat = elements(&tensor.shape).is_some_and(|n| long(got) == long(&[n]));
    if flat || long(got) == long(&tensor.shape) {
        return Ok(());
    }
    let expected = format!("shape {:?}, with or without a batch of 1", tensor.shape);
    Err(problem(
        format!("input '{}'", tensor.name),
        expected,
        format!("{got:?}"),
    ))
}

fn integers(name: &str, values: &[f64], scale: i64) -> Result<Vec<i64>, Problem> {
    let one = |(i, &v): (usize, &f64)| {
        quantise(v, scale).ok_or_else(|| {
            let place = format!("input '{name}' element {i}");
            problem(
                place,
                format!("a finite number, at most 2^40 at scale {scale}"),
                unfit(v),
            )
        })
    };
    values.iter().enumerate().map(one).collect()
}

/// zkml's inputs: a list of tensors, found by index; later duplicates win.
fn msgpack(bytes: &[u8], graph: &Graph) -> Result<Vec<Vec<i64>>, Problem> {
    let tensors: Vec<RawTensor> = parse_msgpack(bytes, "a list of tensors {idx, shape, data}")
        .map_err(|e| match e {
            ImportError::Malformed {
                place,
                expected,
                got,
            } => problem(place, expected, got),
            other => problem("MessagePack", "a list of tensors", other),
        })?;
    let inputs: Vec<&Tensor> = graph
        .inputs
        .iter()
        .filter_map(|id| graph.tensors.get(id.0))
        .collect();
    let indexed = inputs.iter().all(|t| t.name.parse::<i64>().is_ok());
    let find = |(at, input): (usize, &&Tensor)| {
        let found = if indexed {
            tensors
                .iter()
                .rev()
                .find(|t| t.idx.to_string() == input.name)
        } else {
            // Inputs of other formats have no index: by position.
            tensors.get(at)
        };
        let Some(found) = found else {
            let held: Vec<i64> = tensors.iter().map(|t| t.idx).collect();
            let expected = format!("a tensor for input '{}'", input.name);
            return Err(problem("tensors", expected, format!("indices {held:?}")));
        };
        let shape: Option<Vec<usize>> = found
            .shape
            .iter()
            .map(|&d| usize::try_from(d).ok())
            .collect();
        let shape = shape.ok_or_else(|| {
            problem(
                format!("tensor {}", found.idx),
                "a shape",
                format!("{:?}", found.shape),
            )
        })?;
        check_shape(input, &shape)?;
        if elements(&shape) != Some(found.data.len()) {
            let expected = format!("as many values as shape {shape:?}");
            return Err(problem(
                format!("tensor {}", found.idx),
                expected,
                found.data.len(),
            ));
        }
        Ok(found.data.clone())
    };
    inputs.iter().enumerate().map(find).collect()
}
