// Compiled, not run: the ABIs are constants that viem infers calls from, and the encoder's types fit viem and ethers.
import { Interface, type Log } from "ethers";
import { encodeFunctionData, type PublicClient } from "viem";
import { decodeError, decodeEvent, encodeInput, modelId, modelVerifierAbi, submitCall, type Hex, type Model } from "../js/index.js";

export async function inferred(client: PublicClient, address: Hex, id: Hex, proof: Hex) {
  const model = await client.readContract({ address, abi: modelVerifierAbi, functionName: "getModel", args: [id] });
  const known: Model = model;
  const input: Hex = encodeInput(known, [[1, 2n]]);
  const data = encodeFunctionData({ abi: modelVerifierAbi, functionName: "submit", args: [modelId(model), 1n, input, "0x", proof] });
  // @ts-expect-error there is no such function
  encodeFunctionData({ abi: modelVerifierAbi, functionName: "submitt", args: [] });
  return data === submitCall({ modelId: id, context: 1n, input, output: "0x", proof });
}

export function withEthers(log: Log, data: string) {
  new Interface(modelVerifierAbi);
  return [decodeEvent(log)?.name, decodeError(data)?.verdict];
}
