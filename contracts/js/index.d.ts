export { modelVerifierAbi, classBountyAbi } from "./abi.js";

/** Bytes as 0x and hexadecimal digits. */
export type Hex = `0x${string}`;
/** An integer: a bigint, a number that holds it exactly, or its digits, as JSON files have them. */
export type Integer = bigint | number | string;

export declare const FIELD_ORDER: bigint;
export declare const Mode: { readonly Direct: 0; readonly Aggregated: 1 };
export declare const Visibility: { readonly Public: 0; readonly Hashed: 1; readonly Private: 2 };

/** An input or output of a model, as `getModel` returns it. */
export interface Tensor {
  readonly visibility: Integer;
  readonly elements: Integer;
  readonly lo: Integer;
  readonly bits: Integer;
  readonly words: Integer;
}

/** All that a model is, as `getModel` returns it. */
export interface Model {
  readonly verifier: Hex;
  readonly codeHash: Hex;
  readonly mode: Integer;
  readonly slots: readonly Integer[];
  readonly keyDigest: Integer;
  readonly commitment: Integer;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

/** What one proof is about. */
export interface Statement {
  readonly modelId: Hex;
  readonly context: Integer;
  readonly input: Hex;
  readonly output: Hex;
}

/** Elements of a public tensor, digest of a hashed one, null for a private one. */
export type Value = readonly Integer[] | Integer | null;
export type Decoded = bigint[] | bigint | null;

export declare function elementBytes(bits: Integer): number;
export declare function encodeElements(tensor: Tensor, values: readonly Integer[], place?: string): Hex;
export declare function encodeTensors(tensors: readonly Tensor[], values: readonly Value[], kind?: string): Hex;
export declare function encodeInput(model: Model, values: readonly Value[]): Hex;
export declare function encodeOutput(model: Model, values: readonly Value[]): Hex;
export declare function decodeTensors(tensors: readonly Tensor[], data: Hex, kind?: string): Decoded[];
export declare function modelId(model: Model): Hex;
export declare function contextOf(types: readonly string[], values: readonly unknown[]): bigint;
export declare function publicValues(model: Model, context: Integer, input: Hex, output: Hex): bigint[];

export declare function registerCall(model: Model): Hex;
export declare function verifyCall(call: Statement & { readonly proof: Hex }): Hex;
export declare function submitCall(call: Statement & { readonly proof: Hex }): Hex;
export declare function verifyBatchCall(statements: readonly Statement[], proof: Hex): Hex;
export declare function submitBatchCall(statements: readonly Statement[], proof: Hex): Hex;
export declare function aggregatedProof(limbs: readonly Integer[], proof: Hex): Hex;

export interface Event {
  readonly name: string;
  readonly args: Readonly<Record<string, bigint | string | boolean>>;
}
export interface ContractError extends Event {
  /** Whether it says something of the statement or its proof; if not, they were not looked at to the end. */
  readonly verdict: boolean;
}
type Abi = readonly unknown[];
export declare function decodeEvent(log: { readonly topics: readonly string[]; readonly data: string }, abi?: Abi): Event | null;
export declare function decodeError(data: string, abi?: Abi): ContractError | null;
