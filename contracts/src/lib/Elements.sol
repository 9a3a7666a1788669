// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Packing} from "./Packing.sol";

/// @title Reading elements of an encoded tensor
/// @notice For consumers: what an input or output that has been verified says. `bits` and `lo` are those of the
/// registered tensor.
library Elements {
    /// @notice Number of elements in `data`.
    function count(bytes calldata data, uint256 bits) internal pure returns (uint256) {
        return data.length / Packing.width(bits);
    }

    /// @notice Element `index`, which must be less than `count`.
    function at(bytes calldata data, uint256 index, uint256 bits, int256 lo) internal pure returns (int256 x) {
        uint256 w = Packing.width(bits);
        assert(index < data.length / w);
        assembly {
            // The number from lo on that is the element modulo 2^(8 * w).
            let u := shr(sub(256, shl(3, w)), calldataload(add(data.offset, mul(index, w))))
            x := add(lo, and(sub(u, lo), sub(shl(shl(3, w), 1), 1)))
        }
    }

    /// @notice Index of the largest element, the first of equals: the class, of a classifier's output.
    function argmax(bytes calldata data, uint256 bits, int256 lo) internal pure returns (uint256 index) {
        int256 largest = type(int256).min;
        uint256 total = count(data, bits);
        for (uint256 i = 0; i < total; ++i) {
            int256 x = at(data, i, bits, lo);
            if (x > largest) (largest, index) = (x, i);
        }
    }
}
