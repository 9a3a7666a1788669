//! Cheats in operations on computed tensors: one step is filled dishonestly, all later ones follow it.

use std::{collections::BTreeSet, sync::Arc};

use halo2_proofs::halo2curves::bn256::Fr;

use super::{
    fixtures::*,
    reject::{assert_only_lookups, failures, set},
};
use crate::{
    circuit::{
        witness::{fill, plan_words},
        ModelCircuit, Purpose, Witness,
    },
    layout::{Accumulator, Excess, Gate, Plan, Range, Step},
};
use zkml_graph::{Clamp, Op, Table, TensorId, Visibility};

pub type Blocks = Vec<Vec<u64>>;

/// A witness in which `cheat` changed the cells after the first step that `at` picks. The statement follows
/// the cheat.
pub fn forged(
    model: &mut Model,
    at: impl Fn(&Step) -> bool,
    cheat: impl Fn(&Plan, &mut Blocks, &Step),
) -> (Arc<Plan>, Arc<Witness>) {
    let plan = model.plan(model.shape);
    let inputs = model.random_input();
    let honest = model.witness(&plan, &inputs);
    let values = |id: TensorId| {
        let input = model.graph.inputs.iter().position(|input| *input == id);
        input
            .map(|i| inputs[i].as_slice())
            .or_else(|| model.weights.get(&id).map(Vec::as_slice))
    };
    let mut blocks: Blocks = honest.blocks.iter().map(|b| vec![0; b.len()]).collect();
    let first = plan.steps.iter().position(at).expect("a step to cheat at");
    for (i, step) in plan.steps.iter().enumerate() {
        fill(&plan, &mut blocks, step, &|n| n.to_string(), &values).unwrap();
        if i == first {
            cheat(&plan, &mut blocks, step);
        }
    }
    assert_ne!(blocks, honest.blocks, "the cheat changes something");
    let words = plan_words(&plan, &blocks);
    let witness = Witness::finish(&plan, blocks, words, honest.salts.clone(), Fr::from(9)).unwrap();
    (plan, Arc::new(witness))
}

/// The kinds of constraints that fail for such a witness.
pub fn failing(
    model: &mut Model,
    at: impl Fn(&Step) -> bool,
    cheat: impl Fn(&Plan, &mut Blocks, &Step),
) -> BTreeSet<String> {
    let (plan, witness) = forged(model, at, cheat);
    let instances = witness.instances.clone();
    let circuit = ModelCircuit::with_witness(plan, witness, Purpose::Constraints);
    failures(&circuit, the_shape().k, instances)
}

fn binary(op: impl Fn(TensorId, TensorId) -> Op) -> Model {
    let mut model = Model::new(31);
    let a = model.input(&[10], 7);
    let b = model.input(&[10], 6);
    let y = model.node(&[10], op(a, b));
    model.finish(y)
}

pub fn product(div: i64) -> Model {
    binary(|a, b| Op::Mul {
        a,
        b,
        div,
        clamp: None,
    })
}

pub fn is_compute(step: &Step) -> bool {
    matches!(step, Step::Compute { .. })
}

/// `y − 1` with a remainder of `rem + D`, the same number.
#[test]
fn product_with_a_remainder_beyond_the_divisor() {
    let result = failing(&mut product(SCALE), is_compute, |_, blocks, step| {
        let Step::Compute { emit, .. } = step else {
            panic!()
        };
        let (kept, rest) = (emit.kept[0].block, emit.remainder[0].block);
        let cell = blocks[kept].iter().position(|v| *v > 0).unwrap();
        blocks[kept][cell] -= 1;
        blocks[rest][cell] += SCALE as u64;
    });
    assert_only_lookups(&result);
}

/// A product of something else than the factors: the copy of one is a unit more, and the result fits
/// that. Nothing but the copy is wrong.
#[test]
fn product_of_another_factor() {
    let result = failing(&mut product(1), is_compute, |plan, blocks, step| {
        let Step::Compute {
            accumulator, emit, ..
        } = step
        else {
            panic!()
        };
        let Accumulator::Product { b, .. } = accumulator.as_ref() else {
            panic!()
        };
        let second = plan
            .blocks
            .iter()
            .find(|b| b.gate == Gate::Product)
            .unwrap();
        let first = plan
            .blocks
            .iter()
            .position(|b| b.slot == 0 && b.start == second.start)
            .unwrap();
        let source = b.limbs[0].block;
        let cell = blocks[source]
            .iter()
            .position(|v| *v as i64 + b.offset > 0)
            .unwrap();
        let factor = blocks[source][cell] as i64 + b.offset;
        blocks[first][cell] += 1;
        blocks[emit.kept[0].block][cell] += factor as u64;
    });
    assert_eq!(result, set(&["copy"]));
}

fn quotient() -> Model {
    let mut model = Model::new(32);
    let a = model.input(&[10], 7);
    let b = model.input(&[10], 5);
    let positive = Op::Combine {
        terms: vec![(1, b)],
        constant: 17,
        div: 1,
        clamp: None,
    };
    let b = model.node(&[10], positive);
    let clamp = zkml_graph::Clamp { lo: 1, hi: None };
    let b = model.node(&[10], Op::clamped(b, clamp));
    let y = model.node(&[10], Op::Div { a, b, factor: 8 });
    model.finish(y)
}

/// `y − 1` with a remainder of `2·b` more: its complement would be negative.
#[test]
fn quotient_with_a_remainder_beyond_the_divisor() {
    let is_divide = |step: &Step| matches!(step, Step::Divide { .. });
    for honest_complement in [true, false] {
        let result = failing(&mut quotient(), is_divide, |_, blocks, step| {
            let Step::Divide {
                b,
                y,
                remainder,
                complement,
                ..
            } = step
            else {
                panic!()
            };
            let cell = blocks[y[0].block].iter().position(|v| *v > 0).unwrap();
            let divisor = blocks[b.limbs[0].block][cell] as i64 + b.offset;
            blocks[y[0].block][cell] -= 1;
            blocks[remainder[0].block][cell] += 2 * divisor as u64;
            if !honest_complement {
                blocks[complement[0].block][cell] = 0;
            }
        });
        assert_eq!(result, set(&["copy"]));
    }
}

pub fn function() -> Model {
    let mut model = Model::new(33);
    let x = model.input(&[10], 7);
    model.graph.tables = vec![Table {
        name: "cubes".into(),
        lo: -64,
        values: (-64..64).map(|x: i64| x.pow(3) / 64).collect(),
    }];
    let y = model.node(&[10], Op::Table { x, table: 0 });
    model.finish(y)
}

fn is_function(step: &Step) -> bool {
    matches!(step, Step::Function { .. })
}

pub fn stride(plan: &Plan, joined: usize) -> u64 {
    match plan.blocks[joined].range {
        Range::Function(function) => function.stride,
        other => panic!("{other:?}"),
    }
}

/// A value that the function does not have there; argument and value joined as they should.
#[test]
fn value_of_no_argument() {
    let result = failing(&mut function(), is_function, |plan, blocks, step| {
        let Step::Function { y, joined, .. } = step else {
            panic!()
        };
        blocks[y[0].block][3] += 1;
        blocks[*joined][3] += stride(plan, *joined);
    });
    assert_only_lookups(&result);
}

/// The entry of another argument.
#[test]
fn value_of_another_argument() {
    let result = failing(&mut function(), is_function, |plan, blocks, step| {
        let Step::Function { x, y, joined, .. } = step else {
            panic!()
        };
        let stride = stride(plan, *joined);
        let argument = blocks[x.limbs[0].block][3] ^ 1;
        let range = plan.blocks[*joined].range;
        let (cell, above) = plan.tables.joined(range, argument).unwrap();
        let before = blocks[*joined][3] / stride;
        blocks[*joined][3] = cell;
        blocks[y[0].block][3] = blocks[y[0].block][3] + above - before;
    });
    assert_eq!(result, set(&["copy"]));
}

/// The joined cell of argument and value is one entry only: no argument that passes its own look-up
/// reaches the stride.
#[test]
fn strides_exceed_every_table_of_arguments() {
    for (k, data) in [(11, 5), (12, 2), (13, 1)] {
        let plan = function().plan(shape(k, data, 3));
        for step in &plan.steps {
            if let Step::Function { x, joined, .. } = step {
                let tables = plan.tables.index();
                let stride = stride(&plan, *joined);
                let tag = plan
                    .tables
                    .tag(plan.blocks[x.limbs[0].block].range)
                    .unwrap();
                assert_eq!(x.limbs.len(), 1);
                assert_eq!(tables.row(tag, stride), None);
                assert!(tables.row(tag, 0).is_some());
            }
        }
    }
}

/// Kept part and excess of `a − b` both a unit more: the maximum would be one more.
#[test]
fn maximum_above_both() {
    let mut model = binary(|a, b| Op::Max { a, b });
    let result = failing(&mut model, is_compute, |_, blocks, step| {
        let Step::Compute { emit, .. } = step else {
            panic!()
        };
        let Excess::Clamped { limbs, .. } = &emit.excess else {
            panic!()
        };
        blocks[emit.kept[0].block][2] += 1;
        blocks[limbs[0].block][2] += 1;
    });
    assert_eq!(result, set(&["clamp one-sided"]));
}

fn matmul() -> Model {
    let mut model = Model::new(34);
    let a = model.input(&[3, 4], 6);
    let b = model.input(&[4, 6], 6);
    let op = Op::MatMul {
        a,
        b,
        div: 1,
        clamp: None,
    };
    let y = model.node(&[3, 6], op);
    model.finish(y)
}

/// The padding of a strip is a row or column of its own if it is not zero.
#[test]
fn strips_with_padding() {
    let is_padding = |step: &Step| matches!(step, Step::Fixed { cells } if cells.len() > 10);
    let result = failing(&mut matmul(), is_padding, |_, blocks, step| {
        let Step::Fixed { cells } = step else {
            panic!()
        };
        let (cell, _) = cells[0];
        blocks[cell.block][cell.index] += 1;
    });
    assert_eq!(result, set(&["copy"]));
}

/// A tensor put together from an input and constants.
pub fn joined() -> Model {
    let mut model = Model::new(35);
    let x = model.input(&[4], 6);
    let ones = Op::Constant {
        shape: vec![3],
        values: vec![1, -4, 9],
    };
    let ones = model.node(&[3], ones);
    let xs = vec![x, ones];
    let y = model.node(&[7], Op::Concat { xs, axis: 0 });
    model.finish(y)
}

/// Each copied or fixed cell of products, sums and tensors put together.
#[test]
fn copies_that_are_none() {
    let sums = || {
        let mut model = Model::new(36);
        let x = model.input(&[7, 3], 6);
        let y = model.node(&[7], Op::ReduceSum { x, div: 1 });
        model.finish(y)
    };
    let copied = |step: &Step| matches!(step, Step::Gather { copies } if !copies.is_empty());
    for mut model in [joined(), sums(), matmul()] {
        let result = failing(&mut model, copied, |_, blocks, step| {
            let Step::Gather { copies } = step else {
                panic!()
            };
            let (to, _) = copies[0];
            blocks[to.block][to.index] ^= 1;
        });
        assert_eq!(result, set(&["copy"]));
    }
    // The first two blocks are the challenges'.
    let fixed = |step: &Step| matches!(step, Step::Fixed { cells } if cells[0].0.block > 1);
    let result = failing(&mut joined(), fixed, |_, blocks, step| {
        let Step::Fixed { cells } = step else {
            panic!()
        };
        let (cell, _) = cells[0];
        blocks[cell.block][cell.index] ^= 1;
    });
    assert_eq!(result, set(&["copy"]));
}

/// A clamp of values that are further out than two limbs reach.
pub fn far() -> Model {
    let mut model = Model::new(37);
    let x = model.input(&[9], 10);
    let op = Op::Combine {
        terms: vec![(1 << 14, x)],
        constant: 77,
        div: 1,
        clamp: Some(Clamp {
            lo: -500,
            hi: Some(1500),
        }),
    };
    let y = model.node(&[9], op);
    // A public one would be copied to a table of its own.
    model.visibilities.outputs = vec![Visibility::Private];
    model.finish(y)
}

#[test]
fn far_values_are_clamped() {
    let model = far();
    let plan = model.plan(the_shape());
    let computed = |step: &&Step| matches!(step, Step::Compute { .. });
    assert_eq!(plan.steps.iter().filter(computed).count(), 3);
    // The witness is compared with the executor.
    for x in [-512, -2, -1, 0, 1, 2, 511] {
        model.witness(&plan, &[vec![x; 9]]);
    }
    assert_eq!(far().mock(the_shape()).verify(), Ok(()));
}

/// The whole value, its coarse part, and the clamped value: each moved by one.
#[test]
fn far_values_that_are_others() {
    for stage in 0..3 {
        let seen = std::cell::Cell::new(0);
        let at = |step: &Step| {
            let computed = matches!(step, Step::Compute { .. });
            computed && seen.replace(seen.get() + usize::from(computed)) == stage
        };
        let result = failing(&mut far(), at, |_, blocks, step| {
            let Step::Compute { emit, .. } = step else {
                panic!()
            };
            blocks[emit.kept[0].block][0] ^= 1;
        });
        assert!(result.contains("copy"), "stage {stage}: {result:?}");
    }
}
