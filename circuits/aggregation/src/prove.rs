//! Aggregate proofs.

use super::{
    circuit::AggregationCircuit,
    key::{check_srs, deciding_key, generator},
    AggregateError, AggregationKey, OuterVerifier, Structure, ACCUMULATOR_LIMBS,
};
use halo2_proofs::{
    halo2curves::{
        bn256::{Bn256, Fr, G1Affine},
        ff::PrimeField,
    },
    poly::kzg::commitment::ParamsKZG,
    transcript::{EncodedChallenge, TranscriptWrite, TranscriptWriterBuffer},
};
use rand::{Rng, RngCore};
use serde::{Deserialize, Serialize};
use snark_verifier::{
    loader::native::NativeLoader,
    pcs::{kzg::KzgAccumulator, AccumulationDecider, AccumulationSchemeProver},
    system::halo2::transcript::evm::EvmTranscript,
    verifier::{
        plonk::{PlonkProtocol, PlonkSuccinctVerifier},
        SnarkVerifier,
    },
};
use snark_verifier_sdk::{
    halo2::{PoseidonTranscript, POSEIDON_SPEC},
    Snark, SHPLONK,
};
use std::path::Path;
use zkml_files::{read_container, write_container, Kind};
use zkml_plonk::{create_proof, Prepared};

/// Version of the proof file.
const VERSION: u32 = 2;

/// Steps of [`prove`], in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Verifying the inner proofs.
    CheckingProofs,
    /// Computing the circuit's cells.
    ComputingWitness,
    /// Proving: nearly all of the time.
    Proving,
    /// Verifying the aggregate proof.
    Verifying,
}

/// An aggregate proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AggregateProof {
    /// Accumulator limbs, then digest and public values of each inner proof.
    pub instances: Vec<Fr>,
    /// The proof, as the contract takes it.
    pub proof: Vec<u8>,
}

impl AggregateProof {
    /// Writes the proof.
    pub fn save(&self, path: &Path) -> Result<(), AggregateError> {
        write_container(path, Kind::AggregationProof, VERSION, &mut |out| {
            out.write_all(&(self.instances.len() as u64).to_le_bytes())?;
            for value in &self.instances {
                out.write_all(&value.to_repr())?;
            }
            out.write_all(&self.proof)
        })?;
        Ok(())
    }

    /// Reads a proof. It is of the right form only: see [`verify`].
    pub fn load(path: &Path) -> Result<Self, AggregateError> {
        let content = |what: &str| AggregateError::Content {
            path: path.display().to_string(),
            what: what.to_string(),
        };
        let payload = read_container(path, Kind::AggregationProof, VERSION)?;
        let short = || content("it is too short");
        let (count, rest) = payload.split_first_chunk::<8>().ok_or_else(short)?;
        let bytes = usize::try_from(u64::from_le_bytes(*count))
            .ok()
            .and_then(|count| count.checked_mul(32))
            .ok_or_else(short)?;
        let (values, proof) = rest.split_at_checked(bytes).ok_or_else(short)?;
        let instances = values
            .chunks_exact(32)
            .map(|chunk| {
                let mut repr = [0; 32];
                repr.copy_from_slice(chunk);
                Option::from(Fr::from_repr(repr))
            })
            .collect::<Option<_>>()
            .ok_or_else(|| content("a public value is not below the field's order"))?;
        Ok(Self {
            instances,
            proof: proof.to_vec(),
        })
    }

    /// The statements: for each inner proof of `key`, its key's digest and its public values.
    ///
    /// None if the proof has not the number of public values that the key's proofs have.
    pub fn statements(&self, key: &AggregationKey) -> Option<Vec<(Fr, &[Fr])>> {
        let mut rest = self.instances.get(ACCUMULATOR_LIMBS..)?;
        let mut statements = Vec::with_capacity(key.structures().len());
        for structure in key.structures() {
            let (digest, after) = rest.split_first()?;
            let (instances, after) = after.split_at_checked(structure.instances)?;
            statements.push((*digest, instances));
            rest = after;
        }
        rest.is_empty().then_some(statements)
    }
}

/// Aggregates proofs. The result has been verified.
pub fn prove(
    srs: &ParamsKZG<Bn256>,
    key: &AggregationKey,
    snarks: &[Snark],
    rng: impl RngCore,
    progress: &mut dyn FnMut(Stage),
) -> Result<AggregateProof, AggregateError> {
    check_fit(srs, key, snarks)?;
    progress(Stage::CheckingProofs);
    for (index, snark) in snarks.iter().enumerate() {
        check_snark(srs, index, snark)?;
    }
    let mut transcript: EvmTranscript<G1Affine, NativeLoader, Vec<u8>, Vec<u8>> =
        TranscriptWriterBuffer::<_, G1Affine, _>::init(Vec::new());
    let instances = argue(srs, key, snarks, rng, &mut transcript, progress)?;
    let proof = AggregateProof {
        instances,
        proof: transcript.finalize(),
    };
    progress(Stage::Verifying);
    verify(srs, &key.protocol(srs)?, &proof)?;
    Ok(proof)
}

/// Writes the argument that inner proofs lead to an accumulator; gives the public values. Neither the accumulator
/// nor the argument is decided: of inner proofs that are wrong comes an argument that [`verify`] rejects.
pub fn argue<Challenge: EncodedChallenge<G1Affine>>(
    srs: &ParamsKZG<Bn256>,
    key: &AggregationKey,
    snarks: &[Snark],
    mut rng: impl RngCore,
    transcript: &mut impl TranscriptWrite<G1Affine, Challenge>,
    progress: &mut dyn FnMut(Stage),
) -> Result<Vec<Fr>, AggregateError> {
    check_fit(srs, key, snarks)?;
    let mut accumulators = Vec::with_capacity(snarks.len());
    for (index, snark) in snarks.iter().enumerate() {
        accumulators.extend(accumulators_of(srs, index, snark)?);
    }
    progress(Stage::ComputingWitness);
    let accumulation = accumulate(&accumulators, &mut rng)?;
    let circuit = AggregationCircuit::build(
        generator(srs),
        snarks,
        &accumulation,
        key.shape(),
        Some(key.breaks()),
    )?;
    let instances = circuit.instances();
    progress(Stage::Proving);
    create_proof(
        srs,
        &key.pk,
        &Prepared::new(&key.pk),
        &circuit,
        &[&instances],
        rng,
        transcript,
    )?;
    Ok(instances)
}

/// Whether these are proofs for the key, and the key is one for this SRS.
fn check_fit(
    srs: &ParamsKZG<Bn256>,
    key: &AggregationKey,
    snarks: &[Snark],
) -> Result<(), AggregateError> {
    check_srs(srs, key.shape())?;
    if snarks.len() != key.structures().len() {
        return Err(AggregateError::Misfit {
            what: "number of inner proofs".to_string(),
            expected: key.structures().len().to_string(),
            got: snarks.len().to_string(),
        });
    }
    for (index, (snark, structure)) in snarks.iter().zip(key.structures()).enumerate() {
        structure.expect(&Structure::of(&snark.protocol)?, index)?;
    }
    Ok(())
}

/// Verifies an aggregate proof, its accumulator included. `protocol` is the key's.
pub fn verify(
    srs: &ParamsKZG<Bn256>,
    protocol: &PlonkProtocol<G1Affine>,
    proof: &AggregateProof,
) -> Result<(), AggregateError> {
    let rejected = |reason: String| AggregateError::OuterRejected { reason };
    let points = protocol.num_witness.iter().sum::<usize>() + protocol.quotient.num_chunk() + 2;
    let expected = 64 * points + 32 * protocol.evaluations.len();
    if proof.proof.len() != expected {
        let got = proof.proof.len();
        return Err(rejected(format!("expected {expected} bytes, got {got}")));
    }
    let key = deciding_key(srs);
    let mut transcript =
        EvmTranscript::<G1Affine, NativeLoader, &[u8], Vec<u8>>::new(proof.proof.as_slice());
    let instances = [proof.instances.clone()];
    let refused = |error| rejected(format!("{error:?}"));
    let read =
        OuterVerifier::read_proof(&key, protocol, &instances, &mut transcript).map_err(refused)?;
    OuterVerifier::verify(&key, protocol, &instances, &read).map_err(|error| {
        AggregateError::OuterRejected {
            reason: format!("{error:?}"),
        }
    })
}

/// Verifies an inner proof.
pub fn check_snark(
    srs: &ParamsKZG<Bn256>,
    index: usize,
    snark: &Snark,
) -> Result<(), AggregateError> {
    let accumulators = accumulators_of(srs, index, snark)?;
    <SHPLONK as AccumulationDecider<G1Affine, NativeLoader>>::decide_all(
        &deciding_key(srs),
        accumulators,
    )
    .map_err(|error| AggregateError::refused(index, error))
}

type Accumulator = KzgAccumulator<G1Affine, NativeLoader>;

/// What decides an inner proof, not decided.
pub(super) fn accumulators_of(
    srs: &ParamsKZG<Bn256>,
    index: usize,
    snark: &Snark,
) -> Result<Vec<Accumulator>, AggregateError> {
    let structure = Structure::of(&snark.protocol)?;
    let rejected = |reason: String| AggregateError::Rejected { index, reason };
    let lengths: Vec<usize> = snark.instances.iter().map(Vec::len).collect();
    if lengths != snark.protocol.num_instance {
        let expected = &snark.protocol.num_instance;
        return Err(rejected(format!(
            "expected {expected:?} public values, got {lengths:?}"
        )));
    }
    let (expected, got) = (structure.proof_bytes(), snark.proof.len());
    if expected != got {
        return Err(rejected(format!("expected {expected} bytes, got {got}")));
    }
    type Verifier = PlonkSuccinctVerifier<SHPLONK>;
    let svk = deciding_key(srs).svk();
    let refused = |error| AggregateError::refused(index, error);
    let mut transcript = PoseidonTranscript::<NativeLoader, &[u8]>::from_spec(
        snark.proof.as_slice(),
        POSEIDON_SPEC.clone(),
    );
    let proof = Verifier::read_proof(&svk, &snark.protocol, &snark.instances, &mut transcript)
        .map_err(refused)?;
    Verifier::verify(&svk, &snark.protocol, &snark.instances, &proof).map_err(refused)
}

/// The accumulation's own transcript; it is empty, since nothing here is blinded.
pub(super) fn accumulate(
    accumulators: &[Accumulator],
    rng: &mut impl RngCore,
) -> Result<Vec<u8>, AggregateError> {
    if accumulators.len() < 2 {
        return Ok(Vec::new());
    }
    let mut transcript =
        PoseidonTranscript::<NativeLoader, Vec<u8>>::from_spec(vec![], POSEIDON_SPEC.clone());
    let seed: u64 = rng.gen();
    let rng = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(seed);
    <SHPLONK as AccumulationSchemeProver<G1Affine>>::create_proof(
        &Default::default(),
        accumulators,
        &mut transcript,
        rng,
    )
    .map_err(|error| AggregateError::refused(accumulators.len(), error))?;
    Ok(transcript.finalize())
}
