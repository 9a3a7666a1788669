//! Wrong sums, and the offset that keeps sums right.

use super::integer;
use crate::{
    circuit::offset_of,
    curve::coordinates,
    ecc::Chip,
    key::deciding_key,
    tests::{
        cells as run,
        cells::{Cells, Failure, Forged},
        native, random_point, two_snarks,
    },
};
use rand::{rngs::StdRng, SeedableRng};
use snark_verifier::{
    halo2_base::{
        gates::flex_gate::threads::SinglePhaseCoreManager,
        halo2_proofs::{
            arithmetic::{CurveAffine, Field},
            halo2curves::bn256::{Fq, Fr, G1Affine},
        },
    },
    loader::halo2::EccInstructions,
};
use snark_verifier_sdk::Snark;

/// Sums and doubles that only one statement rejects.
pub fn forgeries() -> Vec<Forged> {
    let mut rng = StdRng::seed_from_u64(27);
    let points = [random_point(&mut rng), random_point(&mut rng)];
    let [(x1, y1), (x2, y2)] = points.map(|point| coordinates(&point).unwrap());
    let chord = (y2 - y1) * (x2 - x1).invert().unwrap();
    let tangent = x1.square() * Fq::from(3) * y1.double().invert().unwrap();
    let sum = |slope: Fq, x: Fq, y: Fq| {
        run(|curve, ctx| {
            let [a, b] = points.map(|point| curve.constant(ctx, &point).unwrap());
            curve.sum_along(ctx, &a, Some(&b), slope, (x, y));
        })
        .0
    };
    let double = |slope: Fq, x: Fq, y: Fq| {
        run(|curve, ctx| {
            let a = curve.constant(ctx, &points[0]).unwrap();
            curve.sum_along(ctx, &a, None, slope, (x, y));
        })
        .0
    };
    let mut all = Vec::new();
    type Kind<'a> = (&'a str, Fq, Fq, &'a dyn Fn(Fq, Fq, Fq) -> Cells);
    let kinds: [Kind<'_>; 2] = [("sum", chord, x2, &sum), ("double", tangent, x1, &double)];
    for (kind, slope, last, cells) in kinds {
        // The y of the last point's line.
        let y_last = if kind == "sum" { y2 } else { y1 };
        let line = |slope: Fq, x: Fq| slope * (last - x) - y_last;
        let x = slope.square() - x1 - last;
        assert!(!cells(slope, x, line(slope, x)).broken(), "{kind}");
        let other = slope + Fq::ONE;
        let (wrong, off) = (other.square() - x1 - last, x + Fq::ONE);
        for (statement, forged) in [
            ("slope", cells(other, wrong, line(other, wrong))),
            ("x", cells(slope, off, line(slope, off))),
            ("y", cells(slope, x, line(slope, x) + Fq::ONE)),
        ] {
            all.push(Forged::new(
                &format!("{statement} of a {kind}"),
                "another point",
                forged,
                |f| matches!(f, Failure::Gate(_)),
            ));
        }
    }
    all
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
