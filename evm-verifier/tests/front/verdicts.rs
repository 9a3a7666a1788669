//! What the front makes of a verifier's answer, whatever the answer is.

use super::*;
use revm::primitives::keccak256;

const VERIFIER: Address = Address::repeat_byte(3);

/// Code that returns these bytes, or reverts with them.
fn answers(bytes: &[u8], reverts: bool) -> Vec<u8> {
    let [high, low] = u16::try_from(bytes.len()).unwrap().to_be_bytes();
    let end = if reverts { 0xfd } else { 0xf3 };
    // CODECOPY(0, 12, length); RETURN or REVERT(0, length); the bytes.
    let mut code = vec![0x61, high, low, 0x60, 12, 0x5f, 0x39];
    code.extend([0x61, high, low, 0x5f, end]);
    code.extend(bytes);
    code
}

/// Calls of a direct model and of an aggregated one, alone and in a batch, that this code verifies.
fn calls(scene: &mut Scene, code: &[u8]) -> Vec<Vec<u8>> {
    scene.chain.set_code(VERIFIER, code);
    let mut model = |key| {
        let model = classifier(VERIFIER, keccak256(code), key, Fr::from(5));
        assert!(scene.call(scene.front, &register_call(&model)).returned);
        inference(&model, Fr::from(CONTEXT))
    };
    let (direct, aggregated) = (model(None), model(Some(Fr::from(6))));
    vec![
        verify_call(&direct, &[7], false),
        verify_call(&aggregated, &[7; 500], true),
        zkml_evm_verifier::front::batch_call(&[aggregated], &[7; 500], false),
    ]
}

fn selector(error: &str) -> [u8; 4] {
    keccak256(error)[..4].try_into().unwrap()
}

#[test]
pub fn the_word_one_alone_is_an_acceptance() {
    let mut scene = Scene::new(Fork::Osaka);
    let one = U256::from(1).to_be_bytes::<32>();
    for call in calls(&mut scene, &answers(&one, false)) {
        let outcome = scene.call(scene.front, &call);
        assert!(outcome.returned, "{}", reason(&outcome));
    }
    let words = [0, 2, 3, 257].map(|word| U256::from(word).to_be_bytes::<32>().to_vec());
    let mut others = words.to_vec();
    others.extend([
        vec![],
        vec![1],
        one[1..].to_vec(),
        [&one[..], &[0]].concat(),
        [one, one].concat(),
        ((U256::from(1) << 255usize) + U256::from(1))
            .to_be_bytes::<32>()
            .to_vec(),
        selector("InvalidProof()").to_vec(),
    ]);
    for bytes in others {
        for call in calls(&mut scene, &answers(&bytes, false)) {
            refused(&mut scene, &call, I::VerifierFailed {});
        }
    }
    // Nor is it one to revert with it.
    for call in calls(&mut scene, &answers(&one, true)) {
        refused(&mut scene, &call, I::VerifierFailed {});
    }
}

#[test]
pub fn three_errors_alone_are_rejections() {
    let mut scene = Scene::new(Fork::Osaka);
    for name in ["CalldataLength()", "MalformedProof()", "InvalidProof()"] {
        let error = selector(name);
        for call in calls(&mut scene, &answers(&error, true)) {
            refused(&mut scene, &call, rejected(name));
        }
        let mut others = vec![error[..3].to_vec(), [&error[..], &[0]].concat()];
        others.push([&error[..], &[0; 28]].concat());
        others.push([&error[..], &[0; 32]].concat());
        // Each bit of it counts.
        others.extend((0..32).map(|bit| {
            let mut other = error.to_vec();
            other[bit / 8] ^= 1 << (bit % 8);
            other
        }));
        for other in others {
            let call = &calls(&mut scene, &answers(&other, true))[0];
            refused(&mut scene, call, I::VerifierFailed {});
        }
    }
}

#[test]
pub fn a_verifier_has_so_much_gas() {
    let mut scene = Scene::new(Fork::Osaka);
    // Whether there were 5,000,000 before this instruction, which takes 2.
    let [_, high, middle, low] = 4_999_998u32.to_be_bytes();
    let exact = [
        0x5a, 0x62, high, middle, low, 0x14, 0x5f, 0x52, 0x60, 32, 0x5f, 0xf3,
    ];
    for call in calls(&mut scene, &exact) {
        let outcome = scene.call(scene.front, &call);
        assert!(outcome.returned, "{}", reason(&outcome));
    }
}

/// However short a proof is, it is handed over as it is: nothing stands in for what is missing.
#[test]
pub fn what_is_handed_over_has_its_length() {
    let mut scene = Scene::new(Fork::Osaka);
    // The key's digest, the commitment, the context; the words of the picture and of the scores.
    let words = 1 + 2 + 36 + 2;
    for length in [0usize, 1, 383, 384, 385, 500] {
        let mut call = |key: Option<u64>, got: usize| {
            // Whether so many bytes were handed over.
            let [.., high, middle, low] = got.to_be_bytes();
            let code = [
                0x36, 0x62, high, middle, low, 0x14, 0x5f, 0x52, 0x60, 32, 0x5f, 0xf3,
            ];
            scene.chain.set_code(VERIFIER, &code);
            let model = classifier(VERIFIER, keccak256(code), key.map(Fr::from), Fr::from(5));
            assert!(scene.call(scene.front, &register_call(&model)).returned);
            let stated = inference(&model, Fr::from(CONTEXT));
            let proof = vec![7; length];
            let mut calls = vec![verify_call(&stated, &proof, false)];
            if key.is_some() {
                calls.push(zkml_evm_verifier::front::batch_call(
                    &[stated],
                    &proof,
                    false,
                ));
            }
            for call in calls {
                let outcome = scene.call(scene.front, &call);
                assert!(outcome.returned, "{length}, {got}: {}", reason(&outcome));
            }
        };
        call(Some(6), 32 * words + length);
        call(None, 32 * (words - 1) + length);
    }
}
