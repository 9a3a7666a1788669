//! Virtual cells and all that constrains them, checked as the laid-out circuit does.

use super::{
    super::{
        circuit::AggregationCircuit,
        range::{largest, rows, RangeCheck},
        AggregationShape,
    },
    soundness::{
        mutant::{Mutant, Removed},
        Forgery,
    },
};
use num_bigint::BigUint;
use rand::{rngs::StdRng, SeedableRng};
use snark_verifier::halo2_base::{
    gates::flex_gate::threads::SinglePhaseCoreManager,
    halo2_proofs::{
        arithmetic::Field,
        halo2curves::{bn256::Fr, ff::PrimeField},
        plonk::Assigned,
    },
    AssignedValue, ContextCell,
};
use std::collections::HashMap;

/// A constraint that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The gate that starts at this cell.
    Gate(usize),
    /// Two cells that are copies.
    Copy(usize, usize),
    /// A cell that is a constant.
    Constant(usize),
    /// A range check of this cell.
    Range(usize),
}

/// Cells that only one statement rejects.
pub struct Forged {
    /// What the statement says.
    pub statement: String,
    /// What is forged.
    pub how: String,
    pub cells: Cells,
    /// The statement's constraints that do not hold: all that do not.
    broken: Vec<Failure>,
}

impl Forged {
    /// Fails unless `mine` holds for each constraint that does not hold, and there is one.
    pub fn new(statement: &str, how: &str, cells: Cells, mine: impl Fn(&Failure) -> bool) -> Self {
        let broken = cells.failures();
        assert!(
            !broken.is_empty() && broken.iter().all(mine),
            "{statement}: {how}: {broken:?}"
        );
        Self {
            statement: statement.into(),
            how: how.into(),
            cells,
            broken,
        }
    }

    /// The cells without the statement.
    pub fn without(&self) -> Cells {
        let keeps = |failure: Failure| !self.broken.contains(&failure);
        let mut cells = self.cells.clone();
        cells.gates.retain(|cell| keeps(Failure::Gate(*cell)));
        cells.copies.retain(|(a, b)| keeps(Failure::Copy(*a, *b)));
        cells
            .constants
            .retain(|(_, cell)| keeps(Failure::Constant(*cell)));
        cells
            .checks
            .retain(|(cell, _)| keeps(Failure::Range(*cell)));
        cells
    }
}

/// Virtual cells and all that constrains them.
#[derive(Clone)]
pub struct Cells {
    /// Their values.
    pub values: Vec<Fr>,
    /// The first cells of gates.
    pub gates: Vec<usize>,
    copies: Vec<(usize, usize)>,
    constants: Vec<(Fr, usize)>,
    /// Range checks: a cell and the bits that it must fit.
    pub checks: Vec<(usize, u32)>,
    /// Constraints by cell, to check after a change: gates, copies, constants, checks.
    by_cell: HashMap<usize, [Vec<usize>; 4]>,
}

impl Cells {
    pub fn new(pool: &SinglePhaseCoreManager<Fr>, checks: Vec<RangeCheck>) -> Self {
        let thread = &pool.threads[0];
        let values = thread.advice.iter().map(|cell| cell.evaluate()).collect();
        let gates: Vec<usize> = thread
            .selector
            .iter()
            .enumerate()
            .filter(|(_, on)| **on)
            .map(|(i, _)| i)
            .collect();
        let copies = pool.copy_manager.lock().unwrap();
        let pairs: Vec<_> = copies
            .advice_equalities
            .iter()
            .map(|(a, b)| (a.offset, b.offset))
            .collect();
        let constants: Vec<_> = copies
            .constant_equalities
            .iter()
            .map(|(c, a)| (*c, a.offset))
            .collect();
        let checks: Vec<_> = checks
            .iter()
            .map(|(cell, bits)| (cell.cell.unwrap().offset, *bits))
            .collect();
        let mut by_cell: HashMap<usize, [Vec<usize>; 4]> = HashMap::new();
        let mut note = |cell: usize, kind: usize, i: usize| {
            by_cell.entry(cell).or_default()[kind].push(i);
        };
        for (i, gate) in gates.iter().enumerate() {
            (0..4).for_each(|j| note(gate + j, 0, i));
        }
        for (i, (a, b)) in pairs.iter().enumerate() {
            note(*a, 1, i);
            note(*b, 1, i);
        }
        constants
            .iter()
            .enumerate()
            .for_each(|(i, (_, cell))| note(*cell, 2, i));
        checks
            .iter()
            .enumerate()
            .for_each(|(i, (cell, _))| note(*cell, 3, i));
        drop(copies);
        Self {
            values,
            gates,
            copies: pairs,
            constants,
            checks,
            by_cell,
        }
    }

    /// The laid-out circuit of these cells, in one column.
    pub fn lay_out(&self) -> Forgery {
        let mut pool = SinglePhaseCoreManager::new(false, Default::default());
        let copies = pool.copy_manager.clone();
        let ctx = pool.main();
        let (type_id, id) = ctx.tag();
        let cell = |offset| ContextCell::new(type_id, id, offset);
        ctx.advice = self.values.iter().map(|v| Assigned::Trivial(*v)).collect();
        ctx.selector = vec![false; self.values.len()];
        self.gates
            .iter()
            .for_each(|gate| ctx.selector[*gate] = true);
        let pairs = self.copies.iter().map(|(a, b)| (cell(*a), cell(*b)));
        let constants = self.constants.iter().map(|(value, at)| (*value, cell(*at)));
        {
            let mut copies = copies.lock().unwrap();
            copies.advice_equalities = pairs.collect();
            copies.constant_equalities = constants.collect();
        }
        let check = |(at, bits): &(usize, u32)| {
            let value = Assigned::Trivial(self.values[*at]);
            let cell = Some(cell(*at));
            (AssignedValue { value, cell }, *bits)
        };
        let checks: Vec<RangeCheck> = self.checks.iter().map(check).collect();
        let range_rows: usize = checks.iter().map(|(_, bits)| rows(*bits)).sum();
        let shape = AggregationShape { k: 19, columns: 1 };
        Forgery {
            how: String::new(),
            rows: range_rows.max(self.values.len()),
            mutant: Mutant {
                circuit: AggregationCircuit::of_cells(shape, pool, checks, vec![], vec![]),
                cells: Vec::new(),
                public: Vec::new(),
                removed: Removed::Nothing,
            },
        }
    }

    /// Sets a cell and all that copy it.
    pub fn set(&mut self, cell: usize, value: Fr) {
        self.values[cell] = value;
        let copies = self.copies.iter().filter(|(a, b)| *a.min(b) == cell);
        for (a, b) in copies {
            self.values[*a.max(b)] = value;
        }
    }

    fn gate(&self, i: usize) -> bool {
        let v = &self.values[self.gates[i]..];
        v[0] + v[1] * v[2] == v[3]
    }

    fn check(&self, i: usize) -> bool {
        let (cell, bits) = self.checks[i];
        BigUint::from_bytes_le(&self.values[cell].to_repr()) <= largest(bits)
    }

    /// Every constraint that fails.
    pub fn failures(&self) -> Vec<Failure> {
        let gates = (0..self.gates.len())
            .filter(|i| !self.gate(*i))
            .map(|i| Failure::Gate(self.gates[i]));
        let copies = self
            .copies
            .iter()
            .filter(|(a, b)| self.values[*a] != self.values[*b])
            .map(|(a, b)| Failure::Copy(*a, *b));
        let constants = self
            .constants
            .iter()
            .filter(|(constant, cell)| self.values[*cell] != *constant)
            .map(|(_, cell)| Failure::Constant(*cell));
        let checks = (0..self.checks.len())
            .filter(|i| !self.check(*i))
            .map(|i| Failure::Range(self.checks[i].0));
        gates.chain(copies).chain(constants).chain(checks).collect()
    }

    /// Whether any constraint fails.
    pub fn broken(&self) -> bool {
        !self.failures().is_empty()
    }

    /// The cell that this one was made as a copy of.
    pub fn source(&self, cell: usize) -> Option<usize> {
        let [_, copies, _, _] = self.by_cell.get(&cell)?;
        let others = copies.iter().map(|i| {
            let (a, b) = self.copies[*i];
            a.min(b)
        });
        others.filter(|other| *other < cell).min()
    }

    /// Whether gates are all that constrains this cell.
    pub fn only_in_gates(&self, cell: usize) -> bool {
        self.by_cell.get(&cell).is_some_and(|[gates, others @ ..]| {
            !gates.is_empty() && others.iter().all(|constraints| constraints.is_empty())
        })
    }

    /// Computes again, in order, every cell that copies and gates determine. What is left as it was are
    /// the cells that the prover chooses.
    pub fn settle(&mut self) {
        let constant = |cells: &Self, cell: usize| {
            cells
                .by_cell
                .get(&cell)
                .is_some_and(|kinds| !kinds[2].is_empty())
        };
        for cell in 0..self.values.len() {
            if let Some(source) = self.source(cell) {
                self.values[cell] = self.values[source];
            }
            if self.gates.binary_search(&cell).is_err() {
                continue;
            }
            for other in cell + 1..cell + 4 {
                if let Some(source) = self.source(other) {
                    self.values[other] = self.values[source];
                }
            }
            let [a, b, c, d] = [0, 1, 2, 3].map(|j| self.values[cell + j]);
            let given = |cells: &Self, cell| cells.source(cell).is_some() || constant(cells, cell);
            let computed = cell >= 3 && self.gates.binary_search(&(cell - 3)).is_ok();
            if !given(self, cell + 3) {
                self.values[cell + 3] = a + b * c;
            } else if !given(self, cell) && !computed {
                self.values[cell] = d - b * c;
            }
        }
    }

    /// Whether any constraint on `cell` fails when it has this value.
    pub fn breaks(&mut self, cell: usize, value: Fr) -> bool {
        let honest = std::mem::replace(&mut self.values[cell], value);
        let none = Default::default();
        let [gates, copies, constants, checks] = self.by_cell.get(&cell).unwrap_or(&none);
        let ok = gates.iter().all(|i| self.gate(*i))
            && copies.iter().all(|i| {
                let (a, b) = self.copies[*i];
                self.values[a] == self.values[b]
            })
            && constants
                .iter()
                .all(|i| self.values[self.constants[*i].1] == self.constants[*i].0)
            && checks.iter().all(|i| self.check(*i));
        self.values[cell] = honest;
        !ok
    }

    /// Changes every cell in five ways, and expects each to break something.
    pub fn assert_all_constrained(&mut self) {
        let mut rng = StdRng::seed_from_u64(5);
        for cell in 0..self.values.len() {
            let honest = self.values[cell];
            let random = Fr::random(&mut rng);
            for value in [
                honest + Fr::ONE,
                honest - Fr::ONE,
                Fr::ZERO,
                -Fr::ONE,
                random,
            ] {
                assert!(
                    value == honest || self.breaks(cell, value),
                    "cell {cell} may change from {honest:?} to {value:?}"
                );
            }
        }
    }
}
