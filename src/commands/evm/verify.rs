//! `zkml evm verify`: the contract is asked, without a transaction.

use crate::{
    onchain::{
        args::NodeArgs,
        call::{ask, call, CallArgs, Contracts, Purpose},
    },
    outcome::Untrusted,
    submission::Submission,
    ui::Ui,
};
use anyhow::Result;
use clap::Args;
use serde_json::{json, Value};
use std::path::PathBuf;
use zkml_evm_verifier::front::word;

/// Ask the contract on a chain whether it accepts a proof (eth_call: free, and nothing is sent).
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml evm verify aggregate.zkml --keys keys --contract contract --rpc-url http://127.0.0.1:8545
  zkml evm verify aggregate.zkml --raw --contract contract --rpc-url http://127.0.0.1:8545 --json

Exit code 3: the contract rejects the proof. 4: it accepts it, on a chain that is not a local one, and trusts an
SRS that is none that zkml knows, and that --trust-srs does not name.")]
pub struct VerifyArgs {
    /// Aggregated proof
    proof: PathBuf,
    #[command(flatten)]
    call: CallArgs,
    #[command(flatten, next_help_heading = "Node")]
    node: NodeArgs,
}

/// Runs the command.
pub fn run(args: &VerifyArgs, ui: &Ui) -> Result<Value> {
    let contracts = Contracts::load(&args.call.contracts, &args.call.srs.trust)?;
    let submission = Submission::load(&args.proof, &contracts.artefact)?;
    let models = args.call.models(ui)?;
    let node = args.node.connect(ui)?;
    let places = contracts.places(&node, args.call.raw)?;
    let call = call(&contracts, &places, &submission, &models, Purpose::Verify)?;
    ask(&node, &call)?;
    contracts.warn(ui);
    let mut statements = Vec::new();
    for inference in &call.inferences {
        let context = word(inference.context);
        ui.say(format_args!("model id            {}", inference.model_id))?;
        ui.say(format_args!("context             {context:#x}"))?;
        statements.push(json!({ "model_id": inference.model_id, "context": context }));
    }
    let fields = json!({
        "chain_id": node.chain_id(),
        "contract": call.to,
        "statements": statements,
        "srs": contracts.srs_json(),
    });
    if !contracts.relied && !node.is_local() {
        return Err(Untrusted::new("the proof holds", &contracts.srs.fingerprint, fields).into());
    }
    ui.say(format_args!(
        "Proof accepted by {} on chain {}.",
        call.to,
        node.chain_id()
    ))?;
    Ok(fields)
}
