//! halo2's look-up argument (halo2 book, "Lookup argument"), on the prover's side.
//!
//! Input A and table S are arranged as A', S' with equal inputs next to each other, and the first of
//! each run beside its table entry; a grand product shows that nothing was lost:
//!
//! ```text
//! z[i+1] = z[i] · (A[i] + β)(S[i] + γ) / (A'[i] + β)(S'[i] + γ)
//! ```

use std::collections::{BTreeMap, HashSet};

use halo2_proofs::{
    arithmetic::Field,
    halo2curves::{bn256::Fr, ff::PrimeField},
};
use rand::RngCore;

use super::permutation::batch_invert;

/// A look-up's columns on the domain.
pub struct Lookup {
    input: Vec<Fr>,
    table: Vec<Fr>,
    /// A'.
    pub permuted_input: Vec<Fr>,
    /// S'.
    pub permuted_table: Vec<Fr>,
}

impl Lookup {
    /// Arranges the usable rows of input and table, and blinds the others; the value that is missing from
    /// the table, if one is.
    pub fn new(
        input: Vec<Fr>,
        table: Vec<Fr>,
        usable: usize,
        rng: &mut impl RngCore,
    ) -> Result<Self, Fr> {
        // By canonical bytes: any order of the runs will do, as long as it is the same each time.
        let mut inputs: BTreeMap<[u8; 32], usize> = BTreeMap::new();
        for value in &input[..usable] {
            *inputs.entry(value.to_repr()).or_default() += 1;
        }
        let mut spare = Vec::with_capacity(usable);
        let mut found = HashSet::new();
        for value in &table[..usable] {
            let known = inputs.contains_key(&value.to_repr());
            if !known || !found.insert(value.to_repr()) {
                spare.push(*value);
            }
        }
        let (mut permuted_input, mut permuted_table) = (
            Vec::with_capacity(input.len()),
            Vec::with_capacity(input.len()),
        );
        for (bytes, count) in inputs {
            let value = Option::from(Fr::from_repr(bytes)).unwrap_or(Fr::ZERO);
            if !found.contains(&bytes) {
                return Err(value);
            }
            permuted_input.resize(permuted_input.len() + count, value);
            permuted_table.push(value);
            permuted_table.extend(spare.drain(spare.len() + 1 - count..));
        }
        for column in [&mut permuted_input, &mut permuted_table] {
            column.resize_with(input.len(), || Fr::random(&mut *rng));
        }
        Ok(Self {
            input,
            table,
            permuted_input,
            permuted_table,
        })
    }

    /// The grand product; its last `blinding` rows are random.
    pub fn product(
        &self,
        [beta, gamma]: [Fr; 2],
        blinding: usize,
        rng: &mut impl RngCore,
    ) -> Vec<Fr> {
        let permuted = self.permuted_input.iter().zip(&self.permuted_table);
        let mut factors: Vec<Fr> = permuted
            .map(|(input, table)| (*input + beta) * (*table + gamma))
            .collect();
        batch_invert(&mut factors);
        let given = self.input.iter().zip(&self.table);
        let mut product = Fr::ONE;
        for (factor, (input, table)) in factors.iter_mut().zip(given) {
            let next = product * *factor * (*input + beta) * (*table + gamma);
            *factor = product;
            product = next;
        }
        let usable = factors.len() - blinding;
        for value in &mut factors[usable..] {
            *value = Fr::random(&mut *rng);
        }
        factors
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha20Rng;

    #[test]
    fn runs_stand_beside_their_entries() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let table: Vec<Fr> = (0..64).map(|i| Fr::from(i % 50)).collect();
        let input: Vec<Fr> = (0..64).map(|_| Fr::from(rng.gen_range(0..50u64))).collect();
        let lookup = Lookup::new(input, table, 60, &mut rng).unwrap();
        for i in 0..60 {
            let (a, s) = (lookup.permuted_input[i], lookup.permuted_table[i]);
            assert!(
                a == s || (i > 0 && a == lookup.permuted_input[i - 1]),
                "row {i}"
            );
        }
        let challenges = [Fr::random(&mut rng), Fr::random(&mut rng)];
        // Row 60 is the last before the blinding ones.
        let product = lookup.product(challenges, 3, &mut rng);
        assert_eq!((product[0], product[60]), (Fr::ONE, Fr::ONE));
    }

    #[test]
    fn a_value_without_an_entry_is_told() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let table: Vec<Fr> = (0..8).map(Fr::from).collect();
        let mut input = table.clone();
        input[3] = Fr::from(9);
        assert_eq!(
            Lookup::new(input, table, 6, &mut rng).err(),
            Some(Fr::from(9))
        );
    }
}
