//! Which initialisers known numbers come from.

use std::sync::Arc;

/// Initialisers, by their places in the draft's list. Numbers without any are part of the architecture: ramps,
/// masks, what attributes say.
///
/// A bit for each: of thousands of initialisers that are folded one by one, each sum has an own set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Origins(Arc<[u64]>);

impl Origins {
    /// One initialiser.
    pub fn of(initialiser: usize) -> Self {
        let mut words = vec![0; initialiser / 64 + 1];
        if let Some(word) = words.last_mut() {
            *word = 1 << (initialiser % 64);
        }
        Origins(words.into())
    }

    /// What is computed from both.
    pub fn and(&self, other: &Origins) -> Self {
        let (long, short) = match self.0.len() < other.0.len() {
            true => (other, self),
            false => (self, other),
        };
        let known = |(long, short): (&u64, &u64)| long & short == *short;
        if long.0.iter().zip(&*short.0).all(known) {
            return long.clone();
        }
        let rest = short.0.iter().copied().chain(std::iter::repeat(0));
        Origins(long.0.iter().zip(rest).map(|(a, b)| a | b).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let bits = |(at, word): (usize, &u64)| {
            let (first, word) = (64 * at, *word);
            (0..64)
                .filter(move |bit| word >> bit & 1 == 1)
                .map(move |bit| first + bit)
        };
        self.0.iter().enumerate().flat_map(bits)
    }
}
