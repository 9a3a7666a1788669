//! What integer types make of numbers, and where a model is defined.

use super::{term, Builder, Home, LayoutError};
use crate::layout::{
    bounds::{span, Declared},
    emit::{Emit, Output},
    home::Limb,
    Accumulator, Step,
};
use zkml_graph::{Interval, TensorId};

impl Builder<'_> {
    /// Lowers [`zkml_graph::Op::Wrap`]: `x − lo = size·q + rem`, and the result is `lo + rem`. The
    /// remainder of a rounding is in `[0, size)` exactly, so it is the result's cells as it stands.
    pub fn lower_wrap(
        &mut self,
        node: usize,
        x: TensorId,
        values: Interval,
        output: TensorId,
    ) -> Result<String, LayoutError> {
        let size = span(values.lo, values.hi) as i64;
        let home = self.home(x)?;
        let home = self.filled(home)?;
        let range = self.graph.tensors[x.0].range;
        let turns = |v: i64| (i128::from(v) - i128::from(values.lo)).div_euclid(size.into());
        let pre = self.interval("a quotient", turns(range.lo), turns(range.hi))?;
        // Rounding adds half of the divisor.
        let constant = -i128::from(values.lo) - i128::from(size / 2);
        let emit = self.exact(node, (1, &home), constant, size, pre)?;
        self.homes[output.0] = Some(Home {
            limbs: emit.remainder,
            offset: values.lo,
            ..home
        });
        self.mark_filled(output);
        Ok("remainders".into())
    }

    /// Lowers [`zkml_graph::Op::Check`]: `x = lo + A` and `hi − x = B`. No cell is negative, so there is no
    /// witness for what is outside, whatever the tables.
    pub fn lower_check(
        &mut self,
        node: usize,
        x: TensorId,
        lo: i64,
        hi: Option<i64>,
        output: TensorId,
    ) -> Result<String, LayoutError> {
        let home = self.home(x)?;
        let home = self.filled(home)?;
        let most = hi.unwrap_or(self.graph.tensors[x.0].range.hi).max(lo);
        let above = self.exact(node, (1, &home), 0, 1, Interval { lo, hi: most })?;
        if let Some(hi) = hi {
            let below =
                self.interval("what is below a bound", 0, i128::from(hi) - i128::from(lo))?;
            self.exact(node, (-1, &home), hi.into(), 1, below)?;
        }
        let limbs: Vec<Limb> = above.kept;
        self.homes[output.0] = Some(Home {
            limbs,
            offset: above.offset,
            ..home
        });
        self.mark_filled(output);
        Ok("bounds that no cell goes beyond".into())
    }

    /// `rd(coefficient·x + constant, div)` in cells of its own.
    fn exact(
        &mut self,
        node: usize,
        (coefficient, x): (i64, &Home),
        constant: i128,
        div: i64,
        pre: Interval,
    ) -> Result<Emit, LayoutError> {
        let emit = self.emit(Output {
            geometry: x.geometry,
            div,
            pre: Declared::of(pre),
            clamp: None,
            bias: None,
            packed: false,
        })?;
        let terms = vec![term(coefficient, x)];
        self.assert_terms(&terms, constant, &emit)?;
        self.steps.push(Step::Compute {
            node,
            accumulator: Box::new(Accumulator::Sum { terms, constant }),
            emit: Box::new(emit.clone()),
        });
        Ok(emit)
    }
}
