//! Cheating witnesses for the statements of the field and of points: each is one that exactly the named
//! constraint rejects, so that without it the statement would be worthless.

mod canonical;
mod lattice;
mod points;
mod ranges;
mod sums;

use super::{
    cells as run,
    cells::{Cells, Failure, Forged},
};
use crate::{
    field::{Factor, Term},
    range::largest,
};
use num_bigint::{BigInt, BigUint, Sign};
use rand::{rngs::StdRng, SeedableRng};
use snark_verifier::halo2_base::halo2_proofs::{
    arithmetic::Field,
    halo2curves::{
        bn256::{Fq, Fr},
        ff::PrimeField,
    },
};

const BITS: usize = 86;

fn integer<F: PrimeField<Repr = [u8; 32]>>(value: F) -> BigInt {
    BigInt::from_bytes_le(Sign::Plus, &value.to_repr())
}

fn p() -> BigInt {
    integer(-Fq::ONE) + 1
}

fn r() -> BigInt {
    integer(-Fr::ONE) + 1
}

/// The residue in [0, modulus).
fn residue(value: &BigInt, modulus: &BigInt) -> BigInt {
    ((value % modulus) + modulus) % modulus
}

fn scalar(value: &BigInt) -> Fr {
    field(&residue(value, &r()))
}

fn field<F: PrimeField<Repr = [u8; 32]>>(value: &BigInt) -> F {
    let (_, bytes) = value.to_bytes_le();
    let mut repr = [0; 32];
    repr[..bytes.len()].copy_from_slice(&bytes);
    F::from_repr(repr).unwrap()
}

fn limbs(value: &BigInt) -> [BigInt; 3] {
    let base: BigInt = BigInt::from(1) << BITS;
    [0, 1, 2].map(|i| residue(&(value >> (BITS * i)), &base))
}

/// The bounds of the head of `field.rs`, with what a range check lets pass: nothing wraps.
#[test]
fn no_statement_wraps() {
    let bound = |bits| BigInt::from(largest(bits));
    let (limb, top, quotient_limb) = (bound(86), bound(82), bound(86));
    let element: BigInt = &limb + (&limb << BITS) + (&top << (2 * BITS));
    let quotient: BigInt =
        &quotient_limb + (&quotient_limb << BITS) + (&quotient_limb << (2 * BITS));
    // Products of three units, and more than all scaled elements and constants of any statement.
    let v: BigInt = &element * &element * 3 + &element * 16 + 16;
    let shift: BigInt = p() << 257;
    let window: BigInt = r() << 258;
    assert!(&v + &shift < window, "V + K·p");
    assert!(&v - &shift + &quotient * p() < window, "−(V + K·p − q·p)");
    assert!(v <= shift, "an honest quotient is not negative");
    assert!(
        (&v + &shift) / p() < BigInt::from(1) << 258,
        "nor too large"
    );
    // One limb: 2·3 products, 16 scaled limbs, K·p's limb, the carry, and at most three products of q·p.
    let products: BigInt = &limb * &limb * 6 + &limb * 16;
    let modulus = limbs(&p());
    let negative: BigInt = &products + &quotient_limb * modulus.iter().sum::<BigInt>();
    let positive: BigInt = &products + (BigInt::from(1) << 90);
    assert!((positive.clone() + &negative + (bound(90) << BITS) * 2) * 2 < r());
    let unit: BigInt = BigInt::from(1) << BITS;
    assert!(
        (positive >> BITS) + 1 < 7 * &unit,
        "an honest carry fits above"
    );
    assert!((negative >> BITS) + 1 < 9 * &unit, "and below");
}

/// Cells of `x·y − z = 0` where T = V + K·p − q·p is as given: a false statement unless T is 0, since z is
/// made to fit. Every carry is solved for, except that of `free`, which is chosen so that the
/// limb above it works out.
fn statement(t: &BigInt, free: Option<usize>) -> (Cells, [usize; 3], usize) {
    let mut rng = StdRng::seed_from_u64(7);
    let (x, y) = (Fq::random(&mut rng), Fq::random(&mut rng));
    let z: Fq = field(&residue(&(integer(x) * integer(y) - t), &p()));
    let (mut cells, _) = run(|curve, ctx| {
        let arithmetic = &curve.arithmetic;
        let [x, y, z] = [x, y, z].map(|value| arithmetic.witness(ctx, &value));
        let minus = Factor::Constant(-1);
        arithmetic.assert_zero(ctx, &[Term::Product(&x, &y), Term::Scaled(minus, &z)]);
    });
    let v: BigInt = integer(x) * integer(y) - integer(z);
    let shift: BigInt = p() << 257;
    let q: BigInt = (&v + &shift - t) / p();
    assert_eq!(&v + &shift - t, &q * p(), "T has the residue of V");
    let q = limbs(&q);
    let (x, y, z, modulus, shift) = (
        limbs(&integer(x)),
        limbs(&integer(y)),
        limbs(&integer(z)),
        limbs(&p()),
        limbs(&shift),
    );
    let sum = |i: usize| {
        let products: BigInt = (0..=i)
            .map(|j| &x[j] * &y[i - j] - &q[j] * &modulus[i - j])
            .sum();
        products - &z[i] + &shift[i]
    };
    let base: BigInt = BigInt::from(1) << BITS;
    let mut carry: BigInt = BigInt::default();
    let mut ends = [0; 3];
    for i in 0..3 {
        let (quotient_cell, carry_cell) = (cells.checks[9 + 2 * i].0, cells.checks[10 + 2 * i].0);
        carry = (sum(i) + &carry) >> BITS;
        if free == Some(i) && i < 2 {
            carry = &carry + residue(&-(sum(i + 1) + &carry), &base);
        }
        cells.values[quotient_cell] = scalar(&q[i]);
        cells.values[carry_cell] = scalar(&(&carry + (&base * 9)));
        ends[i] = carry_cell - 1;
    }
    cells.settle();
    let native = *cells.gates.last().unwrap();
    (cells, ends, native)
}

/// T as near to zero as it may be: T ≡ low (mod 2^258), T ≡ 0 (mod r).
fn multiple_of_r(low: &BigInt) -> BigInt {
    let modulus = BigUint::from(1u8) << 258;
    // 2^256 is a multiple of the exponent of the units modulo 2^258.
    let exponent = (BigUint::from(1u8) << 256) - 1u8;
    let inverse = BigInt::from(r().to_biguint().unwrap().modpow(&exponent, &modulus));
    let modulus = BigInt::from(modulus);
    let mut factor: BigInt = residue(&(low * inverse), &modulus);
    if factor > &modulus >> 1 {
        factor -= modulus;
    }
    factor * r()
}

/// Cells that only one statement of the field or of points rejects.
pub fn forgeries() -> Vec<Forged> {
    [
        equations(),
        ranges::forgeries(),
        canonical::forgeries(),
        points::forgeries(),
        sums::forgeries(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// False products that only one equation rejects.
fn equations() -> Vec<Forged> {
    // Without the equation modulo r, T may be any multiple of 2^258.
    let (cells, _, native) = statement(&(BigInt::from(5) << 258), None);
    let mut all = vec![Forged::new(
        "T ≡ 0 (mod r)",
        "product that is wrong by a multiple of 2^258",
        cells,
        |f| *f == Failure::Gate(native),
    )];
    // Without that of a limb, a multiple of r that is right modulo less than 2^258.
    for limb in 0..3 {
        let t = multiple_of_r(&(BigInt::from(3) << (86 * limb)));
        let (cells, ends, _) = statement(&t, Some(limb));
        all.push(Forged::new(
            &format!("T ≡ 0 (mod 2^{})", 86 * (limb + 1)),
            "product that is wrong by a multiple of r",
            cells,
            |f| *f == Failure::Gate(ends[limb]),
        ));
    }
    all
}

#[test]
fn each_equation_of_a_statement_is_needed() {
    let (honest, ..) = statement(&BigInt::default(), None);
    assert_eq!(honest.failures(), []);
    assert_eq!(equations().len(), 4);
}

/// The cells of `x·y = z`.
fn product(x: &BigInt, y: &BigInt, z: &BigInt) -> Cells {
    let (cells, _) = run(|curve, ctx| {
        let field = &curve.arithmetic;
        let [x, y, z] = [x, y, z].map(|value| field.checked(ctx, value));
        let minus = Factor::Constant(-1);
        field.assert_zero(ctx, &[Term::Product(&x, &y), Term::Scaled(minus, &z)]);
    });
    cells
}
