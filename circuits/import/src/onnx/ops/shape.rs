//! Operators about shapes: other shapes for the same elements, and shapes as numbers.

use super::{Handler, Importer, OnnxNode, Results};
use crate::onnx::value::{count, Array, Type, Value};
use crate::ImportError;

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => reshape,
        "Transpose" => transpose,
        "Shape" => shape,
        "Size" => size,
        "Expand" => expand,
        _ => return None,
    })
}

fn reshape(importer: &mut Importer, node: &OnnxNode) -> Results {
    let value = importer.input(node, 0)?;
    let from = value.shape();
    let shape = match node.kind() {
        "Flatten" => {
            // The axis may also be just past the last dimension.
            let axis = node.int("axis", 1);
            let axis = node.axis(axis, from.len() + usize::from(axis >= 0))?;
            let (outer, rest) = from.split_at(axis.min(from.len()));
            vec![outer.iter().product(), rest.iter().product()]
        }
        "Squeeze" => importer.squeezed(node, from)?,
        "Unsqueeze" => importer.unsqueezed(node, from)?,
        _ => importer.reshaped(node, from)?,
    };
    Ok(vec![importer.reshape_to(&value, shape)?])
}

fn transpose(importer: &mut Importer, node: &OnnxNode) -> Results {
    let value = importer.input(node, 0)?;
    let rank = value.rank();
    let perm = match node.attribute("perm") {
        None => (0..rank).rev().collect(),
        Some(a) => a
            .ints
            .iter()
            .map(|&p| match p {
                ..0 => Err(node.bad("attribute 'perm'", "none below 0", p)),
                p => node.axis(p, rank),
            })
            .collect::<Result<Vec<_>, _>>()?,
    };
    let mut sorted = perm.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..rank) {
        let expected = format!("a permutation of {rank} dimensions");
        return Err(node.bad("attribute 'perm'", expected, format!("{perm:?}")));
    }
    Ok(vec![importer.permuted(&value, &perm)?])
}

fn shape(importer: &mut Importer, node: &OnnxNode) -> Results {
    let value = importer.input(node, 0)?;
    let rank = value.rank() as i64;
    // Out of range is cut off here, unlike elsewhere.
    let end = |v: i64| (if v < 0 { v.saturating_add(rank) } else { v }).clamp(0, rank) as usize;
    let (from, until) = (end(node.int("start", 0)), end(node.int("end", rank)));
    let sizes = value.shape().get(from..until.max(from)).unwrap_or_default();
    let values = sizes.iter().map(|&d| d as f64).collect();
    Ok(vec![
        Array::public(vec![sizes.len()], values, Type::INDEX).into()
    ])
}

fn size(importer: &mut Importer, node: &OnnxNode) -> Results {
    let value = importer.input(node, 0)?;
    Ok(vec![Array::scalar(value.count() as f64, Type::INDEX).into()])
}

fn expand(importer: &mut Importer, node: &OnnxNode) -> Results {
    let value = importer.input(node, 0)?;
    let sizes = importer.known(node, 1)?.integers();
    let sizes = importer.sizes_of("input 1", &sizes)?;
    let wanted: Value = Array::public(sizes, vec![], Type::INDEX).into();
    let shape = importer.common_shape(&[&value, &wanted])?;
    importer.spend(count(&shape))?;
    Ok(vec![importer.expand(&value, &shape)?])
}

impl Importer {
    fn reshaped(&mut self, node: &OnnxNode, from: &[usize]) -> Result<Vec<usize>, ImportError> {
        let wanted = self.list(node, 1, "shape")?;
        let wanted = wanted.ok_or_else(|| node.bad("shape", "a constant", "nothing"))?;
        let keep_zero = node.int("allowzero", 0) != 0;
        let bad = || node.bad("shape", format!("one for {from:?}"), format!("{wanted:?}"));
        let mut shape = Vec::with_capacity(wanted.len());
        let mut free = None;
        for (i, &d) in wanted.iter().enumerate() {
            shape.push(match d {
                -1 if free.replace(i).is_none() => 1,
                0 if !keep_zero => *from.get(i).ok_or_else(bad)?,
                d => usize::try_from(d).map_err(|_| bad())?,
            });
        }
        if let Some(slot) = free.and_then(|i| shape.get_mut(i)) {
            *slot = 1;
            let known = count(&shape);
            let slot = free.and_then(|i| shape.get_mut(i)).ok_or_else(bad)?;
            *slot = count(from) / known.max(1);
        }
        Ok(shape)
    }

    fn squeezed(&mut self, node: &OnnxNode, from: &[usize]) -> Result<Vec<usize>, ImportError> {
        let axes = self.list(node, 1, "axes")?;
        let Some(axes) = axes.filter(|axes| !axes.is_empty()) else {
            return Ok(from.iter().copied().filter(|&d| d != 1).collect());
        };
        let axes = self.axes_of(node, Some(axes), from.len())?;
        let kept = from.iter().enumerate().filter(|(i, _)| !axes.contains(i));
        Ok(kept.map(|(_, &d)| d).collect())
    }

    fn unsqueezed(&mut self, node: &OnnxNode, from: &[usize]) -> Result<Vec<usize>, ImportError> {
        let axes = self
            .list(node, 1, "axes")?
            .ok_or_else(|| node.bad("axes", "a list", "nothing"))?;
        if axes.len() > 8 {
            return Err(node.bad("axes", "at most 8", axes.len()));
        }
        let rank = from.len() + axes.len();
        let named = axes.len();
        let axes = self.axes_of(node, Some(axes), rank)?;
        if axes.len() != named {
            return Err(node.bad("axes", "each of them once", "some again"));
        }
        let mut rest = from.iter().copied();
        let at = |i: usize| {
            if axes.contains(&i) {
                Some(1)
            } else {
                rest.next()
            }
        };
        Ok((0..rank).map_while(at).collect())
    }
}
