//! What each mutant is tried on: a valid proof; the proof with one thing wrong; the proof where a call goes wrong.

use halo2_proofs::halo2curves::{
    bn256::{Fq, Fr, G1Affine},
    ff::{Field, PrimeField},
    CurveAffine,
};
use revm::primitives::{uint, U256};
use zkml_evm_verifier::calldata::Layout;

/// Limbs of an accumulator: two points, of each coordinate three.
pub const LIMBS: usize = 12;

/// What goes wrong with calls of precompiled contracts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The call of this number, from 0 on, fails: it has too little gas.
    Fails(usize),
    /// It succeeds and returns nothing: an account without code.
    Empty(usize),
    /// It returns a byte more than it should.
    Long(usize),
}

/// What a verifier is tried on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    pub calldata: Vec<u8>,
    pub fault: Fault,
}

/// A coordinate as three limbs of 86 bits.
pub fn limbs(coordinate: Fq) -> [Fr; 3] {
    let limbs = words(U256::from_le_bytes(coordinate.to_repr()));
    limbs.map(|limb| Fr::from_repr(limb.to_le_bytes::<32>()).unwrap())
}

/// A coordinate as the words of its limbs; what is beyond the last limb's bits stays in it.
fn words(value: U256) -> [U256; 3] {
    let mask = (U256::from(1) << 86) - U256::from(1);
    [value & mask, (value >> 86) & mask, value >> 172]
}

fn order() -> U256 {
    U256::from_le_bytes((-Fr::one()).to_repr()) + U256::from(1)
}

fn modulus() -> U256 {
    U256::from_le_bytes((-Fq::one()).to_repr()) + U256::from(1)
}

/// Points with the largest coordinates that there are, −1; and the generator.
fn extreme() -> [(U256, U256); 3] {
    let last = modulus() - U256::from(1);
    let root = uint!(0xab8dee8546c1bab6b2a46f8cf57a1a26190e96e1c525b0f7b53f1db7b9e90b9_U256);
    let square = uint!(0x279d7bc4e184e3a57f5fa684690c6df6b484a7f1daa1de608d266a2a4be6593f_U256);
    [(last, square), (root, last), (U256::from(1), U256::from(2))]
}

/// Points with a coordinate that is a small multiple of 2^86 or 2^172: its limbs below are zero, and the multiple.
fn round() -> [(U256, U256); 4] {
    let [low, high] = [86, 172].map(|bits| U256::from(1) << bits);
    [
        (
            low,
            uint!(0x18f941aeb3e44da3510e6359c9ee96e18fafd868de85284d6a800d9952ccb264_U256),
        ),
        (
            high,
            uint!(0x126caab5490aef17bfb974523a02c53aa1737fce5cd23b0289966dc932c4a960_U256),
        ),
        (
            uint!(0x1b6438ea0a925e2896a0ec91c15b3631120b047caf96190b1c3a13bbafcd8e51_U256),
            low * U256::from(5),
        ),
        (
            uint!(0xc62821dd1ad056d47f05617bb669add8cfe1c12c07643375793d13de93303c6_U256),
            high * U256::from(4),
        ),
    ]
}

/// All trials of a verifier of this layout, with or without an accumulator behind the first public value; the first is
/// the valid proof, `good`.
pub fn all(good: &[u8], layout: Layout, accumulator: bool, calls: usize) -> Vec<Trial> {
    let mut trials = Trials {
        good,
        layout,
        all: Vec::new(),
    };
    trials.changed(0, &[]);
    // What is malformed is soon told, and so is tried first.
    trials.lengths();
    trials.not_canonical();
    trials.points();
    if accumulator {
        trials.accumulator();
    }
    trials.faults(calls);
    trials.wrong();
    trials.all
}

struct Trials<'a> {
    good: &'a [u8],
    layout: Layout,
    all: Vec<Trial>,
}

impl Trials<'_> {
    /// The proof with other words from `at` on. Where a change is none, it is left out.
    fn changed(&mut self, at: usize, words: &[U256]) {
        let mut calldata = self.good.to_vec();
        for (i, word) in words.iter().enumerate() {
            calldata[at + 32 * i..][..32].copy_from_slice(&word.to_be_bytes::<32>());
        }
        if calldata != self.good || self.all.is_empty() {
            let fault = Fault::None;
            self.all.push(Trial { calldata, fault });
        }
    }

    fn word(&self, at: usize) -> U256 {
        U256::from_be_slice(&self.good[at..at + 32])
    }

    /// Where the evaluations stand.
    fn evaluations(&self) -> std::ops::Range<usize> {
        let first = 32 * self.layout.instances + 64 * (self.layout.points - 2);
        first..first + 32 * self.layout.evaluations
    }

    fn words(&self) -> impl Iterator<Item = (usize, bool)> {
        let (first, evaluations) = (32 * self.layout.instances, self.evaluations());
        let scalar = move |at: usize| at < first || evaluations.contains(&at);
        let words = (0..self.good.len()).step_by(32);
        words.map(move |at| (at, scalar(at)))
    }

    fn places(&self) -> Vec<usize> {
        let (first, evaluations) = (32 * self.layout.instances, self.evaluations());
        let before = (first..evaluations.start).step_by(64);
        before
            .chain((evaluations.end..self.good.len()).step_by(64))
            .collect()
    }

    fn lengths(&mut self) {
        let whole = self.good.len();
        for length in [0, 1, whole - 32, whole - 1, whole + 1, whole + 32] {
            let mut calldata = self.good.to_vec();
            calldata.resize(length, 0);
            let fault = Fault::None;
            self.all.push(Trial { calldata, fault });
        }
    }

    fn not_canonical(&mut self) {
        for (at, scalar) in self.words() {
            let field = if scalar { order() } else { modulus() };
            for word in [self.word(at) + field, field, U256::MAX] {
                self.changed(at, &[word]);
            }
        }
    }

    /// The identity, and points off the curve.
    fn points(&mut self) {
        for at in self.places() {
            self.changed(at, &[U256::ZERO; 2]);
            let y = self.word(at + 32);
            self.changed(at + 32, &[y + U256::from(1)]);
        }
    }

    fn accumulator(&mut self) {
        let top = U256::from(1) << 86;
        let beyond = U256::from(1) << 84;
        for limb in 1..=LIMBS {
            // Too large a limb, alone and with one less in the next: the same coordinate.
            let at = 32 * limb;
            let more = self.word(at) + top;
            self.changed(at, &[more]);
            self.changed(at, &[top - U256::from(1)]);
            if limb % 3 != 0 {
                let next = self.word(at + 32);
                self.changed(at, &[more, next - U256::from(1)]);
                continue;
            }
            // 2^256 more in a highest limb wraps to the same coordinate, also where the limb is zero.
            self.changed(at, &[self.word(at) + beyond]);
            let (x, y) = extreme()[2];
            let mut point = [words(x), words(y)].concat();
            point[(limb - 1) % 6] += beyond;
            self.changed(32 + 192 * ((limb - 1) / 6), &point);
        }
        for coordinate in 0..4 {
            // The coordinate plus the modulus: the same point.
            let at = 32 * (1 + 3 * coordinate);
            let limb = |i: usize| self.word(at + 32 * i) << (86 * i);
            let value = limb(0) + limb(1) + limb(2) + modulus();
            self.changed(at, &words(value));
        }
        for side in [32, 32 + 192] {
            for (x, y) in round() {
                // 2^86 in a limb that is zero, and one less in the next, which is the multiple.
                let mut point = [words(x), words(y)].concat();
                let zero = (0..5)
                    .find(|at| at % 3 != 2 && point[*at].is_zero() && !point[at + 1].is_zero());
                let zero = zero.unwrap();
                point[zero] = top;
                point[zero + 1] -= U256::from(1);
                self.changed(side, &point);
            }
            for (x, y) in extreme() {
                self.changed(side, &[words(x), words(y)].concat());
            }
            self.changed(side, &[U256::ZERO; 6]);
        }
        let side = |first: usize| (0..6).map(move |i| first + 32 * i);
        let exchanged: Vec<U256> = side(224).chain(side(32)).map(|at| self.word(at)).collect();
        self.changed(32, &exchanged);
    }

    /// Each call goes wrong. Of all but the last, the pairing, too long an output is not copied.
    fn faults(&mut self, calls: usize) {
        let each = (0..calls).flat_map(|call| [Fault::Fails(call), Fault::Empty(call)]);
        for fault in each.chain([Fault::Long(calls - 1)]) {
            let calldata = self.good.to_vec();
            self.all.push(Trial { calldata, fault });
        }
    }

    /// What is well formed, and not the proof.
    fn wrong(&mut self) {
        let last = order() - U256::from(1);
        for (at, scalar) in self.words() {
            if scalar {
                let next = self.word(at).add_mod(U256::from(1), order());
                self.changed(at, &[next]);
                self.changed(at, &[last]);
            }
        }
        for at in self.places() {
            let minus = modulus() - self.word(at + 32);
            self.changed(at + 32, &[minus]);
            for (x, y) in extreme() {
                self.changed(at, &[x, y]);
            }
        }
    }
}

#[test]
fn extreme_points_are_points() {
    for (x, y) in extreme().into_iter().chain(round()) {
        let coordinate = |value: U256| Fq::from_repr(value.to_le_bytes::<32>()).unwrap();
        let point = G1Affine::from_xy(coordinate(x), coordinate(y));
        assert!(bool::from(point.is_some()));
    }
}

/// So that none is written with the modulus itself, which is what [`crate::equivalent::Proof::NoZero`] rests on.
#[test]
fn no_point_has_a_coordinate_of_zero() {
    // y² = 3 has no root, and x³ = −3 has none.
    let three = Fq::from(3);
    assert!(bool::from(three.sqrt().is_none()));
    let third = (modulus() - U256::from(1)) / U256::from(3);
    assert_ne!((-three).pow_vartime(third.as_limbs()), Fq::ONE);
}
