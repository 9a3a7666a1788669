//! Cheating witnesses for the digits of a scalar.

use super::{
    cells as run,
    cells::{Cells, Failure, Forged},
};
use crate::digits::decompose;
use snark_verifier::halo2_base::halo2_proofs::{arithmetic::Field, halo2curves::bn256::Fr};

/// Cells of a digit: sign 4, three bits 12, four products 16, magnitude 10.
const DIGIT: usize = 42;

/// A scalar's digits, from cell 1 on.
fn digits(scalar: Fr) -> Cells {
    let (cells, _) = run(|_, ctx| {
        let scalar = ctx.load_constant(scalar);
        decompose(ctx, scalar)
    });
    cells
}

/// The last digit's cells: sign, lowest bit, highest bit; and those of the sum before it, and of its
/// magnitude.
struct Last {
    sign: usize,
    top_bit: usize,
    shifted: usize,
    magnitude: usize,
}

fn last(cells: &Cells) -> Last {
    // … 0, sum, 16, shifted, sign, magnitude, sum; then sum, scalar, 1, 0.
    let end = cells.values.len();
    let digit = end - 4 - 7 - DIGIT;
    Last {
        sign: digit + 1,
        top_bit: digit + 4 + 8 + 1,
        shifted: end - 8,
        magnitude: end - 6,
    }
}

/// Another value of the first digit, so that the digits no longer add up.
fn wrong(scalar: Fr) -> Cells {
    let mut cells = digits(scalar);
    let bit = 1 + 4 + 1;
    cells.values[bit] = Fr::ONE - cells.values[bit];
    cells.settle();
    cells
}

/// Digits that only one statement rejects.
pub fn forgeries() -> Vec<Forged> {
    let scalar = Fr::from(0x1234_5678_9abc_def1);
    let sum = wrong(scalar);
    let end = sum.values.len();
    let at = last(&sum);
    // A sign that makes up for it.
    let mut sign = wrong(scalar);
    let missing = -scalar - sign.values[at.shifted];
    sign.values[at.sign] = missing * sign.values[at.magnitude].invert().unwrap();
    sign.settle();
    // A bit that makes up for it.
    let mut bit = wrong(scalar);
    let magnitude = missing * bit.values[at.sign].invert().unwrap();
    let eight = Fr::from(8);
    let rest = bit.values[at.magnitude] - eight * bit.values[at.top_bit];
    bit.values[at.top_bit] = (magnitude - rest) * eight.invert().unwrap();
    bit.settle();
    let forged = |statement, how, cells, gate| {
        Forged::new(statement, how, cells, |f| *f == Failure::Gate(gate))
    };
    vec![
        forged("Σ 16^k·dₖ ≡ scalar", "another digit", sum, end - 4),
        forged(
            "sign² = 1",
            "a sign that makes up for a digit",
            sign,
            at.sign - 1,
        ),
        forged(
            "e² = e",
            "a bit that makes up for a digit",
            bit,
            at.top_bit - 1,
        ),
    ]
}

#[test]
fn digits_add_up_and_are_digits() {
    assert_eq!(digits(Fr::from(0x1234_5678_9abc_def1)).failures(), []);
    assert_eq!(forgeries().len(), 3);
}

/// A scalar has several representatives below 2^256, all of the same residue, so that which of them the
/// prover takes changes nothing: points have order r.
#[test]
fn another_representative_is_the_same_scalar() {
    let scalar = Fr::from(5);
    let honest = digits(scalar);
    // 5 + 2r, in place of 5: every digit anew.
    let mut cells = digits(scalar);
    let words: Vec<u64> = {
        use num_bigint::BigUint;
        use snark_verifier::halo2_base::halo2_proofs::halo2curves::ff::PrimeField;
        let order = BigUint::from_bytes_le(&(-Fr::ONE).to_repr()) + 1u8;
        (order * 2u8 + 5u8).to_u64_digits()
    };
    let nibble = |k: usize| (words[k / 16] >> (4 * (k % 16)) & 15) as i64;
    let mut signed = Vec::new();
    let mut carry = 0;
    for k in 0..64 {
        let value = nibble(k) + carry;
        carry = if k < 63 {
            i64::from(nibble(k + 1) & 1 == 0)
        } else {
            0
        };
        signed.push(value - 16 * carry);
    }
    let mut start = 1;
    for (i, digit) in signed.iter().rev().enumerate() {
        let index = (digit.unsigned_abs() - 1) / 2;
        cells.values[start + 1] = if *digit > 0 { -Fr::ONE } else { Fr::ONE };
        for bit in 0..3 {
            cells.values[start + 5 + 4 * bit] = Fr::from(index >> bit & 1);
        }
        start += DIGIT + if i == 0 { 4 } else { 7 };
    }
    cells.settle();
    assert_eq!(cells.failures(), []);
    assert_ne!(cells.values, honest.values);
}
