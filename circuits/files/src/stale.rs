//! Temporary files of processes that were killed.
//!
//! No handler can run on SIGKILL or in a power cut, so none is tried on Ctrl-C either: whoever
//! writes to a folder next removes what was left there. A file that is being written is locked, and
//! the operating system drops the lock with its process, whatever ends it.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::Duration;

/// How the names of temporary files start.
pub(super) const PREFIX: &str = ".zkml-";
/// How they end.
pub(super) const SUFFIX: &str = ".tmp";
/// Younger files are left alone: they may have been made, and not locked yet.
const MIN_AGE: Duration = Duration::from_secs(10);

/// Keeps others from taking the file for one that was left behind. On a file system without locks
/// nobody can, since then nothing is removed.
pub(super) fn mark_in_use(file: &File) {
    let _ = file.try_lock();
}

/// Removes what killed processes left in a folder. What cannot be looked at stays: this is no
/// reason for the writing at hand to fail.
pub(super) fn remove(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) && is_stale(&entry.path()) {
            // Another process may have been faster.
            let _ = fs::remove_file(entry.path());
            tracing::info!(name, "removed a temporary file that was left behind");
        }
    }
}

/// Whether a file is old enough and nobody writes to it.
fn is_stale(path: &Path) -> bool {
    let is_old = || {
        let metadata = fs::symlink_metadata(path).ok()?;
        let age = metadata.modified().ok()?.elapsed().ok()?;
        Some(metadata.is_file() && age >= MIN_AGE)
    };
    if is_old() != Some(true) {
        return false;
    }
    // Writable, since some systems lock only what one may write to.
    let Ok(file) = File::options().write(true).open(path) else {
        return false;
    };
    match file.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write_atomic;
    use std::time::SystemTime;

    fn left(folder: &Path, name: &str, age: u64) -> std::path::PathBuf {
        let path = folder.join(name);
        let file = File::create(&path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age))
            .unwrap();
        path
    }

    #[test]
    fn what_was_left_behind_goes_with_the_next_write() {
        let folder = tempfile::tempdir().unwrap();
        let gone = left(folder.path(), ".zkml-abcdef.tmp", 60);
        let young = left(folder.path(), ".zkml-ghijkl.tmp", 1);
        let others = [".zkml-x.txt", "zkml-x.tmp", "artefact"].map(|n| left(folder.path(), n, 60));
        let used = left(folder.path(), ".zkml-mnopqr.tmp", 60);
        let writer = File::options().write(true).open(&used).unwrap();
        mark_in_use(&writer);
        let target = folder.path().join("target");
        write_atomic(&target, &mut |out| out.write_all(b"x")).unwrap();
        assert!(!gone.exists());
        for path in others.iter().chain([&young, &used, &target]) {
            assert!(path.exists(), "{}", path.display());
        }
        // The end of the process that held it drops the lock.
        drop(writer);
        write_atomic(&target, &mut |out| out.write_all(b"y")).unwrap();
        assert!(!used.exists());
    }

    #[test]
    fn a_file_that_is_being_written_is_not_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        write_atomic(&target, &mut |out| {
            out.write_all(b"x")?;
            for entry in fs::read_dir(folder.path())? {
                let file = File::options().write(true).open(entry?.path())?;
                file.set_modified(SystemTime::now() - Duration::from_secs(60))?;
            }
            remove(folder.path());
            Ok(())
        })
        .unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"x");
    }
}
