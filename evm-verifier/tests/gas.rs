//! Gas and code sizes against the committed snapshot, `contracts/gas.json`.
//!
//! Execution gas is exact: it does not depend on what a proof's bytes are. Calldata is not part of it, since
//! proofs are randomised and zero bytes cost less. After a change: `UPDATE=1 cargo test -p zkml-evm-verifier
//! --test gas`.

#![allow(clippy::unwrap_used)]

mod support;

use alloy_sol_types::SolCall;
use halo2_proofs::halo2curves::bn256::Fr;
use std::{collections::BTreeMap, path::PathBuf};
use support::{bounty, classifier, inference, picture, reason, Direct, Scene, ALICE};
use zkml_evm_verifier::{
    calldata::{self, count_bytes},
    contracts::{class_bounty, model_verifier},
    exec::{Call, CallOutcome, Fork, MAX_TX_GAS},
    front::{model_id, register_call, verify_call, word, IModelVerifier as I},
};

fn snapshot() -> BTreeMap<String, u64> {
    let direct = Direct::get();
    let mut lines = BTreeMap::new();
    let sizes = [
        (
            "bytes/ModelVerifier",
            model_verifier().unwrap().runtime().len(),
        ),
        ("bytes/ClassBounty", class_bounty().unwrap().runtime().len()),
        ("bytes/direct verifier", direct.code.runtime.len()),
    ];
    lines.extend(sizes.map(|(name, size)| (name.to_string(), size as u64)));
    for fork in Fork::ALL {
        let mut put = |name: &str, outcome: CallOutcome| {
            assert!(outcome.returned, "{name}: {}", reason(&outcome));
            let gas = outcome.gas.precompiles + outcome.gas.execution;
            lines.insert(format!("{fork}/{name}"), gas);
        };
        let mut scene = Scene::new(fork);
        let front = scene.front;
        let model = scene.register(&direct.code, |verifier, hash| {
            classifier(verifier, hash, None, direct.commitment())
        });
        let mut other = model.clone();
        other.commitment += revm::primitives::U256::from(1);
        put("register", scene.call(front, &register_call(&other)));
        let context = Fr::from(0x2a);
        let proof = direct.prove(context);
        let good = inference(&model, context);
        let values = I::publicValuesCall {
            modelId: good.model_id,
            context: word(context),
            input: good.input.clone().into(),
            output: good.output.clone().into(),
        };
        put(
            "publicValues, 784 pixels",
            scene.call(front, &values.abi_encode()),
        );
        let verify = verify_call(&good, &proof, false);
        put("verify, direct, 784 pixels", scene.call(front, &verify));
        let submit = verify_call(&good, &proof, true);
        put("submit, direct, 784 pixels", scene.call(front, &submit));
        let mut instances = vec![direct.commitment(), context];
        instances.extend(support::circuit(2, 5, context).extra.into_iter().skip(1));
        let raw = calldata::encode(&instances, &proof);
        put("direct verifier alone", scene.call(model.verifier, &raw));
        let creation = bounty(front, model_id(&model), 7, 1000);
        let bounty = scene.chain.deploy(&creation).unwrap().address;
        scene
            .chain
            .set_balance(bounty, revm::primitives::U256::from(1000));
        let request = scene.chain.send(&Call {
            from: ALICE,
            to: bounty,
            value: 0,
            calldata: &revm::primitives::keccak256("request()")[..4],
            gas: MAX_TX_GAS,
        });
        put("ClassBounty.request", request.unwrap());
    }
    lines
}

#[test]
fn gas_is_as_committed() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../contracts/gas.json");
    let text = serde_json::to_string_pretty(&snapshot()).unwrap() + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(
        committed == text,
        "gas is not as committed; if it is meant, run with UPDATE=1 and commit contracts/gas.json:\n{text}"
    );
}

#[test]
fn bytes_of_elements_cost_less_than_words_of_them() {
    // What the calldata of the picture costs, as bytes and as `int256[]`; the latter costs more before
    // anything is done with it than the former with its packing.
    let price = |data: &[u8]| {
        let (zeros, others) = count_bytes(data);
        4 * zeros + 16 * others
    };
    let bytes: Vec<u8> = inference(
        &classifier(Default::default(), Default::default(), None, Fr::zero()),
        Fr::zero(),
    )
    .input;
    let words: Vec<u8> = picture()
        .iter()
        .flat_map(|x| revm::primitives::U256::from(*x as u64).to_be_bytes::<32>())
        .collect();
    println!(
        "784 pixels: {} gas as bytes, {} gas as int256[]",
        price(&bytes),
        price(&words)
    );
    assert!(price(&words) > price(&bytes) + 50_000);
}
