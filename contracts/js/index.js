// What a caller of ModelVerifier needs, for viem and ethers alike: calldata and ids are strings of hexadecimal
// digits, numbers are bigint. Each function does what `evm-verifier/src/front.rs` does; a test compares them.
import { call, decode, encode, exact, hexToBytes, keccak256, selector, topic, word } from "./coder.js";
import { modelVerifierAbi, classBountyAbi } from "./abi.js";

export { modelVerifierAbi, classBountyAbi };

/** Order of BN254's scalar field: contexts, digests and commitments are below it. */
export const FIELD_ORDER = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;

/** What a model's verifier verifies. */
export const Mode = Object.freeze({ Direct: 0, Aggregated: 1 });

/** How a tensor appears in a statement. */
export const Visibility = Object.freeze({ Public: 0, Hashed: 1, Private: 2 });

const item = (type, name) => modelVerifierAbi.find((item) => item.type === type && item.name === name);

function scalar(value, place) {
  const x = exact(value, place);
  if (x < 0n || x >= FIELD_ORDER) throw new Error(`${place}: expected 0 to ${FIELD_ORDER - 1n}, got ${value}`);
  return x;
}

function known(values, value, place) {
  const found = Number(value);
  if (!Object.values(values).includes(found)) throw new Error(`${place}: expected one of ${Object.values(values)}, got ${value}`);
  return found;
}

/** Bytes of an element of so many bits. */
export function elementBytes(bits) {
  const n = Number(bits);
  return n <= 8 ? 1 : n <= 16 ? 2 : n <= 32 ? 4 : 8;
}

/** The elements of a public tensor, in row-major order, as the contract takes them. */
export function encodeElements(tensor, values, place = "tensor") {
  if (values.length !== Number(tensor.elements)) {
    throw new Error(`${place}: expected ${tensor.elements} elements, got ${values.length}`);
  }
  const lo = BigInt(tensor.lo);
  const hi = lo + (1n << BigInt(tensor.bits)) - 1n;
  const width = elementBytes(tensor.bits);
  let digits = "";
  for (let i = 0; i < values.length; ++i) {
    const x = exact(values[i], `${place}, element ${i}`);
    if (x < lo || x > hi) throw new Error(`${place}, element ${i}: expected ${lo} to ${hi}, got ${x}`);
    digits += BigInt.asUintN(8 * width, x).toString(16).padStart(2 * width, "0");
  }
  return "0x" + digits;
}

/**
 * Inputs or outputs as the contract takes them: of a public tensor its elements, of a hashed one its digest, of a
 * private one null.
 */
export function encodeTensors(tensors, values, kind = "tensor") {
  if (values.length !== tensors.length) throw new Error(`${kind}s: expected ${tensors.length}, got ${values.length}`);
  const parts = tensors.map((tensor, i) => {
    const [value, place] = [values[i], `${kind} ${i}`];
    switch (known(Visibility, tensor.visibility, place)) {
      case Visibility.Public:
        if (value === null || typeof value !== "object") throw new Error(`${place} is public: expected its elements, got ${value}`);
        return encodeElements(tensor, value, place).slice(2);
      case Visibility.Hashed:
        return word(scalar(value, `${place} is hashed: its digest`));
      default:
        if (value !== null) throw new Error(`${place} is private: expected null, got a value`);
        return "";
    }
  });
  return "0x" + parts.join("");
}

/** The inputs of a statement. */
export const encodeInput = (model, values) => encodeTensors(model.inputs, values, "input");
/** The outputs of a statement. */
export const encodeOutput = (model, values) => encodeTensors(model.outputs, values, "output");

/** What `encodeTensors` was given: bigint elements, a digest, or null, for each tensor. */
export function decodeTensors(tensors, data, kind = "tensor") {
  const bytes = hexToBytes(data);
  const expected = tensors.reduce((sum, tensor) => sum + bytesOf(tensor), 0);
  if (bytes.length !== expected) throw new Error(`${kind}s: expected ${expected} bytes, got ${bytes.length}`);
  let start = 0;
  return tensors.map((tensor, i) => {
    const digits = data.slice(2 + 2 * start, 2 + 2 * (start += bytesOf(tensor)));
    const visibility = Number(tensor.visibility);
    if (visibility === Visibility.Private) return null;
    if (visibility === Visibility.Hashed) return scalar(BigInt("0x" + digits), `${kind} ${i}`);
    const [lo, bits, width] = [BigInt(tensor.lo), BigInt(tensor.bits), elementBytes(tensor.bits)];
    return Array.from({ length: Number(tensor.elements) }, (_, e) => {
      const x = BigInt("0x" + digits.slice(2 * width * e, 2 * width * (e + 1)));
      const shifted = BigInt.asUintN(8 * width, x - lo);
      if (shifted >> bits !== 0n) throw new Error(`${kind} ${i}, element ${e} is outside of the tensor's range`);
      return lo + shifted;
    });
  });
}

function bytesOf(tensor) {
  const visibility = known(Visibility, tensor.visibility, "tensor");
  if (visibility === Visibility.Public) return Number(tensor.elements) * elementBytes(tensor.bits);
  return visibility === Visibility.Hashed ? 32 : 0;
}

/** The id that a model is registered under. */
export const modelId = (model) => keccak256(encode(item("function", "modelIdOf").inputs, [model]));

/**
 * A context that binds a proof to a request, as ClassBounty makes it: the hash of the values, shortened to a field
 * element. `types` are static Solidity types, such as "uint256", "address", "uint64".
 */
export function contextOf(types, values) {
  return BigInt(keccak256(encode(types.map((type) => ({ type })), values))) >> 3n;
}

/** The public values of a statement, as the verifier takes them. */
export function publicValues(model, context, input, output) {
  const head = [scalar(model.commitment, "commitment"), scalar(context, "context")];
  if (known(Mode, model.mode, "mode") === Mode.Aggregated) head.unshift(scalar(model.keyDigest, "key digest"));
  return [...head, ...words(model.inputs, input, "input"), ...words(model.outputs, output, "output")];
}

function words(tensors, data, kind) {
  const values = decodeTensors(tensors, data, kind);
  return tensors.flatMap((tensor, i) => {
    if (values[i] === null) return [];
    if (typeof values[i] === "bigint") return [values[i]];
    const [lo, bits, m] = [BigInt(tensor.lo), BigInt(tensor.bits), Number(tensor.words)];
    const s = Math.ceil(values[i].length / m);
    const pad = lo <= 0n && lo + (1n << bits) > 0n ? 0n : lo;
    return Array.from({ length: m }, (_, row) => {
      let sum = 0n;
      for (let t = 0; t < s; ++t) sum = (sum << bits) + ((values[i][row * s + t] ?? pad) - lo);
      return sum;
    });
  });
}

const single = (name) => ({ modelId, context, input, output, proof }) =>
  call(modelVerifierAbi, name, [modelId, scalar(context, "context"), input, output, proof]);
const batch = (name) => (statements, proof) => call(modelVerifierAbi, name, [statements, proof]);

/** Calldata of `register`. */
export const registerCall = (model) => call(modelVerifierAbi, "register", [model]);
/** Calldata of `verify`. */
export const verifyCall = single("verify");
/** Calldata of `submit`. */
export const submitCall = single("submit");
/** Calldata of `verifyBatch`. */
export const verifyBatchCall = batch("verifyBatch");
/** Calldata of `submitBatch`. */
export const submitBatchCall = batch("submitBatch");

/** The proof as the contract takes it in aggregated mode: the 12 limbs of the accumulator in front. */
export function aggregatedProof(limbs, proof) {
  if (limbs.length !== 12) throw new Error(`accumulator: expected 12 limbs, got ${limbs.length}`);
  return "0x" + limbs.map((limb, i) => word(scalar(limb, `limb ${i}`))).join("") + proof.slice(2);
}

/** The errors of the generated verifiers, which `ProofRejected` names by their selector. */
const verifierErrors = ["CalldataLength", "MalformedProof", "InvalidProof", "PrecompileFailed"].map((name) => ({ type: "error", name, inputs: [] }));

/** Errors that say something of the statement or its proof. All others mean that it was not looked at to the end. */
const verdicts = new Set([
  "CalldataLength", "MalformedProof", "InvalidProof",
  "ProofRejected", "StatementCount", "SlotMismatch", "ContextNotCanonical", "InputLength", "OutputLength",
  "ElementOutOfRange", "DigestNotCanonical", "CalldataNotCanonical",
]);

const named = (item, values) => Object.fromEntries(item.inputs.map(({ name }, i) => [name, values[i]]));

/** A log of the front or of ClassBounty; null if it is none. */
export function decodeEvent({ topics, data }, abi = [...modelVerifierAbi, ...classBountyAbi]) {
  const item = abi.find((item) => item.type === "event" && topic(item) === topics[0]);
  const indexed = item?.inputs.filter((input) => input.indexed) ?? [];
  if (!item || topics.length !== indexed.length + 1) return null;
  const fromTopics = indexed.map((input, i) => decode([input], topics[i + 1])[0]);
  const rest = item.inputs.filter((input) => !input.indexed);
  const args = { ...named({ inputs: indexed }, fromTopics), ...named({ inputs: rest }, decode(rest, data)) };
  return { name: item.name, args };
}

/** Revert data of the front, of a generated verifier or of ClassBounty; null if it is none of their errors. */
export function decodeError(data, abi = [...modelVerifierAbi, ...classBountyAbi, ...verifierErrors]) {
  const item = abi.find((item) => item.type === "error" && selector(item) === data.slice(0, 10).toLowerCase());
  if (!item) return null;
  const args = named(item, decode(item.inputs, "0x" + data.slice(10)));
  if (item.name === "ProofRejected") args.reason = decodeError(args.reason, verifierErrors)?.name ?? args.reason;
  return { name: item.name, args, verdict: verdicts.has(item.name) };
}
