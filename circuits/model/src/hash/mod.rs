//! Poseidon over the scalar field of BN254: the model commitment and hashed tensors.
//!
//! The permutation is the reference one (Grain LFSR constants, Cauchy MDS, S-box x⁵, eight full
//! rounds). The mode is a sponge that overwrites: a block of `t − 1` words replaces the rate
//! lanes, the capacity lane carries the state, and the digest is the capacity lane after the
//! last block. The capacity starts from the domain, the number of words and the width, so
//! messages of different lengths or kinds never share a state; the last block is filled with
//! zeros. A word replaces the lane *after* the first round's constant would have been added:
//! this shifts every message word by a constant and saves the circuit an addition per word.

mod recurrence;

pub use recurrence::{Recurrence, Relation};

use halo2_proofs::{arithmetic::Field, halo2curves::bn256::Fr};
use poseidon_primitives::poseidon::primitives::Spec;
use std::sync::OnceLock;

/// What a digest is for; separates the domains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// The model commitment C.
    Model,
    /// A hashed input or output, by its position among them.
    Tensor(u32),
}

impl Domain {
    /// The capacity lane before the first block.
    pub fn initial_capacity(self, words: usize, width: usize) -> Fr {
        let kind = match self {
            Domain::Model => 1u64,
            Domain::Tensor(index) => (2u64 << 32) | u64::from(index),
        };
        let shift = Fr::from(u64::MAX) + Fr::ONE;
        (Fr::from(kind) * shift + Fr::from(words as u64)) * shift + Fr::from(width as u64)
    }
}

#[derive(Debug)]
struct Reference<const T: usize, const PARTIAL: usize>;

impl<const T: usize, const PARTIAL: usize, const RATE: usize> Spec<Fr, T, RATE>
    for Reference<T, PARTIAL>
{
    fn full_rounds() -> usize {
        Poseidon::FULL_ROUNDS
    }
    fn partial_rounds() -> usize {
        PARTIAL
    }
    fn sbox(value: Fr) -> Fr {
        quintic(value)
    }
    fn secure_mds() -> usize {
        0
    }
}

fn quintic(value: Fr) -> Fr {
    let square = value.square();
    square.square() * value
}

/// The permutation of one width, with its constants.
#[derive(Clone, Debug)]
pub struct Poseidon {
    width: usize,
    partial_rounds: usize,
    round_constants: Vec<Vec<Fr>>,
    mds: Vec<Vec<Fr>>,
}

/// The S-box inputs of one permutation, in the order the circuit lays them out.
pub struct Trace {
    /// First full rounds: `FULL_ROUNDS / 2` states.
    pub first: Vec<Vec<Fr>>,
    /// Partial rounds: the S-box input of each.
    pub partial: Vec<Fr>,
    /// Last full rounds: `FULL_ROUNDS / 2` states.
    pub last: Vec<Vec<Fr>>,
    /// The state after the permutation.
    pub output: Vec<Fr>,
}

impl Poseidon {
    /// Full rounds, half of them before and half after the partial ones.
    pub const FULL_ROUNDS: usize = 8;

    /// The widths that [`Poseidon::new`] knows.
    pub const WIDTHS: [usize; 3] = [3, 5, 9];

    /// The permutation of width 3, 5 or 9 (rate one less); `None` for any other width.
    pub fn new(width: usize) -> Option<Self> {
        // Constants take a while to derive, and planning asks for them thousands of times. Partial rounds are
        // those for 128-bit security at x⁵, from the reference parameter table.
        static KNOWN: OnceLock<[Poseidon; 3]> = OnceLock::new();
        let known = KNOWN.get_or_init(|| {
            [
                Self::from_spec::<3, 57, 2>(),
                Self::from_spec::<5, 60, 4>(),
                Self::from_spec::<9, 63, 8>(),
            ]
        });
        known.iter().find(|known| known.width == width).cloned()
    }

    fn from_spec<const T: usize, const PARTIAL: usize, const RATE: usize>() -> Self {
        let (round_constants, mds, _) = <Reference<T, PARTIAL> as Spec<Fr, T, RATE>>::constants();
        Self {
            width: T,
            partial_rounds: PARTIAL,
            round_constants: round_constants.iter().map(|row| row.to_vec()).collect(),
            mds: mds.iter().map(|row| row.to_vec()).collect(),
        }
    }

    /// Lanes of the state.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Words absorbed by one permutation.
    pub fn rate(&self) -> usize {
        self.width - 1
    }

    /// Partial rounds of the permutation.
    pub fn partial_rounds(&self) -> usize {
        self.partial_rounds
    }

    /// The MDS matrix.
    pub fn mds(&self) -> &[Vec<Fr>] {
        &self.mds
    }

    /// The constants added before round `index`'s S-boxes.
    pub fn round_constants(&self, index: usize) -> &[Fr] {
        &self.round_constants[index]
    }

    /// Rounds of all kinds.
    pub fn rounds(&self) -> usize {
        Self::FULL_ROUNDS + self.partial_rounds
    }

    fn mix(&self, state: &[Fr]) -> Vec<Fr> {
        self.mds
            .iter()
            .map(|row| row.iter().zip(state).map(|(m, s)| *m * s).sum())
            .collect()
    }

    /// Runs the permutation from the state that enters the first S-boxes (first constants
    /// already added) and keeps every S-box input. `output` has no constants added.
    pub fn trace(&self, first_inputs: Vec<Fr>) -> Trace {
        let half = Self::FULL_ROUNDS / 2;
        let mut trace = Trace {
            first: Vec::with_capacity(half),
            partial: Vec::with_capacity(self.partial_rounds),
            last: Vec::with_capacity(half),
            output: Vec::new(),
        };
        let mut state = first_inputs;
        for round in 0..self.rounds() {
            if round > 0 {
                for (lane, constant) in state.iter_mut().zip(&self.round_constants[round]) {
                    *lane += constant;
                }
            }
            if (half..half + self.partial_rounds).contains(&round) {
                trace.partial.push(state[0]);
                state[0] = quintic(state[0]);
            } else {
                let states = if round < half {
                    &mut trace.first
                } else {
                    &mut trace.last
                };
                states.push(state.clone());
                state.iter_mut().for_each(|lane| *lane = quintic(*lane));
            }
            state = self.mix(&state);
        }
        trace.output = state;
        trace
    }

    /// The state that enters the first S-boxes for a capacity lane and a block of words.
    /// The capacity lane gets the first round's constant; the words replace the other lanes.
    pub fn enter(&self, capacity: Fr, block: &[Fr]) -> Vec<Fr> {
        let mut state = vec![Fr::ZERO; self.width];
        state[0] = capacity + self.round_constants[0][0];
        for (lane, word) in state[1..].iter_mut().zip(block) {
            *lane = *word;
        }
        state
    }

    /// The digest of a message.
    pub fn hash(&self, domain: Domain, words: &[Fr]) -> Fr {
        let mut capacity = domain.initial_capacity(words.len(), self.width);
        for block in words.chunks(self.rate()) {
            capacity = self.trace(self.enter(capacity, block)).output[0];
        }
        capacity
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2_proofs::halo2curves::ff::PrimeField;

    /// circomlib's `poseidon([1, 2])`: state [0, 1, 2], output lane 0.
    #[test]
    fn width_3_matches_circomlib() {
        let poseidon = Poseidon::new(3).unwrap();
        let state = (0..3u64)
            .zip(poseidon.round_constants(0))
            .map(|(lane, constant)| Fr::from(lane) + constant)
            .collect();
        let expected = Fr::from_str_vartime(
            "7853200120776062878684798364095072458815029376092732009249414926327459813530",
        )
        .unwrap();
        assert_eq!(poseidon.trace(state).output[0], expected);
    }

    #[test]
    fn lengths_and_domains_are_separated() {
        for width in Poseidon::WIDTHS {
            let poseidon = Poseidon::new(width).unwrap();
            let word = Fr::from(7);
            let digests = [
                poseidon.hash(Domain::Model, &[word]),
                poseidon.hash(Domain::Model, &[word, Fr::ZERO]),
                poseidon.hash(Domain::Tensor(0), &[word]),
                poseidon.hash(Domain::Tensor(1), &[word]),
                poseidon.hash(Domain::Model, &[]),
            ];
            for (i, a) in digests.iter().enumerate() {
                assert!(digests[i + 1..].iter().all(|b| a != b));
            }
        }
    }

    #[test]
    fn other_widths_are_refused() {
        assert!(Poseidon::new(4).is_none());
    }
}
