//! Hash columns in which one cell is wrong and all later ones follow from it.

use halo2_proofs::halo2curves::bn256::Fr;

use crate::{
    circuit::{fixed::HashGate, hashing::permutation_rows, Witness},
    hash::{Poseidon, Recurrence, Relation},
    layout::Plan,
};

/// A cell of the hash columns that is one more than it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    Input(usize),
    Square(usize),
}

/// The witness with the digests that follow, and the column of squares.
pub fn rehash(plan: &Plan, honest: &Witness, wrong: Wrong) -> (Witness, Vec<Fr>) {
    let poseidon = Poseidon::new(plan.shape.hash_width).unwrap();
    let recurrence = Recurrence::new(&poseidon).unwrap();
    let (t, rate) = (poseidon.width(), poseidon.rate());
    let full: Vec<Relation> = poseidon
        .mds()
        .iter()
        .map(|row| Relation {
            inputs: Vec::new(),
            outputs: row.clone(),
        })
        .collect();
    let mut witness = honest.clone();
    let x = &mut witness.sbox;
    let mut squares: Vec<Fr> = Vec::with_capacity(x.len());
    for message in &plan.statement.messages {
        let permutations = message.words.div_ceil(rate);
        for p in 0..permutations {
            let rows = permutation_rows(&poseidon, &recurrence, p + 1 == permutations);
            let first = squares.len();
            let (mut kind, mut anchor) = (HashGate::None, 0);
            for (gate, constant) in rows {
                let row = squares.len();
                if gate != HashGate::None {
                    (kind, anchor) = (gate, row);
                }
                let relation = match kind {
                    HashGate::None => None,
                    HashGate::Full => Some(&full[row - anchor]),
                    HashGate::Entry => Some(&recurrence.entry[row - anchor]),
                    HashGate::Exit => Some(&recurrence.exit[row - anchor]),
                    HashGate::Partial => Some(&recurrence.middle),
                };
                if let Some(relation) = relation {
                    let y = |row: usize| squares[row].square() * x[row];
                    let inputs = (anchor - t..).zip(&relation.inputs);
                    let outputs = (anchor - t..).zip(&relation.outputs);
                    let inputs: Fr = inputs.map(|(row, a)| *a * x[row]).sum();
                    let outputs: Fr = outputs.map(|(row, b)| *b * y(row)).sum();
                    x[row] = inputs + outputs + constant;
                } else if p > 0 && row == first {
                    x[row] = x[row - t];
                }
                x[row] += Fr::from(u64::from(wrong == Wrong::Input(row)));
                let error = Fr::from(u64::from(wrong == Wrong::Square(row)));
                squares.push(x[row].square() + error);
            }
        }
        witness.instances[message.digest] = x[squares.len() - t];
    }
    (witness, squares)
}
