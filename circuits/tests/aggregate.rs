//! A real aggregation, small inner circuits.

#[path = "support/two_phase.rs"]
mod two_phase;

use rand::{rngs::StdRng, SeedableRng};
use std::time::Instant;
use two_phase::TwoPhase;
use zkml_circuits::{
    aggregate::{
        check_snark, keygen, prove, verify, vk_digest, AggregateError, AggregationKey,
        AggregationShape,
    },
    srs::Srs,
};

const SEED: [u8; 32] = [7; 32];

#[test]
fn one_proof_is_aggregated() {
    let width: usize = std::env::var("WIDTH").ok().and_then(|w| w.parse().ok()).unwrap_or(4);
    let columns: usize = std::env::var("COLUMNS").ok().and_then(|w| w.parse().ok()).unwrap_or(4);
    let inner = Srs::development_from_seed(9, SEED, &|_, _| {}).unwrap();
    let circuit = TwoPhase::new(width, 5, 9, 3);
    let pk = two_phase::keygen(&inner.params, &circuit);
    let snark = two_phase::snark(&inner.params, &pk, circuit);
    check_snark(&inner.params, 0, &snark).unwrap();
    let start = Instant::now();
    let protocols = [snark.protocol.clone()];
    let (shape, size) = AggregationShape::choose(&protocols, columns).unwrap();
    println!("{shape:?} {size:?} in {:?}", start.elapsed());
    let start = Instant::now();
    let outer = Srs::development_from_seed(shape.k, SEED, &|_, _| {}).unwrap();
    println!("srs {:?}", start.elapsed());
    let start = Instant::now();
    let key = keygen(&outer.params, &protocols, shape).unwrap();
    println!("keygen {:?}", start.elapsed());
    let start = Instant::now();
    let proof = prove(&outer.params, &key, &[snark.clone()], StdRng::seed_from_u64(1), &mut |s| {
        println!("{s:?} at {:?}", start.elapsed())
    })
    .unwrap();
    println!("proof {} bytes in {:?}", proof.proof.len(), start.elapsed());
}
