//! Which keys were made on this machine, and which must be derived again before something rests on them.
//!
//! A verifying key says nothing of where it came from: one of a circuit without constraints looks like any other, and
//! accepts every statement. So `setup`, and whatever makes an aggregation key, leave a mark in the user's cache folder,
//! named after configuration, key and SRS. A key without its mark is derived again from its configuration, and compared.

use crate::keys::hex;
use anyhow::{Context, Result};
use halo2_proofs::{halo2curves::bn256::G1Affine, plonk::VerifyingKey, SerdeFormat::RawBytes};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use zkml_circuits::{
    aggregate::AggregationKey, files::write_atomic_new, prove::Architecture,
    srs::default_cache_folder,
};

/// How it is known that keys are those of their configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// They were made on this machine.
    Own,
    /// They came from elsewhere, and were derived again.
    Rederived,
}

impl Origin {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Origin::Own => "made on this machine",
            Origin::Rederived => "derived again from their configuration",
        }
    }
}

/// Names configuration, key and SRS together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity(String);

impl Identity {
    /// Of a model's key.
    pub fn of_model(
        architecture: &Architecture,
        vk: &VerifyingKey<G1Affine>,
        srs: &[u8; 32],
    ) -> Result<Self> {
        let configuration = serde_json::to_vec(architecture)?;
        let mut key = Vec::new();
        vk.write(&mut key, RawBytes)?;
        Ok(Self::new([b"model", &configuration, &key, srs]))
    }

    /// Of an aggregation's key.
    pub fn of_aggregation(key: &AggregationKey, srs: &[u8; 32]) -> Result<Self> {
        let (configuration, vk) = (key.configuration()?, key.verifying_key()?);
        Ok(Self::new([b"aggregation", &configuration, &vk, srs]))
    }

    fn new(parts: [&[u8]; 4]) -> Self {
        let mut state = blake2b_simd::Params::new()
            .hash_length(32)
            .personal(b"zkml made here")
            .to_state();
        for part in parts {
            state
                .update(&(part.len() as u64).to_le_bytes())
                .update(part);
        }
        Self(hex(state.finalize().as_bytes()))
    }

    fn mark(&self) -> Result<PathBuf> {
        Ok(default_cache_folder()?.join("made").join(&self.0))
    }

    /// Whether the key was made, or derived, on this machine before.
    pub fn is_own(&self) -> bool {
        // Without a cache folder nothing is known to be.
        self.mark().is_ok_and(|mark| mark.is_file())
    }

    /// Marks the key as made here. Where that fails, it will be derived again.
    pub fn remember(&self) {
        let write = || -> Result<()> {
            let mark = self.mark()?;
            let folder = mark.parent().context("no folder")?;
            std::fs::create_dir_all(folder)?;
            write_atomic_new(&mark, &mut |out| writeln!(out, "made here"))?;
            Ok(())
        };
        if let Err(error) = write() {
            tracing::warn!(%error, "keys are not marked as made on this machine");
        }
    }
}
