//! `zkml evm estimate`: what it costs, before anything is on a chain.

use crate::{
    models::Known,
    onchain::{
        amount::{ether, gwei, parse_gwei},
        args::NodeArgs,
        call::{call, CallArgs, Contracts, Places, Purpose},
    },
    submission::Submission,
    ui::Ui,
    values::grouped,
};
use anyhow::{bail, Result};
use clap::Args;
use serde_json::{json, Value};
use std::path::PathBuf;
use zkml_evm_verifier::{
    chain::{DataFee, Offer, Transaction, U256},
    exec::{Chain, Fork, Gas},
    front::{describe_revert, register_call},
};

/// Say what deployment, registration and submission cost, in gas and in ether.
///
/// All of it is run in a local EVM; a node is only asked for the fees, if one is named: those of the gas, and on
/// chains that keep their data on another one (OP-style ones, Arbitrum) those of the data.
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml evm estimate aggregate.zkml --keys keys --contract contract
  zkml evm estimate aggregate.zkml --keys keys --contract contract --gas-price 0.5
  zkml evm estimate aggregate.zkml --keys keys --contract contract --rpc-url http://127.0.0.1:8545 --json")]
pub struct EstimateArgs {
    /// Aggregated proof
    proof: PathBuf,
    #[command(flatten)]
    call: CallArgs,
    /// Price of a unit of gas, in gwei [default: the node's, if one is named]
    #[arg(long, value_name = "GWEI", value_parser = parse_gwei)]
    gas_price: Option<u128>,
    #[command(flatten, next_help_heading = "Node")]
    node: NodeArgs,
}

/// Gas of each step under one set of rules.
struct Steps {
    fork: Fork,
    steps: Vec<Step>,
    submission: Gas,
}

/// A transaction, with the gas that it takes.
struct Step {
    name: &'static str,
    transaction: Transaction,
    data_fee: Option<DataFee>,
}

/// Runs the command.
pub fn run(args: &EstimateArgs, ui: &Ui) -> Result<Value> {
    let contracts = Contracts::load(&args.call.contracts, &args.call.srs.trust)?;
    contracts.warn(ui);
    let submission = Submission::load(&args.proof, &contracts.artefact)?;
    let models = args.call.models(ui)?;
    let statements = match args.call.raw {
        true => None,
        false => Some(
            submission
                .claims(&contracts.artefact.checks, &models)?
                .len(),
        ),
    };
    let node = match args.node.is_given() {
        true => Some(args.node.connect(ui)?),
        false => None,
    };
    let fees = match &node {
        Some(node) => {
            // Nothing is paid here: what the node says is shown, whatever it is.
            let offer = Offer {
                max_tip: u128::MAX,
                ..Offer::default()
            };
            Some((node, node.fees(&offer)?))
        }
        None => None,
    };
    let price = fees.map(|(_, fees)| fees.base.saturating_add(fees.priority));
    let price = args.gas_price.or(price);
    let mut forks = Vec::new();
    for fork in Fork::ALL {
        let work = || measure(fork, args, &contracts, &submission, &models);
        let mut measured = ui.stage("Running the contracts", None, work).value?;
        if let Some((node, fees)) = fees {
            for step in &mut measured.steps {
                step.data_fee = node.data_fee(&step.transaction, fees)?;
            }
        }
        forks.push(measured);
    }
    let cost = |gas: u64| price.map(|price| U256::from(price).saturating_mul(U256::from(gas)));
    for Steps {
        fork,
        steps,
        submission,
    } in &forks
    {
        ui.say(format_args!("under {fork}"))?;
        for Step {
            name,
            transaction,
            data_fee,
        } in steps
        {
            let gas = transaction.gas;
            let paid = cost(gas).map_or_else(String::new, |wei| format!(", {} ether", ether(wei)));
            let data = match data_fee {
                None => String::new(),
                Some(DataFee::Beside(wei)) => format!(", and {} ether for its data", ether(*wei)),
                Some(DataFee::Gas(more)) => format!(", and {} gas for its data", grouped(*more)),
            };
            ui.say(format_args!(
                "  {name:<25} {} gas{paid}{data}",
                grouped(gas)
            ))?;
        }
        ui.say(format_args!(
            "  of the submission         base {}, calldata {}, precompiles {}, rest {}",
            grouped(submission.base),
            grouped(submission.calldata),
            grouped(submission.precompiles),
            grouped(submission.execution)
        ))?;
    }
    if let Some(price) = price {
        ui.say(format_args!("at {} gwei for a unit of gas", gwei(price)))?;
    }
    let json = |steps: &Steps| {
        let rows = steps.steps.iter().map(|step| {
            let gas = step.transaction.gas;
            let (wei, more) = match step.data_fee {
                None => (None, None),
                Some(DataFee::Beside(wei)) => (Some(wei.to_string()), None),
                Some(DataFee::Gas(more)) => (None, Some(more)),
            };
            json!({
                "step": step.name,
                "gas": gas,
                "wei": cost(gas).map(|wei| wei.to_string()),
                "data_wei": wei,
                "data_gas": more,
            })
        });
        json!({ "fork": steps.fork, "steps": rows.collect::<Vec<_>>(), "submission": steps.submission })
    };
    Ok(json!({
        "statements": statements,
        "gas_price_wei": price.map(|price| price.to_string()),
        "forks": forks.iter().map(json).collect::<Vec<_>>(),
        "srs": contracts.srs_json(),
    }))
}

/// Does everything in a local EVM.
fn measure(
    fork: Fork,
    args: &EstimateArgs,
    contracts: &Contracts,
    submission: &Submission,
    models: &[Known],
) -> Result<Steps> {
    let mut chain = Chain::new(fork);
    let mut steps = Vec::new();
    let mut push = |name, to, data: &[u8], gas| {
        steps.push(Step {
            name,
            transaction: Transaction {
                to,
                data: data.to_vec(),
                gas,
            },
            data_fee: None,
        });
    };
    let creation = &contracts.verifier.bytecode.creation;
    let verifier = chain.deploy(creation)?;
    push("deploying the verifier", None, creation, verifier.gas);
    let mut places = Places {
        verifier: contracts.verifier.record(0, verifier.address),
        front: None,
    };
    if !args.call.raw {
        let creation = &contracts.front.bytecode.creation;
        let front = chain.deploy(creation)?;
        push("deploying ModelVerifier", None, creation, front.gas);
        places.front = Some(contracts.front.record(0, front.address));
        let mut known = Vec::new();
        for claim in submission.claims(&contracts.artefact.checks, models)? {
            let commitment = claim.statement.commitment;
            let set = &claim.model.set;
            let model = contracts.model(verifier.address, set, claim.mode, commitment)?;
            if known.contains(&model) {
                continue;
            }
            let data = register_call(&model);
            let outcome = chain.call(front.address, &data)?;
            if !outcome.returned {
                bail!("registration fails: {}", describe_revert(&outcome.output));
            }
            let gas = outcome.gas.total;
            push("registering a model", Some(front.address), &data, gas);
            known.push(model);
        }
    }
    let call = call(contracts, &places, submission, models, Purpose::Submit)?;
    let outcome = chain.call(call.to, &call.data)?;
    if !outcome.returned {
        return Err(crate::outcome::Refused(describe_revert(&outcome.output)).into());
    }
    let gas = outcome.gas.total;
    push("submitting the proof", Some(call.to), &call.data, gas);
    Ok(Steps {
        fork,
        steps,
        submission: outcome.gas,
    })
}
