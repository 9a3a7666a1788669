//! The example consumer: pays once for each request, and only whom and what it should.

#![allow(clippy::unwrap_used, clippy::panic)] // A test fails by panicking.

mod support;

use alloy_sol_types::{sol, SolCall, SolError, SolEvent};
use halo2_proofs::halo2curves::bn256::Fr;
use revm::primitives::{Address, U256};
use support::{bounty, classifier, element, inference, reason, Direct, Scene, ALICE, BOB};
use zkml_evm_verifier::{
    exec::{CallOutcome, Fork},
    front::{model_id, register_call, words, IModelVerifier as I, Inference},
};

sol! {
    #![sol(all_derives)]
    function request() external returns (uint256 context);
    function claim(bytes calldata input, bytes calldata output, bytes calldata proof) external;
    function requests(address claimant) external view returns (uint64 nonce, uint64 deadline, bool open);
    event Paid(address indexed claimant, uint256 reward);
    error NoRequest();
    error Expired(uint64 deadline);
    error WrongClass(uint256 expected, uint256 got);
    error PaymentFailed();
    error ModelUnsuitable();
}

const REWARD: u64 = 1_000_000;
/// The class of the outcome.
const CLASS: u64 = 7;

struct Story {
    scene: Scene,
    bounty: Address,
    inference: Inference,
}

impl Story {
    fn new(class: u64) -> Self {
        let direct = Direct::get();
        let mut scene = Scene::new(Fork::Osaka);
        let model = scene.register(&direct.code, |verifier, hash| {
            classifier(verifier, hash, None, direct.commitment())
        });
        let creation = bounty(scene.front, model_id(&model), class, REWARD);
        let bounty = scene.chain.deploy(&creation).unwrap().address;
        scene.chain.set_balance(bounty, U256::from(2 * REWARD));
        scene.chain.set_time(1_000);
        let inference = inference(&model, Fr::zero());
        Self {
            scene,
            bounty,
            inference,
        }
    }

    /// Opens a request and proves for it.
    fn request(&mut self, from: Address) -> Vec<u8> {
        let outcome = self
            .scene
            .send(from, self.bounty, &requestCall {}.abi_encode());
        assert!(outcome.returned);
        let context = requestCall::abi_decode_returns(&outcome.output).unwrap();
        Direct::get().prove(element(context))
    }

    fn claim(&mut self, from: Address, proof: &[u8]) -> CallOutcome {
        let call = claimCall {
            input: self.inference.input.clone().into(),
            output: self.inference.output.clone().into(),
            proof: proof.to_vec().into(),
        };
        self.scene.send(from, self.bounty, &call.abi_encode())
    }

    fn balance(&mut self, of: Address) -> u64 {
        self.scene.chain.balance(of).to()
    }
}

fn rejected(outcome: &CallOutcome) {
    assert!(!outcome.returned);
    I::ProofRejected::abi_decode(&outcome.output).unwrap_or_else(|_| panic!("{}", reason(outcome)));
}

fn failed<E: SolError + PartialEq + std::fmt::Debug>(outcome: &CallOutcome, expected: E) {
    assert!(!outcome.returned);
    assert_eq!(E::abi_decode(&outcome.output).unwrap(), expected);
}

#[test]
fn a_claim_is_paid_once() {
    let mut story = Story::new(CLASS);
    let proof = story.request(ALICE);
    let outcome = story.claim(ALICE, &proof);
    assert!(outcome.returned, "{}", reason(&outcome));
    println!("claim: {:?}", outcome.gas);
    assert_eq!(story.balance(ALICE), REWARD);
    // The front's event, then its own.
    assert_eq!(outcome.logs.len(), 2);
    let paid = Paid::decode_log(&outcome.logs[1]).unwrap();
    assert_eq!((paid.claimant, paid.reward), (ALICE, U256::from(REWARD)));
    // The transaction again, and the proof for a new request.
    failed(&story.claim(ALICE, &proof), NoRequest {});
    let fresh = story.request(ALICE);
    rejected(&story.claim(ALICE, &proof));
    assert_eq!(story.balance(ALICE), REWARD);
    assert!(story.claim(ALICE, &fresh).returned);
    assert_eq!(story.balance(ALICE), 2 * REWARD);
    // Nothing is left: the request stays open.
    let third = story.request(ALICE);
    failed(&story.claim(ALICE, &third), PaymentFailed {});
    let bounty = story.bounty;
    story.scene.chain.set_balance(bounty, U256::from(REWARD));
    assert!(story.claim(ALICE, &third).returned);
}

#[test]
fn nobody_else_can_use_a_proof() {
    let mut story = Story::new(CLASS);
    let proof = story.request(ALICE);
    failed(&story.claim(BOB, &proof), NoRequest {});
    let own = story.request(BOB);
    rejected(&story.claim(BOB, &proof));
    rejected(&story.claim(ALICE, &own));
    assert_eq!(story.balance(BOB), 0);
    assert!(story.claim(ALICE, &proof).returned);
    // A new request replaces the one before.
    let mut story = Story::new(CLASS);
    let first = story.request(ALICE);
    let second = story.request(ALICE);
    rejected(&story.claim(ALICE, &first));
    assert!(story.claim(ALICE, &second).returned);
}

#[test]
fn a_proof_is_for_one_contract() {
    let mut story = Story::new(CLASS);
    let proof = story.request(ALICE);
    let creation = bounty(story.scene.front, story.inference.model_id, CLASS, REWARD);
    let other = story.scene.chain.deploy(&creation).unwrap().address;
    story.scene.chain.set_balance(other, U256::from(REWARD));
    story.bounty = other;
    story.request(ALICE);
    rejected(&story.claim(ALICE, &proof));
}

#[test]
fn a_request_expires() {
    let mut story = Story::new(CLASS);
    let proof = story.request(ALICE);
    let deadline = 1_000 + 3_600;
    story.scene.chain.set_time(deadline + 1);
    failed(&story.claim(ALICE, &proof), Expired { deadline });
    story.scene.chain.set_time(deadline);
    assert!(story.claim(ALICE, &proof).returned);
}

#[test]
fn another_class_is_not_paid() {
    let mut story = Story::new(CLASS - 1);
    let proof = story.request(ALICE);
    let (expected, got) = (U256::from(CLASS - 1), U256::from(CLASS));
    failed(&story.claim(ALICE, &proof), WrongClass { expected, got });
    assert_eq!(story.balance(ALICE), 0);
    // Nor is an output that was not proven.
    let mut story = Story::new(CLASS);
    let proof = story.request(ALICE);
    story.inference.output[4 * 7 + 3] ^= 1;
    rejected(&story.claim(ALICE, &proof));
}

#[test]
fn a_claimant_that_calls_back_is_paid_once() {
    let mut story = Story::new(CLASS);
    // A contract that forwards its calldata to the bounty, and when it is paid sends again what it
    // was first sent: transient storage keeps no data here, so it is the claim that it stores as code
    // of its own. Simplest is to let it call `claim` with nothing, which must find no request.
    //
    // calldatasize == 0 (the payment): CALL(bounty, claim(…) with empty arguments); the result goes to
    // storage slot 0, 1 + success. Otherwise: forward, and revert if that fails.
    let selector = claimCall::SELECTOR;
    let mut code = vec![0x36, 0x15, 0x60, 0, 0x57];
    // Forward: CALLDATACOPY(0, 0, size); CALL(gas, bounty, 0, 0, size, 0, 0); JUMPI(ok) REVERT; ok: STOP.
    code.extend([0x36, 0x5f, 0x5f, 0x37, 0x5f, 0x5f, 0x36, 0x5f, 0x5f, 0x73]);
    code.extend(story.bounty);
    code.extend([0x5a, 0xf1, 0x60, 0, 0x57, 0x5f, 0x5f, 0xfd]);
    let stop = code.len();
    code.extend([0x5b, 0x00]);
    let paid = code.len();
    // Paid: memory is the selector, three offsets of 0x60 and a zero length for each.
    code.extend([0x5b, 0x63]);
    code.extend(selector);
    code.extend([0x60, 0xe0, 0x1b, 0x5f, 0x52]);
    for head in [4, 36, 68] {
        code.extend([0x60, 0x60, 0x60, head, 0x52]);
    }
    code.extend([0x5f, 0x5f, 0x60, 132, 0x5f, 0x5f, 0x73]);
    code.extend(story.bounty);
    code.extend([0x5a, 0xf1, 0x60, 1, 0x01, 0x5f, 0x55, 0x00]);
    code[3] = paid as u8;
    let jump = stop - 5;
    code[jump] = stop as u8;
    let attacker = Address::with_last_byte(0xee);
    story.scene.chain.set_code(attacker, &code);

    let outcome = story
        .scene
        .send(ALICE, attacker, &requestCall {}.abi_encode());
    assert!(outcome.returned);
    let state = requestsCall { claimant: attacker }.abi_encode();
    let outcome = story.scene.send(ALICE, story.bounty, &state);
    let request = requestsCall::abi_decode_returns(&outcome.output).unwrap();
    assert!(request.open);
    let context = {
        let data = [
            U256::from(1).to_be_bytes::<32>(),
            story.bounty.into_word().0,
            attacker.into_word().0,
            U256::from(request.nonce).to_be_bytes::<32>(),
            U256::from(request.deadline).to_be_bytes::<32>(),
        ];
        let hash: U256 = revm::primitives::keccak256(data.concat()).into();
        hash >> 3
    };
    let proof = Direct::get().prove(element(context));
    let call = claimCall {
        input: story.inference.input.clone().into(),
        output: story.inference.output.clone().into(),
        proof: proof.into(),
    };
    let outcome = story.scene.send(ALICE, attacker, &call.abi_encode());
    assert!(outcome.returned, "{}", reason(&outcome));
    assert_eq!(story.balance(attacker), REWARD);
    // It did call back, and that failed.
    assert_eq!(story.scene.chain.storage(attacker, 0), U256::from(1));
}

#[test]
fn a_model_without_classes_in_the_clear_is_refused() {
    let direct = Direct::get();
    let mut scene = Scene::new(Fork::Osaka);
    let model = scene.register(&direct.code, |verifier, hash| {
        classifier(verifier, hash, None, direct.commitment())
    });
    let mut hidden = model.clone();
    hidden.outputs[0] = I::Tensor {
        visibility: I::Visibility::Private,
        elements: 0,
        lo: 0,
        bits: 0,
        words: 0,
    };
    hidden.slots = vec![u16::try_from(words(&hidden)).unwrap()];
    assert!(scene.call(scene.front, &register_call(&hidden)).returned);
    for (model, class) in [(&model, 10), (&hidden, 0)] {
        let creation = bounty(scene.front, model_id(model), class, REWARD);
        assert!(scene.chain.deploy(&creation).is_err());
    }
}
