//! What a witness states, and whether that is true.

use std::collections::{BTreeMap, BTreeSet};

use halo2_proofs::halo2curves::bn256::Fr;
use num_bigint::BigInt;

use super::super::fixtures::Model;
use super::{check::Checker, evaluator, prover::read};
use crate::{
    circuit::Witness,
    layout::{Exposed, Home, Packing, Place, Plan, Shape, Step},
    planner::Goal,
    prove::{Architecture, Exposure, Statement, Word},
};
use zkml_graph::{Graph, Role, TensorId, Visibility};
use zkml_import::{Format, Layout, Port, Source};

/// A model as a verifier finds it in config.json.
pub fn architecture(model: &Model, shape: Shape) -> Architecture {
    let ports = |ids: &[TensorId]| {
        let port = |id: &TensorId| Port {
            name: model.graph.tensors[id.0].name.clone(),
            shape: model.graph.tensors[id.0].shape.clone(),
            layout: Layout::Plain,
            scale: None,
        };
        ids.iter().map(port).collect()
    };
    let source = Source {
        format: Format::Onnx,
        inputs: ports(&model.graph.inputs),
        outputs: ports(&model.graph.outputs),
    };
    // Whoever writes the file has the words of the layout in it, if there is one.
    let plan = Plan::new(&model.graph, &model.visibilities, shape);
    let words = plan.map(|plan| plan.statement.form.encodings());
    Architecture {
        version: 6,
        optimised_for: Goal::Prove,
        shape,
        visibilities: model.visibilities.clone(),
        words: words.unwrap_or_default(),
        source,
        graph: model.graph.clone(),
    }
}

/// The packing of an input or output.
pub fn packing<'a>(plan: &'a Plan, exposed: &Exposed) -> Option<&'a Packing> {
    let first = match (exposed.message, exposed.instance) {
        (Some(message), _) => Place::Message { message, index: 1 },
        (None, instance) => Place::Instance(instance?),
    };
    let at = |packing: &&Packing| plan.statement.words.get(packing.first_word) == Some(&first);
    plan.statement.packings.iter().find(at)
}

/// What a home's cells say.
pub fn stated(home: &Home, witness: &Witness) -> Vec<i128> {
    let at = |p: &usize| i128::from(home.offset) + read(&home.limbs, &witness.blocks, *p);
    home.positions.iter().map(at).collect()
}

/// The weights behind C, by the cells that its words pack; `None` where one element has two values.
fn committed(plan: &Plan, graph: &Graph, witness: &Witness) -> Option<evaluator::Tensors> {
    let is_model = |word: usize| {
        let place = plan.statement.words.get(word);
        matches!(place, Some(Place::Message { message: 0, .. }))
    };
    let packings = plan.statement.packings.iter();
    let lanes: BTreeSet<(usize, usize)> = packings
        .filter(|packing| is_model(packing.first_word))
        .flat_map(|packing| &packing.lanes)
        .map(|lane| (lane.limbs[0].block, lane.segment))
        .collect();
    let mut known: BTreeMap<TensorId, BTreeMap<usize, i128>> = BTreeMap::new();
    for step in &plan.steps {
        let Step::Given {
            limbs,
            offset,
            elements,
        } = step
        else {
            continue;
        };
        let width = plan.blocks[limbs[0].block].geometry.rows * plan.shape.data;
        for (at, element) in elements.iter().enumerate() {
            let Some((id, e)) = element.filter(|_| lanes.contains(&(limbs[0].block, at / width)))
            else {
                continue;
            };
            let value = i128::from(*offset) + read(limbs, &witness.blocks, at);
            let before = known.entry(id).or_default().insert(e, value);
            if before.is_some_and(|before| before != value) {
                return None;
            }
        }
    }
    // A tensor that nothing was computed from has no cells.
    let all = graph
        .tensors
        .iter()
        .enumerate()
        .filter(|(_, t)| t.role == Role::Weight);
    let values = all.map(|(id, tensor)| {
        let own = known.remove(&TensorId(id)).unwrap_or_default();
        let at = |e| BigInt::from(own.get(&e).copied().unwrap_or(0));
        let count = tensor.shape.iter().product();
        (TensorId(id), (0..count).map(at).collect())
    });
    Some(values.collect())
}

/// A configuration under attack.
pub struct Attack<'a> {
    pub architecture: &'a Architecture,
    pub plan: &'a Plan,
    pub checker: Checker<'a>,
    /// The graph that the configuration's runs so many times, where that is known.
    pub runs: Option<(&'a Graph, usize)>,
}

impl<'a> Attack<'a> {
    pub fn new(architecture: &'a Architecture, plan: &'a Plan) -> Self {
        Self {
            architecture,
            plan,
            checker: Checker::new(plan),
            runs: None,
        }
    }

    fn exposed(&self) -> impl Iterator<Item = &'a Exposed> {
        let form = &self.plan.statement.form;
        form.inputs.iter().chain(&form.outputs)
    }

    fn values(&self, witness: &Witness, exposed: &Exposed) -> Option<Vec<i128>> {
        Some(stated(self.plan.homes[exposed.tensor.0].as_ref()?, witness))
    }

    /// The statement of a witness with these values in place of its own.
    pub fn statement(&self, witness: &Witness, values: &[Vec<i128>]) -> Option<Statement> {
        let narrow = |v: &Vec<i128>| -> Option<Vec<i64>> {
            v.iter().map(|v| i64::try_from(*v).ok()).collect()
        };
        let exposures = self.exposed().zip(values).map(|(exposed, values)| {
            Some(match (exposed.visibility, exposed.instance) {
                (Visibility::Public, _) => Exposure::Public(narrow(values)?),
                (Visibility::Hashed, Some(row)) => Exposure::Hashed(Word(witness.instances[row])),
                (Visibility::Hashed, None) | (Visibility::Private, _) => Exposure::Private,
            })
        });
        let mut exposures = exposures.collect::<Option<Vec<_>>>()?;
        let outputs = exposures.split_off(self.plan.statement.form.inputs.len());
        Some(Statement {
            commitment: Word(witness.instances[0]),
            context: Word(Fr::from(9)),
            inputs: exposures,
            outputs,
        })
    }

    /// The values of all that a witness exposes, private ones too.
    pub fn all_values(&self, witness: &Witness) -> Option<Vec<Vec<i128>>> {
        self.exposed().map(|e| self.values(witness, e)).collect()
    }

    /// Whether a verifier takes these values for what is public of a witness's statement.
    fn states(&self, witness: &Witness, values: &[Vec<i128>]) -> bool {
        let statement = self.statement(witness, values);
        let instances = statement.map(|s| s.instances(&self.plan.statement.form));
        instances.is_some_and(|i| i.is_ok_and(|instances| instances == witness.instances))
    }

    /// Whether what the values of inputs and outputs say follows from the weights behind C.
    fn is_true(&self, witness: &Witness, values: &[Vec<i128>]) -> bool {
        let graph = &self.architecture.graph;
        let Some(weights) = committed(self.plan, graph, witness) else {
            return false;
        };
        let wide = |v: &Vec<i128>| v.iter().map(|v| BigInt::from(*v)).collect::<Vec<_>>();
        let (inputs, outputs) = values.split_at(self.plan.statement.form.inputs.len());
        let inputs: Vec<_> = inputs.iter().map(wide).collect();
        let outputs: Vec<_> = outputs.iter().map(wide).collect();
        // Each inference of a batch is one of its own.
        let alone = |(single, runs): (&Graph, usize)| {
            let part = |run: usize, all: &[Vec<BigInt>]| -> Vec<Vec<BigInt>> {
                let one = |v: &Vec<BigInt>| v[v.len() / runs * run..][..v.len() / runs].to_vec();
                all.iter().map(one).collect()
            };
            (0..runs).all(|run| {
                let expected = Some(part(run, &outputs));
                evaluator::outputs(single, &weights, &part(run, &inputs)) == expected
            })
        };
        self.runs.is_none_or(alone)
            && evaluator::outputs(graph, &weights, &inputs) == Some(outputs.clone())
    }

    /// Whether each digest is that of the tensor in the cells.
    fn digests_open(&self, witness: &Witness, values: &[Vec<i128>]) -> bool {
        let hashed = |e: &Exposed| e.visibility == Visibility::Hashed;
        self.exposed()
            .zip(values)
            .filter(|(e, _)| hashed(e))
            .all(|(exposed, values)| {
                let packing = packing(self.plan, exposed);
                let values: Option<Vec<i64>> =
                    values.iter().map(|v| i64::try_from(*v).ok()).collect();
                match (packing, values) {
                    (Some(packing), Some(values)) => {
                        let words = &witness.words[packing.first_word..][..packing.words];
                        exposed.pack(&values) == words
                    }
                    _ => false,
                }
            })
    }

    /// A false statement that a verifier reads in this witness's public values.
    pub fn lie(&self, witness: &Witness) -> Option<Lie> {
        let values = self.all_values(witness)?;
        let lie = |values: &[Vec<i128>], what: String| Lie {
            statement: self.statement(witness, values),
            what,
        };
        if !self.digests_open(witness, &values) {
            let what = "a digest that the tensor does not open".into();
            return Some(lie(&values, what));
        }
        if self.states(witness, &values) && !self.is_true(witness, &values) {
            return Some(lie(&values, format!("states {values:?}")));
        }
        // Other values with the same words: a unit of one is all of the bits of the next.
        for (i, exposed) in self.exposed().enumerate() {
            let Some(encoding) = exposed
                .encoding
                .filter(|_| exposed.visibility == Visibility::Public)
            else {
                continue;
            };
            for e in 0..values[i].len() {
                for by in [1, -1] {
                    let mut other = values.clone();
                    other[i][e] += by;
                    let mut others = vec![other.clone()];
                    if let Some(next) = other[i].get_mut(e + 1) {
                        *next -= by << encoding.bits;
                        others.push(other);
                    }
                    let mut read = others.into_iter().filter(|v| self.states(witness, v));
                    if let Some(other) = read.next() {
                        let what = format!("states {other:?} and {values:?}");
                        return Some(lie(&other, what));
                    }
                }
            }
        }
        None
    }
}

/// A false statement.
#[derive(Debug, PartialEq, Eq)]
pub struct Lie {
    /// As a verifier is given it; `None` where a value is beyond 64 bits.
    pub statement: Option<Statement>,
    /// In words.
    pub what: String,
}
