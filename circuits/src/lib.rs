//! zkml's circuits: from a model file to a proof that the model took an input to an output.
//!
//! Data flows one way: [`import`] → [`graph`] → [`layout`] → [`circuit`] →
//! [`prove`] → [`aggregate`]. Beside that line stand the commitment's [`hash`], the [`srs`], the
//! [`inputs`] of an inference, the [`files`] that artefacts are kept in, and what a contract will cost in
//! [`gas`], and a [`sketch`] of a plan where there are no weights.

pub mod aggregate;
pub mod circuit;
pub mod evaluate;
pub mod files;
pub mod gas;
pub mod graph;
pub mod hash;
pub mod import;
pub mod inputs;
pub mod layout;
pub mod planner;
pub mod plonk;
pub mod prove;
pub mod sketch;
pub mod srs;

#[cfg(test)]
mod testing;
