//! Arithmetic in the base field of BN254 (order p) inside a circuit over its scalar field (order r).
//!
//! An element is three limbs of 86 bits, and their sum modulo r (its *native* value):
//! `x = x₀ + x₁·2^86 + x₂·2^172`. It is range-checked to 86, 86 and 82 bits, so it is below 2^254
//! (up to a factor 1 + 2^-9, see [`super::range`]) but not necessarily below p.
//!
//! Everything is one kind of statement, a [`Term`] sum that is zero modulo p:
//!
//! ```text
//! V = Σ aᵢ·bᵢ + Σ fⱼ·cⱼ      V + K·p − q·p = 0   with  K = 2^257,  0 ≤ q < 2^258(1 + 2^-13)
//! ```
//!
//! The equation is checked modulo 2^258, limb by limb, and modulo r. Both sides of it are smaller
//! than 2^258·r, so it then holds for integers, and V is a multiple of p. With `S₊` and `S₋` the sums
//! of the products' positive and negative bounds in units of 2^508 (an element's own is 1):
//!
//! * `S₊, S₋ ≤ 3`: |V| < 3.02·2^508 < K·p = 6.05·2^508, so an honest q exists and
//!   |V + K·p − q·p| < 9.1·2^508 < 2^258·r = 12.1·2^508;
//! * limb i sums to rᵢ, with `−(2·S₋ + 2)·2^172 < rᵢ < 2·S₊·2^172` up to rounding, the 2 being q·p. Its
//!   carry is range-checked to `[−9·2^86, 7·2^86)`, 90 bits, which an honest prover needs
//!   `2·S₋ + 2 < 9` and `2·S₊ < 7` for; and rᵢ and the shifted carry are far below r, so that the limb
//!   equation modulo r is one of integers.
//!
//! Scaled terms and carries are below 2^93 and vanish in the rounding.
//!
//! So an element stands for a residue modulo p, and most residues have several representatives.
//! Where one is needed, as in what a transcript absorbs, [`Arithmetic::assert_canonical`] requires
//! the integer to be below p.

use super::range::Ranges;
use num_bigint::{BigInt, BigUint, Sign};
use snark_verifier::halo2_base::{
    halo2_proofs::{
        arithmetic::Field,
        halo2curves::{
            bn256::{Fq, Fr},
            ff::PrimeField,
        },
    },
    AssignedValue, Context,
    QuantumCell::{self, Constant, Existing, Witness},
};

/// Limbs of a base field element.
pub const LIMBS: usize = 3;
/// Bits of a limb.
pub const BITS: usize = 86;
/// Bits of the last limb of a range-checked element.
const TOP_BITS: u32 = 82;
/// Bits of a shifted carry.
const CARRY_BITS: u32 = 90;
/// What is added to a carry to make it positive, in units of 2^86.
const CARRY_SHIFT: u32 = 9;
/// K = 2^257.
const QUOTIENT_SHIFT: usize = 257;

/// A base field element, or a small signed multiple or difference of such.
#[derive(Clone, Debug)]
pub struct Element {
    /// The limbs.
    pub limbs: [AssignedValue<Fr>; LIMBS],
    /// Their sum modulo r.
    pub native: AssignedValue<Fr>,
    /// The limbs as integers.
    integers: [BigInt; LIMBS],
    /// Bounds of the limbs, in units of 2^86 (2^82 for the last).
    bounds: (i32, i32),
}

impl Element {
    /// The integer that the limbs stand for.
    pub fn integer(&self) -> BigInt {
        let [a, b, c] = &self.integers;
        a + (b << BITS) + (c << (2 * BITS))
    }
}

/// A small factor: a constant, or a cell constrained to ±1.
#[derive(Clone, Copy, Debug)]
pub enum Factor {
    /// A constant.
    Constant(i32),
    /// A cell that is 1 or −1.
    Sign(AssignedValue<Fr>),
}

impl Factor {
    fn cell(self) -> QuantumCell<Fr> {
        match self {
            Factor::Constant(c) => Constant(signed(&BigInt::from(c))),
            Factor::Sign(cell) => Existing(cell),
        }
    }

    /// The factor's value.
    pub fn integer(self) -> i32 {
        match self {
            Factor::Constant(c) => c,
            Factor::Sign(cell) if *cell.value() == Fr::ONE => 1,
            Factor::Sign(_) => -1,
        }
    }
}

/// A summand of a statement.
#[derive(Debug)]
pub enum Term<'a> {
    /// A product of two elements.
    Product(&'a Element, &'a Element),
    /// An element times a small factor.
    Scaled(Factor, &'a Element),
    /// A constant.
    Plus(u32),
}

/// The arithmetic, with the range checks that it has asked for.
#[derive(Clone, Debug)]
pub struct Arithmetic {
    /// Range checks to be laid out.
    pub ranges: Ranges,
    modulus: BigInt,
    modulus_limbs: [BigInt; LIMBS],
    shift_limbs: [BigInt; LIMBS],
    shift_native: Fr,
    /// −p, −p·2^86, −p·2^172 modulo r.
    minus_modulus_native: [Fr; LIMBS],
}

impl Default for Arithmetic {
    fn default() -> Self {
        let modulus = integer(&-Fq::ONE) + 1;
        let shifted: BigInt = &modulus << QUOTIENT_SHIFT;
        Self {
            ranges: Ranges::default(),
            modulus_limbs: split(&modulus),
            shift_limbs: split(&shifted),
            shift_native: signed(&shifted),
            minus_modulus_native: std::array::from_fn(|i| signed(&-(&modulus << (i * BITS)))),
            modulus,
        }
    }
}

impl Arithmetic {
    /// A range-checked witness.
    pub fn witness(&self, ctx: &mut Context<Fr>, value: &Fq) -> Element {
        self.checked(ctx, &integer(value))
    }

    /// A range-checked integer.
    pub(super) fn checked(&self, ctx: &mut Context<Fr>, value: &BigInt) -> Element {
        let element = self.combine(ctx, split(value), None);
        for (limb, bits) in element
            .limbs
            .iter()
            .zip([BITS as u32, BITS as u32, TOP_BITS])
        {
            self.ranges.push(*limb, bits);
        }
        element
    }

    /// A constant.
    pub fn constant(&self, ctx: &mut Context<Fr>, value: &Fq) -> Element {
        let integers = split(&integer(value));
        let limbs = std::array::from_fn(|i| ctx.load_constant(signed(&integers[i])));
        let native = ctx.load_constant(signed(&integer(value)));
        Element {
            limbs,
            native,
            integers,
            bounds: (0, 1),
        }
    }

    /// Requires a range-checked element to be below p, as an integer.
    ///
    /// A second element, `rest`, is such that `a + rest = p − 1` modulo r and modulo 2^86. Both sides are
    /// below 2^86·r, so that this holds for integers; and no range-checked integer is negative.
    pub fn assert_canonical(&self, ctx: &mut Context<Fr>, a: &Element) {
        let largest: BigInt = &self.modulus - BigInt::from(1);
        let rest = self.checked(ctx, &(largest.clone() - a.integer()));
        let constant = Constant(signed(&largest));
        let one = Constant(Fr::ONE);
        ctx.assign_region(
            [Existing(a.native), Existing(rest.native), one, constant],
            [0],
        );
        // low(a) + low(rest) = low(p − 1) + 2^86·carry, with a carry of 0 or 1.
        let low = split(&largest)[0].clone();
        let sum = &a.integers[0] + &rest.integers[0];
        let carry = Fr::from(u64::from(sum > low));
        ctx.assign_region(
            [
                Existing(a.limbs[0]),
                Existing(rest.limbs[0]),
                one,
                Witness(signed(&sum)),
            ],
            [0],
        );
        let sum = ctx.get(-1);
        ctx.assign_region(
            [
                Constant(signed(&low)),
                Witness(carry),
                Constant(power(BITS)),
                Existing(sum),
            ],
            [0],
        );
        let carry = Existing(ctx.get(-3));
        ctx.assign_region([Constant(Fr::ZERO), carry, carry, carry], [0]);
    }

    /// An element from limbs that are known to be in range.
    pub fn combined(&self, ctx: &mut Context<Fr>, limbs: [AssignedValue<Fr>; LIMBS]) -> Element {
        let integers = std::array::from_fn(|i| integer(limbs[i].value()));
        self.combine(ctx, integers, Some(limbs))
    }

    /// Lays the limbs out in the sum that gives the native value.
    fn combine(
        &self,
        ctx: &mut Context<Fr>,
        integers: [BigInt; LIMBS],
        limbs: Option<[AssignedValue<Fr>; LIMBS]>,
    ) -> Element {
        let values: [Fr; LIMBS] = std::array::from_fn(|i| signed(&integers[i]));
        let cell = |i: usize| limbs.map_or(Witness(values[i]), |limbs| Existing(limbs[i]));
        let (base, square) = (power(BITS), power(2 * BITS));
        let two = values[0] + values[1] * base;
        let native = two + values[2] * square;
        ctx.assign_region(
            [
                cell(0),
                cell(1),
                Constant(base),
                Witness(two),
                cell(2),
                Constant(square),
                Witness(native),
            ],
            [0, 3],
        );
        let limbs = limbs.unwrap_or_else(|| [ctx.get(-7), ctx.get(-6), ctx.get(-3)]);
        Element {
            limbs,
            native: ctx.get(-1),
            integers,
            bounds: (0, 1),
        }
    }

    /// a − b.
    pub fn difference(&self, ctx: &mut Context<Fr>, a: &Element, b: &Element) -> Element {
        let mut one = |a: AssignedValue<Fr>, b: AssignedValue<Fr>| {
            let out = Witness(*a.value() - b.value());
            ctx.assign_region([out, Existing(b), Constant(Fr::ONE), Existing(a)], [0]);
            ctx.get(-4)
        };
        Element {
            limbs: std::array::from_fn(|i| one(a.limbs[i], b.limbs[i])),
            native: one(a.native, b.native),
            integers: std::array::from_fn(|i| &a.integers[i] - &b.integers[i]),
            bounds: (a.bounds.0 - b.bounds.1, a.bounds.1 - b.bounds.0),
        }
    }

    /// factor · a.
    pub fn scale(&self, ctx: &mut Context<Fr>, a: &Element, factor: i32) -> Element {
        let big = BigInt::from(factor);
        let constant = signed(&big);
        let mut one = |a: AssignedValue<Fr>| {
            let out = Witness(constant * a.value());
            ctx.assign_region_last(
                [Constant(Fr::ZERO), Existing(a), Constant(constant), out],
                [0],
            )
        };
        let (low, high) = (a.bounds.0 * factor, a.bounds.1 * factor);
        Element {
            limbs: std::array::from_fn(|i| one(a.limbs[i])),
            native: one(a.native),
            integers: std::array::from_fn(|i| &a.integers[i] * &big),
            bounds: (low.min(high), low.max(high)),
        }
    }

    /// Constrains a sum to be zero modulo p.
    pub fn assert_zero(&self, ctx: &mut Context<Fr>, terms: &[Term<'_>]) {
        check_bounds(terms);
        let total: BigInt = terms.iter().map(integer_of).sum();
        let quotient = (total + (&self.modulus << QUOTIENT_SHIFT)) / &self.modulus;
        let quotient = split(&quotient);
        let mut quotient_cells: Vec<AssignedValue<Fr>> = Vec::with_capacity(LIMBS);
        let mut carry: Option<(AssignedValue<Fr>, BigInt)> = None;
        for i in 0..LIMBS {
            let mut sum = Chain::new(carry.as_ref().map_or(Constant(Fr::ZERO), |c| Existing(c.0)));
            let mut integer = self.shift_limbs[i].clone();
            if let Some((_, value)) = &carry {
                integer += value;
            }
            for term in terms {
                integer += limb_term(term, i, &mut sum);
            }
            for (j, cell) in quotient_cells.iter().enumerate() {
                sum.add(
                    Existing(*cell),
                    Constant(signed(&-&self.modulus_limbs[i - j])),
                );
                integer -= &quotient[j] * &self.modulus_limbs[i - j];
            }
            let at = sum.add(
                Witness(signed(&quotient[i])),
                Constant(signed(&-&self.modulus_limbs[0])),
            );
            integer -= &quotient[i] * &self.modulus_limbs[0];
            // An honest sum is a multiple of 2^86: the shift is exact.
            let value: BigInt = integer >> BITS;
            let shift = BigInt::from(CARRY_SHIFT) << BITS;
            let carried_in = if carry.is_some() {
                shift.clone()
            } else {
                BigInt::default()
            };
            let end = -(&shift << BITS) - &self.shift_limbs[i] + carried_in;
            let carry_at = sum.end(
                Witness(signed(&(&value + &shift))),
                Constant(-power(BITS)),
                signed(&end),
            );
            let start = sum.assign(ctx);
            quotient_cells.push(ctx.get((start + at) as isize));
            carry = Some((ctx.get((start + carry_at) as isize), value));
            self.ranges
                .push(ctx.get((start + at) as isize), BITS as u32);
            self.ranges
                .push(ctx.get((start + carry_at) as isize), CARRY_BITS);
        }
        let mut sum = Chain::new(Constant(self.shift_native));
        for term in terms {
            native_term(term, &mut sum);
        }
        for (i, cell) in quotient_cells.iter().enumerate() {
            let factor = Constant(self.minus_modulus_native[i]);
            if i + 1 == LIMBS {
                sum.end(Existing(*cell), factor, Fr::ZERO);
            } else {
                sum.add(Existing(*cell), factor);
            }
        }
        sum.assign(ctx);
    }
}

/// A running sum of products, laid out as `a + b·c = d` gates that overlap.
struct Chain {
    cells: Vec<QuantumCell<Fr>>,
    value: Fr,
}

impl Chain {
    fn new(start: QuantumCell<Fr>) -> Self {
        Self {
            value: *start.value(),
            cells: vec![start],
        }
    }

    /// Adds a product; the place of its first factor.
    fn add(&mut self, a: QuantumCell<Fr>, b: QuantumCell<Fr>) -> usize {
        self.value += *a.value() * b.value();
        let at = self.cells.len();
        self.cells.extend([a, b, Witness(self.value)]);
        at
    }

    /// Adds the last product, and constrains the sum.
    fn end(&mut self, a: QuantumCell<Fr>, b: QuantumCell<Fr>, sum: Fr) -> usize {
        let at = self.cells.len();
        self.cells.extend([a, b, Constant(sum)]);
        at
    }

    /// Lays the sum out; the place of its first cell.
    fn assign(self, ctx: &mut Context<Fr>) -> usize {
        let start = ctx.advice.len();
        let gates = (0..self.cells.len() as isize - 1).step_by(3);
        ctx.assign_region(self.cells, gates);
        start
    }
}

fn integer_of(term: &Term<'_>) -> BigInt {
    match term {
        Term::Product(a, b) => a.integer() * b.integer(),
        Term::Scaled(factor, a) => a.integer() * factor.integer(),
        Term::Plus(constant) => BigInt::from(*constant),
    }
}

fn limb_term(term: &Term<'_>, i: usize, sum: &mut Chain) -> BigInt {
    match term {
        Term::Product(a, b) => (0..=i)
            .map(|j| {
                sum.add(Existing(a.limbs[j]), Existing(b.limbs[i - j]));
                &a.integers[j] * &b.integers[i - j]
            })
            .sum(),
        Term::Scaled(factor, a) => {
            sum.add(Existing(a.limbs[i]), factor.cell());
            &a.integers[i] * factor.integer()
        }
        Term::Plus(constant) if i == 0 => {
            sum.add(Constant(Fr::from(u64::from(*constant))), Constant(Fr::ONE));
            BigInt::from(*constant)
        }
        Term::Plus(_) => BigInt::default(),
    }
}

fn native_term(term: &Term<'_>, sum: &mut Chain) {
    match term {
        Term::Product(a, b) => sum.add(Existing(a.native), Existing(b.native)),
        Term::Scaled(factor, a) => sum.add(Existing(a.native), factor.cell()),
        Term::Plus(constant) => {
            sum.add(Constant(Fr::from(u64::from(*constant))), Constant(Fr::ONE))
        }
    };
}

/// The bounds of the module's head. They depend on the statement's form only, never on witnesses.
fn check_bounds(terms: &[Term<'_>]) {
    let (mut low, mut high) = (0, 0);
    for term in terms {
        if let Term::Product(a, b) = term {
            let corners = [
                a.bounds.0 * b.bounds.0,
                a.bounds.0 * b.bounds.1,
                a.bounds.1 * b.bounds.0,
                a.bounds.1 * b.bounds.1,
            ];
            low += corners.into_iter().min().unwrap_or(0);
            high += corners.into_iter().max().unwrap_or(0);
        }
    }
    assert!(
        low >= -3 && high <= 3,
        "a statement's bounds ({low}, {high}) exceed ±3"
    );
}

/// The limbs of a base field element.
pub fn limbs_of(value: &Fq) -> [Fr; LIMBS] {
    split(&integer(value)).map(|limb| signed(&limb))
}

/// Limbs of an integer, the bits above 258 dropped.
fn split(value: &BigInt) -> [BigInt; LIMBS] {
    let mask = (BigInt::from(1) << BITS) - 1;
    std::array::from_fn(|i| (value >> (i * BITS)) & &mask)
}

/// The integer in [0, modulus) of a field element.
fn integer<F: PrimeField<Repr = [u8; 32]>>(value: &F) -> BigInt {
    BigInt::from_bytes_le(Sign::Plus, &value.to_repr())
}

/// An integer modulo r.
fn signed(value: &BigInt) -> Fr {
    let reduce = |value: &BigUint| {
        value
            .iter_u64_digits()
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .fold(Fr::ZERO, |acc, digit| acc * power(64) + Fr::from(digit))
    };
    let magnitude = reduce(value.magnitude());
    if value.sign() == Sign::Minus {
        -magnitude
    } else {
        magnitude
    }
}

/// 2^bits modulo r.
fn power(bits: usize) -> Fr {
    let mut raw = [0u64; 4];
    raw[bits / 64] = 1 << (bits % 64);
    Fr::from_raw(raw)
}
