//! Makes `.ptau` files as snarkjs writes them, from a secret that is known, and wrong ones.

// Helpers of tests may fail as tests do; clippy only knows functions marked as tests.
#![allow(clippy::expect_used)]

use std::collections::HashMap;

use halo2_proofs::halo2curves::bn256::{Fq, Fr, G2Affine, G1};
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use halo2_proofs::halo2curves::group::Curve;
use halo2_proofs::halo2curves::serde::SerdeObject;
use halo2_proofs::SerdeFormat;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use zkml_srs::Srs;

/// snarkjs's root of unity of order 2^28.
const SNARKJS_ROOT: &str =
    "19103219067921713944291392827692070036145651957329286315305642004821462161904";
/// Powers of G2 that are computed; the rest, which nobody reads, repeat the last one.
const G2_POWERS: usize = 32;

/// A `.ptau` file that is being put together.
#[derive(Clone)]
pub struct Ptau {
    pub magic: [u8; 4],
    pub version: u32,
    /// Number of sections in the head, if not the true one.
    pub count: Option<u32>,
    /// Type, stated length if not the true one, content.
    pub sections: Vec<(u32, Option<u64>, Vec<u8>)>,
    /// Bytes behind the last section.
    pub tail: Vec<u8>,
}

impl Ptau {
    /// A prepared file of 2^power powers, of the secret of the development SRSs of `seed`.
    pub fn new(power: u32, seed: [u8; 32]) -> Self {
        let srs = |k| Srs::development_from_seed(k, seed, &|_, _| ()).expect("an SRS");
        let (n, next) = (1usize << power, raw_srs(&srs(power + 1)));
        let g1 = next[4..4 + 64 * (2 * n - 1)].to_vec();
        // Level 0: the only Lagrange polynomial is 1. Then all larger domains.
        let mut lagrange = g1[..64].to_vec();
        for k in 1..=power + 1 {
            lagrange.extend(in_snarkjs_order(&raw_srs(&srs(k)), k));
        }
        let g2 = powers_of_g2(n, Fr::random(ChaCha20Rng::from_seed(seed)));
        let one = |bytes: &[u8], count: usize| bytes[..64 * count].to_vec();
        let contents = [
            (1, header(32, modulus(), power, 28)),
            (2, g1.clone()),
            (3, g2.clone()),
            (4, one(&g1, n)),
            (5, one(&g1, n)),
            (6, g2[..128].to_vec()),
            (7, vec![0; 4]),
            (12, lagrange),
            (13, [&g2[..], &g2[128..]].concat()),
            (14, one(&g1, 2 * n - 1)),
            (15, one(&g1, 2 * n - 1)),
        ];
        Self {
            magic: *b"ptau",
            version: 1,
            count: None,
            sections: contents.map(|(kind, content)| (kind, None, content)).into(),
            tail: Vec::new(),
        }
    }

    /// A file that is not prepared, of any secret.
    pub fn unprepared(power: u32, tau: Fr) -> Self {
        let n = 1usize << power;
        let mut scalar = Fr::ONE;
        let mut g1 = Vec::with_capacity(128 * n);
        for _ in 0..2 * n - 1 {
            g1.extend((G1::generator() * scalar).to_affine().to_raw_bytes());
            scalar *= tau;
        }
        let contents = [
            (1, header(32, modulus(), power, 28)),
            (2, g1),
            (3, powers_of_g2(n, tau)),
        ];
        Self {
            magic: *b"ptau",
            version: 1,
            count: None,
            sections: contents.map(|(kind, content)| (kind, None, content)).into(),
            tail: Vec::new(),
        }
    }

    /// The content of a section.
    pub fn section(&mut self, kind: u32) -> &mut Vec<u8> {
        &mut self.entry(kind).2
    }

    /// A section with its stated length.
    pub fn entry(&mut self, kind: u32) -> &mut (u32, Option<u64>, Vec<u8>) {
        let mut sections = self.sections.iter_mut();
        sections.find(|section| section.0 == kind).expect("there")
    }

    /// Leaves sections out.
    pub fn without(mut self, kinds: &[u32]) -> Self {
        self.sections.retain(|section| !kinds.contains(&section.0));
        self
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let count = self.count.unwrap_or(self.sections.len() as u32);
        let mut bytes = self.magic.to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        for (kind, len, content) in &self.sections {
            bytes.extend(kind.to_le_bytes());
            bytes.extend(len.unwrap_or(content.len() as u64).to_le_bytes());
            bytes.extend(content);
        }
        bytes.extend(&self.tail);
        bytes
    }
}

/// Content of section 1.
pub fn header(width: u32, modulus: [u8; 32], power: u32, ceremony: u32) -> Vec<u8> {
    let mut bytes = width.to_le_bytes().to_vec();
    bytes.extend(modulus);
    bytes.extend(power.to_le_bytes());
    bytes.extend(ceremony.to_le_bytes());
    bytes
}

/// BN254's base field: one more than its largest element, which is even.
pub fn modulus() -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice((-Fq::ONE).to_repr().as_ref());
    bytes[0] += 1;
    bytes
}

/// halo2's raw format: k, powers, Lagrange points, two points of G2.
pub fn raw_srs(srs: &Srs) -> Vec<u8> {
    let mut bytes = Vec::new();
    srs.params
        .write_custom(&mut bytes, SerdeFormat::RawBytes)
        .expect("a vector takes all");
    bytes
}

/// The Lagrange points of an SRS in the order of snarkjs's domain, point by point.
fn in_snarkjs_order(raw: &[u8], k: u32) -> Vec<u8> {
    let n = 1usize << k;
    let of_size = |root: Fr| (k..Fr::S).fold(root, |root, _| root.square());
    let walk = |root: Fr| std::iter::successors(Some(Fr::ONE), move |last| Some(*last * root));
    let place: HashMap<[u8; 32], usize> = walk(of_size(Fr::ROOT_OF_UNITY))
        .take(n)
        .enumerate()
        .map(|(i, point)| (point.to_repr(), i))
        .collect();
    let root = Fr::from_str_vartime(SNARKJS_ROOT).expect("a number");
    let points = walk(of_size(root)).take(n);
    let lagrange = &raw[4 + 64 * n..4 + 128 * n];
    points
        .flat_map(|point| {
            let i = place[&point.to_repr()];
            lagrange[64 * i..64 * (i + 1)].to_vec()
        })
        .collect()
}

fn powers_of_g2(n: usize, tau: Fr) -> Vec<u8> {
    let mut power = G2Affine::generator();
    let mut bytes = Vec::with_capacity(128 * n);
    for i in 0..n {
        bytes.extend(power.to_raw_bytes());
        if i < G2_POWERS {
            power = (power * tau).to_affine();
        }
    }
    bytes
}
