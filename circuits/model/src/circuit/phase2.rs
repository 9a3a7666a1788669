//! The phase-2 witness: folds, the scalar program, the look-up argument.

use halo2_proofs::{arithmetic::Field, halo2curves::bn256::Fr};
use rayon::prelude::*;

use super::{
    columns::Columns,
    fixed::{fold_row, DataRow},
    witness::Witness,
};
use crate::layout::{program::Operand, Gate, Place, Plan, Variable, SLOTS};
use zkml_plonk::batch_invert;

/// The four challenges.
#[derive(Clone, Copy, Debug)]
pub struct Challenges {
    /// Fold variable along positions.
    pub position: Fr,
    /// Fold variable along channels.
    pub channel: Fr,
    /// Evaluation point of the look-up argument.
    pub pole: Fr,
    /// Mixes tags into look-ups.
    pub mix: Fr,
}

/// Data cells row by row.
pub fn data_grid(plan: &Plan, witness: &Witness, rows: usize) -> Vec<u64> {
    let columns = plan.shape.data;
    let mut grid = vec![0; rows * columns];
    for (block, cells) in plan.blocks.iter().zip(&witness.blocks) {
        for (row, values) in cells.chunks(columns).enumerate() {
            let at = block.physical_row(row) * columns;
            grid[at..at + columns].copy_from_slice(values);
        }
    }
    grid
}

/// How often each table row is looked up.
pub fn multiplicities(plan: &Plan, rows: &[DataRow], grid: &[u64]) -> Vec<u64> {
    let columns = plan.shape.data;
    let mut counts = vec![0u64; plan.tables.rows()];
    let index = plan.tables.index();
    for (row, cells) in grid.chunks(columns).enumerate() {
        let tag = rows.get(row).map_or(0, |row| row.tag);
        for cell in cells {
            let at = index.row(tag, *cell);
            if let Some(count) = at.and_then(|at| counts.get_mut(at)) {
                *count += 1;
            }
        }
    }
    counts
}

/// The fold column.
pub fn folds(plan: &Plan, rows: &[DataRow], grid: &[u64], challenges: &Challenges) -> Vec<Fr> {
    let columns = plan.shape.data;
    let power = |z: Fr| z.pow_vartime([columns as u64]);
    let steps = [power(challenges.position), power(challenges.channel)];
    let limb = Fr::from(plan.shape.limb_base());
    let at = |row: usize, j: usize| Fr::from(grid[row * columns + j]);
    let mut folds: Vec<Fr> = rows
        .par_iter()
        .enumerate()
        .map(|(r, row)| {
            let z = match row.variable {
                Variable::Position => challenges.position,
                Variable::Channel => challenges.channel,
            };
            let gate = row.gate_values();
            (0..columns).fold(Fr::ZERO, |sum, j| {
                let mut cell = at(r, j);
                match row.gate {
                    Gate::None | Gate::OneSided { .. } => {}
                    Gate::TwoSided { wide, .. } => {
                        let kept = at(r - 1, j);
                        let mut clamped = gate.cap * cell;
                        if wide {
                            clamped += limb * gate.cap_wide * at(r + 1, j);
                        }
                        cell -= kept * clamped;
                    }
                    Gate::Product => cell *= at(r - 1, j),
                }
                sum * z + cell
            })
        })
        .collect();
    for r in SLOTS..folds.len() {
        if rows[r].carry {
            let step = match rows[r].variable {
                Variable::Position => steps[0],
                Variable::Channel => steps[1],
            };
            let carried = folds[r - SLOTS] * step;
            folds[r] += carried;
        }
    }
    folds
}

/// The value of every operand, and of every operation in turn.
pub struct Evaluation<'a> {
    /// Layout.
    pub plan: &'a Plan,
    /// Data cells and words.
    pub witness: &'a Witness,
    /// The fold column.
    pub folds: &'a [Fr],
    /// Results so far.
    pub results: Vec<Fr>,
}

impl<'a> Evaluation<'a> {
    /// Runs the plan's program.
    pub fn run(plan: &'a Plan, witness: &'a Witness, folds: &'a [Fr]) -> Self {
        let mut evaluation = Self {
            plan,
            witness,
            folds,
            results: Vec::with_capacity(plan.program.ops.len()),
        };
        for op in &plan.program.ops {
            let [a, b, c] = [op.a, op.b, op.c].map(|operand| evaluation.value(operand));
            evaluation.results.push(a * b + c);
        }
        evaluation
    }

    /// An operand's value.
    pub fn value(&self, operand: Operand) -> Fr {
        match operand {
            Operand::Fold { block, segment } => {
                self.folds[fold_row(&self.plan.blocks[block], segment)]
            }
            Operand::Cell { block, index } => Fr::from(self.witness.blocks[block][index]),
            Operand::Word(word) => match self.plan.statement.words[word] {
                Place::Instance(row) => self.witness.instances[row],
                Place::Message { .. } => self.witness.words[word],
            },
            Operand::Constant(index) => self.plan.program.constants[index],
            Operand::Result(op) => self.results[op],
        }
    }
}

/// Helper columns and the running sum.
pub struct Lookups {
    /// One column per helper.
    pub helpers: Vec<Vec<Fr>>,
    /// Running sum, one longer.
    pub running: Vec<Fr>,
}

/// Computes the look-up argument.
pub fn lookups(
    plan: &Plan,
    rows: &[DataRow],
    grid: &[u64],
    counts: &[u64],
    challenges: &Challenges,
) -> Lookups {
    let columns = plan.shape.data;
    // Every looked-up cell is a table row: invert those only.
    let mut inverses: Vec<Fr> = plan
        .tables
        .entries()
        .map(|(tag, value)| {
            challenges.pole - Fr::from(value) - challenges.mix * Fr::from(tag as u64)
        })
        .collect();
    batch_invert(&mut inverses);
    let index = plan.tables.index();
    let inverse = |r: usize, j: usize| {
        let at = match rows.get(r) {
            None => Some(0),
            Some(row) => index.row(row.tag, grid[r * columns + j]),
        };
        at.and_then(|at| inverses.get(at).copied())
            .unwrap_or(Fr::ZERO)
    };
    let places = plan.rows;
    let direct = columns.min(Columns::DIRECT);
    let helpers: Vec<Vec<Fr>> = (0..Columns::helpers_for(columns))
        .map(|helper| {
            let first = direct + helper * Columns::PER_HELPER;
            let last = columns.min(first + Columns::PER_HELPER);
            (0..places.data)
                .into_par_iter()
                .map(|r| (first..last).map(|j| inverse(r, j)).sum())
                .collect()
        })
        .collect();
    let mut running = Vec::with_capacity(places.summed + 1);
    let mut sum = Fr::ZERO;
    running.push(sum);
    for r in 0..places.summed {
        if r < places.data {
            for j in 0..direct {
                sum += inverse(r, j);
            }
            for helper in &helpers {
                sum += helper[r];
            }
        }
        let entry = r.checked_sub(places.table);
        if let Some((at, count)) = entry.and_then(|at| Some((at, *counts.get(at)?))) {
            if count > 0 {
                sum -= Fr::from(count) * inverses[at];
            }
        }
        running.push(sum);
    }
    Lookups { helpers, running }
}
