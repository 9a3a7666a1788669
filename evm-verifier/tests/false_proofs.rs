//! Proofs that are wrong in exactly one thing, and consistent with it in all that comes after: nobody accepts them.

#![allow(clippy::unwrap_used)]

mod forger;
mod support;

use forger::{
    accumulators::Accumulator,
    battery::{calldata, tried, Tally},
    cases::{self, Case},
    guess::Guess,
    judges::Judges,
    messages::messages,
    outer::{Kind, Outer},
    plant::{planted, Fault},
    prover::{prove, settled, Change, Proof},
};
use halo2_proofs::halo2curves::{bn256::G1, group::Group};
use std::sync::OnceLock;
use zkml_evm_verifier::{
    codegen::{generate, program, Labels},
    compile::{compile, find_compiler},
    exec::{Chain, Fork},
    unwritten, validate,
};

/// One of each kind, for all tests.
fn outers() -> &'static [Outer] {
    static OUTERS: OnceLock<Vec<Outer>> = OnceLock::new();
    OUTERS.get_or_init(|| Kind::ALL.map(Outer::new).into())
}

fn outer(kind: Kind) -> &'static Outer {
    outers().iter().find(|outer| outer.kind == kind).unwrap()
}

/// All of a model's contract and of one slot's, every fourth of the others: `scripts/bench evm/false-proofs` tries all.
#[test]
fn no_false_proof_is_accepted() {
    let mut tally = Tally::default();
    for outer in outers() {
        let step = match outer.kind {
            Kind::Direct | Kind::Aggregated(1) => 1,
            Kind::Aggregated(_) | Kind::Unfolded(_) => 4,
        };
        let cases: Vec<_> = cases::all(outer).into_iter().step_by(step).collect();
        tally.add(&tried(outer, &outer.code, &cases));
    }
    println!("{tally:?}");
    assert_eq!(tally.faults, Vec::<String>::new());
    assert_eq!(tally.accepted, Vec::<String>::new());
    assert!(tally.tried >= 800 && tally.told >= 250 && tally.settled >= 250);
}

/// The same machinery, and nothing wrong.
#[test]
fn right_proofs_by_the_same_hands_are_accepted() {
    for outer in outers() {
        let mut judges = Judges::new(outer, &outer.code);
        let mut accepted = |case: &Case, proof: &Proof| {
            let verdict = judges.judge(&calldata(case, proof));
            assert!(verdict.everybody_accepts(), "{:?}: {verdict:?}", outer.kind);
            let fits = !matches!(outer.kind, Kind::Unfolded(_));
            assert_eq!(verdict.front.len(), if fits { 2 } else { 0 });
        };
        let honest = Case::honest(outer);
        let proof = prove(outer, &honest.claim);
        accepted(&honest, &proof);
        // The last point that the secret gives is the prover's.
        let same = settled(outer, &honest.claim.shown, &proof, G1::identity()).unwrap();
        assert_eq!(same.bytes, proof.bytes);
        // Messages replaced by themselves.
        for mut case in messages(outer).into_iter().step_by(9) {
            case.claim.changes.iter_mut().for_each(Change::none);
            let proof = prove(outer, &case.claim);
            accepted(&case, &proof);
        }
        // Other accumulators that are right.
        let own: Vec<_> = (0..outer.own.len() as u64)
            .map(|slot| Accumulator::right(outer.tau, 100 + slot))
            .collect();
        let values = outer.with_accumulators(&outer.kind.shown(&own));
        let mut other = honest.clone();
        other.claim.witness = values.clone();
        other.claim.committed = values.clone();
        other.claim.shown = values;
        accepted(&other, &prove(outer, &other.claim));
    }
}

#[test]
fn the_battery_finds_a_planted_fault() {
    let compiler = find_compiler(None).unwrap();
    for kind in [Kind::Aggregated(1), Kind::Aggregated(4), Kind::Unfolded(2)] {
        let outer = outer(kind);
        let guesses = [Guess::One, Guess::Zeros, Guess::Limbs, Guess::Seen];
        let mut cases = cases::accumulators(outer);
        cases.retain(|case| {
            case.offset
                .is_some_and(|(_, guess)| guesses.contains(&guess))
        });
        // Each slot, and each side of it.
        assert_eq!(cases.len(), guesses.len() * 2 * outer.own.len());
        for (fault, right) in [
            (Fault::Unwritten, &[Guess::Zeros, Guess::Seen][..]),
            (Fault::Stale, &[Guess::Seen]),
        ] {
            let source = planted(&outer.source, kind.accumulators(), fault);
            let code = compile(&compiler, &source).unwrap();
            for outcome in tried(outer, &code, &cases) {
                let accepts = outcome
                    .case
                    .offset
                    .is_some_and(|(_, guess)| right.contains(&guess));
                let verdict = outcome.verdict;
                let all = verdict.on_chain().all(|accepted| accepted == accepts);
                assert!(all && !verdict.native, "{}: {verdict:?}", outcome.case.name);
            }
        }
    }
}

#[test]
fn validation_finds_a_planted_fault() {
    let compiler = find_compiler(None).unwrap();
    for kind in [Kind::Aggregated(1), Kind::Unfolded(2)] {
        let outer = outer(kind);
        let labels = Labels {
            contract: "Plain".to_string(),
            srs: "development, seed 1, insecure".to_string(),
            notes: vec![],
        };
        let plain = generate(&outer.deciding, &outer.protocol, &labels, false).unwrap();
        let plain = plain.program().unwrap();
        let (right, inputs) = (outer.source.program().unwrap(), &outer.source.inputs);
        validate::texts(&plain, &right, inputs).unwrap();
        for fault in [Fault::Unwritten, Fault::Stale] {
            let source = planted(&outer.source, kind.accumulators(), fault);
            let wrong = program(&source.source).unwrap();
            let error = validate::texts(&plain, &wrong, inputs)
                .unwrap_err()
                .to_string();
            let expected = match fault {
                Fault::Unwritten => "memory at 0x10000 is read and was never written",
                Fault::Stale => "the input of hash",
            };
            assert!(error.contains(expected), "{error}");
            let code = compile(&compiler, &source).unwrap();
            let mut chain = Chain::new(Fork::Osaka);
            let address = chain.deploy(&code.creation).unwrap().address;
            let traced = |calldata: &[u8]| chain.trace(address, calldata);
            let error = validate::bytecode(&right, inputs, traced).unwrap_err();
            assert!(error.to_string().contains("the input of hash"), "{error}");
            // Whoever has only the code sees what nothing wrote, and not what was written for something else.
            let found = unwritten::reads(&code.runtime).unwrap();
            assert!(found.pairing);
            let missing: usize = found.unwritten.iter().map(|read| read.bytes).sum();
            let length = 0x80 * (1 + kind.accumulators());
            assert_eq!(missing, if fault == Fault::Unwritten { length } else { 0 });
            assert!(found
                .unwritten
                .iter()
                .all(|read| read.by == unwritten::Reader::Hash));
        }
    }
}

/// The battery takes a settled lie for the lie with nothing wrong but the pairing.
#[test]
fn a_settled_lie_differs_in_the_last_point_only() {
    let outer = outer(Kind::Aggregated(1));
    for case in messages(outer).iter().step_by(31) {
        let proof = prove(outer, &case.claim);
        let settled = settled(outer, &case.claim.shown, &proof, G1::identity()).unwrap();
        let (start, end) = proof.bytes.split_at(proof.bytes.len() - 64);
        assert!(settled.bytes.starts_with(start) && !settled.bytes.ends_with(end));
    }
}
