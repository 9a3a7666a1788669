//! Products of two computed matrices, and sums over a dimension.
//!
//! `Σ_k A_k(u)·B_k(v) = Σ_i u^(M−1−i)·C_i(v)`: columns of the left operand are folded along channels,
//! rows of the right one along positions, and the rows of the result are segments.

use super::{term, Builder, Home, LayoutError, Operand, Variable};
use crate::layout::{
    emit::Output,
    size::{indices, size, Size},
    Accumulator,
};
use zkml_graph::{Clamp, Interval, TensorId};

impl Builder<'_> {
    /// Lowers [`zkml_graph::Op::MatMul`].
    pub fn lower_matmul(
        &mut self,
        node: usize,
        [a, b]: [TensorId; 2],
        div: i64,
        clamp: Option<Clamp>,
        output: TensorId,
    ) -> Result<String, LayoutError> {
        let graph = self.graph;
        let dims = match (&graph.tensors[a.0].shape[..], &graph.tensors[b.0].shape[..]) {
            ([batch @ .., m, k], [.., n]) => {
                let batches = Size::product(batch.iter().copied()).get()?;
                (batches, *m, *k, *n)
            }
            _ => return Err(LayoutError::Graph("a product of vectors".into())),
        };
        let (batches, m, depth, n) = dims;
        let left = self.home(a)?;
        let left = self.storing_zero(node, left)?;
        let right = self.home(b)?;
        let right = self.storing_zero(node, right)?;
        // Long rows waste fewer cells: the transposed product where that has them.
        let swapped = n < m;
        let column = move |batch: usize, k: usize, i: usize| (size(batch) * m + i) * depth + k;
        let row = move |batch: usize, k: usize, j: usize| (size(batch) * depth + k) * n + j;
        let (rows, length) = if swapped { (n, m) } else { (m, n) };
        let (left, right) = match swapped {
            false => (
                self.strips(&left, [batches, depth, m], Variable::Channel, column)?,
                self.strips(&right, [batches, depth, n], Variable::Position, row)?,
            ),
            true => (
                self.strips(&right, [batches, depth, n], Variable::Channel, row)?,
                self.strips(&left, [batches, depth, m], Variable::Position, column)?,
            ),
        };
        let geometry = self.geometry(size(batches) * rows, length, Variable::Position)?;
        // Cells after a row's end are sums of products with zero.
        let pre = self.pre(node).union(Interval::point(0));
        let emit = self.emit(Output {
            geometry,
            div,
            pre,
            clamp,
            bias: None,
            packed: false,
        })?;
        let per_batch = self.power(Variable::Channel, rows);
        let mut sum = self.zero();
        let mut segments = 0..left.geometry.segments;
        for _ in 0..batches {
            let mut products = self.zero();
            for segment in segments.by_ref().take(depth) {
                let [first, second] = [&left, &right].map(|x| self.strip(x, segment));
                products = self.program.mul_add(first, second, products);
            }
            sum = self.program.mul_add(sum, per_batch, products);
        }
        let sum = self.combine([(emit.factor, sum)]);
        // A strip of the left operand ends at its padded width.
        let padding = size(left.geometry.width()) - rows;
        let shift = self.power(Variable::Channel, padding.get()?);
        let right_side = self.rounded_total(&emit);
        let right_side = self.mul(right_side, shift);
        self.program.assert_equal(sum, right_side);
        let positions = (0..(size(batches) * m * n).get()?)
            .map(|e| {
                let [batch, i, j] = indices(e, [m, n]);
                let (segment, at) = if swapped { (j, i) } else { (i, j) };
                geometry.at(batch * rows + segment, at).get()
            })
            .collect::<Result<_, _>>()?;
        let accumulator = Accumulator::MatMul {
            a: left,
            b: right,
            depth,
            rows,
        };
        self.define(node, accumulator, emit, output, positions)?;
        Ok(format!("{depth} products of folds, {batches} times"))
    }

    /// Copies a home to one segment for each batch and summand, ends padded with zero.
    fn strips(
        &mut self,
        home: &Home,
        [batches, depth, length]: [usize; 3],
        variable: Variable,
        element: impl Fn(usize, usize, usize) -> Size,
    ) -> Result<Home, LayoutError> {
        let geometry = self.geometry(size(batches) * depth, length, variable)?;
        let mut elements = vec![None; geometry.cells()];
        for batch in 0..batches {
            for k in 0..depth {
                for i in 0..length {
                    let place = geometry.at(size(batch) * depth + k, i).get()?;
                    elements[place] = Some(element(batch, k, i).get()?);
                }
            }
        }
        let mut strips = self.gather(home, geometry, &elements, true)?;
        strips.positions = Vec::new();
        Ok(strips)
    }

    /// The fold of a segment, with the offset on its whole width.
    fn strip(&mut self, home: &Home, segment: usize) -> Operand {
        let ones = self.ones(home.geometry.variable, home.geometry.width());
        self.value(
            &home.limbs,
            home.offset.into(),
            |block| Operand::Fold { block, segment },
            ones,
        )
    }

    /// Lowers [`zkml_graph::Op::ReduceSum`]: summands are segments, `f·Σ_s X_s + h = D·p + rem`.
    pub fn lower_reduce_sum(
        &mut self,
        node: usize,
        x: TensorId,
        div: i64,
        output: TensorId,
    ) -> Result<String, LayoutError> {
        let home = self.home(x)?;
        let home = self.storing_zero(node, home)?;
        let sums = self.elements(output)?;
        let length = home.positions.len().checked_div(sums).unwrap_or(0);
        let segments = self.geometry(length, sums, Variable::Position)?;
        let mut elements = vec![None; segments.cells()];
        for e in 0..(size(sums) * length).get()? {
            let place = segments.at(size(e) % length, size(e) / length);
            elements[place.get()?] = Some(e);
        }
        let terms = self.gather(&home, segments, &elements, true)?;
        // Cells without elements are sums of zeros.
        let pre = self.pre(node).union(Interval::point(0));
        let geometry = self.geometry(1, sums, Variable::Position)?;
        let emit = self.emit(Output {
            geometry,
            div,
            pre,
            clamp: None,
            bias: None,
            packed: false,
        })?;
        let one = self.one();
        let ones = self.ones(Variable::Position, geometry.width());
        let mut sum = self.zero();
        for segment in 0..length {
            let value = self.value(
                &terms.limbs,
                0,
                |block| Operand::Fold { block, segment },
                one,
            );
            sum = self.combine([(1, sum), (1, value)]);
        }
        let total = self.exactly(i128::from(terms.offset).checked_mul(length as i128))?;
        let sum = self.combine([(1, sum), (total, ones)]);
        let left = self.combine([(emit.factor, sum)]);
        let right = self.rounded_total(&emit);
        self.program.assert_equal(left, right);
        let accumulator = Accumulator::Segments { x: term(1, &terms) };
        self.define(node, accumulator, emit, output, (0..sums).collect())?;
        Ok(format!("sums of {length} segments"))
    }
}
