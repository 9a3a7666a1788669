//! Products, quotients and maxima of two computed tensors, cell by cell.
//!
//! Copies of both factors stand in neighbouring rows; what is folded there is their product, and
//! `a·b = (o_a + Σ α_i·A_i)(o_b + Σ β_j·B_j)` is a combination of plain folds and of those.

use super::{term, Builder, Home, LayoutError, Operand};
use crate::layout::{
    block::{BlockId, Cell, Gate},
    bounds::{span, Declared},
    emit::{Output, Term},
    Accumulator, Step,
};
use zkml_graph::{Clamp, TensorId};

/// Two homes of one arrangement, and for each pair of their limbs a block that folds products.
struct Factors {
    a: Home,
    b: Home,
    /// For each limb of `a`, the block of each limb of `b`.
    pairs: Vec<Vec<BlockId>>,
}

impl Builder<'_> {
    /// Lowers [`zkml_graph::Op::Mul`]: `f·a·b + h = D·p + rem`.
    pub fn lower_mul(
        &mut self,
        node: usize,
        operands: [TensorId; 2],
        div: i64,
        clamp: Option<Clamp>,
        output: TensorId,
    ) -> Result<String, LayoutError> {
        let (a, b, fresh) = self.aligned(operands)?;
        let factors = self.factors(a, b, fresh)?;
        let emit = self.emit(Output {
            geometry: factors.b.geometry,
            div,
            pre: self.pre(node),
            clamp,
            bias: None,
            packed: false,
        })?;
        let product = self.product_total(&factors);
        let left = self.combine([(emit.factor, product)]);
        let right = self.rounded_total(&emit);
        self.program.assert_equal(left, right);
        let accumulator = Accumulator::Product {
            a: term(1, &factors.a),
            b: term(1, &factors.b),
        };
        self.define(node, accumulator, emit, output, factors.b.positions)?;
        self.mark_filled(output);
        Ok("products of copied cells".into())
    }

    /// Lowers [`zkml_graph::Op::Div`]: `2·factor·a + b = 2·y·b + rem` and
    /// `rem + complement = 2·b − 1`, so that `0 ≤ rem < 2·b`.
    pub fn lower_div(
        &mut self,
        node: usize,
        operands: [TensorId; 2],
        factor: i64,
        output: TensorId,
    ) -> Result<String, LayoutError> {
        let (a, b, _) = self.aligned(operands)?;
        let geometry = b.geometry;
        let range = self.graph.tensors[output.0].range;
        let largest = self.graph.tensors[operands[1].0].range.hi;
        let quotient = self.limbs("quotient", span(range.lo, range.hi), false, geometry)?;
        let twice = span(1, largest).checked_mul(2);
        let twice = twice.ok_or_else(|| self.too_wide("remainder", u64::MAX))?;
        let remainder = self.limbs("remainder", twice, false, geometry)?;
        let complement = self.limbs("remainder", twice, false, geometry)?;
        let y = Home {
            limbs: quotient.clone(),
            offset: range.lo,
            ..b.clone()
        };
        self.steps.push(Step::Divide {
            node,
            a: term(factor, &a),
            b: term(1, &b),
            y: quotient,
            offset: range.lo,
            remainder: remainder.clone(),
            complement: complement.clone(),
        });
        let factors = self.factors(y.clone(), b.clone(), true)?;
        let [dividend, divisor] =
            [&a, &b].map(|x| self.segment_total(&super::folds_of(&x.limbs, 1), x.offset.into()));
        let [remainder, complement] =
            [remainder, complement].map(|x| self.segment_total(&super::folds_of(&x, 1), 0));
        let product = self.product_total(&factors);
        let left = self.combine([(2 * i128::from(factor), dividend), (1, divisor)]);
        let right = self.combine([(2, product), (1, remainder)]);
        self.program.assert_equal(left, right);
        let ones = self.ones_total(geometry);
        let left = self.combine([(1, remainder), (1, complement), (1, ones)]);
        let right = self.combine([(2, divisor)]);
        self.program.assert_equal(left, right);
        self.homes[output.0] = Some(y);
        self.mark_filled(output);
        Ok("quotients and remainders".into())
    }

    /// Lowers [`zkml_graph::Op::Max`], `b + relu(a − b)`, and `Min`, `a − relu(a − b)`.
    pub fn lower_extremum(
        &mut self,
        node: usize,
        operands: [TensorId; 2],
        max: bool,
        output: TensorId,
    ) -> Result<String, LayoutError> {
        let (a, b, _) = self.aligned(operands)?;
        let [first, second] = operands.map(|id| self.graph.tensors[id.0].range);
        let difference = self.emit(Output {
            geometry: b.geometry,
            div: 1,
            pre: Declared::of(self.interval(
                "a difference",
                i128::from(first.lo) - i128::from(second.hi),
                i128::from(first.hi) - i128::from(second.lo),
            )?),
            clamp: Some(Clamp::RELU),
            bias: None,
            packed: false,
        })?;
        let terms = vec![term(1, &a), term(-1, &b)];
        self.assert_terms(&terms, 0, &difference)?;
        let (base, sign) = if max { (&b, 1) } else { (&a, -1) };
        let rest = Term {
            coefficient: sign,
            limbs: difference.kept.clone(),
            offset: difference.offset,
        };
        let sum = vec![term(1, base), rest];
        let positions = b.positions.clone();
        self.steps.push(Step::Compute {
            node,
            accumulator: Box::new(Accumulator::Sum { terms, constant: 0 }),
            emit: Box::new(difference),
        });
        let emit = self.emit(Output {
            geometry: b.geometry,
            div: 1,
            pre: self.pre(node),
            clamp: None,
            bias: None,
            packed: false,
        })?;
        self.assert_terms(&sum, 0, &emit)?;
        let accumulator = Accumulator::Sum {
            terms: sum,
            constant: 0,
        };
        self.define(node, accumulator, emit, output, positions)?;
        self.mark_filled(output);
        Ok("differences and their positive parts".into())
    }

    /// Both operands in full blocks of one arrangement; whether the first has just been copied.
    fn aligned(&mut self, [a, b]: [TensorId; 2]) -> Result<(Home, Home, bool), LayoutError> {
        let (left, right) = (self.home(a)?, self.home(b)?);
        let same = left.geometry == right.geometry && left.positions == right.positions;
        if right.is_full() {
            if same && left.is_full() {
                return Ok((left, right, false));
            }
            return Ok((self.filled_like(&left, &right)?, right, true));
        }
        if left.is_full() {
            let right = self.filled_like(&right, &left)?;
            return Ok((left, right, false));
        }
        let right = self.filled(right)?;
        Ok((self.filled_like(&left, &right)?, right, true))
    }

    /// Copies of every pair of limbs side by side. With `fresh` the blocks of `a` are in no group yet
    /// and serve for the first limb of `b`.
    fn factors(&mut self, a: Home, b: Home, fresh: bool) -> Result<Factors, LayoutError> {
        let mut pairs = Vec::with_capacity(a.limbs.len());
        for left in &a.limbs {
            let mut blocks = Vec::with_capacity(b.limbs.len());
            for (j, right) in b.limbs.iter().enumerate() {
                let first = match fresh && j == 0 {
                    true => left.block,
                    false => self.copy_block(left.block),
                };
                let second = self.copy_block(right.block);
                self.gate(second, Gate::Product);
                self.group(vec![first, second]);
                blocks.push(second);
            }
            pairs.push(blocks);
        }
        Ok(Factors { a, b, pairs })
    }

    /// A block with the same cells.
    fn copy_block(&mut self, block: BlockId) -> BlockId {
        let source = &self.blocks[block];
        let (geometry, range) = (source.geometry, source.range);
        let copy = self.block(geometry, range);
        let copies = (0..geometry.cells())
            .map(|index| {
                let [to, from] = [copy, block].map(|block| Cell { block, index });
                (to, from)
            })
            .collect();
        self.steps.push(Step::Gather { copies });
        copy
    }

    /// `a·b` in total: `o_a·b + Σ_i α_i·(o_b·A_i + Σ_j β_j·A_i·B_j)`.
    fn product_total(&mut self, factors: &Factors) -> Operand {
        let Factors { a, b, pairs } = factors;
        let second = self.segment_total(&super::folds_of(&b.limbs, 1), b.offset.into());
        let mut terms = vec![(a.offset.into(), second)];
        for (left, blocks) in a.limbs.iter().zip(pairs) {
            let mut inner = vec![(b.offset.into(), self.total(left.block))];
            for (right, block) in b.limbs.iter().zip(blocks) {
                inner.push((right.base.into(), self.total(*block)));
            }
            let inner = self.combine(inner);
            terms.push((left.base.into(), inner));
        }
        self.combine(terms)
    }

    /// The result of an operation on full blocks, cell by cell, is full.
    pub fn mark_filled(&mut self, output: TensorId) {
        if let Some(home) = &mut self.homes[output.0] {
            home.filled = true;
        }
    }
}
