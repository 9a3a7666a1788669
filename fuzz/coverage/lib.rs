//! The readers of `zkml-fuzz`, from the same good files, for libFuzzer.
//!
//! What libFuzzer changes is the payload where a format has a digest: with a wrong one no reader gets far.
//! A panic ends the process, which is how libFuzzer sees it.

#[path = "../artefacts.rs"]
mod artefacts;
#[path = "../data.rs"]
mod data;
#[path = "../small.rs"]
mod small;
#[path = "../target.rs"]
pub mod target;
#[path = "../targets.rs"]
pub mod targets;
#[path = "../../circuits/import/tests/support/tflite.rs"]
mod tflite;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// The checkout.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A reader, and the file that it reads.
pub struct Reader {
    target: target::Target,
    path: PathBuf,
    /// Its folder, there as long as the reader is.
    _folder: tempfile::TempDir,
}

impl Reader {
    /// The reader of this name.
    pub fn new(name: &str) -> Result<Self> {
        let folder = tempfile::tempdir().context("no folder for inputs")?;
        let all = targets::targets(folder.path())?;
        let target = all.into_iter().find(|target| target.name == name);
        let target = target.with_context(|| format!("no reader {name}"))?;
        Ok(Self {
            path: folder.path().join(format!("input.{}", target.extension)),
            target,
            _folder: folder,
        })
    }

    /// Reads a file with these bytes.
    pub fn read(&self, bytes: &[u8]) -> Result<()> {
        let whole;
        let bytes = match self.target.container {
            None => bytes,
            Some(kind) => {
                whole = target::contain(kind, bytes);
                &whole
            }
        };
        fs::write(&self.path, bytes).with_context(|| self.path.display().to_string())?;
        // Both answers are right ones.
        let _ = (self.target.read)(&self.path);
        Ok(())
    }
}
