//! One transcript three times: halo2's verifier, snark-verifier's and the contract. The first two write down
//! their challenges; a contract that draws others accepts no proof.

#![allow(clippy::unwrap_used)]

#[path = "../../circuits/testing/recorder.rs"]
mod recorder;
mod support;

use halo2_proofs::{
    arithmetic::Field,
    halo2curves::{
        bn256::{Bn256, Fq, Fr, G1Affine},
        ff::PrimeField,
        group::Curve,
        CurveAffine,
    },
    plonk::verify_proof,
    poly::{
        commitment::ParamsProver,
        kzg::{
            commitment::KZGCommitmentScheme, multiopen::VerifierSHPLONK,
            strategy::AccumulatorStrategy,
        },
    },
};
use recorder::{assert_later_challenges_differ, Item, Recorder};
use snark_verifier::{
    loader::native::NativeLoader,
    pcs::kzg::KzgDecidingKey,
    system::halo2::transcript::evm::EvmTranscript,
    verifier::{
        plonk::{PlonkProtocol, PlonkVerifier},
        SnarkVerifier,
    },
};
use snark_verifier_sdk::SHPLONK;
use support::{circuit, Direct};
use zkml_evm_verifier::{
    calldata,
    exec::{Chain, Fork},
};

type Drawn = Vec<(usize, Fr)>;
type Keccak<'a> = EvmTranscript<G1Affine, NativeLoader, &'a [u8], Vec<u8>>;

fn natively(
    direct: &Direct,
    protocol: &PlonkProtocol<G1Affine>,
    instances: &[Fr],
    proof: &[u8],
) -> (Vec<Item>, Drawn) {
    let params = &direct.params;
    let key: KzgDecidingKey<Bn256> = (params.get_g()[0], params.g2(), params.s_g2()).into();
    let mut transcript = Recorder::new(Keccak::new(proof));
    let instances = [instances.to_vec()];
    PlonkVerifier::<SHPLONK>::read_proof(&key, protocol, &instances, &mut transcript).unwrap();
    (transcript.items, transcript.challenges)
}

fn by_halo2(direct: &Direct, instances: &[Fr], proof: &[u8]) -> Drawn {
    let params = direct.params.verifier_params();
    let mut transcript = Recorder::new(Keccak::new(proof));
    verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<'_, Bn256>, _, _, _>(
        params,
        direct.pk.get_vk(),
        AccumulatorStrategy::new(params),
        &[&[instances]],
        &mut transcript,
    )
    .unwrap();
    transcript.challenges
}

#[test]
fn three_transcripts_agree() {
    let direct = Direct::get();
    let mut chain = Chain::new(Fork::Osaka);
    let contract = chain.deploy(&direct.code.creation).unwrap().address;
    for context in 0..24 {
        let context = Fr::from(context).square() + Fr::from(3);
        let instances = circuit(2, 5, context).instances();
        let proof = direct.prove(context);
        let (_, challenges) = natively(direct, &direct.protocol, &instances, &proof);
        assert_eq!(challenges, by_halo2(direct, &instances, &proof));
        let calldata = calldata::encode(&instances, &proof);
        assert!(chain.call(contract, &calldata).unwrap().accepted);
    }
}

/// A word of calldata as an element, one more.
fn plus_one(word: &mut [u8]) {
    let mut repr: [u8; 32] = word.try_into().unwrap();
    repr.reverse();
    let mut repr = (Fr::from_repr(repr).unwrap() + Fr::ONE).to_repr();
    repr.reverse();
    word.copy_from_slice(&repr);
}

/// Two words of calldata as a point, plus the generator.
fn plus_generator(words: &mut [u8]) {
    let coordinate = |word: &[u8]| {
        let mut repr: [u8; 32] = word.try_into().unwrap();
        repr.reverse();
        Fq::from_repr(repr).unwrap()
    };
    let (x, y) = words.split_at_mut(32);
    let point = G1Affine::from_xy(coordinate(x), coordinate(y)).unwrap();
    let other = (point + G1Affine::generator()).to_affine();
    for (word, value) in [(x, other.x), (y, other.y)] {
        let mut repr = value.to_repr();
        repr.reverse();
        word.copy_from_slice(&repr);
    }
}

#[test]
fn each_absorbed_item_changes_what_is_drawn_later() {
    let direct = Direct::get();
    let mut chain = Chain::new(Fork::Osaka);
    let contract = chain.deploy(&direct.code.creation).unwrap().address;
    let instances = circuit(2, 5, Fr::from(9)).instances();
    let proof = direct.prove(Fr::from(9));
    let (items, before) = natively(direct, &direct.protocol, &instances, &proof);
    let known = items.iter().filter(|item| **item == Item::Known).count();
    assert_eq!(known, 1 + instances.len());
    let mut place = 0;
    for (item, kind) in items.iter().enumerate() {
        let (mut protocol, mut values, mut other) =
            (direct.protocol.clone(), instances.clone(), proof.clone());
        match kind {
            Item::Known if item == 0 => {
                let state = protocol.transcript_initial_state.unwrap();
                protocol.transcript_initial_state = Some(state + Fr::ONE);
            }
            Item::Known => values[item - 1] += Fr::ONE,
            Item::Point => {
                plus_generator(&mut other[place..place + 64]);
                place += 64;
            }
            Item::Scalar => {
                plus_one(&mut other[place..place + 32]);
                place += 32;
            }
        }
        let (_, after) = natively(direct, &protocol, &values, &other);
        assert_later_challenges_differ(item, &before, &after);
        if item > 0 {
            let calldata = calldata::encode(&values, &other);
            assert!(
                !chain.call(contract, &calldata).unwrap().accepted,
                "item {item}"
            );
        }
    }
    assert_eq!(place, proof.len());
}
