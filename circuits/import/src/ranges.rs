//! From the caller's options to the scale and the intervals of inputs.

use super::{ImportError, ImportOptions, Source};
use zkml_graph::Interval;

impl ImportOptions {
    /// The scale for a float model, checked.
    pub(super) fn scale_or(&self, default: i64) -> Result<i64, ImportError> {
        match self.scale.unwrap_or(default) {
            scale if (1..=1 << 30).contains(&scale) => Ok(scale),
            scale => Err(ImportError::malformed("--scale", "1 to 2^30", scale)),
        }
    }

    /// Fails if a range is for no input of the file.
    pub(super) fn check_names(&self, source: &Source) -> Result<(), ImportError> {
        let known = |name: &str| source.inputs.iter().any(|port| port.name == name);
        let Some(name) = self.input_ranges.keys().find(|name| !known(name)) else {
            return Ok(());
        };
        let names = source.inputs.iter().take(8);
        let names: Vec<String> = names.map(|port| format!("'{}'", port.name)).collect();
        let expected = format!("the name of an input: {}", names.join(", "));
        Err(ImportError::malformed(
            "--input-range",
            expected,
            format!("'{name}'"),
        ))
    }

    /// The interval of an input of real numbers at `scale`: signed integers of the fewest bits that hold its range.
    pub(super) fn interval(&self, name: &str, scale: i64) -> Result<Interval, ImportError> {
        let range = self.input_ranges.get(name).copied().or(self.input_range);
        let Some(range) = range else {
            return Ok(Interval::signed(bits_of(-4 * scale)));
        };
        let ends = whole_ends(range, scale)?;
        let bits = ends.map(bits_of);
        Ok(Interval::signed(bits.into_iter().max().unwrap_or(1)))
    }

    /// The interval of integers that are no fixed-point numbers: the range that is named after the input and, if
    /// they are `indices` into something, nothing beyond that. Else what their type holds if that is little, else the
    /// range of all inputs, else 16 bits.
    pub(super) fn integer_interval(
        &self,
        name: &str,
        (lo, hi): (f64, f64),
        indices: Option<Interval>,
    ) -> Result<Interval, ImportError> {
        let bounds = Interval {
            lo: lo as i64,
            hi: hi as i64,
        };
        let bounds = indices.map_or(bounds, |indices| both(bounds, indices));
        let own = self.input_ranges.get(name).copied();
        let interval = match (own, self.input_range) {
            (Some(range), _) => {
                let [lo, hi] = whole_ends(range, 1)?;
                both(bounds, Interval { lo, hi })
            }
            (None, _) if indices.is_some() || hi - lo < 256.0 => bounds,
            (None, Some(_)) => both(bounds, self.interval(name, 1)?),
            (None, None) if lo < 0.0 => both(bounds, Interval::signed(16)),
            // As many numbers without a sign.
            (None, None) => Interval { lo: 0, hi: 65_535 },
        };
        if interval.lo > interval.hi {
            let got = own.or(self.input_range);
            let got = got.map_or_else(String::new, |(lo, hi)| format!("{lo},{hi}"));
            let place = format!("--input-range of '{name}'");
            let expected = format!("numbers from {} to {}", bounds.lo, bounds.hi);
            return Err(ImportError::malformed(place, expected, got));
        }
        Ok(interval)
    }
}

/// The bits of a number in two's complement.
fn bits_of(v: i64) -> u32 {
    65 - (if v < 0 { !v } else { v }).leading_zeros()
}

/// The integers that hold a range.
fn whole_ends((lo, hi): (f64, f64), scale: i64) -> Result<[i64; 2], ImportError> {
    let ends = [(lo * scale as f64).floor(), (hi * scale as f64).ceil()];
    let limit = (1i64 << 40) as f64;
    if lo <= hi && ends.iter().all(|v| v.abs() <= limit) {
        return Ok(ends.map(|v| v as i64));
    }
    let expected = format!("two ordered numbers, at most 2^40 in size at scale {scale}");
    Err(ImportError::malformed(
        "--input-range",
        expected,
        format!("{lo},{hi}"),
    ))
}

/// What is in both intervals.
fn both(a: Interval, b: Interval) -> Interval {
    Interval {
        lo: a.lo.max(b.lo),
        hi: a.hi.min(b.hi),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(range: Option<(f64, f64)>, named: Option<(f64, f64)>) -> ImportOptions {
        ImportOptions {
            input_range: range,
            input_ranges: named.into_iter().map(|r| ("x".to_owned(), r)).collect(),
            ..ImportOptions::default()
        }
    }

    #[test]
    fn input_intervals_are_signed_powers_of_two() {
        let of = |range, scale| {
            let v = options(range, None).interval("x", scale).unwrap();
            (v.lo, v.hi)
        };
        assert_eq!(of(None, 512), (-2048, 2047));
        assert_eq!(of(None, 1000), (-4096, 4095));
        assert_eq!(of(Some((0.0, 1.0)), 512), (-1024, 1023));
        assert_eq!(of(Some((-1.0, 0.99)), 512), (-512, 511));
        assert_eq!(of(Some((0.0, 0.0)), 512), (-1, 0));
        for bad in [
            (1.0, 0.0),
            (f64::NAN, 1.0),
            (0.0, f64::INFINITY),
            (-1e30, 1.0),
        ] {
            assert!(
                options(Some(bad), None).interval("x", 512).is_err(),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_range_of_one_input_is_no_other_ones() {
        let both = options(Some((-1.0, 1.0)), Some((-100.0, 100.0)));
        assert_eq!(both.interval("x", 16).unwrap(), Interval::signed(12));
        assert_eq!(both.interval("y", 16).unwrap(), Interval::signed(6));
    }

    #[test]
    fn integers_have_the_range_of_what_they_index() {
        let wide = (-(2f64.powi(63)), 2f64.powi(63) - 1.0);
        let indices = Some(Interval { lo: -600, hi: 599 });
        let of = |range, named, indices| {
            let v = options(range, named).integer_interval("x", wide, indices);
            v.map(|v| (v.lo, v.hi)).map_err(|error| error.to_string())
        };
        assert_eq!(of(None, None, None), Ok((-32768, 32767)));
        assert_eq!(of(Some((0.0, 9.0)), None, None), Ok((-16, 15)));
        // A range of prices is none of ids.
        assert_eq!(of(Some((-4.0, 4.0)), None, indices), Ok((-600, 599)));
        assert_eq!(of(None, Some((0.0, 9.0)), indices), Ok((0, 9)));
        assert_eq!(of(None, Some((0.0, 600.0)), indices), Ok((0, 599)));
        assert_eq!(of(None, Some((0.0, 9.0)), None), Ok((0, 9)));
        let error = of(None, Some((600.0, 700.0)), indices).unwrap_err();
        assert!(error.contains("from -600 to 599"), "{error}");
    }
}
