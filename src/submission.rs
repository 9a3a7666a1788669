//! What is sent to a contract: public values and proof, of either kind of contract.

use crate::{
    bundle::{Bundle, Inner},
    contract::{Artefact, Checks},
    outcome::Refused,
};
use anyhow::{Context, Result};
use halo2_proofs::halo2curves::bn256::Fr;
use serde_json::{json, Value};
use std::path::Path;
use zkml_circuits::prove::{Proof, Statement, Word};
use zkml_evm_verifier::front::{aggregated_proof, Mode};

/// Public values and proof, with what they state.
pub struct Submission {
    /// Public values.
    pub instances: Vec<Fr>,
    /// The proof.
    pub proof: Vec<u8>,
    /// What it states.
    pub stated: Stated,
}

/// What a submission states.
pub enum Stated {
    /// One inference, under the contract's own verifying key.
    One {
        /// That key.
        verifying_key: Word,
        /// The statement.
        statement: Box<Statement>,
    },
    /// One inference for each inner proof.
    Each(Vec<Inner>),
}

impl Stated {
    /// Inferences that it states.
    pub fn inferences(&self) -> usize {
        match self {
            Stated::One { .. } => 1,
            Stated::Each(inner) => inner.len(),
        }
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        match self {
            Stated::One { statement, .. } => json!([{ "statement": statement }]),
            Stated::Each(inner) => json!(inner),
        }
    }
}

/// One inference of a submission.
pub struct Claim<'a> {
    /// Verifying key of its model.
    pub verifying_key: Word,
    /// How the contract checks it.
    pub mode: Mode,
    /// What it states.
    pub statement: &'a Statement,
}

impl From<Bundle> for Submission {
    fn from(bundle: Bundle) -> Self {
        Self {
            instances: bundle.aggregate.instances,
            proof: bundle.aggregate.proof,
            stated: Stated::Each(bundle.inner),
        }
    }
}

impl Submission {
    /// The inferences, in order.
    pub fn claims(&self) -> Vec<Claim<'_>> {
        match &self.stated {
            Stated::One {
                verifying_key,
                statement,
            } => vec![Claim {
                verifying_key: *verifying_key,
                mode: Mode::Direct,
                statement,
            }],
            Stated::Each(inner) => inner
                .iter()
                .map(|inner| Claim {
                    verifying_key: inner.verifying_key,
                    mode: Mode::Aggregated {
                        key_digest: inner.key_digest.0,
                    },
                    statement: &inner.statement,
                })
                .collect(),
        }
    }

    /// The proof as the typed front takes it: where there is an accumulator, it stands in front.
    pub fn front_proof(&self) -> Vec<u8> {
        match &self.stated {
            Stated::One { .. } => self.proof.clone(),
            Stated::Each(_) => aggregated_proof(&self.instances, &self.proof),
        }
    }

    /// Reads a proof of the kind that the contract checks.
    pub fn load(path: &Path, contract: &Artefact) -> Result<Self> {
        match &contract.checks {
            Checks::Aggregate { slots } => {
                let bundle = Bundle::load(path).with_context(|| {
                    format!(
                        "contract {} checks aggregated proofs of `zkml aggregate`",
                        contract.contract
                    )
                })?;
                bundle
                    .fills(slots)
                    .with_context(|| path.display().to_string())?;
                Ok(bundle.into())
            }
            Checks::Direct {
                verifying_key,
                architecture,
            } => {
                let proof = Proof::load(path).with_context(|| {
                    format!(
                        "contract {} checks proofs of `zkml prove --transcript keccak`",
                        contract.contract
                    )
                })?;
                if proof.verifying_key != *verifying_key {
                    let reason = format!(
                        "{} was made for verifying key {}, the contract has {verifying_key}",
                        path.display(),
                        proof.verifying_key
                    );
                    return Err(Refused(reason).into());
                }
                let plan = architecture.plan()?;
                let instances = proof
                    .direct_instances(architecture, &plan)
                    .with_context(|| path.display().to_string())?;
                Ok(Self {
                    instances,
                    proof: proof.argument,
                    stated: Stated::One {
                        verifying_key: proof.verifying_key,
                        statement: Box::new(proof.statement),
                    },
                })
            }
        }
    }
}
