//! Intervals of 128-bit integers.

use super::super::ops::{rd_wide, saturate};
use super::{Clamp, Interval};

/// An interval in saturating arithmetic: what is beyond 128 bits is beyond every limit as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wide {
    pub lo: i128,
    pub hi: i128,
}

impl Wide {
    pub fn of(v: Interval) -> Wide {
        Wide {
            lo: v.lo.into(),
            hi: v.hi.into(),
        }
    }

    pub fn union(self, other: Wide) -> Wide {
        Wide {
            lo: self.lo.min(other.lo),
            hi: self.hi.max(other.hi),
        }
    }

    pub fn with_zero(self, when: bool) -> Wide {
        if when {
            self.union(Wide { lo: 0, hi: 0 })
        } else {
            self
        }
    }

    pub fn add(self, other: Wide) -> Wide {
        Wide {
            lo: self.lo.saturating_add(other.lo),
            hi: self.hi.saturating_add(other.hi),
        }
    }

    pub fn times(self, factor: i64) -> Wide {
        let [a, b] = [self.lo, self.hi].map(|v| v.saturating_mul(factor.into()));
        Wide {
            lo: a.min(b),
            hi: a.max(b),
        }
    }

    pub fn product(self, other: Wide) -> Wide {
        let ends = [
            self.lo.saturating_mul(other.lo),
            self.lo.saturating_mul(other.hi),
            self.hi.saturating_mul(other.lo),
            self.hi.saturating_mul(other.hi),
        ];
        let fold = |pick: fn(i128, i128) -> i128| ends.into_iter().reduce(pick).unwrap_or(0);
        Wide {
            lo: fold(i128::min),
            hi: fold(i128::max),
        }
    }

    /// Rounding is monotone, so the ends suffice.
    pub fn divided(self, by: i64) -> Wide {
        Wide {
            lo: rd_wide(self.lo, by),
            hi: rd_wide(self.hi, by),
        }
    }

    pub fn clamped(self, clamp: Option<Clamp>) -> Wide {
        let Some(clamp) = clamp else { return self };
        let apply = |v: i128| i128::from(clamp.apply(saturate(v)));
        Wide {
            lo: apply(self.lo),
            hi: apply(self.hi),
        }
    }
}

/// The interval of one value.
pub(super) fn point(v: i64) -> Wide {
    Wide {
        lo: v.into(),
        hi: v.into(),
    }
}
