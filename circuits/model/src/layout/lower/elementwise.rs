//! Per-channel scaling, sums and clamps: identities between folds of equal geometry.

use super::{folds_of, term, Builder, Home, LayoutError, Limb, Operand, Variable};
use crate::layout::{
    block::Geometry,
    bounds::{span, Declared},
    emit::{Axis, Emit, Output, Term},
    needed::Needed,
    repairs::{undone, Repair},
    size::size,
    Accumulator, Step,
};
use zkml_graph::{ops::rd_wide, Clamp, Interval, Op, TensorId};

impl Builder<'_> {
    /// Lowers [`Op::Scale`]:
    /// `f·Σ_c u^(C−1−c)·w_c·X_c + D·β̃(u)·1 = D·p + rem − h`, in total over channels.
    pub fn lower_scale(
        &mut self,
        node: usize,
        op: &Op,
        output: TensorId,
    ) -> Result<String, LayoutError> {
        let Op::Scale {
            x,
            w,
            bias,
            div,
            clamp,
        } = op
        else {
            return Err(LayoutError::Graph("not a scaling".into()));
        };
        let channels = self.tensor(*x)?.shape.first().copied().unwrap_or(1);
        let mut home = self.home(*x)?;
        let elements = home.positions.len();
        let axis = if elements == channels {
            Axis::Cell
        } else {
            Axis::Segment
        };
        let fits = match axis {
            Axis::Segment => {
                home.geometry.variable == Variable::Position
                    && home.geometry.segments == channels
                    && {
                        let cells = home.geometry.width();
                        let per = elements.checked_div(channels).unwrap_or(0);
                        home.positions.iter().enumerate().all(|(e, p)| {
                            let [at, channel] = [p.checked_div(cells), e.checked_div(per)];
                            at.is_some() && at == channel
                        })
                    }
            }
            Axis::Cell => {
                home.geometry.variable == Variable::Channel
                    && home.positions.iter().enumerate().all(|(e, p)| e == *p)
            }
        };
        if !fits || !home.is_distinct() {
            home = self.storing_zero(node, home)?;
            home = self.gather_channels(&home, channels)?;
        }
        let parts: Vec<TensorId> = [*w, *bias].into_iter().flatten().collect();
        // The bias, if there is one, comes last.
        let last = parts.len().saturating_sub(1);
        let segments: Vec<Vec<_>> = parts
            .iter()
            .map(|id| (0..channels).map(|c| Some((*id, c))).collect())
            .collect();
        let matrix = self.weights(segments)?;
        let geometry = home.geometry;
        let emit = self.emit(Output {
            geometry,
            div: *div,
            pre: self.pre(node),
            clamp: *clamp,
            bias: bias.map(|_| (matrix.clone(), last, axis)),
            packed: false,
        })?;

        // Both sides end at `width` in the channel variable.
        let matrix_width = matrix.geometry.width();
        let (right, width, ones) = match axis {
            Axis::Segment => {
                let ones = self.ones(geometry.variable, geometry.width());
                (self.rounded_total(&emit), channels, ones)
            }
            Axis::Cell => {
                let right = self.flat_rounded(&emit, geometry);
                (right, geometry.cells(), self.one())
            }
        };
        let products = match w {
            None => match axis {
                Axis::Segment => self.segment_total(&folds_of(&home.limbs, 1), home.offset.into()),
                Axis::Cell => {
                    let mut terms = Vec::new();
                    for (factor, block) in folds_of(&home.limbs, 1) {
                        let fold = self.flat(block);
                        terms.push((factor, fold));
                    }
                    let ones = self.ones(Variable::Channel, width);
                    terms.push((home.offset.into(), ones));
                    self.combine(terms)
                }
            },
            Some(_) => {
                let channel = self.challenge(Variable::Channel);
                let mut sum = self.zero();
                for c in 0..channels {
                    let weight = self.weight_cell(&matrix, 0, c)?;
                    let value = match axis {
                        Axis::Segment => self.value(
                            &home.limbs,
                            home.offset.into(),
                            |block| Operand::Fold { block, segment: c },
                            ones,
                        ),
                        Axis::Cell => self.element(&home, c),
                    };
                    let product = self.mul(weight, value);
                    sum = self.program.mul_add(sum, channel, product);
                }
                let after = (size(width) - channels).get()?;
                let shift = self.power(Variable::Channel, after);
                self.mul(sum, shift)
            }
        };
        let mut left = self.combine([(emit.factor, products)]);
        let mut right = right;
        if bias.is_some() {
            let folded = self.weight_fold(&matrix, last);
            let spread = self.mul(folded, ones);
            // Align the padded weights with the channels of the blocks, whichever is wider.
            let common = width.max(matrix_width);
            let [up, bias_up] = [width, matrix_width]
                .map(|own| self.power(Variable::Channel, common.saturating_sub(own)));
            left = self.mul(left, up);
            right = self.mul(right, up);
            let spread = self.mul(spread, bias_up);
            left = self.combine([(1, left), (emit.divisor, spread)]);
        }
        self.program.assert_equal(left, right);
        let accumulator = match w {
            Some(_) => Accumulator::Scale {
                x: term(1, &home),
                matrix,
                axis,
            },
            None => Accumulator::Sum {
                terms: vec![term(1, &home)],
                constant: 0,
            },
        };
        let positions = home.positions;
        self.define(node, accumulator, emit, output, positions)?;
        Ok("one product a channel".into())
    }

    /// Lowers [`Op::Combine`]: `f·(Σ factor·x + constant) = D·p + rem − h`, in total.
    pub fn lower_combine(
        &mut self,
        node: usize,
        op: &Op,
        output: TensorId,
    ) -> Result<String, LayoutError> {
        let Op::Combine {
            terms: operands,
            constant,
            div,
            clamp,
        } = op
        else {
            return Err(LayoutError::Graph("not a combination".into()));
        };
        let mut homes: Vec<Home> = Vec::with_capacity(operands.len());
        for (_, id) in operands {
            let mut home = self.home(*id)?;
            if homes.is_empty() && !home.is_distinct() {
                home = self.filled(home)?;
            }
            if let Some(first) = homes.first() {
                if first.geometry != home.geometry || first.positions != home.positions {
                    home = self.storing_zero(node, home)?;
                    home = self.gather_like(&home, first)?;
                }
            }
            homes.push(home);
        }
        let Some(first) = homes.first() else {
            return Err(LayoutError::Graph("a sum of nothing".into()));
        };
        let geometry = first.geometry;
        let positions = first.positions.clone();
        let terms: Vec<Term> = operands
            .iter()
            .zip(&homes)
            .map(|((factor, _), home)| term(*factor, home))
            .collect();
        let sum = (terms, i128::from(*constant), *div);
        self.lower_clamped(node, sum, *clamp, geometry, (output, positions))
    }

    /// A sum, rounded and clamped, whatever the distance of the bounds from its values and from each other.
    fn lower_clamped(
        &mut self,
        node: usize,
        sum: (Vec<Term>, i128, i64),
        clamp: Option<Clamp>,
        geometry: Geometry,
        (output, positions): (TensorId, Vec<usize>),
    ) -> Result<String, LayoutError> {
        let pre = self.reach(node, &sum.0, sum.1, sum.2)?;
        let (accumulator, emit) = self.clamped_sum(node, sum, pre, clamp, geometry)?;
        self.define(node, accumulator, emit, output, positions)?;
        Ok("sum of folds".into())
    }

    /// The last step of a clamped sum, its identity asserted. Steps that bring it within its gate come before.
    fn clamped_sum(
        &mut self,
        node: usize,
        (mut terms, mut constant, mut div): (Vec<Term>, i128, i64),
        mut pre: Declared,
        mut clamp: Option<Clamp>,
        geometry: Geometry,
    ) -> Result<(Accumulator, Emit), LayoutError> {
        if let Some(hi) = self.never_within(pre, clamp) {
            // The values are steps all the same: that none is below `pre` is what their cells say.
            let whole = self.step(node, (terms, constant, div), pre, None, geometry)?;
            let nothing = Term {
                coefficient: 0,
                ..whole
            };
            (terms, constant, div) = (vec![nothing], hi.into(), 1);
            (pre, clamp) = (Declared::of(Interval::point(hi)), None);
        }
        let from_above = |builder: &Self, clamp, div| {
            let [lo, hi] = builder.wide_bounds(pre, clamp, false)?;
            (div == 1 && pre.below(lo) == 0).then_some(hi)
        };
        if let Some(hi) = from_above(self, clamp, div) {
            (terms, pre) = self.upper_bound(node, terms, constant, pre, hi)?;
            clamp = None;
        }
        if let Some(bounds) = self.far_bounds(pre, clamp) {
            (terms, pre) =
                self.brought_near(node, (terms, constant, div), pre, bounds, geometry)?;
            (constant, div) = (0, 1);
        }
        if let Some([lo, hi]) = self.wide_bounds(pre, clamp, false) {
            // One bound after the other: no table holds what is between them.
            let lower = Clamp { lo, hi: None };
            let lower = (pre.below(lo) > 0).then_some(lower);
            let bounded = self.step(node, (terms, constant, div), pre, lower, geometry)?;
            let least = pre.least().max(lo);
            pre = Declared::of(Interval {
                lo: least,
                hi: pre.most().max(least),
            });
            (terms, constant, div) = (vec![bounded], 0, 1);
            // Tables may keep to the upper one by their sizes.
            if self.wide_bounds(pre, clamp, false).is_some() {
                (terms, pre) = self.upper_bound(node, terms, constant, pre, hi)?;
                clamp = None;
            }
        }
        let emit = self.emit(Output {
            geometry,
            div,
            pre,
            clamp,
            bias: None,
            packed: false,
        })?;
        self.assert_terms(&terms, constant, &emit)?;
        Ok((Accumulator::Sum { terms, constant }, emit))
    }

    /// A clamped sum as a step of its own.
    pub fn step(
        &mut self,
        node: usize,
        sum: (Vec<Term>, i128, i64),
        pre: Declared,
        clamp: Option<Clamp>,
        geometry: Geometry,
    ) -> Result<Term, LayoutError> {
        let (accumulator, emit) = self.clamped_sum(node, sum, pre, clamp, geometry)?;
        let term = Term {
            coefficient: 1,
            limbs: emit.kept.clone(),
            offset: emit.offset,
        };
        self.steps.push(Step::Compute {
            node,
            accumulator: Box::new(accumulator),
            emit: Box::new(emit),
        });
        Ok(term)
    }

    /// Whether a node's clamp is beyond what the cells beside its values hold: it is then a step of its own.
    pub fn is_step_of_its_own(&self, node: usize, clamp: Option<Clamp>, packed: bool) -> bool {
        let pre = self.pre(node);
        let gate = matches!(self.needed(pre, clamp, packed), Needed::Gate(_));
        let far = || self.far_bounds(pre, clamp).is_some();
        gate && (far() || self.wide_bounds(pre, clamp, packed).is_some())
    }

    /// Clamps what a node has computed without its clamp.
    pub fn clamp_result(
        &mut self,
        node: usize,
        clamp: Option<Clamp>,
        output: TensorId,
    ) -> Result<(), LayoutError> {
        let home = self.home(output)?;
        let sum = (vec![term(1, &home)], 0, 1);
        let target = (output, home.positions);
        self.lower_clamped(node, sum, clamp, home.geometry, target)?;
        Ok(())
    }

    /// The upper bound of a far or wide clamp that is below all that cells can hold: then it is the result.
    fn never_within(&self, pre: Declared, clamp: Option<Clamp>) -> Option<i64> {
        let far = self.far_bounds(pre, clamp).is_some();
        let hi = clamp?.hi?;
        let beyond = far || self.wide_bounds(pre, clamp, false).is_some();
        (beyond && hi < pre.least()).then_some(hi)
    }

    /// The bounds of a clamp that needs its gate, where no table holds what is between them.
    fn wide_bounds(&self, pre: Declared, clamp: Option<Clamp>, packed: bool) -> Option<[i64; 2]> {
        match self.needed(pre, clamp, packed) {
            Needed::Gate(Clamp { lo, hi: Some(hi) }) => {
                (span(lo, hi) > self.single_limit()).then_some([lo, hi])
            }
            Needed::Gate(_) | Needed::Exact(_) | Needed::Nothing => None,
        }
    }

    /// `min(p, hi) = p − relu(p − hi)`: the terms of it, and what there is room for.
    fn upper_bound(
        &mut self,
        node: usize,
        mut terms: Vec<Term>,
        constant: i128,
        pre: Declared,
        hi: i64,
    ) -> Result<(Vec<Term>, Declared), LayoutError> {
        let Some(limb) = terms.first().and_then(|term| term.limbs.first()) else {
            return Err(LayoutError::Graph("a bound of nothing".into()));
        };
        let geometry = self.blocks[limb.block].geometry;
        let [least, most] = [pre.least(), pre.most()].map(|v| i128::from(v) - i128::from(hi));
        let above = Declared::of(self.interval("what is above a clamp", least, most)?);
        let rest = self.exactly(constant.checked_sub(hi.into()))?;
        let sum = (terms.clone(), rest, 1);
        let excess = self.step(node, sum, above, Some(Clamp::RELU), geometry)?;
        terms.push(Term {
            coefficient: -1,
            ..excess
        });
        let lo = pre.least().min(hi);
        Ok((terms, Declared::of(Interval { lo, hi })))
    }

    /// The interval before the clamp of every cell: those that hold no element may hold anything
    /// in the operands' own ranges.
    fn reach(
        &self,
        node: usize,
        terms: &[Term],
        constant: i128,
        div: i64,
    ) -> Result<Declared, LayoutError> {
        let (mut lo, mut hi) = (constant, constant);
        for term in terms {
            let held = self.held(term.offset, &term.limbs)?;
            let ends = [held.lo, held.hi].map(|v| i128::from(v) * i128::from(term.coefficient));
            lo = self.exactly(lo.checked_add(ends[0].min(ends[1])))?;
            hi = self.exactly(hi.checked_add(ends[0].max(ends[1])))?;
        }
        let all = self.interval("a sum", rd_wide(lo, div), rd_wide(hi, div))?;
        Ok(self.pre(node).union(all))
    }

    /// `f·(Σ terms + constant) = D·p + rem − h`, in total over all cells.
    pub fn assert_terms(
        &mut self,
        terms: &[Term],
        constant: i128,
        emit: &Emit,
    ) -> Result<(), LayoutError> {
        let mut folds = Vec::new();
        let mut offset = constant;
        for term in terms {
            folds.extend(folds_of(&term.limbs, term.coefficient));
            let own = i128::from(term.coefficient) * i128::from(term.offset);
            offset = self.exactly(offset.checked_add(own))?;
        }
        if undone(Repair::Constants) {
            offset = i128::from(offset as i64);
        }
        let sum = self.segment_total(&folds, offset);
        let left = self.combine([(emit.factor, sum)]);
        let right = self.rounded_total(emit);
        self.program.assert_equal(left, right);
        Ok(())
    }

    /// The values that limbs are meant to hold: those of all cells, elements or not. Tables may be larger
    /// than asked for ([`crate::layout::Range::AtLeast`]), so that this decides about sizes only.
    pub fn held(&self, offset: i64, limbs: &[Limb]) -> Result<Interval, LayoutError> {
        let most = self.largest(limbs)?.saturating_add(offset.into());
        self.interval("a value", offset.into(), most)
    }

    /// Copies a home into the arrangement of another.
    fn gather_like(&mut self, home: &Home, like: &Home) -> Result<Home, LayoutError> {
        let mut elements = vec![None; like.geometry.cells()];
        for (element, &position) in like.positions.iter().enumerate() {
            elements[position] = Some(element);
        }
        self.gather(home, like.geometry, &elements, true)
    }

    /// Copies a home so that each channel is a segment (or, with one element each, a cell).
    pub(super) fn gather_channels(
        &mut self,
        home: &Home,
        channels: usize,
    ) -> Result<Home, LayoutError> {
        let elements = home.positions.len();
        let per = elements.checked_div(channels).unwrap_or(elements);
        if per <= 1 {
            let geometry = self.geometry(1, elements, Variable::Channel)?;
            let order: Vec<Option<usize>> = (0..elements).map(Some).collect();
            return self.gather(home, geometry, &order, true);
        }
        let geometry = self.geometry(channels, per, Variable::Position)?;
        let mut order = vec![None; geometry.cells()];
        for e in 0..elements {
            let place = geometry.at(size(e) / per, size(e) % per);
            order[place.get()?] = Some(e);
        }
        self.gather(home, geometry, &order, true)
    }
}
