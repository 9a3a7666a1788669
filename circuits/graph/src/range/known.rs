//! What is known from the weights.

use super::super::ops::{rd_wide, saturate};
use super::{round_outward, Clamp, Interval};

/// Bounds of a value, in arithmetic that cannot overflow, and whether weights are in them.
///
/// Nothing prints or serialises them. They leave in three ways, all here: rounded outward, exact where no
/// weight is in them, and as the answer to whether a model is refused.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Known {
    lo: i128,
    hi: i128,
    secret: bool,
}

impl Known {
    /// Zero.
    pub const ZERO: Known = Known {
        lo: 0,
        hi: 0,
        secret: false,
    };

    /// Of a range that is public.
    pub fn of(v: Interval) -> Known {
        Known {
            lo: v.lo.into(),
            hi: v.hi.into(),
            secret: false,
        }
    }

    /// Of one public number.
    pub fn point(v: i64) -> Known {
        Known::of(Interval { lo: v, hi: v })
    }

    /// Of bounds that are computed from weights.
    pub fn weights(lo: i128, hi: i128) -> Known {
        Known {
            lo,
            hi,
            secret: true,
        }
    }

    /// Of one weight.
    pub fn weight(v: i64) -> Known {
        Known::weights(v.into(), v.into())
    }

    fn with(self, lo: i128, hi: i128) -> Known {
        Known { lo, hi, ..self }
    }

    fn and(self, other: Known, lo: i128, hi: i128) -> Known {
        Known {
            lo,
            hi,
            secret: self.secret || other.secret,
        }
    }

    /// Either of both.
    pub fn union(self, other: Known) -> Known {
        self.and(other, self.lo.min(other.lo), self.hi.max(other.hi))
    }

    /// Zero as well, where `when` says so.
    pub fn with_zero(self, when: bool) -> Known {
        if when {
            self.union(Known::ZERO)
        } else {
            self
        }
    }

    /// The sum.
    pub fn plus(self, other: Known) -> Known {
        let (lo, hi) = (
            self.lo.saturating_add(other.lo),
            self.hi.saturating_add(other.hi),
        );
        self.and(other, lo, hi)
    }

    /// The product with a number.
    pub fn times(self, factor: i64) -> Known {
        self.product(Known::point(factor))
    }

    /// The product.
    pub fn product(self, other: Known) -> Known {
        let product = |x: i128, y: i128| x.saturating_mul(y);
        let first = product(self.lo, other.lo);
        let ends = [
            product(self.lo, other.hi),
            product(self.hi, other.lo),
            product(self.hi, other.hi),
        ];
        let (lo, hi) = ends
            .into_iter()
            .fold((first, first), |(lo, hi), v| (lo.min(v), hi.max(v)));
        self.and(other, lo, hi)
    }

    /// The product of a value with itself.
    pub fn square(self) -> Known {
        let product = self.product(self);
        self.with(product.lo.max(0), product.hi)
    }

    /// The sum of products with weights whose positive ones add up to `up`, the others to `down`.
    pub fn weighted(self, up: i128, down: i128) -> Known {
        let sum = |a: i128, b: i128| up.saturating_mul(a).saturating_add(down.saturating_mul(b));
        Known::weights(sum(self.lo, self.hi), sum(self.hi, self.lo))
    }

    /// Bounds of sums of products with real weights, as [`Known::weighted`]; and what the rounding of
    /// `count` weights in units of 1/`div` may add.
    pub fn weighted_real(
        self,
        (up, down): (f64, f64),
        offset: f64,
        count: usize,
        div: i64,
    ) -> Known {
        let (lo, hi) = (self.lo as f64, self.hi as f64);
        let slack = count as f64 * lo.abs().max(hi.abs()) / (2.0 * div as f64) + 2.0;
        let (low, high) = (up * lo + down * hi, up * hi + down * lo);
        Known::weights(
            (low + offset - slack).floor() as i128,
            (high + offset + slack).ceil() as i128,
        )
    }

    /// Rounding is monotone, so the ends suffice.
    pub fn divided(self, by: i64) -> Known {
        self.with(rd_wide(self.lo, by), rd_wide(self.hi, by))
    }

    /// A quotient by what is at least 1; smaller divisors count as 1.
    pub fn over(self, divisor: Known) -> Known {
        let by = |v: i128| self.divided(saturate(v).max(1));
        let quotient = by(divisor.lo).union(by(divisor.hi));
        quotient.and(divisor, quotient.lo, quotient.hi)
    }

    /// The larger of both.
    pub fn max(self, other: Known) -> Known {
        self.and(other, self.lo.max(other.lo), self.hi.max(other.hi))
    }

    /// The smaller of both.
    pub fn min(self, other: Known) -> Known {
        self.and(other, self.lo.min(other.lo), self.hi.min(other.hi))
    }

    /// What a clamp leaves.
    pub fn clamped(self, clamp: Option<Clamp>) -> Known {
        let Some(clamp) = clamp else { return self };
        let apply = |v: i128| i128::from(clamp.apply(saturate(v)));
        self.with(apply(self.lo), apply(self.hi))
    }

    /// The part from `lo` to `hi`, if there is one.
    pub fn within(self, lo: i64, hi: Option<i64>) -> Option<Known> {
        let hi = hi.map_or(self.hi, |hi| self.hi.min(hi.into()));
        let lo = self.lo.max(lo.into());
        (lo <= hi).then(|| self.with(lo, hi))
    }

    /// The values of a table, which begins at `lo`, on this interval; what is outside of it does not count.
    pub fn image(self, lo: i64, values: &[i64]) -> Known {
        let at =
            |v: i128| usize::try_from(v.saturating_sub(lo.into()).max(0)).unwrap_or(usize::MAX);
        let until = at(self.hi).saturating_add(1).min(values.len());
        let part = values.get(at(self.lo).min(until)..until);
        let all = part.unwrap_or_default().iter().map(|&v| Known::point(v));
        let image = all.reduce(Known::union).unwrap_or(Known::ZERO);
        self.with(image.lo, image.hi)
    }

    /// A sixty-fourth wider, so that other roundings of the weights stay inside.
    pub fn wider(self) -> Known {
        let slack = self.hi.saturating_sub(self.lo) / 64 + 4;
        self.with(self.lo.saturating_sub(slack), self.hi.saturating_add(slack))
    }

    /// Whether all of it is inside: what is not is refused.
    pub fn inside(self, v: Interval) -> bool {
        i128::from(v.lo) <= self.lo && self.lo <= self.hi && self.hi <= i128::from(v.hi)
    }

    /// Rounded outward.
    pub fn rounded(self) -> Interval {
        round_outward(saturate(self.lo), saturate(self.hi))
    }

    /// Exact where no weight is in it, else rounded outward.
    pub fn declared(self) -> Interval {
        if self.secret {
            return self.rounded();
        }
        Interval {
            lo: saturate(self.lo),
            hi: saturate(self.hi),
        }
    }
}
