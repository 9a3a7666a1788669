//! The lies: each is about one ingredient of the verdict.

use super::{
    accumulators::Accumulator,
    guess::Guess,
    messages::{encodings, keys, messages, words},
    outer::{Key, Kind, Outer},
    prover::{Change, Claim},
};
use halo2_proofs::halo2curves::{
    bn256::{Fr, G1Affine, G1},
    ff::Field,
    group::Curve,
};
use revm::primitives::U256;
use zkml_aggregation::ACCUMULATOR_LIMBS;

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
    pub(super) fn shown(outer: &Outer, about: &'static str, name: String, values: Vec<Fr>) -> Self {
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

    pub(super) fn changed(
        outer: &Outer,
        about: &'static str,
        name: String,
        changes: Vec<Change>,
    ) -> Self {
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
        for (case, place) in sides.into_iter().zip([Place::First, Place::Last]) {
            cases.extend(Guess::ALL.map(|guess| {
                let mut case = case.clone();
                case.name += &format!(", made up for at the {place:?} point, {guess:?}");
                case.offset = Some((place, guess));
                case
            }));
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
