//! One contract for several models of one shape: each with proofs of its own, and both in one batch through the
//! front's batch form.

#![allow(clippy::unwrap_used)]

mod forger;
mod support;

use alloy_sol_types::SolError;
use forger::inner::{tried, Lie};
use halo2_proofs::{halo2curves::bn256::Fr, poly::commitment::ParamsProver};
use rand::{rngs::StdRng, SeedableRng};
use revm::primitives::{keccak256, U256};
use snark_verifier::pcs::kzg::KzgDecidingKey;
use std::time::Instant;
use support::{
    circuit, classifier, commitment, inference, public, reason, two_phase, Direct, Scene, ALICE,
};
use zkml_aggregation::{keygen, prove, vk_digest, AggregationShape, ACCUMULATOR_LIMBS};
use zkml_evm_verifier::{
    check::{build, check_contract},
    codegen::Labels,
    compile::find_compiler,
    exec::{CallOutcome, Fork},
    front::{
        aggregated_proof, batch_call, event, model_id, register_call, verify_call, word, Event,
        IModelVerifier as I, Inference,
    },
};
use zkml_srs::Srs;

/// All sizes of an SRS must share a secret.
const SEED: [u8; 32] = [7; 32];
/// Two models differ in a fixed column; each has a request of its own.
const MODELS: [(u64, u64); 2] = [(5, 0x2a), (6, 0x2b)];

/// In direct mode the contract has the verifying key, and the models differ in their weights.
#[test]
fn one_contract_serves_two_models_of_its_shape() {
    let direct = Direct::get();
    let context = Fr::from(0x2a);
    let first = circuit(2, 5, context);
    let mut second = first.clone();
    second.data[0][0] += 1;
    let mut scene = Scene::new(Fork::Osaka);
    let one = scene.register(&direct.code, |verifier, hash| {
        classifier(verifier, hash, None, commitment(&first))
    });
    let mut two = one.clone();
    two.commitment = word(commitment(&second));
    assert_ne!(one.commitment, two.commitment);
    assert!(scene.call(scene.front, &register_call(&two)).returned);
    let proofs =
        [first, second].map(|circuit| two_phase::evm_proof(&direct.params, &direct.pk, circuit).1);
    for (i, model) in [&one, &two].into_iter().enumerate() {
        let stated = inference(model, context);
        for (j, proof) in proofs.iter().enumerate() {
            let outcome = scene.call(scene.front, &verify_call(&stated, proof, false));
            assert_eq!(outcome.returned, i == j, "{}", reason(&outcome));
            if i != j {
                I::ProofRejected::abi_decode(&outcome.output).unwrap();
            }
        }
    }
}

#[test]
fn a_batch_of_two_models_is_verified_through_the_front() {
    let small = Srs::development_from_seed(9, SEED, &|_, _| {}).unwrap();
    let snarks = MODELS.map(|(scale, context)| {
        let circuit = circuit(1, scale, Fr::from(context));
        let pk = two_phase::keygen(&small.params, &circuit);
        two_phase::snark(&small.params, &pk, circuit)
    });
    let protocols = snarks.each_ref().map(|snark| snark.protocol.clone());
    let (shape, _) = AggregationShape::choose(&protocols, 4).unwrap();
    let srs = Srs::development_from_seed(shape.k, SEED, &|_, _| {}).unwrap();
    let start = Instant::now();
    let key = keygen(&srs.params, &protocols, shape).unwrap();
    let rng = StdRng::seed_from_u64(1);
    let aggregate = prove(&srs.params, &key, &snarks, rng, &mut |_| {}).unwrap();
    println!("{shape:?}, key and proof in {:?}", start.elapsed());

    let deciding = (srs.params.get_g()[0], srs.params.g2(), srs.params.s_g2());
    let labels = Labels {
        contract: "BatchVerifier".to_string(),
        srs: srs.provenance.to_string(),
        notes: vec![],
    };
    let protocol = key.protocol(&srs.params).unwrap();
    let compiler = find_compiler(None).unwrap();
    let (source, code) = build(
        &compiler,
        &KzgDecidingKey::from(deciding),
        &protocol,
        &labels,
    )
    .unwrap();
    let (values, argument) = (&aggregate.instances, &aggregate.proof);
    let report = check_contract(&code, source.layout, values, argument, &Fork::ALL).unwrap();
    println!("{} public values, {report:?}", values.len());
    let proof = aggregated_proof(values, argument);

    // One contract for both models: they differ in key digest and commitment.
    let mut scene = Scene::new(Fork::Osaka);
    let verifier = scene.chain.deploy(&code.creation).unwrap().address;
    let models = [0, 1].map(|i| {
        let (scale, context) = MODELS[i];
        let stated = commitment(&circuit(1, scale, Fr::from(context)));
        let digest = vk_digest(&protocols[i]).unwrap();
        let mut model = classifier(verifier, keccak256(&code.runtime), Some(digest), stated);
        model.slots = vec![model.slots[0]; 2];
        assert!(scene.call(scene.front, &register_call(&model)).returned);
        model
    });
    let good = [0, 1].map(|i| inference(&models[i], Fr::from(MODELS[i].1)));
    assert_ne!(good[0].model_id, good[1].model_id);

    let outcome = scene.call(scene.front, &batch_call(&good, &proof, false));
    assert!(outcome.returned, "{}", reason(&outcome));
    println!("ModelVerifier.verifyBatch: {:?}", outcome.gas);
    let outcome = scene.call(scene.front, &batch_call(&good, &proof, true));
    assert!(outcome.returned, "{}", reason(&outcome));
    assert_eq!(outcome.logs.len(), 2);
    for (log, stated) in outcome.logs.iter().zip(&good) {
        let Some(Event::Verified(verified)) = event(log.topics(), &log.data.data) else {
            panic!("no event of a verification: {log:?}");
        };
        assert_eq!(verified.modelId, stated.model_id);
        assert_eq!(verified.context, word(stated.context));
        assert_eq!(verified.sender, ALICE);
    }

    let [a, b] = good;
    let changed = |change: fn(&mut Inference)| {
        let mut other = b.clone();
        change(&mut other);
        other
    };
    let mut rejected = |statements: &[Inference], proof: &[u8], what: &str| {
        let outcome = scene.call(scene.front, &batch_call(statements, proof, true));
        assert!(!outcome.returned && outcome.logs.is_empty(), "{what}");
        I::ProofRejected::abi_decode(&outcome.output)
            .unwrap_or_else(|_| panic!("{what}: {}", reason(&outcome)));
    };
    rejected(&[b.clone(), a.clone()], &proof, "the other order");
    rejected(&[a.clone(), a.clone()], &proof, "one of them twice");
    for (change, what) in [
        ((|other| other.input[1] ^= 1) as fn(&mut Inference), "input"),
        (|other| other.output[2] ^= 1, "output"),
        (|other| other.context += Fr::one(), "context"),
    ] {
        rejected(&[a.clone(), changed(change)], &proof, what);
    }
    let mut bad = proof.clone();
    *bad.last_mut().unwrap() ^= 1;
    rejected(&[a.clone(), b.clone()], &bad, "a changed proof");

    // The weights of the one with the key of the other.
    let mut mixed = models[1].clone();
    mixed.commitment = models[0].commitment;
    assert!(scene.call(scene.front, &register_call(&mixed)).returned);
    let mut other = b.clone();
    other.model_id = model_id(&mixed);
    let outcome = scene.call(scene.front, &batch_call(&[a.clone(), other], &proof, false));
    I::ProofRejected::abi_decode(&outcome.output).unwrap();
    // A statement left out, and one too many.
    for (statements, got) in [
        (vec![a.clone()], 1),
        (vec![a.clone(), b.clone(), b.clone()], 3),
    ] {
        let outcome = scene.call(scene.front, &batch_call(&statements, &proof, true));
        expect_count(&outcome, got);
    }
    // The form for one statement takes no batch, wherever the other's words stand.
    let (first, second) = values[ACCUMULATOR_LIMBS..].split_at(usize::from(models[0].slots[0]));
    let moved = aggregated_proof(values, &[bytes(second), argument.clone()].concat());
    for proof in [&proof, &moved] {
        for (stated, submit) in [(&a, false), (&a, true), (&b, true)] {
            let outcome = scene.call(scene.front, &verify_call(stated, proof, submit));
            expect_count(&outcome, 1);
        }
        let outcome = scene.call(
            scene.front,
            &batch_call(std::slice::from_ref(&a), proof, true),
        );
        expect_count(&outcome, 1);
    }

    // Honest proofs, whose words are a victim's statement where they are cut elsewhere: it begins among the pixels
    // of the first proof, and has the key digest and the commitment of the second as digests of its inputs.
    assert_eq!((first.len(), second.len()), (41, 41));
    let words = &values[ACCUMULATOR_LIMBS..];
    let cuts = [0..20, 20..61, 61..82];
    let piece = |range: &std::ops::Range<usize>, slots: &[u16]| {
        let words = &words[range.clone()];
        let mut model = models[0].clone();
        model.slots = slots.to_vec();
        (model.keyDigest, model.commitment) = (word(words[0]), word(words[1]));
        let hashed = public(0, 0, 0, 0);
        let hashed = I::Tensor {
            visibility: I::Visibility::Hashed,
            ..hashed
        };
        (model.inputs, model.outputs) = (vec![hashed; words.len() - 3], vec![]);
        let inference = Inference {
            model_id: model_id(&model),
            context: words[2],
            input: bytes(&words[3..]),
            output: vec![],
        };
        (model, inference)
    };
    let (honest, lie) = (models[0].slots.clone(), [20, 41, 21]);
    let [(_, f), (victim, v), (_, g)] = cuts.each_ref().map(|range| piece(range, &honest));
    let outcome = scene.call(scene.front, &register_call(&victim));
    assert!(outcome.returned, "{}", reason(&outcome));
    // Models that no proof of the verifier could be of are not registered.
    for range in [&cuts[0], &cuts[2]] {
        let (model, _) = piece(range, &honest);
        let outcome = scene.call(scene.front, &register_call(&model));
        let words = U256::from(range.len());
        assert_eq!(
            I::NoSlot::abi_decode(&outcome.output).unwrap(),
            I::NoSlot { words }
        );
    }
    let outcome = scene.call(scene.front, &batch_call(&[f, v.clone(), g], &proof, true));
    assert!(!outcome.returned && outcome.logs.is_empty());
    // Nor do they stand beside the victim where they lie about the verifier.
    let [f, w, g] = cuts.each_ref().map(|range| {
        let (model, inference) = piece(range, &lie);
        let outcome = scene.call(scene.front, &register_call(&model));
        assert!(outcome.returned, "{}", reason(&outcome));
        inference
    });
    let call = batch_call(&[f.clone(), v.clone(), g.clone()], &proof, true);
    let outcome = scene.call(scene.front, &call);
    assert_eq!(
        I::BatchMixed::abi_decode(&outcome.output).unwrap(),
        I::BatchMixed {
            statement: U256::from(1)
        }
    );
    // All that was wrong are the slots: under ids that lie, which are not the victim's, the call goes through.
    let outcome = scene.call(scene.front, &batch_call(&[f, w.clone(), g], &proof, true));
    assert!(outcome.returned, "{}", reason(&outcome));
    assert_ne!(w.model_id, v.model_id);
}

/// `scripts/bench evm/false-proofs` tries four.
#[test]
fn of_two_proofs_that_are_aggregated_none_may_be_false() {
    assert_eq!(tried(&[Lie::Score, Lie::Opening]), [2, 0]);
}

fn bytes(words: &[Fr]) -> Vec<u8> {
    let words = words.iter().map(|value| word(*value).to_be_bytes::<32>());
    words.flatten().collect()
}

fn expect_count(outcome: &CallOutcome, got: u64) {
    let (expected, got) = (U256::from(2), U256::from(got));
    assert_eq!(
        I::StatementCount::abi_decode(&outcome.output).unwrap(),
        I::StatementCount { expected, got }
    );
}
