//! Contracts with faults that were planted in their text.

use zkml_evm_verifier::codegen::VerifierSource;

/// A fault of the challenge that folds the pairings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The hash reads memory that nothing wrote, as contracts before 0.1.1 did.
    Unwritten,
    /// It reads memory that was written, with the public values.
    Stale,
}

/// The text of a contract that folds so many accumulators with the opening, with a fault.
pub fn planted(right: &VerifierSource, accumulators: usize, fault: Fault) -> VerifierSource {
    let mut source = right.clone();
    let length = 0x80 * (1 + accumulators);
    let text = &source.source;
    let start = text.rfind("keccak256(").unwrap() + "keccak256(".len();
    let (address, rest) = text[start..].split_once(',').unwrap();
    assert!(rest.starts_with(&format!(" {length:#x})")), "{rest:.20}");
    let other = match fault {
        // Above everything, whose addresses have four digits at most.
        Fault::Unwritten => "0x10000".to_string(),
        Fault::Stale => {
            let copy = text.split("calldatacopy(").nth(1).unwrap();
            copy.split(',').next().unwrap().to_string()
        }
    };
    assert_ne!(address, other);
    source.source = format!("{}{other},{rest}", &text[..start]);
    source
}
