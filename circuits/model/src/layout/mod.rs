//! From an integer graph to a layout: which cell holds what, and which relations tie them.
//!
//! A *block* is a run of data cells in one of four *slots*: physical row `r` belongs to slot
//! `r % 4`, so a slot is a column of rows with stride four. A block is cut into segments, and
//! each segment is folded with a challenge in place (`fold` column). What remains is a short
//! *scalar program* over the folds: the identities of the linear layers. See `docs/circuit.md`.

#![deny(clippy::arithmetic_side_effects)]

mod arithmetic;
mod block;
mod bounds;
mod builder;
mod draft;
mod emit;
mod error;
mod form;
mod home;
mod lower;
mod matrix;
mod needed;
mod pack;
pub mod program;
pub(crate) mod repairs;
mod rows;
mod size;
mod statement;
mod tables;
#[cfg(test)]
mod tests;
mod weights;

pub use block::{Block, BlockId, Cell, FunctionRange, Gate, Geometry, Range, Variable};
pub use builder::permutation_rows;
pub use emit::{Accumulator, Axis, Emit, Excess, Shift, Tap, Term};
pub use error::LayoutError;
pub use form::{Encoding, Encodings, Exposed, Form, WORD_BITS};
pub use home::{Home, Limb};
pub use matrix::Matrix;
pub use program::signed as builder_signed;
pub use rows::Rows;
pub use statement::{Lane, Message, Packing, Place, Statement};
pub use tables::Tables;

use halo2_proofs::halo2curves::bn256::Fr;
use serde::{Deserialize, Serialize};
use zkml_graph::{Graph, TensorId, Visibility};

/// Interleaved row tracks.
pub const SLOTS: usize = 4;

/// What the columns and gates depend on. Models of one shape share one constraint system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// log₂ of the rows.
    pub k: u32,
    /// Data columns: 2, 5, 8, … use the look-up argument fully.
    pub data: usize,
    /// Width of the Poseidon permutation.
    pub hash_width: usize,
    /// log₂ of the base of two-limb clamps.
    pub limb_bits: u32,
    /// The clamps and products that have gates.
    pub clamps: Clamps,
    /// Whether tables, hash and scalar program share the columns of the one data column, below it: fewer
    /// commitments on more rows ([`Rows`]).
    pub stacked: bool,
}

/// Which gates between data cells a circuit has. Each kind costs fixed columns; a circuit that need not share
/// its columns with those of other models leaves out what its model does without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clamps {
    /// Between two bounds.
    pub two_sided: bool,
    /// From one bound on: ReLU, maxima.
    pub one_sided: bool,
    /// Of values with two limbs.
    pub wide: bool,
    /// Products of two cells.
    pub product: bool,
}

impl Clamps {
    /// All: the canonical circuit.
    pub const ALL: Self = Self {
        two_sided: true,
        one_sided: true,
        wide: true,
        product: true,
    };

    /// All but products: the canonical circuit of models without them.
    pub const CLAMPS: Self = Self {
        product: false,
        ..Self::ALL
    };

    /// Neither clamps nor products.
    pub const NONE: Self = Self {
        two_sided: false,
        one_sided: false,
        wide: false,
        product: false,
    };

    /// Clamps between two bounds alone.
    pub const BOUNDED: Self = Self {
        one_sided: false,
        ..Self::CLAMPS
    };

    /// Clamps from one bound on alone.
    pub const RELU: Self = Self {
        two_sided: false,
        ..Self::CLAMPS
    };

    /// Every choice that has a meaning.
    pub fn choices() -> impl Iterator<Item = Self> {
        (0..16).filter_map(|bits| {
            let clamps = Self {
                two_sided: bits & 1 != 0,
                one_sided: bits & 2 != 0,
                wide: bits & 4 != 0,
                product: bits & 8 != 0,
            };
            let any = clamps.two_sided || clamps.one_sided;
            (any || !clamps.wide).then_some(clamps)
        })
    }

    /// Fixed columns that their gates read.
    pub fn columns(&self) -> usize {
        count([
            self.two_sided,
            self.two_sided && self.wide,
            self.one_sided,
            self.product,
        ])
    }

    /// Rows of a data column that the gates read at once.
    pub fn rows(&self) -> usize {
        count([
            true,
            self.two_sided || self.one_sided || self.product,
            self.wide,
            self.wide && self.one_sided,
        ])
    }

    /// These and what a block with this gate needs.
    pub fn with(mut self, gate: Gate) -> Self {
        match gate {
            Gate::None => {}
            Gate::TwoSided { wide, .. } => (self.two_sided, self.wide) = (true, self.wide || wide),
            Gate::OneSided { wide } => (self.one_sided, self.wide) = (true, self.wide || wide),
            Gate::Product => self.product = true,
        }
        self
    }

    /// Whether all of `needed` are among these.
    pub fn include(&self, needed: &Self) -> bool {
        (self.two_sided || !needed.two_sided)
            && (self.one_sided || !needed.one_sided)
            && (self.wide || !needed.wide)
            && (self.product || !needed.product)
    }
}

/// How many of them hold.
fn count<const N: usize>(conditions: [bool; N]) -> usize {
    conditions.into_iter().filter(|holds| *holds).count()
}

// Columns and idle rows are few, whatever the shape: what saturates is more than any circuit has.
impl Shape {
    /// Fixed columns.
    pub fn fixed_columns(&self) -> usize {
        let clamps = self.clamps.columns();
        match (self.stacked, self.shares_caps()) {
            (true, true) => clamps.saturating_add(7),
            (true, false) => clamps.saturating_add(8),
            (false, _) => clamps.saturating_add(10),
        }
    }

    /// Whether every two-sided clamp has an excess of two limbs, also where one would do, so that one column
    /// says where they are.
    pub fn shares_caps(&self) -> bool {
        self.stacked && self.clamps.two_sided && self.clamps.wide
    }

    /// Whether a block may have this gate.
    pub fn allow(&self, gate: Gate) -> bool {
        let narrow = matches!(gate, Gate::TwoSided { wide: false, .. });
        self.clamps.include(&Clamps::NONE.with(gate)) && !(narrow && self.shares_caps())
    }

    /// Columns in the permutation: data, S-box inputs, folds, scalars, instance.
    pub fn permuted_columns(&self) -> usize {
        let others = if self.stacked { 2 } else { 4 };
        self.data.saturating_add(others)
    }

    /// The base of two-limb values in clamp gates.
    pub fn limb_base(&self) -> u64 {
        1 << self.limb_bits
    }

    /// Rows that witnesses may use: `2^k` less the blinding rows of halo2 (distinct queries of
    /// a column, at least 3, plus 2) and one.
    pub fn usable_rows(&self) -> usize {
        let queries = self.hash_width.saturating_mul(2).max(4);
        (1usize << self.k).saturating_sub(queries.saturating_add(3))
    }

    /// Rows of one slot: the last usable row only ends the running sum, and a few rows before
    /// it stay idle (see [`Rows::idle`]).
    pub fn slot_rows(&self) -> usize {
        self.usable_rows().saturating_sub(2 * SLOTS + 1) / SLOTS
    }
}

/// What of a model's inputs and outputs is seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Visibilities {
    /// Of each input; missing entries are public.
    pub inputs: Vec<Visibility>,
    /// Of each output; missing entries are public.
    pub outputs: Vec<Visibility>,
}

impl Visibilities {
    /// The visibility of input `index`.
    pub fn input(&self, index: usize) -> Visibility {
        self.inputs.get(index).copied().unwrap_or_default()
    }

    /// The visibility of output `index`.
    pub fn output(&self, index: usize) -> Visibility {
        self.outputs.get(index).copied().unwrap_or_default()
    }
}

/// How a step of the witness is computed.
#[derive(Clone, Debug)]
pub enum Step {
    /// Cells from a tensor whose values are given (inputs, weights): cell `i` of every limb
    /// holds element `index[i]`, or zero where `None`.
    Given {
        /// Where.
        limbs: Vec<Limb>,
        /// Subtracted before splitting into limbs.
        offset: i64,
        /// Source of each cell.
        elements: Vec<Option<(TensorId, usize)>>,
    },
    /// Cells copied from others, in order.
    Gather {
        /// `(to, from)`; also copy constraints.
        copies: Vec<(Cell, Cell)>,
    },
    /// Cells with fixed values.
    Fixed {
        /// `(cell, value)`; also copy constraints to constants.
        cells: Vec<(Cell, u64)>,
    },
    /// A function: values, and the cells that are looked up with arguments.
    Function {
        /// Node index in the graph.
        node: usize,
        /// Argument.
        x: Term,
        /// Limbs of the value.
        y: Vec<Limb>,
        /// Offset of the value.
        offset: i64,
        /// Joined argument and value.
        joined: BlockId,
    },
    /// A quotient: `2·factor·a + b = 2·b·y + remainder`, `remainder + complement = 2·b − 1`.
    Divide {
        /// Node index in the graph.
        node: usize,
        /// Dividend, its factor as coefficient.
        a: Term,
        /// Divisor.
        b: Term,
        /// Limbs of the quotient.
        y: Vec<Limb>,
        /// Offset of the quotient.
        offset: i64,
        /// Limbs of the remainder.
        remainder: Vec<Limb>,
        /// Limbs of its complement.
        complement: Vec<Limb>,
    },
    /// An operation: accumulate, then emit.
    Compute {
        /// Node index in the graph.
        node: usize,
        /// What is accumulated.
        accumulator: Box<Accumulator>,
        /// Where the result goes.
        emit: Box<Emit>,
    },
}

/// What `inspect` prints of a node.
#[derive(Clone, Debug, Serialize)]
pub struct NodeReport {
    /// Node index.
    pub node: usize,
    /// Data cells of its blocks.
    pub cells: usize,
    /// Operations of the scalar program.
    pub scalars: usize,
    /// How it is done.
    pub strategy: String,
}

/// A complete layout.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Shape of the circuit.
    pub shape: Shape,
    /// Look-up tables.
    pub tables: Tables,
    /// Blocks with their places.
    pub blocks: Vec<Block>,
    /// Witness steps in order; copies and constants among them are constraints.
    pub steps: Vec<Step>,
    /// Where each tensor of the graph lives.
    pub homes: Vec<Option<Home>>,
    /// The identities.
    pub program: program::Program,
    /// Words, messages, instances.
    pub statement: Statement,
    /// Cost per node.
    pub reports: Vec<NodeReport>,
    /// Rows used by each resource: data slots (super-rows), scalar cells, hash rows.
    pub usage: Usage,
    /// Where its parts stand.
    pub rows: Rows,
    /// Digest of the configuration that the layout is of, which its key commits to; zero for a graph alone.
    pub configuration: Fr,
}

/// Rows used of each resource, against what the shape offers.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Usage {
    /// Rows of the fullest slot.
    pub slot_rows: usize,
    /// Cells of the scalar program, constants included.
    pub scalar_cells: usize,
    /// Rows of the hash columns.
    pub hash_rows: usize,
    /// Table rows.
    pub table_rows: usize,
    /// Data cells that hold something.
    pub data_cells: usize,
}

impl Plan {
    /// Lays `graph` out for `shape`, or says what does not fit.
    pub fn new(
        graph: &Graph,
        visibilities: &Visibilities,
        shape: Shape,
    ) -> Result<Self, LayoutError> {
        draft::plan(graph, visibilities, shape)
    }
}
