//! What is sent to a contract: public values and proof, of either kind of contract.

use crate::{
    bundle::{key_digest, Bundle, Slot},
    contract::{Artefact, Checks},
    keys::Verifying,
    models::Known,
    outcome::Refused,
};
use anyhow::{bail, Context, Result};
use halo2_proofs::halo2curves::bn256::Fr;
use serde_json::{json, Value};
use std::path::Path;
use zkml_evm_verifier::front::{aggregated_proof, Mode};
use zkml_model::prove::{Proof, Statement, Word};

/// Public values and proof. What its file says that they state is [claimed](Submission::claims) only.
pub struct Submission {
    /// Public values.
    pub instances: Vec<Fr>,
    /// The proof.
    pub proof: Vec<u8>,
    /// Name of the file.
    name: String,
    said: Said,
}

/// What the file says.
enum Said {
    /// One inference, under the contract's own verifying key.
    One(Box<Proof>),
    /// One inference for each inner proof.
    Each(Bundle),
}

/// One inference of a submission, compared with the keys of its model.
pub struct Claim<'a> {
    /// Its model.
    pub model: &'a Known,
    /// How the contract checks it.
    pub mode: Mode,
    /// What it states.
    pub statement: &'a Statement,
}

impl Claim<'_> {
    /// As JSON.
    pub fn json(&self) -> Value {
        let mut object = json!({
            "verifying_key": self.model.set.verifier.digest(),
            "statement": self.statement,
        });
        if let (Mode::Aggregated { key_digest }, Value::Object(object)) = (self.mode, &mut object) {
            object.insert("key_digest".into(), json!(Word(key_digest)));
        }
        object
    }
}

/// How a contract checks proofs of a model.
pub fn mode(checks: &Checks, set: &Verifying) -> Result<Mode> {
    match checks {
        Checks::Aggregate { .. } => Ok(Mode::Aggregated {
            key_digest: key_digest(set)?.0,
        }),
        Checks::Direct { verifying_key, .. } if *verifying_key == set.verifier.digest() => {
            Ok(Mode::Direct)
        }
        Checks::Direct { verifying_key, .. } => bail!(
            "the contract checks proofs under verifying key {verifying_key}, the keys have {}; make a contract for them (`zkml evm generate --mode direct`)",
            set.verifier.digest()
        ),
    }
}

/// Fails unless the contract is for proofs of these sizes, in this order.
fn expect_contract(checks: &Checks, slots: &[Slot]) -> Result<(), Refused> {
    let Checks::Aggregate {
        slots: expected, ..
    } = checks
    else {
        return Ok(());
    };
    let got: Vec<usize> = slots.iter().map(|slot| 1 + slot.instances.len()).collect();
    let expected: Vec<usize> = expected.iter().copied().map(usize::from).collect();
    if got == expected {
        return Ok(());
    }
    Err(Refused(format!(
        "the contract is for proofs with {expected:?} public values, in this order (key digest included), those of --keys have {got:?}; make a contract for these"
    )))
}

impl Submission {
    /// An aggregated proof; `name` is that of its file.
    pub fn aggregated(name: &str, bundle: Bundle) -> Self {
        Self {
            instances: bundle.aggregate.instances.clone(),
            proof: bundle.aggregate.proof.clone(),
            name: name.to_owned(),
            said: Said::Each(bundle),
        }
    }

    /// Whether it is a proof of one inference for certain. How many an aggregated proof has, only keys tell.
    pub fn is_single(&self) -> bool {
        match self.said {
            Said::One(_) => true,
            Said::Each(_) => false,
        }
    }

    /// The inferences, in order. Digests and public values are computed from the models' keys; what the file has
    /// beside them is compared.
    ///
    /// # Errors
    /// Refused if anything differs; the message names both.
    pub fn claims<'a>(&'a self, checks: &Checks, models: &'a [Known]) -> Result<Vec<Claim<'a>>> {
        let claims = match &self.said {
            Said::One(proof) => {
                vec![self.claim(0, proof.verifying_key, &proof.statement, checks, models)?]
            }
            Said::Each(bundle) => {
                let numbered = bundle.inner.iter().enumerate();
                numbered
                    .map(|(index, inner)| {
                        self.claim(index, inner.verifying_key, &inner.statement, checks, models)
                    })
                    .collect::<Result<_>>()?
            }
        };
        match &self.said {
            Said::One(proof) => {
                let of_keys = |claim: &Claim<'_>| {
                    let set = &claim.model.set;
                    proof.direct_instances(&set.form)
                };
                let same = claims.first().map(of_keys).transpose()?;
                if same.as_ref() != Some(&self.instances) {
                    bail!("the contract's artefact and --keys have one verifying key and other models; make the contract again");
                }
            }
            Said::Each(bundle) => {
                let slots = claims
                    .iter()
                    .map(|claim| Slot::new(&claim.model.set, claim.statement))
                    .collect::<Result<Vec<_>>>()
                    .with_context(|| self.name.clone())?;
                let in_file = |Refused(reason)| Refused(format!("{}: {reason}", self.name));
                bundle.expect(&slots).map_err(in_file)?;
                expect_contract(checks, &slots).map_err(in_file)?;
            }
        }
        Ok(claims)
    }

    fn claim<'a>(
        &self,
        index: usize,
        verifying_key: Word,
        statement: &'a Statement,
        checks: &Checks,
        models: &'a [Known],
    ) -> Result<Claim<'a>> {
        let refused =
            |reason: String| Refused(format!("{}: statement {index}: {reason}", self.name));
        let of_key = || {
            let all = models.iter();
            all.filter(move |model| model.set.verifier.digest() == verifying_key)
        };
        let states = |model: &&Known| model.commitment == statement.commitment;
        if let Some(model) = of_key().find(states) {
            return Ok(Claim {
                mode: mode(checks, &model.set)?,
                model,
                statement,
            });
        }
        let words = |words: &mut dyn Iterator<Item = Word>| {
            let words: Vec<String> = words.map(|word| word.to_string()).collect();
            words.join(", ")
        };
        let commitments = words(&mut of_key().map(|model| model.commitment));
        let reason = if commitments.is_empty() {
            let keys = words(&mut models.iter().map(|model| model.set.verifier.digest()));
            format!("it names verifying key {verifying_key}, --keys has {keys}")
        } else {
            format!(
                "it states model commitment {}, the model of --keys has {commitments}",
                statement.commitment
            )
        };
        Err(refused(reason).into())
    }

    /// The proof as the typed front takes it: where there is an accumulator, it stands in front.
    pub fn front_proof(&self) -> Vec<u8> {
        match &self.said {
            Said::One(_) => self.proof.clone(),
            Said::Each(_) => aggregated_proof(&self.instances, &self.proof),
        }
    }

    /// Reads a proof of the kind that the contract checks.
    pub fn load(path: &Path, contract: &Artefact) -> Result<Self> {
        let name = path.display().to_string();
        match &contract.checks {
            Checks::Aggregate { .. } => {
                let bundle = Bundle::load(path).with_context(|| {
                    format!(
                        "contract {} checks aggregated proofs of `zkml aggregate`",
                        contract.contract
                    )
                })?;
                Ok(Self::aggregated(&name, bundle))
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
                        "{name} was made for verifying key {}, the contract has {verifying_key}",
                        proof.verifying_key
                    );
                    return Err(Refused(reason).into());
                }
                let instances = proof
                    .direct_instances(&architecture.form()?)
                    .with_context(|| name.clone())?;
                Ok(Self {
                    instances,
                    proof: proof.argument.clone(),
                    name,
                    said: Said::One(Box::new(proof)),
                })
            }
        }
    }
}
