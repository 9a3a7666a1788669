//! What a verifier must do with good and bad calldata, whatever circuit it is for.

// Helpers of tests may fail as tests do; clippy only knows functions marked as tests.
#![allow(clippy::unwrap_used)]

use halo2_proofs::halo2curves::bn256::Fr;
use zkml_evm_verifier::{
    calldata::{self, Layout},
    check::{check_contract, CheckError},
    compile::Bytecode,
    exec::{Chain, Deployment, Fork},
};

/// The order of the scalar field, big-endian.
pub const R: [u8; 32] = [
    0x30, 0x64, 0x4e, 0x72, 0xe1, 0x31, 0xa0, 0x29, 0xb8, 0x50, 0x45, 0xb6, 0x81, 0x81, 0x58, 0x5d,
    0x28, 0x33, 0xe8, 0x48, 0x79, 0xb9, 0x70, 0x91, 0x43, 0xe1, 0xf5, 0x93, 0xf0, 0x00, 0x00, 0x01,
];
/// The order of the base field, big-endian.
pub const P: [u8; 32] = [
    0x30, 0x64, 0x4e, 0x72, 0xe1, 0x31, 0xa0, 0x29, 0xb8, 0x50, 0x45, 0xb6, 0x81, 0x81, 0x58, 0x5d,
    0x97, 0x81, 0x6a, 0x91, 0x68, 0x71, 0xca, 0x8d, 0x3c, 0x20, 0x8c, 0x16, 0xd8, 0x7c, 0xfd, 0x47,
];

/// A contract and a proof that it accepts.
pub struct Subject {
    pub bytecode: Bytecode,
    pub layout: Layout,
    pub instances: Vec<Fr>,
    pub proof: Vec<u8>,
}

/// `word + modulus`, big-endian, if it still fits a word.
fn add(word: &[u8], modulus: &[u8; 32]) -> Option<Vec<u8>> {
    let mut out = word.to_vec();
    let mut carry = 0u16;
    for (byte, m) in out.iter_mut().zip(modulus).rev() {
        let sum = u16::from(*byte) + u16::from(*m) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    (carry == 0).then_some(out)
}

fn wrapping_add(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut out = a.to_vec();
    let mut carry = 0u16;
    for (byte, m) in out.iter_mut().zip(b).rev() {
        let sum = u16::from(*byte) + u16::from(*m) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    out
}

fn add_one(a: &[u8]) -> Vec<u8> {
    let mut one = vec![0; a.len()];
    if let Some(last) = one.last_mut() {
        *last = 1;
    }
    wrapping_add(a, &one)
}

/// Calldata with one thing wrong, and what.
pub type Bad = (String, Vec<u8>);

impl Subject {
    pub fn calldata(&self) -> Vec<u8> {
        calldata::encode(&self.instances, &self.proof)
    }

    fn deployed(&self, fork: Fork) -> (Chain, Deployment) {
        let mut chain = Chain::new(fork);
        let contract = chain.deploy(&self.bytecode.creation).unwrap();
        (chain, contract)
    }

    /// Where the first evaluation stands, and the first point of the opening after the last.
    fn evaluations(&self) -> std::ops::Range<usize> {
        let first = 32 * self.layout.instances + 64 * (self.layout.points - 2);
        first..first + 32 * self.layout.evaluations
    }

    /// Where each point starts.
    fn points(&self) -> Vec<usize> {
        let first = 32 * self.layout.instances;
        let opening = self.evaluations().end;
        (0..self.layout.points - 2)
            .map(|i| first + 64 * i)
            .chain([opening, opening + 64])
            .collect()
    }

    /// Each word plus its modulus.
    pub fn not_canonical(&self) -> Vec<Bad> {
        let good = self.calldata();
        let points = 32 * self.layout.instances;
        let bad = (0..good.len()).step_by(32).map(|word| {
            let scalar = word < points || self.evaluations().contains(&word);
            let modulus = if scalar { &R } else { &P };
            let mut bad = good.clone();
            bad[word..word + 32].copy_from_slice(&add(&good[word..word + 32], modulus).unwrap());
            (format!("word at {word} plus its modulus"), bad)
        });
        let bad: Vec<_> = bad.collect();
        assert_eq!(bad.len(), self.layout.bytes() / 32);
        bad
    }

    /// Three bits of each word flipped, one at a time.
    pub fn flipped(&self) -> Vec<Bad> {
        let good = self.calldata();
        (0..good.len())
            .step_by(32)
            .flat_map(|word| [0, 7, 31].map(|byte| (word, byte)))
            .map(|(word, byte)| {
                let mut bad = good.clone();
                bad[word + byte] ^= 1 << (word / 32 % 8);
                (format!("a bit of byte {byte} of the word at {word}"), bad)
            })
            .collect()
    }

    /// Each point as the identity, negated, and off the curve.
    pub fn other_points(&self) -> Vec<Bad> {
        let good = self.calldata();
        let mut all = Vec::new();
        for start in self.points() {
            for what in ["identity", "negated", "off the curve"] {
                let mut bad = good.clone();
                let y = good[start + 32..start + 64].to_vec();
                match what {
                    "identity" => bad[start..start + 64].fill(0),
                    "negated" => {
                        // p - y: subtract by adding the two's complement.
                        let complement: Vec<u8> = y.iter().map(|byte| !byte).collect();
                        let minus = add_one(&complement);
                        bad[start + 32..start + 64].copy_from_slice(&wrapping_add(&P, &minus));
                    }
                    _ => bad[start + 32..start + 64].copy_from_slice(&[0; 32]),
                }
                all.push((format!("point at {start}, {what}"), bad));
            }
        }
        all
    }

    /// Calldata of another length.
    pub fn other_lengths(&self) -> Vec<Bad> {
        let good = self.calldata();
        let mut lengths = vec![0, 1, 4, 32, good.len() / 2, good.len() - 32, good.len() - 1];
        lengths.extend((1..=64).map(|more| good.len() + more));
        lengths
            .into_iter()
            .map(|length| {
                let mut bad = good.clone();
                bad.resize(length, 0);
                (format!("{length} bytes"), bad)
            })
            .collect()
    }

    /// Each is rejected; returns how many there were.
    pub fn rejects(&self, fork: Fork, all: &[Bad]) -> usize {
        let (mut chain, contract) = self.deployed(fork);
        assert!(
            chain
                .call(contract.address, &self.calldata())
                .unwrap()
                .accepted
        );
        for (what, bad) in all {
            let outcome = chain.call(contract.address, bad).unwrap();
            assert!(!outcome.accepted, "{what} was accepted");
        }
        all.len()
    }

    /// Other lengths are rejected before anything is computed.
    pub fn rejects_lengths_at_once(&self) {
        let (mut chain, contract) = self.deployed(Fork::Prague);
        for (what, bad) in self.other_lengths() {
            let outcome = chain.call(contract.address, &bad).unwrap();
            assert!(!outcome.accepted, "{what}");
            assert!(
                outcome.gas.execution < 10_000,
                "{what} cost {:?}",
                outcome.gas
            );
        }
    }

    /// With too little gas a call fails.
    pub fn rejects_little_gas(&self) {
        let good = self.calldata();
        let (mut chain, contract) = self.deployed(Fork::Osaka);
        let used = chain.call(contract.address, &good).unwrap().gas.total;
        for (limit, accepted) in [
            (used * 3 / 4, false),
            (used - 1000, false),
            (used * 2, true),
        ] {
            let outcome = chain.call_with_gas(contract.address, &good, limit).unwrap();
            assert_eq!(outcome.accepted, accepted, "{limit} gas");
        }
    }

    /// A rejection is told from a misfit.
    pub fn rejection_is_told_from_a_misfit(&self) {
        let forks = [Fork::Osaka];
        let check = |instances: &[Fr]| {
            check_contract(&self.bytecode, self.layout, instances, &self.proof, &forks)
        };
        let mut instances = self.instances.clone();
        instances[0] += Fr::from(1);
        let error = check(&instances).unwrap_err();
        assert!(matches!(error, CheckError::Rejected { .. }), "{error}");
        let error = check(&instances[1..]).unwrap_err();
        assert!(matches!(error, CheckError::Length { .. }), "{error}");
    }
}
