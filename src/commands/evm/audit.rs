//! `zkml evm audit`: whether a chain has what the files say.

use crate::{
    contract::advice,
    hex::hex,
    models::Known,
    onchain::{
        args::{parse_address, NodeArgs},
        expected::{Expected, FileArgs},
        precompiles,
        record::Record,
        refusal::refused,
    },
    outcome::{Mismatched, Untrusted},
    ui::Ui,
};
use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use serde_json::{json, Value};
use zkml_evm_verifier::{
    chain::{keccak256, Address, Log, Node, Verdict, B256},
    front::{
        event, get_model, get_model_call, is_unknown_model, model_id, word, Event,
        IModelVerifier::Model,
    },
    secret::trusted,
    unwritten::reads,
};

/// Check that a chain has what the files say: ModelVerifier, the verifier's code, the SRS in it, and a model's id.
///
/// Anybody may register a verifier that accepts everything under the C of somebody else's model. The id is another
/// then, but events and registrations show C. Of an id, this compares all that it stands for; of a ModelVerifier's
/// address, it finds all that is registered under the C of --keys, and names what isn't the model of the files.
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml evm audit 0xd1…64-digits --keys keys --contract contract --rpc-url http://127.0.0.1:8545
  zkml evm audit 0x5FbDB2315678afecb367f032d93F642f64180aa3 --keys keys --contract contract --rpc-url http://127.0.0.1:8545 --json

Exit code 3: something does not match; the message names it. 4: all matches, on a chain that is not a local one, and
the verifier trusts an SRS that is none that zkml knows, and that --trust-srs does not name. 1: it could not be checked.")]
pub struct AuditArgs {
    /// Id of a model; or address of a ModelVerifier, or of a generated verifier
    #[arg(value_name = "ADDRESS|ID", value_parser = parse_target)]
    target: Target,
    #[command(flatten)]
    files: FileArgs,
    /// Address of the ModelVerifier that the id is registered with [default: the one that `zkml evm deploy` recorded]
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    model_verifier: Option<Address>,
    #[command(flatten, next_help_heading = "Node")]
    node: NodeArgs,
}

/// What is audited.
#[derive(Clone, Copy)]
enum Target {
    Contract(Address),
    Model(B256),
}

/// 0x and the digits of an id.
const ID: usize = 66;

fn parse_target(text: &str) -> Result<Target, String> {
    if text.len() == ID {
        let id = text.parse().map(Target::Model);
        return id.map_err(|_| format!("expected 0x and 64 hexadecimal digits; got '{text}'"));
    }
    parse_address(text)
        .map(Target::Contract)
        .map_err(|error| format!("{error}; or an id, 0x and 64 digits"))
}

/// Something that is not as the files say.
#[derive(Serialize)]
struct Difference {
    what: &'static str,
    expected: String,
    got: String,
}

impl Difference {
    fn new(what: &'static str, expected: impl ToString, got: impl ToString) -> Self {
        Self {
            what,
            expected: expected.to_string(),
            got: got.to_string(),
        }
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            what,
            expected,
            got,
        } = self;
        write!(f, "{what}: expected {expected}, got {got}")
    }
}

/// A registered model, compared.
#[derive(Serialize)]
struct Judged {
    model_id: B256,
    verifier: Option<Address>,
    matches: bool,
    differences: Vec<Difference>,
}

/// Runs the command.
pub fn run(args: &AuditArgs, ui: &Ui) -> Result<Value> {
    let expected = args.files.load(args.model_verifier, ui)?;
    let node = args.node.connect(ui)?;
    precompiles::check(&node)?;
    let audit = Audit {
        expected: &expected,
        node: &node,
    };
    let (differences, judged) = match args.target {
        Target::Model(id) => audit.model(id, audit.front(args.model_verifier)?)?,
        Target::Contract(address) => audit.contract(address, ui)?,
    };
    let fields = json!({
        "chain_id": node.chain_id(),
        "differences": differences,
        "models": judged,
        "srs": expected.contracts.srs_json(),
    });
    if !differences.is_empty() {
        let lines: Vec<String> = differences.iter().map(Difference::to_string).collect();
        return Err(Mismatched::new(lines.join("; "), fields).into());
    }
    expected.contracts.warn(ui);
    for one in judged.iter().filter(|one| one.matches) {
        ui.say(format_args!(
            "model {} is the model of the files",
            one.model_id
        ))?;
    }
    if !expected.contracts.relied && !node.is_local() {
        let what = "all is as the files say";
        return Err(Untrusted::new(what, &expected.contracts.srs.fingerprint, fields).into());
    }
    ui.say(format_args!(
        "On chain {} all is as the files say.",
        node.chain_id()
    ))?;
    Ok(fields)
}

/// Files and the chain that they are compared with.
struct Audit<'a> {
    expected: &'a Expected,
    node: &'a Node,
}

impl Audit<'_> {
    /// Where the front stands.
    fn front(&self, named: Option<Address>) -> Result<Address> {
        let front = &self.expected.contracts.front;
        if let Some(address) = named {
            return Ok(address);
        }
        let record = Record::load(&front.folder, &front.name, self.node.chain_id())?;
        let record = record.with_context(|| {
            format!(
                "{}: no record of {} on chain {}: say where the id is registered with --model-verifier",
                front.folder.display(),
                front.name,
                self.node.chain_id()
            )
        })?;
        Ok(record.address)
    }

    /// A model by its id.
    fn model(&self, id: B256, front: Address) -> Result<(Vec<Difference>, Vec<Judged>)> {
        let expected = self.expected.contracts.front.code_hash();
        let got = keccak256(self.node.code(front)?);
        if got != expected {
            // What another contract answers means nothing.
            let what = "hash of ModelVerifier's code";
            return Ok((vec![Difference::new(what, expected, got)], Vec::new()));
        }
        let mut judged = self.judge(id, front)?;
        let differences = std::mem::take(&mut judged.differences);
        Ok((differences, vec![judged]))
    }

    /// A contract by its address.
    fn contract(&self, address: Address, ui: &Ui) -> Result<(Vec<Difference>, Vec<Judged>)> {
        let contracts = &self.expected.contracts;
        let got = keccak256(self.node.code(address)?);
        if got == contracts.verifier.code_hash() {
            let mut differences = Vec::new();
            self.code(address, &mut differences)?;
            ui.say(format_args!(
                "{address} has the code of {}",
                contracts.verifier.name
            ))?;
            return Ok((differences, Vec::new()));
        }
        if got != contracts.front.code_hash() {
            let either = format!(
                "{} of ModelVerifier or {} of {}",
                contracts.front.code_hash(),
                contracts.verifier.code_hash(),
                contracts.verifier.name
            );
            let difference = Difference::new("hash of the code", either, got);
            return Ok((vec![difference], Vec::new()));
        }
        let (mut differences, mut all) = (Vec::new(), Vec::new());
        for known in &self.expected.models {
            let mut judged = Vec::new();
            for id in self.registered(address, known)? {
                judged.push(self.judge(id, address)?);
            }
            for one in judged.iter().filter(|one| !one.matches) {
                let lines: Vec<String> =
                    one.differences.iter().map(Difference::to_string).collect();
                ui.note(format_args!(
                    "warning: model {} is registered under the same C, and is NOT the model of the files: {}",
                    one.model_id,
                    lines.join("; ")
                ));
            }
            if !judged.iter().any(|one| one.matches) {
                differences.push(Difference::new(
                    "registration",
                    format!(
                        "the model of {} under C {}",
                        known.folder.0.display(),
                        known.commitment
                    ),
                    format!("{} others under this C", judged.len()),
                ));
            }
            all.extend(judged);
        }
        Ok((differences, all))
    }

    /// The ids that are registered under a model's commitment.
    fn registered(&self, front: Address, known: &Known) -> Result<Vec<B256>> {
        let recorded = &self.expected.contracts.front;
        let recorded = Record::load(&recorded.folder, &recorded.name, self.node.chain_id())?;
        let block = recorded
            .filter(|record| record.address == front)
            .and_then(|record| record.block);
        let from = match block {
            Some(block) => block,
            None => self.node.creation_block(front)?.unwrap_or(0),
        };
        let commitment = word(known.commitment.0);
        let topics = [None, None, None, Some(B256::from(commitment))];
        let mut ids = Vec::new();
        let mut take = |log: &Log| {
            if let Some(Event::Registered(told)) = event(&log.topics, &log.data) {
                let ours = log.address == front && told.commitment == commitment;
                if ours && !ids.contains(&told.modelId) {
                    ids.push(told.modelId);
                }
            }
            false
        };
        self.node.find_log(front, from, topics, &mut take)?;
        Ok(ids)
    }

    /// Compares a registered model with the files.
    fn judge(&self, id: B256, front: Address) -> Result<Judged> {
        let mut judged = Judged {
            model_id: id,
            verifier: None,
            matches: false,
            differences: Vec::new(),
        };
        let model = match self.node.call(None, front, &get_model_call(id))? {
            Verdict::Returned(data) => get_model(&data)
                .with_context(|| format!("{front} does not say what model {id} is"))?,
            Verdict::Reverted(revert) if is_unknown_model(&revert.data) => {
                let difference = Difference::new("registration", "one of this id", "none");
                judged.differences.push(difference);
                return Ok(judged);
            }
            Verdict::Reverted(revert) => return Err(refused(&revert)),
        };
        judged.verifier = Some(model.verifier);
        self.compare(id, &model, &mut judged.differences)?;
        self.code(model.verifier, &mut judged.differences)?;
        judged.matches = judged.differences.is_empty();
        Ok(judged)
    }

    /// Compares what is registered.
    fn compare(&self, id: B256, got: &Model, differences: &mut Vec<Difference>) -> Result<()> {
        let models = &self.expected.models;
        let same = |known: &&Known| word(known.commitment.0) == got.commitment;
        let known = models.iter().find(same).or(models.first());
        let known = known.context("no models")?;
        let expected = self.expected.model(known, got.verifier)?;
        let mut note = |what, expected: String, got: String| {
            if expected != got {
                differences.push(Difference::new(what, expected, got));
            }
        };
        let word = |word| format!("{word:#066x}");
        note(
            "hash of the verifier's code, as registered",
            expected.codeHash.to_string(),
            got.codeHash.to_string(),
        );
        note(
            "mode",
            format!("{:?}", expected.mode),
            format!("{:?}", got.mode),
        );
        note(
            "slots",
            format!("{:?}", expected.slots),
            format!("{:?}", got.slots),
        );
        note(
            "digest of the verifying key",
            word(expected.keyDigest),
            word(got.keyDigest),
        );
        note(
            "commitment C",
            word(expected.commitment),
            word(got.commitment),
        );
        note(
            "inputs",
            format!("{:?}", expected.inputs),
            format!("{:?}", got.inputs),
        );
        note(
            "outputs",
            format!("{:?}", expected.outputs),
            format!("{:?}", got.outputs),
        );
        // The id is the hash of exactly these; a node that answers with another model is found out here.
        note("id", model_id(&expected).to_string(), id.to_string());
        Ok(())
    }

    /// Compares the code at a verifier's address, and the SRS in it.
    fn code(&self, verifier: Address, differences: &mut Vec<Difference>) -> Result<()> {
        let contracts = &self.expected.contracts;
        let code = self.node.code(verifier)?;
        let (expected, got) = (contracts.verifier.code_hash(), keccak256(&code));
        if expected != got {
            let what = "hash of the verifier's code, on the chain";
            differences.push(Difference::new(what, expected, got));
        }
        let expected = hex(&contracts.srs.fingerprint);
        let got = match reads(&code) {
            Err(error) => format!("none: {error}"),
            Ok(found) => match (advice(&found), trusted(&found)) {
                (Some(advice), _) => advice,
                (None, Ok(fingerprint)) => hex(&fingerprint),
                (None, Err(error)) => format!("none: {error}"),
            },
        };
        if expected != got {
            differences.push(Difference::new("SRS in the verifier's code", expected, got));
        }
        Ok(())
    }
}
