//! `zkml evm test`: the contract in a local EVM.

use super::generate::CONTRACT;
use crate::{
    bundle::Bundle,
    contract::Artefact,
    srs::{warn, TrustArgs},
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

/// Deploy the contract in a local EVM, have it verify an aggregated proof, and see that it rejects
/// tampered ones.
///
/// It runs under the rules of Prague and of Osaka, with Ethereum's limits on code size (EIP-170) and
/// on a transaction's gas (EIP-7825).
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml evm test aggregate.zkml --contract contract
  zkml evm test aggregate.zkml --contract contract/TwoModels.json --json")]
pub struct TestArgs {
    /// Aggregated proof
    proof: PathBuf,
    /// Folder or .json file written by `zkml evm generate`
    #[arg(long, value_name = "PATH")]
    contract: PathBuf,
    #[command(flatten)]
    trust: TrustArgs,
}

/// Runs the command.
pub fn run(args: &TestArgs, ui: &Ui) -> Result<Value> {
    let mut bundle = Bundle::load(&args.proof)?;
    args.trust.judge(&mut bundle.srs);
    let path = if args.contract.is_dir() {
        Artefact::files(&args.contract, CONTRACT).1
    } else {
        args.contract.clone()
    };
    let artefact = Artefact::load(&path)?;
    let report = check(&bundle, &artefact, &path, ui)?;
    warn(&bundle.srs, ui);
    ui.say(format_args!(
        "contract            {} (solc {})",
        artefact.contract, artefact.solc
    ))?;
    say_report(&report, ui)?;
    ui.say("Proof accepted by the contract, tampered proofs rejected.")?;
    Ok(json!({
        "contract": artefact.contract,
        "inner": bundle.inner,
        "report": report,
        "srs": bundle.srs.to_string(),
        "srs_secure": bundle.srs.is_secure(),
    }))
}

/// Tries a contract under all rules.
pub fn check(bundle: &Bundle, artefact: &Artefact, path: &Path, ui: &Ui) -> Result<ContractReport> {
    let bytecode = artefact
        .bytecode()
        .with_context(|| path.display().to_string())?;
    let proof = &bundle.aggregate;
    let work = || {
        check_contract(
            &bytecode,
            artefact.layout,
            &proof.instances,
            &proof.proof,
            &Fork::ALL,
        )
    };
    let report = ui.stage("Running the contract", None, work).value;
    report.with_context(|| path.display().to_string())
}

/// Prints what a contract costs.
pub fn say_report(report: &ContractReport, ui: &Ui) -> Result<()> {
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
    Ok(())
}
