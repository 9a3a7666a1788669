//! Sums, products and extrema.

use super::build::near;
use super::value::{Array, Data, Type, Value};
use super::Importer;
use crate::made::Learned;
use crate::numbers::quantise;
use crate::ImportError;
use zkml_graph::range::Known;
use zkml_graph::{Clamp, Op};

type One = Result<Value, ImportError>;

/// What the scale has fewer bits than is kept of what sums of quantised numbers are multiplied by, beside those that
/// factors have anyway.
const STEP_BITS: u32 = 18;

/// Stands for −∞ as a lower bound: below every activation.
pub(super) const UNBOUNDED: i64 = -(1 << 42);

/// A public factor as a fraction of small integers.
fn fraction(factor: f64) -> Option<(i64, i64)> {
    let whole = |v: f64| v.fract() == 0.0 && v.abs() <= 1_048_576.0;
    if whole(factor) {
        return Some((factor as i64, 1));
    }
    if whole(factor.recip()) {
        let by = factor.recip() as i64;
        return Some((by.signum(), by.abs()));
    }
    let bits = (18 - factor.abs().log2().ceil() as i32).clamp(0, 40);
    let scaled = (factor * 2f64.powi(bits)).round();
    whole(scaled).then_some((scaled as i64, 1i64 << bits))
}

/// The larger of known numbers, or the smaller: what is no number has no order.
pub(super) fn larger(x: f64, y: f64, max: bool) -> f64 {
    match (x.is_nan() || y.is_nan(), max) {
        (true, _) => f64::NAN,
        (false, true) => x.max(y),
        (false, false) => x.min(y),
    }
}

impl Importer {
    /// `Σ factor·value`, broadcast.
    pub(super) fn sum(&mut self, terms: &[(i64, &Value)]) -> One {
        let values: Vec<&Value> = terms.iter().map(|(_, v)| *v).collect();
        let shape = self.common_shape(&values)?;
        let ty = values
            .iter()
            .map(|v| v.ty())
            .reduce(Type::join)
            .unwrap_or(Type::Real);
        // A sum of booleans is a number.
        let ty = if ty == Type::Bool { Type::INDEX } else { ty };
        let mut known: Option<Array> = None;
        let mut data: Vec<(i64, Data)> = Vec::new();
        for (factor, value) in terms {
            match value {
                Value::Data(part) => match data.iter_mut().find(|(_, d)| {
                    d.id == part.id && d.scale == part.scale && d.shape == part.shape
                }) {
                    Some((before, _)) => *before += factor,
                    None => data.push((*factor, part.clone())),
                },
                Value::Constant(part) => {
                    let factor = *factor as f64;
                    let sum = match known.take() {
                        None if factor == 1.0 && part.ty == ty => part.clone().into(),
                        None => self.fold(part, ty, |v| factor * v)?,
                        Some(before) => self.fold_pair(&before, part, ty, |a, b| a + factor * b)?,
                    };
                    if let Value::Constant(sum) = sum {
                        known = Some(sum);
                    }
                }
            }
        }
        let Some(top) = data.iter().map(|(_, d)| d.scale).max() else {
            return match known {
                Some(array) => self.expand(&array.into(), &shape),
                None => Err(self.bad("terms", "at least one", "none")),
            };
        };
        let scale = match &known {
            Some(array) => top.max(self.natural(array.ty)),
            None => top,
        };
        let mut constant = 0;
        if let Some(array) = known.take_if(|a| a.is_public() && a.values.len() == 1) {
            let value = array.values.first().copied().unwrap_or(0.0);
            constant = quantise(value, scale)
                .ok_or_else(|| self.bad("constant", "at most 2^40 at the scale", value))?;
        }
        if let Some(array) = known.take_if(|a| a.is_public()) {
            let part = self.data(&array.into())?;
            data.push((1, part));
        }
        let mut sum = Vec::with_capacity(data.len());
        for (factor, part) in &data {
            let part_scale = part.scale;
            let part = self.expanded(part, &shape)?;
            sum.push((factor.saturating_mul(scale / part_scale.max(1)), part.id));
        }
        let id = match sum.as_slice() {
            [(1, id)] if constant == 0 => *id,
            _ => self.op(Op::Combine {
                terms: sum,
                constant,
                div: 1,
                clamp: None,
            })?,
        };
        let Some(array) = known else {
            return Ok(self.wrap(id, shape, ty, scale)?.into());
        };
        // Weights: an offset for each channel where that is how they vary. They become integers
        // at the graph's scale later.
        let unit = scale as f64 / self.scale() as f64;
        let own = self.scale() as f64;
        let offset = |v: &f64| match self.stand_ins {
            true => near(*v, scale as f64) / own,
            false => v * unit,
        };
        let values = array.values.iter().map(offset).collect();
        let how = [scale as usize, self.stand_ins.into()];
        let offsets = Learned {
            numbers: (array.shape.clone(), values),
            made: self.made("offsets", &[&array], &how),
        };
        let name = self.name.clone();
        let id = self
            .draft
            .broadcast_scale(&name, id, None, Some(&offsets), 1, None)?;
        Ok(self.wrap(id, shape, ty, scale)?.into())
    }

    pub(super) fn add(&mut self, a: &Value, b: &Value) -> One {
        self.sum(&[(1, a), (1, b)])
    }

    pub(super) fn sub(&mut self, a: &Value, b: &Value) -> One {
        self.sum(&[(1, a), (-1, b)])
    }

    pub(super) fn neg(&mut self, a: &Value) -> One {
        self.sum(&[(-1, a)])
    }

    /// A public factor.
    pub(super) fn times(&mut self, a: &Value, factor: f64) -> One {
        let data = match a {
            // The same numbers, also for who asks where they lie.
            Value::Constant(_) if factor == 1.0 => return Ok(a.clone()),
            Value::Constant(array) => return self.fold(array, array.ty, |v| v * factor),
            Value::Data(data) => data.clone(),
        };
        let (f, div) =
            fraction(factor).ok_or_else(|| self.bad("factor", "at most 2^20 in size", factor))?;
        if (f, div) == (1, 1) {
            return Ok(a.clone());
        }
        // Integers that are to be real keep their places.
        let data = match div {
            1 => data,
            _ => {
                let scale = data.scale.max(self.scale());
                self.at_scale(&data, scale)?
            }
        };
        let id = self.op(Op::Combine {
            terms: vec![(f, data.id)],
            constant: 0,
            div,
            clamp: None,
        })?;
        Ok(Data { id, ..data }.into())
    }

    pub(super) fn mul(&mut self, a: &Value, b: &Value) -> One {
        let ty = a.ty().join(b.ty());
        match (a, b) {
            (Value::Constant(a), Value::Constant(b)) => self.fold_pair(a, b, ty, |x, y| x * y),
            (Value::Data(data), Value::Constant(array))
            | (Value::Constant(array), Value::Data(data)) => self.mul_constant(data, array, ty),
            (Value::Data(x), Value::Data(y)) => {
                let shape = self.common_shape(&[a, b])?;
                let (x, y) = (self.expanded(x, &shape)?, self.expanded(y, &shape)?);
                let (scale, div) = self.product_scale(x.scale, y.scale);
                let op = Op::Mul {
                    a: x.id,
                    b: y.id,
                    div,
                    clamp: None,
                };
                let id = self.op(op)?;
                Ok(self.wrap(id, shape, ty, scale)?.into())
            }
        }
    }

    /// The scale, or the least power-of-two multiple of it at which the factors keep about as many
    /// bits as a factor of 1/4 has at the scale, or `more`: small factors would round to nothing. It follows from
    /// the declared bound of the largest.
    pub(super) fn precise_divisor(&mut self, factors: &[f64], more: u32) -> i64 {
        const FINE: u32 = 40;
        let top = factors.iter().fold(0.0f64, |top, v| top.max(v.abs()));
        let fine = (top * (1u64 << FINE) as f64) as i128;
        let declared = Known::weights(0, fine).declared();
        let declared = self.bounds.declare(&mut self.draft, declared);
        // The largest factor has the highest bit of its bound.
        let highest = (64 - declared.hi.leading_zeros()).saturating_sub(1);
        let bits = (FINE - 2 + more).saturating_sub(highest).min(20);
        self.scale() << bits
    }

    /// The scale of a product, and what it is divided by to have it.
    pub(super) fn product_scale(&self, a: i64, b: i64) -> (i64, i64) {
        let full = a.saturating_mul(b);
        let scale = full.min(self.scale());
        (scale, full / scale.max(1))
    }

    fn mul_constant(&mut self, data: &Data, array: &Array, ty: Type) -> One {
        let values = [&data.clone().into(), &array.clone().into()];
        let shape = self.common_shape(&values)?;
        let whole = array.is_public() && array.values.iter().all(|v| v.fract() == 0.0);
        if array.is_public() {
            if let &[factor] = &*array.values {
                let wide = self.expanded(data, &shape)?;
                return Ok(self.times(&wide.into(), factor)?.typed(ty));
            }
            let wide = self.data(&array.clone().into())?;
            let scale = if whole { 1 } else { wide.scale };
            let wide = self.at_scale(&wide, scale)?;
            return Ok(self.mul(&data.clone().into(), &wide.into())?.typed(ty));
        }
        let x = self.expanded(data, &shape)?;
        Ok(self.weighted_by(&x, array, 0)?.typed(ty))
    }

    /// `x·factors` for integers and what one of them is, of which more bits are kept than of weights: sums are large,
    /// and what they are multiplied by is one number for all of them.
    pub(super) fn rescaled(&mut self, x: &Value, factors: &Value) -> One {
        match (x, factors) {
            (Value::Data(data), Value::Constant(array))
                if !(array.is_public() && array.values.len() == 1) =>
            {
                let shape = self.common_shape(&[x, factors])?;
                let x = self.expanded(data, &shape)?;
                let more = STEP_BITS.saturating_sub(self.scale().max(1).ilog2());
                Ok(self.weighted_by(&x, array, more)?.typed(Type::Real))
            }
            _ => self.mul(x, factors),
        }
    }

    /// Weights as factors, of which `more` bits are kept than of weights.
    fn weighted_by(&mut self, x: &Data, array: &Array, more: u32) -> One {
        let integer = !array.ty.is_real();
        // At the scale of x where the factors are integers; else at least at the graph's.
        let scale = if integer {
            x.scale
        } else {
            x.scale.max(self.scale())
        };
        let ratio = scale as f64 / x.scale as f64;
        let factors: Vec<f64> = array.values.iter().map(|v| v * ratio).collect();
        let div = match integer {
            true => 1,
            false => self.precise_divisor(&factors, more),
        };
        let name = self.name.clone();
        let how = [scale as usize, x.scale as usize];
        let w = Learned {
            numbers: (array.shape.clone(), factors),
            made: self.made("factors", &[array], &how),
        };
        let id = self
            .draft
            .broadcast_scale(&name, x.id, Some(&w), None, div, None)?;
        Ok(self.wrap(id, x.shape.clone(), x.ty, scale)?.into())
    }

    /// The larger, or the smaller.
    pub(super) fn extremum(&mut self, a: &Value, b: &Value, max: bool) -> One {
        let ty = a.ty().join(b.ty());
        if let (Value::Constant(a), Value::Constant(b)) = (a, b) {
            return self.fold_pair(a, b, ty, move |x, y| larger(x, y, max));
        }
        let (x, y, shape) = self.aligned(a, b)?;
        let (a, b, scale) = (x.id, y.id, x.scale);
        let id = self.op(if max {
            Op::Max { a, b }
        } else {
            Op::Min { a, b }
        })?;
        Ok(self.wrap(id, shape, ty, scale)?.into())
    }

    /// `min(max(x, lo), hi)` with public bounds.
    pub(super) fn clamped(&mut self, x: &Value, lo: Option<f64>, hi: Option<f64>) -> One {
        let data = match x {
            Value::Constant(array) => {
                let (lo, hi) = (lo.unwrap_or(f64::MIN), hi.unwrap_or(f64::MAX));
                return self.fold(array, array.ty, |v| match v.is_nan() {
                    true => v,
                    false => v.max(lo).min(hi),
                });
            }
            Value::Data(data) => data.clone(),
        };
        if lo.is_some_and(f64::is_nan) || hi.is_some_and(f64::is_nan) {
            return Err(self.bad("bounds", "numbers", "NaN"));
        }
        let fractional = |v: Option<f64>| v.is_some_and(|v| v.fract() != 0.0);
        let data = match data.scale < self.scale() && (fractional(lo) || fractional(hi)) {
            true => self.at_scale(&data, self.scale())?,
            false => data,
        };
        let scale = data.scale;
        // A bound beyond every activation is none.
        let low = lo.and_then(|v| quantise(v, scale));
        let high = hi.and_then(|v| quantise(v, scale));
        let beyond = |v: Option<f64>, sign: f64| v.is_some_and(|v| v * sign > 0.0);
        if (low.is_none() && beyond(lo, 1.0)) || (high.is_none() && beyond(hi, -1.0)) {
            let got = format!("{lo:?}, {hi:?}");
            return Err(self.bad("bounds", "bounds below 2^40 in size", got));
        }
        let clamp = match (low, high) {
            (None, None) => return Ok(x.clone()),
            (low, hi) => Clamp {
                // min(max(x, lo), hi) is hi throughout where hi is the lower one.
                lo: low.unwrap_or(UNBOUNDED).min(hi.unwrap_or(i64::MAX)),
                hi,
            },
        };
        let id = self.op(Op::clamped(data.id, clamp))?;
        Ok(Data { id, ..data }.into())
    }

    pub(super) fn abs(&mut self, x: &Value) -> One {
        match x {
            Value::Constant(array) => self.fold(array, array.ty, f64::abs),
            Value::Data(data) if self.range(data.id).lo >= 0 => Ok(x.clone()),
            Value::Data(_) => {
                let minus = self.neg(x)?;
                self.extremum(x, &minus, true)
            }
        }
    }
}
