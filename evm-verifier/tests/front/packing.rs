//! How values in the clear become public values.

use super::*;

#[test]
pub fn contexts_and_digests_are_canonical() {
    let (mut scene, model) = scene(Fork::Osaka);
    let good = inference(&model, Fr::from(CONTEXT));
    let mut call = verify_call(&good, &proof(), false);
    for context in [order(), U256::from(CONTEXT) + order()] {
        call[36..68].copy_from_slice(&context.to_be_bytes::<32>());
        refused(&mut scene, &call, I::ContextNotCanonical { context });
    }
    // A model with a hashed and a private tensor.
    let mut other = model;
    let hidden = |visibility| Tensor {
        visibility,
        ..public(0, 0, 0, 0)
    };
    other.inputs = vec![hidden(Visibility::Private), hidden(Visibility::Hashed)];
    let other = fitted(other);
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
pub fn tensors_of_all_widths_are_packed_as_documented() {
    let (mut scene, model) = scene(Fork::Osaka);
    let mut rng = StdRng::seed_from_u64(5);
    // One element a word, as many as fit, and between; the last words partly padded, or not at all.
    let mut tensors: Vec<Tensor> = (1..=64u8)
        .flat_map(|bits| [0, 1, 2].map(|case| (bits, case)))
        .map(|(bits, case)| {
            let most = 253 / u32::from(bits);
            let (each, words) = match case {
                0 => (1, rng.gen_range(1..=40)),
                1 => (most, rng.gen_range(1..=9)),
                _ => (rng.gen_range(1..=most), rng.gen_range(1..=20)),
            };
            let pads = rng.gen_range(0..words);
            // Below, around and above zero.
            let span = 1i128 << bits;
            let lo = match rng.gen_range(0..4) {
                0 => -(span / 2),
                1 => rng.gen_range(-span..=0).max(i64::MIN.into()),
                2 => 0,
                _ => rng.gen_range(0..1000).min((1i128 << 63) - span),
            };
            public(each * words - pads, i64::try_from(lo).unwrap(), bits, words)
        })
        .collect();
    // Fewer elements than words, whole words of pads, more than memory's words, ranges that wrap around.
    tensors.extend([
        pixels(),
        public(784, -1024, 11, 35),
        public(64, 3, 6, 64),
        public(1, -1, 1, 7),
        public(10, -70, 4, 6),
        public(10, -16, 4, 6),
        public(5, -300, 8, 4),
        public(3, -70_000, 16, 2),
        public(5000, -128, 8, 2500),
        public(200, -5, 8, 7),
        public(100, 70_000, 16, 7),
        public(100, 40_000, 15, 9),
        public(21, i64::MIN, 64, 7),
    ]);
    tensors.into_iter().for_each(|tensor| {
        is_packed(&mut scene, &model, &tensor, &mut rng);
    });
}

/// Where a range begins and ends: around zero and around where its bytes wrap; where its padding does and does not
/// fill words of memory; in front and behind.
#[test]
pub fn ranges_end_where_they_end() {
    let (mut scene, model) = scene(Fork::Osaka);
    let mut rng = StdRng::seed_from_u64(6);
    for bits in [1u8, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64] {
        let (most, span) = (253 / u32::from(bits), 1i128 << bits);
        let bytes = zkml_evm_verifier::front::element_bytes(bits);
        let wraps = 1i128 << (8 * bytes - 1);
        let ends = [
            -span,
            1 - span,
            2 - span,
            -1,
            0,
            1,
            0x4321,
            0x4321_8765_1234,
            -wraps,
            1 - wraps,
            wraps - span,
            wraps - 1,
            wraps,
            wraps + 1,
            2 * wraps - span,
            2 * wraps + 1 - span,
        ];
        for (i, lo) in ends.into_iter().enumerate() {
            let Ok(lo) = i64::try_from(lo) else { continue };
            let (elements, words) = [(3, 90), (2 * most - 1, 2), (most, 1)][i % 3];
            is_packed(
                &mut scene,
                &model,
                &public(elements, lo, bits, words),
                &mut rng,
            );
        }
    }
}

/// A tensor's extreme elements are packed as documented, those just outside are named.
fn is_packed(scene: &mut Scene, model: &Model, tensor: &Tensor, rng: &mut StdRng) {
    let (bits, span) = (tensor.bits, 1i128 << tensor.bits);
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
    let other = fitted(other);
    assert!(scene.call(scene.front, &register_call(&other)).returned);
    let inference = inference_of(
        &other,
        &[values.clone(), vec![1, 2, 255]],
        &[values.clone()],
    );
    let words = pack(tensor, &values);
    let mut expected = vec![other.commitment, U256::ZERO];
    expected.extend(&words);
    expected.push(U256::from((1 << 16) + (2 << 8) + 255));
    expected.extend(&words);
    assert_eq!(
        public_values(scene, &inference),
        expected,
        "{bits} bits, {tensor:?}"
    );
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
                refused(scene, &call, I::ElementOutOfRange { tensor, element });
            }
        }
    }
}

#[test]
pub fn elements_are_written_in_as_few_bytes_as_hold_them() {
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
