//! A file's layers without its numbers: what a plan needs where there are no weights.

use super::layers::check_supported;
use super::{checked_shape, parse, File, Layer};
use crate::ImportError;
use std::collections::BTreeSet;

/// The layers of one of zkml's files.
#[derive(Clone, Debug)]
pub struct Shapes {
    /// Fixed-point scale.
    pub scale: i64,
    /// log₂ of the rows of zkml's own circuit, which bound what its activations can be.
    pub k: u32,
    /// In order.
    pub layers: Vec<LayerShape>,
}

/// A layer.
#[derive(Clone, Debug)]
pub struct LayerShape {
    /// Kind and number, as messages call it.
    pub name: String,
    /// Kind.
    pub kind: String,
    /// Its parameters.
    pub params: Vec<i64>,
    /// The tensors that it computes with.
    pub operands: Vec<Operand>,
    /// Numbers of its outputs.
    pub ids: Vec<i64>,
    /// Their shapes, batch included.
    pub outputs: Vec<Vec<usize>>,
}

/// An operand of a layer.
#[derive(Clone, Debug)]
pub struct Operand {
    /// Its number.
    pub id: i64,
    /// Shape, batch included.
    pub shape: Vec<usize>,
    /// Whether it is neither an input nor computed.
    pub weight: bool,
}

pub(crate) fn load(bytes: &[u8]) -> Result<Shapes, ImportError> {
    let file: File = parse(bytes, "a zkml model (a map with tensors and layers)")?;
    check_supported(&file.layers)?;
    if !(2..=1 << 30).contains(&file.global_sf) || !(2..=40).contains(&file.k) {
        let got = format!("{} and {}", file.global_sf, file.k);
        let expected = "a scale from 2 to 2^30, and k from 2 to 40";
        return Err(ImportError::malformed("global_sf, k", expected, got));
    }
    let mut computed: BTreeSet<i64> = file.inp_idxes.iter().copied().collect();
    let mut layers = Vec::with_capacity(file.layers.len());
    for (at, layer) in file.layers.iter().enumerate() {
        layers.push(shapes(at, layer, &computed)?);
        computed.extend(&layer.out_idxes);
    }
    Ok(Shapes {
        scale: file.global_sf,
        k: file.k,
        layers,
    })
}

/// Which operands are computed with; the others say shapes, axes and places.
fn operands(layer: &Layer) -> std::ops::Range<usize> {
    let all = layer.inp_idxes.len();
    match layer.layer_type.as_str() {
        "Conv2D" | "DepthwiseConv2D" | "FullyConnected" => 0..all.min(3),
        "Add" | "Sub" | "Mul" | "SquaredDifference" | "DivVar" | "BatchMatMul" | "Update" => {
            0..all.min(2)
        }
        "Concatenation" | "Pack" => 0..all,
        "Split" => 1.min(all)..all.min(2),
        _ => 0..all.min(1),
    }
}

fn shapes(at: usize, layer: &Layer, computed: &BTreeSet<i64>) -> Result<LayerShape, ImportError> {
    let kind = layer.layer_type.clone();
    let name = format!("{}.{at}", kind.to_lowercase());
    let each = layer.inp_idxes.iter().zip(&layer.inp_shapes);
    let range = operands(layer);
    let chosen = each.skip(range.start).take(range.len());
    let operand = |(&id, shape): (&i64, &Vec<i64>)| {
        Ok(Operand {
            id,
            shape: checked_shape(shape, &name)?,
            weight: !computed.contains(&id),
        })
    };
    let operands = chosen
        .map(operand)
        .collect::<Result<Vec<_>, ImportError>>()?;
    let outputs = layer.out_shapes.iter();
    let outputs = outputs.map(|shape| checked_shape(shape, &name));
    Ok(LayerShape {
        outputs: outputs.collect::<Result<_, _>>()?,
        params: layer.params.clone(),
        ids: layer.out_idxes.clone(),
        operands,
        kind,
        name,
    })
}
