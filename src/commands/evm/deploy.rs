//! `zkml evm deploy`: the contracts on a chain.

use crate::{
    onchain::{
        args::{KeyArgs, NodeArgs, SendArgs},
        contracts::{check_srs, load, verifier_errors, Deployable, Standing},
        record::Record,
        send::{sent_json, Sender, Sent},
    },
    ui::Ui,
};
use anyhow::{bail, Result};
use clap::Args;
use serde_json::{json, Value};
use std::path::PathBuf;
use zkml_evm_verifier::chain::{Errors, Node, Transaction};

/// Put the generated verifier on a chain.
///
/// A record of it is written beside the artefact (NAME.deployed-CHAIN.json) before the transaction is sent; run
/// again, the command goes on where it stopped, and does nothing if the contract already stands.
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml evm deploy --contract contract --rpc-url http://127.0.0.1:8545 --yes
  zkml evm deploy --contract contract --rpc-url https://NODE --chain-id 1 --keystore key.json --confirmations 5
  zkml evm deploy --contract contract --rpc-url http://127.0.0.1:8545 --dry-run

The private key is taken from $ZKML_PRIVATE_KEY, from a keystore file, or asked for (--interactive).")]
pub struct DeployArgs {
    /// Folder or .json file written by `zkml evm generate`
    #[arg(long, value_name = "PATH")]
    contract: PathBuf,
    /// Deploy a verifier of a development SRS to a chain that is not a local one: for test networks only
    #[arg(long)]
    allow_insecure_srs: bool,
    #[command(flatten, next_help_heading = "Node")]
    node: NodeArgs,
    #[command(flatten, next_help_heading = "Private key")]
    key: KeyArgs,
    #[command(flatten, next_help_heading = "Transaction")]
    send: SendArgs,
}

/// Runs the command.
pub fn run(args: &DeployArgs, ui: &Ui) -> Result<Value> {
    let (artefact, path) = load(&args.contract)?;
    let verifier = Deployable::verifier(&artefact, &path)?;
    let node = args.node.connect(ui)?;
    let allow = args.allow_insecure_srs;
    check_srs(artefact.srs_secure, &artefact.srs, &node, allow)?;
    if !artefact.srs_secure {
        ui.note(format_args!("warning: {}", artefact.srs));
    }
    let verifier = deploy(&verifier, &node, args, ui)?;
    Ok(json!({
        "chain_id": node.chain_id(),
        "verifier": verifier,
        "srs_secure": artefact.srs_secure,
    }))
}

/// Deploys a contract, unless it stands.
fn deploy(what: &Deployable, node: &Node, args: &DeployArgs, ui: &Ui) -> Result<Value> {
    let standing = what.standing(node)?;
    if let Standing::There(record) = &standing {
        ui.say(format_args!(
            "{} is already at {} on chain {}, with the expected code: nothing to do",
            what.name, record.address, record.chain_id
        ))?;
        return Ok(json!({ "already": true, "record": record }));
    }
    let errors = verifier_errors(Errors::default());
    let named = args.node.chain_id.is_some();
    let sender = Sender::new(node, &args.key, &args.send, named, &errors, ui)?;
    let mut record = Record {
        contract: what.name.clone(),
        chain_id: node.chain_id(),
        address: Default::default(),
        code_hash: what.code_hash(),
        transaction: None,
        deployer: Some(sender.account()),
        block: None,
    };
    let (receipt, sent) = if let Standing::Sent(earlier, hash) = standing {
        ui.say(format_args!(
            "{} was sent before, in transaction {hash}",
            what.name
        ))?;
        record = earlier;
        (sender.wait(hash)?, json!({ "sent": false }))
    } else {
        let transaction = Transaction {
            to: None,
            data: what.bytecode.creation.clone(),
        };
        let title = format!("deploying {}", what.name);
        let sent = sender.send(&title, transaction, &mut |signed| {
            record.transaction = Some(signed.hash);
            record.address = signed.creates.unwrap_or_default();
            record.save(&what.folder).map(|_| ())
        })?;
        let price = sent_json(&sent);
        match sent {
            Sent::Dry(_) => return Ok(price),
            Sent::Done(_, receipt) => (receipt, price),
        }
    };
    if !what.stands_at(node, record.address)? {
        bail!(
            "transaction {} is in block {}, but there is no code at {}: did another transaction of the account take its number?",
            receipt.hash,
            receipt.block,
            record.address
        );
    }
    record.block = Some(receipt.block);
    let path = record.save(&what.folder)?;
    ui.say(format_args!("address             {}", record.address))?;
    ui.say(format_args!("code hash           {}", record.code_hash))?;
    ui.say(format_args!("wrote {}", path.display()))?;
    Ok(json!({ "already": false, "record": record, "transaction": sent, "file": path }))
}
