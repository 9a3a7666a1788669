//! Whether points that are valid one by one are an SRS together.

use halo2_proofs::arithmetic::{best_fft, best_multiexp};
use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1Affine, G2Affine};
use halo2_proofs::halo2curves::ff::PrimeField;
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;
use halo2_proofs::halo2curves::group::Curve;
use halo2_proofs::halo2curves::pairing::Engine;
use halo2_proofs::poly::commitment::{Blind, Params, ParamsProver};
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2_proofs::poly::EvaluationDomain;
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;

/// The bases start with the generators, and G1's second point has the secret of G2's.
pub(super) fn generators(params: &ParamsKZG<Bn256>) -> Result<(), &'static str> {
    let (first, second) = match params.get_g() {
        [first, second, ..] => (*first, *second),
        _ => return Err("it has fewer than two powers in G1"),
    };
    if first != G1Affine::generator() {
        return Err("its first point is not the generator of G1");
    }
    if params.g2() != G2Affine::generator() {
        return Err("its point of G2 is not the generator");
    }
    if Bn256::pairing(&first, &params.s_g2()) != Bn256::pairing(&second, &params.g2()) {
        return Err("its secret in G2 is not the one in G1");
    }
    Ok(())
}

/// All powers, and all Lagrange points, belong to the secret in G2.
///
/// With random 128-bit a_i, A = Σ a_i g_i over all but the last power and B = Σ a_i g_{i+1} satisfy
/// e(A, s·G2) = e(B, G2), and Σ a_i g_i over all is the commitment to the polynomial with these
/// coefficients in the Lagrange basis. A base that differs in any point passes with probability
/// 2^-128.
pub(super) fn structure(
    params: &ParamsKZG<Bn256>,
    rng: &mut impl RngCore,
) -> Result<(), &'static str> {
    let g = params.get_g();
    let mut rng = ChaCha20Rng::from_seed(rng.gen());
    let mut coefficients: Vec<Fr> = g.iter().map(|_| Fr::from_u128(rng.gen())).collect();
    let (Some((last, all_but_last)), Some((_, shifted)), Some((coefficient, short))) =
        (g.split_last(), g.split_first(), coefficients.split_last())
    else {
        return Err("it has no points");
    };
    let a = best_multiexp(short, all_but_last);
    let b = best_multiexp(short, shifted);
    let left = Bn256::pairing(&a.to_affine(), &params.s_g2());
    if left != Bn256::pairing(&b.to_affine(), &params.g2()) {
        return Err("its points in G1 are not the powers of one secret");
    }

    let commitment = a + last.to_curve() * coefficient;
    let domain = EvaluationDomain::<Fr>::new(1, params.k());
    let (omega, twiddles) = (domain.get_omega(), domain.get_fft_data(g.len()));
    best_fft(&mut coefficients, omega, params.k(), twiddles, false);
    let values = domain.lagrange_from_vec(coefficients);
    if params.commit_lagrange(&values, Blind::default()) != commitment {
        return Err("its Lagrange points do not belong to its powers");
    }
    Ok(())
}
