//! Functions by tables, as zkml has them: `round(f(x/scale)·scale)`, in 64-bit floating point.

use super::place::Place;
use super::Importer;
use crate::ImportError;
use zkml_graph::range::weight_range;
use zkml_graph::{Clamp, Defined, Interval, Op, Table, TensorId};

/// Most entries of a table.
const MAX_ENTRIES: i64 = 1 << 20;
/// Exponentials with more entries are products of two tables.
const SPLIT_ABOVE: i64 = 1 << 15;
/// Bits of the entries of such tables.
const PRECISE_BITS: u32 = 39;

type Result<T> = std::result::Result<T, ImportError>;

impl Importer {
    /// `Logistic`, `Tanh`, `Sqrt`, `Rsqrt`, `Pow` (the cube), `Relu`.
    pub(super) fn function(&mut self, place: &Place<'_>) -> Result<TensorId> {
        let name = &place.name;
        let x = self.in_file_shape(place.input(0)?, name)?;
        if !place.layer.mask.is_empty() {
            let got = format!("{} numbers", place.layer.mask.len());
            return Err(ImportError::malformed(format!("{name}: mask"), "none", got));
        }
        let scale = self.draft.graph.scale as f64;
        // Beyond these bounds a function rounds to its limit; less than one unit counts as one where it has a pole.
        let all = (i64::MIN, i64::MAX);
        let symmetric = |reach: f64| {
            let reach = (reach * scale).ceil() as i64 + 1;
            (-reach, reach)
        };
        let (bounds, f): ((i64, i64), fn(f64) -> f64) = match place.layer.layer_type.as_str() {
            "Logistic" => (symmetric((2.0 * scale).ln()), |v| 1.0 / (1.0 + (-v).exp())),
            "Tanh" => (symmetric((4.0 * scale).ln() / 2.0), f64::tanh),
            "Sqrt" => ((0, i64::MAX), f64::sqrt),
            "Rsqrt" => ((1, i64::MAX), |v| 1.0 / v.sqrt()),
            "Pow" => (all, |v| v * v * v),
            _ => {
                // zkml's has no parameter; TFLite's may be the activation relu6.
                let clamp = match place.layer.params.is_empty() {
                    true => Some(Clamp::RELU),
                    false => place.activation(0, self.draft.graph.scale)?,
                };
                let op = Op::sum(vec![(1, x)], clamp);
                return self.draft.node(name, op);
            }
        };
        let mut x = x;
        let mut range = self.interval(x)?;
        // What is negative by more than rounding has no root.
        if bounds.0 >= 0 && range.lo < 0 {
            let (hi, why) = (None, Defined::Root);
            x = self.draft.node(name, Op::Check { x, lo: 0, hi, why })?;
            range = self.interval(x)?;
        }
        let (lo, hi) = (range.lo.max(bounds.0), range.hi.min(bounds.1).max(bounds.0));
        let x = self.within(name, x, range, Interval { lo, hi })?;
        let entry = |v: i64| (f(v as f64 / scale) * scale).round() as i64;
        self.tabulated(name, x, Interval { lo, hi }, entry)
    }

    /// `round(exp(−x/scale)·scale²)` for `x ≥ 0`.
    pub(super) fn exponentials(&mut self, name: &str, x: TensorId, scale: i64) -> Result<TensorId> {
        let unit = scale as f64;
        let square = unit * unit;
        // From here on it rounds to zero.
        let end = (unit * (2.0 * square).ln()).ceil() as i64 + 1;
        // Arguments in [−end, 0].
        let clamp = Clamp { lo: -end, hi: None };
        let minus = self.combine(
            &format!("{name}/argument"),
            vec![(-1, x)],
            0,
            1,
            Some(clamp),
        )?;
        if end <= SPLIT_ABOVE {
            let entry = |v: i64| ((v as f64 / unit).exp() * square).round() as i64;
            return self.tabulated(name, minus, Interval { lo: -end, hi: 0 }, entry);
        }
        // exp(−(2^l·h + r)) = exp(−2^l·h)·exp(−r), with bits to spare.
        let spare = PRECISE_BITS.checked_sub((2.0 * unit.log2()).ceil() as u32);
        let Some(spare) = spare else {
            let got = format!("scale {scale}");
            return Err(ImportError::malformed(name, "a scale of at most 2^19", got));
        };
        let bits = (64 - end.leading_zeros()).div_ceil(2);
        let low = 1i64 << bits;
        let high_name = format!("{name}/high");
        // floor(v/s) = rd(2v − s, 2s), of v = −minus.
        let high = self.combine(&high_name, vec![(-2, minus)], -low, 2 * low, None)?;
        let rest = Clamp {
            lo: 0,
            hi: Some(low - 1),
        };
        let low_name = format!("{name}/low");
        let rest = self.combine(&low_name, vec![(-1, minus), (-low, high)], 0, 1, Some(rest))?;
        let top = self.interval(high)?;
        let high = self.within(&high_name, high, top, Interval { lo: 0, hi: top.hi })?;
        let (coarse, fine) = (
            square * f64::from(1u32 << spare),
            (1u64 << PRECISE_BITS) as f64,
        );
        let entry = |v: i64| ((-v as f64 * low as f64 / unit).exp() * coarse).round() as i64;
        let a = self.tabulated(&high_name, high, Interval { lo: 0, hi: top.hi }, entry)?;
        let entry = |v: i64| ((-v as f64 / unit).exp() * fine).round() as i64;
        let domain = Interval { lo: 0, hi: low - 1 };
        let b = self.tabulated(&low_name, rest, domain, entry)?;
        let op = Op::Mul {
            a,
            b,
            div: 1 << (spare + PRECISE_BITS),
            clamp: None,
        };
        self.draft.node(name, op)
    }

    /// `x`, clamped to the interval if it may leave it.
    fn within(
        &mut self,
        name: &str,
        x: TensorId,
        range: Interval,
        wanted: Interval,
    ) -> Result<TensorId> {
        if wanted.lo <= range.lo && range.hi <= wanted.hi {
            return Ok(x);
        }
        let clamp = Clamp {
            lo: wanted.lo,
            hi: (range.hi > wanted.hi).then_some(wanted.hi),
        };
        self.draft
            .node(&format!("{name}/domain"), Op::clamped(x, clamp))
    }

    /// A node that looks `entry` up on a domain.
    fn tabulated(
        &mut self,
        name: &str,
        x: TensorId,
        domain: Interval,
        entry: impl Fn(i64) -> i64,
    ) -> Result<TensorId> {
        if domain.hi - domain.lo >= MAX_ENTRIES {
            let expected = format!("arguments in a range of at most {MAX_ENTRIES} values");
            let got = format!("[{}, {}] in units of 1/scale", domain.lo, domain.hi);
            return Err(ImportError::too_wide(name, expected, got));
        }
        let function = Table {
            name: name.split('.').next().unwrap_or(name).to_owned(),
            lo: domain.lo,
            values: (domain.lo..=domain.hi).map(entry).collect(),
        };
        let tables = &mut self.draft.graph.tables;
        let same = |known: &Table| known.lo == function.lo && known.values == function.values;
        let table = tables.iter().position(same).unwrap_or_else(|| {
            tables.push(function);
            tables.len() - 1
        });
        self.draft.node(name, Op::Table { x, table })
    }

    /// What interval propagation says of a tensor so far.
    fn interval(&mut self, id: TensorId) -> Result<Interval> {
        let graph = &mut self.draft.graph;
        let last = self.integers.keys().next_back().copied();
        let new = |w: &TensorId| last.is_none_or(|last| *w > last);
        // Tensors are numbered as they come: the new weights are the last.
        let weights = self.draft.weights.iter().rev();
        for (&w, values) in weights.take_while(|(w, _)| new(w)) {
            let integers: Vec<i64> = values.iter().map(|v| v.integer).collect();
            if let Some(tensor) = graph.tensors.get_mut(w.0) {
                tensor.range = weight_range(&integers);
            }
            self.integers.insert(w, integers);
        }
        self.ranges.advance(graph, &self.integers)?;
        Ok(graph
            .tensor(id, "a table's argument")
            .map_err(zkml_graph::range::RangeError::from)?
            .range)
    }
}
