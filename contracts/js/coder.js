// The part of Solidity's ABI that the contracts use, driven by the ABIs themselves. The encoding is Solidity's own:
// the front refuses any other.
import { keccak_256 } from "@noble/hashes/sha3";
import { bytesToHex, hexToBytes as fromHex, utf8ToBytes } from "@noble/hashes/utils";

/** Bytes of hexadecimal digits behind 0x. */
export function hexToBytes(hex) {
  if (typeof hex !== "string" || !/^0x([0-9a-fA-F]{2})*$/.test(hex)) {
    throw new Error(`expected 0x and an even number of hexadecimal digits, got ${String(hex).slice(0, 80)}`);
  }
  return fromHex(hex.slice(2));
}

/** keccak256 of hexadecimal digits. */
export const keccak256 = (hex) => "0x" + bytesToHex(keccak_256(hexToBytes(hex)));

/** A number as a word: 64 digits, two's complement if it is negative. */
export const word = (value) => BigInt.asUintN(256, value).toString(16).padStart(64, "0");

const array = /^(.*)\[(\d*)\]$/;

/** An integer: a bigint, a number that holds it exactly, or its digits, as JSON files have them. */
export function exact(value, place) {
  const digits = typeof value === "string" && /^(0x[0-9a-fA-F]+|-?\d+)$/.test(value);
  if (typeof value !== "bigint" && !Number.isSafeInteger(value) && !digits) {
    throw new Error(`${place}: expected a bigint, an integer that a number holds exactly, or its digits, got ${value}`);
  }
  return BigInt(value);
}

function integer(type, value, place) {
  const [, sign, bits] = type.match(/^(u?)int(\d*)$/);
  const x = exact(value, place);
  const n = Number(bits || 256);
  if ((sign ? BigInt.asUintN(n, x) : BigInt.asIntN(n, x)) !== x) {
    throw new Error(`${place}: ${x} is not a ${type}`);
  }
  return word(x);
}

function fixed(hex, bytes, place) {
  if (typeof hex !== "string" || !new RegExp(`^0x[0-9a-fA-F]{${2 * bytes}}$`).test(hex)) {
    throw new Error(`${place}: expected 0x and ${2 * bytes} hexadecimal digits, got ${hex}`);
  }
  return hex.slice(2).toLowerCase();
}

/** Whether the encoding's length depends on the value. */
function dynamic(param) {
  const list = param.type.match(array);
  if (list) return list[2] === "" || dynamic({ ...param, type: list[1] });
  return param.type === "bytes" || param.type === "string" || (param.type === "tuple" && param.components.some(dynamic));
}

function encodeOne(param, value, place) {
  const list = param.type.match(array);
  if (list) {
    if (!Array.isArray(value) || (list[2] !== "" && value.length !== Number(list[2]))) {
      throw new Error(`${place}: expected a list (${param.type}), got ${value}`);
    }
    const items = value.map((_, i) => ({ ...param, type: list[1], name: `${i}` }));
    return (list[2] === "" ? word(BigInt(value.length)) : "") + encodeAll(items, value, place);
  }
  if (param.type === "tuple") {
    const values = Array.isArray(value) ? value : param.components.map(({ name }) => value?.[name]);
    return encodeAll(param.components, values, place);
  }
  if (/^u?int/.test(param.type)) return integer(param.type, value, place);
  if (param.type === "address") return fixed(value, 20, place).padStart(64, "0");
  if (param.type === "bool") return word(value ? 1n : 0n);
  if (param.type === "bytes") {
    const bytes = hexToBytes(value);
    const digits = bytesToHex(bytes);
    return word(BigInt(bytes.length)) + digits.padEnd(Math.ceil(digits.length / 64) * 64, "0");
  }
  const bytes = param.type.match(/^bytes(\d+)$/);
  if (bytes) return fixed(value, Number(bytes[1]), place).padEnd(64, "0");
  throw new Error(`${place}: ${param.type} is not encoded here`);
}

function encodeAll(params, values, place) {
  if (values.length !== params.length) {
    throw new Error(`${place}: expected ${params.length} values, got ${values.length}`);
  }
  const parts = params.map((param, i) => encodeOne(param, values[i], `${place}.${param.name || i}`));
  const head = params.reduce((sum, param, i) => sum + (dynamic(param) ? 32 : parts[i].length / 2), 0);
  let [heads, tails] = ["", ""];
  params.forEach((param, i) => {
    heads += dynamic(param) ? word(BigInt(head + tails.length / 2)) : parts[i];
    if (dynamic(param)) tails += parts[i];
  });
  return heads + tails;
}

/** `abi.encode(values)`. */
export const encode = (params, values) => "0x" + encodeAll(params, values, "value");

/** The type as it stands in a signature. */
function canonical(param) {
  if (!param.type.startsWith("tuple")) return param.type;
  return `(${param.components.map(canonical).join(",")})${param.type.slice(5)}`;
}

/** Signature of a function, an event or an error. */
export const signature = (item) => `${item.name}(${item.inputs.map(canonical).join(",")})`;

/** keccak256 of a signature. */
export const topic = (item) => "0x" + bytesToHex(keccak_256(utf8ToBytes(signature(item))));

/** First four bytes of the signature's hash. */
export const selector = (item) => topic(item).slice(0, 10);

/** Calldata of a call. */
export function call(abi, name, values) {
  const item = abi.find((item) => item.type === "function" && item.name === name);
  return selector(item) + encode(item.inputs, values).slice(2);
}

/** Values of static and `bytes` parameters, which is all that events and errors here have. */
export function decode(params, hex) {
  const bytes = hexToBytes(hex);
  const at = (start, length) => {
    if (start + length > bytes.length) throw new Error(`the data ends after ${bytes.length} bytes, expected ${start + length}`);
    return bytesToHex(bytes.slice(start, start + length));
  };
  return params.map((param, i) => {
    const digits = at(32 * i, 32);
    const value = BigInt("0x" + digits);
    if (/^uint/.test(param.type)) return value;
    if (/^int/.test(param.type)) return BigInt.asIntN(256, value);
    if (param.type === "address") return "0x" + digits.slice(24);
    if (param.type === "bool") return value !== 0n;
    if (param.type === "bytes") return "0x" + at(Number(value) + 32, Number(BigInt("0x" + at(Number(value), 32))));
    const fixedBytes = param.type.match(/^bytes(\d+)$/);
    if (fixedBytes) return "0x" + digits.slice(0, 2 * Number(fixedBytes[1]));
    throw new Error(`${param.type} is not decoded here`);
  });
}
