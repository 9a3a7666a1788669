//! Commitments under an SRS.

use std::io;

use halo2_proofs::{
    arithmetic::Field,
    halo2curves::{
        bn256::{Bn256, Fr, G1Affine, G1},
        group::Group,
        serde::SerdeObject,
    },
    poly::{commitment::ParamsProver, kzg::commitment::ParamsKZG},
    SerdeFormat,
};
use rayon::prelude::*;

use super::msm::{msm, normalise};

const POINT: usize = 64;

/// The two bases of an SRS.
#[derive(Clone, Debug)]
pub struct CommitKey<'a> {
    powers: &'a [G1Affine],
    lagrange: Vec<G1Affine>,
}

impl<'a> CommitKey<'a> {
    /// The bases of `params`.
    ///
    /// # Errors
    /// If halo2 does not write its parameters as it is known to.
    pub fn new(params: &'a ParamsKZG<Bn256>) -> io::Result<Self> {
        let powers = params.get_g();
        // halo2 keeps the Lagrange points to itself, but writes them: after k and the powers.
        let mut reader = LagrangeReader {
            skip: 4 + POINT * powers.len(),
            left: powers.len(),
            partial: Vec::new(),
            points: Vec::with_capacity(powers.len()),
        };
        params.write_custom(&mut reader, SerdeFormat::RawBytes)?;
        if reader.points.len() != powers.len() {
            return Err(io::Error::other("an SRS without Lagrange points"));
        }
        Ok(Self {
            powers,
            lagrange: reader.points,
        })
    }

    /// Commits to polynomials given by their values on the domain.
    pub fn commit_values(&self, columns: &[&[Fr]]) -> Vec<G1Affine> {
        commit(columns, &self.lagrange)
    }

    /// Commits to grand products, given by their values on the domain.
    ///
    /// They change where cells are permuted only: Σᵢ vᵢ·Lᵢ = Σᵢ (vᵢ − vᵢ₋₁)·Σ_{j≥i} L_j, and most
    /// differences of a model circuit's are zero.
    pub fn commit_products(&self, columns: &[&[Fr]]) -> Vec<G1Affine> {
        let steps: Vec<Vec<Fr>> = columns.iter().map(|column| differences(column)).collect();
        let all: usize = steps.iter().map(Vec::len).sum();
        let changes = steps.iter().flatten().filter(|d| **d != Fr::ZERO).count();
        if 2 * changes > all {
            return self.commit_values(columns);
        }
        let steps: Vec<&[Fr]> = steps.iter().map(Vec::as_slice).collect();
        commit(&steps, &suffix_sums(&self.lagrange))
    }

    /// Commits to polynomials given by their coefficients.
    pub fn commit_coefficients(&self, polynomials: &[&[Fr]]) -> Vec<G1Affine> {
        commit(polynomials, self.powers)
    }
}

fn commit(scalars: &[&[Fr]], bases: &[G1Affine]) -> Vec<G1Affine> {
    let sums: Vec<_> = scalars.par_iter().map(|s| msm(s, bases)).collect();
    normalise(&sums)
}

/// v₀, v₁ − v₀, v₂ − v₁, ….
fn differences(values: &[Fr]) -> Vec<Fr> {
    let first = values.first().copied();
    let rest = values.windows(2).map(|pair| pair[1] - pair[0]);
    first.into_iter().chain(rest).collect()
}

/// Σ_{j≥i} points[j], for each i.
fn suffix_sums(points: &[G1Affine]) -> Vec<G1Affine> {
    let mut sum = G1::identity();
    let mut sums: Vec<G1> = points
        .iter()
        .rev()
        .map(|point| {
            sum += point;
            sum
        })
        .collect();
    sums.reverse();
    normalise(&sums)
}

/// Picks the Lagrange points out of written parameters.
struct LagrangeReader {
    skip: usize,
    left: usize,
    partial: Vec<u8>,
    points: Vec<G1Affine>,
}

impl io::Write for LagrangeReader {
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len();
        let skipped = self.skip.min(length);
        self.skip -= skipped;
        bytes = &bytes[skipped..];
        while !bytes.is_empty() && self.left > 0 {
            let (more, rest) = bytes.split_at((POINT - self.partial.len()).min(bytes.len()));
            self.partial.extend_from_slice(more);
            bytes = rest;
            if self.partial.len() == POINT {
                self.points
                    .push(G1Affine::from_raw_bytes_unchecked(&self.partial));
                self.partial.clear();
                self.left -= 1;
            }
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
