//! The grand products of the permutation argument (halo2 book, "Permutation argument").
//!
//! For each set of columns, with z[0] the last value of the set before (1 for the first):
//!
//! ```text
//! z[i+1] = z[i] · Π_j (v_j[i] + δ^j·ω^i·β + γ) / (v_j[i] + σ_j[i]·β + γ)
//! ```

use std::borrow::Cow;

use halo2_proofs::{
    arithmetic::Field,
    halo2curves::{bn256::Fr, ff::PrimeField},
};
use rand::RngCore;
use rayon::prelude::*;

use super::lanes::Ifma;

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
    let place = beta * omega.pow_vartime([first as u64]);
    let columns = set.values.iter().zip(&set.permutations);
    let factors = Factors {
        columns: columns
            .map(|(values, permutation)| [&values[rows.clone()], &permutation[rows.clone()]])
            .collect(),
        places: &powers(place, omega, out.len()),
        first: Fr::DELTA.pow_vartime([set.first as u64]),
        beta_gamma: [beta, gamma],
    };
    let mut denominators = vec![Fr::ONE; out.len()];
    factors.extend(Ifma::detect(), &mut denominators, out);
    // Challenges are random: a denominator is zero with probability 2^-240, and the proof then fails
    // its own verification.
    batch_invert(&mut denominators);
    for (factor, inverse) in out.iter_mut().zip(denominators) {
        *factor *= inverse;
    }
}

/// Columns of one grand product on some rows, and the challenges.
pub struct Factors<'a> {
    /// Values and permutation of each column.
    pub columns: Vec<[&'a [Fr]; 2]>,
    /// β·X on the rows.
    pub places: &'a [Fr],
    /// δ^f, f the number of the first column.
    pub first: Fr,
    /// β and γ.
    pub beta_gamma: [Fr; 2],
}

impl Factors<'_> {
    /// left ·= Π_j (v_j + σ_j·β + γ), right ·= Π_j (v_j + place·δ^(f+j) + γ).
    fn extend(&self, ifma: Option<Ifma>, left: &mut [Fr], right: &mut [Fr]) {
        match (ifma, left.as_chunks_mut::<8>(), right.as_chunks_mut::<8>()) {
            (Some(ifma), (left, []), (right, [])) => ifma.extend(self, left, right),
            _ => self.extend_one_by_one(left, right),
        }
    }

    /// The same, a row at a time.
    pub(super) fn extend_one_by_one(&self, left: &mut [Fr], right: &mut [Fr]) {
        let [beta, gamma] = self.beta_gamma;
        for (row, (left, right)) in left.iter_mut().zip(right).enumerate() {
            let mut place = self.places[row] * self.first;
            for [values, permutation] in &self.columns {
                let value = values[row] + gamma;
                *left *= value + beta * permutation[row];
                *right *= value + place;
                place *= Fr::DELTA;
            }
        }
    }
}

/// The constraint of one grand product z on some rows:
///
/// ```text
/// weight·(z[next]·Π_j (v_j + σ_j·β + γ) − z·Π_j (v_j + place·δ^(f+j) + γ))
/// ```
pub struct Step<'a> {
    /// The columns.
    pub factors: Factors<'a>,
    /// z.
    pub here: Cow<'a, [Fr]>,
    /// z, a row later.
    pub next: Cow<'a, [Fr]>,
    /// The constraint's power of y.
    pub weight: Fr,
}

impl Step<'_> {
    /// Adds the constraint's values to `sums`.
    pub fn add(&self, ifma: Option<Ifma>, sums: &mut [Fr]) {
        match (ifma, sums.as_chunks_mut::<8>()) {
            (Some(ifma), (blocks, [])) => ifma.add_step(self, blocks),
            _ => self.add_one_by_one(sums),
        }
    }

    /// The same, a row at a time.
    pub(super) fn add_one_by_one(&self, sums: &mut [Fr]) {
        let (mut left, mut right) = (self.next.to_vec(), self.here.to_vec());
        self.factors.extend_one_by_one(&mut left, &mut right);
        for (sum, (left, right)) in sums.iter_mut().zip(left.iter().zip(&right)) {
            *sum += self.weight * (*left - right);
        }
    }
}

/// `count` values from row `first` on, around the end.
pub fn window(column: &[Fr], first: usize, count: usize) -> Cow<'_, [Fr]> {
    match column.get(first..first + count) {
        Some(values) => Cow::Borrowed(values),
        None => (first..first + count)
            .map(|row| column[row % column.len()])
            .collect(),
    }
}

/// values[i] = first·base^i.
pub fn powers(first: Fr, base: Fr, count: usize) -> Vec<Fr> {
    std::iter::successors(Some(first), |power| Some(*power * base))
        .take(count)
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    #[test]
    fn steps_are_the_same_in_vectors() {
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        for rows in [1, 8, 40] {
            let mut column = |largest: bool| -> Vec<Fr> {
                let random = || match largest {
                    true => -Fr::ONE,
                    false => Fr::random(&mut rng),
                };
                std::iter::repeat_with(random).take(rows).collect()
            };
            for largest in [false, true] {
                let columns: Vec<[Vec<Fr>; 2]> =
                    (0..3).map(|_| [(); 2].map(|()| column(largest))).collect();
                let [here, next, places, start] = [(); 4].map(|()| column(largest));
                let step = Step {
                    factors: Factors {
                        columns: columns.iter().map(|[v, p]| [&v[..], &p[..]]).collect(),
                        places: &places,
                        first: Fr::DELTA,
                        beta_gamma: [start[0], places[0]],
                    },
                    here: Cow::Owned(here),
                    next: Cow::Owned(next),
                    weight: start[0],
                };
                let mut products = [start.clone(), places.clone()];
                let mut expected = products.clone();
                let [left, right] = &mut products;
                step.factors.extend(Ifma::detect(), left, right);
                let [left, right] = &mut expected;
                step.factors.extend_one_by_one(left, right);
                assert_eq!(products, expected, "{rows} rows");
                let (mut sums, mut expected) = (start.clone(), start.clone());
                step.add(Ifma::detect(), &mut sums);
                step.add_one_by_one(&mut expected);
                assert_eq!(sums, expected, "{rows} rows");
            }
        }
    }

    #[test]
    fn windows_go_around_the_end() {
        let column: Vec<Fr> = (0..4).map(Fr::from).collect();
        assert_eq!(*window(&column, 1, 3), column[1..]);
        let around = [3, 0, 1].map(Fr::from);
        assert_eq!(*window(&column, 3, 3), around);
    }
}
