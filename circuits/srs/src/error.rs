//! Why an SRS could not be made, saved or loaded.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::{FileDigest, MAX_K, MIN_K};
use zkml_files::FileError;

/// Why an SRS could not be made, saved or loaded.
#[derive(Debug, Error)]
pub enum SrsError {
    /// The file could not be read or written, or is no SRS container.
    #[error(transparent)]
    File(#[from] FileError),
    /// A size that is not supported was asked for.
    #[error("SRS size k = {k}: expected {MIN_K} to {MAX_K}; choose a smaller circuit")]
    SizeOutOfRange {
        /// What was asked for.
        k: u32,
    },
    /// The content of the file does not follow the format.
    #[error("{}: {place}: expected {expected}, got {got}; get or make the SRS again", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        place: String,
        /// What the format asks for.
        expected: String,
        /// What was found.
        got: String,
    },
    /// The points are no SRS: they do not belong to one secret.
    #[error("{}: not an SRS: {fault}; do not use it, and get it again from a source you trust", path.display())]
    Structure {
        /// The file.
        path: PathBuf,
        /// Which check failed.
        fault: &'static str,
    },
    /// What the file says of its origin is not what its points say.
    #[error("{}: its label contradicts its points: it has {contradiction}; do not use it, and get it again from a source you trust", path.display())]
    Label {
        /// The file.
        path: PathBuf,
        /// Both.
        contradiction: String,
    },
    /// Another file than the one that was asked for.
    #[error("{}: not the file {whose}: expected BLAKE2b {expected}, got {got}; get it again, or rename it if it is another file", path.display())]
    WrongDigest {
        /// The file.
        path: PathBuf,
        /// Which file was expected.
        whose: &'static str,
        /// Its digest.
        expected: Box<FileDigest>,
        /// The digest of the file that is there.
        got: Box<FileDigest>,
    },
    /// More was asked for than the file has.
    #[error("{}: an SRS of k = {k} was asked for, the file has k = {has}; get a larger file, or choose a smaller k", path.display())]
    TooSmall {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        k: u32,
        /// What there is.
        has: u32,
    },
    /// Nothing says where the cache is.
    #[error("no folder for the cache: none of ZKML_CACHE, XDG_CACHE_HOME and HOME is set; set ZKML_CACHE to a folder that you may write to")]
    NoCacheFolder,
}

impl SrsError {
    pub(super) fn structure(path: &Path, fault: &'static str) -> Self {
        Self::Structure {
            path: path.to_owned(),
            fault,
        }
    }
}
