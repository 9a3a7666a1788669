//! Quotients of real numbers and of integers.

use super::value::{Data, Type, Value};
use super::Importer;
use crate::ImportError;
use zkml_graph::{Clamp, Defined, Op, TensorId};

type One = Result<Value, ImportError>;

impl Importer {
    pub(super) fn div(&mut self, a: &Value, b: &Value) -> One {
        let ty = a.ty().join(b.ty());
        match (a, b) {
            (Value::Constant(x), Value::Constant(y)) => {
                let real = ty.is_real();
                self.fold_pair(
                    x,
                    y,
                    ty,
                    move |x, y| if real { x / y } else { (x / y).trunc() },
                )
            }
            (Value::Data(_), Value::Constant(y)) if ty.is_real() => {
                if y.values.contains(&0.0) {
                    return Err(self.bad("divisor", "numbers other than 0", "0"));
                }
                let inverse = self.fold(y, Type::Real, f64::recip)?;
                self.mul(a, &inverse)
            }
            _ if ty.is_real() => self.quotient(a, b),
            _ => self.integer_quotient(a, b, true),
        }
    }

    /// Numerator and denominator with the sign of the latter moved to the former.
    fn positive_divisor(&mut self, a: &Data, b: &Data) -> Result<(Data, Data), ImportError> {
        let range = self.range(b.id);
        if range.lo >= 1 {
            return Ok((a.clone(), b.clone()));
        }
        if range.lo == 0 {
            return Ok((a.clone(), self.at_least_one(b)?));
        }
        let minus = self.op(Op::sum(vec![(-1, b.id)], None))?;
        let size = self.op(Op::Max { a: b.id, b: minus })?;
        let size = Data {
            id: size,
            ..b.clone()
        };
        let size = self.at_least_one(&size)?;
        let ends = Clamp {
            lo: -1,
            hi: Some(1),
        };
        let sign = self.op(Op::clamped(b.id, ends))?;
        let signed = self.op(Op::Mul {
            a: a.id,
            b: sign,
            div: 1,
            clamp: None,
        })?;
        Ok((
            Data {
                id: signed,
                ..a.clone()
            },
            size,
        ))
    }

    /// A divisor that is not negative: one unit where it is 0, which rounding may have made of less, or
    /// which is not defined.
    fn at_least_one(&mut self, b: &Data) -> Result<Data, ImportError> {
        if self.is_strict() {
            return self.checked(b, 1, None, Defined::Quotient);
        }
        let id = self.op(Op::clamped(b.id, Clamp { lo: 1, hi: None }))?;
        Ok(Data { id, ..b.clone() })
    }

    fn quotient(&mut self, a: &Value, b: &Value) -> One {
        let shape = self.common_shape(&[a, b])?;
        let (a, b) = (self.data(a)?, self.data(b)?);
        let (a, b) = (self.expanded(&a, &shape)?, self.expanded(&b, &shape)?);
        let (dividend, divisor) = (a.id, b.id);
        let (a, b) = self.positive_divisor(&a, &b)?;
        // a/s ÷ b/t, at the graph's scale S: a·t·S/s ÷ b.
        let scale = self.scale();
        let factor = b.scale.saturating_mul(scale) / a.scale.max(1);
        let (a, factor) = match factor {
            0 => (self.at_scale(&a, scale)?, b.scale),
            _ => (a, factor),
        };
        let op = Op::Div {
            a: a.id,
            b: b.id,
            factor,
        };
        let id = self.op(op)?;
        let id = self.bounded_quotient(id, dividend, divisor, scale)?;
        Ok(self.wrap(id, shape, Type::Real, scale)?.into())
    }

    /// Toward zero, or toward −∞.
    pub(super) fn integer_quotient(&mut self, a: &Value, b: &Value, truncate: bool) -> One {
        let ty = a.ty().join(b.ty());
        let (a, b, shape) = self.aligned(a, b)?;
        let (a, b) = self.positive_divisor(&a, &b)?;
        if truncate && self.range(a.id).lo < 0 {
            let minus = self.op(Op::sum(vec![(-1, a.id)], None))?;
            let mut parts = Vec::new();
            for side in [a.id, minus] {
                let id = self.op(Op::clamped(side, Clamp::RELU))?;
                parts.push(self.floored(id, b.id)?);
            }
            let sum = [1, -1].into_iter().zip(parts).collect();
            let id = self.op(Op::sum(sum, None))?;
            return Ok(self.wrap(id, shape, ty, 1)?.into());
        }
        let id = self.floored(a.id, b.id)?;
        Ok(self.wrap(id, shape, ty, 1)?.into())
    }

    /// `floor(a / b)`: `rd(2a − b + 1, 2b)`.
    fn floored(&mut self, a: TensorId, b: TensorId) -> Result<TensorId, ImportError> {
        let up = self.op(Op::Combine {
            terms: vec![(2, a), (-1, b)],
            constant: 1,
            div: 1,
            clamp: None,
        })?;
        let twice = self.op(Op::sum(vec![(2, b)], None))?;
        self.op(Op::Div {
            a: up,
            b: twice,
            factor: 1,
        })
    }
}
