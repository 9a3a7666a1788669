//! Reductions.

use super::{Handler, Importer, OnnxNode, Results};
use crate::onnx::value::{coordinates, Array, Type, Value};
use crate::ImportError;
use zkml_graph::{Defined, Op};

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceL1" | "ReduceL2"
        | "ReduceSumSquare" | "ReduceLogSum" | "ReduceLogSumExp" | "ReduceProd" => reduce,
        "CumSum" => cumulative,
        _ => return None,
    })
}

fn reduce(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let keep = node.int("keepdims", 1) != 0;
    let list = importer
        .list(node, 1, "axes")?
        .filter(|axes| !axes.is_empty());
    if list.is_none() && node.int("noop_with_empty_axes", 0) != 0 {
        // Each element is a sum of its own: of its size, or its square.
        return Ok(vec![match node.kind() {
            "ReduceL1" | "ReduceL2" | "ReduceSumSquare" | "ReduceLogSum" => {
                importer.reduced(node.kind(), &x, &[], keep)?
            }
            _ => x,
        }]);
    }
    let axes = importer.axes_of(node, list, x.rank())?;
    Ok(vec![importer.reduced(node.kind(), &x, &axes, keep)?])
}

fn cumulative(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let axis = importer.maybe_number(node, 1)?.unwrap_or(0.0) as i64;
    let axis = node.axis(axis, x.rank())?;
    let (exclusive, reverse) = (node.int("exclusive", 0) != 0, node.int("reverse", 0) != 0);
    // Row i of a triangle of ones says what is summed.
    let n = x.size(axis);
    importer.spend(n.saturating_mul(n))?;
    let mut ones = Vec::with_capacity(n * n);
    coordinates(&[n, n], |at| {
        if let &[from, to] = at {
            let (before, after) = if reverse { (to, from) } else { (from, to) };
            ones.push(f64::from(u8::from(
                before < after || (before == after && !exclusive),
            )));
        }
    });
    let ones = Array::public(vec![n, n], ones, Type::INDEX).into();
    let rows = importer.axis_last(&x, axis)?;
    let flat = importer.reshape_to(&rows, vec![x.count() / n.max(1), n])?;
    let sums = importer.matmul_of(&flat, &ones)?;
    let sums = importer.reshape_to(&sums, rows.shape().to_vec())?;
    Ok(vec![importer.last_to(&sums, axis)?.typed(x.ty())])
}

impl Importer {
    fn reduced(
        &mut self,
        kind: &str,
        x: &Value,
        axes: &[usize],
        keep: bool,
    ) -> Result<Value, ImportError> {
        let ty = x.ty();
        let inexact = matches!(kind, "ReduceL2" | "ReduceLogSum" | "ReduceLogSumExp");
        if inexact && !ty.is_real() {
            return Err(self.bad("operand", "real numbers", ty.name()));
        }
        let sum = |importer: &mut Self, x: &Value| importer.sum_over(x, axes, keep, false);
        let value = match kind {
            "ReduceSum" => sum(self, x)?,
            "ReduceMean" => self.sum_over(x, axes, keep, true)?,
            "ReduceMax" | "ReduceMin" => {
                let best = self.extremum_over(x, axes, keep, kind == "ReduceMax")?;
                return self.unmasked(&best);
            }
            "ReduceL1" => {
                let size = self.abs(x)?;
                sum(self, &size)?
            }
            "ReduceSumSquare" => {
                let square = self.mul(x, x)?;
                sum(self, &square)?
            }
            "ReduceL2" => {
                let square = self.mul(x, x)?;
                let total = sum(self, &square)?;
                self.root(&total)?
            }
            "ReduceLogSum" => {
                let total = sum(self, x)?;
                self.logarithm(&total)?
            }
            "ReduceLogSumExp" => {
                let rows = self.rows_over(x, axes)?;
                let (best, total) = self.exponentials(&rows)?.1;
                let log = self.logarithm(&total)?;
                let log = self.add(&log, &best)?;
                // What was reduced is a dimension of 1 at the end.
                self.reduced_shape(&log, x.shape(), axes, keep)?
            }
            _ => {
                let rows = self.rows_over(x, axes)?;
                let product = self.product_last(&rows)?;
                self.reduced_shape(&product, x.shape(), axes, keep)?
            }
        };
        let value = value.typed(ty);
        match kind {
            "ReduceMean" => Ok(value),
            _ => self.total(value),
        }
    }

    /// What a reduction gives, which its integer type has to hold: beyond it some runtimes wrap around, and others stop
    /// at the type's end.
    fn total(&mut self, value: Value) -> Result<Value, ImportError> {
        let ty = value.ty();
        let Type::Int { bits, signed } = ty else {
            return Ok(value);
        };
        match &value {
            Value::Constant(array) => {
                let (lo, hi) = ty.bounds().unwrap_or_default();
                let beyond = array.values.iter().find(|v| !(lo..=hi).contains(*v));
                beyond.map_or(Ok(()), |v| {
                    let expected = format!("a total that {} holds", ty.name());
                    Err(self.bad("result", expected, v))
                })?;
                Ok(value)
            }
            Value::Data(data) if bits <= 32 => {
                let held = Op::residues(bits, signed);
                let total = self.checked(data, held.lo, Some(held.hi), Defined::Cast)?;
                Ok(total.into())
            }
            Value::Data(_) => Ok(value),
        }
    }

    /// The product over the last dimension, which goes: halves with each other.
    fn product_last(&mut self, x: &Value) -> Result<Value, ImportError> {
        let axis = x.rank().saturating_sub(1);
        let mut shape = x.shape().to_vec();
        let mut length = shape.pop().unwrap_or(1);
        if length == 0 {
            return self.filled(&shape, 1.0, x.ty());
        }
        let mut product = x.clone();
        while length > 1 {
            let half = length / 2;
            let low = self.slice(&product, axis, 0, half)?;
            let high = self.slice(&product, axis, half, half)?;
            let pairs = self.mul(&low, &high)?;
            let rest = self.slice(&product, axis, 2 * half, length - 2 * half)?;
            product = self.joined(&[pairs, rest], axis)?;
            length -= half;
        }
        self.reshape_to(&product, shape)
    }
}
