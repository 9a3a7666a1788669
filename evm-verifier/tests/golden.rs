//! What must not change unnoticed, nor with the number of threads: digests of a verifying key and of
//! `config.json`, sizes of proofs, and the generated contract, for a small model under a development SRS of a
//! fixed seed.
//!
//! After a change that is meant: `UPDATE=1 cargo test -p zkml-evm-verifier --test golden`.

#![allow(clippy::unwrap_used)]

#[path = "../../tests/support/onnx.rs"]
#[allow(dead_code)]
mod onnx;
#[path = "support/solc.rs"]
mod solc;

use blake2b_simd::Params;
use halo2_proofs::{halo2curves::bn256::Fr, poly::commitment::ParamsProver};
use revm::primitives::hex;
use serde_json::{json, Value};
use std::path::Path;
use zkml_evm_verifier::{
    check::build,
    codegen::{abi, Labels},
    compile::{find_compiler, settings_of, standard_json, Compiler},
    contracts::SOLC,
};
use zkml_import as import;
use zkml_import::ImportOptions;
use zkml_model::{
    layout::Visibilities,
    planner::Goal,
    prove::{protocol, prove, Architecture, Keys, Opening, Request, Transcript},
};
use zkml_srs::Srs;

fn digest(bytes: &[u8]) -> String {
    let hash = Params::new().hash_length(32).hash(bytes);
    hash.to_hex().to_string()
}

/// The values of a product with a matrix.
fn values() -> Value {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    let weights: Vec<f32> = (0..12u8).map(|i| f32::from(i) / 8.0 - 0.75).collect();
    let nodes = [onnx::node("MatMul", "product", &["x", "w"], "y")];
    let [x, y] = [("x", 4), ("y", 3)].map(|(name, size)| onnx::value(name, &[1, size]));
    let file = onnx::model(&nodes, &[onnx::tensor("w", &[4, 3], &weights)], x, y);
    std::fs::write(&path, file).unwrap();
    let options = ImportOptions {
        scale: Some(64),
        input_range: Some((-1.0, 1.0)),
        ..ImportOptions::default()
    };
    let model = import::load(&path, &options).unwrap();
    let (shown, goal) = (Visibilities::default(), Goal::Prove);
    let (architecture, plan) = Architecture::new(model.graph, model.source, shown, goal).unwrap();
    let srs = Srs::development_from_seed(plan.shape.k, [6; 32], &|_, _| ()).unwrap();
    let keys = Keys::new(&plan, &srs).unwrap();
    let opening = Opening::new(model.weights);
    let proof = |transcript| {
        let request = Request {
            inputs: vec![vec![5, -7, 64, 0]],
            context: Fr::from(42),
            transcript,
        };
        let proof = prove(&architecture, &plan, &srs, &keys, &opening, &request);
        proof.unwrap().0
    };
    let (poseidon, keccak) = (proof(Transcript::Poseidon), proof(Transcript::Keccak));
    let instances = keccak.direct_instances(&plan.statement.form).unwrap();
    let protocol = protocol(&srs.params, keys.pk.get_vk(), instances.len()).unwrap();
    let key = (srs.params.get_g()[0], srs.params.g2(), srs.params.s_g2()).into();
    let labels = Labels {
        contract: "SmallVerifier".into(),
        srs: srs.provenance.to_string(),
        notes: Vec::new(),
    };
    let compiler = find_compiler(None).unwrap();
    assert_eq!(compiler.version.split('+').next(), Some(SOLC), "{compiler}");
    let (source, code) = build(&compiler, &key, &protocol, &labels).unwrap();
    let input = standard_json(&compiler, &source).unwrap();
    assert_eq!(rebuilt(&compiler, &input), hex::encode(&code.runtime));
    interface(&compiler, &input);
    json!({
        "config": digest(&serde_json::to_vec(&architecture).unwrap()),
        "verifying_key": keys.digest().to_string(),
        "proof_bytes": poseidon.argument.len(),
        "keccak_proof_bytes": keccak.argument.len(),
        "contract_source": digest(source.source.as_bytes()),
        "contract_runtime": digest(&code.runtime),
    })
}

/// The code that a compiler makes of its input alone.
fn rebuilt(compiler: &Compiler, input: &str) -> String {
    let output = solc::standard_json(&compiler.path, input);
    let contract = &output["contracts"]["SmallVerifier.sol"]["SmallVerifier"];
    let code = &contract["evm"]["deployedBytecode"]["object"];
    code.as_str().unwrap().to_owned()
}

/// What artefacts say of a contract, `abi` and `settings`, is what the compiler says, and what it was given.
fn interface(compiler: &Compiler, input: &str) {
    let mut input: Value = serde_json::from_str(input).unwrap();
    assert_eq!(settings_of(&compiler.version).unwrap(), input["settings"]);
    input["settings"]["outputSelection"] = json!({ "*": { "*": ["abi"] } });
    let output = solc::standard_json(&compiler.path, &input.to_string());
    let contract = &output["contracts"]["SmallVerifier.sol"]["SmallVerifier"];
    assert_eq!(contract["abi"], abi());
}

#[test]
fn nothing_changes_with_the_number_of_threads() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden.json");
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let got = pool.build().unwrap().install(|| {
            assert_eq!(rayon::current_num_threads(), threads);
            values()
        });
        if threads == 1 && std::env::var_os("UPDATE").is_some() {
            let text = serde_json::to_string_pretty(&got).unwrap() + "\n";
            std::fs::write(&path, text).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap();
        let expected: Value = serde_json::from_str(&committed).unwrap();
        assert_eq!(got, expected, "{threads} threads; {}", path.display());
    }
}
