//! Assignment of a plan to the columns.

use halo2_proofs::{
    arithmetic::Field,
    circuit::{Cell, Layouter, Region, Value},
    halo2curves::bn256::Fr,
    plonk::{Advice, Any, Challenge, Column, Error},
};

use super::{
    columns::{Columns, Section},
    fixed::{data_rows, fold_row, DataRow, HashGate, ScalarCells},
    hashing, phase2, ModelCircuit, Purpose, Witness,
};
use crate::{
    hash::{Poseidon, Recurrence},
    layout::{program::Operand, Place, Plan, Step, Variable},
};

struct Assigner<'a, 'r> {
    circuit: &'a ModelCircuit,
    plan: &'a Plan,
    columns: &'a Columns,
    region: Region<'r, Fr>,
    rows: Vec<DataRow>,
    scalar: ScalarCells,
    poseidon: Poseidon,
}

/// Synthesizes the circuit in one region that starts at row 0.
pub fn synthesize(
    circuit: &ModelCircuit,
    columns: &Columns,
    mut layouter: impl Layouter<Fr>,
) -> Result<(), Error> {
    layouter.assign_region(|| "model", |region| assign(circuit, columns, region))
}

/// Assigns and ties all cells of the region.
pub(super) fn assign(
    circuit: &ModelCircuit,
    columns: &Columns,
    region: Region<'_, Fr>,
) -> Result<(), Error> {
    let plan = circuit.plan.as_ref();
    let mut assigner = Assigner {
        circuit,
        plan,
        columns,
        region,
        rows: data_rows(plan),
        scalar: ScalarCells::new(&plan.program, &plan.rows),
        poseidon: Poseidon::new(plan.shape.hash_width).ok_or(Error::Synthesis)?,
    };
    if circuit.purpose == Purpose::Constraints {
        assigner.fixed()?;
        assigner.copies();
    }
    if let Some(witness) = &circuit.witness {
        assigner.witness(witness)?;
    }
    Ok(())
}

impl Assigner<'_, '_> {
    /// All fixed columns.
    fn fixed(&mut self) -> Result<(), Error> {
        let columns = self.columns;
        let places = self.plan.rows;
        for row in 0..places.data {
            self.section(row, Section::Data);
        }
        for (r, row) in self.rows.iter().enumerate() {
            let gate = row.gate_values();
            let variable = u64::from(row.variable == Variable::Channel);
            for (column, value) in [
                (Some(columns.variable), Fr::from(variable)),
                (Some(columns.carry), Fr::from(u64::from(row.carry))),
                (Some(columns.tag), Fr::from(row.tag as u64)),
                (columns.cap, gate.cap),
                (columns.cap_wide, gate.cap_wide),
                (columns.relu, Fr::from(gate.relu)),
                (columns.product, Fr::from(gate.product)),
            ] {
                match column {
                    Some(column) if value != Fr::ZERO => {
                        self.region.assign_fixed(column, r, value);
                    }
                    None if value != Fr::ZERO => return Err(Error::Synthesis),
                    _ => {}
                }
            }
        }
        let gates = [columns.cap, columns.cap_wide, columns.relu, columns.product];
        for column in [columns.carry]
            .into_iter()
            .chain(gates.into_iter().flatten())
        {
            self.region.assign_fixed(column, places.idle, Fr::ONE);
        }
        for (row, (tag, value)) in (places.table..).zip(self.plan.tables.entries()) {
            if columns.stacked {
                self.section(row, Section::Table);
            }
            let region = &mut self.region;
            region.assign_fixed(columns.table_value, row, Fr::from(value));
            region.assign_fixed(columns.table_tag, row, Fr::from(tag as u64));
        }
        for &first in &self.scalar.ops {
            self.region
                .assign_fixed(columns.scalar_kind, first, Fr::ONE);
        }
        for (&row, value) in self
            .scalar
            .constants
            .iter()
            .zip(&self.plan.program.constants)
        {
            self.region
                .assign_fixed(columns.scalar_kind, row, Fr::from(2));
            self.region.assign_fixed(columns.constant, row, *value);
        }
        // No gate reads it: it is there so that the key is that of the whole configuration, names and all.
        self.region.assign_fixed(
            columns.constant,
            places.configuration,
            self.plan.configuration,
        );
        self.fixed_hash()
    }

    fn section(&mut self, row: usize, section: Section) {
        let value = Fr::from(section as u64);
        self.region.assign_fixed(self.columns.section, row, value);
    }

    fn fixed_hash(&mut self) -> Result<(), Error> {
        let recurrence = Recurrence::new(&self.poseidon).ok_or(Error::Synthesis)?;
        let inner = hashing::permutation_rows(&self.poseidon, &recurrence, false);
        let last = hashing::permutation_rows(&self.poseidon, &recurrence, true);
        let mut row = self.plan.rows.hash;
        for message in &self.plan.statement.messages {
            let permutations = message.words.div_ceil(self.poseidon.rate());
            for p in 0..permutations {
                let rows = if p + 1 == permutations { &last } else { &inner };
                for (gate, constant) in rows {
                    if self.columns.stacked {
                        self.section(row, Section::Hash);
                    }
                    let (column, kind) = match gate {
                        HashGate::None => (self.columns.round, 0),
                        HashGate::Full => (self.columns.round, 1),
                        HashGate::Partial => (self.columns.round, 2),
                        HashGate::Entry => (self.columns.border, 1),
                        HashGate::Exit => (self.columns.border, 2),
                    };
                    if kind != 0 {
                        self.region.assign_fixed(column, row, Fr::from(kind));
                    }
                    if *constant != Fr::ZERO {
                        self.region
                            .assign_fixed(self.columns.constant, row, *constant);
                    }
                    row += 1;
                }
            }
        }
        Ok(())
    }

    fn copy(&mut self, left: Cell, right: Cell) {
        self.region.constrain_equal(left, right);
    }

    /// First hash row of each message.
    fn message_row(&self, message: usize) -> usize {
        let before = self.plan.statement.messages[..message].iter();
        let permutations = before.map(|m| m.words.div_ceil(self.poseidon.rate()));
        self.plan.rows.hash + permutations.sum::<usize>() * self.permutation_rows()
    }

    fn permutation_rows(&self) -> usize {
        crate::layout::permutation_rows(&self.poseidon)
    }

    fn data_cell(&self, block: usize, index: usize) -> Cell {
        let width = self.plan.shape.data;
        cell(
            self.columns.data[index % width],
            self.plan.blocks[block].physical_row(index / width),
        )
    }

    fn constant_cell(&self, index: usize) -> Cell {
        cell(self.columns.scalar, self.scalar.constants[index])
    }

    /// The cell that an operand is copied from.
    fn source(&self, operand: Operand) -> Cell {
        match operand {
            Operand::Fold { block, segment } => cell(
                self.columns.fold,
                fold_row(&self.plan.blocks[block], segment),
            ),
            Operand::Cell { block, index } => self.data_cell(block, index),
            Operand::Word(word) => match self.plan.statement.words[word] {
                Place::Instance(row) => cell(self.columns.instance, row),
                Place::Message { message, index } => {
                    cell(self.columns.sbox, self.word_row(message, index))
                }
            },
            Operand::Constant(index) => self.constant_cell(index),
            Operand::Result(op) => cell(self.columns.scalar, self.scalar.ops[op] + 3),
        }
    }

    fn word_row(&self, message: usize, index: usize) -> usize {
        let rate = self.poseidon.rate();
        self.message_row(message) + index / rate * self.permutation_rows() + 1 + index % rate
    }

    /// All copy constraints.
    fn copies(&mut self) {
        let plan = self.plan;
        for (i, op) in plan.program.ops.iter().enumerate() {
            let first = self.scalar.ops[i];
            for (offset, operand) in [op.a, op.b, op.c].into_iter().enumerate() {
                let target = cell(self.columns.scalar, first + offset);
                let source = self.source(operand);
                if target.row_offset != source.row_offset || target.column != source.column {
                    self.copy(target, source);
                }
            }
        }
        for (left, right) in &plan.program.equal {
            let (left, right) = (self.source(*left), self.source(*right));
            self.copy(left, right);
        }
        for step in &plan.steps {
            match step {
                Step::Gather { copies } => {
                    for (to, from) in copies {
                        let to = self.data_cell(to.block, to.index);
                        let from = self.data_cell(from.block, from.index);
                        self.copy(to, from);
                    }
                }
                Step::Fixed { cells } => {
                    for (at, value) in cells {
                        let at = self.data_cell(at.block, at.index);
                        let constant = self.constant(Fr::from(*value));
                        self.copy(at, constant);
                    }
                }
                Step::Given { .. }
                | Step::Function { .. }
                | Step::Divide { .. }
                | Step::Compute { .. } => {}
            }
        }
        for message in 0..plan.statement.messages.len() {
            self.message_copies(message);
        }
    }

    /// The cell of a constant that the plan declared.
    fn constant(&self, value: Fr) -> Cell {
        let index = self.plan.program.place(value);
        // The plan declares every constant that it uses.
        self.constant_cell(index.unwrap_or(usize::MAX))
    }

    /// Ties a message's permutations together, its padding to zero, its digest to the statement.
    fn message_copies(&mut self, index: usize) {
        let message = &self.plan.statement.messages[index];
        let (rows, rate) = (self.permutation_rows(), self.poseidon.rate());
        let permutations = message.words.div_ceil(rate);
        let first = self.message_row(index);
        let sbox = self.columns.sbox;
        let initial = message
            .domain
            .initial_capacity(message.words, self.poseidon.width())
            + self.poseidon.round_constants(0)[0];
        let initial = self.constant(initial);
        self.copy(cell(sbox, first), initial);
        let width = self.poseidon.width();
        let output = |p: usize| cell(sbox, first + (p + 1) * rows - width);
        for p in 1..permutations {
            let before = output(p - 1);
            self.region
                .constrain_equal(cell(sbox, first + p * rows), before);
        }
        for word in message.words..permutations * rate {
            let zero = self.constant(Fr::ZERO);
            let at = cell(sbox, self.word_row(index, word));
            self.copy(at, zero);
        }
        let digest = output(permutations - 1);
        let instance = cell(self.columns.instance, message.digest);
        self.copy(digest, instance);
    }

    /// Both phases of advice.
    fn witness(&mut self, witness: &Witness) -> Result<(), Error> {
        let plan = self.plan;
        let grid = phase2::data_grid(plan, witness, self.rows.len());
        let mut counts = phase2::multiplicities(plan, &self.rows, &grid);
        let places = plan.rows;
        let idle = places.data - self.rows.len();
        // Table 0 comes first, and zero first in it.
        counts[0] += (idle * plan.shape.data) as u64;
        let width = plan.shape.data;
        for (row, cells) in grid.chunks(width).enumerate() {
            for (j, value) in cells.iter().enumerate() {
                if *value != 0 {
                    self.advice(self.columns.data[j], row, Fr::from(*value));
                }
            }
        }
        for (row, count) in (places.table..).zip(&counts) {
            self.advice(self.columns.multiplicity, row, Fr::from(*count));
        }
        for (row, input) in (places.hash..).zip(&witness.sbox) {
            self.advice(self.columns.sbox, row, *input);
            if !self.columns.stacked {
                self.advice(self.columns.square, row, input.square());
            }
        }
        self.apply_overrides(0);

        self.region.next_phase();
        let Some(challenges) = self.challenges() else {
            return Ok(());
        };
        if self.columns.stacked {
            for (row, input) in (places.hash..).zip(&witness.sbox) {
                self.advice(self.columns.square, row, input.square());
            }
        }
        let folds = phase2::folds(plan, &self.rows, &grid, &challenges);
        let evaluation = phase2::Evaluation::run(plan, witness, &folds);
        for (row, fold) in folds.iter().enumerate() {
            self.advice(self.columns.fold, row, *fold);
        }
        for (i, op) in plan.program.ops.iter().enumerate() {
            let first = self.scalar.ops[i];
            for (offset, operand) in [op.a, op.b, op.c].into_iter().enumerate() {
                let value = evaluation.value(operand);
                self.advice(self.columns.scalar, first + offset, value);
            }
            self.advice(self.columns.scalar, first + 3, evaluation.results[i]);
        }
        for i in 0..plan.program.constants.len() {
            let row = self.scalar.constants[i];
            self.advice(self.columns.scalar, row, plan.program.constants[i]);
        }
        let lookups = phase2::lookups(plan, &self.rows, &grid, &counts, &challenges);
        for (column, values) in self
            .columns
            .helpers
            .clone()
            .into_iter()
            .zip(&lookups.helpers)
        {
            for (row, value) in values.iter().enumerate() {
                self.advice(column, row, *value);
            }
        }
        for (row, value) in lookups.running.iter().enumerate() {
            self.advice(self.columns.running, row, *value);
        }
        self.apply_overrides(1);
        Ok(())
    }

    fn advice(&mut self, column: Column<Advice>, row: usize, value: Fr) {
        self.region.assign_advice(column, row, Value::known(value));
    }

    fn challenges(&self) -> Option<phase2::Challenges> {
        let get = |challenge: Challenge| {
            let mut known = None;
            self.region
                .get_challenge(challenge)
                .map(|value| known = Some(value));
            known
        };
        Some(phase2::Challenges {
            position: get(self.columns.position)?,
            channel: get(self.columns.channel)?,
            pole: get(self.columns.pole)?,
            mix: get(self.columns.mix)?,
        })
    }

    #[cfg(not(test))]
    fn apply_overrides(&mut self, _phase: u8) {
        let _ = self.circuit;
    }

    #[cfg(test)]
    fn apply_overrides(&mut self, phase: u8) {
        for change in self.circuit.overrides.clone() {
            if change.phase == phase {
                let column = (change.column)(self.columns);
                self.advice(column, change.row, change.value);
            }
        }
    }
}

fn cell(column: impl Into<Column<Any>>, row: usize) -> Cell {
    Cell {
        row_offset: row,
        column: column.into(),
    }
}
