// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title The errors of `IModelVerifier`
/// @notice For consumers: a call of the front that fails, fails its caller with the front's error. A contract that
/// inherits these has them in its own ABI, so that whoever calls it can read them. `IModelVerifier` says what each means.
interface FrontErrors {
    error UnknownModel(bytes32 modelId);
    error VerifierHasNoCode(address verifier);
    error CodeHashMismatch(address verifier, bytes32 expected, bytes32 got);
    error KeyDigestInvalid(uint256 keyDigest);
    error CommitmentNotCanonical(uint256 commitment);
    error SlotsInvalid(uint256 slots);
    error NoSlot(uint256 words);
    error TensorInvalid(uint256 tensor);
    error RecordNotStored();
    error ContextNotCanonical(uint256 context);
    error InputLength(uint256 expected, uint256 got);
    error OutputLength(uint256 expected, uint256 got);
    error ElementOutOfRange(uint256 tensor, uint256 element);
    error DigestNotCanonical(uint256 tensor);
    error CalldataNotCanonical();
    error EmptyBatch();
    error BatchMixed(uint256 statement);
    error StatementCount(uint256 expected, uint256 got);
    error SlotMismatch(uint256 slot, uint256 expected, uint256 got);
    error ProofRejected(bytes4 reason);
    error VerifierFailed();
}
