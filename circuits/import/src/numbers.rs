//! Numbers of files as integers.

/// `round(value·scale)`, half away from zero; `None` where that is no number or beyond ±2^40.
pub fn quantise(value: f64, scale: i64) -> Option<i64> {
    let rounded = (value * scale as f64).round();
    (rounded.abs() <= (1u64 << 40) as f64).then_some(rounded as i64)
}

/// What is wrong with a number that [`quantise`] does not take. It may be a weight or an input, so the number itself
/// is not said.
pub fn unfit(value: f64) -> &'static str {
    match value {
        v if v.is_nan() => "NaN",
        v if v.is_infinite() => "an infinite one",
        _ => "a larger one",
    }
}

/// IEEE 754 binary16.
pub fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        e => (1024.0 + fraction) * 2f64.powi(e - 25),
    }
}

#[cfg(test)]
mod tests {
    use super::quantise;

    #[test]
    fn halves_round_away_from_zero() {
        assert_eq!(quantise(0.5, 1), Some(1));
        assert_eq!(quantise(-0.5, 1), Some(-1));
        assert_eq!(quantise(2.499, 1), Some(2));
        assert_eq!(quantise(0.1, 512), Some(51));
        assert_eq!(quantise(f64::NAN, 512), None);
        assert_eq!(quantise(f64::INFINITY, 512), None);
        assert_eq!(quantise(1e30, 512), None);
    }
}
