//! A deployment, written down before it is sent, so that it is never done twice.

use anyhow::{anyhow, bail, Context, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use zkml_evm_verifier::chain::{Address, B256};
use zkml_files::{read_bounded, write_atomic, Name};
use zkml_import::without_values;

/// Largest record that is read.
const MAX_FILE: u64 = 1 << 16;

/// A contract on a chain.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its name.
    pub contract: Name,
    /// The chain.
    pub chain_id: u64,
    /// Its address.
    pub address: Address,
    /// Hash of its code.
    pub code_hash: B256,
    /// The transaction that creates it; absent where it was found there.
    pub transaction: Option<B256>,
    /// Who sent that.
    pub deployer: Option<Address>,
    /// The block that it is in, once it is.
    pub block: Option<u64>,
}

impl Record {
    /// The file, in a folder.
    pub fn path(folder: &Path, contract: &Name, chain_id: u64) -> PathBuf {
        contract.in_folder(folder, &format!(".deployed-{chain_id}.json"))
    }

    /// Writes the file.
    pub fn save(&self, folder: &Path) -> Result<PathBuf> {
        let path = Self::path(folder, &self.contract, self.chain_id);
        let text = serde_json::to_string_pretty(self)?;
        write_atomic(&path, &mut |out| writeln!(out, "{text}"))?;
        Ok(path)
    }

    /// Takes the file away, where the transaction that it names has no effect.
    pub fn remove(&self, folder: &Path) -> Result<()> {
        let path = Self::path(folder, &self.contract, self.chain_id);
        std::fs::remove_file(&path).with_context(|| {
            format!(
                "{}: the transaction in it has no effect; take the file away",
                path.display()
            )
        })
    }

    /// Reads the file of a folder, if there is one.
    pub fn load(folder: &Path, contract: &Name, chain_id: u64) -> Result<Option<Self>> {
        let path = Self::path(folder, contract, chain_id);
        let exists = path.try_exists();
        if !exists.with_context(|| path.display().to_string())? {
            return Ok(None);
        }
        Self::read(&path, contract, chain_id).map(Some)
    }

    /// Reads a file, which must be about this contract and chain.
    pub fn read(path: &Path, contract: &Name, chain_id: u64) -> Result<Self> {
        let place = || path.display().to_string();
        let text = read_bounded(path, MAX_FILE)?;
        let record: Result<Self> =
            serde_json::from_slice(&text).map_err(|error| anyhow!(without_values(error)));
        let record = record.with_context(|| {
            format!(
                "{}: expected a record written by `zkml evm deploy`",
                place()
            )
        })?;
        if record.chain_id != chain_id || record.contract != *contract {
            bail!(
                "{}: expected {contract} on chain {chain_id}, got {} on chain {}; the file was renamed",
                place(),
                record.contract,
                record.chain_id
            );
        }
        Ok(record)
    }
}
