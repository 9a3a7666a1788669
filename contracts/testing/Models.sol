// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IModelVerifier} from "../src/IModelVerifier.sol";

/// @title Models to test a consumer with
library Models {
    /// @notice A public tensor, packed into as few words as there are.
    function tensor(uint32 elements, int64 lo, uint8 bits) internal pure returns (IModelVerifier.Tensor memory) {
        uint32 perWord = 253 / uint32(bits);
        return IModelVerifier.Tensor({
            visibility: IModelVerifier.Visibility.Public,
            elements: elements,
            lo: lo,
            bits: bits,
            words: (elements + perWord - 1) / perWord
        });
    }

    /// @notice A model of one public input and one public output behind a verifier, in direct mode.
    function model(address verifier, IModelVerifier.Tensor memory input, IModelVerifier.Tensor memory output)
        internal
        view
        returns (IModelVerifier.Model memory made)
    {
        made.verifier = verifier;
        made.codeHash = verifier.codehash;
        made.mode = IModelVerifier.Mode.Direct;
        made.slots = new uint16[](1);
        // The commitment, the context, and the words of input and output.
        made.slots[0] = uint16(2 + input.words + output.words);
        made.commitment = 1;
        made.inputs = new IModelVerifier.Tensor[](1);
        made.inputs[0] = input;
        made.outputs = new IModelVerifier.Tensor[](1);
        made.outputs[0] = output;
    }
}
