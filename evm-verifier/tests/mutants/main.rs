//! Each instruction and each operand of generated texts is needed: a text with one of them dropped, exchanged, moved
//! or altered gives another verdict somewhere, or does what translation validation refuses. What does neither is
//! shown to be the same verifier.
//!
//! `scripts/soundness --contract` prints the table. In the suite every so-manieth mutant is tried; `ZKML_MUTANTS=1` tries
//! all, `ZKML_MUTANTS=N` each Nth.

#![allow(clippy::unwrap_used, clippy::panic)] // A test fails by panicking.

mod cases;
#[path = "../support/chosen.rs"]
mod chosen;
mod equivalent;
mod mutation;
mod subject;
#[path = "../../../circuits/testing/two_phase.rs"]
mod two_phase;

use equivalent::Proof;
use mutation::{describe, mutant, Mutation};
use rayon::prelude::*;
use std::collections::BTreeMap;
use subject::Subject;
use zkml_evm_verifier::{validate::compare, yul::run::run};

/// What became of a mutant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// It gives another verdict.
    KilledByVerdict,
    /// It hashes, calls or reads something else: no such contract is made.
    KilledByTrace,
    /// It is the same verifier.
    Explained(Proof),
    /// None of these.
    Survived,
}

fn fate(subject: &Subject, mutation: &Mutation) -> Fate {
    let changed = mutant(&subject.text, mutation);
    let other_verdict = subject.cases.iter().any(|(trial, expected)| {
        let ending = subject.ending(&changed, trial);
        ending.as_ref() != Ok(expected)
    });
    if other_verdict {
        return Fate::KilledByVerdict;
    }
    let other_trace = subject.traces.iter().any(|(input, expected)| {
        run(&changed, &input.calldata).map_or(true, |got| {
            compare("mutant", input, expected, &got).is_err()
        })
    });
    if other_trace {
        return Fate::KilledByTrace;
    }
    let proof = equivalent::proof(&subject.text, &changed, mutation);
    proof.map_or(Fate::Survived, Fate::Explained)
}

/// Tries mutants; how many there are of each fate, and what survived.
fn tried(subject: &Subject, chosen: &[&Mutation]) -> (BTreeMap<Fate, usize>, Vec<String>) {
    let fates: Vec<Fate> = chosen.par_iter().map(|m| fate(subject, m)).collect();
    let mut counts = BTreeMap::new();
    let mut survived = Vec::new();
    for (mutation, fate) in chosen.iter().zip(fates) {
        if fate == Fate::Survived {
            survived.push(describe(&subject.text, mutation));
        }
        *counts.entry(fate).or_insert(0) += 1;
    }
    (counts, survived)
}

/// Prints what became of a text's mutants; none survives.
fn check(subject: &Subject, stride: usize) {
    let all = mutation::all(&subject.text);
    let (chosen, stride) = chosen::chosen(&all, stride);
    let (counts, survived) = tried(subject, &chosen);
    println!("mutants: {} | 1 in {stride} of {}", subject.name, all.len());
    for (fate, count) in &counts {
        println!("mutants: {} | {fate:?} | {count}", subject.name);
    }
    for one in &survived {
        println!("mutants: {} | SURVIVED | {one}", subject.name);
    }
    assert!(survived.is_empty(), "{} survived", survived.len());
}

#[test]
fn every_mutant_of_the_direct_text_dies() {
    check(&Subject::direct(), 5);
}

#[test]
fn every_mutant_of_aggregated_texts_dies() {
    for (name, slots) in [("aggregated, 1 slot", 1), ("aggregated, 4 slots", 4)] {
        check(&Subject::aggregated(name, slots), 150);
    }
}
