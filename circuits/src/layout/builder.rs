//! The state of a layout in the making, and the vocabulary that lowering uses.

use std::collections::{BTreeMap, HashMap};

use halo2_proofs::{arithmetic::Field, halo2curves::bn256::Fr};

use super::{
    block::{place, Block, BlockId, Gate, Geometry, Range, Variable},
    home::{Home, Limb},
    pack::{Lane, Statement},
    program::{Operand, Program},
    tables::Tables,
    weights::Matrix,
    Clamps, LayoutError, NodeReport, Plan, Rows, Shape, Step, Usage, Visibilities,
};
use crate::{
    graph::{Graph, Interval, TensorId},
    hash::Poseidon,
};

/// Segments of weights, their range, and their cells.
pub type LaidWeights = (Vec<Vec<Option<(TensorId, usize)>>>, Interval, Matrix);

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
    /// Weights laid out so far: segments, range, cells.
    pub matrices: Vec<LaidWeights>,
    /// Weight segments to commit to, by their rows.
    pub committed: BTreeMap<usize, Vec<Lane>>,
    /// Blocks of so many elements whose other cells hold zero.
    pub zero_padded: Vec<(BlockId, usize)>,
    /// Name of the node being lowered.
    pub node: String,
    reports: Vec<NodeReport>,
    /// Whether packed values are in a range that the table of limbs does not hold.
    large_exact: bool,
    limits: Limits,
    challenges: [Operand; 2],
    ones: HashMap<(Variable, usize), Operand>,
    powers: HashMap<(Variable, usize), Operand>,
}

/// What decides how many limbs values have.
#[derive(Clone, Copy)]
struct Limits {
    /// Values in the largest table.
    loose: u64,
    /// The largest exact range of packed values that has a table of its own.
    exact: u64,
}

/// Lays out `graph`: once to see how large the exact tables are, then with the rest of the
/// table rows as one large table, which saves second limbs. Where packed values (there are few) have large
/// tables, they are also tried in two limbs, so that more rows remain; the layout with fewer cells is taken.
pub fn plan(graph: &Graph, visibilities: &Visibilities, shape: Shape) -> Result<Plan, LayoutError> {
    let draft = |limits| {
        let mut draft = Builder::draft(graph, visibilities, shape, limits)?;
        let spare = draft.spare()? as u64;
        Ok((draft, spare))
    };
    let spacious = |exact| {
        let loose = shape.limb_base();
        let (first, spare) = draft(Limits { loose, exact })?;
        if spare <= loose {
            return Ok(first);
        }
        drop(first);
        let limits = Limits {
            loose: spare,
            exact,
        };
        let better = draft(limits).or_else(|_| draft(Limits { loose, exact }));
        better.map(|(draft, _)| draft)
    };
    let own = Tables::single_limit(&shape);
    let split_already = own <= shape.limb_base();
    let cells = match spacious(own) {
        Ok(whole) if split_already || !whole.has_large_exact() => return whole.finish(),
        Ok(whole) => whole.cells(),
        Err(LayoutError::TooSmall { .. }) if !split_already => usize::MAX,
        Err(error) => return Err(error),
    };
    match spacious(shape.limb_base()) {
        Ok(split) if split.cells() < cells => split.finish(),
        _ => spacious(own)?.finish(),
    }
}

impl<'g> Builder<'g> {
    /// All blocks and identities, not placed yet.
    fn draft(
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
            groups: Vec::new(),
            steps: Vec::new(),
            homes: vec![None; graph.tensors.len()],
            constants: vec![None; graph.tensors.len()],
            program: Program::default(),
            statement: Statement::new(),
            matrices: Vec::new(),
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
        builder.lay_challenges();
        builder.reports = builder.lower_all()?;
        builder.commit_weights();
        Ok(builder)
    }

    /// The tables that the blocks need.
    fn tables(&self) -> Result<Tables, LayoutError> {
        Tables::new(
            &self.shape,
            self.blocks.iter().map(|block| block.range),
            &self.graph.tables,
            self.limits.loose,
        )
    }

    /// Data cells of all blocks.
    fn cells(&self) -> usize {
        let rows: usize = self.blocks.iter().map(Block::rows).sum();
        rows * self.shape.data
    }

    /// The challenges as operands: the fold of a segment that ends in (…, 0, 1, 0).
    fn lay_challenges(&mut self) {
        self.challenges = [Variable::Position, Variable::Channel].map(|variable| {
            let width = self.shape.data;
            let rows = self.rows_for(2);
            let geometry = Geometry {
                segments: 1,
                rows,
                variable,
            };
            let block = self.block(geometry, Range::AtLeast(2));
            let cells = (0..rows * width)
                .map(|index| {
                    let cell = super::block::Cell { block, index };
                    (cell, u64::from(index + 2 == rows * width))
                })
                .collect();
            self.steps.push(Step::Fixed { cells });
            Operand::Fold { block, segment: 0 }
        });
    }

    /// Rows that remain for the large table.
    fn spare(&mut self) -> Result<usize, LayoutError> {
        if self.shape.stacked {
            let tables = self.tables()?;
            let (_, rows) = self.place(&tables)?;
            return Ok(rows.spare);
        }
        // What else there is has columns of its own.
        let available = self.shape.usable_rows() - 1;
        Ok(available.saturating_sub(self.tables()?.rows()))
    }

    /// Places the blocks; an error if the shape has too few rows of a kind.
    fn place(&mut self, tables: &Tables) -> Result<(Usage, Rows), LayoutError> {
        let shape = self.shape;
        let slot_rows = place(&mut self.blocks, &self.groups, &shape)?;
        let poseidon = self.poseidon()?;
        self.declare_constants(&poseidon);
        let hash_rows = self
            .statement
            .messages
            .iter()
            .map(|message| message.words.div_ceil(poseidon.rate()) * permutation_rows(&poseidon))
            .sum();
        let (_, op_cells) = self.program.cells();
        let constants = self.program.constants.len();
        let usage = Usage {
            slot_rows,
            scalar_cells: op_cells + constants,
            hash_rows,
            table_rows: tables.rows(),
            data_cells: self.cells(),
        };
        let rows = Rows::new(&shape, &usage, constants)?;
        let available = shape.usable_rows() - 1;
        if self.statement.instances > available {
            return Err(LayoutError::TooSmall {
                k: shape.k,
                data: shape.data,
                resource: "instances",
                needed: self.statement.instances,
                available,
            });
        }
        Ok((usage, rows))
    }

    /// The layout; an error if the shape has too few rows of a kind, or lacks a gate.
    fn finish(mut self) -> Result<Plan, LayoutError> {
        let shape = self.shape;
        let tables = self.tables()?;
        let unknown = |block: &&Block| tables.tag(block.range).is_none();
        if let Some(block) = self.blocks.iter().find(unknown) {
            return Err(LayoutError::Graph(format!(
                "no table for the range {:?}",
                block.range
            )));
        }
        let (usage, rows) = self.place(&tables)?;
        let gates = self.blocks.iter().map(|block| block.gate);
        let needed = gates.fold(Clamps::NONE, Clamps::with);
        if !shape.clamps.include(&needed) {
            return Err(LayoutError::NoGate { needed });
        }
        Ok(Plan {
            shape,
            tables,
            blocks: self.blocks,
            steps: self.steps,
            homes: self.homes,
            program: self.program,
            statement: self.statement,
            reports: self.reports,
            usage,
            rows,
        })
    }

    /// Constants that copies refer to: fixed data cells, initial states, padding words.
    fn declare_constants(&mut self, poseidon: &Poseidon) {
        let mut values: Vec<Fr> = vec![Fr::ZERO];
        for message in &self.statement.messages {
            let initial = message
                .domain
                .initial_capacity(message.words, poseidon.width());
            values.push(initial + poseidon.round_constants(0)[0]);
        }
        let mut last = None;
        for step in &self.steps {
            if let Step::Fixed { cells } = step {
                for (_, value) in cells {
                    if last.replace(*value) != Some(*value) {
                        values.push(Fr::from(*value));
                    }
                }
            }
        }
        for value in values {
            self.program.constant(value);
        }
    }

    fn poseidon(&self) -> Result<Poseidon, LayoutError> {
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
    fn has_large_exact(&self) -> bool {
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
        self.blocks.push(Block {
            geometry,
            range,
            gate: Gate::None,
            slot: 0,
            start: 0,
        });
        self.blocks.len() - 1
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

    /// A constant.
    pub fn constant(&mut self, value: Fr) -> Operand {
        self.program.constant(value)
    }

    /// A small signed constant.
    pub fn integer(&mut self, value: i64) -> Operand {
        self.program.constant(signed(value))
    }

    /// One.
    pub fn one(&mut self) -> Operand {
        self.constant(Fr::ONE)
    }

    /// Zero.
    pub fn zero(&mut self) -> Operand {
        self.constant(Fr::ZERO)
    }

    /// A challenge.
    pub fn challenge(&self, variable: Variable) -> Operand {
        match variable {
            Variable::Position => self.challenges[0],
            Variable::Channel => self.challenges[1],
        }
    }

    /// `Σ_i values[i]·z^(len−1−i)`.
    pub fn horner(
        &mut self,
        variable: Operand,
        values: impl IntoIterator<Item = Operand>,
    ) -> Operand {
        let mut values = values.into_iter();
        let Some(first) = values.next() else {
            return self.zero();
        };
        values.fold(first, |sum, value| {
            self.program.mul_add(sum, variable, value)
        })
    }

    /// `a·b`.
    pub fn mul(&mut self, a: Operand, b: Operand) -> Operand {
        let zero = self.zero();
        self.program.mul_add(a, b, zero)
    }

    /// `Σ factor·value`.
    pub fn combine(&mut self, terms: impl IntoIterator<Item = (i64, Operand)>) -> Operand {
        let mut sum = None;
        for (factor, value) in terms {
            sum = match (sum, factor) {
                (sum, 0) => sum,
                (None, 1) => Some(value),
                (sum, factor) => {
                    let factor = self.integer(factor);
                    let rest = match sum {
                        Some(sum) => sum,
                        None => self.zero(),
                    };
                    Some(self.program.mul_add(value, factor, rest))
                }
            };
        }
        match sum {
            Some(sum) => sum,
            None => self.zero(),
        }
    }

    /// `Σ base·limb + offset·ones` where `limb` names each limb's operand.
    pub fn value(
        &mut self,
        limbs: &[Limb],
        offset: i64,
        limb: impl Fn(BlockId) -> Operand,
        ones: Operand,
    ) -> Operand {
        let terms: Vec<(i64, Operand)> = limbs
            .iter()
            .map(|l| (l.base as i64, limb(l.block)))
            .chain([(offset, ones)])
            .collect();
        self.combine(terms)
    }

    /// `z^exponent`.
    pub fn power(&mut self, variable: Variable, exponent: usize) -> Operand {
        match exponent {
            0 => return self.one(),
            1 => return self.challenge(variable),
            _ => {}
        }
        if let Some(known) = self.powers.get(&(variable, exponent)) {
            return *known;
        }
        let half = self.power(variable, exponent / 2);
        let mut result = self.mul(half, half);
        if exponent % 2 == 1 {
            let z = self.challenge(variable);
            result = self.mul(result, z);
        }
        self.powers.insert((variable, exponent), result);
        result
    }

    /// `1 + z + … + z^(count−1)`.
    pub fn ones(&mut self, variable: Variable, count: usize) -> Operand {
        match count {
            0 => return self.zero(),
            1 => return self.one(),
            _ => {}
        }
        if let Some(known) = self.ones.get(&(variable, count)) {
            return *known;
        }
        let half = self.ones(variable, count / 2);
        let step = self.power(variable, count / 2);
        let mut result = self.program.mul_add(half, step, half);
        if count % 2 == 1 {
            let z = self.challenge(variable);
            let one = self.one();
            result = self.program.mul_add(result, z, one);
        }
        self.ones.insert((variable, count), result);
        result
    }
}

/// Rows of one permutation in the hash columns: S-boxes, and the state after.
pub fn permutation_rows(poseidon: &Poseidon) -> usize {
    (Poseidon::FULL_ROUNDS + 1) * poseidon.width() + poseidon.partial_rounds()
}

/// A signed integer in the field.
pub fn signed(value: i64) -> Fr {
    let magnitude = Fr::from(value.unsigned_abs());
    if value < 0 {
        -magnitude
    } else {
        magnitude
    }
}
