//! What `contracts/` gives to contract developers, against this crate: its encoder and decoder in JavaScript on random
//! models and statements, and its proof to test with.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/solc.rs"]
mod solc;
mod support;

use alloy_sol_types::{SolError, SolEvent};
use halo2_proofs::halo2curves::bn256::Fr;
use rand::{rngs::StdRng, Rng, SeedableRng};
use revm::primitives::{hex, Address, B256, U256};
use serde_json::{json, Value};
use std::{
    path::{Path, PathBuf},
    process::Command,
};
use support::{element, fitted, pack, reason, Direct, Scene};
use zkml_evm_verifier::{
    calldata,
    codegen::Failure,
    compile::find_compiler,
    exec::{Chain, Fork, Gas},
    front::{
        batch_call, encode, model_id, register_call, verify_call, word,
        IModelVerifier::{self as I, Mode, Model, Tensor, Visibility},
        Inference,
    },
};
use zkml_model::prove::{Exposure, Statement, Word};

/// Random models, each with a statement.
const CASES: usize = 1_200;

fn contracts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts")
}

fn scalar(rng: &mut StdRng) -> Fr {
    let digits: [u64; 4] = rng.gen();
    // Often small, so that zeros are in front.
    element((U256::from_limbs(digits) >> (3 + 8 * rng.gen_range(0..30usize))) % support::order())
}

/// A tensor, and what a statement says of it.
fn tensor(rng: &mut StdRng) -> (Tensor, Exposure) {
    let visibility = [
        Visibility::Public,
        Visibility::Public,
        Visibility::Hashed,
        Visibility::Private,
    ][rng.gen_range(0..4)];
    let mut tensor = Tensor {
        visibility,
        elements: 0,
        lo: 0,
        bits: 0,
        words: 0,
    };
    let said = match visibility {
        Visibility::Hashed => Exposure::Hashed(Word(scalar(rng))),
        Visibility::Public => {
            tensor.bits = rng.gen_range(1..=64u8);
            tensor.elements = rng.gen_range(1..=40);
            let most = tensor.elements.min(253 / u32::from(tensor.bits));
            tensor.words = tensor.elements.div_ceil(rng.gen_range(1..=most));
            tensor.lo = match rng.gen_range(0..3) {
                0 => 0,
                1 => (-1i64) << (tensor.bits - 1),
                _ => rng.gen::<i64>() >> rng.gen_range(0..60),
            };
            let lo = i128::from(tensor.lo);
            let hi = (lo + (1i128 << tensor.bits) - 1).min(i128::from(i64::MAX));
            let ends = [lo, hi];
            let value = |rng: &mut StdRng| match rng.gen_range(0..8) {
                end @ 0..=1 => ends[end],
                _ => rng.gen_range(lo..=hi),
            };
            let values = (0..tensor.elements).map(|_| value(rng) as i64).collect();
            Exposure::Public(values)
        }
        _ => Exposure::Private,
    };
    (tensor, said)
}

fn hexes(data: &[u8]) -> String {
    hex::encode_prefixed(data)
}

fn tensors(tensors: &[Tensor]) -> Value {
    let one = |t: &Tensor| {
        json!({
            "visibility": t.visibility as u8,
            "elements": t.elements,
            "lo": t.lo.to_string(),
            "bits": t.bits,
            "words": t.words,
        })
    };
    tensors.iter().map(one).collect()
}

fn described(model: &Model) -> Value {
    json!({
        "verifier": format!("{:#x}", model.verifier),
        "codeHash": model.codeHash,
        "mode": model.mode as u8,
        "slots": model.slots,
        "keyDigest": model.keyDigest.to_string(),
        "commitment": model.commitment.to_string(),
        "inputs": tensors(&model.inputs),
        "outputs": tensors(&model.outputs),
    })
}

fn said(exposures: &[Exposure]) -> Value {
    let one = |exposure: &Exposure| match exposure {
        Exposure::Public(values) => values.iter().map(i64::to_string).collect(),
        Exposure::Hashed(digest) => word(digest.0).to_string().into(),
        Exposure::Private => Value::Null,
    };
    exposures.iter().map(one).collect()
}

/// The public values of a statement, as docs/statement.md has them.
fn public_values(model: &Model, statement: &Statement) -> Vec<String> {
    let mut values = vec![model.commitment, word(statement.context.0)];
    if model.mode == Mode::Aggregated {
        values.insert(0, model.keyDigest);
    }
    let tensors = model.inputs.iter().chain(&model.outputs);
    let exposures = statement.inputs.iter().chain(&statement.outputs);
    for (tensor, exposure) in tensors.zip(exposures) {
        match exposure {
            Exposure::Public(elements) => values.extend(pack(tensor, elements)),
            Exposure::Hashed(digest) => values.push(word(digest.0)),
            Exposure::Private => {}
        }
    }
    values.iter().map(U256::to_string).collect()
}

/// A log and revert data of each kind that has parameters, of random ones.
fn said_by_contracts(rng: &mut StdRng, inference: &Inference) -> (Value, Value) {
    let sender = Address::from(rng.gen::<[u8; 20]>());
    let (hash, number) = (
        B256::from(rng.gen::<[u8; 32]>()),
        U256::from(rng.gen::<u64>()),
    );
    let verified = I::InferenceVerified {
        modelId: inference.model_id,
        context: word(inference.context),
        sender,
        inputHash: hash,
        output: inference.output.clone().into(),
    };
    let log = verified.encode_log_data();
    let event = json!({
        "topics": log.topics(),
        "data": hexes(&log.data),
        "name": "InferenceVerified",
        "args": {
            "modelId": inference.model_id,
            "context": word(inference.context).to_string(),
            "sender": format!("{sender:#x}"),
            "inputHash": hash,
            "output": hexes(&inference.output),
        },
    });
    let failure = Failure::ALL[rng.gen_range(0..3)];
    let error = |data: Vec<u8>, name: &str, verdict: bool, args: Value| json!({ "data": hexes(&data), "name": name, "verdict": verdict, "args": args });
    let errors = json!([
        error(
            I::ProofRejected {
                reason: failure.selector().into()
            }
            .abi_encode(),
            "ProofRejected",
            true,
            json!({ "reason": failure.name() }),
        ),
        error(
            I::CodeHashMismatch {
                verifier: sender,
                expected: hash,
                got: inference.model_id
            }
            .abi_encode(),
            "CodeHashMismatch",
            false,
            json!({ "verifier": format!("{sender:#x}"), "expected": hash, "got": inference.model_id }),
        ),
        error(
            I::ElementOutOfRange {
                tensor: number,
                element: word(inference.context)
            }
            .abi_encode(),
            "ElementOutOfRange",
            true,
            json!({ "tensor": number.to_string(), "element": word(inference.context).to_string() }),
        ),
        error(
            I::VerifierFailed {}.abi_encode(),
            "VerifierFailed",
            false,
            json!({})
        ),
    ]);
    (event, errors)
}

#[test]
fn javascript_encodes_and_decodes_as_rust_does() {
    let mut rng = StdRng::seed_from_u64(13);
    let mut cases = Vec::with_capacity(CASES);
    let mut earlier: Vec<Inference> = Vec::new();
    for _ in 0..CASES {
        let some = |rng: &mut StdRng| -> (Vec<Tensor>, Vec<Exposure>) {
            (0..rng.gen_range(1..=3)).map(|_| tensor(rng)).unzip()
        };
        let (inputs, ins) = some(&mut rng);
        let (outputs, outs) = some(&mut rng);
        let aggregated = rng.gen();
        let model = fitted(Model {
            verifier: Address::from(rng.gen::<[u8; 20]>()),
            codeHash: B256::from(rng.gen::<[u8; 32]>()),
            mode: if aggregated {
                Mode::Aggregated
            } else {
                Mode::Direct
            },
            slots: vec![],
            keyDigest: if aggregated {
                word(scalar(&mut rng))
            } else {
                U256::ZERO
            },
            commitment: word(scalar(&mut rng)),
            inputs,
            outputs,
        });
        let statement = Statement {
            commitment: Word(element(model.commitment)),
            context: Word(scalar(&mut rng)),
            inputs: ins,
            outputs: outs,
        };
        let (input, output) = encode(&model, &statement).unwrap();
        let inference = Inference {
            model_id: model_id(&model),
            context: statement.context.0,
            input,
            output,
        };
        let proof: Vec<u8> = (0..rng.gen_range(0..200)).map(|_| rng.gen()).collect();
        earlier.push(inference.clone());
        let from = earlier.len() - earlier.len().min(rng.gen_range(1..=3));
        let batch = &earlier[from..];
        let statements = batch.iter().map(|one| {
            json!({
                "modelId": one.model_id,
                "context": word(one.context).to_string(),
                "input": hexes(&one.input),
                "output": hexes(&one.output),
            })
        });
        let statements: Vec<Value> = statements.collect();
        let (event, errors) = said_by_contracts(&mut rng, &inference);
        cases.push(json!({
            "model": described(&model),
            "context": word(statement.context.0).to_string(),
            "inputs": said(&statement.inputs),
            "outputs": said(&statement.outputs),
            "proof": hexes(&proof),
            "statements": statements,
            "event": event,
            "errors": errors,
            "expected": {
                "modelId": inference.model_id,
                "input": hexes(&inference.input),
                "output": hexes(&inference.output),
                "publicValues": public_values(&model, &statement),
                "register": hexes(&register_call(&model)),
                "verify": hexes(&verify_call(&inference, &proof, false)),
                "submit": hexes(&verify_call(&inference, &proof, true)),
                "verifyBatch": hexes(&batch_call(batch, &proof, false)),
                "submitBatch": hexes(&batch_call(batch, &proof, true)),
            },
        }));
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vectors.json");
    std::fs::write(&file, serde_json::to_vec(&cases).unwrap()).unwrap();
    let script = contracts().join("test/vectors.js");
    let ran = Command::new("node").arg(script).arg(&file).output();
    let ran = ran.expect("node runs (Node 18 or newer, https://nodejs.org)");
    let (stdout, stderr) = (
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr),
    );
    assert!(
        ran.status.success(),
        "{stdout}{stderr}\nif a package is missing: npm ci --prefix contracts"
    );
    assert_eq!(stdout.trim(), format!("{CASES} cases agree"));
}

#[test]
fn typed_constants_are_the_artefacts() {
    let script = contracts().join("js/write-abis.js");
    let ran = Command::new("node").arg(script).arg("--check").output();
    let ran = ran.expect("node runs (Node 18 or newer, https://nodejs.org)");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(
        ran.status.success(),
        "{said}\nnpm run abis --prefix contracts"
    );
}

/// The proof that `contracts/fixtures` has for tests of consumers.
#[test]
fn the_proof_to_test_with_is_accepted() {
    let text = std::fs::read_to_string(contracts().join("fixtures/digits.json")).unwrap();
    let fixture: Value = serde_json::from_str(&text).unwrap();
    let bytes = |value: &Value| hex::decode(value.as_str().unwrap()).unwrap();
    let mut scene = Scene::new(Fork::Osaka);
    let creation = bytes(&fixture["verifier"]["creation"]);
    let verifier = scene.chain.deploy(&creation).unwrap().address;
    // The calldata of the fixture's registration is for an address that the verifier does not have here.
    let mut register = bytes(&fixture["register"]);
    let at = 4 + 32;
    register[at..at + 32].copy_from_slice(verifier.into_word().as_slice());
    let front = scene.front;
    let outcome = scene.call(front, &register);
    assert!(outcome.returned, "{}", reason(&outcome));
    let statement = &fixture["statement"];
    let inference = Inference {
        model_id: B256::from_slice(&outcome.output),
        context: element(U256::from(statement["context"].as_u64().unwrap())),
        input: bytes(&statement["input"]),
        output: bytes(&statement["output"]),
    };
    let mut proof = bytes(&fixture["proof"]);
    let outcome = scene.call(front, &verify_call(&inference, &proof, true));
    assert!(outcome.returned, "{}", reason(&outcome));
    proof[40] ^= 1;
    let outcome = scene.call(front, &verify_call(&inference, &proof, true));
    assert!(!outcome.returned, "a changed proof is accepted");
}

/// What the head of a generated file says of settings: under all of them it gives the same verdicts, and with the
/// optimiser costs at most 3% more gas than ours.
#[test]
fn the_verifier_compiles_under_all_settings() {
    let direct = Direct::get();
    let head = "It compiles with the optimiser on or off";
    assert!(direct.source.source.contains(head));
    let compiler = find_compiler(None).unwrap();
    let context = Fr::from(7);
    let mut instances = vec![direct.commitment(), context];
    instances.extend(support::circuit(2, 5, context).extra.into_iter().skip(1));
    let good = calldata::encode(&instances, &direct.prove(context));
    let all = [None, Some(200), Some(10_000)].map(|runs| [(runs, false), (runs, true)]);
    for (runs, via_ir) in all.concat() {
        let input = json!({
            "language": "Solidity",
            "sources": { "a.sol": { "content": direct.source.source } },
            "settings": {
                "viaIR": via_ir,
                "optimizer": { "enabled": runs.is_some(), "runs": runs.unwrap_or(200) },
                "outputSelection": { "*": { "*": ["evm.bytecode.object"] } },
            },
        });
        let output = solc::standard_json(&compiler.path, &input.to_string());
        if runs.is_some() {
            assert_eq!(output["errors"], Value::Null, "{runs:?} {via_ir}");
        }
        let code = &output["contracts"]["a.sol"][&direct.source.contract];
        let code = code["evm"]["bytecode"]["object"].as_str();
        let code = hex::decode(code.unwrap_or_else(|| panic!("{output}"))).unwrap();
        let mut chain = Chain::new(Fork::Osaka);
        let ours = chain.deploy(&direct.code.creation).unwrap().address;
        let theirs = chain.deploy(&code).unwrap().address;
        let mut verdicts = |calldata: &[u8]| {
            let [ours, theirs] =
                [ours, theirs].map(|address| chain.call(address, calldata).unwrap());
            assert_eq!(ours.output, theirs.output);
            let spent = |gas: Gas| gas.execution + gas.precompiles;
            let most = spent(ours.gas) + spent(ours.gas) * 3 / 100;
            let cheap = runs.is_none() || !ours.returned || spent(theirs.gas) <= most;
            assert!(cheap, "{runs:?} {via_ir}: {} {most}", spent(theirs.gas));
            ours.returned
        };
        assert!(verdicts(&good));
        for at in (0..good.len()).step_by(61) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(!verdicts(&bad), "byte {at}");
        }
        assert!(!verdicts(&good[1..]));
    }
}
