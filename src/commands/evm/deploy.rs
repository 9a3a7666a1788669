//! `zkml evm deploy`: the contracts on a chain.

use crate::{
    onchain::{
        args::{parse_address, KeyArgs, NodeArgs, SendArgs},
        call::{ContractArgs, Contracts},
        contracts::{Deployable, Standing},
        create2, gas, precompiles,
        record::Record,
        send::{sent_json, Fate, Sender, Sent},
    },
    output::Claim,
    srs::TrustArgs,
    ui::Ui,
};
use anyhow::{bail, Result};
use clap::Args;
use serde_json::{json, Value};
use zkml_evm_verifier::chain::{Address, Node, Transaction};

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
  zkml evm deploy --contract contract --rpc-url https://NODE --chain-id 1 --create2
  zkml evm deploy --contract contract --rpc-url https://NODE --unsigned ACCOUNT --json

The private key is taken from $ZKML_PRIVATE_KEY, from a keystore file, or asked for (--interactive).")]
pub struct DeployArgs {
    #[command(flatten)]
    contracts: ContractArgs,
    #[command(flatten)]
    trust: TrustArgs,
    /// Address of the generated verifier, where somebody else has put it there: it is recorded, not deployed
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    verifier: Option<Address>,
    /// Replace the record of a contract at another address by that of --verifier or --model-verifier
    #[arg(long)]
    force: bool,
    /// Have the usual deployer (0x4e59…956C) create the contracts by CREATE2: with the same code they have the same
    /// addresses, and models the same ids, on every chain
    #[arg(long)]
    create2: bool,
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
    let contracts = Contracts::load(&args.contracts, &args.trust)?;
    let _claim = Claim::new(&contracts.verifier.folder)?;
    let node = args.node.connect(ui)?;
    precompiles::check(&node)?;
    contracts.admit(node.chain_id(), args.allow_insecure_srs, ui)?;
    keep_records(&contracts, node.chain_id(), args)?;
    let verifier = match args.verifier {
        None => deploy(&contracts.verifier, "verifier", &node, 0, args, ui)?,
        Some(address) => adopt(&contracts.verifier, &node, address, ui)?,
    };
    let front = match args.contracts.model_verifier {
        _ if args.verifier_only => Value::Null,
        None => {
            let ahead = verifier.get("unsigned").is_some().into();
            deploy(&contracts.front, "model-verifier", &node, ahead, args, ui)?
        }
        Some(address) => adopt(&contracts.front, &node, address, ui)?,
    };
    Ok(json!({
        "chain_id": node.chain_id(),
        "verifier": verifier,
        "model_verifier": front,
        "srs": contracts.srs_json(),
    }))
}

/// Fails where the record of another address would be lost: it may be all that is known of a deployment.
fn keep_records(contracts: &Contracts, chain_id: u64, args: &DeployArgs) -> Result<()> {
    let front = args.contracts.model_verifier;
    for (what, option, named) in [
        (&contracts.verifier, "verifier", args.verifier),
        (&contracts.front, "model-verifier", front),
    ] {
        let Some(address) = named.filter(|_| !args.force) else {
            continue;
        };
        match Record::load(&what.folder, &what.name, chain_id)? {
            Some(record) if record.address != address => bail!(
                "{}: it has {} at {}, and --{option} {address} would replace that: leave the option out, move the file away, or give --force",
                Record::path(&what.folder, &what.name, chain_id).display(),
                what.name,
                record.address
            ),
            _ => {}
        }
    }
    Ok(())
}

/// Records a contract that stands.
fn adopt(what: &Deployable, node: &Node, address: Address, ui: &Ui) -> Result<Value> {
    let mut record = what.adopt(node, address)?;
    if record.block.is_none() {
        record.block = node.creation_block(address)?;
    }
    let path = record.save(&what.folder)?;
    ui.say(format_args!("{} is at {address}", record.contract))?;
    match record.block {
        Some(block) => ui.say(format_args!("since block         {block}"))?,
        None => ui.note(format_args!(
            "{} does not keep old states, so that it is not known since which block {} stands there: `zkml evm submit` looks for earlier events in all blocks",
            node.place(),
            record.contract
        )),
    }
    ui.say(format_args!("wrote {}", path.display()))?;
    Ok(json!({ "already": true, "record": record, "file": path }))
}

/// Deploys a contract, unless it stands. `ahead` transactions of this run are to be signed elsewhere before it;
/// `option` is the one that names it where it stands.
fn deploy(
    what: &Deployable,
    option: &str,
    node: &Node,
    ahead: u64,
    args: &DeployArgs,
    ui: &Ui,
) -> Result<Value> {
    let creation = &what.bytecode.creation;
    let lasting = args.create2.then(|| create2::address(creation));
    let standing = what.standing(node)?;
    if let (Standing::There(record) | Standing::Sent(record, _), Some(address)) =
        (&standing, lasting)
    {
        if record.address != address {
            bail!(
                "{}: it stands at {}, and the one of --create2 is to stand at {address}; move the file away, or leave --create2 out",
                Record::path(&what.folder, &what.name, node.chain_id()).display(),
                record.address
            );
        }
    }
    if let (Standing::Absent, Some(address)) = (&standing, lasting) {
        if what.stands_at(node, address)? {
            return adopt(what, node, address, ui);
        }
        create2::check(node)?;
    }
    if let Standing::There(record) = &standing {
        ui.say(format_args!(
            "{} is already at {} on chain {}, with the expected code: nothing to do",
            what.name, record.address, record.chain_id
        ))?;
        return Ok(json!({ "already": true, "record": record }));
    }
    let named = args.node.chain_id.is_some();
    let mut sender = Sender::new(node, &args.key, &args.send, named, ui)?;
    sender.ahead = ahead;
    let mut record = what.record(node.chain_id(), Default::default());
    record.deployer = Some(sender.account());
    let (receipt, sent) = if let Standing::Sent(earlier, hash) = standing {
        ui.say(format_args!(
            "{} was sent before, in transaction {hash}",
            what.name
        ))?;
        record = earlier;
        let waited = sender.wait(hash, &mut |fate| match fate {
            Fate::Signed(_) => Ok(()),
            Fate::Void => record.remove(&what.folder),
        });
        (waited?, json!({ "sent": false }))
    } else {
        let transaction = match lasting {
            Some(_) => Transaction {
                to: Some(create2::DEPLOYER),
                data: create2::call(creation),
                gas: gas::of_create2(creation)?,
            },
            None => Transaction {
                to: None,
                data: creation.clone(),
                gas: gas::of_deployment(creation)?,
            },
        };
        let title = format!("deploying {}", what.name);
        let sent = sender.send(&title, transaction, &mut |fate| match fate {
            Fate::Signed(signed) => {
                record.transaction = Some(signed.hash);
                record.address = lasting.or(signed.creates).unwrap_or_default();
                record.save(&what.folder).map(|_| ())
            }
            Fate::Void => record.remove(&what.folder),
        })?;
        let told = sent_json(&sent, node.chain_id());
        match sent {
            Sent::Dry(_) => return Ok(told),
            Sent::Unsigned(quote, _) => {
                if let Some(address) = lasting.or(quote.creates()) {
                    ui.show(format_args!("It creates {address}. When that stands: zkml evm deploy --{option} {address}"))?;
                }
                return Ok(told);
            }
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
