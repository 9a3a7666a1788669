//! A vector laid out in several segments, and then read by an elementwise operation: the identity
//! must tell apart cells of different segments, or a prover could shift values between them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

use std::sync::Arc;

use halo2_proofs::{
    arithmetic::Field,
    dev::MockProver,
    halo2curves::{bn256::Fr, ff::PrimeField},
};
use zkml_graph::{range, Clamp, Graph, Interval, Node, Op, Role, Tensor, TensorId, Weights};
use zkml_model::{
    circuit::{ModelCircuit, Purpose, Witness},
    layout::{Clamps, Plan, Shape, Step, Visibilities},
};

const K: u32 = 12;
const OUTPUTS: usize = 10;

fn tensor(name: &str, shape: &[usize], role: Role, bits: u32) -> Tensor {
    Tensor {
        name: name.into(),
        shape: shape.to_vec(),
        role,
        range: Interval::signed(bits),
    }
}

/// `y = W·x` and `z = relu(y)`, both outputs, so that y is laid out to be packed.
fn model() -> (Graph, Weights) {
    let [x, w, y, z] = [0, 1, 2, 3].map(TensorId);
    let pre = Interval::signed(2);
    let node = |name: &str, op: Op, output: TensorId| Node {
        name: name.into(),
        op,
        output,
        pre,
    };
    let linear = Op::Linear {
        x,
        w,
        bias: None,
        div: 16,
        clamp: None,
    };
    let relu = Op::clamped(y, Clamp::RELU);
    let mut graph = Graph {
        scale: 16,
        tensors: vec![
            tensor("x", &[4], Role::Input, 8),
            tensor("w", &[OUTPUTS, 4], Role::Weight, 8),
            tensor("y", &[OUTPUTS], Role::Activation, 2),
            tensor("z", &[OUTPUTS], Role::Activation, 2),
        ],
        nodes: vec![node("linear", linear, y), node("relu", relu, z)],
        inputs: vec![x],
        outputs: vec![y, z],
        tables: Vec::new(),
    };
    let weights = Weights::from([(w, (0..4 * OUTPUTS as i64).map(|i| 3 + i).collect())]);
    range::propagate(&mut graph, &weights).unwrap();
    (graph, weights)
}

/// The words that the data cells pack to.
fn words(plan: &Plan, blocks: &[Vec<u64>]) -> Vec<Fr> {
    let mut words = vec![Fr::ZERO; plan.statement.words.len()];
    for packing in &plan.statement.packings {
        let width = packing.rows * plan.shape.data;
        for i in 0..packing.words {
            words[packing.first_word + i] =
                packing.lanes.iter().rev().fold(Fr::ZERO, |sum, lane| {
                    let at = lane.segment * width + i;
                    let cell: u64 = lane
                        .limbs
                        .iter()
                        .map(|l| l.base * blocks[l.block][at])
                        .sum();
                    sum * Fr::from_u128(1 << lane.bits) + Fr::from(cell)
                });
        }
    }
    words
}

fn accepts(plan: &Arc<Plan>, witness: Witness) -> bool {
    let instances = witness.instances.clone();
    let circuit = ModelCircuit::with_witness(plan.clone(), Arc::new(witness), Purpose::Constraints);
    MockProver::run(K, &circuit, vec![instances])
        .unwrap()
        .verify()
        .is_ok()
}

#[test]
fn cells_of_different_segments_are_told_apart() {
    let (graph, weights) = model();
    let shape = Shape {
        k: K,
        data: 2,
        hash_width: 3,
        limb_bits: K - 2,
        clamps: Clamps::ALL,
        stacked: false,
    };
    let plan = Arc::new(Plan::new(&graph, &Visibilities::default(), shape).unwrap());
    let input = vec![5i64; 4];
    let values = |id: TensorId| match id {
        TensorId(0) => Some(input.as_slice()),
        other => weights.get(&other).map(Vec::as_slice),
    };
    let salts = vec![Fr::from(7); plan.statement.messages.len()];
    let names = |node: usize| graph.nodes[node].name.clone();
    let honest = Witness::new(&plan, &names, &values, salts.clone(), Fr::ZERO).unwrap();
    assert_eq!(words(&plan, &honest.blocks), honest.words);
    assert!(accepts(&plan, honest.clone()));

    // z, one unit more in the last cell of the first segment, one less in the first of the next.
    let home = plan.homes[3].as_ref().unwrap();
    let width = home.geometry.rows * shape.data;
    assert!(home.geometry.segments > 1, "{:?}", home.geometry);
    let mut blocks = honest.blocks.clone();
    blocks[home.limbs[0].block][width - 1] += 1;
    blocks[home.limbs[0].block][width] -= 1;
    for step in &plan.steps {
        if let Step::Gather { copies } = step {
            for (to, from) in copies {
                blocks[to.block][to.index] = blocks[from.block][from.index];
            }
        }
    }
    let words = words(&plan, &blocks);
    let forged = Witness::finish(&plan, blocks, words, salts, Fr::ZERO).unwrap();
    assert_ne!(forged.instances, honest.instances);
    assert!(!accepts(&plan, forged));
}
