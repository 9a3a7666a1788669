//! Many multiples of the G1 generator at once, by fixed-base windows.
//!
//! The scalar is cut into signed windows, and each window's multiples are looked up in a table, so
//! that a multiple costs one addition a window. The additions are affine and batched: one field
//! inversion serves a whole chunk of scalars, which brings an addition down to six field
//! multiplications.

use halo2_proofs::halo2curves::bn256::{Fq, Fr, G1Affine, G1};
use halo2_proofs::halo2curves::ff::PrimeField;
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;
use halo2_proofs::halo2curves::group::{Curve, Group};
use rayon::prelude::*;

/// Bit length of a BN254 scalar.
const SCALAR_BITS: usize = 254;
/// Widest window: 2^15 points of 64 bytes, the size of a second-level cache.
const MAX_WIDTH: usize = 16;

/// Tables of multiples of the G1 generator, one for each window of a scalar.
pub(super) struct FixedBase {
    width: usize,
    /// Added to a scalar before it is cut, so that subtracting half a window from each digit but
    /// the top one gives its signed digits without carries.
    bias: [u64; 4],
    /// Window `j` holds `m · 2^(width·j) · G` for m = 1, 2, …
    windows: Vec<Vec<G1Affine>>,
}

/// Buffers that one thread reuses from chunk to chunk.
#[derive(Default)]
pub(super) struct Scratch {
    limbs: Vec<[u64; 4]>,
    addends: Vec<G1Affine>,
    chords: Vec<Chord>,
}

impl FixedBase {
    /// Builds the tables whose width makes `count` multiples cheapest, the tables included.
    pub(super) fn new(count: usize) -> Self {
        let cost = |&width: &usize| {
            let windows = window_count(width);
            let entries: usize = (0..windows).map(|j| table_len(width, j)).sum();
            windows * count + entries
        };
        let width = (4..=MAX_WIDTH).min_by_key(cost).unwrap_or(MAX_WIDTH);
        Self::with_width(width)
    }

    /// Builds the tables for windows of `width` bits.
    pub(super) fn with_width(width: usize) -> Self {
        let count = window_count(width);
        let mut bases = Vec::with_capacity(count);
        let mut base = G1::generator();
        for _ in 0..count {
            bases.push(base);
            for _ in 0..width {
                base = base.double();
            }
        }
        let mut starts = vec![G1Affine::identity(); count];
        G1::batch_normalize(&bases, &mut starts);
        let windows = starts
            .par_iter()
            .enumerate()
            .map(|(j, start)| multiples(*start, table_len(width, j)))
            .collect();

        let mut bias = [0u64; 4];
        for j in 0..count - 1 {
            let bit = width * j + width - 1;
            bias[bit / 64] |= 1 << (bit % 64);
        }
        Self {
            width,
            bias,
            windows,
        }
    }

    /// Sets `out[i] = scalars[i] · G`; the slices have the same length.
    pub(super) fn multiply(&self, scalars: &[Fr], out: &mut [G1Affine], scratch: &mut Scratch) {
        let Scratch {
            limbs,
            addends,
            chords,
        } = scratch;
        limbs.clear();
        limbs.extend(scalars.iter().map(|s| add_limbs(to_limbs(s), self.bias)));
        addends.clear();
        addends.resize(scalars.len(), G1Affine::identity());
        out.fill(G1Affine::identity());

        let half = 1i64 << (self.width - 1);
        for (j, table) in self.windows.iter().enumerate() {
            let shift = if j + 1 == self.windows.len() { 0 } else { half };
            for (addend, limbs) in addends.iter_mut().zip(limbs.iter()) {
                let digit = window(limbs, self.width * j, self.width) as i64 - shift;
                *addend = match digit {
                    0 => G1Affine::identity(),
                    d if d > 0 => table[d as usize - 1],
                    d => -table[d.unsigned_abs() as usize - 1],
                };
            }
            add_assign_batch(out, addends, chords);
        }
    }
}

/// Windows that hold a scalar and the carry that signed digits can push into the top one.
fn window_count(width: usize) -> usize {
    (SCALAR_BITS + 1).div_ceil(width)
}

/// Multiples that window `j` needs: half the digits, as the other half are their negatives; the
/// top window is unsigned, and may have few bits left.
fn table_len(width: usize, j: usize) -> usize {
    let remaining = SCALAR_BITS - (width * j).min(SCALAR_BITS);
    1 << remaining.min(width - 1)
}

/// The points `P, 2P, …, len·P`; `len` is a power of two.
fn multiples(point: G1Affine, len: usize) -> Vec<G1Affine> {
    let mut table = Vec::with_capacity(len);
    table.push(point);
    let mut chords = Vec::new();
    while table.len() < len {
        let known = table.len();
        let step = vec![table[known - 1]; known];
        table.extend_from_within(..);
        add_assign_batch(&mut table[known..], &step, &mut chords);
    }
    table
}

/// `acc[i] += rhs[i]` for all i, with one field inversion for all; `chords` is scratch space.
///
/// Identities are the pair (0, 0); no other point has x = 0, since such a point would have order 3.
fn add_assign_batch(acc: &mut [G1Affine], rhs: &[G1Affine], chords: &mut Vec<Chord>) {
    let zero = Fq::zero();
    chords.clear();
    let mut product = Fq::one();
    for (a, b) in acc.iter().zip(rhs) {
        let mut dx = b.x - a.x;
        if a.x == zero || b.x == zero {
            dx = zero;
        }
        chords.push(Chord {
            dx,
            before: product,
        });
        if dx != zero {
            product *= dx;
        }
    }
    // The product has no zero factor, so it has an inverse.
    let mut inverse = product.invert().unwrap_or(zero);
    for ((a, b), chord) in acc.iter_mut().zip(rhs).zip(chords.iter()).rev() {
        if chord.dx == zero {
            *a = add_special(a, b);
            continue;
        }
        let slope = (b.y - a.y) * (inverse * chord.before);
        inverse *= chord.dx;
        let x = slope.square() - (a.x + b.x);
        a.y = slope * (a.x - x) - a.y;
        a.x = x;
    }
}

/// What an addition needs for the shared inversion.
struct Chord {
    /// Difference of the two points' x; zero where the chord formula does not apply.
    dx: Fq,
    /// Product of the differences before this one.
    before: Fq,
}

/// Addition where the chord formula does not apply: an identity, a doubling or a cancellation.
fn add_special(a: &G1Affine, b: &G1Affine) -> G1Affine {
    if bool::from(b.is_identity()) {
        *a
    } else if bool::from(a.is_identity()) {
        *b
    } else {
        (a.to_curve() + b).to_affine()
    }
}

/// The scalar as little-endian 64-bit limbs.
fn to_limbs(scalar: &Fr) -> [u64; 4] {
    let repr = scalar.to_repr();
    let mut limbs = [0u64; 4];
    for (limb, bytes) in limbs.iter_mut().zip(repr.as_ref().chunks_exact(8)) {
        *limb = bytes
            .iter()
            .rev()
            .fold(0, |word, byte| (word << 8) | u64::from(*byte));
    }
    limbs
}

/// Sum of two numbers whose sum fits 256 bits.
fn add_limbs(a: [u64; 4], b: [u64; 4]) -> [u64; 4] {
    let mut sum = [0u64; 4];
    let mut carry = false;
    for ((sum, a), b) in sum.iter_mut().zip(a).zip(b) {
        let (partial, first) = a.overflowing_add(b);
        let (total, second) = partial.overflowing_add(u64::from(carry));
        *sum = total;
        carry = first | second;
    }
    sum
}

/// The `width` bits from bit `start` on, `width` at most 16.
fn window(limbs: &[u64; 4], start: usize, width: usize) -> u64 {
    let (limb, offset) = (start / 64, start % 64);
    let mut bits = limbs.get(limb).map_or(0, |word| word >> offset);
    if offset + width > 64 {
        bits |= limbs.get(limb + 1).map_or(0, |word| word << (64 - offset));
    }
    bits & ((1 << width) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2_proofs::halo2curves::ff::Field;
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    #[test]
    fn every_width_agrees_with_scalar_multiplication() {
        let mut rng = ChaCha20Rng::from_seed([7; 32]);
        let mut scalars = vec![Fr::zero(), Fr::one(), -Fr::one(), Fr::from(2), -Fr::from(2)];
        scalars.extend([(Fr::zero() - Fr::one()) * Fr::TWO_INV, Fr::TWO_INV]);
        scalars.extend((0..64).map(|bits| Fr::from(1u64 << bits) - Fr::one()));
        scalars.extend((0..40).map(|_| Fr::random(&mut rng)));
        let expected: Vec<G1Affine> = scalars
            .iter()
            .map(|s| (G1::generator() * s).to_affine())
            .collect();
        let mut scratch = Scratch::default();
        for width in 4..=MAX_WIDTH {
            let mut got = vec![G1Affine::identity(); scalars.len()];
            FixedBase::with_width(width).multiply(&scalars, &mut got, &mut scratch);
            assert_eq!(got, expected, "width {width}");
        }
    }

    #[test]
    fn batched_addition_handles_identity_doubling_and_cancellation() {
        let g = G1Affine::generator();
        let h = (g.to_curve() + g).to_affine();
        let id = G1Affine::identity();
        let mut acc = vec![id, g, g, g, h, id];
        let rhs = vec![g, id, g, -g, g, id];
        let expected: Vec<G1Affine> = acc
            .iter()
            .zip(&rhs)
            .map(|(a, b)| (a.to_curve() + b).to_affine())
            .collect();
        add_assign_batch(&mut acc, &rhs, &mut Vec::new());
        assert_eq!(acc, expected);
    }
}
