//! `zkml evm doctor`: what the on-chain commands need, and what of it is there.

use crate::{onchain::args::NodeArgs, ui::Ui};
use anyhow::{bail, Result};
use clap::Args;
use serde_json::{json, Map, Value};
use std::path::{Path, PathBuf};
use zkml_evm_verifier::{
    anvil::{find_anvil, npm_package, version_of},
    compile::{contract_settings, evm_version, find_compiler, in_repository, settings},
};

/// Say which Solidity compiler, compiler settings and Ethereum node are found.
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml evm doctor
  zkml evm doctor --rpc-url http://127.0.0.1:8545 --json

Exit code 1: something that is needed is missing; it says what, and how to get it.")]
pub struct DoctorArgs {
    /// Solidity compiler, instead of the one that is found
    #[arg(long, value_name = "FILE")]
    solc: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Node")]
    node: NodeArgs,
}

/// Runs the command.
pub fn run(args: &DoctorArgs, ui: &Ui) -> Result<Value> {
    let mut missing = Vec::new();
    let mut found = Map::new();
    let mut note = |key: &str, name: &str, text: &str, value: Value| {
        found.insert(key.to_owned(), value);
        ui.say(format_args!("{name:<19} {text}"))
    };
    match find_compiler(args.solc.as_deref()) {
        Ok(compiler) => {
            let value = json!({ "version": compiler.version, "origin": compiler.origin, "path": compiler.path });
            note("solc", "Solidity compiler", &compiler.to_string(), value)?;
        }
        Err(error) => {
            note("solc", "Solidity compiler", "not found", Value::Null)?;
            missing.push(error.to_string());
        }
    }
    let (verifier, front) = (evm_version(&settings()), evm_version(&contract_settings()));
    let text = format!("{verifier} for generated verifiers, {front} for ModelVerifier");
    note(
        "evm_target",
        "EVM target",
        &text,
        json!({ "verifier": verifier, "model_verifier": front }),
    )?;
    for (key, name, program) in [("node", "Node.js", "node"), ("npm", "npm", "npm")] {
        let version = version_of(Path::new(program));
        let text = version
            .as_deref()
            .unwrap_or("not found: only the npm packages below need it");
        note(key, name, text, json!(version))?;
    }
    for (key, name, folder, package) in [
        (
            "npm_solc",
            "npm package solc",
            "scripts/solc",
            "scripts/solc/node_modules/solc".into(),
        ),
        (
            "npm_anvil",
            "npm package anvil",
            "scripts/anvil",
            npm_package(),
        ),
    ] {
        let manifest = package.join("package.json");
        let path = in_repository(&manifest)
            .into_iter()
            .find(|path| path.is_file());
        let text = match &path {
            Some(path) => path.display().to_string(),
            None => format!("not installed: npm ci --prefix {folder}"),
        };
        note(key, name, &text, json!(path))?;
    }
    let anvil = find_anvil().ok();
    let text = anvil.as_ref().map_or_else(
        || "not found: only tests need it (scripts/test installs it)".to_owned(),
        |anvil| {
            format!(
                "{} ({}: {})",
                anvil.version,
                anvil.origin,
                anvil.path.display()
            )
        },
    );
    note("anvil", "anvil", &text, json!(anvil))?;
    if args.node.is_given() {
        let node = args
            .node
            .connect(ui)
            .and_then(|node| Ok((node.client()?, node)));
        match node {
            Ok((client, node)) => {
                let text = format!("{client}, chain {}, at {}", node.chain_id(), node.place());
                let value =
                    json!({ "client": client, "chain_id": node.chain_id(), "place": node.place() });
                note("rpc", "Ethereum node", &text, value)?;
            }
            Err(error) => {
                note("rpc", "Ethereum node", "does not answer", Value::Null)?;
                missing.push(format!("{error:#}"));
            }
        }
    } else {
        note(
            "rpc",
            "Ethereum node",
            "not asked: no --rpc-url, and $ETH_RPC_URL is not set",
            Value::Null,
        )?;
    }
    if missing.is_empty() {
        Ok(Value::Object(found))
    } else {
        bail!("{} thing(s) missing: {}", missing.len(), missing.join("; "))
    }
}
