//! Multi-scalar multiplication Σ sᵢ·Pᵢ over BN254's G1, by the bucket method (Pippenger) with signed
//! windows, and affine additions that share inversions.
//!
//! For each window of c bits the points are sorted by digit. The points of a bucket are then added
//! pairwise, in rounds: all pairs of all buckets are independent, so a round needs one inversion
//! (Montgomery's trick), and an addition costs six multiplications instead of the eleven of mixed
//! Jacobian coordinates.
//!
//! Zeros, lengths and equal points are told apart by branches: like halo2's own prover this one does
//! not hide its running time.
//!
//! Scalars are sorted by length first. A column of small witness values with a few random blinding
//! rows is a short sum over few windows and a full-width sum over few points.

use halo2_proofs::{
    arithmetic::Field,
    halo2curves::{
        bn256::{Fq, Fr, G1Affine, G1},
        ff::PrimeField,
        group::{prime::PrimeCurveAffine, Curve, Group},
    },
};
use rayon::prelude::*;

use super::lanes::Ifma;

/// Scalars of at most so many bits are summed apart from the others.
const SHORT_BITS: u32 = 64;
/// Below so many points there are no buckets: inversions would have nothing to share. The blinding rows of
/// a column are so few.
const FEW: usize = 24;
/// Bits that [`Terms::interleaved`] takes at a time.
const NIBBLE: u32 = 4;

/// Up to so many buckets are added up one by one.
const RUNNING: usize = 1 << 5;

/// Σ scalars[i]·bases[i], over the shorter of the two.
pub fn msm(scalars: &[Fr], bases: &[G1Affine]) -> G1 {
    msm_with(Ifma::detect(), scalars, bases)
}

fn msm_with(ifma: Option<Ifma>, scalars: &[Fr], bases: &[G1Affine]) -> G1 {
    let (mut short, mut long) = (Terms::default(), Terms::default());
    for (scalar, base) in scalars.iter().zip(bases) {
        if *scalar == Fr::ZERO {
            continue;
        }
        let words = words(scalar);
        let bits = bits(&words);
        let terms = if bits <= SHORT_BITS {
            &mut short
        } else {
            &mut long
        };
        terms.bits = terms.bits.max(bits);
        terms.scalars.push(words);
        terms.bases.push([base.x, base.y]);
    }
    short.sum(ifma) + long.sum(ifma)
}

/// Terms of nonzero scalars.
#[derive(Default)]
struct Terms {
    scalars: Vec<[u64; 4]>,
    bases: Vec<Point>,
    /// Length of the longest scalar.
    bits: u32,
}

impl Terms {
    fn sum(&self, ifma: Option<Ifma>) -> G1 {
        if self.bases.len() < FEW {
            return self.interleaved();
        }
        let c = window(self.bases.len(), self.bits);
        // One more bit for the carry of the signed digits.
        let sums: Vec<G1> = (0..(self.bits + 1).div_ceil(c))
            .into_par_iter()
            .map(|w| self.window_sum(ifma, w * c, c))
            .collect();
        sums.iter().rev().fold(G1::identity(), |sum, window| {
            (0..c).fold(sum, |sum, _| sum.double()) + window
        })
    }

    /// All scalars at once from the highest bits down (Straus): they share the doublings.
    fn interleaved(&self) -> G1 {
        const MULTIPLES: usize = (1 << NIBBLE) - 1;
        let mut multiples = Vec::with_capacity(MULTIPLES * self.bases.len());
        for [x, y] in &self.bases {
            let point = G1Affine { x: *x, y: *y };
            let sums = std::iter::successors(Some(point.to_curve()), |sum| Some(sum + point));
            multiples.extend(sums.take(MULTIPLES));
        }
        let multiples = normalise(&multiples);
        let mut sum = G1::identity();
        for at in (0..self.bits.div_ceil(NIBBLE)).rev() {
            sum = (0..NIBBLE).fold(sum, |sum, _| sum.double());
            for (scalar, multiples) in self.scalars.iter().zip(multiples.chunks(MULTIPLES)) {
                let digit = bits_at(scalar, at * NIBBLE, NIBBLE) as usize;
                if let Some(multiple) = digit.checked_sub(1).and_then(|d| multiples.get(d)) {
                    sum += multiple;
                }
            }
        }
        sum
    }

    /// Σ dᵢ·Pᵢ for the signed digits at bits `from`, …, `from + c − 1`.
    fn window_sum(&self, ifma: Option<Ifma>, from: u32, c: u32) -> G1 {
        let digits: Vec<i32> = self.scalars.iter().map(|s| digit(s, from, c)).collect();
        Buckets::sort(ifma, &digits, &self.bases, 1 << (c - 1)).weighted_sum()
    }
}

/// Affine coordinates; (0, 0), which is not on the curve, stands for the identity.
pub(super) type Point = [Fq; 2];

/// Two neighbours to be added.
pub(super) struct Pair {
    /// Where the first one stands.
    pub from: u32,
    /// Where their sum goes.
    pub to: u32,
}

/// Points by the magnitude of their digit.
struct Buckets {
    ifma: Option<Ifma>,
    points: Vec<Point>,
    /// Where a round's sums go, and its pairs.
    spare: Vec<Point>,
    pairs: Vec<Pair>,
    /// Bucket d is `points[starts[d] .. starts[d] + counts[d]]`.
    starts: Vec<u32>,
    counts: Vec<u32>,
}

impl Buckets {
    /// Points in buckets 0, …, `largest` by their digits; those of digit 0 are left out.
    fn sort(ifma: Option<Ifma>, digits: &[i32], bases: &[Point], largest: usize) -> Self {
        let mut counts = vec![0u32; largest + 1];
        for digit in digits {
            counts[digit.unsigned_abs() as usize] += 1;
        }
        counts[0] = 0;
        let mut starts = vec![0u32; largest + 1];
        let mut next = 0;
        for (start, count) in starts.iter_mut().zip(&counts) {
            *start = next;
            next += count;
        }
        let mut points = vec![[Fq::ZERO; 2]; next as usize];
        let mut free = starts.clone();
        for (digit, [x, y]) in digits.iter().zip(bases) {
            if *digit != 0 {
                let slot = &mut free[digit.unsigned_abs() as usize];
                points[*slot as usize] = [*x, if *digit < 0 { -y } else { *y }];
                *slot += 1;
            }
        }
        Self {
            ifma,
            points,
            spare: Vec::new(),
            pairs: Vec::new(),
            starts,
            counts,
        }
    }

    /// Σ d·(bucket d).
    fn weighted_sum(mut self) -> G1 {
        while self.round() {}
        if self.counts.len() <= RUNNING {
            return self.running_sum();
        }
        // d = l + 2^h·u: the buckets themselves are points with the digits l, and with the digits u.
        let half = (self.counts.len() - 1).ilog2() / 2;
        let (mut low, mut high, mut points) = (Vec::new(), Vec::new(), Vec::new());
        for (d, (start, count)) in self.starts.iter().zip(&self.counts).enumerate() {
            if *count > 0 {
                low.push((d & ((1 << half) - 1)) as i32);
                high.push((d >> half) as i32);
                points.push(self.points[*start as usize]);
            }
        }
        let largest = (self.counts.len() - 1) >> half;
        let low = Self::sort(self.ifma, &low, &points, (1 << half) - 1).weighted_sum();
        let high = Self::sort(self.ifma, &high, &points, largest).weighted_sum();
        low + (0..half).fold(high, |sum, _| sum.double())
    }

    /// Halves every bucket; false if none had more than one point.
    fn round(&mut self) -> bool {
        let count: usize = self.counts.iter().map(|count| *count as usize / 2).sum();
        if count == 0 {
            return false;
        }
        let (pairs, points) = (&mut self.pairs, &mut self.spare);
        pairs.clear();
        points.resize(self.points.len() - count, [Fq::ZERO; 2]);
        let mut to = 0;
        for (start, count) in self.starts.iter_mut().zip(&mut self.counts) {
            let (from, length) = (*start, *count);
            *start = to;
            *count = length.div_ceil(2);
            for i in 0..length / 2 {
                pairs.push(Pair {
                    from: from + 2 * i,
                    to: to + i,
                });
            }
            to += *count;
            if length % 2 == 1 {
                points[to as usize - 1] = self.points[(from + length) as usize - 1];
            }
        }
        match self.ifma {
            Some(ifma) => ifma.add_pairs(&self.points, pairs, points),
            None => add_pairs(&self.points, pairs, points),
        }
        std::mem::swap(&mut self.points, &mut self.spare);
        true
    }

    /// Σ d·(bucket d), buckets of one point at most.
    fn running_sum(&self) -> G1 {
        let (mut running, mut sum) = (G1::identity(), G1::identity());
        for (start, count) in self.starts.iter().zip(&self.counts).skip(1).rev() {
            if *count > 0 {
                let [x, y] = self.points[*start as usize];
                if !is_identity([x, y]) {
                    running += G1Affine { x, y };
                }
            }
            sum += running;
        }
        sum
    }
}

fn is_identity(point: Point) -> bool {
    point == [Fq::ZERO; 2]
}

/// The sums of all pairs.
pub(super) fn add_pairs(points: &[Point], pairs: &[Pair], sums: &mut [Point]) {
    let both = |pair: &Pair| (points[pair.from as usize], points[pair.from as usize + 1]);
    let denominators: Vec<Fq> = pairs
        .iter()
        .map(|pair| {
            let (a, b) = both(pair);
            denominator(a, b)
        })
        .collect();
    for (pair, inverse) in pairs.iter().zip(inverses(&denominators)) {
        let (a, b) = both(pair);
        sums[pair.to as usize] = add(a, b, inverse);
    }
}

/// a + b with an inversion of its own.
pub(super) fn add_alone(a: Point, b: Point) -> Point {
    let inverse = denominator(a, b).invert();
    add(a, b, inverse.unwrap_or(Fq::ZERO))
}

/// The inverses of all values, none of them zero (Montgomery's trick). Two chains of products side by
/// side keep the multiplier busy.
pub(super) fn inverses(values: &[Fq]) -> Vec<Fq> {
    let mut products = [Fq::ONE; 2];
    let mut inverses: Vec<Fq> = Vec::with_capacity(values.len());
    for (i, value) in values.iter().enumerate() {
        inverses.push(products[i % 2]);
        products[i % 2] *= value;
    }
    let all: Fq = Option::from((products[0] * products[1]).invert()).unwrap_or(Fq::ZERO);
    let mut behind = [all * products[1], all * products[0]];
    for (i, (inverse, value)) in inverses.iter_mut().zip(values).enumerate().rev() {
        *inverse *= behind[i % 2];
        behind[i % 2] *= value;
    }
    inverses
}

/// What the slope of a + b is divided by; 1 where there is no slope.
fn denominator(a: Point, b: Point) -> Fq {
    if is_identity(a) || is_identity(b) {
        return Fq::ONE;
    }
    let difference = b[0] - a[0];
    if difference != Fq::ZERO {
        difference
    } else if a[1] == b[1] {
        // No point has order two: y is not zero.
        a[1].double()
    } else {
        Fq::ONE
    }
}

/// a + b, given the inverse of their [`denominator`].
fn add(a: Point, b: Point, inverse: Fq) -> Point {
    if is_identity(a) {
        return b;
    }
    if is_identity(b) {
        return a;
    }
    let slope = if a[0] != b[0] {
        (b[1] - a[1]) * inverse
    } else if a[1] == b[1] {
        let square = a[0].square();
        (square.double() + square) * inverse
    } else {
        return [Fq::ZERO; 2];
    };
    let x = slope.square() - a[0] - b[0];
    [x, slope * (a[0] - x) - a[1]]
}

/// The window size of least cost, counted in affine additions.
fn window(terms: usize, bits: u32) -> u32 {
    let cost = |c: &u32| {
        let (windows, buckets) = ((bits + 1).div_ceil(*c) as usize, 1usize << (c - 1));
        // A bucket is added twice more; the sums of both kinds cost scalar additions, dear ones.
        windows * (terms + 2 * buckets + 30 * (buckets.isqrt() * 2).min(RUNNING))
    };
    (2..=18).min_by_key(cost).unwrap_or(2)
}

/// The signed digit in [−2^(c−1), 2^(c−1)] at bits `from`, …, `from + c − 1` (Booth's recoding):
/// Σ digit(s, i·c, c)·2^(i·c) = s.
fn digit(scalar: &[u64; 4], from: u32, c: u32) -> i32 {
    // c + 1 bits, the lowest of them belongs to the window below.
    let window = if from == 0 {
        bits_at(scalar, 0, c) << 1
    } else {
        bits_at(scalar, from - 1, c + 1)
    };
    let magnitude = (window >> 1) + (window & 1);
    if window >> c & 1 == 0 {
        magnitude as i32
    } else {
        magnitude as i32 - (1 << c)
    }
}

fn bits_at(scalar: &[u64; 4], from: u32, count: u32) -> u64 {
    let (word, shift) = ((from / 64) as usize, from % 64);
    let low = scalar.get(word).copied().unwrap_or(0) >> shift;
    let high = match shift {
        0 => 0,
        _ => scalar.get(word + 1).copied().unwrap_or(0) << (64 - shift),
    };
    (low | high) & ((1 << count) - 1)
}

fn words(scalar: &Fr) -> [u64; 4] {
    let repr = scalar.to_repr();
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(repr.chunks_exact(8)) {
        let mut buffer = [0; 8];
        buffer.copy_from_slice(bytes);
        *word = u64::from_le_bytes(buffer);
    }
    words
}

fn bits(words: &[u64; 4]) -> u32 {
    (0..4u32)
        .rev()
        .find(|i| words[*i as usize] != 0)
        .map_or(0, |i| 64 * (i + 1) - words[i as usize].leading_zeros())
}

/// Affine forms of sums.
pub fn normalise(sums: &[G1]) -> Vec<G1Affine> {
    let mut points = vec![G1Affine::identity(); sums.len()];
    G1::batch_normalize(sums, &mut points);
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha20Rng;

    fn slow(scalars: &[Fr], bases: &[G1Affine]) -> G1 {
        scalars.iter().zip(bases).map(|(s, b)| b * s).sum()
    }

    #[test]
    fn it_is_the_sum_for_all_lengths_of_scalars() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        for n in [0, 1, 3, FEW - 1, FEW, 33, 200, 1000] {
            let bases: Vec<G1Affine> = (0..n).map(|_| G1::random(&mut rng).to_affine()).collect();
            let wide: Vec<Fr> = (0..n).map(|_| Fr::random(&mut rng)).collect();
            let small: Vec<Fr> = (0..n)
                .map(|_| Fr::from(rng.gen_range(0..1u64 << 13)))
                .collect();
            let mixed: Vec<Fr> = (0..n)
                .map(|i| match i % 5 {
                    0 => Fr::ZERO,
                    1 => -Fr::ONE,
                    2 => Fr::from(u64::MAX),
                    3 => Fr::from(rng.gen::<u64>() >> (i % 64)),
                    _ => Fr::random(&mut rng),
                })
                .collect();
            for scalars in [wide, small, mixed] {
                let sum = slow(&scalars, &bases);
                for ifma in [None, Ifma::detect()] {
                    assert_eq!(msm_with(ifma, &scalars, &bases), sum, "{n} points");
                }
            }
        }
    }

    #[test]
    fn equal_and_opposite_points_meet_in_a_bucket() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let p = G1::random(&mut rng).to_affine();
        let bases: Vec<G1Affine> = (0..64).map(|i| if i % 3 == 0 { -p } else { p }).collect();
        for scalars in [vec![Fr::from(5); 64], vec![-Fr::from(5); 64], {
            (0..64u64).map(|i| Fr::from(i % 4)).collect()
        }] {
            let sum = slow(&scalars, &bases);
            for ifma in [None, Ifma::detect()] {
                assert_eq!(msm_with(ifma, &scalars, &bases), sum);
            }
        }
    }

    #[test]
    fn digits_recompose() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        for c in 2..=18 {
            for scalar in [Fr::random(&mut rng), -Fr::ONE, Fr::from(u64::MAX)] {
                let limbs = words(&scalar);
                let count = (bits(&limbs) + 1).div_ceil(c);
                let sum = (0..count).rev().fold(Fr::ZERO, |sum, w| {
                    let digit = digit(&limbs, w * c, c);
                    let magnitude = Fr::from(u64::from(digit.unsigned_abs()));
                    let signed = if digit < 0 { -magnitude } else { magnitude };
                    sum * Fr::from(1u64 << c) + signed
                });
                assert_eq!(sum, scalar, "window {c}");
            }
        }
    }
}
