//! ONNX models, read through a hand-kept schema: the wire format is small, every error can name
//! its node, and nothing is read that is not used.
//!
//! Values keep their shape in the file, batch included, apart from the graph's tensors, which
//! have no batch: [`inner`] is the one rule between the two.

mod arith;
mod attributes;
mod bounds;
mod branches;
mod build;
mod curve;
mod dense;
mod division;
mod erf;
mod far;
mod geometry;
mod indices;
mod initialisers;
mod link;
mod logic;
mod moves;
mod operands;
mod ops;
mod origins;
mod patterns;
mod pooling;
mod quotients;
mod reduce;
mod schema;
mod signs;
mod tensor;
#[cfg(test)]
mod tests;
mod types;
mod value;
mod windows;

use super::draft::most_expanded;
use super::simplify::simplify;
use super::{
    fuse, Draft, FloatModel, Format, ImportError, ImportOptions, Initialiser, Layout, Port,
    DEFAULT_SCALE,
};
use attributes::OnnxNode;
use link::Linked;
use prost::Message;
use schema::{GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, ValueInfoProto};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use value::{inner, Array, Data, Type, Value};
use zkml_graph::ops::elements;
use zkml_graph::Interval;

/// The newest operator set whose definitions are known here.
const NEWEST_OPSET: i64 = 22;

/// The newest version of `ai.onnx.ml` whose definitions are known here.
const NEWEST_ML: i64 = 5;

struct Importer {
    draft: FloatModel,
    values: HashMap<String, Value>,
    /// Node under import, and its operator: for messages and for names in the graph.
    name: String,
    operator: String,
    /// The operator set of the node under import.
    opset: i64,
    /// That of the model, and those of nodes that have another one.
    opsets: (i64, HashMap<String, i64>),
    /// Tables by name, first argument, length, and scales of argument and value.
    tables: HashMap<(String, i64, i64, (i64, i64)), usize>,
    /// Elements made so far.
    spent: usize,
    /// Most elements that may be made.
    most: usize,
    bounds: bounds::Bounds,
    /// Initialisers that several nodes read.
    shared: BTreeSet<String>,
    /// Learned numbers in another order, by where they lie, their shape, and how they were moved.
    rearranged: HashMap<(usize, Vec<usize>), Value>,
    /// Numbers that weights are made of.
    read_numbers: Vec<Arc<[f64]>>,
    /// Types of the draft's initialisers.
    types: Vec<Type>,
    /// How many elements they have.
    sizes: Vec<usize>,
    /// What nodes and outputs read, as far as branches are taken.
    read: BTreeSet<String>,
    /// What is known of the signs of values, by name.
    signs: HashMap<String, signs::Known>,
    /// Whether the operands of the node under import are checked.
    strict: bool,
    /// What is known of values with stand-ins for numbers that are too far out, by name.
    far: HashMap<String, far::Far>,
    /// Whether operands of the node under import may get stand-ins.
    stand_ins: bool,
    /// The least that an element is which is no stand-in, where maxima are checked for that.
    unmasked: Option<f64>,
}

/// A tensor as a file of its own: shape and values.
pub(super) fn tensor(bytes: &[u8]) -> Result<(Vec<usize>, Vec<f64>), ImportError> {
    let proto = TensorProto::decode(bytes)
        .map_err(|error| ImportError::malformed("protobuf", "an ONNX tensor", error))?;
    let array = tensor::constant(&proto, &proto.name)?;
    Ok(array.pair())
}

pub(super) fn load(bytes: &[u8], options: &ImportOptions) -> Result<FloatModel, ImportError> {
    load_declared(bytes, options, Vec::new())
}

/// A model with the declared bounds of another one.
pub(super) fn load_declared(
    bytes: &[u8],
    options: &ImportOptions,
    declared: Vec<Interval>,
) -> Result<FloatModel, ImportError> {
    let mut linked = read(bytes)?;
    let told_by = patterns::name_spellings(&mut linked.graph);
    let mut draft = import(linked, options, declared)?;
    // The graph has their numbers, whatever else reads them.
    for name in told_by {
        let what = "it spells an activation or a normalisation".to_owned();
        match draft.initialisers.iter_mut().find(|one| one.name == name) {
            Some(one) => one.disclose(what, true),
            // Of a Constant that nothing else reads.
            None => draft.initialisers.push(Initialiser::public(name, what)),
        }
    }
    Ok(draft)
}

/// The names that nodes and outputs read, whichever branches are taken.
fn readable(graph: &GraphProto) -> BTreeSet<String> {
    let inputs = graph.node.iter().flat_map(|node| match link::is_if(node) {
        true => node.input.get(..1).unwrap_or_default(),
        false => &node.input,
    });
    let outputs = graph.output.iter().map(|info| &info.name);
    inputs.chain(outputs).cloned().collect()
}

fn import(
    linked: Linked,
    options: &ImportOptions,
    declared: Vec<Interval>,
) -> Result<FloatModel, ImportError> {
    let (mut importer, graph) = Importer::new(linked, options)?;
    importer.bounds.given = declared.into_iter();
    let indices = indices::bounds(&graph);
    let interval = |name: &str, ty: Type, scale: i64| match ty {
        Type::Real => options.interval(name, scale),
        _ => {
            let bounds = ty.bounds().unwrap_or_default();
            options.integer_interval(name, bounds, indices.get(name).copied())
        }
    };
    for info in &graph.input {
        // Old files list initialisers among the inputs.
        if !importer.values.contains_key(&info.name) {
            let (shape, ty) = input_shape(info)?;
            let scale = importer.natural(ty);
            let range = interval(&info.name, ty, scale)?;
            let id = importer.draft.input(&info.name, inner(&shape), range);
            importer.bounds.input(id, range);
            let port = port(&info.name, &shape, ty);
            importer.draft.source.inputs.push(port);
            let data = Data {
                id,
                shape,
                ty,
                scale,
            };
            importer.values.insert(info.name.clone(), data.into());
        }
    }
    importer.lower_all(graph.node)?;
    for info in &graph.output {
        importer.add_output(&info.name)?;
    }
    let mut draft = importer.draft;
    build::tidy(&mut draft);
    fuse::scales_into_products(&mut draft);
    simplify(&mut draft)?;
    Ok(draft)
}

/// A model in 64-bit floating point: what its integers approximate.
pub struct Exact {
    linked: Linked,
}

impl Exact {
    /// From the bytes of a file.
    pub fn read(bytes: &[u8]) -> Result<Self, ImportError> {
        let linked = read(bytes)?;
        Ok(Exact { linked })
    }

    /// The outputs, for inputs in the model's order: every operator folds when all that it reads is
    /// known.
    pub fn run(&self, inputs: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, ImportError> {
        evaluate(self.linked.clone(), inputs)
    }
}

fn evaluate(linked: Linked, inputs: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, ImportError> {
    let (mut importer, graph) = Importer::new(linked, &ImportOptions::default())?;
    let mut given = inputs.iter();
    for info in &graph.input {
        if importer.values.contains_key(&info.name) {
            continue;
        }
        let (shape, ty) = input_shape(info)?;
        let values = given.next().cloned().unwrap_or_default();
        if elements(&shape) != Some(values.len()) {
            let place = format!("input '{}'", info.name);
            let expected = format!("as many values as shape {shape:?} has");
            return Err(ImportError::malformed(place, expected, values.len()));
        }
        let array = Array::public(shape, values, ty);
        importer.values.insert(info.name.clone(), array.into());
    }
    importer.lower_all(graph.node)?;
    let output = |info: &ValueInfoProto| match importer.values.get(&info.name) {
        Some(Value::Constant(array)) => Ok(array.values.to_vec()),
        _ => Err(unknown_output(&info.name)),
    };
    graph.output.iter().map(output).collect()
}

fn read(bytes: &[u8]) -> Result<Linked, ImportError> {
    let model = ModelProto::decode(bytes)
        .map_err(|error| ImportError::malformed("protobuf", "an ONNX model", error))?;
    let opset = standard_opset(&model.opset_import)?.unwrap_or(NEWEST_OPSET);
    let mut learned = model.opset_import.iter();
    if let Some(set) = learned.find(|set| set.domain == ops::ML_DOMAIN && set.version > NEWEST_ML) {
        let expected = format!("version {NEWEST_ML} or older of ai.onnx.ml");
        return Err(ImportError::malformed(
            "opset_import",
            expected,
            set.version,
        ));
    }
    let graph = model
        .graph
        .ok_or_else(|| ImportError::malformed("model", "a graph", "none"))?;
    if graph.output.is_empty() {
        let place = "graph outputs";
        return Err(ImportError::malformed(place, "at least one", "none"));
    }
    let linked = link::link(graph, &model.functions, opset, bytes.len())?;
    check_supported(&linked.graph)?;
    Ok(linked)
}

/// The operator set of the standard domain, if it is named.
fn standard_opset(sets: &[OperatorSetIdProto]) -> Result<Option<i64>, ImportError> {
    let mut standard = sets.iter().filter(|set| link::is_standard(&set.domain));
    let opset = standard.next_back().map(|set| set.version);
    if let Some(newer) = opset.filter(|opset| *opset > NEWEST_OPSET) {
        let expected = format!("an operator set up to {NEWEST_OPSET} (export for an older one)");
        return Err(ImportError::malformed("opset_import", expected, newer));
    }
    Ok(opset)
}

/// All operators of a graph are supported; those of branches are asked for when they are taken.
fn check_supported(graph: &GraphProto) -> Result<(), ImportError> {
    let unknown = |node: &NodeProto| {
        let operator = match link::is_standard(&node.domain) {
            true => node.op_type.clone(),
            false => format!("{}.{}", node.domain, node.op_type),
        };
        let known = link::is_if(node) || ops::handler(&node.domain, &node.op_type).is_some();
        (!known).then(|| (operator, OnnxNode::new(node.clone()).name))
    };
    let found: Vec<_> = graph.node.iter().filter_map(unknown).collect();
    if found.is_empty() {
        return Ok(());
    }
    Err(ImportError::unsupported(&found))
}

fn unknown_output(name: &str) -> ImportError {
    let place = format!("output '{name}'");
    ImportError::malformed(place, "the output of a node", "an unknown name")
}

fn port(name: &str, shape: &[usize], ty: Type) -> Port {
    let layout = if shape.len() == 4 {
        Layout::ChannelsFirst
    } else {
        Layout::Plain
    };
    Port {
        name: name.to_owned(),
        shape: shape.to_vec(),
        layout,
        scale: (!ty.is_real()).then_some(1),
    }
}

/// An input's shape and type; a first dimension that is not a number is 1.
fn input_shape(info: &ValueInfoProto) -> Result<(Vec<usize>, Type), ImportError> {
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
    let Some(ty) = Type::of(element) else {
        let expected = "numbers (no strings, no 8-bit floating point)";
        return Err(ImportError::malformed(
            format!("{place}: elem_type"),
            expected,
            element,
        ));
    };
    tensor::few_dimensions(&place, shape.dim.len())?;
    let one = |(i, dim): (usize, &schema::DimensionProto)| match (dim.dim_value, i) {
        (Some(d), _) if d > 0 => usize::try_from(d)
            .map_err(|_| ImportError::malformed(format!("{place}: dimension {i}"), "a size", d)),
        (Some(0), 0) => Err(ImportError::malformed(
            format!("{place}: dimension 0"),
            "a size of at least 1",
            "0 (a batch of none)",
        )),
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
    if elements(&sizes).is_none_or(|n| n == 0) {
        let got = format!("{sizes:?}");
        return Err(ImportError::malformed(place, "1 to 2^26 elements", got));
    }
    Ok((sizes, ty))
}

impl Importer {
    /// An importer that knows the initialisers, and what is left of the graph.
    fn new(linked: Linked, options: &ImportOptions) -> Result<(Self, GraphProto), ImportError> {
        let scale = options.scale_or(DEFAULT_SCALE)?;
        let Linked {
            graph,
            opset,
            others,
        } = linked;
        let mut importer = Importer {
            draft: Draft::new(scale, Format::Onnx, graph.encoded_len()),
            values: HashMap::new(),
            name: String::new(),
            operator: String::new(),
            opset,
            opsets: (opset, others),
            tables: HashMap::new(),
            spent: 0,
            most: most_expanded(graph.encoded_len()),
            bounds: Default::default(),
            shared: initialisers::shared(&graph),
            rearranged: HashMap::new(),
            read_numbers: Vec::new(),
            types: Vec::new(),
            sizes: Vec::new(),
            read: readable(&graph),
            signs: HashMap::new(),
            strict: false,
            far: HashMap::new(),
            stand_ins: false,
            unmasked: None,
        };
        for tensor in &graph.initializer {
            let array = tensor::constant(tensor, &tensor.name)?;
            let array = importer.initialiser(&tensor.name, array)?;
            importer.values.insert(tensor.name.clone(), array.into());
        }
        Ok((importer, graph))
    }

    fn lower_all(&mut self, nodes: Vec<NodeProto>) -> Result<(), ImportError> {
        for proto in nodes {
            let node = OnnxNode::new(proto);
            match link::is_if(&node.proto) {
                true => self.conditional(node)?,
                false => self.lower(&node)?,
            }
        }
        Ok(())
    }

    /// Notes the node under import.
    fn enter(&mut self, node: &OnnxNode) -> Result<(), ImportError> {
        (self.name, self.operator) = (node.name.clone(), node.kind().to_owned());
        if node.proto.output.is_empty() {
            return Err(node.bad("outputs", "at least one", "none"));
        }
        let mut outputs = node.proto.output.iter().filter(|name| !name.is_empty());
        let (own, others) = &self.opsets;
        let other = outputs.next().and_then(|first| others.get(first));
        self.opset = other.copied().unwrap_or(*own);
        Ok(())
    }

    fn lower(&mut self, node: &OnnxNode) -> Result<(), ImportError> {
        self.enter(node)?;
        let handler = ops::handler(&node.proto.domain, node.kind())
            .ok_or_else(|| ImportError::unsupported(&[(node.kind().into(), node.name.clone())]))?;
        self.note_read(node);
        self.strict = !self.is_defined(node);
        let far = self.far_before(node)?;
        let values = handler(self, node)?;
        self.note_signs(node);
        for (at, name) in node.proto.output.iter().enumerate() {
            if name.is_empty() {
                continue;
            }
            let Some(value) = values.get(at) else {
                let expected = format!("at most {}", values.len());
                return Err(node.bad("outputs", expected, format!("'{name}' as well")));
            };
            self.assign(node, name, value.clone())?;
        }
        self.note_far(node, far);
        Ok(())
    }

    /// Gives a name to a node's result.
    fn assign(&mut self, node: &OnnxNode, name: &str, value: Value) -> Result<(), ImportError> {
        tensor::few_dimensions(&node.at("result"), value.shape().len())?;
        let value = self.settled(node, value)?;
        if self.values.insert(name.to_owned(), value).is_some() {
            return Err(node.bad("output", "a new name", format!("'{name}'")));
        }
        Ok(())
    }

    /// An output of the graph: real numbers at the graph's scale.
    fn add_output(&mut self, name: &str) -> Result<(), ImportError> {
        (self.name, self.operator) = (name.to_owned(), "output".to_owned());
        let value = self.values.get(name).cloned();
        let value = value.ok_or_else(|| unknown_output(name))?;
        if self.far.contains_key(name) {
            return Err(self.too_far());
        }
        let data = self.data(&value)?;
        let data = self.at_scale(&data, self.natural(data.ty))?;
        let port = port(name, &data.shape, data.ty);
        self.draft.source.outputs.push(port);
        self.draft.graph.outputs.push(data.id);
        Ok(())
    }
}
