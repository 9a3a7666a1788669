//! Speaking to `ModelVerifier`, the typed front of on-chain verification: what is registered, how
//! statements are encoded, what events and errors mean.
//!
//! The types, the calls, and the errors of [`IModelVerifier`] are read off `contracts/src/IModelVerifier.sol`.

mod encoding;
mod model;
mod refusal;

pub use encoding::{aggregated_proof, element_bytes, encode, encode_elements};
pub use interface::IModelVerifier;
pub use model::{encode_model, model, model_id, words, Contract, Mode};
pub use refusal::{describe_revert, is_unknown_model, Refusal};

use alloy_sol_types::{SolCall, SolEvent};
use halo2_proofs::halo2curves::{bn256::Fr, ff::PrimeField};
use revm::primitives::{B256, U256};
use IModelVerifier::Model;

#[allow(missing_docs, clippy::too_many_arguments)]
mod interface {
    alloy_sol_types::sol!(
        #![sol(all_derives)]
        "../contracts/src/IModelVerifier.sol"
    );
}

/// What can go wrong between a model or a statement and the front.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    /// The layout packs a tensor in a way that the contract does not know.
    #[error("{place}: the contract cannot pack it: {what}: expected {expected}, got {got}; make it hashed or private")]
    Packing {
        /// Which input or output.
        place: String,
        /// What is unusual.
        what: &'static str,
        /// What the contract packs.
        expected: String,
        /// What the layout packs.
        got: String,
    },
    /// The contract has no slot for the model's statements.
    #[error("the contract is for proofs with {slots:?} public values each (key digest, commitment and context among them), a statement of the model has {words}: it could never be verified there; make the contract with the keys of this model (`zkml evm generate`)")]
    NoSlot {
        /// Words of each slot.
        slots: Vec<u16>,
        /// Words of a statement.
        words: usize,
    },
    /// A statement is not one of the model's.
    #[error("{place}: {what}: expected {expected}, got {got}")]
    Statement {
        /// Which input or output.
        place: String,
        /// What is wrong.
        what: &'static str,
        /// What the model has.
        expected: String,
        /// What the statement has.
        got: String,
    },
}

/// A proven inference: everything that a call is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inference {
    /// The model's id.
    pub model_id: B256,
    /// The context.
    pub context: Fr,
    /// Encoded inputs.
    pub input: Vec<u8>,
    /// Encoded outputs.
    pub output: Vec<u8>,
}

impl Inference {
    fn statement(&self) -> IModelVerifier::Statement {
        IModelVerifier::Statement {
            modelId: self.model_id,
            context: word(self.context),
            input: self.input.clone().into(),
            output: self.output.clone().into(),
        }
    }
}

/// Calldata of `register`.
pub fn register_call(model: &Model) -> Vec<u8> {
    let model = model.clone();
    IModelVerifier::registerCall { model }.abi_encode()
}

/// Calldata of `isRegistered`.
pub fn is_registered_call(id: B256) -> Vec<u8> {
    IModelVerifier::isRegisteredCall { modelId: id }.abi_encode()
}

/// What `isRegistered` returned; none if it is no answer of it.
pub fn is_registered(returned: &[u8]) -> Option<bool> {
    IModelVerifier::isRegisteredCall::abi_decode_returns(returned).ok()
}

/// Calldata of `getModel`.
pub fn get_model_call(id: B256) -> Vec<u8> {
    IModelVerifier::getModelCall { modelId: id }.abi_encode()
}

/// What `getModel` returned; none if it is no answer of it.
pub fn get_model(returned: &[u8]) -> Option<Model> {
    IModelVerifier::getModelCall::abi_decode_returns(returned).ok()
}

/// Calldata of `verify`, or of `submit`, which also emits an event.
pub fn verify_call(inference: &Inference, proof: &[u8], submit: bool) -> Vec<u8> {
    let IModelVerifier::Statement {
        modelId,
        context,
        input,
        output,
    } = inference.statement();
    let proof = proof.to_vec().into();
    if submit {
        IModelVerifier::submitCall {
            modelId,
            context,
            input,
            output,
            proof,
        }
        .abi_encode()
    } else {
        IModelVerifier::verifyCall {
            modelId,
            context,
            input,
            output,
            proof,
        }
        .abi_encode()
    }
}

/// Calldata of `verifyBatch`, or of `submitBatch`.
pub fn batch_call(inferences: &[Inference], proof: &[u8], submit: bool) -> Vec<u8> {
    let statements = inferences.iter().map(Inference::statement).collect();
    let proof = proof.to_vec().into();
    if submit {
        IModelVerifier::submitBatchCall { statements, proof }.abi_encode()
    } else {
        IModelVerifier::verifyBatchCall { statements, proof }.abi_encode()
    }
}

/// An event of the front.
#[derive(Clone, Debug)]
pub enum Event {
    /// A model was registered.
    Registered(IModelVerifier::ModelRegistered),
    /// A statement was proven.
    Verified(IModelVerifier::InferenceVerified),
}

/// The event of a log; none if it is not one of the front's.
pub fn event(topics: &[B256], data: &[u8]) -> Option<Event> {
    let topics = || topics.iter().copied();
    let registered = IModelVerifier::ModelRegistered::decode_raw_log(topics(), data);
    let verified = || IModelVerifier::InferenceVerified::decode_raw_log(topics(), data);
    registered
        .map(Event::Registered)
        .or_else(|_| verified().map(Event::Verified))
        .ok()
}

/// A field element as a word.
pub fn word(value: Fr) -> U256 {
    U256::from_le_bytes(value.to_repr())
}
