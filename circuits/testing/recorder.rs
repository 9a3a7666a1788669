//! A transcript that writes down what it absorbs, and which challenges it draws after how much of it.
#![allow(dead_code)]

use halo2_proofs::{
    halo2curves::{bn256::G1Affine, CurveAffine},
    transcript::{self as halo2, EncodedChallenge},
};
use snark_verifier::{
    loader::Loader,
    util::transcript::{Transcript, TranscriptRead},
    Error,
};
use std::io;

type Scalar = <G1Affine as CurveAffine>::ScalarExt;

/// What is absorbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// What both sides know: the key's digest, a public value.
    Known,
    /// A point of the proof.
    Point,
    /// A scalar of the proof.
    Scalar,
}

/// The transcript `T`; challenges are `S`.
pub struct Recorder<T, S = Scalar> {
    pub inner: T,
    pub items: Vec<Item>,
    /// Each challenge, with the number of items that were absorbed before it.
    pub challenges: Vec<(usize, S)>,
}

impl<T, S> Recorder<T, S> {
    pub fn new(inner: T) -> Self {
        Self {
            inner,
            items: Vec::new(),
            challenges: Vec::new(),
        }
    }
}

/// As snark-verifier reads a proof, natively and in a circuit.
impl<L: Loader<G1Affine>, T: Transcript<G1Affine, L>> Transcript<G1Affine, L>
    for Recorder<T, L::LoadedScalar>
{
    fn loader(&self) -> &L {
        self.inner.loader()
    }

    fn squeeze_challenge(&mut self) -> L::LoadedScalar {
        let challenge = self.inner.squeeze_challenge();
        self.challenges.push((self.items.len(), challenge.clone()));
        challenge
    }

    fn common_ec_point(&mut self, point: &L::LoadedEcPoint) -> Result<(), Error> {
        self.items.push(Item::Known);
        self.inner.common_ec_point(point)
    }

    fn common_scalar(&mut self, scalar: &L::LoadedScalar) -> Result<(), Error> {
        self.items.push(Item::Known);
        self.inner.common_scalar(scalar)
    }
}

impl<L: Loader<G1Affine>, T: TranscriptRead<G1Affine, L>> TranscriptRead<G1Affine, L>
    for Recorder<T, L::LoadedScalar>
{
    fn read_scalar(&mut self) -> Result<L::LoadedScalar, Error> {
        self.items.push(Item::Scalar);
        self.inner.read_scalar()
    }

    fn read_ec_point(&mut self) -> Result<L::LoadedEcPoint, Error> {
        self.items.push(Item::Point);
        self.inner.read_ec_point()
    }
}

/// As halo2's verifier reads a proof.
impl<E: EncodedChallenge<G1Affine>, T: halo2::Transcript<G1Affine, E>>
    halo2::Transcript<G1Affine, E> for Recorder<T>
{
    fn squeeze_challenge(&mut self) -> E {
        let challenge = self.inner.squeeze_challenge();
        self.challenges
            .push((self.items.len(), challenge.get_scalar()));
        challenge
    }

    fn common_point(&mut self, point: G1Affine) -> io::Result<()> {
        self.items.push(Item::Known);
        self.inner.common_point(point)
    }

    fn common_scalar(&mut self, scalar: Scalar) -> io::Result<()> {
        self.items.push(Item::Known);
        self.inner.common_scalar(scalar)
    }
}

impl<E: EncodedChallenge<G1Affine>, T: halo2::TranscriptRead<G1Affine, E>>
    halo2::TranscriptRead<G1Affine, E> for Recorder<T>
{
    fn read_point(&mut self) -> io::Result<G1Affine> {
        self.items.push(Item::Point);
        self.inner.read_point()
    }

    fn read_scalar(&mut self) -> io::Result<Scalar> {
        self.items.push(Item::Scalar);
        self.inner.read_scalar()
    }
}

/// Fails unless the challenges drawn before an item are the same, and all later ones are others.
pub fn assert_later_challenges_differ(
    item: usize,
    before: &[(usize, Scalar)],
    after: &[(usize, Scalar)],
) {
    assert_eq!(before.len(), after.len());
    for ((drawn, one), (_, other)) in before.iter().zip(after) {
        assert_eq!(
            one == other,
            *drawn <= item,
            "item {item}, drawn at {drawn}"
        );
    }
}
