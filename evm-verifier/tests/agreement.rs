//! On 20,000 mutated proofs, drawn from a seed, the native verifier and the contract agree.

#![allow(clippy::unwrap_used)]

mod support;

use halo2_proofs::halo2curves::{
    bn256::{Bn256, Fr, G1Affine},
    ff::PrimeField,
};
use halo2_proofs::poly::commitment::ParamsProver;
use rand::{rngs::StdRng, Rng, SeedableRng};
use rayon::prelude::*;
use revm::primitives::U256;
use snark_verifier::{
    loader::native::NativeLoader,
    pcs::kzg::KzgDecidingKey,
    system::halo2::transcript::evm::EvmTranscript,
    verifier::{plonk::PlonkVerifier, SnarkVerifier},
};
use snark_verifier_sdk::SHPLONK;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{circuit, order, Direct};
use zkml_evm_verifier::{
    calldata,
    exec::{Chain, Fork},
};

const PROOFS: usize = 20_000;

/// The verdict of snark-verifier on calldata.
fn native(direct: &Direct, calldata: &[u8]) -> bool {
    let layout = direct.source.layout;
    if calldata.len() != layout.bytes() {
        return false;
    }
    let (values, proof) = calldata.split_at(32 * layout.instances);
    let instances: Option<Vec<Fr>> = values
        .chunks(32)
        .map(|word| {
            let mut repr: [u8; 32] = word.try_into().ok()?;
            repr.reverse();
            Option::from(Fr::from_repr(repr))
        })
        .collect();
    let Some(instances) = instances else {
        return false;
    };
    type Verifier = PlonkVerifier<SHPLONK>;
    let params = &direct.params;
    let key: KzgDecidingKey<Bn256> = (params.get_g()[0], params.g2(), params.s_g2()).into();
    let mut transcript = EvmTranscript::<G1Affine, NativeLoader, &[u8], Vec<u8>>::new(proof);
    let instances = [instances];
    Verifier::read_proof(&key, &direct.protocol, &instances, &mut transcript)
        .and_then(|read| Verifier::verify(&key, &direct.protocol, &instances, &read))
        .is_ok()
}

/// A mutation of `good`; `other` is a good proof of another context.
fn mutate(good: &[u8], other: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let mut data = good.to_vec();
    let words = good.len() / 32;
    let word = |rng: &mut StdRng| 32 * rng.gen_range(0..words);
    let at = word(rng);
    let read = |data: &[u8], at: usize| U256::from_be_slice(&data[at..at + 32]);
    let mut write = |at: usize, value: U256| {
        data[at..at + 32].copy_from_slice(&value.to_be_bytes::<32>());
    };
    match rng.gen_range(0..12) {
        0 | 1 => {
            let bit = rng.gen_range(0..8 * good.len());
            data[bit / 8] ^= 1 << (bit % 8);
        }
        2 => data[at..at + 32].copy_from_slice(&rng.gen::<[u8; 32]>()),
        3 => write(at, read(good, at) + order()),
        4 => write(at, U256::from(rng.gen_range(0..3u64))),
        5 => write(at, order() - read(good, at)),
        6 => {
            let to = word(rng);
            let value = read(good, at);
            write(at, read(good, to));
            write(to, value);
        }
        // A part of another good proof, or all but a part.
        7 => data[at..].copy_from_slice(&other[at..]),
        8 => data[..at].copy_from_slice(&other[..at]),
        // Two adjacent words, which may be a point, as nothing, or as those of another place.
        9 => data[at..(at + 64).min(good.len())].fill(0),
        10 => {
            let to = word(rng).min(good.len() - 64);
            let from = at.min(good.len() - 64);
            data.copy_within(from..from + 64, to);
        }
        _ => {
            let length = good.len() + rng.gen_range(0..129) - 64;
            data.resize(length, rng.gen());
        }
    }
    data
}

#[test]
fn native_and_contract_agree_on_mutated_proofs() {
    let direct = Direct::get();
    let context = |value: u64| {
        let instances = circuit(2, 5, Fr::from(value)).instances();
        calldata::encode(&instances, &direct.prove(Fr::from(value)))
    };
    let (good, other) = (context(1), context(2));
    let mut chain = Chain::new(Fork::Osaka);
    let contract = chain.deploy(&direct.code.creation).unwrap().address;
    for calldata in [&good, &other] {
        assert!(native(direct, calldata));
        assert!(chain.call(contract, calldata).unwrap().accepted);
    }
    let deep = AtomicUsize::new(0);
    let same = AtomicUsize::new(0);
    (0..PROOFS)
        .into_par_iter()
        .for_each_with(chain, |chain, seed| {
            let mut rng = StdRng::seed_from_u64(seed as u64);
            let mut bad = mutate(&good, &other, &mut rng);
            if seed % 4 == 0 {
                bad = match bad.len() == good.len() {
                    true => mutate(&bad, &other, &mut rng),
                    false => bad,
                };
            }
            let outcome = chain.call(contract, &bad).unwrap();
            assert_eq!(outcome.accepted, native(direct, &bad), "seed {seed}");
            if bad == good || bad == other {
                same.fetch_add(1, Ordering::Relaxed);
            } else {
                assert!(!outcome.accepted, "seed {seed}");
            }
            let failed = outcome.ending.trim_start_matches("reverted: ");
            assert_ne!(failed, "PrecompileFailed", "seed {seed}");
            deep.fetch_add(usize::from(failed == "InvalidProof"), Ordering::Relaxed);
        });
    let (deep, same) = (deep.into_inner(), same.into_inner());
    println!("{PROOFS} proofs: {same} were not changed, {deep} reached the pairing");
    assert!(deep > PROOFS / 10 && same < PROOFS / 20);
}
