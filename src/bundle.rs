//! The file of an aggregated proof: the proof, and in the clear what it is about.

use crate::keys::Verifying;
use anyhow::{bail, Context, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;
use zkml_circuits::{
    aggregate::{vk_digest, AggregateProof, ACCUMULATOR_LIMBS},
    files::{read_container, write_container, Kind},
    prove::{protocol, Proof, Statement, Word},
    srs::Provenance,
};

/// Since 2 the digest of an inner key is of its slot's structure, too.
const VERSION: u32 = 2;

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

    /// Reads the file. Nothing says that the statements are those of the proof: see [`Bundle::fills`].
    pub fn load(path: &Path) -> Result<Self> {
        let payload = read_container(path, Kind::AggregationProof, VERSION)?;
        serde_json::from_slice(&payload).with_context(|| {
            format!(
                "{}: payload: expected an aggregated proof with its statements",
                path.display()
            )
        })
    }

    /// Fails unless the proof fills these slots of a contract, each with the statement that stands beside it, as far
    /// as that shows without the models: digest of the key, commitment and context.
    pub fn fills(&self, slots: &[u16]) -> Result<()> {
        if self.inner.len() != slots.len() {
            bail!(
                "expected an aggregation of {} proofs, which the contract is for, got one of {}; aggregate so many, or make a contract for them",
                slots.len(),
                self.inner.len()
            );
        }
        let words = slots.iter().map(|slot| usize::from(*slot)).sum::<usize>();
        let values = self.aggregate.instances.get(ACCUMULATOR_LIMBS..);
        let Some(mut rest) = values.filter(|values| values.len() == words) else {
            bail!(
                "expected {} public values, which the contract takes, got {}; aggregate proofs of the models that it was made for",
                ACCUMULATOR_LIMBS + words,
                self.aggregate.instances.len()
            );
        };
        for (index, (inner, slot)) in self.inner.iter().zip(slots).enumerate() {
            let (own, after) = rest
                .split_at_checked(usize::from(*slot))
                .unwrap_or((rest, &[]));
            let stated = [
                inner.key_digest,
                inner.statement.commitment,
                inner.statement.context,
            ];
            if !own.iter().copied().map(Word).take(stated.len()).eq(stated) {
                bail!("statement {index}: its key, commitment and context are not those of public values of proof {index}; aggregate the proofs again");
            }
            rest = after;
        }
        Ok(())
    }
}
