// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IModelVerifier} from "zkml-contracts/src/IModelVerifier.sol";
import {ModelVerifier} from "zkml-contracts/src/ModelVerifier.sol";
import {MockVerifier} from "zkml-contracts/testing/MockVerifier.sol";
import {Models} from "zkml-contracts/testing/Models.sol";
import {ClassBounty} from "zkml-contracts/examples/ClassBounty.sol";

/// @title A consumer tested in Solidity, without proofs
contract ConsumerTest {
    ModelVerifier private front;
    MockVerifier private verifier;
    ClassBounty private bounty;

    receive() external payable {}

    function setUp() public payable {
        front = new ModelVerifier();
        verifier = new MockVerifier();
        // Four pixels of a byte, three scores from -128 on.
        bytes32 id =
            front.register(Models.model(address(verifier), Models.tensor(4, 0, 8), Models.tensor(3, -128, 8)));
        bounty = new ClassBounty{value: 10}(front, id, 1, 10);
    }

    function test_a_claim_is_paid_once() public {
        bounty.request();
        uint256 before = address(this).balance;
        bounty.claim(hex"01020304", hex"ff0201", "");
        require(address(this).balance == before + 10, "not paid");
        try bounty.claim(hex"01020304", hex"ff0201", "") {
            revert("paid twice");
        } catch {}
    }

    function test_a_rejected_proof_is_not_paid() public {
        bounty.request();
        verifier.setAccepts(false);
        try bounty.claim(hex"01020304", hex"ff0201", "") {
            revert("paid");
        } catch (bytes memory reason) {
            bytes memory expected =
                abi.encodeWithSelector(IModelVerifier.ProofRejected.selector, MockVerifier.InvalidProof.selector);
            require(keccak256(reason) == keccak256(expected), "another reason");
        }
    }

    function test_another_class_and_another_length_are_not_paid() public {
        bounty.request();
        try bounty.claim(hex"01020304", hex"02ff01", "") {
            revert("paid");
        } catch (bytes memory reason) {
            require(bytes4(reason) == ClassBounty.WrongClass.selector, "another reason");
        }
        try bounty.claim(hex"010203", hex"ff0201", "") {
            revert("paid");
        } catch (bytes memory reason) {
            require(bytes4(reason) == IModelVerifier.InputLength.selector, "another reason");
        }
    }
}
