//! From the numbers of a file to the graph's integers.

use super::error::{element, problem, Beyond, Problem};
use super::{Inputs, Wanted};
use crate::{quantise, unfit};
use serde::Serialize;
use zkml_graph::ops::elements;

/// A tensor as a file has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Given {
    /// What the file says of its shape; `[]` is one number.
    pub shape: Vec<usize>,
    /// Row-major. Not all of them, where there are more than the model takes.
    pub values: Vec<f64>,
}

/// How an input's integers came from the numbers of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rounding {
    /// Name of the input.
    pub input: String,
    /// Each number was rounded to the nearest multiple of one in so many, half away from zero.
    pub scale: i64,
    /// So many were none before.
    pub rounded: usize,
    /// Of so many.
    pub numbers: usize,
}

impl Rounding {
    /// The rule, in words.
    pub fn words(&self) -> String {
        let Rounding {
            input,
            scale,
            rounded,
            numbers,
        } = self;
        match (scale, rounded) {
            (1, 0) => format!("'{input}': {numbers} whole numbers, none rounded"),
            (_, 0) => format!("'{input}': {numbers} multiples of 1/{scale}, none rounded"),
            _ => format!(
                "'{input}': {rounded} of {numbers} numbers were rounded to the nearest multiple of 1/{scale}, half away from zero"
            ),
        }
    }
}

/// Holds all inputs to what the model declares of them.
pub(super) fn integers(wanted: &[Wanted<'_>], given: &[Given]) -> Result<Inputs, Problem> {
    let mut inputs = Inputs {
        values: Vec::with_capacity(wanted.len()),
        rounding: Vec::with_capacity(wanted.len()),
    };
    for (wanted, given) in wanted.iter().zip(given) {
        check_shape(wanted, &given.shape)?;
        let mut rounded = 0;
        let mut values = Vec::with_capacity(given.values.len());
        for (at, &value) in given.values.iter().enumerate() {
            let integer = integer(wanted, at, value)?;
            // Exact: what is compared with is a double of at most 41 bits.
            rounded += usize::from(integer as f64 != value * wanted.scale as f64);
            values.push(integer);
        }
        let beyond = |v: &i64| !(wanted.tensor.range.lo..=wanted.tensor.range.hi).contains(v);
        if let Some(at) = values.iter().position(beyond) {
            return Err(Problem::Range(Box::new(out_of_range(wanted, at, given))));
        }
        inputs.rounding.push(Rounding {
            input: wanted.name.to_owned(),
            scale: wanted.scale,
            rounded,
            numbers: values.len(),
        });
        inputs.values.push(values);
    }
    Ok(inputs)
}

/// The same shape up to dimensions of 1, or one flat list.
pub(super) fn check_shape(wanted: &Wanted<'_>, got: &[usize]) -> Result<(), Problem> {
    let long = |shape: &[usize]| {
        let long = shape.iter().copied().filter(|&d| d != 1);
        long.collect::<Vec<_>>()
    };
    let count = elements(&wanted.tensor.shape).unwrap_or(0);
    if long(got) == long(&[count]) || long(got) == long(&wanted.tensor.shape) {
        return Ok(());
    }
    let expected = format!(
        "shape {:?}, dimensions of 1 as you like, or a flat list of {count}",
        wanted.shape
    );
    let place = format!("input '{}'", wanted.name);
    Err(problem(place, expected, format!("shape {got:?}")))
}

fn integer(wanted: &Wanted<'_>, at: usize, value: f64) -> Result<i64, Problem> {
    let shown = |hidden: &str| match wanted.shown {
        true => written(value),
        false => hidden.to_owned(),
    };
    if wanted.whole && value.is_finite() && value.fract() != 0.0 {
        let expected = "a whole number, for the model takes integers there";
        let got = shown("a fraction");
        return Err(problem(element(wanted, at), expected, got));
    }
    quantise(value, wanted.scale).ok_or_else(|| {
        let most = (1u64 << 40) as f64 / wanted.scale as f64;
        let expected = format!("a finite number, at most {most} in size");
        let got = shown(unfit(value));
        problem(element(wanted, at), expected, got)
    })
}

/// A number as one writes it: not all digits of a huge one.
fn written(value: f64) -> String {
    match value.abs() < 1e15 {
        true => value.to_string(),
        false => format!("{value:e}"),
    }
}

fn out_of_range(wanted: &Wanted<'_>, at: usize, given: &Given) -> Beyond {
    let scale = wanted.scale as f64;
    let range = wanted.tensor.range;
    let shown = |value: Option<&f64>| {
        let value = value.filter(|_| wanted.shown);
        value.map(|value| written(*value))
    };
    let ends = given
        .values
        .iter()
        .fold((0f64, 0f64), |(lo, hi), &v| (lo.min(v), hi.max(v)));
    Beyond {
        input: wanted.name.to_owned(),
        place: element(wanted, at),
        value: shown(given.values.get(at)),
        range: (range.lo as f64 / scale, range.hi as f64 / scale),
        needed: wanted.shown.then_some(ends),
    }
}
