//! Comparisons, booleans, choices and rounding. A boolean is the integer 0 or 1.

use super::value::{Data, Type, Value};
use super::Importer;
use crate::ImportError;
use zkml_graph::{Clamp, Defined, Op, Table, TensorId};

type One = Result<Value, ImportError>;

/// How a real number becomes an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounding {
    Floor,
    Ceil,
    /// Toward zero.
    Truncate,
    /// To nearest, ties to even.
    Nearest,
}

const UNIT: Clamp = Clamp { lo: 0, hi: Some(1) };

/// To nearest, ties to even.
pub(super) fn nearest_even(v: f64) -> f64 {
    v.round_ties_even()
}

impl Importer {
    /// `a > b`, or `a ≥ b`.
    pub(super) fn greater(&mut self, a: &Value, b: &Value, or_equal: bool) -> One {
        if let (Value::Constant(a), Value::Constant(b)) = (a, b) {
            let compare = move |x: f64, y: f64| f64::from(u8::from(x > y || (or_equal && x == y)));
            return self.fold_pair(a, b, Type::Bool, compare);
        }
        let difference = self.sub(a, b)?;
        self.positive(&difference, or_equal)
    }

    /// `x > 0`, or `x ≥ 0`: of integers at any scale.
    fn positive(&mut self, x: &Value, or_zero: bool) -> One {
        let data = self.data(x)?;
        let id = self.op(Op::Combine {
            terms: vec![(1, data.id)],
            constant: i64::from(or_zero),
            div: 1,
            clamp: Some(UNIT),
        })?;
        Ok(self.boolean(id, data).into())
    }

    fn boolean(&self, id: TensorId, like: Data) -> Data {
        Data {
            id,
            ty: Type::Bool,
            scale: 1,
            ..like
        }
    }

    pub(super) fn equal(&mut self, a: &Value, b: &Value) -> One {
        if let (Value::Constant(a), Value::Constant(b)) = (a, b) {
            return self.fold_pair(a, b, Type::Bool, |x, y| f64::from(u8::from(x == y)));
        }
        let difference = self.sub(a, b)?;
        self.is_zero(&difference)
    }

    /// `x = 0`: by a table of its sign.
    pub(super) fn is_zero(&mut self, x: &Value) -> One {
        let data = match x {
            Value::Constant(array) => {
                return self.fold(array, Type::Bool, |v| f64::from(u8::from(v == 0.0)));
            }
            Value::Data(data) => data.clone(),
        };
        let ends = Clamp {
            lo: -1,
            hi: Some(1),
        };
        let sign = self.op(Op::clamped(data.id, ends))?;
        let table = self.table(Table {
            name: "is zero".to_owned(),
            lo: -1,
            values: vec![0, 1, 0],
        });
        let id = self.op(Op::Table { x: sign, table })?;
        Ok(self.boolean(id, data).into())
    }

    /// Booleans of numbers: whether they are not 0.
    pub(super) fn truth(&mut self, x: &Value) -> One {
        if x.ty() == Type::Bool {
            return Ok(x.clone());
        }
        let zero = self.is_zero(x)?;
        self.not(&zero)
    }

    /// `1 − a`.
    pub(super) fn not(&mut self, a: &Value) -> One {
        let one = Value::int(1);
        Ok(self.sum(&[(1, &one), (-1, a)])?.typed(Type::Bool))
    }

    pub(super) fn and(&mut self, a: &Value, b: &Value) -> One {
        Ok(self.mul(a, b)?.typed(Type::Bool))
    }

    pub(super) fn or(&mut self, a: &Value, b: &Value) -> One {
        Ok(self.extremum(a, b, true)?.typed(Type::Bool))
    }

    /// `a + b − 2ab`, as `(a − b)²`.
    pub(super) fn xor(&mut self, a: &Value, b: &Value) -> One {
        let difference = self.sub(a, b)?;
        Ok(self.mul(&difference, &difference)?.typed(Type::Bool))
    }

    /// `a` where the condition holds, else `b`.
    pub(super) fn choose(&mut self, condition: &Value, a: &Value, b: &Value) -> One {
        let ty = a.ty().join(b.ty());
        let shape = self.common_shape(&[condition, a, b])?;
        let Value::Constant(mask) = condition else {
            // b + c·(a − b); a − b at one scale, which the sum keeps.
            let difference = self.sub(a, b)?;
            let part = self.mul(condition, &difference)?;
            let chosen = self.add(b, &part)?;
            return Ok(self.expand(&chosen, &shape)?.typed(ty));
        };
        // Known where: elements move.
        self.disclose_choice(mask, "the condition");
        let mask = self.spread(mask, &shape)?;
        let n = mask.values.len();
        let both = [self.expand(a, &shape)?, self.expand(b, &shape)?];
        let flat = both
            .iter()
            .map(|v| self.reshape_to(v, vec![n]))
            .collect::<Result<Vec<_>, _>>()?;
        let pool = self.joined(&flat, 0)?;
        let at = |(i, &m): (usize, &f64)| if m != 0.0 { i } else { n + i };
        let indices = mask.values.iter().enumerate().map(at).collect();
        Ok(self.pick(&pool, indices, shape)?.typed(ty))
    }

    pub(super) fn sign(&mut self, x: &Value) -> One {
        match x {
            Value::Constant(array) => {
                self.fold(array, array.ty, |v| if v == 0.0 { 0.0 } else { v.signum() })
            }
            Value::Data(data) => {
                let ends = Clamp {
                    lo: -1,
                    hi: Some(1),
                };
                let id = self.op(Op::clamped(data.id, ends))?;
                let scale = 1;
                Ok(Data {
                    id,
                    scale,
                    ..data.clone()
                }
                .into())
            }
        }
    }

    /// Rounds to integers: the result is of the same type, at scale 1.
    pub(super) fn rounded(&mut self, x: &Value, how: Rounding) -> One {
        let data = match x {
            Value::Constant(array) => {
                let f = match how {
                    Rounding::Floor => f64::floor,
                    Rounding::Ceil => f64::ceil,
                    Rounding::Truncate => f64::trunc,
                    Rounding::Nearest => nearest_even,
                };
                return self.fold(array, array.ty, f);
            }
            Value::Data(data) if data.scale == 1 => return Ok(x.clone()),
            Value::Data(data) => data.clone(),
        };
        let id = match how {
            Rounding::Floor => self.floor(data.id, 1, data.scale, None)?,
            Rounding::Ceil => {
                let down = self.floor(data.id, -1, data.scale, None)?;
                self.op(Op::sum(vec![(-1, down)], None))?
            }
            Rounding::Truncate => {
                let range = self.range(data.id);
                if range.lo >= 0 {
                    self.floor(data.id, 1, data.scale, None)?
                } else {
                    let up = self.floor(data.id, 1, data.scale, Some(Clamp::RELU))?;
                    let down = self.floor(data.id, -1, data.scale, Some(Clamp::RELU))?;
                    self.op(Op::sum(vec![(1, up), (-1, down)], None))?
                }
            }
            Rounding::Nearest => self.tied_to_even(data.id, data.scale)?,
        };
        Ok(Data {
            id,
            scale: 1,
            ..data
        }
        .into())
    }

    /// `floor(sign·x / by)`: `rd(2·sign·x − by + 1, 2·by)`.
    fn floor(
        &mut self,
        x: TensorId,
        sign: i64,
        by: i64,
        clamp: Option<Clamp>,
    ) -> Result<TensorId, ImportError> {
        self.op(Op::Combine {
            terms: vec![(2 * sign, x)],
            constant: 1 - by,
            div: 2 * by,
            clamp,
        })
    }

    /// `rd(x, by)` less 1 where the quotient is odd and was a tie: ties to even.
    fn tied_to_even(&mut self, x: TensorId, by: i64) -> Result<TensorId, ImportError> {
        let nearest = self.op(Op::Combine {
            terms: vec![(1, x)],
            constant: 0,
            div: by,
            clamp: None,
        })?;
        if by % 2 != 0 {
            return Ok(nearest);
        }
        // 2x − (2r − 1)·by is 0 at a tie, and positive elsewhere.
        let above = self.op(Op::Combine {
            terms: vec![(2, x), (-2 * by, nearest)],
            constant: by,
            div: 1,
            clamp: Some(UNIT),
        })?;
        let half = self.floor(nearest, 1, 2, None)?;
        let odd = self.op(Op::sum(vec![(1, nearest), (-2, half)], None))?;
        // odd·tie = max(odd − above, 0).
        let both = self.op(Op::sum(vec![(1, odd), (-1, above)], Some(Clamp::RELU)))?;
        self.op(Op::sum(vec![(1, nearest), (-1, both)], None))
    }

    /// A value under another type.
    pub(super) fn cast(&mut self, x: &Value, to: Type) -> One {
        match (x.ty(), to) {
            (_, Type::Bool) => self.truth(x),
            (Type::Real, Type::Int { bits, signed }) => {
                let whole = self.rounded(x, Rounding::Truncate)?.typed(to);
                match &whole {
                    // What does not fit is not defined.
                    Value::Data(data) if bits < 64 || !signed => {
                        let held = Op::residues(bits, signed);
                        let hi = (bits < 64).then_some(held.hi);
                        Ok(self.checked(data, held.lo, hi, Defined::Cast)?.into())
                    }
                    _ => Ok(whole),
                }
            }
            _ => Ok(x.clone().typed(to)),
        }
    }

    /// Remainder: with the sign of the divisor (Python's), or of the dividend (C's `fmod`).
    pub(super) fn remainder(&mut self, a: &Value, b: &Value, of_dividend: bool) -> One {
        let ty = a.ty().join(b.ty());
        if let (Value::Constant(a), Value::Constant(b)) = (a, b) {
            let f = move |x: f64, y: f64| match of_dividend {
                true => x % y,
                false => x - (x / y).floor() * y,
            };
            return self.fold_pair(a, b, ty, f);
        }
        // At one scale the quotient is that of the integers.
        let (a, b, _) = self.aligned(a, b)?;
        let scale = a.scale;
        let whole = |data: Data| -> Value {
            Data {
                scale: 1,
                ty: Type::INDEX,
                ..data
            }
            .into()
        };
        let (a, b) = (whole(a), whole(b));
        let quotient = self.integer_quotient(&a, &b, of_dividend)?;
        let product = self.mul(&quotient, &b)?;
        let rest = self.sub(&a, &product)?;
        let rest = self.data(&rest)?;
        Ok(Data { ty, scale, ..rest }.into())
    }
}
