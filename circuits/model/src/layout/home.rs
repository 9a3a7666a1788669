//! Where a tensor lives.

use super::{
    block::BlockId,
    size::{indices, size, Size},
    Geometry,
};

/// One limb of a value: `value = offset + Σ base·stored`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limb {
    /// Block of the stored limb.
    pub block: BlockId,
    /// Weight of the limb.
    pub base: u64,
}

/// A tensor's home: element `e` is `offset + Σ base·block[positions[e]]`.
#[derive(Clone, Debug)]
pub struct Home {
    /// Limbs, least significant first; blocks of one geometry.
    pub limbs: Vec<Limb>,
    /// Added to the stored value.
    pub offset: i64,
    /// Geometry of the limb blocks.
    pub geometry: Geometry,
    /// Position of each element, in row-major order of the tensor.
    pub positions: Vec<usize>,
    /// Cells after those of elements hold what the last of them holds.
    pub filled: bool,
}

/// Whether positions below `cells` differ from one another.
pub fn distinct(positions: &[usize], cells: usize) -> bool {
    let mut seen = vec![false; cells];
    positions.iter().all(|&p| {
        seen.get_mut(p)
            .is_some_and(|slot| !std::mem::replace(slot, true))
    })
}

/// A home read as image planes: element `(c, y, x)` is at `c·cells + origin + y·pitch + x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planes {
    /// Cells of a plane.
    pub cells: usize,
    /// Cells from one image row to the next.
    pub pitch: usize,
    /// Position of pixel (0, 0) in its plane.
    pub origin: usize,
}

impl Home {
    /// Whether every element has a cell of its own. Repeated elements share one after a
    /// [`zkml_graph::Op::Gather`], and what is computed from them in place would share one too.
    pub fn is_distinct(&self) -> bool {
        distinct(&self.positions, self.geometry.cells())
    }

    /// Whether every cell holds an element's value: elements in the first cells, in any order, and
    /// copies after them. Then what holds for elements holds for every cell.
    pub fn is_full(&self) -> bool {
        let count = self.positions.len();
        distinct(&self.positions, count) && (self.filled || count == self.geometry.cells())
    }

    /// Reads the home as `channels` planes of `height × width`, if it is laid out that way.
    ///
    /// Planes are the segments of the blocks, or a single plane made of all segments.
    pub fn planes(&self, [channels, height, width]: [usize; 3]) -> Option<Planes> {
        let cells = if channels == 1 {
            self.geometry.cells()
        } else {
            self.geometry.width()
        };
        if self.positions.len() != Size::product([channels, height, width]).known()?
            || (channels > 1 && self.geometry.segments != channels)
        {
            return None;
        }
        let origin = *self.positions.first()?;
        let pitch = if height > 1 {
            self.positions.get(width)?.checked_sub(origin)?
        } else {
            width
        };
        if pitch < width {
            return None;
        }
        let regular = self.positions.iter().enumerate().all(|(e, &position)| {
            let [c, y, x] = indices(e, [height, width]);
            (c * cells + origin + y * pitch + x).known() == Some(position)
        });
        let last = ((size(height) - 1) * pitch + origin + width).known()?;
        (regular && last <= cells).then_some(Planes {
            cells,
            pitch,
            origin,
        })
    }
}
