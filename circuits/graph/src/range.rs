//! Interval propagation: a static bound for every value that the circuit will hold.
//!
//! Propagation uses the weights themselves, channel by channel. What is stored is the union over
//! channels, rounded outward to a power-of-two width, because the graph is public and exact
//! bounds would say much about the weights.
//!
//! Operations that read tensors where they lie also compute on cells that hold no element: zeros, sums
//! that nobody reads, or what was computed from these. Bounds of such cells are propagated beside those of
//! elements, whose bounds decide about domains and overflow alone.

#![deny(clippy::arithmetic_side_effects)]

mod error;
mod known;
mod step;

pub use error::RangeError;

use super::ops::saturate;
use super::{Clamp, Graph, Interval, Weights};
pub use known::Known;
use step::Step;

/// Activations and inputs lie in `[-2^40, 2^40 - 1]`.
pub const MAX_ACTIVATION_BITS: u32 = 40;

/// Weights lie in `[-2^60, 2^60 - 1]`: sums of 2^26 products with activations fit 128 bits.
pub const MAX_WEIGHT_BITS: u32 = 60;

/// Accumulators stay below 2^120: far below half the BN254 scalar field (2^253), and within the
/// executor's 128-bit arithmetic.
pub const MAX_ACCUMULATOR_BITS: u32 = 120;

/// The declared range of a weight tensor: the fewest signed bits that hold its values.
pub fn weight_range(values: &[i64]) -> Interval {
    let needed = |&v: &i64| 65u32.saturating_sub((if v < 0 { !v } else { v }).leading_zeros());
    Interval::signed(values.iter().map(needed).max().unwrap_or(1))
}

/// The smallest interval around 0 that holds `[lo, hi]`, has a power of two values, at least 4,
/// and starts at a multiple of a quarter of its width.
pub fn round_outward(lo: i64, hi: i64) -> Interval {
    let (lo, hi) = (i128::from(lo.min(0)), i128::from(hi.max(0)));
    for bits in 2..=63u32 {
        let quarter = 1i128 << bits.saturating_sub(2);
        // Unsigned first, then signed: the forms that the circuit packs best.
        for quarters in [0, 2, 1, 3] {
            let start = -quarter * quarters;
            let end = start + 4 * quarter - 1;
            if start <= lo && hi <= end {
                return Interval {
                    lo: saturate(start),
                    hi: saturate(end),
                };
            }
        }
    }
    Interval {
        lo: i64::MIN,
        hi: i64::MAX,
    }
}

/// Sets the range of every activation and the interval before the clamp of every node.
pub fn propagate(graph: &mut Graph, weights: &Weights) -> Result<(), RangeError> {
    graph.validate()?;
    Propagation::default().advance(graph, weights)
}

/// What is known of a graph's tensors, as far as it has grown.
#[derive(Default)]
pub struct Propagation {
    known: Vec<Vec<Known>>,
    cells: Vec<Vec<Known>>,
    /// Inputs and nodes that are bounded.
    inputs: usize,
    nodes: usize,
}

impl Propagation {
    /// [`propagate`] for what the graph has more than the last time, which must not have changed otherwise.
    pub fn advance(&mut self, graph: &mut Graph, weights: &Weights) -> Result<(), RangeError> {
        self.known.resize(graph.tensors.len(), Vec::new());
        self.cells.resize(graph.tensors.len(), Vec::new());
        for &id in graph.inputs.iter().skip(self.inputs) {
            let tensor = graph.tensor(id, "the list of inputs")?;
            let range = Known::of(tensor.range);
            narrow(&format!("input '{}'", tensor.name), range)?;
            if let Some(slot) = self.known.get_mut(id.0) {
                *slot = vec![range];
            }
            if let Some(slot) = self.cells.get_mut(id.0) {
                *slot = vec![range.with_zero(true)];
            }
        }
        self.inputs = graph.inputs.len();
        while self.nodes < graph.nodes.len() {
            self.node(graph, weights)?;
            self.nodes = self.nodes.saturating_add(1);
        }
        Ok(())
    }

    /// The next node.
    fn node(&mut self, graph: &mut Graph, weights: &Weights) -> Result<(), RangeError> {
        let Some(node) = graph.nodes.get(self.nodes) else {
            return Ok(());
        };
        let step = |known| Step {
            graph,
            weights,
            node,
            known,
        };
        let elements = step(&self.known);
        elements.check_accumulator()?;
        let before = elements.before_clamp()?;
        let everywhere = step(&self.cells)
            .of_cells()?
            .unwrap_or_else(|| before.clone());
        let (pre, range) = elements.stored(&before, &everywhere)?;
        let clamp = node.op.clamp();
        let output = node.output;
        if let Some(slot) = self.known.get_mut(output.0) {
            *slot = compact(before.into_iter().map(|v| v.clamped(clamp)).collect());
        }
        if let Some(slot) = self.cells.get_mut(output.0) {
            let held = everywhere
                .into_iter()
                .map(|v| v.clamped(clamp).with_zero(true));
            *slot = compact(held.collect());
        }
        if let Some(node) = graph.nodes.get_mut(self.nodes) {
            node.pre = pre;
        }
        if let Some(tensor) = graph.tensors.get_mut(output.0) {
            tensor.range = range;
        }
        Ok(())
    }
}

/// Intervals are kept for each index of the first dimension.
fn channels(shape: &[usize]) -> usize {
    shape.first().copied().unwrap_or(1)
}

/// One interval stands for all channels where they share it: what is kept is then no larger than
/// the weights that tell channels apart, whatever shapes a file declares.
fn compact(mut intervals: Vec<Known>) -> Vec<Known> {
    if intervals.windows(2).all(|pair| pair.first() == pair.last()) {
        intervals.truncate(1);
        intervals.shrink_to_fit();
    }
    intervals
}

fn unite(intervals: &[Known]) -> Known {
    let all = intervals.iter().copied().reduce(Known::union);
    all.unwrap_or(Known::ZERO)
}

fn narrow(place: &str, v: Known) -> Result<(), RangeError> {
    let limit = 1i64 << MAX_ACTIVATION_BITS;
    let widest = Interval {
        lo: limit.saturating_neg(),
        hi: limit - 1,
    };
    if v.inside(widest) {
        return Ok(());
    }
    Err(RangeError::Activation {
        place: place.to_owned(),
        range: v.rounded(),
    })
}
