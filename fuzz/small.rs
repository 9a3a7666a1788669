//! A small model, and everything that is made from one.
#![allow(missing_docs)] // Of fields that say what they are.

use anyhow::Result;
use halo2_proofs::halo2curves::bn256::Fr;
use serde::Serialize;
use std::{fs, path::Path, sync::Arc};
use zkml_aggregation::{AggregateProof, ACCUMULATOR_LIMBS};
use zkml_cli::bundle::{Bundle, Inner};
use zkml_import as import;
use zkml_import::{ImportOptions, Model};
use zkml_model::{
    layout::{Plan, Visibilities},
    planner::Goal,
    prove::{prove, Architecture, Keys, Opening, Proof, Request, Word},
};
use zkml_srs::Srs;

/// A small model with all that belongs to it.
pub struct Small {
    pub model: Model,
    pub architecture: Architecture,
    pub plan: Arc<Plan>,
    pub srs: Srs,
    pub keys: Keys,
    pub opening: Opening,
    pub proof: Proof,
}

#[derive(Serialize)]
pub struct Tensor {
    pub idx: i64,
    pub shape: Vec<i64>,
    pub data: Vec<i64>,
}

#[derive(Serialize)]
struct Layer {
    layer_type: &'static str,
    params: Vec<i64>,
    inp_idxes: Vec<i64>,
    inp_shapes: Vec<Vec<i64>>,
    out_idxes: Vec<i64>,
    out_shapes: Vec<Vec<i64>>,
    mask: Vec<i64>,
}

#[derive(Serialize)]
struct File {
    global_sf: i64,
    k: i64,
    num_cols: i64,
    inp_idxes: Vec<i64>,
    out_idxes: Vec<i64>,
    tensors: Vec<Tensor>,
    layers: Vec<Layer>,
    use_selectors: bool,
    commit: bool,
}

/// Two fully connected layers, in zkml's format.
fn msgpack_model() -> Result<Vec<u8>> {
    let tensor = |idx, shape: &[i64], data: &[i64]| Tensor {
        idx,
        shape: shape.to_vec(),
        data: data.to_vec(),
    };
    let layer = |inputs: [(i64, &[i64]); 3], out: i64, relu| Layer {
        layer_type: "FullyConnected",
        params: vec![relu],
        inp_idxes: inputs.iter().map(|input| input.0).collect(),
        inp_shapes: inputs.iter().map(|input| input.1.to_vec()).collect(),
        out_idxes: vec![out],
        out_shapes: vec![vec![1, 2]],
        mask: Vec::new(),
    };
    Ok(rmp_serde::to_vec_named(&File {
        global_sf: 16,
        k: 15,
        num_cols: 6,
        inp_idxes: vec![0],
        out_idxes: vec![6],
        tensors: vec![
            tensor(1, &[2, 3], &[3, -4, 5, 0, 7, -1]),
            tensor(2, &[2], &[1, -2]),
            tensor(4, &[2, 2], &[9, -3, 2, 8]),
            tensor(5, &[2], &[0, 4]),
        ],
        layers: vec![
            layer([(0, &[1, 3]), (1, &[2, 3]), (2, &[2])], 3, 1),
            layer([(3, &[1, 2]), (4, &[2, 2]), (5, &[2])], 6, 0),
        ],
        use_selectors: true,
        commit: false,
    })?)
}

impl Small {
    /// Makes it, and its model file in `work`.
    pub fn new(work: &Path) -> Result<Self> {
        let path = work.join("model.msgpack");
        fs::write(&path, msgpack_model()?)?;
        let model = import::load(&path, &ImportOptions::default())?;
        let (graph, source) = (model.graph.clone(), model.source.clone());
        let (architecture, plan) =
            Architecture::new(graph, source, Visibilities::default(), Goal::Prove)?;
        let srs = Srs::development_from_seed(plan.shape.k, [1; 32], &|_, _| ())?;
        let keys = Keys::new(&plan, &srs)?;
        let opening = Opening::new(model.weights.clone());
        let request = Request {
            inputs: vec![vec![1, -2, 3]],
            context: Fr::from(7),
            transcript: architecture.transcript(),
        };
        let (proof, _) = prove(&architecture, &plan, &srs, &keys, &opening, &request)?;
        Ok(Self {
            model,
            architecture,
            plan,
            srs,
            keys,
            opening,
            proof,
        })
    }

    /// What an aggregation's file holds, with a proof that proves nothing.
    pub fn bundle(&self) -> Bundle {
        let statement = self.proof.statement.clone();
        let key_digest = Word(Fr::from(5));
        let mut instances = vec![Fr::from(3); ACCUMULATOR_LIMBS];
        instances.extend([key_digest.0, statement.commitment.0, statement.context.0]);
        Bundle {
            aggregate: AggregateProof {
                instances,
                proof: vec![7; 512],
            },
            inner: vec![Inner {
                verifying_key: self.proof.verifying_key,
                key_digest,
                statement,
            }],
            srs: self.srs.provenance.clone(),
        }
    }
}
