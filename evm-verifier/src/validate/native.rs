//! The pairing as snark-verifier's native code comes to it, and words as contracts write them.

use halo2_proofs::halo2curves::{
    bn256::{Bn256, Fq, Fr, G1Affine, G2Affine, G1},
    ff::{Field, PrimeField},
    group::{Curve, Group},
};
use revm::primitives::{keccak256, U256};
use snark_verifier::{
    loader::native::NativeLoader,
    pcs::kzg::{KzgAccumulator, KzgDecidingKey, LimbsEncoding},
    system::halo2::transcript::evm::EvmTranscript,
    verifier::{
        plonk::{PlonkProtocol, PlonkSuccinctVerifier},
        SnarkVerifier,
    },
};
use snark_verifier_sdk::SHPLONK;
use zkml_aggregation::{BITS, LIMBS};

/// A coordinate as limbs.
pub(super) fn limbs(coordinate: Fq) -> [Fr; LIMBS] {
    let value = U256::from_le_bytes(coordinate.to_repr());
    let mask = (U256::from(1) << BITS) - U256::from(1);
    std::array::from_fn(|i| {
        let limb: U256 = (value >> (BITS * i)) & mask;
        Option::from(Fr::from_repr(limb.to_le_bytes::<32>())).unwrap_or_default()
    })
}

pub(super) fn word_of(value: impl PrimeField<Repr = [u8; 32]>) -> [u8; 32] {
    let mut repr = value.to_repr();
    repr.reverse();
    repr
}

pub(super) fn point_bytes(point: G1Affine) -> [u8; 64] {
    let mut bytes = [0; 64];
    let (x, y) = bytes.split_at_mut(32);
    x.copy_from_slice(&word_of(point.x));
    y.copy_from_slice(&word_of(point.y));
    bytes
}

/// A point of the second group as the pairing takes it: the higher coefficient of each coordinate first.
fn wide_point_bytes(point: G2Affine) -> Vec<u8> {
    let coordinates = [point.x.to_repr(), point.y.to_repr()];
    let halves = coordinates.iter().flat_map(|repr| {
        let mut bytes: Vec<u8> = repr.as_ref().to_vec();
        bytes.reverse();
        bytes
    });
    halves.collect()
}

/// The words of the pairing as snark-verifier's native code comes to them: its accumulators, folded by the powers of
/// the hash of them all.
pub(super) fn native(
    key: &KzgDecidingKey<Bn256>,
    protocol: &PlonkProtocol<G1Affine>,
    instances: &[Fr],
    proof: &[u8],
) -> Result<Vec<u8>, String> {
    type Verifier = PlonkSuccinctVerifier<SHPLONK, LimbsEncoding<LIMBS, BITS>>;
    let mut transcript = EvmTranscript::<G1Affine, NativeLoader, &[u8], Vec<u8>>::new(proof);
    let (svk, instances) = (key.svk(), [instances.to_vec()]);
    let refused = |error| format!("{error:?}");
    let read =
        Verifier::read_proof(&svk, protocol, &instances, &mut transcript).map_err(refused)?;
    let accumulators = Verifier::verify(&svk, protocol, &instances, &read).map_err(refused)?;
    let (lhs, rhs) = match &accumulators[..] {
        [one] => (one.lhs, one.rhs),
        all => fold(all),
    };
    let mut words = point_bytes(lhs).to_vec();
    words.extend(wide_point_bytes(key.g2()));
    words.extend(point_bytes(rhs));
    words.extend(wide_point_bytes(-key.s_g2()));
    Ok(words)
}

fn fold(accumulators: &[KzgAccumulator<G1Affine, NativeLoader>]) -> (G1Affine, G1Affine) {
    let sides = accumulators.iter().flat_map(|one| [one.lhs, one.rhs]);
    let hashed: Vec<u8> = sides.flat_map(point_bytes).collect();
    let challenge = reduced(&keccak256(hashed).0);
    let (mut lhs, mut rhs, mut power) = (G1::identity(), G1::identity(), Fr::ONE);
    for one in accumulators {
        lhs += one.lhs * power;
        rhs += one.rhs * power;
        power *= challenge;
    }
    (lhs.to_affine(), rhs.to_affine())
}

/// A word modulo the scalar field's order.
pub(super) fn reduced(word: &[u8]) -> Fr {
    let value = U256::from_be_slice(word) % order();
    Option::from(Fr::from_repr(value.to_le_bytes::<32>())).unwrap_or_default()
}

/// r.
pub(super) fn order() -> U256 {
    U256::from_le_bytes((-Fr::ONE).to_repr()) + U256::from(1)
}

/// q.
pub(super) fn modulus() -> U256 {
    U256::from_le_bytes((-Fq::ONE).to_repr()) + U256::from(1)
}
