//! What rounding to integers leaves nothing of: weights that are all 0 at a scale, and layers whose result is
//! the same whatever they are given.

use super::model::{Model, Vanished};
use std::collections::BTreeMap;
use zkml_graph::{Op, TensorId, Weights};

/// Units that the largest number should have for the others to count.
const KEPT: f64 = 4.0;

/// The largest of real weights in the integers' units, where all integers are 0.
pub(crate) fn largest_lost(real: impl Iterator<Item = f64>, integers: &[i64]) -> Option<f64> {
    if integers.iter().any(|v| *v != 0) {
        return None;
    }
    let largest = real.fold(0.0f64, |top, v| top.max(v.abs()));
    (largest > 0.0).then_some(largest)
}

/// What vanishes of a model, of whose weights the `lost` ones are 0; nodes read the initialisers `read`.
pub(super) fn of(
    model: &Model,
    lost: &BTreeMap<TensorId, f64>,
    read: &BTreeMap<String, Vec<String>>,
) -> Vec<Vanished> {
    let mut found: Vec<Vanished> = Vec::new();
    for node in &model.graph.nodes {
        let Some(w) = factors(&node.op) else { continue };
        let name = model.graph.tensors.get(w.0).map_or("", |t| t.name.as_str());
        let layer = name.rsplit_once('/').map_or(name, |(layer, _)| layer);
        let named = read.get(layer).or_else(|| read.get(&node.name));
        let names = named.map_or_else(|| name.to_owned(), |names| names.join(", "));
        let at = |largest: f64| {
            let times = (KEPT / largest).log2().ceil().clamp(0.0, 62.0).exp2();
            (model.graph.scale as f64 * times).min(i64::MAX as f64) as i64
        };
        let one = match (lost.get(&w), spread(model, &node.op, &model.weights)) {
            (Some(&largest), _) => Vanished {
                what: format!("weights '{names}' of node '{}' are all 0", node.name),
                scale: at(largest),
            },
            (None, Some(largest)) if largest < 0.5 => Vanished {
                what: format!(
                    "node '{}' with weights '{names}' gives the same for every input",
                    node.name
                ),
                scale: at(largest),
            },
            _ => continue,
        };
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

/// The weights that are multiplied. Offsets that round to 0 change a result by as little as any rounding.
fn factors(op: &Op) -> Option<TensorId> {
    match op {
        Op::Conv { w, .. } | Op::Linear { w, .. } | Op::Parameter { w } => Some(*w),
        Op::Scale { w, .. } => *w,
        _ => None,
    }
}

/// How far from its offsets a layer's result may be, before it is rounded.
fn spread(model: &Model, op: &Op, weights: &Weights) -> Option<f64> {
    let (x, w, rows) = match op {
        Op::Conv { x, w, .. } | Op::Linear { x, w, .. } => {
            let shape = &model.graph.tensors.get(w.0)?.shape;
            (x, w, shape.first().copied()?)
        }
        Op::Scale { x, w: Some(w), .. } => (x, w, weights.get(w)?.len()),
        _ => return None,
    };
    let range = model.graph.tensors.get(x.0)?.range;
    let top = range.lo.unsigned_abs().max(range.hi.unsigned_abs()) as f64;
    let values = weights.get(w)?;
    let row = |row: &[i64]| row.iter().map(|v| v.unsigned_abs() as f64).sum::<f64>();
    let sums = values.chunks((values.len() / rows.max(1)).max(1)).map(row);
    let most = sums.fold(0.0, f64::max) * top / op.divisor() as f64;
    // Weights or inputs that are nothing at all lose nothing.
    (most > 0.0).then_some(most)
}
