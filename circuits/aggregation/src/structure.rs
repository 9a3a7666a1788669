//! What an inner circuit must have in common with another to be aggregated by the same key.

use super::AggregateError;
use blake2b_simd::Params;
use halo2_proofs::halo2curves::{
    bn256::{Fr, G1Affine},
    ff::FromUniformBytes,
};
use serde::{Deserialize, Serialize};
use snark_verifier::{util::arithmetic::Domain, verifier::plonk::PlonkProtocol};

/// An inner circuit without its verifying key: gates, columns, queries, numbers of public values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Structure {
    /// Digest of everything below and of all that is not listed.
    digest: [u8; 32],
    /// Public values.
    pub instances: usize,
    /// Commitments of the verifying key.
    pub fixed: usize,
    /// Commitments of a proof.
    pub points: usize,
    /// Evaluations of a proof.
    pub evaluations: usize,
}

impl Structure {
    /// The structure of the circuit that `protocol` was made from.
    pub fn of(protocol: &PlonkProtocol<G1Affine>) -> Result<Self, AggregateError> {
        if !protocol.accumulator_indices.is_empty() {
            return Err(AggregateError::Protocol {
                reason: "it is an aggregation itself; aggregate the model proofs together",
            });
        }
        if protocol.transcript_initial_state.is_none() {
            return Err(AggregateError::Protocol {
                reason: "it has no initial transcript state",
            });
        }
        if protocol.instance_committing_key.is_some() || protocol.linearization.is_some() {
            return Err(AggregateError::Protocol {
                reason: "it is not a KZG circuit of halo2",
            });
        }
        let mut blank = protocol.clone();
        blank.domain = Domain::new(1, -Fr::one());
        blank.preprocessed = vec![G1Affine::default(); protocol.preprocessed.len()];
        blank.transcript_initial_state = Some(Fr::zero());
        let bytes = serde_json::to_vec(&blank).map_err(|_| AggregateError::Protocol {
            reason: "it cannot be written down",
        })?;
        let hash = Params::new()
            .hash_length(32)
            .personal(b"zkml structure")
            .hash(&bytes);
        let mut digest = [0; 32];
        digest.copy_from_slice(hash.as_bytes());
        Ok(Self {
            digest,
            instances: protocol.num_instance.iter().sum(),
            fixed: protocol.preprocessed.len(),
            points: protocol.num_witness.iter().sum::<usize>() + protocol.quotient.num_chunk() + 2,
            evaluations: protocol.evaluations.len(),
        })
    }

    /// The digest as a word of the field, which the digest of a key in a slot of this structure begins with.
    pub fn word(&self) -> Fr {
        let mut wide = [0; 64];
        wide[..32].copy_from_slice(&self.digest);
        Fr::from_uniform_bytes(&wide)
    }

    /// Bytes of a proof.
    pub fn proof_bytes(&self) -> usize {
        32 * (self.points + self.evaluations)
    }

    /// Fails unless `other` is the same structure, naming the first difference.
    pub(super) fn expect(&self, other: &Structure, index: usize) -> Result<(), AggregateError> {
        if self == other {
            return Ok(());
        }
        let numbers = [
            ("public values", self.instances, other.instances),
            ("fixed columns", self.fixed, other.fixed),
            ("commitments", self.points, other.points),
            ("evaluations", self.evaluations, other.evaluations),
        ];
        let (what, expected, got) = numbers
            .into_iter()
            .find(|(_, expected, got)| expected != got)
            .map(|(what, expected, got)| (what, expected.to_string(), got.to_string()))
            .unwrap_or_else(|| ("gates", hex(&self.digest), hex(&other.digest)));
        Err(AggregateError::Misfit {
            what: format!("{what} of inner proof {index}"),
            expected,
            got,
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
