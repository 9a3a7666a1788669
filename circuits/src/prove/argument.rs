//! The argument itself: halo2 with KZG (SHPLONK) and a Poseidon transcript, which the
//! aggregation circuit can recompute.

use std::sync::Arc;

use halo2_proofs::{
    halo2curves::bn256::{Bn256, Fr, G1Affine},
    plonk::{keygen_pk2, verify_proof, ProvingKey, VerifyingKey},
    poly::{
        commitment::ParamsProver,
        kzg::{
            commitment::{KZGCommitmentScheme, ParamsKZG},
            multiopen::VerifierSHPLONK,
            strategy::AccumulatorStrategy,
        },
        VerificationStrategy,
    },
};
use rand::{rngs::StdRng, SeedableRng};
use snark_verifier::{
    loader::native::NativeLoader,
    system::halo2::{compile, Config},
    verifier::plonk::PlonkProtocol,
};
use snark_verifier_sdk::halo2::{PoseidonTranscript, POSEIDON_SPEC};

use super::ProveError;
use crate::{
    circuit::{ModelCircuit, Purpose, Witness},
    layout::Plan,
    plonk::{create_proof, Prepared},
};

/// The argument does not hold.
#[derive(Debug, thiserror::Error)]
#[error("proof rejected: {reason}")]
pub struct Rejected {
    /// Which step failed.
    pub reason: String,
}

/// Makes both keys of a plan.
pub fn keygen(
    params: &ParamsKZG<Bn256>,
    plan: &Arc<Plan>,
) -> Result<ProvingKey<G1Affine>, ProveError> {
    let circuit = ModelCircuit::for_keys(plan.clone());
    keygen_pk2(params, &circuit, false).map_err(|error| ProveError::Backend(error.to_string()))
}

/// Makes the argument for a witness.
pub fn create(
    params: &ParamsKZG<Bn256>,
    pk: &ProvingKey<G1Affine>,
    prepared: &Prepared,
    plan: &Arc<Plan>,
    witness: Arc<Witness>,
) -> Result<Vec<u8>, ProveError> {
    let instances = witness.instances.clone();
    let circuit = ModelCircuit::with_witness(plan.clone(), witness, Purpose::Proof);
    let mut transcript =
        PoseidonTranscript::<NativeLoader, Vec<u8>>::from_spec(vec![], POSEIDON_SPEC.clone());
    // Blinding must be unpredictable: seeded from the operating system, once a proof.
    create_proof(
        params,
        pk,
        prepared,
        &circuit,
        &[&instances],
        StdRng::from_entropy(),
        &mut transcript,
    )
    .map_err(|error| ProveError::Backend(error.to_string()))?;
    Ok(transcript.finalize())
}

/// Checks an argument, which must be exactly `proof`: no byte more.
pub fn verify(
    params: &ParamsKZG<Bn256>,
    vk: &VerifyingKey<G1Affine>,
    instances: &[Fr],
    proof: &[u8],
) -> Result<(), Rejected> {
    let rejected = |reason: &str| Rejected {
        reason: reason.into(),
    };
    let mut unread = proof;
    let mut transcript =
        PoseidonTranscript::<NativeLoader, _>::from_spec(&mut unread, POSEIDON_SPEC.clone());
    let strategy = verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<'_, Bn256>, _, _, _>(
        params.verifier_params(),
        vk,
        AccumulatorStrategy::new(params.verifier_params()),
        &[&[instances]],
        &mut transcript,
    )
    .map_err(|error| Rejected {
        reason: format!("{error}"),
    })?;
    drop(transcript);
    if !unread.is_empty() {
        return Err(rejected("bytes after the end of the proof"));
    }
    if VerificationStrategy::<_, VerifierSHPLONK<'_, Bn256>>::finalize(strategy) {
        Ok(())
    } else {
        Err(rejected("the opening does not verify"))
    }
}

/// The verifier's protocol, as aggregation and code generation read it.
pub fn protocol(
    params: &ParamsKZG<Bn256>,
    vk: &VerifyingKey<G1Affine>,
    instances: usize,
) -> PlonkProtocol<G1Affine> {
    compile(params, vk, Config::kzg().with_num_instance(vec![instances]))
}
