//! Operators of quantised models: their integers are the graph's, at scale 1.

use super::{Handler, Importer, OnnxNode, Results};
use crate::import::onnx::logic::Rounding;
use crate::import::onnx::value::{Type, Value};
use crate::import::ImportError;

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "QuantizeLinear" => quantize,
        "DequantizeLinear" => dequantize,
        "QLinearMatMul" => matmul,
        _ => return None,
    })
}

const BYTE: Type = Type::Int {
    bits: 8,
    signed: false,
};

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

/// Inputs: a, its scale and zero point; b, its; those of the result.
fn matmul(importer: &mut Importer, node: &OnnxNode) -> Results {
    let all = importer.inputs(node)?;
    let [a, sa, za, b, sb, zb, sy, zy] = all.as_slice() else {
        return Err(node.bad("inputs", "eight", all.len()));
    };
    let a = importer.sub(
        &a.clone().typed(Type::INDEX),
        &za.clone().typed(Type::INDEX),
    )?;
    let b = importer.sub(
        &b.clone().typed(Type::INDEX),
        &zb.clone().typed(Type::INDEX),
    )?;
    let product = importer.matmul_of(&a, &b)?.typed(Type::Real);
    let factor = importer.mul(sa, sb)?;
    let factor = importer.div(&factor, sy)?;
    let y = importer.mul(&product, &factor)?;
    let one = Value::real(1.0);
    Ok(vec![importer.quantized(&y, &one, Some(zy), zy.ty())?])
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

    /// `clamp(round(x / scale) + zero)`, ties to even.
    fn quantized(
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
