//! The choice of a shape for a graph, by what it costs ([`Cost`]) and what it holds.

#![deny(clippy::arithmetic_side_effects)]

pub(crate) mod amount;
mod cost;
mod search;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use self::search::{Lacking, Least, Search};
use crate::{
    hash::Poseidon,
    layout::{Clamps, LayoutError, Plan, Shape, Visibilities},
};
use zkml_graph::{Graph, Node, Op};

pub use cost::Cost;

/// Largest k of a layout.
pub const MAX_K: u32 = 24;
/// How much shorter than the rows the table of limbs is, in bits: the shorter, the more rows remain for a
/// wide clamp's.
const LIMBS_BELOW_K: [u32; 3] = [2, 3, 4];
/// Numbers of data columns that use the look-up argument's helpers fully.
pub const DATA_COLUMNS: [usize; 22] = [
    1, 2, 5, 8, 11, 14, 17, 20, 23, 26, 29, 32, 35, 38, 41, 44, 47, 50, 53, 56, 59, 62,
];
/// More data columns are never the cheapest to verify in a contract or another circuit.
const MOST_TO_VERIFY: usize = 20;

/// What a layout is optimised for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Goal {
    /// The fastest model proof.
    #[default]
    Prove,
    /// The cheapest aggregation and verification.
    Onchain,
    /// The least gas for a contract that verifies the proof itself.
    Direct,
}
/// A number to compare: one that is too large is the largest.
fn bounded(number: i128) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Shapes worth trying for a goal, cheapest first.
pub fn candidates(goal: Goal) -> Vec<Shape> {
    let mut shapes: Vec<Shape> = (10..=MAX_K)
        .flat_map(|k| {
            let columns = DATA_COLUMNS.into_iter();
            let columns =
                columns.filter(move |data| goal == Goal::Prove || *data <= MOST_TO_VERIFY);
            columns.flat_map(move |data| {
                Poseidon::WIDTHS.into_iter().flat_map(move |hash_width| {
                    LIMBS_BELOW_K.map(|below| Shape {
                        k,
                        data,
                        hash_width,
                        limb_bits: k.saturating_sub(below),
                        clamps: Clamps::ALL,
                        stacked: false,
                    })
                })
            })
        })
        .flat_map(|shape| variants(shape, goal))
        .filter(|shape| goal != Goal::Prove || Cost::of(shape).is_small())
        .collect();
    let key = |shape: &Shape| (Cost::of(shape).weight(shape, goal) * 1e6) as u64;
    shapes.sort_by_cached_key(key);
    shapes
}

/// The shape as a goal has it. What is aggregated keeps to one of a few canonical circuits, which models
/// share; a contract of the model's own need not know the gates that the model does without.
fn variants(shape: Shape, goal: Goal) -> Vec<Shape> {
    let clamps: Vec<Clamps> = match goal {
        Goal::Direct | Goal::Prove => Clamps::choices().collect(),
        // The more circuits there are, the fewer models share a contract: these few.
        Goal::Onchain if shape.data == 1 => {
            vec![Clamps::BOUNDED, Clamps::RELU, Clamps::CLAMPS, Clamps::ALL]
        }
        Goal::Onchain => vec![Clamps::CLAMPS, Clamps::ALL],
    };
    let stackings: &[bool] = match (goal, shape.data) {
        (Goal::Direct, 1) => &[false, true],
        (Goal::Onchain, 1) => &[true],
        _ => &[false],
    };
    let all = stackings.iter().flat_map(|&stacked| {
        let shapes = clamps.iter().map(move |&clamps| (stacked, clamps));
        shapes.map(|(stacked, clamps)| Shape {
            clamps,
            stacked,
            ..shape
        })
    });
    // What rows its own tables leave is much less in a stacked circuit, so that a short one can pay there.
    all.filter(|shape| shape.stacked || shape.limb_bits.saturating_add(4) > shape.k)
        .collect()
}
/// Fails where a configuration asks for more work than any shape's search would do for it: a few bytes of it can.
pub fn within_reach(graph: &Graph) -> Result<(), LayoutError> {
    Search::new(graph).next(None)
}

/// The cheapest shape that the model fits.
pub fn choose(graph: &Graph, visibilities: &Visibilities, goal: Goal) -> Result<Plan, LayoutError> {
    let mut last = None;
    let product = |node: &Node| matches!(node.op, Op::Mul { .. } | Op::Div { .. });
    let products = graph.nodes.iter().any(product);
    let least = Least::of(graph);
    let mut search = Search::new(graph);
    let mut lacking = Lacking::default();
    // Layouts depend on which gates there are only where caps share a column: what is known of each, the gates
    // that it needs.
    let mut known: HashMap<Shape, Option<Clamps>> = HashMap::new();
    for shape in candidates(goal) {
        let hopeless = !search.is_short() && !lacking.fits(&shape);
        if shape.clamps.product != products || !least.fits(&shape) || hopeless {
            continue;
        }
        let layout = Shape {
            clamps: match shape.shares_caps() {
                true => Clamps::ALL,
                false => Clamps::NONE,
            },
            ..shape
        };
        let without_gate = |needed: &Option<Clamps>| match needed {
            Some(needed) => !shape.clamps.include(needed),
            None => true,
        };
        if known.get(&layout).is_some_and(without_gate) {
            continue;
        }
        search.next(last.as_ref())?;
        match Plan::new(graph, visibilities, shape) {
            Ok(plan) => return Ok(plan),
            // No shape makes an unsupported operation provable.
            Err(error @ (LayoutError::Unsupported { .. } | LayoutError::Graph(_))) => {
                return Err(error)
            }
            Err(error) => {
                let needed = match &error {
                    LayoutError::NoGate { needed } => Some(*needed),
                    _ => None,
                };
                lacking.note(&shape, &error);
                known.insert(layout, needed);
                last = Some(error);
            }
        }
    }
    Err(LayoutError::NoShape {
        max_k: MAX_K,
        last: last.map(|error| error.to_string()).unwrap_or_default(),
    })
}
