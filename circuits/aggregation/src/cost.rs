//! What an aggregation, and a contract for it, are predicted to cost, from the work of the inner circuits.

use halo2_proofs::plonk::{Circuit, ConstraintSystem};

use super::{
    circuit::AggregationCircuit,
    shape::{AggregationShape, CircuitSize},
    ACCUMULATOR_LIMBS,
};
use zkml_model::{
    gas::{direct_work, ContractCost, Work},
    layout::{Form, Shape},
};

/// A verification of an aggregated proof of one such proof, in an aggregation circuit of at most so many gate
/// columns; `None` if none is large enough.
pub fn contract_cost(shape: &Shape, form: &Form, columns: usize) -> Option<ContractCost> {
    let inner = [direct_work(shape, form.instances)];
    let (shape, _) = AggregationShape::predict(&inner, columns)?;
    Some(shape.work(&inner).cost())
}

impl AggregationShape {
    /// The shape that proofs of circuits with this work are predicted to need, and the cells.
    pub fn predict(inner: &[Work], max_columns: usize) -> Option<(Self, CircuitSize)> {
        let size = predicted_size(inner);
        Self::holding(size, max_columns).map(|shape| (shape, size))
    }

    /// The work of a contract for aggregations of this shape.
    pub fn work(&self, inner: &[Work]) -> Work {
        let mut meta = ConstraintSystem::default();
        AggregationCircuit::configure_with_params(&mut meta, *self);
        let inner: usize = inner.iter().map(|work| 1 + work.instances).sum();
        Work::of(&meta, ACCUMULATOR_LIMBS + inner, true)
    }
}

/// Cells of the aggregation of proofs with this work, fitted to circuits that were computed
/// (docs/performance.md).
fn predicted_size(inner: &[Work]) -> CircuitSize {
    let between = inner.len().saturating_sub(1);
    let cells = |work: &Work| {
        let operations = work.additions + work.multiplications;
        127_900
            + 34_800 * work.terms()
            + 1_155 * work.evaluations
            + 1_312 * work.instances
            + 4 * operations
    };
    let range_rows = |work: &Work| 40_000 + 6_945 * work.terms();
    CircuitSize {
        cells: inner.iter().map(cells).sum::<usize>() + 275_300 * between,
        range_rows: inner.iter().map(range_rows).sum::<usize>() + 94_700 * between,
    }
}
