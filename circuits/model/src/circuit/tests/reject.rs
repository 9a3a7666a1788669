//! Cheating witnesses, each consistent but for one thing, and the constraint that stops it.

use std::{collections::BTreeSet, sync::Arc};

use halo2_proofs::{
    dev::{MockProver, VerifyFailure},
    halo2curves::bn256::Fr,
};

use super::{fixtures::*, Override};
use crate::{
    circuit::{ModelCircuit, Purpose, Witness},
    layout::{Emit, Gate, Plan, Shape, Step},
};
use zkml_graph::{Op, Visibility};

/// The kinds of constraints that fail: gate names, `copy`.
pub fn failures(circuit: &ModelCircuit, k: u32, instances: Vec<Fr>) -> BTreeSet<String> {
    let prover = MockProver::run(k, circuit, vec![instances]).unwrap();
    let Err(failures) = prover.verify() else {
        return BTreeSet::new();
    };
    failures
        .into_iter()
        .map(|failure| match failure {
            VerifyFailure::ConstraintNotSatisfied { constraint, .. } => {
                let text = constraint.to_string();
                let name = text.split("gate").nth(1).unwrap_or(&text);
                name.split('\'').nth(1).unwrap_or(name).to_string()
            }
            VerifyFailure::Permutation { .. } => "copy".to_string(),
            other => format!("{other:?}"),
        })
        .collect()
}

/// Runs `model` with a witness that `cheat` changed before words and digests were computed; the
/// statement is the honest one unless `restate`. The circuit without the gates that the model does without
/// must fail alike.
pub fn cheat(
    model: &mut Model,
    restate: bool,
    cheat: impl Fn(&Plan, &mut Witness),
) -> BTreeSet<String> {
    let lean = leanest(model, the_shape());
    let [canonical, lean] = [the_shape(), lean].map(|s| cheat_in(s, model, restate, &cheat));
    assert_eq!(canonical, lean);
    let stacked = cheat_in(stacked(13), model, restate, &cheat);
    // Its look-up gates have other names.
    let kinds = |names: &BTreeSet<String>| -> BTreeSet<String> {
        let kind = |name: &String| match name.starts_with("lookup") {
            true => "lookup".to_string(),
            false => name.clone(),
        };
        names.iter().map(kind).collect()
    };
    assert_eq!(kinds(&canonical), kinds(&stacked));
    canonical
}

pub fn cheat_in(
    shape: Shape,
    model: &mut Model,
    restate: bool,
    cheat: &impl Fn(&Plan, &mut Witness),
) -> BTreeSet<String> {
    let plan = model.plan(shape);
    let inputs = model.random_input();
    let honest = model.witness(&plan, &inputs);
    let mut witness = Witness::clone(&honest);
    cheat(&plan, &mut witness);
    let Witness {
        blocks,
        words,
        salts,
        ..
    } = witness;
    let witness = Witness::finish(&plan, blocks, words, salts, Fr::from(9)).unwrap();
    let instances = if restate {
        witness.instances.clone()
    } else {
        honest.instances.clone()
    };
    let circuit = ModelCircuit::with_witness(plan, Arc::new(witness), Purpose::Constraints);
    failures(&circuit, shape.k, instances)
}

/// Nothing but the look-up argument fails. Which of its gates depends on the column: the honest
/// algorithm has no reciprocal for a cell that is in no table.
pub fn assert_only_lookups(result: &BTreeSet<String>) {
    let only = result.iter().all(|name| name.starts_with("lookup"));
    assert!(only && !result.is_empty(), "{result:?}");
}

pub fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_string()).collect()
}

/// The emissions of a plan, in order.
fn emits(plan: &Plan) -> Vec<&Emit> {
    plan.steps
        .iter()
        .filter_map(|step| match step {
            Step::Compute { emit, .. } => Some(emit.as_ref()),
            _ => None,
        })
        .collect()
}

/// A matmul without activation: quotient and remainder alone.
pub fn linear(seed: u64) -> Model {
    linear_of(6, seed)
}

/// The same with so many inputs.
pub fn linear_of(inputs: usize, seed: u64) -> Model {
    let mut model = Model::new(seed);
    let x = model.input(&[inputs], 6);
    let w = model.weight(&[4, inputs], 20);
    let y = model.node(
        &[4],
        Op::Linear {
            x,
            w,
            bias: None,
            div: SCALE,
            clamp: None,
        },
    );
    model.finish(y)
}

#[test]
fn the_honest_witness_passes() {
    assert_eq!(cheat(&mut linear(1), false, |_, _| {}), set(&[]));
}

/// quotient − 1 with remainder + divisor: the identity holds, the remainder's table does not.
#[test]
fn remainder_of_the_divisor_or_more() {
    let mut model = linear(1);
    // A public output with pads would be copied.
    model.visibilities.outputs = vec![Visibility::Private];
    let result = cheat(&mut model, true, |plan, witness| {
        let emit = emits(plan)[0];
        let quotient = emit.kept[0].block;
        let remainder = emit.remainder[0].block;
        let cell = (0..4).find(|&i| witness.blocks[quotient][i] > 0).unwrap();
        witness.blocks[quotient][cell] -= 1;
        witness.blocks[remainder][cell] += SCALE as u64;
        repack(plan, witness);
    });
    assert_only_lookups(&result);
}

/// Another output, stated as such: the identity of the layer fails.
#[test]
fn wrong_output_with_a_matching_statement() {
    let result = cheat(&mut linear(2), true, |plan, witness| {
        let emit = emits(plan)[0];
        let quotient = emit.kept[0].block;
        witness.blocks[quotient][0] ^= 1;
        repack(plan, witness);
    });
    assert_eq!(result, set(&["copy"]));
}

/// An honest run under another statement: the words of the output differ.
#[test]
fn right_output_under_a_wrong_statement() {
    let mut model = linear(3);
    let plan = model.plan(the_shape());
    let inputs = model.random_input();
    let witness = model.witness(&plan, &inputs);
    for row in 0..plan.statement.form.instances {
        let mut instances = witness.instances.clone();
        instances[row] += Fr::one();
        let circuit =
            ModelCircuit::with_witness(plan.clone(), witness.clone(), Purpose::Constraints);
        let expected = if row == crate::layout::Form::CONTEXT {
            // Bound by the transcript only: see the real prover's tests.
            set(&[])
        } else {
            set(&["copy"])
        };
        assert_eq!(
            failures(&circuit, the_shape().k, instances),
            expected,
            "instance {row}"
        );
    }
}

/// Other weights, correctly run and hashed, under the commitment of the first.
#[test]
fn other_weights_under_the_commitment() {
    let mut model = linear(4);
    let plan = model.plan(the_shape());
    let inputs = model.random_input();
    let honest = model.witness(&plan, &inputs);
    let other = linear(5);
    model.weights = other.weights;
    zkml_graph::range::propagate(&mut model.graph, &model.weights).unwrap();
    let witness = model.witness(&plan, &inputs);
    let mut instances = witness.instances.clone();
    instances[0] = honest.instances[0];
    let circuit = ModelCircuit::with_witness(plan, witness, Purpose::Constraints);
    assert_eq!(failures(&circuit, the_shape().k, instances), set(&["copy"]));
}

/// relu: kept and excess both one larger. Their difference, all that the identity sees, is
/// unchanged.
#[test]
fn one_sided_clamp_with_both_parts() {
    for wide in [false, true] {
        let mut model = conv(7, 2, 6, window(3, 1, 0), 1, relu());
        if wide {
            // A smaller scale: values of two limbs.
            model.graph.nodes.iter_mut().for_each(|node| {
                if let Op::Conv { div, .. } = &mut node.op {
                    *div = 2;
                }
            });
            zkml_graph::range::propagate(&mut model.graph, &model.weights).unwrap();
        }
        let result = cheat(&mut model, true, |plan, witness| {
            let emit = emits(plan)[0];
            let crate::layout::Excess::Clamped { limbs, .. } = &emit.excess else {
                panic!("no clamp")
            };
            let gate = plan.blocks[limbs[0].block].gate;
            assert_eq!(gate, Gate::OneSided { wide });
            let (kept, excess) = (emit.kept[0].block, limbs[0].block);
            let cell = (0..40)
                .find(|&i| witness.blocks[kept][i] > 0 && witness.blocks[excess][i] == 0)
                .unwrap();
            witness.blocks[kept][cell] += 1;
            witness.blocks[excess][cell] += 1;
            repack(plan, witness);
        });
        // The output is a copy of the kept value.
        assert!(result.contains("clamp one-sided"), "{result:?}");
        assert!(
            result.is_subset(&set(&["clamp one-sided", "copy"])),
            "{result:?}"
        );
    }
}

/// relu6: an excess where the kept value is inside the bounds.
#[test]
fn two_sided_clamp_inside_the_bounds() {
    let result = cheat(
        &mut conv(8, 2, 6, window(3, 1, 0), 1, relu6()),
        true,
        |plan, witness| {
            let emit = emits(plan)[0];
            let crate::layout::Excess::Clamped { limbs, .. } = &emit.excess else {
                panic!("no clamp")
            };
            let (kept, excess) = (emit.kept[0].block, limbs[0].block);
            let cap = 6 * SCALE as u64;
            let cell = (0..90)
                .find(|&i| (1..cap).contains(&witness.blocks[kept][i]))
                .unwrap();
            witness.blocks[excess][cell] += 2;
        },
    );
    assert_eq!(result, set(&["clamp two-sided", "copy"]));
}

/// relu6 with an excess of two limbs: the high limb where the kept value is inside the bounds.
#[test]
fn two_sided_clamp_high_limb_inside_the_bounds() {
    let mut model = conv(13, 2, 6, window(3, 1, 0), 1, relu6());
    // A smaller divisor: an excess too large for one limb.
    model.graph.nodes.iter_mut().for_each(|node| {
        if let Op::Conv { div, .. } = &mut node.op {
            *div = 2;
        }
    });
    zkml_graph::range::propagate(&mut model.graph, &model.weights).unwrap();
    let result = cheat(&mut model, true, |plan, witness| {
        let emit = emits(plan)[0];
        let crate::layout::Excess::Clamped { limbs, .. } = &emit.excess else {
            panic!("no clamp")
        };
        let cap = 6 * SCALE as u64;
        let gate = plan.blocks[limbs[0].block].gate;
        assert_eq!(gate, Gate::TwoSided { cap, wide: true });
        let (kept, high) = (emit.kept[0].block, limbs[1].block);
        let cell = (0..witness.blocks[kept].len())
            .find(|&i| (1..cap).contains(&witness.blocks[kept][i]))
            .unwrap();
        witness.blocks[high][cell] += 1;
    });
    assert_eq!(result, set(&["clamp two-sided, high limb", "copy"]));
}

/// A cell that stands for a constant, holding another one.
#[test]
fn constant_that_is_another() {
    let mut model = linear(14);
    let plan = model.plan(the_shape());
    let inputs = model.random_input();
    let witness = model.witness(&plan, &inputs);
    let instances = witness.instances.clone();
    let mut circuit = ModelCircuit::with_witness(plan.clone(), witness, Purpose::Constraints);
    // The last constant is that of a padding cell, which no operation of the program reads.
    let row = plan.shape.usable_rows() - 1 - plan.program.constants.len();
    circuit.overrides = vec![Override {
        phase: 1,
        column: Arc::new(|columns| columns.scalar),
        row,
        value: Fr::from(77),
    }];
    let result = failures(&circuit, the_shape().k, instances);
    assert!(result.contains("scalar constant"), "{result:?}");
}

/// relu6: a kept value beyond the cap, the excess gone.
#[test]
fn kept_value_beyond_the_cap() {
    let result = cheat(
        &mut conv(9, 2, 6, window(3, 1, 0), 1, relu6()),
        true,
        |plan, witness| {
            let emit = emits(plan)[0];
            let crate::layout::Excess::Clamped { limbs, .. } = &emit.excess else {
                panic!("no clamp")
            };
            let (kept, excess) = (emit.kept[0].block, limbs[0].block);
            let cap = 6 * SCALE as u64;
            let cell = (0..witness.blocks[kept].len())
                .find(|&i| witness.blocks[kept][i] == cap && witness.blocks[excess][i] > 0)
                .unwrap();
            witness.blocks[kept][cell] += witness.blocks[excess][cell];
            witness.blocks[excess][cell] = 0;
        },
    );
    assert!(
        result.iter().any(|name| name.starts_with("lookup")),
        "{result:?}"
    );
}

/// A pooled tap that is not the pixel it should be.
#[test]
fn tap_that_is_no_copy() {
    let mut model = Model::new(10);
    let x = model.input(&[1, 4, 4], 6);
    let op = Op::AvgPool {
        x,
        window: window(2, 2, 0),
    };
    let y = model.node(&[1, 2, 2], op);
    let result = cheat(&mut model.finish(y), true, |plan, witness| {
        let Some(Step::Gather { copies }) = plan
            .steps
            .iter()
            .find(|step| matches!(step, Step::Gather { .. }))
        else {
            panic!("no gather")
        };
        let to = copies[0].0;
        witness.blocks[to.block][to.index] ^= 1;
    });
    assert_eq!(result, set(&["copy"]));
}

/// Words that pack something else than the cells.
#[test]
fn word_that_does_not_pack_the_cells() {
    let result = cheat(&mut linear(11), true, |_, witness| {
        witness.words[0] += Fr::one();
    });
    assert_eq!(result, set(&["copy"]));
}

/// Recomputes all words after cells have changed.
pub fn repack(plan: &Plan, witness: &mut Witness) {
    witness.words = crate::circuit::witness::plan_words(plan, &witness.blocks);
}

/// An S-box input of each kind of round moved together with its square: the round's own gate.
#[test]
fn each_poseidon_gate() {
    let mut model = linear(15);
    let plan = model.plan(the_shape());
    let inputs = model.random_input();
    let witness = model.witness(&plan, &inputs);
    // Width 3: four full states, 57 partial inputs, four full states, the output.
    for (row, gate) in [
        (3, "poseidon full round"),
        (12, "poseidon entry"),
        (30, "poseidon partial round"),
        (69, "poseidon exit"),
    ] {
        let value = witness.sbox[row] + Fr::one();
        let cell = |value, square: bool| Override {
            phase: 0,
            column: Arc::new(move |c| if square { c.square } else { c.sbox }),
            row,
            value,
        };
        let mut circuit =
            ModelCircuit::with_witness(plan.clone(), witness.clone(), Purpose::Constraints);
        circuit.overrides = vec![cell(value, false), cell(value * value, true)];
        let result = failures(&circuit, the_shape().k, witness.instances.clone());
        assert!(result.contains(gate), "row {row}: {result:?}");
        assert!(!result.contains("poseidon square"), "row {row}: {result:?}");
    }
}
