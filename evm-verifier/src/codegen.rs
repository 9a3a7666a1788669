//! The Solidity source of a verifier.
//!
//! snark-verifier writes the arithmetic of the verification as one block of assembly. Taken alone
//! that block is not enough, so what it writes is checked line by line and completed:
//!
//! * **Canonical scalars.** It reduces each public value and each evaluation modulo r, so that
//!   `x + r` passes for `x`. Here a word that is not below r fails the verification.
//! * **Exact length.** It reads calldata at fixed offsets and ignores the rest. Here calldata of
//!   any other length reverts at once, before anything is spent.
//! * **A verdict that can be told from an accident.** It reverts with nothing, whatever went wrong, and
//!   returns nothing if the proof verifies, as a call to an address without code does. Here the
//!   four ways to fail have an error each ([`Failure`]), and success is the word 1.
//! * **No precompile gets bad input.** One that fails burns nearly all gas. Here scalars, points and
//!   accumulator are checked before the first call, so that a precompile fails for lack of gas only.
//! * **All of memory is its own.** It claims to keep Solidity's memory layout, and reverts if the free
//!   memory pointer is not where it was in one old compiler. Here it makes no such claim: the compiler
//!   then keeps nothing in memory, and nothing is assumed.
//! * **Code that does not grow with the public values.** It has code for each. Here calldata is copied and checked in
//!   stretches (`runs.rs`), and the polynomial of the public values is evaluated by a loop (`public_values.rs`).
//! * **Compiler version.** Its pragma names one exact old compiler.
//! * **Other people's settings.** Optimisers end with "Stack too deep" on it. Here some of it is hidden from them
//!   (`opaque.rs`).
//!
//! The header says what the contract verifies (the digest of the verifying key) and which
//! reference string it trusts.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod assembly;
mod checks;
mod failure;
mod opaque;
mod public_values;
mod runs;

use crate::{
    calldata::Layout,
    optimise::optimise,
    validate::{self, Input, TranslationError},
    yul::{parse, Expr, NotUnderstood, Statement},
};
use assembly::Assembly;
pub use failure::Failure;
use halo2_proofs::halo2curves::bn256::{Bn256, G1Affine};
use public_values::PublicValues;
use serde_json::{json, Value};
use snark_verifier::{pcs::kzg::KzgDecidingKey, verifier::plonk::PlonkProtocol};

/// What can go wrong while the source is written.
#[derive(Debug, thiserror::Error)]
pub enum CodegenError {
    /// The name is not a Solidity identifier.
    #[error("contract name {name:?} is not a Solidity identifier: use letters, digits and _, not starting with a digit")]
    Name {
        /// The name asked for.
        name: String,
    },
    /// The protocol has no verifier of the kind generated here.
    #[error("the circuit has no EVM verifier: {reason}; expected a KZG circuit with a transcript state, as the proving keys here have")]
    Protocol {
        /// What is wrong with it.
        reason: String,
    },
    /// The code that snark-verifier wrote is not the code that this module knows how to complete.
    #[error("the generated assembly is not as expected: {what}: expected {expected}, got {got}; the pinned snark-verifier version must have changed")]
    Generated {
        /// The thing counted.
        what: &'static str,
        /// How many were expected.
        expected: usize,
        /// How many were found.
        got: usize,
    },
    /// The code has something that zkml does not understand.
    #[error("the generated assembly is not as expected: {0}; the pinned snark-verifier version must have changed")]
    NotUnderstood(#[from] NotUnderstood),
    /// The source is not that of the verifier that it was made from.
    #[error(transparent)]
    Translation(#[from] TranslationError),
}

/// The interface of every contract that [`generate`] writes, as solc has it: four errors, and a function that takes
/// calldata as it is.
pub fn abi() -> Value {
    let mut errors = Failure::ALL.map(Failure::name);
    errors.sort_unstable();
    let errors = errors.map(|name| json!({ "type": "error", "name": name, "inputs": [] }));
    let fallback = json!({ "type": "fallback", "stateMutability": "nonpayable" });
    errors.into_iter().chain([fallback]).collect()
}

/// How to name and label a contract.
#[derive(Clone, Debug)]
pub struct Labels {
    /// Name of the contract.
    pub contract: String,
    /// Where the reference string came from, one line.
    pub srs: String,
    /// Further lines for the header, such as the digest of the verifying key.
    pub notes: Vec<String>,
}

/// A verifier's source and the calldata that it takes.
#[derive(Clone, Debug)]
pub struct VerifierSource {
    /// Name of the contract in `source`.
    pub contract: String,
    /// Solidity source.
    pub source: String,
    /// Calldata of the contract.
    pub layout: Layout,
    /// The calldata on which it was compared with the native verifier.
    pub inputs: Vec<Input>,
}

impl VerifierSource {
    /// The assembly, read back from the source.
    ///
    /// # Errors
    /// If the source is not one of zkml's.
    pub fn program(&self) -> Result<Vec<Statement>, NotUnderstood> {
        program(&self.source)
    }

    /// The same with nothing hidden from the compiler: what the source means.
    ///
    /// # Errors
    /// As [`VerifierSource::program`].
    pub fn meaning(&self) -> Result<Vec<Statement>, NotUnderstood> {
        Ok(opaque::reveal(self.program()?, self.layout.bytes()))
    }
}

/// The assembly of a contract's source.
///
/// # Errors
/// If the source is not one of zkml's.
pub fn program(source: &str) -> Result<Vec<Statement>, NotUnderstood> {
    let start = "assembly {\n";
    let found = source.split_once(start);
    let end = source
        .trim_end()
        .strip_suffix('}')
        .map(|rest| rest.trim_end().len());
    let (Some((before, _)), Some(end)) = (found, end) else {
        return Err(NotUnderstood::new(
            "no assembly of a verifier",
            &"the source",
        ));
    };
    // The contract's brace is gone; those of function and assembly follow.
    let inner = source.get(before.len().saturating_add(start.len())..end);
    let inner = inner.and_then(|inner| inner.strip_suffix('}')?.trim_end().strip_suffix('}'));
    let mut statements = parse(inner.unwrap_or("}"))?;
    let length = before.split_once(LENGTH_IS).and_then(|(_, rest)| {
        let digits = rest.split_once(';')?.0.trim().strip_prefix("0x")?;
        usize::from_str_radix(digits, 16).ok()
    });
    if let Some(length) = length {
        let (name, value) = (Expr::name(LENGTH), Expr::number(length));
        exchange(&mut statements, &name, &value);
    }
    Ok(statements)
}

/// Puts one expression for another in the conditions of the outermost statements.
fn exchange(statements: &mut [Statement], old: &Expr, new: &Expr) {
    for statement in statements {
        if let Statement::If(condition, _) = statement {
            condition.replace(&mut |part| (part == old).then(|| new.clone()));
        }
    }
}

/// The constant of the contract that is the length of its calldata. Where assembly reads a name of Solidity, the
/// compiler without viaIR leaves it to the optimiser of instructions, which keeps nothing on the stack.
const LENGTH: &str = "LENGTH";
/// What its definition begins with.
const LENGTH_IS: &str = "uint256 private constant LENGTH = ";

/// Writes the verifier of `protocol` under the reference string of `key`, and compares it with the native verifier
/// ([`crate::validate`]).
///
/// `optimised` code is smaller and cheaper. It uses more of the stack, so that solc may refuse it for
/// some circuit; [`crate::check::build`] then takes the other.
///
/// # Errors
/// If the name is no identifier, the protocol is of another kind than zkml's, or the text that came of it is not
/// understood or verifies anything else.
pub fn generate(
    key: &KzgDecidingKey<Bn256>,
    protocol: &PlonkProtocol<G1Affine>,
    labels: &Labels,
    optimised: bool,
) -> Result<VerifierSource, CodegenError> {
    check_name(&labels.contract)?;
    if protocol.instance_committing_key.is_some() || protocol.transcript_initial_state.is_none() {
        return Err(CodegenError::Protocol {
            reason: "it commits to its instances".to_string(),
        });
    }
    let layout = layout(protocol);
    let Assembly { text, slot } = assembly::assembly(key, protocol)?;
    let public_values = PublicValues {
        count: layout.instances,
        slot,
        generator_inverse: protocol.domain.gen_inv,
        size_inverse: protocol.domain.n_inv,
    };
    let accumulators = protocol.accumulator_indices.len();
    let (head, body) = complete(&text, &public_values, layout, accumulators)?;
    let whole = |body: &[Statement]| [&head[..], body].concat();
    let plain = whole(&body);
    let (meant, settings) = if optimised {
        (whole(&optimise(body, slot)?), SETTINGS)
    } else {
        (plain.clone(), SETTINGS_OF_PLAIN)
    };
    let text = if optimised {
        opaque::conceal(meant.clone(), layout.bytes())
    } else {
        meant.clone()
    };
    let written = source(&text, labels, layout, settings);
    let read = program(&written)?;
    if opaque::reveal(read.clone(), layout.bytes()) != meant {
        let what = "what is hidden from the compiler is not what was meant";
        return Err(NotUnderstood::new(what, &labels.contract).into());
    }
    let inputs = validate::inputs(key, protocol, layout)?;
    validate::texts(&plain, &read, &inputs)?;
    Ok(VerifierSource {
        contract: labels.contract.clone(),
        source: written,
        layout,
        inputs,
    })
}

/// The calldata that the verifier of `protocol` takes.
pub fn layout(protocol: &PlonkProtocol<G1Affine>) -> Layout {
    // Two more points for the opening: SHPLONK's W and W'.
    let points = protocol.num_witness.iter().copied();
    let points = points.chain([protocol.quotient.num_chunk(), 2]);
    Layout {
        instances: total(protocol.num_instance.iter().copied()),
        points: total(points),
        evaluations: protocol.evaluations.len(),
    }
}

fn total(numbers: impl Iterator<Item = usize>) -> usize {
    numbers.fold(0, usize::saturating_add)
}

fn check_name(name: &str) -> Result<(), CodegenError> {
    let ok = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.chars().next().is_some_and(|c| !c.is_ascii_digit());
    ok.then_some(()).ok_or_else(|| CodegenError::Name {
        name: name.to_string(),
    })
}

/// The generated code with the checks that it lacks: constants and functions, and what runs.
fn complete(
    text: &str,
    public_values: &PublicValues,
    layout: Layout,
    accumulators: usize,
) -> Result<(Vec<Statement>, Vec<Statement>), CodegenError> {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let (constants, body) = checks::entry(&lines)?;
    let mut head = parse(&format!(
        "// Calldata of any other length is not a proof.
         if iszero(eq(calldatasize(), {:#x})) {{ {} }}",
        layout.bytes(),
        Failure::Length.revert()
    ))?;
    head.extend(constants);
    head.extend(parse(runs::FUNCTIONS)?);
    let body = checks::complete(&body, layout, accumulators)?;
    Ok((head, public_values.insert(&body)?))
}

/// The source of a contract.
fn source(text: &[Statement], labels: &Labels, layout: Layout, settings: &str) -> String {
    let mut out = header(labels, layout, settings);
    out.push_str(&format!("contract {} {{\n", labels.contract));
    for failure in Failure::ALL {
        out.push_str(&format!("error {}();\n", failure.name()));
    }
    let mut text = text.to_vec();
    let length = Expr::number(layout.bytes());
    exchange(&mut text, &length, &Expr::name(LENGTH));
    out.push_str(&format!("\n{LENGTH_IS}{length};\n"));
    out.push_str("\nfallback() external {\nassembly {\n");
    for statement in &text {
        out.push_str(&format!("{statement}\n"));
    }
    out.push_str("}\n}\n}\n");
    indent(&out)
}

fn expect(what: &'static str, expected: usize, got: usize) -> Result<(), CodegenError> {
    if expected == got {
        Ok(())
    } else {
        Err(CodegenError::Generated {
            what,
            expected,
            got,
        })
    }
}

/// What whoever compiles the file with other tools must know first. `docs/onchain.md` has more.
const SETTINGS: &str = "\
// It compiles with the optimiser on or off: without viaIR with solc 0.8.24 and later, with viaIR and the optimiser with
// 0.8.30 and later (before, solc may end with \"Could not create stack layout after 1000 iterations\"). zkml's own
// settings (viaIR, optimiser with yulDetails.optimizerSteps \"u\") cost the least gas, and give the code hash that zkml
// computes. Addresses counted from calldatasize() are constants: its value is LENGTH.
//
";

/// The same for code whose words no optimiser may follow, and where nothing is hidden from it.
const SETTINGS_OF_PLAIN: &str = "\
// Compile it with the optimiser off, or as zkml does: viaIR, and the optimiser with yulDetails.optimizerSteps \"u\".
// With the whole optimiser solc ends with \"Stack too deep\", \"Cannot swap Variable\" or std::bad_alloc. In Foundry
// put it under a compilation restriction of its own, in Hardhat under `overrides`.
//
";

fn header(labels: &Labels, layout: Layout, settings: &str) -> String {
    let mut out = String::from("// SPDX-License-Identifier: MIT\n");
    out.push_str("// Written by zkml on top of snark-verifier's generator. Do not edit.\n");
    out.push_str(settings);
    out.push_str(&format!("// Reference string: {}\n", one_line(&labels.srs)));
    for note in &labels.notes {
        out.push_str(&format!("// {}\n", one_line(note)));
    }
    out.push_str(&format!(
        "//\n// Calldata, {} bytes, no selector: {} public values of 32 bytes, big-endian and below\n\
         // the field's order, then a proof of {} bytes. Returns the word 1 if the proof verifies, and\n\
         // reverts with one of its errors otherwise. PrecompileFailed, or no error at all, is lack of gas\n\
         // and says nothing of the proof. Pin this contract's address and code hash.\n",
        layout.bytes(),
        layout.instances,
        layout.proof_bytes()
    ));
    out.push_str("pragma solidity >=0.8.24 <0.9.0;\n\n");
    out
}

/// A label must not end the comment that it stands in: the compiler ends lines at U+2028 and U+2029 too.
fn one_line(text: &str) -> String {
    let shown = |c: char| c.is_alphanumeric() || c.is_ascii_graphic();
    text.chars()
        .map(|c| if shown(c) { c } else { ' ' })
        .collect()
}

/// Indents by depth of braces, so that a reader can follow the blocks.
fn indent(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut depth = 0usize;
    for line in source.lines() {
        if line.starts_with('}') {
            depth = depth.saturating_sub(1);
        }
        if !line.is_empty() {
            out.push_str(&"    ".repeat(depth));
            out.push_str(line);
        }
        out.push('\n');
        if !line.starts_with("//") {
            let opens = line.matches('{').count();
            let opens = opens.saturating_add(usize::from(line.starts_with('}')));
            let closes = line.matches('}').count();
            depth = depth.saturating_add(opens).saturating_sub(closes);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert!(check_name("MnistVerifier_1").is_ok());
        for bad in ["", "1st", "a b", "x;", "ä"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn unknown_assembly_is_refused() {
        let layout = Layout {
            instances: 1,
            points: 2,
            evaluations: 1,
        };
        let public_values = PublicValues {
            count: 1,
            slot: 0x80,
            generator_inverse: Default::default(),
            size_inverse: Default::default(),
        };
        let error = complete("contract Other {", &public_values, layout, 0).unwrap_err();
        assert!(matches!(
            error,
            CodegenError::Generated {
                expected: 10,
                got: 0,
                ..
            }
        ));
    }
}
