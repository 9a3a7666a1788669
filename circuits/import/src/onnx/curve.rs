//! Functions of one real number, as tables of integers.
//!
//! A table holds one value for each integer of its domain. Where the argument's bounds are wider
//! than a table may be, segments that grow with the distance from zero, each with its own step, are
//! summed: `f(x) = f(T) + (f(clamp(x, T, U)) − f(T)) + …`. What a function does far out (nothing, or a
//! straight line) is said by its tails and costs no table.
//!
//! No value is cut off: where a function leaves what the integers hold, its argument is checked not to go there
//! ([`Op::Check`]); where that is not at an end of the domain, the model is refused.

use super::arith::UNBOUNDED;
use super::value::{Data, Type, Value};
use super::Importer;
use crate::ImportError;
use zkml_graph::{Clamp, Defined, Interval, Op, TensorId};

/// Most values of one table.
const MAX_TABLE: i64 = 1 << 16;

/// Values of each segment of a wide domain.
const SEGMENT: i64 = 3 << 12;

/// Widest argument.
const MAX_NUMBER: i64 = 1 << 40;

/// Farthest end of a tail.
const MAX_END: f64 = (1u64 << 40) as f64;

/// Largest value of a table: half of what an activation may be, so that sums of segments are held as well.
const MAX_VALUE: f64 = (1u64 << 39) as f64;

/// What a function does beyond a point.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tail {
    /// Whatever it does.
    Open,
    /// As at the point, to within rounding, or because it is not defined further out.
    Flat(f64),
    /// More than the integers hold: no argument may be further out.
    Held(f64),
    /// A line of this slope from the point on.
    Line(f64, i64),
}

impl Tail {
    /// Whether what is further out counts as the point.
    fn ends(self) -> bool {
        match self {
            Tail::Flat(_) | Tail::Line(..) => true,
            Tail::Open | Tail::Held(_) => false,
        }
    }
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

/// `v` as a table's value, if the integers hold it.
fn entry(v: f64) -> Option<i64> {
    (v.abs() <= MAX_VALUE).then_some(v.round() as i64)
}

/// The last point from `good` toward `end` that is good, of what changes once.
fn last_good(is_good: &dyn Fn(i64) -> bool, mut good: i64, end: i64) -> i64 {
    let mut bad = end;
    if is_good(end) {
        return end;
    }
    while good.abs_diff(bad) > 1 {
        let middle = good + (bad - good) / 2;
        match is_good(middle) {
            true => good = middle,
            false => bad = middle,
        }
    }
    good
}

/// A function on integers: of `from` units to `to` units.
struct Sampled<'c, 'f> {
    curve: &'c Curve<'f>,
    from: i64,
    to: i64,
}

impl Sampled<'_, '_> {
    fn at(&self, v: i64) -> f64 {
        (self.curve.f)(v as f64 / self.from as f64) * self.to as f64
    }

    fn scales(&self) -> (i64, i64) {
        (self.from, self.to)
    }

    /// The part of a domain on which the integers hold the values, where tails do not say what is further out.
    fn held(&self, domain: Interval) -> Interval {
        let is_good = |v: i64| entry(self.at(v)).is_some();
        let middle = 0.clamp(domain.lo, domain.hi);
        let good = [middle, domain.hi, domain.lo];
        let Some(good) = good.into_iter().find(|&v| is_good(v)) else {
            return domain;
        };
        let end = |tail: Tail, end: i64| match tail.ends() {
            true => end,
            false => last_good(&is_good, good, end),
        };
        Interval {
            lo: end(self.curve.low, domain.lo),
            hi: end(self.curve.high, domain.hi),
        }
    }

    /// The value at `v`; an error about the argument at `place` where the integers do not hold it.
    fn value(&self, place: &str, v: i64) -> Result<i64, ImportError> {
        entry(self.at(v)).ok_or_else(|| {
            let most = MAX_VALUE / self.to as f64;
            let expected = format!("values within ±{most}, as fixed-point integers hold");
            let argument = v as f64 / self.from as f64;
            ImportError::too_wide(place, expected, format!("others at {argument}"))
        })
    }

    /// [`Sampled::value`], where half a step to either side must not matter within a segment.
    fn stepped(
        &self,
        place: &str,
        v: i64,
        step: i64,
        (from, to): (i64, i64),
    ) -> Result<i64, ImportError> {
        let here = self.at(v);
        let allowed = (here.abs() / 2048.0).max(4.0);
        for near in [v.saturating_add(step / 2), v.saturating_sub(step / 2)] {
            let near = self.at(near.clamp(from.min(to), from.max(to)));
            let difference = (near - here).abs();
            if difference.is_nan() || difference > allowed {
                let expected = format!("bounds that a table of {MAX_TABLE} values covers");
                let argument = v as f64 / self.from as f64;
                let got = format!("arguments that may reach {argument}");
                return Err(ImportError::too_wide(place, expected, got));
            }
        }
        self.value(place, v)
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
            Tail::Flat(at) | Tail::Held(at) | Tail::Line(at, _) => {
                Some((at * unit).clamp(-MAX_END, MAX_END))
            }
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
        let sampled = Sampled {
            curve,
            from: data.scale,
            to: scale,
        };
        let domain = sampled.held(domain);
        let data = self.kept(data, curve, range, domain)?;
        let size = domain.hi - domain.lo + 1;
        let mut terms = if size <= MAX_TABLE {
            let x = match range.lo >= domain.lo && range.hi <= domain.hi {
                true => data.id,
                false => self.within(data.id, domain)?,
            };
            let place = self.argument_of(curve);
            let value = |k: i64| sampled.value(&place, domain.lo + k);
            let table = self.table_of(&curve.name, domain.lo, size, sampled.scales(), value)?;
            vec![(1, self.op(Op::Table { x, table })?)]
        } else {
            self.segments(data.id, &sampled, domain)?
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

    /// The argument where a function has values: clamped where a tail says what is further out, and checked elsewhere.
    fn kept(
        &mut self,
        data: Data,
        curve: &Curve,
        range: Interval,
        domain: Interval,
    ) -> Result<Data, ImportError> {
        let (below, above) = (range.lo < domain.lo, range.hi > domain.hi);
        if (!below || curve.low.ends()) && (!above || curve.high.ends()) {
            return Ok(data);
        }
        let lo = (below && curve.low.ends()).then_some(domain.lo);
        let hi = (above && curve.high.ends()).then_some(domain.hi);
        let clamped = match (lo, hi) {
            (None, None) => data.clone(),
            (lo, hi) => {
                let lo = lo.unwrap_or(UNBOUNDED);
                let id = self.op(Op::clamped(data.id, Clamp { lo, hi }))?;
                Data { id, ..data.clone() }
            }
        };
        let why = Defined::Held { unit: data.scale };
        self.checked(&clamped, domain.lo, Some(domain.hi), why)
    }

    fn argument_of(&self, curve: &Curve) -> String {
        format!(
            "node '{}' ({}), argument of {}",
            self.name, self.operator, curve.name
        )
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
    /// nearest to it), then segments four times as far out, each with a wider step. What is further out than the
    /// domain counts as its end where a tail says so; elsewhere there is no such argument, and no clamp hides one.
    fn segments(
        &mut self,
        x: TensorId,
        sampled: &Sampled,
        domain: Interval,
    ) -> Result<Vec<(i64, TensorId)>, ImportError> {
        let curve = sampled.curve;
        let place = self.argument_of(curve);
        let fine = MAX_TABLE / 4;
        let core = Interval {
            lo: domain.lo.max((-fine).min(domain.hi - fine)),
            hi: domain.hi.min(fine.max(domain.lo + fine)),
        };
        let open = |tail: Tail, at: i64, end: i64| at == end && !tail.ends();
        let clamp = Clamp {
            lo: match open(curve.low, core.lo, domain.lo) {
                true => UNBOUNDED,
                false => core.lo,
            },
            hi: (!open(curve.high, core.hi, domain.hi)).then_some(core.hi),
        };
        let inside = self.op(Op::clamped(x, clamp))?;
        let count = core.hi - core.lo + 1;
        let value = |k: i64| sampled.value(&place, core.lo + k);
        let table = self.table_of(&curve.name, core.lo, count, sampled.scales(), value)?;
        let mut terms = vec![(1, self.op(Op::Table { x: inside, table })?)];
        let sides = [
            (1, core.hi, domain.hi, curve.high),
            (-1, core.lo, domain.lo, curve.low),
        ];
        for (sign, core_end, end, tail) in sides {
            let mut from = core_end;
            let mut step = 4i64;
            while (end - from) * sign > 0 {
                let length = ((end - from) * sign).min(SEGMENT * step);
                let steps = length.div_euclid(step) + i64::from(length % step != 0);
                let point = |k: i64| from + sign * (k * step).min(length);
                let last = point(steps);
                // The distance from the start, in steps, to nearest.
                let distance = self.op(Op::Combine {
                    terms: vec![(sign, x)],
                    constant: -sign * from,
                    div: step,
                    clamp: Some(Clamp {
                        lo: 0,
                        hi: (!open(tail, last, end)).then_some(steps),
                    }),
                })?;
                let start = sampled.value(&place, from)?;
                // The last step may be a shorter one: where it ends is part of the name.
                let name = format!("{} from {from} by {step} to {last}", curve.name);
                let value =
                    |k: i64| Ok(sampled.stepped(&place, point(k), step, (from, last))? - start);
                let table = self.table_of(&name, 0, steps + 1, sampled.scales(), value)?;
                terms.push((1, self.op(Op::Table { x: distance, table })?));
                from = last;
                step = step.saturating_mul(4);
            }
        }
        Ok(terms)
    }
}
