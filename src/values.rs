//! Values and statements as text and as JSON.

use crate::ui::Ui;
use anyhow::Result;
use serde_json::{json, Value};
use zkml_graph::{Graph, TensorId};
use zkml_import::{Port, Source};
use zkml_model::prove::{Architecture, Exposure, Statement};

/// Values of one tensor that are listed before the rest is only counted.
const LISTED: usize = 64;

/// The index of the largest value, the first of equals; `None` for one value, and for images and batches:
/// scores have one dimension.
pub fn class(values: &[i64], shape: &[usize]) -> Option<usize> {
    if shape.iter().filter(|size| **size > 1).count() != 1 {
        return None;
    }
    let largest = values.iter().max()?;
    values.iter().position(|value| value == largest)
}

/// A tensor's name and shape.
pub fn tensor(graph: &Graph, id: TensorId) -> (String, Vec<usize>) {
    graph
        .tensors
        .get(id.0)
        .map_or_else(Default::default, |tensor| {
            (tensor.name.clone(), tensor.shape.clone())
        })
}

/// An input's name in the model's file.
pub fn input_name(graph: &Graph, source: &Source, at: usize) -> String {
    named(source.inputs.get(at), graph, graph.inputs.get(at))
}

/// An output's name in the model's file. The graph's tensors are named after nodes.
pub fn output_name(graph: &Graph, source: &Source, at: usize) -> String {
    named(source.outputs.get(at), graph, graph.outputs.get(at))
}

fn named(port: Option<&Port>, graph: &Graph, id: Option<&TensorId>) -> String {
    match (port, id) {
        (Some(port), _) => port.name.clone(),
        (None, Some(id)) => tensor(graph, *id).0,
        (None, None) => String::new(),
    }
}

/// The names of all inputs and outputs, as JSON.
pub fn names_json(graph: &Graph, source: &Source) -> Value {
    let all = |count: usize, name: fn(&Graph, &Source, usize) -> String| -> Vec<String> {
        (0..count).map(|at| name(graph, source, at)).collect()
    };
    json!({
        "inputs": all(graph.inputs.len(), input_name),
        "outputs": all(graph.outputs.len(), output_name),
    })
}

/// A shape as `1×28×28`.
pub fn shape(dimensions: &[usize]) -> String {
    let sizes: Vec<String> = dimensions.iter().map(usize::to_string).collect();
    if sizes.is_empty() {
        "scalar".into()
    } else {
        sizes.join("×")
    }
}

/// Prints an output as `final out[5] x: 6614 (12.91796875)`, and its class.
pub fn say_output(
    ui: &Ui,
    (values, shape): (&[i64], &[usize]),
    scale: i64,
    limit: usize,
) -> Result<()> {
    for (i, value) in values.iter().take(limit).enumerate() {
        ui.say(format_args!(
            "final out[{i}] x: {value} ({})",
            real(*value, scale)
        ))?;
    }
    if values.len() > limit {
        ui.say(format_args!(
            "… and {} more (--json prints all)",
            values.len() - limit
        ))?;
    }
    if let Some(class) = class(values, shape) {
        ui.say(format_args!("class: {class}"))?;
    }
    Ok(())
}

/// The scale of an output: integers have 1.
pub fn output_scale(graph: &Graph, source: &Source, at: usize) -> i64 {
    let port = source.outputs.get(at);
    port.map_or(graph.scale, |port| port.scale_or(graph.scale))
}

/// All outputs, each with its name where there are several.
pub fn say_outputs(ui: &Ui, graph: &Graph, source: &Source, outputs: &[Vec<i64>]) -> Result<()> {
    for (at, (id, values)) in graph.outputs.iter().zip(outputs).enumerate() {
        let (_, shape) = tensor(graph, *id);
        if graph.outputs.len() > 1 {
            let name = output_name(graph, source, at);
            ui.say(format_args!("output '{name}'"))?;
        }
        say_output(
            ui,
            (values, &shape),
            output_scale(graph, source, at),
            usize::MAX,
        )?;
    }
    Ok(())
}

/// All outputs as JSON.
pub fn outputs_json(graph: &Graph, source: &Source, outputs: &[Vec<i64>]) -> Value {
    let one = |(at, (id, values)): (usize, (&TensorId, &Vec<i64>))| {
        let (_, shape) = tensor(graph, *id);
        let name = output_name(graph, source, at);
        let scale = output_scale(graph, source, at);
        let reals: Vec<f64> = values.iter().map(|v| real(*v, scale)).collect();
        let class = class(values, &shape);
        json!({ "name": name, "shape": shape, "values": values, "reals": reals, "class": class })
    };
    graph
        .outputs
        .iter()
        .zip(outputs)
        .enumerate()
        .map(one)
        .collect()
}

/// The real number that an integer stands for.
pub fn real(value: i64, scale: i64) -> f64 {
    value as f64 / scale as f64
}

/// The class that a statement shows, if it has one public output.
pub fn stated_class(architecture: &Architecture, statement: &Statement) -> Option<usize> {
    let graph = &architecture.graph;
    match (statement.outputs.as_slice(), graph.outputs.as_slice()) {
        ([Exposure::Public(values)], [id]) => class(values, &tensor(graph, *id).1),
        _ => None,
    }
}

/// Prints a statement: what everybody sees. `compared` says whether C was compared.
pub fn say_statement(
    ui: &Ui,
    architecture: &Architecture,
    statement: &Statement,
    compared: Option<&str>,
) -> Result<()> {
    let (graph, source) = (&architecture.graph, &architecture.source);
    ui.say(format_args!("model commitment C  {}", statement.commitment))?;
    if let Some(compared) = compared {
        ui.say(format_args!("                    {compared}"))?;
    }
    ui.say(format_args!("context             {}", statement.context))?;
    for (at, (id, exposure)) in graph.inputs.iter().zip(&statement.inputs).enumerate() {
        let name = input_name(graph, source, at);
        ui.say(describe("input F ", &name, &tensor(graph, *id).1, exposure))?;
    }
    for (at, (id, exposure)) in graph.outputs.iter().zip(&statement.outputs).enumerate() {
        let (_, shape) = tensor(graph, *id);
        let name = output_name(graph, source, at);
        ui.say(describe("output O", &name, &shape, exposure))?;
        if let Exposure::Public(values) = exposure {
            let scale = output_scale(graph, source, at);
            say_output(ui, (values, &shape), scale, LISTED)?;
        }
    }
    Ok(())
}

fn describe(role: &str, name: &str, dimensions: &[usize], exposure: &Exposure) -> String {
    let seen = match exposure {
        Exposure::Public(values) => format!("public, {} values", values.len()),
        Exposure::Hashed(digest) => format!("hashed, {digest}"),
        Exposure::Private => "private".to_owned(),
    };
    format!("{role}            '{name}' {}: {seen}", shape(dimensions))
}

/// A number with separators between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_the_first_largest() {
        assert_eq!(class(&[5], &[1]), None);
        assert_eq!(class(&[-3, -1, -1], &[3]), Some(1));
        assert_eq!(class(&[-3, -1, -1], &[1, 1, 3]), Some(1));
    }

    #[test]
    fn images_and_batches_have_no_class() {
        assert_eq!(class(&[1, 2, 3, 4], &[2, 2]), None);
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1234), "1,234");
        assert_eq!(grouped(16_777_216), "16,777,216");
    }
}
