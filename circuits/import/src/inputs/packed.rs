//! zkml's inputs: a list of tensors of integers, found by index, or by position where inputs have names.

use super::error::{element, problem, Beyond, Problem};
use super::numbers::{check_shape, Rounding};
use super::{Inputs, Wanted};
use crate::{parse_msgpack, ImportError, RawTensor};
use zkml_graph::ops::elements;

pub(super) fn parse(bytes: &[u8], wanted: &[Wanted<'_>]) -> Result<Inputs, Problem> {
    let tensors: Vec<RawTensor> = parse_msgpack(bytes, "a list of tensors {idx, shape, data}")
        .map_err(|e| match e {
            ImportError::Malformed {
                place,
                expected,
                got,
            } => problem(place, expected, got),
            other => problem("MessagePack", "a list of tensors", other),
        })?;
    let indexed = wanted.iter().all(|w| w.tensor.name.parse::<i64>().is_ok());
    let find = |(at, wanted): (usize, &Wanted<'_>)| {
        let found = match indexed {
            true => by_index(&tensors, wanted)?,
            false => tensors.get(at),
        };
        let Some(found) = found else {
            let held: Vec<i64> = tensors.iter().map(|t| t.idx).collect();
            let expected = format!("a tensor for input '{}'", wanted.name);
            return Err(problem("tensors", expected, format!("indices {held:?}")));
        };
        values(found, wanted)
    };
    let values = wanted.iter().enumerate().map(find);
    let values = values.collect::<Result<Vec<_>, _>>()?;
    let exact = |(wanted, values): (&Wanted<'_>, &Vec<i64>)| Rounding {
        input: wanted.name.to_owned(),
        scale: wanted.scale,
        rounded: 0,
        numbers: values.len(),
    };
    let rounding = wanted.iter().zip(&values).map(exact).collect();
    Ok(Inputs { values, rounding })
}

/// The tensor with an input's index. Two of them would be two inputs for one statement.
fn by_index<'t>(
    tensors: &'t [RawTensor],
    wanted: &Wanted<'_>,
) -> Result<Option<&'t RawTensor>, Problem> {
    let mut found = tensors
        .iter()
        .filter(|t| t.idx.to_string() == wanted.tensor.name);
    let first = found.next();
    if found.next().is_some() {
        let place = format!("tensors with index {}", wanted.tensor.name);
        return Err(problem(place, "one", "more"));
    }
    Ok(first)
}

fn values(found: &RawTensor, wanted: &Wanted<'_>) -> Result<Vec<i64>, Problem> {
    let place = || format!("tensor {}", found.idx);
    let sizes = found.shape.iter().map(|&d| usize::try_from(d).ok());
    let shape: Option<Vec<usize>> = sizes.collect();
    let shape = shape.ok_or_else(|| problem(place(), "a shape", format!("{:?}", found.shape)))?;
    check_shape(wanted, &shape)?;
    if elements(&shape) != Some(found.data.len()) {
        let expected = format!("as many values as shape {shape:?}");
        return Err(problem(place(), expected, found.data.len()));
    }
    let range = wanted.tensor.range;
    match found
        .data
        .iter()
        .position(|v| !(range.lo..=range.hi).contains(v))
    {
        None => Ok(found.data.clone()),
        // Such files hold the integers themselves, so these are the numbers that the user wrote.
        Some(at) => Err(Problem::Range(Box::new(Beyond {
            input: wanted.name.to_owned(),
            place: element(wanted, at),
            value: found
                .data
                .get(at)
                .filter(|_| wanted.shown)
                .map(i64::to_string),
            range: (range.lo as f64, range.hi as f64),
            needed: None,
        }))),
    }
}
