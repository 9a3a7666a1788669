//! Layers to nodes.

use super::moves::permutation;
use super::place::Place;
use super::{checked_shape, without_batch, Importer, Known, Layer, Rounded};
use crate::{made, ImportError};
use zkml_graph::{Clamp, Op, TensorId, Window};

const SUPPORTED: [&str; 39] = [
    "Add",
    "AveragePool2D",
    "BatchMatMul",
    "Broadcast",
    "Concatenation",
    "Conv2D",
    "DepthwiseConv2D",
    "Div",
    "DivVar",
    "ExpandDims",
    "Flatten",
    "FullyConnected",
    "Gather",
    "Logistic",
    "MaskNegInf",
    "MaxPool2D",
    "Mean",
    "Mul",
    "Noop",
    "Pack",
    "Pad",
    "Permute",
    "Pow",
    "Relu",
    "Reshape",
    "ResizeNN",
    "Rotate",
    "Rsqrt",
    "Slice",
    "Softmax",
    "Split",
    "Sqrt",
    "Square",
    "SquaredDifference",
    "Squeeze",
    "Sub",
    "Tanh",
    "Transpose",
    "Update",
];

/// One error for every layer that cannot be imported.
pub(super) fn check_supported(layers: &[Layer]) -> Result<(), ImportError> {
    let unknown = |(at, l): (usize, &Layer)| {
        let known = SUPPORTED.contains(&l.layer_type.as_str());
        (!known).then(|| (l.layer_type.clone(), format!("layer {at}")))
    };
    let found: Vec<_> = layers.iter().enumerate().filter_map(unknown).collect();
    if found.is_empty() {
        return Ok(());
    }
    Err(ImportError::unsupported(&found))
}

/// A layer's result, in the layout that it was computed in.
enum Made {
    Natural(TensorId),
    Image(TensorId),
}

/// The other operand of an elementwise layer.
enum Other {
    Data,
    Weight(i64),
}

impl Importer {
    pub(super) fn lower(&mut self, at: usize, layer: &Layer) -> Result<(), ImportError> {
        let name = layer.name.clone();
        let name = name.unwrap_or_else(|| format!("{}.{at}", layer.layer_type.to_lowercase()));
        let place = Place { layer, name };
        let masks = ["Softmax", "Sqrt", "Rsqrt"];
        if !layer.mask.is_empty() && !masks.contains(&layer.layer_type.as_str()) {
            let place = format!("{}: mask", place.name);
            return Err(ImportError::malformed(
                place,
                "none",
                format!("{:?}", layer.mask),
            ));
        }
        if layer.layer_type == "Split" {
            return self.split_layer(&place);
        }
        let ([out], [out_shape]) = (layer.out_idxes.as_slice(), layer.out_shapes.as_slice()) else {
            let got = format!("{} and {}", layer.out_idxes.len(), layer.out_shapes.len());
            return Err(ImportError::malformed(
                &place.name,
                "one output and one output shape",
                got,
            ));
        };
        let in_file = checked_shape(out_shape, &place.name)?;
        self.spend(&place.name, in_file.iter().product())?;
        let natural = without_batch(in_file.clone());
        let made = match layer.layer_type.as_str() {
            "Conv2D" | "DepthwiseConv2D" => self.convolution(&place)?,
            "FullyConnected" => self.fully_connected(&place)?,
            "AveragePool2D" | "MaxPool2D" => self.pool(&place)?,
            "Add" | "Sub" | "Mul" => self.elementwise(&place)?,
            "Square" => {
                let a = self.natural(place.input(0)?, &place.name)?;
                let div = self.draft.graph.scale;
                Made::Natural(self.product(&place.name, a, a, div)?)
            }
            "Permute" | "Transpose" => self.permute(&place)?,
            "Noop" => {
                let choice = usize::try_from(place.param(0)?).unwrap_or(usize::MAX);
                Made::Natural(self.natural(place.input(choice)?, &place.name)?)
            }
            // The output's shape says it all.
            "Reshape" | "Flatten" | "Squeeze" | "ExpandDims" => {
                let x = self.natural(place.input(0)?, &place.name)?;
                Made::Natural(self.draft.reshape(&place.name, x, natural.clone())?)
            }
            _ => self.computed_layer(&place)?,
        };
        let (known, shape) = match made {
            Made::Natural(id) => (
                Known {
                    natural: Some(id),
                    ..Known::default()
                },
                self.draft.shape(id).to_vec(),
            ),
            Made::Image(id) => {
                let mut shape = self.draft.shape(id).to_vec();
                shape.rotate_left(1);
                (
                    Known {
                        channels_first: Some(id),
                        ..Known::default()
                    },
                    shape,
                )
            }
        };
        if shape != natural {
            let place = format!("{}: output shape", place.name);
            return Err(ImportError::malformed(
                place,
                format!("{shape:?} without the batch"),
                format!("{natural:?}"),
            ));
        }
        if self.weights.contains_key(out) || self.known.insert(*out, known).is_some() {
            let got = format!("tensor {out}, which exists already");
            return Err(ImportError::malformed(
                &place.name,
                "a new tensor as output",
                got,
            ));
        }
        self.shapes.insert(*out, in_file);
        Ok(())
    }

    fn computed_layer(&mut self, place: &Place<'_>) -> Result<Made, ImportError> {
        let y = self.computed(place)?;
        Ok(Made::Natural(self.natural_of(&place.name, y)?))
    }

    fn split_layer(&mut self, place: &Place<'_>) -> Result<(), ImportError> {
        let parts = self.split(place)?;
        for (&out, part) in place.layer.out_idxes.iter().zip(parts) {
            let shape = self.draft.shape(part).to_vec();
            let known = Known {
                natural: Some(self.natural_of(&place.name, part)?),
                ..Known::default()
            };
            let taken = self.weights.contains_key(&out);
            if taken || self.known.insert(out, known).is_some() {
                let got = format!("tensor {out}, which exists already");
                let expected = "new tensors as outputs";
                return Err(ImportError::malformed(&place.name, expected, got));
            }
            self.shapes.insert(out, shape);
        }
        Ok(())
    }

    fn convolution(&mut self, place: &Place<'_>) -> Result<Made, ImportError> {
        let scale = self.draft.graph.scale;
        let x = self.image(place.input(0)?, &place.name)?;
        let &[channels, height, width] = self.draft.shape(x) else {
            return Err(ImportError::malformed(
                &place.name,
                "an image",
                "another shape",
            ));
        };
        let depthwise = match place.param(0)? {
            0 => false,
            1 => true,
            other => return Err(place.bad_param(0, "0 (Conv2D) or 1 (depthwise)", other)),
        };
        let depthwise = depthwise || place.layer.layer_type == "DepthwiseConv2D";
        let (shape, values) = self.weight_values(place.input(1)?, &place.name)?;
        let &[o, kh, kw, i] = shape else {
            let got = format!("{shape:?}");
            return Err(ImportError::malformed(
                format!("{}: kernels", place.name),
                "four dimensions",
                got,
            ));
        };
        // [o, kh, kw, i] to [o, i, kh, kw]; depthwise [1, kh, kw, c] to [c, 1, kh, kw].
        let (shape, perm) = if depthwise {
            (vec![i, o, kh, kw], [3, 0, 1, 2])
        } else {
            (vec![o, i, kh, kw], [0, 3, 1, 2])
        };
        let values = permuted(values, &[o, kh, kw, i], &perm);
        let stride = [place.size(3)?, place.size(4)?];
        let pads = match place.param(1)? {
            0 => same_padding([height, width], [kh, kw], stride),
            1 => [0; 4],
            other => return Err(place.bad_param(1, "padding 0 (same) or 1 (valid)", other)),
        };
        let clamp = place.activation(2, scale)?;
        let from = vec![place.input(1)? as usize];
        let made = made::Made::of("kernels", from, &[depthwise.into()]);
        let name = format!("{}/kernels", place.name);
        let w = self.draft.tied_weight(&name, made, shape, || values)?;
        let bias = self.bias(place, 2)?;
        let window = Window {
            kernel: [kh, kw],
            stride,
            pads,
        };
        let groups = if depthwise { channels } else { 1 };
        let op = Op::Conv {
            x,
            w,
            bias,
            window,
            groups,
            div: scale,
            clamp,
        };
        Ok(Made::Image(self.draft.node(&place.name, op)?))
    }

    fn bias(&mut self, place: &Place<'_>, at: usize) -> Result<Option<TensorId>, ImportError> {
        let Some(&idx) = place.layer.inp_idxes.get(at) else {
            return Ok(None);
        };
        let (_, values) = self.weight_values(idx, &place.name)?;
        let values = values.to_vec();
        let name = format!("{}/bias", place.name);
        let made = made::Made::of("bias", vec![idx as usize], &[]);
        let shape = vec![values.len()];
        let bias = self.draft.tied_weight(&name, made, shape, || values)?;
        Ok(Some(bias))
    }

    fn fully_connected(&mut self, place: &Place<'_>) -> Result<Made, ImportError> {
        let scale = self.draft.graph.scale;
        let x = self.natural(place.input(0)?, &place.name)?;
        let clamp = place.activation(0, scale)?;
        if self.known.contains_key(&place.input(1)?) {
            return self.computed_matrix(place, clamp);
        }
        let (shape, values) = self.weight_values(place.input(1)?, &place.name)?;
        let (shape, values) = (shape.to_vec(), values.to_vec());
        let made = made::Made::of("parameter", vec![place.input(1)? as usize], &[]);
        let name = format!("{}/weights", place.name);
        let w = self.draft.tied_weight(&name, made, shape, || values)?;
        let bias = self.bias(place, 2)?;
        let y = self.draft.matmul(&place.name, x, w, bias, scale, clamp)?;
        Ok(Made::Natural(y))
    }

    /// `x·Wᵀ` with a matrix that is computed, as attention has it.
    fn computed_matrix(
        &mut self,
        place: &Place<'_>,
        clamp: Option<Clamp>,
    ) -> Result<Made, ImportError> {
        let name = &place.name;
        if place.layer.inp_idxes.len() > 2 {
            let (expected, got) = ("none with a computed matrix", "one");
            return Err(ImportError::malformed(
                format!("{name}: bias"),
                expected,
                got,
            ));
        }
        let a = self.in_file_shape(place.input(0)?, name)?;
        let w = self.in_file_shape(place.input(1)?, name)?;
        let b = self
            .draft
            .transpose(&format!("{name}/turned"), w, vec![1, 0])?;
        let div = self.draft.graph.scale;
        let y = self.draft.node(name, Op::MatMul { a, b, div, clamp })?;
        Ok(Made::Natural(self.natural_of(name, y)?))
    }

    fn pool(&mut self, place: &Place<'_>) -> Result<Made, ImportError> {
        let x = self.image(place.input(0)?, &place.name)?;
        let kernel = [place.size(0)?, place.size(1)?];
        let stride = [place.size(2)?, place.size(3)?];
        // zkml pads nothing here and has no parameter for it; TFLite's maxima do.
        let pads = match (place.layer.params.get(4), self.draft.shape(x)) {
            (None | Some(1), _) => [0; 4],
            (Some(0), &[_, height, width]) => same_padding([height, width], kernel, stride),
            (Some(&other), _) => {
                return Err(place.bad_param(4, "padding 0 (same) or 1 (valid)", other))
            }
        };
        let window = Window {
            kernel,
            stride,
            pads,
        };
        let op = match place.layer.layer_type.as_str() {
            "MaxPool2D" => Op::MaxPool { x, window },
            _ => Op::AvgPool { x, window },
        };
        Ok(Made::Image(self.draft.node(&place.name, op)?))
    }

    fn permute(&mut self, place: &Place<'_>) -> Result<Made, ImportError> {
        let x = self.in_file_shape(place.input(0)?, &place.name)?;
        let rank = self.draft.shape(x).len();
        let Some(perm) = permutation(&place.layer.params, rank) else {
            let got = format!("{:?}", place.layer.params);
            let expected = format!("a permutation of {rank} dimensions");
            let place = format!("{}: params", place.name);
            return Err(ImportError::malformed(place, expected, got));
        };
        let y = self.draft.transpose(&place.name, x, perm)?;
        Ok(Made::Natural(self.natural_of(&place.name, y)?))
    }

    fn elementwise(&mut self, place: &Place<'_>) -> Result<Made, ImportError> {
        let scale = self.draft.graph.scale;
        let kind = place.layer.layer_type.as_str();
        let (first, second) = (place.input(0)?, place.input(1)?);
        let clamp = match kind {
            "Add" => place.activation(0, scale)?,
            _ => None,
        };
        let swapped = self.weights.contains_key(&first);
        let (x, other) = match (swapped, self.weights.contains_key(&second)) {
            (true, false) => (second, Other::Weight(first)),
            (false, true) => (first, Other::Weight(second)),
            _ => (first, Other::Data),
        };
        match other {
            Other::Data => self.computed_layer(place),
            Other::Weight(w) => {
                let (shape, values) = self.weight_values(w, &place.name)?;
                let negated = usize::from(kind == "Sub");
                let mut constant = made::Learned {
                    numbers: (shape.to_vec(), values.to_vec()),
                    made: made::Made::of("constant", vec![w as usize], &[negated]),
                };
                if kind == "Mul" {
                    return self.scale(place, x, Some(&constant), None, scale, None);
                }
                if kind == "Add" {
                    return self.scale(place, x, None, Some(&constant), 1, clamp);
                }
                if kind == "Sub" && !swapped {
                    let values = &mut constant.numbers.1;
                    values.iter_mut().for_each(|v| *v = v.negated());
                    return self.scale(place, x, None, Some(&constant), 1, None);
                }
                // The weights less the tensor.
                self.computed_layer(place)
            }
        }
    }

    /// `x·w / div + bias`, with weights that broadcast over `x`.
    fn scale(
        &mut self,
        place: &Place<'_>,
        idx: i64,
        w: Option<&made::Learned<Rounded>>,
        bias: Option<&made::Learned<Rounded>>,
        div: i64,
        clamp: Option<Clamp>,
    ) -> Result<Made, ImportError> {
        let name = &place.name;
        let constant = w.or(bias).map_or(&[][..], |learned| &learned.numbers.0);
        // With channels last, weights for each channel have the last dimension alone.
        let per_channel = constant.iter().rev().skip(1).all(|&d| d == 1);
        let known = self.find(idx, name)?;
        let image = match known.natural {
            Some(id) => self.draft.shape(id).len() == 3,
            None => true,
        };
        if per_channel && image {
            let x = self.image(idx, name)?;
            if constant.iter().all(|&d| d == 1) {
                let y = self.draft.broadcast_scale(name, x, w, bias, div, clamp)?;
                return Ok(Made::Image(y));
            }
            let c = self.draft.shape(x).first().copied().unwrap_or(0);
            let op = self.draft.per_channel_op(name, x, c, w, bias, div, clamp)?;
            return Ok(Made::Image(self.draft.node(name, op)?));
        }
        let x = self.natural(idx, name)?;
        Ok(Made::Natural(
            self.draft.broadcast_scale(name, x, w, bias, div, clamp)?,
        ))
    }
}

/// TensorFlow's SAME padding: the smaller half first.
fn same_padding(size: [usize; 2], kernel: [usize; 2], stride: [usize; 2]) -> [usize; 4] {
    let total = |d: usize| {
        let (size, kernel, stride) = match d {
            0 => (size[0], kernel[0], stride[0]),
            _ => (size[1], kernel[1], stride[1]),
        };
        ((size.div_ceil(stride) - 1) * stride + kernel).saturating_sub(size)
    };
    let (v, h) = (total(0), total(1));
    [v / 2, h / 2, v - v / 2, h - h / 2]
}

fn permuted(values: &[Rounded], shape: &[usize], perm: &[usize]) -> Vec<Rounded> {
    let order = zkml_graph::movement::transposed_indices(shape, perm);
    order
        .into_iter()
        .filter_map(|i| values.get(i).copied())
        .collect()
}
