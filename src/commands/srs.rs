//! `zkml srs`: structured reference strings.

use crate::{
    hex::hex,
    output::{self, Content},
    srs::{counted, development, warn},
    ui::Ui,
    values::grouped,
};
use anyhow::{bail, Result};
use clap::{Args, Subcommand};
use serde_json::{json, Map, Value};
use std::{
    path::{Path, PathBuf},
    time::Instant,
};
use zkml_files::Kind;
use zkml_srs::{FileDigest, Format, Glance, Import, Provenance, Srs, MAX_K, MIN_K};

/// Import, check, show or make structured reference strings.
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  zkml srs import powersOfTau28_hez_final_20.ptau --out hermez-20.srs
  zkml srs import powersOfTau28_hez_final_20.ptau -k 14 --out hermez-14.srs
  zkml srs check hermez-14.srs
  zkml srs info hermez-14.srs
  zkml srs dev --k 15 --out dev-15.srs")]
pub enum SrsCommand {
    /// Take the SRS out of a file that a ceremony published, with every check
    Import(ImportArgs),
    /// Check every point of an SRS file, and that all belong to one secret
    Check(CheckArgs),
    /// Say what an SRS file is and where it came from, without checking its points
    Info(InfoArgs),
    /// Make a development SRS, which is INSECURE: for tests only
    Dev(DevArgs),
}

/// What is wanted of a file of another format.
#[derive(Args)]
pub struct Wanted {
    /// Size to take: 2^K points [default: all that the file has]
    #[arg(short, long, value_parser = size())]
    k: Option<u32>,
    /// Demand that the file has this BLAKE2b-512 digest, which its publisher names
    #[arg(long, value_name = "HEX")]
    digest: Option<FileDigest>,
}

/// Take the SRS out of a file that a ceremony published: snarkjs's .ptau (Hermez, Perpetual Powers of
/// Tau), or halo2's raw format.
///
/// The digest of the whole file is computed. Each point that is taken must be canonical, on its
/// curve and not the identity, and all must belong to one secret. A secret that zkml knows makes
/// the SRS secure; for another, each command that relies on it must say --trust-srs FINGERPRINT.
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml srs import powersOfTau28_hez_final_20.ptau --out hermez-20.srs
  zkml srs import powersOfTau28_hez_final_20.ptau -k 14 --out hermez-14.srs
  zkml srs import ceremony.srs --out ours.srs --digest 0f3c…

A .ptau file that is prepared for phase 2 has the Lagrange points, which are used as they are. Where
there are none (a file that is not prepared, a smaller size of halo2's format) they are computed,
which takes minutes from k = 16 on.")]
pub struct ImportArgs {
    /// File to import: .ptau, or halo2's raw format
    file: PathBuf,
    /// File to write to
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    wanted: Wanted,
}

/// Check an SRS file of any format: every point, and that all belong to one secret.
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml srs check dev-15.srs
  zkml srs check powersOfTau28_hez_final_20.ptau -k 14")]
pub struct CheckArgs {
    /// SRS file: zkml's own, .ptau, or halo2's raw format
    file: PathBuf,
    #[command(flatten)]
    wanted: Wanted,
}

/// Say what an SRS file is and where it came from. Its points are not checked: see `zkml srs check`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml srs info dev-15.srs
  zkml srs info powersOfTau28_hez_final_20.ptau
  zkml srs info keys/verifying.srs --json")]
pub struct InfoArgs {
    /// SRS file: zkml's own, .ptau, or halo2's raw format
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
    #[arg(short, long, value_parser = size())]
    k: u32,
    /// File to write to
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

fn size() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(i64::from(MIN_K)..=i64::from(MAX_K))
}

/// Runs the command.
pub fn run(command: &SrsCommand, ui: &Ui) -> Result<Value> {
    match command {
        SrsCommand::Import(args) => import(args, ui),
        SrsCommand::Check(args) => check(args, ui),
        SrsCommand::Info(args) => info(args, ui),
        SrsCommand::Dev(args) => dev(args, ui),
    }
}

fn import(args: &ImportArgs, ui: &Ui) -> Result<Value> {
    output::check(&args.out, Content::Container(Kind::Srs), &[&args.file])?;
    let start = Instant::now();
    let srs = read(&args.file, &args.wanted, ui)?;
    ui.stage("Writing the SRS", None, || srs.save(&args.out))
        .value?;
    let seconds = start.elapsed().as_secs_f64();
    warn(&srs.provenance, ui);
    ui.say(format_args!("wrote        {}", args.out.display()))?;
    ui.say(format_args!("time         {seconds:.2} s"))?;
    let mut object = describe(&srs, &args.out, ui)?;
    object.insert("seconds".into(), json!(seconds));
    Ok(object.into())
}

fn check(args: &CheckArgs, ui: &Ui) -> Result<Value> {
    let glance = Srs::glance(&args.file)?;
    let srs = match (glance.format, args.wanted.k, args.wanted.digest) {
        (Format::Zkml, None, None) => {
            ui.stage("Checking the SRS", None, || Srs::load(&args.file))
                .value?
        }
        (Format::Zkml, _, _) => bail!(
            "{}: a file of zkml's own: -k and --digest are for files of other formats; leave them out",
            args.file.display()
        ),
        _ => read(&args.file, &args.wanted, ui)?,
    };
    ui.say(format_args!(
        "checked      {} powers of the secret, as many Lagrange points, two points of G2: all of one secret",
        grouped(1 << srs.k())
    ))?;
    warn(&srs.provenance, ui);
    Ok(describe(&srs, &args.file, ui)?.into())
}

/// Reads a file of another format.
fn read(file: &Path, wanted: &Wanted, ui: &Ui) -> Result<Srs> {
    let wanted = Import {
        k: wanted.k,
        digest: wanted.digest,
    };
    counted("Reading the SRS", ui, |progress| {
        Ok(Srs::import(file, &wanted, progress)?)
    })
}

fn info(args: &InfoArgs, ui: &Ui) -> Result<Value> {
    let glance = Srs::glance(&args.file)?;
    let mut object = head(&args.file, glance.k, &glance.fingerprint, ui)?;
    let format = format(&glance);
    ui.say(format_args!("format       {format}"))?;
    object.insert("format".into(), json!(format));
    if let Some(provenance) = &glance.provenance {
        origin(provenance, &mut object, ui)?;
    }
    object.insert("points_checked".into(), json!(false));
    ui.say("points       not checked here: zkml srs check does")?;
    Ok(object.into())
}

fn format(glance: &Glance) -> String {
    match glance.format {
        Format::Zkml => "zkml".into(),
        Format::Halo2 => "halo2, raw bytes".into(),
        Format::Ptau {
            ceremony_power,
            prepared,
        } => {
            let lagrange = if prepared {
                "prepared: it has Lagrange points"
            } else {
                "not prepared: Lagrange points are to be computed"
            };
            format!("ptau, cut from 2^{ceremony_power}, {lagrange}")
        }
    }
}

fn dev(args: &DevArgs, ui: &Ui) -> Result<Value> {
    output::check(&args.out, Content::Container(Kind::Srs), &[])?;
    let start = Instant::now();
    let srs = development(args.k, ui)?;
    let seconds = start.elapsed().as_secs_f64();
    if srs.k() != args.k {
        bail!("expected an SRS of k = {}, got k = {}", args.k, srs.k());
    }
    srs.save(&args.out)?;
    warn(&srs.provenance, ui);
    ui.say(format_args!("wrote        {}", args.out.display()))?;
    ui.say(format_args!("time         {seconds:.2} s"))?;
    Ok(describe(&srs, &args.out, ui)?.into())
}

fn describe(srs: &Srs, path: &Path, ui: &Ui) -> Result<Map<String, Value>> {
    let mut object = head(path, srs.k(), &srs.fingerprint(), ui)?;
    origin(&srs.provenance, &mut object, ui)?;
    object.insert("points_checked".into(), json!(true));
    Ok(object)
}

fn head(path: &Path, k: u32, fingerprint: &[u8; 32], ui: &Ui) -> Result<Map<String, Value>> {
    let bytes = std::fs::metadata(path).map_or(0, |data| data.len());
    let fingerprint = hex(fingerprint);
    ui.say(format_args!("k            {k}"))?;
    ui.say(format_args!("file         {} bytes", grouped(bytes)))?;
    ui.say(format_args!("fingerprint  {fingerprint}"))?;
    let mut object = Map::new();
    object.insert("file".into(), json!(path));
    object.insert("bytes".into(), json!(bytes));
    object.insert("k".into(), json!(k));
    object.insert("fingerprint".into(), json!(fingerprint));
    Ok(object)
}

fn origin(provenance: &Provenance, object: &mut Map<String, Value>, ui: &Ui) -> Result<()> {
    if let Provenance::Ceremony { digest, .. } = provenance {
        ui.say(format_args!("BLAKE2b      {digest}"))?;
        object.insert("source_digest".into(), json!(digest));
    }
    ui.say(format_args!("origin       {provenance}"))?;
    object.insert("srs".into(), json!(provenance.to_string()));
    object.insert("srs_secure".into(), json!(provenance.is_secure()));
    object.insert("srs_trust".into(), json!(provenance.trust().word()));
    Ok(())
}
