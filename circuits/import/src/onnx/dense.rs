//! Matrix products.

use super::value::{broadcast_shape, count, Array, Data, Value};
use super::Importer;
use crate::ImportError;
use zkml_graph::Op;

type One = Result<Value, ImportError>;

/// Most multiplications of a product of known numbers.
const MAX_FOLDED: usize = 1 << 30;

impl Importer {
    /// numpy's `matmul`.
    pub(super) fn matmul_of(&mut self, a: &Value, b: &Value) -> One {
        if a.rank() == 0 || b.rank() == 0 {
            return Err(self.bad("operands", "at least one dimension", "a scalar"));
        }
        let (row, column) = (a.rank() == 1, b.rank() == 1);
        let a = if row {
            self.unsqueezed_at(a, 0)?
        } else {
            a.clone()
        };
        let b = if column {
            self.unsqueezed_at(b, 1)?
        } else {
            b.clone()
        };
        let (left, right) = (a.shape().to_vec(), b.shape().to_vec());
        let ([batch_a @ .., m, k], [batch_b @ .., rows, n]) = (left.as_slice(), right.as_slice())
        else {
            return Err(self.bad("operands", "matrices", format!("{left:?} and {right:?}")));
        };
        let batch = broadcast_shape(batch_a, batch_b).filter(|_| k == rows && *k > 0);
        let Some(batch) = batch else {
            let expected = "[…, M, K] and […, K, N]";
            return Err(self.bad("operands", expected, format!("{left:?} and {right:?}")));
        };
        let product = self.product(&a, &b, &batch, [*m, *k, *n])?;
        let mut shape = batch;
        if !row {
            shape.push(*m);
        }
        if !column {
            shape.push(*n);
        }
        self.reshape_to(&product, shape)
    }

    fn product(&mut self, a: &Value, b: &Value, batch: &[usize], [m, k, n]: [usize; 3]) -> One {
        let ones =
            |v: &Value| count(v.shape()) == v.shape().iter().rev().take(2).product::<usize>();
        match (a, b) {
            (Value::Constant(x), Value::Constant(y)) => {
                let (x, y) = (self.batched(x, batch)?, self.batched(y, batch)?);
                self.folded_product(&x, &y, [m, k, n])
            }
            (Value::Data(x), Value::Constant(w)) if ones(b) && !w.is_public() => {
                let w = self.reshape_to(b, vec![k, n])?;
                let x = self.expand_batch(&x.clone().into(), batch)?;
                self.weighted(&x, &w)
            }
            (Value::Constant(w), Value::Data(x)) if ones(a) && !w.is_public() => {
                // (W·x)ᵀ = xᵀ·Wᵀ.
                let w = self.reshape_to(a, vec![m, k])?;
                let w = self.permuted(&w, &[1, 0])?;
                let x = self.expand_batch(&x.clone().into(), batch)?;
                let x = self.swapped(&x)?;
                let y = self.weighted(&x, &w)?;
                self.swapped(&y)
            }
            _ => {
                let (a, b) = (self.expand_batch(a, batch)?, self.expand_batch(b, batch)?);
                let ty = a.ty().join(b.ty());
                let (x, y) = (self.data(&a)?, self.data(&b)?);
                let (scale, div) = self.product_scale(x.scale, y.scale);
                let (left, right) = (self.full(&x)?, self.full(&y)?);
                let op = Op::MatMul {
                    a: left,
                    b: right,
                    div,
                    clamp: None,
                };
                let id = self.op(op)?;
                let shape = [batch, &[m, n]].concat();
                Ok(self.wrap(id, shape, ty, scale)?.into())
            }
        }
    }

    fn expand_batch(&mut self, x: &Value, batch: &[usize]) -> One {
        let matrix = x.shape().len().saturating_sub(2);
        let shape = [batch, x.shape().get(matrix..).unwrap_or_default()].concat();
        self.expand(x, &shape)
    }

    fn batched(&mut self, x: &Array, batch: &[usize]) -> Result<Array, ImportError> {
        match self.expand_batch(&x.clone().into(), batch)? {
            Value::Constant(array) => Ok(array),
            Value::Data(_) => Ok(x.clone()),
        }
    }

    /// The last two dimensions exchanged.
    pub(super) fn swapped(&mut self, x: &Value) -> One {
        let mut perm: Vec<usize> = (0..x.rank()).collect();
        let n = perm.len();
        if n >= 2 {
            perm.swap(n - 2, n - 1);
        }
        self.permuted(x, &perm)
    }

    /// `x·w` over the last dimension of `x`, with weights `[K, N]`.
    fn weighted(&mut self, x: &Value, w: &Value) -> One {
        let x = self.data(x)?;
        let ty = x.ty.join(w.ty());
        let (Value::Constant(w), &[rows, columns]) = (w, w.shape()) else {
            return Err(self.bad("weights", "a matrix of known numbers", "another tensor"));
        };
        let (scale, div, ratio) = self.weight_scale(&x, w);
        let made = self.made("weights", &[w], &[ratio.to_bits() as usize]);
        let w_id = self.tied_weight(made, "weights", vec![columns, rows], || {
            let column = |c| w.values.iter().skip(c).step_by(columns.max(1));
            let turned = (0..columns).flat_map(column);
            turned.map(|v| v * ratio).collect()
        })?;
        let name = self.name.clone();
        let y = self.draft.matmul(&name, x.id, w_id, None, div, None)?;
        let mut shape = x.shape.clone();
        shape.pop();
        shape.push(columns);
        self.spend(count(&shape))?;
        Ok(self.wrap(y, shape, ty, scale)?.into())
    }

    /// For weights on `x`: the result's scale, the divisor, and what the weights are multiplied by
    /// before they become integers at the divisor.
    pub(super) fn weight_scale(&self, x: &Data, w: &Array) -> (i64, i64, f64) {
        if !w.ty.is_real() {
            return (x.scale, 1, 1.0);
        }
        let scale = self.scale();
        (scale, scale, scale as f64 / x.scale as f64)
    }

    fn folded_product(&mut self, a: &Array, b: &Array, [m, k, n]: [usize; 3]) -> One {
        let mut shape = a.shape.clone();
        if let Some(last) = shape.last_mut() {
            *last = n;
        }
        let size = count(&shape);
        self.spend(size)?;
        if size.saturating_mul(k) > MAX_FOLDED {
            return Err(self.bad(
                "operands",
                format!("at most {MAX_FOLDED} products"),
                size.saturating_mul(k),
            ));
        }
        let mut values = vec![0.0; size];
        let pairs = a
            .values
            .chunks((m * k).max(1))
            .zip(b.values.chunks((k * n).max(1)));
        for ((a, b), out) in pairs.zip(values.chunks_mut((m * n).max(1))) {
            for (row, out) in a.chunks(k).zip(out.chunks_mut(n.max(1))) {
                for (factor, line) in row.iter().zip(b.chunks(n.max(1))) {
                    out.iter_mut().zip(line).for_each(|(o, v)| *o += factor * v);
                }
            }
        }
        let ty = a.ty.join(b.ty);
        Ok(Array::new(shape, values, ty, a.origins.and(&b.origins)).into())
    }
}
