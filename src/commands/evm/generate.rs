//! `zkml evm generate`: the verifier of an aggregation, or of a model, as a contract.

use crate::{
    aggregation::{gate_columns, ready_key, KeyPlace},
    commands::aggregate::parse_columns,
    contract::{self, Artefact, Checks, Subject, CONTRACT},
    keys::{KeyFolder, Verifying},
    origin::Origin,
    output::{self, Content, NewFolder},
    srs::{warn, SrsArgs},
    ui::Ui,
    values::grouped,
};
use anyhow::{bail, Result};
use clap::{Args, ValueEnum};
use serde_json::{json, Value};
use std::path::{Path, PathBuf};
use zkml_aggregation::contract_cost;
use zkml_evm_verifier::compile::find_compiler;
use zkml_files::Name;
use zkml_model::{
    gas::{direct, ContractCost},
    planner::Goal,
};

/// Write the Solidity verifier of an aggregation, or of a model, and compile it.
///
/// The contract of an aggregation knows circuits of one shape, not models: whoever calls it compares
/// digest and commitment with those that it trusts. A direct contract knows the architecture of one
/// model, and checks its proofs with the Keccak transcript: whoever calls it compares the commitment.
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml evm generate --keys keys --out contract
  zkml evm generate --keys keys-a keys-b --out contract --name TwoModels
  zkml evm generate --keys keys --proofs 3 --out contract
  zkml evm generate --keys keys --mode direct --out contract

It writes NAME.sol; NAME.json with bytecode, interface, compiler settings and the calldata's layout; and NAME.input.json,
by which others verify the source (`zkml evm verify-source`). The compiler is the one of --solc, $SOLC, svm, the path, or
`npm ci --prefix scripts/solc`, whichever comes first.")]
pub struct GenerateArgs {
    /// Which proofs the contract checks
    #[arg(long, value_enum, default_value_t)]
    mode: Mode,
    /// Folders of keys, one for each proof of the aggregation, in its order
    #[arg(long, value_name = "DIR", required = true, num_args = 1..)]
    keys: Vec<PathBuf>,
    /// Number of proofs, all of the one folder of keys [default: one for each folder]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    proofs: Option<u8>,
    /// Folder to write to, made if absent
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Name of the contract
    #[arg(long, default_value = CONTRACT)]
    name: String,
    /// Aggregation key, made if absent [default: aggregation-N.key in the first folder, for N proofs]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Most gate columns of a new key [default: 2 for one proof, else 4]
    #[arg(long, value_name = "N", value_parser = parse_columns)]
    columns: Option<usize>,
    /// Solidity compiler, 0.8.24 or later (0.8.30 preferred)
    #[arg(long, value_name = "FILE")]
    solc: Option<PathBuf>,
    #[command(flatten)]
    srs: SrsArgs,
}

/// Which proofs a contract checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Aggregated ones with keys of `setup --optimize onchain`; else, of the two that Ethereum would deploy,
    /// the one that is predicted to cost less gas
    #[default]
    Auto,
    /// Proofs of one model with the Keccak transcript
    Direct,
    /// Aggregated proofs
    Aggregate,
}

/// Runs the command.
pub fn run(args: &GenerateArgs, ui: &Ui) -> Result<Value> {
    let folders: Vec<KeyFolder> = args.keys.iter().cloned().map(KeyFolder).collect();
    let sets = folders
        .iter()
        .map(|folder| folder.verifying(&args.srs, ui))
        .collect::<Result<Vec<_>>>()?;
    // A contract of keys of a circuit without constraints would accept everything.
    let mut origin = Origin::Own;
    for (folder, set) in folders.iter().zip(&sets) {
        origin = origin.max(folder.origin(set, &args.srs, ui)?);
    }
    let inner: Vec<&Verifying> = match (sets.as_slice(), args.proofs) {
        ([one], Some(count)) => vec![one; usize::from(count)],
        (many, None) => many.iter().collect(),
        (many, Some(count)) if many.len() == usize::from(count) => many.iter().collect(),
        (many, Some(count)) => bail!(
            "--proofs {count} with {} folders of keys: give one folder, or one for each proof",
            many.len()
        ),
    };
    let ([first, ..], [only, ..]) = (folders.as_slice(), inner.as_slice()) else {
        bail!("no folder of keys");
    };
    let columns = gate_columns(args.columns, inner.len());
    let direct = match (args.mode, inner.len()) {
        (Mode::Aggregate, _) => false,
        (Mode::Direct, 1) => true,
        (Mode::Direct, count) => {
            bail!("--mode direct checks one proof at a time, got {count}; use --mode aggregate")
        }
        // Whoever made keys for the aggregation gets proofs for it.
        (Mode::Auto, 1) if only.architecture.optimised_for == Goal::Onchain => false,
        (Mode::Auto, 1) => direct_is_better(only, columns, ui)?,
        (Mode::Auto, _) => false,
    };
    // Before the long work.
    find_compiler(args.solc.as_deref())?;
    let _made = NewFolder::new(&args.out)?;
    let name: Name = args.name.parse().map_err(anyhow::Error::msg)?;
    let (solidity, artefact) = Artefact::files(&args.out, &name);
    let place = KeyPlace::new(args.key.as_deref(), first, inner.len(), columns);
    let reads = args.srs.files.iter().chain(&args.solc);
    let reads = reads.chain([&place.path]).map(PathBuf::as_path);
    let reads: Vec<&Path> = reads.collect();
    output::check(&solidity, Content::Solidity, &reads)?;
    output::check(&artefact, Content::Artefact, &reads)?;
    let input = Artefact::input_file(&args.out, &name);
    output::check(&input, Content::CompilerInput, &reads)?;
    if direct {
        return write(args, &Subject::Direct(only), origin, json!({}), ui);
    }
    place.check(&[&solidity, &artefact])?;
    let _claim = place.claim(Some(&args.out))?;
    let ready = ready_key(&place, &inner, &args.srs, ui)?;
    let more = json!({ "key": place.path, "key_seconds": ready.made_in });
    let origin = origin.max(ready.origin);
    write(args, &Subject::Aggregate(&ready), origin, more, ui)
}

/// Whether the model's own contract is predicted to be the better one.
fn direct_is_better(set: &Verifying, columns: usize, ui: &Ui) -> Result<bool> {
    let shape = &set.architecture.shape;
    let own = direct(shape, &set.form);
    let other = contract_cost(shape, &set.form, columns);
    let gas = |cost: &ContractCost| cost.fits().then_some(cost.gas_osaka);
    let (own, other) = (gas(&own), other.as_ref().and_then(gas));
    let text = |gas: Option<u64>| gas.map_or("too large".to_owned(), grouped);
    let better = match (own, other) {
        (Some(own), Some(other)) => own <= other,
        (own, _) => own.is_some(),
    };
    ui.note(format_args!(
        "mode {}: gas predicted for a direct verification {}, for an aggregated one {}",
        if better { "direct" } else { "aggregate" },
        text(own),
        text(other)
    ));
    Ok(better)
}

/// Makes the contract, writes it, and says so.
fn write(
    args: &GenerateArgs,
    subject: &Subject<'_>,
    origin: Origin,
    more: Value,
    ui: &Ui,
) -> Result<Value> {
    let made = ui.stage("Writing and compiling the contract", None, || {
        contract::make(subject, &args.name, origin, args.solc.as_deref())
    });
    let (seconds, made) = (made.seconds, made.value?);
    let files = made.save(&args.out)?;
    let artefact = made.artefact;

    let provenance = &subject.srs().provenance;
    warn(provenance, ui);
    let runtime = artefact.bytecode()?.runtime.len();
    let (mode, proofs) = match artefact.checks {
        Checks::Aggregate { .. } => ("aggregate", "aggregated proofs: zkml aggregate"),
        Checks::Direct { .. } => ("direct", "proofs of: zkml prove --transcript keccak"),
    };
    ui.say(format_args!(
        "contract            {} (solc {})",
        artefact.contract, artefact.solc
    ))?;
    ui.say(format_args!("checks              {proofs}"))?;
    ui.say(format_args!("keys                {}", artefact.keys.word()))?;
    ui.say(format_args!(
        "code                {} bytes (limit 24,576)",
        grouped(runtime as u64)
    ))?;
    ui.say(format_args!(
        "calldata            {} bytes: {} public values, proof of {} bytes",
        grouped(artefact.layout.bytes() as u64),
        artefact.layout.instances,
        grouped(artefact.layout.proof_bytes() as u64)
    ))?;
    ui.say(format_args!("wrote {}", files.solidity.display()))?;
    ui.say(format_args!("wrote {}", files.artefact.display()))?;
    ui.say(format_args!(
        "wrote {} (to verify the source with)",
        files.input.display()
    ))?;
    let mut object = json!({
        "contract": artefact.contract,
        "mode": mode,
        "solc": artefact.solc,
        "keys": artefact.keys,
        "runtime_bytes": runtime,
        "calldata_bytes": artefact.layout.bytes(),
        "layout": artefact.layout,
        "seconds": seconds,
        "srs": provenance.to_string(),
        "srs_secure": provenance.is_secure(),
        "srs_trust": provenance.trust().word(),
        "solidity": files.solidity,
        "artefact": files.artefact,
        "compiler_input": files.input,
    });
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
    }
    Ok(object)
}
