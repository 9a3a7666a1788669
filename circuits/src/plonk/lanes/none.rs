//! What processors without the instructions have in place of the kernels: nothing that is called.

use halo2_proofs::halo2curves::bn256::Fr;

use super::Ifma;
use crate::plonk::msm::{add_pairs, Pair, Point};

impl Ifma {
    /// Adds all pairs of `points` into `sums`.
    pub(in crate::plonk) fn add_pairs(self, points: &[Point], pairs: &[Pair], sums: &mut [Point]) {
        add_pairs(points, pairs, sums);
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
