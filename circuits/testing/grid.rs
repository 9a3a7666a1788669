//! All cells of a filled circuit with all that constrains them, so that one cell can be changed and only what
//! reads it is looked at again: every cell can be tried, which halo2's `MockProver` is too slow for.
//!
//! It stands on halo2's own expressions, not on this crate's prover. Challenges are random constants.

use std::collections::{HashMap, HashSet};

use halo2_proofs::{
    arithmetic::Field,
    circuit::Value,
    halo2curves::{bn256::Fr, ff::PrimeField},
    plonk::{
        Advice, Any, Assigned, Assignment, Challenge, Circuit, Column, ConstraintSystem, Error,
        Expression, Fixed, FloorPlanner, Instance, Selector,
    },
};
use rand::{rngs::StdRng, SeedableRng};

/// A kind of column, its index, and a row.
type At = (Kind, usize, usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Advice,
    Fixed,
    Instance,
}

fn at(column: Column<Any>, row: usize) -> At {
    let kind = match column.column_type() {
        Any::Advice(_) => Kind::Advice,
        Any::Fixed => Kind::Fixed,
        Any::Instance => Kind::Instance,
    };
    (kind, column.index(), row)
}

/// A row of a table.
type Entry = Vec<[u8; 32]>;

/// A filled circuit.
pub struct Grid {
    system: ConstraintSystem<Fr>,
    cells: Cells,
    /// What reads an advice column: constraints and rotations.
    readers: Vec<Vec<(Constraint, i32)>>,
    /// The tables of the look-ups.
    tables: Vec<HashSet<Entry>>,
}

struct Cells {
    rows: usize,
    advice: Vec<Vec<Fr>>,
    fixed: Vec<Vec<Fr>>,
    instances: Vec<Vec<Fr>>,
    challenges: Vec<Fr>,
    copies: HashMap<At, Vec<At>>,
}

/// A polynomial of a gate, or a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Constraint {
    Polynomial { gate: usize, index: usize },
    Lookup(usize),
}

/// What does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    Copy(At),
    At(Constraint, usize),
}

impl Grid {
    /// Fills a circuit of 2^k rows. Cells after the usable rows are random, as the prover's are.
    pub fn new<C: Circuit<Fr>>(k: u32, circuit: &C, instances: &[Fr]) -> Self {
        let mut system = ConstraintSystem::default();
        let config = C::configure_with_params(&mut system, circuit.params());
        let rows = 1 << k;
        let usable = rows - (system.blinding_factors() + 1);
        let mut rng = StdRng::seed_from_u64(7);
        let challenges = (0..system.num_challenges()).map(|_| Fr::random(&mut rng));
        let columns = |count: usize| vec![vec![Fr::ZERO; rows]; count];
        let mut cells = Cells {
            rows,
            challenges: challenges.collect(),
            advice: columns(system.num_advice_columns()),
            fixed: columns(system.num_fixed_columns()),
            instances: columns(system.num_instance_columns()),
            copies: HashMap::new(),
        };
        cells.instances[0][..instances.len()].copy_from_slice(instances);
        let constants = system.constants().clone();
        C::FloorPlanner::synthesize(&mut cells, circuit, config, constants).unwrap();
        for column in &mut cells.advice {
            column[usable..]
                .iter_mut()
                .for_each(|cell| *cell = Fr::random(&mut rng));
        }
        let mut grid = Self {
            readers: vec![Vec::new(); cells.advice.len()],
            tables: Vec::new(),
            system,
            cells,
        };
        grid.read();
        grid
    }

    fn read(&mut self) {
        let mut all = Vec::new();
        for (gate, polynomials) in self.system.gates().iter().enumerate() {
            for (index, polynomial) in polynomials.polynomials().iter().enumerate() {
                all.push((Constraint::Polynomial { gate, index }, queries(polynomial)));
            }
        }
        for (l, lookup) in self.system.lookups().iter().enumerate() {
            let of_input = lookup.input_expressions().iter().flat_map(queries);
            all.push((Constraint::Lookup(l), of_input.collect()));
            let entries = (0..self.usable())
                .map(|row| self.cells.entry(lookup.table_expressions(), row))
                .collect();
            self.tables.push(entries);
        }
        for (constraint, queries) in all {
            for (column, rotation) in queries.into_iter().collect::<HashSet<_>>() {
                self.readers[column].push((constraint, rotation));
            }
        }
    }

    fn holds(&self, constraint: Constraint, row: usize) -> bool {
        match constraint {
            Constraint::Polynomial { gate, index } => {
                let polynomial = &self.system.gates()[gate].polynomials()[index];
                self.cells.evaluate(polynomial, row) == Fr::ZERO
            }
            Constraint::Lookup(lookup) => {
                let inputs = self.system.lookups()[lookup].input_expressions();
                // Look-ups are of usable rows only.
                row >= self.usable() || self.tables[lookup].contains(&self.cells.entry(inputs, row))
            }
        }
    }

    /// What reads an advice cell and does not hold: copies, then constraints and rows.
    fn broken(&self, column: usize, row: usize) -> Option<Broken> {
        let rows = self.cells.rows as i64;
        let value = self.cells.advice[column][row];
        let copies = self.cells.copies.get(&(Kind::Advice, column, row));
        let mut copies = copies.into_iter().flatten();
        if let Some(other) = copies.find(|other| self.cells.value(**other) != value) {
            return Some(Broken::Copy(*other));
        }
        let readers = self.readers[column].iter().map(|(constraint, rotation)| {
            let row = (row as i64 - i64::from(*rotation)).rem_euclid(rows) as usize;
            (*constraint, row)
        });
        let mut broken = readers.filter(|(constraint, row)| !self.holds(*constraint, *row));
        broken
            .next()
            .map(|(constraint, row)| Broken::At(constraint, row))
    }

    /// The advice columns.
    pub fn columns(&self) -> usize {
        self.cells.advice.len()
    }

    /// Rows that are not there to blind.
    pub fn usable(&self) -> usize {
        self.cells.rows - (self.system.blinding_factors() + 1)
    }

    /// Fails unless all constraints hold.
    pub fn assert_satisfied(&self) {
        for column in 0..self.columns() {
            for row in 0..self.usable() {
                assert_eq!(self.broken(column, row), None, "column {column}, row {row}");
            }
        }
    }

    /// Sets each usable advice cell, one at a time, to itself plus and minus one, to 0, to r − 1 and to a random
    /// value. Returns how many changes were made, and the cells of which some change breaks no constraint.
    pub fn free_cells(&mut self) -> (usize, Vec<(usize, usize)>) {
        let mut rng = StdRng::seed_from_u64(5);
        let (mut tried, mut free) = (0, Vec::new());
        for column in 0..self.columns() {
            for row in 0..self.usable() {
                let honest = self.cells.advice[column][row];
                let others = [
                    honest + Fr::ONE,
                    honest - Fr::ONE,
                    Fr::ZERO,
                    -Fr::ONE,
                    Fr::random(&mut rng),
                ];
                let mut is_free = false;
                for other in others.into_iter().filter(|other| *other != honest) {
                    self.cells.advice[column][row] = other;
                    tried += 1;
                    is_free |= self.broken(column, row).is_none();
                }
                self.cells.advice[column][row] = honest;
                if is_free {
                    free.push((column, row));
                }
            }
        }
        (tried, free)
    }
}

impl Cells {
    fn value(&self, (kind, column, row): At) -> Fr {
        match kind {
            Kind::Advice => self.advice[column][row],
            Kind::Fixed => self.fixed[column][row],
            Kind::Instance => self.instances[column][row],
        }
    }

    fn evaluate(&self, expression: &Expression<Fr>, row: usize) -> Fr {
        let rows = self.rows as i64;
        let at = |rotation: i32| (row as i64 + i64::from(rotation)).rem_euclid(rows) as usize;
        expression.evaluate_lazy(
            &|constant| constant,
            &|_| unreachable!("no circuit here has selectors of halo2's"),
            &|query| self.fixed[query.column_index()][at(query.rotation().0)],
            &|query| self.advice[query.column_index()][at(query.rotation().0)],
            &|query| self.instances[query.column_index()][at(query.rotation().0)],
            &|challenge| self.challenges[challenge.index()],
            &|value| -value,
            &|a, b| a + b,
            &|a, b| a * b,
            &|value, factor| value * factor,
            &Fr::ZERO,
        )
    }

    fn entry(&self, expressions: &[Expression<Fr>], row: usize) -> Entry {
        let values = expressions.iter().map(|e| self.evaluate(e, row).to_repr());
        values.collect()
    }
}

/// The advice cells that an expression reads: columns and rotations.
fn queries(expression: &Expression<Fr>) -> Vec<(usize, i32)> {
    let both = |mut a: Vec<_>, b: Vec<_>| {
        a.extend(b);
        a
    };
    expression.evaluate(
        &|_| Vec::new(),
        &|_| Vec::new(),
        &|_| Vec::new(),
        &|query| vec![(query.column_index(), query.rotation().0)],
        &|_| Vec::new(),
        &|_| Vec::new(),
        &|inner| inner,
        &both,
        &both,
        &|inner, _| inner,
    )
}

/// Takes all that a circuit assigns and ties.
impl Assignment<Fr> for Cells {
    fn enter_region<NR: Into<String>, N: FnOnce() -> NR>(&mut self, _: N) {}

    fn annotate_column<A: FnOnce() -> AR, AR: Into<String>>(&mut self, _: A, _: Column<Any>) {}

    fn exit_region(&mut self) {}

    fn enable_selector<A: FnOnce() -> AR, AR: Into<String>>(
        &mut self,
        _: A,
        _: &Selector,
        _: usize,
    ) -> Result<(), Error> {
        unreachable!("no circuit here has selectors of halo2's")
    }

    fn query_instance(&self, column: Column<Instance>, row: usize) -> Result<Value<Fr>, Error> {
        Ok(Value::known(self.instances[column.index()][row]))
    }

    fn assign_advice<'v>(
        &mut self,
        column: Column<Advice>,
        row: usize,
        to: Value<Assigned<Fr>>,
    ) -> Value<&'v Assigned<Fr>> {
        to.map(|value| self.advice[column.index()][row] = value.evaluate());
        Value::unknown()
    }

    fn assign_fixed(&mut self, column: Column<Fixed>, row: usize, to: Assigned<Fr>) {
        self.fixed[column.index()][row] = to.evaluate();
    }

    fn copy(&mut self, a: Column<Any>, a_row: usize, b: Column<Any>, b_row: usize) {
        let (a, b) = (at(a, a_row), at(b, b_row));
        self.copies.entry(a).or_default().push(b);
        self.copies.entry(b).or_default().push(a);
    }

    fn fill_from_row(
        &mut self,
        column: Column<Fixed>,
        row: usize,
        to: Value<Assigned<Fr>>,
    ) -> Result<(), Error> {
        to.map(|value| self.fixed[column.index()][row..].fill(value.evaluate()));
        Ok(())
    }

    fn get_challenge(&self, challenge: Challenge) -> Value<Fr> {
        Value::known(self.challenges[challenge.index()])
    }

    fn push_namespace<NR: Into<String>, N: FnOnce() -> NR>(&mut self, _: N) {}

    fn pop_namespace(&mut self, _: Option<String>) {}
}
