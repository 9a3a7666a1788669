//! What a registered model is kept as, and where each bound of it lies.

use super::*;
use revm::primitives::keccak256;
use slots::{accepting, hidden};

/// A model with each kind of tensor, and more slots than a word of its record holds.
fn varied(verifier: Address) -> Model {
    Model {
        verifier,
        codeHash: keccak256(accepting()),
        mode: I::Mode::Aggregated,
        slots: (0..17)
            .map(|i| {
                if i == 16 {
                    3 + 3 + 1 + 0x101 + 1
                } else {
                    0xf0f0 - i
                }
            })
            .collect(),
        keyDigest: order() - U256::from(3),
        commitment: order() - U256::from(2),
        inputs: vec![
            public(7, -5, 9, 3),
            hidden(Visibility::Hashed),
            hidden(Visibility::Private),
        ],
        outputs: vec![public(0x102, 70_000, 33, 0x101), hidden(Visibility::Hashed)],
    }
}

/// The record of a model as `Records.sol` describes it, a word each.
fn record(model: &Model) -> Vec<U256> {
    let at = |value: u64, bits: usize| U256::from(value) << bits;
    let mode = match model.mode {
        I::Mode::Aggregated => 1,
        _ => 0,
    };
    let verifier = U256::from_be_slice(model.verifier.as_slice());
    let counts = at(model.slots.len() as u64, 168) | at(model.inputs.len() as u64, 184);
    let mut words = vec![
        verifier | at(mode, 160) | counts,
        model.codeHash.into(),
        model.keyDigest,
        model.commitment,
    ];
    words.extend(model.slots.chunks(16).map(|slots| {
        let lanes = slots.iter().enumerate();
        lanes.fold(U256::ZERO, |word, (i, slot)| {
            word | at(u64::from(*slot), 16 * i)
        })
    }));
    words.extend(model.inputs.iter().chain(&model.outputs).map(|tensor| {
        let visibility = match tensor.visibility {
            Visibility::Public => 0,
            Visibility::Hashed => 1,
            _ => 2,
        };
        let sizes = at(u64::from(tensor.elements), 8) | at(u64::from(tensor.words), 40);
        at(visibility, 0) | sizes | at(u64::from(tensor.bits), 72) | at(tensor.lo as u64, 80)
    }));
    words
}

/// The code of a contract.
fn code_of(scene: &mut Scene, of: Address) -> Vec<u8> {
    // EXTCODESIZE, DUP1, EXTCODECOPY(of, 0, 0, size), RETURN(0, size).
    let mut reader = vec![0x73];
    reader.extend(of);
    reader.extend([0x3b, 0x80, 0x5f, 0x5f, 0x73]);
    reader.extend(of);
    reader.extend([0x3c, 0x5f, 0xf3]);
    let at = Address::repeat_byte(0x77);
    scene.chain.set_code(at, &reader);
    scene.call(at, &[]).output
}

fn stored(scene: &mut Scene, model: &Model) -> Model {
    let get = I::getModelCall {
        modelId: model_id(model),
    };
    let outcome = scene.call(scene.front, &get.abi_encode());
    assert!(outcome.returned, "{}", reason(&outcome));
    I::getModelCall::abi_decode_returns(&outcome.output).unwrap()
}

#[test]
pub fn a_record_is_written_as_documented() {
    let mut scene = Scene::new(Fork::Osaka);
    let verifier = Address::repeat_byte(0xc3);
    scene.chain.set_code(verifier, &accepting());
    let first = varied(verifier);
    let second = fitted(Model {
        mode: I::Mode::Direct,
        keyDigest: U256::ZERO,
        inputs: vec![],
        ..first.clone()
    });
    for (model, nonce) in [(first, 1), (second, 2)] {
        let outcome = scene.call(scene.front, &register_call(&model));
        assert!(outcome.returned, "{}", reason(&outcome));
        // Behind a STOP.
        let mut expected = vec![0];
        expected.extend(record(&model).iter().flat_map(U256::to_be_bytes::<32>));
        let at = scene.front.create(nonce);
        assert_eq!(code_of(&mut scene, at), expected);
        assert_eq!(stored(&mut scene, &model), model);
    }
}

#[test]
pub fn what_is_registered_is_all_of_it() {
    let mut scene = Scene::new(Fork::Osaka);
    let verifier = Address::repeat_byte(0xc3);
    scene.chain.set_code(verifier, &accepting());
    let model = Model {
        inputs: vec![hidden(Visibility::Private); 256],
        ..varied(verifier)
    };
    let model = fitted(model);
    let call = register_call(&model);
    let whole = scene.clone().call(scene.front, &call).gas.total;
    let is = I::isRegisteredCall {
        modelId: model_id(&model),
    };
    let mut refusals = 0;
    for part in 1..=300 {
        let mut scene = scene.clone();
        let sent = scene.chain.send(&Call {
            from: ALICE,
            to: scene.front,
            value: 0,
            calldata: &call,
            gas: whole * part / 250,
        });
        // Less than the calldata costs is no transaction.
        let Ok(outcome) = sent else { continue };
        let known = scene.call(scene.front, &is.abi_encode()).output[31] == 1;
        assert_eq!(outcome.returned, known, "{part}");
        if !outcome.returned && !outcome.output.is_empty() {
            let error = I::RecordNotStored::abi_decode(&outcome.output);
            error.unwrap_or_else(|_| panic!("{}", reason(&outcome)));
            refusals += 1;
        }
    }
    assert!(refusals > 50, "{refusals}");
}

#[test]
pub fn a_verifier_is_any_contract() {
    let mut scene = Scene::new(Fork::Osaka);
    let verifier = Address::repeat_byte(0xc3);
    // No account, and one that has money only: whatever hash is given.
    for balance in [0, 1] {
        scene.chain.set_balance(verifier, U256::from(balance));
        for hash in [B256::ZERO, keccak256(b"")] {
            let mut model = varied(verifier);
            model.codeHash = hash;
            let error = I::VerifierHasNoCode { verifier };
            refused(&mut scene, &register_call(&model), error);
        }
    }
    // A contract of one byte is one, and another is another.
    scene.chain.set_code(verifier, &[0]);
    let mut model = fitted(varied(verifier));
    model.codeHash = keccak256([0u8]);
    assert!(scene.call(scene.front, &register_call(&model)).returned);
    scene.chain.set_code(verifier, &[1]);
    let (expected, got) = (model.codeHash, keccak256([1u8]));
    model.commitment = U256::from(1);
    let error = I::CodeHashMismatch {
        verifier,
        expected,
        got,
    };
    refused(&mut scene, &register_call(&model), error);
}

#[test]
pub fn of_several_faults_the_first_is_named() {
    let mut scene = Scene::new(Fork::Osaka);
    let verifier = Address::repeat_byte(0xc3);
    scene.chain.set_code(verifier, &accepting());
    let commitment = order();
    let bad = Model {
        commitment,
        inputs: vec![hidden(Visibility::Hashed); 257],
        outputs: vec![hidden(Visibility::Hashed); 257],
        slots: vec![],
        ..varied(verifier)
    };
    // The verifier comes before what is said of the model: its code, then the hash.
    let (expected, got) = (B256::ZERO, bad.codeHash);
    let call = register_call(&Model {
        codeHash: expected,
        ..bad.clone()
    });
    let error = I::CodeHashMismatch {
        verifier,
        expected,
        got,
    };
    refused(&mut scene, &call, error);
    let delegate = Address::repeat_byte(8);
    let designator = [&[0xef, 1, 0][..], verifier.as_slice()].concat();
    scene.chain.set_code(delegate, &designator);
    let call = register_call(&Model {
        verifier: delegate,
        ..bad.clone()
    });
    let error = I::VerifierHasNoCode { verifier: delegate };
    refused(&mut scene, &call, error);
    let call = register_call(&bad);
    refused(&mut scene, &call, I::CommitmentNotCanonical { commitment });
    let commitment = U256::ZERO;
    let bad = Model { commitment, ..bad };
    let tensor = U256::from(256);
    refused(
        &mut scene,
        &register_call(&bad),
        I::TensorInvalid { tensor },
    );
    let inputs = vec![];
    let bad = Model { inputs, ..bad };
    refused(
        &mut scene,
        &register_call(&bad),
        I::TensorInvalid { tensor },
    );
    let outputs = vec![public(0, 0, 0, 0)];
    let bad = Model { outputs, ..bad };
    let slots = U256::ZERO;
    refused(&mut scene, &register_call(&bad), I::SlotsInvalid { slots });
}
