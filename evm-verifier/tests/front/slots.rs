//! The slots of a verifier, and what may stand in one batch.

use super::*;
use revm::primitives::keccak256;
use zkml_evm_verifier::front::batch_call;

/// Code that accepts whatever it is given.
pub fn accepting() -> Vec<u8> {
    vec![0x60, 1, 0x5f, 0x52, 0x60, 32, 0x5f, 0xf3]
}

pub fn hidden(visibility: Visibility) -> Tensor {
    Tensor {
        visibility,
        ..public(0, 0, 0, 0)
    }
}

/// A model of hashed tensors in aggregated mode: of statements of four words, or of six.
fn model(verifier: Address, slots: &[u16], long: bool) -> Model {
    let digest = hidden(Visibility::Hashed);
    let (inputs, outputs) = match long {
        true => (vec![digest.clone(); 2], vec![digest]),
        false => (vec![digest], vec![]),
    };
    Model {
        verifier,
        codeHash: keccak256(accepting()),
        mode: I::Mode::Aggregated,
        slots: slots.to_vec(),
        keyDigest: U256::from(8),
        commitment: U256::from(9),
        inputs,
        outputs,
    }
}

fn stated(model: &Model) -> Inference {
    Inference {
        model_id: model_id(model),
        context: Fr::from(CONTEXT),
        input: vec![1; 32 * model.inputs.len()],
        output: vec![2; 32 * model.outputs.len()],
    }
}

#[test]
pub fn each_statement_fills_its_slot() {
    let mut scene = Scene::new(Fork::Osaka);
    let verifiers = [3, 4].map(Address::repeat_byte);
    for verifier in verifiers {
        scene.chain.set_code(verifier, &accepting());
    }
    let mut known = |model: Model| {
        let outcome = scene.call(scene.front, &register_call(&model));
        assert!(outcome.returned, "{}", reason(&outcome));
        stated(&model)
    };
    // More slots than a word of a record holds, of two lengths.
    let slots: Vec<u16> = (0..17).map(|i| [4, 6][i % 2]).collect();
    let [short, long] = [false, true].map(|long| known(model(verifiers[0], &slots, long)));
    let elsewhere = known(model(verifiers[1], &slots, true));
    let others = [1, 15, 16].map(|at| {
        let mut other = slots.clone();
        other[at] = 5;
        known(model(verifiers[0], &other, true))
    });
    let fewer = known(model(verifiers[0], &slots[..16], true));
    let two = known(model(verifiers[0], &[6, 4], false));
    let good: Vec<Inference> = (0..17).map(|i| [&short, &long][i % 2].clone()).collect();
    let outcome = scene.call(scene.front, &batch_call(&good, &[], false));
    assert!(outcome.returned, "{}", reason(&outcome));

    for at in [0, 1, 15, 16] {
        let mut bad = good.clone();
        bad[at] = [&long, &short][at % 2].clone();
        let [expected, got] = [[4, 6], [6, 4]][at % 2].map(U256::from);
        let slot = U256::from(at);
        let error = I::SlotMismatch {
            slot,
            expected,
            got,
        };
        refused(&mut scene, &batch_call(&bad, &[], false), error);
    }
    // The same code at another address; other slots; fewer; all of them models that fit where they stand.
    for other in others.iter().chain([&elsewhere, &fewer]) {
        let mut bad = good.clone();
        bad[3] = other.clone();
        let statement = U256::from(3);
        refused(
            &mut scene,
            &batch_call(&bad, &[], false),
            I::BatchMixed { statement },
        );
    }
    // Fewer statements than slots, and more.
    for count in [1, 16, 18] {
        let bad: Vec<Inference> = good.iter().cycle().take(count).cloned().collect();
        let [expected, got] = [17, count].map(U256::from);
        let error = I::StatementCount { expected, got };
        refused(&mut scene, &batch_call(&bad, &[], false), error);
    }
    // No statement stands alone for a verifier of more.
    for (alone, slots) in [(&two, 2), (&short, 17)] {
        let [expected, got] = [slots, 1].map(U256::from);
        let error = I::StatementCount { expected, got };
        refused(&mut scene, &verify_call(alone, &[], false), error);
    }
    // Nor one that is of another slot's length, where there is one slot only.
    let [expected, got] = [6, 4].map(U256::from);
    let slot = U256::ZERO;
    let error = I::SlotMismatch {
        slot,
        expected,
        got,
    };
    refused(
        &mut scene,
        &batch_call(&[two.clone(), two], &[], false),
        error,
    );
}

#[test]
pub fn every_length_has_one_encoding() {
    let mut scene = Scene::new(Fork::Osaka);
    let verifier = Address::repeat_byte(3);
    scene.chain.set_code(verifier, &accepting());
    for length in [1, 2, 15, 16, 17, 30, 31, 32, 33, 34, 63, 64, 65usize] {
        let bytes = u32::try_from(length).unwrap();
        let tensor = public(bytes, 0, 8, bytes.div_ceil(31));
        let model = fitted(Model {
            inputs: vec![tensor.clone()],
            outputs: vec![tensor],
            ..model(verifier, &[], false)
        });
        assert!(scene.call(scene.front, &register_call(&model)).returned);
        let good = Inference {
            model_id: model_id(&model),
            context: Fr::from(CONTEXT),
            input: vec![0xff; length],
            output: vec![0xff; length],
        };
        let proof = vec![0xffu8; length];
        let padding = length.next_multiple_of(32) - length;
        for call in [
            verify_call(&good, &proof, false),
            batch_call(&[good], &proof, false),
        ] {
            let outcome = scene.call(scene.front, &call);
            assert!(outcome.returned, "{length}: {}", reason(&outcome));
            // Where the length of input, output and proof stands, with the bytes behind.
            let whole = [&U256::from(length).to_be_bytes::<32>()[..], &proof].concat();
            let ends = (whole.len()..=call.len()).filter(|end| call[..*end].ends_with(&whole));
            let padded: Vec<usize> = ends.flat_map(|end| end..end + padding).collect();
            assert_eq!(padded.len(), 3 * padding);
            for at in padded {
                for byte in [1, 0x80] {
                    let mut bad = call.clone();
                    bad[at] ^= byte;
                    refused(&mut scene, &bad, I::CalldataNotCanonical {});
                }
            }
        }
    }
}
