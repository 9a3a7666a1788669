//! The contracts that are deployed, and whether they stand on a chain.

use super::record::Record;
use crate::{contract::Artefact, output::folder_of};
use anyhow::{bail, Context, Result};
use std::path::{Path, PathBuf};
use zkml_evm_verifier::{
    chain::{keccak256, Address, Node, B256},
    compile::Bytecode,
    contracts::{model_verifier, SOLC},
};
use zkml_files::Name;

/// A contract that can be deployed.
pub struct Deployable {
    /// Its name.
    pub name: Name,
    /// Its code.
    pub bytecode: Bytecode,
    /// Where its records are kept.
    pub folder: PathBuf,
}

/// What is known of a contract on a chain.
pub enum Standing {
    /// It stands there, with the expected code.
    There(Record),
    /// A transaction that creates it has been sent.
    Sent(Record, B256),
    /// It is not there.
    Absent,
}

impl Deployable {
    /// The verifier of an artefact.
    pub fn verifier(artefact: &Artefact, path: &Path) -> Result<Self> {
        let place = || path.display().to_string();
        Ok(Self {
            name: artefact.contract.clone(),
            bytecode: artefact.bytecode().with_context(place)?,
            folder: folder_of(path).to_owned(),
        })
    }

    /// The typed front, with its records in `folder`.
    pub fn front(folder: &Path) -> Result<Self> {
        let artefact = model_verifier()?;
        Ok(Self {
            name: artefact.contract_name.parse()?,
            bytecode: Bytecode {
                creation: artefact.creation(),
                runtime: artefact.runtime(),
                solc: SOLC.to_owned(),
            },
            folder: folder.to_owned(),
        })
    }

    /// The hash that its code has on a chain.
    pub fn code_hash(&self) -> B256 {
        keccak256(&self.bytecode.runtime)
    }

    /// Looks for it where the record says that it is.
    pub fn standing(&self, node: &Node) -> Result<Standing> {
        let Some(record) = Record::load(&self.folder, &self.name, node.chain_id())? else {
            return Ok(Standing::Absent);
        };
        // A run may have ended between record and transaction, or the transaction was never taken. The address is then
        // free, or that of what the account created instead.
        if let (None, Some(hash)) = (record.block, record.transaction) {
            let there = keccak256(node.code(record.address)?) == self.code_hash();
            if !there && !node.knows(hash)? {
                return Ok(Standing::Absent);
            }
        }
        let stands = self.stands_at(node, record.address)?;
        // An earlier run may have ended before the transaction had all its confirmations.
        if stands && (record.block.is_some() || record.transaction.is_none()) {
            return Ok(Standing::There(record));
        }
        match record.transaction {
            Some(hash) if node.knows(hash)? => Ok(Standing::Sent(record, hash)),
            _ if stands => Ok(Standing::There(record)),
            _ => Ok(Standing::Absent),
        }
    }

    /// Whether it stands at an address; an error if something else does.
    pub fn stands_at(&self, node: &Node, address: Address) -> Result<bool> {
        let code = node.code(address)?;
        let (expected, got) = (self.code_hash(), keccak256(&code));
        if code.is_empty() {
            return Ok(false);
        }
        if got != expected {
            bail!(
                "{address} on chain {}: expected the code of {} (hash {expected}), got a contract with hash {got}; was it made again since? Then move {} away and deploy it",
                node.chain_id(),
                self.name,
                Record::path(&self.folder, &self.name, node.chain_id()).display()
            );
        }
        Ok(true)
    }

    /// A record of one that somebody else has put there.
    pub fn record(&self, chain_id: u64, address: Address) -> Record {
        Record {
            contract: self.name.clone(),
            chain_id,
            address,
            code_hash: self.code_hash(),
            transaction: None,
            deployer: None,
            block: None,
        }
    }

    /// Takes the one at an address, if it has the expected code. The block is that of its record, if it has one.
    pub fn adopt(&self, node: &Node, address: Address) -> Result<Record> {
        if !self.stands_at(node, address)? {
            bail!(
                "there is no contract at {address} on chain {}",
                node.chain_id()
            );
        }
        let recorded = Record::load(&self.folder, &self.name, node.chain_id())?;
        Ok(match recorded.filter(|record| record.address == address) {
            Some(record) => record,
            None => self.record(node.chain_id(), address),
        })
    }

    /// Its address, where it stands.
    pub fn address(&self, node: &Node) -> Result<Record> {
        match self.standing(node)? {
            Standing::There(record) => Ok(record),
            Standing::Sent(..) => bail!(
                "{} is not yet on chain {}: run `zkml evm deploy` again to wait for it",
                self.name,
                node.chain_id()
            ),
            Standing::Absent => bail!(
                "{} is not on chain {}, or {} has no record of it; run `zkml evm deploy` first",
                self.name,
                node.chain_id(),
                self.folder.display()
            ),
        }
    }
}

/// The artefact at a path, or in the folder at that path.
pub fn load(path: &Path) -> Result<(Artefact, PathBuf)> {
    let path = artefact_path(path);
    Ok((Artefact::load(&path)?, path))
}

/// The file at a path, or the artefact's in the folder at that path.
pub fn artefact_path(path: &Path) -> PathBuf {
    if path.is_dir() {
        default_contract(path)
    } else {
        path.to_owned()
    }
}

/// The artefact of the name that `zkml evm generate` gives.
fn default_contract(folder: &Path) -> PathBuf {
    folder.join(format!("{}.json", crate::contract::CONTRACT))
}
