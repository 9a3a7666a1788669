//! `zkml evm register`: models known to the typed front.

use crate::{
    keys::{KeyFolder, Verifying},
    onchain::{
        args::{KeyArgs, NodeArgs, SendArgs},
        call::{ContractArgs, Contracts, Places},
        contracts::check_srs,
        send::{sent_json, Sender},
    },
    outcome::Refused,
    srs::SrsArgs,
    submission::Submission,
    ui::Ui,
};
use anyhow::{bail, Context, Result};
use clap::Args;
use serde_json::{json, Value};
use std::path::PathBuf;
use zkml_circuits::prove::Word;
use zkml_evm_verifier::{
    chain::{Address, Node, Transaction, Verdict, B256},
    front::{is_registered, is_registered_call, model_id, register_call, IModelVerifier::Model},
};

/// Register models with ModelVerifier, each under the id that a contract then pins.
///
/// The id is the hash of all that a model is: verifier and its code, verifying key, commitment to the weights,
/// shapes and ranges. Anybody may register it, once; nobody can change it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml evm register --keys keys --commitment 0x1f… --contract contract --rpc-url http://127.0.0.1:8545 --yes
  zkml evm register --keys keys --proof aggregate.zkml --contract contract --rpc-url http://127.0.0.1:8545 --yes
  zkml evm register --keys keys --proof aggregate.zkml --contract contract --rpc-url http://127.0.0.1:8545 --dry-run

The private key is taken from $ZKML_PRIVATE_KEY, from a keystore file, or asked for (--interactive).")]
pub struct RegisterArgs {
    /// Folders of the models' keys
    #[arg(long, value_name = "DIR", required = true, num_args = 1..)]
    keys: Vec<PathBuf>,
    /// Commitment C to the weights of the one model, as `zkml setup` says it
    #[arg(long, value_name = "C", required_unless_present = "proof")]
    commitment: Option<Word>,
    /// Proof of the kind that the contract checks: register the models that it is about, with the commitments
    /// that it states
    #[arg(long, value_name = "FILE", conflicts_with = "commitment")]
    proof: Option<PathBuf>,
    #[command(flatten)]
    contracts: ContractArgs,
    /// Register a verifier of a development SRS on a chain that is not a local one: for test networks only
    #[arg(long)]
    allow_insecure_srs: bool,
    #[command(flatten, next_help_heading = "Node")]
    node: NodeArgs,
    #[command(flatten, next_help_heading = "Private key")]
    key: KeyArgs,
    #[command(flatten, next_help_heading = "Transaction")]
    send: SendArgs,
}

/// Runs the command.
pub fn run(args: &RegisterArgs, ui: &Ui) -> Result<Value> {
    let contracts = Contracts::load(&args.contracts)?;
    let folders = args.keys.iter().cloned().map(KeyFolder);
    let sets = folders
        .map(|folder| folder.verifying(&SrsArgs::default(), ui))
        .collect::<Result<Vec<_>>>()?;
    let node = args.node.connect(ui)?;
    let artefact = &contracts.artefact;
    check_srs(
        artefact.srs_secure,
        &artefact.srs,
        &node,
        args.allow_insecure_srs,
    )?;
    let places = contracts.places(&node, false)?;
    let models = models(args, &contracts, &places, &sets)?;
    let front = places.front.context("no ModelVerifier")?.address;
    let mut registered = Vec::with_capacity(models.len());
    for model in &models {
        registered.push(register(model, front, &node, args, ui)?);
    }
    Ok(json!({ "chain_id": node.chain_id(), "model_verifier": front, "models": registered }))
}

/// What is to be registered.
fn models(
    args: &RegisterArgs,
    contracts: &Contracts,
    places: &Places,
    sets: &[Verifying],
) -> Result<Vec<Model>> {
    let verifier = places.verifier.address;
    let Some(path) = &args.proof else {
        let (Some(commitment), [set]) = (args.commitment, sets) else {
            bail!("--commitment is of one model: give one folder of keys");
        };
        let mode = contracts.mode(set)?;
        return Ok(vec![contracts.model(verifier, set, mode, commitment)?]);
    };
    let submission = Submission::load(path, &contracts.artefact)?;
    let mut models: Vec<Model> = Vec::new();
    for claim in submission.claims() {
        let set = sets
            .iter()
            .find(|set| set.verifier.digest() == claim.verifying_key);
        let Some(set) = set else {
            return Err(Refused(format!(
                "{} has a proof under verifying key {}, which none of --keys has",
                path.display(),
                claim.verifying_key
            ))
            .into());
        };
        let commitment = claim.statement.commitment;
        let model = contracts.model(verifier, set, claim.mode, commitment)?;
        if !models.contains(&model) {
            models.push(model);
        }
    }
    Ok(models)
}

/// Registers a model, unless it is registered.
fn register(
    model: &Model,
    front: Address,
    node: &Node,
    args: &RegisterArgs,
    ui: &Ui,
) -> Result<Value> {
    let id = model_id(model);
    ui.say(format_args!("model id            {id}"))?;
    ui.say(format_args!("commitment C        {:#x}", model.commitment))?;
    if known(node, front, id)? {
        ui.say("It is registered already: nothing to do.")?;
        return Ok(json!({ "model_id": id, "already": true }));
    }
    let named = args.node.chain_id.is_some();
    let sender = Sender::new(node, &args.key, &args.send, named, ui)?;
    let transaction = Transaction {
        to: Some(front),
        data: register_call(model),
    };
    let sent = sender.send("registering a model", transaction, &mut |_| Ok(()))?;
    Ok(json!({ "model_id": id, "already": false, "transaction": sent_json(&sent) }))
}

/// Whether the front knows a model.
fn known(node: &Node, front: Address, id: B256) -> Result<bool> {
    let answer = match node.call(None, front, &is_registered_call(id))? {
        Verdict::Returned(data) => is_registered(&data),
        Verdict::Reverted(_) => None,
    };
    answer.with_context(|| format!("{front} does not say whether model {id} is registered"))
}
