//! Integers that wrap around, and bounds of what is defined.

use super::{
    cheats::{failing, is_compute},
    fixtures::*,
    reject::assert_only_lookups,
};
use crate::{
    circuit::{Witness, WitnessError},
    layout::Step,
};
use halo2_proofs::halo2curves::bn256::Fr;
use std::cell::Cell;
use zkml_graph::{exec, Defined, Op, TensorId};

fn wrapping(bits: u32, signed: bool) -> Model {
    let mut model = Model::new(77);
    let x = model.input(&[10], 9);
    let y = model.node(&[10], Op::Wrap { x, bits, signed });
    model.finish(y)
}

#[test]
fn every_width_wraps() {
    for (bits, signed) in [(1, false), (1, true), (3, true), (8, false), (8, true)] {
        wrapping(bits, signed).mock(the_shape()).assert_satisfied();
        wrapping(bits, signed).mock(stacked(13)).assert_satisfied();
    }
    // Wider than any value: a remainder of two limbs and more.
    for bits in [16, 31, 32] {
        wrapping(bits, true).mock(the_shape()).assert_satisfied();
    }
}

#[test]
fn remainder_beyond_the_type() {
    let compute = |step: &Step| matches!(step, Step::Compute { .. });
    let kinds = failing(&mut wrapping(5, true), compute, |_, blocks, step| {
        let Step::Compute { emit, .. } = step else {
            return;
        };
        let (quotient, rest) = (&emit.kept[0], &emit.remainder[0]);
        let at = (0..10)
            .find(|at| blocks[quotient.block][*at] > 0)
            .expect("a quotient that is not the least");
        let [q, r] = [quotient, rest].map(|limb| blocks[limb.block][at]);
        blocks[quotient.block][at] = q - 1;
        blocks[rest.block][at] = r + 32;
    });
    assert_only_lookups(&kinds);
}

/// `y = x` for `x` in `[lo, hi]`.
fn checked(lo: i64, hi: Option<i64>) -> Model {
    let mut model = Model::new(78);
    let x = model.input(&[4], 7);
    let op = Op::Check {
        x,
        lo,
        hi,
        why: Defined::Index,
    };
    let y = model.node(&[4], op);
    model.finish(y)
}

/// The witness of an input, in spite of the executor.
fn witness(model: &Model, input: &[i64]) -> Result<Witness, WitnessError> {
    let plan = model.plan(the_shape());
    let values = |id: TensorId| (id == model.graph.inputs[0]).then_some(input);
    let salts = vec![Fr::from(1); plan.statement.messages.len()];
    let names = |node: usize| model.graph.nodes[node].name.clone();
    Witness::new(&plan, &names, &values, salts, Fr::from(9))
}

#[test]
fn what_is_not_defined_has_no_witness() {
    for (hi, inside, outside) in [
        (Some(5), [5, -3, 0, 1], vec![-4, 6, 63, -64]),
        (None, [63, -3, 0, 1], vec![-4, -64]),
    ] {
        let model = checked(-3, hi);
        let run = |input: [i64; 4]| exec::run(&model.graph, &model.weights, &[input.to_vec()]);
        assert!(run(inside).is_ok());
        assert!(witness(&model, &inside).is_ok());
        for value in outside {
            let input = [0, value, 1, 2];
            assert!(matches!(run(input), Err(exec::ExecError::Undefined(_))));
            let refused = witness(&model, &input);
            assert!(matches!(refused, Err(WitnessError::OutOfRange { .. })));
        }
    }
}

/// The distance to either bound is that of the value: a cell that tells another one is rejected, and by no look-up.
#[test]
fn distances_to_bounds_are_those_of_the_value() {
    for bound in 0..2 {
        let seen = Cell::new(0);
        let nth = |step: &Step| is_compute(step) && seen.replace(seen.get() + 1) == bound;
        let kinds = failing(&mut checked(-64, Some(63)), nth, |_, blocks, step| {
            let Step::Compute { emit, .. } = step else {
                return;
            };
            let cells = &mut blocks[emit.kept[0].block];
            let cell = (0..4).find(|at| cells[*at] > 0).expect("a distance");
            cells[cell] -= 1;
        });
        assert!(
            kinds.iter().any(|name| !name.starts_with("lookup")),
            "{bound}: {kinds:?}"
        );
    }
}
