//! Points off the curve, and the identity where it is not.

use super::{integer, limbs, scalar};
use crate::{
    curve::coordinates,
    ecc::Chip,
    tests::{
        cells as run,
        cells::{Cells, Failure, Forged},
        random_point,
    },
};
use rand::{rngs::StdRng, SeedableRng};
use snark_verifier::{
    halo2_base::{
        gates::flex_gate::threads::SinglePhaseCoreManager,
        halo2_proofs::{
            arithmetic::Field,
            halo2curves::bn256::{Fq, Fr, G1Affine},
        },
    },
    loader::halo2::EccInstructions,
};

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
}

/// Points that only one statement rejects.
pub fn forgeries() -> Vec<Forged> {
    let point = random_point(&mut StdRng::seed_from_u64(21));
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
    let identity = Forged::new(
        "bit·limb = 0",
        "the identity claimed of what is no point",
        honest,
        |f| matches!(f, Failure::Gate(_)),
    );
    assert_eq!(identity.cells.failures().len(), 6, "six limbs");
    // Any other point would be a witness of the prover's choice.
    let mut cells = constant_identity();
    let other = loaded(random_point(&mut StdRng::seed_from_u64(22)));
    cells.values[..other.values.len()].copy_from_slice(&other.values);
    cells.settle();
    // bit + 0·0 = 1, the last gate.
    let last = Failure::Gate(*cells.gates.last().unwrap());
    let constant = Forged::new(
        "a constant identity has bit = 1",
        "a point of choice for the identity",
        cells,
        |f| *f == last,
    );
    vec![
        identity,
        constant,
        generator_times_identity(),
        square(),
        off_the_curve(),
        offset(),
    ]
}

/// The generator, claimed to be the identity, takes part in a scalar product.
fn generator_times_identity() -> Forged {
    let mut chip = Chip::default();
    let mut pool = SinglePhaseCoreManager::new(false, Default::default());
    let generator = chip.assign_point(&mut pool, G1Affine::generator());
    let challenge = pool.main().load_constant(Fr::from(78));
    chip.curve.derive_offset(pool.main(), challenge);
    let scalar = pool.main().load_constant(Fr::from(5));
    let kept = pool.main().advice.len();
    chip.variable_base_msm(&mut pool, &[(&scalar, &generator)]);
    let mut cells = Cells::new(&pool, chip.curve.arithmetic.ranges.take());
    for limb in 0..6 {
        let at = cells.checks[limb].0;
        cells.values[at] = Fr::ZERO;
    }
    cells.values[IDENTITY] = Fr::ONE;
    // What is loaded, and what is computed with: the generator as before.
    cells.settle();
    cells.set(kept, Fr::from(5));
    Forged::new(
        "scalar·(1 − bit) is what multiplies",
        "a product with the identity that is not the identity",
        cells,
        |f| *f == Failure::Gate(kept),
    )
}

/// The cells of `(x, y)` on the curve, where x is claimed to be `claimed`.
fn on_curve(x: Fq, y: Fq, claimed: Fq) -> Cells {
    let (cells, _) = run(|curve, ctx| {
        let [x, y] = [x, y].map(|value| curve.arithmetic.witness(ctx, &value));
        curve.assert_on_curve(ctx, &x, &y, claimed);
    });
    cells
}

fn square() -> Forged {
    let x = Fq::from(5);
    let claims = (6..).map(Fq::from);
    let y = |claimed: &Fq| Option::<Fq>::from((claimed.square() * x + Fq::from(3)).sqrt());
    let mut claims = claims.filter_map(|claimed| Some((claimed, y(&claimed)?)));
    let (claimed, y) = claims.next().unwrap();
    Forged::new(
        "s = x²",
        "point off the curve",
        on_curve(x, y, claimed),
        |f| matches!(f, Failure::Gate(_)),
    )
}

fn off_the_curve() -> Forged {
    let point = random_point(&mut StdRng::seed_from_u64(26));
    let (x, y) = coordinates(&point).unwrap();
    Forged::new(
        "y² = s·x + 3",
        "point off the curve",
        on_curve(x, y + Fq::ONE, x),
        |f| matches!(f, Failure::Gate(_)),
    )
}

/// An offset of the prover's choice.
fn offset() -> Forged {
    let (mut cells, challenge) = run(|curve, ctx| {
        let challenge = ctx.load_witness(Fr::from(80));
        curve.derive_offset(ctx, challenge);
        challenge.cell.unwrap().offset
    });
    let (j, _) = *cells.checks.iter().find(|(_, bits)| *bits == 18).unwrap();
    let other = Fr::from(1 << 40);
    let missing = cells.values[challenge] - other;
    cells.set(challenge, other);
    cells.values[j] += missing;
    Forged::new("j < 2^18", "an offset of choice", cells, |f| {
        *f == Failure::Range(j)
    })
}

fn constant_identity() -> Cells {
    let chip = Chip::default();
    let mut pool = SinglePhaseCoreManager::new(false, Default::default());
    EccInstructions::assign_constant(&chip, &mut pool, G1Affine::default());
    Cells::new(&pool, chip.curve.arithmetic.ranges.take())
}

#[test]
fn a_constant_identity_is_nothing_else() {
    assert!(!constant_identity().broken());
    assert_eq!(forgeries().len(), 6);
}
