//! Fourier transforms over the rows of a circuit, with all twiddle factors at hand.

use halo2_proofs::{
    arithmetic::Field,
    halo2curves::{bn256::Fr, ff::PrimeField},
};
use rayon::prelude::*;

use super::lanes::{Ifma, Twiddles};

/// Up to so many values a transform runs layer by layer on one thread, inside a core's cache.
const SERIAL: usize = 1 << 12;
/// Values of one task.
const TASK: usize = 1 << 10;

/// A coset s·⟨ω⟩ of a domain.
#[derive(Clone, Debug)]
pub struct Shift {
    /// s.
    pub by: Fr,
    /// The powers of s, times the vector unit's factor where that is used.
    powers: Vec<Fr>,
}

/// The 2^k-th roots of unity.
#[derive(Clone, Debug)]
pub struct Domain {
    k: u32,
    /// A primitive root.
    pub omega: Fr,
    inverse_n: Fr,
    /// The factors of the layer that merges runs of m values start at m.
    twiddles: Vec<Fr>,
    /// The same for the vector unit, where there is one and the domain is large enough.
    vector: Option<Twiddles>,
}

impl Domain {
    /// The domain of 2^k rows, k ≤ 28.
    pub fn new(k: u32) -> Self {
        Self::with(Ifma::detect(), k)
    }

    fn with(ifma: Option<Ifma>, k: u32) -> Self {
        let n = 1usize << k;
        let omega = (k..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square());
        let mut twiddles = vec![Fr::ONE; n.max(2)];
        // The top layer has ω^0 … ω^(n/2−1); each lower one every second factor of the one above.
        let half = n / 2;
        let mut power = Fr::ONE;
        for twiddle in &mut twiddles[half..] {
            *twiddle = power;
            power *= omega;
        }
        // Layer m stands at m … 2m − 1, so factor j of it is factor 2j of layer 2m.
        for at in (1..half).rev() {
            let m = 1 << at.ilog2();
            twiddles[at] = twiddles[2 * m + 2 * (at - m)];
        }
        let inverse_n = Option::from(Fr::from(n as u64).invert()).unwrap_or(Fr::ONE);
        Self {
            k,
            omega,
            inverse_n,
            vector: ifma.and_then(|ifma| Twiddles::new(ifma, &twiddles)),
            twiddles,
        }
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        1 << self.k
    }

    /// Values at ω^0, ω^1, … from coefficients.
    pub fn evaluate(&self, values: &mut [Fr]) {
        self.transform(values, Fr::ONE);
    }

    /// The values, times `scale`.
    fn transform(&self, values: &mut [Fr], scale: Fr) {
        if let Some(vector) = &self.vector {
            return vector.transform(values, scale);
        }
        self.reverse_bits(values);
        self.merge(values);
        if scale != Fr::ONE {
            values
                .par_chunks_mut(TASK)
                .flatten()
                .for_each(|value| *value *= scale);
        }
    }

    /// A coset.
    pub fn shift(&self, by: Fr) -> Shift {
        let first = match &self.vector {
            Some(_) => Twiddles::factor(),
            None => Fr::ONE,
        };
        let mut powers = vec![first; self.rows()];
        scale_by_powers(&mut powers, by);
        Shift { by, powers }
    }

    /// Values at s·ω^0, s·ω^1, … from coefficients.
    pub fn evaluate_on_coset(&self, coefficients: &[Fr], shift: &Shift, values: &mut [Fr]) {
        if let Some(vector) = &self.vector {
            return vector.transform_scaled(coefficients, &shift.powers, values);
        }
        let scaled = coefficients.par_iter().zip(&shift.powers);
        let products = scaled.map(|(coefficient, power)| *coefficient * power);
        let cells = values.par_iter_mut().zip(products);
        cells.for_each(|(value, product)| *value = product);
        self.transform(values, Fr::ONE);
    }

    /// Coefficients from values at ω^0, ω^1, ….
    pub fn interpolate(&self, values: &mut [Fr]) {
        self.transform(values, self.inverse_n);
        if let Some(tail) = values.get_mut(1..) {
            tail.reverse();
        }
    }

    fn reverse_bits(&self, values: &mut [Fr]) {
        if self.k == 0 {
            return;
        }
        for i in 0..values.len() {
            let j = i.reverse_bits() >> (usize::BITS - self.k);
            if i < j {
                values.swap(i, j);
            }
        }
    }

    /// Decimation in time, on values in bit-reversed order.
    fn merge(&self, values: &mut [Fr]) {
        let n = values.len();
        if n <= SERIAL {
            let mut m = 1;
            while m < n {
                for run in values.chunks_exact_mut(2 * m) {
                    let (low, high) = run.split_at_mut(m);
                    butterflies(low, high, &self.twiddles[m..2 * m]);
                }
                m *= 2;
            }
            return;
        }
        let m = n / 2;
        let (low, high) = values.split_at_mut(m);
        rayon::join(|| self.merge(low), || self.merge(high));
        low.par_chunks_mut(TASK)
            .zip(high.par_chunks_mut(TASK))
            .zip(self.twiddles[m..2 * m].par_chunks(TASK))
            .for_each(|((low, high), twiddles)| butterflies(low, high, twiddles));
    }
}

fn butterflies(low: &mut [Fr], high: &mut [Fr], twiddles: &[Fr]) {
    let mut pairs = low.iter_mut().zip(high.iter_mut()).zip(twiddles);
    if twiddles.first() == Some(&Fr::ONE) {
        if let Some(((low, high), _)) = pairs.next() {
            let t = *high;
            *high = *low - t;
            *low += t;
        }
    }
    for ((low, high), twiddle) in pairs {
        let t = *high * twiddle;
        *high = *low - t;
        *low += t;
    }
}

/// values[i] ·= base^i.
pub fn scale_by_powers(values: &mut [Fr], base: Fr) {
    let ifma = Ifma::detect();
    values
        .par_chunks_mut(TASK)
        .enumerate()
        .for_each(|(task, values)| {
            let first = base.pow_vartime([(task * TASK) as u64]);
            match (ifma, values.as_chunks_mut::<8>()) {
                (Some(ifma), (blocks, [])) => ifma.scale_by_powers(blocks, first, base),
                _ => scale_one_by_one(values, first, base),
            }
        });
}

/// values[i] ·= first·base^i.
pub(super) fn scale_one_by_one(values: &mut [Fr], first: Fr, base: Fr) {
    let mut power = first;
    for value in values {
        *value *= power;
        power *= base;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opening::evaluate;
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    #[test]
    fn transforms_are_evaluations_and_back() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let paths = [None, Ifma::detect()];
        let lengths = [0, 1, 2, 5, 6, 7, 9, 13, 14, 15];
        for (k, ifma) in lengths
            .into_iter()
            .flat_map(|k| paths.map(|path| (k, path)))
        {
            let domain = Domain::with(ifma, k);
            let coefficients: Vec<Fr> = (0..1 << k).map(|_| Fr::random(&mut rng)).collect();
            let shift = Fr::random(&mut rng);
            let mut values = vec![Fr::ZERO; coefficients.len()];
            domain.evaluate_on_coset(&coefficients, &domain.shift(shift), &mut values);
            for at in [0, 1, 3, (1 << k) - 1] {
                if let Some(value) = values.get(at) {
                    let point = shift * domain.omega.pow_vartime([at as u64]);
                    assert_eq!(*value, evaluate(&coefficients, point), "k = {k}, row {at}");
                }
            }
            let mut values = coefficients.clone();
            domain.evaluate(&mut values);
            domain.interpolate(&mut values);
            assert_eq!(values, coefficients, "k = {k}");
        }
    }
    #[test]
    fn values_are_scaled_the_same_in_vectors() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        for count in [0, 1, 7, 8, 64, 3 * TASK] {
            let mut values: Vec<Fr> = (0..count).map(|_| Fr::random(&mut rng)).collect();
            let mut expected = values.clone();
            let base = Fr::random(&mut rng);
            scale_one_by_one(&mut expected, Fr::ONE, base);
            scale_by_powers(&mut values, base);
            assert_eq!(values, expected, "{count} values");
        }
    }
}
