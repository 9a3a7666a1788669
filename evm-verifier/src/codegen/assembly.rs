//! The assembly that snark-verifier writes, without the polynomial of the public values.
//!
//! Its code evaluates that polynomial term by term, with a Lagrange polynomial for each public value: code that grows
//! with their number. Here the generator is told that the proof has the value as one more evaluation, in a
//! word of memory that [`super::public_values`] fills by a loop.

use super::CodegenError;
use halo2_proofs::halo2curves::bn256::{Bn256, Fq, Fr, G1Affine};
use snark_verifier::{
    loader::evm::EvmLoader,
    pcs::kzg::KzgDecidingKey,
    system::halo2::transcript::evm::EvmTranscript,
    verifier::{plonk::PlonkProtocol, SnarkVerifier},
};
use std::rc::Rc;
use zkml_aggregation::OuterVerifier;

/// What the generator wrote.
pub(super) struct Assembly {
    /// The source of a contract.
    pub text: String,
    /// Address of the word that the polynomial's value belongs in, and of two more that nothing else uses. The line
    /// that stores the challenge x there stands after everything that reads calldata.
    pub slot: usize,
}

/// Runs snark-verifier's generator.
pub(super) fn assembly(
    key: &KzgDecidingKey<Bn256>,
    protocol: &PlonkProtocol<G1Affine>,
) -> Result<Assembly, CodegenError> {
    let refused = |reason: String| CodegenError::Protocol { reason };
    let first = protocol.preprocessed.len();
    let columns = first..first.saturating_add(protocol.num_instance.len());
    let used = protocol.quotient.numerator.used_query();
    let mut queries = used
        .into_iter()
        .filter(|query| columns.contains(&query.poly));
    let query = match (queries.next(), queries.next()) {
        (Some(query), None) if columns.len() == 1 && query.rotation.0 == 0 => query,
        _ => {
            return Err(refused(
                "its public values are not one column, used in its own row".to_string(),
            ))
        }
    };
    let loader = EvmLoader::new::<Fq, Fr>();
    let mut protocol = protocol.loaded(&loader);
    let mut transcript = EvmTranscript::<_, Rc<EvmLoader>, _, _>::new(&loader);
    let instances = transcript.load_instances(protocol.num_instance.clone());
    let mut proof = OuterVerifier::read_proof(key, &protocol, &instances, &mut transcript)
        .map_err(|error| refused(format!("{error:?}")))?;
    // From here on the column's value is read, not computed, as that of a column with a commitment is.
    protocol.instance_committing_key = Some(Default::default());
    protocol.evaluations.push(query);
    let slot = loader.allocate(0);
    proof.evaluations.push(loader.dup_scalar(&proof.z));
    loader.allocate(0x40);
    // It decides an accumulator among the public values where the protocol says that there is one.
    OuterVerifier::verify(key, &protocol, &instances, &proof)
        .map_err(|error| refused(format!("{error:?}")))?;
    Ok(Assembly {
        text: loader.solidity_code(),
        slot,
    })
}
