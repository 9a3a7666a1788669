//! The scalar twins in place of the kernels: not called.

use halo2_proofs::halo2curves::bn256::Fr;

use crate::lanes::Ifma;
use crate::{
    fft,
    msm::{add_pairs, Pair, Point},
    opening,
    permutation::{Factors, Step},
};

impl Ifma {
    /// Adds all pairs of `points` into `sums`.
    pub(crate) fn add_pairs(self, points: &[Point], pairs: &[Pair], sums: &mut [Point]) {
        add_pairs(points, pairs, sums);
    }

    /// Multiplies by the factors of a grand product.
    pub(crate) fn extend(self, factors: &Factors<'_>, left: &mut [[Fr; 8]], right: &mut [[Fr; 8]]) {
        factors.extend_one_by_one(left.as_flattened_mut(), right.as_flattened_mut());
    }

    /// Adds a grand product's constraint.
    pub(crate) fn add_step(self, step: &Step<'_>, sums: &mut [[Fr; 8]]) {
        step.add_one_by_one(sums.as_flattened_mut());
    }

    /// The value at `point`.
    pub(crate) fn evaluate(self, coefficients: &[[Fr; 8]], point: Fr) -> Fr {
        opening::evaluate_one_by_one(coefficients.as_flattened(), point)
    }

    /// sum[i] += factor·values[i].
    pub(crate) fn add_scaled(self, sum: &mut [[Fr; 8]], values: &[[Fr; 8]], factor: Fr) {
        opening::add_scaled_one_by_one(sum.as_flattened_mut(), values.as_flattened(), factor);
    }

    /// values[i] ·= first·base^i.
    pub(crate) fn scale_by_powers(self, values: &mut [[Fr; 8]], first: Fr, base: Fr) {
        fft::scale_one_by_one(values.as_flattened_mut(), first, base);
    }
}
