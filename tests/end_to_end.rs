//! From a model file to a contract that accepts its proof, and nothing else: the digit example
//! proven, aggregated, compiled and called in revm.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

use std::path::Path;

use halo2_proofs::{arithmetic::Field, halo2curves::bn256::Fr, poly::commitment::ParamsProver};
use rand::rngs::OsRng;
use zkml_aggregation as aggregate;
use zkml_aggregation::{vk_digest, AggregationShape};
use zkml_evm_verifier::{
    calldata,
    check::{build, check_contract},
    codegen::Labels,
    compile::find_compiler,
    exec::{Chain, Fork},
};
use zkml_import as import;
use zkml_import::{inputs, ImportOptions};
use zkml_model::{
    layout::Visibilities,
    planner::Goal,
    prove::{prove, Architecture, Keys, Opening, Request, Transcript},
};
use zkml_srs::Srs;

#[test]
fn a_contract_accepts_the_proof_and_nothing_else() {
    let digits = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/digits");
    let model = import::load(&digits.join("model.onnx"), &ImportOptions::default()).unwrap();
    let request = Request {
        inputs: inputs::load(&digits.join("seven.png"), &model.graph, &model.source).unwrap(),
        context: Fr::from(42),
        transcript: Transcript::Poseidon,
    };
    let (architecture, plan) = Architecture::new(
        model.graph,
        model.source,
        Visibilities::default(),
        Goal::Onchain,
    )
    .unwrap();
    let seed = [6; 32];
    let srs = Srs::development_from_seed(plan.shape.k, seed, &|_, _| ()).unwrap();
    let keys = Keys::new(&plan, &srs).unwrap();
    let opening = Opening::new(model.weights);
    let (proof, _) = prove(&architecture, &plan, &srs, &keys, &opening, &request).unwrap();
    let snark = proof
        .snark(&plan.statement.form, &srs, keys.pk.get_vk())
        .unwrap();
    let protocols = [snark.protocol.clone()];
    let inner = snark.instances[0].clone();

    let (shape, _) = AggregationShape::choose(&protocols, 4).unwrap();
    let outer_srs = Srs::development_from_seed(shape.k, seed, &|_, _| ()).unwrap();
    let key = aggregate::keygen(&outer_srs.params, &protocols, shape).unwrap();

    // An inner proof that does not hold is an error before the long work.
    let mut broken = snark.clone();
    broken.instances[0][0] += Fr::ONE;
    aggregate::prove(&outer_srs.params, &key, &[broken], OsRng, &mut |_| ()).unwrap_err();

    let snarks = [snark];
    let outer = aggregate::prove(&outer_srs.params, &key, &snarks, OsRng, &mut |_| ()).unwrap();
    let statements = outer.statements(&key).unwrap();
    assert_eq!(
        statements,
        [(vk_digest(&protocols[0]).unwrap(), &inner[..])]
    );

    let generator = outer_srs.params.get_g()[0];
    let deciding = (generator, outer_srs.params.g2(), outer_srs.params.s_g2()).into();
    let labels = Labels {
        contract: "Verifier".into(),
        srs: outer_srs.provenance.to_string(),
        notes: Vec::new(),
    };
    let protocol = key.protocol(&outer_srs.params).unwrap();
    let compiler = find_compiler(None).unwrap();
    let (source, bytecode) = build(&compiler, &deciding, &protocol, &labels).unwrap();
    assert!(
        source.source.contains("INSECURE"),
        "the contract names its SRS"
    );
    let forks = [Fork::Prague, Fork::Osaka];
    let report = check_contract(
        &bytecode,
        source.layout,
        &outer.instances,
        &outer.proof,
        &forks,
    )
    .unwrap();
    println!("{}", serde_json::to_string(&report).unwrap());
    // What `zkml inspect` predicted of it.
    let predicted = aggregate::contract_cost(&plan.shape, &plan.statement.form, 4).unwrap();
    println!("predicted {predicted:?}");
    let near = |predicted: u64, got: u64| predicted.abs_diff(got) * 20 <= got;
    assert!(near(
        predicted.runtime_bytes as u64,
        report.runtime_bytes as u64
    ));
    for (fork, gas) in &report.gas {
        let expected = match fork {
            Fork::Osaka => predicted.gas_osaka,
            Fork::Prague => predicted.gas_prague,
        };
        assert!(near(expected, gas.total), "{fork}: {expected}, {gas:?}");
    }

    // Every public value counts, and has one encoding.
    let mut chain = Chain::new(Fork::Osaka);
    let contract = chain.deploy(&bytecode.creation).unwrap();
    let good = calldata::encode(&outer.instances, &outer.proof);
    assert!(chain.call(contract.address, &good).unwrap().accepted);
    for instance in 0..outer.instances.len() {
        let mut bad = good.clone();
        bad[32 * instance + 31] ^= 1;
        let outcome = chain.call(contract.address, &bad).unwrap();
        assert!(!outcome.accepted, "instance {instance} does not count");
    }
    for (what, bad) in [
        ("truncated", good[..good.len() - 1].to_vec()),
        ("extended", [good.as_slice(), &[0]].concat()),
        ("empty", Vec::new()),
    ] {
        assert!(
            !chain.call(contract.address, &bad).unwrap().accepted,
            "{what}"
        );
    }
}
