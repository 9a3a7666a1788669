//! Scalars as signed odd digits, and the choice of a table entry by a digit.
//!
//! An odd integer below 2^256 in magnitude is `Σ 16^k·d_k` with 64 digits `d_k ∈ {±1, ±3, …, ±15}`; a
//! scalar modulo r has an odd representative, since r is odd. So no digit is zero, every window
//! adds a point that is not the identity, and a table needs the 8 odd multiples only.
//!
//! A digit is witnessed as a sign and three bits, `|d| = 1 + 2e₀ + 4e₁ + 8e₂`. A table `t` of 8 values is
//! kept as the coefficients of its multilinear extension, so that an entry is
//! `Σ_S c_S·Π_{i∈S} e_i`: 7 products of cells that all six limbs of a point share.

use super::field::{Element, Factor, LIMBS};
use snark_verifier::halo2_base::{
    halo2_proofs::{
        arithmetic::Field,
        halo2curves::{bn256::Fr, ff::PrimeField},
    },
    AssignedValue, Context,
    QuantumCell::{self, Constant, Existing, Witness},
};

/// Digits of a scalar.
pub const WINDOWS: usize = 64;
/// Entries of a table.
pub const ENTRIES: usize = 8;

/// One digit in the circuit.
#[derive(Clone, Debug)]
pub struct Digit {
    /// −1 for a positive digit, 1 for a negative one.
    pub minus_sign: AssignedValue<Fr>,
    /// The products of its bits, by the set of bits: 1, e₀, e₁, e₀e₁, e₂, …; the first is unused.
    monomials: [AssignedValue<Fr>; ENTRIES],
    /// The table entry that it chooses.
    pub index: usize,
}

/// The digits of a scalar, the most significant first, constrained to add up to it.
pub fn decompose(ctx: &mut Context<Fr>, scalar: AssignedValue<Fr>) -> Vec<Digit> {
    let mut sum: Option<AssignedValue<Fr>> = None;
    let mut digits = Vec::with_capacity(WINDOWS);
    for digit in odd_digits(scalar.value()).into_iter().rev() {
        let (digit, magnitude) = witness_digit(ctx, digit);
        // sum ← 16·sum + minus_sign·magnitude, which ends at −scalar.
        let signed = *digit.minus_sign.value() * magnitude.value();
        let next = match sum {
            None => ctx.assign_region_last(
                [
                    Constant(Fr::ZERO),
                    Existing(digit.minus_sign),
                    Existing(magnitude),
                    Witness(signed),
                ],
                [0],
            ),
            Some(sum) => {
                let shifted = *sum.value() * Fr::from(16);
                ctx.assign_region_last(
                    [
                        Constant(Fr::ZERO),
                        Existing(sum),
                        Constant(Fr::from(16)),
                        Witness(shifted),
                        Existing(digit.minus_sign),
                        Existing(magnitude),
                        Witness(shifted + signed),
                    ],
                    [0, 3],
                )
            }
        };
        sum = Some(next);
        digits.push(digit);
    }
    if let Some(sum) = sum {
        ctx.assign_region(
            [
                Existing(sum),
                Existing(scalar),
                Constant(Fr::ONE),
                Constant(Fr::ZERO),
            ],
            [0],
        );
    }
    digits
}

/// Witnesses a digit; with it, its magnitude.
fn witness_digit(ctx: &mut Context<Fr>, digit: i32) -> (Digit, AssignedValue<Fr>) {
    let index = (digit.unsigned_abs() as usize).saturating_sub(1) / 2 % ENTRIES;
    let minus = Witness(if digit > 0 { -Fr::ONE } else { Fr::ONE });
    ctx.assign_region([Constant(Fr::ZERO), minus], []);
    let minus_sign = ctx.get(-1);
    ctx.assign_region([Existing(minus_sign), Constant(Fr::ONE)], [-2]);
    let bits: [AssignedValue<Fr>; 3] = std::array::from_fn(|i| {
        let bit = Fr::from((index >> i & 1) as u64);
        ctx.assign_region([Constant(Fr::ZERO), Witness(bit)], []);
        let cell = ctx.get(-1);
        ctx.assign_region([Existing(cell), Existing(cell)], [-2]);
        cell
    });
    let product = |ctx: &mut Context<Fr>, a: AssignedValue<Fr>, b: AssignedValue<Fr>| {
        let out = Witness(*a.value() * b.value());
        ctx.assign_region_last([Constant(Fr::ZERO), Existing(a), Existing(b), out], [0])
    };
    let [e0, e1, e2] = bits;
    let e01 = product(ctx, e0, e1);
    let e02 = product(ctx, e0, e2);
    let e12 = product(ctx, e1, e2);
    let e012 = product(ctx, e01, e2);
    let partial = Fr::ONE + Fr::from(2) * e0.value();
    let partial2 = partial + Fr::from(4) * e1.value();
    let magnitude = partial2 + Fr::from(8) * e2.value();
    let magnitude = ctx.assign_region_last(
        [
            Constant(Fr::ONE),
            Existing(e0),
            Constant(Fr::from(2)),
            Witness(partial),
            Existing(e1),
            Constant(Fr::from(4)),
            Witness(partial2),
            Existing(e2),
            Constant(Fr::from(8)),
            Witness(magnitude),
        ],
        [0, 3, 6],
    );
    let monomials = [e0, e0, e1, e01, e2, e02, e12, e012];
    (
        Digit {
            minus_sign,
            monomials,
            index,
        },
        magnitude,
    )
}

/// Coefficients of the multilinear extension of a table of one limb.
#[derive(Clone, Debug)]
pub struct LimbTable([QuantumCell<Fr>; ENTRIES]);

impl LimbTable {
    /// The table of constants.
    pub fn constant(mut values: [Fr; ENTRIES]) -> Self {
        for bit in [1, 2, 4] {
            for i in (0..ENTRIES).filter(|i| i & bit != 0) {
                values[i] -= values[i - bit];
            }
        }
        Self(values.map(Constant))
    }

    /// The table of assigned values.
    pub fn assigned(ctx: &mut Context<Fr>, mut values: [AssignedValue<Fr>; ENTRIES]) -> Self {
        for bit in [1, 2, 4] {
            for i in (0..ENTRIES).filter(|i| i & bit != 0) {
                let (a, b) = (values[i], values[i - bit]);
                let out = Witness(*a.value() - b.value());
                ctx.assign_region([out, Existing(b), Constant(Fr::ONE), Existing(a)], [0]);
                values[i] = ctx.get(-4);
            }
        }
        Self(values.map(Existing))
    }

    /// The entry that a digit chooses.
    pub fn choose(&self, ctx: &mut Context<Fr>, digit: &Digit) -> AssignedValue<Fr> {
        let mut value = *self.0[0].value();
        let mut cells = vec![self.0[0]];
        for (coefficient, monomial) in self.0.iter().zip(&digit.monomials).skip(1) {
            value += *coefficient.value() * monomial.value();
            cells.extend([Existing(*monomial), *coefficient, Witness(value)]);
        }
        ctx.assign_region_last(cells, (0..3 * ENTRIES as isize - 3).step_by(3))
    }
}

/// Tables of the limbs of 8 elements.
pub type ElementTable = [LimbTable; LIMBS];

/// The tables of assigned elements.
pub fn element_table(ctx: &mut Context<Fr>, elements: &[Element; ENTRIES]) -> ElementTable {
    std::array::from_fn(|limb| {
        LimbTable::assigned(ctx, std::array::from_fn(|i| elements[i].limbs[limb]))
    })
}

impl Digit {
    /// Minus the digit's sign, as a factor.
    pub fn minus(&self) -> Factor {
        Factor::Sign(self.minus_sign)
    }
}

/// Odd digits of an odd representative of `scalar`, the least significant first.
fn odd_digits(scalar: &Fr) -> Vec<i32> {
    // Nibbles of the representative that is odd: the scalar, or the scalar plus r.
    let mut words = words(scalar);
    if words[0] & 1 == 0 {
        let order = words_plus_one(&-Fr::ONE);
        let mut carry = 0u128;
        for (word, r) in words.iter_mut().zip(order) {
            let sum = u128::from(*word) + u128::from(r) + carry;
            *word = sum as u64;
            carry = sum >> 64;
        }
    }
    let nibble = |k: usize| (words[k / 16] >> (4 * (k % 16)) & 15) as i32;
    // An even nibble becomes odd by moving one unit of the next nibble's parity down:
    // with carry c ∈ {0, 1}, n + c is rewritten as 16·c' + d with d odd.
    let mut carry = 0;
    let mut digits = Vec::with_capacity(WINDOWS);
    for k in 0..WINDOWS {
        let value = nibble(k) + carry;
        if k + 1 == WINDOWS {
            digits.push(value);
            break;
        }
        // The rest above must be odd after the carry, so that it has odd digits too.
        let rest_odd = nibble(k + 1) & 1 == 1;
        carry = i32::from(!rest_odd);
        digits.push(value - 16 * carry);
    }
    digits
}

fn words(value: &Fr) -> [u64; 4] {
    let repr = value.to_repr();
    std::array::from_fn(|i| {
        let mut word = [0; 8];
        word.copy_from_slice(&repr[8 * i..8 * i + 8]);
        u64::from_le_bytes(word)
    })
}

fn words_plus_one(value: &Fr) -> [u64; 4] {
    let mut words = words(value);
    words[0] += 1;
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_odd_and_add_up() {
        let mut scalar = Fr::from(3);
        for i in 0..200u64 {
            let digits = odd_digits(&scalar);
            assert_eq!(digits.len(), WINDOWS);
            let mut sum = Fr::ZERO;
            for &digit in digits.iter().rev() {
                assert!(
                    digit & 1 == 1 && (-15..=15).contains(&digit),
                    "{digit} of {scalar:?}"
                );
                let magnitude = Fr::from(u64::from(digit.unsigned_abs()));
                sum = sum * Fr::from(16) + if digit < 0 { -magnitude } else { magnitude };
            }
            assert_eq!(sum, scalar);
            scalar = match i {
                0 => Fr::ZERO,
                1 => Fr::ONE,
                2 => -Fr::ONE,
                3 => Fr::from(16),
                _ => scalar.square() + Fr::from(7 + i),
            };
        }
    }
}
