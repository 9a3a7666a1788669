//! `zkml evm`: the contract.

pub mod deploy;
pub mod generate;
pub mod test;

use crate::ui::Ui;
use anyhow::Result;
use clap::Subcommand;
use serde_json::Value;

pub use deploy::DeployArgs;
pub use generate::GenerateArgs;
pub use test::TestArgs;

/// Make the contract, or try it in a local EVM.
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  zkml evm generate --keys keys --out contract
  zkml evm test aggregate.zkml --contract contract")]
pub enum EvmCommand {
    /// Write the Solidity verifier of an aggregation, and compile it
    Generate(GenerateArgs),
    /// Deploy the contract in a local EVM and have it verify an aggregated proof
    Test(TestArgs),
    /// Put the contract on a chain
    Deploy(DeployArgs),
}

impl EvmCommand {
    /// The command as one types it.
    pub fn name(&self) -> &'static str {
        match self {
            EvmCommand::Generate(_) => "evm generate",
            EvmCommand::Test(_) => "evm test",
            EvmCommand::Deploy(_) => "evm deploy",
        }
    }
}

/// Runs the command.
pub fn run(command: &EvmCommand, ui: &Ui) -> Result<Value> {
    match command {
        EvmCommand::Generate(args) => generate::run(args, ui),
        EvmCommand::Test(args) => test::run(args, ui),
        EvmCommand::Deploy(args) => deploy::run(args, ui),
    }
}
