//! The command line: what it takes, apart from each command's own arguments.

use crate::args::Global;
use crate::commands::{
    aggregate, calibrate, demo, eval, evm, inspect, prove, run, setup, srs, verify,
};
use clap::{Parser, Subcommand};

/// Proves that a machine-learning model ran as promised, and lets an Ethereum contract check it.
///
/// The weights stay private: a proof says that committed weights C map the input F to the output
/// O in fixed-point arithmetic, and nothing else about them.
#[derive(Parser)]
#[command(version, max_term_width = 100, after_help = EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  zkml demo mnist                                     the whole story in a minute or two
  zkml run model.onnx digit.png                       what the model says, without a proof
  zkml setup model.onnx --out keys                    keys, once per model
  zkml prove digit.png --keys keys --out proof.zkml   a proof
  zkml verify proof.zkml --keys keys                  its verification

Exit codes: 0 accepted or done, 1 error, 2 wrong usage, 3 rejected, 4 a proof that holds, under an SRS
that is neither a known ceremony's nor named by --trust-srs.
A command that is interrupted leaves no half-written artefact: each file is written under a
temporary name (.zkml-*.tmp, in the same folder). If one stays behind, the next command that writes
to the folder deletes it.";

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Show a model layer by layer, and what a proof of it costs
    Inspect(inspect::InspectArgs),
    /// Run a model without proving anything
    Run(run::RunArgs),
    /// Measure a model's accuracy in real numbers and in fixed point
    Eval(eval::EvalArgs),
    /// Choose a scale by sample data
    Calibrate(calibrate::CalibrateArgs),
    /// Make the keys of a model and commit to its weights
    Setup(setup::SetupArgs),
    /// Prove what a model says about an input
    Prove(prove::ProveArgs),
    /// Verify a proof
    Verify(verify::VerifyArgs),
    /// Turn one proof or more into one that an Ethereum contract can check
    Aggregate(aggregate::AggregateArgs),
    /// Make the contract, or try it in a local EVM
    #[command(subcommand)]
    Evm(Box<evm::EvmCommand>),
    /// Import, check, show or make structured reference strings
    #[command(subcommand)]
    Srs(srs::SrsCommand),
    /// Watch it work from image to contract
    Demo(demo::DemoArgs),
}

impl Command {
    /// The command as one types it.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Inspect(_) => "inspect",
            Command::Run(_) => "run",
            Command::Eval(_) => "eval",
            Command::Calibrate(_) => "calibrate",
            Command::Setup(_) => "setup",
            Command::Prove(_) => "prove",
            Command::Verify(_) => "verify",
            Command::Aggregate(_) => "aggregate",
            Command::Evm(command) => command.name(),
            Command::Srs(srs::SrsCommand::Import(_)) => "srs import",
            Command::Srs(srs::SrsCommand::Check(_)) => "srs check",
            Command::Srs(srs::SrsCommand::Info(_)) => "srs info",
            Command::Srs(srs::SrsCommand::Dev(_)) => "srs dev",
            Command::Demo(_) => "demo",
        }
    }
}
