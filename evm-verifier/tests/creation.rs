//! What a deployment leaves is the runtime, on every chain.

#![allow(clippy::unwrap_used, clippy::panic)] // A test fails by panicking.

use zkml_evm_verifier::{
    compile::Bytecode,
    contracts::{model_verifier, SOLC},
    creation::{check, CreationError},
};

/// Code that leaves what stands behind it: so many bytes.
fn leaves(code: &[u8]) -> Vec<u8> {
    let size = u8::try_from(code.len()).unwrap();
    let head = [0x60, size, 0x80, 0x60, 9, 0x5f, 0x39, 0x5f, 0xf3];
    [&head, code].concat()
}

fn checked(creation: Vec<u8>, runtime: &[u8]) -> Result<(), CreationError> {
    check(&Bytecode {
        creation,
        runtime: runtime.to_vec(),
        solc: String::new(),
    })
}

#[test]
fn what_is_left_is_the_runtime() {
    let runtime = [0x60, 1, 0x5f, 0x52];
    checked(leaves(&runtime), &runtime).unwrap();
    let compiled = model_verifier().unwrap();
    let front = Bytecode {
        creation: compiled.creation(),
        runtime: compiled.runtime(),
        solc: SOLC.to_owned(),
    };
    check(&front).unwrap();
    let other = |creation: Vec<u8>, got: &str| {
        let error = checked(creation, &runtime).unwrap_err().to_string();
        assert!(error.contains(got), "{error}");
    };
    other(leaves(&[0x60, 2, 0x5f, 0x52]), "leaves 4 others");
    other(leaves(&runtime[..3]), "leaves 3 others");
    for nothing in [&[][..], &[0xef, 1, 0], &[0xfe], &[0x5f, 0x5f, 0xfd]] {
        other(nothing.to_vec(), "leaves nothing");
    }
    other(vec![0x00], "leaves 0 others");
}

#[test]
fn what_a_chain_has_a_say_in_is_refused() {
    let runtime = [0x60, 1, 0x5f, 0x52];
    // POP(CHAINID), and so on: it leaves the runtime here.
    for instruction in [
        0x30, 0x32, 0x33, 0x36, 0x3a, 0x41, 0x42, 0x43, 0x46, 0x47, 0x48, 0x5a,
    ] {
        let mut creation = vec![instruction, 0x50];
        creation.extend(leaves(&runtime));
        creation[6] += 2;
        match checked(creation, &runtime) {
            Err(CreationError::Depends(got)) => assert_eq!(got, instruction),
            other => panic!("{instruction:#x}: {other:?}"),
        }
    }
    // The same with what is the same everywhere.
    let mut creation = vec![0x38, 0x50];
    creation.extend(leaves(&runtime));
    creation[6] += 2;
    checked(creation, &runtime).unwrap();
}
