//! From nodes to blocks and identities: one function per kind of operation.
//!
//! Images are folded along positions (`v`) plane by plane, planes and vectors along channels
//! (`u`). All identities are polynomial identities in the two, over values committed before.

mod conv;
mod elementwise;
mod gather;
mod integer;
mod linear;
mod matmul;
mod movement;
mod near;
mod phases;
mod planes;
mod pool;
mod product;
mod table;
mod windows;

use super::{
    block::{Cell, Variable},
    builder::Builder,
    emit::{Emit, Term},
    home::{Home, Limb},
    pack::{word_major, word_major_cells},
    program::Operand,
    repairs::{undone, Repair},
    size::Size,
    LayoutError, NodeReport, Step,
};
use zkml_graph::{movement::sources, Clamp, Op, TensorId, Visibility};

impl Builder<'_> {
    /// Lowers inputs, nodes and outputs.
    pub fn lower_all(&mut self) -> Result<Vec<NodeReport>, LayoutError> {
        for (index, &id) in self.graph.inputs.iter().enumerate() {
            self.node = self.tensor(id)?.name.clone();
            self.lower_input(id, self.visibilities.input(index))?;
        }
        let graph = self.graph;
        let mut reports = Vec::with_capacity(graph.nodes.len());
        for (index, node) in graph.nodes.iter().enumerate() {
            self.node = node.name.clone();
            let (blocks, ops) = (self.blocks.len(), self.program.ops.len());
            let strategy = self.lower_node(index, &node.op, node.output)?;
            reports.push(NodeReport {
                node: index,
                // A number to print.
                cells: self.blocks[blocks..]
                    .iter()
                    .map(|b| b.geometry.cells())
                    .fold(0, usize::saturating_add),
                scalars: self.program.ops[ops..].len(),
                strategy,
            });
        }
        for (index, &id) in graph.outputs.iter().enumerate() {
            self.node = self.tensor(id)?.name.clone();
            self.lower_output(id, self.visibilities.output(index))?;
        }
        Ok(reports)
    }

    fn tensor(&self, id: TensorId) -> Result<&zkml_graph::Tensor, LayoutError> {
        self.graph
            .tensors
            .get(id.0)
            .ok_or_else(|| LayoutError::Graph(format!("tensor {} does not exist", id.0)))
    }

    /// The shape of an image tensor.
    fn image_shape(&self, id: TensorId) -> Result<[usize; 3], LayoutError> {
        <[usize; 3]>::try_from(self.tensor(id)?.shape.as_slice())
            .map_err(|_| LayoutError::Graph(format!("tensor {} is not an image", id.0)))
    }

    fn elements(&self, id: TensorId) -> Result<usize, LayoutError> {
        Size::product(self.tensor(id)?.shape.iter().copied()).get()
    }

    fn lower_node(
        &mut self,
        index: usize,
        op: &Op,
        output: TensorId,
    ) -> Result<String, LayoutError> {
        if let Some(Clamp { lo, hi: Some(hi) }) = op.clamp() {
            if lo == hi {
                // Whatever is computed, the result is this number.
                self.constants[output.0] = Some(vec![lo; self.elements(output)?]);
                return Ok("a clamp to one value".into());
            }
        }
        let packed = matches!(op, Op::Linear { .. }) && self.is_exposed(output);
        let sum = matches!(op, Op::Combine { .. });
        if !sum && self.is_step_of_its_own(index, op.clamp(), packed) {
            let alone = op.without_clamp();
            let strategy = self.lower_node(index, &alone, output)?;
            self.clamp_result(index, op.clamp(), output)?;
            return Ok(format!("{strategy}, then its clamp"));
        }
        match op {
            Op::Conv { .. } => self.lower_conv(index, op, output),
            Op::Linear { .. } => self.lower_linear(index, op, output),
            Op::Scale { .. } => self.lower_scale(index, op, output),
            Op::Combine { .. } => self.lower_combine(index, op, output),
            Op::Mul { a, b, div, clamp } => self.lower_mul(index, [*a, *b], *div, *clamp, output),
            Op::Div { a, b, factor } => self.lower_div(index, [*a, *b], *factor, output),
            Op::Max { a, b } => self.lower_extremum(index, [*a, *b], true, output),
            Op::Min { a, b } => self.lower_extremum(index, [*a, *b], false, output),
            Op::MatMul { a, b, div, clamp } => {
                self.lower_matmul(index, [*a, *b], *div, *clamp, output)
            }
            Op::Wrap { x, bits, signed } => {
                self.lower_wrap(index, *x, Op::residues(*bits, *signed), output)
            }
            Op::Check { x, lo, hi, .. } => self.lower_check(index, *x, *lo, *hi, output),
            Op::Table { x, table } => self.lower_table(index, *x, *table, output),
            Op::ReduceSum { x, div } => self.lower_reduce_sum(index, *x, *div, output),
            Op::Concat { xs, .. } => self.lower_concat(index, op, xs, output),
            // Laid out where it is first read as cells.
            Op::Constant { values, .. } => {
                self.constants[output.0] = Some(values.clone());
                Ok("public numbers".into())
            }
            Op::Parameter { w } => self.lower_parameter(*w, output),
            Op::AvgPool { x, window } => self.lower_avg_pool(index, *x, window, output),
            Op::MaxPool { x, window } => self.lower_max_pool(index, *x, window, output),
            Op::Reshape { x } | Op::Transpose { x, .. } | Op::Gather { x, .. } => {
                let order = self.moved(op)?;
                if let Some(values) = &self.constants[x.0] {
                    let moved = order.iter().map(|(_, e)| values[*e]).collect();
                    self.constants[output.0] = Some(moved);
                } else {
                    let mut home = self.home(*x)?;
                    let all = home.positions.len();
                    home.positions = order.into_iter().map(|(_, e)| home.positions[e]).collect();
                    // Cells of elements left out hold neither an element nor the last one.
                    home.filled &= home.positions.len() == all;
                    self.homes[output.0] = Some(home);
                }
                Ok("same cells".into())
            }
        }
    }

    /// Where each element of a movement's result comes from.
    fn moved(&self, op: &Op) -> Result<Vec<(usize, usize)>, LayoutError> {
        let operands = op.data_operands();
        let shapes = operands
            .iter()
            .map(|x| Ok(self.tensor(*x)?.shape.as_slice()))
            .collect::<Result<Vec<_>, LayoutError>>()?;
        sources(op, &shapes).ok_or_else(|| LayoutError::Graph(format!("{} moves", op.kind())))
    }

    /// Inputs lie as they are packed, folded along positions.
    fn lower_input(&mut self, id: TensorId, visibility: Visibility) -> Result<(), LayoutError> {
        let elements = self.elements(id)?;
        let range = self.tensor(id)?.range;
        // Room for the zero that words have where there is no element.
        let most = range.hi.max(0);
        let bits = Self::bits_of(range.lo, most);
        let geometry = self.packed_geometry(elements, bits, Variable::Position)?;
        let values = super::bounds::span(range.lo, most);
        let limbs = self.limbs("input", values, true, geometry)?;
        let cells = word_major_cells(elements, &geometry);
        let pads: Vec<usize> = (0..cells.len()).filter(|&i| cells[i].is_none()).collect();
        let cells = cells.into_iter();
        self.steps.push(Step::Given {
            limbs: limbs.clone(),
            offset: range.lo,
            elements: cells.map(|e| e.map(|e| (id, e))).collect(),
        });
        if visibility == Visibility::Hashed && !undone(Repair::Pads) {
            // A verifier packs public tensors itself; of a digest it sees nothing.
            self.fix_zero(&limbs, range.lo.min(0), &pads)?;
        }
        let exposed = self.expose(id, visibility, &limbs, range.lo, geometry)?;
        self.statement.form.inputs.push(exposed);
        self.homes[id.0] = Some(Home {
            limbs,
            offset: range.lo,
            geometry,
            positions: word_major(elements, geometry.width()).collect(),
            filled: false,
        });
        Ok(())
    }

    /// Outputs are exposed in place if they lie as they are packed and their range is known
    /// exactly; else they are copied first.
    fn lower_output(&mut self, id: TensorId, visibility: Visibility) -> Result<(), LayoutError> {
        let mut home = self.home(id)?;
        let range = self.tensor(id)?.range;
        if visibility != Visibility::Private {
            if range.lo < home.offset {
                // Words hold what is declared.
                let made = self.graph.nodes.iter().position(|node| node.output == id);
                let node =
                    made.ok_or_else(|| LayoutError::Graph(format!("no node makes {}", id.0)))?;
                let held = self.held(home.offset, &home.limbs)?;
                home = self.restored(node, &home, held.union(range))?;
            }
            if !self.is_packed(&home)? || !self.in_words(range, home.offset, &home.limbs)? {
                home = self.gather_packed(id, &home)?;
            }
        }
        let exposed = self.expose(id, visibility, &home.limbs, home.offset, home.geometry)?;
        self.statement.form.outputs.push(exposed);
        Ok(())
    }

    /// Whether the node that makes `id` should lay it out for packing: it is an exposed output
    /// that nothing else reads.
    fn is_exposed(&self, id: TensorId) -> bool {
        let graph = self.graph;
        graph
            .outputs
            .iter()
            .position(|output| *output == id)
            .is_some_and(|index| self.visibilities.output(index) != Visibility::Private)
    }

    /// Registers a computed tensor: its witness step and its home.
    fn define(
        &mut self,
        node: usize,
        accumulator: super::Accumulator,
        emit: Emit,
        output: TensorId,
        positions: Vec<usize>,
    ) -> Result<(), LayoutError> {
        let home = emit.home(positions);
        if !home.is_distinct() {
            return Err(LayoutError::Graph(format!(
                "two elements of tensor {} in one cell",
                output.0
            )));
        }
        self.homes[output.0] = Some(home);
        self.steps.push(Step::Compute {
            node,
            accumulator: Box::new(accumulator),
            emit: Box::new(emit),
        });
        Ok(())
    }

    /// `total` of a combination of blocks plus `offset` on every cell, over segments.
    fn segment_total(&mut self, folds: &[(i128, usize)], offset: i128) -> Operand {
        let Some(&(_, block)) = folds.first() else {
            return self.zero();
        };
        let geometry = self.blocks[block].geometry;
        let ones = self.ones_total(geometry);
        let mut terms: Vec<(i128, Operand)> = Vec::new();
        for &(factor, block) in folds {
            let total = self.total(block);
            terms.push((factor, total));
        }
        terms.push((offset, ones));
        self.combine(terms)
    }

    /// The total of a block of ones.
    fn ones_total(&mut self, geometry: super::Geometry) -> Operand {
        match geometry.variable {
            Variable::Channel => self.ones(Variable::Channel, geometry.cells()),
            Variable::Position => {
                let along = self.ones(Variable::Position, geometry.width());
                let across = self.ones(Variable::Channel, geometry.segments);
                self.mul(along, across)
            }
        }
    }

    /// `D·p + rem − h·1`, each in total: the right side of a rounding identity.
    fn rounded_total(&mut self, emit: &Emit) -> Operand {
        let value = self.segment_total(&emit.folds(), emit.offset.into());
        let remainder: Vec<(i128, usize)> = emit
            .remainder
            .iter()
            .map(|limb| (limb.base.into(), limb.block))
            .collect();
        let rest = self.segment_total(&remainder, -emit.half);
        self.combine([(emit.divisor, value), (1, rest)])
    }
}

/// A home as an elementwise term.
fn term(coefficient: i64, home: &Home) -> Term {
    Term {
        coefficient,
        limbs: home.limbs.clone(),
        offset: home.offset,
    }
}

/// `limb.base · block` pairs of a home.
fn folds_of(limbs: &[Limb], factor: i64) -> Vec<(i128, usize)> {
    limbs
        .iter()
        .map(|limb| (i128::from(factor) * i128::from(limb.base), limb.block))
        .collect()
}

fn cell(limb: &Limb, index: usize) -> Cell {
    Cell {
        block: limb.block,
        index,
    }
}
