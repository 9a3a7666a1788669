//! Aggregation keys and aggregated proofs.

use crate::{
    bundle::{Bundle, Inner},
    keys::{KeyFolder, Verifying},
    memory,
    origin::{Identity, Origin},
    outcome::Refused,
    output::{self, folder_of, is_same, Claim, Content},
    srs::SrsArgs,
    ui::Ui,
};
use anyhow::{bail, Result};
use rand::rngs::OsRng;
use std::path::{Path, PathBuf};
use zkml_aggregation::{
    keygen, prove, AggregateError, AggregationKey, AggregationShape, Stage, Structure,
};
use zkml_files::Kind;
use zkml_model::{
    gas::{self, ContractCost, Work},
    prove::{digest, protocol, Proof},
};
use zkml_srs::Srs;

/// Gate columns that the circuit of an aggregation of so many proofs has at most, unless something else
/// is asked for: few cost little gas. Two hold one proof in 2^20 rows; more proofs would need more rows,
/// and the memory for them.
pub fn gate_columns(asked: Option<usize>, proofs: usize) -> usize {
    asked.unwrap_or(if proofs == 1 { 2 } else { 4 })
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

    /// Fails if the key that is to be made would be written over something else, or over one of `others`, which the
    /// command writes, too.
    ///
    /// # Errors
    /// Says what is there.
    pub fn check(&self, others: &[&Path]) -> Result<()> {
        if self.path.exists() {
            // It is read, and what is none is refused then.
            return Ok(());
        }
        let content = Content::Container(Kind::AggregationKey);
        output::check(&self.path, content, others)
    }

    /// Claims the folder of a key that is to be made, unless it is the one that the caller has claimed.
    ///
    /// # Errors
    /// If another process writes to it.
    pub fn claim(&self, claimed: Option<&Path>) -> Result<Option<Claim>> {
        let folder = folder_of(&self.path);
        let ours = claimed.is_some_and(|claimed| is_same(claimed, folder));
        let needed = !self.path.exists() && !ours;
        needed.then(|| Claim::new(folder)).transpose()
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
    /// How it is known to be the key of the inner circuits.
    pub origin: Origin,
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
        .map(|set| protocol(&set.srs.params, &set.verifier.vk, set.form.instances))
        .collect::<Result<_, _>>()?;
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
            check_memory(key.shape(), inner.len(), memory::available())?;
            let srs = outer_srs(inner, key.shape().k, srs, ui)?;
            let derive = |srs: &Srs, shape| keygen(&srs.params, &protocols, shape);
            return checked(path, key, srs, derive, ui);
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
    check_memory(shape, inner.len(), memory::available())?;
    let contract = contract_cost(shape, inner);
    if !contract.fits() {
        ui.note(format_args!(
            "warning: the contract is predicted to have {} bytes, and Ethereum deploys none above {}: aggregate fewer proofs at once, hash inputs and outputs, or allow fewer --columns",
            contract.runtime_bytes,
            ContractCost::MAX_RUNTIME
        ));
    }
    let srs = outer_srs(inner, shape.k, srs, ui)?;
    let made = ui.stage(
        "Making the aggregation key",
        Some(0.3 * seconds(shape)),
        || keygen(&srs.params, &protocols, shape),
    );
    let key = made.value?;
    ui.stage("Writing the aggregation key", None, || key.save(path))
        .value?;
    Identity::of_aggregation(&key, &srs.fingerprint())?.remember(Origin::Own, ui);
    Ok(ReadyKey {
        key,
        srs,
        made_in: Some(made.seconds),
        origin: Origin::Own,
    })
}

/// A key from a file, which says of itself what it is for: it is taken if it was made here, or if the inner circuits
/// give the same one again.
fn checked(
    path: &Path,
    key: AggregationKey,
    srs: Srs,
    derive: impl FnOnce(&Srs, AggregationShape) -> Result<AggregationKey, AggregateError>,
    ui: &Ui,
) -> Result<ReadyKey> {
    let fingerprint = srs.fingerprint();
    let found = Identity::of_aggregation(&key, &fingerprint)?;
    if let Some(origin) = found.origin() {
        return Ok(ReadyKey {
            key,
            srs,
            made_in: None,
            origin,
        });
    }
    ui.note(format_args!(
        "{}: not made on this machine: derived again",
        path.display()
    ));
    let shape = key.shape();
    let vk = |key: &AggregationKey| digest(key.pk.get_vk());
    let claimed = vk(&key);
    // Two of them do not fit into memory where one does.
    drop(key);
    let estimate = Some(0.3 * seconds(shape));
    let key = ui
        .stage("Deriving the aggregation key", estimate, || {
            derive(&srs, shape)
        })
        .value?;
    if Identity::of_aggregation(&key, &fingerprint)? != found {
        return Err(Refused(format!(
            "{} is not the aggregation key of these circuits under this SRS: derived {}, got {claimed}; move it away, and it will be made",
            path.display(),
            vk(&key)
        ))
        .into());
    }
    found.remember(Origin::Rederived, ui);
    Ok(ReadyKey {
        key,
        srs,
        made_in: None,
        origin: Origin::Rederived,
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

/// What a verification of aggregated proofs of these circuits is predicted to cost.
pub fn contract_cost(shape: AggregationShape, inner: &[&Verifying]) -> ContractCost {
    let inner: Vec<Work> = inner
        .iter()
        .map(|set| gas::direct_work(&set.architecture.shape, set.form.instances))
        .collect();
    shape.work(&inner).cost()
}

/// Refuses what this machine cannot hold.
fn check_memory(shape: AggregationShape, proofs: usize, available: Option<u64>) -> Result<()> {
    let needed = shape.memory_bytes();
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    match available {
        Some(available) if needed > available => bail!(
            "aggregating {proofs} proofs takes about {:.1} GB (2^{} rows, {} gate columns), {:.1} GB are available: aggregate fewer at once, prove with keys of `zkml setup --optimize onchain`, or use a machine with more memory",
            gigabytes(needed),
            shape.k,
            shape.columns,
            gigabytes(available)
        ),
        _ => Ok(()),
    }
}

/// Seconds that proving is expected to take.
fn seconds(shape: AggregationShape) -> f64 {
    let rows = (1u64 << shape.k) as f64 / f64::from(1 << 19);
    // Measured on two cores.
    rows * (13.5 + 3.3 * shape.columns as f64)
}

/// Aggregates proofs.
pub fn aggregate(ready: &ReadyKey, proofs: &[(&Verifying, Proof)], ui: &Ui) -> Result<Aggregated> {
    let mut snarks = Vec::with_capacity(proofs.len());
    let mut inner = Vec::with_capacity(proofs.len());
    for (set, proof) in proofs {
        snarks.push(proof.snark(&set.form, &set.srs, &set.verifier.vk)?);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_cannot_hold_is_refused() {
        let shape = AggregationShape { k: 21, columns: 4 };
        check_memory(shape, 4, Some(16_000_000_000)).unwrap();
        check_memory(shape, 4, None).unwrap();
        let error = check_memory(shape, 4, Some(2_000_000_000)).unwrap_err();
        assert!(
            error.to_string().contains("2.0 GB are available"),
            "{error}"
        );
    }
}
