//! Each contract is compared with what it was made from, when it is made: translation validation.
//!
//! Four verifiers run on the same calldata, and must agree in more than the verdict:
//!
//! 1. snark-verifier's native code, which says what the two pairings are;
//! 2. the plain text, as snark-verifier's generator wrote it, with the checks that it lacks;
//! 3. the optimised text, read back from the source that solc gets;
//! 4. the bytecode that solc made of that.
//!
//! Compared are the input of every hash, the input of every addition, multiplication and pairing of points, and how the
//! run ends ([`crate::yul::run`]). The twelve words of the pairing must be those of the native verifier, also for
//! proofs that are wrong: an optimiser that changes only what wrong proofs lead to is found, where a comparison of
//! verdicts on damaged proofs finds nothing. Memory that a run reads must have been written in that run.
//!
//! The calldata is canonical and random, or made of 0, 1, r − 1, points that are equal, opposite or the generator;
//! or has one word that no proof has, where every verifier must refuse: each scalar and each coordinate in its other
//! encoding, each point off the curve or the identity, each limb that is too large.

mod inputs;
mod native;

use crate::{
    exec::ExecError,
    yul::{
        run::{run, Called, Ending, RunError, Trace},
        Statement,
    },
};
use revm::primitives::hex;

pub use inputs::{inputs, Expected, Input};
use native::{reduced, word_of};

/// A difference between two verifiers that should be one.
#[derive(Debug, thiserror::Error)]
pub enum TranslationError {
    /// A text does what no verifier may do.
    #[error("the {text} text of the contract cannot be run on {input}: {error}")]
    Run {
        /// Which one.
        text: &'static str,
        /// What it was run on.
        input: String,
        /// What it does.
        error: RunError,
    },
    /// Two verifiers differ.
    #[error("the {text} differs on {input}: {what} should be {expected}, and is {got}; this is a fault of zkml: no contract was made")]
    Differs {
        /// The one that is not as it should be.
        text: &'static str,
        /// What it was run on.
        input: String,
        /// In what it differs.
        what: String,
        /// What the other has.
        expected: String,
        /// What it has.
        got: String,
    },
    /// The native verifier or the local EVM does not take the calldata.
    #[error("the contract cannot be compared on {input}: {reason}")]
    Native {
        /// What it was given.
        input: String,
        /// Its reason.
        reason: String,
    },
}

/// Compares the plain text with the native verifier, and the optimised text with the plain one.
///
/// # Errors
/// Names the first difference.
pub fn texts(
    plain: &[Statement],
    optimised: &[Statement],
    inputs: &[Input],
) -> Result<(), TranslationError> {
    for input in inputs {
        let traced = |text, program| {
            run(program, &input.calldata).map_err(|error| TranslationError::Run {
                text,
                input: input.what.clone(),
                error,
            })
        };
        let (plain, optimised) = (traced("plain", plain)?, traced("optimised", optimised)?);
        match &input.expected {
            Expected::Pairing(expected) => {
                let got = plain.calls.last().filter(|call| call.address == 8);
                let got = got.map_or(String::new(), |call| hex::encode(&call.input));
                let what = || "the input of the pairing".to_string();
                same("plain text", input, what, &hex::encode(expected), &got)?;
            }
            Expected::Refusal(failure) => {
                let expected = Ending::Reverted(failure.selector().to_vec());
                let what = || "the end".to_string();
                same(
                    "plain text",
                    input,
                    what,
                    &ended(&expected),
                    &ended(&plain.ending),
                )?;
            }
            Expected::Equal => {}
        }
        compare("optimised text", input, &plain, &optimised)?;
    }
    Ok(())
}

/// Compares bytecode with the text that it was compiled from; `traced` runs it.
///
/// # Errors
/// Names the first difference.
pub fn bytecode(
    text: &[Statement],
    inputs: &[Input],
    traced: impl Fn(&[u8]) -> Result<Trace, ExecError>,
) -> Result<(), TranslationError> {
    for input in inputs {
        let expected = run(text, &input.calldata).map_err(|error| TranslationError::Run {
            text: "compiled",
            input: input.what.clone(),
            error,
        })?;
        let got = traced(&input.calldata).map_err(|error| TranslationError::Native {
            input: input.what.clone(),
            reason: error.to_string(),
        })?;
        compare("bytecode", input, &expected, &got)?;
    }
    Ok(())
}

/// Compares two runs on one input: all that a verdict rests on.
///
/// # Errors
/// Names the first difference.
pub fn compare(
    text: &'static str,
    input: &Input,
    expected: &Trace,
    got: &Trace,
) -> Result<(), TranslationError> {
    let hashes = |trace: &Trace| trace.hashes.iter().map(hex::encode).collect();
    each_same(
        text,
        input,
        "the input of hash",
        hashes(expected),
        hashes(got),
    )?;
    let calls = |trace: &Trace| trace.calls.iter().filter_map(essential).collect();
    let what = "what is given to call";
    each_same(text, input, what, calls(expected), calls(got))?;
    let what = || "the end".to_string();
    same(
        text,
        input,
        what,
        &ended(&expected.ending),
        &ended(&got.ending),
    )
}

/// How a run ends, in words.
fn ended(ending: &Ending) -> String {
    match ending {
        Ending::Returned(data) => format!("return of 0x{}", hex::encode(data)),
        Ending::Reverted(data) => format!("revert with 0x{}", hex::encode(data)),
    }
}

/// What decides about a call: address and input. Inversions are joined, so that their inputs may differ; what
/// they give stands in those of later calls. A scalar counts modulo the order, as the multiplication takes it.
fn essential(call: &Called) -> Option<String> {
    let mut input = call.input.clone();
    if let (7, Some(scalar)) = (call.address, input.get_mut(0x40..0x60)) {
        let value = word_of(reduced(scalar));
        scalar.copy_from_slice(&value);
    }
    (call.address != 5).then(|| format!("{}: {}", call.address, hex::encode(input)))
}

fn each_same(
    text: &'static str,
    input: &Input,
    what: &str,
    expected: Vec<String>,
    got: Vec<String>,
) -> Result<(), TranslationError> {
    for i in 0..expected.len().max(got.len()) {
        let at = |all: &[String]| all.get(i).cloned().unwrap_or_else(|| "none".to_string());
        same(
            text,
            input,
            || format!("{what} {i}"),
            &at(&expected),
            &at(&got),
        )?;
    }
    Ok(())
}

fn same(
    text: &'static str,
    input: &Input,
    what: impl Fn() -> String,
    expected: &str,
    got: &str,
) -> Result<(), TranslationError> {
    if expected == got {
        return Ok(());
    }
    let short = |text: &str| text.chars().take(800).collect();
    Err(TranslationError::Differs {
        text,
        input: input.what.clone(),
        what: what(),
        expected: short(expected),
        got: short(got),
    })
}
