//! Which rows the parts of a circuit stand on.
//!
//! In a canonical circuit each part has columns of its own, and all begin at row 0. In a *stacked* one they
//! share columns, one below the other:
//!
//! ```text
//! rows        data column        fold column         running column
//! data        data cells         folds               running sum
//! table       multiplicities     scalar program      running sum
//! hash        S-box inputs       (continued)         squares
//! constants   –                  constants           –
//! ```

use super::{LayoutError, Shape, Usage, SLOTS};

/// First rows of the parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Rows that are folded and looked up, from row 0.
    pub data: usize,
    /// First row of the tables.
    pub table: usize,
    /// First row after the running sum's last step.
    pub summed: usize,
    /// First row of the hash.
    pub hash: usize,
    /// First cell of the scalar program.
    pub scalar: usize,
    /// Row of the first constant; the others are above it.
    pub constant: usize,
    /// The last row that can be used, whose constant nothing reads: there is the configuration's digest.
    pub configuration: usize,
    /// A row that holds no data, nor do its neighbours. Columns that a model does not use are one here, so
    /// that no commitment of a key is the identity, which neither the aggregation circuit nor a checked
    /// file admits.
    pub idle: usize,
    /// Rows that no part stands on.
    pub spare: usize,
}

impl Rows {
    /// Places parts of these sizes, or says what is too large.
    pub fn new(shape: &Shape, usage: &Usage, constants: usize) -> Result<Self, LayoutError> {
        let active = shape.usable_rows().saturating_sub(1);
        let too_small = |resource, needed| LayoutError::TooSmall {
            k: shape.k,
            data: shape.data,
            resource,
            needed,
            available: active,
        };
        let Some(idle) = active.checked_sub(3) else {
            return Err(too_small("idle rows", 3));
        };
        let constant = active.saturating_sub(1);
        // Sums of parts that saturate are larger than any shape, and refused.
        if !shape.stacked {
            if usage.scalar_cells > active {
                return Err(too_small(LayoutError::SCALAR, usage.scalar_cells));
            }
            // Scalar constants share a fixed column with the round constants.
            let needed = usage.hash_rows.saturating_add(constants);
            if needed > active {
                return Err(too_small("rows of the hash", needed));
            }
            return Ok(Self {
                data: active,
                table: 0,
                summed: active,
                hash: 0,
                scalar: 0,
                constant,
                configuration: active,
                idle,
                spare: active.saturating_sub(usage.table_rows),
            });
        }
        if shape.data != 1 {
            return Err(LayoutError::Graph(format!(
                "a stacked circuit has one data column, not {}",
                shape.data
            )));
        }
        let data = usage.slot_rows.saturating_add(2).saturating_mul(SLOTS);
        let summed = data.saturating_add(usage.table_rows);
        // The running sum has one more row.
        let hash = summed.saturating_add(1);
        let operations = data.saturating_add(usage.scalar_cells.saturating_sub(constants));
        let below = hash.saturating_add(usage.hash_rows).max(operations);
        let needed = below.saturating_add(constants);
        Ok(Self {
            data,
            table: data,
            summed,
            hash,
            scalar: data,
            constant,
            configuration: active,
            idle: data.saturating_sub(SLOTS),
            spare: active
                .checked_sub(needed)
                .ok_or_else(|| too_small("rows of data, tables, hash and constants", needed))?,
        })
    }
}
