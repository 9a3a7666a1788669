//! One real aggregation: a small inner circuit, its proof, the aggregate proof, the contract.

#![allow(clippy::unwrap_used)]

mod forger;
mod support;

use alloy_sol_types::SolError;
use forger::{
    accumulators::{decoded, reduced},
    plant::{planted, Fault},
    prover::{Change, Turn, Unscrupulous},
};
use halo2_proofs::{
    halo2curves::{
        bn256::{Bn256, Fr, G1Affine, G1},
        group::{prime::PrimeCurveAffine, Curve, GroupEncoding},
    },
    poly::commitment::ParamsProver,
};
use rand::{rngs::StdRng, SeedableRng};
use revm::primitives::U256;
use snark_verifier::{
    loader::native::NativeLoader,
    pcs::kzg::KzgDecidingKey,
    verifier::{
        plonk::{PlonkProtocol, PlonkSuccinctVerifier},
        SnarkVerifier,
    },
};
use snark_verifier_sdk::{
    halo2::{PoseidonTranscript, POSEIDON_SPEC},
    Snark, SHPLONK,
};
use std::{sync::OnceLock, time::Instant};
use support::{circuit, classifier, commitment, inference, order, reason, two_phase, Scene};
use zkml_aggregation::{
    argue, keygen, prove, verify, vk_digest, AggregateError, AggregateProof, AggregationKey,
    AggregationShape, ACCUMULATOR_LIMBS,
};
use zkml_evm_verifier::{
    calldata,
    check::{build, check_contract, CheckError},
    codegen::{Labels, VerifierSource},
    compile::{compile, find_compiler, Bytecode},
    exec::{Chain, Fork},
    front::{
        aggregated_proof, batch_call, encode_elements, event, model_id, register_call, verify_call,
        Event, IModelVerifier as I, Inference,
    },
};
use zkml_srs::Srs;

/// All sizes of an SRS must share a secret.
const SEED: [u8; 32] = [7; 32];
const CONTEXT: u64 = 0x2a;

fn inner(srs: &Srs, width: usize, scale: u64) -> Snark {
    let circuit = circuit(width, scale, Fr::from(CONTEXT));
    let pk = two_phase::keygen(&srs.params, &circuit);
    two_phase::snark(&srs.params, &pk, circuit)
}

/// One aggregate proof and its contract, for all tests.
struct Aggregated {
    srs: Srs,
    key: AggregationKey,
    protocol: PlonkProtocol<G1Affine>,
    inner: Snark,
    proof: AggregateProof,
    /// Digest of the inner key, and of one of the same structure.
    digest: Fr,
    other: Fr,
    source: VerifierSource,
    code: Bytecode,
}

impl Aggregated {
    fn get() -> &'static Aggregated {
        static AGGREGATED: OnceLock<Aggregated> = OnceLock::new();
        AGGREGATED.get_or_init(aggregated)
    }

    fn calldata(&self) -> Vec<u8> {
        calldata::encode(&self.proof.instances, &self.proof.proof)
    }

    fn commitment(&self) -> Fr {
        commitment(&circuit(1, 6, Fr::from(CONTEXT)))
    }
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

/// Makes key, proof and contract, and tries on the way what must fail.
fn aggregated() -> Aggregated {
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
    Aggregated {
        srs,
        key,
        protocol,
        inner: second,
        proof,
        digest,
        other,
        source,
        code,
    }
}

#[test]
fn a_proof_is_aggregated_and_verified_by_a_contract() {
    let a = Aggregated::get();
    let check = |proof: &AggregateProof| {
        check_contract(
            &a.code,
            a.source.layout,
            &proof.instances,
            &proof.proof,
            &Fork::ALL,
        )
    };
    let report = check(&a.proof).unwrap();
    println!("{report:?}");
    assert!(report.runtime_bytes <= 20_000);
    assert!(report.gas.iter().all(|(_, gas)| gas.total <= 420_000));
    let mut bad = a.proof.clone();
    bad.instances[ACCUMULATOR_LIMBS] = a.other;
    assert!(matches!(check(&bad), Err(CheckError::Rejected { .. })));
    verify(&a.srs.params, &a.protocol, &bad).unwrap_err();
}

#[test]
fn no_word_of_an_aggregated_proof_has_a_second_encoding() {
    let a = Aggregated::get();
    let good = a.calldata();
    let layout = a.source.layout;
    let mut chain = Chain::new(Fork::Osaka);
    let contract = chain.deploy(&a.code.creation).unwrap().address;
    assert!(chain.call(contract, &good).unwrap().accepted);
    let points = 32 * layout.instances;
    let evaluations = points + 64 * (layout.points - 2);
    let opening = evaluations + 32 * layout.evaluations;
    let base = U256::from_str_radix(
        "30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47",
        16,
    )
    .unwrap();
    for at in (0..good.len()).step_by(32) {
        let scalar = at < points || (evaluations..opening).contains(&at);
        let value = U256::from_be_slice(&good[at..at + 32]);
        let modulus = if scalar { order() } else { base };
        for (bad, malformed) in [
            (value + modulus, true),
            (U256::MAX, true),
            (value ^ U256::from(1), false),
            (U256::ZERO, false),
        ] {
            let mut changed = good.clone();
            changed[at..at + 32].copy_from_slice(&bad.to_be_bytes::<32>());
            if changed == good {
                continue;
            }
            let outcome = chain.call(contract, &changed).unwrap();
            assert!(!outcome.accepted, "word at {at}: {bad}");
            assert!(
                !malformed || outcome.ending == "reverted: MalformedProof",
                "{at}: {}",
                outcome.ending
            );
        }
    }
    // The accumulator's coordinates, p more in the limbs: the same point, encoded once only.
    for coordinate in 0..4 {
        let limb = |i: usize| 32 * (3 * coordinate + i);
        let value = (0..3).fold(U256::ZERO, |sum, i| {
            let word: U256 = U256::from_be_slice(&good[limb(i)..limb(i) + 32]);
            sum + (word << (86 * i))
        });
        let mut changed = good.clone();
        let mask = (U256::from(1) << 86) - U256::from(1);
        for i in 0..3 {
            let word: U256 = ((value + base) >> (86 * i)) & mask;
            changed[limb(i)..limb(i) + 32].copy_from_slice(&word.to_be_bytes::<32>());
        }
        let outcome = chain.call(contract, &changed).unwrap();
        assert_eq!(outcome.ending, "reverted: MalformedProof");
    }
}

#[test]
fn the_front_takes_an_aggregated_proof() {
    let a = Aggregated::get();
    for fork in Fork::ALL {
        let mut scene = Scene::new(fork);
        let model = scene.register(&a.code, |verifier, hash| {
            classifier(verifier, hash, Some(a.digest), a.commitment())
        });
        let good = inference(&model, Fr::from(CONTEXT));
        let proof = aggregated_proof(&a.proof.instances, &a.proof.proof);
        let view = scene.call(scene.front, &verify_call(&good, &proof, false));
        assert!(view.returned, "{}", reason(&view));
        println!("ModelVerifier.verify, {fork}: {:?}", view.gas);
        assert!(view.gas.total <= 480_000);
        let batch = scene.call(
            scene.front,
            &batch_call(std::slice::from_ref(&good), &proof, true),
        );
        assert!(batch.returned, "{}", reason(&batch));
        println!("ModelVerifier.submitBatch of one, {fork}: {:?}", batch.gas);
        let log = &batch.logs[0];
        assert!(matches!(
            event(log.topics(), &log.data.data),
            Some(Event::Verified(_))
        ));

        let mut rejected = |inference: &Inference, proof: &[u8]| {
            for call in [
                verify_call(inference, proof, false),
                batch_call(std::slice::from_ref(inference), proof, true),
            ] {
                let outcome = scene.call(scene.front, &call);
                assert!(!outcome.returned && outcome.logs.is_empty());
                I::ProofRejected::abi_decode(&outcome.output)
                    .unwrap_or_else(|_| panic!("{}", reason(&outcome)));
            }
        };
        // Each limb of the accumulator, and some of the proof.
        for at in (0..proof.len())
            .step_by(32)
            .filter(|at| *at < 384 || at % 160 == 0)
        {
            let mut bad = proof.clone();
            bad[at + 31] ^= 1;
            rejected(&good, &bad);
        }
        for bad in [&proof[384..], &proof[..383], &proof[..proof.len() - 1], &[]] {
            rejected(&good, bad);
        }
        let mut bad = good.clone();
        bad.input[1] ^= 1;
        rejected(&bad, &proof);
        let mut bad = good.clone();
        bad.context += Fr::one();
        rejected(&bad, &proof);
        // A model of another key of the same structure, of other weights, and of direct mode.
        for change in [
            |model: &mut I::Model, a: &Aggregated| {
                model.keyDigest = zkml_evm_verifier::front::word(a.other)
            },
            |model: &mut I::Model, _: &Aggregated| model.commitment += U256::from(1),
            |model: &mut I::Model, _: &Aggregated| {
                model.mode = I::Mode::Direct;
                model.keyDigest = U256::ZERO;
                model.slots[0] -= 1;
            },
        ] {
            let mut other = model.clone();
            change(&mut other, a);
            assert!(scene.call(scene.front, &register_call(&other)).returned);
            let mut bad = good.clone();
            bad.model_id = model_id(&other);
            let outcome = scene.call(scene.front, &verify_call(&bad, &proof, false));
            I::ProofRejected::abi_decode(&outcome.output).unwrap();
        }
        // Batches that are none.
        let empty = scene.call(scene.front, &batch_call(&[], &proof, false));
        I::EmptyBatch::abi_decode(&empty.output).unwrap();
        let twice = scene.call(
            scene.front,
            &batch_call(&[good.clone(), good.clone()], &proof, false),
        );
        I::StatementCount::abi_decode(&twice.output).unwrap();
        let direct = support::Direct::get();
        let other = scene.register(&direct.code, |verifier, hash| {
            classifier(verifier, hash, None, direct.commitment())
        });
        let mixed = [good.clone(), inference(&other, Fr::from(CONTEXT))];
        let mixed = scene.call(scene.front, &batch_call(&mixed, &proof, false));
        let statement = U256::from(1);
        assert_eq!(
            I::BatchMixed::abi_decode(&mixed.output).unwrap(),
            I::BatchMixed { statement }
        );
        // A batch has one encoding.
        let call = batch_call(std::slice::from_ref(&good), &proof, false);
        for more in 1..=64usize {
            let mut bad = call.clone();
            bad.resize(call.len() + more, 0);
            let outcome = scene.call(scene.front, &bad);
            I::CalldataNotCanonical::abi_decode(&outcome.output).unwrap();
        }
    }
}

/// The inner proof proves nothing of other scores. The outer proof says truthfully what comes of verifying it, an
/// accumulator whose pairing does not hold, and its opening makes up for that where the challenge that folds the two
/// is the hash of zeros: as it was in contracts before 0.1.1.
#[test]
fn an_inner_proof_that_is_false_is_rejected() {
    let a = Aggregated::get();
    let mut scores = support::outcome();
    scores[0] = 1 << 20;
    let words = support::pack(&support::scores(), &scores);
    let mut snark = a.inner.clone();
    let first = snark.instances[0].len() - words.len();
    for (place, word) in snark.instances[0][first..].iter_mut().zip(words) {
        *place = support::element(word);
    }
    let last = snark.proof.len() - 32;
    snark.proof[last..].copy_from_slice(G1Affine::generator().to_bytes().as_ref());

    // What the accumulator's pairing is off by: its right side is the generator, and τ times that is in the SRS.
    let points = a.srs.params.get_g();
    let svk =
        KzgDecidingKey::<Bn256>::from((points[0], a.srs.params.g2(), a.srs.params.s_g2())).svk();
    let mut read = PoseidonTranscript::<NativeLoader, &[u8]>::from_spec(
        snark.proof.as_slice(),
        POSEIDON_SPEC.clone(),
    );
    type Succinct = PlonkSuccinctVerifier<SHPLONK>;
    let (protocol, instances) = (&snark.protocol, &snark.instances);
    let parts = Succinct::read_proof(&svk, protocol, instances, &mut read).unwrap();
    let accumulators = Succinct::verify(&svk, protocol, instances, &parts).unwrap();
    assert_eq!(accumulators[0].rhs, points[0]);
    let error = G1::from(accumulators[0].lhs) - G1::from(points[1]);
    assert_ne!(error.to_affine(), G1Affine::identity());

    let known = a.protocol.preprocessed.len() + a.protocol.num_instance.len();
    let makes_up = Turn::Plus((error * -reduced(&[0; 0x100])).to_affine());
    let changes = [Change::Point(a.protocol.queries[0].poly - known, makes_up)];
    let mut transcript = Unscrupulous::new(&changes, Vec::new());
    let (rng, inner) = (StdRng::seed_from_u64(1), std::slice::from_ref(&snark));
    let params = &a.srs.params;
    let instances = argue(params, &a.key, inner, rng, &mut transcript, &mut |_| {}).unwrap();
    let forged = AggregateProof {
        instances,
        proof: transcript.inner.finalize(),
    };
    let shown = decoded(&forged.instances, 1).unwrap();
    assert_eq!(
        (shown[0].lhs, shown[0].rhs),
        (accumulators[0].lhs, points[0])
    );
    verify(params, &a.protocol, &forged).unwrap_err();

    let broken = planted(&a.source, 1, Fault::Unwritten);
    let broken = compile(&find_compiler(None).unwrap(), &broken).unwrap();
    for (code, accepts) in [(&a.code, false), (&broken, true)] {
        for fork in Fork::ALL {
            let mut scene = Scene::new(fork);
            let contract = scene.chain.deploy(&code.creation).unwrap().address;
            let calldata = calldata::encode(&forged.instances, &forged.proof);
            let outcome = scene.chain.call(contract, &calldata).unwrap();
            assert_eq!(outcome.accepted, accepts, "{fork}");
            assert_eq!(outcome.ending == "reverted: InvalidProof", !accepts);
            let model = scene.register(code, |verifier, hash| {
                classifier(verifier, hash, Some(a.digest), a.commitment())
            });
            let mut stated = inference(&model, Fr::from(CONTEXT));
            stated.output = encode_elements(&model.outputs[0], &scores, "output").unwrap();
            let proof = aggregated_proof(&forged.instances, &forged.proof);
            let outcome = scene.call(scene.front, &verify_call(&stated, &proof, false));
            assert_eq!(outcome.returned, accepts, "{}", reason(&outcome));
        }
    }
}
