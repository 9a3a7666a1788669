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
    chain::{Offer, U256},
    exec::{Chain, Fork, Gas},
    front::{describe_revert, register_call},
};

/// Say what deployment, registration and submission cost, in gas and in ether.
///
/// All of it is run in a local EVM; a node is only asked for the fees, if one is named.
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
    steps: Vec<(&'static str, u64)>,
    submission: Gas,
}

/// Runs the command.
pub fn run(args: &EstimateArgs, ui: &Ui) -> Result<Value> {
    let contracts = Contracts::load(&args.call.contracts)?;
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
    let price = match args.gas_price {
        Some(price) => Some(price),
        None if args.node.is_given() => {
            let fees = args.node.connect(ui)?.fees(&Offer::default())?;
            Some(fees.base.saturating_add(fees.priority))
        }
        None => None,
    };
    let mut forks = Vec::new();
    for fork in Fork::ALL {
        let work = || measure(fork, args, &contracts, &submission, &models);
        forks.push(ui.stage("Running the contracts", None, work).value?);
    }
    let cost = |gas: u64| price.map(|price| U256::from(price).saturating_mul(U256::from(gas)));
    for Steps {
        fork,
        steps,
        submission,
    } in &forks
    {
        ui.say(format_args!("under {fork}"))?;
        for (name, gas) in steps {
            let paid = cost(*gas).map_or_else(String::new, |wei| format!(", {} ether", ether(wei)));
            ui.say(format_args!("  {name:<25} {} gas{paid}", grouped(*gas)))?;
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
        let rows = steps.steps.iter().map(|(name, gas)| {
            json!({ "step": name, "gas": gas, "wei": cost(*gas).map(|wei| wei.to_string()) })
        });
        json!({ "fork": steps.fork, "steps": rows.collect::<Vec<_>>(), "submission": steps.submission })
    };
    Ok(json!({
        "statements": statements,
        "gas_price_wei": price.map(|price| price.to_string()),
        "forks": forks.iter().map(json).collect::<Vec<_>>(),
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
    let verifier = chain.deploy(&contracts.verifier.bytecode.creation)?;
    steps.push(("deploying the verifier", verifier.gas));
    let mut places = Places {
        verifier: contracts.verifier.record(0, verifier.address),
        front: None,
    };
    if !args.call.raw {
        let front = chain.deploy(&contracts.front.bytecode.creation)?;
        steps.push(("deploying ModelVerifier", front.gas));
        places.front = Some(contracts.front.record(0, front.address));
        let mut known = Vec::new();
        for claim in submission.claims(&contracts.artefact.checks, models)? {
            let commitment = claim.statement.commitment;
            let set = &claim.model.set;
            let model = contracts.model(verifier.address, set, claim.mode, commitment)?;
            if known.contains(&model) {
                continue;
            }
            let outcome = chain.call(front.address, &register_call(&model))?;
            if !outcome.returned {
                bail!("registration fails: {}", describe_revert(&outcome.output));
            }
            steps.push(("registering a model", outcome.gas.total));
            known.push(model);
        }
    }
    let call = call(contracts, &places, submission, models, Purpose::Submit)?;
    let outcome = chain.call(call.to, &call.data)?;
    if !outcome.returned {
        return Err(crate::outcome::Refused(describe_revert(&outcome.output)).into());
    }
    steps.push(("submitting the proof", outcome.gas.total));
    Ok(Steps {
        fork,
        steps,
        submission: outcome.gas,
    })
}
