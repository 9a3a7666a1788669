//! Input files to the integers that a graph takes.
//!
//! `.npy`, `.npz`, `.json` and `.png` hold real numbers, quantised here at the graph's scale; zkml's
//! `.msgpack` holds integers already. Whatever a file says is held to what the model declares: the shape
//! where it states one, whole numbers where the model takes integers, and the declared range.

pub mod dataset;
mod error;
mod json;
mod npy;
mod npz;
mod numbers;
mod packed;
mod png;
mod refusal;

pub use error::{Beyond, InputError};
pub use numbers::Rounding;

use crate::{Layout, Source};
use error::{problem, Problem};
use std::path::Path;
use zkml_files::read_bounded;
use zkml_graph::exec::check_inputs;
use zkml_graph::ops::elements;
use zkml_graph::{Graph, Tensor, Visibility};

/// Largest input file that is read.
const MAX_FILE: u64 = 256 << 20;

/// What a model takes in one run.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// Integers, in the order of [`Graph::inputs`].
    pub values: Vec<Vec<i64>>,
    /// How each came from the numbers of the file.
    pub rounding: Vec<Rounding>,
}

/// An input as the model declares it.
struct Wanted<'g> {
    tensor: &'g Tensor,
    /// Its name in the model's file.
    name: &'g str,
    /// Its shape there, with its batch.
    shape: &'g [usize],
    /// Order of an image's elements.
    layout: Option<Layout>,
    /// Units of a number; 1 for integers.
    scale: i64,
    /// Whether the model takes integers or booleans.
    whole: bool,
    /// Whether messages may have its values.
    shown: bool,
}

/// Reads the model's inputs, in the order of [`Graph::inputs`]. No message has a value of them.
pub fn load(path: &Path, graph: &Graph, source: &Source) -> Result<Vec<Vec<i64>>, InputError> {
    Ok(read(path, graph, source, &|_| Visibility::Private)?.values)
}

/// Reads the model's inputs; messages have values of those that are public.
pub fn read(
    path: &Path,
    graph: &Graph,
    source: &Source,
    sight: &dyn Fn(usize) -> Visibility,
) -> Result<Inputs, InputError> {
    let bytes = read_bounded(path, MAX_FILE)?;
    let inputs = parse(path, &bytes, &wanted(graph, source, sight))
        .map_err(|problem| problem.in_file(path))?;
    check_inputs(graph, &inputs.values).map_err(|error| InputError::Values {
        path: path.to_owned(),
        error,
    })?;
    Ok(inputs)
}

fn wanted<'g>(
    graph: &'g Graph,
    source: &'g Source,
    sight: &dyn Fn(usize) -> Visibility,
) -> Vec<Wanted<'g>> {
    let tensors = graph.inputs.iter().filter_map(|id| graph.tensors.get(id.0));
    let one = |(at, tensor): (usize, &'g Tensor)| {
        let port = source.inputs.get(at);
        // A configuration that was made by hand may declare another size.
        let shape = port.filter(|port| elements(&port.shape) == elements(&tensor.shape));
        Wanted {
            tensor,
            name: port.map_or(&tensor.name, |port| &port.name),
            shape: shape.map_or(&tensor.shape, |port| &port.shape),
            layout: port.map(|port| port.layout),
            scale: port.map_or(graph.scale, |port| port.scale_or(graph.scale)),
            whole: port.is_some_and(|port| port.scale == Some(1)),
            shown: sight(at) == Visibility::Public,
        }
    };
    tensors.enumerate().map(one).collect()
}

fn parse(path: &Path, bytes: &[u8], wanted: &[Wanted<'_>]) -> Result<Inputs, Problem> {
    refusal::recognised(bytes)?;
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    let given = match extension.as_deref() {
        Some("npy") => {
            only_input(wanted, "a .npy file")?;
            vec![npy::parse(bytes)?]
        }
        Some("npz") => npz::parse(bytes, wanted)?,
        Some("json") => json::parse(bytes, wanted)?,
        Some("png") => {
            let input = only_input(wanted, "a .png file")?;
            vec![png::parse(bytes, input)?]
        }
        Some("msgpack") => return packed::parse(bytes, wanted),
        _ => {
            let got = extension.map_or("a file without extension".to_owned(), |e| format!(".{e}"));
            let expected = ".npy, .npz, .json, .msgpack or .png";
            return Err(problem("format", expected, got));
        }
    };
    numbers::integers(wanted, &given)
}

fn only_input<'w, 'g>(wanted: &'w [Wanted<'g>], what: &str) -> Result<&'w Wanted<'g>, Problem> {
    match wanted {
        [one] => Ok(one),
        all => {
            let expected = format!("a model with one input ({what} holds one tensor)");
            Err(problem("model", expected, format!("{} inputs", all.len())))
        }
    }
}

/// The inputs' names, for messages.
fn names(wanted: &[Wanted<'_>]) -> String {
    /// Names that a message lists.
    const LISTED: usize = 8;
    let mut names: Vec<String> = wanted.iter().map(|w| format!("'{}'", w.name)).collect();
    if names.len() > LISTED {
        names.truncate(LISTED);
        names.push("…".to_owned());
    }
    names.join(", ")
}
