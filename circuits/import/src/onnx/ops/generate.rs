//! Operators that make numbers from attributes and shapes: known when the file is read.

use super::{Handler, Importer, OnnxNode, Results};
use crate::onnx::tensor;
use crate::onnx::value::{count, Array, Type};
use std::f64::consts::PI;

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "Constant" => constant,
        "ConstantOfShape" => filled,
        "Range" => range,
        "EyeLike" => eye,
        "HannWindow" | "HammingWindow" | "BlackmanWindow" => window,
        _ => return None,
    })
}

fn constant(importer: &mut Importer, node: &OnnxNode) -> Results {
    let list = |values: Vec<f64>, ty: Type| Array::public(vec![values.len()], values, ty);
    for attribute in &node.proto.attribute {
        let array = match attribute.name.as_str() {
            "value" => match &attribute.t {
                Some(tensor) => tensor::constant(tensor, &node.name)?,
                None => continue,
            },
            "value_float" => Array::public(vec![], vec![attribute.f.into()], Type::Real),
            "value_int" => Array::public(vec![], vec![attribute.i as f64], Type::INDEX),
            "value_floats" => list(
                attribute.floats.iter().map(|&v| v.into()).collect(),
                Type::Real,
            ),
            "value_ints" => list(
                attribute.ints.iter().map(|&v| v as f64).collect(),
                Type::INDEX,
            ),
            _ => continue,
        };
        let name = node.proto.output.first().map_or("", String::as_str);
        return Ok(vec![importer.initialiser(name, array)?.into()]);
    }
    Err(node.bad(
        "attributes",
        "a tensor, numbers or a number",
        "none of them",
    ))
}

fn filled(importer: &mut Importer, node: &OnnxNode) -> Results {
    let shape = importer.known(node, 0)?.integers();
    let shape = importer.sizes_of("input 0", &shape)?;
    let value = match node.attribute("value").and_then(|a| a.t.as_ref()) {
        Some(tensor) => tensor::constant(tensor, &node.name)?,
        None => Array::scalar(0.0, Type::Real),
    };
    let number = value.values.first().copied().unwrap_or(0.0);
    Ok(vec![importer.filled(&shape, number, value.ty)?])
}

fn range(importer: &mut Importer, node: &OnnxNode) -> Results {
    let start = importer.known(node, 0)?;
    let mut number = |at: usize| importer.maybe_number(node, at);
    let (from, to, step) = (number(0)?, number(1)?, number(2)?);
    let (from, to, step) = (from.unwrap_or(0.0), to.unwrap_or(0.0), step.unwrap_or(1.0));
    let n = ((to - from) / step).ceil().max(0.0);
    // Also where the step is 0.
    if n.is_nan() || n > (1 << 26) as f64 {
        return Err(node.bad("inputs", "at most 2^26 numbers", n));
    }
    importer.spend(n as usize)?;
    let values: Vec<f64> = (0..n as usize).map(|i| from + i as f64 * step).collect();
    Ok(vec![
        Array::public(vec![values.len()], values, start.ty).into()
    ])
}

fn eye(importer: &mut Importer, node: &OnnxNode) -> Results {
    let like = importer.input(node, 0)?;
    let &[rows, columns] = like.shape() else {
        return Err(node.bad("input 0", "two dimensions", format!("{:?}", like.shape())));
    };
    let code = i32::try_from(node.int("dtype", 0)).unwrap_or(0);
    let ty = Type::of(code).unwrap_or(like.ty());
    importer.spend(count(&[rows, columns]))?;
    let k = node.int("k", 0);
    let mut values = vec![0.0; rows * columns];
    for row in 0..rows {
        let column = usize::try_from((row as i64).saturating_add(k)).ok();
        if let Some(column) = column.filter(|&c| c < columns) {
            if let Some(slot) = values.get_mut(row * columns + column) {
                *slot = 1.0;
            }
        }
    }
    Ok(vec![Array::public(vec![rows, columns], values, ty).into()])
}

fn window(importer: &mut Importer, node: &OnnxNode) -> Results {
    let size = importer.maybe_number(node, 0)?.unwrap_or(0.0) as i64;
    let n = importer
        .sizes_of("input 0", &[size])?
        .first()
        .copied()
        .unwrap_or(0);
    importer.spend(n)?;
    let periodic = node.int("periodic", 1) != 0;
    let turns = if periodic { n as f64 } else { n as f64 - 1.0 };
    let (a, b, c) = match node.kind() {
        "HannWindow" => (0.5, 0.5, 0.0),
        "HammingWindow" => (25.0 / 46.0, 21.0 / 46.0, 0.0),
        _ => (0.42, 0.5, 0.08),
    };
    let at = |i: usize| {
        let angle = 2.0 * PI * i as f64 / turns;
        a - b * angle.cos() + c * (2.0 * angle).cos()
    };
    let values = (0..n).map(at).collect();
    Ok(vec![Array::public(vec![n], values, Type::Real).into()])
}
