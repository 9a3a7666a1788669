//! Reductions over dimensions: sums and extrema.

use super::arith::larger;
use super::value::{count, Data, Type, Value};
use super::Importer;
use crate::ImportError;
use zkml_graph::Op;

type One = Result<Value, ImportError>;

impl Importer {
    /// The reduced dimensions at the end and flattened: `[kept…, length]`.
    pub(super) fn rows_over(&mut self, x: &Value, axes: &[usize]) -> One {
        let kept: Vec<usize> = (0..x.rank()).filter(|i| !axes.contains(i)).collect();
        let perm = [kept.as_slice(), axes].concat();
        let mut shape: Vec<usize> = kept.iter().map(|&i| x.size(i)).collect();
        shape.push(axes.iter().map(|&i| x.size(i)).product());
        let turned = self.permuted(x, &perm)?;
        self.reshape_to(&turned, shape)
    }

    /// A reduction's result with the reduced dimensions as 1, or without them.
    pub(super) fn reduced_shape(
        &mut self,
        result: &Value,
        from: &[usize],
        axes: &[usize],
        keep: bool,
    ) -> One {
        let one = |(i, &size): (usize, &usize)| match axes.contains(&i) {
            false => Some(size),
            true => keep.then_some(1),
        };
        let shape = from.iter().enumerate().filter_map(one).collect();
        self.reshape_to(result, shape)
    }

    /// `Σ x / div` over the last dimension, which goes.
    pub(super) fn sum_last(&mut self, x: &Value, div: i64) -> One {
        let length = x.shape().last().copied().unwrap_or(1);
        let mut shape = x.shape().to_vec();
        shape.pop();
        // A sum of booleans is a count.
        let ty = if x.ty() == Type::Bool {
            Type::INDEX
        } else {
            x.ty()
        };
        match x {
            Value::Constant(array) => {
                self.spend(count(&shape))?;
                let values: Vec<f64> = match length {
                    0 => vec![0.0; count(&shape)],
                    _ => array
                        .values
                        .chunks(length)
                        .map(|row| row.iter().sum::<f64>() / div as f64)
                        .collect(),
                };
                let mut sums = array.clone();
                (sums.shape, sums.values, sums.ty) = (shape, values.into(), ty);
                Ok(sums.into())
            }
            Value::Data(data) => {
                let id = self.full(data)?;
                let id = self.op(Op::ReduceSum { x: id, div })?;
                Ok(self.wrap(id, shape, ty, data.scale)?.into())
            }
        }
    }

    /// The extremum over the last dimension, which goes: halves against each other.
    pub(super) fn extremum_last(&mut self, x: &Value, max: bool) -> One {
        let axis = x.rank().saturating_sub(1);
        let mut shape = x.shape().to_vec();
        let length = shape.pop().unwrap_or(1);
        if let (Value::Constant(array), true) = (x, length > 0) {
            self.spend(count(&shape))?;
            let pick = |a: f64, b: f64| larger(a, b, max);
            let best = |row: &[f64]| row.iter().copied().reduce(pick).unwrap_or(0.0);
            let values = array.values.chunks(length).map(best).collect();
            let mut found = array.clone();
            (found.shape, found.values) = (shape, values);
            return Ok(found.into());
        }
        if length == 0 {
            return Err(self.bad("operand", "some elements to choose from", "none"));
        }
        let mut best = x.clone();
        let mut length = length;
        while length > 1 {
            // Halves of odd lengths overlap: no extremum minds.
            let half = length.div_ceil(2);
            let low = self.slice(&best, axis, 0, half)?;
            let high = self.slice(&best, axis, length - half, half)?;
            best = self.extremum(&low, &high, max)?;
            length = half;
        }
        self.reshape_to(&best, shape)
    }

    /// The sum of a reduction, kept or not.
    pub(super) fn sum_over(&mut self, x: &Value, axes: &[usize], keep: bool, mean: bool) -> One {
        let rows = self.rows_over(x, axes)?;
        let length = rows.shape().last().copied().unwrap_or(1);
        let div = if mean {
            i64::try_from(length).unwrap_or(1).max(1)
        } else {
            1
        };
        // Means of integers are integers: toward −∞ is what the graph does not do, so they are refused.
        if mean && div > 1 && !x.ty().is_real() {
            return Err(self.bad("operand", "real numbers to average", "integers"));
        }
        let rows = match &rows {
            Value::Data(data) if mean && data.scale < self.scale() => {
                self.at_scale(data, self.scale())?.into()
            }
            _ => rows,
        };
        let sums = self.sum_last(&rows, div)?;
        self.reduced_shape(&sums, x.shape(), axes, keep)
    }

    /// The extremum of a reduction.
    pub(super) fn extremum_over(
        &mut self,
        x: &Value,
        axes: &[usize],
        keep: bool,
        max: bool,
    ) -> One {
        let rows = self.rows_over(x, axes)?;
        let best = self.extremum_last(&rows, max)?;
        self.reduced_shape(&best, x.shape(), axes, keep)
    }

    /// Whether `x[.., i]` is the chosen extremum of its row: the first, or the last of equals.
    pub(super) fn extremum_index(&mut self, x: &Value, max: bool, last: bool) -> One {
        let length = x.shape().last().copied().unwrap_or(1);
        let axis = x.rank().saturating_sub(1);
        let best = self.extremum_last(x, max)?;
        let best = self.unsqueezed_at(&best, axis)?;
        let is_best = match max {
            true => self.greater(x, &best, true)?,
            false => self.greater(&best, x, true)?,
        };
        // The largest of i + 1, or of n − i, among the best.
        let ramp: Vec<f64> = (0..length)
            .map(|i| if last { i + 1 } else { length - i } as f64)
            .collect();
        let ramp = super::value::Array::public(vec![length], ramp, Type::INDEX).into();
        let marked = self.mul(&is_best, &ramp)?;
        let marked = self.extremum_last(&marked, true)?;
        let end = Value::int(if last { -1 } else { length as i64 });
        let sign = if last { 1 } else { -1 };
        Ok(self.sum(&[(sign, &marked), (1, &end)])?.typed(Type::INDEX))
    }

    /// A dimension of 1 more.
    pub(super) fn unsqueezed_at(&mut self, x: &Value, axis: usize) -> One {
        let mut shape = x.shape().to_vec();
        shape.insert(axis.min(shape.len()), 1);
        self.reshape_to(x, shape)
    }

    /// `[.., n]` of booleans: whether an index is 0, 1, … n − 1.
    pub(super) fn one_hot(&mut self, index: &Value, n: usize) -> One {
        let column = self.unsqueezed_at(index, index.rank())?;
        let wide = [
            column.shape().split_last().map_or(&[][..], |(_, s)| s),
            &[n],
        ]
        .concat();
        self.spend(count(&wide))?;
        self.equal(&column, &Value::ramp(n))
    }

    /// Indices that count from the end where they are negative.
    pub(super) fn counted_from_start(&mut self, index: &Value, size: usize) -> One {
        let index = match index {
            Value::Constant(array) => {
                let size = size as f64;
                return self.fold(array, array.ty, |v| if v < 0.0 { v + size } else { v });
            }
            Value::Data(data) => data.clone(),
        };
        if self.range(index.id).lo >= 0 {
            return Ok(index.into());
        }
        let index: Value = Data { ..index }.into();
        let negative = self.greater(&Value::int(0), &index, false)?;
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        self.sum(&[(1, &index), (size, &negative)])
    }
}
