// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IModelVerifier} from "../IModelVerifier.sol";
import {Records} from "./Records.sol";

/// @title Packing of elements into public values
/// @notice A public tensor of N elements x is packed in segments of m elements. A group of segments, as many
/// as fit 253 bits, makes m words; with j counting the segments of a group,
///
///     word i = sum over j of 2^(bits * j) * (x[j * m + i] - lo),   0 <= i < m
///
/// where elements beyond the last are max(0, lo). A word has one decoding only, because each element's range
/// is checked.
///
/// A word of memory holds 4 to 32 elements, and they are worked on together: first all of them at once to
/// subtract lo and check the range; then four columns at a time, one in each 64 bits, from the highest
/// segment to the lowest.
library Packing {
    /// @dev Memory behind the words that `write` may overwrite: up to 31 words.
    uint256 internal constant OVERHANG = 1024;

    /// @notice Bytes of an element of so many bits.
    function width(uint256 bits) internal pure returns (uint256 bytes_) {
        assembly {
            bytes_ := shl(add(add(gt(bits, 8), gt(bits, 16)), gt(bits, 32)), 1)
        }
    }

    /// @notice Bytes that a record's tensor has in a statement.
    function bytesOf(uint256 tensor) internal pure returns (uint256) {
        if (tensor & 0xff == uint256(IModelVerifier.Visibility.Public)) {
            return ((tensor >> 8) & 0xffffffff) * width((tensor >> 72) & 0xff);
        }
        return tensor & 0xff == uint256(IModelVerifier.Visibility.Hashed) ? 32 : 0;
    }

    /// @notice Public values of a record's tensor.
    function wordsOf(uint256 tensor) internal pure returns (uint256 words) {
        if (tensor & 0xff != uint256(IModelVerifier.Visibility.Public)) {
            return tensor & 0xff == uint256(IModelVerifier.Visibility.Hashed) ? 1 : 0;
        }
        assembly {
            let m := and(shr(40, tensor), 0xffffffff)
            let segments := div(add(and(shr(8, tensor), 0xffffffff), sub(m, 1)), m)
            let group := div(253, and(shr(72, tensor), 0xff))
            words := mul(m, div(add(segments, sub(group, 1)), group))
        }
    }

    /// @notice Writes the public values of a tensor to memory.
    /// @param at Where to; `OVERHANG` bytes behind them may be overwritten.
    /// @param from Where its encoding is in calldata.
    /// @param scratch Memory that is free from here on, and behind `at`.
    /// @param tensor The record's tensor.
    /// @param index Number of the tensor, for errors.
    /// @return end The end of the words.
    function write(uint256 at, uint256 from, uint256 scratch, uint256 tensor, uint256 index)
        internal
        pure
        returns (uint256 end)
    {
        if (tensor & 0xff == uint256(IModelVerifier.Visibility.Private)) return at;
        if (tensor & 0xff == uint256(IModelVerifier.Visibility.Hashed)) {
            uint256 digest;
            assembly ("memory-safe") {
                digest := calldataload(from)
                mstore(at, digest)
            }
            if (digest >= Records.R) revert IModelVerifier.DigestNotCanonical(index);
            return at + 32;
        }
        if (_load(from, scratch, tensor) != 0) _findOutOfRange(from, tensor, index);
        _pack(at, scratch, tensor);
        return at + 32 * wordsOf(tensor);
    }

    /// @dev Copies the elements to memory, pads them, subtracts lo from each. Not zero if an element is out of
    /// range. Pads go as far as `_pack` reads.
    function _load(uint256 from, uint256 to, uint256 tensor) private pure returns (uint256 bad) {
        uint256 w = width((tensor >> 72) & 0xff);
        assembly ("memory-safe") {
            let bits := and(shr(72, tensor), 0xff)
            let lo := signextend(7, shr(80, tensor))
            let m := and(shr(40, tensor), 0xffffffff)
            let elements := and(shr(8, tensor), 0xffffffff)
            let lane := sub(shl(shl(3, w), 1), 1)
            // A one in each lane, the highest bit of each lane, and the bits that an element must not have.
            let ones := div(not(0), lane)
            let high := shl(sub(shl(3, w), 1), ones)
            let over := not(mul(ones, sub(shl(bits, 1), 1)))
            // Zero where it is in range; else lo, which is what max(0, lo) is, or else nothing is padded.
            let pad := mul(lt(sub(0, lo), shl(bits, 1)), sub(0, lo))
            pad := mul(and(add(pad, lo), lane), ones)
            let minus := mul(and(sub(0, lo), lane), ones)
            let end := add(to, add(mul(mul(m, w), div(add(elements, sub(m, 1)), m)), 0x20))

            calldatacopy(to, from, mul(elements, w))
            for { let p := add(to, mul(elements, w)) } lt(p, add(end, 0x20)) { p := add(p, 0x20) } {
                mstore(p, pad)
            }
            // Addition lane by lane: the highest bits without their carry.
            let lowMinus := and(minus, not(high))
            let low := not(high)
            for { let p := to } lt(p, end) { p := add(p, 0x20) } {
                let x := mload(p)
                x := xor(add(and(x, low), lowMinus), and(xor(x, minus), high))
                mstore(p, x)
                bad := or(bad, and(x, over))
            }
        }
    }

    /// @dev Packs the elements that `_load` left.
    function _pack(uint256 at, uint256 from, uint256 tensor) private pure {
        uint256 w = width((tensor >> 72) & 0xff);
        assembly ("memory-safe") {
            let bits := and(shr(72, tensor), 0xff)
            let m := and(shr(40, tensor), 0xffffffff)
            let stride := mul(m, w)
            let segments := div(add(and(shr(8, tensor), 0xffffffff), sub(m, 1)), m)
            // An element in each 64 bits.
            let mask := mul(sub(shl(shl(3, w), 1), 1), 0x1000000000000000100000000000000010000000000000001)
            for {} segments {} {
                let rows := div(253, bits)
                if lt(segments, rows) { rows := segments }
                let top := add(from, mul(sub(rows, 1), stride))
                let next := add(top, stride)
                // Columns come in blocks of 32 / w; within a block, `first` and those 8 / w, 16 / w, 24 / w behind it
                // are worked on together.
                for { let column := 0 } lt(column, m) {} {
                    let shift := sub(64, shl(3, w))
                    for { let first := column } lt(first, m) {} {
                        let a := 0
                        let b := 0
                        let c := 0
                        let d := 0
                        let p := top
                        let left := rows
                        for {} left {} {
                            // As many segments as fit 64 bits; the odd number first.
                            let count := mod(left, div(64, bits))
                            if iszero(count) { count := div(64, bits) }
                            left := sub(left, count)
                            let z := 0
                            for { let last := sub(p, mul(count, stride)) } xor(p, last) { p := sub(p, stride) } {
                                z := or(shl(bits, z), and(shr(shift, mload(p)), mask))
                            }
                            count := mul(count, bits)
                            a := or(shl(count, a), shr(192, z))
                            b := or(shl(count, b), and(shr(128, z), 0xffffffffffffffff))
                            c := or(shl(count, c), and(shr(64, z), 0xffffffffffffffff))
                            d := or(shl(count, d), and(z, 0xffffffffffffffff))
                        }
                        // Columns beyond m are overwritten by what is written next.
                        let to := add(at, shl(5, first))
                        let apart := div(256, w)
                        mstore(to, a)
                        mstore(add(to, apart), b)
                        mstore(add(to, shl(1, apart)), c)
                        mstore(add(to, mul(3, apart)), d)
                        first := add(first, 1)
                        if iszero(shift) { break }
                        shift := sub(shift, shl(3, w))
                    }
                    column := add(column, div(32, w))
                    top := add(top, 0x20)
                }
                at := add(at, shl(5, m))
                from := next
                segments := sub(segments, rows)
            }
        }
    }

    /// @dev Reverts, naming the first element that is out of range.
    function _findOutOfRange(uint256 from, uint256 tensor, uint256 index) private pure {
        uint256 bits = (tensor >> 72) & 0xff;
        uint256 w = width(bits);
        uint256 lo = tensor >> 80;
        for (uint256 i = 0;; ++i) {
            uint256 x;
            assembly {
                x := shr(sub(256, shl(3, w)), calldataload(add(from, mul(i, w))))
                x := and(sub(x, lo), sub(shl(shl(3, w), 1), 1))
            }
            if (x >> bits != 0) revert IModelVerifier.ElementOutOfRange(index, i);
        }
    }
}
