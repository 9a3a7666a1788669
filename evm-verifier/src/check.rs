//! A compiled verifier put to the test: a good proof accepted, bad ones rejected.

use crate::{
    calldata::{self, Layout},
    codegen::{generate, CodegenError, Labels, VerifierSource},
    compile::{compile, Bytecode, CompileError, Compiler},
    exec::{Chain, ExecError, Fork, Gas},
    unwritten::{reads, Reads},
    validate::{self, TranslationError},
};
use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1Affine};
use snark_verifier::{pcs::kzg::KzgDecidingKey, verifier::plonk::PlonkProtocol};

/// Why a contract did not pass.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The local EVM refused the deployment or a call.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// The calldata is not what the contract takes.
    #[error("the proof does not fit the contract: expected {expected} bytes of calldata, got {got}; is it a proof for another verifying key?")]
    Length {
        /// Bytes that the contract takes.
        expected: usize,
        /// Bytes of the proof and its public values.
        got: usize,
    },
    /// The proof was rejected.
    #[error("the contract rejected the proof under {fork} ({ending})")]
    Rejected {
        /// The rules it ran under.
        fork: Fork,
        /// How the call ended.
        ending: String,
    },
    /// A proof that was tampered with was accepted.
    #[error("the contract accepted a proof under {fork} after {what}: it verifies nothing and must not be used")]
    Unsound {
        /// The rules it ran under.
        fork: Fork,
        /// What had been done to the proof.
        what: &'static str,
    },
}

/// What a contract costs.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct ContractReport {
    /// Bytes of its code.
    pub runtime_bytes: usize,
    /// Bytes of one call's data.
    pub calldata_bytes: usize,
    /// Gas to deploy it, under the newest rules tried.
    pub deployment_gas: u64,
    /// Gas of one verification, by rules.
    pub gas: Vec<(Fork, Gas)>,
}

/// Writes and compiles a verifier: the optimised source, or the plain one if solc refuses that. The bytecode has been
/// compared with the source, and that with the native verifier ([`crate::validate`]).
///
/// # Errors
/// If the source cannot be written or compiled, or either is not the verifier that it was made from.
pub fn build(
    compiler: &Compiler,
    key: &KzgDecidingKey<Bn256>,
    protocol: &PlonkProtocol<G1Affine>,
    labels: &Labels,
) -> Result<(VerifierSource, Bytecode), BuildError> {
    let source = generate(key, protocol, labels, true)?;
    let (source, compiled) = match compile(compiler, &source) {
        Err(CompileError::Source { .. }) => {
            let source = generate(key, protocol, labels, false)?;
            let compiled = compile(compiler, &source);
            (source, compiled)
        }
        compiled => (source, compiled),
    };
    let bytecode = compiled?;
    let mut chain = Chain::new(Fork::Osaka);
    let address = chain.deploy(&bytecode.creation)?.address;
    let program = source.program().map_err(CodegenError::from)?;
    validate::bytecode(&program, &source.inputs, |calldata| {
        chain.trace(address, calldata)
    })?;
    let found = reads(&bytecode.runtime)?;
    if !found.pairing || !found.unwritten.is_empty() {
        return Err(BuildError::Unwritten(found));
    }
    Ok((source, bytecode))
}

/// Why there is no contract.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The source could not be written.
    #[error(transparent)]
    Codegen(#[from] CodegenError),
    /// The source could not be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The bytecode could not be run.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// The bytecode is not what its source says.
    #[error(transparent)]
    Translation(#[from] TranslationError),
    /// The bytecode rests on memory that it never wrote, or comes to no pairing.
    #[error("the bytecode is no verifier: {0:?}; this is a fault of zkml or of solc: no contract was made")]
    Unwritten(Reads),
}

/// Deploys a contract under each fork and has it verify a proof, and then the proof with a byte
/// flipped in a public value, in the first point, in the first evaluation and in the last point.
pub fn check_contract(
    bytecode: &Bytecode,
    layout: Layout,
    instances: &[Fr],
    proof: &[u8],
    forks: &[Fork],
) -> Result<ContractReport, CheckError> {
    let good = calldata::encode(instances, proof);
    if good.len() != layout.bytes() || instances.len() != layout.instances {
        return Err(CheckError::Length {
            expected: layout.bytes(),
            got: good.len(),
        });
    }
    let mut report = ContractReport {
        runtime_bytes: bytecode.runtime.len(),
        calldata_bytes: good.len(),
        deployment_gas: 0,
        gas: Vec::new(),
    };
    for &fork in forks {
        let mut chain = Chain::new(fork);
        let contract = chain.deploy(&bytecode.creation)?;
        report.deployment_gas = contract.gas;
        let outcome = chain.call(contract.address, &good)?;
        if !outcome.accepted {
            return Err(CheckError::Rejected {
                fork,
                ending: outcome.ending,
            });
        }
        report.gas.push((fork, outcome.gas));
        for (what, bad) in tampered(&good, layout) {
            if chain.call(contract.address, &bad)?.accepted {
                return Err(CheckError::Unsound { fork, what });
            }
        }
    }
    Ok(report)
}

/// The proof with one byte flipped, at one place of each kind.
fn tampered(good: &[u8], layout: Layout) -> Vec<(&'static str, Vec<u8>)> {
    let words = calldata::WORD;
    let proof = words * layout.instances;
    // All points but the two of the opening stand before the evaluations.
    let evaluations = proof + 2 * words * layout.points.saturating_sub(2);
    let mut places = vec![
        ("a change in its first point", proof + words - 1),
        ("a change in its first evaluation", evaluations + words - 1),
        ("a change in its last point", good.len().saturating_sub(1)),
    ];
    if layout.instances > 0 {
        places.push(("a change in its last public value", proof - 1));
    }
    places
        .into_iter()
        .filter_map(|(what, place)| {
            let mut bad = good.to_vec();
            *bad.get_mut(place)? ^= 1;
            Some((what, bad))
        })
        .collect()
}
