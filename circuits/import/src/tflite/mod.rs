//! TensorFlow Lite models with weights of 32-bit floating point.
//!
//! Operators become the layers of zkml's format, whose converter started from TFLite too: each has one
//! integer semantics, and both files of a model give the same integers. Weights are rounded half to
//! even, as that converter rounds.

mod arith;
mod average;
mod flatbuffer;
mod lower;
mod moves;
mod names;
mod operators;
mod schema;

use super::msgpack::{self, Rounded};
use super::{Draft, ImportError, ImportOptions, DEFAULT_SCALE};
use lower::Lowering;
use schema::Model;

/// Whether a file says that it is one.
pub(super) fn recognised(bytes: &[u8]) -> bool {
    bytes.get(4..8) == Some(schema::IDENTIFIER)
}

pub(super) fn load(bytes: &[u8], options: &ImportOptions) -> Result<Draft<Rounded>, ImportError> {
    let model = Model::read(bytes)?;
    let kinds = operators::kinds(&model)?;
    let mut lowering = Lowering::new(&model, options.scale_or(DEFAULT_SCALE)?)?;
    for (at, (operator, kind)) in model.operators.iter().zip(kinds).enumerate() {
        lowering.operator(at, operator, kind)?;
    }
    msgpack::import(lowering.network, options)
}
