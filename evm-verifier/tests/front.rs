//! The typed front with direct proofs: what is accepted, what is refused, and why it says so.

#![allow(clippy::unwrap_used, clippy::panic)] // A test fails by panicking.

mod support;

use alloy_sol_types::{SolCall, SolError};
use halo2_proofs::halo2curves::bn256::Fr;
use rand::{rngs::StdRng, Rng, SeedableRng};
use revm::primitives::{Address, B256, U256};
use support::{
    classifier, element, inference, order, outcome, pack, picture, public, reason, Direct, Scene,
    ALICE,
};
use zkml_evm_verifier::{
    exec::{Call, Fork},
    front::{
        encode_elements, event, model_id, register_call, verify_call, word, Event,
        IModelVerifier as I,
        IModelVerifier::{Model, Tensor, Visibility},
        Inference,
    },
};

const CONTEXT: u64 = 0x2a;

fn scene(fork: Fork) -> (Scene, Model) {
    let direct = Direct::get();
    let mut scene = Scene::new(fork);
    let model = scene.register(&direct.code, |verifier, hash| {
        classifier(verifier, hash, None, direct.commitment())
    });
    (scene, model)
}

fn proof() -> Vec<u8> {
    Direct::get().prove(Fr::from(CONTEXT))
}

/// The call reverts with this error.
fn refused<E: SolError + std::fmt::Debug + PartialEq>(
    scene: &mut Scene,
    calldata: &[u8],
    expected: E,
) {
    let outcome = scene.call(scene.front, calldata);
    assert!(!outcome.returned, "accepted, expected {expected:?}");
    assert_eq!(
        E::abi_decode(&outcome.output).unwrap_or_else(|_| panic!("{}", reason(&outcome))),
        expected
    );
    assert!(!reason(&outcome).contains("unknown"));
}

fn rejected(reason: &str) -> I::ProofRejected {
    let hash = revm::primitives::keccak256(reason);
    I::ProofRejected {
        reason: hash[..4].try_into().unwrap(),
    }
}

#[test]
fn a_proof_is_accepted_and_an_event_says_so() {
    for fork in Fork::ALL {
        let (mut scene, model) = scene(fork);
        let good = inference(&model, Fr::from(CONTEXT));
        let view = scene.call(scene.front, &verify_call(&good, &proof(), false));
        assert!(view.returned, "{}", reason(&view));
        assert!(view.output.is_empty() && view.logs.is_empty());
        println!("{fork}: {:?}", view.gas);
        let sent = scene.call(scene.front, &verify_call(&good, &proof(), true));
        assert!(sent.returned, "{}", reason(&sent));
        let log = &sent.logs[0];
        let Some(Event::Verified(verified)) = event(log.topics(), &log.data.data) else {
            panic!("{log:?}");
        };
        assert_eq!(verified.modelId, model_id(&model));
        assert_eq!(verified.context, U256::from(CONTEXT));
        assert_eq!(verified.sender, ALICE);
        assert_eq!(verified.inputHash, revm::primitives::keccak256(&good.input));
        assert_eq!(verified.output.as_ref(), good.output);
        println!("submit, {fork}: {:?}", sent.gas);
    }
}

#[test]
fn another_statement_is_rejected() {
    let (mut scene, model) = scene(Fork::Osaka);
    let proof = proof();
    let good = inference(&model, Fr::from(CONTEXT));
    let mut bad = Vec::new();
    for at in [1, 313, 2 * 783 + 1] {
        let mut changed = good.clone();
        changed.input[at] ^= 1;
        bad.push(changed);
    }
    for at in [3, 7, 39] {
        let mut changed = good.clone();
        changed.output[at] ^= 1;
        bad.push(changed);
    }
    bad.push(Inference {
        context: Fr::from(CONTEXT + 1),
        ..good.clone()
    });
    for bad in bad {
        let call = verify_call(&bad, &proof, false);
        refused(&mut scene, &call, rejected("InvalidProof()"));
    }
    // The same circuit with another commitment, and with the order of scores exchanged for that of
    // another shape of equal length.
    for change in [
        |model: &mut Model| model.commitment += U256::from(1),
        |model: &mut Model| model.outputs[0].words = 5,
        |model: &mut Model| model.inputs[0].lo += 1,
    ] {
        let mut other = model.clone();
        change(&mut other);
        let outcome = scene.call(scene.front, &register_call(&other));
        assert!(outcome.returned);
        let call = verify_call(&inference(&other, Fr::from(CONTEXT)), &proof, false);
        let outcome = scene.call(scene.front, &call);
        assert!(
            reason(&outcome).contains("proof rejected"),
            "{}",
            reason(&outcome)
        );
    }
    let mut unknown = good;
    unknown.model_id = B256::repeat_byte(7);
    let call = verify_call(&unknown, &proof, false);
    let model_id = unknown.model_id;
    refused(&mut scene, &call, I::UnknownModel { modelId: model_id });
}

#[test]
fn elements_out_of_range_and_wrong_lengths_are_named() {
    let (mut scene, model) = scene(Fork::Osaka);
    let proof = proof();
    let good = inference(&model, Fr::from(CONTEXT));
    let mut check = |bad: &Inference, element: u64, tensor: u64| {
        let call = verify_call(bad, &proof, false);
        let (tensor, element) = (U256::from(tensor), U256::from(element));
        refused(&mut scene, &call, I::ElementOutOfRange { tensor, element });
    };
    // x + 2^bits would carry into the next element's bits.
    for index in [0usize, 17, 400, 783] {
        for value in [
            1024i16,
            -1025,
            i16::MAX,
            i16::MIN,
            picture()[index] as i16 + 2048,
        ] {
            let mut bad = good.clone();
            bad.input[2 * index..2 * index + 2].copy_from_slice(&value.to_be_bytes());
            check(&bad, index as u64, 0);
        }
    }
    for index in [0usize, 9] {
        for value in [
            1i32 << 23,
            -(1 << 23) - 1,
            outcome()[index] as i32 + (1 << 24),
        ] {
            let mut bad = good.clone();
            bad.output[4 * index..4 * index + 4].copy_from_slice(&value.to_be_bytes());
            check(&bad, index as u64, 1);
        }
    }
    for more in 1..=64usize {
        let mut bad = good.clone();
        bad.input.resize(1568 + more, 0);
        let (expected, got) = (U256::from(1568), U256::from(1568 + more));
        let call = verify_call(&bad, &proof, false);
        refused(&mut scene, &call, I::InputLength { expected, got });
        bad.input.truncate(1568 - more);
        let got = U256::from(1568 - more);
        let call = verify_call(&bad, &proof, false);
        refused(&mut scene, &call, I::InputLength { expected, got });
        let mut bad = good.clone();
        bad.output.resize(40 + more, 0);
        let (expected, got) = (U256::from(40), U256::from(40 + more));
        let call = verify_call(&bad, &proof, false);
        refused(&mut scene, &call, I::OutputLength { expected, got });
        bad.output.truncate(40usize.saturating_sub(more));
        let got = U256::from(40usize.saturating_sub(more));
        let call = verify_call(&bad, &proof, false);
        refused(&mut scene, &call, I::OutputLength { expected, got });
        let mut longer = proof.clone();
        longer.resize(proof.len() + more, 0);
        for bad in [&longer[..], &proof[..proof.len() - more]] {
            let call = verify_call(&good, bad, false);
            refused(&mut scene, &call, rejected("CalldataLength()"));
        }
    }
    let call = verify_call(&good, &[], false);
    refused(&mut scene, &call, rejected("CalldataLength()"));
}

#[test]
fn calldata_has_one_encoding() {
    let (mut scene, model) = scene(Fork::Osaka);
    let good = inference(&model, Fr::from(CONTEXT));
    let call = verify_call(&good, &proof(), false);
    assert!(scene.call(scene.front, &call).returned);
    let noncanonical = I::CalldataNotCanonical {};
    // Behind the end.
    for more in 1..=64usize {
        for byte in [0, 1] {
            let mut bad = call.clone();
            bad.resize(call.len() + more, byte);
            refused(&mut scene, &bad, noncanonical.clone());
        }
    }
    // The padding of the output, which has 40 bytes.
    let output = 4 + 5 * 32 + 32 + 1568 + 32;
    assert_eq!(call[output..output + 40], good.output);
    for byte in 40..64 {
        let mut bad = call.clone();
        bad[output + byte] = 1;
        refused(&mut scene, &bad, noncanonical.clone());
    }
    // Each offset, moved by a word and more, with all that follows moved likewise or not.
    for offset in [2usize, 3, 4] {
        for by in [32u64, 64, 1] {
            let at = 4 + 32 * offset;
            let mut bad = call.clone();
            let moved = U256::from_be_slice(&bad[at..at + 32]) + U256::from(by);
            bad[at..at + 32].copy_from_slice(&moved.to_be_bytes::<32>());
            let outcome = scene.call(scene.front, &bad);
            assert!(!outcome.returned, "offset {offset} moved by {by}");
            let start = 4 + usize::try_from(moved - U256::from(by)).unwrap();
            let mut bad = bad.clone();
            bad.splice(start..start, vec![0; by as usize]);
            for later in offset + 1..5 {
                let at = 4 + 32 * later;
                let moved = U256::from_be_slice(&bad[at..at + 32]) + U256::from(by);
                bad[at..at + 32].copy_from_slice(&moved.to_be_bytes::<32>());
            }
            refused(&mut scene, &bad, noncanonical.clone());
        }
    }
    // Input and output at one place.
    let mut bad = call.clone();
    let (input, output) = (4 + 64, 4 + 96);
    let at: [u8; 32] = bad[input..input + 32].try_into().unwrap();
    bad[output..output + 32].copy_from_slice(&at);
    refused(&mut scene, &bad, noncanonical);
    // No such function, no function at all.
    for bad in [&[][..], &call[..3], &[1, 2, 3, 4], &call[..call.len() / 2]] {
        assert!(!scene.call(scene.front, bad).returned);
    }
    let mut bad = call.clone();
    bad[0] ^= 1;
    assert!(!scene.call(scene.front, &bad).returned);
}

#[test]
fn every_bit_of_the_calldata_counts() {
    let (scene, model) = scene(Fork::Osaka);
    let good = inference(&model, Fr::from(CONTEXT));
    let call = verify_call(&good, &proof(), false);
    use rayon::prelude::*;
    // Every byte, with one bit of it, and with all of them.
    (0..call.len())
        .into_par_iter()
        .for_each_with(scene, |scene, at| {
            for mask in [1 << (at % 8), 0xff] {
                let mut bad = call.clone();
                bad[at] ^= mask;
                let outcome = scene.call(scene.front, &bad);
                assert!(!outcome.returned, "byte {at} ^ {mask:#x}");
            }
        });
}

#[test]
fn contexts_and_digests_are_canonical() {
    let (mut scene, model) = scene(Fork::Osaka);
    let good = inference(&model, Fr::from(CONTEXT));
    let mut call = verify_call(&good, &proof(), false);
    let context = U256::from(CONTEXT) + order();
    call[36..68].copy_from_slice(&context.to_be_bytes::<32>());
    refused(&mut scene, &call, I::ContextNotCanonical { context });
    // A model with a hashed and a private tensor.
    let mut other = model;
    let hidden = |visibility| Tensor {
        visibility,
        ..public(0, 0, 0, 0)
    };
    other.inputs = vec![hidden(Visibility::Private), hidden(Visibility::Hashed)];
    assert!(scene.call(scene.front, &register_call(&other)).returned);
    let mut inference = inference_of(&other, &[], &[outcome()]);
    inference.input = order().to_be_bytes::<32>().to_vec();
    let call = verify_call(&inference, &proof(), false);
    let tensor = U256::from(1);
    refused(&mut scene, &call, I::DigestNotCanonical { tensor });
    inference.input = (order() - U256::from(1)).to_be_bytes::<32>().to_vec();
    let values = public_values(&mut scene, &inference);
    assert_eq!(
        values[..3],
        [other.commitment, U256::ZERO, order() - U256::from(1)]
    );
    assert_eq!(values[3..], pack(&other.outputs[0], &outcome()));
}

fn inference_of(model: &Model, inputs: &[Vec<i64>], outputs: &[Vec<i64>]) -> Inference {
    let encode = |tensors: &[Tensor], values: &[Vec<i64>]| {
        let pairs = tensors.iter().zip(values);
        pairs
            .flat_map(|(tensor, values)| encode_elements(tensor, values, "tensor").unwrap())
            .collect()
    };
    Inference {
        model_id: model_id(model),
        context: Fr::zero(),
        input: encode(&model.inputs, inputs),
        output: encode(&model.outputs, outputs),
    }
}

fn public_values(scene: &mut Scene, inference: &Inference) -> Vec<U256> {
    let call = I::publicValuesCall {
        modelId: inference.model_id,
        context: word(inference.context),
        input: inference.input.clone().into(),
        output: inference.output.clone().into(),
    };
    let outcome = scene.call(scene.front, &call.abi_encode());
    assert!(outcome.returned, "{}", reason(&outcome));
    I::publicValuesCall::abi_decode_returns(&outcome.output).unwrap()
}

#[test]
fn tensors_of_all_widths_are_packed_as_documented() {
    let (mut scene, model) = scene(Fork::Osaka);
    let mut rng = StdRng::seed_from_u64(5);
    let mut tensors: Vec<Tensor> = (1..=64)
        .map(|bits| {
            let elements = rng.gen_range(1..200);
            public(elements, 0, bits, rng.gen_range(1..=60))
        })
        .collect();
    // Many segments in groups, one segment, fewer elements than words, larger than memory's words.
    tensors.extend([
        public(1000, -5, 9, 3),
        public(64, 3, 6, 64),
        public(1, -1, 1, 7),
        public(5000, -128, 8, 2500),
        public(300, i64::MIN, 64, 7),
        public(10, -70, 4, 3),
    ]);
    for (i, mut tensor) in tensors.into_iter().enumerate() {
        let (bits, span) = (tensor.bits, 1i128 << tensor.bits);
        if i < 64 {
            // Below, around and above zero.
            let lo = match i % 3 {
                0 => -(span / 2),
                1 => rng.gen_range(-span..=0).max(i64::MIN.into()),
                _ => rng.gen_range(0..1000).min((1i128 << 63) - span),
            };
            tensor.lo = i64::try_from(lo).unwrap();
        }
        let lo = i128::from(tensor.lo);
        let hi = (lo + span - 1).min(i64::MAX.into());
        let mut values: Vec<i64> = (0..tensor.elements)
            .map(|_| i64::try_from(rng.gen_range(lo..=hi)).unwrap())
            .collect();
        values[0] = tensor.lo;
        if let Some(last) = values.last_mut() {
            *last = i64::try_from(hi).unwrap();
        }
        // Beside another tensor, so that what is overwritten behind the words is seen.
        let mut other = model.clone();
        other.inputs = vec![tensor.clone(), public(3, 0, 8, 1)];
        other.outputs = vec![tensor.clone()];
        assert!(scene.call(scene.front, &register_call(&other)).returned);
        let inference = inference_of(
            &other,
            &[values.clone(), vec![1, 2, 255]],
            &[values.clone()],
        );
        let words = pack(&tensor, &values);
        if lo + span > 0 || tensor.elements % tensor.words == 0 {
            let mut expected = vec![other.commitment, U256::ZERO];
            expected.extend(&words);
            expected.push(U256::from(1 + (2 << 8) + (255 << 16)));
            expected.extend(&words);
            assert_eq!(
                public_values(&mut scene, &inference),
                expected,
                "{bits} bits, {tensor:?}"
            );
        }
        // Every element alone, one too large and one too small, where the bytes can say so.
        let width = zkml_evm_verifier::front::element_bytes(bits);
        if usize::from(bits) < 8 * width {
            for at in [
                0,
                tensor.elements as usize / 2,
                tensor.elements as usize - 1,
            ] {
                for value in [lo + span, lo - 1] {
                    let mut bad = inference.clone();
                    let bytes = value.to_be_bytes();
                    bad.output[at * width..(at + 1) * width].copy_from_slice(&bytes[16 - width..]);
                    let call = verify_call(&bad, &[], false);
                    let (tensor, element) = (U256::from(2), U256::from(at));
                    refused(&mut scene, &call, I::ElementOutOfRange { tensor, element });
                }
            }
        }
    }
}

#[test]
fn registration_is_by_content() {
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
    for (i, tensor) in [
        public(0, 0, 8, 1),
        public(1, 0, 0, 1),
        public(1, 0, 65, 1),
        public(1, 0, 8, 0),
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
fn the_verifier_is_pinned() {
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
fn what_is_no_verdict_is_no_rejection() {
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
fn elements_are_written_in_as_few_bytes_as_hold_them() {
    let tensor = public(3, -5, 8, 1);
    assert_eq!(
        encode_elements(&tensor, &[-5, 250, 0], "x").unwrap(),
        [251, 250, 0]
    );
    assert!(encode_elements(&tensor, &[-6, 0, 0], "x").is_err());
    assert!(encode_elements(&tensor, &[251, 0, 0], "x").is_err());
    assert!(encode_elements(&tensor, &[0, 0], "x").is_err());
    assert_eq!(element(U256::from(7)), Fr::from(7));
}
