//! Reading containers.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use blake2b_simd::State;

use super::{hasher, FileError, Kind, BUFFER_LEN, DIGEST_LEN, HEADER_LEN, MAGIC};

/// Opens a file that is neither a folder nor a pipe; also returns its size.
pub fn open_regular(path: &Path) -> Result<(File, u64), FileError> {
    // Looked at before it is opened, since opening a pipe would wait for its writer.
    let metadata = fs::metadata(path).map_err(FileError::io(path, "read"))?;
    if metadata.is_dir() {
        let error = io::Error::from(io::ErrorKind::IsADirectory);
        return Err(FileError::io(path, "read")(error));
    }
    if !metadata.is_file() {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
        return Err(FileError::io(path, "read")(error));
    }
    let file = File::open(path).map_err(FileError::io(path, "read"))?;
    let size = file.metadata().map_err(FileError::io(path, "read"))?.len();
    Ok((file, size))
}

/// Reads a regular file of at most `limit` bytes whole.
pub fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let (file, size) = open_regular(path)?;
    let mut bytes = Vec::new();
    if size <= limit {
        // Of a file that grows meanwhile, one byte too many is enough.
        file.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(FileError::io(path, "read"))?;
    }
    let got = size.max(bytes.len() as u64);
    if got > limit {
        let path = path.to_owned();
        return Err(FileError::TooLarge { path, limit, got });
    }
    Ok(bytes)
}

/// Reads a container's payload piece by piece.
///
/// The digest is known to be right only once [`finish`](Self::finish) has returned.
#[derive(Debug)]
pub struct ContainerReader {
    file: BufReader<File>,
    hasher: State,
    path: PathBuf,
    kind: Kind,
    payload_len: u64,
    remaining: u64,
}

impl ContainerReader {
    /// Opens a container; magic, kind, version and exact length are checked.
    pub fn open(path: &Path, kind: Kind, version: u32) -> Result<Self, FileError> {
        let read = FileError::io;
        let (mut file, size) = open_regular(path)?;
        let mut start = Vec::with_capacity(HEADER_LEN);
        file.by_ref()
            .take(HEADER_LEN as u64)
            .read_to_end(&mut start)
            .map_err(read(path, "read"))?;
        let (path, minimum) = (path.to_owned(), (HEADER_LEN + DIGEST_LEN) as u64);
        if !start.starts_with(&MAGIC) {
            start.truncate(MAGIC.len());
            return Err(FileError::NotAContainer {
                path,
                expected: kind,
                start,
            });
        }
        let Ok(header) = <[u8; HEADER_LEN]>::try_from(start.as_slice()) else {
            return Err(FileError::WrongLength {
                path,
                kind,
                expected: minimum,
                got: size,
            });
        };
        let [_, _, _, _, t0, t1, t2, t3, v0, v1, v2, v3, length @ ..] = header;
        let (tag, got) = ([t0, t1, t2, t3], u32::from_le_bytes([v0, v1, v2, v3]));
        if tag != kind.tag() {
            return Err(FileError::WrongKind {
                path,
                expected: kind,
                got: Kind::name_of_tag(tag),
            });
        }
        if got != version {
            return Err(FileError::WrongVersion {
                path,
                kind,
                expected: version,
                got,
            });
        }
        let payload_len = u64::from_le_bytes(length);
        let expected = payload_len.saturating_add(minimum);
        if size != expected {
            return Err(FileError::WrongLength {
                path,
                kind,
                expected,
                got: size,
            });
        }
        let mut hasher = hasher();
        hasher.update(&header);
        Ok(Self {
            file: BufReader::with_capacity(BUFFER_LEN, file),
            hasher,
            path,
            kind,
            payload_len,
            remaining: payload_len,
        })
    }

    /// Checks the digest in a pass of its own and goes back to the payload's start: for payloads
    /// whose reader must not see damaged bytes.
    pub fn verified(mut self) -> Result<Self, FileError> {
        let start = self.hasher.clone();
        io::copy(&mut self, &mut io::sink()).map_err(FileError::io(&self.path, "read"))?;
        self.check_digest()?;
        self.file
            .seek(SeekFrom::Start(HEADER_LEN as u64))
            .map_err(FileError::io(&self.path, "read"))?;
        self.hasher = start;
        self.remaining = self.payload_len;
        Ok(self)
    }

    /// Length of the payload in bytes, which the file's size confirms.
    pub fn payload_len(&self) -> u64 {
        self.payload_len
    }

    /// Reads exactly as many bytes as `buffer` holds.
    pub fn fill(&mut self, buffer: &mut [u8]) -> Result<(), FileError> {
        self.read_exact(buffer)
            .map_err(FileError::io(&self.path, "read"))
    }

    /// Reads what is left of the payload and checks the digest.
    pub fn finish(mut self) -> Result<(), FileError> {
        io::copy(&mut self, &mut io::sink()).map_err(FileError::io(&self.path, "read"))?;
        self.check_digest()
    }

    fn check_digest(&mut self) -> Result<(), FileError> {
        let mut digest = [0; DIGEST_LEN];
        self.file
            .read_exact(&mut digest)
            .map_err(FileError::io(&self.path, "read"))?;
        if self.hasher.finalize().as_bytes() == digest.as_slice() {
            return Ok(());
        }
        Err(FileError::WrongDigest {
            path: self.path.clone(),
            kind: self.kind,
        })
    }
}

impl Read for ContainerReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let limit = usize::try_from(self.remaining).unwrap_or(usize::MAX);
        let wanted = limit.min(buffer.len());
        let buffer = buffer.get_mut(..wanted).unwrap_or_default();
        let count = self.file.read(buffer)?;
        if count == 0 && wanted > 0 {
            // The file shrank after its size was compared.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        self.remaining -= count as u64;
        Ok(count)
    }
}
