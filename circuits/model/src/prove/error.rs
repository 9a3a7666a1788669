//! Errors of keys and proofs.

use std::path::PathBuf;

use crate::{circuit::WitnessError, layout::LayoutError};
use zkml_files::FileError;
use zkml_graph::exec::ExecError;
use zkml_srs::SrsError;

/// Why keys or a proof could not be made, read or checked.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// Layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Witness.
    #[error(transparent)]
    Witness(#[from] WitnessError),
    /// Execution of the model.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// Files.
    #[error(transparent)]
    File(#[from] FileError),
    /// SRS.
    #[error(transparent)]
    Srs(#[from] SrsError),
    /// The proof does not hold.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// halo2 reports a failure.
    #[error("the proof system failed: {0}")]
    Backend(String),
    /// Content of a file that cannot be.
    #[error("{path}: {place}: expected {expected}, got {got}")]
    Content {
        /// The file.
        path: PathBuf,
        /// Where in it.
        place: String,
        /// What should be there.
        expected: String,
        /// What is there.
        got: String,
    },
    /// Artefacts that do not belong together.
    #[error("{what} belongs to another {of}: expected {expected}, got {got}; {remedy}")]
    Mismatch {
        /// The artefact.
        what: String,
        /// What it disagrees on.
        of: &'static str,
        /// Digest expected.
        expected: String,
        /// Digest found.
        got: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A value of the caller's that cannot be.
    #[error("{0}")]
    Invalid(String),
}

/// The argument does not hold.
#[derive(Debug, thiserror::Error)]
#[error("proof rejected: {reason}")]
pub struct Rejected {
    /// Which step failed.
    pub reason: String,
}
