//! Where an SRS came from, and who vouches for it.
//!
//! What a file says of itself makes nothing secure: whoever writes a file chooses its label. An SRS
//! can be relied upon in two cases only. Its secret is that of a ceremony which this program knows
//! ([`ceremony`](super::ceremony)), which is compared whenever points are read. Or the user of the
//! run at hand named the secret's fingerprint ([`Provenance::accept`]); that is their word, so it is
//! never written to a file, and whoever gets the file has to say it for themselves.

use std::fmt;

use blake2b_simd::Params;
use serde::{Deserialize, Serialize};

use super::FileDigest;
use super::{ceremony, hex};

/// Where an SRS came from, which decides whether proofs under it convince anybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Provenance {
    /// Made by one program from a secret that it knew. Whoever keeps the secret can prove
    /// anything.
    Development {
        /// Digest of the seed, where the secret comes from one.
        seed_digest: Option<[u8; 32]>,
    },
    /// Imported from a file that a ceremony published, or that says so.
    Ceremony {
        /// Name of the file.
        name: String,
        /// Digest of the file.
        digest: FileDigest,
        /// Names the secret. Readers compare it with the points, so it is no mere label.
        fingerprint: [u8; 32],
        /// Whether the user of this run named the fingerprint.
        #[serde(skip)]
        accepted: bool,
    },
}

/// Why an SRS is relied upon, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// A development SRS: its maker can forge proofs.
    Development,
    /// Imported, but nobody vouches for its secret.
    Unverified,
    /// Imported, and the user of this run vouches for its secret.
    Accepted,
    /// The secret of a ceremony that this program knows.
    Pinned,
}

impl Trust {
    /// The word for it in `--json`.
    pub fn word(self) -> &'static str {
        match self {
            Trust::Development => "development",
            Trust::Unverified => "unverified",
            Trust::Accepted => "accepted",
            Trust::Pinned => "pinned",
        }
    }
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

    /// Why proofs under the SRS can be relied upon, or not.
    pub fn trust(&self) -> Trust {
        match self {
            Self::Development { .. } => Trust::Development,
            Self::Ceremony { fingerprint, .. } if ceremony::of_secret(fingerprint).is_some() => {
                Trust::Pinned
            }
            Self::Ceremony { accepted: true, .. } => Trust::Accepted,
            Self::Ceremony { .. } => Trust::Unverified,
        }
    }

    /// Whether proofs under the SRS can be relied upon.
    pub fn is_secure(&self) -> bool {
        match self.trust() {
            Trust::Development | Trust::Unverified => false,
            Trust::Accepted | Trust::Pinned => true,
        }
    }

    /// Takes the user's word for the secrets of these fingerprints. A development SRS stays what
    /// it is.
    pub fn accept(&mut self, fingerprints: &[[u8; 32]]) {
        if let Self::Ceremony {
            fingerprint,
            accepted,
            ..
        } = self
        {
            *accepted = fingerprints.contains(fingerprint);
        }
    }

    /// What it claims that the points with that fingerprint contradict, if anything: which SRS it is follows from
    /// its points alone, and a label that says something else is no mere comment.
    pub fn contradiction(&self, of_points: &[u8; 32]) -> Option<String> {
        let pinned = ceremony::of_secret(of_points).map(|known| known.name);
        match self {
            Self::Development { .. } => pinned.map(|known| {
                format!("the label of a development SRS, for the points of the {known}")
            }),
            Self::Ceremony { fingerprint, .. } if fingerprint != of_points => Some(format!(
                "the provenance of another SRS: it names fingerprint {}, the points have {}",
                hex::show(fingerprint),
                hex::show(of_points)
            )),
            Self::Ceremony { name, digest, .. } => {
                let claimed = ceremony::claimed(name, digest)?.name;
                (pinned != Some(claimed)).then(|| {
                    format!(
                        "the label of a file of the {claimed} (\"{}\", BLAKE2b {}), for points of another secret, with fingerprint {}",
                        name.escape_debug(),
                        short(&digest.0),
                        hex::show(of_points)
                    )
                })
            }
        }
    }

    /// The same without the word of the user of this run: what may be written to a file.
    pub fn without_word(&self) -> Self {
        let mut label = self.clone();
        label.accept(&[]);
        label
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
                    write!(f, "; seed {}", short(digest))?;
                }
                f.write_str(")")
            }
            Self::Ceremony {
                name,
                digest,
                fingerprint,
                ..
            } => {
                let file = format!(
                    "file \"{}\", BLAKE2b {}",
                    name.escape_debug(),
                    short(&digest.0)
                );
                match (self.trust(), ceremony::of_secret(fingerprint)) {
                    (_, Some(known)) => {
                        write!(f, "SRS of the {}, pinned in zkml ({file})", known.name)
                    }
                    (Trust::Accepted, None) => write!(
                        f,
                        "SRS of a ceremony that zkml does not know, accepted by whoever gave --trust-srs {} ({file})",
                        hex::show(fingerprint)
                    ),
                    (_, None) => write!(
                        f,
                        "UNVERIFIED SRS: of a ceremony that zkml does not know, so perhaps of somebody who can forge proofs ({file}); if you trust it, say --trust-srs {}",
                        hex::show(fingerprint)
                    ),
                }
            }
        }
    }
}

/// The first bytes in hexadecimal, enough to tell files apart by eye.
fn short(digest: &[u8]) -> String {
    format!("{}…", hex::show(digest.get(..8).unwrap_or(digest)))
}

/// A fingerprint from its 64 hexadecimal digits.
pub fn parse_fingerprint(text: &str) -> Result<[u8; 32], String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    hex::parse(digits.as_bytes()).ok_or_else(|| {
        "expected the 64 hexadecimal digits of a fingerprint, as `zkml srs info` prints it"
            .to_owned()
    })
}
