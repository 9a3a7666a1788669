//! `zkml aggregate`: one proof for a contract, of one proof or more.

use crate::{
    aggregation::{aggregate, contract_cost, gate_columns, ready_key, KeyPlace},
    keys::{KeyFolder, Verifying},
    origin::Origin,
    outcome::Refused,
    output::{self, Content},
    srs::{warn, SrsArgs},
    ui::Ui,
    values::grouped,
};
use anyhow::{Context, Result};
use clap::Args;
use serde_json::{json, Value};
use std::path::{Path, PathBuf};
use zkml_files::Kind;
use zkml_model::prove::Proof;

/// Turn one proof or more, of one model or of several, into one proof that a contract can check.
///
/// The aggregation key depends on the shape of the circuits only, not on models or weights. It is made
/// when it is first needed, and kept in the first folder of keys.
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml aggregate proof.zkml --keys keys --out aggregate.zkml
  zkml aggregate a.zkml b.zkml --keys keys-a keys-b --out aggregate.zkml

Prove with keys of `zkml setup --optimize onchain`: fewer commitments make a cheaper aggregation.")]
pub struct AggregateArgs {
    /// Proof files
    #[arg(required = true)]
    proofs: Vec<PathBuf>,
    /// Folders of keys: each proof must belong to one of them
    #[arg(long, value_name = "DIR", required = true, num_args = 1..)]
    keys: Vec<PathBuf>,
    /// File to write the aggregated proof to
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Aggregation key, made if absent [default: aggregation-N.key in the first folder, for N proofs]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Most gate columns of a new key: fewer cost less gas, and double the time each time they are too few
    /// [default: 2 for one proof, else 4]
    #[arg(long, value_name = "N", value_parser = parse_columns)]
    columns: Option<usize>,
    #[command(flatten)]
    srs: SrsArgs,
}

/// 1 to 32.
pub fn parse_columns(text: &str) -> Result<usize, String> {
    let columns = text
        .parse()
        .ok()
        .filter(|columns| (1..=32).contains(columns));
    columns.ok_or_else(|| format!("expected 1 to 32, got '{text}'"))
}

/// Runs the command.
pub fn run(args: &AggregateArgs, ui: &Ui) -> Result<Value> {
    let folders: Vec<KeyFolder> = args.keys.iter().cloned().map(KeyFolder).collect();
    let first = folders.first().context("no folder of keys")?;
    let place = KeyPlace::new(
        args.key.as_deref(),
        first,
        args.proofs.len(),
        gate_columns(args.columns, args.proofs.len()),
    );
    let reads = args.proofs.iter().chain(&args.srs.files);
    let reads: Vec<&Path> = reads.chain([&place.path]).map(PathBuf::as_path).collect();
    let content = Content::Container(Kind::AggregationProof);
    output::check(&args.out, content, &reads)?;
    place.check(&[&args.out])?;
    let sets = folders
        .iter()
        .map(|folder| folder.verifying(&args.srs, ui))
        .collect::<Result<Vec<_>>>()?;
    let mut proofs = Vec::with_capacity(args.proofs.len());
    for path in &args.proofs {
        let proof = Proof::load(path)?;
        let set = sets
            .iter()
            .find(|set| set.verifier.digest() == proof.verifying_key);
        let Some(set) = set else {
            let given: Vec<String> = sets
                .iter()
                .map(|s| s.verifier.digest().to_string())
                .collect();
            let reason = format!(
                "{} was made for verifying key {}, --keys has {}",
                path.display(),
                proof.verifying_key,
                given.join(", ")
            );
            return Err(Refused(reason).into());
        };
        // Before the long work.
        super::verify::check(set, &proof).with_context(|| path.display().to_string())?;
        proofs.push((set, proof));
    }
    let mut origin = Origin::Own;
    for (folder, set) in folders.iter().zip(&sets) {
        origin = origin.max(folder.origin(set, &args.srs, ui)?);
    }
    let inner: Vec<&Verifying> = proofs.iter().map(|(set, _)| *set).collect();
    let _claim = place.claim(None)?;
    let ready = ready_key(&place, &inner, &args.srs, ui)?;
    let done = aggregate(&ready, &proofs, ui)?;
    done.bundle.save(&args.out)?;

    warn(&done.bundle.srs, ui);
    let shape = ready.key.shape();
    let bytes = done.bundle.aggregate.proof.len();
    for (index, inner) in done.bundle.inner.iter().enumerate() {
        ui.say(format_args!(
            "proof {index}             C = {}",
            inner.statement.commitment
        ))?;
        ui.say(format_args!(
            "                    key digest {}",
            inner.key_digest
        ))?;
    }
    ui.say(format_args!(
        "aggregation         2^{} rows, {} gate columns",
        shape.k, shape.columns
    ))?;
    if let Some(seconds) = ready.made_in {
        ui.say(format_args!(
            "key made in         {seconds:.1} s ({})",
            place.path.display()
        ))?;
    }
    ui.say(format_args!("aggregated in       {:.1} s", done.seconds))?;
    ui.say(format_args!(
        "proof               {} bytes",
        grouped(bytes as u64)
    ))?;
    let contract = contract_cost(shape, &inner);
    let each = contract.gas_osaka / inner.len().max(1) as u64;
    ui.say(format_args!(
        "verification        about {} gas, {} for each inference (Osaka, predicted)",
        grouped(contract.gas_osaka),
        grouped(each)
    ))?;
    ui.say(format_args!("wrote {}", args.out.display()))?;
    Ok(json!({
        "predicted": contract,
        "predicted_gas_per_inference": each,
        "inner": done.bundle.inner,
        "shape": shape,
        "keys": origin.max(ready.origin),
        "key": place.path,
        "key_seconds": ready.made_in,
        "seconds": done.seconds,
        "proof_bytes": bytes,
        "instances": done.bundle.aggregate.instances.len(),
        "srs": done.bundle.srs.to_string(),
        "srs_secure": done.bundle.srs.is_secure(),
        "srs_trust": done.bundle.srs.trust().word(),
        "proof": args.out,
    }))
}
