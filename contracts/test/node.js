// A consumer on a real node, by viem and by ethers: node node.js URL. The node has anvil's or Hardhat's unlocked accounts.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as ethers from "ethers";
import { createWalletClient, http, publicActions } from "viem";
import {
  contextOf, classBountyAbi, decodeError, decodeEvent, encodeInput, encodeOutput, modelId, modelVerifierAbi, publicValues,
  registerCall, submitCall, verifyBatchCall, verifyCall,
} from "../js/index.js";

const read = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"));
const fixture = read("../fixtures/digits.json");
const front = read("../artifacts/ModelVerifier.json");
const bounty = read("../artifacts/ClassBounty.json");
const url = process.argv[2];
const class_ = 7n;

/** What viem and ethers each do, behind one interface: deploy, send, call, read. */
async function viem() {
  const client = createWalletClient({ transport: http(url) }).extend(publicActions);
  const [account] = await client.getAddresses();
  const receipt = async (hash) => client.waitForTransactionReceipt({ hash });
  const common = { account, chain: null };
  return {
    account,
    deploy: async (abi, bytecode, args = [], value = 0n) =>
      (await receipt(await client.deployContract({ ...common, abi, bytecode, args, value }))).contractAddress,
    send: async (to, data) => (await receipt(await client.sendTransaction({ ...common, to, data, gas: 3_000_000n }))).logs,
    call: async (to, data) => {
      try {
        return { data: (await client.call({ account, to, data })).data ?? "0x" };
      } catch (error) {
        const found = error.walk((cause) => typeof (cause.data?.data ?? cause.data) === "string");
        return { error: found.data?.data ?? found.data };
      }
    },
    read: (address, abi, functionName, args) => client.readContract({ address, abi, functionName, args }),
    write: async (address, abi, functionName, args) => (await receipt(await client.writeContract({ ...common, address, abi, functionName, args }))).logs,
    code: async (address) => client.getCode({ address }),
    chain: async () => BigInt(await client.getChainId()),
    close: () => {},
  };
}

async function ethersjs() {
  const provider = new ethers.JsonRpcProvider(url, undefined, { cacheTimeout: -1 });
  const signer = await provider.getSigner(1);
  const receipt = async (sent) => (await sent).wait();
  return {
    account: await signer.getAddress(),
    deploy: async (abi, bytecode, args = [], value = 0n) => {
      const contract = await new ethers.ContractFactory(abi, bytecode, signer).deploy(...args, { value });
      return (await contract.waitForDeployment()).getAddress();
    },
    send: async (to, data) => (await receipt(await signer.sendTransaction({ to, data, gasLimit: 3_000_000n }))).logs,
    call: async (to, data) => {
      try {
        return { data: await provider.call({ to, data, from: await signer.getAddress() }) };
      } catch (error) {
        return { error: error.data };
      }
    },
    read: (address, abi, name, args) => new ethers.Contract(address, abi, provider)[name](...args),
    write: async (address, abi, name, args) => (await receipt(await new ethers.Contract(address, abi, signer)[name](...args))).logs,
    code: (address) => provider.getCode(address),
    chain: async () => (await provider.getNetwork()).chainId,
    close: () => provider.destroy(),
  };
}

const events = (logs) => logs.map((log) => decodeEvent(log)).filter(Boolean);

async function consumer(name, chain) {
  const registry = await chain.deploy(front.abi, front.bytecode);

  // A real proof.
  const verifier = (await chain.deploy([], fixture.verifier.creation)).toLowerCase();
  assert.equal(await chain.code(verifier), fixture.verifier.runtime);
  const model = { ...fixture.model, verifier };
  const [registered] = events(await chain.send(registry, registerCall(model)));
  const id = modelId(model);
  assert.equal(registered.name, "ModelRegistered");
  assert.equal(registered.args.modelId, id);
  assert.deepEqual(modelId(await chain.read(registry, modelVerifierAbi, "getModel", [id])), id);
  const { context, input, output } = fixture.statement;
  const statement = { modelId: id, context, input, output, proof: fixture.proof };
  const values = await chain.read(registry, modelVerifierAbi, "publicValues", [id, BigInt(context), input, output]);
  assert.deepEqual([...values], publicValues(model, context, input, output));
  assert.deepEqual(await chain.call(registry, verifyCall(statement)), { data: "0x" });
  const [verified] = events(await chain.send(registry, submitCall(statement)));
  assert.equal(verified.name, "InferenceVerified");
  assert.equal(verified.args.output, output);
  const changed = await chain.call(registry, verifyCall({ ...statement, context: 43 }));
  assert.deepEqual(decodeError(changed.error), { name: "ProofRejected", args: { reason: "InvalidProof" }, verdict: true });
  const batched = await chain.call(registry, verifyBatchCall([statement], fixture.proof));
  assert.deepEqual(decodeError(batched.error), { name: "BatchMixed", args: { statement: 0n }, verdict: false });

  // A claim, paid, with a verifier that says yes: the context of a claim is known once there is a request only.
  const mock = (await chain.deploy([], yes)).toLowerCase();
  const mocked = { ...model, verifier: mock, codeHash: ethers.keccak256(await chain.code(mock)) };
  await chain.send(registry, registerCall(mocked));
  const paying = await chain.deploy(bounty.abi, bounty.bytecode, [registry, modelId(mocked), class_, 1000n], 1000n);
  const [requested] = events(await chain.write(paying, classBountyAbi, "request", []));
  const { nonce, deadline } = requested.args;
  const types = ["uint256", "address", "address", "uint64", "uint64"];
  assert.equal(contextOf(types, [await chain.chain(), paying, chain.account, nonce, deadline]), requested.args.context);
  const scores = Array.from({ length: 10 }, (_, i) => (i === Number(class_) ? 99 : -i));
  const claim = [encodeInput(mocked, [new Array(784).fill(0)]), encodeOutput(mocked, [scores]), "0x"];
  const paid = events(await chain.write(paying, classBountyAbi, "claim", claim)).find((event) => event.name === "Paid");
  assert.equal(paid.args.claimant, chain.account.toLowerCase());
  chain.close();
  console.log(`${name}: a real proof verified, a claim paid`);
}

// Creation code of a contract that returns the word 1, whatever it is called with.
const yes = "0x6008600a5f3960085ff3" + "60015f5260205ff3";

await consumer("viem", await viem());
await consumer("ethers", await ethersjs());
