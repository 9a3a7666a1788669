//! Functions by tables.
//!
//! Argument and value are joined in one cell, `J = (x − o) + S·(y − least)`, that is looked up among
//! the function's entries. `x − o` is in `[0, S)` by its own table, so the joined cell determines
//! both.

use super::{folds_of, term, Builder, Home, LayoutError};
use crate::layout::{
    block::{FunctionRange, Range},
    bounds::span,
    home::Limb,
    Step,
};
use zkml_graph::{Interval, TensorId};

/// Joined cells are below it.
const JOINED_BITS: u32 = 62;

impl Builder<'_> {
    /// Lowers [`zkml_graph::Op::Table`].
    pub fn lower_table(
        &mut self,
        node: usize,
        x: TensorId,
        table: usize,
        output: TensorId,
    ) -> Result<String, LayoutError> {
        let home = self.home(x)?;
        let home = self.filled(home)?;
        let geometry = home.geometry;
        let graph = self.graph;
        let known = graph.tables.get(table).zip(self.functions.get(table));
        let (function, &Interval { lo: least, hi: top }) =
            known.ok_or_else(|| LayoutError::Graph(format!("no table {table}")))?;
        let too_wide = || self.too_wide("function", u64::MAX);
        let limit = self.stored_limit(&home.limbs).ok_or_else(too_wide)?;
        let stride = limit.checked_next_power_of_two().ok_or_else(too_wide)?;
        let size = u128::from(stride) * u128::from(span(least, top));
        if size >> JOINED_BITS != 0 {
            return Err(too_wide());
        }
        let joined = self.block(
            geometry,
            Range::Function(FunctionRange {
                table,
                offset: home.offset,
                stride,
                size: size as u64,
            }),
        );
        let range = graph.tensors[output.0].range;
        let limbs = self.limbs("output", span(range.lo, range.hi), false, geometry)?;
        self.steps.push(Step::Function {
            node,
            x: term(1, &home),
            y: limbs.clone(),
            offset: range.lo,
            joined,
        });
        let left = self.total(joined);
        let argument = self.segment_total(&folds_of(&home.limbs, 1), 0);
        let offset = i128::from(range.lo) - i128::from(least);
        let value = self.segment_total(&folds_of(&limbs, 1), offset);
        let right = self.combine([(1, argument), (stride.into(), value)]);
        self.program.assert_equal(left, right);
        self.homes[output.0] = Some(Home {
            limbs,
            offset: range.lo,
            ..home
        });
        self.mark_filled(output);
        Ok(format!("{} entries looked up", function.values.len()))
    }

    /// A bound that the look-ups of the limbs enforce, whatever tables they end up in: stored values
    /// are below it.
    fn stored_limit(&self, limbs: &[Limb]) -> Option<u64> {
        let all_tables = 1u64 << self.shape.k;
        limbs
            .iter()
            .map(|limb| {
                let below = match self.blocks[limb.block].range {
                    Range::Exact(n) => n,
                    Range::AtLeast(_) => all_tables,
                    Range::Function(function) => function.size,
                };
                limb.base.checked_mul(below.checked_sub(1)?)
            })
            .try_fold(1u64, |sum, most| sum.checked_add(most?))
    }
}
