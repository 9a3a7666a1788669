//! What checking a proof in a contract is predicted to cost, from the circuit's columns and gates.
//!
//! [`Work`] is counted, not guessed: it is what snark-verifier's generator writes code for. The
//! prices of its parts are fitted to contracts run in an EVM (docs/performance.md); a test holds
//! the predictions to within 5% of them.

use halo2_proofs::{
    halo2curves::bn256::Fr,
    plonk::{ConstraintSystem, Expression},
};
use serde::Serialize;
use std::collections::BTreeSet;

use crate::{
    circuit::ModelCircuit,
    layout::{Form, Shape},
};

/// What a contract does to check a proof of one circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Work {
    /// Public values.
    pub instances: usize,
    /// Points of the proof.
    pub points: usize,
    /// Scalars of the proof.
    pub evaluations: usize,
    /// Commitments of the verifying key.
    pub fixed: usize,
    /// Additions and subtractions in the gates.
    pub additions: usize,
    /// Multiplications in the gates.
    pub multiplications: usize,
    /// Points at which polynomials are opened.
    pub rotations: usize,
    /// Whether the public values start with an accumulator to decide.
    pub accumulator: bool,
}

/// What a contract is predicted to cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ContractCost {
    /// Gas of a verification as a transaction of its own, under the rules of Osaka.
    pub gas_osaka: u64,
    /// The same, under the rules of Prague.
    pub gas_prague: u64,
    /// Bytes of calldata.
    pub calldata_bytes: usize,
    /// Bytes of code.
    pub runtime_bytes: usize,
}

impl ContractCost {
    /// The largest contract that Ethereum deploys (EIP-170).
    pub const MAX_RUNTIME: usize = 24_576;

    /// Whether Ethereum would deploy it.
    pub fn fits(&self) -> bool {
        self.runtime_bytes <= Self::MAX_RUNTIME
    }
}

impl Work {
    /// Counts the work for a circuit with so many public values.
    pub fn of(cs: &ConstraintSystem<Fr>, instances: usize, accumulator: bool) -> Self {
        let degree = cs.degree();
        let permuted = cs.permutation().get_columns().len();
        let lookups = cs.lookups().len();
        // Columns of a permutation that one grand product takes.
        let products = permuted.div_ceil(degree.saturating_sub(2).max(1));
        // Random polynomial, quotient, two points of the opening.
        let points = cs.num_advice_columns() + 3 * lookups + products + 1 + (degree - 1) + 2;
        let evaluations = cs.advice_queries().len()
            + cs.fixed_queries().len()
            + 1
            + permuted
            + (3 * products).saturating_sub(1)
            + 5 * lookups;
        let advice = cs.advice_queries().iter().map(|(_, rotation)| rotation.0);
        let fixed = cs.fixed_queries().iter().map(|(_, rotation)| rotation.0);
        // A product is opened at the next row and at the last, a lookup at the row before.
        let more = [0, 1].into_iter().chain((lookups > 0).then_some(-1));
        let rotations: BTreeSet<i32> = advice.chain(fixed).chain(more).collect();
        let polynomials = cs.gates().iter().flat_map(|gate| gate.polynomials());
        let (additions, multiplications) = polynomials.map(operations).fold((0, 0), add);
        Self {
            instances,
            points,
            evaluations,
            fixed: cs.num_fixed_columns() + permuted,
            additions,
            multiplications,
            rotations: rotations.len() + 1,
            accumulator,
        }
    }

    /// Points that the contract multiplies: all but one of the opening's, and the generator.
    pub fn terms(&self) -> usize {
        self.points + self.fixed
    }

    /// Bytes of calldata.
    pub fn calldata_bytes(&self) -> usize {
        32 * self.instances + 64 * self.points + 32 * self.evaluations
    }

    /// The prediction.
    pub fn cost(&self) -> ContractCost {
        let work = [
            1,
            self.terms(),
            self.evaluations,
            self.instances,
            self.additions + self.multiplications,
            self.rotations,
            usize::from(self.accumulator),
        ];
        let price = |prices: [f64; 7]| -> f64 {
            work.iter()
                .zip(prices)
                .map(|(count, price)| *count as f64 * price)
                .sum()
        };
        let calldata_bytes = self.calldata_bytes();
        let proof_bytes = calldata_bytes - 32 * self.instances;
        let prague = TRANSACTION + BYTE * proof_bytes as f64 + price(GAS);
        ContractCost {
            gas_osaka: (prague + OSAKA) as u64,
            gas_prague: prague as u64,
            calldata_bytes,
            runtime_bytes: price(CODE) as usize,
        }
    }
}

/// The work of a contract that checks proofs of a model circuit of this shape itself.
pub fn direct_work(shape: &Shape, instances: usize) -> Work {
    Work::of(&ModelCircuit::constraint_system(shape), instances, false)
}

/// A direct verification of proofs of a circuit whose statements have this form.
pub fn direct(shape: &Shape, form: &Form) -> ContractCost {
    direct_work(shape, form.instances).cost()
}

/// Gas of a transaction as such.
const TRANSACTION: f64 = 21_000.0;
/// Gas of a byte of a proof: nearly none is zero.
const BYTE: f64 = 15.94;
/// Gas that Osaka adds: modular exponentiation is dearer, there are two.
const OSAKA: f64 = 5_398.0;
/// Gas of: a pairing and the rest, a multiplied point, a scalar, a public value with its calldata, an
/// operation of the gates, a point of opening, an accumulator.
const GAS: [f64; 7] = [117_300.0, 6_430.0, 136.5, 601.0, 8.2, 1_457.0, 16_700.0];
/// Bytes of code of the same.
const CODE: [f64; 7] = [0.0, 39.6, 91.2, 0.0, 6.5, 714.0, 1_020.0];

fn add(a: (usize, usize), b: (usize, usize)) -> (usize, usize) {
    (a.0 + b.0, a.1 + b.1)
}

/// Additions and multiplications of an expression, as it is written.
fn operations(expression: &Expression<Fr>) -> (usize, usize) {
    let none = (0, 0);
    expression.evaluate(
        &|_| none,
        &|_| none,
        &|_| none,
        &|_| none,
        &|_| none,
        &|_| none,
        &|a| add(a, (1, 0)),
        &|a, b| add(add(a, b), (1, 0)),
        &|a, b| add(add(a, b), (0, 1)),
        &|a, _| add(a, (0, 1)),
    )
}
