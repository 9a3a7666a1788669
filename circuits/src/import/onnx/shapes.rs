//! Operators that change shapes only, and constants.

use super::{inner, Importer, OnnxNode, Value};
use crate::graph::exec::transposed_indices;
use crate::import::lower::Constant;
use crate::import::ImportError;

impl Value {
    fn shape(&self) -> &[usize] {
        match self {
            Value::Constant((shape, _)) | Value::Data(_, shape) => shape,
        }
    }
}

impl Importer {
    /// Reshape, Flatten, Squeeze, Unsqueeze.
    pub(super) fn reshape(&mut self, node: &OnnxNode) -> Result<Value, ImportError> {
        let value = self.value(node, 0)?.clone();
        let from = value.shape();
        let shape = match node.kind() {
            "Flatten" => {
                // The axis may also be just past the last dimension.
                let value = node.int("axis", 1);
                let axis = axis(node, value, from.len() + usize::from(value >= 0))?;
                let (outer, rest) = from.split_at(axis.min(from.len()));
                vec![outer.iter().product(), rest.iter().product()]
            }
            "Squeeze" => self.squeezed(node, from)?,
            "Unsqueeze" => self.unsqueezed(node, from)?,
            _ => self.reshaped(node, from)?,
        };
        let count = |shape: &[usize]| shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        if count(&shape) != count(from) || count(from).is_none() {
            let expected = format!("as many elements as {from:?}");
            return Err(node.bad("shape", expected, format!("{shape:?}")));
        }
        match value {
            Value::Constant((_, values)) => Ok(Value::Constant((shape, values))),
            Value::Data(id, _) => self.define(node, id, shape),
        }
    }

    /// A list of integers, from an input or an attribute.
    fn list(&self, node: &OnnxNode, attribute: &str) -> Result<Option<Vec<i64>>, ImportError> {
        match self.optional_constant(node, 1)? {
            Some((_, values)) => Ok(Some(values.iter().map(|&v| v as i64).collect())),
            None => Ok(node.attribute(attribute).map(|a| a.ints.clone())),
        }
    }

    fn reshaped(&self, node: &OnnxNode, from: &[usize]) -> Result<Vec<usize>, ImportError> {
        let wanted = self.list(node, "shape")?;
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
            *slot = 0;
            let mut others = shape.iter().filter(|&&d| d != 0);
            let known = others
                .try_fold(1usize, |n, &d| n.checked_mul(d))
                .ok_or_else(bad)?;
            let total: usize = from.iter().product();
            let slot = free.and_then(|i| shape.get_mut(i)).ok_or_else(bad)?;
            *slot = total / known.max(1);
        }
        Ok(shape)
    }

    fn squeezed(&self, node: &OnnxNode, from: &[usize]) -> Result<Vec<usize>, ImportError> {
        let Some(axes) = self.list(node, "axes")? else {
            return Ok(from.iter().copied().filter(|&d| d != 1).collect());
        };
        let axes = axes.into_iter().map(|a| axis(node, a, from.len()));
        let axes = axes.collect::<Result<Vec<usize>, _>>()?;
        let kept = from.iter().enumerate().filter(|(i, _)| !axes.contains(i));
        Ok(kept.map(|(_, &d)| d).collect())
    }

    fn unsqueezed(&self, node: &OnnxNode, from: &[usize]) -> Result<Vec<usize>, ImportError> {
        let axes = self
            .list(node, "axes")?
            .ok_or_else(|| node.bad("axes", "a list", "nothing"))?;
        if axes.len() > 8 {
            return Err(node.bad("axes", "at most 8", axes.len()));
        }
        let rank = from.len() + axes.len();
        let axes = axes.into_iter().map(|a| axis(node, a, rank));
        let axes = axes.collect::<Result<Vec<usize>, _>>()?;
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

    pub(super) fn transpose(&mut self, node: &OnnxNode) -> Result<Value, ImportError> {
        let value = self.value(node, 0)?.clone();
        let from = value.shape().to_vec();
        let perm = match node.attribute("perm") {
            None => (0..from.len()).rev().collect(),
            Some(a) => a
                .ints
                .iter()
                .map(|&p| axis(node, p, from.len()))
                .collect::<Result<Vec<_>, _>>()?,
        };
        let mut sorted = perm.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..from.len()) {
            let expected = format!("a permutation of {} dimensions", from.len());
            return Err(node.bad("attribute 'perm'", expected, format!("{perm:?}")));
        }
        let shape: Vec<usize> = perm.iter().filter_map(|&p| from.get(p).copied()).collect();
        match value {
            Value::Constant((_, values)) => {
                let order = transposed_indices(&from, &perm);
                let values = order
                    .into_iter()
                    .filter_map(|i| values.get(i).copied())
                    .collect();
                Ok(Value::Constant((shape, values)))
            }
            Value::Data(id, _) => {
                let batch = inner(&from).len() < from.len();
                let y = match (batch, perm.split_first()) {
                    // The batch stays where it is: the graph's tensor does without.
                    (true, Some((0, rest))) => {
                        let perm = rest.iter().map(|&p| p - 1).collect();
                        self.draft.transpose(&node.name, id, perm)?
                    }
                    _ => {
                        let full = self.draft.reshape(&format!("{}/in", node.name), id, from)?;
                        self.draft.transpose(&node.name, full, perm)?
                    }
                };
                self.define(node, y, shape)
            }
        }
    }

    pub(super) fn constant_node(&mut self, node: &OnnxNode) -> Result<Value, ImportError> {
        let list = |values: Vec<f64>| -> Constant<f64> { (vec![values.len()], values) };
        for attribute in &node.proto.attribute {
            let constant = match attribute.name.as_str() {
                "value" => match attribute.t.clone() {
                    Some(tensor) => super::tensor::constant(tensor, &node.name)?,
                    None => continue,
                },
                "value_float" => (vec![], vec![attribute.f.into()]),
                "value_int" => (vec![], vec![attribute.i as f64]),
                "value_floats" => list(attribute.floats.iter().map(|&v| v.into()).collect()),
                "value_ints" => list(attribute.ints.iter().map(|&v| v as f64).collect()),
                _ => continue,
            };
            return Ok(Value::Constant(constant));
        }
        Err(node.bad(
            "attributes",
            "a tensor, numbers or a number",
            "none of them",
        ))
    }
}

/// An axis of `rank` dimensions; negative ones count from the end.
fn axis(node: &OnnxNode, value: i64, rank: usize) -> Result<usize, ImportError> {
    let signed = i64::try_from(rank).unwrap_or(i64::MAX);
    let at = if value < 0 {
        value.saturating_add(signed)
    } else {
        value
    };
    match usize::try_from(at) {
        Ok(at) if at < rank => Ok(at),
        _ => Err(node.bad("axis", format!("less than {rank} in size"), value)),
    }
}
