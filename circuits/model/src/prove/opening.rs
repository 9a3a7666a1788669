//! The prover's secret: the weights and the salt behind the commitment C.

use std::path::Path;

use halo2_proofs::{
    arithmetic::Field,
    halo2curves::{bn256::Fr, ff::PrimeField},
};
use rand::rngs::OsRng;

use super::{Architecture, ProveError, Word};
use crate::{
    circuit::{Witness, WitnessError},
    layout::{Form, Plan},
};
use zkml_files::{read_container, write_secret_container, Kind};
use zkml_graph::{
    exec::{self, ExecError},
    ops::GraphError,
    Graph, TensorId, Weights,
};

/// Since 2 a file is as long as the weights are many, whatever they are.
const VERSION: u32 = 2;

/// Opens the model commitment. As secret as the weights.
#[derive(Clone)]
pub struct Opening {
    /// Salt of the commitment.
    pub salt: Fr,
    /// The integer weights.
    pub weights: Weights,
}

/// Shows nothing of the weights or the salt.
impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opening of {} weight tensors", self.weights.len())
    }
}

impl Opening {
    /// Draws a salt for `weights`.
    pub fn new(weights: Weights) -> Self {
        Self {
            salt: Fr::random(OsRng),
            weights,
        }
    }

    /// Fails unless it has the weights that the graph reads: their number, within their ranges.
    pub fn fits(&self, graph: &Graph) -> Result<(), ProveError> {
        let read = graph
            .nodes
            .iter()
            .flat_map(|node| node.op.weight_operands());
        for id in read {
            exec::checked_weights(graph, &self.weights, id)?;
        }
        Ok(())
    }

    /// The commitment C that every proof with this opening states. It does not depend on the input, so any input
    /// will do.
    ///
    /// # Errors
    /// If the weights are not those of the model.
    pub fn commitment(&self, architecture: &Architecture, plan: &Plan) -> Result<Word, ProveError> {
        let graph = &architecture.graph;
        let any_input = |id: &TensorId| {
            let tensor = graph.tensor(*id, "the list of inputs")?;
            let value = 0i64.clamp(tensor.range.lo, tensor.range.hi);
            Ok(vec![value; tensor.shape.iter().product()])
        };
        let inputs = graph
            .inputs
            .iter()
            .map(any_input)
            .collect::<Result<Vec<_>, GraphError>>()
            .map_err(|error| ProveError::Invalid(error.to_string()))?;
        // The weights come from a file: this says what is wrong with them.
        match exec::run(graph, &self.weights, &inputs) {
            // Any input will do, also one for which the model is not defined.
            Ok(_) | Err(ExecError::Undefined(_)) => {}
            Err(error) => return Err(error.into()),
        }
        self.fits(graph)?;
        let values = |id: TensorId| {
            let input = graph.inputs.iter().position(|input| *input == id);
            input
                .and_then(|input| inputs.get(input))
                .or_else(|| self.weights.get(&id))
                .map(Vec::as_slice)
        };
        let mut salts = vec![self.salt];
        salts.resize_with(plan.statement.messages.len(), Default::default);
        let witness = Witness::of_given(plan, &values, salts, Fr::zero())?;
        let word = witness.instances.get(Form::COMMITMENT).copied();
        Ok(Word(word.ok_or_else(|| {
            WitnessError::Layout("the circuit states no commitment".into())
        })?))
    }

    /// Writes the opening, readable by its owner only.
    pub fn save(&self, path: &Path) -> Result<(), ProveError> {
        write_secret_container(path, Kind::Opening, VERSION, &mut |out| {
            out.write_all(self.salt.to_repr().as_ref())?;
            for (id, values) in &self.weights {
                out.write_all(&(id.0 as u64).to_le_bytes())?;
                out.write_all(&(values.len() as u64).to_le_bytes())?;
                for value in values {
                    out.write_all(&value.to_le_bytes())?;
                }
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Reads an opening.
    pub fn load(path: &Path) -> Result<Self, ProveError> {
        let payload = read_container(path, Kind::Opening, VERSION)?;
        let content = |place: &str, expected: &str, got: String| ProveError::Content {
            path: path.to_path_buf(),
            place: place.into(),
            expected: expected.into(),
            got,
        };
        let (salt, weights) = payload
            .split_at_checked(32)
            .ok_or_else(|| content("salt", "32 bytes", format!("{} bytes", payload.len())))?;
        let mut repr = [0u8; 32];
        repr.copy_from_slice(salt);
        let salt = Option::from(Fr::from_repr(repr))
            .ok_or_else(|| content("salt", "a canonical field element", "a larger one".into()))?;
        let weights =
            read_weights(weights).map_err(|(expected, got)| content("weights", expected, got))?;
        Ok(Self { salt, weights })
    }
}

/// The tensors of a file, in the order of their ids: id, number of weights and weights, each a little-endian word of
/// 64 bits. The error is what was expected and what was found; it has no weight.
fn read_weights(mut bytes: &[u8]) -> Result<Weights, (&'static str, String)> {
    let mut weights = Weights::new();
    while !bytes.is_empty() {
        let cut = |left: usize| ("whole tensors of integers", format!("{left} bytes more"));
        let (id, rest) = word(bytes).ok_or_else(|| cut(bytes.len()))?;
        let (count, rest) = word(rest).ok_or_else(|| cut(rest.len()))?;
        let length = usize::try_from(u64::from_le_bytes(count)).ok();
        let length = length.and_then(|count| count.checked_mul(WORD));
        let (values, rest) = length
            .and_then(|length| rest.split_at_checked(length))
            .ok_or_else(|| cut(rest.len()))?;
        let (values, _) = values.as_chunks::<WORD>();
        let after = |id: &usize| {
            let last = weights.last_key_value();
            last.is_none_or(|(last, _)| last.0 < *id)
        };
        let id = usize::try_from(u64::from_le_bytes(id)).ok().filter(after);
        let id = id.ok_or_else(|| ("each tensor once, in order", "one out of order".to_owned()))?;
        let values = values.iter().map(|v| i64::from_le_bytes(*v)).collect();
        weights.insert(TensorId(id), values);
        bytes = rest;
    }
    Ok(weights)
}

/// Bytes of a number in a file.
const WORD: usize = size_of::<u64>();

fn word(bytes: &[u8]) -> Option<([u8; WORD], &[u8])> {
    let (word, rest) = bytes.split_first_chunk()?;
    Some((*word, rest))
}
