//! One module a command: its arguments, and what it does with the libraries.

pub mod aggregate;
pub mod calibrate;
pub mod demo;
pub mod eval;
pub mod evm;
pub mod inspect;
pub mod prove;
pub mod run;
pub mod setup;
pub mod srs;
pub mod verify;

use crate::{cli::Command, ui::Ui};
use anyhow::Result;
use serde_json::Value;

/// Runs a command. What it returns is what `--json` prints.
pub fn run(command: Command, ui: &Ui) -> Result<Value> {
    match command {
        Command::Inspect(args) => inspect::run(&args, ui),
        Command::Run(args) => run::run(&args, ui),
        Command::Eval(args) => eval::run(&args, ui),
        Command::Calibrate(args) => calibrate::run(&args, ui),
        Command::Setup(args) => setup::run(&args, ui),
        Command::Prove(args) => prove::run(&args, ui),
        Command::Verify(args) => verify::run(&args, ui),
        Command::Aggregate(args) => aggregate::run(&args, ui),
        Command::Evm(command) => evm::run(&command, ui),
        Command::Srs(command) => srs::run(&command, ui),
        Command::Demo(args) => demo::run(&args, ui),
    }
}
