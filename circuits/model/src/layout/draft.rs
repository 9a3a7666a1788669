//! From blocks and identities to a plan: how many limbs values get, and where everything stands.

use std::ops::Add;

use halo2_proofs::{arithmetic::Field, halo2curves::bn256::Fr};

use super::{
    block::{place, Block},
    builder::{permutation_rows, Builder, Limits},
    tables::Tables,
    Clamps, LayoutError, Plan, Rows, Shape, Step, Usage, Visibilities,
};
use crate::hash::Poseidon;
use zkml_graph::Graph;

/// Data cells of a draft that is kept beside another one. Of what is larger memory is for one, and it is made again.
const KEPT: usize = 1 << 22;

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
    let (cells, whole) = match spacious(own) {
        Ok(whole) if split_already || !whole.has_large_exact() => return whole.finish(),
        Ok(whole) => {
            let cells = whole.cells();
            (cells, Ok(Some(whole).filter(|_| cells <= KEPT)))
        }
        Err(error @ LayoutError::TooSmall { .. }) if !split_already => (usize::MAX, Err(error)),
        Err(error) => return Err(error),
    };
    match spacious(shape.limb_base()) {
        Ok(split) if split.cells() < cells => split.finish(),
        _ => match whole? {
            Some(whole) => whole.finish(),
            None => spacious(own)?.finish(),
        },
    }
}

impl Builder<'_> {
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
        let cells = self.blocks.iter().map(|block| block.geometry.cells());
        // More than any shape has are refused by the fullest slot's rows.
        cells.fold(0, usize::saturating_add)
    }

    /// Rows that remain for the large table.
    fn spare(&mut self) -> Result<usize, LayoutError> {
        if self.shape.stacked {
            let tables = self.tables()?;
            let (_, rows) = self.place(&tables)?;
            return Ok(rows.spare);
        }
        // What else there is has columns of its own.
        let available = self.shape.usable_rows().saturating_sub(1);
        Ok(available.saturating_sub(self.tables()?.rows()))
    }

    /// Places the blocks; an error if the shape has too few rows of a kind.
    fn place(&mut self, tables: &Tables) -> Result<(Usage, Rows), LayoutError> {
        let shape = self.shape;
        let slot_rows = place(&mut self.blocks, &self.groups, &shape)?;
        let poseidon = self.poseidon()?;
        self.declare_constants(&poseidon);
        let each = permutation_rows(&poseidon);
        let hash_rows = self.statement.messages.iter().map(|message| {
            let permutations = message.words.div_ceil(poseidon.rate());
            permutations.saturating_mul(each)
        });
        // `Rows` refuses sums that saturate.
        let (_, op_cells) = self.program.cells();
        let constants = self.program.constants.len();
        let usage = Usage {
            slot_rows,
            scalar_cells: op_cells.saturating_add(constants),
            hash_rows: hash_rows.fold(0, usize::saturating_add),
            table_rows: tables.rows(),
            data_cells: self.cells(),
        };
        let rows = Rows::new(&shape, &usage, constants)?;
        let available = shape.usable_rows().saturating_sub(1);
        if self.statement.form.instances > available {
            return Err(LayoutError::TooSmall {
                k: shape.k,
                data: shape.data,
                resource: "instances",
                needed: self.statement.form.instances,
                available,
            });
        }
        Ok((usage, rows))
    }

    /// The layout; an error if the shape has too few rows of a kind, or lacks a gate.
    pub(super) fn finish(mut self) -> Result<Plan, LayoutError> {
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
        // A narrow gate that shares its column of caps would multiply with a row that is not its own.
        if let Some(block) = self.blocks.iter().find(|block| !shape.allow(block.gate)) {
            return Err(LayoutError::Graph(format!(
                "a gate {:?} that the shape has not",
                block.gate
            )));
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
            configuration: Fr::ZERO,
        })
    }

    /// Constants that copies refer to: fixed data cells, initial states, padding words.
    fn declare_constants(&mut self, poseidon: &Poseidon) {
        let mut values: Vec<Fr> = vec![Fr::ZERO];
        for message in &self.statement.messages {
            let initial = message
                .domain
                .initial_capacity(message.words, poseidon.width());
            values.push(initial.add(poseidon.round_constants(0)[0]));
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
}
