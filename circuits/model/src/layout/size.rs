//! Sizes and places in the making.
//!
//! Rows, cells and segments are multiplied and added in long expressions. What leaves the numbers of `usize` on the
//! way is no number from there on, and an error once it is asked for: no wrapped number becomes a place.

use std::ops::{Add, Div, Mul, Rem, Sub};

use super::LayoutError;

/// A number of cells, rows or segments, or a place among them; none if 64 bits did not hold a step to it.
#[derive(Clone, Copy, Debug)]
pub struct Size(Option<usize>);

/// A number to reckon with.
pub const fn size(number: usize) -> Size {
    Size(Some(number))
}

impl Size {
    /// The number, or an error ([`LayoutError::at`] adds the node's name).
    pub fn get(self) -> Result<usize, LayoutError> {
        self.known().ok_or_else(|| LayoutError::Size {
            node: String::new(),
        })
    }

    /// The number, if there is one.
    pub const fn known(self) -> Option<usize> {
        self.0
    }

    /// The product of all.
    pub fn product<T: Into<Self>>(all: impl IntoIterator<Item = T>) -> Self {
        all.into_iter().fold(size(1), |product, n| product * n)
    }

    /// How many of `part` it takes.
    pub fn div_ceil(self, part: impl Into<Self>) -> Self {
        self.with(part, |a, b| (b != 0).then(|| a.div_ceil(b)))
    }

    fn with(
        self,
        other: impl Into<Self>,
        step: impl FnOnce(usize, usize) -> Option<usize>,
    ) -> Self {
        let both = self.0.zip(other.into().0);
        Self(both.and_then(|(a, b)| step(a, b)))
    }
}

impl From<usize> for Size {
    fn from(number: usize) -> Self {
        size(number)
    }
}

impl<T: Into<Self>> Add<T> for Size {
    type Output = Self;

    fn add(self, other: T) -> Self {
        self.with(other, usize::checked_add)
    }
}

impl<T: Into<Self>> Sub<T> for Size {
    type Output = Self;

    fn sub(self, other: T) -> Self {
        self.with(other, usize::checked_sub)
    }
}

impl<T: Into<Self>> Mul<T> for Size {
    type Output = Self;

    fn mul(self, other: T) -> Self {
        self.with(other, usize::checked_mul)
    }
}

impl<T: Into<Self>> Div<T> for Size {
    type Output = Self;

    fn div(self, other: T) -> Self {
        self.with(other, usize::checked_div)
    }
}

impl<T: Into<Self>> Rem<T> for Size {
    type Output = Self;

    fn rem(self, other: T) -> Self {
        self.with(other, usize::checked_rem)
    }
}

/// The indices of an element among images of `rows × columns`, or of the last two dimensions of any tensor.
pub fn indices(element: usize, [rows, columns]: [usize; 2]) -> [Size; 3] {
    let row = size(element) / columns;
    [row / rows, row % rows, size(element) % columns]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_left_the_numbers_stays_away() {
        let most = size(usize::MAX);
        for beyond in [most + 1, size(0) - 1, most * 2, size(1) / 0, size(1) % 0] {
            assert_eq!(beyond.known(), None);
            for step in [
                beyond * size(0),
                beyond - usize::MAX,
                beyond / 2,
                beyond % 2,
                size(1) - beyond,
                beyond.div_ceil(2),
                Size::product([beyond, size(0)]),
            ] {
                assert!(step.get().is_err());
            }
        }
        assert_eq!(((size(7) * 5 + 3) / 2 % 10 - 1).known(), Some(8));
        assert_eq!(indices(23, [3, 4]).map(Size::known), [1, 2, 3].map(Some));
    }
}
