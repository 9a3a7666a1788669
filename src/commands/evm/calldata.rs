//! `zkml evm calldata`: what a transaction would carry, for a wallet of another kind.

use crate::{
    keys::hex,
    onchain::call::{call, CallArgs, Contracts, Purpose},
    output::{self, Content},
    submission::Submission,
    ui::Ui,
};
use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::{json, Value};
use std::path::PathBuf;
use zkml_circuits::files::write_atomic;
use zkml_evm_verifier::calldata::count_bytes;

/// Print the calldata of a proof in hexadecimal: for a multi-signature wallet, or a contract of one's own.
///
/// No node is asked: the contracts' addresses are those that `zkml evm deploy` recorded.
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml evm calldata aggregate.zkml --keys keys --contract contract --chain-id 31337
  zkml evm calldata aggregate.zkml --keys keys --contract contract --chain-id 31337 --function verify --json
  zkml evm calldata aggregate.zkml --raw --contract contract --chain-id 31337 --out calldata.hex")]
pub struct CalldataArgs {
    /// Aggregated proof
    proof: PathBuf,
    #[command(flatten)]
    call: CallArgs,
    /// Chain that the contracts are on
    #[arg(long, value_name = "ID")]
    chain_id: u64,
    /// Function of ModelVerifier; of several statements, its batch form
    #[arg(long, value_enum, default_value_t = Function::Submit)]
    function: Function,
    /// Write it to this file instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A function of the front.
#[derive(Clone, Copy, ValueEnum)]
enum Function {
    /// Verify, and emit an event
    Submit,
    /// Verify
    Verify,
}

/// Runs the command.
pub fn run(args: &CalldataArgs, ui: &Ui) -> Result<Value> {
    if let Some(path) = &args.out {
        output::check(path, Content::Calldata, &[&args.proof])?;
    }
    let contracts = Contracts::load(&args.call.contracts)?;
    let submission = Submission::load(&args.proof, &contracts.artefact)?;
    let models = args.call.models(ui)?;
    let places = contracts.recorded(args.chain_id, args.call.raw)?;
    let purpose = match args.function {
        Function::Submit => Purpose::Submit,
        Function::Verify => Purpose::Verify,
    };
    let call = call(&contracts, &places, &submission, &models, purpose)?;
    let text = format!("0x{}", hex(&call.data));
    ui.note(format_args!("to {} on chain {}", call.to, args.chain_id));
    match &args.out {
        Some(path) => {
            write_atomic(path, &mut |out| writeln!(out, "{text}"))?;
            ui.say(format_args!("wrote {}", path.display()))?;
        }
        None => ui.say(&text)?,
    }
    let (zeros, others) = count_bytes(&call.data);
    let ids: Vec<_> = call.inferences.iter().map(|one| one.model_id).collect();
    Ok(json!({
        "chain_id": args.chain_id,
        "to": call.to,
        "calldata": text,
        "bytes": call.data.len(),
        "zero_bytes": zeros,
        "other_bytes": others,
        "model_ids": ids,
        "file": args.out,
    }))
}
