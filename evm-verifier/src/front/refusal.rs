//! What the front's errors mean, in words.

use super::IModelVerifier::IModelVerifierErrors;
use crate::codegen::Failure;
use alloy_sol_types::SolInterface;

/// Whether revert data says that a model is not registered.
pub fn is_unknown_model(data: &[u8]) -> bool {
    matches!(
        IModelVerifierErrors::abi_decode(data),
        Ok(IModelVerifierErrors::UnknownModel(_))
    )
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
