//! Operators on the bits of integers. A table of a few bits splits nothing here: what is known on
//! one side, or is narrow, is composed of divisions by powers of two.

use super::{Handler, Importer, OnnxNode, Results};
use crate::onnx::curve::{Curve, Tail};
use crate::onnx::value::{Array, Data, Type, Value};
use crate::ImportError;
use zkml_graph::{Defined, Interval, Op};

/// Widest integers that are taken apart.
const MAX_BITS: u32 = 16;

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "BitShift" => shift,
        "BitwiseNot" => not,
        "BitwiseAnd" | "BitwiseOr" | "BitwiseXor" => bitwise,
        _ => return None,
    })
}

/// `x·2^n`, or `floor(x / 2^n)`; not by as many bits as the type has.
fn shift(importer: &mut Importer, node: &OnnxNode) -> Results {
    let (x, n) = (importer.input(node, 0)?, importer.input(node, 1)?);
    let ty = x.ty();
    let Type::Int { bits, .. } = ty else {
        return Err(node.bad("input 0", "integers", ty.name()));
    };
    // What no number of a graph has is no power.
    let most = bits.min(zkml_graph::range::MAX_ACTIVATION_BITS) - 1;
    let top = f64::from(bits) - 1.0;
    let n = match n {
        Value::Data(data) => {
            let top = i64::from(most);
            importer
                .checked(&data, 0, Some(top), Defined::Shift)?
                .into()
        }
        Value::Constant(n) if n.values.iter().all(|v| (0.0..=top).contains(v)) => n.into(),
        Value::Constant(_) => {
            return Err(node.bad("input 1", format!("0 to {top} bits"), "others"));
        }
    };
    let power = match &n {
        Value::Constant(n) => importer.fold(n, ty, f64::exp2)?,
        Value::Data(_) => {
            let tails = (Tail::Flat(0.0), Tail::Flat(most.into()));
            let curve = Curve::new("2^x", &f64::exp2).tails(tails.0, tails.1);
            importer.map_at(&n, &curve, 1)?.typed(ty)
        }
    };
    if node.text("direction", "") == "RIGHT" {
        let known = matches!((&x, &power), (Value::Constant(_), Value::Constant(_)));
        let y = if known {
            importer.div(&x, &power)?
        } else {
            importer.integer_quotient(&x, &power, false)?
        };
        return Ok(vec![y.typed(ty)]);
    }
    // What goes beyond the type is cut off where its values are settled.
    Ok(vec![importer.mul(&x, &power)?.typed(ty)])
}

/// `−1 − x` in two's complement, `2^bits − 1 − x` without a sign.
fn not(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let ty = x.ty();
    let top = match ty {
        Type::Int { signed: true, .. } => -1.0,
        other => other.bounds().map_or(-1.0, |(_, hi)| hi),
    };
    let top = Array::scalar(top, ty).into();
    Ok(vec![importer.sub(&top, &x)?.typed(ty)])
}

fn bitwise(importer: &mut Importer, node: &OnnxNode) -> Results {
    let (a, b) = (importer.input(node, 0)?, importer.input(node, 1)?);
    let ty = a.ty();
    if let (Value::Constant(a), Value::Constant(b)) = (&a, &b) {
        let kind = node.kind();
        let f = |x: f64, y: f64| {
            let (x, y) = (x as i64, y as i64);
            (match kind {
                "BitwiseAnd" => x & y,
                "BitwiseOr" => x | y,
                _ => x ^ y,
            }) as f64
        };
        return Ok(vec![importer.fold_pair(a, b, ty, f)?]);
    }
    let (a, b, shape) = importer.aligned(&a, &b)?;
    let (first, second) = (importer.range(a.id), importer.range(b.id));
    let range = Interval {
        lo: first.lo.min(second.lo),
        hi: first.hi.max(second.hi),
    };
    let bits = (1..=MAX_BITS).find(|&bits| {
        let signed = Interval::signed(bits);
        range.lo >= signed.lo && range.hi <= signed.hi
    });
    let Some(bits) = bits else {
        let place = format!("node '{}' ({}), operands", node.name, node.kind());
        let expected = format!("integers of at most {MAX_BITS} bits");
        let got = format!("[{}, {}]", range.lo, range.hi);
        return Err(ImportError::too_wide(place, expected, got));
    };
    let y = importer.by_bits(&a, &b, bits, node.kind())?;
    let data = importer.wrap(y, shape, ty, 1)?;
    Ok(vec![data.into()])
}

impl Importer {
    /// The bits of `x`, least first; the last one is the sign's.
    fn bits(&mut self, x: &Data, bits: u32) -> Result<Vec<zkml_graph::TensorId>, ImportError> {
        let mut rest = x.id;
        let mut found = Vec::new();
        for _ in 1..bits {
            // floor(rest / 2).
            let half = self.op(Op::Combine {
                terms: vec![(2, rest)],
                constant: -1,
                div: 4,
                clamp: None,
            })?;
            found.push(self.op(Op::sum(vec![(1, rest), (-2, half)], None))?);
            rest = half;
        }
        // What is left is 0 or −1.
        found.push(self.op(Op::sum(vec![(-1, rest)], None))?);
        Ok(found)
    }

    fn by_bits(
        &mut self,
        a: &Data,
        b: &Data,
        bits: u32,
        kind: &str,
    ) -> Result<zkml_graph::TensorId, ImportError> {
        let (first, second) = (self.bits(a, bits)?, self.bits(b, bits)?);
        let mut terms = Vec::new();
        for (i, (a, b)) in first.into_iter().zip(second).enumerate() {
            let bit = match kind {
                "BitwiseAnd" => self.op(Op::Min { a, b })?,
                "BitwiseOr" => self.op(Op::Max { a, b })?,
                _ => {
                    let difference = self.op(Op::sum(vec![(1, a), (-1, b)], None))?;
                    self.op(Op::Mul {
                        a: difference,
                        b: difference,
                        div: 1,
                        clamp: None,
                    })?
                }
            };
            let weight = 1i64 << i;
            let sign = if i + 1 == bits as usize { -1 } else { 1 };
            terms.push((sign * weight, bit));
        }
        self.op(Op::sum(terms, None))
    }
}
