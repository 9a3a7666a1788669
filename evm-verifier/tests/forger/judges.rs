//! Who judges a proof: snark-verifier's native verifier, the contract, and the front before it.

use super::outer::{tensors, Kind, Outer};
use crate::support::{Scene, ALICE};
use halo2_proofs::halo2curves::{
    bn256::{Fr, G1Affine},
    ff::PrimeField,
};
use revm::primitives::{keccak256, Address, B256, U256};
use snark_verifier_sdk::{
    snark_verifier::{
        loader::native::NativeLoader,
        pcs::kzg::LimbsEncoding,
        system::halo2::transcript::evm::EvmTranscript,
        verifier::{plonk::PlonkVerifier, SnarkVerifier},
    },
    SHPLONK,
};
use std::collections::HashSet;
use zkml_aggregation::{ACCUMULATOR_LIMBS, BITS, LIMBS};
use zkml_evm_verifier::{
    compile::Bytecode,
    exec::{Call, Fork, MAX_TX_GAS},
    front::{
        batch_call, encode_elements, model_id, register_call, verify_call, word,
        IModelVerifier::{Mode, Model, Tensor},
        Inference,
    },
    yul::run::Trace,
};

/// What the judges said.
#[derive(Clone, Debug)]
pub struct Verdict {
    pub native: bool,
    /// By rules: whether the contract accepted, and how it ended.
    pub contract: Vec<(bool, String)>,
    /// By rules, if the public values are statements.
    pub front: Vec<bool>,
}

impl Verdict {
    pub fn on_chain(&self) -> impl Iterator<Item = bool> + '_ {
        let contract = self.contract.iter().map(|(accepted, _)| *accepted);
        contract.chain(self.front.iter().copied())
    }

    pub fn anybody_accepts(&self) -> bool {
        self.native || self.on_chain().any(|accepted| accepted)
    }

    pub fn everybody_accepts(&self) -> bool {
        self.native && self.on_chain().all(|accepted| accepted)
    }
}

/// A chain with contract and front.
#[derive(Clone)]
struct Court {
    scene: Scene,
    verifier: Address,
    /// Models that are registered.
    known: HashSet<B256>,
}

/// The judges of a contract's proofs.
#[derive(Clone)]
pub struct Judges<'a> {
    outer: &'a Outer,
    code_hash: B256,
    courts: Vec<Court>,
}

impl<'a> Judges<'a> {
    /// With a contract, which may be another than the outer circuit's.
    pub fn new(outer: &'a Outer, code: &Bytecode) -> Self {
        let courts = Fork::ALL.map(|fork| {
            let mut scene = Scene::new(fork);
            let verifier = scene.chain.deploy(&code.creation).unwrap().address;
            Court {
                scene,
                verifier,
                known: HashSet::new(),
            }
        });
        Self {
            outer,
            code_hash: keccak256(&code.runtime),
            courts: courts.to_vec(),
        }
    }

    pub fn judge(&mut self, calldata: &[u8]) -> Verdict {
        let (values, proof) = calldata.split_at(32 * self.outer.honest.len());
        let instances: Option<Vec<Fr>> = values.chunks(32).map(element).collect();
        let (outer, code_hash) = (self.outer, self.code_hash);
        let mut verdict = Verdict {
            native: false,
            contract: Vec::new(),
            front: Vec::new(),
        };
        for court in &mut self.courts {
            let outcome = court.scene.chain.call(court.verifier, calldata).unwrap();
            verdict.contract.push((outcome.accepted, outcome.ending));
            let told = instances.as_deref();
            let told = told.and_then(|all| statements(outer.kind, all, court.verifier, code_hash));
            verdict.front.extend(told.map(|told| {
                let limbs = 32 * ACCUMULATOR_LIMBS * outer.kind.accumulators();
                let argument = [&values[..limbs], proof].concat();
                court.told(outer.kind, told, &argument)
            }));
        }
        verdict.native = instances.is_some_and(|instances| self.native(instances, proof));
        verdict
    }

    /// The verdict of snark-verifier.
    pub fn native(&self, instances: Vec<Fr>, proof: &[u8]) -> bool {
        type Verifier = PlonkVerifier<SHPLONK, LimbsEncoding<LIMBS, BITS>>;
        let (key, protocol) = (&self.outer.deciding, &self.outer.protocol);
        let instances = [instances];
        let mut read = EvmTranscript::<G1Affine, NativeLoader, &[u8], Vec<u8>>::new(proof);
        let verified = Verifier::read_proof(key, protocol, &instances, &mut read)
            .and_then(|proof| Verifier::verify(key, protocol, &instances, &proof));
        verified.is_ok()
    }

    /// What the contract hashes and calls with.
    pub fn trace(&self, calldata: &[u8]) -> Trace {
        let court = &self.courts[0];
        let traced = court.scene.chain.trace(court.verifier, calldata);
        traced.unwrap()
    }
}

impl Court {
    /// Whether the front accepts a proof of statements.
    fn told(&mut self, kind: Kind, told: Vec<(Model, Inference)>, argument: &[u8]) -> bool {
        for (model, inference) in &told {
            if self.known.insert(inference.model_id) {
                self.call(&register_call(model));
            }
        }
        let told: Vec<_> = told.into_iter().map(|(_, inference)| inference).collect();
        match (kind, &told[..]) {
            (Kind::Direct, [one]) => self.call(&verify_call(one, argument, true)),
            _ => self.call(&batch_call(&told, argument, true)),
        }
    }

    fn call(&mut self, calldata: &[u8]) -> bool {
        let call = Call {
            from: ALICE,
            to: self.scene.front,
            value: 0,
            calldata,
            gas: MAX_TX_GAS,
        };
        self.scene.chain.send(&call).unwrap().returned
    }
}

/// The statements that public values make; none if they are no statements.
fn statements(
    kind: Kind,
    instances: &[Fr],
    verifier: Address,
    code_hash: B256,
) -> Option<Vec<(Model, Inference)>> {
    let (mode, with_digest) = match kind {
        Kind::Direct => (Mode::Direct, false),
        Kind::Aggregated(_) => (Mode::Aggregated, true),
        // The front knows one accumulator.
        Kind::Unfolded(_) => return None,
    };
    let start = ACCUMULATOR_LIMBS * kind.accumulators();
    let words = 4 + usize::from(with_digest);
    let slots = instances[start..].chunks(words);
    let lengths = vec![words as u16; slots.len()];
    slots
        .map(|slot| {
            let (digest, slot) = match (with_digest, slot) {
                (true, [digest, rest @ ..]) => (*digest, rest),
                (_, rest) => (Fr::zero(), rest),
            };
            let [commitment, context, input, output] = *slot else {
                return None;
            };
            let [first, last] = tensors();
            let model = Model {
                verifier,
                codeHash: code_hash,
                mode,
                slots: lengths.clone(),
                keyDigest: word(digest),
                commitment: word(commitment),
                inputs: vec![first.clone()],
                outputs: vec![last.clone()],
            };
            let inference = Inference {
                model_id: model_id(&model),
                context,
                input: encode_elements(&first, &unpacked(&first, input)?, "input").ok()?,
                output: encode_elements(&last, &unpacked(&last, output)?, "output").ok()?,
            };
            Some((model, inference))
        })
        .collect()
}

/// The elements that a word packs.
fn unpacked(tensor: &Tensor, value: Fr) -> Option<Vec<i64>> {
    let (count, bits) = (tensor.elements as usize, usize::from(tensor.bits));
    let mask = (U256::from(1) << bits) - U256::from(1);
    let value = word(value);
    let element = |e: usize| {
        let shifted: U256 = (value >> (bits * (count - 1 - e))) & mask;
        i64::try_from(shifted).ok()?.checked_add(tensor.lo)
    };
    let fits = (value >> (bits * count)) == U256::ZERO;
    fits.then(|| (0..count).map(element).collect())?
}

fn element(word: &[u8]) -> Option<Fr> {
    let mut repr: [u8; 32] = word.try_into().ok()?;
    repr.reverse();
    Option::from(Fr::from_repr(repr))
}
