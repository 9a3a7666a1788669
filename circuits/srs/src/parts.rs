//! An SRS in parts: valid points, which may or may not be an SRS together.

use halo2_proofs::arithmetic::{best_multiexp, g_to_lagrange};
use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1Affine, G2Affine, G1};
use halo2_proofs::halo2curves::ff::{BatchInvert, Field, PrimeField};
use halo2_proofs::halo2curves::group::{prime::PrimeCurveAffine, Curve, Group};
use halo2_proofs::halo2curves::pairing::Engine;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;

/// Terms of a sum that are computed at a time: what bounds the memory of a check.
const CHUNK: usize = 1 << 17;

/// The points of an SRS of size 2^k. Both bases have 2^k points; Lagrange points may be missing until
/// [`Parts::complete`] computes them.
pub(super) struct Parts {
    pub(super) k: u32,
    pub(super) g: Vec<G1Affine>,
    pub(super) g_lagrange: Vec<G1Affine>,
    pub(super) g2: G2Affine,
    pub(super) s_g2: G2Affine,
}

/// A random number z, and P = Σ z^i g_i.
struct Drawn {
    z: Fr,
    powers: G1,
}

impl Parts {
    /// The bases start with the generators, and G1's second point has the secret of G2's.
    pub(super) fn check_generators(&self) -> Result<(), &'static str> {
        let (first, second) = match self.g.as_slice() {
            [first, second, ..] => (*first, *second),
            _ => return Err("it has fewer than two powers in G1"),
        };
        if first != G1Affine::generator() {
            return Err("its first point is not the generator of G1");
        }
        if self.g2 != G2Affine::generator() {
            return Err("its point of G2 is not the generator");
        }
        if Bn256::pairing(&first, &self.s_g2) != Bn256::pairing(&second, &self.g2) {
            return Err("its secret in G2 is not the one in G1");
        }
        Ok(())
    }

    /// Checks everything, and computes Lagrange points where there are none: a transform over the group, so all
    /// that is cheaper is checked before.
    pub(super) fn complete(&mut self, rng: &mut impl RngCore) -> Result<(), &'static str> {
        self.check_generators()?;
        let drawn = self.check_powers(rng)?;
        if self.g_lagrange.is_empty() {
            tracing::info!("computing the Lagrange points of k = {}", self.k);
            let powers = self.g.iter().map(PrimeCurveAffine::to_curve);
            self.g_lagrange = g_to_lagrange(powers.collect(), self.k);
        }
        self.check_lagrange(&drawn)
    }

    /// All powers, and all Lagrange points, belong to the secret in G2.
    ///
    /// For a random z let P = Σ z^i g_i. The sum over all but the last power is P − z^(n-1) g_(n-1),
    /// and Σ z^i g_(i+1) over as many is (P − g_0)/z, so one pairing equation says that each power is
    /// the secret times the one before, unless z is a root of a polynomial of degree below n. P is
    /// also the commitment to Σ (zX)^i, whose value at ω^j is (z^n − 1)/(zω^j − 1): the same sum over
    /// the Lagrange points. One point that differs anywhere passes with probability n/r < 2^-227.
    pub(super) fn check_structure(&self, rng: &mut impl RngCore) -> Result<(), &'static str> {
        let drawn = self.check_powers(rng)?;
        self.check_lagrange(&drawn)
    }

    /// All powers belong to the secret in G2, which is not in the domain: there all Lagrange points but one are the
    /// identity, which the formulas of sums leave out, and anybody could compute the secret.
    fn check_powers(&self, rng: &mut impl RngCore) -> Result<Drawn, &'static str> {
        let n = 1u64 << self.k;
        let (Some(first), Some(last)) = (self.g.first(), self.g.last()) else {
            return Err("it has no points");
        };
        // The secret times the last power, whose exponent is n − 1, is the generator.
        if Bn256::pairing(last, &self.s_g2) == Bn256::pairing(first, &self.g2) {
            return Err("its secret is a root of unity of the domain");
        }
        let z = loop {
            let z = Fr::random(&mut *rng);
            // Not in the domain, where the closed form would divide by zero.
            if z != Fr::ZERO && z.pow_vartime([n]) != Fr::ONE {
                break z;
            }
        };
        let powers = sum(&self.g, |start, scalars| {
            let mut power = z.pow_vartime([start as u64]);
            for scalar in scalars {
                *scalar = power;
                power *= z;
            }
        });
        let all_but_last = powers - *last * z.pow_vartime([n - 1]);
        let shifted = (powers - first) * z.invert().unwrap_or(Fr::ZERO);
        let left = Bn256::pairing(&all_but_last.to_affine(), &self.s_g2);
        if left != Bn256::pairing(&shifted.to_affine(), &self.g2) {
            return Err("its points in G1 are not the powers of one secret");
        }
        Ok(Drawn { z, powers })
    }

    /// All Lagrange points belong to the powers.
    fn check_lagrange(&self, drawn: &Drawn) -> Result<(), &'static str> {
        let z = drawn.z;
        let omega = (self.k..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square());
        let numerator = z.pow_vartime([1u64 << self.k]) - Fr::ONE;
        let lagrange = sum(&self.g_lagrange, |start, scalars| {
            let mut root = z * omega.pow_vartime([start as u64]);
            for scalar in scalars.iter_mut() {
                *scalar = root - Fr::ONE;
                root *= omega;
            }
            scalars.iter_mut().batch_invert();
            for scalar in scalars {
                *scalar *= numerator;
            }
        });
        if lagrange != drawn.powers {
            return Err("its Lagrange points do not belong to its powers");
        }
        Ok(())
    }

    /// Puts the parts together, as they are.
    pub(super) fn assemble(self) -> ParamsKZG<Bn256> {
        // `from_parts` is a method, though it reads nothing of its receiver: any parameters serve.
        let receiver = ParamsKZG::<Bn256>::setup(0, ChaCha20Rng::from_seed([0; 32]));
        receiver.from_parts(self.k, self.g, Some(self.g_lagrange), self.g2, self.s_g2)
    }
}

/// Σ c_i · points_i, where `fill(start, chunk)` writes the coefficients from index `start` on.
fn sum(points: &[G1Affine], fill: impl Fn(usize, &mut [Fr])) -> G1 {
    let mut scalars = vec![Fr::ZERO; CHUNK.min(points.len())];
    let mut total = G1::identity();
    for (index, chunk) in points.chunks(CHUNK).enumerate() {
        let scalars = scalars.get_mut(..chunk.len()).unwrap_or_default();
        fill(index * CHUNK, scalars);
        total += best_multiexp(scalars, chunk);
    }
    total
}
