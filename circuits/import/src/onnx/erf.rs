//! The error function, which the standard library lacks.

use std::f64::consts::FRAC_2_SQRT_PI;

/// The error function. All terms of this series are positive, so nothing cancels.
pub(super) fn erf(x: f64) -> f64 {
    let a = x.abs();
    if a > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum, mut n) = (a, a, 1.0);
    while term > sum * 1e-17 {
        term *= 2.0 * a * a / (2.0 * n + 1.0);
        sum += term;
        n += 1.0;
    }
    (FRAC_2_SQRT_PI * (-a * a).exp() * sum).min(1.0).copysign(x)
}
