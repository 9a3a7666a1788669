//! What can go wrong in an aggregation.

use zkml_files::FileError;

/// What can go wrong in an aggregation.
#[derive(Debug, thiserror::Error)]
pub enum AggregateError {
    /// Nothing to aggregate.
    #[error("no proof to aggregate: give at least one")]
    Empty,
    /// An inner circuit that cannot be aggregated.
    #[error("the inner circuit cannot be aggregated: {reason}")]
    Protocol {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An inner proof does not verify.
    #[error("inner proof {index} does not verify ({reason}): expected a proof of its verifying key under this SRS, with exactly its public values; prove the model again")]
    Rejected {
        /// Which proof, from 0.
        index: usize,
        /// What the verifier said.
        reason: String,
    },
    /// The inner proofs are not those that the key is for.
    #[error("the aggregation key does not fit: {what}: expected {expected}, got {got}; make a key for these proofs with `zkml aggregate`, or aggregate proofs of the key's structure")]
    Misfit {
        /// What differs.
        what: String,
        /// What the key has.
        expected: String,
        /// What was given.
        got: String,
    },
    /// The circuit does not fit any shape allowed.
    #[error("the aggregation needs {cells} cells and {range_rows} range rows: no k up to {max_k} holds them in {columns} columns; allow more columns, or aggregate fewer proofs")]
    TooLarge {
        /// Gate cells.
        cells: usize,
        /// Range rows.
        range_rows: usize,
        /// Columns allowed.
        columns: usize,
        /// Largest k tried.
        max_k: u32,
    },
    /// The reference string is of another size.
    #[error("the aggregation circuit needs an SRS of k = {expected}, got k = {got}")]
    Srs {
        /// The circuit's size.
        expected: u32,
        /// The given size.
        got: u32,
    },
    /// The aggregate proof could not be made.
    #[error("no aggregate proof: {0}")]
    Prover(#[from] zkml_plonk::PlonkError),
    /// halo2 failed.
    #[error("{what} failed: {source}")]
    Halo2 {
        /// Key generation.
        what: &'static str,
        /// halo2's error.
        source: halo2_proofs::plonk::Error,
    },
    /// An aggregate proof does not verify.
    #[error("the aggregate proof does not verify: {reason}")]
    OuterRejected {
        /// What the verifier said.
        reason: String,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file is a container of the right kind, but not what it claims to hold.
    #[error("{path}: {what}: the file was not written by this version, or was tampered with; make it again")]
    Content {
        /// The file.
        path: String,
        /// What is wrong.
        what: String,
    },
}

impl AggregateError {
    /// snark-verifier's refusal of an inner proof.
    pub(super) fn refused(index: usize, error: snark_verifier::Error) -> Self {
        AggregateError::Rejected {
            index,
            reason: format!("{error:?}"),
        }
    }
}
