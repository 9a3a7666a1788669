//! The file of an aggregated proof: the proof, and in the clear what it is about.

use crate::{keys::Verifying, outcome::Refused};
use anyhow::{bail, Context, Result};
use halo2_proofs::halo2curves::bn256::Fr;
use serde::{Deserialize, Serialize};
use std::path::Path;
use zkml_aggregation::{vk_digest, AggregateProof, ACCUMULATOR_LIMBS};
use zkml_files::{read_container, write_container, Kind};
use zkml_model::prove::{protocol, Proof, Statement, Word};
use zkml_srs::Provenance;

/// Since 2 the digest of an inner key is of its slot's structure, too.
const VERSION: u32 = 2;

/// An aggregated proof with its statements. All beside `aggregate` is what the file's writer says of it: it is
/// believed once [`Bundle::expect`] has compared it with what follows from the models' keys.
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
#[derive(Clone, Serialize, Deserialize)]
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
        Ok(Self {
            verifying_key: proof.verifying_key,
            key_digest: key_digest(set)?,
            statement: proof.statement.clone(),
        })
    }
}

/// A verifying key as aggregations name it.
pub fn key_digest(set: &Verifying) -> Result<Word> {
    let instances = set.form.instances;
    let protocol = protocol(&set.srs.params, &set.verifier.vk, instances)?;
    Ok(Word(vk_digest(&protocol)?))
}

/// The public values of one inner proof as its model's keys have them.
pub struct Slot {
    /// The verifying key as the aggregation names it.
    pub key_digest: Word,
    /// The statement as public values.
    pub instances: Vec<Fr>,
}

impl Slot {
    /// Those of `statement` under the key of `set`.
    pub fn new(set: &Verifying, statement: &Statement) -> Result<Self> {
        Ok(Self {
            key_digest: key_digest(set)?,
            instances: statement.instances(&set.form)?,
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

    /// Reads the file. Only its form is checked.
    pub fn load(path: &Path) -> Result<Self> {
        let payload = read_container(path, Kind::AggregationProof, VERSION)?;
        let bundle: Self = serde_json::from_slice(&payload).with_context(|| {
            format!(
                "{}: payload: expected an aggregated proof with its statements",
                path.display()
            )
        })?;
        if bundle.aggregate.instances.len() < ACCUMULATOR_LIMBS || bundle.inner.is_empty() {
            bail!(
                "{}: expected {ACCUMULATOR_LIMBS} public values of the accumulator and at least one statement, got {} and {}; aggregate the proofs again",
                path.display(),
                bundle.aggregate.instances.len(),
                bundle.inner.len()
            );
        }
        Ok(bundle)
    }

    /// Fails unless the public values are the accumulator and then exactly `slots`, one after the other, and the
    /// file names the same keys.
    pub fn expect(&self, slots: &[Slot]) -> Result<(), Refused> {
        let (expected, got) = (slots.len(), self.inner.len());
        if expected != got {
            return Err(Refused(format!(
                "expected {expected} statements, the file has {got}"
            )));
        }
        let values = &self.aggregate.instances;
        let expected = slots.iter().fold(ACCUMULATOR_LIMBS, |sum, slot| {
            sum + 1 + slot.instances.len()
        });
        if expected != values.len() {
            return Err(Refused(format!(
                "its statements have {expected} public values under --keys, the proof has {}",
                values.len()
            )));
        }
        let mut rest = values.iter().skip(ACCUMULATOR_LIMBS).copied().map(Word);
        for (index, (slot, inner)) in slots.iter().zip(&self.inner).enumerate() {
            if slot.key_digest != inner.key_digest {
                return Err(Refused(format!(
                    "statement {index}: the key digest of --keys is {}, the file says {}",
                    slot.key_digest, inner.key_digest
                )));
            }
            let own = std::iter::once(slot.key_digest.0).chain(slot.instances.iter().copied());
            for (at, (own, got)) in own.map(Word).zip(&mut rest).enumerate() {
                if own != got {
                    return Err(Refused(format!(
                        "statement {index}: {}: the file's statement under --keys has {own}, the proof {got}",
                        public_value(at)
                    )));
                }
            }
        }
        Ok(())
    }
}

/// What stands at a place of a slot.
fn public_value(at: usize) -> String {
    match at {
        0 => "key digest".to_owned(),
        1 => "commitment".to_owned(),
        2 => "context".to_owned(),
        more => format!("public value {}", more - 1),
    }
}
