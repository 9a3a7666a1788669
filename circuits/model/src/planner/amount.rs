//! Sizes that no file makes wrap: what 64 bits do not hold counts as their largest number, which is more than any
//! circuit has.

use std::{
    iter::Sum,
    ops::{Add, AddAssign, Mul},
};

/// Sizes from here on are refused: sums and quotients of smaller ones are exact.
const BEYOND: u64 = 1 << 56;

/// A number of cells, rows, words or operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(u64);

impl Amount {
    pub const ONE: Self = Self(1);

    pub fn get(self) -> u64 {
        self.0
    }

    /// Whether it may be that 64 bits did not hold it.
    pub fn is_beyond(self) -> bool {
        self.0 >= BEYOND
    }

    /// How many of `size` it takes.
    pub fn in_parts_of(self, size: Self) -> Self {
        Self(self.0.div_ceil(size.0.max(1)))
    }

    /// How many of `size` are in it.
    pub fn whole_parts_of(self, size: Self) -> Self {
        Self(self.0.checked_div(size.0).unwrap_or(self.0))
    }

    /// One less, if it is not zero.
    pub fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl From<u64> for Amount {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

impl From<usize> for Amount {
    fn from(number: usize) -> Self {
        Self(u64::try_from(number).unwrap_or(u64::MAX))
    }
}

impl Add for Amount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Mul for Amount {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self(self.0.saturating_mul(other.0))
    }
}

impl Mul<u64> for Amount {
    type Output = Self;

    fn mul(self, other: u64) -> Self {
        self * Self(other)
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self(0), Self::add)
    }
}
