//! What of a clamp the circuit needs.
//!
//! A clamp may be left out only where its result's cells, whatever the witness, hold nothing beyond its bounds.
//! That the weights at hand do not reach them says nothing: other weights in the declared ranges may.

use super::{
    block::{Geometry, Range},
    bounds::{span, Declared, Enforced},
    builder::Builder,
    home::Limb,
    repairs::{undone, Repair},
};
use zkml_graph::Clamp;

/// What keeps a result within its clamp's bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Needed {
    /// That cells are not negative.
    Nothing,
    /// Limbs in tables of exactly these sizes, the least significant first.
    Exact(Vec<u64>),
    /// The gate.
    Gate(Clamp),
}

impl Builder<'_> {
    /// What a clamp needs for a value that is declared to be in `pre`, and that is stored from its least value on
    /// if there is no gate.
    pub fn needed(&self, pre: Declared, clamp: Option<Clamp>, packed: bool) -> Needed {
        let Some(clamp) = clamp else {
            return Needed::Nothing;
        };
        let Some(hi) = clamp.hi else {
            return match Enforced::from(pre.least()).is_within(clamp) {
                true => Needed::Nothing,
                false => Needed::Gate(clamp),
            };
        };
        if undone(Repair::Clamps) && pre.below(clamp.lo).max(pre.above(hi)) == 0 {
            return Needed::Nothing;
        }
        let room = span(pre.least(), hi);
        match self.exact_sizes(pre.values(), room, packed) {
            Some(sizes) if Enforced::exactly(pre.least(), &sizes).is_within(clamp) => {
                Needed::Exact(sizes)
            }
            _ => Needed::Gate(clamp),
        }
    }

    /// Sizes of tables for limbs that hold `[0, values)`, and nothing from `room` on; with `packed` powers of
    /// two. Tables that there are anyway come first.
    fn exact_sizes(&self, values: u64, room: u64, packed: bool) -> Option<Vec<u64>> {
        let base = self.shape.limb_base();
        let (mut sizes, mut rest, mut room) = (Vec::new(), values, room);
        while rest > self.single_limit() {
            sizes.push(base);
            (rest, room) = (rest.div_ceil(base), room.checked_div(base)?);
        }
        // Rounding up to whole tables may have gone beyond the bound.
        if rest > room {
            return None;
        }
        let limit = room.min(self.single_limit());
        let size = match rest.checked_next_power_of_two() {
            _ if !packed && (rest..=room).contains(&base) => base,
            Some(size) if size <= limit => size,
            _ if packed => return None,
            // The same for all that share the bound, if there is a table for it.
            _ if room <= limit => room,
            _ => rest,
        };
        sizes.push(size);
        Some(sizes)
    }

    /// Blocks in tables of exactly these sizes.
    pub fn limbs_of(&mut self, sizes: &[u64], geometry: Geometry) -> Vec<Limb> {
        let mut base = 1u64;
        let limb = |size: &u64| {
            let block = self.block(geometry, Range::Exact(*size));
            let limb = Limb { block, base };
            // Bounds that 64 bits do not hold have no such sizes.
            base = base.saturating_mul(*size);
            limb
        };
        sizes.iter().map(limb).collect()
    }
}
