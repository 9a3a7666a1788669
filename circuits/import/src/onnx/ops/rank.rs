//! Operators about order: the largest, its index, the k largest.

use super::{Handler, Importer, OnnxNode, Results};
use crate::onnx::value::{coordinates, Array, Type, Value};
use crate::ImportError;

/// Largest dimension that is sorted: all pairs are compared.
const MAX_SORTED: usize = 256;

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "ArgMax" | "ArgMin" => arg,
        "Hardmax" => hardmax,
        "TopK" => top_k,
        _ => return None,
    })
}

fn arg(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let axis = node.axis(node.int("axis", 0), x.rank())?;
    let keep = node.int("keepdims", 1) != 0;
    let last = node.int("select_last_index", 0) != 0;
    let rows = importer.axis_last(&x, axis)?;
    let index = importer.extremum_index(&rows, node.kind() == "ArgMax", last)?;
    Ok(vec![importer.reduced_shape(
        &index,
        x.shape(),
        &[axis],
        keep,
    )?])
}

/// 1 at the first of the largest elements. Before operator set 13, all dimensions from the axis
/// on are one.
fn hardmax(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let (rows, axis) = importer.rows_from(node, &x)?;
    let length = rows.shape().last().copied().unwrap_or(1);
    let index = importer.extremum_index(&rows, true, false)?;
    let chosen = importer.one_hot(&index, length)?.typed(Type::Real);
    Ok(vec![importer.rows_back(&chosen, &x, axis)?])
}

fn top_k(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let k = match importer.maybe_number(node, 1)? {
        Some(k) => k as i64,
        None => node.int("k", 1),
    };
    let axis = node.axis(node.int("axis", -1), x.rank())?;
    let k = usize::try_from(k).unwrap_or(0);
    let n = x.size(axis);
    if k == 0 || k > n || n > MAX_SORTED {
        let expected = format!("1 to the dimension's size, which may be up to {MAX_SORTED}");
        return Err(node.bad("k", expected, format!("{k} of {n}")));
    }
    let rows = importer.axis_last(&x, axis)?;
    let place = importer.places_in_order(&rows, node.int("largest", 1) != 0)?;
    // [.., k, n]: whether element i comes at place j.
    let column = importer.unsqueezed_at(&place, place.rank() - 1)?;
    let wanted = importer.reshape_to(&Value::ramp(k), vec![k, 1])?;
    let chosen = importer.equal(&column, &wanted)?;
    let elements = importer.unsqueezed_at(&rows, rows.rank() - 1)?;
    let values = importer.mul(&chosen, &elements)?;
    let values = importer.sum_last(&values, 1)?.typed(x.ty());
    let indices = importer.mul(&chosen, &Value::ramp(n))?;
    let indices = importer.sum_last(&indices, 1)?.typed(Type::INDEX);
    Ok(vec![
        importer.last_to(&values, axis)?,
        importer.last_to(&indices, axis)?,
    ])
}

impl Importer {
    /// For each element of a row, how many come before it in order; equals in their own order.
    fn places_in_order(&mut self, rows: &Value, descending: bool) -> Result<Value, ImportError> {
        let n = rows.shape().last().copied().unwrap_or(1);
        let own = self.unsqueezed_at(rows, rows.rank())?;
        let other = self.unsqueezed_at(rows, rows.rank() - 1)?;
        let (larger, smaller) = match descending {
            true => (&other, &own),
            false => (&own, &other),
        };
        let before = self.greater(larger, smaller, false)?;
        let equal = self.equal(&own, &other)?;
        // Equals with a smaller index come before.
        let mut earlier = Vec::with_capacity(n * n);
        coordinates(&[n, n], |at| {
            if let &[i, j] = at {
                earlier.push(f64::from(u8::from(j < i)));
            }
        });
        let earlier = Array::public(vec![n, n], earlier, Type::Bool).into();
        let ties = self.mul(&equal, &earlier)?;
        let all = self.sum(&[(1, &before), (1, &ties)])?;
        self.sum_last(&all, 1)
    }

    /// The dimensions that a softmax goes over, at the end: one, or (before operator set 13) all
    /// from the axis on.
    pub(super) fn rows_from(
        &mut self,
        node: &OnnxNode,
        x: &Value,
    ) -> Result<(Value, Option<usize>), ImportError> {
        if self.opset >= 13 {
            let axis = node.axis(node.int("axis", -1), x.rank())?;
            return Ok((self.axis_last(x, axis)?, Some(axis)));
        }
        let axis = node.int("axis", 1);
        // Vectors are rows where no axis is named.
        let past = node.attribute("axis").is_none() && x.rank() == 1;
        let axis = node.axis(axis, x.rank() + usize::from(past))?;
        let (outer, rest) = x.shape().split_at(axis.min(x.rank()));
        let shape = vec![outer.iter().product(), rest.iter().product()];
        Ok((self.reshape_to(x, shape)?, None))
    }

    /// The inverse of [`Importer::rows_from`].
    pub(super) fn rows_back(
        &mut self,
        y: &Value,
        x: &Value,
        axis: Option<usize>,
    ) -> Result<Value, ImportError> {
        match axis {
            Some(axis) => self.last_to(y, axis),
            None => self.reshape_to(y, x.shape().to_vec()),
        }
    }
}
