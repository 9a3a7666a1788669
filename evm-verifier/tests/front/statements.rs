//! Statements that are accepted, and near ones that are not.

use super::*;

#[test]
pub fn a_proof_is_accepted_and_an_event_says_so() {
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
pub fn another_statement_is_rejected() {
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
        let other = fitted(other);
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
pub fn elements_out_of_range_and_wrong_lengths_are_named() {
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
pub fn calldata_has_one_encoding() {
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
pub fn every_bit_of_the_calldata_counts() {
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
