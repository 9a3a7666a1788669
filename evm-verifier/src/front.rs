//! Speaking to `ModelVerifier`, the typed front of on-chain verification: what is registered, how
//! statements are encoded, what events and errors mean.
//!
//! The types, the calls, and the errors of [`IModelVerifier`] are read off `contracts/src/IModelVerifier.sol`.

use crate::codegen::Failure;
use alloy_sol_types::{SolCall, SolEvent, SolInterface, SolValue};
use halo2_proofs::halo2curves::{bn256::Fr, ff::PrimeField};
use revm::primitives::{keccak256, Address, B256, U256};
use zkml_circuits::{
    aggregate::ACCUMULATOR_LIMBS,
    graph::Visibility,
    layout::{Exposed, Form},
    prove::{Exposure, Statement},
};

#[allow(missing_docs, clippy::too_many_arguments)]
mod interface {
    alloy_sol_types::sol!(
        #![sol(all_derives)]
        "../contracts/src/IModelVerifier.sol"
    );
}
pub use interface::IModelVerifier;
use IModelVerifier::{IModelVerifierErrors, Model, Tensor};

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

/// What a model's verifier contract verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Proofs of the model's own circuit.
    Direct,
    /// Aggregated proofs; the model's verifying key has this digest ([`zkml_circuits::aggregate::vk_digest`]).
    Aggregated {
        /// Digest of the verifying key.
        key_digest: Fr,
    },
}

/// What a verifier contract is to the models that are registered with it.
#[derive(Clone, Copy, Debug)]
pub struct Contract<'a> {
    /// Where it stands.
    pub address: Address,
    /// Its code.
    pub code: &'a [u8],
    /// Words of public values for each proof that it verifies: the code does not show where one ends.
    pub slots: &'a [u16],
}

/// What is registered for a model.
pub fn model(
    form: &Form,
    commitment: Fr,
    mode: Mode,
    contract: &Contract<'_>,
) -> Result<Model, FrontError> {
    let tensors = |kind: &str, exposed: &[Exposed]| {
        let numbered = exposed.iter().enumerate();
        numbered
            .map(|(i, exposed)| tensor(exposed, &format!("{kind} {i}")))
            .collect::<Result<Vec<_>, _>>()
    };
    let (mode, key_digest) = match mode {
        Mode::Direct => (IModelVerifier::Mode::Direct, Fr::zero()),
        Mode::Aggregated { key_digest } => (IModelVerifier::Mode::Aggregated, key_digest),
    };
    let model = Model {
        verifier: contract.address,
        codeHash: keccak256(contract.code),
        mode,
        slots: contract.slots.to_vec(),
        keyDigest: word(key_digest),
        commitment: word(commitment),
        inputs: tensors("input", &form.inputs)?,
        outputs: tensors("output", &form.outputs)?,
    };
    let words = words(&model);
    if contract
        .slots
        .iter()
        .any(|slot| usize::from(*slot) == words)
    {
        return Ok(model);
    }
    Err(FrontError::NoSlot {
        slots: model.slots,
        words,
    })
}

/// Words of a model's statements among the verifier's public values: digest of the key in aggregated mode,
/// commitment, context, tensors.
pub fn words(model: &Model) -> usize {
    let head = match model.mode {
        IModelVerifier::Mode::Aggregated => 3,
        _ => 2,
    };
    let tensors = model.inputs.iter().chain(&model.outputs);
    let words = tensors.map(|tensor| match tensor.visibility {
        IModelVerifier::Visibility::Public => tensor.words as usize,
        IModelVerifier::Visibility::Hashed => 1,
        _ => 0,
    });
    head + words.sum::<usize>()
}

/// The id that a model is registered under.
pub fn model_id(model: &Model) -> B256 {
    keccak256(encode_model(model))
}

/// What the id is the hash of.
pub fn encode_model(model: &Model) -> Vec<u8> {
    model.abi_encode()
}

fn tensor(exposed: &Exposed, place: &str) -> Result<Tensor, FrontError> {
    let visibility = match exposed.visibility {
        Visibility::Public => IModelVerifier::Visibility::Public,
        Visibility::Hashed => IModelVerifier::Visibility::Hashed,
        Visibility::Private => IModelVerifier::Visibility::Private,
    };
    let (Visibility::Public, Some(encoding)) = (exposed.visibility, exposed.encoding) else {
        return Ok(Tensor {
            visibility,
            elements: 0,
            lo: 0,
            bits: 0,
            words: 0,
        });
    };
    let unusual = |what, expected: String, got: usize| FrontError::Packing {
        place: place.to_string(),
        what,
        expected,
        got: got.to_string(),
    };
    let bits = u8::try_from(encoding.bits).ok().filter(|bits| *bits <= 64);
    let bits = bits.ok_or_else(|| {
        let most = "at most 64".to_string();
        unusual("bits of an element", most, encoding.bits as usize)
    })?;
    let small = |number: usize| {
        u32::try_from(number)
            .map_err(|_| unusual("elements", format!("at most {}", u32::MAX), number))
    };
    Ok(Tensor {
        visibility,
        elements: small(exposed.elements)?,
        lo: encoding.lo,
        bits,
        words: small(encoding.words)?,
    })
}

/// Bytes of one element of a public tensor.
pub fn element_bytes(bits: u8) -> usize {
    match bits {
        0..=8 => 1,
        9..=16 => 2,
        17..=32 => 4,
        _ => 8,
    }
}

/// Inputs and outputs as the contract takes them.
pub fn encode(model: &Model, statement: &Statement) -> Result<(Vec<u8>, Vec<u8>), FrontError> {
    Ok((
        encode_tensors("input", &model.inputs, &statement.inputs)?,
        encode_tensors("output", &model.outputs, &statement.outputs)?,
    ))
}

fn encode_tensors(
    kind: &str,
    tensors: &[Tensor],
    exposures: &[Exposure],
) -> Result<Vec<u8>, FrontError> {
    let wrong = |place: String, what, expected: String, got: String| FrontError::Statement {
        place,
        what,
        expected,
        got,
    };
    if tensors.len() != exposures.len() {
        return Err(wrong(
            format!("{kind}s"),
            "number",
            tensors.len().to_string(),
            exposures.len().to_string(),
        ));
    }
    let mut data = Vec::new();
    for (i, (tensor, exposure)) in tensors.iter().zip(exposures).enumerate() {
        let place = format!("{kind} {i}");
        match (tensor.visibility, exposure) {
            (IModelVerifier::Visibility::Public, Exposure::Public(values)) => {
                data.extend(encode_elements(tensor, values, &place)?);
            }
            (IModelVerifier::Visibility::Hashed, Exposure::Hashed(digest)) => {
                data.extend(word(digest.0).to_be_bytes::<32>());
            }
            (IModelVerifier::Visibility::Private, Exposure::Private) => {}
            (expected, _) => {
                let got = match exposure {
                    Exposure::Public(_) => "public",
                    Exposure::Hashed(_) => "hashed",
                    Exposure::Private => "private",
                };
                let expected = match expected {
                    IModelVerifier::Visibility::Public => "public",
                    IModelVerifier::Visibility::Hashed => "hashed",
                    _ => "private",
                };
                return Err(wrong(place, "visibility", expected.into(), got.into()));
            }
        }
    }
    Ok(data)
}

/// The elements of a public tensor as the contract takes them.
pub fn encode_elements(
    tensor: &Tensor,
    values: &[i64],
    place: &str,
) -> Result<Vec<u8>, FrontError> {
    let wrong = |what, expected: String, got: String| FrontError::Statement {
        place: place.to_string(),
        what,
        expected,
        got,
    };
    if values.len() != tensor.elements as usize {
        let (expected, got) = (tensor.elements.to_string(), values.len().to_string());
        return Err(wrong("number of elements", expected, got));
    }
    let lo = i128::from(tensor.lo);
    let hi = lo + (1i128 << tensor.bits) - 1;
    let width = element_bytes(tensor.bits);
    let mut data = Vec::with_capacity(width * values.len());
    for &value in values {
        if !(lo..=hi).contains(&i128::from(value)) {
            let expected = format!("{lo} to {hi}");
            return Err(wrong("element", expected, value.to_string()));
        }
        data.extend_from_slice(&value.to_be_bytes()[8 - width..]);
    }
    Ok(data)
}

/// The proof as the contract takes it: the accumulator in front.
pub fn aggregated_proof(instances: &[Fr], proof: &[u8]) -> Vec<u8> {
    let limbs = instances.iter().take(ACCUMULATOR_LIMBS);
    let mut data: Vec<u8> = limbs
        .flat_map(|limb| word(*limb).to_be_bytes::<32>())
        .collect();
    data.extend_from_slice(proof);
    data
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

/// Whether revert data says that a model is not registered.
pub fn is_unknown_model(data: &[u8]) -> bool {
    matches!(
        IModelVerifierErrors::abi_decode(data),
        Ok(IModelVerifierErrors::UnknownModel(_))
    )
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

/// What kind of refusal the front's revert data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The statement or its proof was found wanting.
    Verdict,
    /// It was not looked at, or not to the end: a contract or model is missing, or gas.
    Hindrance,
}

impl Refusal {
    /// The kind; none if the data is none of the front's errors.
    pub fn of(data: &[u8]) -> Option<Self> {
        use IModelVerifierErrors as E;
        Some(match E::abi_decode(data).ok()? {
            E::UnknownModel(_)
            | E::VerifierHasNoCode(_)
            | E::CodeHashMismatch(_)
            | E::KeyDigestInvalid(_)
            | E::CommitmentNotCanonical(_)
            | E::SlotsInvalid(_)
            | E::NoSlot(_)
            | E::TensorInvalid(_)
            | E::EmptyBatch(_)
            | E::BatchMixed(_)
            | E::RecordNotStored(_)
            | E::VerifierFailed(_) => Self::Hindrance,
            E::StatementCount(_)
            | E::SlotMismatch(_)
            | E::ContextNotCanonical(_)
            | E::InputLength(_)
            | E::OutputLength(_)
            | E::ElementOutOfRange(_)
            | E::DigestNotCanonical(_)
            | E::CalldataNotCanonical(_)
            | E::ProofRejected(_) => Self::Verdict,
        })
    }
}

/// What the front's revert data says, in words.
pub fn describe_revert(data: &[u8]) -> String {
    use IModelVerifierErrors as E;
    if data.is_empty() {
        return "reverted without a reason: out of gas, or calldata that is none of the contract's functions".into();
    }
    let Ok(error) = E::abi_decode(data) else {
        return match Failure::of(data) {
            Some(failure) => format!("the verifier reverted with {}", failure.name()),
            None => format!(
                "reverted with unknown data 0x{}",
                revm::primitives::hex::encode(data)
            ),
        };
    };
    match error {
        E::UnknownModel(e) => format!("no model {} is registered; run `zkml evm register`", e.modelId),
        E::VerifierHasNoCode(e) => format!("there is no contract at the verifier's address {}; run `zkml evm deploy`", e.verifier),
        E::CodeHashMismatch(e) => format!("the verifier at {} has another code: expected hash {}, got {}", e.verifier, e.expected, e.got),
        E::KeyDigestInvalid(e) => format!("verifying-key digest: expected one below the field's order, or zero in direct mode, got {:#x}", e.keyDigest),
        E::CommitmentNotCanonical(e) => format!("commitment: expected one below the field's order, got {:#x}", e.commitment),
        E::SlotsInvalid(e) => format!("{} slots: expected 1 in direct mode, 1 to 256 otherwise", e.slots),
        E::NoSlot(e) => format!("a statement of the model has {} words, and no slot of the verifier has as many: it could never be verified", e.words),
        E::TensorInvalid(e) => format!("tensor {} (inputs first): its description is not possible", e.tensor),
        E::RecordNotStored(_) => "the model's record could not be written: give the transaction more gas".into(),
        E::ContextNotCanonical(e) => format!("context: expected one below the field's order, got {:#x}", e.context),
        E::InputLength(e) => format!("input: expected {} bytes, got {}", e.expected, e.got),
        E::OutputLength(e) => format!("output: expected {} bytes, got {}", e.expected, e.got),
        E::ElementOutOfRange(e) => format!("tensor {} (inputs first), element {}: outside of the model's range", e.tensor, e.element),
        E::DigestNotCanonical(e) => format!("tensor {} (inputs first): its digest is not below the field's order", e.tensor),
        E::CalldataNotCanonical(_) => "the calldata is not encoded as Solidity encodes it".into(),
        E::EmptyBatch(_) => "the batch has no statements".into(),
        E::BatchMixed(e) => format!("statement {} of the batch: its model has another verifier or other slots than the first, or is not aggregated", e.statement),
        E::StatementCount(e) => format!("expected {} statements, one for each proof that the verifier checks at once, got {}", e.expected, e.got),
        E::SlotMismatch(e) => format!("slot {}: expected a statement of {} words, got one of {}", e.slot, e.expected, e.got),
        E::ProofRejected(e) => match Failure::of(e.reason.as_slice()) {
            Some(Failure::Length) => "proof rejected: it has not the verifier's length; is it a proof for another key?".into(),
            Some(Failure::Malformed) => "proof rejected: it has a number or a point that is not one".into(),
            _ => "proof rejected: it does not prove this statement".into(),
        },
        E::VerifierFailed(_) => "the verifier gave no verdict: give the transaction more gas".into(),
    }
}

/// A field element as a word.
pub fn word(value: Fr) -> U256 {
    U256::from_le_bytes(value.to_repr())
}
