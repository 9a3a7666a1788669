//! Constants: initialisers and `Constant` nodes.

use super::schema::TensorProto;
use super::value::{Array, Type};
use crate::numbers::half;
use crate::ImportError;
use zkml_graph::ops::MAX_ELEMENTS;

const FLOAT: i32 = 1;
const UINT8: i32 = 2;
const INT8: i32 = 3;
const UINT16: i32 = 4;
const INT16: i32 = 5;
const INT32: i32 = 6;
const INT64: i32 = 7;
const BOOL: i32 = 9;
const HALF: i32 = 10;
const DOUBLE: i32 = 11;
const UINT32: i32 = 12;
const UINT64: i32 = 13;
const BRAIN: i32 = 16;

/// As many as NumPy has.
const MOST_DIMENSIONS: usize = 64;

fn bytes<const N: usize>(b: &[u8]) -> Option<[u8; N]> {
    b.try_into().ok()
}

/// bfloat16: the upper half of a single.
fn brain(bits: u16) -> f64 {
    f32::from_bits(u32::from(bits) << 16).into()
}

/// Fails if a shape has more dimensions than runtimes take: each node has a copy of it.
pub(super) fn few_dimensions(place: &str, dimensions: usize) -> Result<(), ImportError> {
    match dimensions > MOST_DIMENSIONS {
        true => {
            let expected = format!("at most {MOST_DIMENSIONS} dimensions");
            Err(ImportError::malformed(place, expected, dimensions))
        }
        false => Ok(()),
    }
}

/// A tensor's shape and values as reals. Nothing is allocated for a shape without data.
pub(super) fn constant(tensor: &TensorProto, name: &str) -> Result<Array, ImportError> {
    let place = format!("tensor '{name}'");
    if tensor.data_location != 0 || !tensor.external_data.is_empty() {
        let location = tensor.external_data.iter().find(|e| e.key == "location");
        let got = format!("external data '{}'", location.map_or("", |e| &e.value));
        let expected = "values inside the model file (export without external data)";
        return Err(ImportError::malformed(place, expected, got));
    }
    few_dimensions(&place, tensor.dims.len())?;
    let sizes: Option<Vec<usize>> = tensor
        .dims
        .iter()
        .map(|&d| usize::try_from(d).ok())
        .collect();
    let count = |shape: &Vec<usize>| shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    let shape = sizes
        .filter(|s| count(s).is_some_and(|n| n <= MAX_ELEMENTS))
        .ok_or_else(|| {
            let expected = format!("sizes, at most {MAX_ELEMENTS} elements");
            ImportError::malformed(
                format!("{place}: dims"),
                expected,
                format!("{:?}", tensor.dims),
            )
        })?;
    let raw = |size: usize, read: fn(&[u8]) -> f64| -> Option<Vec<f64>> {
        let exact = tensor.raw_data.len().is_multiple_of(size);
        exact.then(|| tensor.raw_data.chunks_exact(size).map(read).collect())
    };
    let ints = || tensor.int32_data.iter();
    // One of the two encodings is used.
    let typed = tensor.raw_data.is_empty();
    let values = match tensor.data_type {
        FLOAT if typed => Some(tensor.float_data.iter().map(|&v| v.into()).collect()),
        FLOAT => raw(4, |b| {
            bytes(b).map_or(f64::NAN, |b| f32::from_le_bytes(b).into())
        }),
        DOUBLE if typed => Some(tensor.double_data.clone()),
        DOUBLE => raw(8, |b| bytes(b).map_or(f64::NAN, f64::from_le_bytes)),
        INT64 if typed => Some(tensor.int64_data.iter().map(|&v| v as f64).collect()),
        INT64 => raw(8, |b| {
            bytes(b).map_or(f64::NAN, |b| i64::from_le_bytes(b) as f64)
        }),
        UINT32 | UINT64 if typed => Some(tensor.uint64_data.iter().map(|&v| v as f64).collect()),
        UINT64 => raw(8, |b| {
            bytes(b).map_or(f64::NAN, |b| u64::from_le_bytes(b) as f64)
        }),
        UINT32 => raw(4, |b| {
            bytes(b).map_or(f64::NAN, |b| u32::from_le_bytes(b).into())
        }),
        HALF if typed => Some(ints().map(|&v| half(v as u16)).collect()),
        HALF => raw(2, |b| {
            bytes(b).map_or(f64::NAN, |b| half(u16::from_le_bytes(b)))
        }),
        BRAIN if typed => Some(ints().map(|&v| brain(v as u16)).collect()),
        BRAIN => raw(2, |b| {
            bytes(b).map_or(f64::NAN, |b| brain(u16::from_le_bytes(b)))
        }),
        INT32 | UINT8 | INT8 | UINT16 | INT16 | BOOL if typed => {
            Some(ints().map(|&v| v.into()).collect())
        }
        INT32 => raw(4, |b| {
            bytes(b).map_or(f64::NAN, |b| i32::from_le_bytes(b).into())
        }),
        UINT8 | BOOL => raw(1, |b| {
            bytes(b).map_or(f64::NAN, |b| u8::from_le_bytes(b).into())
        }),
        INT8 => raw(1, |b| {
            bytes(b).map_or(f64::NAN, |b| i8::from_le_bytes(b).into())
        }),
        UINT16 => raw(2, |b| {
            bytes(b).map_or(f64::NAN, |b| u16::from_le_bytes(b).into())
        }),
        INT16 => raw(2, |b| {
            bytes(b).map_or(f64::NAN, |b| i16::from_le_bytes(b).into())
        }),
        other => {
            let expected = "numbers: 1 to 7, 9 to 13 or 16 (no strings, no 8-bit floating point)";
            return Err(ImportError::malformed(
                format!("{place}: data_type"),
                expected,
                other,
            ));
        }
    };
    let expected = count(&shape).unwrap_or(0);
    match values {
        Some(values) if values.len() == expected => {
            let ty = Type::of(tensor.data_type).unwrap_or(Type::Real);
            Ok(Array::public(shape, values, ty))
        }
        other => {
            let got = other.map_or("a broken length".to_owned(), |v| v.len().to_string());
            Err(ImportError::malformed(
                place,
                format!("{expected} values for shape {shape:?}"),
                got,
            ))
        }
    }
}
