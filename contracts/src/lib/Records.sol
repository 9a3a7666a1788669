// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IModelVerifier} from "../IModelVerifier.sol";

/// @title Registered models as contract code
/// @notice Reading a contract's code costs 2,600 gas, whatever its length, where storage costs 2,100 for
/// each word. A record is an array of words:
/// - 0: verifier (160 bits), mode (8), number of inputs (16), number of outputs (16), from the lowest bit;
/// - 1: the code hash, 2: the key digest, 3: the commitment;
/// - 4...: inputs, then outputs: visibility (8 bits), elements (32), words (32), bits (8), lo (64).
library Records {
    /// @dev Order of BN254's scalar field.
    uint256 internal constant R = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
    /// @dev Words before the first tensor.
    uint256 internal constant HEAD = 4;
    /// @dev Bits that a word may have: 2^253 is the largest power of two below R.
    uint256 private constant WORD_BITS = 253;
    /// @dev More inputs or outputs than any model has; a record must fit a contract.
    uint256 private constant MAX_TENSORS = 256;

    /// @notice The record of a model. Reverts if it describes none.
    function encode(IModelVerifier.Model calldata model) internal pure returns (uint256[] memory record) {
        bool direct = model.mode == IModelVerifier.Mode.Direct;
        if (direct ? model.keyDigest != 0 : model.keyDigest >= R) {
            revert IModelVerifier.KeyDigestInvalid(model.keyDigest);
        }
        if (model.commitment >= R) revert IModelVerifier.CommitmentNotCanonical(model.commitment);
        uint256 ins = model.inputs.length;
        uint256 outs = model.outputs.length;
        if (ins > MAX_TENSORS) revert IModelVerifier.TensorInvalid(MAX_TENSORS);
        if (outs > MAX_TENSORS) revert IModelVerifier.TensorInvalid(ins + MAX_TENSORS);
        record = new uint256[](HEAD + ins + outs);
        record[0] =
            uint160(model.verifier) | (uint256(model.mode) << 160) | (ins << 168) | (outs << 184);
        record[1] = uint256(model.codeHash);
        record[2] = model.keyDigest;
        record[3] = model.commitment;
        for (uint256 i = 0; i < ins + outs; ++i) {
            record[HEAD + i] = _encode(i < ins ? model.inputs[i] : model.outputs[i - ins], i);
        }
    }

    /// @notice The model of a record.
    function decode(uint256[] memory record) internal pure returns (IModelVerifier.Model memory model) {
        model.verifier = verifier(record);
        model.codeHash = bytes32(record[1]);
        model.mode = aggregated(record) ? IModelVerifier.Mode.Aggregated : IModelVerifier.Mode.Direct;
        model.keyDigest = record[2];
        model.commitment = record[3];
        uint256 count = inputs(record);
        model.inputs = _decode(record, HEAD, count);
        model.outputs = _decode(record, HEAD + count, record.length - HEAD - count);
    }

    /// @notice Writes a record as the code of a new contract, behind a STOP that keeps it from running.
    function store(uint256[] memory record) internal returns (address at) {
        // PUSH1 11 (the length of this code), MSIZE, DUP2, CODESIZE, SUB, DUP1, SWAP3, MSIZE, CODECOPY, RETURN.
        bytes memory code = abi.encodePacked(hex"600b5981380380925939f300", record);
        assembly ("memory-safe") {
            at := create(0, add(code, 0x20), mload(code))
            if iszero(at) { revert(0, 0) }
        }
    }

    /// @notice Reads a record from the contract that holds it.
    function load(address at) internal view returns (uint256[] memory record) {
        assembly ("memory-safe") {
            let size := sub(extcodesize(at), 1)
            record := mload(0x40)
            mstore(record, shr(5, size))
            extcodecopy(at, add(record, 0x20), 1, size)
            mstore(0x40, add(add(record, 0x20), size))
        }
    }

    function verifier(uint256[] memory record) internal pure returns (address) {
        return address(uint160(record[0]));
    }

    function aggregated(uint256[] memory record) internal pure returns (bool) {
        return (record[0] >> 160) & 0xff == uint256(IModelVerifier.Mode.Aggregated);
    }

    function inputs(uint256[] memory record) internal pure returns (uint256) {
        return (record[0] >> 168) & 0xffff;
    }

    function _encode(IModelVerifier.Tensor calldata tensor, uint256 index) private pure returns (uint256) {
        uint256 elements = tensor.elements;
        uint256 words = tensor.words;
        uint256 bits = tensor.bits;
        int256 lo = tensor.lo;
        bool valid = tensor.visibility == IModelVerifier.Visibility.Public
            ? elements != 0 && words != 0 && bits != 0 && bits <= 64
                && bits * ((elements + words - 1) / words) <= WORD_BITS
            : elements == 0 && words == 0 && bits == 0 && lo == 0;
        if (!valid) revert IModelVerifier.TensorInvalid(index);
        return uint256(tensor.visibility) | (elements << 8) | (words << 40) | (bits << 72)
            | (uint256(uint64(tensor.lo)) << 80);
    }

    function _decode(uint256[] memory record, uint256 first, uint256 count)
        private
        pure
        returns (IModelVerifier.Tensor[] memory tensors)
    {
        tensors = new IModelVerifier.Tensor[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 tensor = record[first + i];
            tensors[i] = IModelVerifier.Tensor({
                visibility: IModelVerifier.Visibility(tensor & 0xff),
                elements: uint32(tensor >> 8),
                words: uint32(tensor >> 40),
                bits: uint8(tensor >> 72),
                lo: int64(uint64(tensor >> 80))
            });
        }
    }
}
