//! The circuit against honest and cheating witnesses.

mod attacks;
mod blinding;
mod cells;
mod cheats;
mod clamps;
mod computed;
mod enemy;
mod fixtures;
mod forge;
mod honest;
mod images;
mod lookup_columns;
mod packed;
mod packing;
mod random;
mod reject;
mod soundness;
mod typed;
mod windows;

use halo2_proofs::{
    halo2curves::bn256::Fr,
    plonk::{Advice, Column},
};

use super::Columns;

/// Picks an advice column.
pub type Pick = dyn Fn(&Columns) -> Column<Advice> + Send + Sync;

/// A cell that a test writes over.
#[derive(Clone)]
pub struct Override {
    /// 0 before the challenges, 1 after.
    pub phase: u8,
    /// Which column.
    pub column: std::sync::Arc<Pick>,
    /// Row.
    pub row: usize,
    /// New value.
    pub value: Fr,
}

impl std::fmt::Debug for Override {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "row {} in phase {}", self.row, self.phase)
    }
}
