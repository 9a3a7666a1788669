//! Fourier transforms of eight times 2^j values: eight of 2^j, one in each lane, and three layers
//! across the lanes.
//!
//! Lane l transforms the coefficients l, l + 8, l + 16, …; a block of eight consecutive values is
//! loaded as it is. After that value b of lane l stands at (bit-reversed l)·2^j + b of the order in
//! which the last three layers merge runs. Eight blocks turned the other way round have eight
//! consecutive rows of each run, which these layers merge lane by lane, and which are stored as they
//! are.
//!
//! A layer adds at most 2·p to the values: they are reduced once, when they are stored.

use halo2_proofs::halo2curves::bn256::Fr;
use rayon::prelude::*;

use super::{element::Lanes, Ifma};

/// Up to so many blocks are transformed on one thread.
const SERIAL: usize = 1 << 10;
/// Up to so many are transformed layer by layer: they fit the innermost cache.
const CACHED: usize = 1 << 6;
/// Blocks of one task.
const TASK: usize = 1 << 7;
/// The order of 0, …, 7 by their reversed bits.
const REVERSED: [usize; 8] = [0, 4, 2, 6, 1, 5, 3, 7];

/// The factors of all layers, times 2^4: as they are multiplied by.
#[derive(Clone, Debug)]
pub struct Twiddles {
    ifma: Ifma,
    /// Those of the layer that merges runs of m values start at m.
    factors: Vec<Fr>,
}

type Block = Lanes<Fr>;
impl Twiddles {
    /// Of factors as a domain has them, of at least 64 values.
    pub fn new(ifma: Ifma, factors: &[Fr]) -> Option<Self> {
        let ready = |value: &Fr| *value * Self::factor();
        (factors.len() >= 64).then(|| Self {
            ifma,
            factors: factors.iter().map(ready).collect(),
        })
    }

    /// What a number is times to be multiplied by.
    pub fn factor() -> Fr {
        Fr::from(1 << 4)
    }

    /// Transforms `values` in place, and multiplies by `scale`.
    pub fn transform(&self, values: &mut [Fr], scale: Fr) {
        let _ = self.ifma;
        // SAFETY: the processor has the features, or there were no `ifma`.
        unsafe {
            let blocks = self.load(values, scale);
            self.run(blocks, values);
        }
    }

    /// The transform of `source[i]·powers[i]`; `powers` are times [`Self::factor`].
    pub fn transform_scaled(&self, source: &[Fr], powers: &[Fr], values: &mut [Fr]) {
        // SAFETY: as above.
        unsafe {
            let blocks = self.load_scaled(source, powers);
            self.run(blocks, values);
        }
    }

    /// The blocks in bit-reversed order, times one factor.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn load(&self, source: &[Fr], scale: Fr) -> Vec<Block> {
        let scale = Lanes::splat(&(scale * Self::factor()));
        let (source, _) = source.as_chunks::<8>();
        let blocks = (0..source.len()).into_par_iter().with_min_len(TASK);
        let at = |b: usize| reversed(b, source.len());
        blocks.map(|b| load(&source[at(b)], &scale)).collect()
    }

    /// The same, each value times its own.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn load_scaled(&self, source: &[Fr], powers: &[Fr]) -> Vec<Block> {
        let ((source, _), (powers, _)) = (source.as_chunks::<8>(), powers.as_chunks::<8>());
        let blocks = (0..source.len()).into_par_iter().with_min_len(TASK);
        let at = |b: usize| reversed(b, source.len());
        blocks
            .map(|b| load(&source[at(b)], &Lanes::load(&powers[at(b)])))
            .collect()
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    fn run(&self, mut blocks: Vec<Block>, values: &mut [Fr]) {
        let count = blocks.len();
        self.merge(&mut blocks);

        // Eight rows of each run, as they are in memory: at l·count + b.
        let mut runs: Vec<_> = values
            .chunks_exact_mut(count)
            .map(|run| run.as_chunks_mut::<8>().0.iter_mut())
            .collect();
        let mut rows: Vec<[&mut [Fr; 8]; 8]> = Vec::with_capacity(count / 8);
        while let [Some(a), Some(b), Some(c), Some(d), Some(e), Some(f), Some(g), Some(h)] =
            std::array::from_fn(|l| runs.get_mut(l).and_then(Iterator::next))
        {
            rows.push([a, b, c, d, e, f, g, h]);
        }
        blocks
            .as_chunks::<8>()
            .0
            .par_iter()
            .zip(rows)
            .enumerate()
            .with_min_len(TASK / 8)
            .for_each(|(at, (blocks, rows))| self.across(*blocks, at, count, rows));
    }

    /// Decimation in time on each lane, of blocks in bit-reversed order.
    fn merge(&self, blocks: &mut [Block]) {
        let n = blocks.len();
        if n <= CACHED {
            let mut m = 1;
            while m < n {
                for run in blocks.chunks_exact_mut(2 * m) {
                    let (low, high) = run.split_at_mut(m);
                    unsafe { butterflies(low, high, &self.factors[m..2 * m]) }
                }
                m *= 2;
            }
            return;
        }
        let m = n / 2;
        let (low, high) = blocks.split_at_mut(m);
        if n <= SERIAL {
            self.merge(low);
            self.merge(high);
            return unsafe { butterflies(low, high, &self.factors[m..2 * m]) };
        }
        rayon::join(|| self.merge(low), || self.merge(high));
        low.par_chunks_mut(TASK)
            .zip(high.par_chunks_mut(TASK))
            .zip(self.factors[m..2 * m].par_chunks(TASK))
            .for_each(|((low, high), factors)| unsafe { butterflies(low, high, factors) });
    }

    /// The last three layers, for the rows of block `at` of each of eight runs of `count` values.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn across(&self, blocks: [Block; 8], at: usize, count: usize, rows: [&mut [Fr; 8]; 8]) {
        let lanes = Lanes::transposed(blocks);
        let mut runs = lanes;
        for (run, from) in runs.iter_mut().zip(REVERSED) {
            *run = lanes[from];
        }
        for m in [1, 2, 4] {
            let (factors, _) = self.factors[m * count..2 * m * count].as_chunks::<8>();
            for first in (0..8).step_by(2 * m) {
                for run in 0..m {
                    let factors = Lanes::load(&factors[run * count / 8 + at]);
                    let t = runs[first + run + m].carried().times(&factors);
                    let low = runs[first + run];
                    runs[first + run + m] = low.minus_plus::<2>(&t);
                    runs[first + run] = low.plus(&t);
                }
            }
        }
        for (row, run) in rows.into_iter().zip(runs) {
            run.store(row);
        }
    }
}

/// Where block `b` of `count` stands in bit-reversed order.
fn reversed(b: usize, count: usize) -> usize {
    b.reverse_bits() >> (usize::BITS - count.ilog2())
}

/// Eight values times a factor.
#[target_feature(enable = "avx512f,avx512ifma")]
fn load(values: &[Fr; 8], factor: &Block) -> Block {
    Lanes::load(values).times(factor)
}

/// `factors` are the same for all lanes.
#[target_feature(enable = "avx512f,avx512ifma")]
fn butterflies(low: &mut [Block], high: &mut [Block], factors: &[Fr]) {
    for ((low, high), factor) in low.iter_mut().zip(high).zip(factors) {
        let t = high.carried().times(&Lanes::splat(factor));
        *high = low.minus_plus::<2>(&t);
        *low = low.plus(&t);
    }
}
