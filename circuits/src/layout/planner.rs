//! The choice of a shape by a cost model of the prover and of the aggregation.
//!
//! Proving: one multi-scalar multiplication of full-width scalars over `2^k` points is the
//! unit; small non-negative scalars cost a part of it, a coset FFT another. Aggregating: every
//! commitment of the model proof (witness, fixed, permutation) costs a scalar multiplication
//! in the outer circuit, whatever `k` is.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{count, Clamps, LayoutError, Plan, Shape, Visibilities, SLOTS, WORD_BITS};
use crate::{
    circuit::Columns,
    gas,
    graph::{ops::elements, Graph, Node, Op, Role, Tensor, TensorId},
    hash::Poseidon,
    sketch::amount::Amount,
};

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

/// Predicted cost of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// Prover CPU seconds on the reference machine.
    pub prove_cpu_s: f64,
    /// Proof size in bytes (compressed points).
    pub proof_bytes: usize,
    /// Commitments that a verifier handles: witness, fixed, permutation.
    pub commitments: usize,
    /// Bytes of memory that its verifying key takes to make, at least.
    pub keygen_bytes: u64,
}

const QUOTIENT_PIECES: i128 = crate::circuit::DEGREE as i128 - 1;
/// Permuted columns for each of their products.
const PRODUCT_COLUMNS: usize = crate::circuit::DEGREE - 2;

/// A number to compare: one that is too large is the largest.
fn bounded(number: i128) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl Cost {
    /// The cost of a shape.
    pub fn of(shape: &Shape) -> Self {
        let n = (1u64 << shape.k) as f64;
        // Wide: they are 64 bits each.
        let [data, helpers, permuted, fixed, products, t, rows] = [
            shape.data,
            Columns::helpers_for(shape.data),
            shape.permuted_columns(),
            shape.fixed_columns(),
            shape.permuted_columns().div_ceil(PRODUCT_COLUMNS),
            shape.hash_width,
            shape.clamps.rows(),
        ]
        .map(|number| number as i128);
        // Multiplicities, S-boxes, squares, folds, scalars, running sum.
        let parts = if shape.stacked { 2 } else { 6 };
        let small = data + i128::from(!shape.stacked);
        let advice = data + parts + helpers;
        // All the rest: products, random, quotient, openings.
        let full = advice - small + products + 1 + QUOTIENT_PIECES + 2;
        let cosets = advice + fixed + permuted + products + 4;
        // Measured on two cores (docs/performance.md): seconds per 2^14-point unit.
        let unit = n / f64::from(1 << 14);
        let prove_cpu_s =
            unit * (0.026 * full as f64 + 0.012 * small as f64 + 0.0035 * cosets as f64);
        let points = small + full;
        let queries = match shape.stacked {
            true => 2 * t + 5 + (2 * t - 1),
            false => rows * data + 1 + (4 * t - 1) + 2 + 4 + helpers + 2,
        };
        let evaluations = queries + (fixed + t) + permuted + (3 * products - 1) + 1;
        Self {
            prove_cpu_s,
            proof_bytes: bounded(32 * (points + evaluations)),
            commitments: bounded(points + fixed + permuted),
            keygen_bytes: (1u64 << shape.k).saturating_mul(
                KEYGEN_ROW.saturating_add(
                    KEYGEN_CELL.saturating_mul(bounded(fixed + t + permuted) as u64),
                ),
            ),
        }
    }

    pub(crate) fn is_small(&self) -> bool {
        let limit = PROOF_LIMIT.max(PROOF_PER_SECOND * self.prove_cpu_s);
        self.proof_bytes as f64 <= limit
    }

    fn weight(&self, shape: &Shape, goal: Goal) -> f64 {
        match goal {
            Goal::Direct => {
                let work = gas::direct_work(shape, TYPICAL_INSTANCES);
                work.cost().gas_osaka as f64 + GAS_FOR_A_SECOND * self.prove_cpu_s
            }
            Goal::Prove => self.prove_cpu_s,
            // A commitment is 35,000 outer cells, about 0.9 s; what else the inner proof costs is little beside it.
            Goal::Onchain => self.commitments as f64 + COMMITMENTS_FOR_A_SECOND * self.prove_cpu_s,
        }
    }
}

/// Bytes that a row of the SRS, and a cell of a fixed or permuted column, take while keys are made.
const KEYGEN_ROW: u64 = 128;
const KEYGEN_CELL: u64 = 48;
/// Bytes of a proof that [`Goal::Prove`] may take: so many, or more for each CPU second of a proof
/// that takes long anyway, as those of batches do.
const PROOF_LIMIT: f64 = 3_360.0;
const PROOF_PER_SECOND: f64 = 6_000.0;
/// Commitments that [`Goal::Onchain`] adds to save the prover a second.
const COMMITMENTS_FOR_A_SECOND: f64 = 1.4;
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
/// Elements that a search may lay out, over all shapes that it tries: those of a few seconds, and so many for each
/// weight that a file of a megabyte cannot hold. What a file only declares costs it nothing.
const SEARCH: usize = 88 << 20;
const SEARCH_PER_WEIGHT: usize = 1 << 8;
/// A search of less work for each shape tries all of them.
const SHORT_SEARCH: usize = 1 << 18;
/// What an element that is summed with many others, and what a node, costs more than an element.
const SUMMED: [usize; 2] = [3, 96];
const NODE: usize = 384;
/// What a product or an extremum costs more than another node.
const PRODUCT: usize = 384;
/// What an element that is stated costs more: it has words besides.
const STATED: usize = 8;
/// What a tap of a maximum costs at least.
const TAP: usize = 480;
/// Terms of a sum that cost no more than as many elements.
const SHORT: usize = 21;
/// Elements of one shape, which memory is for, and so many for each such weight.
const LARGEST: usize = 1 << 21;
const ELEMENTS_PER_WEIGHT: usize = 1 << 9;
const WEIGHTS_OF_A_MEGABYTE: usize = 1 << 20;
/// A file of a megabyte that holds many weights may be a network of small ones: elements for each beyond so many.
const FEW_WEIGHTS: usize = 1 << 18;
const ELEMENTS_PER_SMALL: usize = 4;
/// Public values that [`Goal::Direct`] reckons with: they hardly depend on the shape.
const TYPICAL_INSTANCES: usize = 40;
/// Gas that [`Goal::Direct`] pays to save the prover a second.
const GAS_FOR_A_SECOND: f64 = 17_000.0;

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

/// What any layout needs at least: shapes without it are not tried.
struct Least {
    /// Data cells.
    cells: Amount,
    /// Words to commit to.
    words: Amount,
    /// Rows of functions' tables.
    tables: Amount,
}

impl Least {
    fn of(graph: &Graph) -> Self {
        let size = |id: TensorId| {
            let shape = graph.tensors.get(id.0).map(|t| &t.shape);
            shape.map_or(Amount::default(), |shape| {
                let dims = shape.iter().map(|d| Amount::from(*d));
                dims.fold(Amount::ONE, |size, d| size * d)
            })
        };
        let moves = |op: &Op| {
            matches!(
                op,
                Op::Reshape { .. }
                    | Op::Transpose { .. }
                    | Op::Gather { .. }
                    | Op::Concat { .. }
                    | Op::Constant { .. }
                    | Op::Parameter { .. }
            )
        };
        let mut weights: Vec<TensorId> = graph
            .nodes
            .iter()
            .flat_map(|node| node.op.weight_operands())
            .collect();
        weights.sort_unstable();
        weights.dedup();
        let computed = graph.nodes.iter().filter(|node| !moves(&node.op));
        // A value, what a clamp takes off it, and what rounding leaves each have a cell.
        let parts = |node: &Node| {
            let clamped = node.op.clamp().is_some_and(|clamp| {
                node.pre.lo < clamp.lo || clamp.hi.is_some_and(|hi| node.pre.hi > hi)
            });
            Amount::from(count([true, clamped, node.op.divisor() > 1]))
        };
        let cells = computed
            .map(|node| size(node.output) * parts(node))
            .chain(graph.inputs.iter().chain(&weights).map(|id| size(*id)));
        let bits = |id: &TensorId| {
            let range = graph.tensors.get(id.0).map(|t| t.range);
            let bits = range.and_then(|r| r.hi.abs_diff(r.lo).checked_ilog2());
            size(*id) * bits.map_or(0, |b| u64::from(b).saturating_add(1))
        };
        let words = weights.iter().map(bits).sum::<Amount>();
        // A table has a row for each argument that those who look it up may store: up to a power of two.
        let mut tables: HashMap<usize, u64> = HashMap::new();
        for node in &graph.nodes {
            let Op::Table { x, table } = &node.op else {
                continue;
            };
            let (Some(function), Some(x)) = (graph.tables.get(*table), graph.tensors.get(x.0))
            else {
                continue;
            };
            let width = x.range.hi.abs_diff(x.range.lo).saturating_add(1);
            let stored = width.checked_next_power_of_two().unwrap_or(u64::MAX);
            let last = i128::from(function.lo).saturating_add(function.values.len() as i128);
            let lo = i128::from(x.range.lo.max(function.lo));
            let end = i128::from(x.range.lo)
                .saturating_add(stored.into())
                .min(last);
            let rows = u64::try_from(end.saturating_sub(lo)).unwrap_or(0);
            let known = tables.entry(*table).or_default();
            *known = rows.max(*known);
        }
        Self {
            cells: cells.sum(),
            tables: tables.into_values().map(Amount::from).sum(),
            words: words.whole_parts_of(u64::from(WORD_BITS).into()),
        }
    }

    fn fits(&self, shape: &Shape) -> bool {
        let Some(rate) = shape.hash_width.checked_sub(1) else {
            return false;
        };
        // Nine states at least, and a row for each partial round.
        let permutation = Amount::from(shape.hash_width) * 9 + Amount::from(57u64);
        let rows = Amount::from(shape.slot_rows()) * Amount::from(SLOTS);
        let cells = rows * Amount::from(shape.data);
        self.cells <= cells
            && self.tables + Amount::from(shape.limb_base()) <= shape.usable_rows().into()
            && self.words.whole_parts_of(rate.max(1).into()) * permutation
                <= shape.usable_rows().into()
    }
}

/// What shapes lacked that were tried: others that have far less than the least of it are not tried. What is needed
/// depends on the shape a little.
#[derive(Default)]
struct Lacking {
    /// Rows of tables besides that of the limbs.
    tables: Option<usize>,
    /// Cells of the scalar program.
    scalar: Option<usize>,
    /// Data cells.
    cells: Option<usize>,
}

impl Lacking {
    fn note(&mut self, shape: &Shape, error: &LayoutError) {
        let LayoutError::TooSmall {
            resource, needed, ..
        } = error
        else {
            return;
        };
        let (least, needed) = match *resource {
            _ if *needed == usize::MAX => return,
            LayoutError::TABLES => {
                let limbs = bounded(shape.limb_base().into());
                (&mut self.tables, needed.saturating_sub(limbs))
            }
            LayoutError::SCALAR => (&mut self.scalar, *needed),
            LayoutError::DATA => (&mut self.cells, needed.saturating_mul(shape.data)),
            _ => return,
        };
        *least = Some(least.map_or(needed, |least| needed.min(least)));
    }

    fn fits(&self, shape: &Shape) -> bool {
        // By a quarter less.
        let most = |needed: Option<usize>| {
            let needed = needed.unwrap_or(0);
            needed.saturating_sub(needed / 4)
        };
        let rows = shape.usable_rows();
        let tables = most(self.tables).saturating_add(bounded(shape.limb_base().into()));
        (self.tables.is_none() || tables <= rows)
            && most(self.scalar) <= rows
            && most(self.cells) <= rows.saturating_mul(shape.data)
    }
}

/// How much a search has laid out, and may.
struct Search {
    elements: usize,
    /// Elements, those of long sums counted several times, and nodes.
    work: usize,
    weights: usize,
    tried: usize,
}

impl Search {
    fn new(graph: &Graph) -> Self {
        let size = |tensor: &Tensor| elements(&tensor.shape).unwrap_or(0);
        let weights = graph.tensors.iter().filter(|t| t.role == Role::Weight);
        let of = |id: TensorId| graph.tensors.get(id.0).map_or(0, size);
        // Terms of sums, and so many of them each.
        let [least, most] = SUMMED;
        let long =
            |terms: usize, length: usize| terms.saturating_mul((length / SHORT).clamp(least, most));
        let summed = graph.nodes.iter().map(|node| match &node.op {
            Op::ReduceSum { x, .. } => {
                long(of(*x), of(*x).checked_div(of(node.output)).unwrap_or(0))
            }
            Op::AvgPool { window, .. } => {
                long(of(node.output).saturating_mul(window.area()), window.area())
            }
            // Each tap has blocks of its own.
            Op::MaxPool { window, .. } => {
                let each = of(node.output).saturating_mul(least).max(TAP);
                window.area().saturating_mul(each)
            }
            Op::Mul { .. } | Op::Div { .. } | Op::Max { .. } | Op::Min { .. } => PRODUCT,
            _ => 0,
        });
        let summed = summed.fold(0, usize::saturating_add);
        let elements = graph.tensors.iter().map(size);
        let elements = elements.fold(0, usize::saturating_add);
        let stated = graph.inputs.iter().chain(&graph.outputs);
        let stated = stated.map(|id| of(*id)).fold(0, usize::saturating_add);
        Self {
            elements,
            work: summed
                .saturating_add(graph.nodes.len().saturating_mul(NODE))
                .saturating_add(elements)
                .saturating_add(stated.saturating_mul(STATED)),
            weights: weights.map(size).fold(0, usize::saturating_add),
            tried: 0,
        }
    }

    /// Counts one more shape.
    fn next(&mut self, last: Option<&LayoutError>) -> Result<(), LayoutError> {
        let more = self.weights.saturating_sub(WEIGHTS_OF_A_MEGABYTE);
        let allowed = |least: usize, each| least.saturating_add(more.saturating_mul(each));
        let all = self.work.saturating_mul(self.tried.saturating_add(1));
        let too_long = all > allowed(SEARCH, SEARCH_PER_WEIGHT);
        let small = self.weights.saturating_sub(FEW_WEIGHTS);
        let largest = LARGEST.saturating_add(small.saturating_mul(ELEMENTS_PER_SMALL));
        if too_long || self.elements > allowed(largest, ELEMENTS_PER_WEIGHT) {
            let Self {
                elements,
                weights,
                tried,
                ..
            } = *self;
            return Err(LayoutError::Search {
                elements,
                weights,
                tried,
                last: last
                    .map(|error| format!("; the last: {error}"))
                    .unwrap_or_default(),
            });
        }
        self.tried = self.tried.saturating_add(1);
        Ok(())
    }
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
        let hopeless = search.work > SHORT_SEARCH && !lacking.fits(&shape);
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
