//! Public tensors as words: which element is where, and that a prover has no choice in it.

use std::sync::Arc;

use num_bigint::BigUint;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

use halo2_proofs::halo2curves::{bn256::Fr, ff::PrimeField};

use super::{
    cheats::{forged, Blocks},
    enemy::{
        graphs::{self, Declared},
        packing,
    },
    fixtures::*,
    reject::failures,
};
use crate::{
    circuit::{witness::plan_words, ModelCircuit, Purpose, Witness},
    layout::{Plan, Step, WORD_BITS},
};
use zkml_graph::Op;

const INPUTS: usize = 12;
const OUTPUTS: usize = 7;

/// Twelve elements in five words of three: the last word is all pads. Seven in five words of two.
fn model() -> Model {
    let mut model = Model::new(43);
    let x = model.input(&[INPUTS], 6);
    let w = model.weight(&[OUTPUTS, INPUTS], 20);
    let linear = Op::Linear {
        x,
        w,
        bias: None,
        div: 1,
        clamp: None,
    };
    let y = model.node(&[OUTPUTS], linear);
    model.finish(y)
}

fn words(values: &[i64], lo: i64, bits: u32, m: usize) -> Vec<Fr> {
    let s = values.len().div_ceil(m);
    let element = |e: usize| values.get(e).copied().unwrap_or(lo.max(0)) - lo;
    (0..m)
        .map(|i| (0..s).fold(0, |word, t| (word << bits) + element(i * s + t) as u128))
        .map(Fr::from_u128)
        .collect()
}

#[test]
fn words_hold_consecutive_elements() {
    let mut model = model();
    let plan = model.plan(the_shape());
    let inputs = model.random_input();
    let witness = model.witness(&plan, &inputs);
    let home = plan.homes[model.graph.outputs[0].0].as_ref().unwrap();
    let outputs: Vec<i64> = home
        .positions
        .iter()
        .map(|&at| {
            let limbs = home.limbs.iter();
            limbs.fold(home.offset, |sum, limb| {
                sum + (limb.base * witness.blocks[limb.block][at]) as i64
            })
        })
        .collect();
    let statement = &plan.statement;
    let mut expected = witness.instances[..2].to_vec();
    for (exposed, values) in [
        (&statement.form.inputs[0], &inputs[0]),
        (&statement.form.outputs[0], &outputs),
    ] {
        let packing = packing(&plan, exposed).unwrap();
        let m = packing.rows * plan.shape.data;
        let lo = exposed.encoding.unwrap().lo;
        let packed = words(values, lo, packing.lanes[0].bits, m);
        assert_eq!(exposed.pack(values), packed);
        expected.extend(packed);
    }
    assert_eq!(witness.instances, expected);
    // The output is exposed where it was computed.
    let packing = packing(&plan, &statement.form.outputs[0]).unwrap();
    assert_eq!(packing.lanes[0].limbs, home.limbs);
}

/// The input's cells are others than the statement packs: proven is another statement, and the honest
/// one is not, whichever words the prover has.
fn is_another_statement(cheat: impl Fn(&[usize], &mut Vec<u64>)) {
    let given = |step: &Step| matches!(step, Step::Given { .. });
    let cheat = |plan: &Plan, blocks: &mut Blocks| {
        let home = plan.homes[0].as_ref().unwrap();
        cheat(&home.positions, &mut blocks[home.limbs[0].block]);
    };
    let (plan, witness) = forged(&mut model(), given, |plan, blocks, _| cheat(plan, blocks));
    let fails = |witness: Witness, instances: &[Fr]| {
        let circuit =
            ModelCircuit::with_witness(plan.clone(), Arc::new(witness), Purpose::Constraints);
        failures(&circuit, the_shape().k, instances.to_vec())
    };
    let forged = Witness::clone(&witness);
    assert!(fails(forged.clone(), &forged.instances).is_empty());
    // The cheat undoes itself.
    let mut blocks = forged.blocks.clone();
    cheat(&plan, &mut blocks);
    let words = plan_words(&plan, &blocks);
    let (salts, context) = (forged.salts.clone(), Fr::from(9));
    let honest = Witness::finish(&plan, blocks, words, salts.clone(), context).unwrap();
    assert_ne!(honest.instances, forged.instances);
    assert!(fails(forged.clone(), &honest.instances).contains("copy"));
    let words = honest.words.clone();
    let mixed = Witness::finish(&plan, forged.blocks, words, salts, context).unwrap();
    assert!(!fails(mixed, &honest.instances).is_empty());
}

#[test]
fn elements_in_another_order() {
    is_another_statement(|positions, block| block.swap(positions[0], positions[1]));
}

#[test]
fn pads_that_are_not_zero() {
    is_another_statement(|positions, block| {
        let pad = (0..block.len()).find(|cell| !positions.contains(cell));
        block[pad.unwrap()] ^= 1;
    });
}

/// Whatever ranges a configuration declares, if it has a plan: words of tensors of the declared range decode to
/// these tensors and zeros, and so no two have the same words.
#[test]
fn words_and_tensors_are_one_to_one() {
    let (mut plans, mut changed) = (0, 0);
    for seed in 0..400 {
        let Some(mut model) = graphs::graph(seed) else {
            continue;
        };
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let declared = [Declared::Honest, Declared::Loosened, Declared::Nonsense];
        let declared = declared[seed as usize % 3];
        graphs::declare(&mut model.graph, declared, &mut rng);
        if model.graph.validate().is_err() {
            continue;
        }
        let Ok(plan) = Plan::new(&model.graph, &model.visibilities, shape(11, 5, 3)) else {
            continue;
        };
        plans += 1;
        changed += usize::from(declared != Declared::Honest);
        let form = &plan.statement.form;
        let exposed = form.inputs.iter().chain(&form.outputs);
        for exposed in exposed.filter(|exposed| exposed.encoding.is_some()) {
            let lo = exposed.encoding.unwrap().lo;
            let tensor = &model.graph.tensors[exposed.tensor.0];
            let range = tensor.range;
            let draw = |_| match rng.gen_range(0..3) {
                0 => range.lo,
                1 => range.hi,
                _ => rng.gen_range(range.lo..=range.hi),
            };
            let count = tensor.shape.iter().product::<usize>();
            let values: Vec<i64> = (0..count).map(draw).collect();
            let packing = packing(&plan, exposed).unwrap();
            let bits = packing.lanes[0].bits;
            assert!(packing.lanes.len() as u32 * bits <= WORD_BITS);
            let decoded = exposed.pack(&values).into_iter().flat_map(|word| {
                let word = BigUint::from_bytes_le(word.to_repr().as_ref());
                let lanes = (0..packing.lanes.len() as u32).rev();
                let mask = (BigUint::from(1u8) << bits) - 1u8;
                lanes.map(move |t| i128::try_from((&word >> (bits * t)) & &mask).unwrap())
            });
            let decoded: Vec<i128> = decoded.map(|v| v + i128::from(lo)).collect();
            let (own, pads) = decoded.split_at(count);
            assert!(own.iter().eq(values
                .iter()
                .map(|v| i128::from(*v))
                .collect::<Vec<_>>()
                .iter()));
            let pad = i128::from(lo.max(0));
            assert!(pads.iter().all(|v| *v == pad), "seed {seed}: {pads:?}");
        }
    }
    assert!(
        plans > 100 && changed > 40,
        "{plans} plans, {changed} of other ranges"
    );
}
