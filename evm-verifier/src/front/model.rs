//! What a model is to the front: what is registered of it, and the id that this has.

use super::{
    word, FrontError,
    IModelVerifier::{self, Model, Tensor},
};
use alloy_sol_types::SolValue;
use halo2_proofs::halo2curves::bn256::Fr;
use revm::primitives::{keccak256, Address, B256};
use zkml_circuits::{
    graph::{Graph, Visibility},
    layout::{Exposed, Plan, WORD_BITS},
};

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
    graph: &Graph,
    plan: &Plan,
    commitment: Fr,
    mode: Mode,
    contract: &Contract<'_>,
) -> Result<Model, FrontError> {
    let tensors = |kind: &str, exposed: &[Exposed]| {
        let numbered = exposed.iter().enumerate();
        numbered
            .map(|(i, exposed)| tensor(graph, plan, exposed, &format!("{kind} {i}")))
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
        inputs: tensors("input", &plan.statement.inputs)?,
        outputs: tensors("output", &plan.statement.outputs)?,
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

fn tensor(
    graph: &Graph,
    plan: &Plan,
    exposed: &Exposed,
    place: &str,
) -> Result<Tensor, FrontError> {
    let visibility = match exposed.visibility {
        Visibility::Public => IModelVerifier::Visibility::Public,
        Visibility::Hashed => IModelVerifier::Visibility::Hashed,
        Visibility::Private => IModelVerifier::Visibility::Private,
    };
    if exposed.visibility != Visibility::Public {
        return Ok(Tensor {
            visibility,
            elements: 0,
            lo: 0,
            bits: 0,
            words: 0,
        });
    }
    let unusual = |what, expected: String, got: String| FrontError::Packing {
        place: place.to_string(),
        what,
        expected,
        got,
    };
    let packing = exposed.packing.and_then(|p| plan.statement.packings.get(p));
    let lanes = packing.map_or(&[][..], |packing| &packing.lanes);
    let bits = lanes.first().map_or(0, |lane| lane.bits);
    let rows = packing.map_or(0, |packing| packing.rows);
    let words = rows * plan.shape.data;
    let elements: usize = graph.tensors[exposed.tensor.0].shape.iter().product();
    let same = |condition: bool, what, expected: String, got: String| {
        condition
            .then_some(())
            .ok_or_else(|| unusual(what, expected, got))
    };
    let segments = elements.div_ceil(words.max(1));
    same(
        (1..=64).contains(&bits) && lanes.iter().all(|lane| lane.bits == bits),
        "bits of an element",
        "1 to 64, the same for all".to_string(),
        format!(
            "{:?}",
            lanes.iter().map(|lane| lane.bits).collect::<Vec<_>>()
        ),
    )?;
    same(
        lanes.len() == segments && lanes.iter().enumerate().all(|(i, lane)| lane.segment == i),
        "segments",
        format!("{segments} of {words}, in order"),
        format!(
            "{:?}",
            lanes.iter().map(|lane| lane.segment).collect::<Vec<_>>()
        ),
    )?;
    let group = (WORD_BITS / bits.max(1)) as usize;
    same(
        segments <= group,
        "elements a word",
        format!("at most {group}"),
        segments.to_string(),
    )?;
    let (Ok(count), Ok(m), Ok(small)) = (
        u32::try_from(elements),
        u32::try_from(words),
        u8::try_from(bits),
    ) else {
        return Err(unusual(
            "elements",
            format!("at most {}", u32::MAX),
            elements.to_string(),
        ));
    };
    Ok(Tensor {
        visibility,
        elements: count,
        lo: exposed.offset,
        bits: small,
        words: m,
    })
}
