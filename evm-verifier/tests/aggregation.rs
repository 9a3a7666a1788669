//! One real aggregation: a small inner circuit, its proof, the aggregate proof, the contract.

#![allow(clippy::unwrap_used)]

#[path = "../../circuits/tests/support/two_phase.rs"]
mod two_phase;

use halo2_proofs::{halo2curves::bn256::Fr, poly::commitment::ParamsProver};
use rand::{rngs::StdRng, SeedableRng};
use snark_verifier::pcs::kzg::KzgDecidingKey;
use snark_verifier_sdk::Snark;
use std::time::Instant;
use two_phase::TwoPhase;
use zkml_circuits::{
    aggregate::{
        keygen, prove, verify, vk_digest, AggregateError, AggregateProof, AggregationKey,
        AggregationShape, ACCUMULATOR_LIMBS,
    },
    srs::Srs,
};
use zkml_evm_verifier::{
    check::{build, check_contract, CheckError},
    codegen::Labels,
    compile::find_compiler,
    exec::Fork,
};

/// All sizes of an SRS must share a secret.
const SEED: [u8; 32] = [7; 32];

fn inner(srs: &Srs, width: usize, scale: u64) -> Snark {
    let circuit = TwoPhase::new(width, scale, 9, 3);
    let pk = two_phase::keygen(&srs.params, &circuit);
    two_phase::snark(&srs.params, &pk, circuit)
}

/// The file with one byte changed, and without its end, does not load as a key.
fn assert_damage_is_found(path: &std::path::Path) {
    let bytes = std::fs::read(path).unwrap();
    let bad = path.with_extension("bad");
    for at in [30, bytes.len() / 2, bytes.len() - 40] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        std::fs::write(&bad, changed).unwrap();
        AggregationKey::load(&bad).unwrap_err();
    }
    std::fs::write(&bad, &bytes[..bytes.len() - 1000]).unwrap();
    AggregationKey::load(&bad).unwrap_err();
}

#[test]
fn a_proof_is_aggregated_and_verified_by_a_contract() {
    let small = Srs::development_from_seed(9, SEED, &|_, _| {}).unwrap();
    let (first, second) = (inner(&small, 1, 5), inner(&small, 1, 6));
    let protocols = [first.protocol.clone()];
    let (shape, size) = AggregationShape::choose(&protocols, 4).unwrap();
    println!("{shape:?}, {size:?}");
    let srs = Srs::development_from_seed(shape.k, SEED, &|_, _| {}).unwrap();

    // The key is made for the first circuit, kept in a file, and used for the second.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aggregation.key");
    let start = Instant::now();
    keygen(&srs.params, &protocols, shape)
        .unwrap()
        .save(&path)
        .unwrap();
    println!("key made and written in {:?}", start.elapsed());
    let key = AggregationKey::load(&path).unwrap();
    assert_eq!(key.shape(), shape);
    assert_damage_is_found(&path);
    let (digest, other) = (
        vk_digest(&second.protocol).unwrap(),
        vk_digest(&protocols[0]).unwrap(),
    );
    assert_ne!(digest, other);

    // What does not fit is refused before the long work.
    let aggregate = |snarks: &[Snark]| {
        prove(
            &srs.params,
            &key,
            snarks,
            StdRng::seed_from_u64(1),
            &mut |_| {},
        )
    };
    let mut bad = second.clone();
    bad.proof[100] ^= 1;
    let start = Instant::now();
    assert!(matches!(
        aggregate(&[bad]),
        Err(AggregateError::Rejected { index: 0, .. })
    ));
    let wide = inner(&small, 2, 5);
    assert!(matches!(
        aggregate(&[wide]),
        Err(AggregateError::Misfit { .. })
    ));
    let two = [first.clone(), second.clone()];
    assert!(matches!(
        aggregate(&two),
        Err(AggregateError::Misfit { .. })
    ));
    assert!(matches!(aggregate(&[]), Err(AggregateError::Misfit { .. })));
    println!("refusals in {:?}", start.elapsed());

    let start = Instant::now();
    let proof = aggregate(std::slice::from_ref(&second)).unwrap();
    println!(
        "aggregated in {:?}: {} bytes",
        start.elapsed(),
        proof.proof.len()
    );
    let statements = proof.statements(&key).unwrap();
    assert_eq!(statements, [(digest, second.instances[0].as_slice())]);
    let file = folder.path().join("aggregate.proof");
    proof.save(&file).unwrap();
    assert_eq!(AggregateProof::load(&file).unwrap(), proof);

    // Natively: every public value counts, and every part of the proof.
    let protocol = key.protocol(&srs.params).unwrap();
    verify(&srs.params, &protocol, &proof).unwrap();
    for at in 0..proof.instances.len() {
        let mut bad = proof.clone();
        bad.instances[at] += Fr::one();
        assert!(
            verify(&srs.params, &protocol, &bad).is_err(),
            "public value {at}"
        );
    }
    for at in (0..proof.proof.len()).step_by(97) {
        let mut bad = proof.clone();
        bad.proof[at] ^= 1;
        assert!(verify(&srs.params, &protocol, &bad).is_err(), "byte {at}");
    }

    // In the contract.
    let dk = (srs.params.get_g()[0], srs.params.g2(), srs.params.s_g2());
    let labels = Labels {
        contract: "AggregateVerifier".to_string(),
        srs: srs.provenance.to_string(),
        notes: vec![],
    };
    let compiler = find_compiler(None).unwrap();
    let (source, code) = build(&compiler, &KzgDecidingKey::from(dk), &protocol, &labels).unwrap();
    let check = |proof: &AggregateProof| {
        check_contract(
            &code,
            source.layout,
            &proof.instances,
            &proof.proof,
            &Fork::ALL,
        )
    };
    let report = check(&proof).unwrap();
    println!("{compiler}: {report:?}");
    assert!(report.runtime_bytes <= 20_000);
    assert!(report.gas.iter().all(|(_, gas)| gas.total <= 420_000));
    let mut bad = proof.clone();
    bad.instances[ACCUMULATOR_LIMBS] = other;
    assert!(matches!(check(&bad), Err(CheckError::Rejected { .. })));
}
