// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title A verifier that says what it is told, for tests
/// @notice It stands where a generated verifier stands, behind the real `ModelVerifier`: statements are checked and
/// encoded as they are on a chain, only proofs are not. Never register it for anything of value: a model's id has this
/// contract's code hash, and is not that of a model with a real verifier.
contract MockVerifier {
    /// @dev The errors of a generated verifier.
    error InvalidProof();

    /// @notice Whether proofs are accepted.
    bool public accepts = true;

    /// @notice Has all later proofs accepted or rejected.
    function setAccepts(bool accepts_) external {
        accepts = accepts_;
    }

    fallback() external {
        if (!accepts) revert InvalidProof();
        assembly ("memory-safe") {
            mstore(0, 1)
            return(0, 0x20)
        }
    }
}
