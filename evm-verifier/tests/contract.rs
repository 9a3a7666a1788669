//! The generated contract against good and bad calldata, on a small two-phase circuit.

#![allow(clippy::unwrap_used)]

#[path = "support/battery.rs"]
mod battery;
#[path = "support/precompiles.rs"]
mod precompiles;
#[path = "../../circuits/testing/two_phase.rs"]
mod two_phase;

use battery::Subject;
use halo2_proofs::{
    halo2curves::bn256::Bn256,
    poly::{commitment::ParamsProver, kzg::commitment::ParamsKZG},
};
use rand::{rngs::StdRng, SeedableRng};
use snark_verifier::{
    pcs::kzg::KzgDecidingKey,
    system::halo2::{compile as protocol_of, Config},
};
use std::sync::OnceLock;
use two_phase::TwoPhase;
use zkml_evm_verifier::{
    calldata,
    check::{build, check_contract},
    codegen::{generate, Labels},
    compile::{compile, find_compiler},
    exec::Fork,
};

/// One contract and one proof for all the tests.
fn subject() -> &'static Subject {
    static SUBJECT: OnceLock<Subject> = OnceLock::new();
    SUBJECT.get_or_init(|| {
        let params = ParamsKZG::<Bn256>::setup(8, StdRng::seed_from_u64(1));
        let circuit = TwoPhase::new(3, 5, 9, 3);
        let pk = two_phase::keygen(&params, &circuit);
        let (instances, proof) = two_phase::evm_proof(&params, &pk, circuit);
        let config = Config::kzg().with_num_instance(vec![instances.len()]);
        let protocol = protocol_of(&params, pk.get_vk(), config);
        let key = KzgDecidingKey::from((params.get_g()[0], params.g2(), params.s_g2()));
        let labels = Labels {
            contract: "TwoPhaseVerifier".to_string(),
            srs: "development, seed 1, insecure".to_string(),
            notes: vec![],
        };
        let compiler = find_compiler(None).unwrap();
        let (source, bytecode) = build(&compiler, &key, &protocol, &labels).unwrap();
        let plain = generate(&key, &protocol, &labels, false).unwrap();
        assert_ne!(
            source.source, plain.source,
            "the optimised source does not compile"
        );
        let plain = compile(&compiler, &plain).unwrap();
        let forks = [Fork::Osaka];
        let plain = check_contract(&plain, source.layout, &instances, &proof, &forks).unwrap();
        println!("plain: {plain:?}");
        Subject {
            layout: source.layout,
            bytecode,
            instances,
            proof,
        }
    })
}

#[test]
fn a_good_proof_is_accepted_under_both_forks() {
    let s = subject();
    let report = check_contract(&s.bytecode, s.layout, &s.instances, &s.proof, &Fork::ALL).unwrap();
    println!("{} points, {report:?}", s.layout.points);
    assert_eq!(report.gas.len(), 2);
    assert!(report.runtime_bytes <= 20_000);
}

#[test]
fn words_that_are_not_canonical_are_rejected() {
    subject().rejects(Fork::Osaka, &subject().not_canonical());
}

#[test]
fn calldata_of_another_length_is_rejected_at_once() {
    subject().rejects_lengths_at_once();
}

#[test]
fn a_flipped_bit_in_any_word_is_rejected() {
    subject().rejects(Fork::Osaka, &subject().flipped());
}

#[test]
fn points_that_are_not_the_prover_s_are_rejected() {
    subject().rejects(Fork::Osaka, &subject().other_points());
}

#[test]
fn too_little_gas_is_a_rejection() {
    subject().rejects_little_gas();
}

#[test]
fn precompiled_contracts_that_do_something_else_are_a_rejection() {
    use precompiles::{accepts, Instead};
    let s = subject();
    let calldata = calldata::encode(&s.instances, &s.proof);
    // Modular exponentiation; addition, multiplication and pairing of the curve.
    for number in 5..=8 {
        let accepts = |instead| accepts(&s.bytecode.runtime, &calldata, number, instead);
        assert!(accepts(Instead::Nothing));
        for instead in [
            Instead::Fails,
            Instead::Empty,
            Instead::Zeros,
            Instead::Short,
        ] {
            assert!(!accepts(instead), "precompile {number}, {instead:?}");
        }
    }
}

#[test]
fn check_contract_tells_a_rejection_from_a_misfit() {
    subject().rejection_is_told_from_a_misfit();
}
