//! The state of a layout in the making, and the vocabulary that lowering uses.

use std::collections::{BTreeMap, HashMap};

use super::{
    block::{Block, BlockId, Gate, Geometry, Range, Variable},
    bounds::Declared,
    home::Home,
    matrix::{stored_ranges, Matrix, WeightHome},
    program::{Operand, Program},
    size::Size,
    statement::{Lane, Statement},
    tables::{values_of, Tables},
    LayoutError, NodeReport, Shape, Step, Visibilities, SLOTS,
};
use crate::hash::Poseidon;
use zkml_graph::{Graph, Interval, Node, TensorId};

/// Limbs that a value has at most in a first draft, and its remainder, and what a clamp takes off.
const MOST_LIMBS: usize = 8;

/// Segments of weights: of each channel, the tensor and the element.
pub type Segments = Vec<Vec<Option<(TensorId, usize)>>>;

/// What decides how many limbs values have.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Values in the largest table.
    pub loose: u64,
    /// The largest exact range of packed values that has a table of its own.
    pub exact: u64,
}

/// A layout in the making.
pub struct Builder<'g> {
    /// The graph.
    pub graph: &'g Graph,
    /// Visibility of inputs and outputs.
    pub visibilities: &'g Visibilities,
    /// The shape aimed at.
    pub shape: Shape,
    /// Blocks so far.
    pub blocks: Vec<Block>,
    /// Their cells.
    cells: usize,
    /// Blocks that must share their rows.
    pub groups: Vec<Vec<BlockId>>,
    /// Witness steps.
    pub steps: Vec<Step>,
    /// Homes by tensor.
    pub homes: Vec<Option<Home>>,
    /// Public numbers by tensor, where they have no home yet.
    pub constants: Vec<Option<Vec<i64>>>,
    /// The identities.
    pub program: Program,
    /// The statement.
    pub statement: Statement,
    /// Weights laid out so far.
    pub matrices: HashMap<Segments, Matrix>,
    /// Of each tensor, the nodes that read it.
    pub readers: Vec<Vec<&'g Node>>,
    /// The interval that each weight tensor is stored in.
    pub stored_ranges: Vec<Interval>,
    /// The values of each function, from the least to the largest: many nodes may look up one table.
    pub functions: Vec<Interval>,
    /// Where weights have their cells.
    pub weight_homes: Vec<Vec<WeightHome>>,
    /// Weight segments to commit to, by their rows.
    pub committed: BTreeMap<usize, Vec<Lane>>,
    /// Blocks of so many elements whose other cells hold zero.
    pub zero_padded: Vec<(BlockId, usize)>,
    /// Name of the node being lowered.
    pub node: String,
    /// What became of each node.
    pub reports: Vec<NodeReport>,
    /// What decides how many limbs values have.
    pub limits: Limits,
    /// Whether packed values are in a range that the table of limbs does not hold.
    large_exact: bool,
    /// The challenges' operands: of positions, of channels.
    pub challenges: [Operand; 2],
    /// Sums of powers so far, by variable and count.
    pub ones: HashMap<(Variable, usize), Operand>,
    /// Powers so far, by variable and exponent.
    pub powers: HashMap<(Variable, usize), Operand>,
}

/// Of each tensor, the nodes that read what is computed or supplied there.
fn readers(graph: &Graph) -> Vec<Vec<&Node>> {
    let mut readers: Vec<Vec<&Node>> = vec![Vec::new(); graph.tensors.len()];
    for node in &graph.nodes {
        for id in node.op.data_operands() {
            let known = readers.get_mut(id.0);
            let new =
                |all: &&mut Vec<&Node>| all.last().is_none_or(|last| !std::ptr::eq(*last, node));
            if let Some(all) = known.filter(new) {
                all.push(node);
            }
        }
    }
    readers
}

impl<'g> Builder<'g> {
    /// All blocks and identities, not placed yet.
    pub fn draft(
        graph: &'g Graph,
        visibilities: &'g Visibilities,
        shape: Shape,
        limits: Limits,
    ) -> Result<Self, LayoutError> {
        let mut builder = Self {
            graph,
            visibilities,
            shape,
            blocks: Vec::new(),
            cells: 0,
            groups: Vec::new(),
            steps: Vec::new(),
            homes: vec![None; graph.tensors.len()],
            constants: vec![None; graph.tensors.len()],
            program: Program::default(),
            statement: Statement::new(),
            matrices: HashMap::new(),
            readers: readers(graph),
            stored_ranges: stored_ranges(graph),
            functions: graph.tables.iter().map(values_of).collect(),
            weight_homes: vec![Vec::new(); graph.tensors.len()],
            committed: BTreeMap::new(),
            zero_padded: Vec::new(),
            node: String::new(),
            limits,
            reports: Vec::new(),
            large_exact: false,
            challenges: [Operand::Word(0); 2],
            ones: HashMap::new(),
            powers: HashMap::new(),
        };
        builder.lay_challenges()?;
        let lowered = builder.lower_all();
        builder.reports = lowered.map_err(|error| error.at(&builder.node))?;
        let committed = builder.commit_weights();
        committed.map_err(|error| error.at("weights"))?;
        Ok(builder)
    }

    /// The challenges as operands: the fold of a segment that ends in (…, 0, 1, 0).
    fn lay_challenges(&mut self) -> Result<(), LayoutError> {
        let mut lay = |variable| -> Result<Operand, LayoutError> {
            let geometry = self.geometry(1, 2, variable)?;
            let block = self.block(geometry, Range::AtLeast(2));
            let one = geometry.cells().checked_sub(2);
            let cells = (0..geometry.cells())
                .map(|index| {
                    let cell = super::block::Cell { block, index };
                    (cell, u64::from(Some(index) == one))
                })
                .collect();
            self.steps.push(Step::Fixed { cells });
            Ok(Operand::Fold { block, segment: 0 })
        };
        self.challenges = [lay(Variable::Position)?, lay(Variable::Channel)?];
        Ok(())
    }

    pub fn poseidon(&self) -> Result<Poseidon, LayoutError> {
        Poseidon::new(self.shape.hash_width).ok_or_else(|| {
            LayoutError::Graph(format!("no Poseidon of width {}", self.shape.hash_width))
        })
    }

    /// Largest single limb of a range that needs not be exact.
    pub fn loose(&self) -> u64 {
        self.limits.loose
    }

    /// Largest single limb of an exact range, for one of `values`.
    pub fn exact_limit(&mut self, values: u64) -> u64 {
        self.large_exact |= values > self.shape.limb_base();
        self.limits.exact
    }

    /// Whether exact ranges had large tables, or would have.
    pub fn has_large_exact(&self) -> bool {
        self.large_exact
    }

    /// Largest table of its own.
    pub fn single_limit(&self) -> u64 {
        Tables::single_limit(&self.shape)
    }

    /// An error about the node being lowered.
    pub fn too_wide(&self, what: &'static str, needed: u64) -> LayoutError {
        LayoutError::RangeTooWide {
            node: self.node.clone(),
            what,
            needed,
            available: self.single_limit(),
            k: self.shape.k,
        }
    }

    /// An error about the node being lowered.
    pub fn unsupported(&self, what: impl Into<String>, remedy: &'static str) -> LayoutError {
        LayoutError::Unsupported {
            node: self.node.clone(),
            what: what.into(),
            remedy,
        }
    }

    /// What is declared of a node's values before its clamp.
    pub fn pre(&self, node: usize) -> Declared {
        Declared::of(self.graph.nodes[node].pre)
    }

    /// The home of a tensor. Public numbers get theirs here.
    pub fn home(&mut self, id: TensorId) -> Result<Home, LayoutError> {
        if let Some(values) = self.constants.get_mut(id.0).and_then(Option::take) {
            self.homes[id.0] = Some(self.lay_constant(&values)?);
        }
        self.homes
            .get(id.0)
            .cloned()
            .flatten()
            .ok_or_else(|| LayoutError::Graph(format!("tensor {} is read before it is made", id.0)))
    }

    /// A new block.
    pub fn block(&mut self, geometry: Geometry, range: Range) -> BlockId {
        let next = self.blocks.len();
        self.cells = self.cells.saturating_add(geometry.cells());
        self.blocks.push(Block {
            geometry,
            range,
            gate: Gate::None,
            slot: 0,
            start: 0,
        });
        next
    }

    /// Segments of so many cells, each in whole rows.
    ///
    /// # Errors
    /// If they and the blocks so far are many times what the shape has: nothing is made for cells that there cannot be.
    pub fn geometry(
        &self,
        segments: impl Into<Size>,
        cells: usize,
        variable: Variable,
    ) -> Result<Geometry, LayoutError> {
        let geometry = Geometry::new(segments, self.rows_for(cells), self.shape.data, variable)?;
        let has = Size::product([self.shape.slot_rows(), SLOTS, self.shape.data]).get()?;
        let needed = self.cells.saturating_add(geometry.cells());
        // The first draft may have several limbs where the next one has one.
        if needed > has.saturating_mul(MOST_LIMBS) {
            return Err(LayoutError::TooSmall {
                k: self.shape.k,
                data: self.shape.data,
                resource: "data cells",
                needed,
                available: has,
            });
        }
        Ok(geometry)
    }

    /// Puts a clamp gate on a block.
    pub fn gate(&mut self, block: BlockId, gate: Gate) {
        self.blocks[block].gate = gate;
    }

    /// Demands that blocks stand in slots 0, 1, … at the same rows.
    pub fn group(&mut self, blocks: Vec<BlockId>) {
        self.groups.push(blocks);
    }

    /// Rows for `cells` cells.
    pub fn rows_for(&self, cells: usize) -> usize {
        cells.div_ceil(self.shape.data).max(1)
    }
}

/// Rows of one permutation in the hash columns: S-boxes, and the state after.
pub fn permutation_rows(poseidon: &Poseidon) -> usize {
    // A few dozen, all of them: what saturates fits no shape.
    let states = Poseidon::FULL_ROUNDS.saturating_add(1);
    let full = states.saturating_mul(poseidon.width());
    full.saturating_add(poseidon.partial_rounds())
}
