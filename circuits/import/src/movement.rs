//! Transposes and reshapes: as few as possible.

use super::Draft;
use std::collections::BTreeMap;
use zkml_graph::movement::transposed_indices;
use zkml_graph::{Graph, Node, Op, TensorId};

/// Whether transposing by `perm` leaves every element where it was.
fn moves_nothing(shape: &[usize], perm: &[usize]) -> bool {
    let long: Vec<usize> = perm
        .iter()
        .copied()
        .filter(|&p| shape.get(p).is_some_and(|&d| d > 1))
        .collect();
    long.windows(2).all(|pair| pair.first() < pair.last())
}

/// Composes chains of transposes and of reshapes, turns transposes that move nothing into
/// reshapes, and drops what is then the identity.
pub(super) fn simplify<W: Copy>(draft: &mut Draft<W>) {
    let graph = &mut draft.graph;
    let shapes: Vec<Vec<usize>> = graph.tensors.iter().map(|t| t.shape.clone()).collect();
    let shape = |id: TensorId| shapes.get(id.0).map_or(&[][..], Vec::as_slice);
    // What a tensor is the same as, and the operation that moves elements to make it.
    let mut same: Vec<TensorId> = (0..shapes.len()).map(TensorId).collect();
    let mut moved: BTreeMap<TensorId, Op> = BTreeMap::new();
    for node in &mut graph.nodes {
        node.op
            .map_operands(|id| same.get(id.0).copied().unwrap_or(id));
        let mut op = node.op.clone();
        if let Op::Transpose { x, perm } = &op {
            if let Some(Op::Transpose {
                x: base,
                perm: inner,
            }) = moved.get(x)
            {
                let perm = perm.iter().filter_map(|&p| inner.get(p).copied()).collect();
                op = Op::Transpose { x: *base, perm };
            }
        }
        if let Op::Transpose { x, perm } = &op {
            if moves_nothing(shape(*x), perm) {
                op = Op::Reshape { x: *x };
            }
        }
        if let Op::Reshape { x } = &op {
            let base = match moved.get(x) {
                Some(Op::Reshape { x: base }) => *base,
                _ => *x,
            };
            op = Op::Reshape { x: base };
            if shape(base) == shape(node.output) {
                if let Some(slot) = same.get_mut(node.output.0) {
                    *slot = base;
                }
            }
        }
        if matches!(op, Op::Transpose { .. } | Op::Reshape { .. }) {
            moved.insert(node.output, op.clone());
        }
        node.op = op;
    }
    for id in &mut graph.outputs {
        *id = same.get(id.0).copied().unwrap_or(*id);
    }
}

/// `Linear(Reshape(Transpose(y)))` reads `y` itself, with the columns of its weights permuted.
pub(super) fn absorb_into_linear<W: Copy>(draft: &mut Draft<W>) {
    let made: BTreeMap<TensorId, Op> = draft
        .graph
        .nodes
        .iter()
        .map(|n| (n.output, n.op.clone()))
        .collect();
    let counts = super::fuse::readers(&draft.graph);
    let shapes: Vec<Vec<usize>> = draft
        .graph
        .tensors
        .iter()
        .map(|t| t.shape.clone())
        .collect();
    let mut nodes: Vec<Node> = Vec::with_capacity(draft.graph.nodes.len());
    for mut node in std::mem::take(&mut draft.graph.nodes) {
        if let Op::Linear { x, w, .. } = &mut node.op {
            let flat = match made.get(x) {
                Some(Op::Reshape { x }) => Some(*x),
                _ => None,
            };
            if let Some((base, perm)) = flat.and_then(|id| match made.get(&id) {
                Some(Op::Transpose { x, perm }) => Some((*x, perm)),
                _ => None,
            }) {
                let shape = shapes.get(base.0).map_or(&[][..], Vec::as_slice);
                let order = transposed_indices(shape, perm);
                let own = counts.get(w.0) == Some(&1);
                if let Some(values) = draft.weights.get_mut(w).filter(|_| own) {
                    for row in values.chunks_mut(order.len().max(1)) {
                        let old = row.to_vec();
                        for (&to, v) in order.iter().zip(old) {
                            if let Some(slot) = row.get_mut(to) {
                                *slot = v;
                            }
                        }
                    }
                    let name = format!("{}/in", node.name);
                    if let Ok(id) = draft.reshape(&name, base, vec![order.len()]) {
                        *x = id;
                    }
                    // `reshape` appended its node, if one was needed.
                    nodes.append(&mut draft.graph.nodes);
                }
            }
        }
        nodes.push(node);
    }
    draft.graph.nodes = nodes;
}

/// Drops nodes and tensors that no output depends on, and renumbers.
pub(super) fn compact<W>(draft: &mut Draft<W>) {
    let graph = &mut draft.graph;
    let mut used = vec![false; graph.tensors.len()];
    let mark = |used: &mut [bool], id: TensorId| {
        if let Some(slot) = used.get_mut(id.0) {
            *slot = true;
        }
    };
    for &id in graph.inputs.iter().chain(&graph.outputs) {
        mark(&mut used, id);
    }
    let mut nodes = std::mem::take(&mut graph.nodes);
    nodes.reverse();
    nodes.retain(|node| {
        let keep = used.get(node.output.0).copied().unwrap_or(false);
        if keep {
            node.op
                .operands()
                .into_iter()
                .for_each(|id| mark(&mut used, id));
        }
        keep
    });
    nodes.reverse();
    renumber(graph, nodes, &used, &mut draft.weights);
}

fn renumber<W>(
    graph: &mut Graph,
    mut nodes: Vec<Node>,
    used: &[bool],
    weights: &mut BTreeMap<TensorId, Vec<W>>,
) {
    let mut next = 0usize;
    let numbers: Vec<TensorId> = used
        .iter()
        .map(|&used| {
            let id = TensorId(next);
            next += usize::from(used);
            id
        })
        .collect();
    let renamed = |id: TensorId| numbers.get(id.0).copied().unwrap_or(id);
    let is_used = |id: TensorId| used.get(id.0).copied().unwrap_or(false);
    let tensors = std::mem::take(&mut graph.tensors);
    graph.tensors = tensors
        .into_iter()
        .zip(used)
        .filter(|(_, &used)| used)
        .map(|(t, _)| t)
        .collect();
    for node in &mut nodes {
        node.op.map_operands(renamed);
        node.output = renamed(node.output);
    }
    graph.nodes = nodes;
    for id in graph.inputs.iter_mut().chain(&mut graph.outputs) {
        *id = renamed(*id);
    }
    let kept = std::mem::take(weights)
        .into_iter()
        .filter(|(id, _)| is_used(*id));
    *weights = kept.map(|(id, values)| (renamed(id), values)).collect();
}
