//! Operators that choose elements by index. Known indices move elements; computed ones become
//! rows of booleans, one of them 1, that are multiplied with what they choose from.

use super::{Handler, Importer, OnnxNode, Results};
use crate::onnx::value::{count, Array, Data, Type, Value};
use crate::ImportError;
use zkml_graph::Defined;

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "Gather" => gather,
        "GatherElements" => gather_elements,
        "GatherND" => gather_nd,
        "Compress" => compress,
        "OneHot" => one_hot,
        "NonZero" => non_zero,
        _ => return None,
    })
}

fn gather(importer: &mut Importer, node: &OnnxNode) -> Results {
    let (x, indices) = (importer.input(node, 0)?, importer.input(node, 1)?);
    let axis = node.axis(node.int("axis", 0), x.rank())?;
    Ok(vec![importer.chosen_along(&x, &indices, axis)?])
}

fn gather_elements(importer: &mut Importer, node: &OnnxNode) -> Results {
    let (x, indices) = (importer.input(node, 0)?, importer.input(node, 1)?);
    let axis = node.axis(node.int("axis", 0), x.rank())?;
    Ok(vec![importer.elements_along(&x, &indices, axis)?])
}

fn gather_nd(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let indices = match importer.input(node, 1)? {
        Value::Constant(indices) => indices,
        computed => return importer.gather_computed(node, &x, &computed),
    };
    let batch = usize::try_from(node.int("batch_dims", 0)).unwrap_or(0);
    let depth = indices.shape.last().copied().unwrap_or(0);
    let outer = indices
        .shape
        .get(..indices.shape.len().saturating_sub(1))
        .unwrap_or_default();
    let same = x
        .shape()
        .get(..batch)
        .is_some_and(|s| outer.get(..batch) == Some(s));
    if !same || depth == 0 || batch + depth > x.rank() {
        let expected = format!("indices of {:?} after {batch} batch dimensions", x.shape());
        return Err(node.bad("input 1", expected, format!("{:?}", indices.shape)));
    }
    let inner = x.shape().get(batch + depth..).unwrap_or_default().to_vec();
    let shape = [outer, &inner].concat();
    importer.spend(count(&shape))?;
    let starts = importer.starts(&x, &indices, batch)?;
    let run = count(&inner);
    let picked = starts
        .into_iter()
        .flat_map(|s| s * run..(s + 1) * run)
        .collect();
    Ok(vec![importer.pick(&x, picked, shape)?])
}

fn compress(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let condition = importer.choice(node, 1)?;
    let (x, axis) = match node.attribute("axis") {
        Some(axis) => (x.clone(), node.axis(axis.i, x.rank())?),
        None => (importer.reshape_to(&x, vec![x.count()])?, 0),
    };
    let kept = condition
        .values
        .iter()
        .enumerate()
        .filter(|(_, &c)| c != 0.0);
    let indices = kept.map(|(i, _)| i).collect();
    Ok(vec![importer.take(&x, axis, indices)?])
}

fn one_hot(importer: &mut Importer, node: &OnnxNode) -> Results {
    let indices = importer.input(node, 0)?;
    let depth = importer.maybe_number(node, 1)?.unwrap_or(0.0) as i64;
    let depth = importer
        .sizes_of("depth", &[depth])?
        .first()
        .copied()
        .unwrap_or(0);
    let values = importer.input(node, 2)?;
    if depth == 0 || values.count() != 2 {
        return Err(node.bad("depth and values", "a size and two values", depth));
    }
    let axis = node.axis(node.int("axis", -1), indices.rank() + 1)?;
    if indices.rank() == 0 {
        return Err(node.bad("indices", "at least one dimension", "a scalar"));
    }
    let whole = importer.whole_index(&indices)?;
    let index = importer.counted_from_start(&whole, depth)?;
    let chosen = importer.one_hot(&index, depth)?;
    let chosen = importer.last_to(&chosen, axis)?;
    let values = importer.reshape_to(&values, vec![2])?;
    let off = importer.take(&values, 0, vec![0])?;
    let on = importer.take(&values, 0, vec![1])?;
    let y = importer.choose(&chosen, &on, &off)?;
    Ok(vec![y.typed(values.ty())])
}

/// Of known numbers only: how many there are is a shape.
fn non_zero(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.choice(node, 0)?;
    importer.spend(x.values.len().saturating_mul(x.shape.len().max(1)))?;
    let mut found: Vec<Vec<f64>> = vec![Vec::new(); x.shape.len()];
    let mut values = x.values.iter();
    crate::onnx::value::coordinates(&x.shape, |at| {
        if values.next().is_some_and(|&v| v != 0.0) {
            at.iter()
                .zip(&mut found)
                .for_each(|(&i, list)| list.push(i as f64));
        }
    });
    let n = found.first().map_or(0, Vec::len);
    let shape = vec![found.len(), n];
    let all = found.concat();
    let ty = crate::onnx::value::Type::INDEX;
    Ok(vec![Array::new(shape, all, ty, x.origins.clone()).into()])
}

impl Importer {
    /// Elements along one dimension by index: the dimensions of the indices stand in its place.
    pub(super) fn chosen_along(
        &mut self,
        x: &Value,
        indices: &Value,
        axis: usize,
    ) -> Result<Value, ImportError> {
        let size = x.size(axis);
        let before = x.shape().get(..axis).unwrap_or_default().to_vec();
        let after = x.shape().get(axis + 1..).unwrap_or_default().to_vec();
        let shape = [before, indices.shape().to_vec(), after].concat();
        if let Value::Constant(array) = indices {
            let list = self.positions(array, size)?;
            let y = self.take(x, axis, list)?;
            return self.reshape_to(&y, shape);
        }
        // [n, size] × [size, rest].
        let n = indices.count();
        let flat = self.reshape_to(indices, vec![n])?;
        let flat = self.indexed(&flat, size)?;
        let chosen = self.one_hot(&flat, size)?;
        let front: Vec<usize> = std::iter::once(axis)
            .chain((0..x.rank()).filter(|&i| i != axis))
            .collect();
        let table = self.permuted(x, &front)?;
        let rest = x.count() / size.max(1);
        let table = self.reshape_to(&table, vec![size, rest])?;
        let y = self.matmul_of(&chosen, &table)?;
        let others: Vec<usize> = front.iter().skip(1).map(|&i| x.size(i)).collect();
        let y = self.reshape_to(&y, [vec![n], others].concat())?;
        // The dimension of the indices to its place.
        let perm: Vec<usize> = (1..=axis).chain([0]).chain(axis + 1..x.rank()).collect();
        let y = self.permuted(&y, &perm)?.typed(x.ty());
        self.reshape_to(&y, shape)
    }

    /// Known indices into a dimension.
    pub(in crate::onnx) fn positions(
        &mut self,
        array: &Array,
        size: usize,
    ) -> Result<Vec<usize>, ImportError> {
        self.disclose_choice(array, "indices");
        let signed = i64::try_from(size).unwrap_or(i64::MAX);
        let one = |v: i64| {
            let v = if v < 0 { v.saturating_add(signed) } else { v };
            usize::try_from(v).ok().filter(|&v| v < size)
        };
        let found: Option<Vec<usize>> = array.integers().into_iter().map(one).collect();
        found.ok_or_else(|| {
            let expected = format!("indices from -{size} to {size} - 1");
            self.bad("indices", expected, "others")
        })
    }

    /// Indices of any type: one that is no whole number is none.
    fn whole_index(&mut self, indices: &Value) -> Result<Value, ImportError> {
        let whole = self.cast(indices, Type::INDEX)?;
        let rest = self.sub(indices, &whole.clone().typed(indices.ty()))?;
        match &rest {
            Value::Constant(array) if array.values.iter().all(|&v| v == 0.0) => Ok(whole),
            Value::Constant(_) => Err(self.bad("indices", "whole numbers", "others")),
            // The rest is 0, which is added so that it is checked.
            Value::Data(data) if data.scale != 1 => {
                let none = self.checked(data, 0, Some(0), Defined::Index)?;
                let none = Data { scale: 1, ..none };
                Ok(self.add(&whole, &none.into())?.typed(Type::INDEX))
            }
            Value::Data(_) => Ok(whole),
        }
    }

    /// Computed index tuples: a matrix product with the rows that they choose.
    fn gather_computed(&mut self, node: &OnnxNode, x: &Value, indices: &Value) -> Results {
        if node.int("batch_dims", 0) != 0 {
            return Err(node.bad(
                "attribute 'batch_dims'",
                "0, where indices are computed",
                "more",
            ));
        }
        let (chosen, outer, inner) = self.chosen_rows(x, indices)?;
        let run = count(&inner);
        let rows = self.reshape_to(x, vec![x.count() / run.max(1), run])?;
        let y = self.matmul_of(&chosen, &rows)?.typed(x.ty());
        Ok(vec![self.reshape_to(&y, [outer, inner].concat())?])
    }

    /// `[tuples, rows]` of booleans: which row of `x` each computed index tuple names; with the
    /// dimensions of the indices before the tuples, and those of `x` after them.
    pub(super) fn chosen_rows(
        &mut self,
        x: &Value,
        indices: &Value,
    ) -> Result<(Value, Vec<usize>, Vec<usize>), ImportError> {
        let depth = indices.shape().last().copied().unwrap_or(0);
        if depth == 0 || depth > x.rank() {
            let expected = format!("tuples of up to {} indices", x.rank());
            return Err(self.bad("indices", expected, depth));
        }
        let (named, inner) = x.shape().split_at(depth);
        let (named, inner) = (named.to_vec(), inner.to_vec());
        let outer: Vec<usize> = indices
            .shape()
            .iter()
            .take(indices.rank() - 1)
            .copied()
            .collect();
        let tuples = self.reshape_to(indices, vec![count(&outer), depth])?;
        let steps = crate::onnx::value::strides(&named);
        let mut parts = Vec::new();
        for (i, &size) in named.iter().enumerate() {
            let part = self.slice(&tuples, 1, i, 1)?;
            let part = self.reshape_to(&part, vec![count(&outer)])?;
            parts.push(self.indexed(&part, size)?);
        }
        let terms: Vec<(i64, &Value)> = steps
            .iter()
            .zip(&parts)
            .map(|(&s, p)| (s as i64, p))
            .collect();
        let row = self.sum(&terms)?;
        Ok((self.one_hot(&row, count(&named))?, outer, inner))
    }

    /// The row-major position of each index tuple among the first dimensions.
    pub(super) fn starts(
        &mut self,
        x: &Value,
        indices: &Array,
        batch: usize,
    ) -> Result<Vec<usize>, ImportError> {
        self.disclose_choice(indices, "indices");
        let depth = indices.shape.last().copied().unwrap_or(1).max(1);
        let tuples: Vec<&[f64]> = indices.values.chunks(depth).collect();
        let batches: usize = indices.shape.iter().take(batch).product();
        let per_batch = (tuples.len() / batches.max(1)).max(1);
        let mut one = |(n, tuple): (usize, &&[f64])| {
            let mut at = n / per_batch;
            for (i, &v) in tuple.iter().enumerate() {
                let size = x.size(batch + i);
                let own = Array::public(vec![1], vec![v], indices.ty);
                at = at * size + self.positions(&own, size)?.first().copied().unwrap_or(0);
            }
            Ok(at)
        };
        tuples.iter().enumerate().map(&mut one).collect()
    }

    /// `y[.., i, ..] = x[.., indices[.., i, ..], ..]` along one dimension.
    pub(super) fn elements_along(
        &mut self,
        x: &Value,
        indices: &Value,
        axis: usize,
    ) -> Result<Value, ImportError> {
        let size = x.size(axis);
        if x.rank() != indices.rank()
            || (0..x.rank()).any(|i| i != axis && indices.size(i) > x.size(i))
        {
            let expected = format!("a shape within {:?} but for dimension {axis}", x.shape());
            return Err(self.bad("indices", expected, format!("{:?}", indices.shape())));
        }
        if let Value::Constant(array) = indices {
            let list = self.positions(array, size)?;
            let mut next = list.into_iter();
            let next = std::cell::RefCell::new(&mut next);
            return self.pick_by(x, &array.shape.clone(), |at| {
                let mut from = at.to_vec();
                if let Some(slot) = from.get_mut(axis) {
                    *slot = next.borrow_mut().next().unwrap_or(0);
                }
                from
            });
        }
        let mut within = x.clone();
        for i in (0..x.rank()).filter(|&i| i != axis) {
            within = self.slice(&within, i, 0, indices.size(i))?;
        }
        // [.., n, size] of booleans against [.., 1, size] of elements.
        let index = self.axis_last(indices, axis)?;
        let index = self.indexed(&index, size)?;
        let chosen = self.one_hot(&index, size)?;
        let elements = self.axis_last(&within, axis)?;
        let elements = self.unsqueezed_at(&elements, elements.rank() - 1)?;
        let product = self.mul(&chosen, &elements)?;
        let y = self.sum_last(&product, 1)?;
        Ok(self.last_to(&y, axis)?.typed(x.ty()))
    }
}
