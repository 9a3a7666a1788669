//! `zkml prove`: a proof of what the model says about an input.

use crate::{
    args::Challenges,
    keys::KeyFolder,
    outcome::is_rejection,
    output::{self, Content},
    srs::{warn, SrsArgs},
    ui::Ui,
    values::{grouped, names_json, say_statement, stated_class},
};
use anyhow::{bail, Result};
use clap::Args;
use serde_json::{json, Map, Value};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use zkml_files::{write_secret, Kind};
use zkml_graph::{TensorId, Visibility};
use zkml_import::inputs;
use zkml_model::{
    layout::Plan,
    planner::Cost,
    prove::{prove, Architecture, Keys, Opening, Proof, Request, Transcript, Verifier, Word},
};
use zkml_srs::Srs;

/// Prove what the model says about an input. The proof is verified before it is written.
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml prove digit.png --keys keys --out proof.zkml
  zkml prove input.json --keys keys --out proof.zkml --context 0x2a
  zkml prove input.npy --keys keys --out proof.zkml --json
  zkml prove input.npy --keys keys --out proof.zkml --transcript keccak

Salts of hashed inputs and outputs are written to OUT.salts.json: whoever has a salt and the values
can check the digest in the statement.")]
pub struct ProveArgs {
    /// Input file (.npy, .json, .msgpack, .png)
    input: PathBuf,
    /// Folder written by `zkml setup`
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// File to write the proof to
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Word that binds the proof to a request, as 0x and hexadecimal digits [default: 0x0]
    #[arg(long, value_name = "0x…")]
    context: Option<Word>,
    /// How the challenges are drawn [default: keccak with keys of `setup --optimize direct`, else poseidon]
    #[arg(long, value_enum)]
    transcript: Option<Challenges>,
    #[command(flatten)]
    srs: SrsArgs,
}

/// What making a proof needs, apart from the input.
pub struct Prover {
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
}

/// A proof with its salts, and the time that it took.
pub struct Proven {
    /// The proof.
    pub proof: Proof,
    /// Salts of hashed inputs and outputs, in order.
    pub salts: Vec<Word>,
    /// From the input to the verified proof.
    pub seconds: f64,
}

/// Runs the command.
pub fn run(args: &ProveArgs, ui: &Ui) -> Result<Value> {
    let content = Content::Container(Kind::Proof);
    let reads: Vec<&Path> = [&args.input]
        .into_iter()
        .chain(&args.srs.files)
        .map(PathBuf::as_path)
        .collect();
    output::check(&args.out, content, &reads)?;
    output::check_secret(&salts_path(&args.out), "the salts of an earlier proof")?;
    let folder = KeyFolder(args.keys.clone());
    let prover = Prover::load(&folder, &args.srs, ui)?;
    warn(&prover.keys.provenance, ui);
    let transcript = args.transcript.map(Transcript::from);
    let proven = prover.prove(&args.input, args.context, transcript, ui)?;
    let salts = write_salts(&args.out, &prover, &proven.salts)?;
    proven.proof.save(&args.out).inspect_err(|_| {
        if let Some(path) = &salts {
            // Salts without their proof open nothing. The first error is the one to report.
            let _ = std::fs::remove_file(path);
        }
    })?;

    let proof = &proven.proof;
    say_statement(ui, &prover.architecture, &proof.statement, None)?;
    ui.say(format_args!(
        "proof               {} bytes ({} transcript)",
        grouped(proof.argument.len() as u64),
        proof.transcript
    ))?;
    ui.say(format_args!("proven in           {:.2} s", proven.seconds))?;
    ui.say(format_args!("wrote {}", args.out.display()))?;
    if let Some(path) = &salts {
        ui.say(format_args!(
            "wrote {} (secret: opens the hashed tensors)",
            path.display()
        ))?;
    }
    Ok(json!({
        "class": stated_class(&prover.architecture, &proof.statement),
        "names": names_json(&prover.architecture.graph, &prover.architecture.source),
        "statement": proof.statement,
        "verifying_key": proof.verifying_key,
        "transcript": proof.transcript,
        "proof_bytes": proof.argument.len(),
        "seconds": proven.seconds,
        "srs": prover.keys.provenance.to_string(),
        "srs_secure": prover.keys.provenance.is_secure(),
        "srs_trust": prover.keys.provenance.trust().word(),
        "proof": args.out,
        "salts": salts,
    }))
}

impl Prover {
    fn load(folder: &KeyFolder, srs: &SrsArgs, ui: &Ui) -> Result<Self> {
        let (architecture, _) = folder.architecture()?;
        let mut keys = ui
            .stage("Loading the proving key", None, || {
                Keys::load(&folder.proving_key(), &architecture)
            })
            .value?;
        let verifier = Verifier::load(&folder.verifying_key(), &architecture)?;
        if verifier.digest() != keys.digest() {
            bail!(
                "{} and {} are keys of different circuits: expected the verifying key {}, got {}; get both again from whoever made them, or run `zkml setup` again",
                folder.proving_key().display(),
                folder.verifying_key().display(),
                verifier.digest(),
                keys.digest()
            );
        }
        srs.trust.judge(&mut keys.provenance);
        let opening = Opening::load(&folder.opening())?;
        let srs = srs.of_size(architecture.shape.k, ui)?;
        // After the files, which are as large as it is.
        let plan = folder.plan(&architecture)?;
        let keys = folder.own_keys(&architecture, &plan, keys, &srs, ui)?;
        Ok(Self {
            architecture,
            plan,
            srs,
            keys,
            opening,
        })
    }

    /// Proves what the model says about the input in a file.
    pub fn prove(
        &self,
        input: &Path,
        context: Option<Word>,
        transcript: Option<Transcript>,
        ui: &Ui,
    ) -> Result<Proven> {
        let cost = Cost::of(&self.plan.shape).prove_cpu_s;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let estimate = cost / threads.min(4) as f64;
        let work = || -> Result<_> {
            let Architecture { graph, source, .. } = &self.architecture;
            let sight = |at| self.architecture.visibilities.input(at);
            let inputs = inputs::read(input, graph, source, &sight)?.values;
            let request = Request {
                inputs,
                context: context.map(|word| word.0).unwrap_or_default(),
                transcript: transcript.unwrap_or_else(|| self.architecture.transcript()),
            };
            let Self {
                architecture,
                plan,
                srs,
                keys,
                opening,
            } = self;
            Ok(prove(architecture, plan, srs, keys, opening, &request)?)
        };
        let done = ui.stage("Proving", Some(estimate), work);
        let (proof, salts) = done.value.map_err(|error| {
            if is_rejection(&error) {
                // Not the user's proof is at fault, but this machine or this program.
                anyhow::anyhow!(
                    "the proof just made does not verify, so nothing was written: {error}"
                )
            } else {
                error
            }
        })?;
        Ok(Proven {
            proof,
            salts,
            seconds: done.seconds,
        })
    }
}

/// Where the salts of a proof go.
fn salts_path(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".salts.json");
    PathBuf::from(name)
}

/// Writes the salts of hashed tensors beside the proof, if there are any.
fn write_salts(out: &Path, prover: &Prover, salts: &[Word]) -> Result<Option<PathBuf>> {
    if salts.is_empty() {
        return Ok(None);
    }
    let graph = &prover.architecture.graph;
    let sights = &prover.architecture.visibilities;
    let hashed = |ids: &[TensorId], sight: &dyn Fn(usize) -> Visibility| -> Vec<usize> {
        (0..ids.len())
            .filter(|i| sight(*i) == Visibility::Hashed)
            .collect()
    };
    let inputs = hashed(&graph.inputs, &|i| sights.input(i));
    let outputs = hashed(&graph.outputs, &|i| sights.output(i));
    let places = inputs
        .iter()
        .map(|i| format!("input {i}"))
        .chain(outputs.iter().map(|i| format!("output {i}")));
    let object: Map<String, Value> = places
        .zip(salts)
        .map(|(place, salt)| (place, json!(salt)))
        .collect();
    let path = salts_path(out);
    let text = serde_json::to_string_pretty(&object)?;
    write_secret(&path, &mut |file| writeln!(file, "{text}"))?;
    Ok(Some(path))
}
