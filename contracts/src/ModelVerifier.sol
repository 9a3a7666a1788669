// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IModelVerifier} from "./IModelVerifier.sol";
import {Packing} from "./lib/Packing.sol";
import {Records} from "./lib/Records.sol";

/// @title The typed front of on-chain verification
/// @notice One deployment serves all models. It has no owner, and nothing in it can be changed: a model's id
/// is the hash of its verifier, key, commitment and shapes, so a consumer that has pinned an id has pinned
/// all of them. See `IModelVerifier`.
contract ModelVerifier is IModelVerifier {
    using Records for uint256[];

    /// @dev The most gas that a verifier gets: many times what it takes, and a bound on what it can burn.
    uint256 private constant VERIFIER_GAS = 5_000_000;
    /// @dev Bytes of the accumulator in front of an aggregated proof.
    uint256 private constant ACCUMULATOR_BYTES = 384;

    /// @dev Where a registered model is kept.
    mapping(bytes32 modelId => address) private _records;

    /// @inheritdoc IModelVerifier
    function register(Model calldata model) external returns (bytes32 modelId) {
        modelId = modelIdOf(model);
        if (_records[modelId] != address(0)) return modelId;
        address verifier = model.verifier;
        // An account that delegates (EIP-7702) has 23 bytes that name the code of another: no hash pins that.
        if (verifier.code.length == 0 || bytes3(verifier.code) == 0xef0100) revert VerifierHasNoCode(verifier);
        _checkCode(verifier, model.codeHash);
        _records[modelId] = Records.store(Records.encode(model));
        emit ModelRegistered(modelId, verifier, model.commitment);
    }

    /// @inheritdoc IModelVerifier
    function verify(
        bytes32 modelId,
        uint256 context,
        bytes calldata input,
        bytes calldata output,
        bytes calldata proof
    ) external view {
        _verify(modelId, context, input, output, proof);
    }

    /// @inheritdoc IModelVerifier
    function submit(
        bytes32 modelId,
        uint256 context,
        bytes calldata input,
        bytes calldata output,
        bytes calldata proof
    ) external {
        _verify(modelId, context, input, output, proof);
        emit InferenceVerified(modelId, context, msg.sender, keccak256(input), output);
    }

    /// @inheritdoc IModelVerifier
    function verifyBatch(Statement[] calldata statements, bytes calldata proof) external view {
        _verifyBatch(statements, proof);
    }

    /// @inheritdoc IModelVerifier
    function submitBatch(Statement[] calldata statements, bytes calldata proof) external {
        _verifyBatch(statements, proof);
        for (uint256 i = 0; i < statements.length; ++i) {
            Statement calldata s = statements[i];
            emit InferenceVerified(s.modelId, s.context, msg.sender, keccak256(s.input), s.output);
        }
    }

    /// @inheritdoc IModelVerifier
    function isRegistered(bytes32 modelId) external view returns (bool) {
        return _records[modelId] != address(0);
    }

    /// @inheritdoc IModelVerifier
    function getModel(bytes32 modelId) external view returns (Model memory model) {
        return _load(modelId).decode();
    }

    /// @inheritdoc IModelVerifier
    function publicValues(bytes32 modelId, uint256 context, bytes calldata input, bytes calldata output)
        external
        view
        returns (uint256[] memory values)
    {
        uint256[] memory record = _load(modelId);
        uint256 at = _free() + 32;
        uint256 end = _write(at, record, context, input, output);
        assembly ("memory-safe") {
            values := sub(at, 0x20)
            mstore(values, shr(5, sub(end, at)))
            mstore(0x40, end)
        }
    }

    /// @inheritdoc IModelVerifier
    function modelIdOf(Model calldata model) public pure returns (bytes32 modelId) {
        return keccak256(abi.encode(model));
    }

    function _verify(
        bytes32 modelId,
        uint256 context,
        bytes calldata input,
        bytes calldata output,
        bytes calldata proof
    ) private view {
        uint256 end = _expectNext(4 + 5 * 32, input);
        end = _expectNext(end, output);
        _expectEnd(_expectNext(end, proof));

        uint256[] memory record = _load(modelId);
        if (record.slots() != 1) revert StatementCount(record.slots(), 1);
        uint256 accumulator = record.aggregated() ? ACCUMULATOR_BYTES : 0;
        (uint256 start, uint256 at) = _copy(_free(), proof, 0, accumulator);
        at = _fill(at, record, 0, context, input, output);
        (, at) = _copy(at, proof, accumulator, proof.length);
        _call(record, start, at);
    }

    function _verifyBatch(Statement[] calldata statements, bytes calldata proof) private view {
        _expectBatch(statements, proof);
        uint256 count = statements.length;
        if (count == 0) revert EmptyBatch();
        uint256[][] memory records = new uint256[][](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256[] memory record = _load(statements[i].modelId);
            records[i] = record;
            if (!record.aggregated() || !record.shares(records[0])) revert BatchMixed(i);
        }
        if (records[0].slots() != count) revert StatementCount(records[0].slots(), count);
        (uint256 start, uint256 at) = _copy(_free(), proof, 0, ACCUMULATOR_BYTES);
        for (uint256 i = 0; i < count; ++i) {
            Statement calldata s = statements[i];
            at = _fill(at, records[i], i, s.context, s.input, s.output);
        }
        (, at) = _copy(at, proof, ACCUMULATOR_BYTES, proof.length);
        _call(records[0], start, at);
    }

    /// @dev Writes a statement's public values at `at`, which is where a slot begins; they fill it exactly. So
    /// statement i is slot i, and no word of it comes from another statement or from the proof.
    function _fill(
        uint256 at,
        uint256[] memory record,
        uint256 slot,
        uint256 context,
        bytes calldata input,
        bytes calldata output
    ) private pure returns (uint256 end) {
        end = _write(at, record, context, input, output);
        uint256 expected = record.slot(slot);
        uint256 words = (end - at) >> 5;
        if (words != expected) revert SlotMismatch(slot, expected, words);
    }

    /// @dev Writes a statement's public values at `at`; what is behind them is overwritten.
    function _write(
        uint256 at,
        uint256[] memory record,
        uint256 context,
        bytes calldata input,
        bytes calldata output
    ) private pure returns (uint256) {
        at = _writeHead(at, record, context);
        uint256 first = record.firstTensor();
        uint256 middle = first + record.inputs();
        uint256 expected;
        (at, expected) = _writeTensors(input, at, record, first, middle);
        if (input.length != expected) revert InputLength(expected, input.length);
        (at, expected) = _writeTensors(output, at, record, middle, record.length);
        if (output.length != expected) revert OutputLength(expected, output.length);
        return at;
    }

    /// @dev Writes what stands before the words of the tensors.
    function _writeHead(uint256 at, uint256[] memory record, uint256 context) private pure returns (uint256 end) {
        if (context >= Records.R) revert ContextNotCanonical(context);
        uint256 keyDigest = record[2];
        uint256 commitment = record[3];
        bool aggregated = record.aggregated();
        assembly ("memory-safe") {
            // The digest is overwritten in direct mode, which has none.
            mstore(at, keyDigest)
            at := add(at, shl(5, aggregated))
            mstore(at, commitment)
            mstore(add(at, 0x20), context)
            end := add(at, 0x40)
        }
    }

    /// @dev Writes the public values of the tensors that `data` is long enough for. `expected` is the length
    /// that is long enough for all.
    function _writeTensors(
        bytes calldata data,
        uint256 at,
        uint256[] memory record,
        uint256 first,
        uint256 end
    ) private pure returns (uint256, uint256 expected) {
        uint256 start;
        assembly {
            start := data.offset
        }
        for (uint256 i = first; i < end; ++i) {
            uint256 tensor = record[i];
            uint256 from = start + expected;
            expected += Packing.bytesOf(tensor);
            if (expected <= data.length) at = Packing.write(at, from, tensor, i - record.firstTensor());
        }
        return (at, expected);
    }

    function _load(bytes32 modelId) private view returns (uint256[] memory) {
        address at = _records[modelId];
        if (at == address(0)) revert UnknownModel(modelId);
        return Records.load(at);
    }

    /// @dev Calls the verifier with memory from `start` to `end`. Returns if it accepts.
    function _call(uint256[] memory record, uint256 start, uint256 end) private view {
        address verifier = record.verifier();
        _checkCode(verifier, bytes32(record[1]));
        bytes32 result;
        bool accepted;
        bool rejected;
        assembly ("memory-safe") {
            let success := staticcall(VERIFIER_GAS, verifier, start, sub(end, start), 0, 0x20)
            // What counts of the word was returned: all of it, or the first four bytes.
            result := mload(0)
            // The word 1 and nothing else is an acceptance; an error of four bytes is a rejection.
            accepted := and(success, and(eq(returndatasize(), 0x20), eq(result, 1)))
            rejected := and(iszero(success), eq(returndatasize(), 4))
        }
        if (accepted) return;
        bytes4 reason = bytes4(result);
        bool verdict = reason == bytes4(keccak256("CalldataLength()"))
            || reason == bytes4(keccak256("MalformedProof()")) || reason == bytes4(keccak256("InvalidProof()"));
        if (rejected && verdict) revert ProofRejected(reason);
        revert VerifierFailed();
    }

    function _checkCode(address verifier, bytes32 expected) private view {
        bytes32 got = verifier.codehash;
        if (got == expected) return;
        if (verifier.code.length == 0) revert VerifierHasNoCode(verifier);
        revert CodeHashMismatch(verifier, expected, got);
    }

    /// @dev Copies a part of the proof to memory at `at`; of too short a proof, what there is: the verifier
    /// rejects the length.
    function _copy(uint256 at, bytes calldata proof, uint256 from, uint256 to)
        private
        pure
        returns (uint256 start, uint256 end)
    {
        uint256 length = proof.length;
        if (to > length) to = length;
        if (from > to) from = to;
        assembly ("memory-safe") {
            calldatacopy(at, add(proof.offset, from), sub(to, from))
            start := at
            end := add(at, sub(to, from))
        }
    }

    function _free() private pure returns (uint256 at) {
        assembly ("memory-safe") {
            at := mload(0x40)
        }
    }

    /// @dev Expects `data` to be encoded at `at` (its length there, then its bytes, then zeros up to a whole
    /// word); returns where the next is to be.
    function _expectNext(uint256 at, bytes calldata data) private pure returns (uint256 end) {
        uint256 offset;
        uint256 dirt;
        assembly {
            offset := data.offset
            end := add(offset, and(add(data.length, 31), not(31)))
            let rest := and(data.length, 31)
            if rest { dirt := shl(shl(3, rest), calldataload(sub(end, 32))) }
        }
        if (offset != at + 32 || dirt != 0) revert CalldataNotCanonical();
    }

    function _expectEnd(uint256 end) private pure {
        if (end != msg.data.length) revert CalldataNotCanonical();
    }

    function _expectBatch(Statement[] calldata statements, bytes calldata proof) private pure {
        uint256 at;
        assembly {
            at := statements.offset
        }
        if (at != 4 + 3 * 32) revert CalldataNotCanonical();
        at += 32 * statements.length;
        for (uint256 i = 0; i < statements.length; ++i) {
            Statement calldata s = statements[i];
            uint256 start;
            assembly {
                start := s
            }
            if (start != at) revert CalldataNotCanonical();
            at = _expectNext(at + 4 * 32, s.input);
            at = _expectNext(at, s.output);
        }
        _expectEnd(_expectNext(at, proof));
    }
}
