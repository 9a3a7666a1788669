//! Each check of the contracts written by hand is needed: with one line dropped, moved or altered, a test of this
//! battery fails, or the line stands in a list with the reason why the contract is the same.
//!
//! A mutant costs the compiler two CPU-seconds. In the suite each so-manieth is tried; `ZKML_MUTANTS=1` tries all, and
//! `ZKML_MUTANTS=N` each Nth. `scripts/soundness --contract` prints the table.

use super::*;
use rules::Mutant;
use serde_json::{json, Value};
use std::{
    collections::BTreeMap,
    io::Write,
    panic::{catch_unwind, AssertUnwindSafe},
    process::{Command, Stdio},
    sync::{
        atomic::{AtomicUsize, Ordering},
        Mutex,
    },
};
use support::standing_for;
use zkml_evm_verifier::{compile::find_compiler, contracts::SOURCES};

/// The tests, those that fail soonest first.
const BATTERY: [(&str, fn()); 13] = [
    (
        "a proof is accepted",
        statements::a_proof_is_accepted_and_an_event_says_so,
    ),
    ("registration", registry::registration_is_by_content),
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
    ("calldata's encoding", statements::calldata_has_one_encoding),
    (
        "another statement",
        statements::another_statement_is_rejected,
    ),
    (
        "packing",
        packing::tensors_of_all_widths_are_packed_as_documented,
    ),
    (
        "ranges and lengths",
        statements::elements_out_of_range_and_wrong_lengths_are_named,
    ),
    ("no verdict", registry::what_is_no_verdict_is_no_rejection),
    ("bounds of records", registry::records_are_bounded),
];

/// Changes that make the same contract: the line, what it becomes, and why.
const EXPLAINED: [(&str, &str, &str); 6] = [
    (
        "at := mload(0x40)",
        "at := mload(0x41)",
        "memory 256 times as far out is as free; it costs more gas",
    ),
    (
        "mstore(0, 0)",
        "",
        "what counts of the word was returned: all of it, or the first four bytes",
    ),
    (
        "mstore(at, commitment)",
        "mstore(add(at, 0x20), context) / mstore(at, commitment)",
        "two words that are apart",
    ),
    (
        "for {} 1 {} {",
        "for {} 2 {} {",
        "any number but zero is true",
    ),
    (
        "uint256 private constant VERIFIER_GAS = 5_000_000;",
        "uint256 private constant VERIFIER_GAS = 5000001;",
        "a bound far from what any verifier takes",
    ),
    (
        "uint256 private constant VERIFIER_GAS = 5_000_000;",
        "uint256 private constant VERIFIER_GAS = 4999999;",
        "a bound far from what any verifier takes",
    ),
];

/// Mutants compiled at a time.
const AT_ONCE: usize = 6;

/// Compiles a front for each list of sources; none where a source does not compile.
fn compile(sets: &[&Mutant]) -> Vec<Option<Vec<u8>>> {
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
    // Without the optimiser a mutant takes half the time; what the contract does is the same.
    let input = json!({
        "language": "Solidity",
        "sources": sources,
        "settings": { "viaIR": true, "evmVersion": "cancun", "outputSelection": outputs },
    });
    let mut solc = Command::new(find_compiler(None).unwrap().path)
        .arg("--standard-json")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = solc.stdin.take().unwrap();
    stdin.write_all(input.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = solc.wait_with_output().unwrap();
    let output: Value = serde_json::from_slice(&output.stdout).unwrap();
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
        return sets.iter().flat_map(|one| compile(&[one])).collect();
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

fn fate(mutant: &Mutant, code: Option<&[u8]>, original: &[u8]) -> Fate {
    let listed = |(before, after, _): &&(&str, &str, &str)| {
        *before == mutant.before && *after == mutant.after
    };
    let explained = EXPLAINED.iter().find(listed).map(|(_, _, reason)| *reason);
    match code {
        None => Fate::NotCompiled,
        Some(code) if code == original => Fate::Explained("the same code"),
        Some(code) => match (failed(code), explained) {
            (Some(test), _) => Fate::Killed(test),
            (None, Some(reason)) => Fate::Explained(reason),
            (None, None) => Fate::Survived,
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
    let original = compile(&[&whole]).remove(0).unwrap();
    assert_eq!(failed(&original), None, "the contract itself");

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
                    for (mutant, code) in chunk.iter().zip(compile(chunk)) {
                        let fate = fate(mutant, code.as_deref(), &original);
                        let line = format!("{}:{}: {}", mutant.file, mutant.line, mutant.before);
                        println!("tried: {line} | {} | {fate:?}", mutant.after);
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
