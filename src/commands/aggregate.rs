//! `zkml aggregate`: one proof for a contract, of one proof or more.

use crate::{
    bundle::{Bundle, Inner},
    keys::{KeyFolder, Verifying},
    outcome::Refused,
    srs::{warn, SrsArgs},
    ui::Ui,
    values::grouped,
};
use anyhow::{bail, Context, Result};
use clap::Args;
use rand::rngs::OsRng;
use serde_json::{json, Value};
use std::path::{Path, PathBuf};
use zkml_circuits::{
    aggregate::{
        keygen, prove, AggregateError, AggregationKey, AggregationShape, Stage, Structure,
    },
    prove::{protocol, Proof},
    srs::Srs,
};

/// Gate columns that the aggregation circuit has at most, unless something else is asked for.
pub const COLUMNS: usize = 4;

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
    #[arg(long, default_value_t = COLUMNS, value_parser = parse_columns)]
    columns: usize,
    #[command(flatten)]
    srs: SrsArgs,
}

/// 1 to 32.
pub fn parse_columns(text: &str) -> Result<usize, String> {
    let columns = text.parse().ok().filter(|columns| (1..=32).contains(columns));
    columns.ok_or_else(|| format!("expected 1 to 32, got '{text}'"))
}

/// Where an aggregation key is kept.
pub struct KeyPlace {
    /// The file.
    pub path: PathBuf,
    /// Whether a key for other circuits may be replaced: it was not asked for by name.
    pub replace: bool,
    /// Most gate columns of a new key.
    pub columns: usize,
}

impl KeyPlace {
    /// The file asked for, or the one in the folder.
    pub fn new(asked: Option<&Path>, folder: &KeyFolder, proofs: usize, columns: usize) -> Self {
        Self {
            path: asked.map_or_else(|| folder.aggregation_key(proofs), Path::to_owned),
            replace: asked.is_none(),
            columns,
        }
    }
}

/// An aggregation key with the SRS of its size.
pub struct ReadyKey {
    /// The key.
    pub key: AggregationKey,
    /// The SRS.
    pub srs: Srs,
    /// Time to make it, if it was made.
    pub made_in: Option<f64>,
}

/// An aggregated proof and the time that it took.
pub struct Aggregated {
    /// The proof with its statements.
    pub bundle: Bundle,
    /// Time.
    pub seconds: f64,
}

/// Runs the command.
pub fn run(args: &AggregateArgs, ui: &Ui) -> Result<Value> {
    let folders: Vec<KeyFolder> = args.keys.iter().cloned().map(KeyFolder).collect();
    let sets = folders
        .iter()
        .map(|folder| folder.verifying(&args.srs, ui))
        .collect::<Result<Vec<_>>>()?;
    let mut proofs = Vec::with_capacity(args.proofs.len());
    for path in &args.proofs {
        let proof = Proof::load(path)?;
        let set = sets.iter().find(|set| set.verifier.digest() == proof.verifying_key);
        let Some(set) = set else {
            let given: Vec<String> = sets.iter().map(|s| s.verifier.digest().to_string()).collect();
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
    let first = folders.first().context("no folder of keys")?;
    let place = KeyPlace::new(args.key.as_deref(), first, proofs.len(), args.columns);
    let inner: Vec<&Verifying> = proofs.iter().map(|(set, _)| *set).collect();
    let ready = ready_key(&place, &inner, &args.srs, ui)?;
    let done = aggregate(&ready, &proofs, ui)?;
    done.bundle.save(&args.out)?;

    warn(&done.bundle.srs, ui);
    let shape = ready.key.shape();
    let bytes = done.bundle.aggregate.proof.len();
    for (index, inner) in done.bundle.inner.iter().enumerate() {
        ui.say(format_args!("proof {index}             C = {}", inner.statement.commitment))?;
        ui.say(format_args!("                    key digest {}", inner.key_digest))?;
    }
    ui.say(format_args!("aggregation         2^{} rows, {} gate columns", shape.k, shape.columns))?;
    if let Some(seconds) = ready.made_in {
        ui.say(format_args!("key made in         {seconds:.1} s ({})", place.path.display()))?;
    }
    ui.say(format_args!("aggregated in       {:.1} s", done.seconds))?;
    ui.say(format_args!("proof               {} bytes", grouped(bytes as u64)))?;
    ui.say(format_args!("wrote {}", args.out.display()))?;
    Ok(json!({
        "inner": done.bundle.inner,
        "shape": shape,
        "key": place.path,
        "key_seconds": ready.made_in,
        "seconds": done.seconds,
        "proof_bytes": bytes,
        "instances": done.bundle.aggregate.instances.len(),
        "srs": done.bundle.srs.to_string(),
        "srs_secure": done.bundle.srs.is_secure(),
        "proof": args.out,
    }))
}

/// Loads the aggregation key for proofs of these circuits, or makes it.
pub fn ready_key(
    place: &KeyPlace,
    inner: &[&Verifying],
    srs: &SrsArgs,
    ui: &Ui,
) -> Result<ReadyKey> {
    let path = &place.path;
    let protocols: Vec<_> = inner
        .iter()
        .map(|set| protocol(&set.srs.params, &set.verifier.vk, set.plan.statement.instances))
        .collect();
    let structures =
        protocols.iter().map(Structure::of).collect::<Result<Vec<_>, AggregateError>>()?;
    if path.exists() {
        let load = || AggregationKey::load(path);
        let key = ui.stage("Loading the aggregation key", Some(5.0), load).value?;
        if key.structures() == structures {
            let srs = outer_srs(inner, key.shape().k, srs, ui)?;
            return Ok(ReadyKey { key, srs, made_in: None });
        }
        if !place.replace {
            bail!(
                "{}: this aggregation key is for other circuits; give another --key FILE, and it will be made",
                path.display()
            );
        }
        ui.note(format_args!("{}: for other circuits, made again", path.display()));
    }
    let (shape, _) = ui
        .stage("Sizing the aggregation", None, || {
            AggregationShape::choose(&protocols, place.columns)
        })
        .value?;
    let srs = outer_srs(inner, shape.k, srs, ui)?;
    let made = ui.stage("Making the aggregation key", Some(0.6 * seconds(shape)), || {
        keygen(&srs.params, &protocols, shape)
    });
    let key = made.value?;
    ui.stage("Writing the aggregation key", None, || key.save(path)).value?;
    Ok(ReadyKey {
        key,
        srs,
        made_in: Some(made.seconds),
    })
}

/// The SRS of the outer circuit; it must share its secret with those of the inner ones.
fn outer_srs(inner: &[&Verifying], k: u32, args: &SrsArgs, ui: &Ui) -> Result<Srs> {
    let srs = args.of_size(k, ui)?;
    if inner.iter().any(|set| set.srs.fingerprint() != srs.fingerprint()) {
        bail!("the SRS of k = {k} has another secret than the one that the proofs were made with; give SRS files of one ceremony with --srs, or make proof and keys again");
    }
    Ok(srs)
}

/// Seconds that proving is expected to take.
fn seconds(shape: AggregationShape) -> f64 {
    let rows = (1u64 << shape.k) as f64 / f64::from(1 << 19);
    rows * (6.0 + 4.0 * shape.columns as f64)
}

/// Aggregates proofs.
pub fn aggregate(ready: &ReadyKey, proofs: &[(&Verifying, Proof)], ui: &Ui) -> Result<Aggregated> {
    let mut snarks = Vec::with_capacity(proofs.len());
    let mut inner = Vec::with_capacity(proofs.len());
    for (set, proof) in proofs {
        snarks.push(proof.snark(&set.architecture, &set.plan, &set.srs, &set.verifier.vk)?);
        inner.push(Inner::new(set, proof)?);
    }
    let estimate = seconds(ready.key.shape());
    let done = ui.stages("Aggregating", Some(estimate), |say| {
        prove(&ready.srs.params, &ready.key, &snarks, OsRng, &mut |stage| say(name(stage)))
    });
    Ok(Aggregated {
        bundle: Bundle {
            aggregate: done.value?,
            inner,
            srs: ready.srs.provenance.clone(),
        },
        seconds: done.seconds,
    })
}

fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::CheckingProofs => "checking the proofs",
        Stage::ComputingWitness => "computing the witness",
        Stage::Proving => "proving",
        Stage::Verifying => "verifying",
    }
}
