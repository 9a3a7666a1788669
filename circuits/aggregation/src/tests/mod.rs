//! The arithmetic against native arithmetic, and every cell of it against a change.
//!
//! * [`cells`]: gates, copies, constants and range checks over the virtual cells;
//! * [`forge`]: the witnesses that a cheat would choose, for each statement of the arithmetic;
//! * [`digits`]: the same for scalars;
//! * [`layout`]: each constraint of the laid-out circuit, with a witness that only it rejects;
//! * [`slots`]: what a key's digest says of the slot that it is verified in;
//! * [`soundness`]: all of these, with the constraint and without it.
//!
//! A real aggregation is in `evm-verifier`.

mod cells;
mod digits;
mod forge;
mod layout;
mod slots;
mod soundness;
mod transcript;

#[path = "../../../testing/two_phase.rs"]
mod two_phase;

#[path = "../../../testing/recorder.rs"]
mod recorder;

use super::{
    circuit::AggregationCircuit,
    curve::{coordinates, Curve, Point},
    digits::WINDOWS,
    ecc::Chip,
    field::{Factor, Term},
    key::deciding_key,
    prove::{accumulate, accumulators_of},
    range::{rows, TABLE_BITS},
    vk_digest, AggregateError, AggregationShape, BITS, LIMBS,
};
use crate::testing::grid::Grid;
use cells::Cells;
use rand::{rngs::StdRng, Rng, SeedableRng};
use snark_verifier::{
    halo2_base::{
        gates::flex_gate::threads::SinglePhaseCoreManager,
        halo2_proofs::{
            arithmetic::Field,
            halo2curves::{
                bn256::{Fq, Fr, G1Affine, G1},
                ff::PrimeField,
                group::{Curve as _, Group},
            },
        },
        Context,
    },
    loader::{halo2::EccInstructions, native::NativeLoader},
    pcs::{kzg::LimbsEncoding, AccumulationDecider, AccumulatorEncoding},
};
use snark_verifier_sdk::{Snark, SHPLONK};
use std::collections::HashSet;
use two_phase::TwoPhase;
use zkml_srs::Srs;

/// Runs a piece of circuit.
fn cells<T>(run: impl FnOnce(&Curve, &mut Context<Fr>) -> T) -> (Cells, T) {
    let curve = Curve::default();
    let mut pool = SinglePhaseCoreManager::new(false, Default::default());
    let out = run(&curve, pool.main());
    (Cells::new(&pool, curve.arithmetic.ranges.take()), out)
}

fn native(point: &Point) -> (Fq, Fq) {
    let value = |element: &super::field::Element| {
        let (_, bytes) = element.integer().to_bytes_le();
        let mut repr = [0; 32];
        repr[..bytes.len()].copy_from_slice(&bytes);
        Fq::from_repr(repr).unwrap()
    };
    (value(&point.x), value(&point.y))
}

fn random_point(rng: &mut StdRng) -> G1Affine {
    G1::random(rng).to_affine()
}

#[test]
fn a_product_is_one_value_only() {
    let mut rng = StdRng::seed_from_u64(1);
    for _ in 0..3 {
        let (a, b) = (Fq::random(&mut rng), Fq::random(&mut rng));
        let (mut cells, _) = cells(|curve, ctx| {
            let field = &curve.arithmetic;
            let [x, y, z] = [a, b, a * b].map(|value| field.witness(ctx, &value));
            let minus = Factor::Constant(-1);
            field.assert_zero(ctx, &[Term::Product(&x, &y), Term::Scaled(minus, &z)]);
        });
        assert!(!cells.broken());
        cells.assert_all_constrained();
    }
}

#[test]
fn a_wrong_product_has_no_witness() {
    let (cells, _) = cells(|curve, ctx| {
        let field = &curve.arithmetic;
        let [x, y, z] = [7, 9, 64].map(|value| field.witness(ctx, &Fq::from(value)));
        let minus = Factor::Constant(-1);
        field.assert_zero(ctx, &[Term::Product(&x, &y), Term::Scaled(minus, &z)]);
    });
    assert!(cells.broken());
}

#[test]
fn extreme_elements_fit_their_carries() {
    let largest = -Fq::ONE;
    let (cells, _) = cells(|curve, ctx| {
        let field = &curve.arithmetic;
        let x = field.witness(ctx, &largest);
        let zero = field.witness(ctx, &Fq::ZERO);
        let (up, down) = (
            field.difference(ctx, &x, &zero),
            field.difference(ctx, &zero, &x),
        );
        let twice = field.scale(ctx, &x, 2);
        let thrice = field.scale(ctx, &x, -3);
        // (−1)(−1) + (−1)(1) = 0, 2·1 − 3·1 + 1 = 0, and both differences with both signs.
        let one = field.witness(ctx, &Fq::ONE);
        field.assert_zero(ctx, &[Term::Product(&x, &up), Term::Product(&x, &down)]);
        field.assert_zero(
            ctx,
            &[
                Term::Product(&x, &twice),
                Term::Product(&x, &thrice),
                Term::Scaled(Factor::Constant(1), &one),
            ],
        );
        let minus = Factor::Constant(-1);
        for (side, value) in [(&up, Fq::ONE), (&down, -Fq::ONE)] {
            let value = field.witness(ctx, &value.double());
            field.assert_zero(
                ctx,
                &[
                    Term::Product(&x, side),
                    Term::Product(&x, side),
                    Term::Scaled(minus, &value),
                ],
            );
        }
    });
    assert!(!cells.broken());
}

#[test]
fn points_off_the_curve_are_rejected() {
    let point = random_point(&mut StdRng::seed_from_u64(2));
    let (x, y) = coordinates(&point).unwrap();
    for (wrong, expected) in [(Fq::ZERO, false), (Fq::ONE, true)] {
        let (cells, _) = cells(|curve, ctx| {
            let [cx, cy] = [x, y + wrong].map(|value| curve.arithmetic.witness(ctx, &value));
            curve.assert_on_curve(ctx, &cx, &cy, x);
        });
        assert_eq!(cells.broken(), expected);
    }
}

#[test]
fn scalar_products_are_right_and_constrained() {
    let mut rng = StdRng::seed_from_u64(3);
    let points: Vec<G1Affine> = (0..3).map(|_| random_point(&mut rng)).collect();
    let scalars = [Fr::random(&mut rng), -Fr::ONE, Fr::from(2)];
    let challenge = Fr::from(rng.gen::<u64>());
    let (mut cells, (variable, fixed, sum)) = cells(|curve, ctx| {
        let challenge = ctx.load_constant(challenge);
        curve.derive_offset(ctx, challenge);
        let scalars = scalars.map(|scalar| ctx.load_constant(scalar));
        let loaded: Vec<Point> = points
            .iter()
            .map(|point| curve.constant(ctx, point).unwrap())
            .collect();
        let pairs: Vec<_> = scalars
            .iter()
            .copied()
            .zip(loaded.iter().cloned())
            .collect();
        let variable = curve.scalar_product(ctx, &pairs);
        let fixed = curve.fixed_scalar_product(ctx, &[(scalars[0], points[0])]);
        // A point twice: the sum's offset keeps it an addition of different points.
        let sum = curve.sum(
            ctx,
            &[loaded[0].clone(), loaded[1].clone(), loaded[0].clone()],
        );
        (variable, fixed, sum)
    });
    let expected: G1 = points
        .iter()
        .zip(scalars)
        .map(|(point, scalar)| point * scalar)
        .sum();
    assert_eq!(
        native(&variable),
        coordinates(&expected.to_affine()).unwrap()
    );
    let expected = (points[0] * scalars[0]).to_affine();
    assert_eq!(native(&fixed), coordinates(&expected).unwrap());
    let expected = (G1::from(points[0]).double() + points[1]).to_affine();
    assert_eq!(native(&sum), coordinates(&expected).unwrap());
    assert!(!cells.broken());
    println!("{} cells for {} windows", cells.values.len(), WINDOWS);
    cells.assert_all_constrained();
}

#[test]
fn the_identity_takes_part_as_nothing() {
    let mut rng = StdRng::seed_from_u64(4);
    let point = random_point(&mut rng);
    let scalars = [Fr::random(&mut rng), Fr::random(&mut rng)];
    let mut chip = Chip::default();
    let mut pool = SinglePhaseCoreManager::new(false, Default::default());
    let challenge = pool.main().load_constant(Fr::from(77));
    chip.curve.derive_offset(pool.main(), challenge);
    let loaded = [point, G1Affine::default()].map(|point| chip.assign_point(&mut pool, point));
    let scalars = scalars.map(|scalar| (pool.main().load_constant(scalar), scalar));
    let pairs: Vec<_> = scalars
        .iter()
        .map(|(cell, _)| cell)
        .zip(loaded.iter())
        .collect();
    let product = chip.variable_base_msm(&mut pool, &pairs);
    let mut cells = Cells::new(&pool, chip.curve.arithmetic.ranges.take());
    assert!(!cells.broken());
    let expected = coordinates(&(point * scalars[0].1).to_affine()).unwrap();
    let product = Point::new(product.x, product.y, expected);
    assert_eq!(native(&product), expected);
    cells.assert_all_constrained();
}

/// Two proofs of one structure under different keys, and their SRS.
fn two_snarks() -> (Srs, [Snark; 2]) {
    let srs = Srs::development_from_seed(8, [3; 32], &|_, _| {}).unwrap();
    let snarks = [4, 5].map(|scale| {
        let circuit = TwoPhase::new(1, scale, 9, 1);
        let pk = two_phase::keygen(&srs.params, &circuit);
        two_phase::snark(&srs.params, &pk, circuit)
    });
    (srs, snarks)
}

#[test]
fn two_proofs_make_one_accumulator() {
    let (srs, snarks) = two_snarks();
    let mut accumulators = Vec::new();
    for (index, snark) in snarks.iter().enumerate() {
        accumulators.extend(accumulators_of(&srs.params, index, snark).unwrap());
    }
    let accumulation = accumulate(&accumulators, &mut StdRng::seed_from_u64(1)).unwrap();
    let key = deciding_key(&srs.params);
    let shape = AggregationShape { k: 20, columns: 2 };
    let build = |snarks: &[Snark]| {
        AggregationCircuit::build(key.svk().g, snarks, &accumulation, shape, None).unwrap()
    };
    let circuit = build(&snarks);
    let instances = circuit.instances();
    let (pool, checks) = circuit.into_cells();
    let mut cells = Cells::new(&pool, checks);
    assert!(!cells.broken());
    cells.assert_all_constrained();
    // The accumulator decides, and the statements follow it.
    let limbs: Vec<&Fr> = instances.iter().take(4 * LIMBS).collect();
    type Encoding = LimbsEncoding<LIMBS, BITS>;
    let decide = |limbs: &[&Fr]| {
        let accumulator =
            <Encoding as AccumulatorEncoding<G1Affine, NativeLoader>>::from_repr(limbs).unwrap();
        <SHPLONK as AccumulationDecider<G1Affine, NativeLoader>>::decide(&key, accumulator)
    };
    decide(&limbs).unwrap();
    let mut expected = Vec::new();
    for snark in &snarks {
        expected.push(vk_digest(&snark.protocol).unwrap());
        expected.extend(&snark.instances[0]);
    }
    assert_eq!(instances[4 * LIMBS..], expected);
    assert_ne!(expected[0], expected[3], "two keys have one digest");

    // A proof of another statement passes the circuit, and no pairing.
    let mut wrong = snarks.clone();
    wrong[1].instances[0][0] += Fr::ONE;
    let instances = build(&wrong).instances();
    assert!(decide(&instances.iter().take(4 * LIMBS).collect::<Vec<_>>()).is_err());
}

#[test]
fn keys_and_proofs_that_do_not_fit_are_named() {
    let (srs, snarks) = two_snarks();
    assert!(matches!(
        AggregationShape::choose(&[], 4),
        Err(AggregateError::Empty)
    ));
    let protocols: Vec<_> = snarks.iter().map(|snark| snark.protocol.clone()).collect();
    let (one, small) = AggregationShape::choose(&protocols[..1], 4).unwrap();
    let (two, large) = AggregationShape::choose(&protocols, 4).unwrap();
    assert!(one.k <= two.k && small.cells < large.cells);
    let many = vec![protocols[0].clone(); 16];
    let error = AggregationShape::choose(&many, 1).unwrap_err();
    assert!(
        matches!(error, AggregateError::TooLarge { columns: 1, .. }),
        "{error}"
    );
    let error = super::keygen(&srs.params, &protocols, two).unwrap_err();
    assert!(
        matches!(error, AggregateError::Srs { got: 8, .. }),
        "{error}"
    );
    for (what, change) in [
        (
            "a flipped byte",
            (|snark: &mut Snark| snark.proof[40] ^= 1) as fn(&mut Snark),
        ),
        ("a missing byte", |snark| {
            snark.proof.truncate(snark.proof.len() - 1)
        }),
        ("a byte too many", |snark| snark.proof.push(0)),
        ("another public value", |snark| {
            snark.instances[0][0] += Fr::ONE
        }),
        ("a missing public value", |snark| {
            snark.instances[0].truncate(1)
        }),
    ] {
        let mut snark = snarks[0].clone();
        change(&mut snark);
        let error = super::check_snark(&srs.params, 3, &snark).unwrap_err();
        assert!(
            matches!(error, AggregateError::Rejected { index: 3, .. }),
            "{what}: {error}"
        );
    }
    super::check_snark(&srs.params, 0, &snarks[0]).unwrap();
}

#[test]
fn a_sum_without_an_offset_has_no_witness() {
    let points: Vec<G1Affine> = {
        let mut rng = StdRng::seed_from_u64(6);
        (0..2).map(|_| random_point(&mut rng)).collect()
    };
    let (cells, _) = cells(|curve, ctx| {
        let points: Vec<Point> = points
            .iter()
            .map(|point| curve.constant(ctx, point).unwrap())
            .collect();
        curve.sum(ctx, &points)
    });
    assert!(cells.broken());
}

/// Every cell of the laid-out circuit, the range columns among them.
#[test]
fn every_laid_out_cell_is_constrained() {
    let mut rng = StdRng::seed_from_u64(8);
    let (a, b) = (Fq::random(&mut rng), Fq::random(&mut rng));
    let (cells, _) = cells(|curve, ctx| {
        let field = &curve.arithmetic;
        let [x, y, z] = [a, b, a * b].map(|value| field.witness(ctx, &value));
        let minus = Factor::Constant(-1);
        field.assert_zero(ctx, &[Term::Product(&x, &y), Term::Scaled(minus, &z)]);
    });
    let forgery = cells.lay_out();
    let mut grid = Grid::new(19, &forgery.mutant, &forgery.mutant.public);
    grid.assert_satisfied();
    let (tried, free) = grid.free_cells();
    assert!(tried > 4 * cells.values.len());
    // The last quotient of a check overlaps the one before unless the bits are whole table entries: it may
    // be another, and the bound that the check is for (`range::largest`) counts that.
    let mut overlapping = HashSet::new();
    let mut range_rows = 0;
    for (_, bits) in &cells.checks {
        range_rows += rows(*bits);
        if bits % TABLE_BITS != 0 {
            overlapping.insert((1, range_rows - 1));
        }
    }
    let free: HashSet<_> = free.into_iter().collect();
    assert!(!free.is_disjoint(&overlapping));
    // Cells after the last of each column are read by nothing.
    let unread = [cells.values.len(), range_rows].into_iter().enumerate();
    let unread: HashSet<_> = unread
        .flat_map(|(column, first)| (first..grid.usable()).map(move |row| (column, row)))
        .collect();
    assert_eq!(&free - &overlapping, unread);
}
