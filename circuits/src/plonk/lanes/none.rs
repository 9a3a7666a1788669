//! What processors without the instructions have in place of the kernels: nothing that is called.

use halo2_proofs::halo2curves::bn256::Fr;

use super::Ifma;
use crate::plonk::{
    fft,
    msm::{add_pairs, Pair, Point},
    program::{self, Coefficient, Register, ROWS},
};

impl Ifma {
    /// Adds all pairs of `points` into `sums`.
    pub(in crate::plonk) fn add_pairs(self, points: &[Point], pairs: &[Pair], sums: &mut [Point]) {
        add_pairs(points, pairs, sums);
    }

    /// The products of all rows.
    pub(in crate::plonk) fn multiply(self, a: &[Fr; ROWS], b: &[Fr; ROWS]) -> [Fr; ROWS] {
        program::multiply(a, b)
    }

    /// constant + Σ coefficient·register on all rows.
    pub(in crate::plonk) fn combine(
        self,
        registers: &[[Fr; ROWS]],
        terms: &[(Register, Coefficient)],
        constant: &Fr,
    ) -> [Fr; ROWS] {
        program::combine(registers, terms, constant)
    }

    /// values[i] ·= first·base^i.
    pub(in crate::plonk) fn scale_by_powers(self, values: &mut [[Fr; 8]], first: Fr, base: Fr) {
        fft::scale_one_by_one(values.as_flattened_mut(), first, base);
    }
}

/// No transform has factors here.
#[derive(Clone, Debug)]
pub enum Twiddles {}

impl Twiddles {
    /// None.
    pub fn new(_: Ifma, _: &[Fr]) -> Option<Self> {
        None
    }

    /// Not called.
    pub fn transform(&self, _: &mut [Fr], _: Fr) {
        match *self {}
    }
}
