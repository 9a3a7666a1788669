//! The models that a command was given the keys of, with the commitments that they have.

use crate::{
    keys::{KeyFolder, Verifying},
    srs::SrsArgs,
    ui::Ui,
};
use anyhow::{bail, Context, Result};
use clap::Args;
use std::path::PathBuf;
use zkml_circuits::prove::{Opening, Word};

/// Commitments of models.
#[derive(Args, Default)]
pub struct CommitmentArgs {
    /// Commitments C of the models, in the order of --keys, as `zkml setup` says them [default: computed from
    /// weights.opening, where the folder has it]
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
    pub commitment: Option<Word>,
}

impl Known {
    /// Loads the models of these folders.
    pub fn load(folders: &[PathBuf], given: &CommitmentArgs, ui: &Ui) -> Result<Vec<Self>> {
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
                let set = folder.verifying(&SrsArgs::default(), ui)?;
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
                Ok(Self {
                    commitment: computed.or(given),
                    folder,
                    set,
                })
            })
            .collect()
    }

    /// The commitment, where a command cannot do without.
    pub fn commitment(&self) -> Result<Word> {
        self.commitment.with_context(|| {
            format!(
                "{}: the model's commitment is not known, for there is no weights.opening; give the one that its owner published with --commitment",
                self.folder.0.display()
            )
        })
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
    let commitment = opening.commitment(&set.architecture, &set.plan);
    commitment
        .map(Some)
        .with_context(|| format!("{}: not an opening of this model", path.display()))
}
