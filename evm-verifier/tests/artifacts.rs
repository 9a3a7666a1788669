//! The committed artefacts of the hand-written contracts are what the compiler makes of their sources.
//!
//! After a change to a contract: `UPDATE=1 cargo test -p zkml-evm-verifier --test artifacts`.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use zkml_evm_verifier::{
    compile::find_compiler,
    contracts::{build, model_verifier, model_verifier_source, ContractArtefact, SOLC},
};

#[path = "support/solc.rs"]
mod solc;

fn path(artefact: &ContractArtefact) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../contracts/artifacts")
        .join(format!("{}.json", artefact.contract_name))
}

#[test]
fn artefacts_reproduce_byte_for_byte() {
    let compiler = find_compiler(None).unwrap();
    assert_eq!(compiler.version.split('+').next(), Some(SOLC), "{compiler}");
    let artefacts = build(&compiler).unwrap();
    assert_eq!(artefacts.len(), 3);
    for artefact in artefacts {
        let text = serde_json::to_string_pretty(&artefact).unwrap() + "\n";
        let path = path(&artefact);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap();
        assert!(
            committed == text,
            "{} is not what its source compiles to; run with UPDATE=1 and commit it",
            path.display()
        );
        // Both ways of the metadata: it names this compiler, and the code ends with its hash.
        assert!(artefact.metadata.contains(SOLC));
        if artefact.contract_name != "IModelVerifier" {
            assert!(artefact.deployed_bytecode.contains("64736f6c6343"));
        }
    }
}

/// Whoever verifies the front's source is given what makes its code, the metadata's hash included.
#[test]
fn the_front_is_made_of_the_source_that_is_published() {
    let compiler = find_compiler(None).unwrap();
    let source = model_verifier_source().unwrap();
    assert_eq!(source.name, "src/ModelVerifier.sol:ModelVerifier");
    assert!(compiler.version.starts_with(&source.compiler), "{compiler}");
    let output = solc::standard_json(&compiler.path, &source.input);
    let contract = &output["contracts"]["src/ModelVerifier.sol"]["ModelVerifier"];
    let committed = model_verifier().unwrap();
    for (part, code) in [
        ("bytecode", &committed.bytecode),
        ("deployedBytecode", &committed.deployed_bytecode),
    ] {
        let made = contract["evm"][part]["object"].as_str().unwrap();
        assert_eq!(format!("0x{made}"), *code, "{part}");
    }
}
