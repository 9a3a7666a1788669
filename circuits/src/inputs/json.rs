//! JSON: nested lists of numbers, or ezkl's `{"input_data": [[…]]}`.

use super::{problem, Problem};
use serde_json::Value;

/// One flat list for each input.
pub(super) fn parse(bytes: &[u8], inputs: usize) -> Result<Vec<Vec<f64>>, Problem> {
    let value: Value = serde_json::from_slice(bytes).map_err(|e| {
        problem(
            "JSON",
            "nested lists of numbers, or {\"input_data\": [[…]]}",
            e,
        )
    })?;
    let mut listed = false;
    let value = match value {
        Value::Object(mut map) => {
            listed = true;
            let keys = map.keys().cloned().collect::<Vec<_>>().join(", ");
            let data = map.remove("input_data");
            data.ok_or_else(|| problem("JSON", "a key input_data", format!("keys {keys}")))?
        }
        other => other,
    };
    let Value::Array(items) = value else {
        return Err(problem("JSON", "a list", kind(&value)));
    };
    // A bare list is the one input itself.
    if inputs == 1 && !(listed && items.len() == 1) {
        let mut flat = Vec::new();
        flatten(&Value::Array(items), "", &mut flat)?;
        return Ok(vec![flat]);
    }
    if items.len() != inputs {
        return Err(problem(
            "JSON",
            format!("a list for each of {inputs} inputs"),
            items.len(),
        ));
    }
    let one = |(at, item): (usize, &Value)| {
        let mut flat = Vec::new();
        flatten(item, &format!("[{at}]"), &mut flat)?;
        Ok(flat)
    };
    items.iter().enumerate().map(one).collect()
}

fn flatten(value: &Value, place: &str, flat: &mut Vec<f64>) -> Result<(), Problem> {
    match value {
        Value::Number(n) => {
            flat.push(
                n.as_f64()
                    .ok_or_else(|| problem(place, "a number", "one of more than 64 bits"))?,
            );
            Ok(())
        }
        Value::Bool(b) => {
            flat.push(f64::from(u8::from(*b)));
            Ok(())
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(i, item)| match item {
                // Without a path for each number: there may be millions.
                Value::Number(n) if n.is_f64() => {
                    flat.push(n.as_f64().unwrap_or(f64::NAN));
                    Ok(())
                }
                item => flatten(item, &format!("{place}[{i}]"), flat),
            }),
        other => Err(problem(
            format!("JSON element {place}"),
            "a number, a boolean or a list",
            kind(other),
        )),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
