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

impl Geometry {
    /// Cells, in rows of `columns`.
    pub fn cells(&self, columns: usize) -> usize {
        self.segments * self.rows * columns
    }
}

/// The table a block's cells are looked up in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// `[0, n)` exactly.
    Exact(u64),
    /// Some `[0, m)` with `m ≥ n`.
    AtLeast(u64),
    /// Arguments of a function joined with its values.
    Function(FunctionRange),
}

/// The numbers `(x − offset) + stride·(f(x) − least)`, for the arguments `x` of a function `f` with
/// `0 ≤ x − offset < stride`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FunctionRange {
    /// Index in the graph's tables.
    pub table: usize,
    /// Subtracted from arguments.
    pub offset: i64,
    /// Factor of values; more than every argument.
    pub stride: u64,
    /// All numbers are below it.
    pub size: u64,
}

impl Range {
    /// A bound of its numbers: all are below it, so far as is known before tables are made.
    pub fn size(&self) -> u64 {
        match *self {
            Range::Exact(n) | Range::AtLeast(n) => n,
            Range::Function(function) => function.size,
        }
    }
}

/// The gate on a block's rows (in slot 1: excesses of clamps, second factors).
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
    /// What is folded here is the product with the cell in slot 0.
    Product,
}

/// A run of data cells.
#[derive(Clone, Debug)]
pub struct Block {
    /// How it is cut.
    pub geometry: Geometry,
    /// Its table.
    pub range: Range,
    /// Its gate.
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
