//! Cheating witnesses for the statements of the field and of points: each is one that exactly the named
//! constraint rejects, so that without it the statement would be worthless.

use super::{
    cells as run,
    cells::{Cells, Failure},
    native, random_point, two_snarks,
};
use crate::aggregate::{
    circuit::offset_of,
    curve::coordinates,
    ecc::Chip,
    field::{Factor, Term},
    prove::deciding_key,
    range::largest,
};
use num_bigint::{BigInt, BigUint, Sign};
use rand::{rngs::StdRng, SeedableRng};
use snark_verifier::{
    halo2_base::{
        gates::flex_gate::threads::SinglePhaseCoreManager,
        halo2_proofs::{
            arithmetic::{CurveAffine, Field},
            halo2curves::{
                bn256::{Fq, Fr, G1Affine},
                ff::PrimeField,
            },
        },
    },
    loader::halo2::EccInstructions,
};
use snark_verifier_sdk::Snark;

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

#[test]
fn each_equation_of_a_statement_is_needed() {
    let (honest, ..) = statement(&BigInt::default(), None);
    assert_eq!(honest.failures(), []);
    // Without the equation modulo r, T may be any multiple of 2^258.
    let (cells, _, native) = statement(&(BigInt::from(5) << 258), None);
    assert_eq!(cells.failures(), [Failure::Gate(native)]);
    // Without that of a limb, a multiple of r that is right modulo less than 2^258.
    for (limb, low) in [
        (0, BigInt::from(3)),
        (1, BigInt::from(3) << 86),
        (2, BigInt::from(3) << 172),
    ] {
        let t = multiple_of_r(&low);
        let (cells, ends, _) = statement(&t, Some(limb));
        assert_eq!(cells.failures(), [Failure::Gate(ends[limb])], "limb {limb}");
    }
}

/// Without range checks, the field has a quotient and carries for any statement.
#[test]
fn a_quotient_and_carries_of_the_field_are_out_of_range() {
    let (mut cells, _) = run(|curve, ctx| {
        let field = &curve.arithmetic;
        let [x, y, z] = [7, 9, 64].map(|value| field.witness(ctx, &Fq::from(value)));
        let minus = Factor::Constant(-1);
        field.assert_zero(ctx, &[Term::Product(&x, &y), Term::Scaled(minus, &z)]);
    });
    let native = *cells.gates.last().unwrap();
    let top = cells.checks[13].0;
    let solution = -cells.values[native] * cells.values[native + 2].invert().unwrap();
    cells.values[top] = solution;
    for i in 0..3 {
        cells.settle();
        let carry = cells.checks[10 + 2 * i].0;
        let missing = cells.values[carry - 1] - cells.values[carry + 2];
        let base = -cells.values[carry + 1];
        cells.values[carry] = missing * base.invert().unwrap();
    }
    cells.settle();
    let failures = cells.failures();
    assert!(failures.contains(&Failure::Range(top)), "{failures:?}");
    assert!(
        failures.iter().all(|f| matches!(f, Failure::Range(_))),
        "{failures:?}"
    );
}

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
    let (cells, _) = forge(modulo_r, Some(Fr::ONE));
    assert_eq!(cells.failures(), [Failure::Gate(low)], "low limb");
    let (cells, _) = forge(modulo_r, None);
    assert_eq!(cells.failures(), [Failure::Gate(carry)], "carry");
    let (cells, _) = forge([low_limb, Fr::ZERO, Fr::ZERO], None);
    assert_eq!(cells.failures(), [Failure::Gate(native)], "native");
    let top = (scalar(&(&target - p() - &small)) - low_limb) * square.invert().unwrap();
    let (cells, rest) = forge([low_limb, Fr::ZERO, top], None);
    assert_eq!(cells.failures(), [Failure::Range(rest[2])], "range");
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

fn loaded(point: G1Affine) -> Cells {
    let chip = Chip::default();
    let mut pool = SinglePhaseCoreManager::new(false, Default::default());
    chip.assign_point(&mut pool, point);
    Cells::new(&pool, chip.curve.arithmetic.ranges.take())
}

/// Cell of the bit that says that a loaded point is the identity: after two elements and a constant.
const IDENTITY: usize = 15;

#[test]
fn the_identity_is_not_smuggled() {
    let point = random_point(&mut StdRng::seed_from_u64(21));
    assert_eq!(loaded(point).failures(), []);
    assert_eq!(loaded(G1Affine::default()).failures(), []);
    let bit_gate = Failure::Gate(14);
    for bit in [Fr::ONE, Fr::from(2), -Fr::ONE] {
        let mut cells = loaded(point);
        cells.values[IDENTITY] = bit;
        cells.settle();
        let failures = cells.failures();
        assert!(!failures.is_empty());
        assert_eq!(failures.contains(&bit_gate), bit != Fr::ONE, "{failures:?}");
    }
    // (0, 0) without the bit is off the curve.
    let mut cells = loaded(G1Affine::default());
    cells.values[IDENTITY] = Fr::ZERO;
    cells.settle();
    assert!(cells.broken());
    // Coordinates off the curve, to which the bit adds the generator's so that a point comes out.
    let (x, y) = coordinates(&point).unwrap();
    let mut honest = loaded(point);
    let [x_limbs, y_limbs] = [x - Fq::ONE, y - Fq::from(2)].map(|v| limbs(&integer(v)));
    let targets = [0, 1, 3, 4, 2, 5].map(|i| honest.checks[i].0);
    let [x0, x1, x2] = &x_limbs;
    let [y0, y1, y2] = &y_limbs;
    for (cell, limb) in targets.iter().zip([x0, x1, y0, y1, x2, y2]) {
        honest.values[*cell] = scalar(limb);
    }
    honest.values[IDENTITY] = Fr::ONE;
    honest.settle();
    let failures = honest.failures();
    assert_eq!(
        failures.len(),
        6,
        "identity·limb = 0, of six limbs: {failures:?}"
    );
    assert!(failures.iter().all(|f| matches!(f, Failure::Gate(_))));
}

#[test]
fn a_constant_identity_is_nothing_else() {
    let chip = Chip::default();
    let mut pool = SinglePhaseCoreManager::new(false, Default::default());
    EccInstructions::assign_constant(&chip, &mut pool, G1Affine::default());
    let mut cells = Cells::new(&pool, chip.curve.arithmetic.ranges.take());
    assert!(!cells.broken());
    // Any other point would be a witness of the prover's choice.
    let other = loaded(random_point(&mut StdRng::seed_from_u64(22)));
    cells.values[..other.values.len()].copy_from_slice(&other.values);
    cells.settle();
    let [failure] = cells.failures()[..] else {
        panic!("{:?}", cells.failures());
    };
    // bit + 0·0 = 1, the last gate.
    assert_eq!(failure, Failure::Gate(*cells.gates.last().unwrap()));
}

#[test]
fn a_base_that_is_the_identity_adds_nothing() {
    let mut rng = StdRng::seed_from_u64(23);
    let base = random_point(&mut rng);
    let mut chip = Chip::default();
    let mut pool = SinglePhaseCoreManager::new(false, Default::default());
    let challenge = pool.main().load_constant(Fr::from(78));
    chip.curve.derive_offset(pool.main(), challenge);
    let scalars = [5, 6].map(|value| pool.main().load_constant(Fr::from(value)));
    let pairs = [(&scalars[0], G1Affine::default()), (&scalars[1], base)];
    let product = chip.fixed_base_msm(&mut pool, &pairs);
    assert!(!Cells::new(&pool, chip.curve.arithmetic.ranges.take()).broken());
    let expected = coordinates(&(base * Fr::from(6)).into()).unwrap();
    assert_eq!(product.x.integer(), integer(expected.0));
}

/// A point that is chosen when the offset is known makes a wrong sum. So the offset depends on all that
/// sums depend on; see the next test.
#[test]
fn a_sum_is_wrong_where_a_point_is_the_offset() {
    let other = random_point(&mut StdRng::seed_from_u64(25));
    let (cells, (sum, offset)) = run(|curve, ctx| {
        let challenge = ctx.load_constant(Fr::from(79));
        curve.derive_offset(ctx, challenge);
        let offset = curve.offset_point().unwrap();
        let other = curve.constant(ctx, &other).unwrap();
        let sum = curve.sum(ctx, &[offset.clone(), other]);
        (native(&sum), native(&offset))
    });
    assert!(!cells.broken());
    let right = G1Affine::from_xy(offset.0, offset.1).unwrap() + other;
    assert_ne!(sum, coordinates(&right.into()).unwrap());
}

#[test]
fn the_offset_depends_on_key_proof_and_statement() {
    let (srs, snarks) = two_snarks();
    let generator = deciding_key(&srs.params).svk().g;
    let other = random_point(&mut StdRng::seed_from_u64(24));
    let last = snarks[0].proof.len() - 32;
    type Change<'a> = (&'a str, Box<dyn Fn(&mut Snark) + 'a>);
    let changes: Vec<Change> = vec![
        ("nothing", Box::new(|_| ())),
        (
            "a commitment of the key",
            Box::new(|snark| snark.protocol.preprocessed[0] = other),
        ),
        (
            "the key's last commitment",
            Box::new(|snark| *snark.protocol.preprocessed.last_mut().unwrap() = other),
        ),
        (
            "the key's hash",
            Box::new(|snark| snark.protocol.transcript_initial_state = Some(Fr::ONE)),
        ),
        (
            "the number of rows",
            Box::new(|snark| {
                let k = snark.protocol.domain.k + 1;
                snark.protocol.domain.k = k;
            }),
        ),
        (
            "a public value",
            Box::new(|snark| snark.instances[0][0] += Fr::ONE),
        ),
        (
            "the first point",
            Box::new(|snark| {
                use snark_verifier::halo2_base::halo2_proofs::halo2curves::group::GroupEncoding;
                snark.proof[..32].copy_from_slice(other.to_bytes().as_ref());
            }),
        ),
        (
            "the last point",
            Box::new(|snark| {
                use snark_verifier::halo2_base::halo2_proofs::halo2curves::group::GroupEncoding;
                snark.proof[last..].copy_from_slice(other.to_bytes().as_ref());
            }),
        ),
    ];
    let mut seen = Vec::new();
    for (what, change) in changes {
        let mut snark = snarks[0].clone();
        change(&mut snark);
        let offset = offset_of(generator, &snark).unwrap();
        assert!(
            !seen.contains(&offset),
            "the offset does not depend on {what}"
        );
        seen.push(offset);
    }
}
