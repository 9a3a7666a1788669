//! Constants: initialisers and `Constant` nodes.

use super::schema::TensorProto;
use crate::graph::ops::MAX_ELEMENTS;
use crate::import::lower::Constant;
use crate::import::ImportError;

const FLOAT: i32 = 1;
const INT32: i32 = 6;
const INT64: i32 = 7;
const DOUBLE: i32 = 11;

/// A tensor's shape and values as reals. Nothing is allocated for a shape without data.
pub(super) fn constant(tensor: TensorProto, name: &str) -> Result<Constant<f64>, ImportError> {
    let place = format!("tensor '{name}'");
    if tensor.data_location != 0 || !tensor.external_data.is_empty() {
        let location = tensor.external_data.iter().find(|e| e.key == "location");
        let got = format!("external data '{}'", location.map_or("", |e| &e.value));
        let expected = "values inside the model file (export without external data)";
        return Err(ImportError::malformed(place, expected, got));
    }
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
    // One of the two encodings is used.
    let values = match tensor.data_type {
        FLOAT if tensor.raw_data.is_empty() => {
            Some(tensor.float_data.iter().map(|&v| v.into()).collect())
        }
        FLOAT => raw(4, |b| {
            b.try_into()
                .map_or(f64::NAN, |b| f32::from_le_bytes(b).into())
        }),
        DOUBLE if tensor.raw_data.is_empty() => Some(tensor.double_data),
        DOUBLE => raw(8, |b| b.try_into().map_or(f64::NAN, f64::from_le_bytes)),
        INT32 if tensor.raw_data.is_empty() => {
            Some(tensor.int32_data.iter().map(|&v| v.into()).collect())
        }
        INT32 => raw(4, |b| {
            b.try_into()
                .map_or(f64::NAN, |b| i32::from_le_bytes(b).into())
        }),
        INT64 if tensor.raw_data.is_empty() => {
            Some(tensor.int64_data.iter().map(|&v| v as f64).collect())
        }
        INT64 => raw(8, |b| {
            b.try_into()
                .map_or(f64::NAN, |b| i64::from_le_bytes(b) as f64)
        }),
        other => {
            let expected = "1 (float), 6 (int32), 7 (int64) or 11 (double)";
            return Err(ImportError::malformed(
                format!("{place}: data_type"),
                expected,
                other,
            ));
        }
    };
    let expected = count(&shape).unwrap_or(0);
    match values {
        Some(values) if values.len() == expected => Ok((shape, values)),
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
