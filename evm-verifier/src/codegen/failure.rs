//! How a verifier fails.

/// How a verifier fails: the custom errors of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The calldata has not the length of public values and proof.
    Length,
    /// A scalar is not below the order, a point not on the curve, or the accumulator not in range.
    Malformed,
    /// The proof is well formed, and wrong.
    Invalid,
    /// A precompile did not answer: there was too little gas. This says nothing of the proof.
    Precompile,
}

impl Failure {
    /// All.
    pub const ALL: [Failure; 4] = [
        Failure::Length,
        Failure::Malformed,
        Failure::Invalid,
        Failure::Precompile,
    ];

    /// Name of the error in Solidity.
    pub fn name(self) -> &'static str {
        match self {
            Failure::Length => "CalldataLength",
            Failure::Malformed => "MalformedProof",
            Failure::Invalid => "InvalidProof",
            Failure::Precompile => "PrecompileFailed",
        }
    }

    /// What the contract reverts with: the first four bytes of the hash of `NAME()`.
    pub fn selector(self) -> [u8; 4] {
        let hash = revm::primitives::keccak256(format!("{}()", self.name()));
        [hash[0], hash[1], hash[2], hash[3]]
    }

    /// The failure that a contract's revert data says.
    pub fn of(data: &[u8]) -> Option<Failure> {
        Failure::ALL
            .into_iter()
            .find(|failure| failure.selector() == data)
    }

    /// Assembly that reverts with it.
    pub(super) fn revert(self) -> String {
        let selector = u32::from_be_bytes(self.selector());
        format!("mstore(0, {selector:#x}) revert(0x1c, 4)")
    }
}
