//! Blocks of data cells, and their placement in slots.

use super::{
    size::{size, Size},
    LayoutError, Shape, SLOTS,
};

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
    /// Cells of a segment.
    width: usize,
}

impl Geometry {
    /// Segments of `rows` rows of `columns` cells; an error if 64 bits do not hold the number of all cells.
    pub fn new(
        segments: impl Into<Size>,
        rows: impl Into<Size>,
        columns: usize,
        variable: Variable,
    ) -> Result<Self, LayoutError> {
        let (segments, rows) = (segments.into().get()?, rows.into().get()?);
        (size(segments) * rows * columns).get()?;
        Ok(Self {
            segments,
            rows,
            variable,
            width: (size(rows) * columns).get()?,
        })
    }

    /// Cells of a segment.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Cells of all segments.
    pub fn cells(&self) -> usize {
        // `new` refuses what this would saturate.
        self.segments.saturating_mul(self.width)
    }

    /// Rows of all segments.
    pub fn all_rows(&self) -> usize {
        // No more than there are cells.
        self.segments.saturating_mul(self.rows)
    }

    /// The place of a segment's cell.
    pub fn at(&self, segment: impl Into<Size>, cell: impl Into<Size>) -> Size {
        segment.into() * self.width + cell
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
        self.geometry.all_rows()
    }

    /// Physical row of the block's row `row`.
    pub fn physical_row(&self, row: usize) -> usize {
        // `place` has the block's last row below those of the shape.
        let row = self.start.saturating_add(row);
        row.saturating_mul(SLOTS).saturating_add(self.slot)
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
    let too_small = |needed: usize| LayoutError::TooSmall {
        k: shape.k,
        data: shape.data,
        resource: LayoutError::DATA,
        needed: needed.saturating_mul(SLOTS),
        available: shape.slot_rows().saturating_mul(SLOTS),
    };
    let end = |block: &Block| {
        let end = block.start.checked_add(block.rows());
        end.ok_or_else(|| too_small(usize::MAX))
    };
    let mut fill = [0usize; SLOTS];
    let mut grouped = vec![false; blocks.len()];
    let mut ordered: Vec<&Vec<BlockId>> = groups.iter().collect();
    // Widest groups first: they need a common start in more slots.
    ordered.sort_by_key(|group| std::cmp::Reverse(group.len()));
    for group in ordered {
        let start = fill[..group.len()].iter().copied().max().unwrap_or(0);
        for (slot, &id) in group.iter().enumerate() {
            // Moved by a second group, it would leave the rows that the first one's gate reads.
            if std::mem::replace(&mut grouped[id], true) {
                return Err(LayoutError::Graph(format!("block {id} is in two groups")));
            }
            blocks[id].slot = slot;
            blocks[id].start = start;
            fill[slot] = end(&blocks[id])?;
        }
    }
    let mut singles: Vec<BlockId> = (0..blocks.len()).filter(|&id| !grouped[id]).collect();
    singles.sort_by_key(|&id| std::cmp::Reverse(blocks[id].rows()));
    for id in singles {
        let slot = (0..SLOTS).min_by_key(|&slot| fill[slot]).unwrap_or(0);
        blocks[id].slot = slot;
        blocks[id].start = fill[slot];
        fill[slot] = end(&blocks[id])?;
    }
    let needed = fill.into_iter().max().unwrap_or(0);
    if needed > shape.slot_rows() {
        return Err(too_small(needed));
    }
    Ok(needed)
}
