//! The contracts that are written by hand, `contracts/`: their sources, and their committed bytecode.
//!
//! `contracts/artifacts` has an ABI, bytecode and solc's metadata for each. They are what solc
//! [`SOLC`] makes of the sources with [`contract_settings`]; a test compiles and compares them.

use crate::{
    compile::{
        code_of, contract_settings, failed, input_for, input_of, run, CompileError, Compiler,
        MAX_RUNTIME_BYTES,
    },
    explorer,
};
use foundry_compilers::artifacts::{Source, Sources};
use serde::{de::IgnoredAny, Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// The compiler of the committed artefacts.
pub const SOLC: &str = "0.8.30";

/// Path and text of each source, relative to `contracts/`.
pub const SOURCES: [(&str, &str); 7] = [
    (
        "src/IModelVerifier.sol",
        include_str!("../../contracts/src/IModelVerifier.sol"),
    ),
    (
        "src/ModelVerifier.sol",
        include_str!("../../contracts/src/ModelVerifier.sol"),
    ),
    (
        "src/lib/Elements.sol",
        include_str!("../../contracts/src/lib/Elements.sol"),
    ),
    (
        "src/lib/FrontErrors.sol",
        include_str!("../../contracts/src/lib/FrontErrors.sol"),
    ),
    (
        "src/lib/Packing.sol",
        include_str!("../../contracts/src/lib/Packing.sol"),
    ),
    (
        "src/lib/Records.sol",
        include_str!("../../contracts/src/lib/Records.sol"),
    ),
    (
        "examples/ClassBounty.sol",
        include_str!("../../contracts/examples/ClassBounty.sol"),
    ),
];

/// The contracts that have an artefact: source file and name.
const CONTRACTS: [(&str, &str); 3] = [
    ("src/IModelVerifier.sol", "IModelVerifier"),
    ("src/ModelVerifier.sol", "ModelVerifier"),
    ("examples/ClassBounty.sol", "ClassBounty"),
];

/// A compiled contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ContractArtefact {
    /// Its name.
    pub contract_name: String,
    /// Its source, relative to `contracts/`.
    pub source_name: String,
    /// Its interface.
    pub abi: serde_json::Value,
    /// What a deployment carries, in front of the constructor's arguments: 0x and hexadecimal digits.
    pub bytecode: String,
    /// The code, immutable values left zero.
    pub deployed_bytecode: String,
    /// solc's metadata: compiler, settings, hash of each source.
    pub metadata: String,
}

impl ContractArtefact {
    /// What a deployment carries, in front of the constructor's arguments.
    pub fn creation(&self) -> Vec<u8> {
        unhex(&self.bytecode)
    }

    /// The code.
    pub fn runtime(&self) -> Vec<u8> {
        unhex(&self.deployed_bytecode)
    }
}

fn unhex(text: &str) -> Vec<u8> {
    revm::primitives::hex::decode(text).unwrap_or_default()
}

/// The committed artefact of `ModelVerifier`.
pub fn model_verifier() -> Result<ContractArtefact, serde_json::Error> {
    serde_json::from_str(include_str!("../../contracts/artifacts/ModelVerifier.json"))
}

/// The committed artefact of the example consumer, `ClassBounty`.
pub fn class_bounty() -> Result<ContractArtefact, serde_json::Error> {
    serde_json::from_str(include_str!("../../contracts/artifacts/ClassBounty.json"))
}

/// What of solc's metadata says of what a contract was compiled.
#[derive(Deserialize)]
struct Metadata {
    compiler: MetadataCompiler,
    sources: BTreeMap<String, IgnoredAny>,
}

#[derive(Deserialize)]
struct MetadataCompiler {
    version: String,
}

/// What `ModelVerifier` is compiled of, by others too: the sources that its metadata names, and no more, since the hash of
/// the metadata is in the code.
///
/// # Errors
/// If the committed artefact is not as it should be.
pub fn model_verifier_source() -> Result<explorer::Source, CompileError> {
    let wrong = |reason: String| CompileError::Artefact {
        contract: "ModelVerifier".to_string(),
        reason,
    };
    let artefact = model_verifier().map_err(|error| wrong(error.to_string()))?;
    let metadata: Metadata =
        serde_json::from_str(&artefact.metadata).map_err(|error| wrong(error.to_string()))?;
    let mut sources = Sources::new();
    for name in metadata.sources.into_keys() {
        let known = SOURCES.iter().find(|(path, _)| *path == name);
        let (path, text) = known.ok_or_else(|| wrong(format!("its metadata names {name}")))?;
        sources.insert(PathBuf::from(path), Source::new(*text));
    }
    let compiler = metadata.compiler.version;
    let input = input_for(&compiler, sources, contract_settings())?;
    let input = serde_json::to_string_pretty(&input).map_err(|error| wrong(error.to_string()))?;
    Ok(explorer::Source {
        input,
        compiler,
        name: format!("{}:{}", artefact.source_name, artefact.contract_name),
    })
}

/// Compiles the contracts. Only solc [`SOLC`] gives the committed bytecode.
pub fn build(compiler: &Compiler) -> Result<Vec<ContractArtefact>, CompileError> {
    let sources = SOURCES.map(|(path, text)| (PathBuf::from(path), Source::new(text)));
    let sources = Sources::from(sources);
    let input = input_of(compiler, sources, contract_settings());
    let output = run(compiler, "contracts/", &input)?;
    let mut artefacts = Vec::with_capacity(CONTRACTS.len());
    for (path, name) in CONTRACTS {
        let missing = |what: &str| failed(compiler, format!("its output has no {what} of {name}"));
        let contract = output
            .contracts
            .get(&PathBuf::from(path))
            .and_then(|contracts| contracts.get(name))
            .ok_or_else(|| missing("contract"))?;
        let (creation, runtime) = code_of(compiler, contract)?;
        if runtime.len() > MAX_RUNTIME_BYTES {
            return Err(CompileError::TooLarge {
                contract: name.to_string(),
                expected: MAX_RUNTIME_BYTES,
                got: runtime.len(),
            });
        }
        let abi = contract.abi.as_ref().ok_or_else(|| missing("ABI"))?;
        let abi = serde_json::to_value(abi).map_err(|error| failed(compiler, error.to_string()))?;
        let metadata = contract
            .metadata
            .as_ref()
            .ok_or_else(|| missing("metadata"))?;
        artefacts.push(ContractArtefact {
            contract_name: name.to_string(),
            source_name: path.to_string(),
            abi,
            bytecode: revm::primitives::hex::encode_prefixed(creation),
            deployed_bytecode: revm::primitives::hex::encode_prefixed(runtime),
            metadata: metadata.raw_metadata.clone(),
        });
    }
    Ok(artefacts)
}
