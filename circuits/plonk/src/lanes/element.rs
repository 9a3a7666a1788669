//! Eight elements of a prime field of 254 bits, in limbs of 52 bits.
//!
//! A value x stands for itself, not reduced, with limbs that may be negative or longer than 52 bits
//! until [`Lanes::carried`]. Montgomery's product here divides by 2^260, while halo2curves keeps a
//! as a·2^256: multiplied by a factor that is kept as b·2^260, it gives a·b·2^256. So products of
//! values in halo2curves' form need no change of form, only one factor shifted by four bits.
//!
//! Bounds are counted in multiples of the modulus p; 2^260 is more than 84·p, so the product of
//! values below α·p and β·p is below (αβ/84 + 1)·p (Montgomery, "Modular multiplication without
//! trial division").

use std::{arch::x86_64::*, marker::PhantomData};

use halo2_proofs::halo2curves::bn256::{Fq, Fr};

const LIMBS: usize = 5;
const MASK: u64 = (1 << 52) - 1;

/// A field whose elements are four 64-bit words in memory.
pub trait Words: Copy {
    /// The modulus.
    const MODULUS: [u64; 4];
}

impl Words for Fr {
    const MODULUS: [u64; 4] = [
        0x43e1_f593_f000_0001,
        0x2833_e848_79b9_7091,
        0xb850_45b6_8181_585d,
        0x3064_4e72_e131_a029,
    ];
}

impl Words for Fq {
    const MODULUS: [u64; 4] = [
        0x3c20_8c16_d87c_fd47,
        0x9781_6a91_6871_ca8d,
        0xb850_45b6_8181_585d,
        0x3064_4e72_e131_a029,
    ];
}

// Both are structures of one field, [u64; 4] (halo2curves' fq.rs and fr.rs). Of the same size, it
// fills the structure.
const _: () = assert!(size_of::<Fr>() == 32 && size_of::<Fq>() == 32);

const fn limbs(w: [u64; 4]) -> [u64; LIMBS] {
    [
        w[0] & MASK,
        (w[0] >> 52 | w[1] << 12) & MASK,
        (w[1] >> 40 | w[2] << 24) & MASK,
        (w[2] >> 28 | w[3] << 36) & MASK,
        w[3] >> 16,
    ]
}

/// −1/p modulo 2^52, by Newton's iteration.
const fn minus_inverse(p: u64) -> u64 {
    let mut inverse = 1u64;
    let mut step = 0;
    while step < 6 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(p.wrapping_mul(inverse)));
        step += 1;
    }
    inverse.wrapping_neg() & MASK
}

/// 2^260 − p.
const fn complement(p: [u64; LIMBS]) -> [u64; LIMBS] {
    let mut out = [0; LIMBS];
    let mut i = 0;
    while i < LIMBS {
        out[i] = MASK - p[i];
        i += 1;
    }
    // p is odd: no carry out of the lowest limb.
    out[0] += 1;
    out
}

struct Constants<F>(PhantomData<F>);

impl<F: Words> Constants<F> {
    const P: [u64; LIMBS] = limbs(F::MODULUS);
    const MINUS_INVERSE: u64 = minus_inverse(F::MODULUS[0]);
    const COMPLEMENT: [u64; LIMBS] = complement(Self::P);
    /// ⌊2^260/p⌋.
    const QUOTIENT: u64 = (1 << 52) / (Self::P[4] + 1);
}

/// Eight elements.
#[derive(Clone, Copy, Debug)]
pub struct Lanes<F> {
    limbs: [__m512i; LIMBS],
    field: PhantomData<F>,
}

impl<F: Words> Lanes<F> {
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn new(limbs: [__m512i; LIMBS]) -> Self {
        Self {
            limbs,
            field: PhantomData,
        }
    }

    /// The same value in all lanes.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn splat(value: &F) -> Self {
        Self::broadcast(&limbs(words(value)))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn broadcast(limbs: &[u64; LIMBS]) -> Self {
        let mut all = [_mm512_setzero_si512(); LIMBS];
        for (all, limb) in all.iter_mut().zip(limbs) {
            *all = _mm512_set1_epi64(*limb as i64);
        }
        Self::new(all)
    }

    /// From rows of words: `rows[i]` has word i of each lane.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn from_words(w: [__m512i; 4]) -> Self {
        let mask = _mm512_set1_epi64(MASK as i64);
        let both = |high, low| _mm512_and_si512(_mm512_or_si512(high, low), mask);
        Self::new([
            _mm512_and_si512(w[0], mask),
            both(_mm512_srli_epi64::<52>(w[0]), _mm512_slli_epi64::<12>(w[1])),
            both(_mm512_srli_epi64::<40>(w[1]), _mm512_slli_epi64::<24>(w[2])),
            both(_mm512_srli_epi64::<28>(w[2]), _mm512_slli_epi64::<36>(w[3])),
            _mm512_srli_epi64::<16>(w[3]),
        ])
    }

    /// Words of carried values below 2^256.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn to_words(self) -> [__m512i; 4] {
        let l = self.limbs;
        let both = |high, low| _mm512_or_si512(high, low);
        [
            both(l[0], _mm512_slli_epi64::<52>(l[1])),
            both(_mm512_srli_epi64::<12>(l[1]), _mm512_slli_epi64::<40>(l[2])),
            both(_mm512_srli_epi64::<24>(l[2]), _mm512_slli_epi64::<28>(l[3])),
            both(_mm512_srli_epi64::<36>(l[3]), _mm512_slli_epi64::<16>(l[4])),
        ]
    }

    /// Below p.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn load(values: &[F; 8]) -> Self {
        let at = values.as_ptr().cast::<__m512i>();
        // SAFETY: eight elements of 32 bytes are four unaligned vectors.
        let z = unsafe {
            [
                _mm512_loadu_si512(at),
                _mm512_loadu_si512(at.add(1)),
                _mm512_loadu_si512(at.add(2)),
                _mm512_loadu_si512(at.add(3)),
            ]
        };
        let even = _mm512_setr_epi64(0, 4, 1, 5, 8, 12, 9, 13);
        let odd = _mm512_setr_epi64(2, 6, 3, 7, 10, 14, 11, 15);
        let low = [
            _mm512_unpacklo_epi64(z[0], z[1]),
            _mm512_unpacklo_epi64(z[2], z[3]),
        ];
        let high = [
            _mm512_unpackhi_epi64(z[0], z[1]),
            _mm512_unpackhi_epi64(z[2], z[3]),
        ];
        Self::from_words([
            _mm512_permutex2var_epi64(low[0], even, low[1]),
            _mm512_permutex2var_epi64(high[0], even, high[1]),
            _mm512_permutex2var_epi64(low[0], odd, low[1]),
            _mm512_permutex2var_epi64(high[0], odd, high[1]),
        ])
    }

    /// Stores values below 64·p, reduced.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn store(self, values: &mut [F; 8]) {
        let w = self.reduced().to_words();
        let low = [
            _mm512_unpacklo_epi64(w[0], w[1]),
            _mm512_unpacklo_epi64(w[2], w[3]),
        ];
        let high = [
            _mm512_unpackhi_epi64(w[0], w[1]),
            _mm512_unpackhi_epi64(w[2], w[3]),
        ];
        // Each of `low` and `high` has two words of elements 0, 2, 4, 6 and 1, 3, 5, 7.
        let front = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
        let back = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
        let at = values.as_mut_ptr().cast::<__m512i>();
        for (i, order) in [front, back].into_iter().enumerate() {
            let even = _mm512_permutex2var_epi64(low[0], order, low[1]);
            let odd = _mm512_permutex2var_epi64(high[0], order, high[1]);
            // SAFETY: eight elements of 32 bytes are four unaligned vectors, and their words are
            // below p: elements.
            unsafe {
                _mm512_storeu_si512(at.add(2 * i), _mm512_shuffle_i64x2::<0x44>(even, odd));
                _mm512_storeu_si512(at.add(2 * i + 1), _mm512_shuffle_i64x2::<0xee>(even, odd));
            }
        }
    }

    /// Moves what exceeds 52 bits of a limb to the next.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn carried(self) -> Self {
        let mask = _mm512_set1_epi64(MASK as i64);
        let mut l = self.limbs;
        for i in 0..LIMBS - 1 {
            l[i + 1] = _mm512_add_epi64(l[i + 1], _mm512_srai_epi64::<52>(l[i]));
            l[i] = _mm512_and_si512(l[i], mask);
        }
        Self::new(l)
    }

    /// Below p and carried, for values from 0 to 64·p.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn reduced(self) -> Self {
        let (mask, zero) = (_mm512_set1_epi64(MASK as i64), _mm512_setzero_si512());
        // q is ⌊x/p⌋ or less, by less than two; x + q·(2^260 − p) is x − q·p modulo 2^260.
        let x = self.carried().limbs;
        let quotient = _mm512_set1_epi64(Constants::<F>::QUOTIENT as i64);
        let q = _mm512_madd52hi_epu64(zero, x[4], quotient);
        let mut r = x;
        for (i, c) in Constants::<F>::COMPLEMENT.into_iter().enumerate() {
            let c = _mm512_set1_epi64(c as i64);
            r[i] = _mm512_madd52lo_epu64(r[i], q, c);
            if i + 1 < LIMBS {
                r[i + 1] = _mm512_madd52hi_epu64(r[i + 1], q, c);
            }
        }
        let mut r = Self::new(r).carried();
        r.limbs[4] = _mm512_and_si512(r.limbs[4], mask);
        let less = r.minus(&Self::broadcast(&Constants::<F>::P)).carried();
        let negative = _mm512_cmplt_epi64_mask(less.limbs[4], zero);
        for (limb, kept) in r.limbs.iter_mut().zip(less.limbs) {
            *limb = _mm512_mask_mov_epi64(kept, negative, *limb);
        }
        r
    }

    /// self + other.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn plus(self, other: &Self) -> Self {
        let mut sum = self.limbs;
        for (limb, other) in sum.iter_mut().zip(other.limbs) {
            *limb = _mm512_add_epi64(*limb, other);
        }
        Self::new(sum)
    }

    /// self − other, which may be negative.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn minus(self, other: &Self) -> Self {
        let mut difference = self.limbs;
        for (limb, other) in difference.iter_mut().zip(other.limbs) {
            *limb = _mm512_sub_epi64(*limb, other);
        }
        Self::new(difference)
    }

    /// self − other + `MULTIPLE`·p.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn minus_plus<const MULTIPLE: u64>(self, other: &Self) -> Self {
        let mut sum = self.limbs;
        for ((limb, other), p) in sum.iter_mut().zip(other.limbs).zip(Constants::<F>::P) {
            let multiple = _mm512_set1_epi64((p * MULTIPLE) as i64);
            *limb = _mm512_sub_epi64(_mm512_add_epi64(*limb, multiple), other);
        }
        Self::new(sum)
    }

    /// self − other + multiple·p, for `other` up to multiple·p, at most 64·p.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn minus_within(self, other: &Self, multiple: u64) -> Self {
        let mut sum = self.limbs;
        for ((limb, other), p) in sum.iter_mut().zip(other.limbs).zip(Constants::<F>::P) {
            let multiple = _mm512_set1_epi64((p * multiple) as i64);
            *limb = _mm512_sub_epi64(_mm512_add_epi64(*limb, multiple), other);
        }
        Self::new(sum)
    }

    /// 16·self, for carried values below 2^256: of a·2^256 it makes a·2^260.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn shifted(self) -> Self {
        let mut shifted = self.limbs;
        for limb in &mut shifted {
            *limb = _mm512_slli_epi64::<4>(*limb);
        }
        Self::new(shifted).carried()
    }

    /// `other` in some lanes.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn or(self, lanes: __mmask8, other: &Self) -> Self {
        let mut out = self.limbs;
        for (limb, other) in out.iter_mut().zip(other.limbs) {
            *limb = _mm512_mask_mov_epi64(*limb, lanes, other);
        }
        Self::new(out)
    }

    /// self·other/2^260 modulo p, both carried; not carried.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn times(self, other: &Self) -> Self {
        let (zero, mask) = (_mm512_setzero_si512(), _mm512_set1_epi64(MASK as i64));
        let p = Self::broadcast(&Constants::<F>::P).limbs;
        let minus_inverse = _mm512_set1_epi64(Constants::<F>::MINUS_INVERSE as i64);
        let mut sum = [zero; LIMBS + 1];
        for a in self.limbs {
            for (sum, b) in sum.iter_mut().zip(other.limbs) {
                *sum = _mm512_madd52lo_epu64(*sum, a, b);
            }
            let m = _mm512_and_si512(_mm512_madd52lo_epu64(zero, sum[0], minus_inverse), mask);
            for (sum, p) in sum.iter_mut().zip(p) {
                *sum = _mm512_madd52lo_epu64(*sum, m, p);
            }
            let carry = _mm512_srli_epi64::<52>(sum[0]);
            for j in 0..LIMBS {
                let high = _mm512_madd52hi_epu64(sum[j + 1], a, other.limbs[j]);
                sum[j] = _mm512_madd52hi_epu64(high, m, p[j]);
            }
            sum[0] = _mm512_add_epi64(sum[0], carry);
            sum[LIMBS] = zero;
        }
        let [a, b, c, d, e, _] = sum;
        Self::new([a, b, c, d, e])
    }
}

/// The words of an element.
pub fn words<F: Words>(value: &F) -> [u64; 4] {
    // SAFETY: an element is [u64; 4] (above).
    unsafe { *std::ptr::from_ref(value).cast::<[u64; 4]>() }
}

/// Column i of the rows as row i.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub fn transposed(rows: [__m512i; 8]) -> [__m512i; 8] {
    let front = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
    let back = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
    let (mut low, mut high) = ([rows[0]; 4], [rows[0]; 4]);
    for i in 0..4 {
        low[i] = _mm512_unpacklo_epi64(rows[2 * i], rows[2 * i + 1]);
        high[i] = _mm512_unpackhi_epi64(rows[2 * i], rows[2 * i + 1]);
    }
    let mut columns = rows;
    for (odd, pairs) in [low, high].into_iter().enumerate() {
        for (i, order) in [front, back].into_iter().enumerate() {
            let top = _mm512_permutex2var_epi64(pairs[0], order, pairs[1]);
            let bottom = _mm512_permutex2var_epi64(pairs[2], order, pairs[3]);
            columns[2 * i + odd] = _mm512_shuffle_i64x2::<0x44>(top, bottom);
            columns[2 * i + odd + 4] = _mm512_shuffle_i64x2::<0xee>(top, bottom);
        }
    }
    columns
}

impl<F: Words> Lanes<F> {
    /// Eight vectors of eight elements, the other way round.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn transposed(vectors: [Self; 8]) -> [Self; 8] {
        let mut out = vectors;
        for limb in 0..LIMBS {
            let mut rows = [vectors[0].limbs[limb]; 8];
            for (row, vector) in rows.iter_mut().zip(&vectors) {
                *row = vector.limbs[limb];
            }
            let columns = transposed(rows);
            for (to, column) in out.iter_mut().zip(columns) {
                to.limbs[limb] = column;
            }
        }
        out
    }
}

#[cfg(test)]
mod tests;
