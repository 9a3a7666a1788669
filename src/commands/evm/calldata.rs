//! `zkml evm calldata`: what a transaction would carry, for a wallet of another kind.

use crate::{
    hex::hex,
    onchain::{
        call::{call, Call, CallArgs, Contracts, Places, Purpose},
        contracts::Deployable,
    },
    output::{self, Content},
    submission::Submission,
    ui::Ui,
};
use anyhow::{bail, Context, Result};
use clap::{Args, ValueEnum};
use serde_json::{json, Value};
use std::path::PathBuf;
use zkml_evm_verifier::{
    calldata::count_bytes,
    chain::Address,
    front::{model_id, register_call, word},
};
use zkml_files::write_atomic;

/// Print the calldata of a proof in hexadecimal: for a multi-signature wallet, or a contract of one's own.
///
/// No node is asked: the contracts' addresses are those that `zkml evm deploy` recorded. With --json it has the parts,
/// too: model id, context, input, output and proof, as a contract of one's own takes them. Whole transactions, with
/// nonce and fees, print `deploy`, `register` and `submit` with --unsigned.
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml evm calldata aggregate.zkml --keys keys --contract contract --chain-id 31337
  zkml evm calldata aggregate.zkml --keys keys --contract contract --chain-id 31337 --function verify --json
  zkml evm calldata aggregate.zkml --raw --contract contract --chain-id 31337 --out calldata.hex
  zkml evm calldata --function register --keys keys --contract contract --chain-id 31337
  zkml evm calldata --function deploy-verifier --contract contract --chain-id 31337")]
pub struct CalldataArgs {
    /// Proof, for submit and verify
    proof: Option<PathBuf>,
    #[command(flatten)]
    call: CallArgs,
    /// Chain that the contracts are on
    #[arg(long, value_name = "ID")]
    chain_id: u64,
    /// What is to be done: a function of ModelVerifier (of several statements, its batch form), or a deployment
    #[arg(long, value_enum, default_value_t = Function::Submit)]
    function: Function,
    /// Print what makes a chain that is not a local one trust a development SRS: for test networks only
    #[arg(long)]
    allow_insecure_srs: bool,
    /// Write it to this file instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What a transaction is to do.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Function {
    /// Verify a proof, and emit an event
    Submit,
    /// Verify a proof
    Verify,
    /// Register the one model of --keys
    Register,
    /// Create the generated verifier
    DeployVerifier,
    /// Create ModelVerifier
    DeployModelVerifier,
}

/// What a transaction carries.
struct Carried {
    to: Option<Address>,
    data: Vec<u8>,
    parts: Value,
}

/// Runs the command.
pub fn run(args: &CalldataArgs, ui: &Ui) -> Result<Value> {
    if let Some(path) = &args.out {
        let proof = args.proof.iter().map(PathBuf::as_path);
        let reads: Vec<_> = proof.chain(args.call.reads()).collect();
        output::check(path, Content::Calldata, &reads)?;
    }
    let contracts = Contracts::load(&args.call.contracts, &args.call.srs.trust)?;
    contracts.admit(args.chain_id, args.allow_insecure_srs, ui)?;
    let carried = match args.function {
        Function::Submit => proven(args, &contracts, Purpose::Submit, ui)?,
        Function::Verify => proven(args, &contracts, Purpose::Verify, ui)?,
        Function::Register => registration(args, &contracts, ui)?,
        Function::DeployVerifier => creation(args, &contracts.verifier)?,
        Function::DeployModelVerifier => creation(args, &contracts.front)?,
    };
    let text = format!("0x{}", hex(&carried.data));
    match carried.to {
        Some(to) => ui.note(format_args!("to {to} on chain {}", args.chain_id)),
        None => ui.note(format_args!(
            "to nobody, which creates a contract, on chain {}",
            args.chain_id
        )),
    }
    match &args.out {
        Some(path) => {
            write_atomic(path, &mut |out| writeln!(out, "{text}"))?;
            ui.say(format_args!("wrote {}", path.display()))?;
        }
        None => ui.say(&text)?,
    }
    let (zeros, others) = count_bytes(&carried.data);
    let mut object = json!({
        "chain_id": args.chain_id,
        "to": carried.to,
        "value": "0x0",
        "calldata": text,
        "bytes": carried.data.len(),
        "zero_bytes": zeros,
        "other_bytes": others,
        "file": args.out,
        "srs": contracts.srs_json(),
    });
    if let (Value::Object(object), Value::Object(parts)) = (&mut object, carried.parts) {
        object.extend(parts);
    }
    Ok(object)
}

/// A proof, for the front or for the generated verifier.
fn proven(
    args: &CalldataArgs,
    contracts: &Contracts,
    purpose: Purpose,
    ui: &Ui,
) -> Result<Carried> {
    let path = args.proof.as_ref();
    let path = path.context("no proof: --function submit and verify take the file of one")?;
    let submission = Submission::load(path, &contracts.artefact)?;
    let models = args.call.models(ui)?;
    let places = contracts.recorded(args.chain_id, args.call.raw)?;
    let call = call(contracts, &places, &submission, &models, purpose)?;
    Ok(Carried {
        to: Some(call.to),
        parts: parts(&call, &submission),
        data: call.data,
    })
}

/// The arguments of a call one by one.
fn parts(call: &Call, submission: &Submission) -> Value {
    let bytes = |bytes: &[u8]| format!("0x{}", hex(bytes));
    let statements: Vec<Value> = call
        .inferences
        .iter()
        .map(|one| {
            json!({
                "model_id": one.model_id,
                "context": format!("{:#066x}", word(one.context)),
                "input": bytes(&one.input),
                "output": bytes(&one.output),
            })
        })
        .collect();
    let ids: Vec<_> = call.inferences.iter().map(|one| one.model_id).collect();
    let mut parts =
        json!({ "model_ids": ids, "statements": statements, "proof": bytes(&call.proof) });
    if call.inferences.is_empty() {
        let values = submission.instances.iter();
        let values: Vec<_> = values
            .map(|value| format!("{:#066x}", word(*value)))
            .collect();
        parts["public_values"] = json!(values);
    }
    parts
}

/// The registration of a model.
fn registration(args: &CalldataArgs, contracts: &Contracts, ui: &Ui) -> Result<Carried> {
    no_proof(args)?;
    let known = args.call.models(ui)?;
    let [known] = known.as_slice() else {
        bail!("--function register is of one model: give one folder with --keys, and no --raw");
    };
    let Places { verifier, front } = contracts.recorded(args.chain_id, false)?;
    let mode = contracts.mode(&known.set)?;
    let model = contracts.model(verifier.address, &known.set, mode, known.commitment)?;
    Ok(Carried {
        to: Some(front.context("no ModelVerifier")?.address),
        data: register_call(&model),
        parts: json!({ "model_ids": [model_id(&model)] }),
    })
}

/// A deployment.
fn creation(args: &CalldataArgs, what: &Deployable) -> Result<Carried> {
    no_proof(args)?;
    Ok(Carried {
        to: None,
        data: what.bytecode.creation.clone(),
        parts: json!({ "contract": what.name, "code_hash": what.code_hash() }),
    })
}

fn no_proof(args: &CalldataArgs) -> Result<()> {
    match &args.proof {
        Some(path) => bail!(
            "{}: only --function submit and verify take a proof",
            path.display()
        ),
        None => Ok(()),
    }
}
