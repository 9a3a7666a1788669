//! Operators that write into a tensor by index.

use super::{Handler, Importer, OnnxNode, Results};
use crate::onnx::value::{coordinates, count, strides, Value};
use crate::ImportError;
use zkml_graph::Defined;

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "ScatterElements" | "Scatter" => elements,
        "ScatterND" => tuples,
        _ => return None,
    })
}

fn elements(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let (indices, updates) = (importer.input(node, 1)?, importer.input(node, 2)?);
    let axis = node.axis(node.int("axis", 0), x.rank())?;
    if indices.shape() != updates.shape() || indices.rank() != x.rank() {
        let got = format!("{:?} and {:?}", indices.shape(), updates.shape());
        return Err(node.bad("indices and updates", "one shape, of the data's rank", got));
    }
    let reduction = node.text("reduction", "none");
    let Value::Constant(indices) = &indices else {
        return Ok(vec![
            importer.scatter_computed(&x, &indices, &updates, axis, &reduction)?
        ]);
    };
    let list = importer.positions(indices, x.size(axis))?;
    let steps = strides(x.shape());
    let mut targets = Vec::with_capacity(list.len());
    let mut next = list.into_iter();
    coordinates(&indices.shape, |at| {
        let own = next.next().unwrap_or(0);
        let place = |(i, (&at, &step)): (usize, (&usize, &usize))| {
            if i == axis {
                own * step
            } else {
                at * step
            }
        };
        targets.push(at.iter().zip(&steps).enumerate().map(place).sum());
    });
    Ok(vec![importer.written(&x, &targets, &updates, &reduction)?])
}

fn tuples(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let updates = importer.input(node, 2)?;
    let indices = match importer.input(node, 1)? {
        Value::Constant(indices) => indices,
        computed => return importer.scatter_rows(node, &x, &computed, &updates),
    };
    let depth = indices.shape.last().copied().unwrap_or(0);
    let outer = indices
        .shape
        .get(..indices.shape.len().saturating_sub(1))
        .unwrap_or_default();
    let inner = x.shape().get(depth..).unwrap_or_default().to_vec();
    if depth == 0 || depth > x.rank() || updates.shape() != [outer, &inner].concat() {
        let expected = format!("updates of shape {:?}", [outer, &inner].concat());
        return Err(node.bad("input 2", expected, format!("{:?}", updates.shape())));
    }
    let run = count(&inner);
    importer.spend(updates.count())?;
    let starts = importer.starts(&x, &indices, 0)?;
    let targets: Vec<usize> = starts
        .into_iter()
        .flat_map(|s| s * run..(s + 1) * run)
        .collect();
    let reduction = node.text("reduction", "none");
    Ok(vec![importer.written(&x, &targets, &updates, &reduction)?])
}

impl Importer {
    /// `x` with `updates` at row-major places: in turn, where a place comes more than once.
    fn written(
        &mut self,
        x: &Value,
        targets: &[usize],
        updates: &Value,
        reduction: &str,
    ) -> Result<Value, ImportError> {
        let n = x.count();
        let updates = self.reshape_to(updates, vec![targets.len()])?;
        let mut flat = self.reshape_to(x, vec![n])?;
        // Rounds in which no place comes twice; without a reduction the last one wins at once.
        let mut rounds: Vec<Vec<(usize, usize)>> = Vec::new();
        let mut seen = vec![0usize; n];
        for (from, &to) in targets.iter().enumerate() {
            let Some(times) = seen.get_mut(to) else {
                continue;
            };
            let round = if reduction == "none" { 0 } else { *times };
            *times += 1;
            if rounds.len() <= round {
                rounds.push(Vec::new());
            }
            if let Some(list) = rounds.get_mut(round) {
                list.push((from, to));
            }
        }
        for round in rounds {
            let mut changed: Vec<Option<usize>> = vec![None; n];
            for (from, to) in round {
                if let Some(slot) = changed.get_mut(to) {
                    *slot = Some(from);
                }
            }
            let places: Vec<(usize, usize)> = changed
                .iter()
                .enumerate()
                .filter_map(|(to, from)| from.map(|from| (from, to)))
                .collect();
            let new = self.take(&updates, 0, places.iter().map(|p| p.0).collect())?;
            let old = self.take(&flat, 0, places.iter().map(|p| p.1).collect())?;
            let value = match reduction {
                "none" => new,
                "add" => self.add(&old, &new)?,
                "mul" => self.mul(&old, &new)?,
                "max" => self.extremum(&old, &new, true)?,
                "min" => self.extremum(&old, &new, false)?,
                other => {
                    let expected = "none, add, mul, max or min";
                    return Err(self.bad("attribute 'reduction'", expected, other));
                }
            };
            let both = self.joined(&[flat, value], 0)?;
            let mut indices: Vec<usize> = (0..n).collect();
            for (at, (_, to)) in places.iter().enumerate() {
                if let Some(slot) = indices.get_mut(*to) {
                    *slot = n + at;
                }
            }
            flat = self.take(&both, 0, indices)?;
        }
        self.reshape_to(&flat, x.shape().to_vec())
    }

    /// How often a place is written, where it may be so once: which update is the last is not known.
    fn once(&mut self, hits: &Value) -> Result<Value, ImportError> {
        match hits {
            Value::Constant(_) => Ok(hits.clone()),
            Value::Data(hits) => Ok(self.checked(hits, 0, Some(1), Defined::Once)?.into()),
        }
    }

    /// Computed index tuples, none of them twice: rows that are named take the updates' sums.
    fn scatter_rows(
        &mut self,
        node: &OnnxNode,
        x: &Value,
        indices: &Value,
        updates: &Value,
    ) -> Results {
        let reduction = node.text("reduction", "none");
        if !matches!(reduction.as_str(), "none" | "add") {
            let expected = "none or add, where indices are computed";
            return Err(node.bad("attribute 'reduction'", expected, reduction));
        }
        let (chosen, outer, inner) = self.chosen_rows(x, indices)?;
        let run = count(&inner);
        let rows = x.count() / run.max(1);
        let updates = self.reshape_to(updates, vec![count(&outer), run])?;
        let old = self.reshape_to(x, vec![rows, run])?;
        // [rows, tuples].
        let chosen = self.swapped(&chosen)?;
        let new = self.matmul_of(&chosen, &updates)?;
        let kept = if reduction == "add" {
            old
        } else {
            let hits = self.sum_last(&chosen, 1)?;
            let hit = self.once(&hits)?;
            let free = self.not(&hit)?;
            let free = self.reshape_to(&free, vec![rows, 1])?;
            self.mul(&free, &old)?
        };
        let y = self.add(&kept, &new)?.typed(x.ty());
        Ok(vec![self.reshape_to(&y, x.shape().to_vec())?])
    }

    /// Computed indices: each place takes the updates whose index is its own.
    fn scatter_computed(
        &mut self,
        x: &Value,
        indices: &Value,
        updates: &Value,
        axis: usize,
        reduction: &str,
    ) -> Result<Value, ImportError> {
        let others = |v: &Value| {
            (0..v.rank())
                .filter(|&i| i != axis)
                .map(|i| v.size(i))
                .collect::<Vec<_>>()
        };
        if others(x) != others(indices) {
            let expected = format!("the sizes of {:?} but for dimension {axis}", x.shape());
            return Err(self.bad("indices", expected, format!("{:?}", indices.shape())));
        }
        if !matches!(reduction, "none" | "add") {
            let expected = "none or add, where indices are computed";
            return Err(self.bad("attribute 'reduction'", expected, reduction));
        }
        let size = x.size(axis);
        let index = self.axis_last(indices, axis)?;
        let index = self.indexed(&index, size)?;
        // [.., size, n]: whether an update goes to a place.
        let chosen = self.one_hot(&index, size)?;
        let chosen = self.swapped(&chosen)?;
        let new = self.axis_last(updates, axis)?;
        let new = self.unsqueezed_at(&new, new.rank() - 1)?;
        let product = self.mul(&chosen, &new)?;
        let sums = self.sum_last(&product, 1)?;
        let old = self.axis_last(x, axis)?;
        let kept = if reduction == "add" {
            old
        } else {
            let hits = self.sum_last(&chosen, 1)?;
            let hit = self.once(&hits)?;
            let free = self.not(&hit)?;
            self.mul(&free, &old)?
        };
        let y = self.add(&kept, &sums)?;
        Ok(self.last_to(&y, axis)?.typed(x.ty()))
    }
}
