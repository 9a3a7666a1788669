//! `zkml-fuzz`: every reader of files, on files that are almost right.
//!
//! Inputs are made by changing good ones (`targets`, `mutate`). One that is answered in a new way
//! (accepted, or another error message) is kept and changed further, which leads deeper than blind
//! changes do. The payload of a container gets a fresh length and digest, since damage is found at
//! once. A run of one seed is always the same.
//!
//! A crash is a panic, or an answer that takes more than [`PATIENCE`]. The input is then kept. What
//! ends the process (a stack overflow, memory that cannot be had: `scripts/fuzz` sets a limit) leaves
//! the input in the file named on stderr at the start of the target.

#![deny(missing_docs, unsafe_code)]

mod artefacts;
mod data;
mod mutate;
mod small;
mod target;
mod targets;
#[path = "../circuits/import/tests/support/tflite.rs"]
mod tflite;

use anyhow::{bail, Context, Result};
use clap::Parser;
use rand::{rngs::StdRng, seq::SliceRandom, Rng, SeedableRng};
use serde_json::{json, Map, Value};
use std::{
    collections::BTreeSet,
    fs,
    panic::{catch_unwind, AssertUnwindSafe},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Mutex,
    time::{Duration, Instant},
};
use target::Target;
use targets::targets;

/// Longest that an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Most inputs of a target that are kept for further changes.
const MAX_POOL: usize = 512;

/// Feeds every reader of files with files that are almost right.
#[derive(Parser)]
#[command(max_term_width = 100)]
struct Options {
    /// Executions of all targets together
    #[arg(long, default_value_t = 1_200_000)]
    executions: u64,
    /// Seed of all changes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this target; may be given several times [default: all]
    #[arg(long = "target", value_name = "NAME")]
    only: Vec<String>,
    /// Folder for inputs that crash
    #[arg(long, value_name = "DIR", default_value = "fuzz-crashes")]
    crashes: PathBuf,
    /// Write the good files and the words of each format to this folder, for `scripts/fuzz --coverage`, and stop
    #[arg(long, value_name = "DIR")]
    seeds: Option<PathBuf>,
    /// End with one line of JSON
    #[arg(long)]
    json: bool,
}

/// The checkout.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What became of a target.
#[derive(Default)]
struct Tally {
    executions: u64,
    accepted: u64,
    answers: usize,
    crashes: u64,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs all targets; returns the number of crashes.
fn run(options: &Options) -> Result<u64> {
    // A panic is counted and its message kept; no trace for each.
    let message: &'static Mutex<String> = Box::leak(Box::default());
    std::panic::set_hook(Box::new(|panic| {
        if let Ok(mut message) = message.lock() {
            *message = panic.to_string();
        }
    }));
    let work = tempfile::tempdir().context("no folder for inputs")?;
    let mut chosen = targets(work.path())?;
    if !options.only.is_empty() {
        let known: Vec<&str> = chosen.iter().map(|target| target.name).collect();
        if let Some(name) = options
            .only
            .iter()
            .find(|name| !known.contains(&name.as_str()))
        {
            bail!("no target {name}: expected one of {}", known.join(", "));
        }
        chosen.retain(|target| options.only.iter().any(|name| name == target.name));
    }
    if let Some(folder) = &options.seeds {
        for target in &chosen {
            write_seeds(target, folder)?;
        }
        return Ok(0);
    }
    let weights: u64 = chosen.iter().map(|target| target.weight).sum();
    let (mut executions, mut crashes) = (0, 0);
    let mut by_target = Map::new();
    for target in &chosen {
        let share = (options.executions * target.weight).div_ceil(weights);
        let start = Instant::now();
        let tally = fuzz(target, share, options, work.path(), message)?;
        eprintln!(
            "{:<16} {:>9} executions, {:>7} accepted, {:>4} different answers, {} crashes, {:.0} s",
            target.name,
            tally.executions,
            tally.accepted,
            tally.answers,
            tally.crashes,
            start.elapsed().as_secs_f64()
        );
        by_target.insert(target.name.into(), json!(tally.executions));
        executions += tally.executions;
        crashes += tally.crashes;
    }
    let line = json!({ "executions": executions, "crashes": crashes, "targets": Value::Object(by_target) });
    if options.json {
        println!("{line}");
    } else {
        println!("{executions} executions, {crashes} crashes");
    }
    Ok(crashes)
}

/// Writes `NAME/seed-0`, …, payloads where the files are containers, and `NAME.dict`, as libFuzzer reads them.
fn write_seeds(target: &Target, folder: &Path) -> Result<()> {
    let corpus = folder.join(target.name);
    fs::create_dir_all(&corpus).with_context(|| corpus.display().to_string())?;
    for (i, seed) in target.seeds.iter().enumerate() {
        fs::write(corpus.join(format!("seed-{i}")), seed)?;
    }
    let escaped = |word: &[u8]| {
        word.iter()
            .map(|b| format!("\\x{b:02x}"))
            .collect::<String>()
    };
    let words = target.words.iter();
    let words: String = words.map(|w| format!("\"{}\"\n", escaped(w))).collect();
    fs::write(folder.join(format!("{}.dict", target.name)), words)?;
    Ok(())
}

/// Runs one target.
fn fuzz(
    target: &Target,
    executions: u64,
    options: &Options,
    work: &Path,
    message: &Mutex<String>,
) -> Result<Tally> {
    let path = work.join(format!("input.{}", target.extension));
    eprintln!("{:<16} input in {}", target.name, path.display());
    let mut rng = StdRng::seed_from_u64(options.seed);
    let mut pool = target.seeds.clone();
    let mut answers = BTreeSet::new();
    let mut tally = Tally::default();
    // Then, of those that are JSON, each integer at its extremes.
    let json = target.words == target::JSON;
    let first = target.seeds.first().filter(|_| json);
    let swept: Vec<Vec<u8>> = first
        .into_iter()
        .flat_map(|seed| mutate::extremes(seed))
        .collect();
    for index in 0..executions + swept.len() as u64 {
        let seed = usize::try_from(index).unwrap_or(usize::MAX);
        let sweep = seed.checked_sub(target.seeds.len());
        let mut input = match (target.seeds.get(seed), sweep.and_then(|at| swept.get(at))) {
            // First the seeds as they are.
            (Some(seed), _) => seed.clone(),
            (None, Some(swept)) => swept.clone(),
            (None, None) => {
                let mut input = pool.choose(&mut rng).cloned().unwrap_or_default();
                let other = pool.choose(&mut rng).cloned().unwrap_or_default();
                mutate::mutate(&mut input, &other, target.words, &mut rng);
                input
            }
        };
        let payload = input.clone();
        let raw = seed >= target.seeds.len() + swept.len() && rng.gen_ratio(1, 16);
        if let (Some(kind), false) = (target.container, raw) {
            input = target::contain(kind, &input);
        }
        fs::write(&path, &input).with_context(|| path.display().to_string())?;
        let start = Instant::now();
        let answer = catch_unwind(AssertUnwindSafe(|| (target.read)(&path)));
        tally.executions += 1;
        let late = start.elapsed() > PATIENCE;
        let told = match &answer {
            Ok(Ok(())) => {
                tally.accepted += 1;
                "accepted".to_owned()
            }
            Ok(Err(error)) => shape(error),
            Err(_) => message.lock().map(|text| text.clone()).unwrap_or_default(),
        };
        if target.whole && seed < target.seeds.len() && !matches!(answer, Ok(Ok(()))) {
            bail!("{}: the seed {seed} is not accepted: {told}", target.name);
        }
        if answer.is_err() || late {
            tally.crashes += 1;
            keep(options, target, tally.crashes, &input, &told, late)?;
        }
        if answers.insert(told) && pool.len() < MAX_POOL {
            pool.push(payload);
        }
    }
    tally.answers = answers.len();
    Ok(tally)
}

/// An error message without what differs from input to input.
fn shape(error: &str) -> String {
    let mut shape = String::new();
    // What was got comes from the input, and so does what is quoted.
    let expected = error.split(", got ").next().unwrap_or(error);
    for c in expected.chars() {
        match c {
            '0'..='9' if shape.ends_with('0') => {}
            '0'..='9' => shape.push('0'),
            '"' | '\'' | '[' | '{' => break,
            _ => shape.push(c),
        }
        if shape.len() > 160 {
            break;
        }
    }
    shape
}

fn keep(
    options: &Options,
    target: &Target,
    number: u64,
    input: &[u8],
    told: &str,
    late: bool,
) -> Result<()> {
    fs::create_dir_all(&options.crashes)?;
    let name = format!(
        "{}-{}-{number}.{}",
        target.name, options.seed, target.extension
    );
    let path = options.crashes.join(name);
    fs::write(&path, input)?;
    let what = if late { "too slow" } else { "panic" };
    eprintln!("CRASH {}: {what}: {told} ({})", target.name, path.display());
    Ok(())
}
