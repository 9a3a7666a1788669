//! Which inputs are indices, such as the ids of tokens, and into how many things: so many are all that can be chosen
//! from, whatever else the file does with them.

use super::schema::{GraphProto, NodeProto};
use std::collections::HashMap;
use zkml_graph::Interval;

/// Where the values of inputs lie that choose from known tables: from −size to size − 1.
pub(super) fn bounds(graph: &GraphProto) -> HashMap<String, Interval> {
    let mut tables: HashMap<&str, Vec<i64>> = HashMap::new();
    for tensor in &graph.initializer {
        tables.insert(&tensor.name, tensor.dims.clone());
    }
    let inputs = graph.input.iter().map(|info| info.name.as_str());
    let inputs = inputs.filter(|name| !tables.contains_key(name));
    // Which input all values of a name are those of.
    let mut same: HashMap<&str, &str> = inputs.map(|name| (name, name)).collect();
    let mut bounds: HashMap<String, Interval> = HashMap::new();
    for node in &graph.node {
        let operand = |at: usize| node.input.get(at).map_or("", String::as_str);
        let output = node.output.first().map_or("", String::as_str);
        if let Some(size) = chosen_from(node, tables.get(operand(0))) {
            if let Some(input) = same.get(operand(1)) {
                let all = Interval {
                    lo: -size,
                    hi: size - 1,
                };
                let known = bounds.entry((*input).to_owned()).or_insert(all);
                known.lo = known.lo.max(all.lo);
                known.hi = known.hi.min(all.hi);
            }
        }
        match node.op_type.as_str() {
            "Identity" | "Cast" | "DequantizeLinear" => {
                if let Some(shape) = tables.get(operand(0)).cloned() {
                    tables.insert(output, shape);
                }
            }
            _ => {}
        }
        if keeps_values(node) {
            if let Some(input) = same.get(operand(0)).copied() {
                same.insert(output, input);
            }
        }
    }
    bounds
}

/// The number of things that a node's second operand chooses from, if it does and that is known.
fn chosen_from(node: &NodeProto, table: Option<&Vec<i64>>) -> Option<i64> {
    if !matches!(node.op_type.as_str(), "Gather" | "GatherElements") {
        return None;
    }
    let shape = table?;
    let axis = node.attribute.iter().find(|a| a.name == "axis");
    let axis = axis.map_or(0, |a| a.i);
    let rank = i64::try_from(shape.len()).ok()?;
    let axis = if axis < 0 { axis + rank } else { axis };
    let size = shape.get(usize::try_from(axis).ok()?).copied()?;
    (1..=1 << 40).contains(&size).then_some(size)
}

/// Whether a node's output has every value of its first operand, and no other.
fn keeps_values(node: &NodeProto) -> bool {
    /// Integers that hold every index: `TensorProto.DataType`.
    const WIDE: [i64; 2] = [6, 7];
    match node.op_type.as_str() {
        "Identity" | "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "Transpose" => true,
        "Cast" => {
            let to = node.attribute.iter().find(|a| a.name == "to");
            to.is_some_and(|to| WIDE.contains(&to.i))
        }
        _ => false,
    }
}
