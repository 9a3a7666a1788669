//! Fixed values of the hash columns.

use halo2_proofs::{arithmetic::Field, halo2curves::bn256::Fr};

use super::fixed::{hash_gates, HashGate};
use crate::hash::{Poseidon, Recurrence, Relation};

/// `(gate, constant)` of each row of a permutation; `last` of a message or followed by another.
pub fn permutation_rows(
    poseidon: &Poseidon,
    recurrence: &Recurrence,
    last: bool,
) -> Vec<(HashGate, Fr)> {
    let t = poseidon.width();
    let half = Poseidon::FULL_ROUNDS / 2;
    let gates = hash_gates(poseidon);
    // The constants of affine relations follow from any one trace.
    let trace = poseidon.trace((1..=t as u64).map(Fr::from).collect());
    let cells: Vec<Fr> = trace
        .first
        .iter()
        .flatten()
        .chain(&trace.partial)
        .chain(trace.last.iter().flatten())
        .copied()
        .collect();
    let residual = |relation: &Relation, output: usize, first: usize| {
        let mut sum = cells[output];
        for (i, coefficient) in relation.inputs.iter().enumerate() {
            sum -= *coefficient * cells[first + i];
        }
        for (i, coefficient) in relation.outputs.iter().enumerate() {
            let x = cells[first + i];
            sum -= *coefficient * x.square().square() * x;
        }
        sum
    };
    let mut constants = vec![Fr::ZERO; gates.len()];
    let mut full_rounds = 0;
    for (row, gate) in gates.iter().enumerate() {
        match gate {
            HashGate::None => {}
            HashGate::Full => {
                full_rounds += 1;
                // Full rounds 1..half, then, after the partial ones, the rest.
                let round = if full_rounds < half {
                    full_rounds
                } else {
                    full_rounds + 1 + poseidon.partial_rounds()
                };
                if round < poseidon.rounds() {
                    constants[row..row + t].copy_from_slice(poseidon.round_constants(round));
                } else if !last {
                    constants[row] = poseidon.round_constants(0)[0];
                }
            }
            HashGate::Partial => {
                constants[row] = residual(&recurrence.middle, row, row - t);
            }
            HashGate::Entry => {
                for (i, relation) in recurrence.entry.iter().enumerate() {
                    constants[row + i] = residual(relation, row + i, row - t);
                }
            }
            HashGate::Exit => {
                for (i, relation) in recurrence.exit.iter().enumerate() {
                    constants[row + i] = residual(relation, row + i, row - t);
                }
            }
        }
    }
    gates.into_iter().zip(constants).collect()
}
