//! The structured reference string (SRS) of the KZG commitments, and where it came from.
//!
//! Two ways lead to one: [`Srs::development`] makes one at once, from a secret that this process
//! knew, so that nothing proven under it convinces anybody else; a ceremony's SRS is
//! [imported](Srs::import) from the file that it published. [`Provenance`] says which it was, and
//! travels with the parameters.
//!
//! # What is checked when one is loaded
//!
//! Always: kind, version, exact length, size bound, digest; every point canonical, on the curve and
//! not the identity; both generators; the secret of G1's second point is that of G2's, by a
//! pairing. That is [`Check::Points`], enough for a file that this program wrote into its cache.
//! [`Check::Structure`] adds that all powers and all Lagrange points belong to that one secret, by
//! random linear combinations and a pairing: for files that come from elsewhere, since commitments
//! to a base without that structure need not hide what they commit to. An import is checked like
//! that, whatever its digest.

mod cache;
mod ceremony;
mod development;
mod digest;
mod error;
mod fixed_base;
mod format;
mod hex;
mod import;
mod map;
mod parts;
mod points;
mod provenance;
mod ptau;

use std::path::Path;

use blake2b_simd::Params as Blake2b;
use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G2Affine};
use halo2_proofs::poly::commitment::Params;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2_proofs::SerdeFormat;
use rand::rngs::OsRng;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

pub use cache::{cached, cached_secret, default_cache_folder};
pub use ceremony::{name_of_secret, named_in};
pub use digest::FileDigest;
pub use error::SrsError;
pub use import::{Glance, Import};
pub use map::Format;
pub use provenance::{parse_fingerprint, Provenance, Trust};

/// Smallest size that is made or loaded, as a power of two.
pub const MIN_K: u32 = 1;
/// Largest size that is made or loaded, as a power of two: 8.6 GB of points.
pub const MAX_K: u32 = 26;

/// Told how many of how many points are made, from any thread and in any order.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);

/// How much of a file is checked when it is loaded; see the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The encoding and each point by itself: for files that this program wrote.
    Points,
    /// Also that the points are the powers and Lagrange points of one secret.
    Structure,
}

/// KZG parameters together with where they came from.
#[derive(Clone, Debug)]
pub struct Srs {
    /// The parameters.
    pub params: ParamsKZG<Bn256>,
    /// Where they came from.
    pub provenance: Provenance,
}

impl Srs {
    /// Makes a development SRS of size 2^k from a secret of the operating system's randomness,
    /// which is thrown away.
    ///
    /// Two of these never fit together: proofs that are to be aggregated, and keys of different
    /// sizes, need one secret, as those of [`cached`] have.
    pub fn development(k: u32, progress: Progress<'_>) -> Result<Self, SrsError> {
        check_k(k)?;
        let tau = development::draw_secret(k, &mut OsRng);
        Ok(Self {
            params: development::generate(k, tau, progress),
            provenance: Provenance::Development { seed_digest: None },
        })
    }

    /// Makes the development SRS of size 2^k that belongs to a seed. All sizes of one seed share
    /// their secret.
    pub fn development_from_seed(
        k: u32,
        seed: [u8; 32],
        progress: Progress<'_>,
    ) -> Result<Self, SrsError> {
        check_k(k)?;
        Ok(Self {
            params: development::generate(k, secret_of(seed), progress),
            provenance: Provenance::of_seed(&seed),
        })
    }

    /// Size of the SRS: it commits to polynomials of 2^k coefficients.
    pub fn k(&self) -> u32 {
        self.params.k()
    }

    /// Identifies the secret behind the SRS: parameters of one fingerprint fit together, whatever
    /// their sizes.
    pub fn fingerprint(&self) -> [u8; 32] {
        fingerprint(&self.params.g2(), &self.params.s_g2())
    }

    /// Writes the SRS to a file, which is there whole or not at all.
    pub fn save(&self, path: &Path) -> Result<(), SrsError> {
        format::save(self, path)
    }

    /// Reads an SRS that may come from anywhere: [`Check::Structure`].
    pub fn load(path: &Path) -> Result<Self, SrsError> {
        Self::load_checked(path, Check::Structure)
    }

    /// Reads an SRS with the checks that its origin calls for.
    pub fn load_checked(path: &Path, check: Check) -> Result<Self, SrsError> {
        let (parts, provenance) = format::load(path)?;
        parts
            .check_generators()
            .and_then(|()| match check {
                Check::Points => Ok(()),
                Check::Structure => parts.check_structure(&mut OsRng),
            })
            .map_err(|fault| SrsError::structure(path, fault))?;
        Ok(Self {
            params: parts.assemble(),
            provenance,
        })
    }

    /// Reads an SRS from the file of a ceremony, snarkjs's `.ptau` or halo2's raw bytes, with every
    /// check that there is.
    pub fn import(path: &Path, wanted: &Import, progress: Progress<'_>) -> Result<Self, SrsError> {
        import::import(path, wanted, progress)
    }

    /// Says what a file of any of these formats is, without checking its points in G1.
    pub fn glance(path: &Path) -> Result<Glance, SrsError> {
        import::glance(path)
    }
}

/// Identifies a secret by the points that it has in G2.
pub fn fingerprint(g2: &G2Affine, s_g2: &G2Affine) -> [u8; 32] {
    use halo2_proofs::SerdeCurveAffine;
    let mut hasher = Blake2b::new().hash_length(32).to_state();
    for point in [g2, s_g2] {
        // Writing to a hash state cannot fail.
        let _ = point.write(&mut hasher, SerdeFormat::RawBytes);
    }
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(hasher.finalize().as_bytes());
    fingerprint
}

/// The secret that belongs to a seed. It is drawn for the largest size, so that it suits, and is the same for,
/// every size.
fn secret_of(seed: [u8; 32]) -> Fr {
    development::draw_secret(MAX_K, &mut ChaCha20Rng::from_seed(seed))
}

/// Refuses sizes outside the supported range.
fn check_k(k: u32) -> Result<(), SrsError> {
    if (MIN_K..=MAX_K).contains(&k) {
        Ok(())
    } else {
        Err(SrsError::SizeOutOfRange { k })
    }
}
