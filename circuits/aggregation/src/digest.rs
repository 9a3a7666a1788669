//! The digest of an inner verifying key, natively and in the circuit.
//!
//! `Poseidon(structure, k, initial state of the transcript, x₀ mod r, y₀ mod r, x₁ mod r, …)` over the commitments
//! to the fixed columns and the permutation, the identity as (0, 0). The hash is the one of the proofs'
//! transcript, which separates lengths. The initial state is halo2's own hash of the whole
//! verifying key, which the circuit takes as it comes; the commitments are hashed as well because the circuit
//! computes with them. The structure ([`Structure::word`]) is what the circuit does with them, a constant of the
//! slot: without it a key would have the same digest in a slot of other gates, where it proves something else.

use super::{curve::coordinates, ecc::Chip, ecc::Loader, AggregateError, Structure};
use snark_verifier::{
    halo2_base::{
        halo2_proofs::halo2curves::{
            bn256::{Fr, G1Affine},
            ff::PrimeField,
        },
        poseidon::hasher::spec::OptimizedPoseidonSpec,
        AssignedValue,
    },
    loader::{halo2::Scalar, native::NativeLoader, ScalarLoader},
    util::hash::Poseidon,
    verifier::plonk::PlonkProtocol,
};
use snark_verifier_sdk::halo2::POSEIDON_SPEC;

const T: usize = 3;
const RATE: usize = 2;

fn spec() -> OptimizedPoseidonSpec<Fr, T, RATE> {
    POSEIDON_SPEC.clone()
}

/// The digest of the verifying key that `protocol` was made from.
pub fn vk_digest(protocol: &PlonkProtocol<G1Affine>) -> Result<Fr, AggregateError> {
    let state = protocol
        .transcript_initial_state
        .ok_or(AggregateError::Protocol {
            reason: "it has no initial transcript state",
        })?;
    let structure = Structure::of(protocol)?.word();
    let mut words = vec![structure, Fr::from(protocol.domain.k as u64), state];
    for point in &protocol.preprocessed {
        let (x, y) = coordinates(point).unwrap_or_default();
        words.extend([x.to_repr(), y.to_repr()].map(|bytes| {
            let mut wide = [0; 64];
            wide[..32].copy_from_slice(&bytes);
            <Fr as halo2_proofs::halo2curves::ff::FromUniformBytes<64>>::from_uniform_bytes(&wide)
        }));
    }
    let mut hasher = Poseidon::<Fr, Fr, T, RATE>::from_spec(&NativeLoader, spec());
    hasher.update(&words);
    Ok(hasher.squeeze())
}

/// The digest of a verifying key that the circuit has loaded into a slot of this structure.
pub(super) fn assigned_vk_digest(
    loader: &Loader,
    structure: &Structure,
    protocol: &PlonkProtocol<G1Affine, Loader>,
) -> Result<AssignedValue<Fr>, AggregateError> {
    let (Some(state), Some(domain)) = (
        &protocol.transcript_initial_state,
        &protocol.domain_as_witness,
    ) else {
        return Err(AggregateError::Protocol {
            reason: "its key is not a witness",
        });
    };
    let structure = loader.load_const(&structure.word());
    let mut words: Vec<Scalar<G1Affine, Chip>> = vec![structure, domain.k.clone(), state.clone()];
    for point in &protocol.preprocessed {
        let coordinates = {
            let (chip, point) = (loader.ecc_chip(), point.assigned());
            chip.words(loader.ctx_mut().main(), &point)
        };
        words.extend(coordinates.map(|cell| loader.scalar_from_assigned(cell)));
    }
    let mut hasher = Poseidon::<Fr, Scalar<G1Affine, Chip>, T, RATE>::from_spec(loader, spec());
    hasher.update(&words);
    Ok(hasher.squeeze().into_assigned())
}
