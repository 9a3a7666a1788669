//! `zkml evm verify-source`: the contracts' source, shown and compiled again by others.

use crate::{
    onchain::{
        args::{parse_address, read_secret, NodeArgs},
        call::{ContractArgs, Contracts},
        contracts::Deployable,
        record::Record,
    },
    outcome::Mismatched,
    srs::TrustArgs,
    ui::Ui,
};
use anyhow::{bail, Context, Result};
use clap::Args;
use serde_json::{json, Value};
use std::{path::PathBuf, time::Duration};
use zeroize::Zeroizing;
use zkml_evm_verifier::{
    chain::{keccak256, Address, Node},
    contracts::model_verifier_source,
    explorer::{Explorer, Judgement, Patience, Request, Source, ETHERSCAN, SOURCIFY},
};

/// The variable that has the API key, unless a file is named.
const KEY_VARIABLE: &str = "ZKML_ETHERSCAN_KEY";
/// Time between two questions to a service on this machine, and to another.
const INTERVALS: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(3)];

/// Have Sourcify, or Etherscan and explorers that speak its protocol, verify and show the source of the generated
/// verifier and of ModelVerifier.
///
/// The service compiles what zkml's compiler was given (NAME.input.json), and compares the code with the chain's. Before
/// anything is sent, the chain's code is compared with that of the artefact. What is verified already stays so.
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml evm verify-source --contract contract --rpc-url https://NODE --sourcify
  zkml evm verify-source --contract contract --rpc-url https://NODE --etherscan --api-key-file key.txt
  zkml evm verify-source --contract contract --rpc-url https://NODE --etherscan https://EXPLORER/api --verifier-only

Etherscan's API key is taken from $ZKML_ETHERSCAN_KEY, or from a file.
Exit code 3: the code on the chain is not that of the files, or a service finds that it is not that of the source. 1: it
could not be asked, or gave no judgement.")]
pub struct VerifySourceArgs {
    #[command(flatten)]
    contracts: ContractArgs,
    /// Address of the generated verifier [default: the one that `zkml evm deploy` recorded]
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    verifier: Option<Address>,
    /// Leave ModelVerifier out
    #[arg(long, conflicts_with = "model_verifier")]
    verifier_only: bool,
    #[command(flatten)]
    services: ServiceArgs,
    /// File with the API key of Etherscan [default: $ZKML_ETHERSCAN_KEY]
    #[arg(long, value_name = "FILE", requires = "etherscan")]
    api_key_file: Option<PathBuf>,
    /// Longest time to wait for a judgement, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    timeout: u64,
    #[command(flatten, next_help_heading = "Node")]
    node: NodeArgs,
}

/// Which services; nothing is sent to one that was not named.
#[derive(Args)]
#[group(required = true, multiple = true)]
struct ServiceArgs {
    /// Sourcify, by its API of version 2 [default URL: https://sourcify.dev/server]
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = SOURCIFY)]
    sourcify: Option<String>,
    /// Etherscan, by its API of version 2 [default URL: https://api.etherscan.io/v2/api]
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = ETHERSCAN)]
    etherscan: Option<String>,
}

/// A contract on the chain, with its source.
struct Subject {
    contract: String,
    address: Address,
    source: Source,
}

/// Runs the command.
pub fn run(args: &VerifySourceArgs, ui: &Ui) -> Result<Value> {
    let contracts = Contracts::load(&args.contracts, &TrustArgs::default())?;
    let source = contracts.artefact.source(&contracts.verifier.folder)?;
    let explorers = explorers(args, ui)?;
    let node = args.node.connect(ui)?;
    let subject = |what: &Deployable, source, option, named| {
        let address = address(what, option, named, node.chain_id())?;
        compare(what, address, &node)?;
        let contract = what.name.to_string();
        anyhow::Ok(Subject {
            contract,
            address,
            source,
        })
    };
    let mut subjects = vec![subject(
        &contracts.verifier,
        source,
        "verifier",
        args.verifier,
    )?];
    if !args.verifier_only {
        let named = args.contracts.model_verifier;
        let source = model_verifier_source()?;
        subjects.push(subject(&contracts.front, source, "model-verifier", named)?);
    }
    let (mut told, mut mismatches) = (Vec::new(), Vec::new());
    for subject in &subjects {
        for explorer in &explorers {
            let judgement = judge(explorer, subject, &node, args, ui)?;
            let (result, said) = match &judgement {
                Judgement::Verified(said) => ("verified", said),
                Judgement::Already(said) => ("already verified", said),
                Judgement::Mismatch(said) => ("mismatch", said),
            };
            let (contract, address) = (&subject.contract, subject.address);
            ui.say(format_args!(
                "{contract:<19} {address} {result} by {} at {} ({said})",
                explorer.name(),
                explorer.place()
            ))?;
            if let Judgement::Mismatch(said) = &judgement {
                mismatches.push(format!(
                    "{} at {} says of {contract} at {address}: {said}",
                    explorer.name(),
                    explorer.place()
                ));
            }
            told.push(json!({
                "contract": contract,
                "address": address,
                "compiler": subject.source.compiler,
                "name": subject.source.name,
                "service": explorer.name(),
                "place": explorer.place(),
                "result": result,
                "said": said,
            }));
        }
    }
    let fields = json!({ "chain_id": node.chain_id(), "sources": told });
    if mismatches.is_empty() {
        Ok(fields)
    } else {
        Err(Mismatched::new(mismatches.join("; "), fields).into())
    }
}

/// The services that were named.
fn explorers(args: &VerifySourceArgs, ui: &Ui) -> Result<Vec<Explorer>> {
    let mut explorers = Vec::new();
    if let Some(url) = &args.services.sourcify {
        explorers.push(Explorer::sourcify(url)?);
    }
    if let Some(url) = &args.services.etherscan {
        explorers.push(Explorer::etherscan(url, api_key(args, ui)?)?);
    }
    for explorer in explorers.iter().filter(|explorer| explorer.is_exposed()) {
        ui.note(format_args!(
            "warning: {} is neither encrypted nor on this machine: its answers may be forged on the way",
            explorer.place()
        ));
    }
    Ok(explorers)
}

/// The API key, which never stands on a command line: other users see these.
fn api_key(args: &VerifySourceArgs, ui: &Ui) -> Result<Zeroizing<String>> {
    if let Some(path) = &args.api_key_file {
        return read_secret(path, "API key", ui);
    }
    match std::env::var(KEY_VARIABLE) {
        Ok(key) => Ok(Zeroizing::new(key)),
        Err(std::env::VarError::NotUnicode(_)) => bail!("${KEY_VARIABLE}: not text"),
        Err(std::env::VarError::NotPresent) => {
            bail!("no API key: ${KEY_VARIABLE} is not set; set it, or give --api-key-file FILE")
        }
    }
}

/// Where a contract stands: where it is said to, or where its record says so.
fn address(
    what: &Deployable,
    option: &str,
    named: Option<Address>,
    chain_id: u64,
) -> Result<Address> {
    if let Some(address) = named {
        return Ok(address);
    }
    let record = Record::load(&what.folder, &what.name, chain_id)?;
    let record = record.with_context(|| {
        format!(
            "{}: no record of {} on chain {chain_id}; run `zkml evm deploy`, or give its address with --{option}",
            what.folder.display(),
            what.name
        )
    })?;
    Ok(record.address)
}

/// Fails unless the code at an address is the contract's.
fn compare(what: &Deployable, address: Address, node: &Node) -> Result<()> {
    let code = node.code(address)?;
    let chain_id = node.chain_id();
    if code.is_empty() {
        bail!("there is no contract at {address} on chain {chain_id}; nothing was sent");
    }
    if code == what.bytecode.runtime {
        return Ok(());
    }
    let (expected, got) = (what.code_hash(), keccak256(&code));
    let reason = format!("{address} on chain {chain_id}: expected the code of {} (hash {expected}), got a contract with hash {got}; nothing was sent", what.name);
    let fields = json!({ "chain_id": chain_id, "sources": [] });
    Err(Mismatched::new(reason, fields).into())
}

/// What a service says of a contract.
fn judge(
    explorer: &Explorer,
    subject: &Subject,
    node: &Node,
    args: &VerifySourceArgs,
    ui: &Ui,
) -> Result<Judgement> {
    let [local, other] = INTERVALS;
    let patience = Patience {
        timeout: Duration::from_secs(args.timeout),
        interval: if explorer.is_local() { local } else { other },
    };
    let request = Request {
        chain_id: node.chain_id(),
        address: subject.address,
        source: &subject.source,
    };
    let title = format!("Having {} verify {}", explorer.name(), subject.contract);
    let judged = ui.stage(&title, None, || explorer.verify(&request, patience));
    Ok(judged.value?)
}
