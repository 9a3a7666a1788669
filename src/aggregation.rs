//! Aggregation keys and aggregated proofs.

use crate::{
    bundle::{Bundle, Inner},
    keys::{KeyFolder, Verifying},
    srs::SrsArgs,
    ui::Ui,
};
use anyhow::{bail, Result};
use rand::rngs::OsRng;
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
        .map(|set| {
            protocol(
                &set.srs.params,
                &set.verifier.vk,
                set.plan.statement.instances,
            )
        })
        .collect();
    let structures = protocols
        .iter()
        .map(Structure::of)
        .collect::<Result<Vec<_>, AggregateError>>()?;
    if path.exists() {
        let load = || AggregationKey::load(path);
        let key = ui
            .stage("Loading the aggregation key", Some(5.0), load)
            .value?;
        if key.structures() == structures {
            let srs = outer_srs(inner, key.shape().k, srs, ui)?;
            return Ok(ReadyKey {
                key,
                srs,
                made_in: None,
            });
        }
        if !place.replace {
            bail!(
                "{}: this aggregation key is for other circuits; give another --key FILE, and it will be made",
                path.display()
            );
        }
        ui.note(format_args!(
            "{}: for other circuits, made again",
            path.display()
        ));
    }
    let (shape, _) = ui
        .stage("Sizing the aggregation", None, || {
            AggregationShape::choose(&protocols, place.columns)
        })
        .value?;
    let srs = outer_srs(inner, shape.k, srs, ui)?;
    let made = ui.stage(
        "Making the aggregation key",
        Some(0.3 * seconds(shape)),
        || keygen(&srs.params, &protocols, shape),
    );
    let key = made.value?;
    ui.stage("Writing the aggregation key", None, || key.save(path))
        .value?;
    Ok(ReadyKey {
        key,
        srs,
        made_in: Some(made.seconds),
    })
}

/// The SRS of the outer circuit; it must share its secret with those of the inner ones.
fn outer_srs(inner: &[&Verifying], k: u32, args: &SrsArgs, ui: &Ui) -> Result<Srs> {
    let srs = args.of_size(k, ui)?;
    if inner
        .iter()
        .any(|set| set.srs.fingerprint() != srs.fingerprint())
    {
        bail!("the SRS of k = {k} has another secret than the one that the proofs were made with; give SRS files of one ceremony with --srs, or make proof and keys again");
    }
    Ok(srs)
}

/// Seconds that proving is expected to take.
fn seconds(shape: AggregationShape) -> f64 {
    let rows = (1u64 << shape.k) as f64 / f64::from(1 << 19);
    // Measured on two cores.
    rows * (16.5 + 5.5 * shape.columns as f64)
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
        prove(
            &ready.srs.params,
            &ready.key,
            &snarks,
            OsRng,
            &mut |stage| say(name(stage)),
        )
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
