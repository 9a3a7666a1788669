//! All constraints of a layout over data cells, words and instances, without a proof: look-ups, clamp gates,
//! copies, and identities at random challenges. What is hashed follows the words honestly.

use halo2_proofs::{arithmetic::Field, halo2curves::bn256::Fr};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use crate::{
    circuit::{
        fixed::{data_rows, DataRow},
        phase2::{data_grid, folds, Challenges, Evaluation},
        Witness,
    },
    layout::{Gate, Plan, Step},
};

/// A plan whose constraints are checked many times.
pub struct Checker<'p> {
    plan: &'p Plan,
    rows: Vec<DataRow>,
    challenges: Challenges,
}

impl<'p> Checker<'p> {
    pub fn new(plan: &'p Plan) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(99);
        let mut draw = || Fr::random(&mut rng);
        Self {
            plan,
            rows: data_rows(plan),
            challenges: Challenges {
                position: draw(),
                channel: draw(),
                pole: draw(),
                mix: draw(),
            },
        }
    }

    /// The kind of constraint that a witness breaks, if any.
    pub fn broken(&self, witness: &Witness) -> Option<&'static str> {
        let grid = data_grid(self.plan, witness, self.rows.len());
        if !self.looked_up(&grid) {
            return Some("lookup");
        }
        if !self.clamped(&grid) {
            return Some("clamp");
        }
        if !self.copied(witness) {
            return Some("copy");
        }
        let zero = |residual: &Fr| *residual == Fr::ZERO;
        (!self.residuals(witness).iter().all(zero)).then_some("identity")
    }

    /// The sides of each identity, one less the other.
    pub fn residuals(&self, witness: &Witness) -> Vec<Fr> {
        let grid = data_grid(self.plan, witness, self.rows.len());
        let folds = folds(self.plan, &self.rows, &grid, &self.challenges);
        let evaluation = Evaluation::run(self.plan, witness, &folds);
        let equal = self.plan.program.equal.iter();
        equal
            .map(|(left, right)| evaluation.value(*left) - evaluation.value(*right))
            .collect()
    }

    fn looked_up(&self, grid: &[u64]) -> bool {
        let index = self.plan.tables.index();
        let rows = self.rows.iter().zip(grid.chunks(self.plan.shape.data));
        rows.into_iter()
            .all(|(row, cells)| cells.iter().all(|cell| index.row(row.tag, *cell).is_some()))
    }

    fn clamped(&self, grid: &[u64]) -> bool {
        let columns = self.plan.shape.data;
        let limb = self.plan.shape.limb_base();
        let at = |row: usize, j: usize| u128::from(grid[row * columns + j]);
        let wide = |row: usize, high: usize, j: usize| at(row, j) + u128::from(limb) * at(high, j);
        let holds = |r: usize, j: usize| match self.rows[r].gate {
            Gate::None | Gate::Product => true,
            Gate::TwoSided { cap, wide } => {
                let kept = at(r - 1, j);
                let bound = kept == 0 || kept == u128::from(cap) || cap == 0;
                bound || (at(r, j) == 0 && (!wide || at(r + 1, j) == 0))
            }
            Gate::OneSided { wide: false } => at(r - 1, j) == 0 || at(r, j) == 0,
            Gate::OneSided { wide: true } => wide(r - 1, r + 2, j) == 0 || wide(r, r + 1, j) == 0,
        };
        (0..self.rows.len()).all(|r| (0..columns).all(|j| holds(r, j)))
    }

    fn copied(&self, witness: &Witness) -> bool {
        let at = |cell: &crate::layout::Cell| witness.blocks[cell.block][cell.index];
        self.plan.steps.iter().all(|step| match step {
            Step::Gather { copies } => copies.iter().all(|(to, from)| at(to) == at(from)),
            Step::Fixed { cells } => cells.iter().all(|(cell, value)| at(cell) == *value),
            Step::Given { .. }
            | Step::Function { .. }
            | Step::Divide { .. }
            | Step::Compute { .. } => true,
        })
    }
}
