//! What tests of all circuits share.

pub mod changed;
pub mod grid;
