//! Why a graph could not be laid out.

use super::Clamps;

/// Errors of the planner.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A resource of the shape is too small.
    #[error("k = {k} with {data} data columns is too small: {resource} need {needed}, there are {available}; use a larger k or more columns")]
    TooSmall {
        /// Shape: k.
        k: u32,
        /// Shape: data columns.
        data: usize,
        /// What is short.
        resource: &'static str,
        /// Rows needed.
        needed: usize,
        /// Rows available.
        available: usize,
    },
    /// An operation that has no circuit.
    #[error("node '{node}': {what}; {remedy}")]
    Unsupported {
        /// Node name.
        node: String,
        /// What cannot be proven.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A range that cannot be checked with the tables of this shape.
    #[error("node '{node}': {what} needs a table of {needed} rows, k = {k} allows {available}")]
    RangeTooWide {
        /// Node name.
        node: String,
        /// Which range.
        what: &'static str,
        /// Values in the range.
        needed: u64,
        /// Largest table.
        available: u64,
        /// Shape: k.
        k: u32,
    },
    /// Values that no limbs hold.
    #[error("node '{node}': {what} may lie anywhere in [{lo}, {hi}], limbs hold ±2^62")]
    Overflow {
        /// Node name.
        node: String,
        /// Which values.
        what: &'static str,
        /// Smallest possible value.
        lo: i128,
        /// Largest possible value.
        hi: i128,
    },
    /// A constant of an identity that is too large.
    #[error("node '{node}': the constant of its identity has more than 127 bits")]
    Constant {
        /// Node name.
        node: String,
    },
    /// A number of cells, or a place among them, that 64 bits do not hold.
    #[error(
        "node '{node}': its layout has more cells than 64 bits can count; use smaller tensors"
    )]
    Size {
        /// Node name.
        node: String,
    },
    /// A gate that the shape leaves out.
    #[error("the model needs gates that this shape leaves out; use a shape with {needed:?}")]
    NoGate {
        /// All that the model needs.
        needed: Clamps,
    },
    /// No candidate shape fits.
    #[error("no layout with k ≤ {max_k} fits this model: {last}")]
    NoShape {
        /// Largest k tried.
        max_k: u32,
        /// Why the last one failed.
        last: String,
    },
    /// The search for a shape takes too long for so few weights.
    #[error("no layout found in time: the model has {elements} elements for {weights} weights, which is more than a file that holds so little may ask for ({tried} shapes were tried{last}); use smaller tensors")]
    Search {
        /// Elements of all tensors.
        elements: usize,
        /// Those of weights.
        weights: usize,
        /// Shapes that were tried.
        tried: usize,
        /// What the last of them lacked.
        last: String,
    },
    /// Words that a file declares for an input or output, and that no layout has.
    #[error("{place}: expected {expected}, got {got}")]
    Words {
        /// Which.
        place: String,
        /// What a layout has.
        expected: String,
        /// What is declared.
        got: String,
    },
    /// A graph that breaks its own invariants.
    #[error("invalid graph: {0}")]
    Graph(String),
}

impl LayoutError {
    /// The same error, about a node if it does not name one.
    pub fn at(self, name: &str) -> Self {
        match self {
            Self::Size { node } if node.is_empty() => Self::Size { node: name.into() },
            named => named,
        }
    }
}

impl LayoutError {
    /// Resources of a shape that a search for one looks at.
    pub(crate) const TABLES: &'static str = "look-up tables";
    pub(crate) const SCALAR: &'static str = "cells of the scalar program";
    pub(crate) const DATA: &'static str = "rows of data cells";
}
