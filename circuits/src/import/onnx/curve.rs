//! Functions of one real number, as tables of integers.
//!
//! A table holds one value for each integer of its domain. Where the argument's bounds are wider
//! than a table may be, segments that grow with the distance from zero, each with its own step, are
//! summed: `f(x) = f(T) + (f(clamp(x, T, U)) − f(T)) + …`. What a function does far out (nothing, or a
//! straight line) is said by its tails and costs no table.

use super::value::{Data, Type, Value};
use super::Importer;
use crate::graph::{Clamp, Interval, Op, TensorId};
use crate::import::ImportError;

/// Most values of one table.
const MAX_TABLE: i64 = 1 << 16;

/// Values of each segment of a wide domain.
const SEGMENT: i64 = 3 << 12;

/// Widest argument.
const MAX_NUMBER: i64 = 1 << 40;

/// Largest value of a table.
const MAX_VALUE: f64 = (1u64 << 40) as f64;

/// What a function does beyond a point.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tail {
    /// Whatever it does.
    Open,
    /// As at the point, to within rounding, or because it is not defined further out.
    Flat(f64),
    /// A line of this slope from the point on.
    Line(f64, i64),
}

/// A function and its tails.
pub(super) struct Curve<'f> {
    pub name: String,
    pub f: &'f dyn Fn(f64) -> f64,
    pub low: Tail,
    pub high: Tail,
}

impl<'f> Curve<'f> {
    /// Defined everywhere.
    pub fn new(name: impl Into<String>, f: &'f dyn Fn(f64) -> f64) -> Self {
        Curve {
            name: name.into(),
            f,
            low: Tail::Open,
            high: Tail::Open,
        }
    }

    pub fn tails(self, low: Tail, high: Tail) -> Self {
        Curve { low, high, ..self }
    }
}

/// `v` as a table's value: NaN is 0, what is too large the largest.
fn entry(v: f64) -> i64 {
    if v.is_nan() {
        0
    } else {
        v.clamp(-MAX_VALUE, MAX_VALUE).round() as i64
    }
}

impl Importer {
    /// `f(x)` elementwise, at the graph's scale.
    pub(super) fn map(&mut self, x: &Value, curve: &Curve) -> Result<Value, ImportError> {
        self.map_at(x, curve, self.scale())
    }

    /// `f(x)` elementwise, at a scale.
    pub(super) fn map_at(
        &mut self,
        x: &Value,
        curve: &Curve,
        scale: i64,
    ) -> Result<Value, ImportError> {
        let data = match x {
            Value::Constant(array) => return self.fold(array, Type::Real, curve.f),
            Value::Data(data) => data.clone(),
        };
        let unit = data.scale as f64;
        // Declared bounds may be wider than what an activation may reach; the bounds of the integers decide.
        let declared = self.range(data.id);
        let range = Interval {
            lo: declared.lo.max(-MAX_NUMBER),
            hi: declared.hi.min(MAX_NUMBER),
        };
        let end = |tail: Tail| match tail {
            Tail::Open => None,
            Tail::Flat(at) | Tail::Line(at, _) => Some((at * unit).clamp(-MAX_VALUE, MAX_VALUE)),
        };
        let (low, high) = (
            end(curve.low).map(|v| v.ceil() as i64),
            end(curve.high).map(|v| v.floor() as i64),
        );
        // A function with two tails has one table wherever it is used, if that is not large.
        let own = low
            .zip(high)
            .filter(|(lo, hi)| hi - lo < MAX_TABLE / 4 && lo <= hi);
        let domain = match own {
            Some((lo, hi)) => Interval { lo, hi },
            None => {
                let lo = low.map_or(range.lo, |v| v.max(range.lo));
                let hi = high.map_or(range.hi, |v| v.min(range.hi));
                Interval { lo, hi: hi.max(lo) }
            }
        };
        let held = range.lo >= domain.lo && range.hi <= domain.hi;
        let at = |v: i64| (curve.f)(v as f64 / unit) * scale as f64;
        let size = domain.hi - domain.lo + 1;
        let mut terms = if size <= MAX_TABLE {
            let x = match held {
                true => data.id,
                false => self.within(data.id, domain)?,
            };
            let value = |k: i64| entry(at(domain.lo + k));
            let table = self.table_of(&curve.name, domain.lo, size, (data.scale, scale), value);
            vec![(1, self.op(Op::Table { x, table })?)]
        } else {
            self.segments(data.id, curve, domain, (data.scale, scale), &at)?
        };
        for (tail, end, sign) in [(curve.low, domain.lo, -1), (curve.high, domain.hi, 1)] {
            let Tail::Line(_, slope) = tail else { continue };
            let beyond = if sign > 0 {
                range.hi > end
            } else {
                range.lo < end
            };
            if slope != 0 && beyond {
                // The distance past the end, brought to the result's scale.
                let past = self.op(Op::Combine {
                    terms: vec![(sign, data.id)],
                    constant: -sign * end,
                    div: 1,
                    clamp: Some(Clamp::RELU),
                })?;
                let past = Data {
                    id: past,
                    ..data.clone()
                };
                let past = self.at_scale(&past, scale)?;
                terms.push((sign * slope, past.id));
            }
        }
        let id = match terms.as_slice() {
            [(1, id)] => *id,
            _ => self.op(Op::sum(terms, None))?,
        };
        Ok(Data {
            id,
            scale,
            ty: Type::Real,
            ..data
        }
        .into())
    }

    /// `clamp(x, lo, hi)`.
    fn within(&mut self, x: TensorId, domain: Interval) -> Result<TensorId, ImportError> {
        let clamp = Clamp {
            lo: domain.lo,
            hi: Some(domain.hi),
        };
        self.op(Op::clamped(x, clamp))
    }

    /// A domain that is too wide for one table: a fine segment around zero (or at the end that is
    /// nearest to it), then segments four times as far out, each with a wider step.
    fn segments(
        &mut self,
        x: TensorId,
        curve: &Curve,
        domain: Interval,
        scales: (i64, i64),
        at: &dyn Fn(i64) -> f64,
    ) -> Result<Vec<(i64, TensorId)>, ImportError> {
        let fine = MAX_TABLE / 4;
        let core = Interval {
            lo: domain.lo.max((-fine).min(domain.hi - fine)),
            hi: domain.hi.min(fine.max(domain.lo + fine)),
        };
        let inside = self.within(x, core)?;
        let count = core.hi - core.lo + 1;
        let value = |k: i64| entry(at(core.lo + k));
        let table = self.table_of(&curve.name, core.lo, count, scales, value);
        let mut terms = vec![(1, self.op(Op::Table { x: inside, table })?)];
        for (sign, core_end, end) in [(1, core.hi, domain.hi), (-1, core.lo, domain.lo)] {
            let mut from = core_end;
            let mut step = 4i64;
            while (end - from) * sign > 0 {
                let length = ((end - from) * sign).min(SEGMENT * step);
                let steps = length.div_euclid(step) + i64::from(length % step != 0);
                let point = |k: i64| from + sign * (k * step).min(length);
                self.check_step(curve, at, from, sign * step)?;
                // The distance from the start, in steps, to nearest.
                let distance = self.op(Op::Combine {
                    terms: vec![(sign, x)],
                    constant: -sign * from,
                    div: step,
                    clamp: Some(Clamp {
                        lo: 0,
                        hi: Some(steps),
                    }),
                })?;
                let start = entry(at(from));
                // The last step may be a shorter one: where it ends is part of the name.
                let end = point(steps);
                let name = format!("{} from {from} by {step} to {end}", curve.name);
                let value = |k: i64| entry(at(point(k))) - start;
                let table = self.table_of(&name, 0, steps + 1, scales, value);
                terms.push((1, self.op(Op::Table { x: distance, table })?));
                from = point(steps);
                step = step.saturating_mul(4);
            }
        }
        Ok(terms)
    }

    /// Half a step must not matter.
    fn check_step(
        &self,
        curve: &Curve,
        at: &dyn Fn(i64) -> f64,
        from: i64,
        step: i64,
    ) -> Result<(), ImportError> {
        for k in [0, 1, 5, 100, SEGMENT / 2] {
            let v = from.saturating_add(k.saturating_mul(step));
            let (here, near) = (at(v), at(v.saturating_add(step / 2)));
            let allowed = (here.abs() / 2048.0).max(4.0);
            if (near - here).abs() <= allowed {
                continue;
            }
            let place = format!(
                "node '{}' ({}), argument of {}",
                self.name, self.operator, curve.name
            );
            let expected = format!("bounds that a table of {MAX_TABLE} values covers");
            let got = format!("values that may reach {v}, in units of 1/scale");
            return Err(ImportError::too_wide(place, expected, got));
        }
        Ok(())
    }
}
