//! What a shape costs whoever proves, aggregates or verifies.
//!
//! Proving: one multi-scalar multiplication of full-width scalars over `2^k` points is the
//! unit; small non-negative scalars cost a part of it, a coset FFT another. Aggregating: every
//! commitment of the model proof (witness, fixed, permutation) costs a scalar multiplication
//! in the outer circuit, whatever `k` is.

use serde::Serialize;

use super::{bounded, Goal};
use crate::{
    circuit::{Columns, DEGREE},
    gas,
    layout::Shape,
};

/// Bytes that a row of the SRS, and a cell of a fixed or permuted column, take while keys are made.
const KEYGEN_ROW: u64 = 128;
const KEYGEN_CELL: u64 = 48;
/// Bytes of a proof that [`Goal::Prove`] may take: so many, or more for each CPU second of a proof
/// that takes long anyway, as those of batches do.
const PROOF_LIMIT: f64 = 3_360.0;
const PROOF_PER_SECOND: f64 = 6_000.0;
/// Commitments that [`Goal::Onchain`] adds to save the prover a second.
const COMMITMENTS_FOR_A_SECOND: f64 = 1.4;
/// Public values that [`Goal::Direct`] reckons with: they hardly depend on the shape.
const TYPICAL_INSTANCES: usize = 40;
/// Gas that [`Goal::Direct`] pays to save the prover a second.
const GAS_FOR_A_SECOND: f64 = 17_000.0;
const QUOTIENT_PIECES: i128 = DEGREE as i128 - 1;
/// Permuted columns for each of their products.
const PRODUCT_COLUMNS: usize = DEGREE - 2;

/// Predicted cost of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// Prover CPU seconds on the reference machine.
    pub prove_cpu_s: f64,
    /// Proof size in bytes (compressed points).
    pub proof_bytes: usize,
    /// Commitments that a verifier handles: witness, fixed, permutation.
    pub commitments: usize,
    /// Bytes of memory that its verifying key takes to make, at least.
    pub keygen_bytes: u64,
}

impl Cost {
    /// The cost of a shape.
    pub fn of(shape: &Shape) -> Self {
        let n = (1u64 << shape.k) as f64;
        // Wide: they are 64 bits each.
        let [data, helpers, permuted, fixed, products, t, rows] = [
            shape.data,
            Columns::helpers_for(shape.data),
            shape.permuted_columns(),
            shape.fixed_columns(),
            shape.permuted_columns().div_ceil(PRODUCT_COLUMNS),
            shape.hash_width,
            shape.clamps.rows(),
        ]
        .map(|number| number as i128);
        // Multiplicities, S-boxes, squares, folds, scalars, running sum.
        let parts = if shape.stacked { 2 } else { 6 };
        let small = data + i128::from(!shape.stacked);
        let advice = data + parts + helpers;
        // All the rest: products, random, quotient, openings.
        let full = advice - small + products + 1 + QUOTIENT_PIECES + 2;
        let cosets = advice + fixed + permuted + products + 4;
        // Measured on two cores (docs/performance.md): seconds per 2^14-point unit.
        let unit = n / f64::from(1 << 14);
        let prove_cpu_s =
            unit * (0.026 * full as f64 + 0.012 * small as f64 + 0.0035 * cosets as f64);
        let points = small + full;
        let queries = match shape.stacked {
            true => 2 * t + 5 + (2 * t - 1),
            false => rows * data + 1 + (4 * t - 1) + 2 + 4 + helpers + 2,
        };
        let evaluations = queries + (fixed + t) + permuted + (3 * products - 1) + 1;
        Self {
            prove_cpu_s,
            proof_bytes: bounded(32 * (points + evaluations)),
            commitments: bounded(points + fixed + permuted),
            keygen_bytes: (1u64 << shape.k).saturating_mul(
                KEYGEN_ROW.saturating_add(
                    KEYGEN_CELL.saturating_mul(bounded(fixed + t + permuted) as u64),
                ),
            ),
        }
    }

    /// Whether its proof is as small as [`Goal::Prove`] wants it.
    pub(crate) fn is_small(&self) -> bool {
        let limit = PROOF_LIMIT.max(PROOF_PER_SECOND * self.prove_cpu_s);
        self.proof_bytes as f64 <= limit
    }

    /// A number to compare shapes by.
    pub(super) fn weight(&self, shape: &Shape, goal: Goal) -> f64 {
        match goal {
            Goal::Direct => {
                let work = gas::direct_work(shape, TYPICAL_INSTANCES);
                work.cost().gas_osaka as f64 + GAS_FOR_A_SECOND * self.prove_cpu_s
            }
            Goal::Prove => self.prove_cpu_s,
            // A commitment is 35,000 outer cells, about 0.9 s; what else the inner proof costs is little beside it.
            Goal::Onchain => self.commitments as f64 + COMMITMENTS_FOR_A_SECOND * self.prove_cpu_s,
        }
    }
}
