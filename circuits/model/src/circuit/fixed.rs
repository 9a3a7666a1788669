//! The fixed columns as rows, from a plan.

use halo2_proofs::{arithmetic::Field, halo2curves::bn256::Fr};

use crate::{
    hash::Poseidon,
    layout::{program::Program, Block, Gate, Plan, Rows, Variable, SLOTS},
};

/// Fixed values of one data row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataRow {
    /// Fold variable.
    pub variable: Variable,
    /// Continues the fold of the row above in its slot.
    pub carry: bool,
    /// Its gate.
    pub gate: Gate,
    /// Table tag.
    pub tag: usize,
}

/// All data rows of a plan, by physical row.
pub fn data_rows(plan: &Plan) -> Vec<DataRow> {
    let idle = DataRow {
        variable: Variable::Position,
        carry: false,
        gate: Gate::None,
        tag: 0,
    };
    let mut rows = vec![idle; plan.usage.slot_rows * SLOTS];
    for block in &plan.blocks {
        // Every range of the plan has a table: `Plan` was built with it.
        let tag = plan.tables.tag(block.range).unwrap_or(usize::MAX);
        for row in 0..block.rows() {
            rows[block.physical_row(row)] = DataRow {
                variable: block.geometry.variable,
                carry: row % block.geometry.rows != 0,
                gate: block.gate,
                tag,
            };
        }
    }
    rows
}

/// The fixed values of a row that gates between data cells read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GateValues {
    /// 2/cap of a two-sided clamp.
    pub cap: Fr,
    /// The same, where the excess has a second limb.
    pub cap_wide: Fr,
    /// 1 or 2: one-sided clamp of so many limbs.
    pub relu: u64,
    /// 1: products.
    pub product: u64,
}

impl DataRow {
    /// What the gates read.
    pub fn gate_values(&self) -> GateValues {
        let doubled_inverse = |cap: u64| Fr::from(2) * Fr::from(cap).invert().unwrap_or(Fr::ZERO);
        let mut values = GateValues::default();
        match self.gate {
            Gate::None => {}
            Gate::TwoSided { cap, wide } => {
                values.cap = doubled_inverse(cap);
                if wide {
                    values.cap_wide = values.cap;
                }
            }
            Gate::OneSided { wide } => values.relu = 1 + u64::from(wide),
            Gate::Product => values.product = 1,
        }
        values
    }
}

/// Physical row of the fold of a segment: its last row.
pub fn fold_row(block: &Block, segment: usize) -> usize {
    block.physical_row((segment + 1) * block.geometry.rows - 1)
}

/// Where the scalar program's cells are.
pub struct ScalarCells {
    /// First cell of each operation.
    pub ops: Vec<usize>,
    /// Cell of each constant: from the last row upwards.
    pub constants: Vec<usize>,
}

impl ScalarCells {
    /// Places a program.
    pub fn new(program: &Program, rows: &Rows) -> Self {
        let (ops, _) = program.cells();
        Self {
            ops: ops.into_iter().map(|first| rows.scalar + first).collect(),
            constants: (0..program.constants.len())
                .map(|i| rows.constant - i)
                .collect(),
        }
    }
}

/// What a row of the hash columns is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashGate {
    /// No gate starts here.
    None,
    /// A full state begins here, from the full round above.
    Full,
    /// A partial round's input, from the `width` above.
    Partial,
    /// The partial rounds begin here.
    Entry,
    /// The partial rounds ended above; a full state begins here.
    Exit,
}

/// The gate on each row of one permutation, counted from its first row.
pub fn hash_gates(poseidon: &Poseidon) -> Vec<HashGate> {
    let t = poseidon.width();
    let half = Poseidon::FULL_ROUNDS / 2;
    let mut gates = Vec::new();
    let mut state = |gate| {
        gates.push(gate);
        gates.extend(vec![HashGate::None; t - 1]);
    };
    state(HashGate::None);
    (1..half).for_each(|_| state(HashGate::Full));
    state(HashGate::Entry);
    gates.extend(vec![HashGate::Partial; poseidon.partial_rounds() - t]);
    let mut state = |gate| {
        gates.push(gate);
        gates.extend(vec![HashGate::None; t - 1]);
    };
    state(HashGate::Exit);
    (1..=half).for_each(|_| state(HashGate::Full));
    gates
}
