//! Solidity source to bytecode, through foundry-compilers.
//!
//! The settings matter more than they look: with the usual optimiser and the IR pipeline together,
//! solc 0.8.30 turns the generated verifier, without a word, into 57 bytes that always revert; and
//! without the IR pipeline it gives up with "stack too deep". What works, and gives the smallest
//! and cheapest code, is the IR pipeline with the optimiser restricted to its unused-code pruner
//! (`optimizerSteps = "u"`). [`compile`] insists on it, and a contract must still pass
//! [`crate::check::check_contract`].

use crate::codegen::VerifierSource;
use foundry_compilers::{
    artifacts::{
        output_selection::OutputSelection, BytecodeHash, BytecodeObject, CompilerOutput, Contract,
        EvmVersion, Optimizer, OptimizerDetails, Settings, SettingsMetadata, SolcInput,
        SolcLanguage, Source, Sources, YulDetails,
    },
    solc::Solc,
};
use std::path::{Path, PathBuf};

/// EIP-170: the most bytes that a contract's code may have.
pub const MAX_RUNTIME_BYTES: usize = 24_576;
/// Less than this is not a verifier, but what a miscompilation leaves of one.
const MIN_RUNTIME_BYTES: usize = 1_000;
/// The oldest and the first too new compiler, as (minor, patch) of 0.x.
const SUPPORTED: std::ops::Range<(u64, u64)> = (8, 24)..(9, 0);
/// The compiler that the tests, and the published code hashes, are made with.
const PREFERRED: (u64, u64) = (8, 30);

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

/// A compiler, and how it was found.
#[derive(Clone, Debug)]
pub struct Compiler {
    solc: Solc,
    /// The program.
    pub path: PathBuf,
    /// Its version.
    pub version: String,
    /// Where the path came from.
    pub origin: &'static str,
}

impl std::fmt::Display for Compiler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "solc {} ({}: {})",
            self.version,
            self.origin,
            self.path.display()
        )
    }
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

/// Finds a compiler: `explicit`, `$SOLC`, one installed by svm, `solc` on the path, the npm package.
///
/// A compiler that was asked for (the first two) is taken or refused: no other is tried instead.
pub fn find_compiler(explicit: Option<&Path>) -> Result<Compiler, CompileError> {
    let mut tried = Vec::new();
    let asked = explicit
        .map(|path| (path.to_path_buf(), "given"))
        .or_else(|| std::env::var_os("SOLC").map(|path| (PathBuf::from(path), "$SOLC")));
    let asked_for = asked.is_some();
    let places = match asked {
        Some(place) => vec![place],
        None => places(),
    };
    for (path, origin) in places {
        match open(&path, origin) {
            Ok(compiler) => return Ok(compiler),
            Err(reason) => tried.push(format!("  {origin}: {}: {reason}", path.display())),
        }
    }
    if !asked_for && !tried.iter().any(|line| line.contains("svm")) {
        tried.insert(0, "  $SOLC: not set\n  svm: nothing installed".to_string());
    }
    Err(CompileError::NoCompiler {
        tried: tried.join("\n"),
    })
}

fn open(path: &Path, origin: &'static str) -> Result<Compiler, String> {
    // A bare name is looked up on the path; anything else must be there.
    if path.components().count() > 1 && !path.is_file() {
        return Err("no such file".to_string());
    }
    let solc = Solc::new(path).map_err(|error| one_line(&error.to_string()))?;
    let version = solc.version.to_string();
    let number = (solc.version.minor, solc.version.patch);
    if solc.version.major != 0 || !SUPPORTED.contains(&number) {
        return Err(format!(
            "version {version}, expected 0.8.24 or later, below 0.9"
        ));
    }
    Ok(Compiler {
        solc,
        path: path.to_path_buf(),
        version,
        origin,
    })
}

fn places() -> Vec<(PathBuf, &'static str)> {
    let mut places: Vec<_> = svm_installed()
        .into_iter()
        .map(|path| (path, "svm"))
        .collect();
    places.push((PathBuf::from("solc"), "solc on the path"));
    places.extend(
        in_repository(Path::new("scripts/solc/solc"))
            .into_iter()
            .map(|path| (path, "npm package")),
    );
    places
}

/// Compilers that `svm` or foundry have installed, the preferred version first, then the newest.
fn svm_installed() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let data = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| home.as_ref().map(|home| home.join(".local/share")));
    let roots = [
        home.map(|home| home.join(".svm")),
        data.map(|data| data.join("svm")),
    ];
    let mut found: Vec<((u64, u64), PathBuf)> = roots
        .into_iter()
        .flatten()
        .filter_map(|root| std::fs::read_dir(root).ok())
        .flat_map(|entries| entries.flatten())
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let mut parts = name.strip_prefix("0.")?.split('.').map(str::parse::<u64>);
            let number = (parts.next()?.ok()?, parts.next()?.ok()?);
            let path = entry.path().join(format!("solc-{name}"));
            (SUPPORTED.contains(&number) && path.is_file()).then_some((number, path))
        })
        .collect();
    found.sort_by_key(|(number, _)| (*number != PREFERRED, std::cmp::Reverse(*number)));
    found.into_iter().map(|(_, path)| path).collect()
}

/// A file of the repository: under `$ZKML_HOME`, or else above the working directory, above this program,
/// and in the repository that this was built from.
pub fn in_repository(file: &Path) -> Vec<PathBuf> {
    if let Some(home) = std::env::var_os("ZKML_HOME") {
        return vec![PathBuf::from(home).join(file)];
    }
    let above = |start: Option<PathBuf>| -> Option<PathBuf> {
        start?
            .ancestors()
            .map(|dir| dir.join(file))
            .find(|path| path.is_file())
    };
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(|root| root.join(file));
    let mut found: Vec<PathBuf> = Vec::new();
    let candidates = [
        above(std::env::current_dir().ok()),
        above(std::env::current_exe().ok()),
        built_from,
    ];
    for path in candidates.into_iter().flatten() {
        if !found.contains(&path) {
            found.push(path);
        }
    }
    found
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

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
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
    fn a_missing_compiler_is_named() {
        let error = find_compiler(Some(Path::new("/nowhere/solc")))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("given: /nowhere/solc: no such file"),
            "{error}"
        );
        assert!(error.contains("npm ci --prefix scripts/solc"), "{error}");
    }

    #[test]
    fn a_program_that_is_no_compiler_is_refused() {
        let error = find_compiler(Some(Path::new("/bin/true")))
            .unwrap_err()
            .to_string();
        assert!(error.contains("/bin/true"), "{error}");
    }
}
