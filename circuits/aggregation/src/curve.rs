//! BN254's first group inside the circuit: sums of points that add up to a scalar product.
//!
//! Additions are incomplete: `λ·(x_T − x) = y_T − y` says nothing when both points are the same. They are
//! safe here because every sum starts from an *offset* point A that is derived by the transcript's
//! hash after all that the sum depends on (see [`Curve::derive_offset`]), and that every partial sum
//! contains with a factor c ∈ {1, 2, 4, 8, 16} fixed by the circuit. A is taken off again at the end.
//!
//! An addition that meets equal points is therefore an equation `c·A = Σ aᵢ·Pᵢ` with coefficients that the
//! prover knows, between a hashed point and points fixed before it: a discrete logarithm problem,
//! about 2^127 group operations. (Counting is not enough: a scalar has five or six representatives
//! in the odd digits of [`super::digits`], so for many points some choice of them exists that
//! degenerates; it cannot be found.) Opposite points have no witness.
//!
//! The additions of [`Curve::table`] and the doublings need no offset: a point of odd prime order r is
//! not its own inverse, and 3P, 5P, …, 13P are neither 2P nor −2P.
//!
//! The sum's y is not computed at each addition. On the line through T with slope λ,
//! `y = λ·(x_T − x) − y_T`, and the next slope's equation takes that expression in. So an addition is two
//! statements of [`super::field`] instead of three.

use super::{
    digits::{decompose, element_table, Digit, ElementTable, LimbTable, ENTRIES, WINDOWS},
    field::{Arithmetic, Element, Factor, Term},
};
use snark_verifier::halo2_base::{
    halo2_proofs::{
        arithmetic::{CurveAffine, Field},
        halo2curves::{
            bn256::{Fq, Fr, G1Affine, G1},
            ff::PrimeField,
            group::{prime::PrimeCurveAffine, Curve as _, Group},
        },
    },
    AssignedValue, Context,
    QuantumCell::{Constant, Existing, Witness},
};
use std::{cell::RefCell, rc::Rc};

/// A point on the curve that is not the identity.
#[derive(Clone, Debug)]
pub struct Point {
    /// Its x.
    pub x: Element,
    /// Its y.
    pub y: Element,
    /// Both as field elements.
    value: (Fq, Fq),
}

/// A point in the signed form in which it is added: `(x, −minus_sign·y)`.
struct Addend {
    x: Element,
    y: Element,
    minus_sign: Factor,
    /// With the sign.
    value: (Fq, Fq),
}

/// A sum under way.
#[derive(Clone)]
struct Sum {
    x: Element,
    y: Ordinate,
    value: (Fq, Fq),
}

/// The y of a sum under way.
#[derive(Clone)]
enum Ordinate {
    Known(Box<Element>),
    /// `slope·run + minus_sign·y` of the point last added.
    Line(Box<Line>),
}

/// A line through the point last added, and how far the sum is from it.
#[derive(Clone)]
struct Line {
    slope: Element,
    run: Element,
    minus_sign: Factor,
    y: Element,
}

/// The 8 odd multiples of a point.
struct Table {
    x: ElementTable,
    y: ElementTable,
    values: [(Fq, Fq); ENTRIES],
}

/// The offset A, and 15·A.
#[derive(Clone, Debug)]
struct Offset {
    point: Point,
    fifteen: Point,
}

/// The group's operations.
#[derive(Clone, Debug, Default)]
pub struct Curve {
    /// Base field arithmetic.
    pub arithmetic: Arithmetic,
    /// Set once for each proof that is read, through the shared reference that the loader gives.
    offset: Rc<RefCell<Option<Offset>>>,
}

impl Curve {
    /// A constant point; the identity is refused as `None`.
    pub fn constant(&self, ctx: &mut Context<Fr>, point: &G1Affine) -> Option<Point> {
        let value = coordinates(point)?;
        let x = self.arithmetic.constant(ctx, &value.0);
        let y = self.arithmetic.constant(ctx, &value.1);
        Some(Point { x, y, value })
    }

    /// Constrains `(x, y)` to the curve: y² = x³ + 3.
    pub fn assert_on_curve(&self, ctx: &mut Context<Fr>, x: &Element, y: &Element, x_value: Fq) {
        let square = self.arithmetic.witness(ctx, &x_value.square());
        self.arithmetic.assert_zero(
            ctx,
            &[
                Term::Product(x, x),
                Term::Scaled(Factor::Constant(-1), &square),
            ],
        );
        let minus_y = self.arithmetic.scale(ctx, y, -1);
        self.arithmetic.assert_zero(
            ctx,
            &[
                Term::Product(&square, x),
                Term::Product(&minus_y, y),
                Term::Plus(3),
            ],
        );
    }

    /// Derives the offset from a challenge: a point with `x ≡ challenge + j (mod r)`, j < 2^18.
    ///
    /// The challenge must come after everything that the sums to come depend on. The prover's choice
    /// is one of 2^20: j, two representatives of x, two signs of y.
    pub fn derive_offset(&self, ctx: &mut Context<Fr>, challenge: AssignedValue<Fr>) {
        let (j, value) = (0u64..1 << 18)
            .find_map(|j| {
                let x = Fq::from_repr((*challenge.value() + Fr::from(j)).to_repr());
                let x = Option::<Fq>::from(x)?;
                let y = Option::<Fq>::from((x.square() * x + Fq::from(3)).sqrt())?;
                Some((j, (x, y)))
            })
            // Every second candidate is on the curve: this is never reached.
            .unwrap_or((0, (Fq::ONE, Fq::from(2))));
        let x = self.arithmetic.witness(ctx, &value.0);
        let y = self.arithmetic.witness(ctx, &value.1);
        ctx.assign_region(
            [
                Existing(challenge),
                Witness(Fr::from(j)),
                Constant(Fr::ONE),
                Existing(x.native),
            ],
            [0],
        );
        self.arithmetic
            .ranges
            .push(ctx.get(-3), super::range::TABLE_BITS);
        self.assert_on_curve(ctx, &x, &y, value.0);
        let point = Point { x, y, value };
        let mut sum = Sum::from(&point);
        for _ in 0..4 {
            sum = self.double(ctx, sum);
        }
        let sum = self.add(ctx, &sum, negated(&point));
        let fifteen = self.finish(ctx, sum);
        *self.offset.borrow_mut() = Some(Offset { point, fifteen });
    }

    /// The sum of points.
    pub fn sum(&self, ctx: &mut Context<Fr>, points: &[Point]) -> Point {
        let offset = self.offset(ctx);
        let mut sum = Sum::from(&offset.point);
        for point in points {
            sum = self.add(ctx, &sum, addend(point));
        }
        let sum = self.add(ctx, &sum, negated(&offset.point));
        self.finish(ctx, sum)
    }

    /// Σ scalar·point, by windows of all the scalars at once:
    /// `sum ← 16·sum − 15·A + Σ digit·point` keeps A in the sum with the factor 1.
    pub fn scalar_product(
        &self,
        ctx: &mut Context<Fr>,
        pairs: &[(AssignedValue<Fr>, Point)],
    ) -> Point {
        let offset = self.offset(ctx);
        let rows: Vec<(Vec<Digit>, Table)> = pairs
            .iter()
            .map(|(scalar, point)| (decompose(ctx, *scalar), self.table(ctx, point)))
            .collect();
        let mut sum = Sum::from(&offset.point);
        for window in 0..WINDOWS {
            if window > 0 {
                for _ in 0..4 {
                    sum = self.double(ctx, sum);
                }
                sum = self.add(ctx, &sum, negated(&offset.fifteen));
            }
            for (digits, table) in &rows {
                let chosen = self.choose(ctx, table, &digits[window]);
                sum = self.add(ctx, &sum, chosen);
            }
        }
        let sum = self.add(ctx, &sum, negated(&offset.point));
        self.finish(ctx, sum)
    }

    /// Σ scalar·point for constant points: a table for each window, and nothing to double.
    pub fn fixed_scalar_product(
        &self,
        ctx: &mut Context<Fr>,
        pairs: &[(AssignedValue<Fr>, G1Affine)],
    ) -> Point {
        let offset = self.offset(ctx);
        let mut sum = Sum::from(&offset.point);
        for (scalar, point) in pairs {
            let digits = decompose(ctx, *scalar);
            let mut power = G1::from(*point);
            for digit in digits.iter().rev() {
                let table = self.constant_table(&power);
                let chosen = self.choose(ctx, &table, digit);
                sum = self.add(ctx, &sum, chosen);
                for _ in 0..4 {
                    power = power.double();
                }
            }
        }
        let sum = self.add(ctx, &sum, negated(&offset.point));
        self.finish(ctx, sum)
    }

    /// The offset. Where none was derived, which is a mistake in the circuit, no witness satisfies it.
    fn offset(&self, ctx: &mut Context<Fr>) -> Offset {
        loop {
            if let Some(offset) = self.offset.borrow().as_ref() {
                return offset.clone();
            }
            let [zero, one] = [Fr::ZERO, Fr::ONE].map(Constant);
            ctx.assign_region([zero, zero, zero, one], [0]);
            let challenge = ctx.load_constant(Fr::ZERO);
            self.derive_offset(ctx, challenge);
        }
    }

    /// The offset, where one was derived.
    #[cfg(test)]
    pub(super) fn offset_point(&self) -> Option<Point> {
        let offset = self.offset.borrow();
        offset.as_ref().map(|offset| offset.point.clone())
    }

    /// The odd multiples of a point: 1, 3, …, 15.
    fn table(&self, ctx: &mut Context<Fr>, point: &Point) -> Table {
        let twice = self.double(ctx, Sum::from(point));
        let twice = self.finish(ctx, twice);
        let mut points = vec![point.clone()];
        while points.len() < ENTRIES {
            let sum = Sum::from(&points[points.len() - 1]);
            let sum = self.add(ctx, &sum, addend(&twice));
            points.push(self.finish(ctx, sum));
        }
        let x = element_table(ctx, &std::array::from_fn(|i| points[i].x.clone()));
        let y = element_table(ctx, &std::array::from_fn(|i| points[i].y.clone()));
        Table {
            x,
            y,
            values: std::array::from_fn(|i| points[i].value),
        }
    }

    fn constant_table(&self, point: &G1) -> Table {
        let twice = point.double();
        let mut multiple = *point;
        let values: [(Fq, Fq); ENTRIES] = std::array::from_fn(|_| {
            let value = coordinates(&multiple.to_affine()).unwrap_or_default();
            multiple += twice;
            value
        });
        let limbs = |pick: fn(&(Fq, Fq)) -> Fq| {
            let split = values.map(|value| super::field::limbs_of(&pick(&value)));
            std::array::from_fn(|limb| LimbTable::constant(split.map(|limbs| limbs[limb])))
        };
        Table {
            x: limbs(|value| value.0),
            y: limbs(|value| value.1),
            values,
        }
    }

    fn choose(&self, ctx: &mut Context<Fr>, table: &Table, digit: &Digit) -> Addend {
        let mut element = |table: &ElementTable| {
            let limbs = [0, 1, 2].map(|limb: usize| table[limb].choose(ctx, digit));
            self.arithmetic.combined(ctx, limbs)
        };
        let (x, y) = (element(&table.x), element(&table.y));
        let (vx, vy) = table.values[digit.index];
        let minus_sign = digit.minus();
        let value = (vx, if minus_sign.integer() < 0 { vy } else { -vy });
        Addend {
            x,
            y,
            minus_sign,
            value,
        }
    }

    /// sum + T. The points are different, and not opposite.
    fn add(&self, ctx: &mut Context<Fr>, sum: &Sum, t: Addend) -> Sum {
        let ((x1, y1), (x2, y2)) = (sum.value, t.value);
        let slope = (y2 - y1) * inverse(x2 - x1);
        let x = slope.square() - x1 - x2;
        self.add_along(ctx, sum, t, slope, x)
    }

    /// sum + T, by the line's slope and the result's x.
    fn add_along(
        &self,
        ctx: &mut Context<Fr>,
        sum: &Sum,
        t: Addend,
        slope_value: Fq,
        x3: Fq,
    ) -> Sum {
        let field = &self.arithmetic;
        let (x2, y2) = t.value;
        let slope = field.witness(ctx, &slope_value);
        let rise = field.difference(ctx, &t.x, &sum.x);
        // slope·(x_T − x) + y − y_T = 0
        let mut terms = vec![Term::Product(&slope, &rise)];
        match &sum.y {
            Ordinate::Known(y) => terms.push(Term::Scaled(Factor::Constant(1), y)),
            Ordinate::Line(line) => terms.extend([
                Term::Product(&line.slope, &line.run),
                Term::Scaled(line.minus_sign, &line.y),
            ]),
        }
        terms.push(Term::Scaled(t.minus_sign, &t.y));
        field.assert_zero(ctx, &terms);
        let x = field.witness(ctx, &x3);
        let minus = Factor::Constant(-1);
        field.assert_zero(
            ctx,
            &[
                Term::Product(&slope, &slope),
                Term::Scaled(minus, &sum.x),
                Term::Scaled(minus, &t.x),
                Term::Scaled(minus, &x),
            ],
        );
        let run = field.difference(ctx, &t.x, &x);
        let value = (x3, slope_value * (x2 - x3) - y2);
        Sum {
            x,
            y: Ordinate::Line(Box::new(Line {
                slope,
                run,
                minus_sign: t.minus_sign,
                y: t.y,
            })),
            value,
        }
    }

    /// 2·sum: the tangent is the line through the point itself.
    fn double(&self, ctx: &mut Context<Fr>, sum: Sum) -> Sum {
        let point = self.finish(ctx, sum);
        let (x, y) = point.value;
        let slope = x.square() * Fq::from(3) * inverse(y.double());
        let x3 = slope.square() - x.double();
        self.double_along(ctx, point, slope, x3)
    }

    /// 2·point, by the tangent's slope and the result's x.
    fn double_along(&self, ctx: &mut Context<Fr>, point: Point, slope_value: Fq, x3: Fq) -> Sum {
        let field = &self.arithmetic;
        let (x1, y1) = point.value;
        let slope = field.witness(ctx, &slope_value);
        // 2·y·slope − 3·x² = 0
        let twice_y = field.scale(ctx, &point.y, 2);
        let minus_three_x = field.scale(ctx, &point.x, -3);
        field.assert_zero(
            ctx,
            &[
                Term::Product(&slope, &twice_y),
                Term::Product(&minus_three_x, &point.x),
            ],
        );
        let x = field.witness(ctx, &x3);
        field.assert_zero(
            ctx,
            &[
                Term::Product(&slope, &slope),
                Term::Scaled(Factor::Constant(-2), &point.x),
                Term::Scaled(Factor::Constant(-1), &x),
            ],
        );
        let run = field.difference(ctx, &point.x, &x);
        let value = (x3, slope_value * (x1 - x3) - y1);
        let minus_sign = Factor::Constant(-1);
        Sum {
            x,
            y: Ordinate::Line(Box::new(Line {
                slope,
                run,
                minus_sign,
                y: point.y,
            })),
            value,
        }
    }

    /// a + b, or 2·a, as a prover who chooses slope and result lays it out.
    #[cfg(test)]
    pub(super) fn sum_along(
        &self,
        ctx: &mut Context<Fr>,
        a: &Point,
        b: Option<&Point>,
        slope: Fq,
        (x, y): (Fq, Fq),
    ) -> Point {
        let mut sum = match b {
            Some(b) => self.add_along(ctx, &Sum::from(a), addend(b), slope, x),
            None => self.double_along(ctx, a.clone(), slope, x),
        };
        sum.value.1 = y;
        self.finish(ctx, sum)
    }

    /// Computes the sum's y.
    fn finish(&self, ctx: &mut Context<Fr>, sum: Sum) -> Point {
        let Sum { x, y, value } = sum;
        let y = match y {
            Ordinate::Known(y) => *y,
            Ordinate::Line(line) => {
                let Line {
                    slope,
                    run,
                    minus_sign,
                    y: last,
                } = *line;
                let y = self.arithmetic.witness(ctx, &value.1);
                self.arithmetic.assert_zero(
                    ctx,
                    &[
                        Term::Product(&slope, &run),
                        Term::Scaled(minus_sign, &last),
                        Term::Scaled(Factor::Constant(-1), &y),
                    ],
                );
                y
            }
        };
        Point { x, y, value }
    }
}

impl Point {
    /// A point from elements that are known to be on the curve.
    pub fn new(x: Element, y: Element, value: (Fq, Fq)) -> Self {
        Self { x, y, value }
    }
}

impl From<&Point> for Sum {
    fn from(point: &Point) -> Self {
        Sum {
            x: point.x.clone(),
            y: Ordinate::Known(Box::new(point.y.clone())),
            value: point.value,
        }
    }
}

fn addend(point: &Point) -> Addend {
    let Point { x, y, value } = point.clone();
    Addend {
        x,
        y,
        minus_sign: Factor::Constant(-1),
        value,
    }
}

fn negated(point: &Point) -> Addend {
    let Point { x, y, value } = point.clone();
    Addend {
        x,
        y,
        minus_sign: Factor::Constant(1),
        value: (value.0, -value.1),
    }
}

/// The inverse; of zero, zero, which no honest witness meets.
fn inverse(value: Fq) -> Fq {
    Option::from(value.invert()).unwrap_or(Fq::ZERO)
}

/// Affine coordinates; none of the identity.
pub fn coordinates(point: &G1Affine) -> Option<(Fq, Fq)> {
    if bool::from(PrimeCurveAffine::is_identity(point)) {
        return None;
    }
    let coordinates = Option::<_>::from(CurveAffine::coordinates(point));
    coordinates.map(
        |c: snark_verifier::halo2_base::halo2_proofs::halo2curves::Coordinates<G1Affine>| {
            (*c.x(), *c.y())
        },
    )
}
