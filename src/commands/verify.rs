//! `zkml verify`: whether a proof holds, and for what.

use crate::{
    keys::{KeyFolder, Verifying},
    outcome::{Refused, Untrusted},
    srs::{warn, SrsArgs},
    ui::Ui,
    values::{grouped, say_statement, stated_class},
};
use anyhow::{anyhow, bail, Context, Result};
use clap::Args;
use serde_json::{json, Value};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use zkml_circuits::{
    circuit::pack_values,
    files::read_bounded,
    hash::Poseidon,
    inputs,
    prove::{Exposure, Proof, ProveError, Word},
};

/// Verify a proof, and print what it states.
///
/// A proof says that *some* weights with the commitment C map the input to the output. Compare C with
/// what the model's owner has published (--commitment), and the input with yours (--input).
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml verify proof.zkml --keys keys
  zkml verify proof.zkml --keys keys --commitment 0x1f… --input digit.png
  zkml verify proof.zkml --keys keys --context 0x2a --rederive
  zkml verify proof.zkml --keys keys --input digit.png --salts proof.zkml.salts.json
  zkml verify proof.zkml --keys keys --trust-srs development

Of the folder of keys it needs config.json and verifying.key, and verifying.srs unless --srs is
given. Exit code 3 means that the proof is rejected, or is for something else than was asked; 4 that
its maker could have forged it: the SRS is none that zkml knows, and --trust-srs does not name it.")]
pub struct VerifyArgs {
    /// Proof file
    proof: PathBuf,
    /// Folder written by `zkml setup`
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// Demand that the proof is about the input in this file
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Salts written by `zkml prove`, to compare hashed inputs with --input
    #[arg(long, value_name = "FILE", requires = "input")]
    salts: Option<PathBuf>,
    /// Demand this model commitment C
    #[arg(long, value_name = "0x…")]
    commitment: Option<Word>,
    /// Demand this context word
    #[arg(long, value_name = "0x…")]
    context: Option<Word>,
    /// Derive the verifying key again from config.json and the SRS, and compare
    #[arg(long)]
    rederive: bool,
    #[command(flatten)]
    srs: SrsArgs,
}

/// Runs the command.
pub fn run(args: &VerifyArgs, ui: &Ui) -> Result<Value> {
    let folder = KeyFolder(args.keys.clone());
    let set = folder.verifying(&args.srs, ui)?;
    let proof = Proof::load(&args.proof)?;
    if args.rederive {
        folder.rederive(&set, &args.srs, ui)?;
    }
    let timed = ui.stage("Verifying", None, || check(&set, &proof));
    timed
        .value
        .with_context(|| args.proof.display().to_string())?;
    compare(args, &set, &proof)?;

    let provenance = &set.verifier.provenance;
    let fingerprint = set.srs.fingerprint();
    let relied = args.srs.trust.relies_on(&fingerprint)?;
    warn(provenance, ui);
    say_statement(ui, &set.architecture, &proof.statement)?;
    ui.say(format_args!("verifying key       {}", proof.verifying_key))?;
    ui.say(format_args!("SRS                 {provenance}"))?;
    ui.say(format_args!(
        "proof               {} bytes",
        grouped(proof.argument.len() as u64)
    ))?;
    ui.say(format_args!(
        "verified in         {:.1} ms",
        1e3 * timed.seconds
    ))?;
    let fields = json!({
        "class": stated_class(&set.architecture, &proof.statement),
        "statement": proof.statement,
        "verifying_key": proof.verifying_key,
        "key_rederived": args.rederive,
        "proof_bytes": proof.argument.len(),
        "seconds": timed.seconds,
        "srs": provenance.to_string(),
        "srs_secure": provenance.is_secure(),
        "srs_trust": provenance.trust().word(),
        "srs_relied_upon": relied,
    });
    if !relied {
        return Err(Untrusted::new("the proof holds", &fingerprint, fields).into());
    }
    ui.say("Proof verified!")?;
    Ok(fields)
}

/// Checks a proof. A statement that cannot be one of the model is a rejected proof as well: the proof
/// was made for this very key, so it is not a mix-up.
pub fn check(set: &Verifying, proof: &Proof) -> Result<()> {
    let vk = &set.verifier.vk;
    match proof.verify(&set.architecture, &set.plan, &set.srs, vk) {
        Err(ProveError::Invalid(reason)) => Err(Refused(reason).into()),
        other => Ok(other?),
    }
}

/// Compares the statement with what the user expects of it.
fn compare(args: &VerifyArgs, set: &Verifying, proof: &Proof) -> Result<()> {
    let statement = &proof.statement;
    for (name, expected, got) in [
        ("model commitment", args.commitment, statement.commitment),
        ("context", args.context, statement.context),
    ] {
        if let Some(expected) = expected.filter(|expected| *expected != got) {
            let reason = format!("another {name}: expected {expected}, it states {got}");
            return Err(Refused(reason).into());
        }
    }
    match &args.input {
        Some(path) => compare_input(path, args.salts.as_deref(), set, proof),
        None => Ok(()),
    }
}

/// Compares the stated inputs with those in a file: values with values, digests with digests.
fn compare_input(path: &Path, salts: Option<&Path>, set: &Verifying, proof: &Proof) -> Result<()> {
    let salts = salts.map(load_salts).transpose()?.unwrap_or_default();
    let expected = inputs::load(path, &set.architecture.graph, &set.architecture.source)?;
    for (index, (values, exposure)) in expected.iter().zip(&proof.statement.inputs).enumerate() {
        let place = format!("input {index}");
        match exposure {
            Exposure::Public(stated) => compare_values(&place, path, values, stated)?,
            Exposure::Hashed(stated) => {
                let Some(salt) = salts.get(&place) else {
                    bail!("{place} is hashed: to compare it with {}, its salt is needed: give --salts FILE, written by `zkml prove`", path.display());
                };
                let digest = digest(set, index, *salt, values)?;
                if digest != *stated {
                    let reason = format!(
                        "another {place}, or another salt: {} has the digest {digest}, the proof states {stated}",
                        path.display()
                    );
                    return Err(Refused(reason).into());
                }
            }
            Exposure::Private => bail!(
                "{place} is private: the statement says nothing of it, so it cannot be compared with {}; leave out --input",
                path.display()
            ),
        }
    }
    Ok(())
}

fn compare_values(place: &str, path: &Path, values: &[i64], stated: &[i64]) -> Result<()> {
    let mut pairs = values.iter().zip(stated).enumerate();
    match pairs.find(|(_, (value, stated))| value != stated) {
        None => Ok(()),
        Some((element, (value, stated))) => {
            let reason = format!(
                "another input: element {element} of {place} is {value} in {}, the proof states {stated}",
                path.display()
            );
            Err(Refused(reason).into())
        }
    }
}

/// The digest that a statement shows of a hashed input.
fn digest(set: &Verifying, index: usize, salt: Word, values: &[i64]) -> Result<Word> {
    let plan = &set.plan;
    let exposed = plan.statement.inputs.get(index).context("no such input")?;
    let mut messages = plan.statement.messages.iter();
    let message = messages.find(|message| Some(message.digest) == exposed.instance);
    let message = message.context("the input has no digest")?;
    let poseidon = Poseidon::new(plan.shape.hash_width).context("no such hash")?;
    let mut content = vec![salt.0];
    content.extend(pack_values(plan, exposed, values));
    Ok(Word(poseidon.hash(message.domain, &content)))
}

/// Largest file of salts that is read.
const MAX_SALTS: u64 = 1 << 20;

/// Reads the salts of hashed tensors, by name.
pub fn load_salts(path: &Path) -> Result<BTreeMap<String, Word>> {
    let text = read_bounded(path, MAX_SALTS)?;
    serde_json::from_slice(&text).map_err(|error| {
        // serde_json quotes what it found, which may be a salt; where it stands is enough.
        let (line, column) = (error.line(), error.column());
        anyhow!(
            "{}: line {line}, column {column}: expected salts written by `zkml prove`, got something else",
            path.display()
        )
    })
}
