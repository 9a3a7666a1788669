//! `zkml evm`: the contract.

pub mod audit;
pub mod calldata;
pub mod deploy;
pub mod doctor;
pub mod estimate;
pub mod generate;
pub mod inspect;
pub mod model_id;
pub mod register;
pub mod submit;
pub mod test;
pub mod verify;
pub mod verify_source;

use crate::ui::Ui;
use anyhow::Result;
use clap::Subcommand;
use serde_json::Value;

pub use generate::GenerateArgs;
pub use test::TestArgs;

/// Make the contract, try it in a local EVM, and use it on a chain.
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  zkml evm generate --keys keys --out contract
  zkml evm generate --keys keys --mode direct --out contract
  zkml evm test aggregate.zkml --contract contract
  zkml evm deploy --contract contract --rpc-url http://127.0.0.1:8545
  zkml evm submit aggregate.zkml --keys keys --contract contract --rpc-url http://127.0.0.1:8545")]
pub enum EvmCommand {
    /// Write the Solidity verifier of an aggregation or of a model, and compile it
    Generate(GenerateArgs),
    /// Deploy the contract in a local EVM and have it verify a proof
    Test(TestArgs),
    /// Say which compiler, settings and node are found
    Doctor(doctor::DoctorArgs),
    /// Say whether a contract is one that a security advisory is about
    Inspect(inspect::InspectArgs),
    /// Compute the ids of models from files alone
    ModelId(model_id::ModelIdArgs),
    /// Check that a chain has what the files say
    Audit(audit::AuditArgs),
    /// Say what deployment, registration and submission cost
    Estimate(estimate::EstimateArgs),
    /// Put the contracts on a chain
    Deploy(deploy::DeployArgs),
    /// Register models with the contract on a chain
    Register(register::RegisterArgs),
    /// Have a proof verified by a transaction
    Submit(submit::SubmitArgs),
    /// Ask the contract on a chain whether it accepts a proof
    Verify(verify::VerifyArgs),
    /// Print what a transaction would carry
    Calldata(calldata::CalldataArgs),
    /// Have Sourcify or Etherscan verify and show the contracts' source
    VerifySource(verify_source::VerifySourceArgs),
}

impl EvmCommand {
    /// The command as one types it.
    pub fn name(&self) -> &'static str {
        match self {
            EvmCommand::Generate(_) => "evm generate",
            EvmCommand::Test(_) => "evm test",
            EvmCommand::Doctor(_) => "evm doctor",
            EvmCommand::Inspect(_) => "evm inspect",
            EvmCommand::ModelId(_) => "evm model-id",
            EvmCommand::Audit(_) => "evm audit",
            EvmCommand::Estimate(_) => "evm estimate",
            EvmCommand::Deploy(_) => "evm deploy",
            EvmCommand::Register(_) => "evm register",
            EvmCommand::Submit(_) => "evm submit",
            EvmCommand::Verify(_) => "evm verify",
            EvmCommand::Calldata(_) => "evm calldata",
            EvmCommand::VerifySource(_) => "evm verify-source",
        }
    }
}

/// Runs the command.
pub fn run(command: &EvmCommand, ui: &Ui) -> Result<Value> {
    match command {
        EvmCommand::Generate(args) => generate::run(args, ui),
        EvmCommand::Test(args) => test::run(args, ui),
        EvmCommand::Doctor(args) => doctor::run(args, ui),
        EvmCommand::Inspect(args) => inspect::run(args, ui),
        EvmCommand::ModelId(args) => model_id::run(args, ui),
        EvmCommand::Audit(args) => audit::run(args, ui),
        EvmCommand::Estimate(args) => estimate::run(args, ui),
        EvmCommand::Deploy(args) => deploy::run(args, ui),
        EvmCommand::Register(args) => register::run(args, ui),
        EvmCommand::Submit(args) => submit::run(args, ui),
        EvmCommand::Verify(args) => verify::run(args, ui),
        EvmCommand::Calldata(args) => calldata::run(args, ui),
        EvmCommand::VerifySource(args) => verify_source::run(args, ui),
    }
}
