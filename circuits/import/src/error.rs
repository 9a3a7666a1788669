//! What can be wrong with a model file.

use std::path::{Path, PathBuf};
use thiserror::Error;
use zkml_files::FileError;
use zkml_graph::ops::GraphError;
use zkml_graph::range::RangeError;

/// Why a model could not be imported.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The file could not be read.
    #[error(transparent)]
    Read(#[from] FileError),
    /// Something that is not what the format says it must be.
    #[error("{place}: expected {expected}, got {got}")]
    Malformed {
        /// Tensor, layer, node or attribute.
        place: String,
        /// What would be right.
        expected: String,
        /// What there is.
        got: String,
    },
    /// Numbers that are too large or too many for what reads them: a question of scale and ranges.
    #[error("{place}: expected {expected}, got {got}")]
    TooWide {
        /// Where.
        place: String,
        /// What would be right.
        expected: String,
        /// What there is.
        got: String,
    },
    /// Operations that are not supported: all of them at once.
    #[error(
        "operators that are not supported: {}; docs/conformance.md lists those that are",
        operators.join(", ")
    )]
    Unsupported {
        /// `Operator (node, node …)`.
        operators: Vec<String>,
    },
    /// The graph that came out breaks a rule.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Its values cannot be bounded.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// Any of these, with the file's name.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: Box<ImportError>,
    },
}

impl ImportError {
    /// A part of a file that is not what it should be.
    pub fn malformed(
        place: impl Into<String>,
        expected: impl Into<String>,
        got: impl ToString,
    ) -> Self {
        ImportError::Malformed {
            place: place.into(),
            expected: expected.into(),
            got: got.to_string(),
        }
    }

    pub(crate) fn too_wide(
        place: impl Into<String>,
        expected: impl Into<String>,
        got: impl ToString,
    ) -> Self {
        ImportError::TooWide {
            place: place.into(),
            expected: expected.into(),
            got: got.to_string(),
        }
    }

    /// Whether another scale or other input ranges may help.
    pub fn is_of_size(&self) -> bool {
        match self {
            ImportError::File { error, .. } => error.is_of_size(),
            ImportError::Range(_) | ImportError::Graph(_) | ImportError::TooWide { .. } => true,
            ImportError::Read(_)
            | ImportError::Malformed { .. }
            | ImportError::Unsupported { .. } => false,
        }
    }

    pub(super) fn in_file(self, path: &Path) -> Self {
        match self {
            ImportError::Read(_) | ImportError::File { .. } => self,
            other => ImportError::File {
                path: path.to_owned(),
                error: Box::new(other),
            },
        }
    }

    /// The list for [`ImportError::Unsupported`], from pairs of operator and node.
    pub(super) fn unsupported(found: &[(String, String)]) -> Self {
        let mut by_operator: std::collections::BTreeMap<&str, Vec<&str>> = Default::default();
        for (operator, node) in found {
            by_operator.entry(operator).or_default().push(node);
        }
        let line = |(operator, nodes): (&str, Vec<&str>)| {
            let more = nodes.len().saturating_sub(4);
            let shown = nodes.into_iter().take(4).collect::<Vec<_>>().join(", ");
            match more {
                0 => format!("{operator} ({shown})"),
                more => format!("{operator} ({shown} and {more} more)"),
            }
        };
        ImportError::Unsupported {
            operators: by_operator.into_iter().map(line).collect(),
        }
    }
}
