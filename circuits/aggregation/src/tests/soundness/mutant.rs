//! The aggregation circuit with some cells set otherwise, and with one of its constraints removed.
//!
//! Nothing of it is in the circuit itself: gates are taken from the whole constraint system, and copies from
//! the whole synthesis, but for the one that is left out.

use crate::{
    circuit::{AggregationCircuit, AggregationConfig},
    range::RangeColumns,
    testing::changed::{Change, Changed},
    AggregationShape, ACCUMULATOR_LIMBS,
};
use snark_verifier::halo2_base::halo2_proofs::{
    circuit::{layouter::RegionLayouter, Cell, Layouter, Region, SimpleFloorPlanner, Table, Value},
    dev::{MockProver, VerifyFailure},
    halo2curves::bn256::Fr,
    plonk::{Challenge, Circuit, Column, ConstraintSystem, Error, Expression, Instance},
};

/// What copies tie: told apart by the cells, so that no copy is of no class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copy {
    /// An operand and the cell that it copies.
    Operand,
    /// A cell and a constant.
    Constant,
    /// The top of a column and the last cell of the one before.
    Break,
    /// A range column's cell and the cell that it checks.
    Range,
    /// A public limb of the accumulator.
    Accumulator,
    /// The public digest of the inner key.
    Digest,
    /// A public value of the inner proof.
    Statement,
}

impl Copy {
    pub const ALL: [Self; 7] = [
        Self::Operand,
        Self::Constant,
        Self::Break,
        Self::Range,
        Self::Accumulator,
        Self::Digest,
        Self::Statement,
    ];

    /// The class of a public value of an aggregation of one proof.
    pub fn of_instance(row: usize) -> Self {
        match row {
            row if row < ACCUMULATOR_LIMBS => Self::Accumulator,
            ACCUMULATOR_LIMBS => Self::Digest,
            _ => Self::Statement,
        }
    }

    fn of_cells(config: &AggregationConfig, left: Cell, right: Cell) -> Self {
        let columns = config.advice();
        let range = columns.len() - 1;
        let place = |cell: Cell| columns.iter().position(|c| cell.column == (*c).into());
        match (place(left), place(right)) {
            // No other copy is of a repeated cell: all are of the first.
            (Some(l), Some(r)) if l == r + 1 && l < range && left.row_offset == 0 => Self::Break,
            (Some(l), Some(r)) if l < range && r < range => Self::Operand,
            (Some(l), Some(r)) if l == range || r == range => Self::Range,
            (Some(_), None) | (None, Some(_)) => Self::Constant,
            other => panic!("a copy of no class: {other:?}"),
        }
    }
}

/// What is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Removed {
    #[default]
    Nothing,
    /// The gate of a column.
    Gate(usize),
    /// The look-up argument.
    Lookup,
    /// A class of copies.
    Copy(Copy),
}

/// A circuit whose witness is forged.
pub struct Mutant {
    pub circuit: AggregationCircuit,
    /// Advice cells that are not what the circuit's own program computes: column, row, value.
    pub cells: Vec<(usize, usize, Fr)>,
    pub public: Vec<Fr>,
    pub removed: Removed,
}

impl Mutant {
    /// What rejects the witness in the first so many rows; copies are checked in all.
    pub fn rejections(&self, rows: usize) -> Vec<VerifyFailure> {
        let instances = vec![self.public.clone()];
        let prover = MockProver::run(self.circuit.shape.k, self, instances).unwrap();
        let rows = 0..rows;
        let verified = prover.verify_at_rows_par(rows.clone(), rows);
        verified.err().unwrap_or_default()
    }
}

impl Circuit<Fr> for Mutant {
    type Config = AggregationConfig;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = (AggregationShape, Removed);

    fn params(&self) -> Self::Params {
        (self.circuit.shape, self.removed)
    }

    fn without_witnesses(&self) -> Self {
        unreachable!("MockProver does not ask")
    }

    fn configure(_: &mut ConstraintSystem<Fr>) -> AggregationConfig {
        unreachable!("halo2 asks with parameters")
    }

    fn configure_with_params(
        meta: &mut ConstraintSystem<Fr>,
        (shape, removed): Self::Params,
    ) -> AggregationConfig {
        let mut whole = ConstraintSystem::default();
        let config = AggregationCircuit::configure_with_params(&mut whole, shape);
        // The same columns, in the order of the whole circuit.
        let constants = meta.fixed_column();
        meta.enable_equality(constants);
        let gates: Vec<_> = (0..shape.columns).map(|_| meta.advice_column()).collect();
        let pairs = shape.columns.div_ceil(2);
        let selectors: Vec<_> = (0..pairs).map(|_| meta.fixed_column()).collect();
        for (g, gate) in whole.gates().iter().enumerate() {
            meta.create_gate(gate.name(), |cells| {
                // All queries in their order, so that the polynomials' indices mean the same.
                for (column, at) in whole.advice_queries() {
                    if gates.contains(column) {
                        cells.query_advice(*column, *at);
                    }
                }
                for (column, at) in whole.fixed_queries() {
                    if selectors.contains(column) {
                        cells.query_fixed(*column, *at);
                    }
                }
                let keep = |polynomial: &Expression<Fr>| match removed {
                    Removed::Gate(one) if one == g => Expression::Constant(Fr::zero()),
                    _ => polynomial.clone(),
                };
                gate.polynomials().iter().map(keep).collect::<Vec<_>>()
            });
        }
        // Equality asks for a query as well, so that it comes after those of the gates.
        gates
            .iter()
            .for_each(|column| meta.enable_equality(*column));
        if removed == Removed::Lookup {
            let value = meta.advice_column();
            meta.enable_equality(value);
            meta.fixed_column();
            meta.lookup_table_column();
        } else {
            RangeColumns::configure(meta);
        }
        let instance = meta.instance_column();
        meta.enable_equality(instance);
        config
    }

    fn synthesize(
        &self,
        config: AggregationConfig,
        mut layouter: impl Layouter<Fr>,
    ) -> Result<(), Error> {
        let columns = config.advice();
        let kept = Kept {
            removed: self.removed,
            config: config.clone(),
        };
        let without = Without {
            layouter: &mut layouter,
            kept,
        };
        self.circuit.synthesize(config, without)?;
        layouter.assign_region(
            || "forged",
            |mut region| {
                for (column, row, value) in &self.cells {
                    region.assign_advice(columns[*column], *row, Value::known(*value));
                }
                Ok(())
            },
        )
    }
}

/// The copies but those that are removed.
#[derive(Clone, Debug)]
struct Kept {
    removed: Removed,
    config: AggregationConfig,
}

impl Change for Kept {
    fn keeps(&self, left: Cell, right: Cell) -> bool {
        self.removed != Removed::Copy(Copy::of_cells(&self.config, left, right))
    }
}

/// A layouter that passes everything on but the copies that are removed.
struct Without<'l, L> {
    layouter: &'l mut L,
    kept: Kept,
}

impl<L: Layouter<Fr>> Layouter<Fr> for Without<'_, L> {
    type Root = Self;

    fn assign_region<A, AR, N, NR>(&mut self, name: N, assignment: A) -> Result<AR, Error>
    where
        A: FnOnce(Region<'_, Fr>) -> Result<AR, Error>,
        N: Fn() -> NR,
        NR: Into<String>,
    {
        let change = &self.kept;
        self.layouter.assign_region(name, |region| {
            let mut changed = Changed { region, change };
            let changed: &mut dyn RegionLayouter<Fr> = &mut changed;
            assignment(Region::from(changed))
        })
    }

    fn assign_table<A, N, NR>(&mut self, name: N, assignment: A) -> Result<(), Error>
    where
        A: FnMut(Table<'_, Fr>) -> Result<(), Error>,
        N: Fn() -> NR,
        NR: Into<String>,
    {
        self.layouter.assign_table(name, assignment)
    }

    fn constrain_instance(&mut self, cell: Cell, column: Column<Instance>, row: usize) {
        if self.kept.removed != Removed::Copy(Copy::of_instance(row)) {
            self.layouter.constrain_instance(cell, column, row);
        }
    }

    fn next_phase(&mut self) {
        self.layouter.next_phase();
    }

    fn get_challenge(&self, challenge: Challenge) -> Value<Fr> {
        self.layouter.get_challenge(challenge)
    }

    fn get_root(&mut self) -> &mut Self {
        self
    }

    fn push_namespace<NR: Into<String>, N: FnOnce() -> NR>(&mut self, _: N) {}

    fn pop_namespace(&mut self, _: Option<String>) {}
}
