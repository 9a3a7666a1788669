//! Values that may be further from a clamp's bounds than the two limbs of an excess reach.

use super::{Builder, LayoutError, Limb, Step};
use crate::layout::{
    block::Geometry,
    bounds::Declared,
    emit::{Output, Term},
    repairs::{undone, Repair},
    Accumulator,
};
use zkml_graph::Clamp;

impl Builder<'_> {
    /// The bounds of a clamp that values of `pre` exceed by more than two limbs hold.
    pub fn far_bounds(&self, pre: Declared, clamp: Option<Clamp>) -> Option<[i64; 2]> {
        let clamp = clamp?;
        let hi = clamp.hi?;
        let most = pre.below(clamp.lo).max(pre.above(hi));
        let high = self.high_rows(most);
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
        (terms, constant, div): (Vec<Term>, i128, i64),
        pre: Declared,
        [lo, hi]: [i64; 2],
        geometry: Geometry,
    ) -> Result<(Vec<Term>, Declared), LayoutError> {
        // Two limbs at least, the lower one below Λ whatever the witness: one alone may be in a larger table.
        let two = match undone(Repair::Limbs) {
            true => pre.most().into(),
            false => i128::from(pre.least()) + i128::from(self.loose().max(self.shape.limb_base())),
        };
        let pre = self.interval("a value", pre.least().into(), two.max(pre.most().into()))?;
        let whole = self.emit(Output {
            geometry,
            div,
            pre: Declared::of(pre),
            clamp: None,
            bias: None,
            packed: false,
        })?;
        let Some((low, high)) = whole.kept.split_first() else {
            return Err(LayoutError::Graph("a value without limbs".into()));
        };
        let base = self.shape.limb_base();
        let in_units = |limb: &Limb| Limb {
            base: limb.base >> self.shape.limb_bits,
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
        self.assert_terms(&terms, constant, &whole)?;
        self.steps.push(Step::Compute {
            node,
            accumulator: Box::new(Accumulator::Sum { terms, constant }),
            emit: Box::new(whole),
        });

        let units = |v: i64| (i128::from(v) - i128::from(pre.lo)).div_euclid(base.into());
        // Two values at least, also where all of `pre` is above `hi`.
        let least = (units(lo) - 1).max(0);
        let most = (units(hi) + 1).max(least + 1);
        let bounds = self.interval("a clamp's bound", least, most)?;
        let bounds = Clamp {
            lo: bounds.lo,
            hi: Some(bounds.hi),
        };
        let all = self.interval("a quotient", 0, units(pre.hi))?;
        // The quotient may be far from its bounds as well, by a limb less.
        let sum = (vec![quotient], 0, 1);
        let near = self.step(node, sum, Declared::of(all), Some(bounds), geometry)?;
        let kept = Term {
            coefficient: 1 << self.shape.limb_bits,
            ..near
        };
        let from = |units: i128| i128::from(pre.lo) + i128::from(base) * units;
        // No further than the quotient goes.
        let most = most.min(units(pre.hi)).max(least);
        let pre = self.interval("a clamped value", from(least), from(most + 1) - 1)?;
        Ok((vec![low, kept], Declared::of(pre)))
    }
}
