//! `zkml evm model-id`: the id of a model, from files alone.

use crate::{
    onchain::{
        args::parse_address,
        create2,
        expected::{model_json, say_model, FileArgs},
    },
    ui::Ui,
};
use anyhow::{bail, Result};
use clap::Args;
use serde_json::{json, Value};
use zkml_evm_verifier::chain::Address;

/// Compute the ids that models have, without a node: what a contract that acts on their results pins.
///
/// An id is the hash of all that a model is: address and code of the verifier, digest of the verifying key, commitment
/// C to the weights, shapes and ranges. Each is taken from the files given here, and nothing from a chain, where
/// anybody may have registered anything under the same C.
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml evm model-id --keys keys --contract contract --chain-id 31337
  zkml evm model-id --keys keys --contract contract --create2
  zkml evm model-id --keys keys --contract contract --verifier 0x5FbDB2315678afecb367f032d93F642f64180aa3 --commitment 0x1f…")]
pub struct ModelIdArgs {
    #[command(flatten)]
    files: FileArgs,
    /// Address of the generated verifier
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    verifier: Option<Address>,
    /// The verifier is at the address at which `zkml evm deploy --create2` puts it, on every chain
    #[arg(long, conflicts_with = "verifier")]
    create2: bool,
    /// Take the address from the record of `zkml evm deploy` on this chain
    #[arg(long, value_name = "ID", conflicts_with_all = ["verifier", "create2"])]
    chain_id: Option<u64>,
}

/// Runs the command.
pub fn run(args: &ModelIdArgs, ui: &Ui) -> Result<Value> {
    let expected = args.files.load(None, ui)?;
    let verifier = match (args.verifier, args.chain_id) {
        (Some(address), _) => address,
        _ if args.create2 => create2::address(&expected.contracts.verifier.bytecode.creation),
        (None, Some(chain)) => expected.contracts.recorded(chain, true)?.verifier.address,
        (None, None) => bail!("the verifier's address is a part of the id: give it with --verifier, or --create2 for that of `zkml evm deploy --create2`, or --chain-id for the one that `zkml evm deploy` recorded"),
    };
    expected.contracts.warn(ui);
    let mut models = Vec::new();
    for known in &expected.models {
        let model = expected.model(known, verifier)?;
        say_model(&model, ui)?;
        models.push(model_json(&model));
    }
    Ok(json!({ "models": models, "srs": expected.contracts.srs_json() }))
}
