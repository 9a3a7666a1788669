//! What a model is registered under, and the verifier that it names.

use super::*;

#[test]
pub fn registration_is_by_content() {
    let (mut scene, model) = scene(Fork::Osaka);
    let id = model_id(&model);
    // Again: nothing happens.
    let again = scene.call(scene.front, &register_call(&model));
    assert!(again.returned && again.logs.is_empty());
    let get = I::getModelCall { modelId: id }.abi_encode();
    let outcome = scene.call(scene.front, &get);
    let stored = I::getModelCall::abi_decode_returns(&outcome.output).unwrap();
    assert_eq!(stored, model);
    let is = I::isRegisteredCall { modelId: id }.abi_encode();
    assert_eq!(scene.call(scene.front, &is).output[31], 1);
    let model_id = B256::repeat_byte(1);
    let is = I::isRegisteredCall { modelId: model_id }.abi_encode();
    assert_eq!(scene.call(scene.front, &is).output[31], 0);
    let get = I::getModelCall { modelId: model_id }.abi_encode();
    refused(&mut scene, &get, I::UnknownModel { modelId: model_id });

    let with = |change: &dyn Fn(&mut Model)| {
        let mut bad = model.clone();
        change(&mut bad);
        register_call(&bad)
    };
    let commitment = order();
    let call = with(&|model| model.commitment = commitment);
    refused(&mut scene, &call, I::CommitmentNotCanonical { commitment });
    let key_digest = U256::from(1);
    let call = with(&|model| model.keyDigest = key_digest);
    refused(
        &mut scene,
        &call,
        I::KeyDigestInvalid {
            keyDigest: key_digest,
        },
    );
    let key_digest = order();
    let call = with(&|model| {
        model.mode = I::Mode::Aggregated;
        model.keyDigest = key_digest;
    });
    refused(
        &mut scene,
        &call,
        I::KeyDigestInvalid {
            keyDigest: key_digest,
        },
    );
    // Slots: none, too many, and none that a statement fills.
    let slot = model.slots[0];
    for slots in [vec![], vec![slot; 2]] {
        let call = with(&|model| model.slots = slots.clone());
        let slots = U256::from(slots.len());
        refused(&mut scene, &call, I::SlotsInvalid { slots });
    }
    let aggregated = |slots: Vec<u16>| {
        with(&|model| {
            model.mode = I::Mode::Aggregated;
            model.slots = slots.clone();
        })
    };
    let slots = U256::from(257);
    let call = aggregated(vec![slot + 1; 257]);
    refused(&mut scene, &call, I::SlotsInvalid { slots });
    let words = U256::from(slot);
    for slots in [vec![slot - 1], vec![slot + 1]] {
        let call = with(&|model| model.slots = slots.clone());
        refused(&mut scene, &call, I::NoSlot { words });
    }
    let words = U256::from(slot + 1);
    let call = aggregated(vec![slot; 17]);
    refused(&mut scene, &call, I::NoSlot { words });
    // Any one of many is enough, and all are kept.
    for count in [1, 15, 16, 17, 256] {
        let mut many = model.clone();
        many.mode = I::Mode::Aggregated;
        many.slots = (0..count).collect();
        many.slots[usize::from(count / 2)] = slot + 1;
        assert!(scene.call(scene.front, &register_call(&many)).returned);
        let model_id = zkml_evm_verifier::front::model_id(&many);
        let get = I::getModelCall { modelId: model_id }.abi_encode();
        let outcome = scene.call(scene.front, &get);
        let stored = I::getModelCall::abi_decode_returns(&outcome.output).unwrap();
        assert_eq!(stored, many);
    }
    for (i, tensor) in [
        public(0, 0, 8, 1),
        public(1, 0, 0, 1),
        public(1, 0, 65, 1),
        public(1, 0, 8, 0),
        public(508, 0, 1, 2),
        public(4, 0, 64, 1),
        Tensor {
            visibility: Visibility::Hashed,
            ..public(1, 0, 0, 0)
        },
        Tensor {
            visibility: Visibility::Private,
            ..public(0, -1, 0, 0)
        },
    ]
    .into_iter()
    .enumerate()
    {
        let output = i % 2 == 1;
        let call = with(&|model| match output {
            true => model.outputs = vec![tensor.clone()],
            false => model.inputs[0] = tensor.clone(),
        });
        let tensor = U256::from(u8::from(output));
        refused(&mut scene, &call, I::TensorInvalid { tensor });
    }
}

#[test]
pub fn the_verifier_is_pinned() {
    let (mut scene, model) = scene(Fork::Osaka);
    let good = verify_call(&inference(&model, Fr::from(CONTEXT)), &proof(), false);
    let verifier = model.verifier;
    // At registration.
    let mut other = model.clone();
    other.verifier = Address::repeat_byte(9);
    let call = register_call(&other);
    refused(
        &mut scene,
        &call,
        I::VerifierHasNoCode {
            verifier: other.verifier,
        },
    );
    scene.chain.set_balance(other.verifier, U256::from(1));
    refused(
        &mut scene,
        &call,
        I::VerifierHasNoCode {
            verifier: other.verifier,
        },
    );
    let mut other = model.clone();
    other.codeHash = B256::repeat_byte(1);
    let call = register_call(&other);
    let (expected, got) = (other.codeHash, model.codeHash);
    refused(
        &mut scene,
        &call,
        I::CodeHashMismatch {
            verifier,
            expected,
            got,
        },
    );
    // An account that delegates to the verifier has no code of its own.
    let delegate = Address::repeat_byte(8);
    let designator = [&[0xef, 1, 0][..], verifier.as_slice()].concat();
    scene.chain.set_code(delegate, &designator);
    let mut other = model.clone();
    other.verifier = delegate;
    other.codeHash = revm::primitives::keccak256(&designator);
    let call = register_call(&other);
    refused(
        &mut scene,
        &call,
        I::VerifierHasNoCode { verifier: delegate },
    );

    // At verification.
    assert!(scene.call(scene.front, &good).returned);
    let mut changed = Direct::get().code.runtime.clone();
    changed.push(0);
    scene.chain.set_code(verifier, &changed);
    let (expected, got) = (model.codeHash, revm::primitives::keccak256(&changed));
    refused(
        &mut scene,
        &good,
        I::CodeHashMismatch {
            verifier,
            expected,
            got,
        },
    );
    scene.chain.set_code(verifier, &[]);
    refused(&mut scene, &good, I::VerifierHasNoCode { verifier });
}

#[test]
pub fn what_is_no_verdict_is_no_rejection() {
    let (mut scene, model) = scene(Fork::Osaka);
    let good = verify_call(&inference(&model, Fr::from(CONTEXT)), &proof(), false);
    let used = scene.call(scene.front, &good).gas.total;
    let mut failed = 0;
    for limit in (60_000..used).step_by(4_000) {
        let outcome = scene.chain.send(&Call {
            from: ALICE,
            to: scene.front,
            value: 0,
            calldata: &good,
            gas: limit,
        });
        let outcome = match outcome {
            Ok(outcome) => outcome,
            // Less than the floor of the calldata's price.
            Err(_) => continue,
        };
        assert!(!outcome.returned, "{limit}");
        // Out of gas here, or in the verifier or a precompile: never a rejection.
        assert!(
            outcome.output.is_empty() || I::VerifierFailed::abi_decode(&outcome.output).is_ok(),
            "{limit}: {}",
            reason(&outcome)
        );
        failed += usize::from(!outcome.output.is_empty());
    }
    assert!(failed > 0);
    // Verifiers that are none: one returns nothing, one another word, one reverts with nothing, one with
    // text, one burns all gas.
    let word = |value: u8| vec![0x60, value, 0x5f, 0x52, 0x60, 32, 0x5f, 0xf3];
    for code in [
        vec![0x5f, 0x5f, 0xf3],
        word(2),
        vec![0x5f, 0x5f, 0xfd],
        vec![0x60, 5, 0x5f, 0xfd],
        vec![0xfe],
    ] {
        let verifier = Address::repeat_byte(3);
        scene.chain.set_code(verifier, &code);
        let mut other = model.clone();
        other.verifier = verifier;
        other.codeHash = revm::primitives::keccak256(&code);
        assert!(scene.call(scene.front, &register_call(&other)).returned);
        let call = verify_call(&inference(&other, Fr::from(CONTEXT)), &proof(), false);
        refused(&mut scene, &call, I::VerifierFailed {});
        let outcome = scene.call(scene.front, &call);
        assert!(outcome.gas.total < 5_500_000, "{:?}", outcome.gas);
    }
}

#[test]
pub fn records_are_bounded() {
    let (mut scene, model) = scene(Fork::Osaka);
    let hashed = Tensor {
        visibility: Visibility::Hashed,
        ..public(0, 0, 0, 0)
    };
    // As many tensors as a record may have, and one more.
    for (inputs, outputs, wrong) in [
        (256, 256, None),
        (257, 1, Some(256)),
        (1, 257, Some(1 + 256)),
        (3, 257, Some(3 + 256)),
    ] {
        let other = fitted(Model {
            inputs: vec![hashed.clone(); inputs],
            outputs: vec![hashed.clone(); outputs],
            ..model.clone()
        });
        let call = register_call(&other);
        match wrong {
            Some(tensor) => {
                let tensor = U256::from(tensor);
                refused(&mut scene, &call, I::TensorInvalid { tensor });
            }
            None => {
                let outcome = scene.call(scene.front, &call);
                assert!(outcome.returned, "{}", reason(&outcome));
                let get = I::getModelCall {
                    modelId: model_id(&other),
                };
                let outcome = scene.call(scene.front, &get.abi_encode());
                let stored = I::getModelCall::abi_decode_returns(&outcome.output).unwrap();
                assert_eq!(stored, other);
            }
        }
    }
    // Elements of which 253 bits just fit a word; the largest commitment and key.
    let largest = order() - U256::from(1);
    let accepted = fitted(Model {
        inputs: vec![
            public(253, 0, 1, 1),
            public(23, -9, 11, 1),
            public(3, 0, 64, 1),
        ],
        outputs: vec![public(253 * 0xff00, i64::MIN, 1, 0xff00)],
        commitment: largest,
        mode: I::Mode::Aggregated,
        keyDigest: largest,
        ..model.clone()
    });
    let outcome = scene.call(scene.front, &register_call(&accepted));
    assert!(outcome.returned, "{}", reason(&outcome));
    let registered = event(outcome.logs[0].topics(), &outcome.logs[0].data.data);
    let Some(Event::Registered(registered)) = registered else {
        panic!("{:?}", outcome.logs);
    };
    assert_eq!(registered.modelId, model_id(&accepted));
    assert_eq!(registered.verifier, accepted.verifier);
    assert_eq!(registered.commitment, largest);
    let get = I::getModelCall {
        modelId: model_id(&accepted),
    };
    let outcome = scene.call(scene.front, &get.abi_encode());
    let stored = I::getModelCall::abi_decode_returns(&outcome.output).unwrap();
    assert_eq!(stored, accepted);
    // One bit too many in a word; each field of a tensor that is not public.
    for tensor in [public(254, 0, 1, 1), public(24, -9, 11, 1)] {
        let mut bad = model.clone();
        bad.inputs[0] = tensor;
        let tensor = U256::ZERO;
        refused(
            &mut scene,
            &register_call(&bad),
            I::TensorInvalid { tensor },
        );
    }
    for visibility in [Visibility::Hashed, Visibility::Private] {
        for (elements, lo, bits, words) in [(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)]
        {
            let mut bad = model.clone();
            bad.outputs[0] = Tensor {
                visibility,
                ..public(elements, lo, bits, words)
            };
            let tensor = U256::from(1);
            refused(
                &mut scene,
                &register_call(&bad),
                I::TensorInvalid { tensor },
            );
        }
    }
}
