//! A model file, and how to read it.

use super::Settings;
use crate::{remedy, ui::Ui};
use anyhow::{bail, Context};
use clap::{Args, ValueEnum};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Instant,
};
use zkml_graph::{batch::MAX_BATCH, real::RealWeights};
use zkml_import as import;
use zkml_import::{inputs::InputError, Exact, ImportError, ImportOptions, Model};
use zkml_model::prove::ProveError;

/// A model file and how to read it.
#[derive(Args)]
pub struct ModelArgs {
    /// Model file (.onnx, .tflite, or zkml's .msgpack)
    pub model: PathBuf,
    /// Fixed-point scale: integers stand for multiples of 1/SCALE [default: the file's, or 512]
    #[arg(long)]
    pub scale: Option<i64>,
    /// Range of the input values as real numbers, both ends included; for one input with its name, as often as
    /// needed [default: -4,4; integers: what they index, or 16 bits]
    #[arg(long = "input-range", value_name = "[NAME=]LO,HI", value_parser = parse_named_range, allow_hyphen_values = true)]
    pub input_ranges: Vec<InputRange>,
    /// Settings file of `zkml calibrate`; --scale and --input-range go before it
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// Inputs of one run and proof: they share the work on the weights
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = parse_batch)]
    pub batch: usize,
    /// What the model says of an index out of range, a division by zero, a logarithm or root outside of
    /// its domain
    #[arg(long, value_enum, default_value_t)]
    pub undefined: Undefined,
}

/// What a model says where its operators say nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Undefined {
    /// Nothing: such an input is refused, and no proof of one is possible
    #[default]
    Refuse,
    /// What the nearest defined argument gives
    Define,
}

/// What of a model its owner lets everybody see.
#[derive(Args)]
pub struct PublicArgs {
    /// Initialiser whose numbers may be public where the circuit follows from them; as often as needed
    #[arg(long = "public", value_name = "NAME")]
    names: Vec<String>,
}

impl PublicArgs {
    /// Fails if numbers that may have been learned would be public, and are none of those named.
    pub fn check(&self, model: &Model, file: &Path) -> anyhow::Result<()> {
        let checked = model.check_public(&self.names);
        checked.with_context(|| file.display().to_string())
    }

    /// [`note_public`], for all but those named, which must be initialisers.
    pub fn note(&self, model: &Model, file: &Path, ui: &Ui) -> anyhow::Result<Value> {
        let checked = model.check_names(&self.names);
        checked.with_context(|| file.display().to_string())?;
        Ok(note_named(model, &self.names, ui))
    }
}

/// Says, where nothing is published yet, what `setup` will ask the model's owner. Returns the names.
pub fn note_public(model: &Model, ui: &Ui) -> Value {
    note_named(model, &[], ui)
}

fn note_named(model: &Model, named: &[String], ui: &Ui) -> Value {
    let asked = model.unnamed_public(named);
    for (name, what) in &asked {
        ui.note(format_args!(
            "setup will ask for --public '{name}': everybody will see its numbers: {what}"
        ));
    }
    asked.iter().map(|(name, _)| *name).collect()
}

impl ModelArgs {
    /// Reads the model. An error comes with what helps, if something does.
    pub fn load(&self) -> anyhow::Result<Model> {
        let (options, start) = (self.options()?, Instant::now());
        self.load_with(&options)
            .map_err(|error| self.remedied(&options, error, start))
    }

    fn remedied(
        &self,
        options: &ImportOptions,
        error: ImportError,
        start: Instant,
    ) -> anyhow::Error {
        let helps = |options: &ImportOptions| self.load_with(options).is_ok();
        remedy::for_model(&self.model, options, error, start.elapsed(), &helps)
    }

    /// The error that an input gave, and what helps, if something does.
    pub fn refused(&self, input: &Path, error: InputError) -> anyhow::Error {
        let Ok(options) = self.options() else {
            return error.into();
        };
        remedy::for_input(input, error, options, &|options| {
            self.load_with(options).ok()
        })
    }

    /// Reads the model with other options.
    pub fn load_with(&self, options: &ImportOptions) -> Result<Model, ImportError> {
        let model = import::load(&self.model, options)?;
        self.settled(model)?.0.batched(self.batch)
    }

    /// Fails, or says so only, if nothing is left of weights at the model's scale.
    pub fn check_scale(&self, model: &Model, allow: bool, ui: &Ui) -> anyhow::Result<()> {
        let Some(scale) = model.vanished.iter().map(|one| one.scale).max() else {
            return Ok(());
        };
        let whats: Vec<&str> = model.vanished.iter().map(|one| one.what.as_str()).collect();
        let remedy = match self.keeping(scale) {
            Some(scale) => format!("--scale {scale} keeps what is lost"),
            None => "no larger scale that the model fits keeps it".to_owned(),
        };
        let text = format!(
            "{}: at scale {} {}; {remedy}",
            self.model.display(),
            model.graph.scale,
            whats.join("; ")
        );
        if !allow {
            anyhow::bail!("{text}, and --allow-vanished goes on without");
        }
        ui.note(format_args!("warning: {text}"));
        Ok(())
    }

    /// The first scale from this one on at which nothing of the model vanishes, by trying.
    fn keeping(&self, from: i64) -> Option<i64> {
        let mut options = self.options().ok()?;
        let scales = std::iter::successors(Some(from), |scale| scale.checked_mul(2));
        scales.take(4).find(|scale| {
            options.scale = Some(*scale);
            import::load(&self.model, &options).is_ok_and(|model| model.vanished.is_empty())
        })
    }

    /// Says where the model has results that its file does not define.
    pub fn warn(&self, ui: &Ui) -> anyhow::Result<()> {
        if self.undefined == Undefined::Define {
            let model = import::load(&self.model, &self.options()?)?;
            for place in self.settled(model)?.1 {
                ui.note(format_args!(
                    "warning: {place}; others count as the nearest such number, and the circuit says so"
                ));
            }
        }
        Ok(())
    }

    fn settled(&self, model: Model) -> Result<(Model, Vec<String>), ImportError> {
        match self.undefined {
            Undefined::Refuse => Ok((model, Vec::new())),
            Undefined::Define => model.defined(),
        }
    }

    /// The model in floating point, where its format has that.
    pub fn load_exact(&self) -> anyhow::Result<Option<Exact>> {
        Ok(import::load_exact(&self.model)?)
    }

    /// Reads one run of the model, and its weights before they were rounded.
    pub fn load_real(&self) -> anyhow::Result<(Model, RealWeights)> {
        let (options, start) = (self.options()?, Instant::now());
        let (model, real) = import::load_real(&self.model, &options)
            .map_err(|error| self.remedied(&options, error, start))?;
        Ok((self.settled(model)?.0, real))
    }

    /// What the arguments and the settings say.
    pub fn options(&self) -> anyhow::Result<ImportOptions> {
        let settings = match &self.settings {
            Some(path) => Settings::read(path)?,
            None => Settings::default(),
        };
        let mut input_range = None;
        let mut input_ranges = BTreeMap::new();
        for InputRange { name, range } in &self.input_ranges {
            let known = match name {
                None => input_range.replace(*range),
                Some(name) => input_ranges.insert(name.clone(), *range),
            };
            if known.is_some() {
                let of = name
                    .as_ref()
                    .map_or(String::new(), |name| format!(" of '{name}'"));
                bail!("--input-range{of}: expected it once, got it twice");
            }
        }
        for (name, range) in settings.input_ranges {
            input_ranges.entry(name).or_insert(range);
        }
        Ok(ImportOptions {
            scale: self.scale.or(settings.scale),
            input_range: input_range.or(settings.input_range),
            input_ranges,
        })
    }

    /// Puts the model's name before what keeps it from being laid out.
    pub fn name_in(&self, error: anyhow::Error) -> anyhow::Error {
        match error.downcast_ref() {
            Some(ProveError::Layout(_)) => error.context(self.model.display().to_string()),
            _ => error,
        }
    }
}

fn parse_batch(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=MAX_BATCH).contains(&count) => Ok(count),
        _ => Err(format!("expected 1 to {MAX_BATCH} inputs; got '{text}'")),
    }
}

/// A range of input values: of all inputs that have none of their own, or of the one named.
#[derive(Clone, Debug, PartialEq)]
pub struct InputRange {
    /// The input.
    pub name: Option<String>,
    /// Both ends.
    pub range: (f64, f64),
}

fn parse_named_range(text: &str) -> Result<InputRange, String> {
    let (name, range) = match text.rsplit_once('=') {
        Some((name, range)) => (Some(name.to_owned()), range),
        None => (None, text),
    };
    let range = parse_range(range)?;
    Ok(InputRange { name, range })
}

fn parse_range(text: &str) -> Result<(f64, f64), String> {
    let expected = || format!("expected two numbers as LO,HI, such as 0,1; got '{text}'");
    let (lo, hi) = text.split_once(',').ok_or_else(expected)?;
    let number = |part: &str| part.trim().parse::<f64>().map_err(|_| expected());
    Ok((number(lo)?, number(hi)?))
}
