//! Arguments that several commands take.

mod choices;
mod model;
mod settings;

pub use choices::{Challenges, Goal, Sight};
pub use model::{note_public, InputRange, ModelArgs, PublicArgs, Undefined};
pub use settings::Settings;

use clap::Args;

/// What holds for every command.
#[derive(Args)]
pub struct Global {
    /// Print one JSON object on stdout instead of text
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// Log to stderr; twice or three times for more ($ZKML_LOG takes a filter instead)
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub verbose: u8,
    /// No progress, notes or warnings on stderr: errors only
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub quiet: bool,
}
