//! What is wrong with an input file.

use super::Wanted;
use std::path::{Path, PathBuf};
use thiserror::Error;
use zkml_files::FileError;
use zkml_graph::exec::ExecError;

/// What is wrong with an input file.
#[derive(Debug, Error)]
pub enum InputError {
    /// The file could not be read.
    #[error(transparent)]
    Read(#[from] FileError),
    /// Something that is not what the format or the model says it must be.
    #[error("{}: {place}: expected {expected}, got {got}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where in it.
        place: String,
        /// What would be right.
        expected: String,
        /// What there is.
        got: String,
    },
    /// A number out of its input's range.
    #[error("{}: {beyond}", path.display())]
    Range {
        /// The file.
        path: PathBuf,
        /// The number.
        beyond: Box<Beyond>,
    },
    /// A wrong length, or a value out of range.
    #[error("{}: {error}", path.display())]
    Values {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: ExecError,
    },
}

/// A number that is not in the range of its input, as the user wrote both.
#[derive(Debug, Error)]
#[error("{place}: expected a number from {} to {}, got {}", range.0, range.1, value.as_deref().unwrap_or("one beyond"))]
pub struct Beyond {
    /// Name of the input.
    pub input: String,
    /// The input and the index.
    pub place: String,
    /// The number; nothing where the input is not public.
    pub value: Option<String>,
    /// The declared range.
    pub range: (f64, f64),
    /// The least range that holds all numbers of this input; nothing where it is not public.
    pub needed: Option<(f64, f64)>,
}

/// A problem before the file's name is known to it.
#[derive(Debug)]
pub(super) enum Problem {
    /// See [`InputError::Malformed`].
    Malformed {
        /// Where.
        place: String,
        /// What would be right.
        expected: String,
        /// What there is.
        got: String,
    },
    /// See [`InputError::Range`].
    Range(Box<Beyond>),
}

impl Problem {
    pub fn in_file(self, path: &Path) -> InputError {
        let path = path.to_owned();
        match self {
            Problem::Malformed {
                place,
                expected,
                got,
            } => InputError::Malformed {
                path,
                place,
                expected,
                got,
            },
            Problem::Range(beyond) => InputError::Range { path, beyond },
        }
    }
}

pub(super) fn problem(
    place: impl Into<String>,
    expected: impl Into<String>,
    got: impl ToString,
) -> Problem {
    Problem::Malformed {
        place: place.into(),
        expected: expected.into(),
        got: got.to_string(),
    }
}

/// Names an element of an input by its index in the shape that the model's file declares.
pub(super) fn element(wanted: &Wanted<'_>, at: usize) -> String {
    let mut rest = at;
    let mut index = vec![0; wanted.shape.len()];
    for (slot, &size) in index.iter_mut().zip(wanted.shape).rev() {
        *slot = rest % size.max(1);
        rest /= size.max(1);
    }
    format!("input '{}', index {index:?}", wanted.name)
}
