//! The typed front with direct proofs: what is accepted, what is refused, and why it says so.

#![allow(clippy::unwrap_used, clippy::panic)] // A test fails by panicking.

#[path = "../support/mod.rs"]
mod support;

mod batches;
#[path = "../support/chosen.rs"]
mod chosen;
mod explained;
mod mutants;
mod packing;
mod records;
mod registry;
mod rules;
mod slots;
#[path = "../support/solc.rs"]
mod solc;
mod statements;
mod verdicts;

use alloy_sol_types::{SolCall, SolError};
use halo2_proofs::halo2curves::bn256::Fr;
use rand::{rngs::StdRng, Rng, SeedableRng};
use revm::primitives::{Address, B256, U256};
use std::sync::OnceLock;
use support::{
    classifier, element, fitted, inference, order, outcome, pack, picture, pixels, public, reason,
    Direct, Scene, ALICE,
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
    static PROOF: OnceLock<Vec<u8>> = OnceLock::new();
    PROOF
        .get_or_init(|| Direct::get().prove(Fr::from(CONTEXT)))
        .clone()
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
