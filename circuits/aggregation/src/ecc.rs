//! The curve as snark-verifier's circuit loader wants it.
//!
//! A loaded point may be the identity: a verifying key commits to all-zero columns with it. It is
//! loaded as (0, 0) with a bit, and takes part in a scalar product as the generator times zero.

use super::{
    curve::{coordinates, Curve, Point},
    field::{Element, LIMBS},
};
use snark_verifier::{
    halo2_base::{
        gates::{flex_gate::threads::SinglePhaseCoreManager, GateChip},
        halo2_proofs::{
            arithmetic::Field,
            halo2curves::bn256::{Fq, Fr, G1Affine},
        },
        AssignedValue, Context,
        QuantumCell::{self, Constant, Existing, Witness},
    },
    loader::halo2::{EccInstructions, Halo2Loader},
    system::halo2::transcript::halo2::NativeEncoding,
    Error,
};
use std::{ops::Deref, rc::Rc};

/// The circuit loader over this chip.
pub type Loader = Rc<Halo2Loader<G1Affine, Chip>>;

/// A loaded point.
#[derive(Clone, Debug)]
pub struct LoadedPoint {
    /// x, zero for the identity.
    pub x: Element,
    /// y, zero for the identity.
    pub y: Element,
    /// The point, or the generator for the identity.
    point: Point,
    /// 1 for the identity; none where that is ruled out.
    identity: Option<AssignedValue<Fr>>,
}

impl From<Point> for LoadedPoint {
    fn from(point: Point) -> Self {
        Self {
            x: point.x.clone(),
            y: point.y.clone(),
            point,
            identity: None,
        }
    }
}

/// Scalars by halo2-base's gate, points by [`Curve`].
#[derive(Clone, Debug, Default)]
pub struct Chip {
    gate: GateChip<Fr>,
    /// The group's operations.
    pub curve: Curve,
}

impl Chip {
    /// Loads a point and constrains it to the curve, or to (0, 0).
    fn load(&self, ctx: &mut Context<Fr>, point: &G1Affine) -> LoadedPoint {
        let field = &self.curve.arithmetic;
        let value = coordinates(point);
        let (x_value, y_value) = value.unwrap_or((Fq::ZERO, Fq::ZERO));
        let x = field.witness(ctx, &x_value);
        let y = field.witness(ctx, &y_value);
        let bit = Fr::from(u64::from(value.is_none()));
        ctx.assign_region([Constant(Fr::ZERO), Witness(bit)], []);
        let identity = ctx.get(-1);
        ctx.assign_region([Existing(identity), Existing(identity)], [-2]);
        let generator = generator();
        let mut safe = |element: &Element, other: &Fq| {
            // The identity has zero limbs, and limbs + identity·other are the generator's.
            let other = super::field::limbs_of(other);
            let limbs: [_; LIMBS] = std::array::from_fn(|i| {
                let limb = element.limbs[i];
                ctx.assign_region(
                    [
                        Constant(Fr::ZERO),
                        Existing(identity),
                        Existing(limb),
                        Constant(Fr::ZERO),
                    ],
                    [0],
                );
                let out = Witness(*limb.value() + bit * other[i]);
                ctx.assign_region_last(
                    [Existing(limb), Existing(identity), Constant(other[i]), out],
                    [0],
                )
            });
            field.combined(ctx, limbs)
        };
        let (safe_x, safe_y) = (safe(&x, &generator.0), safe(&y, &generator.1));
        let value = value.unwrap_or(generator);
        self.curve.assert_on_curve(ctx, &safe_x, &safe_y, value.0);
        let point = Point::new(safe_x, safe_y, value);
        LoadedPoint {
            x,
            y,
            point,
            identity: Some(identity),
        }
    }

    /// The point, with the identity ruled out.
    fn nonzero(&self, ctx: &mut Context<Fr>, point: &LoadedPoint) -> Point {
        if let Some(identity) = point.identity {
            ctx.assign_region([Existing(identity), zero(), zero(), zero()], [0]);
        }
        point.point.clone()
    }
}

fn zero() -> QuantumCell<Fr> {
    Constant(Fr::ZERO)
}

fn one() -> QuantumCell<Fr> {
    Constant(Fr::ONE)
}

fn generator() -> (Fq, Fq) {
    // The identity alone has no coordinates.
    coordinates(&G1Affine::generator()).unwrap_or_default()
}

impl EccInstructions<G1Affine> for Chip {
    type Context = SinglePhaseCoreManager<Fr>;
    type ScalarChip = GateChip<Fr>;
    type AssignedCell = AssignedValue<Fr>;
    type AssignedScalar = AssignedValue<Fr>;
    type AssignedEcPoint = LoadedPoint;

    fn scalar_chip(&self) -> &GateChip<Fr> {
        &self.gate
    }

    fn assign_constant(&self, ctx: &mut Self::Context, point: G1Affine) -> LoadedPoint {
        let ctx = ctx.main();
        match self.curve.constant(ctx, &point) {
            Some(point) => point.into(),
            // It comes up in no verification.
            None => {
                let loaded = self.load(ctx, &point);
                if let Some(identity) = loaded.identity {
                    ctx.assign_region([Existing(identity), zero(), zero(), one()], [0]);
                }
                loaded
            }
        }
    }

    fn assign_point(&self, ctx: &mut Self::Context, point: G1Affine) -> LoadedPoint {
        self.load(ctx.main(), &point)
    }

    fn sum_with_const(
        &self,
        ctx: &mut Self::Context,
        values: &[impl Deref<Target = LoadedPoint>],
        constant: G1Affine,
    ) -> LoadedPoint {
        let ctx = ctx.main();
        let constant = self.curve.constant(ctx, &constant);
        if let ([only], None) = (values, &constant) {
            return (**only).clone();
        }
        let mut points: Vec<Point> = values
            .iter()
            .map(|value| self.nonzero(ctx, value))
            .collect();
        points.extend(constant);
        self.curve.sum(ctx, &points).into()
    }

    fn fixed_base_msm(
        &mut self,
        ctx: &mut Self::Context,
        pairs: &[(impl Deref<Target = AssignedValue<Fr>>, G1Affine)],
    ) -> LoadedPoint {
        // The identity has no table, and adds nothing.
        let pairs: Vec<_> = pairs
            .iter()
            .filter(|(_, point)| coordinates(point).is_some())
            .map(|(scalar, point)| (**scalar, *point))
            .collect();
        self.curve.fixed_scalar_product(ctx.main(), &pairs).into()
    }

    fn variable_base_msm(
        &mut self,
        ctx: &mut Self::Context,
        pairs: &[(
            impl Deref<Target = AssignedValue<Fr>>,
            impl Deref<Target = LoadedPoint>,
        )],
    ) -> LoadedPoint {
        let ctx = ctx.main();
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(scalar, point)| {
                let scalar = **scalar;
                let scalar = match point.identity {
                    None => scalar,
                    Some(identity) => {
                        // scalar·(1 − identity): kept + identity·scalar = scalar
                        let kept = *scalar.value() * (Fr::ONE - identity.value());
                        ctx.assign_region(
                            [
                                Witness(kept),
                                Existing(identity),
                                Existing(scalar),
                                Existing(scalar),
                            ],
                            [0],
                        );
                        ctx.get(-4)
                    }
                };
                (scalar, point.point.clone())
            })
            .collect();
        self.curve.scalar_product(ctx, &pairs).into()
    }

    fn assert_equal(&self, ctx: &mut Self::Context, a: &LoadedPoint, b: &LoadedPoint) {
        let ctx = ctx.main();
        for (a, b) in [(&a.x, &b.x), (&a.y, &b.y)] {
            for (a, b) in a.limbs.iter().zip(&b.limbs) {
                ctx.constrain_equal(a, b);
            }
        }
    }
}

impl Chip {
    /// What a hash absorbs of a point: its coordinates modulo r, the identity as (0, 0).
    ///
    /// No two points have the same, because the coordinates are below p here. Otherwise there are
    /// such points: `(x, y)` and `(x − (p − r), y)` for one x, with two y.
    pub fn words(&self, ctx: &mut Context<Fr>, point: &LoadedPoint) -> [AssignedValue<Fr>; 2] {
        [&point.x, &point.y].map(|coordinate| {
            self.curve.arithmetic.assert_canonical(ctx, coordinate);
            coordinate.native
        })
    }
}

impl NativeEncoding<G1Affine> for Chip {
    fn encode(
        &self,
        ctx: &mut Self::Context,
        point: &LoadedPoint,
    ) -> Result<Vec<AssignedValue<Fr>>, Error> {
        Ok(self.words(ctx.main(), point).to_vec())
    }
}
