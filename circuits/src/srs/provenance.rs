//! Where an SRS came from.

use std::fmt;

use blake2b_simd::Params;
use serde::{Deserialize, Serialize};

/// Where an SRS came from, which decides whether proofs under it convince anybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// Made by one program from a secret that it knew. Whoever keeps the secret can prove
    /// anything.
    Development {
        /// Digest of the seed, where the secret comes from one.
        seed_digest: Option<[u8; 32]>,
    },
    /// Made by a ceremony, and sound if one of its participants was honest.
    Ceremony {
        /// Name of the ceremony.
        name: String,
        /// Digest of the file that the ceremony published.
        digest: [u8; 32],
    },
}

impl Provenance {
    /// The provenance of the development SRS that belongs to a seed.
    pub(super) fn of_seed(seed: &[u8; 32]) -> Self {
        let hash = Params::new()
            .hash_length(32)
            .personal(b"zkml dev SRS")
            .hash(seed);
        let mut digest = [0; 32];
        digest.copy_from_slice(hash.as_bytes());
        Self::Development {
            seed_digest: Some(digest),
        }
    }

    /// Whether proofs under the SRS can be relied upon.
    pub fn is_secure(&self) -> bool {
        match self {
            Self::Development { .. } => false,
            Self::Ceremony { .. } => true,
        }
    }
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Development { seed_digest } => {
                f.write_str(
                    "INSECURE development SRS (for tests only: its maker can forge proofs",
                )?;
                if let Some(digest) = seed_digest {
                    f.write_str("; seed ")?;
                    write_short(f, digest)?;
                }
                f.write_str(")")
            }
            Self::Ceremony { name, digest } => {
                write!(f, "SRS of the ceremony \"{}\" (file ", name.escape_debug())?;
                write_short(f, digest)?;
                f.write_str(")")
            }
        }
    }
}

/// The first bytes of a digest in hexadecimal, enough to tell files apart by eye.
fn write_short(f: &mut fmt::Formatter<'_>, digest: &[u8; 32]) -> fmt::Result {
    digest
        .iter()
        .take(8)
        .try_for_each(|byte| write!(f, "{byte:02x}"))?;
    f.write_str("…")
}
