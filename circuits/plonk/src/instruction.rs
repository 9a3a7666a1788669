//! The instructions of a program over rows, and what they read.

use halo2_proofs::{arithmetic::Field, halo2curves::bn256::Fr};

/// Rows that are computed together: enough to spread the cost of an instruction, few enough that
/// all registers stay in a core's cache.
pub const ROWS: usize = 16;

/// A column at a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Query {
    /// Kind of column.
    pub kind: Kind,
    /// Index among its kind.
    pub column: usize,
    /// Rotation.
    pub rotation: i32,
}

/// Kind of a queried column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Fixed by the key.
    Fixed,
    /// Of the witness.
    Advice,
    /// Of the statement.
    Instance,
}

/// The row that a rotation leads to.
pub fn rotated(row: usize, rotation: i32, rows: usize) -> usize {
    (row as i64 + i64::from(rotation)).rem_euclid(rows as i64) as usize
}

/// Values from row `first` on, around the end.
pub(super) fn load(to: &mut [Fr; ROWS], column: &[Fr], first: usize) {
    match column.get(first..first + ROWS) {
        Some(values) => to.copy_from_slice(values),
        None => {
            for (i, value) in to.iter_mut().enumerate() {
                *value = column[(first + i) % column.len()];
            }
        }
    }
}

/// A factor of a linear combination.
#[derive(Clone, Copy, Debug)]
pub(super) enum Coefficient {
    One,
    MinusOne,
    Other(Fr),
}

impl From<Fr> for Coefficient {
    fn from(value: Fr) -> Self {
        if value == Fr::ONE {
            Coefficient::One
        } else if value == -Fr::ONE {
            Coefficient::MinusOne
        } else {
            Coefficient::Other(value)
        }
    }
}

pub(super) type Register = usize;

/// A step, over [`ROWS`] rows at once.
#[derive(Clone, Debug)]
pub(super) enum Instruction {
    Load(Query, Register),
    Multiply(Register, Register, Register),
    Combine(Vec<(Register, Coefficient)>, Fr, Register),
}
