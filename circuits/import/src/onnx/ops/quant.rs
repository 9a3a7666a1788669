//! Operators of quantised models: their integers are the graph's, at scale 1.

use super::{Handler, Importer, OnnxNode, Results};
use crate::onnx::logic::Rounding;
use crate::onnx::value::{Type, Value};
use crate::ImportError;
use zkml_graph::{Defined, Op};

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "QuantizeLinear" => quantize,
        "DequantizeLinear" => dequantize,
        "DynamicQuantizeLinear" => dynamic,
        _ => return None,
    })
}

const BYTE: Type = Type::Int {
    bits: 8,
    signed: false,
};

/// Steps of a byte.
const STEPS: f64 = 255.0;

/// The scale that a computed step has, where there is room for 255 of them: it is a small number, and all that it is
/// multiplied by is large.
const FINE_STEP: i64 = 1 << 24;
const FINEST: i64 = 1 << 38;

fn quantize(importer: &mut Importer, node: &OnnxNode) -> Results {
    let (x, scale) = (importer.input(node, 0)?, importer.input(node, 1)?);
    let zero = importer.maybe(node, 2)?;
    let code = i32::try_from(node.int("output_dtype", 0)).unwrap_or(0);
    let ty = match (&zero, Type::of(code)) {
        (Some(zero), _) => zero.ty(),
        (None, Some(ty)) => ty,
        (None, None) => BYTE,
    };
    let scale = importer.per_axis(node, &scale, &x)?;
    let zero = match zero {
        Some(zero) => Some(importer.per_axis(node, &zero, &x)?),
        None => None,
    };
    Ok(vec![importer.quantized(&x, &scale, zero.as_ref(), ty)?])
}

fn dequantize(importer: &mut Importer, node: &OnnxNode) -> Results {
    let (x, scale) = (importer.input(node, 0)?, importer.input(node, 1)?);
    let scale = importer.per_axis(node, &scale, &x)?;
    let zero = match importer.maybe(node, 2)? {
        Some(zero) => Some(importer.per_axis(node, &zero, &x)?),
        None => None,
    };
    Ok(vec![importer.dequantized(&x, &scale, zero.as_ref())?])
}

/// Steps such that 255 of them span all elements and 0, and as many of them as the least element is below 0. Not
/// defined where all elements are 0.
fn dynamic(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let axes: Vec<usize> = (0..x.rank()).collect();
    let zero = Value::real(0.0);
    let mut ends = Vec::new();
    for max in [true, false] {
        let end = importer.extremum_over(&x, &axes, false, max)?;
        ends.push((
            if max { 1 } else { -1 },
            importer.extremum(&end, &zero, max)?,
        ));
    }
    let ends: Vec<(i64, &Value)> = ends.iter().map(|(sign, end)| (*sign, end)).collect();
    let span = match importer.sum(&ends)? {
        Value::Data(span) => importer.checked(&span, 1, None, Defined::Quotient)?.into(),
        known => known,
    };
    let below = importer.sum(ends.get(1..).unwrap_or_default())?;
    let below = importer.steps_of(&below, &span)?;
    let point = importer.clamped(&below, None, Some(STEPS))?.typed(BYTE);
    let steps = importer.steps_of(&x, &span)?;
    let y = importer.add(&steps, &point.clone().typed(Type::INDEX))?;
    let y = importer.clamped(&y, Some(0.0), Some(STEPS))?.typed(BYTE);
    let fine = match span {
        Value::Data(span) => {
            let room = FINEST / importer.range(span.id).hi.max(1);
            let finer = (FINE_STEP / span.scale).min(room).max(1);
            let scale = span.scale.saturating_mul(finer);
            importer.at_scale(&span, scale)?.into()
        }
        known => known,
    };
    let step = importer.times(&fine, STEPS.recip())?;
    Ok(vec![y, step, point])
}

impl Importer {
    /// One value for each index of a dimension, shaped to broadcast along it.
    fn per_axis(&mut self, node: &OnnxNode, v: &Value, x: &Value) -> Result<Value, ImportError> {
        if node.int("block_size", 0) != 0 {
            return Err(node.bad("attribute 'block_size'", "0", node.int("block_size", 0)));
        }
        if v.count() == 1 {
            return self.reshape_to(v, vec![]);
        }
        let axis = node.axis(node.int("axis", 1), x.rank())?;
        let mut shape = vec![1; x.rank() - axis];
        if let Some(slot) = shape.first_mut() {
            *slot = v.count();
        }
        self.reshape_to(v, shape)
    }

    /// `round(x / step)` for a step of which 255 are `span`: one rounding. Where runtimes are at a tie their own rounding of
    /// the step decides.
    fn steps_of(&mut self, x: &Value, span: &Value) -> Result<Value, ImportError> {
        if let (Value::Constant(x), Value::Constant(span)) = (x, span) {
            let steps = |x: f64, span: f64| (x * STEPS / span).round_ties_even();
            return self.fold_pair(x, span, Type::INDEX, steps);
        }
        let (x, span, shape) = self.aligned(x, span)?;
        let id = self.op(Op::Div {
            a: x.id,
            b: span.id,
            factor: STEPS as i64,
        })?;
        Ok(self.wrap(id, shape, Type::INDEX, 1)?.into())
    }

    /// `clamp(round(x / scale) + zero)`, ties to even.
    pub(super) fn quantized(
        &mut self,
        x: &Value,
        scale: &Value,
        zero: Option<&Value>,
        ty: Type,
    ) -> Result<Value, ImportError> {
        let Some((lo, hi)) = ty.bounds() else {
            return Err(self.bad("zero point", "integers", "real numbers"));
        };
        let y = self.div(&x.clone().typed(Type::Real), scale)?;
        let y = self.rounded(&y, Rounding::Nearest)?.typed(Type::INDEX);
        let y = match zero {
            Some(zero) => self.add(&y, &zero.clone().typed(Type::INDEX))?,
            None => y,
        };
        Ok(self.clamped(&y, Some(lo), Some(hi))?.typed(ty))
    }

    fn dequantized(
        &mut self,
        x: &Value,
        scale: &Value,
        zero: Option<&Value>,
    ) -> Result<Value, ImportError> {
        let x = x.clone().typed(Type::INDEX);
        let x = match zero {
            Some(zero) => self.sub(&x, &zero.clone().typed(Type::INDEX))?,
            None => x,
        };
        self.mul(&x.typed(Type::Real), scale)
    }
}
