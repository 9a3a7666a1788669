//! Aggregated mode before a verifier that accepts one calldata only: what a call hands to its verifier, byte by byte.

use super::*;
use revm::primitives::keccak256;
use zkml_evm_verifier::front::{aggregated_proof, batch_call};

/// Code of a contract that returns whether its calldata has this hash.
fn only(calldata: &[u8]) -> Vec<u8> {
    // CALLDATACOPY(0, 0, size); EQ(KECCAK256(0, size), hash); MSTORE(0); RETURN(0, 32).
    let mut code = vec![0x36, 0x5f, 0x5f, 0x37, 0x36, 0x5f, 0x20, 0x7f];
    code.extend(keccak256(calldata));
    code.extend([0x14, 0x5f, 0x52, 0x60, 32, 0x5f, 0xf3]);
    code
}

/// A proof of accumulator and argument, none of whose bytes is zero.
fn proof() -> Vec<u8> {
    let limbs: Vec<Fr> = (1..=12).map(|i| -Fr::from(i)).collect();
    let argument: Vec<u8> = (1..=100).collect();
    aggregated_proof(&limbs, &argument)
}

/// A verifier of so many statements, their models and inferences.
fn batch(count: u64) -> (Scene, Vec<Model>, Vec<Inference>) {
    let mut scene = Scene::new(Fork::Osaka);
    let verifier = Address::repeat_byte(7);
    let model = |i: u64, code: &[u8]| {
        let (key, commitment) = (Fr::from(1000 + i), Fr::from(2000 + i));
        let mut model = classifier(verifier, keccak256(code), Some(key), commitment);
        model.slots = vec![model.slots[0]; count as usize];
        model
    };
    let mut expected = proof()[..384].to_vec();
    for i in 0..count {
        let words = [1000 + i, 2000 + i, CONTEXT + i].map(U256::from);
        let input = pack(&pixels(), &picture());
        let output = pack(&support::scores(), &outcome());
        for word in words.into_iter().chain(input).chain(output) {
            expected.extend(word.to_be_bytes::<32>());
        }
    }
    expected.extend(&proof()[384..]);
    let code = only(&expected);
    scene.chain.set_code(verifier, &code);
    let models: Vec<Model> = (0..count).map(|i| model(i, &code)).collect();
    for model in &models {
        assert!(scene.call(scene.front, &register_call(model)).returned);
    }
    let stated = models.iter().zip(CONTEXT..);
    let inferences = stated.map(|(model, context)| inference(model, Fr::from(context)));
    let inferences = inferences.collect();
    (scene, models, inferences)
}

#[test]
pub fn an_aggregated_proof_is_handed_over_whole() {
    let (mut scene, models, good) = batch(1);
    let proof = proof();
    for call in [
        verify_call(&good[0], &proof, false),
        verify_call(&good[0], &proof, true),
        batch_call(&good, &proof, false),
    ] {
        let outcome = scene.call(scene.front, &call);
        assert!(outcome.returned, "{}", reason(&outcome));
    }
    // The proof's length is the verifier's affair, however short.
    for length in [0, 1, 383, 384, 385, proof.len() - 1] {
        for call in [
            verify_call(&good[0], &proof[..length], false),
            batch_call(&good, &proof[..length], false),
        ] {
            refused(&mut scene, &call, I::VerifierFailed {});
        }
    }
    // No bit of a call stands for nothing.
    for call in [
        verify_call(&good[0], &proof, false),
        batch_call(&good, &proof, false),
    ] {
        for at in 0..call.len() {
            for mask in [1 << (at % 8), 0xff] {
                let mut bad = call.clone();
                bad[at] ^= mask;
                let outcome = scene.call(scene.front, &bad);
                assert!(!outcome.returned, "byte {at} ^ {mask:#x}");
            }
        }
    }
    // Its public values begin with the key.
    let values = I::publicValuesCall {
        modelId: model_id(&models[0]),
        context: U256::from(CONTEXT),
        input: good[0].input.clone().into(),
        output: good[0].output.clone().into(),
    };
    let outcome = scene.call(scene.front, &values.abi_encode());
    let values = I::publicValuesCall::abi_decode_returns(&outcome.output).unwrap();
    assert_eq!(values[..3], [1000, 2000, CONTEXT].map(U256::from));
    assert_eq!(values.len(), 3 + 36 + 2);
    let get = I::getModelCall {
        modelId: model_id(&models[0]),
    }
    .abi_encode();
    let outcome = scene.call(scene.front, &get);
    let stored = I::getModelCall::abi_decode_returns(&outcome.output).unwrap();
    assert_eq!(stored, models[0]);
}

#[test]
pub fn a_batch_is_its_statements_in_order() {
    let (mut scene, models, good) = batch(3);
    let proof = proof();
    let outcome = scene.call(scene.front, &batch_call(&good, &proof, false));
    assert!(
        outcome.returned && outcome.logs.is_empty(),
        "{}",
        reason(&outcome)
    );
    let outcome = scene.call(scene.front, &batch_call(&good, &proof, true));
    assert!(outcome.returned, "{}", reason(&outcome));
    assert_eq!(outcome.logs.len(), 3);
    for (log, stated) in outcome.logs.iter().zip(&good) {
        let Some(Event::Verified(verified)) = event(log.topics(), &log.data.data) else {
            panic!("{log:?}");
        };
        assert_eq!(verified.modelId, stated.model_id);
        assert_eq!(verified.context, word(stated.context));
        assert_eq!(verified.sender, ALICE);
        assert_eq!(verified.inputHash, keccak256(&stated.input));
        assert_eq!(verified.output.as_ref(), stated.output);
    }
    let mut exchanged = good.clone();
    exchanged.swap(1, 2);
    let call = batch_call(&exchanged, &proof, true);
    refused(&mut scene, &call, I::VerifierFailed {});
    refused(
        &mut scene,
        &batch_call(&[], &proof, false),
        I::EmptyBatch {},
    );
    // A model that is not known, another verifier's, and that of another code at the same address.
    let mut changed = good.clone();
    let model_id_ = B256::repeat_byte(7);
    changed[2].model_id = model_id_;
    let call = batch_call(&changed, &proof, false);
    refused(&mut scene, &call, I::UnknownModel { modelId: model_id_ });
    let code = only(&[]);
    let elsewhere = Address::repeat_byte(6);
    scene.chain.set_code(elsewhere, &code);
    let same = only(&[1]);
    let old = I::Model {
        codeHash: keccak256(&same),
        ..models[1].clone()
    };
    let first = models[0].verifier;
    let mut later = scene.clone();
    later.chain.set_code(first, &same);
    for (scene, other) in [
        (
            &mut scene,
            I::Model {
                verifier: elsewhere,
                codeHash: keccak256(&code),
                ..models[1].clone()
            },
        ),
        (&mut later, old),
    ] {
        assert!(scene.call(scene.front, &register_call(&other)).returned);
        let mut changed = good.clone();
        changed[1].model_id = model_id(&other);
        let call = batch_call(&changed, &proof, false);
        let statement = U256::from(1);
        refused(scene, &call, I::BatchMixed { statement });
    }
    // A model of direct mode is in no batch.
    let direct = fitted(I::Model {
        mode: I::Mode::Direct,
        keyDigest: U256::ZERO,
        ..models[0].clone()
    });
    assert!(scene.call(scene.front, &register_call(&direct)).returned);
    let alone = inference(&direct, Fr::from(CONTEXT));
    let call = batch_call(&[alone], &proof, false);
    let statement = U256::ZERO;
    refused(&mut scene, &call, I::BatchMixed { statement });
}

#[test]
pub fn a_batch_has_one_encoding() {
    let (mut scene, _, good) = batch(2);
    let call = batch_call(&good, &proof(), false);
    assert!(scene.call(scene.front, &call).returned);
    let noncanonical = I::CalldataNotCanonical {};
    for more in 1..=64usize {
        let mut bad = call.clone();
        bad.resize(call.len() + more, 0);
        refused(&mut scene, &bad, noncanonical.clone());
    }
    // Offsets, each moved with all that is behind it: of statements and proof, of each statement, of its bytes. The
    // moved word is in front of what it points to, so that nothing else need change but what is behind.
    let word_at =
        |data: &[u8], at: usize| usize::try_from(U256::from_be_slice(&data[at..at + 32])).unwrap();
    let statements = 4 + word_at(&call, 4) + 32;
    let starts: Vec<usize> = (0..2)
        .map(|i| statements + word_at(&call, statements + 32 * i))
        .collect();
    // Where each offset stands, and what it counts from.
    let mut offsets = vec![(4, 4), (36, 4)];
    for (i, start) in starts.iter().enumerate() {
        offsets.push((statements + 32 * i, statements));
        offsets.extend([(start + 64, *start), (start + 96, *start)]);
    }
    for &(at, from) in &offsets {
        let target = from + word_at(&call, at);
        for by in [32, 64, 1] {
            let mut bad = call.clone();
            for &(other, base) in &offsets {
                let points = base + word_at(&call, other);
                // What stands before the gap, or counts from behind it, stays.
                if points >= target && base < target {
                    let moved = U256::from(word_at(&call, other) + by);
                    bad[other..other + 32].copy_from_slice(&moved.to_be_bytes::<32>());
                }
            }
            bad.splice(target..target, vec![0; by]);
            refused(&mut scene, &bad, noncanonical.clone());
        }
    }
    for at in 0..call.len() {
        let mut bad = call.clone();
        bad[at] ^= 1 << (at % 8);
        assert!(!scene.call(scene.front, &bad).returned, "byte {at}");
    }
}

/// What a statement's offset points to is in its place: not within the proof, whose bytes are the caller's, with offsets
/// from there that lead back to the statement's input and output.
#[test]
pub fn a_statement_does_not_stand_within_the_proof() {
    let mut scene = Scene::new(Fork::Osaka);
    let (verifier, code) = (Address::repeat_byte(7), slots::accepting());
    scene.chain.set_code(verifier, &code);
    let mut model = classifier(verifier, keccak256(&code), Some(Fr::from(6)), Fr::from(5));
    model.slots = vec![model.slots[0]; 2];
    assert!(scene.call(scene.front, &register_call(&model)).returned);
    let stated = vec![inference(&model, Fr::from(CONTEXT)); 2];
    // A head has four words.
    let call = batch_call(&stated, &[0; 128], false);
    assert!(scene.call(scene.front, &call).returned);
    let word_at = |at: usize| U256::from_be_slice(&call[at..at + 32]);
    let (statements, head) = (4 + 3 * 32, call.len() - 128);
    for offset in [statements, statements + 32] {
        let start = statements + usize::try_from(word_at(offset)).unwrap();
        let mut moved = call.clone();
        moved.copy_within(start..start + 128, head);
        for tail in [64, 96] {
            let from = |start: usize| (start + tail..start + tail + 32, U256::from(start));
            let ((there, _), (here, to)) = (from(start), from(head));
            let points = U256::from(start) + word_at(there.start);
            moved[here].copy_from_slice(&points.wrapping_sub(to).to_be_bytes::<32>());
        }
        let points = U256::from(head - statements).to_be_bytes::<32>();
        moved[offset..offset + 32].copy_from_slice(&points);
        refused(&mut scene, &moved, I::CalldataNotCanonical {});
    }
}

/// Models of one verifier may have other tensors: only what they say of the verifier is compared.
#[test]
pub fn a_batch_has_models_of_other_tensors() {
    let mut scene = Scene::new(Fork::Osaka);
    let (verifier, code) = (Address::repeat_byte(7), slots::accepting());
    scene.chain.set_code(verifier, &code);
    let stated: Vec<Inference> = [-1024, -1000]
        .into_iter()
        .map(|lo| {
            let key = Some(Fr::from(6));
            let mut model = classifier(verifier, keccak256(&code), key, Fr::from(5));
            model.inputs[0].lo = lo;
            model.slots = vec![model.slots[0]; 2];
            assert!(scene.call(scene.front, &register_call(&model)).returned);
            inference(&model, Fr::from(CONTEXT))
        })
        .collect();
    assert_ne!(stated[0].model_id, stated[1].model_id);
    let outcome = scene.call(scene.front, &batch_call(&stated, &[7; 500], false));
    assert!(outcome.returned, "{}", reason(&outcome));
}
