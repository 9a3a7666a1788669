// Compares the encoder with vectors that the Rust encoders wrote: node vectors.js FILE.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import {
  contextOf, decodeError, decodeEvent, decodeTensors, encodeInput, encodeOutput, modelId, publicValues, registerCall,
  submitBatchCall, submitCall, verifyBatchCall, verifyCall,
} from "../js/index.js";

const cases = JSON.parse(readFileSync(process.argv[2], "utf8"));
const numbers = (value) => (value === null ? null : Array.isArray(value) ? value.map(BigInt) : BigInt(value));
const texts = (args) => Object.fromEntries(Object.entries(args).map(([key, value]) => [key, typeof value === "bigint" ? value.toString() : value]));

for (const { model, context, inputs, outputs, proof, statements, event, errors, expected } of cases) {
  const [ins, outs] = [inputs.map(numbers), outputs.map(numbers)];
  const [input, output] = [encodeInput(model, ins), encodeOutput(model, outs)];
  const id = modelId(model);
  const call = { modelId: id, context: BigInt(context), input, output, proof };
  const batch = statements.map((one) => ({ ...one, context: BigInt(one.context) }));
  const got = {
    modelId: id,
    input,
    output,
    publicValues: publicValues(model, BigInt(context), input, output).map(String),
    register: registerCall(model),
    verify: verifyCall(call),
    submit: submitCall(call),
    verifyBatch: verifyBatchCall(batch, proof),
    submitBatch: submitBatchCall(batch, proof),
  };
  assert.deepEqual(got, expected);
  assert.deepEqual(decodeTensors(model.inputs, input), ins);
  assert.deepEqual(decodeTensors(model.outputs, output), outs);
  const { topics, data, ...log } = event;
  const decoded = decodeEvent({ topics, data });
  assert.deepEqual({ ...decoded, args: texts(decoded.args) }, log);
  for (const { data, ...error } of errors) {
    const decoded = decodeError(data);
    assert.deepEqual({ ...decoded, args: texts(decoded.args) }, error);
  }
}
console.log(`${cases.length} cases agree`);
