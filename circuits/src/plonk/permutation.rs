//! The grand products of the permutation argument (halo2 book, "Permutation argument").
//!
//! For each set of columns, with z[0] the last value of the set before (1 for the first):
//!
//! ```text
//! z[i+1] = z[i] · Π_j (v_j[i] + δ^j·ω^i·β + γ) / (v_j[i] + σ_j[i]·β + γ)
//! ```

use halo2_proofs::{
    arithmetic::Field,
    halo2curves::{bn256::Fr, ff::PrimeField},
};
use rand::RngCore;
use rayon::prelude::*;

/// Rows of one task.
const TASK: usize = 1 << 10;

/// Columns of one grand product, with the permutation of each.
pub struct Set<'a> {
    /// Number of the set's first column among all permuted columns.
    pub first: usize,
    /// Values.
    pub values: Vec<&'a [Fr]>,
    /// Permutations, on the domain.
    pub permutations: Vec<&'a [Fr]>,
}

/// The values of all grand products; the last `blinding` of each are random.
pub fn products(
    sets: &[Set<'_>],
    rows: usize,
    omega: Fr,
    [beta, gamma]: [Fr; 2],
    blinding: usize,
    rng: &mut impl RngCore,
) -> Vec<Vec<Fr>> {
    let mut start = Fr::ONE;
    sets.iter()
        .map(|set| {
            let mut factors = vec![Fr::ONE; rows];
            factors
                .par_chunks_mut(TASK)
                .enumerate()
                .for_each(|(task, factors)| {
                    quotients(set, task * TASK, omega, beta, gamma, factors);
                });
            // In place: the product of all factors before each row.
            let mut product = start;
            for factor in &mut factors {
                let next = product * *factor;
                *factor = product;
                product = next;
            }
            let usable = rows - blinding;
            start = factors[usable - 1];
            for value in &mut factors[usable..] {
                *value = Fr::random(&mut *rng);
            }
            factors
        })
        .collect()
}

/// The factors of rows from `first` on.
fn quotients(set: &Set<'_>, first: usize, omega: Fr, beta: Fr, gamma: Fr, out: &mut [Fr]) {
    let rows = first..first + out.len();
    for (values, permutation) in set.values.iter().zip(&set.permutations) {
        let cells = values[rows.clone()].iter().zip(&permutation[rows.clone()]);
        for (factor, (value, target)) in out.iter_mut().zip(cells) {
            *factor *= *value + *target * beta + gamma;
        }
    }
    // Challenges are random: a denominator is zero with probability 2^-240, and the proof then fails
    // its own verification.
    batch_invert(out);
    let mut place =
        beta * omega.pow_vartime([first as u64]) * Fr::DELTA.pow_vartime([set.first as u64]);
    for values in &set.values {
        let mut position = place;
        for (factor, value) in out.iter_mut().zip(&values[rows.clone()]) {
            *factor *= *value + position + gamma;
            position *= omega;
        }
        place *= Fr::DELTA;
    }
}

/// Inverts all values that are not zero.
pub fn batch_invert(values: &mut [Fr]) {
    let mut prefix = Vec::with_capacity(values.len());
    let mut product = Fr::ONE;
    for value in values.iter() {
        prefix.push(product);
        if *value != Fr::ZERO {
            product *= value;
        }
    }
    let mut inverse = product.invert().unwrap_or(Fr::ZERO);
    for (value, before) in values.iter_mut().zip(prefix).rev() {
        if *value != Fr::ZERO {
            let next = inverse * *value;
            *value = inverse * before;
            inverse = next;
        }
    }
}
