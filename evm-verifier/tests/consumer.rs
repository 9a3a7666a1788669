//! The example consumer: pays once for each request, and only whom and what it should.

#![allow(clippy::unwrap_used, clippy::panic)] // A test fails by panicking.

mod support;

use alloy_sol_types::{sol, SolCall, SolError, SolEvent};
use halo2_proofs::halo2curves::bn256::Fr;
use revm::primitives::{keccak256, Address, B256, U256};
use std::collections::BTreeMap;
use support::{bounty, classifier, element, inference, reason, Direct, Scene, ALICE, BOB};
use zkml_evm_verifier::{
    contracts::{class_bounty, model_verifier, ContractArtefact},
    exec::{CallOutcome, Fork},
    front::{model_id, register_call, words, IModelVerifier as I, Inference},
};

sol! {
    #![sol(all_derives)]
    function request() external returns (uint256 context);
    function claim(bytes calldata input, bytes calldata output, bytes calldata proof) external;
    function requests(address claimant) external view returns (uint64 nonce, uint64 deadline, bool open);
    event Paid(address indexed claimant, uint256 reward);
    function release(address claimant) external;
    function close() external;
    function withdraw(uint256 amount) external;
    function available() external view returns (uint256);
    event Withdrawn(uint256 amount);
    error NoFront(address front);
    error Unfunded(uint256 expected, uint256 got);
    error IsClosed();
    error NotOwner(address sender);
    error NotExpired(uint64 deadline);
    error NoRequest();
    error Expired(uint64 deadline);
    error WrongClass(uint256 expected, uint256 got);
    error PaymentFailed();
    error ModelUnsuitable();
}

const REWARD: u64 = 1_000_000;
/// Who deploys, and so owns the bounty.
const OWNER: Address = Address::ZERO;
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

    fn send_request(&mut self, from: Address) -> CallOutcome {
        self.scene
            .send(from, self.bounty, &requestCall {}.abi_encode())
    }

    /// Opens a request and proves for it.
    fn request(&mut self, from: Address) -> Vec<u8> {
        let outcome = self.send_request(from);
        assert!(outcome.returned, "{}", reason(&outcome));
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

    fn owner(&mut self, call: impl SolCall) -> CallOutcome {
        self.scene.send(OWNER, self.bounty, &call.abi_encode())
    }

    fn release(&mut self, claimant: Address) -> CallOutcome {
        let call = releaseCall { claimant };
        self.scene.send(BOB, self.bounty, &call.abi_encode())
    }

    fn available(&mut self) -> u64 {
        let outcome = self.owner(availableCall {});
        availableCall::abi_decode_returns(&outcome.output)
            .unwrap()
            .to()
    }

    fn balance(&mut self, of: Address) -> u64 {
        self.scene.chain.balance(of).to()
    }
}

/// The selectors of the errors that an ABI has.
fn errors(artefact: &ContractArtefact) -> BTreeMap<[u8; 4], String> {
    let entries = artefact.abi.as_array().unwrap().iter();
    let errors = entries.filter(|entry| entry["type"] == "error");
    let signatures = errors.map(|error| {
        let inputs = error["inputs"].as_array().unwrap().iter();
        let kinds: Vec<&str> = inputs
            .map(|input| input["type"].as_str().unwrap())
            .collect();
        format!("{}({})", error["name"].as_str().unwrap(), kinds.join(","))
    });
    signatures
        .map(|error| (keccak256(&error)[..4].try_into().unwrap(), error))
        .collect()
}

/// What fails says why, in words of the bounty's ABI.
fn is_named(outcome: &CallOutcome) {
    assert!(!outcome.returned);
    let selector: [u8; 4] = outcome.output[..4].try_into().unwrap();
    assert!(errors(&class_bounty().unwrap()).contains_key(&selector));
}

fn rejected(outcome: &CallOutcome) {
    is_named(outcome);
    I::ProofRejected::abi_decode(&outcome.output).unwrap_or_else(|_| panic!("{}", reason(outcome)));
}

fn failed<E: SolError + PartialEq + std::fmt::Debug>(outcome: &CallOutcome, expected: E) {
    is_named(outcome);
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
    // Nothing is left.
    let (expected, got) = (U256::from(REWARD), U256::ZERO);
    let outcome = story.send_request(ALICE);
    failed(&outcome, Unfunded { expected, got });
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

/// Code that sends on to `to` what it is sent, and fails if that fails; and when it is paid, sends `again` to it, and
/// keeps at 0 one more than whether that succeeded.
fn calls_back(to: Address, again: &[u8]) -> Vec<u8> {
    // JUMPI(paid, size == 0); CALLDATACOPY(0, 0, size); JUMPI(sent, CALL(gas, to, 0, 0, size, 0, 0));
    let mut code = vec![0x36, 0x15, 0x60, 0, 0x57, 0x36, 0x5f, 0x5f, 0x37];
    code.extend([0x5f, 0x5f, 0x36, 0x5f, 0x5f, 0x73]);
    code.extend(to);
    code.extend([0x5a, 0xf1, 0x60, 0, 0x57]);
    // Returns what was returned either way: RETURNDATACOPY(0, 0, size); REVERT(0, size).
    code.extend([0x3d, 0x5f, 0x5f, 0x3e, 0x3d, 0x5f, 0xfd]);
    let (sent_from, sent) = (code.len() - 9, code.len());
    code.extend([0x5b, 0x00]);
    let paid = code.len();
    let length = u8::try_from(again.len()).unwrap();
    // CODECOPY(0, data, length); SSTORE(0, 1 + CALL(gas, to, 0, 0, length, 0, 0)).
    code.extend([0x5b, 0x60, length, 0x60, 0, 0x5f, 0x39]);
    let data_from = code.len() - 3;
    code.extend([0x5f, 0x5f, 0x60, length, 0x5f, 0x5f, 0x73]);
    code.extend(to);
    code.extend([0x5a, 0xf1, 0x60, 1, 0x01, 0x5f, 0x55, 0x00]);
    code[3] = u8::try_from(paid).unwrap();
    code[sent_from] = u8::try_from(sent).unwrap();
    code[data_from] = u8::try_from(code.len()).unwrap();
    code.extend(again);
    code
}

#[test]
fn a_claimant_that_calls_back_is_paid_once() {
    let attacker = Address::with_last_byte(0xee);
    // With a claim, which need not be more than that to find no request; with a release.
    let claim = claimCall {
        input: vec![].into(),
        output: vec![].into(),
        proof: vec![].into(),
    };
    let release = releaseCall { claimant: attacker };
    for again in [claim.abi_encode(), release.abi_encode()] {
        let mut story = Story::new(CLASS);
        // Another's reward lies there too.
        let other = story.request(BOB);
        let code = calls_back(story.bounty, &again);
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
            let hash: U256 = keccak256(data.concat()).into();
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
        assert!(story.claim(BOB, &other).returned);
        assert_eq!(story.balance(BOB), REWARD);
    }
}

#[test]
fn what_requests_reserve_is_for_no_other() {
    let mut story = Story::new(CLASS);
    assert_eq!(story.available(), 2 * REWARD);
    let first = story.request(ALICE);
    // Once for each account, however often it asks.
    let second = story.request(ALICE);
    assert_eq!(story.available(), REWARD);
    let third = story.request(BOB);
    let (expected, got) = (U256::from(REWARD), U256::ZERO);
    let outcome = story.send_request(OWNER);
    failed(&outcome, Unfunded { expected, got });
    let amount = U256::from(1);
    let outcome = story.owner(withdrawCall { amount });
    let expected = amount;
    failed(&outcome, Unfunded { expected, got });
    // A claim that fails gives up nothing.
    rejected(&story.claim(ALICE, &first));
    assert_eq!(story.available(), 0);
    // Nobody ends a request that may still be claimed.
    let deadline = 1_000 + 3_600;
    story.scene.chain.set_time(deadline);
    failed(&story.release(ALICE), NotExpired { deadline });
    assert!(story.claim(ALICE, &second).returned);
    assert_eq!((story.available(), story.balance(ALICE)), (0, REWARD));
    failed(&story.release(ALICE), NoRequest {});
    story.scene.chain.set_time(deadline + 1);
    assert!(story.release(BOB).returned);
    assert_eq!(story.available(), REWARD);
    failed(&story.claim(BOB, &third), NoRequest {});
    failed(&story.release(BOB), NoRequest {});
    let outcome = story.owner(withdrawCall {
        amount: U256::from(REWARD),
    });
    assert!(outcome.returned);
    let withdrawn = Withdrawn::decode_log(&outcome.logs[0]).unwrap();
    assert_eq!(withdrawn.amount, U256::from(REWARD));
    let bounty = story.bounty;
    assert_eq!((story.balance(OWNER), story.balance(bounty)), (REWARD, 0));
}

#[test]
fn the_owner_alone_closes_and_withdraws() {
    let mut story = Story::new(CLASS);
    let amount = U256::from(1);
    for call in [
        withdrawCall { amount }.abi_encode(),
        closeCall {}.abi_encode(),
    ] {
        let outcome = story.scene.send(ALICE, story.bounty, &call);
        failed(&outcome, NotOwner { sender: ALICE });
    }
    let proof = story.request(ALICE);
    assert!(story.owner(closeCall {}).returned);
    for from in [ALICE, BOB] {
        failed(&story.send_request(from), IsClosed {});
    }
    assert!(story.claim(ALICE, &proof).returned);
    assert_eq!(story.balance(ALICE), REWARD);
}

#[test]
fn an_owner_that_calls_back_leaves_what_is_reserved() {
    let mut story = Story::new(CLASS);
    let proof = story.request(ALICE);
    let amount = U256::from(REWARD);
    let again = withdrawCall { amount }.abi_encode();
    let code = calls_back(story.bounty, &again);
    story.scene.chain.set_code(OWNER, &code);
    let outcome = story.scene.send(BOB, OWNER, &again);
    assert!(outcome.returned, "{}", reason(&outcome));
    assert_eq!(story.balance(OWNER), REWARD);
    assert_eq!(story.scene.chain.storage(OWNER, 0), U256::from(1));
    assert!(story.claim(ALICE, &proof).returned);
    // An owner that takes nothing is told so.
    let bounty = story.bounty;
    story.scene.chain.set_balance(bounty, U256::from(REWARD));
    let mut refuses = calls_back(bounty, &[]);
    let paid = usize::from(refuses[3]);
    refuses.splice(paid.., [0x5b, 0x5f, 0x5f, 0xfd]);
    story.scene.chain.set_code(OWNER, &refuses);
    let outcome = story.scene.send(BOB, OWNER, &again);
    failed(&outcome, PaymentFailed {});
}

#[test]
fn each_abi_names_every_error() {
    let interface = include_str!("../../contracts/artifacts/IModelVerifier.json");
    let interface = errors(&serde_json::from_str(interface).unwrap());
    let front = errors(&model_verifier().unwrap());
    let bounty = errors(&class_bounty().unwrap());
    assert_eq!(front, interface);
    assert!(front.len() > 20);
    for (selector, error) in front {
        assert_eq!(bounty.get(&selector), Some(&error));
    }
    // Where there is no front, it says so.
    let mut scene = Scene::new(Fork::Osaka);
    let nobody = Address::repeat_byte(5);
    let creation = self::bounty(nobody, B256::ZERO, CLASS, REWARD);
    // A contract that creates one, and reverts with what is returned.
    let [high, low] = u16::try_from(creation.len()).unwrap().to_be_bytes();
    let mut factory = vec![0x61, high, low, 0x60, 21, 0x5f, 0x39];
    factory.extend([0x61, high, low, 0x5f, 0x5f, 0xf0, 0x3d, 0x5f, 0x5f, 0x3e]);
    factory.extend([0x3d, 0x5f, 0xfd, 0x00]);
    factory.extend(&creation);
    let at = Address::repeat_byte(6);
    scene.chain.set_code(at, &factory);
    failed(&scene.call(at, &[]), NoFront { front: nobody });
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
