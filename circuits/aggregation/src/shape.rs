//! How large an aggregation circuit is.

use serde::{Deserialize, Serialize};

use super::range::TABLE_BITS;

/// The range table needs this many rows and some.
pub(super) const MIN_K: u32 = TABLE_BITS + 1;
/// Larger circuits are not tried.
pub(super) const MAX_K: u32 = 23;

/// Cells that a circuit takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitSize {
    /// Cells of the gate columns.
    pub cells: usize,
    /// Rows of the range column.
    pub range_rows: usize,
}

/// Size of the aggregation circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AggregationShape {
    /// 2^k rows.
    pub k: u32,
    /// Gate columns. Each costs the contract about 17,000 gas; each k doubles the prover's time.
    pub columns: usize,
}

impl Default for AggregationShape {
    fn default() -> Self {
        Self {
            k: MIN_K,
            columns: 1,
        }
    }
}

impl AggregationShape {
    /// Bytes that making a key or a proof of this shape is predicted to take (docs/performance.md).
    pub fn memory_bytes(&self) -> u64 {
        let polynomial = 32u64 << self.k;
        polynomial * (75 + 8 * self.columns as u64)
    }

    /// The smallest that holds so much.
    pub(super) fn holding(size: CircuitSize, max_columns: usize) -> Option<Self> {
        (MIN_K..=MAX_K).find_map(|k| {
            // Rows at the end are blinded, and a gate does not cross from column to column.
            let rows = (1usize << k) - 64;
            let columns = size.cells.div_ceil(rows);
            (columns <= max_columns && size.range_rows <= rows).then_some(Self { k, columns })
        })
    }
}
