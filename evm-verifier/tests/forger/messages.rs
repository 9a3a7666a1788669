//! The lies about what a proof says: its messages, the key it is for, how its words and the accumulators' limbs are
//! written.

use super::{
    accumulators::{limbs, modulus, power},
    cases::{Case, Word},
    outer::{circuit, Key, Outer},
    prover::{Change, Turn},
};
use halo2_proofs::halo2curves::{
    bn256::{Fq, Fr, G1Affine},
    ff::{Field, PrimeField},
};
use revm::primitives::U256;
use zkml_aggregation::{ACCUMULATOR_LIMBS, BITS, LIMBS};

/// A right accumulator has limbs that are not canonical, and the circuit proves these limbs.
pub fn encodings(outer: &Outer) -> Vec<Case> {
    let base = power(BITS);
    let mut cases = Vec::new();
    for start in (0..ACCUMULATOR_LIMBS * outer.kind.accumulators()).step_by(LIMBS) {
        let mut case = |name: &str, change: &dyn Fn(&mut [Fr])| {
            let mut values = outer.honest.clone();
            change(&mut values[start..start + LIMBS]);
            let name = format!("{name}, limbs from {start}");
            cases.push(Case::shown(outer, "limb", name, values));
        };
        for limb in 0..LIMBS {
            case(&format!("2^86 more in {limb}"), &|limbs| {
                limbs[limb] += base
            });
        }
        for limb in 1..LIMBS {
            for (name, sign) in [("borrowed", Fr::ONE), ("carried", -Fr::ONE)] {
                case(&format!("2^86 {name} of {limb}"), &|limbs| {
                    limbs[limb - 1] += base * sign;
                    limbs[limb] -= sign;
                });
            }
        }
        case("2^84 more in the last", &|limbs| {
            limbs[LIMBS - 1] += power(84)
        });
        case("q more", &|values| {
            let mask = (U256::from(1) << BITS) - U256::from(1);
            let terms = values.iter().enumerate();
            let value = terms.fold(modulus::<Fq>(), |sum, (i, limb)| {
                sum + (U256::from_le_bytes(limb.to_repr()) << (BITS * i))
            });
            for (i, place) in values.iter_mut().enumerate() {
                let limb: U256 = (value >> (BITS * i)) & mask;
                *place = crate::support::element(limb);
            }
        });
        case("0", &|values| values.copy_from_slice(&limbs(Fq::ZERO)));
    }
    cases
}

/// A message of the proof is another; all later challenges are drawn after it.
pub fn messages(outer: &Outer) -> Vec<Case> {
    let generator = G1Affine::generator();
    let layout = outer.source.layout;
    let opening = layout.points - 2;
    let mut cases = Vec::new();
    for at in 0..layout.points {
        let about = if at < opening {
            "commitment"
        } else {
            "opening"
        };
        for (name, turn) in [
            ("generator more", Turn::Plus(generator)),
            ("negated", Turn::Minus),
            ("the one before", Turn::Before),
        ] {
            if at > 0 || !matches!(turn, Turn::Before) {
                let (name, change) = (format!("{at} {name}"), Change::Point(at, turn));
                cases.push(Case::changed(outer, about, name, vec![change]));
            }
        }
        if at > 0 && at < opening {
            let turns = [(at - 1, generator), (at, -generator)];
            let changes = turns.map(|(at, other)| Change::Point(at, Turn::Plus(other)));
            let name = format!("{} generator more, {at} less", at - 1);
            cases.push(Case::changed(outer, about, name, changes.to_vec()));
        }
    }
    for at in 0..layout.evaluations {
        for (name, turn) in [
            ("one more", Turn::Plus(Fr::ONE)),
            ("the one before", Turn::Before),
        ] {
            if at > 0 || !matches!(turn, Turn::Before) {
                let (name, change) = (format!("{at} {name}"), Change::Scalar(at, turn));
                cases.push(Case::changed(outer, "evaluation", name, vec![change]));
            }
        }
    }
    cases
}

/// Another key proves; its digest is that of the contract's.
pub fn keys(outer: &Outer) -> Vec<Case> {
    [Key::OtherConstant, Key::Untied]
        .into_iter()
        .map(|key| {
            let mut values = outer.honest.clone();
            if key == Key::OtherConstant {
                values = circuit(outer.kind, key, &values).instances();
            } else if let Some(last) = values.last_mut() {
                *last += Fr::ONE;
            }
            let mut case = Case::shown(outer, "key", format!("{key:?}"), values);
            case.claim.key = key;
            case
        })
        .collect()
}

/// A word of a right proof's calldata has a second encoding, or a point is the identity.
pub fn words(outer: &Outer) -> Vec<Case> {
    let layout = outer.source.layout;
    let points = layout.instances;
    let evaluations = points + 2 * (layout.points - 2);
    let opening = evaluations + layout.evaluations;
    (0..layout.bytes() / 32)
        .flat_map(|at| {
            let scalar = at < points || (evaluations..opening).contains(&at);
            let start = if at < opening { points } else { opening };
            let first = !scalar && (at - start) % 2 == 0;
            let (name, modulus) = match scalar {
                true => ("r", modulus::<Fr>()),
                false => ("q", modulus::<Fq>()),
            };
            let mut cases = vec![(format!("{at} and {name}"), Word::Plus(at, modulus))];
            cases.extend(first.then(|| (format!("{at} identity"), Word::Identity(at))));
            cases
        })
        .map(|(name, word)| {
            let mut case = Case::shown(outer, "encoding", name, outer.honest.clone());
            case.word = Some(word);
            case
        })
        .collect()
}
