//! The circuit of a model: from an integer graph to keys, statements and proofs.
//!
//! Data flows one way: [`layout`] → [`circuit`] → [`planner`] → [`prove`]. Beside that line stand the commitment's
//! [`hash`], what a contract will cost in [`gas`], and a [`sketch`] of a plan where there are no weights.

pub mod circuit;
pub mod gas;
pub mod hash;
pub mod layout;
pub mod planner;
pub mod prove;
pub mod sketch;

#[cfg(test)]
#[path = "../../testing/mod.rs"]
mod testing;
