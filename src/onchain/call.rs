//! From a proof to the call of a contract: the typed front, or the generated verifier itself.

use super::{
    args::parse_address,
    contracts::{load, Deployable},
    record::Record,
};
use crate::{
    contract::Artefact,
    hex::hex,
    keys::Verifying,
    models::{CommitmentArgs, Known},
    srs::{SrsArgs, TrustArgs, Trusted},
    submission::{mode, Submission},
    ui::Ui,
};
use anyhow::{bail, Context, Result};
use clap::Args;
use serde_json::{json, Value};
use std::path::{Path, PathBuf};
use zkml_evm_verifier::{
    calldata,
    chain::{is_local, Address, Node, Verdict},
    exec::ACCEPTED,
    front::{
        batch_call, encode, model, model_id, verify_call, Contract, IModelVerifier::Model,
        Inference, Mode,
    },
};
use zkml_model::prove::Word;

/// Which contracts.
#[derive(Args)]
pub struct ContractArgs {
    /// Folder or .json file written by `zkml evm generate`, with the records of `zkml evm deploy`
    #[arg(long, value_name = "PATH")]
    pub contract: PathBuf,
    /// Address of the ModelVerifier [default: the one that `zkml evm deploy` recorded]
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    pub model_verifier: Option<Address>,
}

/// Which call.
#[derive(Args)]
pub struct CallArgs {
    /// The contracts.
    #[command(flatten)]
    pub contracts: ContractArgs,
    /// Folders of keys of the models that the proof is about
    #[arg(long, value_name = "DIR", num_args = 1..)]
    keys: Vec<PathBuf>,
    /// The models' commitments.
    #[command(flatten)]
    commitments: CommitmentArgs,
    /// The SRS, for keys that were not made on this machine.
    #[command(flatten)]
    pub srs: SrsArgs,
    /// Call the generated verifier itself, which knows no models and emits no event
    #[arg(long, conflicts_with_all = ["keys", "commitments", "model_verifier"])]
    pub raw: bool,
}

impl CallArgs {
    /// The files and folders that are read.
    pub fn reads(&self) -> impl Iterator<Item = &Path> {
        let contract = [&self.contracts.contract];
        let files = self.keys.iter().chain(&self.srs.files);
        files.chain(contract).map(PathBuf::as_path)
    }
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To learn whether the proof is accepted.
    Verify,
    /// To have it recorded by an event.
    Submit,
}

/// The contracts that a command is about.
pub struct Contracts {
    /// The generated verifier's artefact.
    pub artefact: Artefact,
    /// The generated verifier.
    pub verifier: Deployable,
    /// The typed front.
    pub front: Deployable,
    /// The SRS that the verifier trusts, by its bytecode.
    pub srs: Trusted,
    /// Whether the user of this run relies on that SRS.
    pub relied: bool,
    /// Whether it may be sent to a chain where others rely on it.
    vouched: bool,
    named: Option<Address>,
}

/// Where they stand.
pub struct Places {
    /// The generated verifier.
    pub verifier: Record,
    /// The typed front, unless it was not asked for.
    pub front: Option<Record>,
}

/// A call ready to be made.
pub struct Call {
    /// The contract.
    pub to: Address,
    /// The data.
    pub data: Vec<u8>,
    /// What it says, where it is the front's.
    pub inferences: Vec<Inference>,
    /// The models that this is said of.
    pub models: Vec<Model>,
    /// The proof, as the call has it.
    pub proof: Vec<u8>,
}

impl Contracts {
    /// Reads the artefacts.
    pub fn load(args: &ContractArgs, trust: &TrustArgs) -> Result<Self> {
        let (artefact, path) = load(&args.contract)?;
        let verifier = Deployable::verifier(&artefact, &path)?;
        let srs = artefact.trusts(&path)?;
        Ok(Self {
            front: Deployable::front(&verifier.folder)?,
            verifier,
            artefact,
            relied: trust.relies_on(&srs.fingerprint)?,
            vouched: trust.vouches_for(&srs.fingerprint),
            srs,
            named: args.model_verifier,
        })
    }

    /// Fails where a chain would have others believe proofs that the SRS's maker can forge: on all but the known local
    /// ones, unless `allow`. Else says on stderr what is to be said of the SRS.
    pub fn admit(&self, chain_id: u64, allow: bool, ui: &Ui) -> Result<()> {
        if !self.vouched && !allow && !is_local(chain_id) {
            bail!(
                "refused on chain {chain_id}: the contract trusts the {}. Whoever made it can forge proofs that the contract accepts. Make the keys with an SRS of a ceremony (`zkml setup --srs`, docs/onchain.md); if you rely on this one, say --trust-srs {}; or, for a test network, give --allow-insecure-srs",
                self.srs,
                hex(&self.srs.fingerprint)
            );
        }
        self.warn(ui);
        Ok(())
    }

    /// Says on stderr that proofs under the SRS convince nobody, if so.
    pub fn warn(&self, ui: &Ui) {
        if !self.relied || self.srs.ceremony.is_none() {
            ui.note(format_args!(
                "warning: the contract trusts the {}: {}",
                self.srs, self.artefact.srs
            ));
        }
    }

    /// What `--json` says of the SRS.
    pub fn srs_json(&self) -> Value {
        json!({
            "srs": self.srs.to_string(),
            "srs_fingerprint": hex(&self.srs.fingerprint),
            "srs_secure": self.srs.ceremony.is_some(),
            "srs_relied_upon": self.relied,
        })
    }

    /// Where they stand on a node's chain, with their code checked.
    pub fn places(&self, node: &Node, raw: bool) -> Result<Places> {
        let front = match self.named {
            _ if raw => None,
            None => Some(self.front.address(node)?),
            Some(address) => Some(self.front.adopt(node, address)?),
        };
        Ok(Places {
            verifier: self.verifier.address(node)?,
            front,
        })
    }

    /// Where the records of a chain say that they stand. No node is asked.
    pub fn recorded(&self, chain_id: u64, raw: bool) -> Result<Places> {
        let find = |what: &Deployable| {
            Record::load(&what.folder, &what.name, chain_id)?.with_context(|| {
                format!(
                    "{}: no record of {} on chain {chain_id}; run `zkml evm deploy` first",
                    what.folder.display(),
                    what.name
                )
            })
        };
        let front = match self.named {
            _ if raw => None,
            None => Some(find(&self.front)?),
            Some(address) => Some(self.front.record(chain_id, address)),
        };
        Ok(Places {
            verifier: find(&self.verifier)?,
            front,
        })
    }

    /// How the contract checks proofs of a model.
    pub fn mode(&self, set: &Verifying) -> Result<Mode> {
        mode(&self.artefact.checks, set)
    }

    /// What is registered for a model.
    pub fn model(
        &self,
        verifier: Address,
        set: &Verifying,
        mode: Mode,
        commitment: Word,
    ) -> Result<Model> {
        // One secret: else no proof of these keys is ever aggregated to one that the contract accepts.
        let (expected, got) = (self.srs.fingerprint, set.srs.fingerprint());
        if expected != got {
            bail!(
                "the keys of the model are of another SRS than the contract {}, which could never verify it: the contract trusts that with fingerprint {}, the keys were made with {}; make the contract with the keys of this model (`zkml evm generate`)",
                self.artefact.contract,
                hex(&expected),
                hex(&got)
            );
        }
        self.artefact.check_structure(set)?;
        let contract = Contract {
            address: verifier,
            code: &self.verifier.bytecode.runtime,
            slots: &self.artefact.slots()?,
        };
        Ok(model(&set.form, commitment.0, mode, &contract)?)
    }
}

impl CallArgs {
    /// The models whose keys were given.
    pub fn models(&self, ui: &Ui) -> Result<Vec<Known>> {
        if self.keys.is_empty() && !self.raw {
            bail!("no models: give the folders of their keys with --keys, or --raw for the generated verifier itself");
        }
        Known::load(&self.keys, &self.commitments, &self.srs, ui)
    }
}

/// The call that a proof is for; `models` are those that it is about.
pub fn call(
    contracts: &Contracts,
    places: &Places,
    submission: &Submission,
    models: &[Known],
    purpose: Purpose,
) -> Result<Call> {
    let Some(front) = &places.front else {
        return Ok(Call {
            to: places.verifier.address,
            data: calldata::encode(&submission.instances, &submission.proof),
            inferences: Vec::new(),
            models: Vec::new(),
            proof: submission.proof.clone(),
        });
    };
    let claims = submission.claims(&contracts.artefact.checks, models)?;
    let (mut inferences, mut used) = (Vec::new(), Vec::new());
    for claim in &claims {
        let verifier = places.verifier.address;
        let commitment = claim.statement.commitment;
        let model = contracts.model(verifier, &claim.model.set, claim.mode, commitment)?;
        let (input, output) = encode(&model, claim.statement)?;
        inferences.push(Inference {
            model_id: model_id(&model),
            context: claim.statement.context.0,
            input,
            output,
        });
        used.push(model);
    }
    let proof = submission.front_proof();
    let submit = purpose == Purpose::Submit;
    let data = match inferences.as_slice() {
        [one] => verify_call(one, &proof, submit),
        many => batch_call(many, &proof, submit),
    };
    Ok(Call {
        to: front.address,
        data,
        inferences,
        models: used,
        proof,
    })
}

/// Asks the contract, without a transaction. An error if it does not accept.
pub fn ask(node: &Node, call: &Call) -> Result<()> {
    match node.call(None, call.to, &call.data)? {
        Verdict::Reverted(revert) => Err(super::refusal::refused(&revert)),
        // The front returns nothing, the generated verifier the word 1.
        Verdict::Returned(data) if !call.inferences.is_empty() && data.is_empty() => Ok(()),
        Verdict::Returned(data) if call.inferences.is_empty() && data == ACCEPTED => Ok(()),
        Verdict::Returned(data) => bail!(
            "{} returned {} bytes that are no verdict; is it the contract of this artefact?",
            call.to,
            data.len()
        ),
    }
}
