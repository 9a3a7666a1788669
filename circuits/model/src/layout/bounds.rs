//! Two kinds of bounds that must not be taken for one another: what a configuration declares, and what cells
//! enforce.
//!
//! A declared interval decides how large cells are. Weights that its owner never had exceed it, so that whether
//! a constraint is needed is asked of [`Enforced`] bounds alone, which follow from tables.

use zkml_graph::{Clamp, Interval};

/// An interval that `config.json` declares, or that was computed from such. It says how much room values are
/// given; it has no way to ask whether a value is in it.
#[derive(Clone, Copy, Debug)]
pub struct Declared(Interval);

impl Declared {
    /// The interval of a file, or what follows from some.
    pub fn of(interval: Interval) -> Self {
        Self(interval)
    }

    /// Room for both.
    pub fn union(self, other: Interval) -> Self {
        Self(self.0.union(other))
    }

    /// The least value that there is room for: what values are stored from.
    pub fn least(self) -> i64 {
        self.0.lo
    }

    /// The largest value that there is room for.
    pub fn most(self) -> i64 {
        self.0.hi
    }

    /// How many values there is room for.
    pub fn values(self) -> u64 {
        span(self.0.lo, self.0.hi)
    }

    /// The room below a bound.
    pub fn below(self, bound: i64) -> u64 {
        let room = i128::from(bound) - i128::from(self.0.lo);
        u64::try_from(room.max(0)).unwrap_or(u64::MAX)
    }

    /// The room above a bound.
    pub fn above(self, bound: i64) -> u64 {
        let room = i128::from(self.0.hi) - i128::from(bound);
        u64::try_from(room.max(0)).unwrap_or(u64::MAX)
    }
}

/// Bounds of what cells hold, whatever the witness.
#[derive(Clone, Copy, Debug)]
pub struct Enforced {
    lo: i128,
    hi: Option<i128>,
}

impl Enforced {
    /// Of cells that are not negative, in whatever tables, stored from `offset` on.
    pub fn from(offset: i64) -> Self {
        Self {
            lo: offset.into(),
            hi: None,
        }
    }

    /// Of limbs in tables of exactly these sizes, each the base of the next, stored from `offset` on.
    pub fn exactly(offset: i64, sizes: &[u64]) -> Self {
        let all = sizes
            .iter()
            .try_fold(1i128, |all, size| all.checked_mul(i128::from(*size)));
        let hi = all.and_then(|all| (all - 1).checked_add(offset.into()));
        Self {
            hi,
            ..Self::from(offset)
        }
    }

    /// Whether a clamp changes none of it.
    pub fn is_within(&self, clamp: Clamp) -> bool {
        let above = clamp.hi.is_none_or(|bound| {
            let bound = i128::from(bound);
            self.hi.is_some_and(|hi| hi <= bound)
        });
        i128::from(clamp.lo) <= self.lo && above
    }
}

/// Values in `[lo, hi]`.
pub fn span(lo: i64, hi: i64) -> u64 {
    (hi as i128 - lo as i128 + 1).clamp(1, i64::MAX as i128) as u64
}
