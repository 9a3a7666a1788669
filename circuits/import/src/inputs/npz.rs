//! NumPy archives: zip files of arrays. Read here rather than by a crate, so that no size is believed that the file
//! does not have.

use super::error::{problem, Problem};
use super::numbers::Given;
use super::{names, npy, Wanted, MAX_FILE};
use flate2::read::DeflateDecoder;
use std::borrow::Cow;
use std::io::Read;

/// Most arrays that an archive is read for.
const MAX_ARRAYS: usize = 1 << 12;

/// The inputs in the model's order: arrays by their names, or by position where NumPy named them (`arr_0`, …), or
/// the only one for the only input.
pub(super) fn parse(bytes: &[u8], wanted: &[Wanted<'_>]) -> Result<Vec<Given>, Problem> {
    let entries = entries(bytes)?;
    let named = |name: &str| entries.iter().find(|entry| entry.name == name);
    let fits = entries.len() == wanted.len();
    let by_name: Option<Vec<_>> = wanted.iter().map(|w| named(w.name)).collect();
    let unnamed = || {
        (0..wanted.len())
            .map(|at| named(&format!("arr_{at}")))
            .collect()
    };
    let only = || match (wanted, entries.as_slice()) {
        ([_], [one]) => Some(vec![one]),
        _ => None,
    };
    let chosen = by_name.or_else(unnamed).or_else(only).filter(|_| fits);
    let chosen = chosen.ok_or_else(|| {
        let expected = format!("an array for each of the model's inputs: {}", names(wanted));
        let held: Vec<&str> = entries.iter().map(|e| e.name.as_str()).take(8).collect();
        problem(
            "npz",
            expected,
            format!("{} ({})", entries.len(), held.join(", ")),
        )
    })?;
    let read = |entry: &Entry<'_>| npy::parse(&entry.content()?);
    chosen.into_iter().map(read).collect()
}

/// An array's file in an archive.
struct Entry<'b> {
    name: String,
    packed: bool,
    data: &'b [u8],
    /// Its size unpacked.
    size: u64,
}

impl<'b> Entry<'b> {
    fn content(&self) -> Result<Cow<'b, [u8]>, Problem> {
        let wrong = |got: String| {
            let expected = format!("{} bytes", self.size);
            problem(format!("npz, array '{}'", self.name), expected, got)
        };
        let content = if self.packed {
            let mut unpacked = Vec::new();
            DeflateDecoder::new(self.data)
                .take(self.size.min(MAX_FILE) + 1)
                .read_to_end(&mut unpacked)
                .map_err(|error| wrong(error.to_string()))?;
            Cow::Owned(unpacked)
        } else {
            Cow::Borrowed(self.data)
        };
        match content.len() as u64 {
            size if size == self.size && size <= MAX_FILE => Ok(content),
            size if size > MAX_FILE => Err(wrong("more than 256 MiB".to_owned())),
            _ => Err(wrong("another number".to_owned())),
        }
    }
}

fn broken(what: &str) -> Problem {
    problem("npz", "a zip archive of .npy files", what)
}

/// The little-endian number of so many bytes at a place.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(size)?)?;
    let number = bytes.iter().rev().try_fold(0usize, |n, &b| {
        n.checked_mul(256).map(|n| n | usize::from(b))
    });
    number.filter(|&n| n != 0xffff_ffff)
}

/// The files of an archive, by its directory.
fn entries(bytes: &[u8]) -> Result<Vec<Entry<'_>>, Problem> {
    /// What the end of the directory starts with; it is 22 bytes and a remark.
    const END: &[u8] = b"PK\x05\x06";
    let tail = bytes.len().saturating_sub(22 + (1 << 16));
    let found = bytes.get(tail..).and_then(|tail| {
        let mut starts = tail.windows(END.len()).rev();
        let back = starts.position(|window| window == END)?;
        Some(bytes.len() - END.len() - back)
    });
    let end = found.ok_or_else(|| broken("no end of its directory"))?;
    let field = |at, size| number(bytes, at, size).ok_or_else(|| broken("a broken directory"));
    let count = field(end + 10, 2)?;
    if count > MAX_ARRAYS {
        return Err(broken("too many files"));
    }
    let mut at = field(end + 16, 4)?;
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for _ in 0..count {
        let (entry, size) = entry(bytes, at)?;
        if entries.iter().any(|known| known.name == entry.name) {
            return Err(broken("one name twice"));
        }
        entries.push(entry);
        at += size;
    }
    Ok(entries)
}

/// The entry of the directory at a place, and its length.
fn entry(bytes: &[u8], at: usize) -> Result<(Entry<'_>, usize), Problem> {
    let short = || broken("a broken directory");
    let part = |at: usize, size: usize| {
        let end = at.checked_add(size);
        end.and_then(|end| bytes.get(at..end)).ok_or_else(short)
    };
    let field = |at: usize, size: usize| number(bytes, at, size).ok_or_else(short);
    if part(at, 4)? != b"PK\x01\x02" {
        return Err(short());
    }
    let encrypted = field(at + 8, 2)? & 1 == 1;
    let packed = match field(at + 10, 2)? {
        0 if !encrypted => false,
        8 if !encrypted => true,
        _ => {
            return Err(broken(
                "one that is encrypted, or packed otherwise than by Deflate",
            ))
        }
    };
    let (length, size) = (field(at + 20, 4)?, field(at + 24, 4)?);
    let lengths = [field(at + 28, 2)?, field(at + 30, 2)?, field(at + 32, 2)?];
    let [name_length, ..] = lengths;
    let name = std::str::from_utf8(part(at + 46, name_length)?).map_err(|_| short())?;
    let name = name.strip_suffix(".npy").unwrap_or(name).to_owned();
    let start = field(at + 42, 4)?;
    if part(start, 4)? != b"PK\x03\x04" {
        return Err(short());
    }
    let skipped = field(start + 26, 2)? + field(start + 28, 2)?;
    let data = part(start + 30 + skipped, length)?;
    let entry = Entry {
        name,
        packed,
        data,
        size: size as u64,
    };
    Ok((entry, 46 + lengths.iter().sum::<usize>()))
}
