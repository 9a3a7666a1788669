//! The opening of all polynomials at all their points: SHPLONK (Boneh, Drake, Fisch, Gabizon,
//! "Efficient polynomial commitment schemes for multiple points and polynomials", section 4), in
//! the order that halo2's verifier expects.
//!
//! Polynomials with the same set of points Sᵢ are combined by powers of y, the sets by powers of v:
//!
//! ```text
//! Nᵢ = Σ_j y^j·P_ij,   Rᵢ interpolates Nᵢ on Sᵢ,   h = Σᵢ v^i·(Nᵢ − Rᵢ)/Z_{Sᵢ}
//! L = Σᵢ v^i·Z_{T∖Sᵢ}(u)·(Nᵢ − Rᵢ(u)) − Z_T(u)·h,   W = h,   W' = L/(X − u)/Z_{T∖S₀}(u)
//! ```

use std::io;

use halo2_proofs::{
    arithmetic::{lagrange_interpolate, Field},
    halo2curves::bn256::{Fr, G1Affine},
    transcript::{EncodedChallenge, TranscriptWrite},
};
use rayon::prelude::*;

use super::{commit::CommitKey, lanes::Ifma};

/// A polynomial and one of the points that it is opened at.
#[derive(Clone, Copy)]
pub struct Opening<'a> {
    /// Coefficients.
    pub polynomial: &'a [Fr],
    /// Tells polynomials apart.
    pub id: usize,
    /// The point.
    pub point: Fr,
}

struct PointSet<'a> {
    points: Vec<Fr>,
    polynomials: Vec<&'a [Fr]>,
}

/// Polynomials by their sets of points, sets and polynomials in order of first appearance.
fn point_sets<'a>(openings: &[Opening<'a>]) -> Vec<PointSet<'a>> {
    let mut polynomials: Vec<(usize, &'a [Fr], Vec<Fr>)> = Vec::new();
    for opening in openings {
        match polynomials.iter_mut().find(|(id, ..)| *id == opening.id) {
            Some((_, _, points)) => points.push(opening.point),
            None => polynomials.push((opening.id, opening.polynomial, vec![opening.point])),
        }
    }
    let mut sets: Vec<PointSet<'a>> = Vec::new();
    for (_, polynomial, mut points) in polynomials {
        points.sort();
        match sets.iter_mut().find(|set| set.points == points) {
            Some(set) => set.polynomials.push(polynomial),
            None => sets.push(PointSet {
                points,
                polynomials: vec![polynomial],
            }),
        }
    }
    sets
}

/// Opens everything in `openings`; writes two points.
pub fn open<E, T>(
    key: &CommitKey<'_>,
    openings: &[Opening<'_>],
    transcript: &mut T,
) -> io::Result<()>
where
    E: EncodedChallenge<G1Affine>,
    T: TranscriptWrite<G1Affine, E>,
{
    let y = *transcript.squeeze_challenge_scalar::<()>();
    let v = *transcript.squeeze_challenge_scalar::<()>();
    let sets = point_sets(openings);
    let combined: Vec<(Vec<Fr>, Vec<Fr>)> = sets
        .par_iter()
        .map(|set| {
            let sum = combine(&set.polynomials, y);
            let values: Vec<Fr> = set
                .points
                .iter()
                .map(|point| evaluate(&sum, *point))
                .collect();
            let remainder = lagrange_interpolate(&set.points, &values);
            (sum, remainder)
        })
        .collect();

    let quotients: Vec<Vec<Fr>> = sets
        .par_iter()
        .zip(&combined)
        .map(|(set, (sum, remainder))| {
            let mut quotient = sum.clone();
            for (coefficient, r) in quotient.iter_mut().zip(remainder) {
                *coefficient -= r;
            }
            for point in &set.points {
                divide(&mut quotient, *point);
            }
            quotient
        })
        .collect();
    let quotients: Vec<&[Fr]> = quotients.iter().map(Vec::as_slice).collect();
    let h = combine(&quotients, v);
    write(key, &h, transcript)?;

    let u = *transcript.squeeze_challenge_scalar::<()>();
    let mut all: Vec<Fr> = sets.iter().flat_map(|set| set.points.clone()).collect();
    all.sort();
    all.dedup();
    let vanishing = |points: &mut dyn Iterator<Item = &Fr>| -> Fr {
        points.fold(Fr::ONE, |product, point| product * (u - point))
    };
    let others: Vec<Fr> = sets
        .iter()
        .map(|set| vanishing(&mut all.iter().filter(|point| !set.points.contains(point))))
        .collect();
    let mut weight = Fr::ONE;
    let mut linear = vec![Fr::ZERO; h.len()];
    for ((sum, remainder), other) in combined.iter().zip(&others) {
        let factor = weight * other;
        add_scaled(&mut linear, sum, factor);
        linear[0] -= evaluate(remainder, u) * factor;
        weight *= v;
    }
    add_scaled(&mut linear, &h, -vanishing(&mut all.iter()));
    divide(&mut linear, u);
    let scale = others
        .first()
        .and_then(|first| Option::from(first.invert()));
    let scale: Fr = scale.unwrap_or(Fr::ZERO);
    linear
        .par_iter_mut()
        .for_each(|coefficient| *coefficient *= scale);
    write(key, &linear, transcript)
}

fn write<E, T>(key: &CommitKey<'_>, polynomial: &[Fr], transcript: &mut T) -> io::Result<()>
where
    E: EncodedChallenge<G1Affine>,
    T: TranscriptWrite<G1Affine, E>,
{
    key.commit_coefficients(&[polynomial])
        .into_iter()
        .try_for_each(|point| transcript.write_point(point))
}

/// Σ_j base^j·polynomials[j].
fn combine(polynomials: &[&[Fr]], base: Fr) -> Vec<Fr> {
    let length = polynomials.iter().map(|p| p.len()).max().unwrap_or(0);
    let mut sum = vec![Fr::ZERO; length];
    let mut weight = Fr::ONE;
    for polynomial in polynomials {
        add_scaled(&mut sum, polynomial, weight);
        weight *= base;
    }
    sum
}

/// sum[i] += factor·values[i].
pub fn add_scaled(sum: &mut [Fr], values: &[Fr], factor: Fr) {
    const TASK: usize = 1 << 12;
    let ifma = Ifma::detect();
    sum.par_chunks_mut(TASK)
        .zip(values.par_chunks(TASK))
        .for_each(|(sum, values)| {
            match (ifma, sum.as_chunks_mut::<8>(), values.as_chunks::<8>()) {
                (Some(ifma), (sum, []), (values, [])) => ifma.add_scaled(sum, values, factor),
                _ => add_scaled_one_by_one(sum, values, factor),
            }
        });
}

/// The same, a value at a time.
pub(super) fn add_scaled_one_by_one(sum: &mut [Fr], values: &[Fr], factor: Fr) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += *value * factor;
    }
}

/// Divides by X − point; the remainder is dropped, and the leading coefficient becomes zero.
fn divide(polynomial: &mut [Fr], point: Fr) {
    let mut carry = Fr::ZERO;
    for coefficient in polynomial.iter_mut().rev() {
        let next = *coefficient + carry * point;
        *coefficient = carry;
        carry = next;
    }
}

/// The value at a point.
pub fn evaluate(polynomial: &[Fr], point: Fr) -> Fr {
    match (Ifma::detect(), polynomial.as_chunks::<8>()) {
        (Some(ifma), (blocks, [])) => ifma.evaluate(blocks, point),
        _ => evaluate_one_by_one(polynomial, point),
    }
}

/// Horner's rule.
pub(super) fn evaluate_one_by_one(polynomial: &[Fr], point: Fr) -> Fr {
    polynomial
        .iter()
        .rev()
        .fold(Fr::ZERO, |value, coefficient| value * point + coefficient)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    #[test]
    fn values_are_the_same_in_vectors() {
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        for count in [0, 1, 8, 24, 32, 40, 200] {
            let point = Fr::random(&mut rng);
            let polynomial: Vec<Fr> = (0..count).map(|_| Fr::random(&mut rng)).collect();
            let expected = evaluate_one_by_one(&polynomial, point);
            assert_eq!(evaluate(&polynomial, point), expected, "{count}");
        }
    }

    #[test]
    fn scaled_values_are_the_same_in_vectors() {
        let mut rng = ChaCha20Rng::seed_from_u64(6);
        for (count, other) in [(0, 0), (1, 1), (8, 8), (24, 16), (40, 33), (5000, 5000)] {
            let values: Vec<Fr> = (0..other).map(|_| Fr::random(&mut rng)).collect();
            let mut sum: Vec<Fr> = (0..count).map(|_| -Fr::ONE).collect();
            let mut expected = sum.clone();
            for factor in [Fr::random(&mut rng), -Fr::ONE, Fr::ZERO] {
                add_scaled(&mut sum, &values, factor);
                add_scaled_one_by_one(&mut expected, &values, factor);
                assert_eq!(sum, expected, "{count}, {other}");
            }
        }
    }
}
