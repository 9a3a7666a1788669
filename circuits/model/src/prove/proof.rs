//! Making and checking proofs.

use std::{path::Path, sync::Arc};

use halo2_proofs::{
    arithmetic::Field,
    halo2curves::bn256::{Fr, G1Affine},
    plonk::VerifyingKey,
};
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};
use snark_verifier_sdk::Snark;

use super::{
    argument,
    keys::digest,
    statement::{Exposure, Word},
    Architecture, Keys, Opening, ProveError, Rejected, Statement, Transcript,
};
use crate::{
    circuit::{Witness, WitnessError},
    layout::{Exposed, Form, Plan},
};
use zkml_files::{read_container, write_container, Kind};
use zkml_graph::{exec, TensorId, Visibility};
use zkml_srs::Srs;

const VERSION: u32 = 2;

/// What is to be proven.
#[derive(Clone, Debug)]
pub struct Request {
    /// Input tensors, as integers.
    pub inputs: Vec<Vec<i64>>,
    /// Context word.
    pub context: Fr,
    /// How the challenges are drawn.
    pub transcript: Transcript,
}

/// A statement and the argument for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// Digest of the verifying key.
    pub verifying_key: Word,
    /// How the challenges were drawn.
    pub transcript: Transcript,
    /// What is proven.
    pub statement: Statement,
    /// The argument.
    pub argument: Vec<u8>,
}

/// Proves `request`, and verifies the proof before returning it.
///
/// Also returns the salts of hashed tensors, in the order inputs, outputs: whoever has a salt
/// and the values can check the digest.
pub fn prove(
    architecture: &Architecture,
    plan: &Arc<Plan>,
    srs: &Srs,
    keys: &Keys,
    opening: &Opening,
    request: &Request,
) -> Result<(Proof, Vec<Word>), ProveError> {
    check_srs("proving key", keys.srs, srs)?;
    let graph = &architecture.graph;
    let seen = |input: usize, index: usize| {
        let sight = architecture.visibilities.input(input);
        let units = request.inputs.get(input)?.get(index)?;
        let shown = || architecture.source.shown(graph.scale, input, *units);
        (sight == Visibility::Public).then(shown)
    };
    let trace = exec::run(graph, &opening.weights, &request.inputs)
        .map_err(|error| error.with_values(seen))?;
    let values = |id: TensorId| {
        graph
            .inputs
            .iter()
            .position(|input| *input == id)
            .and_then(|i| request.inputs.get(i))
            .or_else(|| opening.weights.get(&id))
            .map(Vec::as_slice)
    };
    let mut salts = vec![opening.salt];
    salts.extend((1..plan.statement.messages.len()).map(|_| Fr::random(OsRng)));
    let names = |node: usize| graph.nodes[node].name.clone();
    let witness = Witness::new(plan, &names, &values, salts.clone(), request.context)?;
    check_outputs(plan, &witness, &trace, graph)?;

    let statement = Statement {
        commitment: Word(witness.instances[Form::COMMITMENT]),
        context: Word(request.context),
        inputs: exposures(&plan.statement.form.inputs, &witness, &trace),
        outputs: exposures(&plan.statement.form.outputs, &witness, &trace),
    };
    let proof = Proof {
        verifying_key: keys.digest(),
        transcript: request.transcript,
        argument: argument::create(
            &srs.params,
            &keys.pk,
            &keys.prepared,
            plan,
            Arc::new(witness),
            request.transcript,
        )?,
        statement,
    };
    // A fault of this machine must not be published as a proof.
    proof.verify(&plan.statement.form, srs, keys.pk.get_vk())?;
    Ok((proof, salts.split_off(1).into_iter().map(Word).collect()))
}

/// The circuit's outputs are the executor's, or one of the two is wrong.
fn check_outputs(
    plan: &Plan,
    witness: &Witness,
    trace: &[Option<Vec<i64>>],
    graph: &zkml_graph::Graph,
) -> Result<(), ProveError> {
    for id in &graph.outputs {
        let (Some(Some(home)), Some(Some(expected))) = (plan.homes.get(id.0), trace.get(id.0))
        else {
            continue;
        };
        let same = home
            .positions
            .iter()
            .zip(expected)
            .all(|(position, value)| {
                let stored = home
                    .limbs
                    .iter()
                    .fold(i128::from(home.offset), |sum, limb| {
                        let cell = witness.blocks[limb.block][*position];
                        sum + i128::from(limb.base) * i128::from(cell)
                    });
                stored == i128::from(*value)
            });
        if !same {
            let name = graph.tensors[id.0].name.clone();
            return Err(WitnessError::Layout(format!(
                "output '{name}' differs between executor and circuit"
            ))
            .into());
        }
    }
    Ok(())
}

fn exposures(exposed: &[Exposed], witness: &Witness, trace: &[Option<Vec<i64>>]) -> Vec<Exposure> {
    exposed
        .iter()
        .map(|exposed| match (exposed.visibility, exposed.instance) {
            (Visibility::Public, _) => Exposure::Public(
                trace
                    .get(exposed.tensor.0)
                    .cloned()
                    .flatten()
                    .unwrap_or_default(),
            ),
            (Visibility::Hashed, Some(row)) => Exposure::Hashed(Word(witness.instances[row])),
            (Visibility::Hashed, None) | (Visibility::Private, _) => Exposure::Private,
        })
        .collect()
}

fn check_srs(what: &str, expected: [u8; 32], srs: &Srs) -> Result<(), ProveError> {
    let hex = |bytes: [u8; 32]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let got = srs.fingerprint();
    if got == expected {
        return Ok(());
    }
    Err(ProveError::Mismatch {
        what: what.into(),
        of: "SRS",
        expected: hex(expected),
        got: hex(got),
        remedy: "use the SRS that the keys were made with, or run setup again",
    })
}

impl Proof {
    /// Checks the proof against the verifying key of a model whose statements have this form.
    ///
    /// 1. The proof names this key.
    /// 2. The statement, in the clear, is encoded into the instances.
    /// 3. The argument holds for those instances, under the transcript that the proof names.
    ///
    /// # Errors
    /// [`ProveError::Rejected`] if the argument does not hold, or is for another key; anything
    /// else means that it could not be checked.
    pub fn verify(
        &self,
        form: &Form,
        srs: &Srs,
        vk: &VerifyingKey<G1Affine>,
    ) -> Result<(), ProveError> {
        let key = digest(vk);
        if self.verifying_key != key {
            return Err(Rejected {
                reason: format!(
                    "made for verifying key {}, checked with {key}",
                    self.verifying_key
                ),
            }
            .into());
        }
        let instances = self.statement.instances(form)?;
        argument::verify(&srs.params, vk, &instances, &self.argument, self.transcript)
    }

    /// The proof as the aggregation takes it.
    pub fn snark(
        &self,
        form: &Form,
        srs: &Srs,
        vk: &VerifyingKey<G1Affine>,
    ) -> Result<Snark, ProveError> {
        self.expect(Transcript::Poseidon, "aggregated")?;
        let instances = self.statement.instances(form)?;
        let protocol = argument::protocol(&srs.params, vk, instances.len())?;
        Ok(Snark::new(protocol, vec![instances], self.argument.clone()))
    }

    /// The proof's public values, as a contract of its verifying key takes them before the argument.
    pub fn direct_instances(&self, form: &Form) -> Result<Vec<Fr>, ProveError> {
        self.expect(Transcript::Keccak, "checked by a contract as it is")?;
        self.statement.instances(form)
    }

    fn expect(&self, transcript: Transcript, purpose: &str) -> Result<(), ProveError> {
        if self.transcript == transcript {
            return Ok(());
        }
        Err(ProveError::Invalid(format!(
            "a proof with the {} transcript cannot be {purpose}: expected {transcript}; prove again with --transcript {transcript}",
            self.transcript
        )))
    }

    /// Writes the proof.
    pub fn save(&self, path: &Path) -> Result<(), ProveError> {
        let payload = rmp_serde::to_vec_named(self)
            .map_err(|error| ProveError::Invalid(error.to_string()))?;
        write_container(path, Kind::Proof, VERSION, &mut |out| {
            out.write_all(&payload)
        })?;
        Ok(())
    }

    /// Reads a proof.
    pub fn load(path: &Path) -> Result<Self, ProveError> {
        let payload = read_container(path, Kind::Proof, VERSION)?;
        rmp_serde::from_slice(&payload).map_err(|error| ProveError::Content {
            path: path.to_path_buf(),
            place: "payload".into(),
            expected: "a statement and an argument".into(),
            got: error.to_string(),
        })
    }
}
