//! Range tables `[0, n)`, all in one look-up argument, told apart by tags.

use super::{block::Range, LayoutError, Shape};

/// The tables of a layout; a table's tag is its index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    sizes: Vec<u64>,
}

impl Tables {
    /// The largest range that may ask for a table of its own.
    pub fn single_limit(shape: &Shape) -> u64 {
        1 << (shape.k - 2)
    }

    /// Collects the tables for `ranges`. What rows remain become one large table for the ranges
    /// that only need to be non-negative and bounded, as far as `loose` asks for.
    pub fn new(
        shape: &Shape,
        ranges: impl Iterator<Item = Range>,
        loose: u64,
    ) -> Result<Self, LayoutError> {
        let mut sizes = vec![shape.limb_base()];
        if loose > shape.limb_base() {
            sizes.push(loose);
        }
        for range in ranges {
            if let Range::Exact(n) = range {
                sizes.push(n);
            }
        }
        sizes.sort_unstable();
        sizes.dedup();
        let tables = Self { sizes };
        let available = shape.usable_rows() - 1;
        if tables.rows() > available {
            return Err(LayoutError::TooSmall {
                k: shape.k,
                data: shape.data,
                resource: "look-up tables",
                needed: tables.rows(),
                available,
            });
        }
        Ok(tables)
    }

    /// Table sizes by tag.
    pub fn sizes(&self) -> &[u64] {
        &self.sizes
    }

    /// Rows of all tables.
    pub fn rows(&self) -> usize {
        self.sizes.iter().map(|size| *size as usize).sum()
    }

    /// The tag for a range: the smallest table that does.
    pub fn tag(&self, range: Range) -> Option<usize> {
        match range {
            Range::Exact(n) => self.sizes.iter().position(|size| *size == n),
            Range::AtLeast(n) => self.sizes.iter().position(|size| *size >= n),
        }
    }

    /// First table row of a tag.
    pub fn first_row(&self, tag: usize) -> usize {
        self.sizes[..tag].iter().map(|size| *size as usize).sum()
    }

    /// `(tag, value)` of every table row, in order.
    pub fn entries(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.sizes
            .iter()
            .enumerate()
            .flat_map(|(tag, size)| (0..*size).map(move |value| (tag, value)))
    }
}
