//! The argument itself: halo2 with KZG (SHPLONK), under either [`Transcript`].

use std::sync::Arc;

use halo2_proofs::{
    halo2curves::bn256::{Bn256, Fr, G1Affine},
    plonk::{keygen_pk2, keygen_vk_custom, verify_proof, ProvingKey, VerifyingKey},
    poly::{
        commitment::{Params as _, ParamsProver},
        kzg::{
            commitment::{KZGCommitmentScheme, ParamsKZG},
            multiopen::VerifierSHPLONK,
            strategy::AccumulatorStrategy,
        },
        VerificationStrategy,
    },
    transcript::{EncodedChallenge, TranscriptRead, TranscriptWrite},
};
use rand::{rngs::StdRng, SeedableRng};
use snark_verifier::{
    loader::native::NativeLoader,
    system::halo2::{compile, transcript::evm::EvmTranscript, Config},
    verifier::plonk::PlonkProtocol,
};
use snark_verifier_sdk::halo2::{PoseidonTranscript, POSEIDON_SPEC};

use super::{error::Rejected, ProveError, Transcript};
use crate::{
    circuit::{ModelCircuit, Purpose, Witness},
    layout::Plan,
};
use zkml_plonk::{create_proof, Prepared};

/// Makes both keys of a plan.
pub fn keygen(
    params: &ParamsKZG<Bn256>,
    plan: &Arc<Plan>,
) -> Result<ProvingKey<G1Affine>, ProveError> {
    let circuit = ModelCircuit::for_keys(plan.clone());
    keygen_pk2(params, &circuit, false).map_err(|error| ProveError::Backend(error.to_string()))
}

/// Makes the verifying key of a plan alone.
pub fn keygen_verifier(
    params: &ParamsKZG<Bn256>,
    plan: &Arc<Plan>,
) -> Result<VerifyingKey<G1Affine>, ProveError> {
    let circuit = ModelCircuit::for_keys(plan.clone());
    keygen_vk_custom(params, &circuit, false)
        .map_err(|error| ProveError::Backend(error.to_string()))
}

type Poseidon<S> = PoseidonTranscript<NativeLoader, S>;
type Keccak<S> = EvmTranscript<G1Affine, NativeLoader, S, Vec<u8>>;

/// Makes the argument for a witness.
pub fn create(
    params: &ParamsKZG<Bn256>,
    pk: &ProvingKey<G1Affine>,
    prepared: &Prepared,
    plan: &Arc<Plan>,
    witness: Arc<Witness>,
    kind: Transcript,
) -> Result<Vec<u8>, ProveError> {
    match kind {
        Transcript::Poseidon => {
            let mut transcript = Poseidon::from_spec(vec![], POSEIDON_SPEC.clone());
            create_with(params, pk, prepared, plan, witness, &mut transcript)?;
            Ok(transcript.finalize())
        }
        Transcript::Keccak => {
            let mut transcript = Keccak::new(vec![]);
            create_with(params, pk, prepared, plan, witness, &mut transcript)?;
            Ok(transcript.finalize())
        }
    }
}

fn create_with<E, T>(
    params: &ParamsKZG<Bn256>,
    pk: &ProvingKey<G1Affine>,
    prepared: &Prepared,
    plan: &Arc<Plan>,
    witness: Arc<Witness>,
    transcript: &mut T,
) -> Result<(), ProveError>
where
    E: EncodedChallenge<G1Affine>,
    T: TranscriptWrite<G1Affine, E>,
{
    let instances = witness.instances.clone();
    let circuit = ModelCircuit::with_witness(plan.clone(), witness, Purpose::Proof);
    // Blinding must be unpredictable: seeded from the operating system, once a proof.
    create_proof(
        params,
        pk,
        prepared,
        &circuit,
        &[&instances],
        StdRng::from_entropy(),
        transcript,
    )
    .map_err(|error| ProveError::Backend(error.to_string()))
}

/// Fails unless the SRS says that it is of as many rows as the key. halo2's verifier takes the rows' number from the one and
/// their root of unity from the other: where they differ, constraints hold on a few rows only.
fn same_rows(params: &ParamsKZG<Bn256>, vk: &VerifyingKey<G1Affine>) -> Result<(), ProveError> {
    let [srs, key] = [params.k(), vk.get_domain().k()];
    if srs == key {
        return Ok(());
    }
    Err(ProveError::Invalid(format!(
        "the verifying key is of 2^{key} rows, the SRS of 2^{srs}: an SRS of k = {key} is needed"
    )))
}

/// Checks an argument, which must be exactly `proof`: no byte more.
pub fn verify(
    params: &ParamsKZG<Bn256>,
    vk: &VerifyingKey<G1Affine>,
    instances: &[Fr],
    proof: &[u8],
    kind: Transcript,
) -> Result<(), ProveError> {
    same_rows(params, vk)?;
    let mut unread = proof;
    match kind {
        Transcript::Poseidon => {
            let mut transcript = Poseidon::from_spec(&mut unread, POSEIDON_SPEC.clone());
            verify_with(params, vk, instances, &mut transcript)
        }
        Transcript::Keccak => verify_with(params, vk, instances, &mut Keccak::new(&mut unread)),
    }?;
    if unread.is_empty() {
        Ok(())
    } else {
        Err(rejected("bytes after the end of the proof").into())
    }
}

fn verify_with<E, T>(
    params: &ParamsKZG<Bn256>,
    vk: &VerifyingKey<G1Affine>,
    instances: &[Fr],
    transcript: &mut T,
) -> Result<(), Rejected>
where
    E: EncodedChallenge<G1Affine>,
    T: TranscriptRead<G1Affine, E>,
{
    let strategy = verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<'_, Bn256>, _, _, _>(
        params.verifier_params(),
        vk,
        AccumulatorStrategy::new(params.verifier_params()),
        &[&[instances]],
        transcript,
    )
    .map_err(|error| rejected(&error.to_string()))?;
    if VerificationStrategy::<_, VerifierSHPLONK<'_, Bn256>>::finalize(strategy) {
        Ok(())
    } else {
        Err(rejected("the opening does not verify"))
    }
}

fn rejected(reason: &str) -> Rejected {
    Rejected {
        reason: reason.into(),
    }
}

/// The verifier's protocol, as aggregation and code generation read it.
///
/// # Errors
/// If the SRS is not of the key's size.
pub fn protocol(
    params: &ParamsKZG<Bn256>,
    vk: &VerifyingKey<G1Affine>,
    instances: usize,
) -> Result<PlonkProtocol<G1Affine>, ProveError> {
    same_rows(params, vk)?;
    let config = Config::kzg().with_num_instance(vec![instances]);
    Ok(compile(params, vk, config))
}
