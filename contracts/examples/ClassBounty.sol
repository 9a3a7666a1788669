// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IModelVerifier} from "../src/IModelVerifier.sol";
import {Elements} from "../src/lib/Elements.sol";
import {FrontErrors} from "../src/lib/FrontErrors.sol";

/// @title A bounty on a class
/// @notice Pays a reward for each proof that the model puts some input into a class. An example of a consumer:
///
/// - A proof is bound to a request of one sender by its context. Nobody else can use it, and it can be used
///   once: the next request has another nonce.
/// - The model is pinned by its id, and thereby its verifier, key, weights, shapes and ranges.
/// - Effects come before the calls, so that a claimant that calls back finds its request closed.
/// - A request reserves its reward: who proves in time is paid. What is not reserved is the owner's to withdraw.
/// - The front's errors are in its ABI.
///
/// Whoever asks keeps a reward from others for an hour, and again when it asks again, until the owner closes the
/// bounty. One that matters would take a deposit for that.
contract ClassBounty is FrontErrors {
    /// @notice The open request of an account.
    struct Request {
        uint64 nonce;
        uint64 deadline;
        bool open;
    }

    /// @notice How long a request may take.
    uint64 public constant WINDOW = 1 hours;

    IModelVerifier public immutable front;
    address public immutable owner;
    bytes32 public immutable modelId;
    uint256 public immutable class;
    uint256 public immutable reward;
    uint256 private immutable _bits;
    int256 private immutable _lo;

    mapping(address claimant => Request) public requests;
    /// @notice What open requests have reserved.
    uint256 public reserved;
    /// @notice Whether no more requests are taken.
    bool public closed;

    event Requested(address indexed claimant, uint256 context, uint64 nonce, uint64 deadline);
    event Paid(address indexed claimant, uint256 reward);
    event Released(address indexed claimant);
    event Closed();
    event Withdrawn(uint256 amount);

    /// @notice There is no contract at the front's address.
    error NoFront(address front);
    /// @notice The model's statement is not an output in the clear, or has no such class.
    error ModelUnsuitable();
    /// @notice What is not reserved is less than was asked for: the reward of a request, or a withdrawal.
    error Unfunded(uint256 expected, uint256 got);
    /// @notice No more requests are taken.
    error IsClosed();
    /// @notice The claimant has no open request.
    error NoRequest();
    /// @notice The sender's request has expired.
    error Expired(uint64 deadline);
    /// @notice The request has not expired yet.
    error NotExpired(uint64 deadline);
    /// @notice Only the owner may.
    error NotOwner(address sender);
    /// @notice The output is of another class.
    error WrongClass(uint256 expected, uint256 got);
    /// @notice The receiver did not take what it was sent.
    error PaymentFailed();

    /// @param front_ The registry of models.
    /// @param modelId_ A classifier: its last output is public and has an element for each class.
    constructor(IModelVerifier front_, bytes32 modelId_, uint256 class_, uint256 reward_) payable {
        if (address(front_).code.length == 0) revert NoFront(address(front_));
        IModelVerifier.Model memory model = front_.getModel(modelId_);
        if (model.outputs.length != 1) revert ModelUnsuitable();
        IModelVerifier.Tensor memory scores = model.outputs[0];
        if (scores.visibility != IModelVerifier.Visibility.Public || class_ >= scores.elements) {
            revert ModelUnsuitable();
        }
        owner = msg.sender;
        front = front_;
        modelId = modelId_;
        class = class_;
        reward = reward_;
        _bits = scores.bits;
        _lo = scores.lo;
    }

    /// @notice Adds to what is paid out.
    receive() external payable {}

    /// @notice Opens a request, and reserves its reward; an open one is replaced, and what was proven for it is worth
    /// nothing.
    /// @return context The context to prove under.
    function request() external returns (uint256 context) {
        if (closed) revert IsClosed();
        Request storage current = requests[msg.sender];
        if (!current.open) {
            if (available() < reward) revert Unfunded(reward, available());
            reserved += reward;
        }
        uint64 nonce = current.nonce + 1;
        uint64 deadline = uint64(block.timestamp) + WINDOW;
        requests[msg.sender] = Request(nonce, deadline, true);
        context = contextOf(msg.sender, nonce, deadline);
        emit Requested(msg.sender, context, nonce, deadline);
    }

    /// @notice Pays the sender, if the proof is for its open request and the output is of the class.
    function claim(bytes calldata input, bytes calldata output, bytes calldata proof) external {
        Request storage current = requests[msg.sender];
        (uint64 nonce, uint64 deadline) = (current.nonce, current.deadline);
        if (!current.open) revert NoRequest();
        if (block.timestamp > deadline) revert Expired(deadline);
        current.open = false;
        reserved -= reward;

        front.submit(modelId, contextOf(msg.sender, nonce, deadline), input, output, proof);
        // Only now is it known that `output` has the length and ranges of the model's.
        uint256 got = Elements.argmax(output, _bits, _lo);
        if (got != class) revert WrongClass(class, got);

        emit Paid(msg.sender, reward);
        _pay(reward);
    }

    /// @notice Closes a request that has expired: its reward is reserved no more. Anybody may.
    function release(address claimant) external {
        Request storage current = requests[claimant];
        if (!current.open) revert NoRequest();
        if (block.timestamp <= current.deadline) revert NotExpired(current.deadline);
        current.open = false;
        reserved -= reward;
        emit Released(claimant);
    }

    /// @notice Takes no more requests; those that are open stay so.
    function close() external {
        _checkOwner();
        closed = true;
        emit Closed();
    }

    /// @notice Sends the owner of what is not reserved.
    function withdraw(uint256 amount) external {
        _checkOwner();
        if (available() < amount) revert Unfunded(amount, available());
        emit Withdrawn(amount);
        _pay(amount);
    }

    /// @notice What no open request has reserved.
    function available() public view returns (uint256) {
        return address(this).balance - reserved;
    }

    /// @notice The context of a request: a hash of all that makes it, shortened to a field element.
    function contextOf(address claimant, uint64 nonce, uint64 deadline) public view returns (uint256) {
        return uint256(keccak256(abi.encode(block.chainid, address(this), claimant, nonce, deadline))) >> 3;
    }

    function _checkOwner() private view {
        if (msg.sender != owner) revert NotOwner(msg.sender);
    }

    function _pay(uint256 amount) private {
        (bool paid,) = msg.sender.call{value: amount}("");
        if (!paid) revert PaymentFailed();
    }
}
