//! Accumulators: pairs of points, and the limbs by which public values show them.

use halo2_proofs::halo2curves::{
    bn256::{Fq, Fr, G1Affine, G1},
    ff::{Field, PrimeField},
    group::{Curve, Group},
    CurveAffine,
};
use revm::primitives::{keccak256, U256};
use zkml_aggregation::{ACCUMULATOR_LIMBS, BITS, LIMBS};

/// What a pairing decides: e(lhs, g₂) = e(rhs, τ·g₂).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accumulator {
    pub lhs: G1Affine,
    pub rhs: G1Affine,
}

impl Accumulator {
    /// One whose pairing holds under τ.
    pub fn right(tau: Fr, seed: u64) -> Self {
        let rhs = G1::generator() * Fr::from(seed);
        Self {
            lhs: (rhs * tau).to_affine(),
            rhs: rhs.to_affine(),
        }
    }

    /// What is missing for the pairing to hold: the identity where it does.
    pub fn error(&self, tau: Fr) -> G1 {
        G1::from(self.lhs) - self.rhs * tau
    }

    /// The sum of accumulators times powers of a challenge that is drawn from them.
    pub fn folded(all: &[Self]) -> Self {
        let challenge = reduced(&bytes(all));
        let (mut lhs, mut rhs, mut power) = (G1::identity(), G1::identity(), Fr::ONE);
        for one in all {
            lhs += one.lhs * power;
            rhs += one.rhs * power;
            power *= challenge;
        }
        Self {
            lhs: lhs.to_affine(),
            rhs: rhs.to_affine(),
        }
    }

    pub fn limbs(&self) -> Vec<Fr> {
        let coordinates = [self.lhs.x, self.lhs.y, self.rhs.x, self.rhs.y];
        coordinates.into_iter().flat_map(limbs).collect()
    }
}

/// The coordinates of accumulators, as a contract hashes them.
pub fn bytes(all: &[Accumulator]) -> Vec<u8> {
    let points = all.iter().flat_map(|one| [one.lhs, one.rhs]);
    let coordinates = points.flat_map(|point| [point.x, point.y]);
    coordinates.flat_map(big_endian).collect()
}

pub fn big_endian(value: impl PrimeField<Repr = [u8; 32]>) -> [u8; 32] {
    let mut repr = value.to_repr();
    repr.reverse();
    repr
}

/// A coordinate as three limbs of 86 bits.
pub fn limbs(coordinate: Fq) -> [Fr; LIMBS] {
    let value = U256::from_le_bytes(coordinate.to_repr());
    let mask = (U256::from(1) << BITS) - U256::from(1);
    std::array::from_fn(|i| {
        let limb: U256 = (value >> (BITS * i)) & mask;
        Fr::from_repr(limb.to_le_bytes::<32>()).unwrap()
    })
}

/// 2^bits.
pub fn power(bits: usize) -> Fr {
    Fr::from(2).pow_vartime([bits as u64])
}

/// The order of a field.
pub fn modulus<F: PrimeField<Repr = [u8; 32]>>() -> U256 {
    U256::from_le_bytes((-F::ONE).to_repr()) + U256::from(1)
}

/// A hash as the contract reduces it.
pub fn reduced(hashed: &[u8]) -> Fr {
    let hash = U256::from_be_bytes(keccak256(hashed).0) % modulus::<Fr>();
    Fr::from_repr(hash.to_le_bytes::<32>()).unwrap()
}

/// The accumulators that public values begin with; none if their limbs are not those of points.
pub fn decoded(instances: &[Fr], count: usize) -> Option<Vec<Accumulator>> {
    let limbs = instances.chunks(ACCUMULATOR_LIMBS).take(count);
    limbs
        .map(|limbs| {
            let coordinates: Option<Vec<Fq>> = limbs.chunks(LIMBS).map(coordinate).collect();
            let [x, y, u, v] = coordinates?.try_into().ok()?;
            let point = |x, y| Option::<G1Affine>::from(G1Affine::from_xy(x, y));
            let (lhs, rhs) = (point(x, y)?, point(u, v)?);
            let finite = [lhs, rhs]
                .iter()
                .all(|side| (side.x, side.y) != (Fq::ZERO, Fq::ZERO));
            finite.then_some(Accumulator { lhs, rhs })
        })
        .collect()
}

/// The coordinate of canonical limbs.
fn coordinate(limbs: &[Fr]) -> Option<Fq> {
    let mut value = U256::ZERO;
    for (i, limb) in limbs.iter().enumerate() {
        let limb = U256::from_le_bytes(limb.to_repr());
        // The last has what two leave of 254 bits.
        let bits = if i + 1 == LIMBS { 254 - BITS * i } else { BITS };
        if limb >> bits != U256::ZERO {
            return None;
        }
        value += limb << (BITS * i);
    }
    Option::from(Fq::from_repr(value.to_le_bytes::<32>()))
}
