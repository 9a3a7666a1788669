//! A slot's structure is in the digest of the key that it verifies: k, state and commitments of a key fit every
//! slot with equally many commitments, and prove something else where the gates are others.

use super::{deciding_key, two_snarks};
use crate::{
    circuit::AggregationCircuit, key::dummies, vk_digest, AggregationShape, Structure,
    ACCUMULATOR_LIMBS,
};
use snark_verifier::{
    halo2_base::halo2_proofs::halo2curves::bn256::{Fr, G1Affine},
    verifier::plonk::PlonkProtocol,
};

/// The key of `protocol` in a slot that differs in one thing.
fn slot(
    protocol: &PlonkProtocol<G1Affine>,
    change: impl FnOnce(&mut PlonkProtocol<G1Affine>),
) -> PlonkProtocol<G1Affine> {
    let mut slot = protocol.clone();
    change(&mut slot);
    assert_eq!(slot.preprocessed, protocol.preprocessed);
    assert_eq!(slot.domain.k, protocol.domain.k);
    assert_eq!(
        slot.transcript_initial_state,
        protocol.transcript_initial_state
    );
    slot
}

/// The digest that the circuit shows of the key in a slot.
fn shown(generator: G1Affine, protocol: &PlonkProtocol<G1Affine>) -> Fr {
    let snarks = dummies(std::slice::from_ref(protocol)).unwrap();
    let shape = AggregationShape::default();
    let circuit =
        AggregationCircuit::build(generator, &snarks, &[], shape, Some(Vec::new())).unwrap();
    circuit.instances()[ACCUMULATOR_LIMBS]
}

#[test]
fn a_key_has_another_digest_in_a_slot_of_other_gates() {
    let (srs, [snark, other]) = two_snarks();
    let generator = deciding_key(&srs.params).svk().g;
    let own = &snark.protocol;
    // Gates that hold whatever the witness is; every number is the same.
    let loose = slot(own, |slot| {
        slot.quotient.numerator = slot.quotient.numerator.clone() * Fr::zero();
    });
    let numbers = |protocol: &_| {
        let structure = Structure::of(protocol).unwrap();
        let Structure {
            instances,
            fixed,
            points,
            evaluations,
            ..
        } = structure;
        (instances, fixed, points, evaluations)
    };
    assert_eq!(numbers(own), numbers(&loose));

    let digest = vk_digest(own).unwrap();
    assert_ne!(digest, vk_digest(&loose).unwrap());
    assert_ne!(digest, vk_digest(&other.protocol).unwrap());
    // Natively and in the circuit alike.
    for protocol in [own, &loose, &other.protocol] {
        assert_eq!(shown(generator, protocol), vk_digest(protocol).unwrap());
    }
}

#[test]
fn whatever_a_slot_does_is_in_the_digest() {
    let (_, [snark, _]) = two_snarks();
    let own = &snark.protocol;
    type Change = fn(&mut PlonkProtocol<G1Affine>);
    let changes: [(&str, Change); 8] = [
        ("a public value more", |slot| slot.num_instance[0] += 1),
        ("a public value less", |slot| slot.num_instance[0] -= 1),
        ("a commitment of another phase", |slot| {
            slot.num_witness.swap(0, 1);
        }),
        ("a challenge more", |slot| slot.num_challenge[0] += 1),
        ("evaluations in another order", |slot| {
            slot.evaluations.swap(0, 1);
        }),
        ("queries in another order", |slot| slot.queries.swap(0, 1)),
        ("another degree", |slot| slot.quotient.chunk_degree += 1),
        ("other gates", |slot| {
            let numerator = slot.quotient.numerator.clone();
            slot.quotient.numerator = numerator * Fr::from(2);
        }),
    ];
    let digest = vk_digest(own).unwrap();
    for (what, change) in changes {
        assert_ne!(digest, vk_digest(&slot(own, change)).unwrap(), "{what}");
    }
}
