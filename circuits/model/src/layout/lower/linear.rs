//! Fully connected layers.
//!
//! `f·Σ_k W̃_k(u)·x_k + D·β̃(u) = D·p̃(u) + rem̃(u) − h·1̃(u)`: the weights of one input form a
//! segment folded along the outputs; the outputs are folded with the same variable.

use super::{Builder, LayoutError, Operand, Variable};
use crate::layout::{
    block::Geometry,
    emit::{Axis, Output},
    pack::{word_major, word_major_cells},
    size::size,
    Accumulator,
};
use zkml_graph::{Op, TensorId};

impl Builder<'_> {
    /// Lowers [`Op::Linear`].
    pub fn lower_linear(
        &mut self,
        node: usize,
        op: &Op,
        output: TensorId,
    ) -> Result<String, LayoutError> {
        let Op::Linear {
            x,
            w,
            bias,
            div,
            clamp,
        } = op
        else {
            return Err(LayoutError::Graph("not a linear node".into()));
        };
        let home = self.home(*x)?;
        let inputs = home.positions.len();
        let outputs = self.elements(output)?;
        if Some(self.elements(*w)?) != inputs.checked_mul(outputs) {
            return Err(LayoutError::Graph("weights do not match the input".into()));
        }
        let pre = self.pre(node);
        let packed = self.is_exposed(output);
        let bits = Self::bits_of(pre.least(), pre.most());
        let geometry = if packed {
            self.packed_geometry(outputs, bits, Variable::Channel)?
        } else {
            self.geometry(1, outputs, Variable::Channel)?
        };
        // Outputs that will be packed lie as they are packed, and so do their weights.
        let (positions, cells): (Vec<usize>, Vec<Option<usize>>) = if packed {
            let positions = word_major(outputs, geometry.width()).collect();
            (positions, word_major_cells(outputs, &geometry))
        } else {
            ((0..outputs).collect(), (0..outputs).map(Some).collect())
        };
        let row = |weight: &dyn Fn(usize) -> (TensorId, usize)| -> Vec<_> {
            cells.iter().map(|n| n.map(weight)).collect()
        };
        // Each index is below `inputs·outputs`, the elements of `w`.
        let element = |n: usize, k: usize| n.saturating_mul(inputs).saturating_add(k);
        let mut segments: Vec<_> = (0..inputs).map(|k| row(&|n| (*w, element(n, k)))).collect();
        if let Some(bias) = bias {
            segments.push(row(&|n| (*bias, n)));
        }
        let matrix = self.weights(segments)?;
        let emit = self.emit(Output {
            geometry,
            div: *div,
            pre,
            clamp: *clamp,
            bias: bias.map(|_| (matrix.clone(), inputs, Axis::Cell)),
            packed,
        })?;

        // Cells without an element have weights of zero, and hold it unless it is clamped from above.
        if packed && clamp.and_then(|c| c.hi).is_none_or(|hi| hi >= 0) {
            let kept = emit.kept.first().map(|limb| (limb.block, outputs));
            self.zero_padded.extend(kept);
        }

        // Left side: the weights' segments end at their padded width, the outputs at theirs.
        let mut sum = self.zero();
        for k in 0..inputs {
            let weight = self.weight_fold(&matrix, k);
            let value = self.element(&home, k);
            sum = self.program.mul_add(weight, value, sum);
        }
        let mut left = self.combine([(emit.factor, sum)]);
        if bias.is_some() {
            let folded = self.weight_fold(&matrix, inputs);
            left = self.combine([(1, left), (emit.divisor, folded)]);
        }
        let after = (size(geometry.cells()) - matrix.geometry.width()).get()?;
        let shift = self.power(Variable::Channel, after);
        let left = self.mul(left, shift);
        let right = self.flat_rounded(&emit, geometry);
        self.program.assert_equal(left, right);
        self.define(
            node,
            Accumulator::Linear { x: home, matrix },
            emit,
            output,
            positions,
        )?;
        Ok(format!("matmul, {inputs}×{outputs} weights folded once"))
    }

    /// One element of a home.
    pub fn element(&mut self, home: &super::Home, element: usize) -> Operand {
        let index = home.positions[element];
        let one = self.one();
        self.value(
            &home.limbs,
            home.offset.into(),
            |block| Operand::Cell { block, index },
            one,
        )
    }

    /// `D·p + rem − h` folded along the channel as one run over all segments.
    pub fn flat_rounded(&mut self, emit: &crate::layout::Emit, geometry: Geometry) -> Operand {
        let ones = self.ones(Variable::Channel, geometry.cells());
        let mut terms = Vec::new();
        for (factor, block) in emit.folds() {
            let fold = self.flat(block);
            terms.push((factor, fold));
        }
        terms.push((emit.offset.into(), ones));
        let value = self.combine(terms);
        let mut terms = vec![(emit.divisor, value), (-emit.half, ones)];
        for limb in &emit.remainder {
            let fold = self.flat(limb.block);
            terms.push((limb.base.into(), fold));
        }
        self.combine(terms)
    }

    /// The fold of a whole block as one run.
    pub fn flat(&mut self, block: usize) -> Operand {
        let geometry = self.blocks[block].geometry;
        let step = self.power(geometry.variable, geometry.width());
        self.horner(
            step,
            (0..geometry.segments).map(|segment| Operand::Fold { block, segment }),
        )
    }
}
