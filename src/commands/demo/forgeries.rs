//! Proofs tampered with.

use zkml_model::prove::{Exposure, Proof, Word};

/// The proof for another output, for another request, and with a changed byte.
pub fn forgeries(proof: &Proof) -> Vec<(&'static str, Proof)> {
    let mut output = proof.clone();
    if let Some(Exposure::Public(values)) = output.statement.outputs.first_mut() {
        // The second value now wins: a forger's 'this is a 1'.
        let best = values.iter().copied().max().unwrap_or_default();
        if let Some(value) = values.get_mut(1) {
            *value = best;
        }
    }
    let mut context = proof.clone();
    context.statement.context = Word(1u64.into());
    let mut byte = proof.clone();
    if let Some(last) = byte.argument.last_mut() {
        *last ^= 1;
    }
    vec![
        ("another output", output),
        ("another context", context),
        ("one bit flipped", byte),
    ]
}
