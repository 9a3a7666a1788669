//! The passes over a graph that was read, in order.

use super::{draft::Draft, error::ImportError, fuse, movement};

/// Fuses, drops what moves nothing and what nothing reads.
pub(super) fn simplify<W: Copy>(draft: &mut Draft<W>) -> Result<(), ImportError> {
    movement::simplify(draft);
    movement::compact(draft);
    fuse::activations_and_biases(draft);
    fuse::full_convolutions(draft)?;
    movement::simplify(draft);
    movement::absorb_into_linear(draft);
    movement::compact(draft);
    Ok(())
}
