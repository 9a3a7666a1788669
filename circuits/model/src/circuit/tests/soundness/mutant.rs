//! The model circuit with one constraint removed.
//!
//! Nothing of it is in the circuit itself: gates are taken from the whole constraint system, and fixed
//! cells and copies from the whole synthesis, but for the one that is left out.

use std::{collections::HashSet, fmt};

use halo2_proofs::{
    circuit::{layouter::RegionLayouter, Cell, Layouter, Region, SimpleFloorPlanner},
    halo2curves::bn256::Fr,
    plonk::{Assigned, Circuit, Column, ConstraintSystem, Error, Expression, Fixed},
};

use crate::{
    circuit::{fixed::ScalarCells, synthesis, Columns, ModelCircuit},
    hash::Poseidon,
    layout::{permutation_rows, program::Operand, Plan, Rows, Shape},
    testing::changed::{Change, Changed},
};

/// What copies tie: told apart by the cells, so that no copy is of no class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Copy {
    OperandFold,
    OperandCell,
    OperandInstanceWord,
    OperandMessageWord,
    OperandConstant,
    OperandResult,
    Identity,
    Gather,
    FixedCell,
    HashChain,
    HashPadding,
    HashCapacity,
    Digest,
}

impl Copy {
    pub const ALL: [Self; 13] = [
        Self::OperandFold,
        Self::OperandCell,
        Self::OperandInstanceWord,
        Self::OperandMessageWord,
        Self::OperandConstant,
        Self::OperandResult,
        Self::Identity,
        Self::Gather,
        Self::FixedCell,
        Self::HashChain,
        Self::HashPadding,
        Self::HashCapacity,
        Self::Digest,
    ];
}

/// What is removed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Removed {
    /// A polynomial of a gate.
    Polynomial {
        gate: usize,
        polynomial: usize,
        name: String,
    },
    /// A class of copies.
    Copy(Copy),
    /// The table of a tag: it has the cell that is beyond it, too.
    Table(usize),
    /// The same for a function's table.
    Function,
    /// All tags: each cell is looked up in all tables.
    Tags,
}

impl Removed {
    /// What fails in the whole circuit if nothing but this is broken.
    pub fn failure(&self, shape: &Shape) -> String {
        match self {
            Self::Polynomial {
                gate, polynomial, ..
            } => format!("{gate}.{polynomial}"),
            Self::Copy(_) => "copy".into(),
            // The sum of the look-ups does not end at zero.
            Self::Table(_) | Self::Function | Self::Tags => {
                let system = ModelCircuit::constraint_system(shape);
                let mut gates = system.gates().iter();
                let border = gates.position(|gate| gate.name() == "lookup border");
                format!("{}.1", border.unwrap())
            }
        }
    }
}

impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Polynomial {
                polynomial, name, ..
            } => write!(f, "gate {name}, polynomial {polynomial}"),
            Self::Copy(class) => write!(f, "copies {class:?}"),
            Self::Table(tag) => write!(f, "table of tag {tag}"),
            Self::Function => write!(f, "table of a function"),
            Self::Tags => write!(f, "tags"),
        }
    }
}

/// A model circuit without one of its constraints.
#[derive(Clone, Debug)]
pub struct Mutant {
    pub circuit: ModelCircuit,
    pub removed: Removed,
    /// Stands in place of the last table row: tag and value.
    pub entry: Option<(usize, u64)>,
}

impl Circuit<Fr> for Mutant {
    type Config = Columns;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = Option<(Shape, Removed)>;

    fn params(&self) -> Self::Params {
        Some((self.circuit.plan.shape, self.removed.clone()))
    }

    fn without_witnesses(&self) -> Self {
        self.clone()
    }

    fn configure(_: &mut ConstraintSystem<Fr>) -> Columns {
        unreachable!("halo2 asks with parameters")
    }

    fn configure_with_params(meta: &mut ConstraintSystem<Fr>, params: Self::Params) -> Columns {
        let (shape, removed) = params.expect("a mutant's parameters");
        let whole = ModelCircuit::constraint_system(&shape);
        let columns = Columns::new(meta, &shape);
        for (g, gate) in whole.gates().iter().enumerate() {
            meta.create_gate(gate.name(), |cells| {
                // All queries in their order, so that the polynomials' indices mean the same.
                for (column, at) in whole.advice_queries() {
                    cells.query_advice(*column, *at);
                }
                for (column, at) in whole.fixed_queries() {
                    cells.query_fixed(*column, *at);
                }
                let polynomials = gate.polynomials().iter().enumerate();
                polynomials
                    .map(|(p, polynomial)| match &removed {
                        Removed::Polynomial {
                            gate, polynomial, ..
                        } if (*gate, *polynomial) == (g, p) => Expression::Constant(Fr::zero()),
                        _ => polynomial.clone(),
                    })
                    .collect::<Vec<_>>()
            });
        }
        columns
    }

    fn synthesize(&self, columns: Columns, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        layouter.assign_region(
            || "mutant",
            |region| {
                let plan = &self.circuit.plan;
                let last = plan.rows.table + plan.tables.rows() - 1;
                let change = &Without {
                    removed: self.removed.clone(),
                    columns: columns.clone(),
                    classes: Classes::new(plan),
                    entry: self.entry.map(|entry| (last, entry)),
                };
                let mut changed = Changed { region, change };
                let changed: &mut dyn RegionLayouter<Fr> = &mut changed;
                synthesis::assign(&self.circuit, &columns, Region::from(changed))
            },
        )
    }
}

/// Rows by which copies are told apart.
#[derive(Debug)]
pub struct Classes {
    operands: HashSet<usize>,
    constants: HashSet<usize>,
    message_starts: HashSet<usize>,
    padding: HashSet<usize>,
    rows: Rows,
}

impl Classes {
    pub fn new(plan: &Plan) -> Self {
        let scalar = ScalarCells::new(&plan.program, &plan.rows);
        let program = plan.program.ops.iter().zip(&scalar.ops).enumerate();
        let operands = program.flat_map(|(i, (op, first))| {
            let chained = i > 0 && op.a == Operand::Result(i - 1);
            (usize::from(chained)..3).map(move |offset| first + offset)
        });
        let poseidon = Poseidon::new(plan.shape.hash_width).unwrap();
        let (rows, rate) = (permutation_rows(&poseidon), poseidon.rate());
        let (mut message_starts, mut padding) = (HashSet::new(), HashSet::new());
        let mut start = plan.rows.hash;
        for message in &plan.statement.messages {
            let permutations = message.words.div_ceil(rate);
            message_starts.insert(start);
            let unused = message.words..permutations * rate;
            padding.extend(unused.map(|w| start + w / rate * rows + 1 + w % rate));
            start += permutations * rows;
        }
        Self {
            operands: operands.collect(),
            constants: scalar.constants.iter().copied().collect(),
            message_starts,
            padding,
            rows: plan.rows,
        }
    }

    /// The class of a copy.
    pub fn class(&self, columns: &Columns, left: Cell, right: Cell) -> Copy {
        // Parts that share a column stand below the data.
        let place = |cell: Cell| match (cell.column, cell.row_offset) {
            (column, _) if column == columns.instance.into() => Place::Instance,
            (_, row) if columns.stacked && row < self.rows.data => {
                match cell.column == columns.fold.into() {
                    true => Place::Fold,
                    false => Place::Data,
                }
            }
            (column, row) if column == columns.scalar.into() => Place::Scalar(row),
            (column, _) if column == columns.fold.into() => Place::Fold,
            (column, row) if column == columns.sbox.into() => Place::Hash(row),
            _ => Place::Data,
        };
        match (place(left), place(right)) {
            (Place::Scalar(row), source) if self.operands.contains(&row) => match source {
                Place::Fold => Copy::OperandFold,
                Place::Data => Copy::OperandCell,
                Place::Instance => Copy::OperandInstanceWord,
                Place::Hash(_) => Copy::OperandMessageWord,
                Place::Scalar(row) if self.constants.contains(&row) => Copy::OperandConstant,
                Place::Scalar(_) => Copy::OperandResult,
            },
            (Place::Data, Place::Data) => Copy::Gather,
            (Place::Data, Place::Scalar(_)) => Copy::FixedCell,
            (Place::Hash(_), Place::Hash(_)) => Copy::HashChain,
            (Place::Hash(_), Place::Instance) => Copy::Digest,
            (Place::Hash(row), Place::Scalar(_)) if self.message_starts.contains(&row) => {
                Copy::HashCapacity
            }
            (Place::Hash(row), Place::Scalar(_)) if self.padding.contains(&row) => {
                Copy::HashPadding
            }
            _ => Copy::Identity,
        }
    }
}

enum Place {
    Scalar(usize),
    Fold,
    Hash(usize),
    Instance,
    Data,
}

/// All but what is removed.
#[derive(Debug)]
struct Without {
    removed: Removed,
    columns: Columns,
    classes: Classes,
    /// Row, tag and value.
    entry: Option<(usize, (usize, u64))>,
}

impl Change for Without {
    fn fixed(&self, column: Column<Fixed>, row: usize, value: Assigned<Fr>) -> Assigned<Fr> {
        if self.removed == Removed::Tags
            && [self.columns.tag, self.columns.table_tag].contains(&column)
        {
            return Fr::zero().into();
        }
        match self.entry {
            Some((at, (tag, _))) if at == row && column == self.columns.table_tag => {
                Fr::from(tag as u64).into()
            }
            Some((at, (_, entry))) if at == row && column == self.columns.table_value => {
                Fr::from(entry).into()
            }
            _ => value,
        }
    }

    fn keeps(&self, left: Cell, right: Cell) -> bool {
        self.removed != Removed::Copy(self.classes.class(&self.columns, left, right))
    }
}
