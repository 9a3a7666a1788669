//! Look-up tables, all in one argument, told apart by tags: ranges `[0, n)`, then functions.

use super::{
    block::{FunctionRange, Range},
    LayoutError, Shape,
};
use crate::graph::Table;

/// The tables of a layout; a table's tag is its index, ranges first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    sizes: Vec<u64>,
    functions: Vec<Function>,
}

/// A function's table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Function {
    range: FunctionRange,
    /// The least value.
    least: i64,
    /// Argument of the first entry, less the offset.
    first: u64,
    entries: Vec<u64>,
}

impl Function {
    /// The arguments of a table, less the offset, that a function of this range has.
    fn arguments(range: FunctionRange, table: &Table) -> impl Iterator<Item = (u64, i64)> + '_ {
        let first = i128::from(table.lo) - i128::from(range.offset);
        let stored = move |argument: i128| u64::try_from(argument).ok();
        (first..)
            .zip(&table.values)
            .filter_map(move |(argument, y)| Some((stored(argument)?, *y)))
            .take_while(move |(argument, _)| *argument < range.stride)
    }

    fn new(range: FunctionRange, table: &Table) -> Self {
        let least = least_value(table);
        let mut first = None;
        let mut entries = Vec::new();
        for (argument, y) in Self::arguments(range, table) {
            first = first.or(Some(argument));
            entries.push(argument + range.stride * (y - least) as u64);
        }
        Self {
            range,
            least,
            first: first.unwrap_or(0),
            entries,
        }
    }

    fn row(&self, cell: u64) -> Option<usize> {
        let at = (cell % self.range.stride).checked_sub(self.first)? as usize;
        (self.entries.get(at) == Some(&cell)).then_some(at)
    }
}

/// The least value of a function: offset of what is stored.
pub fn least_value(table: &Table) -> i64 {
    table.values.iter().copied().min().unwrap_or(0)
}

impl Tables {
    /// The largest range that may ask for a table of its own: with the one of the limbs it fits.
    pub fn single_limit(shape: &Shape) -> u64 {
        // A stacked table takes rows from the data.
        if shape.stacked {
            return shape.limb_base();
        }
        ((shape.usable_rows() as u64).saturating_sub(1)).saturating_sub(shape.limb_base())
    }

    /// Collects the tables for `ranges`. What rows remain become one large table for the ranges
    /// that only need to be non-negative and bounded, as far as `loose` asks for.
    pub fn new(
        shape: &Shape,
        ranges: impl Iterator<Item = Range>,
        functions: &[Table],
        loose: u64,
    ) -> Result<Self, LayoutError> {
        let mut tables = Self {
            sizes: vec![shape.limb_base()],
            functions: Vec::new(),
        };
        if loose > shape.limb_base() {
            tables.sizes.push(loose);
        }
        let mut wanted: Vec<(FunctionRange, &Table)> = Vec::new();
        for range in ranges {
            match range {
                Range::Exact(n) => tables.sizes.push(n),
                Range::AtLeast(_) => {}
                Range::Function(range) => {
                    let known = wanted.iter().any(|(known, _)| *known == range);
                    if let Some(table) = functions.get(range.table).filter(|_| !known) {
                        wanted.push((range, table));
                    }
                }
            }
        }
        tables.sizes.sort_unstable();
        tables.sizes.dedup();
        // Counted before they are made: those of a shape that is too small may be many times its size.
        let entries =
            |(range, table): &(FunctionRange, &Table)| Function::arguments(*range, table).count();
        let needed = tables.rows() + wanted.iter().map(entries).sum::<usize>();
        let available = shape.usable_rows() - 1;
        if needed > available {
            return Err(LayoutError::TooSmall {
                k: shape.k,
                data: shape.data,
                resource: "look-up tables",
                needed,
                available,
            });
        }
        let made = wanted.into_iter();
        tables.functions = made
            .map(|(range, table)| Function::new(range, table))
            .collect();
        Ok(tables)
    }

    /// Rows of all tables.
    pub fn rows(&self) -> usize {
        self.first_row(self.sizes.len() + self.functions.len())
    }

    /// The tag for a range: the smallest table that does.
    pub fn tag(&self, range: Range) -> Option<usize> {
        match range {
            Range::Exact(n) => self.sizes.iter().position(|size| *size == n),
            Range::AtLeast(n) => self.sizes.iter().position(|size| *size >= n),
            Range::Function(range) => {
                let at = self.functions.iter().position(|f| f.range == range)?;
                Some(self.sizes.len() + at)
            }
        }
    }

    /// What cells of a range are below: the size of its table, which may be larger than asked for.
    pub fn size(&self, range: Range) -> Option<u64> {
        match range {
            Range::Exact(_) | Range::AtLeast(_) => self.sizes.get(self.tag(range)?).copied(),
            Range::Function(function) => Some(function.size),
        }
    }

    /// First table row of a tag.
    pub fn first_row(&self, tag: usize) -> usize {
        let sizes = self.sizes.iter().map(|size| *size as usize);
        let functions = self.functions.iter().map(|f| f.entries.len());
        sizes.chain(functions).take(tag).sum()
    }

    /// The cell that joins an argument, less the offset, with its value, and the value, less the least
    /// one.
    pub fn joined(&self, range: Range, argument: u64) -> Option<(u64, u64)> {
        let Range::Function(range) = range else {
            return None;
        };
        let function = self.functions.iter().find(|f| f.range == range)?;
        let at = argument.checked_sub(function.first)? as usize;
        let cell = *function.entries.get(at)?;
        Some((cell, cell / range.stride))
    }

    /// The least value of a function.
    pub fn least(&self, range: FunctionRange) -> Option<i64> {
        let function = self.functions.iter().find(|f| f.range == range)?;
        Some(function.least)
    }

    /// First row of every tag.
    pub fn index(&self) -> Index<'_> {
        let firsts = (0..self.sizes.len() + self.functions.len())
            .map(|tag| self.first_row(tag))
            .collect();
        Index {
            tables: self,
            firsts,
        }
    }

    /// `(tag, value)` of every table row, in order.
    pub fn entries(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let ranges = self
            .sizes
            .iter()
            .enumerate()
            .flat_map(|(tag, size)| (0..*size).map(move |value| (tag, value)));
        let functions = (self.sizes.len()..)
            .zip(&self.functions)
            .flat_map(|(tag, f)| f.entries.iter().map(move |value| (tag, *value)));
        ranges.chain(functions)
    }
}

/// Tables with the first row of each at hand.
pub struct Index<'t> {
    tables: &'t Tables,
    firsts: Vec<usize>,
}

impl Index<'_> {
    /// The table row of a cell under a tag, if it has one.
    pub fn row(&self, tag: usize, cell: u64) -> Option<usize> {
        let first = *self.firsts.get(tag)?;
        match self.tables.sizes.get(tag) {
            Some(size) => (cell < *size).then(|| first + cell as usize),
            None => {
                let function = self.tables.functions.get(tag - self.tables.sizes.len())?;
                Some(first + function.row(cell)?)
            }
        }
    }
}
