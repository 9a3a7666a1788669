//! Changes of the contracts that no call tells from the contract, each with the reason.

/// The line, what it becomes, and why that is the same.
pub const EXPLAINED: &[(&str, &str, &str)] = &[
    (
        "at := mload(0x40)",
        "at := mload(0x41)",
        "memory 256 times as far out is as free; it costs more gas",
    ),
    (
        "record := mload(0x40)",
        "record := mload(0x41)",
        "memory 256 times as far out is as free; it costs more gas",
    ),
    (
        "uint256 at = _free() + 32;",
        "uint256 at = _free() + 33;",
        "memory a byte further out is as free",
    ),
    (
        "uint256 at = _free() + 32;",
        "uint256 at = _free() + 31;",
        "the byte below is the record's last, which is read no more when the length is written over it",
    ),
    (
        "let size := sub(extcodesize(at), 1)",
        "let size := sub(extcodesize(at), 0)",
        "a byte more is read, behind the code, and the number of whole words is the same",
    ),
    (
        "let success := staticcall(VERIFIER_GAS, verifier, start, sub(end, start), 0, 0x20)",
        "let success := staticcall(VERIFIER_GAS, verifier, start, sub(end, start), 0, 0x21)",
        "what is longer than a word is no acceptance, and what is written behind the first word is not read",
    ),
    (
        "rejected := and(iszero(success), eq(returndatasize(), 4))",
        "rejected := and(not(success), eq(returndatasize(), 4))",
        "beside a truth the lowest bit alone counts",
    ),
    (
        "mstore(at, commitment)",
        "mstore(add(at, 0x20), context) / mstore(at, commitment)",
        "two words that are apart",
    ),
    (
        "mstore(to, pad)",
        "mstore(add(to, 0x20), pad) / mstore(to, pad)",
        "two words that are apart",
    ),
    (
        "if (to > length) to = length;",
        "if (to >= length) to = length;",
        "what is equal is set to itself",
    ),
    (
        "if (from > to) from = to;",
        "if (from >= to) from = to;",
        "what is equal is set to itself",
    ),
    (
        "gap := mul(gap, div(2, w))",
        "gap := mul(gap, div(3, w))",
        "w is 2, 4 or 8: the quotient is the same",
    ),
    (
        "let gap32 := mul(gap, div(4, w))",
        "let gap32 := mul(gap, div(5, w))",
        "w is 2, 4 or 8: the quotient is the same",
    ),
    (
        "let gap64 := mul(gap, div(8, w))",
        "let gap64 := mul(gap, div(9, w))",
        "w is 2, 4 or 8: the quotient is the same",
    ),
    (
        "if ((record[0] ^ other[0]) << (256 - 184) != 0 || record[1] != other[1]) return false;",
        "if ((record[0] ^ other[0]) << (257 - 184) != 0 || record[1] != other[1]) return false;",
        "the highest bit of the number of slots is zero: there are 256 at most",
    ),
    (
        "if ((record[0] ^ other[0]) << (256 - 184) != 0 || record[1] != other[1]) return false;",
        "if ((record[0] ^ other[0]) << (256 - 183) != 0 || record[1] != other[1]) return false;",
        "the highest bit of the number of slots is zero: there are 256 at most",
    ),
    (
        "mstore(values, shr(5, sub(end, at)))",
        "mstore(0x40, end) / mstore(values, shr(5, sub(end, at)))",
        "two words that are apart",
    ),
    (
        "if (record.slots() != 1) revert StatementCount(record.slots(), 1);",
        "uint256 accumulator = record.aggregated() ? ACCUMULATOR_BYTES : 0; / if (record.slots() != 1) revert StatementCount(record.slots(), 1);",
        "reading the mode neither fails nor changes anything",
    ),
    (
        "_expectBatch(statements, proof);",
        "uint256 count = statements.length; / _expectBatch(statements, proof);",
        "reading a length neither fails nor changes anything",
    ),
    (
        "if (count == 0) revert EmptyBatch();",
        "uint256[][] memory records = new uint256[][](count); / if (count == 0) revert EmptyBatch();",
        "a list of no records is made before the refusal",
    ),
    (
        "end = _write(at, record, context, input, output);",
        "uint256 expected = record.slot(slot); / end = _write(at, record, context, input, output);",
        "a slot that there is is read, from a record that is not written",
    ),
    (
        "if (accepted) return;",
        "bytes4 reason = bytes4(result); / if (accepted) return;",
        "a conversion neither fails nor changes anything",
    ),
    (
        "if (got == expected) return;",
        "if (verifier.code.length == 0) revert VerifierHasNoCode(verifier); / if (got == expected) return;",
        "no model is registered with the hash of no code, and registration has refused it before",
    ),
    (
        "if (to > length) to = length;",
        "if (from > to) from = to; / if (to > length) to = length;",
        "of the two parts one begins at 0, the other ends at the length: one of the lines does nothing",
    ),
    (
        "for {} 1 {} {",
        "for {} 2 {} {",
        "any number but zero is true",
    ),
    (
        "if (_records[modelId] != address(0)) return modelId;",
        "address verifier = model.verifier; / if (_records[modelId] != address(0)) return modelId;",
        "reading a field neither fails nor changes anything: the id was hashed from it",
    ),
    (
        "_records[modelId] = Records.store(Records.encode(model));",
        "emit ModelRegistered(modelId, verifier, model.commitment); / _records[modelId] = Records.store(Records.encode(model));",
        "an event of a call that is refused is undone",
    ),
    (
        "_verify(modelId, context, input, output, proof);",
        "emit InferenceVerified(modelId, context, msg.sender, keccak256(input), output); / _verify(modelId, context, input, output, proof);",
        "an event of a call that is refused is undone",
    ),
    (
        "if (records[0].slots() != count) revert StatementCount(records[0].slots(), count);",
        "(uint256 start, uint256 at) = _copy(_free(), proof, 0, ACCUMULATOR_BYTES); / if (records[0].slots() != count) revert StatementCount(records[0].slots(), count);",
        "a copy to free memory, which nothing reads before it is written again, is made before the refusal",
    ),
    (
        "uint256 expected = record.slot(slot);",
        "uint256 words = (end - at) >> 5; / uint256 expected = record.slot(slot);",
        "neither of the two fails or changes anything",
    ),
    (
        "at = _writeHead(at, record, context);",
        "uint256 first = record.firstTensor(); / at = _writeHead(at, record, context);",
        "reading a record neither fails nor changes anything",
    ),
    (
        "uint256 commitment = record[3];",
        "bool aggregated = record.aggregated(); / uint256 commitment = record[3];",
        "reading a record neither fails nor changes anything",
    ),
    (
        "if (context >= Records.R) revert ContextNotCanonical(context);",
        "uint256 keyDigest = record[2]; / if (context >= Records.R) revert ContextNotCanonical(context);",
        "reading a record neither fails nor changes anything",
    ),
    (
        "calldatacopy(at, add(proof.offset, from), sub(to, from))",
        "calldatacopy(at, add(proof.offset, from), add(to, from))",
        "what is copied behind the end is written again or not handed over",
    ),
    (
        "uint256 w = width((tensor >> 72) & 0xff);",
        "first = to + MARGIN; / uint256 w = width((tensor >> 72) & 0xff);",
        "neither of the two fails or changes what the other reads",
    ),
    (
        "uint256 bits = (tensor >> 72) & 0xff;",
        "uint256 bits = (tensor >> 72) & 0xfe;",
        "elements that fill their bytes have 8, 16, 32 or 64 bits",
    ),
    (
        "let ones := div(not(0), lane)",
        "let ones := div(not(1), lane)",
        "the lowest lane is none of a word's, since a word has 253 bits at most, and nothing is carried out of it",
    ),
    (
        "gap := mul(gap, div(2, w))",
        "gap := div(gap, div(2, w))",
        "the quotient is 1 or 0, and what is divided by zero is zero",
    ),
    (
        "x := and(sub(x, lo), sub(shl(shl(3, w), 1), 1))",
        "x := and(sub(x, lo), sub(shl(shl(3, w), 1), 2))",
        "a range has a bit at least: the lowest is never one of those beyond it",
    ),
    (
        "if (model.commitment >= R) revert IModelVerifier.CommitmentNotCanonical(model.commitment);",
        "uint256 ins = model.inputs.length; / if (model.commitment >= R) revert IModelVerifier.CommitmentNotCanonical(model.commitment);",
        "reading a length neither fails nor changes anything",
    ),
    (
        "uint256 outs = model.outputs.length;",
        "if (ins > MAX_TENSORS) revert IModelVerifier.TensorInvalid(MAX_TENSORS); / uint256 outs = model.outputs.length;",
        "reading a length neither fails nor changes anything",
    ),
    (
        "if (outs > MAX_TENSORS) revert IModelVerifier.TensorInvalid(ins + MAX_TENSORS);",
        "uint256 count = model.slots.length; / if (outs > MAX_TENSORS) revert IModelVerifier.TensorInvalid(ins + MAX_TENSORS);",
        "reading a length neither fails nor changes anything",
    ),
    (
        "if (count == 0 || count > (direct ? 1 : MAX_SLOTS)) revert IModelVerifier.SlotsInvalid(count);",
        "uint256 first = HEAD + (count + LANES - 1) / LANES; / if (count == 0 || count > (direct ? 1 : MAX_SLOTS)) revert IModelVerifier.SlotsInvalid(count);",
        "the length of a list that is in the calldata is far from the end of 256 bits",
    ),
    (
        "record[first + i] = _encode(tensor, i);",
        "words += tensor.visibility == IModelVerifier.Visibility.Hashed ? 1 : tensor.words; / record[first + i] = _encode(tensor, i);",
        "the sum does not leave 256 bits, and nothing of it stays where the other line refuses",
    ),
    (
        "record[HEAD + i / LANES] |= slot_ << (16 * (i % LANES));",
        "fits = fits || slot_ == words; / record[HEAD + i / LANES] |= slot_ << (16 * (i % LANES));",
        "neither of the two fails or changes what the other reads",
    ),
    (
        "model.verifier = verifier(record);",
        "model.codeHash = bytes32(record[1]); / model.verifier = verifier(record);",
        "reading a record neither fails nor changes anything, and the two fields are apart",
    ),
    (
        "model.codeHash = bytes32(record[1]);",
        "model.mode = aggregated(record) ? IModelVerifier.Mode.Aggregated : IModelVerifier.Mode.Direct; / model.codeHash = bytes32(record[1]);",
        "reading a record neither fails nor changes anything, and the two fields are apart",
    ),
    (
        "model.mode = aggregated(record) ? IModelVerifier.Mode.Aggregated : IModelVerifier.Mode.Direct;",
        "model.slots = new uint16[](slots(record)); / model.mode = aggregated(record) ? IModelVerifier.Mode.Aggregated : IModelVerifier.Mode.Direct;",
        "reading a record neither fails nor changes anything, and the two fields are apart",
    ),
    (
        "model.commitment = record[3];",
        "uint256 first = firstTensor(record); / model.commitment = record[3];",
        "reading a record neither fails nor changes anything, and the two fields are apart",
    ),
    (
        "model.inputs = _decode(record, first, middle - first);",
        "model.outputs = _decode(record, middle, record.length - middle); / model.inputs = _decode(record, first, middle - first);",
        "reading a record neither fails nor changes anything, and the two fields are apart",
    ),
    (
        "let size := sub(extcodesize(at), 1)",
        "let size := add(extcodesize(at), 1)",
        "two bytes more are read, behind the code, and the number of whole words is the same",
    ),
    (
        "mstore(record, shr(5, size))",
        "extcodecopy(at, add(record, 0x20), 1, size) / mstore(record, shr(5, size))",
        "the length is not where the words are",
    ),
    (
        "extcodecopy(at, add(record, 0x20), 1, size)",
        "mstore(0x40, add(add(record, 0x20), size)) / extcodecopy(at, add(record, 0x20), 1, size)",
        "what says where memory is free is not where the words are",
    ),
    (
        "mstore(0x40, add(add(record, 0x20), size))",
        "mstore(0x40, add(add(record, 0x21), size))",
        "memory a byte further out is as free",
    ),
];
