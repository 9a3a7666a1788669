//! Categories: numbers for numbers, and features put together.

use super::{Handler, Importer, OnnxNode, Results};
use crate::onnx::value::{Array, Type, Value};
use crate::ImportError;
use zkml_graph::Defined;

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "ArrayFeatureExtractor" => extractor,
        "FeatureVectorizer" => vectorizer,
        "OneHotEncoder" => one_hot,
        "LabelEncoder" => labels,
        "ZipMap" => scores,
        _ => return None,
    })
}

/// Elements along the last dimension by index; one dimension is one row.
fn extractor(importer: &mut Importer, node: &OnnxNode) -> Results {
    let (x, indices) = (importer.input(node, 0)?, importer.input(node, 1)?);
    let x = match *x.shape() {
        [size] => importer.reshape_to(&x, vec![1, size])?,
        _ => x,
    };
    let axis = x.rank().saturating_sub(1);
    let last = i64::try_from(x.size(axis)).unwrap_or(i64::MAX) - 1;
    let indices = match &indices {
        // They do not count from the end here.
        Value::Constant(array) if array.values.iter().any(|&v| v < 0.0) => {
            return Err(node.bad(
                "input 1",
                format!("indices from 0 to {last}"),
                "a negative one",
            ));
        }
        Value::Constant(_) => indices,
        Value::Data(data) => importer
            .checked(data, 0, Some(last), Defined::Index)?
            .into(),
    };
    let indices = importer.reshape_to(&indices, vec![indices.count()])?;
    Ok(vec![importer.chosen_along(&x, &indices, axis)?])
}

fn vectorizer(importer: &mut Importer, node: &OnnxNode) -> Results {
    let sizes = node.integers("inputdimensions");
    let mut parts = Vec::new();
    for at in 0..node.proto.input.len() {
        let x = importer.rows(node, at)?.typed(Type::Real);
        let stated = sizes.get(at).copied().and_then(|v| usize::try_from(v).ok());
        if stated.is_some_and(|size| size != x.size(1)) {
            let expected = format!("{} for input {at}, as it has", x.size(1));
            return Err(node.bad(
                "attribute 'inputdimensions'",
                expected,
                format!("{sizes:?}"),
            ));
        }
        parts.push(x);
    }
    Ok(vec![importer.joined(&parts, 1)?])
}

/// A dimension of one number for each category more.
fn one_hot(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let categories = node.integers("cats_int64s");
    if categories.is_empty() {
        let got = format!("{} words", node.texts("cats_strings").len());
        return Err(node.bad(
            "attribute 'cats_int64s'",
            "numbers (words are not supported)",
            got,
        ));
    }
    let x = importer.cast(&x, Type::INDEX)?;
    let keys: Vec<f64> = categories.iter().map(|&v| v as f64).collect();
    let found = importer.found(&x, &keys)?;
    if node.int("zeros", 1) != 0 {
        return Ok(vec![found.typed(Type::Real)]);
    }
    // What is none of them is not defined. The rest is 0, which is added so that it is checked.
    let count = importer.sum_last(&found, 1)?;
    let rest = importer.sub(&count, &Value::int(1))?;
    let rest = match &rest {
        Value::Data(data) => importer.checked(data, 0, Some(0), Defined::Index)?.into(),
        Value::Constant(array) if array.values.iter().any(|&v| v != 0.0) => {
            return Err(node.bad("input 0", "one of the categories", "another number"));
        }
        Value::Constant(_) => rest,
    };
    let rest = importer.unsqueezed_at(&rest, x.rank())?;
    Ok(vec![importer.add(&found, &rest)?.typed(Type::Real)])
}

/// Numbers for numbers, by a list; a default for what is not in it.
fn labels(importer: &mut Importer, node: &OnnxNode) -> Results {
    let words = ["keys_strings", "values_strings", "classes_strings"];
    if let Some(word) = words.iter().find(|w| node.attribute(w).is_some()) {
        return Err(node.bad(&format!("attribute '{word}'"), "numbers", "words"));
    }
    let x = importer.input(node, 0)?;
    let (keys, (values, attribute)) = (list(node, "keys")?.0, list(node, "values")?);
    if keys.values.len() != values.values.len() || keys.values.is_empty() {
        let expected = format!("{} values, one for each key", keys.values.len());
        return Err(node.bad("keys and values", expected, values.values.len()));
    }
    let default = match node.tensor("default_tensor")? {
        Some(array) => array.values.first().copied().unwrap_or(0.0),
        None if values.ty.is_real() => node.float("default_float", 0.0),
        None => node.int("default_int64", -1) as f64,
    };
    let ty = values.ty;
    let steps = values.values.iter().map(|v| v - default).collect();
    let steps = Array::public(vec![values.values.len(), 1], steps, ty);
    let steps = importer.learned(node, &attribute, steps)?;
    // The first of equal keys counts.
    let mut known: Vec<f64> = Vec::new();
    let mut first = Vec::new();
    for (at, &key) in keys.values.iter().enumerate() {
        if !known.contains(&key) {
            known.push(key);
            first.push(at);
        }
    }
    let steps = importer.take(&steps.into(), 0, first)?;
    let found = importer.found(&x, &known)?;
    let steps = match found {
        Value::Data(_) => importer.data(&steps)?.into(),
        Value::Constant(_) => steps,
    };
    let part = importer.matmul_of(&found, &steps)?;
    let part = importer.reshape_to(&part, x.shape().to_vec())?;
    let default = Array::scalar(default, ty).into();
    Ok(vec![importer.add(&part, &default)?.typed(ty)])
}

/// The numbers of one of the attributes `NAME_int64s`, `NAME_floats` and `NAME_tensor`, and which it is.
fn list(node: &OnnxNode, name: &str) -> Result<(Array, String), ImportError> {
    if let Some(array) = node.tensor(&format!("{name}_tensor"))? {
        return Ok((array, format!("{name}_tensor")));
    }
    let (integers, reals) = (format!("{name}_int64s"), format!("{name}_floats"));
    let (values, ty, from) = match node.integers(&integers) {
        [] => (node.reals(&reals)?, Type::Real, reals),
        some => (
            some.iter().map(|&v| v as f64).collect(),
            Type::INDEX,
            integers,
        ),
    };
    Ok((Array::public(vec![values.len()], values, ty), from))
}

/// A sequence of maps from labels to scores is the scores: one row for each map, in the order of the labels.
fn scores(importer: &mut Importer, node: &OnnxNode) -> Results {
    Ok(vec![importer.input(node, 0)?])
}

impl Importer {
    /// `[.., keys]` of booleans: whether an element is each of these numbers, as the graph rounds them.
    fn found(&mut self, x: &Value, keys: &[f64]) -> Result<Value, ImportError> {
        let column = self.unsqueezed_at(x, x.rank())?;
        let keys = Array::public(vec![keys.len()], keys.to_vec(), x.ty());
        self.equal(&column, &keys.into())
    }
}
