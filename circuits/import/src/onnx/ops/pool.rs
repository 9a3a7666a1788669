//! Pooling.

use super::{Handler, Importer, OnnxNode, Results};
use crate::onnx::geometry::{Geometry, Place};
use crate::onnx::value::{Array, Data, Type, Value};
use crate::ImportError;
use zkml_graph::Op;

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "AveragePool" | "GlobalAveragePool" => average,
        "MaxPool" | "GlobalMaxPool" => max,
        "LpPool" | "GlobalLpPool" => lp,
        _ => return None,
    })
}

/// The image and the windows over it.
fn windows(importer: &Importer, node: &OnnxNode) -> Result<(Value, Geometry), ImportError> {
    let x = importer.input(node, 0)?;
    let size = match x.shape() {
        [_, _, rest @ ..] if !rest.is_empty() => rest.to_vec(),
        other => return Err(node.bad("input 0", "[batch, channels, …]", format!("{other:?}"))),
    };
    let geometry = match node.kind().starts_with("Global") {
        true => Geometry::whole(&size),
        false => Geometry::of(node, &size, None)?,
    };
    // A window of padding alone has neither a largest element nor a mean.
    let pads = geometry
        .low
        .iter()
        .zip(&geometry.high)
        .zip(&geometry.kernel);
    if let Some((pads, kernel)) = pads.into_iter().find(|((l, h), k)| l >= k || h >= k) {
        let expected = format!("less than the kernel, which is {kernel}");
        return Err(node.bad("attribute 'pads'", expected, format!("{pads:?}")));
    }
    Ok((x, geometry))
}

fn average(importer: &mut Importer, node: &OnnxNode) -> Results {
    let (x, geometry) = windows(importer, node)?;
    let all = node.int("count_include_pad", 0) != 0;
    let padded = geometry.low.iter().chain(&geometry.high).any(|&p| p > 0);
    let ceil = node.int("ceil_mode", 0) != 0;
    if let (Value::Data(data), true) = (&x, (all || !padded) && !ceil) {
        if let Some(y) = importer.native_pool(data, &geometry, true)? {
            return Ok(vec![y]);
        }
    }
    let empty = |place: &Place| place.taps.iter().all(Option::is_none);
    if !all && padded && geometry.is_dilated() && geometry.places().iter().any(empty) {
        return Err(node.bad("window", "some elements to average", "padding alone"));
    }
    let y = importer.pooled_means(&x, &geometry, |place| match all {
        // Not what hangs over the padding where sizes are rounded up.
        true => place.padded,
        false => place.taps.iter().flatten().count(),
    })?;
    Ok(vec![y])
}

fn max(importer: &mut Importer, node: &OnnxNode) -> Results {
    let (x, geometry) = windows(importer, node)?;
    if let (Value::Data(data), false) = (&x, node.wants(1)) {
        if let Some(y) = importer.native_pool(data, &geometry, false)? {
            return Ok(vec![y]);
        }
    }
    let (rows, elements) = importer.covered(&x, &geometry)?;
    let mut shape: Vec<usize> = x.shape().iter().take(2).copied().collect();
    shape.extend(&geometry.out);
    let best = importer.extremum_last(&rows, true)?;
    let mut values = vec![importer.reshape_to(&best, shape.clone())?];
    if node.wants(1) {
        // Which tap, and so which element of which plane.
        let taps = geometry.taps();
        let chosen = importer.extremum_index(&rows, true, false)?;
        let chosen = importer.one_hot(&chosen, taps)?;
        let plane: usize = geometry.size.iter().product();
        let by_column = node.int("storage_order", 0) != 0;
        let place = |element: usize| match (by_column, geometry.size.as_slice()) {
            (true, &[h, w]) => element % w * h + element / w,
            _ => element,
        };
        let mut numbers = Vec::with_capacity(rows.count());
        for p in 0..rows.size(0) {
            numbers.extend(elements.iter().map(|&e| (p * plane + place(e)) as f64));
        }
        let numbers = Array::public(rows.shape().to_vec(), numbers, Type::INDEX).into();
        let marked = importer.mul(&chosen, &numbers)?;
        let index = importer.sum_last(&marked, 1)?.typed(Type::INDEX);
        values.push(importer.reshape_to(&index, shape)?);
    }
    Ok(values)
}

/// The p-th root of the sum of p-th powers of sizes.
fn lp(importer: &mut Importer, node: &OnnxNode) -> Results {
    let (x, geometry) = windows(importer, node)?;
    let p = node.int("p", 2);
    let size = match p {
        p if p % 2 == 0 => x,
        _ => importer.abs(&x)?,
    };
    let powers = match &size {
        Value::Data(data) if (3..=8).contains(&p) => importer.fine_power(data, p)?,
        _ => importer.power(&size, &Value::real(p as f64))?,
    };
    let sums = importer.pooled_means(&powers, &geometry, |_| 1)?;
    Ok(vec![match p {
        1 => sums,
        _ => importer.power(&sums, &Value::real(1.0 / p as f64))?,
    }])
}

/// How much finer powers are whose root is taken: those of small numbers would round to nothing.
const FINER: i64 = 64;

impl Importer {
    /// `x^p` at a finer scale.
    fn fine_power(&mut self, x: &Data, p: i64) -> Result<Value, ImportError> {
        let mut power = self.at_scale(x, x.scale.saturating_mul(FINER))?;
        for _ in 1..p {
            power.id = self.op(Op::Mul {
                a: power.id,
                b: x.id,
                div: x.scale,
                clamp: None,
            })?;
        }
        Ok(power.into())
    }
}
