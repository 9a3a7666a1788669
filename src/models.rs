//! The models that a command was given the keys of, with the commitments that they have.

use crate::{
    keys::{KeyFolder, Verifying},
    srs::SrsArgs,
    ui::Ui,
};
use anyhow::{anyhow, bail, Context, Result};
use clap::Args;
use std::path::PathBuf;
use zkml_files::read_bounded;
use zkml_model::prove::{Opening, Word};

/// Largest file of a commitment.
const MAX_COMMITMENT: u64 = 1 << 10;

/// Commitments of models.
#[derive(Args, Default)]
pub struct CommitmentArgs {
    /// Commitments C of the models, in the order of --keys, as `zkml setup` says them [default: computed from
    /// weights.opening, where the folder has it, or else that of its model.commitment]
    #[arg(long = "commitment", value_name = "C", num_args = 1..)]
    commitments: Vec<Word>,
}

/// A model of a folder of keys.
pub struct Known {
    /// The folder.
    pub folder: KeyFolder,
    /// Its keys.
    pub set: Verifying,
    /// The commitment to its weights: computed from the folder, or given. No proof's file has a say in it.
    pub commitment: Word,
}

impl Known {
    /// Loads the models of these folders. What is computed of a model, its id above all, rests on its verifying key:
    /// one that was not made on this machine is derived again from its configuration.
    pub fn load(
        folders: &[PathBuf],
        given: &CommitmentArgs,
        srs: &SrsArgs,
        ui: &Ui,
    ) -> Result<Vec<Self>> {
        let given = &given.commitments;
        if !given.is_empty() && given.len() != folders.len() {
            bail!(
                "--commitment: expected one for each of --keys, {}, got {}",
                folders.len(),
                given.len()
            );
        }
        let numbered = folders.iter().cloned().map(KeyFolder).enumerate();
        numbered
            .map(|(index, folder)| {
                let set = folder.verifying(srs, ui)?;
                folder.origin(&set, srs, ui)?;
                let computed = computed(&folder, &set)?;
                let given = given.get(index).copied();
                if let (Some(computed), Some(given)) = (computed, given) {
                    if computed != given {
                        bail!(
                            "{}: --commitment is {given}, the folder opens {computed}",
                            folder.0.display()
                        );
                    }
                }
                let known = match computed.or(given) {
                    Some(known) => Some(known),
                    None => Pinned::of(&folder, &set)?.map(|pinned| pinned.commitment),
                };
                let commitment = known.with_context(|| {
                    format!(
                        "{}: the model's commitment is not known, for there is neither weights.opening nor model.commitment; give the one that its owner published with --commitment",
                        folder.0.display()
                    )
                })?;
                Ok(Self {
                    folder,
                    set,
                    commitment,
                })
            })
            .collect()
    }
}

/// Where a commitment comes from that proofs are compared with.
#[derive(Clone, Debug)]
pub struct Pinned {
    /// The commitment.
    pub commitment: Word,
    /// The option or file that says it.
    pub said_by: String,
}

impl Pinned {
    /// The commitment that a folder names: written down by `zkml setup`, or that of its opening.
    pub fn of(folder: &KeyFolder, set: &Verifying) -> Result<Option<Self>> {
        let path = folder.commitment();
        if path
            .try_exists()
            .with_context(|| path.display().to_string())?
        {
            let text = read_bounded(&path, MAX_COMMITMENT)?;
            let word = std::str::from_utf8(&text)
                .unwrap_or_default()
                .trim()
                .parse();
            let commitment = word.map_err(|expected: String| {
                anyhow!("{}: {expected} (`zkml setup` writes it)", path.display())
            })?;
            return Ok(Some(Self {
                commitment,
                said_by: path.display().to_string(),
            }));
        }
        let opened = computed(folder, set)?;
        Ok(opened.map(|commitment| Self {
            commitment,
            said_by: folder.opening().display().to_string(),
        }))
    }
}

/// The commitment that a folder opens, if it has the opening.
fn computed(folder: &KeyFolder, set: &Verifying) -> Result<Option<Word>> {
    let path = folder.opening();
    let exists = path.try_exists();
    if !exists.with_context(|| path.display().to_string())? {
        return Ok(None);
    }
    let opening = Opening::load(&path)?;
    let commitment = || {
        // Before a layout: the file has to hold as much as the configuration asks for.
        opening.fits(&set.architecture.graph)?;
        let plan = set.architecture.plan()?;
        opening.commitment(&set.architecture, &plan)
    };
    commitment()
        .map(Some)
        .with_context(|| format!("{}: not an opening of this model", path.display()))
}
