//! Operators to layers.

use super::names::operator_name;
use super::operators::Kind;
use super::schema::{Model, Operator, Tensor, FLOAT32};
use crate::draft::most_expanded;
use crate::msgpack::{Layer, Network, Rounded};
use crate::numbers::unfit;
use crate::{Fate, Format, ImportError, Initialiser};
use std::collections::{BTreeMap, BTreeSet};

pub(super) type Result<T> = std::result::Result<T, ImportError>;

/// Names of `ActivationFunctionType`.
const ACTIVATIONS: [&str; 6] = ["NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT"];

/// A model that turns into layers.
pub(super) struct Lowering<'m, 'a> {
    model: &'m Model<'a>,
    pub network: Network,
    /// Shapes of tensors that only layers know.
    made: BTreeMap<i64, Vec<i64>>,
    /// Constants that are in the network.
    known: BTreeSet<i64>,
    /// Constants and indices that were asked for, shared ones counted each time, and may be.
    spent: usize,
    most: usize,
}

/// An operator under way.
pub(super) struct Place<'o, 'a> {
    pub operator: &'o Operator<'a>,
    /// For messages.
    pub name: String,
    /// Of the layers: `conv_2d.3`.
    layer: String,
}

impl Place<'_, '_> {
    pub fn bad(&self, what: &str, expected: impl Into<String>, got: impl ToString) -> ImportError {
        ImportError::malformed(format!("{}: {what}", self.name), expected, got)
    }

    pub fn input(&self, at: usize) -> Result<i64> {
        let inputs = &self.operator.inputs;
        let found = inputs.get(at).copied();
        found.ok_or_else(|| self.bad("inputs", format!("at least {}", at + 1), inputs.len()))
    }

    /// The only output.
    pub fn output(&self) -> Result<i64> {
        match *self.operator.outputs {
            [one] => Ok(one),
            ref all => Err(self.bad("outputs", "one", all.len())),
        }
    }

    /// An option that is a number.
    pub fn option(&self, field: usize) -> Result<i64> {
        let options = self.operator.options;
        options.map_or(Ok(0), |table| table.i32(field, 0).map(i64::from))
    }

    /// An option that is a byte: an enumeration or a boolean.
    pub fn byte(&self, field: usize) -> Result<i64> {
        let options = self.operator.options;
        options.map_or(Ok(0), |table| table.byte(field).map(i64::from))
    }

    /// An option that can only have one value here.
    pub fn demand(&self, what: &str, got: i64, only: i64) -> Result<()> {
        if got == only {
            return Ok(());
        }
        Err(self.bad(what, only.to_string(), got))
    }

    /// The fused activation in a field of the options.
    pub fn activation(&self, field: usize) -> Result<i64> {
        let code = self.byte(field)?;
        if matches!(code, 0 | 1 | 3) {
            return Ok(code);
        }
        let name = usize::try_from(code)
            .ok()
            .and_then(|at| ACTIVATIONS.get(at));
        let got = name.map_or_else(|| code.to_string(), |name| (*name).to_owned());
        Err(self.bad("fused activation", "NONE, RELU or RELU6", got))
    }
}

impl<'m, 'a> Lowering<'m, 'a> {
    pub fn new(model: &'m Model<'a>, scale: i64) -> Result<Self> {
        let mut names = BTreeMap::new();
        for &index in model.inputs.iter().chain(&model.outputs) {
            let tensor = model.tensor(index, "inputs and outputs")?;
            tensor.expect("inputs and outputs", &[FLOAT32], "FLOAT32")?;
            names.insert(index, tensor.name.clone());
        }
        let of_file = |index: &i64| !model.inputs.contains(index);
        let named = |(index, tensor): (i64, &Tensor)| {
            let name = match tensor.name.as_str() {
                "" => format!("tensor {index}"),
                name => name.to_owned(),
            };
            let fate = Fate::Unused;
            // One that is broken is an error where it is read.
            let constant = model.is_constant(tensor).unwrap_or(false);
            (constant && of_file(&index)).then_some((index, Initialiser { name, fate }))
        };
        let constants = (0..).zip(&model.tensors).filter_map(named).collect();
        let network = Network {
            format: Format::Tflite,
            scale,
            k: 0,
            inputs: model.inputs.clone(),
            outputs: model.outputs.clone(),
            tensors: Vec::new(),
            layers: Vec::new(),
            names,
            constants,
            bytes: model.size(),
        };
        let (made, known) = (BTreeMap::new(), BTreeSet::new());
        Ok(Lowering {
            model,
            network,
            made,
            known,
            spent: 0,
            most: most_expanded(model.size()),
        })
    }

    pub fn operator(&mut self, at: usize, operator: &Operator<'a>, kind: Kind) -> Result<()> {
        let name = operator_name(operator.code);
        let place = &Place {
            operator,
            layer: format!("{}.{at}", name.to_lowercase()),
            name: format!("operator {at} ({name})"),
        };
        self.disclose_structure(place)?;
        match kind {
            Kind::Conv => self.convolution(place, 0),
            Kind::DepthwiseConv => self.convolution(place, 1),
            Kind::FullyConnected => self.fully_connected(place),
            Kind::AveragePool => self.pool(place, "AveragePool2D"),
            Kind::MaxPool => self.pool(place, "MaxPool2D"),
            Kind::Add => self.pair(place, "Add", 0),
            Kind::Sub => self.pair(place, "Sub", 0),
            Kind::Mul => self.pair(place, "Mul", 0),
            Kind::SquaredDifference => self.pair(place, "SquaredDifference", usize::MAX),
            Kind::Div => self.quotient(place),
            Kind::Pow => self.power(place),
            Kind::Mean => self.mean(place),
            Kind::Softmax => self.softmax(place),
            Kind::BatchMatMul => {
                let params = vec![place.byte(0)?, place.byte(1)?];
                let inputs = vec![place.input(0)?, place.input(1)?];
                self.layer(place, "BatchMatMul", params, inputs, place.output()?)
            }
            Kind::Relu => self.function(place, "Relu", vec![1]),
            Kind::Relu6 => self.function(place, "Relu", vec![3]),
            Kind::Logistic => self.function(place, "Logistic", vec![]),
            Kind::Tanh => self.function(place, "Tanh", vec![]),
            Kind::Sqrt => self.function(place, "Sqrt", vec![]),
            Kind::Rsqrt => self.function(place, "Rsqrt", vec![]),
            Kind::Square => self.function(place, "Square", vec![]),
            // The output's shape says it all.
            Kind::Reshape | Kind::Squeeze | Kind::ExpandDims => {
                self.function(place, "Reshape", vec![])
            }
            Kind::BroadcastTo => self.function(place, "Broadcast", vec![]),
            Kind::ResizeNearest => {
                place.demand("align_corners", place.byte(0)?, 0)?;
                place.demand("half_pixel_centers", place.byte(1)?, 0)?;
                self.function(place, "ResizeNN", vec![])
            }
            Kind::Concatenation => {
                let (axis, inputs) = (place.option(0)?, place.operator.inputs.clone());
                self.activated(place, "Concatenation", vec![axis], inputs, 1)
            }
            Kind::Pack => {
                let (axis, inputs) = (place.option(1)?, place.operator.inputs.clone());
                self.layer(place, "Pack", vec![axis], inputs, place.output()?)
            }
            Kind::Pad | Kind::Transpose => {
                let numbers = self.integers(place, 1)?;
                let layer = if kind == Kind::Pad {
                    "Pad"
                } else {
                    "Transpose"
                };
                self.function(place, layer, numbers)
            }
            Kind::Slice => self.slice(place),
            Kind::StridedSlice => self.strided_slice(place),
            Kind::Gather => self.gather(place),
            Kind::Split => self.split(place, 1, 0),
            Kind::SplitV => self.split(place, 0, 2),
            Kind::Unpack => self.unpack(place),
        }
    }

    /// Integers and booleans are shapes, axes and indices: the architecture follows from them.
    fn disclose_structure(&mut self, place: &Place<'_, '_>) -> Result<()> {
        for (at, &index) in place.operator.inputs.iter().enumerate() {
            let Some(one) = self.network.constants.get_mut(&index) else {
                continue;
            };
            if self.model.tensor(index, &place.name)?.ty != FLOAT32 {
                one.disclose(format!("input {at} of {}", place.name), true);
            }
        }
        Ok(())
    }

    /// A layer of one computed operand.
    pub(super) fn function(
        &mut self,
        place: &Place<'_, '_>,
        kind: &str,
        params: Vec<i64>,
    ) -> Result<()> {
        self.layer(place, kind, params, vec![place.input(0)?], place.output()?)
    }

    /// A layer of zkml's that has no fused activation, and one for it where there is one.
    pub(super) fn activated(
        &mut self,
        place: &Place<'_, '_>,
        kind: &str,
        params: Vec<i64>,
        inputs: Vec<i64>,
        field: usize,
    ) -> Result<()> {
        let out = place.output()?;
        let activation = match field {
            usize::MAX => 0,
            field => place.activation(field)?,
        };
        if activation == 0 {
            return self.layer(place, kind, params, inputs, out);
        }
        let plain = self.temporary(self.shape(place, out)?);
        self.layer(place, kind, params, inputs, plain)?;
        self.layer(place, "Relu", vec![activation], vec![plain], out)
    }

    /// A layer; its constants come into the network with it.
    pub fn layer(
        &mut self,
        place: &Place<'_, '_>,
        kind: &str,
        params: Vec<i64>,
        inputs: Vec<i64>,
        out: i64,
    ) -> Result<()> {
        let mut shapes = Vec::with_capacity(inputs.len());
        for &index in &inputs {
            shapes.push(self.shape(place, index)?);
            self.constant(place, index)?;
        }
        self.spend(place, params.len())?;
        self.network.layers.push(Layer {
            layer_type: kind.to_owned(),
            params,
            inp_idxes: inputs,
            inp_shapes: shapes,
            out_idxes: vec![out],
            out_shapes: vec![self.shape(place, out)?],
            mask: Vec::new(),
            name: Some(place.layer.clone()),
        });
        Ok(())
    }

    /// A tensor that is only between two layers.
    pub fn temporary(&mut self, shape: Vec<i64>) -> i64 {
        let all = self.model.tensors.len() + self.made.len();
        let index = i64::try_from(all).unwrap_or(i64::MAX);
        self.made.insert(index, shape);
        index
    }

    /// The shape of a tensor of real numbers.
    pub fn shape(&self, place: &Place<'_, '_>, index: i64) -> Result<Vec<i64>> {
        if let Some(shape) = self.made.get(&index) {
            return Ok(shape.clone());
        }
        let tensor = self.model.tensor(index, &place.name)?;
        tensor.expect(&place.name, &[FLOAT32], "FLOAT32")?;
        tensor.checked_shape(&place.name)?;
        Ok(tensor.shape.clone())
    }

    /// Numbers that the file must know: axes, sizes, indices.
    pub fn integers(&mut self, place: &Place<'_, '_>, at: usize) -> Result<Vec<i64>> {
        let tensor = self.model.tensor(place.input(at)?, &place.name)?;
        let values = self.model.integers(tensor, &place.name)?;
        self.spend(place, values.len())?;
        Ok(values)
    }

    /// The real numbers of an operand that is constant.
    pub(super) fn reals(&mut self, place: &Place<'_, '_>, index: i64) -> Result<Option<Vec<f64>>> {
        if self.made.contains_key(&index) || self.network.inputs.contains(&index) {
            return Ok(None);
        }
        let tensor = self.model.tensor(index, &place.name)?;
        if !self.model.is_constant(tensor)? {
            return Ok(None);
        }
        let values = self.model.reals(tensor, &place.name)?;
        self.spend(place, values.len())?;
        Ok(Some(values))
    }

    /// Brings a constant into the network.
    fn constant(&mut self, place: &Place<'_, '_>, index: i64) -> Result<()> {
        if self.known.contains(&index) {
            return Ok(());
        }
        let Some(values) = self.reals(place, index)? else {
            return Ok(());
        };
        self.known.insert(index);
        self.weights(place, index, values)
    }

    pub(super) fn weights(
        &mut self,
        place: &Place<'_, '_>,
        index: i64,
        values: Vec<f64>,
    ) -> Result<()> {
        let scale = self.network.scale;
        let one = |(at, &value): (usize, &f64)| {
            Rounded::to_even(value, scale).ok_or_else(|| {
                let what = format!("tensor {index} element {at}");
                let expected = format!("a number of at most 2^40 in size at scale {scale}");
                place.bad(&what, expected, unfit(value))
            })
        };
        let rounded = values.iter().enumerate().map(one);
        let rounded = rounded.collect::<Result<Vec<_>>>()?;
        let shape = self.shape(place, index)?;
        self.network.tensors.push((index, shape, rounded));
        Ok(())
    }

    /// Counts what is copied, so that a small file cannot ask for everything.
    pub fn spend(&mut self, place: &Place<'_, '_>, count: usize) -> Result<()> {
        self.spent = self.spent.saturating_add(count);
        if self.spent > self.most {
            let expected = format!("at most {} in all, for a file of its size", self.most);
            return Err(place.bad("constants", expected, "more"));
        }
        Ok(())
    }
}
