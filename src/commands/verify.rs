//! `zkml verify`: whether a proof holds, and for what.

use crate::{
    keys::{KeyFolder, Verifying},
    models::Pinned,
    origin::Origin,
    outcome::{Refused, Untrusted},
    srs::{warn, SrsArgs},
    ui::Ui,
    values::{grouped, input_name, names_json, real, say_statement, stated_class},
};
use anyhow::{anyhow, bail, Context, Result};
use clap::Args;
use serde_json::{json, Value};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use zkml_files::read_bounded;
use zkml_graph::Graph;
use zkml_import::{
    inputs::{self, Rounding},
    Source,
};
use zkml_model::{
    hash::Poseidon,
    prove::{Architecture, Exposure, Proof, ProveError, Statement, Word},
};

/// Verify a proof, and print what it states.
///
/// A proof says that *some* weights with the commitment C map the input to the output. C is compared with
/// --commitment, or else with the model.commitment of the folder; compare the input with yours (--input).
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml verify proof.zkml --keys keys
  zkml verify proof.zkml --keys keys --commitment 0x1f… --input digit.png
  zkml verify proof.zkml --keys keys --context 0x2a --rederive
  zkml verify proof.zkml --keys keys --input digit.png --salts proof.zkml.salts.json
  zkml verify proof.zkml --keys keys --trust-srs development

Of the folder of keys it needs config.json and verifying.key, and verifying.srs unless --srs is
given; model.commitment is what C is compared with. Exit code 3 means that the proof is rejected, or is for something else than was asked; 4 that
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
    /// Demand this model commitment C [default: that of model.commitment or weights.opening in --keys]
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
    let origin = match args.rederive {
        true => {
            folder.rederive(&set, &args.srs, ui)?;
            Some(Origin::Rederived)
        }
        false => set.identity()?.origin(),
    };
    let timed = ui.stage("Verifying", None, || check(&set, &proof));
    timed
        .value
        .with_context(|| args.proof.display().to_string())?;
    let pinned = match args.commitment {
        Some(commitment) => Some(Pinned {
            commitment,
            said_by: "--commitment".to_owned(),
        }),
        None => Pinned::of(&folder, &set)?,
    };
    compare_words(args, pinned.as_ref(), &proof.statement)?;
    let rounding = match &args.input {
        Some(path) => compare_input(path, args.salts.as_deref(), &set, &proof)?,
        None => Vec::new(),
    };
    let compared = match &pinned {
        Some(pinned) => format!("compared with {}: the same", pinned.said_by),
        None => "NOT COMPARED: whoever has weights of this architecture can have proven it (--commitment compares)".to_owned(),
    };

    let provenance = &set.verifier.provenance;
    let fingerprint = set.srs.fingerprint();
    let relied = args.srs.trust.relies_on(&fingerprint)?;
    warn(provenance, ui);
    say_statement(ui, &set.architecture, &proof.statement, Some(&compared))?;
    for (one, path) in rounding.iter().zip(args.input.iter().cycle()) {
        ui.say(format_args!(
            "compared with       {}: {}",
            path.display(),
            one.words()
        ))?;
    }
    ui.say(format_args!("verifying key       {}", proof.verifying_key))?;
    let derived = origin.map_or(
        "NOT DERIVED: whoever made the folder is believed that it is of config.json (--rederive)",
        Origin::word,
    );
    ui.say(format_args!("                    {derived}"))?;
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
        "names": names_json(&set.architecture.graph, &set.architecture.source),
        "statement": proof.statement,
        "commitment_compared_with": pinned.as_ref().map(|pinned| &pinned.said_by),
        "input_rounding": args.input.as_ref().map(|_| &rounding),
        "verifying_key": proof.verifying_key,
        "key_rederived": args.rederive,
        "key_origin": origin,
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
    match proof.verify(&set.form, &set.srs, vk) {
        Err(ProveError::Invalid(reason)) => Err(Refused(reason).into()),
        other => Ok(other?),
    }
}

/// Compares the statement's words with what is expected of them.
fn compare_words(args: &VerifyArgs, pinned: Option<&Pinned>, statement: &Statement) -> Result<()> {
    let by = match args.commitment {
        Some(_) => String::new(),
        None => pinned.map_or_else(String::new, |pinned| format!(" ({})", pinned.said_by)),
    };
    let commitment = pinned.map(|pinned| (pinned.commitment, by));
    let context = args.context.map(|context| (context, String::new()));
    for (name, expected, got) in [
        ("model commitment", commitment, statement.commitment),
        ("context", context, statement.context),
    ] {
        if let Some((expected, said_by)) = expected.filter(|(expected, _)| *expected != got) {
            let reason = format!("another {name}: expected {expected}{said_by}, it states {got}");
            return Err(Refused(reason).into());
        }
    }
    Ok(())
}

/// Compares the stated inputs with those in a file: values with values, digests with digests.
fn compare_input(
    path: &Path,
    salts: Option<&Path>,
    set: &Verifying,
    proof: &Proof,
) -> Result<Vec<Rounding>> {
    let salts = salts.map(load_salts).transpose()?.unwrap_or_default();
    let Architecture { graph, source, .. } = &set.architecture;
    let sight = |at| set.architecture.visibilities.input(at);
    let given = inputs::read(path, graph, source, &sight)?;
    let expected = given.values.iter().zip(&proof.statement.inputs);
    for (index, (values, exposure)) in expected.enumerate() {
        let place = format!("input {index}");
        match exposure {
            Exposure::Public(stated) => {
                let unit = real_unit(graph, source, index);
                let name = input_name(graph, source, index);
                compare_values((&name, unit), path, values, stated)?;
            }
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
    Ok(given.rounding)
}

/// How many units of an input's integers a number is.
fn real_unit(graph: &Graph, source: &Source, at: usize) -> i64 {
    let port = source.inputs.get(at);
    port.map_or(graph.scale, |port| port.scale_or(graph.scale))
}

fn compare_values(
    (name, unit): (&str, i64),
    path: &Path,
    values: &[i64],
    stated: &[i64],
) -> Result<()> {
    let mut pairs = values.iter().zip(stated).enumerate();
    match pairs.find(|(_, (value, stated))| value != stated) {
        None => Ok(()),
        Some((element, (value, stated))) => {
            let reason = format!(
                "another input: element {element} of '{name}' is {} in {}, the proof states {}",
                real(*value, unit),
                path.display(),
                real(*stated, unit)
            );
            Err(Refused(reason).into())
        }
    }
}

/// The digest that a statement shows of a hashed input.
fn digest(set: &Verifying, index: usize, salt: Word, values: &[i64]) -> Result<Word> {
    let exposed = set.form.inputs.get(index).context("no such input")?;
    let domain = exposed.domain().context("the input has no digest")?;
    let width = set.architecture.shape.hash_width;
    let poseidon = Poseidon::new(width).context("no such hash")?;
    let mut content = vec![salt.0];
    content.extend(exposed.pack(values));
    Ok(Word(poseidon.hash(domain, &content)))
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
