// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IModelVerifier} from "../IModelVerifier.sol";

/// @title Registered models as contract code
/// @notice Reading a contract's code costs 2,600 gas, whatever its length, where storage costs 2,100 for
/// each word. A record is an array of words:
/// - 0: verifier (160 bits), mode (8), number of slots (16), of inputs (16), from the lowest bit;
/// - 1: the code hash, 2: the key digest, 3: the commitment;
/// - 4...: the words of each slot (16 bits), sixteen in a word, the first in the lowest bits;
/// - then inputs, then outputs: visibility (8 bits), elements (32), words (32), bits (8), lo (64).
library Records {
    /// @dev Order of BN254's scalar field.
    uint256 internal constant R = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
    /// @dev Words before the slots.
    uint256 private constant HEAD = 4;
    /// @dev Slots in a word.
    uint256 private constant LANES = 16;
    /// @dev Bits that a word may have: 2^253 is the largest power of two below R.
    uint256 private constant WORD_BITS = 253;
    /// @dev More inputs or outputs than any model has; a record must fit a contract.
    uint256 private constant MAX_TENSORS = 256;
    /// @dev More slots than any verifier has.
    uint256 private constant MAX_SLOTS = 256;

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
        uint256 count = model.slots.length;
        if (count == 0 || count > (direct ? 1 : MAX_SLOTS)) revert IModelVerifier.SlotsInvalid(count);
        uint256 first = HEAD + (count + LANES - 1) / LANES;
        record = new uint256[](first + ins + outs);
        record[0] = uint160(model.verifier) | (uint256(model.mode) << 160) | (count << 168) | (ins << 184);
        record[1] = uint256(model.codeHash);
        record[2] = model.keyDigest;
        record[3] = model.commitment;
        // The digest in aggregated mode, the commitment, the context.
        uint256 words = direct ? 2 : 3;
        for (uint256 i = 0; i < ins + outs; ++i) {
            IModelVerifier.Tensor calldata tensor = i < ins ? model.inputs[i] : model.outputs[i - ins];
            record[first + i] = _encode(tensor, i);
            words += tensor.visibility == IModelVerifier.Visibility.Hashed ? 1 : tensor.words;
        }
        bool fits;
        for (uint256 i = 0; i < count; ++i) {
            uint256 slot_ = model.slots[i];
            record[HEAD + i / LANES] |= slot_ << (16 * (i % LANES));
            fits = fits || slot_ == words;
        }
        if (!fits) revert IModelVerifier.NoSlot(words);
    }

    /// @notice The model of a record.
    function decode(uint256[] memory record) internal pure returns (IModelVerifier.Model memory model) {
        model.verifier = verifier(record);
        model.codeHash = bytes32(record[1]);
        model.mode = aggregated(record) ? IModelVerifier.Mode.Aggregated : IModelVerifier.Mode.Direct;
        model.slots = new uint16[](slots(record));
        for (uint256 i = 0; i < model.slots.length; ++i) {
            model.slots[i] = uint16(slot(record, i));
        }
        model.keyDigest = record[2];
        model.commitment = record[3];
        uint256 first = firstTensor(record);
        uint256 middle = first + inputs(record);
        model.inputs = _decode(record, first, middle - first);
        model.outputs = _decode(record, middle, record.length - middle);
    }

    /// @notice Writes a record as the code of a new contract, behind a STOP that keeps it from running.
    function store(uint256[] memory record) internal returns (address at) {
        // PUSH1 11 (the length of this code), MSIZE, DUP2, CODESIZE, SUB, DUP1, SWAP3, MSIZE, CODECOPY, RETURN.
        bytes memory code = abi.encodePacked(hex"600b5981380380925939f300", record);
        assembly ("memory-safe") {
            at := create(0, add(code, 0x20), mload(code))
        }
        if (at == address(0)) revert IModelVerifier.RecordNotStored();
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

    /// @notice Number of slots of the verifier.
    function slots(uint256[] memory record) internal pure returns (uint256) {
        return (record[0] >> 168) & 0xffff;
    }

    /// @notice Words of a slot.
    function slot(uint256[] memory record, uint256 index) internal pure returns (uint256) {
        return (record[HEAD + index / LANES] >> (16 * (index % LANES))) & 0xffff;
    }

    function inputs(uint256[] memory record) internal pure returns (uint256) {
        return record[0] >> 184;
    }

    /// @notice Where the first tensor is.
    function firstTensor(uint256[] memory record) internal pure returns (uint256) {
        return HEAD + (slots(record) + LANES - 1) / LANES;
    }

    /// @notice Whether two models name the same verifier, and say the same of it: address, mode, code and slots.
    function shares(uint256[] memory record, uint256[] memory other) internal pure returns (bool) {
        if ((record[0] ^ other[0]) << (256 - 184) != 0 || record[1] != other[1]) return false;
        // Equally many slots: they are in the first word.
        uint256 end = firstTensor(record);
        for (uint256 i = HEAD; i < end; ++i) {
            if (record[i] != other[i]) return false;
        }
        return true;
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
