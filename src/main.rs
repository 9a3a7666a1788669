//! The `zkml` command line: parses, calls the libraries, prints.
//!
//! Results go to stdout, everything else to stderr. Exit codes: 0 accepted or done, 1 error, 2
//! usage, 3 rejected, 4 accepted under an SRS that nobody relies upon.
#![deny(missing_docs, unsafe_code)]

use clap::Parser;
use std::{
    panic::{catch_unwind, AssertUnwindSafe},
    process::ExitCode,
};
use zkml_cli::{cli, commands, outcome, ui};

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    start_logs(cli.global.verbose);
    let ui = ui::Ui::new(&cli.global);
    // Nothing is meant to panic; if something does, the user gets an error and not a trace.
    std::panic::set_hook(Box::new(|panic| tracing::debug!(%panic, "panic")));
    let name = cli.command.name();
    let result = catch_unwind(AssertUnwindSafe(|| commands::run(cli.command, &ui)))
        .unwrap_or_else(|panic| Err(outcome::internal(panic.as_ref())));
    outcome::report(name, result, &ui)
}

/// Logs on stderr: `$ZKML_LOG` decides, or else how often `-v` was given.
fn start_logs(verbose: u8) {
    use tracing_subscriber::EnvFilter;
    let level = match verbose {
        0 => "off",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("ZKML_LOG").unwrap_or_else(|_| {
        // Of all crates whose names start so.
        EnvFilter::new(format!("zkml={level}"))
    });
    // The HTTP client would log the node's URL, with the API key in it.
    let quiet = ["ureq=off", "ureq_proto=off"];
    let quiet = quiet.iter().filter_map(|directive| directive.parse().ok());
    let filter = quiet.fold(filter, EnvFilter::add_directive);
    // It can only fail where another subscriber is set, and there is none.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
}
