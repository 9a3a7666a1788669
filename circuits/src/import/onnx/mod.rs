//! ONNX models, read through a hand-kept schema: the wire format is small, every error can name
//! its node, and nothing is read that is not used.
//!
//! Values keep their shape in the file, batch included, apart from the graph's tensors, which
//! have no batch: [`inner`] is the one rule between the two.

mod attributes;
mod elementwise;
mod products;
mod schema;
mod shapes;
mod tensor;
#[cfg(test)]
mod tests;

use super::lower::Constant;
use super::{
    fuse, movement, Draft, FloatModel, Format, ImportError, ImportOptions, Layout, Port,
    DEFAULT_SCALE,
};
use crate::graph::ops::elements;
use crate::graph::TensorId;
use attributes::OnnxNode;
use prost::Message;
use schema::{GraphProto, ModelProto, ValueInfoProto};
use std::collections::HashMap;

/// The operators that are imported.
const SUPPORTED: [&str; 22] = [
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Clip",
    "Constant",
    "Conv",
    "Div",
    "Dropout",
    "Flatten",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Identity",
    "MatMul",
    "MaxPool",
    "Mul",
    "Relu",
    "Reshape",
    "Squeeze",
    "Sub",
    "Transpose",
    "Unsqueeze",
];

/// What a name stands for.
#[derive(Clone, Debug)]
enum Value {
    /// Known now.
    Constant(Constant<f64>),
    /// Computed: the graph's tensor, and its shape in the file.
    Data(TensorId, Vec<usize>),
}

struct Importer {
    draft: FloatModel,
    values: HashMap<String, Value>,
}

/// The shape of the graph's tensor for a shape in the file: without a leading batch of 1.
fn inner(shape: &[usize]) -> Vec<usize> {
    match shape {
        [] => vec![1],
        [1, rest @ ..] if !rest.is_empty() => rest.to_vec(),
        all => all.to_vec(),
    }
}

pub(super) fn load(bytes: &[u8], options: &ImportOptions) -> Result<FloatModel, ImportError> {
    let model = ModelProto::decode(bytes)
        .map_err(|error| ImportError::malformed("protobuf", "an ONNX model", error))?;
    let graph = model
        .graph
        .ok_or_else(|| ImportError::malformed("model", "a graph", "none"))?;
    check_supported(&graph)?;
    let scale = options.scale_or(DEFAULT_SCALE)?;
    let interval = options.interval(scale)?;
    let mut importer = Importer {
        draft: Draft::new(scale, Format::Onnx),
        values: HashMap::new(),
    };
    for tensor in graph.initializer {
        let name = tensor.name.clone();
        let value = Value::Constant(tensor::constant(tensor, &name)?);
        importer.values.insert(name, value);
    }
    for info in &graph.input {
        // Old files list initialisers among the inputs.
        if !importer.values.contains_key(&info.name) {
            let shape = input_shape(info)?;
            let id = importer.draft.input(&info.name, inner(&shape), interval);
            importer.draft.source.inputs.push(port(&info.name, &shape));
            importer
                .values
                .insert(info.name.clone(), Value::Data(id, shape));
        }
    }
    for proto in graph.node {
        importer.lower(OnnxNode::new(proto))?;
    }
    if graph.output.is_empty() {
        return Err(ImportError::malformed(
            "graph outputs",
            "at least one",
            "none",
        ));
    }
    for info in &graph.output {
        importer.add_output(&info.name)?;
    }
    let mut draft = importer.draft;
    movement::simplify(&mut draft);
    movement::compact(&mut draft);
    fuse::scales_into_products(&mut draft);
    draft.simplify()?;
    Ok(draft)
}

fn check_supported(graph: &GraphProto) -> Result<(), ImportError> {
    let unknown = |node: &schema::NodeProto| {
        let standard = matches!(node.domain.as_str(), "" | "ai.onnx");
        let operator = match standard {
            true => node.op_type.clone(),
            false => format!("{}.{}", node.domain, node.op_type),
        };
        let known = standard && SUPPORTED.contains(&node.op_type.as_str());
        (!known).then(|| (operator, OnnxNode::new(node.clone()).name))
    };
    let found: Vec<_> = graph.node.iter().filter_map(unknown).collect();
    if found.is_empty() {
        return Ok(());
    }
    Err(ImportError::unsupported(&found))
}

fn port(name: &str, shape: &[usize]) -> Port {
    let layout = if shape.len() == 4 {
        Layout::ChannelsFirst
    } else {
        Layout::Plain
    };
    Port {
        name: name.to_owned(),
        shape: shape.to_vec(),
        layout,
    }
}

/// An input's shape; a batch that is not a number is 1.
fn input_shape(info: &ValueInfoProto) -> Result<Vec<usize>, ImportError> {
    let place = format!("input '{}'", info.name);
    let tensor = info.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
    let shape = tensor.and_then(|t| t.shape.as_ref());
    let Some(shape) = shape else {
        return Err(ImportError::malformed(
            place,
            "a tensor with a shape",
            "none",
        ));
    };
    let element = tensor.map_or(0, |t| t.elem_type);
    if !(1..=7).contains(&element) && !matches!(element, 10..=13 | 16) {
        return Err(ImportError::malformed(
            format!("{place}: elem_type"),
            "numbers",
            element,
        ));
    }
    let rank = shape.dim.len();
    let one = |(i, dim): (usize, &schema::DimensionProto)| match (dim.dim_value, i) {
        (Some(d), _) if d > 0 => usize::try_from(d)
            .map_err(|_| ImportError::malformed(format!("{place}: dimension {i}"), "a size", d)),
        (_, 0) => Ok(1),
        _ => {
            let got = dim
                .dim_param
                .clone()
                .unwrap_or_else(|| "nothing".to_owned());
            Err(ImportError::malformed(
                format!("{place}: dimension {i}"),
                "a fixed size",
                got,
            ))
        }
    };
    let sizes = shape
        .dim
        .iter()
        .enumerate()
        .map(one)
        .collect::<Result<Vec<usize>, _>>()?;
    match sizes.first() {
        Some(&batch) if rank > 1 && batch != 1 => Err(ImportError::malformed(
            format!("{place}: batch dimension"),
            "1",
            batch,
        )),
        _ if elements(&sizes).is_none() => Err(ImportError::malformed(
            place,
            "at most 2^26 elements",
            format!("{sizes:?}"),
        )),
        _ => Ok(sizes),
    }
}

impl Importer {
    fn lower(&mut self, node: OnnxNode) -> Result<(), ImportError> {
        let Some(output) = node.proto.output.first().cloned() else {
            return Err(node.bad("outputs", "at least one", "none"));
        };
        let value = match node.kind() {
            "Conv" => self.conv(&node)?,
            "Gemm" => self.gemm(&node)?,
            "MatMul" => self.matmul(&node)?,
            "BatchNormalization" => self.batch_normalization(&node)?,
            "AveragePool" | "MaxPool" | "GlobalAveragePool" | "GlobalMaxPool" => {
                self.pool(&node)?
            }
            "Add" | "Sub" | "Mul" | "Div" => self.elementwise(&node)?,
            "Relu" | "Clip" => self.clamp(&node)?,
            "Constant" => self.constant_node(&node)?,
            "Identity" | "Dropout" => self.value(&node, 0)?.clone(),
            "Transpose" => self.transpose(&node)?,
            _ => self.reshape(&node)?,
        };
        if self.values.insert(output.clone(), value).is_some() {
            return Err(node.bad("output", "a new name", format!("'{output}'")));
        }
        Ok(())
    }

    fn add_output(&mut self, name: &str) -> Result<(), ImportError> {
        let place = format!("output '{name}'");
        match self.values.get(name) {
            Some(Value::Data(id, shape)) => {
                self.draft.source.outputs.push(port(name, shape));
                self.draft.graph.outputs.push(*id);
                Ok(())
            }
            Some(Value::Constant(_)) => Err(ImportError::malformed(
                place,
                "a value that depends on an input",
                "a constant",
            )),
            None => Err(ImportError::malformed(
                place,
                "the output of a node",
                "an unknown name",
            )),
        }
    }

    /// An operand; absent optional operands have an empty name.
    fn optional<'s>(
        &'s self,
        node: &OnnxNode,
        at: usize,
    ) -> Result<Option<&'s Value>, ImportError> {
        match node.proto.input.get(at).map(String::as_str) {
            None | Some("") => Ok(None),
            Some(name) => match self.values.get(name) {
                Some(value) => Ok(Some(value)),
                None => {
                    let expected = "a graph input, an initialiser or the output of an earlier node";
                    Err(node.bad(&format!("input {at}"), expected, format!("'{name}'")))
                }
            },
        }
    }

    fn value<'s>(&'s self, node: &OnnxNode, at: usize) -> Result<&'s Value, ImportError> {
        let absent = || node.bad(&format!("input {at}"), "a tensor", "nothing");
        self.optional(node, at)?.ok_or_else(absent)
    }

    fn data(&self, node: &OnnxNode, at: usize) -> Result<(TensorId, Vec<usize>), ImportError> {
        match self.value(node, at)? {
            Value::Data(id, shape) => Ok((*id, shape.clone())),
            Value::Constant(_) => {
                Err(node.bad(&format!("input {at}"), "a computed tensor", "a constant"))
            }
        }
    }

    fn constant(&self, node: &OnnxNode, at: usize) -> Result<&Constant<f64>, ImportError> {
        match self.value(node, at)? {
            Value::Constant(constant) => Ok(constant),
            Value::Data(..) => {
                Err(node.bad(&format!("input {at}"), "a constant", "a computed tensor"))
            }
        }
    }

    fn optional_constant(
        &self,
        node: &OnnxNode,
        at: usize,
    ) -> Result<Option<&Constant<f64>>, ImportError> {
        match self.optional(node, at)? {
            None => Ok(None),
            Some(_) => self.constant(node, at).map(Some),
        }
    }

    /// A computed tensor under its shape in the file.
    fn define(
        &mut self,
        node: &OnnxNode,
        id: TensorId,
        shape: Vec<usize>,
    ) -> Result<Value, ImportError> {
        let id = self
            .draft
            .reshape(&format!("{}/shape", node.name), id, inner(&shape))?;
        Ok(Value::Data(id, shape))
    }
}
