//! Calldata on which verifiers are compared: canonical, and with one word that no proof has.

use super::{
    native::{limbs, modulus, native, order, point_bytes, word_of},
    TranslationError,
};
use crate::{
    calldata::{encode, Layout},
    codegen::Failure,
};
use halo2_proofs::halo2curves::{
    bn256::{Bn256, Fr, G1Affine, G1},
    ff::{Field, PrimeField},
    group::Curve,
};
use rand::{rngs::StdRng, Rng, SeedableRng};
use revm::primitives::U256;
use snark_verifier::{pcs::kzg::KzgDecidingKey, verifier::plonk::PlonkProtocol};
use zkml_aggregation::{BITS, LIMBS};

/// Calldata on which verifiers are compared.
#[derive(Clone, Debug)]
pub struct Input {
    /// What it is, in words.
    pub what: String,
    /// The calldata.
    pub calldata: Vec<u8>,
    /// What every verifier must come to, where that is known.
    pub expected: Expected,
}

/// What verifiers must come to.
#[derive(Clone, Debug)]
pub enum Expected {
    /// The twelve words of the pairing that the native verifier comes to.
    Pairing(Vec<u8>),
    /// A refusal, before anything is computed.
    Refusal(Failure),
    /// The same, whatever it is.
    Equal,
}

/// What verifiers are compared on, for calldata of this layout.
///
/// # Errors
/// If the native verifier does not take canonical calldata.
pub fn inputs(
    key: &KzgDecidingKey<Bn256>,
    protocol: &PlonkProtocol<G1Affine>,
    layout: Layout,
) -> Result<Vec<Input>, TranslationError> {
    let seed = protocol.transcript_initial_state.unwrap_or_default();
    let mut rng = StdRng::from_seed(seed.to_repr());
    let mut inputs = Vec::new();
    for (what, scalars, points) in CANONICAL {
        let (instances, proof) = canonical(protocol, layout, scalars, points, &mut rng);
        let pairing = native(key, protocol, &instances, &proof).map_err(|reason| {
            let input = what.to_string();
            TranslationError::Native { input, reason }
        })?;
        inputs.push(Input {
            what: what.to_string(),
            calldata: encode(&instances, &proof),
            expected: Expected::Pairing(pairing),
        });
    }
    let good = inputs.first().map(|input| input.calldata.clone());
    let good = good.unwrap_or_default();
    let mut hostile = |what: String, expected: Expected, change: &dyn Fn(&mut Vec<u8>)| {
        let mut calldata = good.clone();
        change(&mut calldata);
        inputs.push(Input {
            what,
            calldata,
            expected,
        });
    };
    for (name, word) in words() {
        for _ in 0..3 {
            let at = 0x20 * rng.gen_range(0..good.len().max(0x20) / 0x20);
            let what = format!("{name} in the word at {at:#x}");
            hostile(what, Expected::Equal, &|data| put(data, at, &word));
        }
    }
    // Each word that has a second encoding, in that; and each point as one that is none.
    let malformed = || Expected::Refusal(Failure::Malformed);
    for at in scalars(layout) {
        let what = format!("r more in the word at {at:#x}");
        hostile(what, malformed(), &|data| add(data, at, order()));
    }
    for at in points(layout) {
        for at in [at, at + 0x20] {
            let what = format!("q more in the word at {at:#x}");
            hostile(what, malformed(), &|data| add(data, at, modulus()));
            let what = format!("one more in the word at {at:#x}");
            hostile(what, malformed(), &|data| add(data, at, U256::from(1)));
        }
        let what = format!("the identity at {at:#x}");
        hostile(what, malformed(), &|data| put(data, at, &[0; 0x40]));
    }
    for accumulator in &protocol.accumulator_indices {
        for (_, row) in accumulator {
            // One more than a limb may have, one less in the next: the same coordinate.
            let what = format!("too large a limb in word {row}");
            let bit = U256::from(1) << BITS;
            hostile(what, malformed(), &|data| add(data, 0x20 * row, bit));
            // The upper limb has bits to spare above the modulus.
            for bit in [0, BITS - 2] {
                let what = format!("another limb in word {row}: 2^{bit} more");
                let bit = U256::from(1) << bit;
                hostile(what, malformed(), &|data| add(data, 0x20 * row, bit));
            }
        }
        for coordinate in accumulator.chunks(LIMBS) {
            let what = format!("q more in the limbs {coordinate:?}");
            hostile(what, malformed(), &|data| {
                let rows = coordinate.iter().map(|(_, row)| 0x20 * row);
                let limbs = rows.clone().rev().map(|at| word_at(data, at));
                let value = limbs.fold(U256::ZERO, |value, limb| (value << BITS) + limb);
                let mut rest = value + modulus();
                for at in rows {
                    let limb: U256 = rest & ((U256::from(1) << BITS) - U256::from(1));
                    put(data, at, &limb.to_be_bytes::<32>());
                    rest >>= BITS;
                }
            });
        }
        for side in accumulator.chunks(2 * LIMBS) {
            let what = format!("an accumulator's identity: words {side:?}");
            hostile(what, malformed(), &|data| {
                for (_, row) in side {
                    put(data, 0x20 * row, &[0; 0x20]);
                }
            });
        }
    }
    let length = || Expected::Refusal(Failure::Length);
    hostile("a word too few".to_string(), length(), &|data| {
        data.truncate(data.len().saturating_sub(0x20));
    });
    hostile("a byte too many".to_string(), length(), &|data| {
        data.push(0)
    });
    Ok(inputs)
}

/// What scalars are.
#[derive(Clone, Copy)]
enum Scalars {
    Random,
    Zero,
    One,
    Last,
}

/// What points are.
#[derive(Clone, Copy)]
enum Points {
    Random,
    Generator,
    Equal,
    Opposite,
}

const CANONICAL: [(&str, Scalars, Points); 8] = [
    ("random words", Scalars::Random, Points::Random),
    ("other random words", Scalars::Random, Points::Random),
    ("zeros, random points", Scalars::Zero, Points::Random),
    ("ones, random points", Scalars::One, Points::Random),
    ("r − 1, random points", Scalars::Last, Points::Random),
    (
        "random scalars, generators",
        Scalars::Random,
        Points::Generator,
    ),
    ("random scalars, one point", Scalars::Random, Points::Equal),
    ("zeros, opposite points", Scalars::Zero, Points::Opposite),
];

/// Public values and a proof in which each word is canonical, and nothing else is right.
fn canonical(
    protocol: &PlonkProtocol<G1Affine>,
    layout: Layout,
    scalars: Scalars,
    points: Points,
    rng: &mut StdRng,
) -> (Vec<Fr>, Vec<u8>) {
    let one = (G1::generator() * Fr::random(&mut *rng)).to_affine();
    let mut negative = false;
    let mut point = |rng: &mut StdRng| match points {
        Points::Random => (G1::generator() * Fr::random(rng)).to_affine(),
        Points::Generator => G1Affine::generator(),
        Points::Equal => one,
        Points::Opposite => {
            negative = !negative;
            if negative {
                -one
            } else {
                one
            }
        }
    };
    let scalar = |rng: &mut StdRng| match scalars {
        Scalars::Random => Fr::random(rng),
        Scalars::Zero => Fr::ZERO,
        Scalars::One => Fr::ONE,
        Scalars::Last => -Fr::ONE,
    };
    let mut instances: Vec<Fr> = (0..layout.instances).map(|_| scalar(rng)).collect();
    for accumulator in &protocol.accumulator_indices {
        let sides = [point(rng), point(rng)];
        let coordinates = sides.iter().flat_map(|side| [side.x, side.y]);
        let limbs = coordinates.flat_map(limbs);
        for ((_, row), limb) in accumulator.iter().zip(limbs) {
            if let Some(place) = instances.get_mut(*row) {
                *place = limb;
            }
        }
    }
    let mut proof = Vec::with_capacity(layout.proof_bytes());
    let opening = layout.points.saturating_sub(2);
    for _ in 0..opening {
        proof.extend(point_bytes(point(rng)));
    }
    for _ in 0..layout.evaluations {
        proof.extend(word_of(scalar(rng)));
    }
    for _ in opening..layout.points {
        proof.extend(point_bytes(point(rng)));
    }
    (instances, proof)
}

/// Words that are no scalar or no coordinate, or stand at the border.
fn words() -> [(&'static str, [u8; 32]); 7] {
    let (order, modulus) = (order(), modulus());
    [
        ("0", U256::ZERO),
        ("1", U256::from(1)),
        ("r − 1", order - U256::from(1)),
        ("r", order),
        ("q − 1", modulus - U256::from(1)),
        ("q", modulus),
        ("2^256 − 1", U256::MAX),
    ]
    .map(|(name, word)| (name, word.to_be_bytes::<32>()))
}

/// Puts bytes in place of others.
fn put(data: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = data.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// A word; 0 beyond the end.
fn word_at(data: &[u8], at: usize) -> U256 {
    let word = data.get(at..at + 0x20);
    word.map_or(U256::ZERO, U256::from_be_slice)
}

/// Adds to a word.
fn add(data: &mut [u8], at: usize, more: U256) {
    let sum = word_at(data, at).wrapping_add(more);
    put(data, at, &sum.to_be_bytes::<32>());
}

/// Where the scalars of public values and proof stand.
fn scalars(layout: Layout) -> impl Iterator<Item = usize> {
    let evaluations = layout.instances + 2 * layout.points.saturating_sub(2);
    (0..layout.instances)
        .chain(evaluations..evaluations + layout.evaluations)
        .map(|word| 0x20 * word)
}

/// Where the points of a proof stand.
fn points(layout: Layout) -> impl Iterator<Item = usize> {
    let first = 0x20 * layout.instances;
    let opening = layout.points.saturating_sub(2);
    let behind = first + 0x40 * opening + 0x20 * layout.evaluations;
    let before = (0..opening).map(move |i| first + 0x40 * i);
    before.chain([behind, behind + 0x40])
}
