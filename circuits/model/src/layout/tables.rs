//! Look-up tables, all in one argument, told apart by tags: ranges `[0, n)`, then functions.

use super::{
    block::{FunctionRange, Range},
    LayoutError, Shape,
};
use zkml_graph::{Interval, Table};

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

    /// `None` where 64 bits do not hold an entry, which lowering refuses for the node that reads them.
    fn new(range: FunctionRange, table: &Table) -> Option<Self> {
        let least = least_value(table);
        let first = Self::arguments(range, table).next();
        let entry = |(argument, y): (u64, i64)| {
            let value = u64::try_from(i128::from(y) - i128::from(least)).ok()?;
            range.stride.checked_mul(value)?.checked_add(argument)
        };
        Some(Self {
            range,
            least,
            first: first.map_or(0, |(argument, _)| argument),
            entries: Self::arguments(range, table)
                .map(entry)
                .collect::<Option<_>>()?,
        })
    }

    fn row(&self, cell: u64) -> Option<usize> {
        let argument = cell.checked_rem(self.range.stride)?;
        let at = argument.checked_sub(self.first)? as usize;
        (self.entries.get(at) == Some(&cell)).then_some(at)
    }
}

/// The least value of a function: offset of what is stored.
pub fn least_value(table: &Table) -> i64 {
    values_of(table).lo
}

/// The values of a function, from the least to the largest.
pub fn values_of(table: &Table) -> Interval {
    let values = || table.values.iter().copied();
    Interval {
        lo: values().min().unwrap_or(0),
        hi: values().max().unwrap_or(0),
    }
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
        let mut asked = Vec::new();
        for range in ranges {
            match range {
                Range::Exact(n) => {
                    tables.sizes.push(n);
                    asked.push(range);
                }
                Range::AtLeast(_) => asked.push(range),
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
        // Were there only blocks of the first table, no row would have another tag than an idle one, which has 0: a
        // column of nothing but zeros (see `Rows::idle`). Idle rows have a table of their own then.
        if wanted.is_empty() && asked.iter().all(|range| tables.tag(*range) == Some(0)) {
            tables.sizes.insert(0, 1);
        }
        // Counted before they are made: those of a shape that is too small may be many times its size.
        let entries =
            |(range, table): &(FunctionRange, &Table)| Function::arguments(*range, table).count();
        let needed = wanted
            .iter()
            .map(entries)
            .fold(tables.rows(), usize::saturating_add);
        let available = shape.usable_rows().saturating_sub(1);
        // So is what saturates.
        if needed > available {
            return Err(LayoutError::TooSmall {
                k: shape.k,
                data: shape.data,
                resource: LayoutError::TABLES,
                needed,
                available,
            });
        }
        let made = wanted.into_iter();
        tables.functions = made
            .map(|(range, table)| Function::new(range, table))
            .collect::<Option<_>>()
            .ok_or_else(|| LayoutError::Graph("a table's entries have more than 64 bits".into()))?;
        Ok(tables)
    }

    /// Rows of each table, in the order of tags.
    fn lengths(&self) -> impl Iterator<Item = usize> + '_ {
        let sizes = self.sizes.iter().map(|size| *size as usize);
        let functions = self.functions.iter().map(|f| f.entries.len());
        sizes.chain(functions)
    }

    /// Rows of all tables.
    pub fn rows(&self) -> usize {
        // `new` refuses more than a shape has, so that no first row saturates.
        self.lengths().fold(0, usize::saturating_add)
    }

    /// The tag for a range: the smallest table that does, and not that of idle rows, if they have one.
    pub fn tag(&self, range: Range) -> Option<usize> {
        match range {
            Range::Exact(n) => self.sizes.iter().rposition(|size| *size == n),
            Range::AtLeast(n) => {
                let least = self.sizes.iter().find(|size| **size >= n)?;
                self.tag(Range::Exact(*least))
            }
            Range::Function(range) => {
                let at = self.functions.iter().position(|f| f.range == range)?;
                self.sizes.len().checked_add(at)
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
        self.lengths().take(tag).fold(0, usize::saturating_add)
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
        Some((cell, cell.checked_div(range.stride)?))
    }

    /// The least value of a function.
    pub fn least(&self, range: FunctionRange) -> Option<i64> {
        let function = self.functions.iter().find(|f| f.range == range)?;
        Some(function.least)
    }

    /// First row of every tag.
    pub fn index(&self) -> Index<'_> {
        let tags = self.lengths().enumerate();
        Index {
            tables: self,
            firsts: tags.map(|(tag, _)| self.first_row(tag)).collect(),
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
            Some(size) if cell >= *size => None,
            Some(_) => first.checked_add(cell as usize),
            None => {
                let at = tag.checked_sub(self.tables.sizes.len())?;
                first.checked_add(self.tables.functions.get(at)?.row(cell)?)
            }
        }
    }
}
