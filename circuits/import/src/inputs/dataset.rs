//! Many inputs in one file: IDX (MNIST's format, gzipped or not) and `.npy`.

use super::error::{problem, Problem};
use super::{npy, refusal, InputError, MAX_FILE};
use flate2::read::GzDecoder;
use std::io::Read;
use std::path::Path;
use zkml_files::read_bounded;

/// Largest data set, unpacked. As numbers it takes eight times as much.
const MAX_DATA: u64 = 256 << 20;
/// The same for a small file, and for each byte of a larger one.
const SMALL_DATA: u64 = 64 << 20;
const PACKED: u64 = 16;

/// Samples of one shape.
#[derive(Clone, Debug)]
pub struct Samples {
    /// Values of one sample.
    pub size: usize,
    /// All values, sample by sample. Bytes of images are divided by 255.
    pub values: Vec<f64>,
}

impl Samples {
    /// Reads samples of `size` values each.
    pub fn read(path: &Path, size: usize) -> Result<Self, InputError> {
        let (shape, values) = load(path, true)?;
        let count = shape.first().copied().unwrap_or(0);
        if size == 0 || values.is_empty() || count * size != values.len() {
            let expected = format!("samples of {size} values, the number of samples first");
            return Err(problem("shape", expected, format!("{shape:?}")).in_file(path));
        }
        Ok(Self { size, values })
    }

    /// The samples.
    pub fn iter(&self) -> std::slice::Chunks<'_, f64> {
        self.values.chunks(self.size)
    }

    /// Number of samples.
    pub fn count(&self) -> usize {
        self.values.len() / self.size
    }

    /// Smallest and largest value.
    pub fn range(&self) -> (f64, f64) {
        let ends = (f64::INFINITY, f64::NEG_INFINITY);
        self.values
            .iter()
            .fold(ends, |(lo, hi), v| (lo.min(*v), hi.max(*v)))
    }
}

/// Reads classes, one for each sample.
pub fn labels(path: &Path) -> Result<Vec<usize>, InputError> {
    let (_, values) = load(path, false)?;
    let one = |(i, v): (usize, &f64)| {
        let whole = *v >= 0.0 && v.fract() == 0.0 && *v < 1e9;
        whole.then_some(*v as usize).ok_or_else(|| {
            let place = format!("label {i}");
            problem(place, "a class from 0 on", v).in_file(path)
        })
    };
    values.iter().enumerate().map(one).collect()
}

fn load(path: &Path, images: bool) -> Result<(Vec<usize>, Vec<f64>), InputError> {
    let bytes = read_bounded(path, MAX_FILE)?;
    refusal::recognised(&bytes).map_err(|p| p.in_file(path))?;
    let bytes = match bytes.starts_with(&[0x1f, 0x8b]) {
        true => unpack(&bytes).map_err(|p| p.in_file(path))?,
        false => bytes,
    };
    let parsed = match bytes.starts_with(b"\x93NUMPY") {
        true => npy::parse(&bytes).map(|array| (array.shape, array.values)),
        false => idx(&bytes, images),
    };
    parsed.map_err(|p| p.in_file(path))
}

fn unpack(bytes: &[u8]) -> Result<Vec<u8>, Problem> {
    let mut unpacked = Vec::new();
    let most = (bytes.len() as u64).saturating_mul(PACKED);
    let most = most.clamp(SMALL_DATA, MAX_DATA);
    GzDecoder::new(bytes)
        .take(most + 1)
        .read_to_end(&mut unpacked)
        .map_err(|e| problem("gzip", "a whole stream", e))?;
    if unpacked.len() as u64 > most {
        let expected = format!(
            "at most {} MiB unpacked, for a file of its size",
            most >> 20
        );
        return Err(problem("gzip", expected, "more"));
    }
    Ok(unpacked)
}

/// IDX with unsigned bytes: 0, 0, 8, rank, big-endian sizes, data.
fn idx(bytes: &[u8], images: bool) -> Result<(Vec<usize>, Vec<f64>), Problem> {
    let Some((&[0, 0, 8, rank], rest)) = bytes.split_first_chunk::<4>() else {
        return Err(problem("format", "IDX of bytes, or .npy", "another file"));
    };
    let short = || problem("IDX header", "a size for each dimension", "fewer");
    let (sizes, data) = rest
        .split_at_checked(4 * usize::from(rank))
        .ok_or_else(short)?;
    let shape: Vec<usize> = sizes
        .chunks_exact(4)
        .map(|b| b.iter().fold(0, |n, b| n << 8 | usize::from(*b)))
        .collect();
    let count = shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
    if count != Some(data.len()) {
        let expected = format!("as many bytes as {shape:?} has elements");
        return Err(problem("IDX data", expected, data.len()));
    }
    let unit = if images { 255.0 } else { 1.0 };
    Ok((shape, data.iter().map(|b| f64::from(*b) / unit).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_files_do_not_unpack_to_gigabytes() {
        let packed = |count: usize| {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            std::io::Write::write_all(&mut out, &vec![0; count]).unwrap();
            out.finish().unwrap()
        };
        let (small, large) = (packed(SMALL_DATA as usize), packed(SMALL_DATA as usize + 1));
        assert!(large.len() < 1 << 20, "{}", large.len());
        assert_eq!(unpack(&small).unwrap().len() as u64, SMALL_DATA);
        assert!(unpack(&large).is_err());
    }

    #[test]
    fn idx_files() {
        let file = [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 1, 255, 51];
        let (shape, values) = idx(&file, true).unwrap();
        assert_eq!((shape, values), (vec![2, 1], vec![1.0, 0.2]));
        assert_eq!(idx(&file, false).unwrap().1, [255.0, 51.0]);
        for end in 0..file.len() {
            assert!(idx(&file[..end], true).is_err(), "{end}");
        }
        let huge = [0, 0, 8, 2, 255, 255, 255, 255, 255, 255, 255, 255, 1];
        assert!(idx(&huge, true).is_err());
    }
}
