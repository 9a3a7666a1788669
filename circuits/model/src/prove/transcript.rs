//! The two transcripts of a proof.

use serde::{Deserialize, Serialize};

/// How a proof's challenges are drawn. It decides who can check the proof cheaply, and how its
/// points are written; a proof of one kind is no proof of the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transcript {
    /// Poseidon, which an aggregation circuit can recompute. Points of 32 bytes.
    #[default]
    Poseidon,
    /// Keccak-256, which a contract can recompute. Points of 64 bytes.
    Keccak,
}

impl Transcript {
    /// Bytes of an argument with so many points and scalars.
    pub fn proof_bytes(self, points: usize, evaluations: usize) -> usize {
        let point = match self {
            Self::Poseidon => 32,
            Self::Keccak => 64,
        };
        point * points + 32 * evaluations
    }
}

impl std::fmt::Display for Transcript {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Poseidon => "poseidon",
            Self::Keccak => "keccak",
        })
    }
}
