//! `zkml demo`: the whole story, from an image to a contract.

mod art;
mod forgeries;

use super::{evm, prove::Prover, setup, verify};
use crate::{
    aggregation::{aggregate, gate_columns, ready_key, KeyPlace},
    args::Goal,
    contract::{self, Subject},
    keys::KeyFolder,
    output::NewFolder,
    srs::{warn, SrsArgs, TrustArgs},
    submission::Submission,
    ui::Ui,
    values::{class, grouped, input_name, output_name, say_output, shape, stated_class, tensor},
};
use anyhow::{bail, Context, Result};
use art::art;
use clap::{Args, ValueEnum};
use forgeries::forgeries;
use serde_json::{json, Map, Value};
use std::path::{Path, PathBuf};
use zkml_files::write_atomic;
use zkml_graph::{exec, Graph};
use zkml_import as import;
use zkml_import::{inputs, ImportOptions, Model, Source};
use zkml_model::{
    layout::Visibilities,
    prove::{Exposure, Proof},
};

const MODEL: &[u8] = include_bytes!("../../../examples/digits/model.onnx");
const IMAGE: &[u8] = include_bytes!("../../../examples/digits/seven.png");

/// Watch it work: a digit is classified, the classification proven, the proof verified, a
/// tampered one rejected, and then a contract made that accepts it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml demo mnist
  zkml demo mnist --no-aggregate
  zkml demo mnist --dir demo --json")]
pub struct DemoArgs {
    /// Which demonstration
    #[arg(value_enum)]
    which: Which,
    /// Stop before the aggregation and the contract, which take a minute or so and need a
    /// Solidity compiler
    #[arg(long)]
    no_aggregate: bool,
    /// Keep all files in this folder, new or empty [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// The demonstrations.
#[derive(Clone, Copy, ValueEnum)]
enum Which {
    /// A handwritten digit
    Mnist,
}

/// Runs the command.
pub fn run(args: &DemoArgs, ui: &Ui) -> Result<Value> {
    let Which::Mnist = args.which;
    // It goes away with its content when this function ends.
    let temporary = match args.dir {
        Some(_) => None,
        None => Some(tempfile::tempdir().context("cannot make a temporary folder")?),
    };
    let folder = match (&args.dir, &temporary) {
        (Some(folder), _) => folder.as_path(),
        (None, Some(temporary)) => temporary.path(),
        (None, None) => Path::new("."),
    };
    let _made = NewFolder::new(folder)?;
    if args.dir.is_some() && folder.read_dir()?.next().is_some() {
        bail!(
            "{}: there are files in this folder, and the demo would write over those of its own names; give a new or an empty folder",
            folder.display()
        );
    }
    if !args.no_aggregate {
        // Not after a minute's work.
        zkml_evm_verifier::compile::find_compiler(None).context(
            "the contract needs a Solidity compiler; or leave it out with --no-aggregate",
        )?;
    }
    let goal = if args.no_aggregate {
        Goal::Prove
    } else {
        Goal::Onchain
    };
    let mut demo = Demo {
        ui,
        folder,
        // What --trust-srs development says: it is all made on this machine.
        srs: SrsArgs {
            files: Vec::new(),
            trust: TrustArgs::development(),
        },
        result: Map::new(),
    };
    let model = demo.show_model()?;
    let proof = demo.prove(model, goal)?;
    demo.tamper(&proof)?;
    if !args.no_aggregate {
        demo.contract(proof)?;
    }
    if args.dir.is_some() {
        ui.say(format_args!("\nAll files are in {}.", folder.display()))?;
    }
    Ok(Value::Object(demo.result))
}

struct Demo<'a> {
    ui: &'a Ui,
    folder: &'a Path,
    srs: SrsArgs,
    result: Map<String, Value>,
}

impl Demo<'_> {
    /// A heading; stops the story where nobody listens any more.
    fn chapter(&self, title: &str) -> Result<()> {
        self.ui.say(format_args!("\n== {title}"))?;
        if self.ui.closed() {
            bail!("stdout was closed");
        }
        Ok(())
    }

    fn image(&self) -> PathBuf {
        self.folder.join("seven.png")
    }

    fn keys(&self) -> KeyFolder {
        KeyFolder(self.folder.join("keys"))
    }

    /// The image, the model, and what the model says.
    fn show_model(&mut self) -> Result<Model> {
        let ui = self.ui;
        let path = self.folder.join("model.onnx");
        write_atomic(&path, &mut |out| out.write_all(MODEL))?;
        write_atomic(&self.image(), &mut |out| out.write_all(IMAGE))?;
        let options = ImportOptions {
            scale: None,
            input_range: Some((0.0, 1.0)),
            ..ImportOptions::default()
        };
        let model = import::load(&path, &options)?;
        let input = inputs::load(&self.image(), &model.graph, &model.source)?;

        self.chapter("An image, and a model that reads digits")?;
        let pixels = input.first().map(Vec::as_slice).unwrap_or_default();
        for line in art(pixels, 28, model.graph.scale) {
            ui.say(format_args!("    {line}"))?;
        }
        let weights: usize = model.weights.values().map(Vec::len).sum();
        let layers: Vec<&str> = model
            .graph
            .nodes
            .iter()
            .map(|node| node.op.kind())
            .collect();
        ui.say(format_args!(
            "model     {} ({} weights)",
            layers.join(", "),
            grouped(weights as u64)
        ))?;
        let trace = exec::run(&model.graph, &model.weights, &input)?;
        let outputs = exec::outputs(&model.graph, &trace);
        let scores = outputs.first().zip(model.graph.outputs.first());
        let says = scores.and_then(|(values, id)| class(values, &tensor(&model.graph, *id).1));
        if let Some(says) = says {
            ui.say(format_args!("it says   this is a {says}"))?;
        }
        self.result.insert("weights".into(), json!(weights));
        self.result.insert("class".into(), json!(says));
        Ok(model)
    }

    /// Keys and proof.
    fn prove(&mut self, model: Model, goal: Goal) -> Result<Proof> {
        let ui = self.ui;
        self.chapter("Setup, once per model")?;
        let weights: usize = model.weights.values().map(Vec::len).sum();
        // As `zkml setup` has it.
        model.check_public(&[])?;
        let made = setup::make(model, Visibilities::default(), goal, &self.srs, ui)?;
        setup::write(&made, &self.keys(), ui)?;
        warn(&made.keys.provenance, ui);
        let plan = &made.plan;
        ui.say(format_args!(
            "circuit   2^{} rows, {} data columns",
            plan.shape.k, plan.shape.data
        ))?;
        ui.say(format_args!("keys      {:.2} s", made.seconds))?;
        ui.say(format_args!("C         {}", made.commitment))?;
        ui.say("          The commitment to the weights. The model's owner publishes it.")?;
        self.result
            .insert("setup_seconds".into(), json!(made.seconds));
        self.result.insert("shape".into(), json!(plan.shape));

        self.chapter("The proof")?;
        let setup::Made {
            architecture,
            plan,
            srs,
            keys,
            opening,
            ..
        } = made;
        let prover = Prover {
            architecture,
            plan,
            srs,
            keys,
            opening,
        };
        let proven = prover.prove(&self.image(), None, None, ui)?;
        let path = self.folder.join("proof.zkml");
        proven.proof.save(&path)?;
        let graph = &prover.architecture.graph;
        let size = proven.proof.argument.len();
        ui.say(format_args!("proven    {:.2} s", proven.seconds))?;
        ui.say(format_args!("size      {} bytes", grouped(size as u64)))?;
        ui.say("public    C, the commitment to the weights")?;
        let source = &prover.architecture.source;
        let names: [fn(&Graph, &Source, usize) -> String; 2] = [input_name, output_name];
        for ((role, ids), name) in [
            ("F, the input ", &graph.inputs),
            ("O, the output", &graph.outputs),
        ]
        .into_iter()
        .zip(names)
        {
            for (at, id) in ids.iter().enumerate() {
                let (_, dimensions) = tensor(graph, *id);
                let name = name(graph, source, at);
                ui.say(format_args!(
                    "          {role} '{name}' {}",
                    shape(&dimensions)
                ))?;
            }
        }
        ui.say(format_args!(
            "private   the {} weights, the salt of C, and every value between F and O",
            grouped(weights as u64)
        ))?;
        self.result
            .insert("prove_seconds".into(), json!(proven.seconds));
        self.result.insert("proof_bytes".into(), json!(size));
        self.result
            .insert("statement".into(), json!(proven.proof.statement));
        Ok(proven.proof)
    }

    /// The proof accepted, and three that were tampered with rejected.
    fn tamper(&mut self, proof: &Proof) -> Result<()> {
        let ui = self.ui;
        self.chapter("Verification: with the public part of the keys, without the weights")?;
        let set = self.keys().verifying(&self.srs, ui)?;
        let timed = ui.stage("Verifying", None, || verify::check(&set, proof));
        timed.value?;
        if !self.srs.trust.relies_on(&set.srs.fingerprint())? {
            bail!("the SRS is not the development SRS of this machine's cache; run the demo again");
        }
        let graph = &set.architecture.graph;
        let shown = proof.statement.outputs.first().zip(graph.outputs.first());
        if let Some((Exposure::Public(values), id)) = shown {
            say_output(ui, (values, &tensor(graph, *id).1), graph.scale, 10)?;
        }
        ui.say("trusted   the development SRS of this machine (--trust-srs development): for tests only")?;
        ui.say(format_args!(
            "Proof verified! ({:.1} ms)",
            1e3 * timed.seconds
        ))?;
        let class = stated_class(&set.architecture, &proof.statement);
        for (what, forged) in forgeries(proof) {
            if verify::check(&set, &forged).is_ok() {
                bail!("a proof with {what} was accepted: this must not be, please report it");
            }
            ui.say(format_args!("rejected  the same proof with {what}"))?;
        }
        self.result
            .insert("verify_seconds".into(), json!(timed.seconds));
        self.result.insert("stated_class".into(), json!(class));
        Ok(())
    }

    /// Aggregation, contract, local EVM.
    fn contract(&mut self, proof: Proof) -> Result<()> {
        let ui = self.ui;
        self.chapter("Aggregation: a proof that Ethereum can check")?;
        let folder = self.keys();
        let set = folder.verifying(&self.srs, ui)?;
        let place = KeyPlace::new(None, &folder, 1, gate_columns(None, 1));
        let ready = ready_key(&place, &[&set], &self.srs, ui)?;
        let shape = ready.key.shape();
        ui.say(format_args!(
            "circuit   2^{} rows, {} gate columns",
            shape.k, shape.columns
        ))?;
        if let Some(seconds) = ready.made_in {
            ui.say(format_args!(
                "key       {seconds:.1} s, once for all models of this shape"
            ))?;
        }
        let done = aggregate(&ready, &[(&set, proof)], ui)?;
        done.bundle.save(&self.folder.join("aggregate.zkml"))?;
        let size = done.bundle.aggregate.proof.len();
        ui.say(format_args!("proven    {:.1} s", done.seconds))?;
        ui.say(format_args!("size      {} bytes", grouped(size as u64)))?;
        self.result
            .insert("aggregate_seconds".into(), json!(done.seconds));
        self.result
            .insert("aggregate_key_seconds".into(), json!(ready.made_in));
        self.result
            .insert("aggregate_proof_bytes".into(), json!(size));

        self.chapter("The contract, in a local EVM")?;
        let name = contract::CONTRACT;
        let made = ui.stage("Writing and compiling the contract", None, || {
            contract::make(&Subject::Aggregate(&ready), name, ready.origin, None)
        });
        let seconds = made.seconds;
        let made = made.value?;
        let path = made.save(&self.folder.join("contract"))?.artefact;
        let artefact = made.artefact;
        let submission = Submission::aggregated("the aggregated proof", done.bundle);
        let report = evm::test::check(&submission, &artefact, &path, ui)?;
        ui.say(format_args!(
            "compiler            solc {} ({:.1} s)",
            artefact.solc, seconds
        ))?;
        evm::test::say_report(&report, 1, ui)?;
        ui.say("Proof accepted by the contract, tampered proofs rejected.")?;
        self.result.insert("contract".into(), json!(report));
        Ok(())
    }
}
