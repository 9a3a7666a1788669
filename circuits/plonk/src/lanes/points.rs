//! Affine additions on BN254's G1, eight at a time.

use std::arch::x86_64::*;

use halo2_proofs::{arithmetic::Field, halo2curves::bn256::Fq};

use super::{
    element::{transposed, Lanes},
    Ifma,
};
use crate::msm::{add_alone, inverses, Pair, Point};

/// Pairs that share an inversion: their points and products stay in a core's cache.
const BATCH: usize = 1 << 11;

impl Ifma {
    /// Adds all pairs of `points` into `sums`, as [`crate::msm::add_pairs`] does.
    pub(crate) fn add_pairs(self, points: &[Point], pairs: &[Pair], sums: &mut [Point]) {
        for pairs in pairs.chunks(BATCH) {
            // SAFETY: the processor has the features, or there were no `self`.
            unsafe { add_pairs(points, pairs, sums) }
        }
    }
}

/// Eight pairs of points.
struct Block {
    /// x and y of the first points, and of the second ones.
    a: [Lanes<Fq>; 2],
    b: [Lanes<Fq>; 2],
    /// Pairs with equal x, or with the identity: not for the formula.
    special: __mmask8,
}

impl Block {
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn load(points: &[Point], pairs: &[Pair]) -> Self {
        let zero = _mm512_setzero_si512();
        let (mut a, mut b) = ([zero; 8], [zero; 8]);
        // Lanes without a pair have identities.
        for ((a, b), pair) in a.iter_mut().zip(&mut b).zip(pairs) {
            let at = pair.from as usize;
            let both: &[Point] = &points[at..at + 2];
            let both = both.as_ptr().cast::<__m512i>();
            // SAFETY: two points of 64 bytes are two unaligned vectors.
            unsafe {
                *a = _mm512_loadu_si512(both);
                *b = _mm512_loadu_si512(both.add(1));
            }
        }
        let (a, b) = (transposed(a), transposed(b));
        let (mut first, mut second, mut same) = (0xff, 0xff, 0xff);
        for i in 0..4 {
            first &= _mm512_cmpeq_epi64_mask(a[i], zero);
            second &= _mm512_cmpeq_epi64_mask(b[i], zero);
            same &= _mm512_cmpeq_epi64_mask(a[i], b[i]);
        }
        Self {
            a: coordinates(a),
            b: coordinates(b),
            special: first | second | same,
        }
    }

    /// x_b − x_a as a factor, 1 for special pairs; below 32·p.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn denominator(&self) -> Lanes<Fq> {
        let difference = self.b[0].minus_plus::<1>(&self.a[0]).carried().shifted();
        difference.or(self.special, &Lanes::splat(&Fq::ONE).shifted())
    }

    /// The sums, given a factor with the inverse of the denominator.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn sums(&self, inverse: &Lanes<Fq>) -> [__m512i; 8] {
        let ([ax, ay], [bx, by]) = (&self.a, &self.b);
        let slope = by.minus_plus::<1>(ay).carried().times(inverse).carried();
        let factor = slope.shifted();
        let square = factor.times(&slope);
        let x = square.minus_plus::<1>(ax).minus_plus::<1>(bx).reduced();
        let run = ax.minus_plus::<1>(&x).carried();
        let y = factor.times(&run).minus_plus::<1>(ay).reduced();
        let ([x0, x1, x2, x3], [y0, y1, y2, y3]) = (x.to_words(), y.to_words());
        transposed([x0, x1, x2, x3, y0, y1, y2, y3])
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn coordinates(w: [__m512i; 8]) -> [Lanes<Fq>; 2] {
    [
        Lanes::from_words([w[0], w[1], w[2], w[3]]),
        Lanes::from_words([w[4], w[5], w[6], w[7]]),
    ]
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn add_pairs(points: &[Point], pairs: &[Pair], sums: &mut [Point]) {
    // Montgomery's trick, a chain in each lane: `before` has the products of the blocks before.
    let mut product = Lanes::splat(&Fq::ONE).shifted();
    let mut before = Vec::with_capacity(pairs.len().div_ceil(8));
    for pairs in pairs.chunks(8) {
        before.push(product);
        let block = Block::load(points, pairs);
        product = product.times(&block.denominator()).carried();
    }
    let mut products = [Fq::ZERO; 8];
    product.store(&mut products);
    // A product a is there as a·2^260, which is 2^4·a to halo2curves; and so must its inverse be.
    let mut behind = [Fq::ZERO; 8];
    for (behind, inverse) in behind.iter_mut().zip(inverses(&products)) {
        *behind = inverse * Fq::from(1 << 8);
    }
    let mut behind = Lanes::load(&behind);
    for (pairs, before) in pairs.chunks(8).zip(&before).rev() {
        let block = Block::load(points, pairs);
        let inverse = behind.times(before).carried();
        behind = behind.times(&block.denominator()).carried();
        let results = block.sums(&inverse);
        for (lane, (pair, result)) in pairs.iter().zip(results).enumerate() {
            let to = &mut sums[pair.to as usize];
            if block.special >> lane & 1 == 1 {
                *to = add_alone(points[pair.from as usize], points[pair.from as usize + 1]);
            } else {
                // SAFETY: a point is 64 bytes, an unaligned vector, and both its coordinates are
                // reduced.
                unsafe { _mm512_storeu_si512(std::ptr::from_mut(to).cast(), result) };
            }
        }
    }
}
