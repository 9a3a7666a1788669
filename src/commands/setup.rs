//! `zkml setup`: the keys of a model, and the commitment to its weights.

use crate::{
    args::{Goal, ModelArgs, PublicArgs, Sight},
    keys::{check_memory, make_folder, KeyFolder},
    memory,
    origin::{Identity, Origin},
    output::{check_reads, replaceable, set_aside, Content, NewFolder},
    srs::{verifying_part, warn, SrsArgs},
    ui::Ui,
    values::{grouped, names_json},
};
use anyhow::{bail, Result};
use clap::Args;
use serde_json::{json, Value};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use zkml_files::{write_atomic, Kind};
use zkml_import::{Fate, Initialiser, Model};
use zkml_model::{
    layout::{Plan, Visibilities},
    prove::{Architecture, Keys, Opening, Word},
};
use zkml_srs::Srs;

/// Make the keys of a model, and the secret opening of the commitment to its weights.
///
/// The keys depend on the architecture only, not on the weights. A new salt is drawn each time, so
/// that the commitment C says nothing about the weights.
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml setup model.onnx --out keys
  zkml setup model.onnx --out keys --optimize onchain
  zkml setup model.onnx --out keys --input-visibility hashed --srs ceremony.srs

A model file's initialisers are weights, and private. Where a circuit follows from one (an exponent, a mask
computed from it), setup names it and asks for --public NAME.

Files in the folder:
  config.json      the model without its weights: give it to verifiers
  verifying.key    give it to verifiers (they can derive it again: zkml verify --rederive)
  verifying.srs    the part of the SRS that verifying needs: give it to verifiers
  model.commitment C: give it to verifiers (zkml verify compares proofs with it)
  proving.key      for zkml prove
  weights.opening  the weights and the salt behind C: SECRET, keep it")]
pub struct SetupArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Folder to write to, made if absent
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the keys in the folder; the secret that opens their commitment is kept as weights.opening.N
    #[arg(long)]
    force: bool,
    /// What to optimise the layout for
    #[arg(long, value_enum, default_value_t)]
    optimize: Goal,
    /// Who sees the inputs: one word for all, or one for each, separated by commas [default: public]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "SIGHT")]
    input_visibility: Vec<Sight>,
    /// Who sees the outputs: one word for all, or one for each, separated by commas [default: public]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "SIGHT")]
    output_visibility: Vec<Sight>,
    #[command(flatten)]
    public: PublicArgs,
    /// Also where nothing is left of some weights at the scale
    #[arg(long)]
    allow_vanished: bool,
    #[command(flatten)]
    srs: SrsArgs,
}

/// A model's keys, and what they were made from.
pub struct Made {
    /// The model without its weights.
    pub architecture: Architecture,
    /// Its layout.
    pub plan: Arc<Plan>,
    /// The SRS.
    pub srs: Srs,
    /// The keys.
    pub keys: Keys,
    /// Weights and salt.
    pub opening: Opening,
    /// The commitment that they open.
    pub commitment: Word,
    /// Time to derive the keys.
    pub seconds: f64,
}

/// Runs the command.
pub fn run(args: &SetupArgs, ui: &Ui) -> Result<Value> {
    let folder = KeyFolder(args.out.clone());
    // Before the long work, and before others look for the file.
    let _made = NewFolder::new(&folder.0)?;
    if folder.config().exists() && !args.force {
        bail!(
            "{}: the folder has keys already, and the secret that opens their commitment; choose another --out, or replace them with --force",
            folder.config().display()
        );
    }
    let reads = [&args.model.model].into_iter();
    let reads = reads.chain(&args.model.settings).chain(&args.srs.files);
    let reads: Vec<&Path> = reads.map(PathBuf::as_path).collect();
    check_reads(&folder.files(), &reads)?;
    for (path, content) in [
        (folder.config(), Content::Config),
        (folder.proving_key(), Content::Container(Kind::ProvingKey)),
        (
            folder.verifying_key(),
            Content::Container(Kind::VerifyingKey),
        ),
        (folder.verifying_srs(), Content::Container(Kind::Srs)),
        (folder.commitment(), Content::Commitment),
        // It is kept under another name, which other files are not to have.
        (folder.opening(), Content::Container(Kind::Opening)),
    ] {
        replaceable(&path, content)?;
    }
    let model = args.model.load()?;
    args.model.warn(ui)?;
    args.model.check_scale(&model, args.allow_vanished, ui)?;
    args.public.check(&model, &args.model.model)?;
    let initialisers = model.initialisers.clone();
    let all = |sights: &[Sight], count: usize| match sights {
        [one] => vec![(*one).into(); count],
        many => many.iter().map(|sight| (*sight).into()).collect(),
    };
    let visibilities = Visibilities {
        inputs: all(&args.input_visibility, model.graph.inputs.len()),
        outputs: all(&args.output_visibility, model.graph.outputs.len()),
    };
    let made = make(model, visibilities, args.optimize, &args.srs, ui)
        .map_err(|error| args.model.name_in(error))?;
    let files = write(&made, &folder, ui)?;
    warn(&made.keys.provenance, ui);
    ui.say(format_args!("model commitment C  {}", made.commitment))?;
    ui.say(format_args!("verifying key       {}", made.keys.digest()))?;
    ui.say(format_args!(
        "circuit             2^{} rows, {} data columns, {} public values",
        made.plan.shape.k, made.plan.shape.data, made.plan.statement.form.instances
    ))?;
    ui.say(format_args!("keys made in        {:.2} s", made.seconds))?;
    say_fates(&initialisers, ui)?;
    for (path, note) in &files {
        let bytes = std::fs::metadata(path).map_or(0, |data| data.len());
        ui.say(format_args!(
            "wrote {} ({} bytes{note})",
            path.display(),
            grouped(bytes)
        ))?;
    }
    Ok(json!({
        "commitment": made.commitment,
        "names": names_json(&made.architecture.graph, &made.architecture.source),
        "verifying_key": made.keys.digest(),
        "shape": made.plan.shape,
        "instances": made.plan.statement.form.instances,
        "srs": made.keys.provenance.to_string(),
        "srs_secure": made.keys.provenance.is_secure(),
        "srs_trust": made.keys.provenance.trust().word(),
        "seconds": made.seconds,
        "initialisers": initialisers,
        "files": files.iter().map(|(path, _)| path).collect::<Vec<_>>(),
    }))
}

/// What became of each initialiser: the committed ones in one line, the others with their reasons.
fn say_fates(initialisers: &[Initialiser], ui: &Ui) -> Result<()> {
    let (committed, others): (Vec<_>, Vec<_>) = initialisers
        .iter()
        .partition(|one| one.fate == Fate::Committed);
    let names: Vec<&str> = committed.iter().map(|one| one.name.as_str()).collect();
    if !names.is_empty() {
        ui.say(format_args!("committed           {}", names.join(", ")))?;
    }
    for one in others {
        ui.say(format_args!(
            "initialiser         {}: {}",
            one.name,
            one.words()
        ))?;
    }
    Ok(())
}

/// Lays a model out and derives its keys.
pub fn make(
    model: Model,
    visibilities: Visibilities,
    goal: Goal,
    srs: &SrsArgs,
    ui: &Ui,
) -> Result<Made> {
    let (architecture, plan) = ui
        .stage("Planning the circuit", None, || {
            Architecture::new(model.graph, model.source, visibilities, goal.into())
        })
        .value?;
    check_memory(&plan.shape, memory::available())?;
    let srs = srs.of_size(plan.shape.k, ui)?;
    let keys = ui.stage("Making the keys", None, || Keys::new(&plan, &srs));
    let opening = Opening::new(model.weights);
    let commitment = opening.commitment(&architecture, &plan)?;
    Ok(Made {
        keys: keys.value?,
        architecture,
        plan,
        srs,
        opening,
        commitment,
        seconds: keys.seconds,
    })
}

/// Writes everything to the folder; returns the files, each with a remark.
pub fn write(made: &Made, folder: &KeyFolder, ui: &Ui) -> Result<Vec<(PathBuf, &'static str)>> {
    make_folder(&folder.0)?;
    let fresh = !folder.files().iter().any(|path| path.exists());
    let mut kept = None;
    let write = || -> Result<()> {
        folder.invalidate()?;
        made.keys.save(&folder.proving_key())?;
        made.keys.save_verifier(&folder.verifying_key())?;
        verifying_part(&made.srs).save(&folder.verifying_srs())?;
        // After the large files: where the disk is full, the secret of earlier keys is still there.
        kept = set_aside(&folder.opening())?;
        made.opening.save(&folder.opening())?;
        let vk = made.keys.pk.get_vk();
        Identity::of_model(&made.architecture, vk, &made.keys.srs)?.remember(Origin::Own, ui);
        Identity::of_proving_key(&made.architecture, &made.keys)?.remember(Origin::Own, ui);
        let line = format!("{}\n", made.commitment);
        write_atomic(&folder.commitment(), &mut |file| {
            file.write_all(line.as_bytes())
        })?;
        // Last: a folder with it is complete.
        Ok(made.architecture.save(&folder.config())?)
    };
    let written = ui.stage("Writing the keys", None, write).value;
    if written.is_err() && fresh {
        for path in folder.files() {
            // The first error is the one to report.
            let _ = std::fs::remove_file(path);
        }
    }
    written?;
    if let Some(kept) = kept {
        ui.note(format_args!(
            "the secret that was there is kept: {}",
            kept.display()
        ));
    }
    Ok(vec![
        (folder.config(), ""),
        (folder.verifying_key(), ""),
        (folder.verifying_srs(), ""),
        (folder.commitment(), ""),
        (folder.proving_key(), ""),
        (folder.opening(), "; SECRET: the weights and the salt of C"),
    ])
}
