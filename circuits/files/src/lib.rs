//! Files that are whole or absent, and typed containers for binary artefacts.
//!
//! A file is written under a temporary name in its own folder, synced, and renamed into place, so
//! that no reader ever sees half of it and no error leaves anything behind. A process that is
//! killed leaves its temporary file; whoever writes to the folder next takes it away (`stale`).
//!
//! A container is one artefact with its kind and format version:
//!
//! | bytes | content |
//! |---|---|
//! | 4 | `ZKML` |
//! | 4 | kind, see [`Kind`] |
//! | 4 | format version of the kind, little-endian |
//! | 8 | payload length, little-endian |
//! | … | payload |
//! | 32 | BLAKE2b-256 of everything before |
//!
//! The digest finds damage, not forgery: whoever makes a file can make its digest. What a payload
//! says is checked by its own reader.

mod error;
mod kind;
mod name;
mod reader;
mod stale;

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use blake2b_simd::{Params, State};
use tempfile::NamedTempFile;

pub use error::FileError;
pub use kind::Kind;
pub use name::{Name, NameError};
pub use reader::open_regular;
pub use reader::{read_bounded, ContainerReader};

const MAGIC: [u8; 4] = *b"ZKML";
const LENGTH_OFFSET: u64 = 12;
const HEADER_LEN: usize = 20;
const DIGEST_LEN: usize = 32;
const BUFFER_LEN: usize = 1 << 18;
/// Permissions of a new file, less the umask.
const SHARED: u32 = 0o666;
const SECRET: u32 = 0o600;

/// The first line of a file that stands for another in a Git repository.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// Whether a file is only a pointer of Git LFS.
pub fn is_pointer(bytes: &[u8]) -> bool {
    bytes.starts_with(POINTER)
}

/// What a pointer of Git LFS is, and what to do.
pub const POINTER_WORDS: &str = "a pointer of Git LFS to it (`git lfs pull` fetches the file)";

/// What a payload writer is handed: it writes. A failure to write is kept and reported afterwards.
pub type WriteFn<'a> = &'a mut dyn FnMut(&mut dyn Write) -> io::Result<()>;

/// Writes a file so that it is there whole or not at all, in place of any earlier one.
pub fn write_atomic(path: &Path, content: WriteFn<'_>) -> Result<(), FileError> {
    stage(path, SHARED, content)
        .and_then(|file| place(file, path))
        .map_err(FileError::io(path, "write"))
}

/// Writes a file that only the owner may ever read, and never in place of another: a secret exists once.
pub fn write_secret(path: &Path, content: WriteFn<'_>) -> Result<(), FileError> {
    stage(path, SECRET, content)
        .and_then(|file| place_new(file, path))
        .map_err(FileError::io(path, "write"))
}

/// Like [`write_atomic`], but leaves an existing file alone; returns whether the file was written.
pub fn write_atomic_new(path: &Path, content: WriteFn<'_>) -> Result<bool, FileError> {
    let written = stage(path, SHARED, content).and_then(|file| place_new(file, path));
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(FileError::io(path, "write")(error)),
    }
}

/// Writes one artefact as a container.
pub fn write_container(
    path: &Path,
    kind: Kind,
    version: u32,
    payload: WriteFn<'_>,
) -> Result<(), FileError> {
    contain(path, SHARED, place, kind, version, payload)
}

/// Like [`write_container`], but only the owner may ever read the file, and it is never in place of another.
pub fn write_secret_container(
    path: &Path,
    kind: Kind,
    version: u32,
    payload: WriteFn<'_>,
) -> Result<(), FileError> {
    contain(path, SECRET, place_new, kind, version, payload)
}

fn contain(
    path: &Path,
    mode: u32,
    place: fn(NamedTempFile, &Path) -> io::Result<()>,
    kind: Kind,
    version: u32,
    payload: WriteFn<'_>,
) -> Result<(), FileError> {
    let mut content = |out: &mut dyn Write| {
        out.write_all(&MAGIC)?;
        out.write_all(&kind.tag())?;
        out.write_all(&version.to_le_bytes())?;
        // The payload's length, which is entered when it is known.
        out.write_all(&[0; 8])?;
        payload(out)
    };
    stage(path, mode, &mut content)
        .and_then(|mut file| {
            seal(file.as_file_mut())?;
            place(file, path)
        })
        .map_err(FileError::io(path, "write"))
}

/// Reads one artefact whole, digest checked.
pub fn read_container(path: &Path, kind: Kind, version: u32) -> Result<Vec<u8>, FileError> {
    let mut reader = ContainerReader::open(path, kind, version)?;
    // The length was compared with the file's size, so this allocates no more than that.
    let mut payload = vec![0; usize::try_from(reader.payload_len()).unwrap_or(usize::MAX)];
    reader.fill(&mut payload)?;
    reader.finish()?;
    Ok(payload)
}

/// A file in the folder of `path`, written under a temporary name; it goes away when dropped.
fn stage(path: &Path, mode: u32, content: WriteFn<'_>) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(stale::PREFIX).suffix(stale::SUFFIX);
    #[cfg(not(unix))]
    let _ = mode;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(mode));
    }
    let folder = folder_of(path);
    stale::remove(folder);
    let mut file = builder.tempfile_in(folder)?;
    stale::mark_in_use(file.as_file());
    let mut out = Latch {
        inner: BufWriter::with_capacity(BUFFER_LEN, file.as_file_mut()),
        failure: None,
    };
    let written = content(&mut out).and_then(|()| out.flush());
    let failure = out.failure.take();
    drop(out);
    failure.map_or(written, Err).map(|()| file)
}

/// Keeps the first failure and takes everything after it without a word: halo2 panics where it cannot
/// write a key.
struct Latch<W> {
    inner: W,
    failure: Option<io::Error>,
}

impl<W: Write> Write for Latch<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failure.is_none() {
            self.failure = self.inner.write_all(bytes).err();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.failure.is_none() {
            self.failure = self.inner.flush().err();
        }
        Ok(())
    }
}

/// Syncs a staged file and moves it into place.
fn place(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(path);
    Ok(())
}

/// Like [`place`], but fails where there is something already.
fn place_new(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    sync_folder(path);
    Ok(())
}

/// Enters the payload's length in the header and appends the digest.
fn seal(file: &mut File) -> io::Result<()> {
    let length = file.seek(SeekFrom::End(0))? - HEADER_LEN as u64;
    file.seek(SeekFrom::Start(LENGTH_OFFSET))?;
    file.write_all(&length.to_le_bytes())?;
    file.seek(SeekFrom::Start(0))?;
    let mut hasher = hasher();
    let mut buffer = vec![0; BUFFER_LEN];
    loop {
        let count = file.read(&mut buffer)?;
        match buffer.get(..count) {
            Some(bytes) if count > 0 => hasher.update(bytes),
            _ => break,
        };
    }
    file.write_all(hasher.finalize().as_bytes())
}

fn hasher() -> State {
    Params::new().hash_length(DIGEST_LEN).to_state()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes the rename last through a power cut. The file is whole and in place by now, and some file
/// systems cannot sync a folder, so a failure is no error.
fn sync_folder(path: &Path) {
    if let Ok(folder) = File::open(folder_of(path)) {
        let _ = folder.sync_all();
    }
}
