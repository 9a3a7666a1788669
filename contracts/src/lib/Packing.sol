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
        uint256 bits = (tensor >> 72) & 0xff;
        uint256 m = (tensor >> 40) & 0xffffffff;
        uint256 segments = (((tensor >> 8) & 0xffffffff) + m - 1) / m;
        unchecked {
            while (segments != 0) {
                uint256 rows = 253 / bits;
                if (rows > segments) rows = segments;
                _packGroup(at, from, w, bits, m, rows);
                at += 32 * m;
                from += rows * m * w;
                segments -= rows;
            }
        }
    }

    /// @dev Packs one group of segments: rows of m elements, the first of which is at `from`.
    function _packGroup(uint256 at, uint256 from, uint256 w, uint256 bits, uint256 m, uint256 rows) private pure {
        assembly ("memory-safe") {
            // Packs four columns. From row to row down to `low`, as many elements as fit 64 bits, `bits` for each, are
            // put together, one of each column in each 64 bits that `mask` selects; then what was put together goes
            // to the four words. A function that leaves in its middle is not inlined, and so has the stack for itself.
            function four(p, last, low, stride, most, bits_, some, mask) -> a, b, c, d {
                for {} 1 {} {
                    let z := 0
                    for {} 1 {} {
                        z := or(shl(bits_, z), and(mload(p), mask))
                        if eq(p, last) { break }
                        p := sub(p, stride)
                    }
                    a := or(shl(some, a), shr(192, z))
                    b := or(shl(some, b), and(shr(128, z), 0xffffffffffffffff))
                    c := or(shl(some, c), and(shr(64, z), 0xffffffffffffffff))
                    d := or(shl(some, d), and(z, 0xffffffffffffffff))
                    if eq(p, low) { leave }
                    p := sub(p, stride)
                    last := sub(last, most)
                }
            }

            let stride := mul(m, w)
            let some := div(64, bits)
            let most := mul(some, stride)
            // The highest rows are those that remain when the others are taken `some` at a time.
            let rest := mul(mod(sub(rows, 1), some), stride)
            let top := mul(sub(rows, 1), stride)
            some := mul(some, bits)
            // In each 64 bits, the lowest element.
            let mask := mul(sub(shl(shl(3, w), 1), 1), 0x1000000000000000100000000000000010000000000000001)
            // Of the lowest row, the 32 bytes whose first 8 end with the element of the first column.
            from := sub(add(from, w), 8)
            let end := add(from, stride)
            for {} lt(from, end) {} {
                let p := add(from, top)
                let a, b, c, d := four(p, sub(p, rest), from, stride, most, bits, some, mask)
                // Words behind the m-th are overwritten by what is written next.
                mstore(at, a)
                mstore(add(at, div(256, w)), b)
                mstore(add(at, div(512, w)), c)
                mstore(add(at, div(768, w)), d)
                // The next column; after the last of its 64 bits, past those that came with it.
                at := add(at, 32)
                from := add(from, w)
                if iszero(and(sub(from, sub(end, stride)), 7)) {
                    at := add(at, div(768, w))
                    from := add(from, 24)
                }
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
