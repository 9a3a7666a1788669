//! The Solidity source of a verifier.
//!
//! snark-verifier writes the arithmetic of the verification as one block of assembly. Taken alone
//! that block is not enough, so what it writes is checked line by line and completed:
//!
//! * **Canonical scalars.** It reduces each public value and each evaluation modulo r, so that
//!   `x + r` passes for `x`. Here a word that is not below r fails the verification.
//! * **Exact length.** It reads calldata at fixed offsets and ignores the rest. Here calldata of
//!   any other length reverts at once, before anything is spent.
//! * **Compiler version.** Its pragma names one exact old compiler.
//!
//! The header says what the contract verifies (the digest of the verifying key) and which
//! reference string it trusts.

use crate::{calldata::Layout, optimise::optimise};
use halo2_proofs::halo2curves::bn256::{Bn256, Fq, Fr, G1Affine};
use snark_verifier::{
    loader::evm::EvmLoader,
    pcs::kzg::KzgDecidingKey,
    system::halo2::transcript::evm::EvmTranscript,
    verifier::{plonk::PlonkProtocol, SnarkVerifier},
};
use std::rc::Rc;
use zkml_circuits::aggregate::OuterVerifier;

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
}

/// Writes the verifier of `protocol` under the reference string of `key`.
///
/// `optimised` code is smaller and cheaper. It uses more of the stack, so that solc may refuse it for
/// some circuit; [`crate::check::build`] then takes the other.
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
    let assembly = assembly(key, protocol)?;
    let source = complete(&assembly, layout, labels, optimised)?;
    Ok(VerifierSource {
        contract: labels.contract.clone(),
        source,
        layout,
    })
}

/// The calldata that the verifier of `protocol` takes.
pub fn layout(protocol: &PlonkProtocol<G1Affine>) -> Layout {
    // Two more points for the opening: SHPLONK's W and W'.
    let points = protocol.num_witness.iter().sum::<usize>() + protocol.quotient.num_chunk() + 2;
    Layout {
        instances: protocol.num_instance.iter().sum(),
        points,
        evaluations: protocol.evaluations.len(),
    }
}

fn check_name(name: &str) -> Result<(), CodegenError> {
    let ok = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.chars().next().is_some_and(|c| !c.is_ascii_digit());
    ok.then_some(()).ok_or_else(|| CodegenError::Name {
        name: name.to_string(),
    })
}

/// Runs snark-verifier's generator.
fn assembly(
    key: &KzgDecidingKey<Bn256>,
    protocol: &PlonkProtocol<G1Affine>,
) -> Result<String, CodegenError> {
    // It decides an accumulator among the public values where the protocol says that there is one.
    type Verifier = OuterVerifier;
    let loader = EvmLoader::new::<Fq, Fr>();
    let protocol = protocol.loaded(&loader);
    let mut transcript = EvmTranscript::<_, Rc<EvmLoader>, _, _>::new(&loader);
    let instances = transcript.load_instances(protocol.num_instance.clone());
    let refused = |error| CodegenError::Protocol {
        reason: format!("{error:?}"),
    };
    let proof =
        Verifier::read_proof(key, &protocol, &instances, &mut transcript).map_err(refused)?;
    Verifier::verify(key, &protocol, &instances, &proof).map_err(refused)?;
    Ok(loader.solidity_code())
}

/// Completes the generated code with the checks that it lacks, and its header.
fn complete(
    assembly: &str,
    layout: Layout,
    labels: &Labels,
    optimised: bool,
) -> Result<String, CodegenError> {
    let mut loads = 0;
    let mut lengths = 0;
    let mut heads = 0;
    let mut ends = 0;
    let mut out = header(labels, layout);
    for line in assembly
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        if line.starts_with("// SPDX") || line.starts_with("pragma solidity") {
            heads += 1;
        } else if line.starts_with("contract Halo2Verifier") {
            heads += 1;
            out.push_str(&format!("contract {} {{\n", labels.contract));
        } else if line == "let success := true" {
            lengths += 1;
            let bytes = layout.bytes();
            out.push_str(&format!(
                "// Calldata of any other length is not a proof.\n\
                 if iszero(eq(calldatasize(), {bytes:#x})) {{ revert(0, 0) }}\n{line}\n"
            ));
        } else if let Some((to, from)) = scalar_load(line) {
            loads += 1;
            out.push_str(&format!(
                "{{\nlet v := calldataload({from})\n\
                 success := and(lt(v, f_q), success)\nmstore({to}, v)\n}}\n"
            ));
        } else if line == "// Revert if anything fails" {
            ends += 1;
            let body = out.split_off(body_at(&out));
            let lines = body.lines().map(str::to_string).collect();
            let lines = if optimised { optimise(lines) } else { lines };
            lines
                .into_iter()
                .chain([line.to_string()])
                .for_each(|line| {
                    out.push_str(&line);
                    out.push('\n');
                });
        } else {
            out.push_str(line);
            out.push('\n');
        }
    }
    expect("ends", 1, ends)?;
    expect("header lines", 3, heads)?;
    expect("entry points", 1, lengths)?;
    expect(
        "scalars read from calldata",
        layout.instances + layout.evaluations,
        loads,
    )?;
    expect(
        "words read from calldata",
        layout.bytes() / 32,
        out.matches("calldataload(").count(),
    )?;
    expect(
        "reductions of calldata",
        0,
        out.matches("mod(calldataload(").count(),
    )?;
    Ok(indent(&out))
}

/// Where the verification itself begins: at the first word read from calldata.
fn body_at(code: &str) -> usize {
    let first = code.find("calldataload(").unwrap_or(code.len());
    let opened = code.get(..first).and_then(|before| before.rfind("{\n"));
    opened.unwrap_or(code.len())
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

/// Memory address and calldata offset of `mstore(A, mod(calldataload(B), f_q))`.
fn scalar_load(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix("mstore(")?.strip_suffix("), f_q))")?;
    rest.split_once(", mod(calldataload(")
}

fn header(labels: &Labels, layout: Layout) -> String {
    let mut out = String::from("// SPDX-License-Identifier: MIT\n");
    out.push_str("// Written by zkml on top of snark-verifier's generator. Do not edit.\n//\n");
    out.push_str(&format!("// Reference string: {}\n", one_line(&labels.srs)));
    for note in &labels.notes {
        out.push_str(&format!("// {}\n", one_line(note)));
    }
    out.push_str(&format!(
        "//\n// Calldata, {} bytes, no selector: {} public values of 32 bytes, big-endian and below\n\
         // the field's order, then a proof of {} bytes. Returns nothing when the proof verifies,\n\
         // reverts with nothing otherwise. A call to an address without code succeeds as well:\n\
         // pin this contract's address and code hash.\n",
        layout.bytes(),
        layout.instances,
        layout.proof_bytes()
    ));
    out.push_str("pragma solidity >=0.8.24 <0.9.0;\n\n");
    out
}

/// A label must not end the comment that it stands in.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Indents by depth of braces, so that a reader can follow the blocks.
fn indent(source: &str) -> String {
    let mut out = String::with_capacity(source.len() * 2);
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
            let opens = line.matches('{').count() + usize::from(line.starts_with('}'));
            depth = (depth + opens).saturating_sub(line.matches('}').count());
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
    fn scalar_loads_are_recognised() {
        let line = "mstore(0xa0, mod(calldataload(0x20), f_q))";
        assert_eq!(scalar_load(line), Some(("0xa0", "0x20")));
        assert_eq!(scalar_load("mstore(0xa0, mod(mload(0x20), f_q))"), None);
    }

    #[test]
    fn unknown_assembly_is_refused() {
        let layout = Layout {
            instances: 1,
            points: 2,
            evaluations: 1,
        };
        let labels = Labels {
            contract: "V".into(),
            srs: "development".into(),
            notes: vec!["a\nb".into()],
        };
        let error = complete("contract Other {", layout, &labels, true).unwrap_err();
        assert!(matches!(
            error,
            CodegenError::Generated {
                expected: 1,
                got: 0,
                ..
            }
        ));
    }
}
