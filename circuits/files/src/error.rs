//! Why reading and writing fail.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::Kind;

/// Why a file could not be read or written.
#[derive(Debug, Error)]
pub enum FileError {
    /// The operating system, or the writer of the payload, refused.
    #[error("{}: cannot {action}: {source}; {}", path.display(), remedy(action, source))]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The reason given.
        source: io::Error,
    },
    /// Larger than any such file can be.
    #[error("{}: size: expected at most {limit} bytes, got {got}; check the path", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The largest size that is read.
        limit: u64,
        /// The size of the file.
        got: u64,
    },
    /// Not a container at all.
    #[error("{}: expected {}, got a file of another format (it starts with \"{}\", not \"ZKML\"); check the path", path.display(), expected.name(), start.escape_ascii())]
    NotAContainer {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        expected: Kind,
        /// The first bytes, four at most.
        start: Vec<u8>,
    },
    /// A container of another kind.
    #[error("{}: expected {}, got {got}; check the path", path.display(), expected.name())]
    WrongKind {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        expected: Kind,
        /// What the file says it is.
        got: String,
    },
    /// The right kind, in a format that this program does not read.
    #[error("{}: expected {} of format version {expected}, got version {got}; {}", path.display(), kind.name(), kind.renewal(*expected, *got))]
    WrongVersion {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        kind: Kind,
        /// The version that this program reads.
        expected: u32,
        /// The version of the file.
        got: u32,
    },
    /// Truncated, or with bytes behind the end.
    #[error("{}: expected {} of {expected} bytes, got {got} bytes: the file is {}; copy or make it again", path.display(), kind.name(), if got < expected { "truncated" } else { "too long" })]
    WrongLength {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        kind: Kind,
        /// Bytes that the header promises.
        expected: u64,
        /// Bytes in the file.
        got: u64,
    },
    /// The content does not have the digest that the file ends with.
    #[error("{}: damaged: {} whose content does not match its digest; copy or make it again", path.display(), kind.name())]
    WrongDigest {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        kind: Kind,
    },
}

impl FileError {
    /// For `map_err`, where something was tried on a file.
    pub fn io<'a>(path: &'a Path, action: &'static str) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io {
            path: path.to_owned(),
            action,
            source,
        }
    }

    /// Whether the file is absent.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether there is a file already where a new one was to be.
    pub fn is_already_there(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists)
    }
}

/// What the user can do about an operating-system error.
fn remedy(action: &str, error: &io::Error) -> &'static str {
    use io::ErrorKind as E;
    match error.kind() {
        E::StorageFull | E::QuotaExceeded | E::FileTooLarge => {
            "free some space or choose another folder"
        }
        E::PermissionDenied => "change the permissions or choose another folder",
        E::ReadOnlyFilesystem => "choose a folder on a writable file system",
        E::NotFound if action == "read" => "check the path",
        E::NotFound => "check the path, and make the folder first",
        E::NotADirectory => "choose a path whose folders are folders",
        E::IsADirectory | E::InvalidInput => "give the path of a file",
        _ => "check the path and the disk",
    }
}
