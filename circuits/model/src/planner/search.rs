//! How much a search for a layout may cost, and which shapes are not worth trying.

use std::collections::HashMap;

use super::{amount::Amount, bounded};
use crate::layout::{LayoutError, Shape, SLOTS, WORD_BITS};
use zkml_graph::{ops::elements, Graph, Node, Op, Role, Tensor, TensorId};

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

/// What any layout needs at least: shapes without it are not tried.
pub(super) struct Least {
    /// Data cells.
    cells: Amount,
    /// Words to commit to.
    words: Amount,
    /// Rows of functions' tables.
    tables: Amount,
}

impl Least {
    pub(super) fn of(graph: &Graph) -> Self {
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
            let parts = [true, clamped, node.op.divisor() > 1];
            Amount::from(parts.into_iter().filter(|needed| *needed).count())
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

    pub(super) fn fits(&self, shape: &Shape) -> bool {
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
pub(super) struct Lacking {
    /// Rows of tables besides that of the limbs.
    tables: Option<usize>,
    /// Cells of the scalar program.
    scalar: Option<usize>,
    /// Data cells.
    cells: Option<usize>,
}

impl Lacking {
    pub(super) fn note(&mut self, shape: &Shape, error: &LayoutError) {
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

    pub(super) fn fits(&self, shape: &Shape) -> bool {
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
pub(super) struct Search {
    elements: usize,
    /// Elements, those of long sums counted several times, and nodes.
    work: usize,
    weights: usize,
    tried: usize,
}

impl Search {
    pub(super) fn new(graph: &Graph) -> Self {
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

    /// Whether all shapes may be tried.
    pub(super) fn is_short(&self) -> bool {
        self.work <= SHORT_SEARCH
    }

    /// Counts one more shape.
    pub(super) fn next(&mut self, last: Option<&LayoutError>) -> Result<(), LayoutError> {
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
