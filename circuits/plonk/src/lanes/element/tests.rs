//! Every operation, against halo2curves.

use super::*;
use crate::lanes::Ifma;
use halo2_proofs::halo2curves::ff::PrimeField;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

fn values<F: PrimeField>() -> Vec<F> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let limb = F::from(2).pow_vartime([52]);
    // 2^52 − 1 in all limbs but the highest, among others.
    let long = limb.pow_vartime([4]) - F::ONE;
    let mut values = vec![F::ZERO, F::ONE, -F::ONE, limb, limb - F::ONE, long, -long];
    // So that memory, and not only the value, has the same: 2^-256 times them.
    let memory = F::from(2).pow_vartime([256]).invert().unwrap();
    values.extend(values.clone().into_iter().map(|value| value * memory));
    values.resize_with(64, || F::random(&mut rng));
    values
}

/// (a·b + 60·b, a − b) in lanes.
#[target_feature(enable = "avx512f,avx512ifma")]
fn operations<F: Words>(a: &[F; 8], b: &[F; 8], out: [&mut [F; 8]; 4]) {
    let (a, b) = (Lanes::load(a), Lanes::load(b));
    let [product, many, difference, same] = out;
    let mut sum = a.shifted().times(&b);
    sum.store(product);
    for _ in 0..60 {
        sum = sum.plus(&b);
    }
    sum.store(many);
    a.minus_plus::<2>(&b).store(difference);
    Lanes::transposed(Lanes::transposed([a, b, a, b, a, b, a, b]))[0].store(same);
}

fn check<F: Words + PrimeField>() {
    if Ifma::detect().is_none() {
        return;
    }
    let modulus = Constants::<F>::P;
    let minus_one = (-F::ONE) * F::from(2).pow_vartime([256]).invert().unwrap();
    let mut below = words(&minus_one);
    below[0] += 1;
    assert_eq!(limbs(below), modulus);
    let values = values::<F>();
    for (i, a) in values.as_chunks::<8>().0.iter().enumerate() {
        for shift in 0..values.len() {
            let b: [F; 8] = std::array::from_fn(|l| values[(8 * i + l + shift) % 64]);
            let mut out = [[F::ZERO; 8]; 4];
            let [p, m, d, s] = &mut out;
            // SAFETY: the processor has the features.
            unsafe { operations(a, &b, [p, m, d, s]) };
            for l in 0..8 {
                let product = a[l] * b[l];
                assert_eq!(out[0][l], product);
                assert_eq!(out[1][l], product + b[l] * F::from(60));
                assert_eq!(out[2][l], a[l] - b[l]);
                assert_eq!(out[3][l], a[l]);
            }
        }
    }
}

#[test]
fn operations_are_those_of_halo2curves() {
    check::<Fr>();
    check::<Fq>();
}
