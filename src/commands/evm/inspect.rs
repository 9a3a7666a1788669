//! `zkml evm inspect`: whether a contract is one that an advisory is about, told from its bytecode.

use crate::{
    contract::{advice, parse_bytes},
    hex::hex,
    onchain::{
        args::{parse_address, NodeArgs},
        contracts::artefact_path,
    },
    outcome::Advised,
    srs::Trusted,
    ui::Ui,
};
use anyhow::{anyhow, bail, Context, Result};
use clap::Args;
use serde::Deserialize;
use serde_json::{json, Value};
use std::path::Path;
use zkml_evm_verifier::{
    secret::trusted,
    unwritten::{reads, ADVISORY},
};
use zkml_files::read_bounded;
use zkml_import::without_values;

/// Largest file that is read.
const MAX_FILE: u64 = 64 << 20;
/// 0x and the digits of an address.
const ADDRESS: usize = 42;

/// Say whether a contract is one that a security advisory is about, and which SRS it trusts.
///
/// It looks at the bytecode alone, of any version of zkml: whether a hash or a call reads memory that
/// nothing has written. Both answers are about code that zkml wrote. Other code can look the same to it and accept
/// everything: `zkml evm audit` compares the code on a chain with that of files of one's own.
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml evm inspect contract
  zkml evm inspect contract/ZkmlVerifier.json --json
  zkml evm inspect 0x5FbDB2315678afecb367f032d93F642f64180aa3 --rpc-url http://127.0.0.1:8545

Exit code 3: an advisory is about this contract (docs/advisories).")]
pub struct InspectArgs {
    /// Folder or .json file written by `zkml evm generate`; an address, with --rpc-url; or runtime
    /// bytecode, 0x and hexadecimal digits, or a file of these
    contract: String,
    #[command(flatten, next_help_heading = "Node")]
    node: NodeArgs,
}

/// Runs the command.
pub fn run(args: &InspectArgs, ui: &Ui) -> Result<Value> {
    let code = code(args, ui)?;
    let found = reads(&code).with_context(|| args.contract.clone())?;
    if let Some(advice) = advice(&found) {
        return Err(Advised(advice).into());
    }
    if !found.pairing {
        bail!("expected runtime bytecode of a verifier, got code that comes to no pairing: nothing can be said of it. ModelVerifier is none: give the address of the verifier that its models name");
    }
    ui.say(format_args!(
        "Not affected by {ADVISORY}: {} hashes and {} calls read only what was written before.",
        found.hashes, found.calls
    ))?;
    let srs = Trusted::new(trusted(&found).with_context(|| args.contract.clone())?);
    ui.say(format_args!(
        "If zkml wrote it, it trusts the {srs}. That zkml wrote it is not told from the code alone: `zkml evm audit` compares it with that of a contract of your own."
    ))?;
    Ok(json!({
        "bytes": code.len(),
        "advisories": [],
        "reads": found,
        "srs_fingerprint": hex(&srs.fingerprint),
        "srs_ceremony": srs.ceremony,
        "claim_only": true,
    }))
}

/// The bytecode that was named.
fn code(args: &InspectArgs, ui: &Ui) -> Result<Vec<u8>> {
    let text = args.contract.as_str();
    if text.starts_with("0x") && !Path::new(text).exists() {
        if text.len() != ADDRESS {
            return parse_bytes("CONTRACT", text);
        }
        let address = parse_address(text).map_err(anyhow::Error::msg)?;
        let node = args.node.connect(ui)?;
        let code = node.code(address)?;
        if code.is_empty() {
            bail!(
                "there is no contract at {address} on chain {}",
                node.chain_id()
            );
        }
        return Ok(code);
    }
    let path = artefact_path(Path::new(text));
    let place = || path.display().to_string();
    let bytes = read_bounded(&path, MAX_FILE)?;
    let text = std::str::from_utf8(&bytes)
        .with_context(|| format!("{}: expected text", place()))?
        .trim();
    if text.starts_with("0x") {
        return parse_bytes("bytecode", text).with_context(place);
    }
    /// What every version's artefact has.
    #[derive(Deserialize)]
    struct Code {
        runtime: String,
    }
    let artefact: Result<Code> =
        serde_json::from_str(text).map_err(|error| anyhow!(without_values(error)));
    let artefact = artefact.with_context(|| {
        format!(
            "{}: expected a contract written by `zkml evm generate`, or 0x and hexadecimal digits",
            place()
        )
    })?;
    parse_bytes("runtime", &artefact.runtime).with_context(place)
}
