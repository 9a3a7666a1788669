//! `zkml evm deploy`: the contracts on a chain.

use crate::{
    onchain::{
        args::{KeyArgs, NodeArgs, SendArgs},
        call::{ContractArgs, Contracts},
        contracts::{check_srs, Deployable, Standing},
        record::Record,
        send::{sent_json, Sender, Sent},
    },
    output::Claim,
    ui::Ui,
};
use anyhow::{bail, Result};
use clap::Args;
use serde_json::{json, Value};
use zkml_evm_verifier::chain::{Node, Transaction};

/// Put the generated verifier and ModelVerifier, the typed front, on a chain.
///
/// A record of each is written beside the artefact (NAME.deployed-CHAIN.json) before its transaction is sent: run
/// again, the command goes on where it stopped, and does nothing for a contract that stands. One ModelVerifier
/// serves all models; it has no owner.
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml evm deploy --contract contract --rpc-url http://127.0.0.1:8545 --yes
  zkml evm deploy --contract contract --rpc-url http://127.0.0.1:8545 --dry-run
  zkml evm deploy --contract contract --rpc-url https://NODE --chain-id 1 --keystore key.json --confirmations 5

The private key is taken from $ZKML_PRIVATE_KEY, from a keystore file, or asked for (--interactive).")]
pub struct DeployArgs {
    #[command(flatten)]
    contracts: ContractArgs,
    /// Leave ModelVerifier out
    #[arg(long, conflicts_with = "model_verifier")]
    verifier_only: bool,
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
    let contracts = Contracts::load(&args.contracts)?;
    let _claim = Claim::new(&contracts.verifier.folder)?;
    let node = args.node.connect(ui)?;
    check_srs(
        &contracts.srs,
        contracts.relied,
        &node,
        args.allow_insecure_srs,
    )?;
    contracts.warn(ui);
    let verifier = deploy(&contracts.verifier, &node, args, ui)?;
    let front = match args.contracts.model_verifier {
        _ if args.verifier_only => Value::Null,
        None => deploy(&contracts.front, &node, args, ui)?,
        Some(address) => {
            let record = contracts.front.adopt(&node, address)?;
            let path = record.save(&contracts.front.folder)?;
            ui.say(format_args!("{} is at {address}", record.contract))?;
            ui.say(format_args!("wrote {}", path.display()))?;
            json!({ "already": true, "record": record, "file": path })
        }
    };
    Ok(json!({
        "chain_id": node.chain_id(),
        "verifier": verifier,
        "model_verifier": front,
        "srs": contracts.srs_json(),
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
    let named = args.node.chain_id.is_some();
    let sender = Sender::new(node, &args.key, &args.send, named, ui)?;
    let mut record = what.record(node.chain_id(), Default::default());
    record.deployer = Some(sender.account());
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
        let told = sent_json(&sent);
        match sent {
            Sent::Dry(_) => return Ok(told),
            Sent::Done(_, receipt) => (receipt, told),
        }
    };
    if !what.stands_at(node, record.address)? {
        bail!(
            "transaction {} is in block {}, but there is no code at {}",
            receipt.hash,
            receipt.block,
            record.address
        );
    }
    record.block = Some(receipt.block);
    let path = record.save(&what.folder)?;
    say(&record, ui)?;
    ui.say(format_args!("wrote {}", path.display()))?;
    Ok(json!({ "already": false, "record": record, "transaction": sent, "file": path }))
}

fn say(record: &Record, ui: &Ui) -> Result<()> {
    ui.say(format_args!("address             {}", record.address))?;
    ui.say(format_args!("code hash           {}", record.code_hash))
}
