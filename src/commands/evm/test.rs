//! `zkml evm test`: the contract in a local EVM.

use crate::{
    contract::Artefact,
    models::{CommitmentArgs, Known},
    onchain::contracts::load,
    srs::SrsArgs,
    submission::{Claim, Submission},
    ui::Ui,
    values::grouped,
};
use anyhow::{Context, Result};
use clap::Args;
use serde_json::{json, Value};
use std::path::{Path, PathBuf};
use zkml_evm_verifier::{
    check::{check_contract, ContractReport},
    exec::Fork,
};

/// Deploy the contract in a local EVM, have it verify a proof of the kind that it checks, and see that
/// it rejects tampered ones.
///
/// It runs under the rules of Prague and of Osaka, with Ethereum's limits on code size (EIP-170) and
/// on a transaction's gas (EIP-7825).
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml evm test aggregate.zkml --contract contract
  zkml evm test aggregate.zkml --contract contract/TwoModels.json --json")]
pub struct TestArgs {
    /// Aggregated proof, or model proof with the Keccak transcript: whichever the contract checks
    proof: PathBuf,
    /// Folder or .json file written by `zkml evm generate`
    #[arg(long, value_name = "PATH")]
    contract: PathBuf,
    /// Folders of keys of the models that the proof is about: compare what it states with them
    #[arg(long, value_name = "DIR", num_args = 1..)]
    keys: Vec<PathBuf>,
    #[command(flatten)]
    srs: SrsArgs,
}

/// Runs the command.
pub fn run(args: &TestArgs, ui: &Ui) -> Result<Value> {
    let (artefact, path) = load(&args.contract)?;
    let submission = Submission::load(&args.proof, &artefact)?;
    let report = check(&submission, &artefact, &path, ui)?;
    let srs = artefact.trusts(&path)?;
    if srs.ceremony.is_none() {
        ui.note(format_args!(
            "warning: the contract trusts the {srs}: {}",
            artefact.srs
        ));
    }
    ui.say(format_args!(
        "contract            {} (solc {})",
        artefact.contract, artefact.solc
    ))?;
    // What an aggregated proof states, and how much, follows from keys only.
    let models = Known::load(&args.keys, &CommitmentArgs::default(), &args.srs, ui)?;
    let claims = match models.as_slice() {
        [] => None,
        models => Some(submission.claims(&artefact.checks, models)?),
    };
    let inferences = match &claims {
        Some(claims) => claims.len(),
        None => usize::from(submission.is_single()),
    };
    say_report(&report, inferences, ui)?;
    ui.say("Proof accepted by the contract, tampered proofs rejected.")?;
    Ok(json!({
        "contract": artefact.contract,
        "inner": claims.map(|claims| claims.iter().map(Claim::json).collect::<Vec<_>>()),
        "report": report,
        "gas_per_inference": per_inference(&report, inferences),
        "srs": srs.to_string(),
        "srs_secure": srs.ceremony.is_some(),
    }))
}

/// Tries a contract under all rules.
pub fn check(
    submission: &Submission,
    artefact: &Artefact,
    path: &Path,
    ui: &Ui,
) -> Result<ContractReport> {
    let bytecode = artefact
        .bytecode()
        .with_context(|| path.display().to_string())?;
    let work = || {
        check_contract(
            &bytecode,
            artefact.layout,
            &submission.instances,
            &submission.proof,
            &Fork::ALL,
        )
    };
    let report = ui.stage("Running the contract", None, work).value;
    report.with_context(|| path.display().to_string())
}

/// Gas of one inference of several, under the newest rules tried.
fn per_inference(report: &ContractReport, inferences: usize) -> Option<u64> {
    let (_, gas) = report.gas.last()?;
    gas.total.checked_div(inferences as u64)
}

/// Prints what a contract costs.
pub fn say_report(report: &ContractReport, inferences: usize, ui: &Ui) -> Result<()> {
    let bytes = |count: usize| grouped(count as u64);
    ui.say(format_args!(
        "code                {} bytes",
        bytes(report.runtime_bytes)
    ))?;
    ui.say(format_args!(
        "calldata            {} bytes",
        bytes(report.calldata_bytes)
    ))?;
    ui.say(format_args!(
        "deployment          {} gas",
        grouped(report.deployment_gas)
    ))?;
    for (fork, gas) in &report.gas {
        ui.say(format_args!(
            "verification        {} gas under {fork} (base {}, calldata {}, precompiles {}, rest {})",
            grouped(gas.total),
            grouped(gas.base),
            grouped(gas.calldata),
            grouped(gas.precompiles),
            grouped(gas.execution)
        ))?;
    }
    if let Some(gas) = per_inference(report, inferences).filter(|_| inferences > 1) {
        ui.say(format_args!(
            "each of {inferences} inferences {} gas under the newest rules",
            grouped(gas)
        ))?;
    }
    Ok(())
}
