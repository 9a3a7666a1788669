//! Each instruction and each operand of generated texts is needed: a text with one of them dropped, exchanged, moved
//! or altered gives another verdict somewhere, or does what translation validation refuses. What does neither is
//! shown to be the same verifier.
//!
//! `scripts/soundness --contract` prints the table. In the suite, of all but the smallest text every so-manieth mutant
//! is tried; `ZKML_MUTANTS=1` tries all, `ZKML_MUTANTS=N` each Nth.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // A test fails by panicking.

mod equivalent;
mod mutation;
mod subject;
#[path = "../../../circuits/tests/support/two_phase.rs"]
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
    let proof = equivalent::proof(&subject.text, &changed, mutation);
    if let Some(proof) = proof.filter(|proof| equivalent::at_once(*proof)) {
        return Fate::Explained(proof);
    }
    let other_verdict = subject.cases.iter().any(|case| {
        let ending = subject.ending(&changed, case);
        ending.as_ref() != Ok(&case.ending)
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
    proof.map_or(Fate::Survived, Fate::Explained)
}

/// Tries each mutant that is a multiple of `stride`; how many there are of each fate, and what survived.
fn tried(subject: &Subject, stride: usize) -> (BTreeMap<Fate, usize>, Vec<String>) {
    let all = mutation::all(&subject.text);
    let chosen: Vec<&Mutation> = all.iter().step_by(stride).collect();
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
    let (counts, survived) = tried(subject, stride);
    let mutants: usize = counts.values().sum();
    println!(
        "mutants: {} | {mutants} mutants, 1 in {stride}",
        subject.name
    );
    for (fate, count) in &counts {
        println!("mutants: {} | {fate:?} | {count}", subject.name);
    }
    for one in &survived {
        println!("mutants: {} | SURVIVED | {one}", subject.name);
    }
    assert!(survived.is_empty(), "{} survived", survived.len());
}

/// Each Nth mutant of the larger texts.
fn stride(default: usize) -> usize {
    let asked = std::env::var("ZKML_MUTANTS").ok();
    asked.map_or(default, |asked| asked.parse().unwrap())
}

#[test]
fn every_mutant_of_the_direct_text_dies() {
    check(&Subject::direct(), stride(5));
}

#[test]
fn every_mutant_of_aggregated_texts_dies() {
    for (name, slots) in [("aggregated, 1 slot", 1), ("aggregated, 4 slots", 4)] {
        check(&Subject::aggregated(name, slots), stride(150));
    }
}
