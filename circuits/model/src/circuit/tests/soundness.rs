//! Each constraint of the circuit is needed: without it a forged witness is accepted that the whole circuit
//! rejects, for that constraint alone. `scripts/soundness` prints the table.
//!
//! What is removed is read off the constraint system and the copies of the models here, so a new gate without a
//! forged witness fails this test.

mod cheat;
mod clamps;
mod forgery;
mod lookups;
mod mutant;
mod rehash;

use std::collections::BTreeSet;

use halo2_proofs::{
    dev::{MockProver, VerifyFailure},
    halo2curves::bn256::Fr,
    plonk::Circuit,
};

use self::{
    forgery::{forgeries, Forgery},
    mutant::{Copy, Mutant, Removed},
};
use super::{
    fixtures::{stacked, the_shape},
    Override,
};
use crate::{
    circuit::{ModelCircuit, Purpose},
    layout::{Block, Range, Shape},
};

/// Everything that can be removed.
fn constraints(shape: &Shape) -> Vec<Removed> {
    let system = ModelCircuit::constraint_system(shape);
    assert!(system.lookups().is_empty(), "look-ups are gates");
    let gates = system.gates().iter().enumerate();
    let polynomials = gates.flat_map(|(gate, g)| {
        (0..g.polynomials().len()).map(move |polynomial| Removed::Polynomial {
            gate,
            polynomial,
            name: g.name().to_string(),
        })
    });
    let plan = lookups::model().plan(*shape);
    // A range that needs only a bound may have any larger table.
    let exact = |b: &&Block| matches!(b.range, Range::Exact(_));
    let used = plan.blocks.iter().filter(exact);
    let tags: BTreeSet<usize> = used.filter_map(|b| plan.tables.tag(b.range)).collect();
    let tables = tags.into_iter().map(Removed::Table);
    let tables = tables.chain([Removed::Function]);
    polynomials
        .chain(Copy::ALL.map(Removed::Copy))
        .chain(tables)
        .chain([Removed::Tags])
        .collect()
}

/// What fails: `gate.polynomial` or `copy`.
fn failures<C: Circuit<Fr>>(k: u32, circuit: &C, instances: &[Fr]) -> BTreeSet<String> {
    let prover = MockProver::run(k, circuit, vec![instances.to_vec()]).unwrap();
    let failures = prover.verify_par().err().unwrap_or_default();
    failures
        .into_iter()
        .map(|failure| match failure {
            VerifyFailure::ConstraintNotSatisfied { constraint, .. } => {
                let text = constraint.to_string();
                let numbers: Vec<&str> = text
                    .split(' ')
                    .filter(|word| word.parse::<usize>().is_ok())
                    .collect();
                format!("{}.{}", numbers[1], numbers[0])
            }
            VerifyFailure::Permutation { .. } => "copy".to_string(),
            other => format!("{other:?}"),
        })
        .collect()
}

/// Why a forgery does not show that the constraint is needed.
fn fault(removed: &Removed, forgery: &Forgery) -> Option<String> {
    let circuit = |cells: &[Override]| {
        let (plan, witness) = (forgery.plan.clone(), forgery.witness.clone());
        let mut circuit = ModelCircuit::with_witness(plan, witness, Purpose::Constraints);
        circuit.overrides = cells.to_vec();
        circuit
    };
    let instances = &forgery.witness.instances;
    let shape = forgery.plan.shape;
    let found = failures(shape.k, &circuit(&forgery.cells), instances);
    if found != BTreeSet::from([removed.failure(&shape)]) {
        return Some(format!("the whole circuit: {found:?}"));
    }
    let mutant = Mutant {
        circuit: circuit(forgery.relaxed.as_ref().unwrap_or(&forgery.cells)),
        removed: removed.clone(),
        entry: forgery.entry,
    };
    let found = failures(shape.k, &mutant, instances);
    (!found.is_empty()).then(|| format!("without it: {found:?}"))
}

#[test]
fn every_constraint_is_needed() {
    println!("soundness: constraint | forged witness | result");
    let survived = survivors("", the_shape()) + survivors("stacked: ", stacked(13));
    // No constraint ties the context: it is absorbed by the transcript before the challenges are drawn
    // (`forge::real_proofs_of_cheats_are_rejected`).
    println!(
        "soundness: instance of the context | another context | explained: bound by the transcript"
    );
    assert_eq!(survived, 0);
}

/// Prints what becomes of each constraint of a shape; how many survive.
fn survivors(kind: &str, shape: Shape) -> usize {
    let mut survived = 0;
    for removed in &constraints(&shape) {
        let forgeries = forgeries(removed, shape);
        let mut faults: Vec<String> = Vec::new();
        let mut how: Vec<&str> = Vec::new();
        for forgery in &forgeries {
            how.push(&forgery.how);
            faults.extend(fault(removed, forgery));
        }
        if forgeries.is_empty() {
            faults.push("no forged witness".into());
        }
        let result = if faults.is_empty() {
            "killed".to_string()
        } else {
            survived += 1;
            format!("SURVIVED: {}", faults.join("; "))
        };
        println!("soundness: {kind}{removed} | {} | {result}", how.join("; "));
    }
    survived
}
