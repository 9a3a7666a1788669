//! `zkml evm register`: models known to the typed front.

use crate::{
    models::{CommitmentArgs, Known},
    onchain::{
        args::{KeyArgs, NodeArgs, SendArgs},
        call::{ContractArgs, Contracts, Places},
        gas,
        send::{sent_json, Sender, Sent},
    },
    srs::SrsArgs,
    submission::Submission,
    ui::Ui,
};
use anyhow::{Context, Result};
use clap::Args;
use serde_json::{json, Value};
use std::path::PathBuf;
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
    #[command(flatten)]
    commitments: CommitmentArgs,
    /// Proof of the kind that the contract checks: register those of the models that it is about. It must be about
    /// the keys and commitments of --keys; nothing is taken from it
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
    #[command(flatten)]
    contracts: ContractArgs,
    #[command(flatten)]
    srs: SrsArgs,
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
    let contracts = Contracts::load(&args.contracts, &args.srs.trust)?;
    let known = Known::load(&args.keys, &args.commitments, &args.srs, ui)?;
    let node = args.node.connect(ui)?;
    contracts.admit(node.chain_id(), args.allow_insecure_srs, ui)?;
    let places = contracts.places(&node, false)?;
    let models = models(args, &contracts, &places, &known)?;
    let front = places.front.as_ref().context("no ModelVerifier")?.address;
    let (mut registered, mut ahead) = (Vec::with_capacity(models.len()), 0);
    for model in &models {
        let gas = gas::of_registration(&contracts, &places, front, model)?;
        registered.push(register(model, front, gas, &mut ahead, &node, args, ui)?);
    }
    Ok(json!({
        "chain_id": node.chain_id(),
        "model_verifier": front,
        "models": registered,
        "srs": contracts.srs_json(),
    }))
}

/// What is to be registered: digests and commitments come from `--keys` and the command line, never from a proof.
fn models(
    args: &RegisterArgs,
    contracts: &Contracts,
    places: &Places,
    known: &[Known],
) -> Result<Vec<Model>> {
    let submission = args.proof.as_ref();
    let submission = submission.map(|path| Submission::load(path, &contracts.artefact));
    let submission = submission.transpose()?;
    let chosen: Vec<&Known> = match &submission {
        Some(submission) => {
            let claims = submission.claims(&contracts.artefact.checks, known)?;
            claims.iter().map(|claim| claim.model).collect()
        }
        None => known.iter().collect(),
    };
    let mut models: Vec<Model> = Vec::new();
    for known in chosen {
        let mode = contracts.mode(&known.set)?;
        let verifier = places.verifier.address;
        let model = contracts.model(verifier, &known.set, mode, known.commitment)?;
        if !models.contains(&model) {
            models.push(model);
        }
    }
    Ok(models)
}

/// Registers a model, unless it is registered. `ahead` counts the transactions that are to be signed elsewhere.
fn register(
    model: &Model,
    front: Address,
    gas: u64,
    ahead: &mut u64,
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
    let mut sender = Sender::new(node, &args.key, &args.send, named, ui)?;
    sender.ahead = *ahead;
    let transaction = Transaction {
        to: Some(front),
        data: register_call(model),
        gas,
    };
    let sent = sender.send("registering a model", transaction, &mut |_| Ok(()))?;
    if let Sent::Unsigned(..) = sent {
        *ahead += 1;
    }
    let sent = sent_json(&sent, node.chain_id());
    Ok(json!({ "model_id": id, "already": false, "transaction": sent }))
}

/// Whether the front knows a model.
fn known(node: &Node, front: Address, id: B256) -> Result<bool> {
    let answer = match node.call(None, front, &is_registered_call(id))? {
        Verdict::Returned(data) => is_registered(&data),
        Verdict::Reverted(_) => None,
    };
    answer.with_context(|| format!("{front} does not say whether model {id} is registered"))
}
