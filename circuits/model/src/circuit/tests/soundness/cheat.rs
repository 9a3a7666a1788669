//! Dishonest values of phase 2 that make all identities hold again.

use std::sync::Arc;

use halo2_proofs::{
    arithmetic::Field,
    halo2curves::bn256::Fr,
    plonk::{Advice, Column},
};

use crate::{
    circuit::{
        fixed::{data_rows, ScalarCells},
        phase2::{data_grid, folds, Challenges, Evaluation},
        tests::{forge::mock_challenges, Override},
        Columns, Witness,
    },
    layout::{program::Operand, Plan},
};

/// The value that is not what it should be.
#[derive(Clone, Copy, Debug)]
pub enum At {
    /// The fold column, on a segment's last row.
    Fold(usize),
    /// An operand (0, 1, 2) of an operation.
    Operand(usize, usize),
    /// The cell of a constant.
    Constant(usize),
    /// The result of an operation.
    Result(usize),
}

pub fn set(
    phase: u8,
    pick: impl Fn(&Columns) -> Column<Advice> + Send + Sync + 'static,
    row: usize,
    value: Fr,
) -> Override {
    Override {
        phase,
        column: Arc::new(pick),
        row,
        value,
    }
}

/// A witness, and its honest folds at MockProver's challenges.
pub struct Prover {
    plan: Plan,
    witness: Arc<Witness>,
    folds: Vec<Fr>,
}

impl Prover {
    pub fn new(plan: &Plan, witness: &Arc<Witness>) -> Self {
        let [position, channel, pole, mix] = mock_challenges();
        let challenges = Challenges {
            position,
            channel,
            pole,
            mix,
        };
        let rows = data_rows(plan);
        let grid = data_grid(plan, witness, rows.len());
        Self {
            plan: plan.clone(),
            witness: witness.clone(),
            folds: folds(plan, &rows, &grid, &challenges),
        }
    }

    /// Whether all identities hold for honest values.
    pub fn identities_hold(&mut self) -> bool {
        let (_, differences) = self.run(None);
        differences.iter().all(|d| *d == Fr::ZERO)
    }

    /// The cells of phase 2 in which the value at `at` is such that all identities hold, and all others
    /// follow from it.
    pub fn solve(&mut self, at: At) -> Option<Vec<Override>> {
        let [zero, one] = [Fr::ZERO, Fr::ONE].map(|value| self.run(Some((at, value))).1);
        let (zero, slope) = zero
            .into_iter()
            .zip(one)
            .map(|(zero, one)| (zero, one - zero))
            .find(|(_, slope)| *slope != Fr::ZERO)?;
        let (cells, differences) = self.run(Some((at, -zero * slope.invert().unwrap())));
        differences.iter().all(|d| *d == Fr::ZERO).then_some(cells)
    }

    /// The cells of phase 2, and the differences of what must be equal.
    fn run(&mut self, forged: Option<(At, Fr)>) -> (Vec<Override>, Vec<Fr>) {
        let honest = (self.folds.clone(), self.plan.program.constants.clone());
        let mut cells = Vec::new();
        match forged {
            Some((At::Fold(row), value)) => {
                self.folds[row] = value;
                cells.push(set(1, |c| c.fold, row, value));
            }
            Some((At::Constant(index), value)) => self.plan.program.constants[index] = value,
            _ => {}
        }
        let plan = &self.plan;
        let places = ScalarCells::new(&plan.program, &plan.rows);
        for (row, value) in places.constants.iter().zip(&plan.program.constants) {
            cells.push(set(1, |c| c.scalar, *row, *value));
        }
        let mut evaluation = Evaluation {
            plan,
            witness: &self.witness,
            folds: &self.folds,
            results: Vec::new(),
        };
        for (i, op) in plan.program.ops.iter().enumerate() {
            let mut values = [op.a, op.b, op.c].map(|operand| evaluation.value(operand));
            if let Some((At::Operand(op, operand), value)) = forged {
                if op == i {
                    values[operand] = value;
                }
            }
            let [a, b, c] = values;
            let result = match forged {
                Some((At::Result(op), value)) if op == i => value,
                _ => a * b + c,
            };
            evaluation.results.push(result);
            for (offset, value) in [a, b, c, result].into_iter().enumerate() {
                cells.push(set(1, |c| c.scalar, places.ops[i] + offset, value));
            }
        }
        let difference =
            |(left, right): &(Operand, Operand)| evaluation.value(*left) - evaluation.value(*right);
        let differences = plan.program.equal.iter().map(difference).collect();
        (self.folds, self.plan.program.constants) = honest;
        (cells, differences)
    }
}
