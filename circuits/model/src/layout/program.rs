//! The scalar program: identities over folds, as multiply-adds in one column.
//!
//! An operation occupies four consecutive cells `a·b + c = d`; when its `a` is the result just
//! computed, it starts on that cell. All other operands are copies.

use halo2_proofs::halo2curves::{bn256::Fr, ff::PrimeField};
use std::{collections::HashMap, ops::Neg};

use super::block::{BlockId, Cell};

/// A value of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// The fold of a segment of a block.
    Fold {
        /// Block.
        block: BlockId,
        /// Segment.
        segment: usize,
    },
    /// A data cell.
    Cell {
        /// Block.
        block: BlockId,
        /// Position in the block.
        index: usize,
    },
    /// A word of the statement or of a hashed message.
    Word(usize),
    /// A constant, by index in [`Program::constants`].
    Constant(usize),
    /// The result of an operation.
    Result(usize),
}

impl From<Cell> for Operand {
    fn from(cell: Cell) -> Self {
        Operand::Cell {
            block: cell.block,
            index: cell.index,
        }
    }
}

/// `a·b + c`.
#[derive(Clone, Copy, Debug)]
pub struct MulAdd {
    /// Factor.
    pub a: Operand,
    /// Factor.
    pub b: Operand,
    /// Summand.
    pub c: Operand,
}

/// Operations in order, and equalities.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// Operations.
    pub ops: Vec<MulAdd>,
    /// Values that must be equal.
    pub equal: Vec<(Operand, Operand)>,
    /// Distinct constants.
    pub constants: Vec<Fr>,
    /// Where each constant is among them: a table has as many as entries.
    known: HashMap<Fr, usize>,
    /// The integers that were asked for last: identities of one layer alternate between few.
    recent: [Option<(i128, usize)>; 4],
}

impl Program {
    /// The operand of a constant.
    pub fn constant(&mut self, value: Fr) -> Operand {
        let index = self.known.entry(value).or_insert_with(|| {
            let next = self.constants.len();
            self.constants.push(value);
            next
        });
        Operand::Constant(*index)
    }

    /// The operand of a signed integer.
    pub fn integer(&mut self, value: i128) -> Operand {
        let mut recent = self.recent.iter().flatten();
        if let Some((_, index)) = recent.find(|(known, _)| *known == value) {
            return Operand::Constant(*index);
        }
        let operand = self.constant(signed(value));
        if let Operand::Constant(index) = operand {
            self.recent.rotate_right(1);
            if let Some(first) = self.recent.first_mut() {
                *first = Some((value, index));
            }
        }
        operand
    }

    /// Where a constant is among [`Program::constants`], if it was declared.
    pub fn place(&self, value: Fr) -> Option<usize> {
        self.known.get(&value).copied()
    }

    /// `a·b + c`.
    pub fn mul_add(&mut self, a: Operand, b: Operand, c: Operand) -> Operand {
        let next = self.ops.len();
        self.ops.push(MulAdd { a, b, c });
        Operand::Result(next)
    }

    /// Demands `left = right`.
    pub fn assert_equal(&mut self, left: Operand, right: Operand) {
        self.equal.push((left, right));
    }

    /// First cell of every operation, and the number of cells of all.
    pub fn cells(&self) -> (Vec<usize>, usize) {
        let (mut next, mut last) = (0usize, None);
        let firsts = self
            .ops
            .iter()
            .enumerate()
            .map(|(i, op)| {
                let first = match last.replace(Operand::Result(i)) {
                    Some(last) if op.a == last => next.saturating_sub(1),
                    _ => next,
                };
                // Operations are in memory, where each takes more than four bytes.
                next = first.saturating_add(4);
                first
            })
            .collect();
        (firsts, next)
    }
}

/// A signed integer in the field.
pub fn signed(value: impl Into<i128>) -> Fr {
    let value = value.into();
    let magnitude = value.unsigned_abs();
    // Of 128 bits it is 64 doublings, for each of a large table's rows.
    let magnitude = match u64::try_from(magnitude) {
        Ok(magnitude) => Fr::from(magnitude),
        Err(_) => Fr::from_u128(magnitude),
    };
    if value < 0 {
        magnitude.neg()
    } else {
        magnitude
    }
}
