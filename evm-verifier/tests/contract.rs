//! The generated contract against good and bad calldata, on a small two-phase circuit.

#![allow(clippy::unwrap_used)]

#[path = "../../circuits/tests/support/two_phase.rs"]
mod two_phase;

use halo2_proofs::{
    halo2curves::bn256::{Bn256, Fr},
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
    check::{build, check_contract, CheckError},
    codegen::{generate, Labels, VerifierSource},
    compile::{compile, find_compiler, Bytecode},
    exec::{Chain, Deployment, Fork},
};

/// The order of the scalar field, big-endian.
const R: [u8; 32] = [
    0x30, 0x64, 0x4e, 0x72, 0xe1, 0x31, 0xa0, 0x29, 0xb8, 0x50, 0x45, 0xb6, 0x81, 0x81, 0x58, 0x5d,
    0x28, 0x33, 0xe8, 0x48, 0x79, 0xb9, 0x70, 0x91, 0x43, 0xe1, 0xf5, 0x93, 0xf0, 0x00, 0x00, 0x01,
];
/// The order of the base field, big-endian.
const P: [u8; 32] = [
    0x30, 0x64, 0x4e, 0x72, 0xe1, 0x31, 0xa0, 0x29, 0xb8, 0x50, 0x45, 0xb6, 0x81, 0x81, 0x58, 0x5d,
    0x97, 0x81, 0x6a, 0x91, 0x68, 0x71, 0xca, 0x8d, 0x3c, 0x20, 0x8c, 0x16, 0xd8, 0x7c, 0xfd, 0x47,
];

struct Fixture {
    source: VerifierSource,
    bytecode: Bytecode,
    instances: Vec<Fr>,
    proof: Vec<u8>,
}

/// One contract and one proof for all the tests.
fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
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
        Fixture {
            source,
            bytecode,
            instances,
            proof,
        }
    })
}

/// `word + modulus`, big-endian, if it still fits a word.
fn add(word: &[u8], modulus: &[u8; 32]) -> Option<Vec<u8>> {
    let mut out = word.to_vec();
    let mut carry = 0u16;
    for (byte, m) in out.iter_mut().zip(modulus).rev() {
        let sum = u16::from(*byte) + u16::from(*m) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    (carry == 0).then_some(out)
}

fn deployed(fork: Fork) -> (Chain, Deployment) {
    let mut chain = Chain::new(fork);
    let contract = chain.deploy(&fixture().bytecode.creation).unwrap();
    (chain, contract)
}

#[test]
fn a_good_proof_is_accepted_under_both_forks() {
    let f = fixture();
    let report = check_contract(
        &f.bytecode,
        f.source.layout,
        &f.instances,
        &f.proof,
        &Fork::ALL,
    )
    .unwrap();
    println!("{} points, {report:?}", f.source.layout.points);
    assert_eq!(report.gas.len(), 2);
    assert!(report.runtime_bytes <= 20_000);
}

#[test]
fn words_that_are_not_canonical_are_rejected() {
    let f = fixture();
    let good = calldata::encode(&f.instances, &f.proof);
    let layout = f.source.layout;
    let (mut chain, contract) = deployed(Fork::Osaka);
    let points = 32 * layout.instances;
    let evaluations = points + 64 * (layout.points - 2);
    let opening = evaluations + 32 * layout.evaluations;
    let mut tried = 0;
    for word in (0..good.len()).step_by(32) {
        let scalar = word < points || (evaluations..opening).contains(&word);
        let modulus = if scalar { &R } else { &P };
        let mut bad = good.clone();
        bad[word..word + 32].copy_from_slice(&add(&good[word..word + 32], modulus).unwrap());
        let outcome = chain.call(contract.address, &bad).unwrap();
        assert!(
            !outcome.accepted,
            "word at {word} plus its modulus was accepted"
        );
        tried += 1;
    }
    assert_eq!(tried, layout.bytes() / 32);
}

#[test]
fn calldata_of_another_length_is_rejected_at_once() {
    let f = fixture();
    let good = calldata::encode(&f.instances, &f.proof);
    let (mut chain, contract) = deployed(Fork::Prague);
    let mut lengths = vec![0, 1, 4, 32, good.len() / 2, good.len() - 32, good.len() - 1];
    lengths.extend((1..=64).map(|more| good.len() + more));
    for length in lengths {
        let mut bad = good.clone();
        bad.resize(length, 0);
        let outcome = chain.call(contract.address, &bad).unwrap();
        assert!(!outcome.accepted, "{length} bytes");
        assert!(
            outcome.gas.execution < 10_000,
            "{length} bytes cost {:?}",
            outcome.gas
        );
    }
}

#[test]
fn a_flipped_bit_in_any_word_is_rejected() {
    let f = fixture();
    let good = calldata::encode(&f.instances, &f.proof);
    let (mut chain, contract) = deployed(Fork::Osaka);
    for word in (0..good.len()).step_by(32) {
        for byte in [0, 7, 31] {
            let mut bad = good.clone();
            bad[word + byte] ^= 1 << (word / 32 % 8);
            assert!(
                !chain.call(contract.address, &bad).unwrap().accepted,
                "{word} + {byte}"
            );
        }
    }
}

#[test]
fn points_that_are_not_the_prover_s_are_rejected() {
    let f = fixture();
    let good = calldata::encode(&f.instances, &f.proof);
    let layout = f.source.layout;
    let (mut chain, contract) = deployed(Fork::Osaka);
    let first = 32 * layout.instances;
    let last = good.len() - 64;
    let starts = (0..layout.points - 2)
        .map(|i| first + 64 * i)
        .chain([last - 64, last]);
    for start in starts {
        for what in ["identity", "negated", "off the curve"] {
            let mut bad = good.clone();
            let y = good[start + 32..start + 64].to_vec();
            match what {
                "identity" => bad[start..start + 64].fill(0),
                "negated" => {
                    // p - y: subtract by adding the two's complement.
                    let complement: Vec<u8> = y.iter().map(|byte| !byte).collect();
                    let minus = add_one(&complement);
                    bad[start + 32..start + 64].copy_from_slice(&wrapping_add(&P, &minus));
                }
                _ => bad[start + 32..start + 64].copy_from_slice(&[0; 32]),
            }
            let outcome = chain.call(contract.address, &bad).unwrap();
            assert!(!outcome.accepted, "point at {start}, {what}");
        }
    }
}

fn wrapping_add(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut out = a.to_vec();
    let mut carry = 0u16;
    for (byte, m) in out.iter_mut().zip(b).rev() {
        let sum = u16::from(*byte) + u16::from(*m) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    out
}

fn add_one(a: &[u8]) -> Vec<u8> {
    let mut one = vec![0; a.len()];
    if let Some(last) = one.last_mut() {
        *last = 1;
    }
    wrapping_add(a, &one)
}

#[test]
fn too_little_gas_is_a_rejection() {
    let f = fixture();
    let good = calldata::encode(&f.instances, &f.proof);
    let (mut chain, contract) = deployed(Fork::Osaka);
    let used = chain.call(contract.address, &good).unwrap().gas.total;
    for limit in [used * 3 / 4, used - 1000] {
        assert!(
            !chain
                .call_with_gas(contract.address, &good, limit)
                .unwrap()
                .accepted
        );
    }
    assert!(
        chain
            .call_with_gas(contract.address, &good, used * 2)
            .unwrap()
            .accepted
    );
}

#[test]
fn check_contract_tells_a_rejection_from_a_misfit() {
    let f = fixture();
    let layout = f.source.layout;
    let forks = [Fork::Osaka];
    let mut instances = f.instances.clone();
    instances[0] += Fr::from(1);
    let error = check_contract(&f.bytecode, layout, &instances, &f.proof, &forks).unwrap_err();
    assert!(matches!(error, CheckError::Rejected { .. }), "{error}");
    let error = check_contract(&f.bytecode, layout, &instances[1..], &f.proof, &forks).unwrap_err();
    assert!(matches!(error, CheckError::Length { .. }), "{error}");
}
