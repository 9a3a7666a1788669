//! Solidity source to bytecode, through foundry-compilers.
//!
//! The settings matter more than they look: with the usual optimiser and the IR pipeline together,
//! solc 0.8.30 turns the generated verifier, without a word, into 57 bytes that always revert; and
//! without the IR pipeline it gives up with "stack too deep". What works, and gives the smallest
//! and cheapest code, is the IR pipeline with the optimiser restricted to its unused-code pruner
//! (`optimizerSteps = "u"`). [`compile`] insists on it, and a contract must still pass
//! [`crate::check::check_contract`].

mod find;

pub use find::{find_compiler, in_repository, Compiler};

use crate::codegen::VerifierSource;
use foundry_compilers::artifacts::{
    output_selection::OutputSelection, BytecodeHash, BytecodeObject, CompilerOutput, Contract,
    EvmVersion, Optimizer, OptimizerDetails, Settings, SettingsMetadata, SolcInput, SolcLanguage,
    Source, Sources, YulDetails,
};
use serde_json::Value;
use std::path::PathBuf;

/// EIP-170: the most bytes that a contract's code may have.
pub const MAX_RUNTIME_BYTES: usize = 24_576;
/// Less than this is not a verifier, but what a miscompilation leaves of one.
const MIN_RUNTIME_BYTES: usize = 1_000;
/// What can go wrong between source and bytecode.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// No usable compiler was found.
    #[error("no Solidity compiler found (0.8.24 or later, 0.8.30 preferred); tried:\n{tried}\nrun `npm ci --prefix scripts/solc` in the repository, or install solc and set SOLC to its path")]
    NoCompiler {
        /// One line a place looked at.
        tried: String,
    },
    /// The compiler could not be run, or its output not be read.
    #[error("{solc}: the Solidity compiler failed: {reason}")]
    Run {
        /// The compiler.
        solc: String,
        /// Its error.
        reason: String,
    },
    /// The compiler found errors in the source.
    #[error("{contract}.sol does not compile with solc {version}: {errors}")]
    Source {
        /// Name of the contract.
        contract: String,
        /// Version of the compiler.
        version: String,
        /// Its messages.
        errors: String,
    },
    /// No compiler has such a version.
    #[error("expected a Solidity compiler's version such as 0.8.30+commit.73712a01, got {got:?}")]
    Version {
        /// What it is instead.
        got: String,
    },
    /// The committed artefact of a contract that is written by hand is not as it should be.
    #[error("contracts/artifacts/{contract}.json: {reason}")]
    Artefact {
        /// Name of the contract.
        contract: String,
        /// What is wrong.
        reason: String,
    },
    /// The code is too short to be a verifier.
    #[error("{contract}.sol was compiled to {got} bytes, expected at least {expected}: solc {version} has miscompiled it; use solc 0.8.30")]
    Miscompiled {
        /// Name of the contract.
        contract: String,
        /// Version of the compiler.
        version: String,
        /// Least plausible size.
        expected: usize,
        /// Size found.
        got: usize,
    },
    /// The code is over the limit that Ethereum sets.
    #[error("{contract}.sol has {got} bytes of code, Ethereum allows {expected} (EIP-170); use fewer columns (`--optimize onchain`), or aggregate the proof")]
    TooLarge {
        /// Name of the contract.
        contract: String,
        /// The limit.
        expected: usize,
        /// Size found.
        got: usize,
    },
}

/// A compiled verifier.
#[derive(Clone, Debug)]
pub struct Bytecode {
    /// What a deployment transaction carries.
    pub creation: Vec<u8>,
    /// What is then at the contract's address.
    pub runtime: Vec<u8>,
    /// Version of the compiler that made it.
    pub solc: String,
}

/// The settings that compile the verifier correctly; see the head of this module.
pub fn settings() -> Settings {
    Settings {
        optimizer: Optimizer {
            enabled: Some(true),
            // The code is called far more often than it is deployed.
            runs: Some(1_000_000),
            details: Some(OptimizerDetails {
                yul: Some(true),
                yul_details: Some(YulDetails {
                    stack_allocation: Some(true),
                    optimizer_steps: Some("u".to_string()),
                }),
                ..Default::default()
            }),
        },
        via_ir: Some(true),
        evm_version: Some(EvmVersion::Prague),
        // The code hash then depends on the code alone, not on the comments above it.
        metadata: Some(SettingsMetadata {
            use_literal_content: None,
            bytecode_hash: Some(BytecodeHash::None),
            cbor_metadata: Some(false),
        }),
        output_selection: OutputSelection::common_output_selection([
            "evm.bytecode.object".to_string(),
            "evm.deployedBytecode.object".to_string(),
        ]),
        ..Default::default()
    }
}

/// The settings of the contracts that are written by hand (`contracts/`): the usual optimiser on the
/// IR pipeline. Their code carries the hash of its metadata, by which block explorers verify the source.
pub fn contract_settings() -> Settings {
    Settings {
        optimizer: Optimizer {
            enabled: Some(true),
            runs: Some(1_000_000),
            details: None,
        },
        via_ir: Some(true),
        // No later opcode is used, and some chains are not at Prague.
        evm_version: Some(EvmVersion::Cancun),
        metadata: Some(SettingsMetadata {
            use_literal_content: None,
            bytecode_hash: Some(BytecodeHash::Ipfs),
            cbor_metadata: Some(true),
        }),
        output_selection: OutputSelection::common_output_selection([
            "abi".to_string(),
            "metadata".to_string(),
            "evm.bytecode.object".to_string(),
            "evm.deployedBytecode.object".to_string(),
        ]),
        ..Default::default()
    }
}

/// What the compiler is given for some files.
pub(crate) fn input_of(compiler: &Compiler, sources: Sources, settings: Settings) -> SolcInput {
    SolcInput::new(SolcLanguage::Solidity, sources, settings).sanitized(&compiler.solc.version)
}

/// What a compiler of this version is given for some files.
pub(crate) fn input_for(
    version: &str,
    sources: Sources,
    settings: Settings,
) -> Result<SolcInput, CompileError> {
    let wrong = |_| CompileError::Version {
        got: version.to_string(),
    };
    let version = version.parse().map_err(wrong)?;
    Ok(SolcInput::new(SolcLanguage::Solidity, sources, settings).sanitized(&version))
}

/// The settings of [`compile`] as JSON, as a compiler of this version is given them.
///
/// # Errors
/// If there is no such version.
pub fn settings_of(version: &str) -> Result<Value, CompileError> {
    let input = input_for(version, Sources::new(), settings())?;
    Ok(serde_json::to_value(input.settings).unwrap_or_default())
}

/// A compiler's version as others look it up: with its commit, without the platform that it runs on.
///
/// # Errors
/// If it has no commit.
pub fn published_version(version: &str) -> Result<String, CompileError> {
    let commit = version.split_once("+commit.").and_then(|(number, rest)| {
        let commit = rest.split('.').next().unwrap_or_default();
        let digits = commit.len() == 8 && commit.bytes().all(|digit| digit.is_ascii_hexdigit());
        digits.then(|| format!("{number}+commit.{commit}"))
    });
    commit.ok_or_else(|| CompileError::Version {
        got: version.to_string(),
    })
}

/// Runs the compiler on what it is given; `what` names it in an error.
pub(crate) fn run(
    compiler: &Compiler,
    what: &str,
    input: &SolcInput,
) -> Result<CompilerOutput, CompileError> {
    let output = compiler
        .solc
        .compile_exact(input)
        .map_err(|error| failed(compiler, error.to_string()))?;
    let errors: Vec<String> = output
        .errors
        .iter()
        .filter(|error| error.severity.is_error())
        .map(|error| {
            error
                .formatted_message
                .clone()
                .unwrap_or_else(|| error.message.clone())
        })
        .collect();
    if errors.is_empty() {
        Ok(output)
    } else {
        Err(CompileError::Source {
            contract: what.to_string(),
            version: compiler.version.clone(),
            errors: errors.join("\n"),
        })
    }
}

pub(crate) fn failed(compiler: &Compiler, reason: String) -> CompileError {
    CompileError::Run {
        solc: compiler.path.display().to_string(),
        reason,
    }
}

/// Creation and runtime code of one contract in the compiler's output.
pub(crate) fn code_of(
    compiler: &Compiler,
    contract: &Contract,
) -> Result<(Vec<u8>, Vec<u8>), CompileError> {
    let bytes = |object: Option<&BytecodeObject>| {
        object
            .and_then(BytecodeObject::as_bytes)
            .map(|bytes| bytes.to_vec())
            .ok_or_else(|| failed(compiler, "its output has no bytecode".to_string()))
    };
    let evm = contract.evm.as_ref();
    let creation = evm.and_then(|evm| evm.bytecode.as_ref());
    let deployed = evm
        .and_then(|evm| evm.deployed_bytecode.as_ref())
        .and_then(|code| code.bytecode.as_ref());
    Ok((
        bytes(creation.map(|code| &code.object))?,
        bytes(deployed.map(|code| &code.object))?,
    ))
}

/// The EVM version that some settings compile for.
pub fn evm_version(settings: &Settings) -> String {
    let version = settings.evm_version;
    version.map_or_else(
        || "the compiler's default".into(),
        |version| version.to_string(),
    )
}

/// The file that a generated verifier's source is, for the compiler.
fn file(source: &VerifierSource) -> PathBuf {
    PathBuf::from(format!("{}.sol", source.contract))
}

/// What [`compile`] gives the compiler.
fn verifier_input(compiler: &Compiler, source: &VerifierSource) -> SolcInput {
    let sources = Sources::from([(file(source), Source::new(source.source.as_str()))]);
    input_of(compiler, sources, settings())
}

/// What [`compile`] gives the compiler, as JSON: source and settings. A compiler of that version makes the same code of
/// it, and of nothing else.
pub fn standard_json(compiler: &Compiler, source: &VerifierSource) -> Result<String, CompileError> {
    let input = verifier_input(compiler, source);
    serde_json::to_string_pretty(&input).map_err(|error| failed(compiler, error.to_string()))
}

/// Compiles a generated verifier.
pub fn compile(compiler: &Compiler, source: &VerifierSource) -> Result<Bytecode, CompileError> {
    let contract = source.contract.clone();
    let version = compiler.version.clone();
    let file = file(source);
    let output = run(compiler, &contract, &verifier_input(compiler, source))?;
    let compiled = output
        .contracts
        .get(&file)
        .and_then(|contracts| contracts.get(&contract))
        .ok_or_else(|| failed(compiler, format!("its output has no contract {contract}")))?;
    let (creation, runtime) = code_of(compiler, compiled)?;
    if runtime.len() < MIN_RUNTIME_BYTES {
        let got = runtime.len();
        return Err(CompileError::Miscompiled {
            contract,
            version,
            expected: MIN_RUNTIME_BYTES,
            got,
        });
    }
    if runtime.len() > MAX_RUNTIME_BYTES {
        let got = runtime.len();
        return Err(CompileError::TooLarge {
            contract,
            expected: MAX_RUNTIME_BYTES,
            got,
        });
    }
    Ok(Bytecode {
        creation,
        runtime,
        solc: version,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_carry_the_optimiser_steps() {
        let json = serde_json::to_value(settings()).unwrap();
        assert_eq!(json["viaIR"], true);
        assert_eq!(json["optimizer"]["enabled"], true);
        assert_eq!(
            json["optimizer"]["details"]["yulDetails"]["optimizerSteps"],
            "u"
        );
        assert_eq!(json["evmVersion"], "prague");
        assert_eq!(json["metadata"]["appendCBOR"], false);
    }

    #[test]
    fn settings_are_those_that_a_version_knows() {
        let of = |version| settings_of(version).unwrap()["evmVersion"].clone();
        assert_eq!(of("0.8.30+commit.73712a01.Emscripten.clang"), "prague");
        assert_eq!(of("0.8.24+commit.e11b9ed9"), "cancun");
        assert!(settings_of("new").is_err());
    }

    #[test]
    fn versions_are_published_without_their_platform() {
        for (version, expected) in [
            (
                "0.8.30+commit.73712a01.Emscripten.clang",
                "0.8.30+commit.73712a01",
            ),
            (
                "0.8.31-nightly.2025.8.11+commit.635fe8f8.Linux.gcc",
                "0.8.31-nightly.2025.8.11+commit.635fe8f8",
            ),
        ] {
            assert_eq!(published_version(version).unwrap(), expected);
        }
        for bad in ["0.8.30", "0.8.30+commit.", "0.8.30+commit.73712a0g", ""] {
            assert!(published_version(bad).is_err(), "{bad}");
        }
    }
}
