//! Why a graph's values cannot be bounded.

use super::super::exec::ExecError;
use super::super::ops::GraphError;
use super::{Interval, MAX_ACCUMULATOR_BITS, MAX_ACTIVATION_BITS};
use thiserror::Error;

/// A graph whose values cannot be bounded well enough.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RangeError {
    /// The graph is malformed.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The weights do not fit the graph.
    #[error(transparent)]
    Weights(#[from] ExecError),
    /// A value may leave the widest range check.
    #[error(
        "{place}: fixed-point integers may reach [{}, {}], the limit is ±2^{MAX_ACTIVATION_BITS}",
        range.lo, range.hi
    )]
    Activation {
        /// Node or input.
        place: String,
        /// Where its values may lie, rounded outward.
        range: Interval,
    },
    /// A sum of products may wrap around the field.
    #[error(
        "node '{node}': a sum of {terms} products of fixed-point integers in [{}, {}] and [{}, {}] may exceed 2^{MAX_ACCUMULATOR_BITS} and so the field",
        a.lo, a.hi, b.lo, b.hi
    )]
    Accumulator {
        /// Node name.
        node: String,
        /// Number of products.
        terms: usize,
        /// Interval of the first factor.
        a: Interval,
        /// Interval of the second factor.
        b: Interval,
    },
    /// A divisor that may be zero or negative.
    #[error(
        "node '{node}': the divisor may lie anywhere in [{}, {}], it must be at least 1",
        range.lo, range.hi
    )]
    Divisor {
        /// Node name.
        node: String,
        /// Where its values may lie, rounded outward.
        range: Interval,
    },
    /// Values that are nowhere defined.
    #[error(
        "node '{node}': expected {expected}; values lie in [{}, {}], so the model is not defined for any input",
        range.lo, range.hi
    )]
    Undefined {
        /// Node name.
        node: String,
        /// Where its values may lie, rounded outward.
        range: Interval,
        /// Where they should.
        expected: String,
    },
    /// An argument that a table has no value for.
    #[error(
        "node '{node}': arguments may lie anywhere in [{}, {}], its table has values on [{}, {}]",
        range.lo, range.hi, domain.lo, domain.hi
    )]
    Domain {
        /// Node name.
        node: String,
        /// Where its arguments may lie, rounded outward.
        range: Interval,
        /// Domain of the table.
        domain: Interval,
    },
}
