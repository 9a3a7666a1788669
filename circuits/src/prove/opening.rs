//! The prover's secret: the weights and the salt behind the commitment C.

use std::path::Path;

use halo2_proofs::{
    arithmetic::Field,
    halo2curves::{bn256::Fr, ff::PrimeField},
};
use rand::rngs::OsRng;

use super::ProveError;
use crate::{
    files::{read_container, write_secret_container, Kind},
    graph::Weights,
    import::without_numbers,
};

const VERSION: u32 = 1;

/// Opens the model commitment. As secret as the weights.
#[derive(Clone)]
pub struct Opening {
    /// Salt of the commitment.
    pub salt: Fr,
    /// The integer weights.
    pub weights: Weights,
}

/// Shows nothing of the weights or the salt.
impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opening of {} weight tensors", self.weights.len())
    }
}

impl Opening {
    /// Draws a salt for `weights`.
    pub fn new(weights: Weights) -> Self {
        Self {
            salt: Fr::random(OsRng),
            weights,
        }
    }

    /// Writes the opening, readable by its owner only.
    pub fn save(&self, path: &Path) -> Result<(), ProveError> {
        let weights = rmp_serde::to_vec(&self.weights)
            .map_err(|error| ProveError::Invalid(error.to_string()))?;
        write_secret_container(path, Kind::Opening, VERSION, &mut |out| {
            out.write_all(self.salt.to_repr().as_ref())?;
            out.write_all(&weights)
        })?;
        Ok(())
    }

    /// Reads an opening.
    pub fn load(path: &Path) -> Result<Self, ProveError> {
        let payload = read_container(path, Kind::Opening, VERSION)?;
        let content = |place: &str, expected: &str, got: String| ProveError::Content {
            path: path.to_path_buf(),
            place: place.into(),
            expected: expected.into(),
            got,
        };
        let (salt, weights) = payload
            .split_at_checked(32)
            .ok_or_else(|| content("salt", "32 bytes", format!("{} bytes", payload.len())))?;
        let mut repr = [0u8; 32];
        repr.copy_from_slice(salt);
        let salt = Option::from(Fr::from_repr(repr))
            .ok_or_else(|| content("salt", "a canonical field element", "a larger one".into()))?;
        let weights = rmp_serde::from_slice(weights)
            .map_err(|error| content("weights", "tensors of integers", without_numbers(error)))?;
        Ok(Self { salt, weights })
    }
}
