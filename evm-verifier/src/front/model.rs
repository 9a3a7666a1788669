//! What a model is to the front: what is registered of it, and the id that this has.

use super::{
    word, FrontError,
    IModelVerifier::{self, Model, Tensor},
};
use alloy_sol_types::SolValue;
use halo2_proofs::halo2curves::bn256::Fr;
use revm::primitives::{keccak256, Address, B256};
use zkml_graph::Visibility;
use zkml_model::layout::{Exposed, Form};

/// What a model's verifier contract verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Proofs of the model's own circuit.
    Direct,
    /// Aggregated proofs; the model's verifying key has this digest ([`zkml_aggregation::vk_digest`]).
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
