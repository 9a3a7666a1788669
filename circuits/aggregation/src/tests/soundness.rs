//! Each constraint of the aggregation circuit is needed: without it a forged witness is accepted that the
//! whole circuit rejects. `scripts/soundness` prints the table.
//!
//! First the constraints of the layout, which are read off the constraint system and the copies, so that a new
//! one without a forged witness fails; then the statements that the chips make of them. The circuit
//! draws no challenge of halo2's, so that MockProver's verdict is the real one.

pub mod mutant;

use self::mutant::{Copy, Mutant, Removed};
use super::{cells::Forged, digits, forge, layout};
use crate::circuit::AggregationCircuit;
use snark_verifier::halo2_base::halo2_proofs::{
    dev::{FailureLocation, VerifyFailure},
    halo2curves::bn256::Fr,
    plonk::{Any, Circuit, ConstraintSystem},
};
use std::collections::BTreeSet;

/// A forged witness.
pub struct Forgery {
    pub how: String,
    /// Rows that hold anything.
    pub rows: usize,
    pub mutant: Mutant,
}

/// The constraints of the layout.
fn constraints() -> Vec<Removed> {
    let mut system = ConstraintSystem::<Fr>::default();
    AggregationCircuit::configure_with_params(&mut system, layout::SHAPE);
    let gates = system.gates();
    assert!(gates.iter().all(|gate| gate.polynomials().len() == 1));
    assert_eq!(system.lookups().len(), 1);
    (0..gates.len())
        .map(Removed::Gate)
        .chain([Removed::Lookup])
        .chain(Copy::ALL.map(Removed::Copy))
        .collect()
}

fn forgeries(removed: Removed) -> Vec<Forgery> {
    match removed {
        Removed::Nothing => Vec::new(),
        Removed::Gate(column) => layout::gate(column),
        Removed::Lookup => layout::lookup(),
        Removed::Copy(class) => layout::copies(class),
    }
}

/// Prints a row of the table; whether the removal is killed.
fn row(constraint: &str, how: &str, whole: &Forgery, without: &Forgery) -> bool {
    let accepted = without.mutant.rejections(without.rows);
    let result = if whole.mutant.rejections(whole.rows).is_empty() {
        "SURVIVED: the whole circuit accepts it".to_string()
    } else if let Some(failure) = accepted.first() {
        format!("SURVIVED: without it: {failure}")
    } else {
        "killed".to_string()
    };
    println!("soundness: aggregation, {constraint} | {how} | {result}");
    result == "killed"
}

#[test]
fn every_constraint_is_needed() {
    println!("soundness: constraint | forged witness | result");
    let mut survived = Vec::new();
    for removed in constraints() {
        let whole = forgeries(removed);
        assert!(!whole.is_empty(), "{removed:?}: no forged witness");
        for (whole, mut without) in whole.into_iter().zip(forgeries(removed)) {
            without.mutant.removed = removed;
            let name = format!("{removed:?}");
            if !row(&name, &whole.how, &whole, &without) {
                survived.push(name);
            }
        }
    }
    for forged in forge::forgeries().into_iter().chain(digits::forgeries()) {
        let Forged { statement, how, .. } = &forged;
        let [whole, without] = [forged.cells.lay_out(), forged.without().lay_out()];
        if !row(&format!("statement {statement}"), how, &whole, &without) {
            survived.push(statement.clone());
        }
    }
    assert!(survived.is_empty(), "{survived:?}");
}

/// All public values of a whole verification at once, each named by its row.
#[test]
fn each_public_value_is_bound() {
    let mut bound = BTreeSet::new();
    let mut all = 0;
    for class in [Copy::Accumulator, Copy::Digest, Copy::Statement] {
        for forgery in layout::copies(class) {
            all = forgery.mutant.public.len();
            for failure in forgery.mutant.rejections(0) {
                let VerifyFailure::Permutation { column, location } = failure else {
                    continue;
                };
                if let (Any::Instance, FailureLocation::OutsideRegion { row }) =
                    (column.column_type(), location)
                {
                    bound.insert(row);
                }
            }
        }
    }
    assert_eq!(bound, (0..all).collect());
}
