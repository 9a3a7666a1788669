//! Range checks, in a column of their own.
//!
//! To show that a cell z is below 2^b, it is copied to the range column and followed by its
//! quotients: `z₀ = z`, `z_{i+1} = ⌊z_i / s_i⌋`, where the fixed column holds `s_i`. One lookup covers the
//! whole column:
//!
//! ```text
//! z_i − s_i·z_{i+1} ∈ [0, 2^18)
//! ```
//!
//! | row | range column | shift |
//! |-----|--------------|-------|
//! | 0   | z₀ = z       | 2^18  |
//! | …   | …            | 2^18  |
//! | m−2 | z_{m−2}      | 2^t, t = b − 18(m−1) |
//! | m−1 | z_{m−1}      | 0     |
//!
//! A shift of zero ends the chain: there the row itself is in the table. The last quotient is
//! below 2^18 and t ≥ 10, so `z₀ < 2^b·(1 + 2^-t)`: the bound is not sharp, and its users allow for
//! that. An honest z below 2^b always passes.

use snark_verifier::halo2_base::{
    halo2_proofs::{
        circuit::{Region, Value},
        halo2curves::{bn256::Fr, ff::PrimeField},
        plonk::{Advice, Column, ConstraintSystem, Fixed, TableColumn},
        poly::Rotation,
    },
    utils::halo2::constrain_virtual_equals_external,
    virtual_region::copy_constraints::SharedCopyConstraintManager,
    AssignedValue,
};
use std::{cell::RefCell, rc::Rc};

/// Bits of the table.
pub const TABLE_BITS: u32 = 18;

/// A cell, and the bits that it must fit.
pub type RangeCheck = (AssignedValue<Fr>, u32);

/// The range checks asked for so far.
#[derive(Clone, Debug, Default)]
pub struct Ranges(Rc<RefCell<Vec<RangeCheck>>>);

impl Ranges {
    /// Asks for a check.
    pub fn push(&self, cell: AssignedValue<Fr>, bits: u32) {
        self.0.borrow_mut().push((cell, bits));
    }

    /// Takes all of them.
    pub fn take(&self) -> Vec<RangeCheck> {
        self.0.take()
    }
}

/// Rows that a check of so many bits takes.
pub fn rows(bits: u32) -> usize {
    bits.div_ceil(TABLE_BITS) as usize
}

/// The columns of the range checks.
#[derive(Clone, Debug)]
pub struct RangeColumns {
    pub(super) value: Column<Advice>,
    shift: Column<Fixed>,
    /// The table.
    pub table: TableColumn,
}

impl RangeColumns {
    /// Adds the columns and their lookup.
    pub fn configure(meta: &mut ConstraintSystem<Fr>) -> Self {
        let value = meta.advice_column();
        meta.enable_equality(value);
        let shift = meta.fixed_column();
        let table = meta.lookup_table_column();
        meta.lookup("range", |meta| {
            let current = meta.query_advice(value, Rotation::cur());
            let next = meta.query_advice(value, Rotation::next());
            let shift = meta.query_fixed(shift, Rotation::cur());
            vec![(current - shift * next, table)]
        });
        Self {
            value,
            shift,
            table,
        }
    }

    /// Lays the checks out; `copies` is where a key's copy constraints go, none for a proof.
    pub fn assign(
        &self,
        region: &mut Region<'_, Fr>,
        checks: &[RangeCheck],
        copies: Option<&SharedCopyConstraintManager<Fr>>,
    ) {
        let mut copies = copies.map(|copies| copies.lock().unwrap_or_else(|e| e.into_inner()));
        let mut row = 0;
        for (cell, bits) in checks {
            let words = words(cell.value());
            let count = rows(*bits);
            for i in 0..count {
                let below = shift_below(*bits, count, i);
                let quotient = Value::known(Fr::from_raw(shift_right(words, below)));
                let assigned = region.assign_advice(self.value, row, quotient).cell();
                if let (0, Some(copies)) = (i, copies.as_mut()) {
                    constrain_virtual_equals_external(region, *cell, assigned, copies);
                }
                if copies.is_some() && i + 1 < count {
                    let link = shift_below(*bits, count, i + 1) - below;
                    region.assign_fixed(self.shift, row, Fr::from(1u64 << link));
                }
                row += 1;
            }
        }
    }
}

/// The largest value that passes a check of so many bits.
#[cfg(test)]
pub(super) fn largest(bits: u32) -> num_bigint::BigUint {
    let count = rows(bits);
    let table = (1u64 << TABLE_BITS) - 1;
    (1..count).rev().fold(table.into(), |above, i| {
        let link = shift_below(bits, count, i) - shift_below(bits, count, i - 1);
        (above << link) + table
    })
}

/// Bits of a checked value that lie below its i-th quotient.
fn shift_below(bits: u32, count: usize, i: usize) -> u32 {
    if i > 0 && i + 1 == count {
        bits - TABLE_BITS
    } else {
        TABLE_BITS * i as u32
    }
}

fn words(value: &Fr) -> [u64; 4] {
    let repr = value.to_repr();
    std::array::from_fn(|i| {
        let mut word = [0; 8];
        word.copy_from_slice(&repr[8 * i..8 * i + 8]);
        u64::from_le_bytes(word)
    })
}

fn shift_right(words: [u64; 4], bits: u32) -> [u64; 4] {
    let (skip, bits) = ((bits / 64) as usize, bits % 64);
    std::array::from_fn(|i| {
        let low = words.get(i + skip).copied().unwrap_or(0) >> bits;
        let high = words.get(i + skip + 1).copied().unwrap_or(0);
        if bits == 0 {
            low
        } else {
            low | high << (64 - bits)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_chain_down_to_the_table() {
        for (bits, count) in [(18, 1), (82, 5), (86, 5), (90, 5)] {
            assert_eq!(rows(bits), count);
            assert_eq!(shift_below(bits, count, 0), 0);
            let last = shift_below(bits, count, count - 1);
            assert_eq!(bits - last, TABLE_BITS.min(bits));
            if count > 1 {
                let t = last - shift_below(bits, count, count - 2);
                assert!((10..=18).contains(&t), "{bits} bits end with a link of {t}");
            }
        }
    }

    #[test]
    fn shifts_cross_words() {
        assert_eq!(shift_right([1, 2, 3, 4], 64), [2, 3, 4, 0]);
        assert_eq!(shift_right([0, 2, 0, 0], 65), [1, 0, 0, 0]);
        assert_eq!(
            shift_right([u64::MAX, 1, 0, 0], 4),
            [((1 << 60) - 1) | (1 << 60), 0, 0, 0]
        );
    }
}
