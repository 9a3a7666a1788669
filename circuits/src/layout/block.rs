//! Blocks of data cells, and their placement in slots.

use super::{LayoutError, Shape, SLOTS};

/// Index of a block.
pub type BlockId = usize;

/// A cell of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Block.
    pub block: BlockId,
    /// Position in the block, row by row.
    pub index: usize,
}

/// The challenge a block is folded with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variable {
    /// Along image positions.
    Position,
    /// Along channels (or vector elements).
    Channel,
}

/// How a block is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Number of segments; each is folded on its own.
    pub segments: usize,
    /// Rows of a segment.
    pub rows: usize,
    /// Fold variable.
    pub variable: Variable,
}

/// The table a block's cells are looked up in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// `[0, n)` exactly.
    Exact(u64),
    /// Some `[0, m)` with `m ≥ n`.
    AtLeast(u64),
}

/// The clamp gate on a block's rows (blocks of excesses only, in slot 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// None.
    None,
    /// Two-sided, kept value in `[0, cap]`.
    TwoSided {
        /// Upper bound of the kept value.
        cap: u64,
        /// The excess has a second limb, in slot 2.
        wide: bool,
    },
    /// One-sided; `wide`: kept value and excess have two limbs, in slots 3 and 2.
    OneSided {
        /// Two limbs each.
        wide: bool,
    },
}

/// A run of data cells.
#[derive(Clone, Debug)]
pub struct Block {
    /// How it is cut.
    pub geometry: Geometry,
    /// Its table.
    pub range: Range,
    /// Its clamp gate.
    pub gate: Gate,
    /// Slot (after placement).
    pub slot: usize,
    /// First row in the slot (after placement).
    pub start: usize,
}

impl Block {
    /// Rows of the block.
    pub fn rows(&self) -> usize {
        self.geometry.segments * self.geometry.rows
    }

    /// Physical row of the block's row `row`.
    pub fn physical_row(&self, row: usize) -> usize {
        (self.start + row) * SLOTS + self.slot
    }
}

/// Places groups of blocks that must share their rows (slots 0, 1, …), then single blocks.
///
/// Returns the rows of the fullest slot.
pub fn place(
    blocks: &mut [Block],
    groups: &[Vec<BlockId>],
    shape: &Shape,
) -> Result<usize, LayoutError> {
    let mut fill = [0usize; SLOTS];
    let mut grouped = vec![false; blocks.len()];
    let mut ordered: Vec<&Vec<BlockId>> = groups.iter().collect();
    // Widest groups first: they need a common start in more slots.
    ordered.sort_by_key(|group| std::cmp::Reverse(group.len()));
    for group in ordered {
        let start = fill[..group.len()].iter().copied().max().unwrap_or(0);
        for (slot, &id) in group.iter().enumerate() {
            grouped[id] = true;
            blocks[id].slot = slot;
            blocks[id].start = start;
            fill[slot] = start + blocks[id].rows();
        }
    }
    let mut singles: Vec<BlockId> = (0..blocks.len()).filter(|&id| !grouped[id]).collect();
    singles.sort_by_key(|&id| std::cmp::Reverse(blocks[id].rows()));
    for id in singles {
        let slot = (0..SLOTS).min_by_key(|&slot| fill[slot]).unwrap_or(0);
        blocks[id].slot = slot;
        blocks[id].start = fill[slot];
        fill[slot] += blocks[id].rows();
    }
    let needed = fill.into_iter().max().unwrap_or(0);
    if needed > shape.slot_rows() {
        return Err(LayoutError::TooSmall {
            k: shape.k,
            data: shape.data,
            resource: "rows of data cells",
            needed: needed * SLOTS,
            available: shape.slot_rows() * SLOTS,
        });
    }
    Ok(needed)
}
