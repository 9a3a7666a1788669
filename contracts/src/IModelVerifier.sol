// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title On-chain verification of machine-learning inferences
/// @notice A model is registered once, under an id that is the hash of all that it is. An inference
/// is then a statement: this model, in this context, maps this input to this output. The proof of a
/// statement is made by `zkml`, and is checked here by the verifier contract that the model names.
///
/// Inputs and outputs are given in the clear, as bytes: for each tensor, in the model's order,
/// - public: its elements in row-major order, each of 1, 2, 4 or 8 bytes, the least that hold `bits`
///   bits; big-endian, modulo 2^(8 * bytes) (which is two's complement for a range around zero);
/// - hashed: its digest, one word below the order of BN254's scalar field;
/// - private: nothing.
///
/// Every statement has one encoding only: calldata that is not exactly what Solidity's own encoder
/// makes of the arguments is refused.
interface IModelVerifier {
    /// @notice What the model's verifier contract verifies.
    /// - Direct: one proof of the model's own circuit. The verifier's code fixes the circuit.
    /// - Aggregated: one proof for one or more inner proofs, whose verifying keys it exposes.
    enum Mode {
        Direct,
        Aggregated
    }

    /// @notice How a tensor appears in a statement.
    enum Visibility {
        Public,
        Hashed,
        Private
    }

    /// @notice An input or output of a model.
    /// @param visibility How it appears. All that follows is zero unless it is public.
    /// @param elements Number of elements.
    /// @param lo The smallest element.
    /// @param bits Elements x satisfy lo <= x < lo + 2^bits; from 1 to 64.
    /// @param words Words that it is packed into: m in docs/statement.md. With ceil(elements / words) elements
    /// each, they have at most 253 bits.
    struct Tensor {
        Visibility visibility;
        uint32 elements;
        int64 lo;
        uint8 bits;
        uint32 words;
    }

    /// @notice All that a model is. Its hash is its id.
    /// @param verifier The verifier contract.
    /// @param codeHash Hash of the verifier's code, checked at every verification.
    /// @param mode What the verifier verifies.
    /// @param slots The verifier's public values, behind the accumulator if it has one, are so many words for the first
    /// proof that it verifies, so many for the second, and so on; in direct mode there is one. A statement fills its
    /// slot exactly, and each slot has a statement. Who pins an id takes these numbers from how the verifier was made,
    /// as with its code: under others the id is another, and vouches for nothing.
    /// @param keyDigest Aggregated: digest of the verifying key of the model's circuit. Direct: zero.
    /// @param commitment The commitment C to the weights.
    /// @param inputs The inputs, in the model's order.
    /// @param outputs The outputs, in the model's order.
    struct Model {
        address verifier;
        bytes32 codeHash;
        Mode mode;
        uint16[] slots;
        uint256 keyDigest;
        uint256 commitment;
        Tensor[] inputs;
        Tensor[] outputs;
    }

    /// @notice What one proof is about.
    /// @param modelId The model.
    /// @param context Any number below the order of BN254's scalar field. It binds the proof to a request.
    /// @param input The inputs, encoded as above.
    /// @param output The outputs, encoded as above.
    struct Statement {
        bytes32 modelId;
        uint256 context;
        bytes input;
        bytes output;
    }

    /// @notice A model was registered.
    event ModelRegistered(bytes32 indexed modelId, address indexed verifier, uint256 indexed commitment);

    /// @notice A statement was proven by a transaction. It says that the statement is true; who sent
    /// it, and how often, means nothing: whoever sees a proof can send it again.
    /// @param inputHash keccak256 of the encoded input.
    /// @param output The encoded output.
    event InferenceVerified(
        bytes32 indexed modelId, uint256 indexed context, address indexed sender, bytes32 inputHash, bytes output
    );

    /// @notice No model of this id is registered.
    error UnknownModel(bytes32 modelId);
    /// @notice There is no contract at the verifier's address (an account that delegates is none).
    error VerifierHasNoCode(address verifier);
    /// @notice The verifier's code is not the code that the model names.
    error CodeHashMismatch(address verifier, bytes32 expected, bytes32 got);
    /// @notice The verifying-key digest is not below the field's order, or not zero in direct mode.
    error KeyDigestInvalid(uint256 keyDigest);
    /// @notice The commitment is not below the field's order.
    error CommitmentNotCanonical(uint256 commitment);
    /// @notice There are no slots, more than any verifier has, or, in direct mode, more than one.
    error SlotsInvalid(uint256 slots);
    /// @notice No slot of the verifier has as many words as the statements of this model: none could be verified.
    error NoSlot(uint256 words);
    /// @notice A tensor's description is not possible; inputs come first, then outputs.
    error TensorInvalid(uint256 tensor);
    /// @notice The record of the model could not be written: for lack of gas.
    error RecordNotStored();
    /// @notice The context is not below the field's order.
    error ContextNotCanonical(uint256 context);
    /// @notice The input has another number of bytes than the model's inputs.
    error InputLength(uint256 expected, uint256 got);
    /// @notice The output has another number of bytes than the model's outputs.
    error OutputLength(uint256 expected, uint256 got);
    /// @notice An element is outside of its tensor's range; tensors are counted inputs first.
    error ElementOutOfRange(uint256 tensor, uint256 element);
    /// @notice The digest of a hashed tensor is not below the field's order.
    error DigestNotCanonical(uint256 tensor);
    /// @notice The calldata is not what Solidity encodes the arguments to.
    error CalldataNotCanonical();
    /// @notice A batch has no statements.
    error EmptyBatch();
    /// @notice This statement's model has another verifier or other slots than the first's, or is of direct mode.
    error BatchMixed(uint256 statement);
    /// @notice The verifier has another number of slots than there are statements.
    error StatementCount(uint256 expected, uint256 got);
    /// @notice The statement's slot has another number of words than the statement.
    error SlotMismatch(uint256 slot, uint256 expected, uint256 got);
    /// @notice The proof is not one of these statements.
    /// @param reason The verifier's error: CalldataLength(), MalformedProof() or InvalidProof().
    error ProofRejected(bytes4 reason);
    /// @notice The verifier ended without a verdict, for example for lack of gas.
    error VerifierFailed();

    /// @notice Registers a model. Anybody may: the id binds all that a model is, so that nothing that
    /// others register changes what a given id means. A model that is registered already stays as it is.
    /// @return modelId The model's id.
    function register(Model calldata model) external returns (bytes32 modelId);

    /// @notice Reverts unless the proof proves the statement. The model's verifier must have one slot.
    /// @param proof Direct: the proof. Aggregated: the 12 limbs of the accumulator, a word each, then the proof.
    function verify(
        bytes32 modelId,
        uint256 context,
        bytes calldata input,
        bytes calldata output,
        bytes calldata proof
    ) external view;

    /// @notice As `verify`, and emits `InferenceVerified`.
    function submit(
        bytes32 modelId,
        uint256 context,
        bytes calldata input,
        bytes calldata output,
        bytes calldata proof
    ) external;

    /// @notice Reverts unless the one aggregated proof proves all statements, in this order: one for each slot.
    function verifyBatch(Statement[] calldata statements, bytes calldata proof) external view;

    /// @notice As `verifyBatch`, and emits `InferenceVerified` for each statement.
    function submitBatch(Statement[] calldata statements, bytes calldata proof) external;

    /// @notice The id of a model: `keccak256(abi.encode(model))`.
    function modelIdOf(Model calldata model) external pure returns (bytes32 modelId);

    /// @notice Whether a model is registered.
    function isRegistered(bytes32 modelId) external view returns (bool);

    /// @notice A registered model.
    function getModel(bytes32 modelId) external view returns (Model memory model);

    /// @notice The public values of a statement, as the verifier takes them: in aggregated mode the
    /// verifying-key digest, then commitment, context, and the words of inputs and outputs.
    function publicValues(bytes32 modelId, uint256 context, bytes calldata input, bytes calldata output)
        external
        view
        returns (uint256[] memory values);
}
