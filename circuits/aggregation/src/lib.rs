//! One EVM proof for one or more model proofs.
//!
//! 1. [`keygen`] makes a key for an [`AggregationShape`] and inner proofs of given *structures*: their
//!    gates, columns and numbers of public values. Their verifying keys, and sizes, are not part
//!    of it, so one key, and one contract, serves all circuits of a structure.
//! 2. [`prove`] verifies each inner proof natively, so that a bad one is an error before the long
//!    work; computes the circuit; proves it with a Keccak transcript; verifies the proof.
//! 3. [`verify`] decides such a proof, accumulator and all; the generated contract does the same.
//!
//! The public values are the 12 limbs of the accumulator (a pair of points whose pairings the
//! decider compares), then for each inner proof the digest of its verifying key ([`vk_digest`]) and
//! its own public values. A verifier that does not compare the digest knows that *some* circuit of the
//! structure accepted, which is nothing.

mod circuit;
mod columns;
mod cost;
mod curve;
mod digest;
mod digits;
mod ecc;
mod error;
mod field;
mod key;
mod prove;
mod range;
mod shape;
mod structure;
#[cfg(test)]
#[path = "../../testing/mod.rs"]
mod testing;
#[cfg(test)]
mod tests;

pub use cost::contract_cost;
pub use digest::vk_digest;
pub use error::AggregateError;
pub use field::{BITS, LIMBS};
pub use key::{keygen, AggregationKey};
pub use prove::{argue, check_snark, prove, verify, AggregateProof, Stage};
pub use shape::{AggregationShape, CircuitSize};
pub use structure::Structure;

use snark_verifier::{pcs::kzg::LimbsEncoding, verifier::plonk::PlonkVerifier};
use snark_verifier_sdk::SHPLONK;

/// Public values at the start of an aggregate proof that encode the accumulator.
pub const ACCUMULATOR_LIMBS: usize = 4 * LIMBS;

/// The verifier of an aggregate proof: it decides the accumulator as well.
pub type OuterVerifier = PlonkVerifier<SHPLONK, LimbsEncoding<LIMBS, BITS>>;
