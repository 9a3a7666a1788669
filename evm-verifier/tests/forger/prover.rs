//! The prover: halo2's, with a transcript that writes other messages than it is given.
//!
//! Later messages are as honest as they can be. Of a wrong evaluation SHPLONK's quotients are those of the right one:
//! the remainder of p − r by the vanishing polynomial is dropped, and r − r' is all remainder.

use super::{
    accumulators::big_endian,
    outer::{circuit, Key, Outer},
};
use halo2_proofs::{
    halo2curves::{
        bn256::{Bn256, Fr, G1Affine, G1},
        ff::Field,
        group::{prime::PrimeCurveAffine, Curve},
    },
    plonk::create_proof,
    poly::kzg::{commitment::KZGCommitmentScheme, multiopen::ProverSHPLONK},
    transcript::{EncodedChallenge, Transcript, TranscriptWrite, TranscriptWriterBuffer},
};
use rand::{rngs::StdRng, SeedableRng};
use snark_verifier_sdk::{
    snark_verifier::{
        loader::native::NativeLoader,
        pcs::kzg::LimbsEncoding,
        system::halo2::transcript::evm::{ChallengeEvm, EvmTranscript},
        verifier::{plonk::PlonkSuccinctVerifier, SnarkVerifier},
    },
    SHPLONK,
};
use zkml_aggregation::{BITS, LIMBS};

/// What is written in place of a message.
#[derive(Clone, Copy, Debug)]
pub enum Turn<T> {
    Plus(T),
    Minus,
    Is(T),
    /// The message of its kind that was written before.
    Before,
}

/// Which message is another.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    Point(usize, Turn<G1Affine>),
    Scalar(usize, Turn<Fr>),
}

impl Change {
    /// Leaves the message as it is.
    pub fn none(&mut self) {
        match self {
            Change::Point(_, turn) => *turn = Turn::Plus(G1Affine::identity()),
            Change::Scalar(_, turn) => *turn = Turn::Plus(Fr::ZERO),
        }
    }
}

/// What a prover proves, and what it shows.
#[derive(Clone, Debug)]
pub struct Claim {
    pub key: Key,
    /// Public values that the circuit's witness satisfies.
    pub witness: Vec<Fr>,
    /// Public values whose polynomial is opened.
    pub committed: Vec<Fr>,
    /// Public values that are absorbed, and that verifiers see.
    pub shown: Vec<Fr>,
    pub changes: Vec<Change>,
}

/// A proof, with the challenge that its last point answers.
#[derive(Clone, Debug)]
pub struct Proof {
    pub bytes: Vec<u8>,
    pub last_challenge: Fr,
}

type Inner = EvmTranscript<G1Affine, NativeLoader, Vec<u8>, Vec<u8>>;
type Challenge = ChallengeEvm<G1Affine>;

/// A transcript that absorbs and writes what it is told to.
pub struct Unscrupulous<'a> {
    pub inner: Inner,
    changes: &'a [Change],
    /// What is absorbed in place of the key's digest and the public values; the rest is absorbed as it comes.
    absorbed: Vec<Fr>,
    known: usize,
    points: Vec<G1Affine>,
    scalars: Vec<Fr>,
    last_challenge: Fr,
}

impl<'a> Unscrupulous<'a> {
    pub fn new(changes: &'a [Change], absorbed: Vec<Fr>) -> Self {
        Self {
            inner: TranscriptWriterBuffer::<_, G1Affine, _>::init(Vec::new()),
            changes,
            absorbed,
            known: 0,
            points: Vec::new(),
            scalars: Vec::new(),
            last_challenge: Fr::ZERO,
        }
    }
}

impl Transcript<G1Affine, Challenge> for Unscrupulous<'_> {
    fn squeeze_challenge(&mut self) -> Challenge {
        let challenge = Transcript::<G1Affine, Challenge>::squeeze_challenge(&mut self.inner);
        self.last_challenge = challenge.get_scalar();
        challenge
    }
    fn common_point(&mut self, point: G1Affine) -> std::io::Result<()> {
        self.inner.common_point(point)
    }
    fn common_scalar(&mut self, scalar: Fr) -> std::io::Result<()> {
        let scalar = self.absorbed.get(self.known).copied().unwrap_or(scalar);
        self.known += 1;
        self.inner.common_scalar(scalar)
    }
}

impl TranscriptWrite<G1Affine, Challenge> for Unscrupulous<'_> {
    fn write_point(&mut self, mut point: G1Affine) -> std::io::Result<()> {
        for change in self.changes {
            match *change {
                Change::Point(at, turn) if at == self.points.len() => {
                    point = match turn {
                        Turn::Plus(other) => (G1::from(point) + other).to_affine(),
                        Turn::Minus => -point,
                        Turn::Is(other) => other,
                        Turn::Before => self.points.last().copied().unwrap_or(point),
                    }
                }
                Change::Point(..) | Change::Scalar(..) => {}
            }
        }
        self.points.push(point);
        self.inner.write_point(point)
    }
    fn write_scalar(&mut self, mut scalar: Fr) -> std::io::Result<()> {
        for change in self.changes {
            match *change {
                Change::Scalar(at, turn) if at == self.scalars.len() => {
                    scalar = match turn {
                        Turn::Plus(other) => scalar + other,
                        Turn::Minus => -scalar,
                        Turn::Is(other) => other,
                        Turn::Before => self.scalars.last().copied().unwrap_or(scalar),
                    }
                }
                Change::Point(..) | Change::Scalar(..) => {}
            }
        }
        self.scalars.push(scalar);
        self.inner.write_scalar(scalar)
    }
}

/// Proves a claim.
pub fn prove(outer: &Outer, claim: &Claim) -> Proof {
    // The digest is that of the contract's key, whatever key proves.
    let digest = outer.protocol.transcript_initial_state.unwrap();
    let absorbed = std::iter::once(digest).chain(claim.shown.iter().copied());
    let mut transcript = Unscrupulous::new(&claim.changes, absorbed.collect());
    create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<'_, Bn256>, _, _, _, _>(
        &outer.params,
        outer.key(claim.key),
        &[circuit(outer.kind, claim.key, &claim.witness)],
        &[&[&claim.committed]],
        StdRng::seed_from_u64(7),
        &mut transcript,
    )
    .unwrap();
    Proof {
        last_challenge: transcript.last_challenge,
        bytes: transcript.inner.finalize(),
    }
}

/// The proof with the last point that makes the opening's pairing be off by `error`: this takes the secret of the SRS.
/// None if the proof has no opening.
pub fn settled(outer: &Outer, shown: &[Fr], proof: &Proof, error: G1) -> Option<Proof> {
    type Succinct = PlonkSuccinctVerifier<SHPLONK, LimbsEncoding<LIMBS, BITS>>;
    let svk = outer.deciding.svk();
    let instances = [shown.to_vec()];
    let mut read =
        EvmTranscript::<G1Affine, NativeLoader, &[u8], Vec<u8>>::new(proof.bytes.as_slice());
    let parts = Succinct::read_proof(&svk, &outer.protocol, &instances, &mut read).ok()?;
    let all = Succinct::verify(&svk, &outer.protocol, &instances, &parts).ok()?;
    let opening = all.first()?;
    let off = G1::from(opening.lhs) - opening.rhs * outer.tau;
    let factor: Option<Fr> = (proof.last_challenge - outer.tau).invert().into();
    let last = (G1::from(opening.rhs) + (error - off) * factor?).to_affine();
    let mut settled = proof.clone();
    let start = settled.bytes.len().checked_sub(64)?;
    settled.bytes.truncate(start);
    settled.bytes.extend(big_endian(last.x));
    settled.bytes.extend(big_endian(last.y));
    Some(settled)
}
