//! What a contract's refusal means, and whether it is a verdict on the proof.

use crate::outcome::Refused;
use zkml_evm_verifier::{
    chain::{ChainError, Revert},
    codegen::Failure,
    front::{describe_revert, Refusal},
};

/// What the revert data says, or else what the node says.
fn describe(revert: &Revert) -> String {
    if known(revert) {
        describe_revert(&revert.data)
    } else {
        revert.message.clone()
    }
}

fn known(revert: &Revert) -> bool {
    Failure::of(&revert.data).is_some() || Refusal::of(&revert.data).is_some()
}

/// Whether the contract looked at the proof or its statement, and found it wanting. Where it could not
/// look, for lack of gas or because a model or contract is missing, nothing is known of the proof.
fn is_verdict(revert: &Revert) -> bool {
    match (Failure::of(&revert.data), Refusal::of(&revert.data)) {
        (Some(failure), _) => failure != Failure::Precompile,
        (_, Some(refusal)) => refusal == Refusal::Verdict,
        _ => false,
    }
}

/// A revert as an error of the command: a rejected proof, or something in the way.
pub fn refused(revert: &Revert) -> anyhow::Error {
    let text = describe(revert);
    if is_verdict(revert) {
        Refused(text).into()
    } else {
        anyhow::anyhow!("the contract reverts: {text}")
    }
}

/// An error of the chain, in which a revert says what it means.
pub fn explain(error: ChainError) -> anyhow::Error {
    match error {
        ChainError::Refused(revert) => refused(&revert).context("nothing was sent"),
        ChainError::Failed {
            hash,
            block,
            source,
        } => refused(&source).context(format!("transaction {hash} failed in block {block}")),
        other => other.into(),
    }
}
