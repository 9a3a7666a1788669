//! The file of an aggregated proof: the proof, and in the clear what it is about.

use crate::keys::Verifying;
use anyhow::{bail, Context, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;
use zkml_circuits::{
    aggregate::{vk_digest, AggregateProof},
    files::{read_container, write_container, Kind},
    prove::{protocol, Proof, Statement, Word},
    srs::Provenance,
};

const VERSION: u32 = 1;

/// An aggregated proof with its statements.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// What the contract takes.
    pub aggregate: AggregateProof,
    /// What each inner proof states, in order.
    pub inner: Vec<Inner>,
    /// Where the SRS came from.
    pub srs: Provenance,
}

/// What an inner proof states.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inner {
    /// The verifying key as proofs name it.
    pub verifying_key: Word,
    /// The verifying key as the aggregation names it, among its public values.
    pub key_digest: Word,
    /// The statement.
    pub statement: Statement,
}

impl Inner {
    /// What `proof` states, under the key of `set`.
    pub fn new(set: &Verifying, proof: &Proof) -> Result<Self> {
        let instances = set.plan.statement.instances;
        let protocol = protocol(&set.srs.params, &set.verifier.vk, instances);
        Ok(Self {
            verifying_key: proof.verifying_key,
            key_digest: Word(vk_digest(&protocol)?),
            statement: proof.statement.clone(),
        })
    }
}

impl Bundle {
    /// Writes the file.
    pub fn save(&self, path: &Path) -> Result<()> {
        let payload = serde_json::to_vec(self)?;
        write_container(path, Kind::AggregationProof, VERSION, &mut |out| {
            out.write_all(&payload)
        })?;
        Ok(())
    }

    /// Reads the file. That the statements are those of the proof is checked for as far as it can be without the
    /// models: digests of keys, commitments and contexts.
    pub fn load(path: &Path) -> Result<Self> {
        let payload = read_container(path, Kind::AggregationProof, VERSION)?;
        let bundle: Self = serde_json::from_slice(&payload).with_context(|| {
            format!(
                "{}: payload: expected an aggregated proof with its statements",
                path.display()
            )
        })?;
        for (index, inner) in bundle.inner.iter().enumerate() {
            let words = [
                inner.key_digest,
                inner.statement.commitment,
                inner.statement.context,
            ];
            let stands = bundle.aggregate.instances.windows(words.len());
            let mut stands = stands.map(|window| window.iter().copied().map(Word));
            if !stands.any(|window| window.eq(words)) {
                bail!(
                    "{}: statement {index}: its key, commitment and context are not among the public values; aggregate the proofs again",
                    path.display()
                );
            }
        }
        Ok(bundle)
    }
}
