//! The contracts in other people's tools, under other people's settings.

use std::{path::Path, process::Command};

use anyhow::{ensure, Context, Result};
use serde_json::Value;
use zkml_evm_verifier::{
    calldata::encode,
    codegen::{generate, Labels},
};
use zkml_model::prove::{self, Architecture, Keys, Proof};

use crate::{
    made::{aggregated, cached, inner_proof, outer},
    meter::measure,
    onchain::deciding,
};

/// The front, and a generated verifier of each kind with an honest proof, in new Foundry and Hardhat projects: each
/// compiler and setting that `scripts/consumers` knows.
pub fn settings(case: &str, folder: &Path) -> Result<Value> {
    let place = folder.join("generated");
    std::fs::create_dir_all(&place)?;
    let direct = direct(&folder.join("direct"), &place)?;
    let aggregated = through_aggregation(&folder.join("onchain"), &place)?;
    std::fs::write(place.join("Generated.t.sol"), tests(&direct, &aggregated))?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/consumers");
    let (measured, output) = measure(|| {
        let mut command = Command::new(&script);
        command.arg("--all").arg("--generated").arg(&place);
        command.stderr(std::process::Stdio::inherit());
        Ok(command.output()?)
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last();
    let last = last.with_context(|| format!("{}: no result", script.display()))?;
    let found: Value = serde_json::from_str(last)?;
    ensure!(found["tried"].is_u64(), "no result in {last}");
    let names = ["tried", "built", "agree"].map(|name| (name.to_string(), found[name].clone()));
    Ok(measured.line(case, Value::Object(names.into_iter().collect())))
}

fn labels(contract: &str) -> Labels {
    Labels {
        contract: contract.into(),
        srs: "development, insecure".into(),
        notes: vec![],
    }
}

/// Writes the verifier of a model's own proof; the calldata of the proof.
fn direct(keys: &Path, place: &Path) -> Result<Vec<u8>> {
    let architecture = Architecture::load(&keys.join("config.json"))?;
    let srs = cached(architecture.shape.k)?;
    let loaded = Keys::load(&keys.join("proving.key"), &architecture)?;
    let proof = Proof::load(&keys.join("proof.zkml"))?;
    let instances = proof.direct_instances(&architecture.form()?)?;
    let protocol = prove::protocol(&srs.params, loaded.pk.get_vk(), instances.len())?;
    let source = generate(&deciding(&srs)?, &protocol, &labels("Direct"), true)?;
    std::fs::write(place.join("Direct.sol"), source.source)?;
    Ok(encode(&instances, &proof.argument))
}

/// The same of an aggregated proof.
fn through_aggregation(keys: &Path, place: &Path) -> Result<Vec<u8>> {
    let snarks = [inner_proof(keys)?];
    let (srs, key) = outer(&snarks)?;
    let proof = aggregated(&srs, &key, &snarks)?;
    let protocol = key.protocol(&srs.params)?;
    let source = generate(&deciding(&srs)?, &protocol, &labels("Aggregated"), true)?;
    std::fs::write(place.join("Aggregated.sol"), source.source)?;
    Ok(encode(&proof.instances, &proof.proof))
}

/// Solidity tests of both: the proof is accepted, and with any of some bits flipped, or a byte less or more, refused with an
/// error of the verifier.
fn tests(direct: &[u8], aggregated: &[u8]) -> String {
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    format!(
        r#"// SPDX-License-Identifier: MIT
pragma solidity >=0.8.24 <0.9.0;

import {{Direct}} from "./Direct.sol";
import {{Aggregated}} from "./Aggregated.sol";

contract GeneratedTest {{
    function test_direct() public {{
        judge(address(new Direct()), hex"{}");
    }}

    function test_aggregated() public {{
        judge(address(new Aggregated()), hex"{}");
    }}

    function judge(address verifier, bytes memory good) private view {{
        (bool accepted, bytes memory said) = verifier.staticcall(good);
        require(accepted && said.length == 32 && uint256(bytes32(said)) == 1, "the honest proof");
        for (uint256 i = 31; i < good.length; i += 331) {{
            good[i] ^= 0x01;
            refused(verifier, good);
            good[i] ^= 0x01;
        }}
        refused(verifier, bytes.concat(good, hex"00"));
        refused(verifier, "");
        assembly {{
            mstore(good, sub(mload(good), 1))
        }}
        refused(verifier, good);
    }}

    function refused(address verifier, bytes memory bad) private view {{
        (bool accepted, bytes memory said) = verifier.staticcall(bad);
        require(!accepted && said.length == 4, "a damaged proof");
    }}
}}
"#,
        hex(direct),
        hex(aggregated)
    )
}
