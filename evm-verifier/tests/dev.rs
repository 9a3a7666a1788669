#[path = "../../circuits/tests/support/two_phase.rs"]
mod two_phase;
use halo2_proofs::poly::commitment::ParamsProver;
use rand::{rngs::StdRng, SeedableRng};
use snark_verifier::pcs::kzg::KzgDecidingKey;
use std::{path::PathBuf, time::Instant};
use two_phase::TwoPhase;
use zkml_circuits::{
    aggregate::{keygen, prove, AggregationKey, AggregationShape, AggregateProof},
    srs::Srs,
};
use zkml_evm_verifier::{check::check_contract, codegen::{generate, Labels}, compile::{compile, find_compiler}, exec::Fork};

const SEED: [u8; 32] = [7; 32];

fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = s.rsplit(')').next().unwrap().split_whitespace().collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0
}

#[test]
fn dev() {
    let env = |n: &str, d: usize| std::env::var(n).ok().and_then(|w| w.parse().ok()).unwrap_or(d);
    let (width, columns, reprove) = (env("WIDTH", 4), env("COLUMNS", 4), env("REPROVE", 1));
    let dir = PathBuf::from(std::env::var("HOME").unwrap()).join("build/agg");
    std::fs::create_dir_all(&dir).unwrap();
    let inner = Srs::development_from_seed(9, SEED, &|_, _| {}).unwrap();
    let circuit = TwoPhase::new(width, 5, 9, 3);
    let pk = two_phase::keygen(&inner.params, &circuit);
    let snark = two_phase::snark(&inner.params, &pk, circuit);
    let protocols = [snark.protocol.clone()];
    let (shape, size) = AggregationShape::choose(&protocols, columns).unwrap();
    println!("{shape:?} {size:?}");
    let outer = Srs::development_from_seed(shape.k, SEED, &|_, _| {}).unwrap();
    let name = format!("{width}-{}-{}", shape.k, shape.columns);
    let path = dir.join(format!("{name}.key"));
    let (t, c) = (Instant::now(), cpu());
    let key = if path.exists() {
        AggregationKey::load(&path).unwrap()
    } else {
        let key = keygen(&outer.params, &protocols, shape).unwrap();
        println!("keygen {:?} cpu {:.1}", t.elapsed(), cpu() - c);
        key.save(&path).unwrap();
        key
    };
    println!("key {:?} cpu {:.1}", t.elapsed(), cpu() - c);
    let path = dir.join(format!("{name}.proof"));
    let proof: AggregateProof = if path.exists() && reprove == 0 {
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap()
    } else {
        let (t, c) = (Instant::now(), cpu());
        let proof = prove(&outer.params, &key, &[snark.clone()], StdRng::seed_from_u64(1), &mut |s| {
            println!("{s:?} at {:?} cpu {:.1}", t.elapsed(), cpu() - c)
        }).unwrap();
        println!("proof {} bytes in {:?} cpu {:.1}", proof.proof.len(), t.elapsed(), cpu() - c);
        std::fs::write(&path, serde_json::to_vec(&proof).unwrap()).unwrap();
        proof
    };
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|l| l.starts_with("VmHWM")).unwrap());
    let protocol = key.protocol(&outer.params).unwrap();
    let dk = KzgDecidingKey::from((outer.params.get_g()[0], outer.params.g2(), outer.params.s_g2()));
    let labels = Labels { contract: "Aggregate".into(), srs: outer.provenance.to_string(), notes: vec![] };
    let source = generate(&dk, &protocol, &labels, true).unwrap();
    std::fs::write(dir.join(format!("{name}.sol")), &source.source).unwrap();
    let bytecode = compile(&find_compiler(None).unwrap(), &source).unwrap();
    println!("{:?}", source.layout);
    let report = check_contract(&bytecode, source.layout, &proof.instances, &proof.proof, &Fork::ALL).unwrap();
    println!("{report:?}");
}
