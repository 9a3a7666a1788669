//! `zkml srs`: structured reference strings.

use crate::{
    keys::hex,
    srs::{development, warn},
    ui::Ui,
    values::grouped,
};
use anyhow::{bail, Result};
use clap::{Args, Subcommand};
use serde_json::{json, Value};
use std::{
    path::{Path, PathBuf},
    time::Instant,
};
use zkml_circuits::srs::{Srs, MAX_K, MIN_K};

/// Show or make structured reference strings.
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  zkml srs info ceremony.srs
  zkml srs dev --k 15 --out dev-15.srs")]
pub enum SrsCommand {
    /// Check an SRS file and say where it came from
    Info(InfoArgs),
    /// Make a development SRS, which is INSECURE: for tests only
    Dev(DevArgs),
}

/// Check an SRS file, every point and its structure, and say where it came from.
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml srs info dev-15.srs
  zkml srs info keys/verifying.srs --json")]
pub struct InfoArgs {
    /// SRS file
    file: PathBuf,
}

/// Make a development SRS. Whoever makes one can forge proofs under it: for tests only.
///
/// All sizes made by one user share one secret, so that they fit together.
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml srs dev --k 15 --out dev-15.srs")]
pub struct DevArgs {
    /// Size: 2^K points
    #[arg(long, value_parser = clap::value_parser!(u32).range(i64::from(MIN_K)..=i64::from(MAX_K)))]
    k: u32,
    /// File to write to
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Runs the command.
pub fn run(command: &SrsCommand, ui: &Ui) -> Result<Value> {
    match command {
        SrsCommand::Info(args) => {
            let srs = ui
                .stage("Checking the SRS", None, || Srs::load(&args.file))
                .value?;
            ui.say(format_args!(
                "checked      every point, and that all belong to one secret"
            ))?;
            describe(&srs, &args.file, ui)
        }
        SrsCommand::Dev(args) => {
            let start = Instant::now();
            let srs = development(args.k, ui)?;
            let seconds = start.elapsed().as_secs_f64();
            if srs.k() != args.k {
                bail!("expected an SRS of k = {}, got k = {}", args.k, srs.k());
            }
            srs.save(&args.out)?;
            warn(&srs.provenance, ui);
            ui.say(format_args!("wrote        {}", args.out.display()))?;
            ui.say(format_args!("time         {:.2} s", seconds))?;
            describe(&srs, &args.out, ui)
        }
    }
}

fn describe(srs: &Srs, path: &Path, ui: &Ui) -> Result<Value> {
    let bytes = std::fs::metadata(path).map_or(0, |data| data.len());
    let fingerprint = hex(&srs.fingerprint());
    ui.say(format_args!("k            {}", srs.k()))?;
    ui.say(format_args!("file         {} bytes", grouped(bytes)))?;
    ui.say(format_args!("fingerprint  {fingerprint}"))?;
    ui.say(format_args!("origin       {}", srs.provenance))?;
    Ok(json!({
        "file": path,
        "bytes": bytes,
        "k": srs.k(),
        "fingerprint": fingerprint,
        "srs": srs.provenance.to_string(),
        "srs_secure": srs.provenance.is_secure(),
    }))
}
