//! What the tests of the contracts share: a classifier's statement, its packing, proofs of it, and a
//! chain with the front on it.
#![allow(dead_code, clippy::unwrap_used)]

#[path = "../../../circuits/testing/two_phase.rs"]
pub mod two_phase;

use halo2_proofs::{
    halo2curves::{
        bn256::{Bn256, Fr, G1Affine},
        ff::PrimeField,
    },
    poly::{commitment::ParamsProver, kzg::commitment::ParamsKZG},
};
use rand::{rngs::StdRng, SeedableRng};
use revm::primitives::{keccak256, Address, B256, U256};
use snark_verifier::{
    pcs::kzg::KzgDecidingKey,
    system::halo2::{compile as protocol_of, Config},
    verifier::plonk::PlonkProtocol,
};
use std::{cell::RefCell, sync::OnceLock};
use two_phase::TwoPhase;
use zkml_evm_verifier::{
    check::build,
    codegen::{Labels, VerifierSource},
    compile::{find_compiler, Bytecode},
    contracts::{class_bounty, model_verifier},
    exec::{Call, CallOutcome, Chain, Fork, MAX_TX_GAS},
    front::{
        encode_elements, model_id, word, words, IModelVerifier,
        IModelVerifier::{Model, Tensor, Visibility},
        Inference,
    },
};
use zkml_model::layout::Encoding;

/// The order of the scalar field.
pub fn order() -> U256 {
    word(-Fr::one()) + U256::from(1)
}

/// A field element of a word below the order.
pub fn element(value: U256) -> Fr {
    Fr::from_repr(value.to_le_bytes()).unwrap()
}

/// A public tensor.
pub fn public(elements: u32, lo: i64, bits: u8, words: u32) -> Tensor {
    Tensor {
        visibility: Visibility::Public,
        elements,
        lo,
        bits,
        words,
    }
}

/// The input and output of the digits example with keys for the chain: 784 pixels, 10 scores.
pub fn pixels() -> Tensor {
    public(784, -1024, 11, 36)
}
pub fn scores() -> Tensor {
    public(10, -(1 << 23), 24, 2)
}

/// A picture as sparse as a handwritten digit, and scores whose largest is the seventh.
pub fn picture() -> Vec<i64> {
    (0..784i64)
        .map(|i| match (i / 28, i % 28) {
            (6..=21, column) if (column - 14).abs() <= 4 => (i * 7919) % 513,
            _ => 0,
        })
        .collect()
}
pub fn outcome() -> Vec<i64> {
    vec![
        -1393, 746, 470, -2890, -13114, -6947, -18590, 9261, -5516, -2693,
    ]
}

/// The packing as docs/statement.md has it.
pub fn pack(tensor: &Tensor, values: &[i64]) -> Vec<U256> {
    let (m, bits) = (tensor.words as usize, usize::from(tensor.bits));
    let s = values.len().div_ceil(m);
    let lo = i128::from(tensor.lo);
    let pad = if lo <= 0 && lo + (1 << bits) > 0 {
        0
    } else {
        lo
    };
    let encoding = Encoding {
        lo: tensor.lo,
        bits: tensor.bits.into(),
        words: m,
    };
    assert_eq!(pad, i128::from(encoding.pad()));
    let element = |e: usize| values.get(e).map_or(pad, |x| i128::from(*x));
    let shifted = |e, t| U256::from((element(e) - lo) as u128) << (bits * (s - 1 - t));
    (0..m)
        .map(|i| (0..s).fold(U256::ZERO, |sum, t| sum + shifted(i * s + t, t)))
        .collect()
}

/// A circuit whose public values are a commitment, a context, and the words of picture and scores.
pub fn circuit(width: usize, scale: u64, context: Fr) -> TwoPhase {
    let mut circuit = TwoPhase::new(width, scale, 9, 0);
    circuit.extra = vec![context];
    let words = pack(&pixels(), &picture())
        .into_iter()
        .chain(pack(&scores(), &outcome()));
    circuit.extra.extend(words.map(element));
    circuit
}

/// The commitment that the circuit states.
pub fn commitment(circuit: &TwoPhase) -> Fr {
    circuit.instances()[0]
}

/// A verifier of one circuit in direct mode, and what proves for it.
pub struct Direct {
    pub params: ParamsKZG<Bn256>,
    pub pk: halo2_proofs::plonk::ProvingKey<G1Affine>,
    pub protocol: PlonkProtocol<G1Affine>,
    pub source: VerifierSource,
    pub code: Bytecode,
}

impl Direct {
    /// One for all the tests of a program.
    pub fn get() -> &'static Direct {
        static DIRECT: OnceLock<Direct> = OnceLock::new();
        DIRECT.get_or_init(|| {
            let params = ParamsKZG::<Bn256>::setup(8, StdRng::seed_from_u64(1));
            let circuit = circuit(2, 5, Fr::zero());
            let pk = two_phase::keygen(&params, &circuit);
            let config = Config::kzg().with_num_instance(vec![circuit.instances().len()]);
            let protocol = protocol_of(&params, pk.get_vk(), config);
            let key = KzgDecidingKey::from((params.get_g()[0], params.g2(), params.s_g2()));
            let labels = Labels {
                contract: "DirectVerifier".to_string(),
                srs: "development, seed 1, insecure".to_string(),
                notes: vec![],
            };
            let compiler = find_compiler(None).unwrap();
            let (source, code) = build(&compiler, &key, &protocol, &labels).unwrap();
            Direct {
                params,
                pk,
                protocol,
                source,
                code,
            }
        })
    }

    pub fn prove(&self, context: Fr) -> Vec<u8> {
        two_phase::evm_proof(&self.params, &self.pk, circuit(2, 5, context)).1
    }

    pub fn commitment(&self) -> Fr {
        commitment(&circuit(2, 5, Fr::zero()))
    }
}

/// A chain with the front, and an account that pays nothing for gas.
#[derive(Clone)]
pub struct Scene {
    pub chain: Chain,
    pub front: Address,
}

pub const ALICE: Address = Address::with_last_byte(0xa1);
pub const BOB: Address = Address::with_last_byte(0xb0);

thread_local! {
    /// Code that stands in this thread's scenes for the front's.
    static FRONT: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Runs a test with other code for the front.
pub fn standing_for(code: &[u8], test: fn()) {
    FRONT.with(|front| *front.borrow_mut() = Some(code.to_vec()));
    test();
}

impl Scene {
    pub fn new(fork: Fork) -> Self {
        let mut chain = Chain::new(fork);
        let front = chain.deploy(&model_verifier().unwrap().creation()).unwrap();
        let front = front.address;
        if let Some(code) = FRONT.with(|code| code.borrow().clone()) {
            chain.set_code(front, &code);
        }
        Self { chain, front }
    }

    pub fn call(&mut self, to: Address, calldata: &[u8]) -> CallOutcome {
        self.send(ALICE, to, calldata)
    }

    pub fn send(&mut self, from: Address, to: Address, calldata: &[u8]) -> CallOutcome {
        let call = Call {
            from,
            to,
            value: 0,
            calldata,
            gas: MAX_TX_GAS,
        };
        self.chain.send(&call).unwrap()
    }

    /// Deploys a verifier and registers a model of it.
    pub fn register(&mut self, code: &Bytecode, model: impl Fn(Address, B256) -> Model) -> Model {
        let verifier = self.chain.deploy(&code.creation).unwrap().address;
        let model = model(verifier, keccak256(&code.runtime));
        let call = zkml_evm_verifier::front::register_call(&model);
        let outcome = self.call(self.front, &call);
        assert!(outcome.returned, "{}", reason(&outcome));
        assert_eq!(outcome.output, model_id(&model).to_vec());
        model
    }
}

/// The model of the classifier.
pub fn classifier(verifier: Address, code_hash: B256, key: Option<Fr>, commitment: Fr) -> Model {
    fitted(Model {
        verifier,
        codeHash: code_hash,
        mode: match key {
            Some(_) => IModelVerifier::Mode::Aggregated,
            None => IModelVerifier::Mode::Direct,
        },
        slots: vec![],
        keyDigest: word(key.unwrap_or_default()),
        commitment: word(commitment),
        inputs: vec![pixels()],
        outputs: vec![scores()],
    })
}

/// The model of a verifier that has one slot, for it.
pub fn fitted(mut model: Model) -> Model {
    model.slots = vec![u16::try_from(words(&model)).unwrap()];
    model
}

/// The inference of the picture.
pub fn inference(model: &Model, context: Fr) -> Inference {
    Inference {
        model_id: model_id(model),
        context,
        input: encode_elements(&model.inputs[0], &picture(), "input").unwrap(),
        output: encode_elements(&model.outputs[0], &outcome(), "output").unwrap(),
    }
}

/// Why a call reverted.
pub fn reason(outcome: &CallOutcome) -> String {
    format!(
        "{}: {}",
        outcome.ending,
        zkml_evm_verifier::front::describe_revert(&outcome.output)
    )
}

/// Creation code of the example consumer with its constructor's arguments.
pub fn bounty(front: Address, model: B256, class: u64, reward: u64) -> Vec<u8> {
    let mut code = class_bounty().unwrap().creation();
    code.extend(front.into_word());
    code.extend(model);
    code.extend(U256::from(class).to_be_bytes::<32>());
    code.extend(U256::from(reward).to_be_bytes::<32>());
    code
}
