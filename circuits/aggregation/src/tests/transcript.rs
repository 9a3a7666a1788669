//! One transcript three times: halo2's verifier, snark-verifier natively and in the circuit draw the same
//! challenges of a proof, and each item that is absorbed changes all that are drawn later.

use super::{
    deciding_key,
    recorder::{assert_later_challenges_differ, Item, Recorder},
    two_phase,
    two_phase::TwoPhase,
};
use crate::{
    check_snark,
    ecc::{Chip, Loader},
};
use halo2_proofs::{
    plonk::{verify_proof, VerifyingKey},
    poly::{
        commitment::ParamsProver,
        kzg::{
            commitment::KZGCommitmentScheme, multiopen::VerifierSHPLONK,
            strategy::AccumulatorStrategy,
        },
    },
};
use snark_verifier::{
    halo2_base::{
        gates::flex_gate::threads::SinglePhaseCoreManager,
        halo2_proofs::{
            arithmetic::Field,
            halo2curves::{
                bn256::{Bn256, Fr, G1Affine},
                ff::PrimeField,
                group::{Curve, GroupEncoding},
            },
        },
    },
    loader::{halo2::Halo2Loader, native::NativeLoader},
    pcs::kzg::KzgSuccinctVerifyingKey,
    verifier::{plonk::PlonkSuccinctVerifier, SnarkVerifier},
};
use snark_verifier_sdk::{
    halo2::{PoseidonTranscript, POSEIDON_SPEC},
    Snark, SHPLONK,
};
use zkml_srs::Srs;

type Verifier = PlonkSuccinctVerifier<SHPLONK>;
type Native<'a> = PoseidonTranscript<NativeLoader, &'a [u8]>;
type Drawn = Vec<(usize, Fr)>;

fn natively(srs: &Srs, snark: &Snark) -> (Vec<Item>, Drawn) {
    let svk = deciding_key(&srs.params).svk();
    let inner = Native::from_spec(&snark.proof, POSEIDON_SPEC.clone());
    let mut transcript = Recorder::new(inner);
    Verifier::read_proof(&svk, &snark.protocol, &snark.instances, &mut transcript).unwrap();
    (transcript.items, transcript.challenges)
}

fn by_halo2(srs: &Srs, vk: &VerifyingKey<G1Affine>, snark: &Snark) -> Drawn {
    let inner = Native::from_spec(&snark.proof, POSEIDON_SPEC.clone());
    let mut transcript = Recorder::new(inner);
    let params = srs.params.verifier_params();
    verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<'_, Bn256>, _, _, _>(
        params,
        vk,
        AccumulatorStrategy::new(params),
        &[&[&snark.instances[0]]],
        &mut transcript,
    )
    .unwrap();
    transcript.challenges
}

fn in_the_circuit(srs: &Srs, snark: &Snark) -> Drawn {
    let svk = KzgSuccinctVerifyingKey::from(deciding_key(&srs.params).svk().g);
    let pool = SinglePhaseCoreManager::new(true, Default::default());
    let loader = Halo2Loader::new(Chip::default(), pool);
    let protocol = snark.protocol.loaded_preprocessed_as_witness(&loader, true);
    let values = snark.instances[0].iter();
    let instances = [values.map(|value| loader.assign_scalar(*value)).collect()];
    type InCircuit<'a> = PoseidonTranscript<Loader, &'a [u8]>;
    let inner = InCircuit::from_spec(&loader, &snark.proof, POSEIDON_SPEC.clone());
    let mut transcript = Recorder::new(inner);
    Verifier::read_proof(&svk, &protocol, &instances, &mut transcript).unwrap();
    let challenges = transcript.challenges.into_iter();
    challenges
        .map(|(drawn, scalar)| (drawn, *scalar.into_assigned().value()))
        .collect()
}

/// The proof with one of the items that are absorbed changed.
fn changed(snark: &Snark, items: &[Item], item: usize) -> Snark {
    let mut snark = snark.clone();
    let known = items.iter().filter(|one| **one == Item::Known).count();
    assert_eq!(known, 1 + snark.instances[0].len());
    match item {
        0 => {
            let state = snark.protocol.transcript_initial_state.unwrap();
            snark.protocol.transcript_initial_state = Some(state + Fr::ONE);
        }
        item if item < known => snark.instances[0][item - 1] += Fr::ONE,
        item => {
            let place = 32 * (item - known);
            let bytes = &mut snark.proof[place..place + 32];
            match items[item] {
                Item::Point => {
                    let mut repr = <G1Affine as GroupEncoding>::Repr::default();
                    repr.as_mut().copy_from_slice(bytes);
                    let point = G1Affine::from_bytes(&repr).unwrap();
                    let other = (point + G1Affine::generator()).to_affine();
                    bytes.copy_from_slice(other.to_bytes().as_ref());
                }
                _ => {
                    let scalar = Fr::from_repr(bytes.as_ref().try_into().unwrap()).unwrap();
                    bytes.copy_from_slice(&(scalar + Fr::ONE).to_repr());
                }
            }
        }
    }
    snark
}

#[test]
fn three_transcripts_agree() {
    let srs = Srs::development_from_seed(8, [3; 32], &|_, _| {}).unwrap();
    let pk = two_phase::keygen(&srs.params, &TwoPhase::new(2, 5, 0, 2));
    for seed in 0..24 {
        let circuit = TwoPhase::new(2, 5, seed, 2);
        let snark = two_phase::snark(&srs.params, &pk, circuit);
        let (_, challenges) = natively(&srs, &snark);
        // The phase's, theta, beta, gamma, y, x, and three of SHPLONK's.
        assert!(challenges.len() >= 8);
        assert_eq!(challenges, by_halo2(&srs, pk.get_vk(), &snark), "halo2");
        assert_eq!(challenges, in_the_circuit(&srs, &snark), "circuit");
    }
}

#[test]
fn each_absorbed_item_changes_what_is_drawn_later() {
    let srs = Srs::development_from_seed(8, [3; 32], &|_, _| {}).unwrap();
    let circuit = TwoPhase::new(2, 5, 1, 2);
    let pk = two_phase::keygen(&srs.params, &circuit);
    let snark = two_phase::snark(&srs.params, &pk, circuit);
    check_snark(&srs.params, 0, &snark).unwrap();
    let (items, before) = natively(&srs, &snark);
    for item in 0..items.len() {
        let other = changed(&snark, &items, item);
        let (_, after) = natively(&srs, &other);
        assert_later_challenges_differ(item, &before, &after);
        assert_eq!(after, in_the_circuit(&srs, &other), "circuit, item {item}");
        check_snark(&srs.params, 0, &other).unwrap_err();
    }
}
