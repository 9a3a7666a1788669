//! What a model is by the files of whoever asks: with what a chain has, it is compared, and nothing is taken from there.

use super::call::{ContractArgs, Contracts};
use crate::{
    hex::hex,
    models::{CommitmentArgs, Known},
    srs::SrsArgs,
    ui::Ui,
};
use anyhow::Result;
use clap::Args;
use serde_json::{json, Value};
use std::path::PathBuf;
use zkml_evm_verifier::{
    chain::Address,
    front::{model_id, IModelVerifier::Model},
};

/// Which files.
#[derive(Args)]
pub struct FileArgs {
    /// Folder or .json file that `zkml evm generate` wrote, made by oneself
    #[arg(long, value_name = "PATH")]
    contract: PathBuf,
    /// Folders of the models' keys
    #[arg(long, value_name = "DIR", required = true, num_args = 1..)]
    keys: Vec<PathBuf>,
    #[command(flatten)]
    commitments: CommitmentArgs,
    #[command(flatten)]
    srs: SrsArgs,
}

/// What the files say.
pub struct Expected {
    /// The contract.
    pub contracts: Contracts,
    /// The models.
    pub models: Vec<Known>,
}

impl FileArgs {
    /// Reads them.
    pub fn load(&self, front: Option<Address>, ui: &Ui) -> Result<Expected> {
        let contracts = ContractArgs {
            contract: self.contract.clone(),
            model_verifier: front,
        };
        let contracts = Contracts::load(&contracts, &self.srs.trust)?;
        let models = Known::load(&self.keys, &self.commitments, &self.srs, ui)?;
        Ok(Expected { contracts, models })
    }
}

impl Expected {
    /// What is to be registered for a model, if the verifier stands at this address.
    pub fn model(&self, known: &Known, verifier: Address) -> Result<Model> {
        let mode = self.contracts.mode(&known.set)?;
        self.contracts
            .model(verifier, &known.set, mode, known.commitment)
    }
}

/// A model as text.
pub fn say_model(model: &Model, ui: &Ui) -> Result<()> {
    ui.say(format_args!("model id            {}", model_id(model)))?;
    ui.say(format_args!(
        "commitment C        {:#066x}",
        model.commitment
    ))?;
    ui.say(format_args!(
        "key digest          {:#066x}",
        model.keyDigest
    ))?;
    ui.say(format_args!("verifier            {}", model.verifier))?;
    ui.say(format_args!("its code's hash     {}", model.codeHash))?;
    ui.say(format_args!("slots               {:?}", model.slots))
}

/// A model as JSON.
pub fn model_json(model: &Model) -> Value {
    json!({
        "model_id": model_id(model),
        "commitment": format!("{:#066x}", model.commitment),
        "key_digest": format!("{:#066x}", model.keyDigest),
        "verifier": model.verifier,
        "code_hash": model.codeHash,
        "slots": model.slots,
        "encoded": format!("0x{}", hex(&zkml_evm_verifier::front::encode_model(model))),
    })
}
