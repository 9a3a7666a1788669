//! Looking up by computed indices in tables of which each tree has its own.
//!
//! A table of n entries is a rectangle of so many rows and columns: the index becomes booleans for the row and for the
//! column, a matrix product takes the row, and products with the booleans of the columns the entry. So the cost is
//! the table once, and about √n for each look-up, not n booleans.

use super::Importer;
use crate::onnx::value::{Array, Data, Type, Value};
use crate::ImportError;
use zkml_graph::{Op, Table};

type One = Result<Value, ImportError>;

/// A rectangle for a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rectangle {
    pub rows: usize,
    pub columns: usize,
}

impl Rectangle {
    /// For so many entries. Columns cost about two and a half times what rows do.
    pub fn of(entries: usize) -> Rectangle {
        let columns = ((0.4 * entries as f64).sqrt().round() as usize).max(1);
        Rectangle {
            rows: entries.div_ceil(columns).max(1),
            columns,
        }
    }

    pub fn entries(self) -> usize {
        self.rows.saturating_mul(self.columns)
    }
}

/// An index, and it in booleans: `[.., rows]` and, if there is more than one column, `[.., columns]`.
pub(super) struct Choice {
    pub index: Value,
    pub rectangle: Rectangle,
    pub row: Value,
    pub column: Option<Value>,
}

impl Importer {
    /// An index from 0 to `entries − 1`, in booleans. For one that is not, there may be none of them.
    pub(super) fn in_booleans(
        &mut self,
        index: &Value,
        entries: usize,
    ) -> Result<Choice, ImportError> {
        let rectangle = Rectangle::of(entries);
        let Rectangle { rows, columns } = rectangle;
        let within = columns as i64;
        let starts = (0..rows).map(|row| row * columns).collect();
        let name = format!("whether within {columns}");
        let row = self.differs(
            index,
            starts,
            entries,
            (name, &|d| (0..within).contains(&d)),
        )?;
        let column = match columns {
            1 => None,
            _ => {
                let name = format!("whether a multiple of {columns}");
                let multiple = |d: i64| d.rem_euclid(within) == 0;
                let starts = (0..columns).collect();
                Some(self.differs(index, starts, entries, (name, &multiple))?)
            }
        };
        Ok(Choice {
            index: index.clone(),
            rectangle,
            row,
            column,
        })
    }

    /// `[.., starts]` of booleans: what is said of the index's distance from each start.
    fn differs(
        &mut self,
        index: &Value,
        starts: Vec<usize>,
        entries: usize,
        (name, says): (String, &dyn Fn(i64) -> bool),
    ) -> One {
        let lo = -(starts.last().copied().unwrap_or(0) as i64);
        let starts: Vec<f64> = starts.into_iter().map(|start| start as f64).collect();
        let starts = Array::public(vec![starts.len()], starts, Type::INDEX).into();
        let column = self.unsqueezed_at(index, index.rank())?;
        let distance = self.sub(&column, &starts)?;
        let distance = self.data(&distance)?;
        let values = (lo..entries as i64).map(|d| i64::from(says(d))).collect();
        let table = self.table(Table { name, lo, values });
        let x = distance.id;
        let id = self.op(Op::Table { x, table })?;
        let ty = Type::Bool;
        Ok(Data { id, ty, ..distance }.into())
    }

    /// The entry of each tree's table at each of its indices. Tables are `[trees, parts, entries]`, weights;
    /// indices `[trees, N]`, or none where there is one entry; the result is `[trees, N, parts]`.
    pub(super) fn looked_up(&mut self, choice: Option<&Choice>, table: Array, n: usize) -> One {
        let [trees, parts, entries] = match *table.shape {
            [trees, parts, entries] => [trees, parts, entries],
            _ => return Err(self.bad("tables", "three dimensions", table.shape.len())),
        };
        let Some(choice) = choice else {
            let one = self.data(&table.into())?;
            let one = self.reshape_to(&one.into(), vec![trees, 1, parts])?;
            return self.expand(&one, &[trees, n, parts]);
        };
        let Rectangle { rows, columns } = choice.rectangle;
        // Entries in rows, a row's parts one after another.
        let mut values = Vec::with_capacity(trees * rows * parts * columns);
        for tree in table.values.chunks((parts * entries).max(1)) {
            for row in 0..rows {
                for part in tree.chunks(entries.max(1)) {
                    let at = |column| part.get(row * columns + column).copied().unwrap_or(0.0);
                    values.extend((0..columns).map(at));
                }
            }
        }
        let shape = vec![trees, rows, parts * columns];
        self.spend(values.len())?;
        let table = Array::new(shape, values, table.ty, table.origins);
        let table = self.data(&table.into())?.into();
        let row = self.matmul_of(&choice.row, &table)?;
        let Some(column) = &choice.column else {
            return Ok(row);
        };
        let row = self.reshape_to(&row, vec![trees, n, parts, columns])?;
        let column = self.unsqueezed_at(column, 2)?;
        let chosen = self.mul(&row, &column)?;
        self.sum_last(&chosen, 1)
    }

    /// The feature that each tree asks for, of each row: `x` is `[N, features]`, indices are `[trees, N]`, and so
    /// is the result.
    pub(super) fn feature(&mut self, x: &Value, index: &Value) -> One {
        let (n, features, trees) = (x.size(0), x.size(1), index.size(0));
        if features == 1 {
            let column = self.permuted(x, &[1, 0])?;
            return self.expand(&column, &[trees, n]);
        }
        let index = self.permuted(index, &[1, 0])?;
        let choice = self.in_booleans(&index, features)?;
        let Rectangle { rows, columns } = choice.rectangle;
        let missing = choice.rectangle.entries() - features;
        let mut table = x.clone();
        if missing > 0 {
            let zeros = self.filled(&[n, missing], 0.0, x.ty())?;
            table = self.joined(&[table, zeros], 1)?;
        }
        let table = self.reshape_to(&table, vec![n, rows, columns])?;
        let row = self.matmul_of(&choice.row, &table)?;
        let found = match &choice.column {
            None => self.reshape_to(&row, vec![n, trees])?,
            Some(column) => {
                let chosen = self.mul(&row, column)?;
                self.sum_last(&chosen, 1)?
            }
        };
        self.permuted(&found, &[1, 0])
    }
}
