//! Bounds of the numbers in a graph that may come from anywhere: none is so large that arithmetic on it wraps, or a
//! loop over it does not end.

use super::{GraphError, MAX_SCALE};
use crate::range::MAX_ACTIVATION_BITS;
use crate::{Graph, Interval, Role};

/// Everything: ranges, bounds of clamps, divisors.
const MAX_BITS: u32 = 61;
/// Ranges of what is not a weight: they are rounded outward from values of [`MAX_ACTIVATION_BITS`] bits.
const MAX_DATA_BITS: u32 = MAX_ACTIVATION_BITS + 2;

impl Graph {
    /// Fails if a number is larger than any that arithmetic here is made for.
    pub(super) fn check_numbers(&self) -> Result<(), GraphError> {
        if !(1..=MAX_SCALE).contains(&self.scale) {
            return Err(outside("graph", "scale", "1 to 2^40", self.scale));
        }
        for tensor in &self.tensors {
            within(&tensor.name, tensor.range, MAX_BITS)?;
        }
        for node in &self.nodes {
            let place = &node.name;
            let divisor = node.op.divisor();
            if !(1..=1 << MAX_BITS).contains(&divisor) {
                return Err(outside(place, "divisor", "1 to 2^61", divisor));
            }
            if let Some(clamp) = node.op.clamp() {
                let hi = clamp.hi.unwrap_or(clamp.lo);
                for bound in [clamp.lo, hi] {
                    if bound.unsigned_abs() > 1 << MAX_BITS {
                        return Err(outside(place, "clamp", "at most 2^61 in size", bound));
                    }
                }
            }
        }
        Ok(())
    }

    /// Fails if a range is wider than those that propagation makes: of a graph that was not just made, but read.
    pub fn check_ranges(&self) -> Result<(), GraphError> {
        for tensor in &self.tensors {
            if tensor.role != Role::Weight {
                within(&tensor.name, tensor.range, MAX_DATA_BITS)?;
            }
        }
        for node in &self.nodes {
            within(
                &format!("before the clamp of {}", node.name),
                node.pre,
                MAX_DATA_BITS,
            )?;
        }
        Ok(())
    }
}

fn within(tensor: &str, range: Interval, bits: u32) -> Result<(), GraphError> {
    let limit = 1i64 << bits;
    if (-limit..limit).contains(&range.lo) && (-limit..limit).contains(&range.hi) {
        return Ok(());
    }
    Err(GraphError::Tensor {
        tensor: tensor.to_owned(),
        problem: format!(
            "range [{}, {}]: expected bounds below 2^{bits} in size",
            range.lo, range.hi
        ),
    })
}

fn outside(place: &str, what: &str, expected: &str, got: i64) -> GraphError {
    GraphError::Shape {
        node: place.to_owned(),
        what: what.to_owned(),
        expected: expected.to_owned(),
        got: got.to_string(),
    }
}
