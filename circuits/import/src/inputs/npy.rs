//! NumPy arrays. Read here rather than by a crate, so that a header's shape is believed only as
//! far as the file has data.

use super::error::{problem, Problem};
use super::numbers::Given;
use crate::half;

pub(super) fn parse(bytes: &[u8]) -> Result<Given, Problem> {
    let (header, data) = split(bytes)?;
    let field = |name: &str| {
        // Of a header nothing is shown: where its length is wrong, values are in it.
        let missing = || problem("npy header", format!("a field {name}"), "none");
        let (_, rest) = header
            .split_once(&format!("'{name}':"))
            .ok_or_else(missing)?;
        Ok(rest.trim_start())
    };
    if !field("fortran_order")?.starts_with("False") {
        return Err(problem(
            "npy header: fortran_order",
            "False (use np.ascontiguousarray)",
            "True",
        ));
    }
    let inside = |text: &str, open: char, close: char| {
        let text = text.strip_prefix(open)?;
        text.split_once(close).map(|(inner, _)| inner.to_owned())
    };
    let list = inside(field("shape")?, '(', ')')
        .ok_or_else(|| problem("npy header: shape", "a tuple", "something else"))?;
    let sizes: Result<Vec<usize>, _> = list
        .split(',')
        .map(str::trim)
        .filter(|s| !s.is_empty())
        .map(str::parse)
        .collect();
    let shape =
        sizes.map_err(|_| problem("npy header: shape", "a tuple of sizes", "something else"))?;
    let descr = inside(field("descr")?, '\'', '\'')
        .ok_or_else(|| problem("npy header: descr", "a plain type", "something else"))?;
    let read = reader(&descr)?;
    let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    let expected = count.and_then(|n| n.checked_mul(read.size));
    if expected != Some(data.len()) {
        let wanted = format!("{descr} values for shape {shape:?}");
        return Err(problem("npy data", wanted, format!("{} bytes", data.len())));
    }
    let values = data.chunks_exact(read.size).map(read.value).collect();
    Ok(Given { shape, values })
}

/// Header text and data.
fn split(bytes: &[u8]) -> Result<(&str, &[u8]), Problem> {
    let magic = || {
        problem(
            "npy",
            "the magic bytes \\x93NUMPY and a header",
            "another file",
        )
    };
    let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or_else(magic)?;
    let (length, rest) = match *rest {
        [1, _, a, b, ref rest @ ..] => (usize::from(u16::from_le_bytes([a, b])), rest),
        [2 | 3, _, a, b, c, d, ref rest @ ..] => {
            let length = u32::from_le_bytes([a, b, c, d]);
            (usize::try_from(length).unwrap_or(usize::MAX), rest)
        }
        _ => return Err(magic()),
    };
    let (header, data) = rest
        .split_at_checked(length)
        .ok_or_else(|| problem("npy header", format!("{length} bytes"), rest.len()))?;
    let header = std::str::from_utf8(header).map_err(|e| problem("npy header", "text", e))?;
    Ok((header, data))
}

struct Reader {
    size: usize,
    value: fn(&[u8]) -> f64,
}

/// How to read one element. `chunks_exact` hands over slices of the right size only.
fn reader(descr: &str) -> Result<Reader, Problem> {
    macro_rules! read {
        ($type:ty, $from:ident) => {
            Reader {
                size: std::mem::size_of::<$type>(),
                value: |b| {
                    b.try_into()
                        .map(<$type>::$from)
                        .map_or(f64::NAN, |v| v as f64)
                },
            }
        };
    }
    Ok(match descr {
        "<f2" => Reader {
            size: 2,
            value: |b| {
                b.try_into()
                    .map_or(f64::NAN, |b| half(u16::from_le_bytes(b)))
            },
        },
        ">f2" => Reader {
            size: 2,
            value: |b| {
                b.try_into()
                    .map_or(f64::NAN, |b| half(u16::from_be_bytes(b)))
            },
        },
        "<f4" => read!(f32, from_le_bytes),
        ">f4" => read!(f32, from_be_bytes),
        "<f8" => read!(f64, from_le_bytes),
        ">f8" => read!(f64, from_be_bytes),
        "|u1" | "<u1" | "|b1" => read!(u8, from_le_bytes),
        "|i1" | "<i1" => read!(i8, from_le_bytes),
        "<u2" => read!(u16, from_le_bytes),
        "<i2" => read!(i16, from_le_bytes),
        "<u4" => read!(u32, from_le_bytes),
        "<i4" => read!(i32, from_le_bytes),
        "<u8" => read!(u64, from_le_bytes),
        "<i8" => read!(i64, from_le_bytes),
        other => {
            let expected = "f2, f4, f8, u1, i1, u2, i2, u4, i4, u8 or i8";
            return Err(problem("npy header: descr", expected, other));
        }
    })
}
