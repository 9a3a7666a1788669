//! Which keys were made on this machine, and which must be derived again before something rests on them.
//!
//! A key says nothing of where it came from. A verifying key of a circuit without constraints looks like any other, and
//! accepts every statement; with a proving key of another circuit the prover succeeds or fails as its weights are. So
//! `setup`, and whatever makes an aggregation key, leave a mark in the user's cache folder,
//! named after configuration, key, SRS and this program: a later version that mends a circuit makes another key of the same
//! configuration. A key without its mark is derived again from its configuration, and compared.

use crate::{hex::hex, ui::Ui};
use anyhow::{anyhow, Context, Result};
use blake2b_simd::Params;
use halo2_proofs::{halo2curves::bn256::G1Affine, plonk::VerifyingKey, SerdeFormat::RawBytes};
use serde::{Deserialize, Serialize};
use std::{fs::File, io, path::PathBuf, sync::OnceLock};
use zkml_aggregation::AggregationKey;
use zkml_files::{read_bounded, write_atomic_new};
use zkml_model::prove::{Architecture, Keys};
use zkml_srs::default_cache_folder;

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
    /// What a mark in the cache folder says.
    fn mark(self) -> &'static [u8] {
        match self {
            Origin::Own => b"made here\n",
            Origin::Rederived => b"derived here\n",
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Origin::Own => "made on this machine",
            Origin::Rederived => "derived again from its configuration",
        }
    }
}

/// Names configuration, key, SRS and this program together.
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
        Ok(Self::new([
            b"model",
            &configuration,
            &key,
            srs,
            program().as_ref().map_or(&[], |hash| &hash[..]),
        ]))
    }

    /// Of a model's proving key, all of it: the verifying key is a part.
    pub fn of_proving_key(architecture: &Architecture, keys: &Keys) -> Result<Self> {
        let configuration = serde_json::to_vec(architecture)?;
        // halo2 writes it number by number.
        let mut key = io::BufWriter::new(Params::new().hash_length(32).to_state());
        keys.pk.write(&mut key, RawBytes)?;
        let key = key.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Self::new([
            b"proving",
            &configuration,
            key.finalize().as_bytes(),
            &keys.srs,
            program().as_ref().map_or(&[], |hash| &hash[..]),
        ]))
    }

    /// Of an aggregation's key.
    pub fn of_aggregation(key: &AggregationKey, srs: &[u8; 32]) -> Result<Self> {
        let (configuration, vk) = (key.configuration()?, key.verifying_key()?);
        Ok(Self::new([
            b"aggregation",
            &configuration,
            &vk,
            srs,
            program().as_ref().map_or(&[], |hash| &hash[..]),
        ]))
    }

    fn new(parts: [&[u8]; 5]) -> Self {
        let mut state = Params::new()
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

    /// The mark's file. Without this program in its name it would be another program's word, too.
    fn mark(&self) -> Result<PathBuf> {
        program().as_ref().map_err(|reason| anyhow!("{reason}"))?;
        Ok(default_cache_folder()?.join("made").join(&self.0))
    }

    /// How the key came to be known on this machine, if it was made or derived here before.
    pub fn origin(&self) -> Option<Origin> {
        // Without a cache folder, or a name for this program, nothing is known.
        let mark = read_bounded(&self.mark().ok()?, 64).ok()?;
        let all = [Origin::Own, Origin::Rederived];
        all.into_iter().find(|origin| mark == origin.mark())
    }

    /// Marks the key as made or derived here. Where that fails, it will be derived again.
    pub fn remember(&self, origin: Origin, ui: &Ui) {
        let write = || -> Result<()> {
            let mark = self.mark()?;
            let folder = mark.parent().context("no folder")?;
            std::fs::create_dir_all(folder)?;
            write_atomic_new(&mark, &mut |out| out.write_all(origin.mark()))?;
            Ok(())
        };
        if let Err(error) = write() {
            ui.note(format_args!(
                "warning: this key is not remembered as one of this machine, and will be derived again before something rests on it: {error:#}"
            ));
        }
    }
}

/// A hash of this program, libraries included; or why there is none, as where its file may be run and not read.
fn program() -> &'static Result<[u8; 32], String> {
    static PROGRAM: OnceLock<Result<[u8; 32], String>> = OnceLock::new();
    PROGRAM.get_or_init(|| hash_of_program().map_err(|error| format!("{error:#}")))
}

fn hash_of_program() -> Result<[u8; 32]> {
    let path = std::env::current_exe().context("this program's own file")?;
    let place = || format!("{}: this program's own file", path.display());
    let mut file = File::open(&path).with_context(place)?;
    let mut state = Params::new().hash_length(32).to_state();
    io::copy(&mut file, &mut state).with_context(place)?;
    let mut hash = [0; 32];
    hash.copy_from_slice(state.finalize().as_bytes());
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts() {
        let parts: [&[u8]; 5] = [b"model", b"configuration", b"key", b"srs", b"code"];
        for at in 0..parts.len() {
            let mut other = parts;
            other[at] = b"other";
            assert_ne!(Identity::new(parts), Identity::new(other));
        }
        // Nor can a part's end be the next one's beginning.
        let [kind, configuration, ..] = parts;
        let moved = [&kind[..4], b"lconfiguration", b"key", b"srs", b"code"];
        assert_eq!(moved.concat(), parts.concat());
        assert_ne!(configuration, moved[1]);
        assert_ne!(Identity::new(parts), Identity::new(moved));
    }
}
