//! Guesses of the challenge that folds the pairings.

use super::{
    accumulators::{bytes, reduced, Accumulator},
    outer::{words, Outer},
};
use halo2_proofs::halo2curves::{
    bn256::{Fr, G1},
    ff::Field,
    group::Group,
};

/// What a contract may fold pairings with, if it does not hash them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    Zero,
    One,
    MinusOne,
    /// Hashes: of nothing, of as many zeros as there should be coordinates, of a word of zeros.
    Nothing,
    Zeros,
    ZeroWord,
    /// Of calldata from its start.
    PublicValues,
    /// Of the accumulators' limbs.
    Limbs,
    /// Of the accumulators among the public values, alone, behind zeros in the opening's place, before them.
    Accumulators,
    OpeningMissing,
    OpeningLast,
    /// The challenge that the contract drew for the same public values and another proof.
    Seen,
}

impl Guess {
    pub const ALL: [Guess; 12] = [
        Guess::Zero,
        Guess::One,
        Guess::MinusOne,
        Guess::Nothing,
        Guess::Zeros,
        Guess::ZeroWord,
        Guess::PublicValues,
        Guess::Limbs,
        Guess::Accumulators,
        Guess::OpeningMissing,
        Guess::OpeningLast,
        Guess::Seen,
    ];

    /// The challenge; `seen` is what the contract hashed before.
    pub fn challenge(self, shown: &[Fr], accumulators: &[Accumulator], seen: &[u8]) -> Fr {
        let all = bytes(accumulators);
        let zeros = [0; 0x80];
        let length = 0x80 + all.len();
        let hashed = match self {
            Guess::Zero => return Fr::ZERO,
            Guess::One => return Fr::ONE,
            Guess::MinusOne => return -Fr::ONE,
            Guess::Nothing => Vec::new(),
            Guess::Zeros => vec![0; length],
            Guess::ZeroWord => vec![0; 0x20],
            Guess::PublicValues => {
                let mut start = words(shown);
                start.truncate(length);
                start
            }
            Guess::Limbs => words(&shown[..12 * accumulators.len()]),
            Guess::Accumulators => all,
            Guess::OpeningMissing => [&zeros[..], &all].concat(),
            Guess::OpeningLast => [&all[..], &zeros].concat(),
            Guess::Seen => seen.to_vec(),
        };
        reduced(&hashed)
    }
}

/// What the opening's pairing must be off by to make up for accumulators that are wrong, if the guess is right.
pub fn made_up(outer: &Outer, accumulators: &[Accumulator], challenge: Fr) -> G1 {
    let (mut sum, mut power) = (G1::identity(), challenge);
    for one in accumulators {
        sum -= one.error(outer.tau) * power;
        power *= challenge;
    }
    sum
}
