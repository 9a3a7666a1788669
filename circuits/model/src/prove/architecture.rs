//! A model without its weights: what the verifying key is derived from.

use std::{path::Path, sync::Arc};

use blake2b_simd::Params;
use halo2_proofs::halo2curves::{bn256::Fr, ff::FromUniformBytes};
use serde::{Deserialize, Serialize};

use super::{ProveError, Transcript};
use crate::{
    layout::{Encodings, Form, Plan, Shape, Visibilities},
    planner::{self, Goal},
};
use zkml_files::{read_bounded, write_atomic};
use zkml_graph::{
    ops::{elements, MAX_SCALE},
    Graph,
};
use zkml_import::{without_values, Source};

/// Version of the file format.
const VERSION: u32 = 6;
/// Largest architecture file that is read.
const MAX_FILE: u64 = 64 << 20;

/// The integer graph, how it is exposed, and the shape of its circuit.
///
/// It holds tensor shapes and value ranges (powers of two, mostly), but no weight. Whoever has
/// it and the SRS can derive the verifying key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Format version.
    pub version: u32,
    /// What the layout is optimised for.
    pub optimised_for: Goal,
    /// Shape of the circuit.
    pub shape: Shape,
    /// What of inputs and outputs is seen.
    pub visibilities: Visibilities,
    /// How inputs and outputs stand in the words of statements.
    pub words: Encodings,
    /// The model's ports as its file declares them.
    pub source: Source,
    /// The integer graph.
    pub graph: Graph,
}

impl Architecture {
    /// Chooses a layout for `graph`.
    pub fn new(
        graph: Graph,
        source: Source,
        visibilities: Visibilities,
        goal: Goal,
    ) -> Result<(Self, Arc<Plan>), ProveError> {
        check_visibilities(&graph, &visibilities)?;
        let mut plan = planner::choose(&graph, &visibilities, goal)?;
        let architecture = Self {
            version: VERSION,
            optimised_for: goal,
            shape: plan.shape,
            visibilities,
            words: plan.statement.form.encodings(),
            source,
            graph,
        };
        plan.configuration = architecture.digest()?;
        Ok((architecture, Arc::new(plan)))
    }

    /// What its statements consist of: all that verifying needs beside the key, so that it costs no more than the file
    /// and the statement are large. Whether a layout has it so is asked where keys are made ([`Self::plan`]).
    pub fn form(&self) -> Result<Form, ProveError> {
        self.graph
            .validate()
            .and_then(|()| self.graph.check_ranges())
            .map_err(|error| ProveError::Invalid(error.to_string()))?;
        check_ports(&self.source, &self.graph)?;
        check_visibilities(&self.graph, &self.visibilities)?;
        check_shape(&self.shape)?;
        let form = Form::of(&self.graph, &self.visibilities, &self.words, &self.shape)?;
        Ok(form)
    }

    /// The layout.
    ///
    /// # Errors
    /// Where the file is not one that keys can be made of, or its statements are not those of the layout.
    pub fn plan(&self) -> Result<Arc<Plan>, ProveError> {
        let declared = self.form()?;
        planner::within_reach(&self.graph)?;
        let mut plan = Plan::new(&self.graph, &self.visibilities, self.shape)?;
        let own = &plan.statement.form;
        if declared != *own {
            return Err(ProveError::Invalid(format!(
                "words: expected {:?}, as the layout has them, got {:?}",
                own.encodings(),
                self.words
            )));
        }
        plan.configuration = self.digest()?;
        Ok(Arc::new(plan))
    }

    /// Digest of everything that the file says, which the verifying key commits to: a scale, a name or a range
    /// that no constraint reads decides what a reader makes of a statement. It is of the JSON without spaces, in
    /// the order of the fields.
    pub fn digest(&self) -> Result<Fr, ProveError> {
        let text =
            serde_json::to_vec(self).map_err(|error| ProveError::Invalid(error.to_string()))?;
        let hash = Params::new().personal(b"zkml config").hash(&text);
        Ok(Fr::from_uniform_bytes(hash.as_array()))
    }

    /// The transcript that proofs have unless another is asked for.
    pub fn transcript(&self) -> Transcript {
        match self.optimised_for {
            Goal::Direct => Transcript::Keccak,
            Goal::Prove | Goal::Onchain => Transcript::Poseidon,
        }
    }

    /// Writes the architecture as JSON.
    pub fn save(&self, path: &Path) -> Result<(), ProveError> {
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| ProveError::Invalid(error.to_string()))?;
        write_atomic(path, &mut |out| out.write_all(&text))?;
        Ok(())
    }

    /// Reads an architecture.
    pub fn load(path: &Path) -> Result<Self, ProveError> {
        let content = |place: &str, expected: &str, got: String| ProveError::Content {
            path: path.to_path_buf(),
            place: place.into(),
            expected: expected.into(),
            got,
        };
        let bytes = read_bounded(path, MAX_FILE)?;
        let malformed = |error: serde_json::Error| {
            content(
                &format!("line {}, column {}", error.line(), error.column()),
                "an architecture written by `zkml setup` (config.json)",
                without_values(error),
            )
        };
        // What another version has fields for is not to be told from damage, so the version comes first.
        let Versioned { version } = serde_json::from_slice(&bytes).map_err(malformed)?;
        if version != VERSION {
            let of = match version < VERSION {
                true => "made by an earlier version of zkml, run `zkml setup` again",
                false => "made by a later version of zkml, use that one",
            };
            let got = format!("{version} ({of})");
            return Err(content("version", &VERSION.to_string(), got));
        }
        serde_json::from_slice(&bytes).map_err(malformed)
    }
}

/// The one field that files of all versions have.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

fn check_ports(source: &Source, graph: &Graph) -> Result<(), ProveError> {
    for (name, ports, ids) in [
        ("input", &source.inputs, &graph.inputs),
        ("output", &source.outputs, &graph.outputs),
    ] {
        if ports.len() != ids.len() {
            return Err(ProveError::Invalid(format!(
                "source: expected {} {name}s, as the graph has, got {}",
                ids.len(),
                ports.len()
            )));
        }
        for (index, port) in ports.iter().enumerate() {
            let scale = port.scale_or(graph.scale);
            if !(1..=MAX_SCALE).contains(&scale) || elements(&port.shape).is_none() {
                return Err(ProveError::Invalid(format!(
                    "source, {name} {index}: expected a scale of 1 to 2^40 and a shape of at most 2^26 elements, got {scale} and {:?}",
                    port.shape
                )));
            }
        }
    }
    Ok(())
}

fn check_visibilities(graph: &Graph, visibilities: &Visibilities) -> Result<(), ProveError> {
    for (name, given, has) in [
        ("inputs", visibilities.inputs.len(), graph.inputs.len()),
        ("outputs", visibilities.outputs.len(), graph.outputs.len()),
    ] {
        if given > has {
            return Err(ProveError::Invalid(format!(
                "visibility of {given} {name} given, the model has {has}"
            )));
        }
    }
    Ok(())
}

fn check_shape(shape: &Shape) -> Result<(), ProveError> {
    let sound = (6..=24).contains(&shape.k)
        && (1..=64).contains(&shape.data)
        && crate::hash::Poseidon::WIDTHS.contains(&shape.hash_width)
        && (1..=shape.k - 2).contains(&shape.limb_bits)
        && (!shape.stacked || shape.data == 1);
    if sound {
        Ok(())
    } else {
        Err(ProveError::Invalid(format!(
            "shape {shape:?} cannot be: expected k in 6..=24, 1 to 64 data columns (1 if it is stacked), a hash width of 3, 5 or 9, limb bits in 1..=k-2"
        )))
    }
}
