//! Operators to layers.

use super::operators::{operator_name, Kind};
use super::schema::{Model, Operator, FLOAT32};
use crate::import::msgpack::{Layer, Network, Rounded};
use crate::import::{Format, ImportError};
use std::collections::{BTreeMap, BTreeSet};

pub(super) type Result<T> = std::result::Result<T, ImportError>;

/// Most constants and indices that a model may ask for, shared ones counted each time.
const MAX_CONSTANTS: usize = 1 << 27;

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
    spent: usize,
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
    fn activation(&self, field: usize) -> Result<i64> {
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
        let network = Network {
            format: Format::Tflite,
            scale,
            k: 0,
            inputs: model.inputs.clone(),
            outputs: model.outputs.clone(),
            tensors: Vec::new(),
            layers: Vec::new(),
            names,
        };
        let (made, known) = (BTreeMap::new(), BTreeSet::new());
        Ok(Lowering {
            model,
            network,
            made,
            known,
            spent: 0,
        })
    }

    pub fn operator(&mut self, at: usize, operator: &Operator<'a>, kind: Kind) -> Result<()> {
        let name = operator_name(operator.code);
        let place = &Place {
            operator,
            layer: format!("{}.{at}", name.to_lowercase()),
            name: format!("operator {at} ({name})"),
        };
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

    /// A layer of one computed operand.
    fn function(&mut self, place: &Place<'_, '_>, kind: &str, params: Vec<i64>) -> Result<()> {
        self.layer(place, kind, params, vec![place.input(0)?], place.output()?)
    }

    /// A layer of zkml's that has no fused activation, and one for it where there is one.
    fn activated(
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
    fn reals(&mut self, place: &Place<'_, '_>, index: i64) -> Result<Option<Vec<f64>>> {
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

    fn weights(&mut self, place: &Place<'_, '_>, index: i64, values: Vec<f64>) -> Result<()> {
        let scale = self.network.scale;
        let one = |(at, &value): (usize, &f64)| {
            Rounded::to_even(value, scale).ok_or_else(|| {
                let what = format!("tensor {index} element {at}");
                let expected = format!("a number of at most 2^40 in size at scale {scale}");
                place.bad(&what, expected, value)
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
        if self.spent > MAX_CONSTANTS {
            let expected = format!("at most {MAX_CONSTANTS} in all");
            return Err(place.bad("constants", expected, "more"));
        }
        Ok(())
    }

    fn convolution(&mut self, place: &Place<'_, '_>, depthwise: i64) -> Result<()> {
        // Depthwise options have a multiplier before the activation.
        let after = usize::from(depthwise == 1);
        let dilations: Result<_> = place.operator.options.map_or(Ok([1, 1]), |table| {
            Ok([table.i32(4 + after, 1)?, table.i32(5 + after, 1)?])
        });
        let [across, down] = dilations?;
        place.demand("dilation_w_factor", across.into(), 1)?;
        place.demand("dilation_h_factor", down.into(), 1)?;
        if depthwise == 1 {
            let channels = self.shape(place, place.input(0)?)?.last().copied();
            let made = self.shape(place, place.input(1)?)?.last().copied();
            place.demand(
                "output channels of a depthwise convolution",
                made.unwrap_or(0),
                channels.unwrap_or(0),
            )?;
        }
        let params = vec![
            depthwise,
            place.byte(0)?,
            place.activation(3 + after)?,
            place.option(2)?,
            place.option(1)?,
        ];
        let inputs = place.operator.inputs.clone();
        self.layer(place, "Conv2D", params, inputs, place.output()?)
    }

    fn fully_connected(&mut self, place: &Place<'_, '_>) -> Result<()> {
        place.demand("weights_format", place.byte(1)?, 0)?;
        let activation = place.activation(0)?;
        let mut inputs = place.operator.inputs.clone();
        let shape = self.shape(place, place.input(0)?)?;
        let columns = self.shape(place, place.input(1)?)?.last().copied();
        let columns = columns.filter(|&n| n > 0).unwrap_or(1);
        if let (Some(first), true) = (inputs.first_mut(), shape.len() != 2 && place.byte(2)? == 0) {
            let count: i64 = shape.iter().product();
            let flat = self.temporary(vec![count / columns, columns]);
            self.layer(place, "Reshape", vec![], vec![*first], flat)?;
            *first = flat;
        }
        let out = place.output()?;
        self.layer(place, "FullyConnected", vec![activation], inputs, out)
    }

    fn pool(&mut self, place: &Place<'_, '_>, kind: &str) -> Result<()> {
        let padding = place.byte(0)?;
        let (stride, filter) = (
            [place.option(2)?, place.option(1)?],
            [place.option(4)?, place.option(3)?],
        );
        let (from, to) = (
            self.shape(place, place.input(0)?)?,
            self.shape(place, place.output()?)?,
        );
        if kind == "AveragePool2D" && padding == 0 {
            // TFLite counts only what is inside the image.
            let inside = from.iter().zip(&to).skip(1).zip(stride.iter().zip(filter));
            let padded = |((size, out), (stride, filter)): ((&i64, &i64), (&i64, i64))| {
                (out - 1).saturating_mul(*stride).saturating_add(filter) > *size
            };
            if inside.into_iter().any(padded) {
                let expected = "VALID, or SAME where nothing is padded";
                return Err(place.bad("padding of an average", expected, "SAME"));
            }
        }
        let params = [&filter[..], &stride, &[padding]].concat();
        self.activated(place, kind, params, vec![place.input(0)?], 5)
    }

    fn pair(&mut self, place: &Place<'_, '_>, kind: &str, field: usize) -> Result<()> {
        let inputs = vec![place.input(0)?, place.input(1)?];
        if kind == "Add" {
            let params = vec![place.activation(field)?];
            return self.layer(place, kind, params, inputs, place.output()?);
        }
        self.activated(place, kind, vec![], inputs, field)
    }

    /// Constants divide as their inverses multiply, as in zkml's converter.
    fn quotient(&mut self, place: &Place<'_, '_>) -> Result<()> {
        let (x, divisor) = (place.input(0)?, place.input(1)?);
        let Some(values) = self.reals(place, divisor)? else {
            return self.activated(place, "DivVar", vec![], vec![x, divisor], 0);
        };
        let inverse = self.temporary(self.shape(place, divisor)?);
        let values = values.iter().map(|v| 1.0 / v).collect();
        self.weights(place, inverse, values)?;
        self.activated(place, "Mul", vec![], vec![x, inverse], 0)
    }

    fn power(&mut self, place: &Place<'_, '_>) -> Result<()> {
        let exponent = self.reals(place, place.input(1)?)?;
        let (layer, params) = match exponent.as_deref() {
            Some([2.0]) => ("Square", vec![]),
            Some([3.0]) => ("Pow", vec![3]),
            Some([0.5]) => ("Sqrt", vec![]),
            Some([-0.5]) => ("Rsqrt", vec![]),
            other => {
                let got = match other {
                    Some([one]) => one.to_string(),
                    Some(all) => format!("{} numbers", all.len()),
                    None => "a computed tensor".to_owned(),
                };
                return Err(place.bad("exponent", "2, 3, 0.5 or -0.5", got));
            }
        };
        self.function(place, layer, params)
    }

    fn softmax(&mut self, place: &Place<'_, '_>) -> Result<()> {
        let beta = place.operator.options.map_or(Ok(0.0), |table| table.f32(0));
        let beta = beta?;
        if beta != 1.0 {
            return Err(place.bad("beta", "1", beta));
        }
        self.function(place, "Softmax", vec![])
    }

    /// The mean over some dimensions, which come last and become one.
    fn mean(&mut self, place: &Place<'_, '_>) -> Result<()> {
        let mut x = place.input(0)?;
        let shape = self.shape(place, x)?;
        let rank = shape.len();
        let mut axes = Vec::new();
        for axis in self.integers(place, 1)? {
            axes.push(super::moves::axis(place, axis, rank)?);
        }
        axes.sort_unstable();
        axes.dedup();
        let mut order: Vec<usize> = (0..rank).filter(|d| !axes.contains(d)).collect();
        let size = |d: &usize| shape.get(*d).copied().unwrap_or(1);
        // A dimension stays, also of a mean over all.
        let mut kept: Vec<i64> = order.iter().map(size).collect();
        if kept.is_empty() {
            kept.push(1);
        }
        let count: i64 = axes.iter().map(size).product();
        order.extend(&axes);
        let moved = self.temporary(order.iter().map(size).collect());
        let perm = order.iter().filter_map(|&d| i64::try_from(d).ok());
        self.layer(place, "Transpose", perm.collect(), vec![x], moved)?;
        x = moved;
        let rows = self.temporary([&kept[..], &[count]].concat());
        self.layer(place, "Reshape", vec![], vec![x], rows)?;
        let mean = self.temporary(kept.clone());
        self.layer(place, "Mean", vec![-1], vec![rows], mean)?;
        self.layer(place, "Reshape", vec![], vec![mean], place.output()?)
    }
}
