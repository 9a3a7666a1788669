//! Matrices of weights, where weights are, and the intervals that they are stored in.

use super::{block::Geometry, home::Limb};
use zkml_graph::{Graph, Interval, Role};

/// Weights laid out as segments (one per input term) of channels.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// Limbs of the stored value.
    pub limbs: Vec<Limb>,
    /// Offset of the stored value.
    pub offset: i64,
    /// Geometry: folded along channels.
    pub geometry: Geometry,
    /// Channels up to the last that has weights; the rest of a segment is zero.
    pub channels: usize,
}

/// Where the weights of a tensor are: limbs, and for each element its place in them.
#[derive(Clone, Debug)]
pub struct WeightHome {
    pub(super) limbs: Vec<Limb>,
    pub(super) places: Vec<Option<usize>>,
}

/// The interval that each weight tensor is stored in: the smallest signed one of whole bits that holds the
/// declared ranges of all tensors that any chain of nodes puts into matrices with it.
pub fn stored_ranges(graph: &Graph) -> Vec<Interval> {
    // Each tensor's way to the one that stands for its group.
    let mut way: Vec<usize> = (0..graph.tensors.len()).collect();
    fn end(way: &[usize], mut at: usize) -> usize {
        while let Some(&next) = way.get(at).filter(|next| **next != at) {
            at = next;
        }
        at
    }
    for node in &graph.nodes {
        let group = node.op.weight_operands();
        for (a, b) in group.iter().zip(group.iter().skip(1)) {
            let [a, b] = [a, b].map(|id| end(&way, id.0));
            // To the smaller one: ways have an end.
            if let Some(step) = way.get_mut(a.max(b)) {
                *step = a.min(b);
            }
        }
    }
    let ends: Vec<usize> = (0..way.len()).map(|at| end(&way, at)).collect();
    let mut ranges = vec![Interval { lo: -1, hi: 0 }; way.len()];
    for (tensor, &end) in graph.tensors.iter().zip(&ends) {
        if let Some(all) = ranges.get_mut(end).filter(|_| tensor.role == Role::Weight) {
            *all = all.union(tensor.range);
        }
    }
    let signed = |widest: Interval| {
        let mut all = Interval { lo: -1, hi: 0 };
        // At the ends of 64 bits, which declared ranges are far from (`Graph::validate`), it holds them all.
        while widest.lo < all.lo || widest.hi > all.hi {
            all = Interval {
                lo: all.lo.saturating_mul(2),
                hi: all.hi.saturating_mul(2).saturating_add(1),
            };
        }
        all
    };
    ends.into_iter().map(|end| signed(ranges[end])).collect()
}
