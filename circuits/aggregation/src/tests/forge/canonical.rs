//! Coordinates that are not below p.

use super::{field, limbs, p, r, residue, scalar, BITS};
use crate::tests::{
    cells as run,
    cells::{Cells, Failure, Forged},
};
use num_bigint::BigInt;
use snark_verifier::halo2_base::halo2_proofs::{
    arithmetic::{CurveAffine, Field},
    halo2curves::bn256::{Fr, G1Affine},
};

/// The cells of a coordinate that must be canonical, and the second element's limbs.
fn canonical(value: &BigInt) -> (Cells, [usize; 3]) {
    let (cells, _) = run(|curve, ctx| {
        let element = curve.arithmetic.checked(ctx, value);
        curve.arithmetic.assert_canonical(ctx, &element);
    });
    let rest = [3, 4, 5].map(|i| cells.checks[i].0);
    (cells, rest)
}

#[test]
fn a_coordinate_below_p_is_canonical_and_no_other() {
    for value in [BigInt::from(0), BigInt::from(1), r(), p() - 1, p() >> 1] {
        assert_eq!(canonical(&value).0.failures(), [], "{value}");
    }
    let small = BigInt::from(12345);
    for value in [p(), p() + &small, p() + 1, (BigInt::from(1) << 254) - 1] {
        assert!(canonical(&value).0.broken(), "{value}");
    }
    assert_eq!(forgeries().len(), 4);
}

/// A coordinate that is not below p, which only one statement rejects.
pub fn forgeries() -> Vec<Forged> {
    let small = BigInt::from(12345);
    // The region of the check: 7 + 7 cells of the elements, then gates of 4.
    let (native, low, carry) = (14, 22, 26);
    let target: BigInt = p() - 1;
    let forge = |limbs: [Fr; 3], bit: Option<Fr>| {
        let (mut cells, rest) = canonical(&(p() + &small));
        rest.iter()
            .zip(limbs)
            .for_each(|(cell, limb)| cells.values[*cell] = limb);
        cells.settle();
        let difference = cells.values[25] - cells.values[22];
        let base = cells.values[24];
        let solved = difference * base.invert().unwrap();
        cells.values[23] = bit.unwrap_or(solved);
        cells.settle();
        (cells, rest)
    };
    // What would make the sum right modulo r, and modulo 2^86.
    let modulo_r = limbs(&residue(&(&target - p() - &small), &r())).map(|limb| scalar(&limb));
    let low_limb = residue(&(&target - p() - &small), &(BigInt::from(1) << BITS));
    let low_limb = scalar(&low_limb);
    let square = Fr::from(2).pow([172]);
    let top = (scalar(&(&target - p() - &small)) - low_limb) * square.invert().unwrap();
    let forged = |how: &str, statement: &str, (cells, _): (Cells, [usize; 3]), broken| {
        Forged::new(statement, how, cells, |f| *f == broken)
    };
    let above = "coordinate above p, the sum right";
    let range = forge([low_limb, Fr::ZERO, top], None);
    let rest = Failure::Range(range.1[2]);
    vec![
        forged(
            &format!("{above} modulo r"),
            "x₀ + rest₀ = (p − 1)₀ + 2^86·carry",
            forge(modulo_r, Some(Fr::ONE)),
            Failure::Gate(low),
        ),
        forged(
            &format!("{above} modulo r, a carry of the field"),
            "carry² = carry",
            forge(modulo_r, None),
            Failure::Gate(carry),
        ),
        forged(
            &format!("{above} modulo 2^86"),
            "x + rest ≡ p − 1 (mod r)",
            forge([low_limb, Fr::ZERO, Fr::ZERO], None),
            Failure::Gate(native),
        ),
        forged(
            &format!("{above} for a rest of the field"),
            "rest is in range",
            range,
            rest,
        ),
    ]
}

/// Two points of the curve with the same coordinates modulo r, if those may exceed p.
#[test]
fn no_two_points_are_absorbed_alike() {
    let number = |hex: &[u8]| BigInt::parse_bytes(hex, 16).unwrap();
    let x = number(b"1df623ef8af183e446fb76a5e4491ec4934df252932dec1d");
    let y = number(b"3a97ed869945eff40706af192cb24324f2d43536d9aa4d3d28173576aceba2c");
    let other = residue(&(&x + r()), &p());
    assert_ne!(x, other);
    for x in [&x, &other] {
        let point = G1Affine::from_xy(field(x), field(&y));
        assert!(bool::from(point.is_some()), "{x}");
    }
    let load = |x: &BigInt, absorb: bool| {
        run(|curve, ctx| {
            let [cx, cy] = [x, &y].map(|value| curve.arithmetic.checked(ctx, value));
            curve.assert_on_curve(ctx, &cx, &cy, field(&residue(x, &p())));
            if absorb {
                curve.arithmetic.assert_canonical(ctx, &cx);
                curve.arithmetic.assert_canonical(ctx, &cy);
            }
            (*cx.native.value(), *cy.native.value())
        })
    };
    let (honest, words) = load(&x, true);
    assert!(!honest.broken());
    let (twin, twins_words) = load(&(&x + r()), false);
    assert!(!twin.broken(), "the other point, as range checks allow it");
    assert_eq!(words, twins_words);
    assert!(load(&(&x + r()), true).0.broken());
}

/// No point of the curve has coordinates that vanish modulo r, as the identity's do.
#[test]
fn only_the_identity_is_absorbed_as_zero() {
    for x in [BigInt::default(), r()] {
        for y in [BigInt::default(), r()] {
            let point = G1Affine::from_xy(field(&x), field(&y));
            let identity = x == BigInt::default() && y == x;
            assert_eq!(bool::from(point.is_some()), identity, "({x}, {y})");
        }
    }
}
