//! `zkml evm submit`: a proof on the chain.

use crate::{
    onchain::{
        args::{KeyArgs, NodeArgs, SendArgs},
        call::{call, Call, CallArgs, Contracts, Places, Purpose},
        gas,
        send::{sent_json, Sender, Sent},
    },
    submission::Submission,
    ui::Ui,
};
use anyhow::{bail, Context, Result};
use clap::Args;
use serde_json::{json, Value};
use std::path::PathBuf;
use zkml_evm_verifier::{
    chain::{keccak256, Log, Node, Transaction, B256},
    front::{event, word, Event, Inference},
};

/// Have a proof verified by a transaction, which leaves an InferenceVerified event for each statement.
///
/// If the chain has the event already, nothing is sent. The event says that a statement is true; it is a contract's
/// own business to act on a statement only once, and only for whom it is meant (docs/onchain.md).
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml evm submit aggregate.zkml --keys keys --contract contract --rpc-url http://127.0.0.1:8545 --yes
  zkml evm submit aggregate.zkml --keys keys --contract contract --rpc-url http://127.0.0.1:8545 --dry-run
  zkml evm submit aggregate.zkml --raw --contract contract --rpc-url http://127.0.0.1:8545 --yes

The private key is taken from $ZKML_PRIVATE_KEY, from a keystore file, or asked for (--interactive).
Exit code 3: the contract rejects the proof; it is then not sent.")]
pub struct SubmitArgs {
    /// Aggregated proof
    proof: PathBuf,
    #[command(flatten)]
    call: CallArgs,
    /// Send it even if the chain has its event already, and without looking
    #[arg(long)]
    again: bool,
    /// Send a proof under a development SRS to a chain that is not a local one: for test networks only
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
pub fn run(args: &SubmitArgs, ui: &Ui) -> Result<Value> {
    let contracts = Contracts::load(&args.call.contracts, &args.call.srs.trust)?;
    let submission = Submission::load(&args.proof, &contracts.artefact)?;
    let models = args.call.models(ui)?;
    let node = args.node.connect(ui)?;
    contracts.admit(node.chain_id(), args.allow_insecure_srs, ui)?;
    let places = contracts.places(&node, args.call.raw)?;
    let call = call(&contracts, &places, &submission, &models, Purpose::Submit)?;
    let gas = gas::of_call(&contracts, &places, &call)?;
    if !args.again {
        let look = || verified(&node, &places, &call);
        let looked = ui.stage("Looking for an earlier submission", None, look);
        if let Some(earlier) = looked.value? {
            ui.say("The chain has these statements as verified already; nothing was sent:")?;
            for transaction in &earlier {
                ui.say(format_args!("transaction         {transaction}"))?;
            }
            return Ok(json!({
                "chain_id": node.chain_id(),
                "already": true,
                "transactions": earlier,
                "srs": contracts.srs_json(),
            }));
        }
    }
    let named = args.node.chain_id.is_some();
    let sender = Sender::new(&node, &args.key, &args.send, named, ui)?;
    let transaction = Transaction {
        to: Some(call.to),
        data: call.data.clone(),
        gas,
    };
    let sent = sender.send("submitting a proof", transaction, &mut |_| Ok(()))?;
    let mut events = Vec::new();
    if let Sent::Done(_, receipt) = &sent {
        for inference in &call.inferences {
            let Some(_) = receipt
                .logs
                .iter()
                .find(|log| log.address == call.to && says(log, inference))
            else {
                bail!(
                    "transaction {} has no InferenceVerified event for model {}: is {} the right ModelVerifier?",
                    receipt.hash,
                    inference.model_id,
                    call.to
                );
            };
            ui.say(format_args!(
                "verified            model {}, context {:#x}",
                inference.model_id,
                word(inference.context)
            ))?;
            events.push(
                json!({ "model_id": inference.model_id, "context": word(inference.context) }),
            );
        }
        if call.inferences.is_empty() {
            ui.say("The verifier accepted the proof in a transaction.")?;
        }
    }
    Ok(json!({
        "chain_id": node.chain_id(),
        "already": false,
        "contract": call.to,
        "transaction": sent_json(&sent, node.chain_id()),
        "verified": events,
        "srs": contracts.srs_json(),
    }))
}

/// The transactions by which all statements have been verified already; none if one has not.
fn verified(node: &Node, places: &Places, call: &Call) -> Result<Option<Vec<B256>>> {
    let Some(front) = &places.front else {
        return Ok(None);
    };
    let search = || -> Result<Option<Vec<B256>>> {
        let from = match front.block {
            Some(block) => block,
            None => node.creation_block(front.address)?.unwrap_or(0),
        };
        let mut transactions = Vec::new();
        for inference in &call.inferences {
            let context = B256::from(word(inference.context));
            let topics = [None, Some(inference.model_id), Some(context), None];
            let mut wanted = |log: &Log| says(log, inference);
            let Some(log) = node.find_log(call.to, from, topics, &mut wanted)? else {
                return Ok(None);
            };
            transactions.extend(log.transaction.filter(|hash| !transactions.contains(hash)));
        }
        Ok(Some(transactions))
    };
    search().context("cannot look for an earlier submission; --again submits without looking")
}

/// Whether an event says that an inference was verified.
fn says(log: &Log, inference: &Inference) -> bool {
    match event(&log.topics, &log.data) {
        Some(Event::Verified(event)) => {
            event.modelId == inference.model_id
                && event.context == word(inference.context)
                && event.inputHash == keccak256(&inference.input)
                && event.output == inference.output
        }
        _ => false,
    }
}
