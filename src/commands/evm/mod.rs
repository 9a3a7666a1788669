//! `zkml evm`: the contract.

pub mod generate;
pub mod test;

use crate::ui::Ui;
use anyhow::Result;
use clap::Subcommand;
use serde_json::Value;

pub use generate::GenerateArgs;
pub use test::TestArgs;

/// Make the contract, or try it in a local EVM.
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  zkml evm generate --keys keys --out contract
  zkml evm generate --keys keys --mode direct --out contract
  zkml evm test aggregate.zkml --contract contract")]
pub enum EvmCommand {
    /// Write the Solidity verifier of an aggregation or of a model, and compile it
    Generate(GenerateArgs),
    /// Deploy the contract in a local EVM and have it verify a proof
    Test(TestArgs),
}

/// Runs the command.
pub fn run(command: &EvmCommand, ui: &Ui) -> Result<Value> {
    match command {
        EvmCommand::Generate(args) => generate::run(args, ui),
        EvmCommand::Test(args) => test::run(args, ui),
    }
}
