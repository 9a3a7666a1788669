//! Products over columns: grand products, powers of a shift, and values of polynomials.

use halo2_proofs::{
    arithmetic::Field,
    halo2curves::{bn256::Fr, ff::PrimeField},
};

use super::{element::Lanes, Ifma};
use crate::permutation::{Factors, Step};

impl Ifma {
    /// Multiplies by the factors of a grand product, whole vectors of rows.
    pub(crate) fn extend(self, factors: &Factors<'_>, left: &mut [[Fr; 8]], right: &mut [[Fr; 8]]) {
        // SAFETY: there is an `Ifma`, so the processor has the instructions.
        unsafe { extend(factors, left, right) }
    }

    /// Adds a grand product's constraint on whole vectors of rows.
    pub(crate) fn add_step(self, step: &Step<'_>, sums: &mut [[Fr; 8]]) {
        // SAFETY: there is an `Ifma`, so the processor has the instructions.
        unsafe { add_step(step, sums) }
    }

    /// The value at `point` of a polynomial with whole vectors of coefficients.
    pub(crate) fn evaluate(self, coefficients: &[[Fr; 8]], point: Fr) -> Fr {
        // SAFETY: there is an `Ifma`, so the processor has the instructions.
        unsafe { evaluate(coefficients, point) }
    }

    /// sum[i] += factor·values[i], for whole vectors of values.
    pub(crate) fn add_scaled(self, sum: &mut [[Fr; 8]], values: &[[Fr; 8]], factor: Fr) {
        // SAFETY: there is an `Ifma`, so the processor has the instructions.
        unsafe { add_scaled(sum, values, factor) }
    }

    /// values[i] ·= first·base^i, for whole vectors of values.
    pub(crate) fn scale_by_powers(self, values: &mut [[Fr; 8]], first: Fr, base: Fr) {
        // SAFETY: there is an `Ifma`, so the processor has the instructions.
        unsafe { scale_by_powers(values, first, base) }
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn scale_by_powers(values: &mut [[Fr; 8]], first: Fr, base: Fr) {
    let mut powers = [first; 8];
    for i in 1..8 {
        powers[i] = powers[i - 1] * base;
    }
    let mut powers = Lanes::load(&powers).shifted();
    let step = Lanes::splat(&base.pow_vartime([8])).shifted();
    for values in values {
        Lanes::load(values).times(&powers).store(values);
        powers = powers.times(&step).carried();
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn add_scaled(sum: &mut [[Fr; 8]], values: &[[Fr; 8]], factor: Fr) {
    let factor = Lanes::splat(&factor).shifted();
    for (sum, values) in sum.iter_mut().zip(values) {
        let more = Lanes::load(values).times(&factor);
        more.plus(&Lanes::load(sum)).store(sum);
    }
}

type Block = Lanes<Fr>;
type Rows = [[Fr; 8]];

/// What [`Factors`] multiplies by, ready for vectors.
struct Ready<'a> {
    beta: Block,
    gamma: Block,
    places: &'a Rows,
    /// Values, permutation, δ^j.
    columns: Vec<(&'a Rows, &'a Rows, Block)>,
}

fn blocks(values: &[Fr]) -> &Rows {
    values.as_chunks().0
}

impl<'a> Ready<'a> {
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn new(factors: &'a Factors<'_>) -> Self {
        let [beta, gamma] = factors.beta_gamma;
        let mut delta = factors.first;
        let mut columns = Vec::with_capacity(factors.columns.len());
        for [values, permutation] in &factors.columns {
            let factor = Lanes::splat(&delta).shifted();
            columns.push((blocks(values), blocks(permutation), factor));
            delta *= Fr::DELTA;
        }
        Self {
            beta: Lanes::splat(&beta).shifted(),
            gamma: Lanes::splat(&gamma),
            places: blocks(factors.places),
            columns,
        }
    }

    /// Carried values below 5p, of such.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn extended(&self, block: usize, mut left: Block, mut right: Block) -> (Block, Block) {
        let place = Lanes::load(&self.places[block]);
        for (values, permutation, delta) in &self.columns {
            let value = Lanes::load(&values[block]).plus(&self.gamma);
            let label = Lanes::load(&permutation[block]).times(&self.beta);
            // Factors below 4p, 64p when shifted: products stay below 5p.
            left = value.plus(&label).shifted().times(&left).carried();
            let label = place.times(delta);
            right = value.plus(&label).shifted().times(&right).carried();
        }
        (left, right)
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn extend(factors: &Factors<'_>, left: &mut [[Fr; 8]], right: &mut [[Fr; 8]]) {
    let ready = Ready::new(factors);
    for (i, (left, right)) in left.iter_mut().zip(right).enumerate() {
        let (l, r) = ready.extended(i, Lanes::load(left), Lanes::load(right));
        l.store(left);
        r.store(right);
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn add_step(step: &Step<'_>, sums: &mut [[Fr; 8]]) {
    let ready = Ready::new(&step.factors);
    let weight = Lanes::splat(&step.weight).shifted();
    let (next, here) = (blocks(&step.next), blocks(&step.here));
    for (i, sum) in sums.iter_mut().enumerate() {
        let (left, right) = ready.extended(i, Lanes::load(&next[i]), Lanes::load(&here[i]));
        let difference = left.minus_plus::<5>(&right).carried();
        let more = difference.times(&weight);
        more.plus(&Lanes::load(sum)).store(sum);
    }
}

/// Horner's rule for each lane, in the point's eighth power, on four runs at a time.
#[target_feature(enable = "avx512f,avx512ifma")]
fn evaluate(coefficients: &[[Fr; 8]], point: Fr) -> Fr {
    const RUNS: usize = 4;
    let eighth = point.pow_vartime([8]);
    let step = Lanes::splat(&eighth.pow_vartime([RUNS as u64])).shifted();
    let (groups, rest) = coefficients.as_chunks::<RUNS>();
    let mut sums = [Lanes::splat(&Fr::ZERO); RUNS];
    for (sum, block) in sums.iter_mut().zip(rest) {
        *sum = Lanes::load(block);
    }
    for group in groups.iter().rev() {
        for (sum, block) in sums.iter_mut().zip(group) {
            *sum = sum.times(&step).plus(&Lanes::load(block)).carried();
        }
    }
    let mut values = [[Fr::ZERO; 8]; RUNS];
    for (values, sum) in values.iter_mut().zip(sums) {
        sum.store(values);
    }
    let values = values.as_flattened().iter().rev();
    values.fold(Fr::ZERO, |value, coefficient| value * point + coefficient)
}
