//! Fast generation of a development SRS: the secret is known while it is made.
//!
//! With the secret tau at hand, both bases are multiples of the generator by known scalars: the
//! powers of tau, and the Lagrange polynomials at tau by their closed form
//! `l_i(tau) = omega^i (tau^n - 1) / (n (tau - omega^i))`. Each chunk of points makes its own
//! scalars, so memory is the two bases, the window tables, and a chunk a thread.

use std::sync::atomic::{AtomicU64, Ordering};

use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1Affine, G2Affine};
use halo2_proofs::halo2curves::ff::{BatchInvert, Field, PrimeField};
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;
use halo2_proofs::halo2curves::group::Curve;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use rand::RngCore;
use rayon::prelude::*;

use super::fixed_base::{FixedBase, Scratch};
use super::parts::Parts;
use super::Progress;

/// Points that one task makes at a time: one inversion a window is shared by as many.
const CHUNK: usize = 1 << 10;

/// Draws a secret at which no Lagrange polynomial of a domain of size 2^k vanishes.
pub(super) fn draw_secret(k: u32, rng: &mut impl RngCore) -> Fr {
    loop {
        let tau = Fr::random(&mut *rng);
        let in_domain = tau.pow_vartime([1u64 << k]) == Fr::one();
        if tau != Fr::zero() && !in_domain {
            return tau;
        }
    }
}

/// The SRS of size 2^k for the secret `tau`, which must come from [`draw_secret`].
pub(super) fn generate(k: u32, tau: Fr, progress: Progress<'_>) -> ParamsKZG<Bn256> {
    let n = 1usize << k;
    let table = FixedBase::new(2 * n);
    let done = AtomicU64::new(0);
    let advance = |points: usize| {
        let points = points as u64;
        progress(done.fetch_add(points, Ordering::Relaxed) + points, 2 << k);
    };

    let g = basis(n, &table, &advance, |start, scalars| {
        let mut power = tau.pow_vartime([start as u64]);
        for scalar in scalars {
            *scalar = power;
            power *= tau;
        }
    });

    let omega = (k..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square());
    let n_inverse = Fr::TWO_INV.pow_vartime([u64::from(k)]);
    let factor = (tau.pow_vartime([n as u64]) - Fr::one()) * n_inverse;
    let g_lagrange = basis(n, &table, &advance, |start, scalars| {
        let first = omega.pow_vartime([start as u64]);
        let mut root = first;
        for scalar in scalars.iter_mut() {
            *scalar = tau - root;
            root *= omega;
        }
        scalars.iter_mut().batch_invert();
        let mut numerator = first * factor;
        for scalar in scalars.iter_mut() {
            *scalar *= numerator;
            numerator *= omega;
        }
    });

    let g2 = G2Affine::generator();
    let s_g2 = (g2 * tau).to_affine();
    Parts {
        k,
        g,
        g_lagrange,
        g2,
        s_g2,
    }
    .assemble()
}

/// Multiples of the generator by the scalars that `fill(start, chunk)` writes.
fn basis(
    n: usize,
    table: &FixedBase,
    advance: &(impl Fn(usize) + Sync),
    fill: impl Fn(usize, &mut [Fr]) + Sync,
) -> Vec<G1Affine> {
    let mut points = vec![G1Affine::identity(); n];
    points.par_chunks_mut(CHUNK).enumerate().for_each_init(
        Scratch::default,
        |scratch, (index, out)| {
            let mut scalars = vec![Fr::zero(); out.len()];
            fill(index * CHUNK, &mut scalars);
            table.multiply(&scalars, out, scratch);
            advance(out.len());
        },
    );
    points
}
