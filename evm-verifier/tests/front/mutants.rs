//! Each check of the contracts written by hand is needed: with one line dropped, moved or altered, a test of this
//! battery fails, or the line stands in a list with the reason why the contract is the same.
//!
//! A mutant costs the compiler two CPU-seconds. In the suite each so-manieth is tried; `ZKML_MUTANTS=1` tries all, and
//! `ZKML_MUTANTS=N` each Nth, `N:K:M` M of them from the Kth on: `1:K:1` is the one that is printed with that number.
//! `scripts/soundness --contract` prints the table.

use super::*;
use explained::EXPLAINED;
use rules::Mutant;
use serde_json::json;
use std::{
    collections::BTreeMap,
    panic::{catch_unwind, AssertUnwindSafe},
    sync::{
        atomic::{AtomicUsize, Ordering},
        Mutex,
    },
};
use support::standing_for;
use zkml_evm_verifier::{compile::find_compiler, contracts::SOURCES};

/// The tests, those that fail soonest first. A search for what is out of range that does not end burns all of a call's
/// gas, and later tests make thousands of such calls.
const BATTERY: [(&str, fn()); 26] = [
    (
        "a proof is accepted",
        statements::a_proof_is_accepted_and_an_event_says_so,
    ),
    ("registration", registry::registration_is_by_content),
    (
        "ranges and lengths",
        statements::elements_out_of_range_and_wrong_lengths_are_named,
    ),
    ("a batch", batches::a_batch_is_its_statements_in_order),
    (
        "an aggregated proof",
        batches::an_aggregated_proof_is_handed_over_whole,
    ),
    (
        "contexts and digests",
        packing::contexts_and_digests_are_canonical,
    ),
    ("the pinned verifier", registry::the_verifier_is_pinned),
    ("a batch's encoding", batches::a_batch_has_one_encoding),
    (
        "other tensors",
        batches::a_batch_has_models_of_other_tensors,
    ),
    (
        "statements in a proof",
        batches::a_statement_does_not_stand_within_the_proof,
    ),
    ("calldata's encoding", statements::calldata_has_one_encoding),
    ("slots", slots::each_statement_fills_its_slot),
    ("records", records::a_record_is_written_as_documented),
    ("acceptances", verdicts::the_word_one_alone_is_an_acceptance),
    ("rejections", verdicts::three_errors_alone_are_rejections),
    ("the verifier's gas", verdicts::a_verifier_has_so_much_gas),
    (
        "what is handed over",
        verdicts::what_is_handed_over_has_its_length,
    ),
    ("any verifier", records::a_verifier_is_any_contract),
    (
        "several faults",
        records::of_several_faults_the_first_is_named,
    ),
    (
        "another statement",
        statements::another_statement_is_rejected,
    ),
    (
        "packing",
        packing::tensors_of_all_widths_are_packed_as_documented,
    ),
    ("bounds of ranges", packing::ranges_end_where_they_end),
    ("lengths", slots::every_length_has_one_encoding),
    ("whole records", records::what_is_registered_is_all_of_it),
    ("no verdict", registry::what_is_no_verdict_is_no_rejection),
    ("bounds of records", registry::records_are_bounded),
];

/// Mutants compiled at a time.
const AT_ONCE: usize = 6;

/// Compiles a front for each list of sources; none where a source does not compile. Without the optimiser it takes half
/// the time, and what the contract does is the same.
fn compile(sets: &[&Mutant], optimised: bool) -> Vec<Option<Vec<u8>>> {
    let mut sources = serde_json::Map::new();
    let mut outputs = serde_json::Map::new();
    for (i, mutant) in sets.iter().enumerate() {
        for (path, text) in SOURCES {
            let text = if path == mutant.file {
                &mutant.source
            } else {
                text
            };
            sources.insert(format!("{i}/{path}"), json!({ "content": text }));
        }
        let wanted = json!({ "ModelVerifier": ["evm.deployedBytecode.object"] });
        outputs.insert(format!("{i}/src/ModelVerifier.sol"), wanted);
    }
    // Not the hash of the sources behind the code: it would be another for each.
    let mut settings = json!({
        "viaIR": true,
        "evmVersion": "cancun",
        "metadata": { "appendCBOR": false },
        "outputSelection": outputs,
    });
    if optimised {
        settings["optimizer"] = json!({ "enabled": true, "runs": 1_000_000 });
    }
    let input = json!({ "language": "Solidity", "sources": sources, "settings": settings });
    let compiler = find_compiler(None).unwrap();
    let output = solc::standard_json(&compiler.path, &input.to_string());
    let codes: Vec<Option<Vec<u8>>> = (0..sets.len())
        .map(|i| {
            let contract =
                &output["contracts"][format!("{i}/src/ModelVerifier.sol")]["ModelVerifier"];
            let code = contract["evm"]["deployedBytecode"]["object"].as_str()?;
            revm::primitives::hex::decode(code)
                .ok()
                .filter(|code| !code.is_empty())
        })
        .collect();
    // One source that does not compile takes the others with it.
    if sets.len() > 1 && codes.iter().any(Option::is_none) {
        return sets
            .iter()
            .flat_map(|one| compile(&[one], optimised))
            .collect();
    }
    codes
}

/// The test that a front fails.
fn failed(code: &[u8]) -> Option<&'static str> {
    let fails = |test: fn()| catch_unwind(AssertUnwindSafe(|| standing_for(code, test))).is_err();
    let found = BATTERY.iter().find(|(_, test)| fails(*test));
    found.map(|(name, _)| *name)
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Killed(&'static str),
    Explained(&'static str),
    /// It is no contract.
    NotCompiled,
    Survived,
}

/// The contract itself, compiled both ways.
struct Original {
    plain: Vec<u8>,
    optimised: Vec<u8>,
}

fn fate(mutant: &Mutant, code: Option<&[u8]>, original: &Original) -> Fate {
    let listed = |(before, after, _): &&(&str, &str, &str)| {
        *before == mutant.before && *after == mutant.after
    };
    let explained = EXPLAINED.iter().find(listed).map(|(_, _, reason)| *reason);
    match code {
        None => Fate::NotCompiled,
        Some(code) if code == original.plain => Fate::Explained("the same code"),
        Some(code) => match (failed(code), explained) {
            (Some(test), _) => Fate::Killed(test),
            (None, Some(reason)) => Fate::Explained(reason),
            (None, None) => match compile(&[mutant], true).remove(0) {
                Some(code) if code == original.optimised => {
                    Fate::Explained("the optimiser makes the same code of both")
                }
                _ => Fate::Survived,
            },
        },
    }
}

#[test]
fn every_check_of_the_front_is_needed() {
    let all = rules::all();
    let (chosen, stride) = chosen::chosen(&all, 600);
    let whole = Mutant {
        source: SOURCES
            .iter()
            .find(|(path, _)| *path == all[0].file)
            .unwrap()
            .1
            .to_string(),
        ..all[0].clone()
    };
    let [plain, optimised] = [false, true].map(|how| compile(&[&whole], how).remove(0).unwrap());
    assert_eq!(failed(&plain), None, "the contract itself");
    let original = Original { plain, optimised };

    // What the tests say when they fail is what is wanted here.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let chunks: Vec<&[&Mutant]> = chosen.chunks(AT_ONCE).collect();
    let (next, fates) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    // Not rayon's threads: one that waits would take up another mutant.
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    for (mutant, code) in chunk.iter().zip(compile(chunk, false)) {
                        let fate = fate(mutant, code.as_deref(), &original);
                        let line = format!("{}:{}: {}", mutant.file, mutant.line, mutant.before);
                        let number = all.iter().position(|one| std::ptr::eq(one, *mutant));
                        let number = number.unwrap_or_default();
                        println!("tried: {number}: {line} | {} | {fate:?}", mutant.after);
                        fates
                            .lock()
                            .unwrap()
                            .push((line, mutant.after.clone(), fate));
                    }
                }
            });
        }
    });
    std::panic::set_hook(hook);
    let fates = fates.into_inner().unwrap();
    assert_eq!(fates.len(), chosen.len(), "a thread ended early");
    let mut counts = BTreeMap::new();
    for (line, after, fate) in &fates {
        *counts.entry(fate.clone()).or_insert(0) += 1;
        if *fate == Fate::Survived {
            println!("mutants: front | SURVIVED | {line}: as {after:?}");
        }
    }
    println!("mutants: front | 1 in {stride} of {}", all.len());
    for (fate, count) in &counts {
        println!("mutants: front | {fate:?} | {count}");
    }
    assert!(!counts.contains_key(&Fate::Survived));
}

#[test]
fn what_is_explained_is_a_change_of_the_contracts() {
    let all = rules::all();
    for (before, after, _) in EXPLAINED {
        let found = |one: &Mutant| one.before == *before && one.after == *after;
        assert!(all.iter().any(found), "{before}: as {after:?}");
    }
}
