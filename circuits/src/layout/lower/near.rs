//! Values that may be further from a clamp's bounds than the two limbs of an excess reach.

use super::{Builder, LayoutError, Limb, Step};
use crate::{
    graph::{Clamp, Interval},
    layout::{
        block::Geometry,
        emit::{Output, Term},
        Accumulator,
    },
};

impl Builder<'_> {
    /// The bounds of a clamp that values of `pre` exceed by more than two limbs hold.
    pub fn far_bounds(&self, pre: Interval, clamp: Option<Clamp>) -> Option<[i64; 2]> {
        let clamp = clamp?;
        let hi = clamp.hi?;
        let most = (clamp.lo.saturating_sub(pre.lo)).max(pre.hi.saturating_sub(hi));
        let high = most.max(0).unsigned_abs() / self.shape.limb_base() + 1;
        (high > self.loose()).then_some([clamp.lo, hi])
    }

    /// Terms and interval of a sum that has the same clamped value: of p = rd(Σ terms + constant, div)
    /// = pre.lo + s₀ + Λ·q, s₀ ∈ [0, Λ), with
    ///
    /// ```text
    /// q' = clamp(q, ⌊(lo − pre.lo)/Λ⌋ − 1, ⌊(hi − pre.lo)/Λ⌋ + 1)   it is pre.lo + s₀ + Λ·q'
    /// ```
    ///
    /// Where q' is not q, both are beyond the same bound.
    pub fn brought_near(
        &mut self,
        node: usize,
        (terms, constant, div): (Vec<Term>, i64, i64),
        pre: Interval,
        [lo, hi]: [i64; 2],
        geometry: Geometry,
    ) -> Result<(Vec<Term>, Interval), LayoutError> {
        let output = |div, pre, clamp| Output {
            geometry,
            div,
            pre,
            clamp,
            bias: None,
            packed: false,
        };
        let whole = self.emit(output(div, pre, None))?;
        let Some((low, high)) = whole.kept.split_first() else {
            return Err(LayoutError::Graph("a value without limbs".into()));
        };
        let base = self.shape.limb_base();
        let in_units = |limb: &Limb| Limb {
            base: limb.base / base,
            ..*limb
        };
        let quotient = Term {
            coefficient: 1,
            limbs: high.iter().map(in_units).collect(),
            offset: 0,
        };
        let low = Term {
            coefficient: 1,
            limbs: vec![*low],
            offset: pre.lo,
        };
        self.assert_terms(&terms, constant, &whole);
        self.steps.push(Step::Compute {
            node,
            accumulator: Box::new(Accumulator::Sum { terms, constant }),
            emit: Box::new(whole),
        });

        let base = base as i64;
        let units = |v: i64| v.saturating_sub(pre.lo).div_euclid(base);
        let bounds = Clamp {
            lo: (units(lo) - 1).max(0),
            hi: Some(units(hi) + 1),
        };
        let all = Interval {
            lo: 0,
            hi: units(pre.hi),
        };
        let near = self.emit(output(1, all, Some(bounds)))?;
        let terms = vec![quotient];
        self.assert_terms(&terms, 0, &near);
        let kept = Term {
            coefficient: base,
            limbs: near.kept.clone(),
            offset: near.offset,
        };
        self.steps.push(Step::Compute {
            node,
            accumulator: Box::new(Accumulator::Sum { terms, constant: 0 }),
            emit: Box::new(near),
        });
        let pre = Interval {
            lo: pre.lo + base * bounds.lo,
            hi: pre.lo + base * (units(hi) + 2) - 1,
        };
        Ok((vec![low, kept], pre))
    }
}
