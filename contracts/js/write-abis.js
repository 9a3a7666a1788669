// Writes abi.js and abi.d.ts, the ABIs as typed constants, from the artefacts. `--check` compares instead.
import { readFileSync, writeFileSync } from "node:fs";

const here = (path) => new URL(path, import.meta.url);
const contracts = { ModelVerifier: "modelVerifierAbi", ClassBounty: "classBountyAbi" };
const note = "// Written by write-abis.js from ../artifacts. Do not edit.\n";
const readonly = (value) => {
  if (Array.isArray(value)) return `readonly [${value.map(readonly).join(", ")}]`;
  if (value !== null && typeof value === "object") {
    return `{ ${Object.entries(value).map(([key, item]) => `readonly ${key}: ${readonly(item)}`).join("; ")} }`;
  }
  return JSON.stringify(value);
};

let [code, types] = [note, note];
for (const [contract, name] of Object.entries(contracts)) {
  const { abi } = JSON.parse(readFileSync(here(`../artifacts/${contract}.json`), "utf8"));
  code += `\nexport const ${name} = [\n${abi.map((item) => `  ${JSON.stringify(item)},\n`).join("")}];\n`;
  types += `\nexport declare const ${name}: readonly [\n${abi.map((item) => `  ${readonly(item)},\n`).join("")}];\n`;
}
for (const [file, text] of [["./abi.js", code], ["./abi.d.ts", types]]) {
  if (!process.argv.includes("--check")) writeFileSync(here(file), text);
  else if (readFileSync(here(file), "utf8") !== text) throw new Error(`${file} is not what the artefacts say: npm run abis`);
}
