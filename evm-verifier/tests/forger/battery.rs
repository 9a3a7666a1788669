//! All lies before all judges.

use super::{
    accumulators::decoded,
    cases::{Case, Place, Word},
    guess::{made_up, Guess},
    judges::{Judges, Verdict},
    outer::{words, Outer},
    prover::{prove, settled, Change, Proof, Turn},
};
use halo2_proofs::halo2curves::{
    bn256::G1,
    group::{Curve, Group},
};
use revm::primitives::U256;
use std::collections::BTreeMap;
use zkml_evm_verifier::compile::Bytecode;

/// What came of a lie.
pub struct Outcome {
    pub case: Case,
    pub verdict: Verdict,
    /// The same lie with the last point that only the SRS's secret gives: everybody must accept it, or the lie is
    /// wrong in more than the pairing. None where the lie is in an accumulator or an encoding.
    pub settled: Option<bool>,
    /// The error by which the contract has to reject it.
    pub expected: &'static str,
}

impl Outcome {
    /// What is not as it should be.
    pub fn fault(&self) -> Option<String> {
        let name = &self.case.name;
        if self.verdict.anybody_accepts() {
            return Some(format!("ACCEPTED: {name}: {:?}", self.verdict));
        }
        let mut endings = self.verdict.contract.iter().map(|(_, ending)| ending);
        if let Some(other) = endings.find(|ending| *ending != self.expected) {
            return Some(format!("{name}: {other}, not {}", self.expected));
        }
        let settled = self.settled.filter(|accepted| !accepted);
        settled.map(|_| format!("{name}: wrong in more than one thing"))
    }
}

/// Counts of a battery.
#[derive(Debug, Default)]
pub struct Tally {
    pub tried: usize,
    /// Lies that somebody accepted.
    pub accepted: Vec<String>,
    /// How many by what they are about.
    pub about: BTreeMap<&'static str, usize>,
    /// Lies that the front was told as well, and those that were accepted once settled.
    pub told: usize,
    pub settled: usize,
    pub faults: Vec<String>,
}

impl Tally {
    pub fn add(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            self.tried += 1;
            *self.about.entry(outcome.case.about).or_default() += 1;
            self.told += usize::from(!outcome.verdict.front.is_empty());
            self.settled += usize::from(outcome.settled.is_some());
            if outcome.verdict.anybody_accepts() {
                self.accepted.push(outcome.case.name.clone());
            }
            self.faults.extend(outcome.fault());
        }
    }
}

/// Tries lies on a contract for an outer circuit's proofs.
pub fn tried(outer: &Outer, code: &Bytecode, cases: &[Case]) -> Vec<Outcome> {
    let judges = Judges::new(outer, code);
    let honest = prove(outer, &Case::honest(outer).claim);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let length = cases.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let running: Vec<_> = cases
            .chunks(length)
            .map(|cases| {
                let (mut judges, honest) = (judges.clone(), &honest);
                scope.spawn(move || {
                    let each = cases.iter().enumerate();
                    let each =
                        each.map(|(i, case)| one(outer, &mut judges, honest, case, i % 10 == 0));
                    each.collect::<Vec<_>>()
                })
            })
            .collect();
        let joined = running
            .into_iter()
            .flat_map(|thread| thread.join().unwrap());
        joined.collect()
    })
}

/// Calldata of a proof.
pub fn calldata(case: &Case, proof: &Proof) -> Vec<u8> {
    let mut data = words(&case.claim.shown);
    data.extend(&proof.bytes);
    match case.word {
        Some(Word::Plus(at, modulus)) => {
            let place = &mut data[32 * at..32 * at + 32];
            let value = U256::from_be_slice(place) + modulus;
            place.copy_from_slice(&value.to_be_bytes::<32>());
        }
        Some(Word::Identity(at)) => data[32 * at..32 * at + 64].fill(0),
        None => {}
    }
    data
}

fn one(
    outer: &Outer,
    judges: &mut Judges<'_>,
    honest: &Proof,
    case: &Case,
    asked: bool,
) -> Outcome {
    let shown = &case.claim.shown;
    let accumulators = decoded(shown, outer.kind.accumulators());
    let proof = match (case.word, case.offset, &accumulators) {
        (Some(_), ..) => honest.clone(),
        (None, Some((place, guess)), Some(all)) => {
            let seen = match guess {
                // What the contract hashes last for these public values, with a proof that makes up for nothing.
                Guess::Seen => {
                    let trace = judges.trace(&calldata(case, &prove(outer, &case.claim)));
                    trace.hashes.last().cloned().unwrap_or_default()
                }
                _ => Vec::new(),
            };
            let error = made_up(outer, all, guess.challenge(shown, all, &seen));
            let mut claim = case.claim.clone();
            match place {
                Place::First => {
                    let turn = Turn::Plus(error.to_affine());
                    claim.changes.push(Change::Point(outer.first_point(), turn));
                    prove(outer, &claim)
                }
                Place::Last => settled(outer, shown, &prove(outer, &claim), error).unwrap(),
            }
        }
        (None, ..) => prove(outer, &case.claim),
    };
    let well_formed = case.word.is_none() && accumulators.is_some();
    let right = accumulators.iter().flatten();
    let right = well_formed
        && right
            .clone()
            .all(|all| bool::from(all.error(outer.tau).is_identity()));
    let settled = right.then(|| {
        let settled = settled(outer, shown, &proof, G1::identity()).unwrap();
        // The native verifier says so of each, the others of some.
        match asked {
            true => judges.judge(&calldata(case, &settled)).everybody_accepts(),
            false => judges.native(shown.clone(), &settled.bytes),
        }
    });
    Outcome {
        verdict: judges.judge(&calldata(case, &proof)),
        case: case.clone(),
        settled,
        expected: match well_formed {
            true => "reverted: InvalidProof",
            false => "reverted: MalformedProof",
        },
    }
}
