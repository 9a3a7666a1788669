//! `zkml evm generate`: the verifier of an aggregation as a contract.

use crate::{
    aggregation::{ready_key, KeyPlace, COLUMNS},
    commands::aggregate::parse_columns,
    contract,
    keys::{KeyFolder, NewFolder, Verifying},
    srs::{warn, SrsArgs},
    ui::Ui,
    values::grouped,
};
use anyhow::{bail, Result};
use clap::Args;
use serde_json::{json, Value};
use std::path::PathBuf;
use zkml_evm_verifier::compile::find_compiler;

/// Name of the contract unless another is asked for.
pub const CONTRACT: &str = "ZkmlVerifier";

/// Write the Solidity verifier of an aggregation, and compile it.
///
/// The contract knows circuits of one shape, not models: whoever calls it compares digest and
/// commitment with those that it trusts.
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml evm generate --keys keys --out contract
  zkml evm generate --keys keys-a keys-b --out contract --name TwoModels
  zkml evm generate --keys keys --proofs 3 --out contract

It writes NAME.sol, and NAME.json with the bytecode and the calldata's layout. The compiler is the
one of --solc, $SOLC, svm, the path, or `npm ci --prefix scripts/solc`, whichever comes first.")]
pub struct GenerateArgs {
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
    /// Most gate columns of a new key
    #[arg(long, default_value_t = COLUMNS, value_parser = parse_columns)]
    columns: usize,
    /// Solidity compiler, 0.8.24 or later (0.8.30 preferred)
    #[arg(long, value_name = "FILE")]
    solc: Option<PathBuf>,
    #[command(flatten)]
    srs: SrsArgs,
}

/// Runs the command.
pub fn run(args: &GenerateArgs, ui: &Ui) -> Result<Value> {
    let folders: Vec<KeyFolder> = args.keys.iter().cloned().map(KeyFolder).collect();
    let sets = folders
        .iter()
        .map(|folder| folder.verifying(&args.srs, ui))
        .collect::<Result<Vec<_>>>()?;
    let inner: Vec<&Verifying> = match (sets.as_slice(), args.proofs) {
        ([one], Some(count)) => vec![one; usize::from(count)],
        (many, None) => many.iter().collect(),
        (many, Some(count)) if many.len() == usize::from(count) => many.iter().collect(),
        (many, Some(count)) => bail!(
            "--proofs {count} with {} folders of keys: give one folder, or one for each proof",
            many.len()
        ),
    };
    let Some(first) = folders.first() else {
        bail!("no folder of keys");
    };
    // Before the long work.
    find_compiler(args.solc.as_deref())?;
    let _made = NewFolder::new(&args.out)?;
    let place = KeyPlace::new(args.key.as_deref(), first, inner.len(), args.columns);
    let ready = ready_key(&place, &inner, &args.srs, ui)?;
    let made = ui.stage("Writing and compiling the contract", None, || {
        contract::make(&ready.key, &ready.srs, &args.name, args.solc.as_deref())
    });
    let (source, artefact) = made.value?;
    let (solidity, json_path) = artefact.save(&source, &args.out)?;

    warn(&ready.srs.provenance, ui);
    let runtime = artefact.bytecode()?.runtime.len();
    ui.say(format_args!(
        "contract            {} (solc {})",
        artefact.contract, artefact.solc
    ))?;
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
    ui.say(format_args!("wrote {}", solidity.display()))?;
    ui.say(format_args!("wrote {}", json_path.display()))?;
    Ok(json!({
        "contract": artefact.contract,
        "solc": artefact.solc,
        "runtime_bytes": runtime,
        "calldata_bytes": artefact.layout.bytes(),
        "layout": artefact.layout,
        "seconds": made.seconds,
        "key": place.path,
        "key_seconds": ready.made_in,
        "srs": ready.srs.provenance.to_string(),
        "srs_secure": artefact.srs_secure,
        "solidity": solidity,
        "artefact": json_path,
    }))
}
