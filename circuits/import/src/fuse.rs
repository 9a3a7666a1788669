//! Fusion: what a producer with one reader can do itself.

use super::{Draft, ImportError};
use zkml_graph::range::MAX_ACTIVATION_BITS;
use zkml_graph::{Clamp, Graph, Node, Op, TensorId};

/// How often each tensor is read, outputs of the graph included.
pub(super) fn readers(graph: &Graph) -> Vec<usize> {
    let mut counts = vec![0usize; graph.tensors.len()];
    let operands = graph.nodes.iter().flat_map(|n| n.op.operands());
    for id in operands.chain(graph.outputs.iter().copied()) {
        if let Some(count) = counts.get_mut(id.0) {
            *count += 1;
        }
    }
    counts
}

/// Clamps into their producers, offsets into the products before them.
///
/// All of these are exact: no intermediate rounding appears or disappears.
pub(super) fn activations_and_biases<W: Copy>(draft: &mut Draft<W>) {
    let counts = readers(&draft.graph);
    let mut producer: Vec<Option<usize>> = vec![None; draft.graph.tensors.len()];
    let mut kept: Vec<Node> = Vec::with_capacity(draft.graph.nodes.len());
    for node in std::mem::take(&mut draft.graph.nodes) {
        let x = match &node.op {
            Op::Scale { x, w: None, .. } => Some(*x),
            op => op.only_clamps().map(|(x, _)| x),
        };
        let at = x
            .filter(|x| counts.get(x.0) == Some(&1))
            .and_then(|x| producer.get(x.0).copied().flatten());
        let merged = at.and_then(|at| Some((at, merge(&kept.get(at)?.op, &node.op)?)));
        let at = match merged {
            Some((at, op)) => {
                if let Some(before) = kept.get_mut(at) {
                    before.op = op;
                    before.output = node.output;
                }
                at
            }
            None => {
                kept.push(node.clone());
                kept.len() - 1
            }
        };
        if let Some(slot) = producer.get_mut(node.output.0) {
            *slot = Some(at);
        }
    }
    draft.graph.nodes = kept;
}

/// `after` applied to `before`, as one operation.
fn merge(before: &Op, after: &Op) -> Option<Op> {
    let mut merged = before.clone();
    if let Some((_, outer)) = after.only_clamps() {
        // Bounds from above alone are no clamps of products: they have a circuit of their own.
        if outer.hi.is_some() && outer.lo < -(1 << MAX_ACTIVATION_BITS) {
            return None;
        }
        let (Op::Conv { clamp, .. }
        | Op::Linear { clamp, .. }
        | Op::Scale { clamp, .. }
        | Op::Combine { clamp, .. }
        | Op::Mul { clamp, .. }
        | Op::MatMul { clamp, .. }) = &mut merged
        else {
            return None;
        };
        *clamp = Some(clamp.map_or(outer, |inner| compose(inner, outer)));
        return Some(merged);
    }
    match (&mut merged, after) {
        (
            Op::Conv {
                bias: bias @ None,
                clamp: clamp @ None,
                ..
            }
            | Op::Linear {
                bias: bias @ None,
                clamp: clamp @ None,
                ..
            }
            | Op::Scale {
                bias: bias @ None,
                clamp: clamp @ None,
                ..
            },
            Op::Scale {
                w: None,
                bias: offset,
                clamp: outer,
                ..
            },
        ) => {
            *bias = *offset;
            *clamp = *outer;
        }
        _ => return None,
    }
    Some(merged)
}

fn compose(inner: Clamp, outer: Clamp) -> Clamp {
    let hi = inner.hi.map(|hi| outer.apply(hi)).or(outer.hi);
    Clamp {
        lo: outer.apply(inner.lo),
        hi,
    }
}

/// A convolution whose kernel covers the whole image is a matrix product.
pub(super) fn full_convolutions<W: Copy>(draft: &mut Draft<W>) -> Result<(), ImportError> {
    let counts = readers(&draft.graph);
    let nodes = std::mem::take(&mut draft.graph.nodes);
    for node in nodes {
        let Op::Conv {
            x,
            w,
            bias,
            window,
            groups: 1,
            div,
            clamp,
        } = &node.op
        else {
            draft.graph.nodes.push(node);
            continue;
        };
        let [c, height, width] = draft.shape(*x) else {
            draft.graph.nodes.push(node);
            continue;
        };
        let taps = c * height * width;
        let covers = window.kernel == [*height, *width] && window.pads == [0; 4];
        if !covers || counts.get(w.0) != Some(&1) {
            draft.graph.nodes.push(node);
            continue;
        }
        let out = draft.shape(*w).first().copied().unwrap_or(0);
        flatten_weight(&mut draft.graph, *w, out, taps);
        let x = draft.reshape(&format!("{}/in", node.name), *x, vec![taps])?;
        let op = Op::Linear {
            x,
            w: *w,
            bias: *bias,
            div: *div,
            clamp: *clamp,
        };
        let y = draft.node(&node.name, op)?;
        let op = Op::Reshape { x: y };
        draft.graph.nodes.push(Node {
            name: format!("{}/out", node.name),
            op,
            ..node
        });
    }
    Ok(())
}

fn flatten_weight(graph: &mut Graph, w: TensorId, rows: usize, columns: usize) {
    if let Some(tensor) = graph.tensors.get_mut(w.0) {
        tensor.shape = vec![rows, columns];
    }
}

/// Factors and offsets for each channel into the convolution or product before them: one rounding
/// less. For real weights only, because it changes what is rounded.
pub(super) fn scales_into_products(draft: &mut Draft<f64>) {
    let counts = readers(&draft.graph);
    let mut producer: Vec<Option<usize>> = vec![None; draft.graph.tensors.len()];
    let mut kept: Vec<Node> = Vec::with_capacity(draft.graph.nodes.len());
    for node in std::mem::take(&mut draft.graph.nodes) {
        let at = match &node.op {
            Op::Scale { x, .. } if counts.get(x.0) == Some(&1) => {
                producer.get(x.0).copied().flatten()
            }
            _ => None,
        };
        let folded = at.and_then(|at| {
            let before = kept.get_mut(at)?;
            before.op = fold_scale(draft, &before.op, &node, &counts)?;
            before.output = node.output;
            Some(at)
        });
        let at = folded.unwrap_or_else(|| {
            kept.push(node.clone());
            kept.len() - 1
        });
        if let Some(slot) = producer.get_mut(node.output.0) {
            *slot = Some(at);
        }
    }
    draft.graph.nodes = kept;
}

fn fold_scale(draft: &mut Draft<f64>, before: &Op, scale: &Node, counts: &[usize]) -> Option<Op> {
    let mut op = before.clone();
    let (Op::Conv {
        w,
        bias,
        div,
        clamp: clamp @ None,
        ..
    }
    | Op::Linear {
        w,
        bias,
        div,
        clamp: clamp @ None,
        ..
    }) = &mut op
    else {
        return None;
    };
    let Op::Scale {
        w: factors,
        bias: offsets,
        clamp: outer,
        ..
    } = &scale.op
    else {
        return None;
    };
    // Integer weights are exact, and would be none after a factor.
    if *div == 1 && factors.is_some() {
        return None;
    }
    let own = |id: TensorId| counts.get(id.0).is_none_or(|&n| n == 1);
    if !own(*w) || bias.is_some_and(|b| !own(b)) {
        return None;
    }
    let channels = draft.shape(*w).first().copied()?;
    let read = |id: &Option<TensorId>, default: f64| match id {
        Some(id) => draft.weights.get(id).cloned().unwrap_or_default(),
        None => vec![default; channels],
    };
    let (factors, offsets, inner) = (read(factors, 1.0), read(offsets, 0.0), read(bias, 0.0));
    // `Linear` has its channels in the only dimension of its output, as `Scale` does.
    if [&factors, &offsets, &inner]
        .iter()
        .any(|v| v.len() != channels)
    {
        return None;
    }
    let values = draft.weights.get_mut(w)?;
    let row = (values.len() / channels.max(1)).max(1);
    for (row, factor) in values.chunks_mut(row).zip(&factors) {
        row.iter_mut().for_each(|v| *v *= factor);
    }
    let combined = inner
        .iter()
        .zip(&factors)
        .zip(&offsets)
        .map(|((b, f), o)| b * f + o)
        .collect();
    let name = format!("{}/folded", scale.name);
    *bias = Some(draft.weight(&name, vec![channels], combined).ok()?);
    *clamp = *outer;
    Some(op)
}
