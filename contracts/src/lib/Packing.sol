// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IModelVerifier} from "../IModelVerifier.sol";
import {Records} from "./Records.sol";

/// @title Packing of elements into public values
/// @notice A public tensor of N elements x is packed into m words of S = ceil(N / m) consecutive elements, the
/// first in the highest bits:
///
///     word i = sum over t of 2^(bits * (S - 1 - t)) * (x[i * S + t] - lo),   0 <= i < m,  0 <= t < S
///
/// where elements beyond the last are 0 if that is in range, else lo. A word has one decoding only, because each element's range
/// is checked, and S * bits <= 253 is when a model is registered.
///
/// A word of memory holds 4 to 32 elements, each in a lane of its own, and they are worked on together: first
/// all of them at once to subtract lo and to check the range; then in steps that each halve the number of lanes,
/// to close the gaps between them.
library Packing {
    /// @dev Bytes in front of the elements in memory that `_squeeze` may read.
    uint256 private constant MARGIN = 64;

    /// @notice Bytes of an element of so many bits.
    function width(uint256 bits) internal pure returns (uint256 bytes_) {
        assembly {
            bytes_ := shl(add(add(gt(bits, 8), gt(bits, 16)), gt(bits, 32)), 1)
        }
    }

    /// @notice Bytes that a record's tensor has in a statement.
    function bytesOf(uint256 tensor) internal pure returns (uint256) {
        // Of a tensor that is not public the visibility is all that the record has.
        if (tensor == uint256(IModelVerifier.Visibility.Hashed)) return 32;
        return ((tensor >> 8) & 0xffffffff) * width((tensor >> 72) & 0xff);
    }

    /// @notice Writes the public values of a tensor to memory.
    /// @param at Where to. What is behind the values is overwritten.
    /// @param from Where its encoding is in calldata.
    /// @param tensor The record's tensor.
    /// @param index Number of the tensor, for errors.
    /// @return end The end of the words.
    function write(uint256 at, uint256 from, uint256 tensor, uint256 index) internal pure returns (uint256 end) {
        if (tensor == uint256(IModelVerifier.Visibility.Private)) return at;
        if (tensor == uint256(IModelVerifier.Visibility.Hashed)) {
            uint256 digest;
            assembly ("memory-safe") {
                digest := calldataload(from)
                mstore(at, digest)
            }
            if (digest >= Records.R) revert IModelVerifier.DigestNotCanonical(index);
            return at + 32;
        }
        unchecked {
            uint256 bits = (tensor >> 72) & 0xff;
            uint256 m = (tensor >> 40) & 0xffffffff;
            uint256 s = (((tensor >> 8) & 0xffffffff) + m - 1) / m;
            end = at + 32 * m;
            uint256 first = _copy(end, from, tensor, m * s);
            if (bits == 8 * width(bits)) {
                _join(at, end, first, tensor, s);
            } else if (_squeeze(at, end, first, tensor, s) != 0) {
                _findOutOfRange(from, tensor, index);
            }
        }
    }

    /// @dev Copies the elements to memory behind `to`, the first to `first`. Pads them to `count`, and in front.
    function _copy(uint256 to, uint256 from, uint256 tensor, uint256 count) private pure returns (uint256 first) {
        uint256 w = width((tensor >> 72) & 0xff);
        first = to + MARGIN;
        assembly ("memory-safe") {
            let lo := signextend(7, shr(80, tensor))
            let lane := sub(shl(shl(3, w), 1), 1)
            // Zero where it is in range; else lo.
            let pad := mul(lt(sub(0, lo), shl(and(shr(72, tensor), 0xff), 1)), sub(0, lo))
            pad := mul(and(add(pad, lo), lane), div(not(0), lane))

            mstore(to, pad)
            mstore(add(to, 0x20), pad)
            let size := mul(and(shr(8, tensor), 0xffffffff), w)
            calldatacopy(first, from, size)
            let end := add(first, mul(count, w))
            for { let p := add(first, size) } lt(p, end) { p := add(p, 0x20) } { mstore(p, pad) }
        }
    }

    /// @dev Packs elements that fill their bytes: all are in range, and have no gaps between them.
    function _join(uint256 at, uint256 end, uint256 first, uint256 tensor, uint256 s) private pure {
        uint256 bits = (tensor >> 72) & 0xff;
        assembly ("memory-safe") {
            let high
            let minus
            {
                let lane := sub(shl(bits, 1), 1)
                let ones := div(not(0), lane)
                high := shl(sub(bits, 1), ones)
                minus := mul(and(sub(0, shr(80, tensor)), lane), ones)
            }
            let low := not(high)
            let lowMinus := and(minus, low)
            let step := shr(3, mul(s, bits))
            let drop := sub(256, mul(s, bits))
            for {} lt(at, end) { first := add(first, step) } {
                let x := mload(first)
                // Addition lane by lane: the highest bits without their carry.
                x := xor(add(and(x, low), lowMinus), and(xor(x, minus), high))
                mstore(at, shr(drop, x))
                at := add(at, 0x20)
            }
        }
    }

    /// @dev Packs elements of fewer bits than their bytes have. Not zero if one is out of range.
    function _squeeze(uint256 at, uint256 end, uint256 first, uint256 tensor, uint256 s)
        private
        pure
        returns (uint256 bad)
    {
        uint256 bits = (tensor >> 72) & 0xff;
        uint256 w = width(bits);
        assembly ("memory-safe") {
            // Of each two neighbours, moves the one that `upper` selects down by `gap` bits, to the other.
            function close(x, upper, gap) -> y {
                let u := and(x, upper)
                y := add(x, sub(shr(gap, u), u))
            }

            // A function that leaves in its middle is not inlined, and so has the stack for itself. Both take from the
            // first word of memory how many bits a chunk of elements has, from the second a mask of a value's bits.

            // For elements of one byte: any number of chunks a value.
            function narrow(size, gap, minus, flip, step, p, end_, at_) -> seen {
                for {} 1 {} {
                    let z := 0
                    let q := p
                    for { let have := 0 } lt(have, size) { have := add(have, mload(0)) } {
                        let x := sub(xor(mload(q), flip), minus)
                        seen := or(seen, x)
                        x := close(x, 0xff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00, gap)
                        x := close(x, 0xffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000, shl(1, gap))
                        x := close(x, 0xffffffff00000000ffffffff00000000ffffffff00000000ffffffff00000000, shl(2, gap))
                        x := close(x, 0xffffffffffffffff0000000000000000ffffffffffffffff0000000000000000, shl(3, gap))
                        x := close(x, 0xffffffffffffffffffffffffffffffff00000000000000000000000000000000, shl(4, gap))
                        z := or(z, shl(have, x))
                        q := sub(q, 0x20)
                    }
                    mstore(at_, and(z, mload(0x20)))
                    at_ := add(at_, 0x20)
                    if eq(at_, end_) { leave }
                    p := add(p, step)
                }
            }

            // For elements of more bytes: never more than two chunks a value. A step that does nothing has no gap.
            function wide(gap16, gap32, gap64, gap128, minus, flip, step, p, end_, at_) -> seen {
                for {} 1 {} {
                    let x := sub(xor(mload(p), flip), minus)
                    let y := sub(xor(mload(sub(p, 0x20)), flip), minus)
                    seen := or(seen, or(x, y))
                    x := close(x, 0xffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000, gap16)
                    x := close(x, 0xffffffff00000000ffffffff00000000ffffffff00000000ffffffff00000000, gap32)
                    x := close(x, 0xffffffffffffffff0000000000000000ffffffffffffffff0000000000000000, gap64)
                    x := close(x, 0xffffffffffffffffffffffffffffffff00000000000000000000000000000000, gap128)
                    y := close(y, 0xffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000, gap16)
                    y := close(y, 0xffffffff00000000ffffffff00000000ffffffff00000000ffffffff00000000, gap32)
                    y := close(y, 0xffffffffffffffff0000000000000000ffffffffffffffff0000000000000000, gap64)
                    y := close(y, 0xffffffffffffffffffffffffffffffff00000000000000000000000000000000, gap128)
                    mstore(at_, and(or(x, shl(mload(0), y)), mload(0x20)))
                    at_ := add(at_, 0x20)
                    if eq(at_, end_) { leave }
                    p := add(p, step)
                }
            }

            let ones
            let minus
            {
                let lane := sub(shl(shl(3, w), 1), 1)
                minus := and(shr(80, tensor), lane)
                ones := div(not(0), lane)
            }
            // Where the range wraps around, it does not once the highest bit is flipped. Then what is subtracted
            // from an element in range is not more than it, so that no lane borrows from the next; and of
            // elements out of range the lowest is seen.
            let flip := gt(add(minus, shl(bits, 1)), shl(shl(3, w), 1))
            flip := shl(sub(shl(3, w), 1), flip)
            minus := mul(xor(minus, flip), ones)
            flip := mul(flip, ones)
            // From here on, of each lane the bits that a value in range may have.
            ones := mul(ones, sub(shl(bits, 1), 1))
            let gap := sub(shl(3, w), bits)
            mstore(0, mul(div(32, w), bits))
            // From here on, the bits of a word of values, and the bytes that its elements have.
            bits := mul(s, bits)
            mstore(0x20, sub(shl(bits, 1), 1))
            s := mul(s, w)
            // The end of the first word, less a word of memory.
            first := sub(add(first, s), 0x20)
            switch w
            case 1 { bad := narrow(bits, gap, minus, flip, s, first, end, at) }
            default {
                let gap32 := mul(gap, div(4, w))
                let gap64 := mul(gap, div(8, w))
                gap := mul(gap, div(2, w))
                bad := wide(gap, gap32, gap64, shl(1, gap64), minus, flip, s, first, end, at)
            }
            bad := and(bad, not(ones))
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
