//! The lies: each is about one ingredient of the verdict.

use super::{
    accumulators::{limbs, modulus, power, Accumulator},
    guess::Guess,
    outer::{circuit, Key, Kind, Outer},
    prover::{Change, Claim, Turn},
};
use halo2_proofs::halo2curves::{
    bn256::{Fq, Fr, G1Affine, G1},
    ff::{Field, PrimeField},
    group::Curve,
};
use revm::primitives::U256;
use zkml_circuits::aggregate::{ACCUMULATOR_LIMBS, BITS, LIMBS};

/// Where the opening's pairing is made to be off, so that it makes up for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At its first commitment, which counts once; later challenges are drawn after it.
    First,
    /// At its last point, with the secret of the SRS.
    Last,
}

/// A word of calldata that has another encoding.
#[derive(Clone, Copy, Debug)]
pub enum Word {
    Plus(usize, U256),
    /// The point there is the identity.
    Identity(usize),
}

/// A lie.
#[derive(Clone, Debug)]
pub struct Case {
    pub about: &'static str,
    pub name: String,
    pub claim: Claim,
    pub offset: Option<(Place, Guess)>,
    pub word: Option<Word>,
}

impl Case {
    /// The truth.
    pub fn honest(outer: &Outer) -> Self {
        Self::shown(outer, "truth", String::new(), outer.honest.clone())
    }

    /// The circuit's witness has the public values that are shown.
    fn shown(outer: &Outer, about: &'static str, name: String, values: Vec<Fr>) -> Self {
        let claim = Claim {
            key: Key::Right,
            witness: values.clone(),
            committed: values.clone(),
            shown: values,
            changes: Vec::new(),
        };
        let name = format!("{:?}, {about}: {name}", outer.kind);
        Self {
            about,
            name,
            claim,
            offset: None,
            word: None,
        }
    }

    /// Other public values are shown than the witness has; the copies of the public values fail, or else their
    /// polynomial is not that of the values absorbed.
    fn denied(outer: &Outer, about: &'static str, name: &str, values: Vec<Fr>) -> [Self; 2] {
        ["copies", "polynomial"].map(|how| {
            let name = format!("{name} ({how})");
            let mut case = Self::shown(outer, about, name, values.clone());
            case.claim.witness = outer.honest.clone();
            if how == "polynomial" {
                case.claim.committed = outer.honest.clone();
            }
            case
        })
    }

    fn changed(outer: &Outer, about: &'static str, name: String, changes: Vec<Change>) -> Self {
        let mut case = Self::shown(outer, about, name, outer.honest.clone());
        case.claim.changes = changes;
        case
    }
}

/// All lies about a contract's proofs.
pub fn all(outer: &Outer) -> Vec<Case> {
    [
        accumulators(outer),
        public_values(outer),
        encodings(outer),
        messages(outer),
        keys(outer),
        words(outer),
    ]
    .concat()
}

fn plus(point: G1Affine, other: impl Into<G1>) -> G1Affine {
    (G1::from(point) + other.into()).to_affine()
}

/// A pairing of an accumulator is wrong; the opening's is offset for a guess of the challenge that folds them, or
/// another accumulator's is.
pub fn accumulators(outer: &Outer) -> Vec<Case> {
    let generator = G1Affine::generator();
    let error = generator * Fr::from(12345);
    let with = |name: String, own: &[Accumulator]| {
        let values = outer.with_accumulators(&outer.kind.shown(own));
        Case::shown(outer, "accumulator", name, values)
    };
    let mut cases = Vec::new();
    for (slot, right) in outer.own.iter().enumerate() {
        let mut wrong = |name: &str, lhs, rhs| {
            let mut own = outer.own.clone();
            own[slot] = Accumulator { lhs, rhs };
            let case = with(format!("{name} of {slot}"), &own);
            cases.push(case.clone());
            case
        };
        let Accumulator { lhs, rhs } = *right;
        let sides = [
            wrong("left side", plus(lhs, error), rhs),
            wrong("right side", lhs, plus(rhs, error)),
        ];
        wrong("sides exchanged", rhs, lhs);
        wrong("left side negated", -lhs, rhs);
        wrong("left side repeated", lhs, lhs);
        wrong("generator on both sides", generator, generator);
        let other = Accumulator::right(outer.tau + Fr::ONE, 3);
        wrong("another secret", other.lhs, other.rhs);
        if let Some(next) = outer.own.get(slot + 1) {
            wrong("right side of the next", lhs, next.rhs);
        }
        for case in sides {
            for place in [Place::First, Place::Last] {
                cases.extend(Guess::ALL.map(|guess| {
                    let mut case = case.clone();
                    case.name += &format!(", made up for at the {place:?} point, {guess:?}");
                    case.offset = Some((place, guess));
                    case
                }));
            }
        }
    }
    if matches!(outer.kind, Kind::Unfolded(_)) {
        for at in 1..outer.own.len() {
            for guess in Guess::ALL.into_iter().filter(|guess| *guess != Guess::Seen) {
                let challenge = guess.challenge(&outer.honest, &outer.own, &[]);
                let mut own = outer.own.clone();
                own[at - 1].lhs = plus(own[at - 1].lhs, error * challenge);
                own[at].lhs = plus(own[at].lhs, -error);
                let name = format!("{} made up for by {at}, {guess:?}", at - 1);
                cases.push(with(name, &own));
            }
        }
    }
    cases
}

/// A public value is another than the circuit's.
pub fn public_values(outer: &Outer) -> Vec<Case> {
    let mut cases = Vec::new();
    for at in 0..outer.honest.len() {
        let mut values = outer.honest.clone();
        values[at] += Fr::ONE;
        cases.extend(Case::denied(
            outer,
            "public value",
            &format!("{at}"),
            values,
        ));
    }
    for at in 0..outer.kind.accumulators() {
        // Its pairing is right.
        let mut shown = outer.kind.shown(&outer.own);
        shown[at] = Accumulator::right(outer.tau, 50);
        let values = outer.with_accumulators(&shown);
        let name = format!("another accumulator {at}");
        cases.extend(Case::denied(outer, "public value", &name, values));
    }
    let start = ACCUMULATOR_LIMBS * outer.kind.accumulators();
    let length = (outer.honest.len() - start) / outer.kind.slots();
    for slot in 1..outer.kind.slots() {
        let mut values = outer.honest.clone();
        let (before, at) = (start + length * (slot - 1), start + length * slot);
        let (first, second) = values.split_at_mut(at);
        first[before..].swap_with_slice(&mut second[..length]);
        let name = format!("statements {} and {slot} exchanged", slot - 1);
        cases.extend(Case::denied(outer, "public value", &name, values));
    }
    cases
}

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
            case(&format!("2^84 more in {limb}"), &|limbs| {
                limbs[limb] += power(84)
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
            ("generator", Turn::Is(generator)),
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
            ("negated", Turn::Minus),
            ("zero", Turn::Is(Fr::ZERO)),
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
