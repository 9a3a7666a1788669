//! The digit example verified by a contract of its own, without aggregation: what it accepts and
//! rejects, that the native verifier says the same, and that its cost is as predicted.

#![allow(clippy::unwrap_used)]

#[path = "support/battery.rs"]
mod battery;

use battery::Subject;
use halo2_proofs::{
    halo2curves::{
        bn256::{Fr, G1Affine},
        ff::PrimeField,
    },
    plonk::VerifyingKey,
    poly::commitment::ParamsProver,
};
use rand::{rngs::StdRng, Rng, SeedableRng};
use std::{
    path::Path,
    sync::{Arc, OnceLock},
};
use zkml_evm_verifier::{
    check::{build, check_contract},
    codegen::Labels,
    compile::find_compiler,
    exec::{Chain, Fork},
};
use zkml_import as import;
use zkml_import::{inputs, ImportOptions};
use zkml_model::{
    gas,
    layout::{Plan, Visibilities},
    planner::Goal,
    prove::{
        protocol, prove, verify_argument, Architecture, Keys, Opening, Proof, ProveError, Request,
        Transcript,
    },
};
use zkml_srs::Srs;

struct Fixture {
    plan: Arc<Plan>,
    srs: Srs,
    vk: VerifyingKey<G1Affine>,
    proof: Proof,
    subject: Subject,
}

/// One proof and its contract for all the tests.
fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let digits = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/digits");
        let options = ImportOptions {
            scale: None,
            input_range: Some((0.0, 1.0)),
            ..ImportOptions::default()
        };
        let model = import::load(&digits.join("model.onnx"), &options).unwrap();
        let inputs = inputs::load(&digits.join("seven.png"), &model.graph, &model.source).unwrap();
        let (architecture, plan) = Architecture::new(
            model.graph,
            model.source,
            Visibilities::default(),
            Goal::Direct,
        )
        .unwrap();
        assert_eq!(architecture.transcript(), Transcript::Keccak);
        let srs = Srs::development_from_seed(plan.shape.k, [6; 32], &|_, _| ()).unwrap();
        let keys = Keys::new(&plan, &srs).unwrap();
        let request = Request {
            inputs,
            context: Fr::from(42),
            transcript: architecture.transcript(),
        };
        let opening = Opening::new(model.weights);
        let (proof, _) = prove(&architecture, &plan, &srs, &keys, &opening, &request).unwrap();
        let instances = proof.direct_instances(&plan.statement.form).unwrap();
        let vk = keys.pk.get_vk().clone();
        let protocol = protocol(&srs.params, &vk, instances.len()).unwrap();
        let key = (srs.params.get_g()[0], srs.params.g2(), srs.params.s_g2()).into();
        let labels = Labels {
            contract: "DigitsVerifier".into(),
            srs: srs.provenance.to_string(),
            notes: Vec::new(),
        };
        let compiler = find_compiler(None).unwrap();
        let (source, bytecode) = build(&compiler, &key, &protocol, &labels).unwrap();
        Fixture {
            subject: Subject {
                bytecode,
                layout: source.layout,
                instances,
                proof: proof.argument.clone(),
            },
            plan,
            srs,
            vk,
            proof,
        }
    })
}

/// Within 5%.
fn assert_near(what: &str, predicted: f64, got: f64) {
    let off = (predicted / got - 1.0).abs();
    assert!(off <= 0.05, "{what}: predicted {predicted}, got {got}");
}

#[test]
fn the_contract_accepts_the_proof_at_the_predicted_cost() {
    let Fixture {
        plan, subject: s, ..
    } = fixture();
    let report = check_contract(&s.bytecode, s.layout, &s.instances, &s.proof, &Fork::ALL).unwrap();
    let predicted = gas::direct(&plan.shape, &plan.statement.form);
    println!("{:?} {report:?}\npredicted {predicted:?}", plan.shape);
    assert_eq!(report.calldata_bytes, predicted.calldata_bytes);
    assert_near(
        "code",
        predicted.runtime_bytes as f64,
        report.runtime_bytes as f64,
    );
    for (fork, gas) in &report.gas {
        let expected = match fork {
            Fork::Osaka => predicted.gas_osaka,
            Fork::Prague => predicted.gas_prague,
        };
        assert_near(&fork.to_string(), expected as f64, gas.total as f64);
    }
}

#[test]
fn what_is_not_the_proof_is_rejected() {
    let s = &fixture().subject;
    s.rejects(Fork::Osaka, &s.not_canonical());
    s.rejects(Fork::Osaka, &s.flipped());
    s.rejects(Fork::Prague, &s.other_points());
    s.rejects_lengths_at_once();
    s.rejects_little_gas();
    s.rejection_is_told_from_a_misfit();
}

/// What the native verifier says of calldata, read as the contract reads it.
fn natively(fixture: &Fixture, calldata: &[u8]) -> bool {
    let count = fixture.subject.layout.instances;
    let Some((words, proof)) = calldata.split_at_checked(32 * count) else {
        return false;
    };
    let instances: Option<Vec<Fr>> = words
        .chunks_exact(32)
        .map(|word| {
            let mut repr = [0; 32];
            repr.copy_from_slice(word);
            repr.reverse();
            Option::from(Fr::from_repr(repr))
        })
        .collect();
    instances.is_some_and(|instances| {
        let params = &fixture.srs.params;
        verify_argument(params, &fixture.vk, &instances, proof, Transcript::Keccak).is_ok()
    })
}

/// Both verdicts on every kind of bad calldata, and on random damage.
#[test]
fn contract_and_native_verifier_agree() {
    let fixture = fixture();
    let s = &fixture.subject;
    let good = s.calldata();
    let mut all = [s.not_canonical(), s.other_points(), s.other_lengths()].concat();
    let mut rng = StdRng::seed_from_u64(9);
    for _ in 0..400 {
        let mut bad = good.clone();
        let at = rng.gen_range(0..bad.len());
        bad[at] ^= 1u8 << rng.gen_range(0..8);
        all.push((format!("byte {at} changed"), bad));
    }
    let words = good.len() / 32;
    for _ in 0..100 {
        let mut bad = good.clone();
        let (a, b) = (rng.gen_range(0..words), rng.gen_range(0..words));
        if good[32 * a..32 * a + 32] != good[32 * b..32 * b + 32] {
            bad.copy_within(32 * a..32 * a + 32, 32 * b);
            all.push((format!("word {a} copied to {b}"), bad));
        }
    }
    all.push(("nothing".into(), good));
    let mut chain = Chain::new(Fork::Osaka);
    let contract = chain.deploy(&s.bytecode.creation).unwrap();
    let mut accepted = 0;
    for (what, calldata) in &all {
        let verdict = chain.call(contract.address, calldata).unwrap().accepted;
        assert_eq!(verdict, natively(fixture, calldata), "{what}");
        accepted += usize::from(verdict);
    }
    assert_eq!(accepted, 1, "the good proof alone");
}

/// The kind of a proof is part of what is verified.
#[test]
fn a_proof_of_one_kind_is_none_of_the_other() {
    let f = fixture();
    let verify = |proof: &Proof| proof.verify(&f.plan.statement.form, &f.srs, &f.vk);
    verify(&f.proof).unwrap();
    let mut other = f.proof.clone();
    other.transcript = Transcript::Poseidon;
    assert!(matches!(verify(&other), Err(ProveError::Rejected(_))));
    // Nor is it one with its points written as the other kind writes them.
    let mut points = other.argument.clone();
    points.truncate(
        Transcript::Poseidon.proof_bytes(f.subject.layout.points, f.subject.layout.evaluations),
    );
    other.argument = points;
    assert!(matches!(verify(&other), Err(ProveError::Rejected(_))));
    let refused = f.proof.snark(&f.plan.statement.form, &f.srs, &f.vk);
    let error = refused.err().unwrap().to_string();
    assert!(error.contains("--transcript poseidon"), "{error}");
    let refused = other.direct_instances(&f.plan.statement.form);
    let error = refused.err().unwrap().to_string();
    assert!(error.contains("--transcript keccak"), "{error}");
}
