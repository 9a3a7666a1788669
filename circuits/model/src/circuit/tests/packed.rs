//! Packed values: padding is in no word, and where tables are short, large ranges take two limbs.

use super::{
    fixtures::*,
    reject::{cheat, cheat_in, linear, repack, set},
};
use crate::{
    circuit::Witness,
    layout::{Lane, Packing, Place, Plan},
};
use zkml_graph::{Op, Visibility};

/// The packings of weights.
fn of_weights(plan: &Plan) -> impl Iterator<Item = &Packing> {
    let packings = plan.statement.packings.iter();
    packings.filter(|packing| {
        let place = plan.statement.words[packing.first_word];
        matches!(place, Place::Message { message: 0, .. })
    })
}

/// Weights of four outputs stand in rows of five cells.
#[test]
fn padding_is_in_no_word() {
    let plan = linear(40).plan(the_shape());
    let mut words = 1; // The salt.
    for packing in of_weights(&plan) {
        assert_eq!((packing.words, packing.rows), (4, 1));
        words += packing.words;
    }
    assert_eq!(plan.statement.messages[0].words, words);
}

/// A weight in the padding would be an output channel of its own.
#[test]
fn weight_in_the_padding() {
    for segment in 0..6 {
        let result = cheat_in(
            the_shape(),
            &mut linear(41),
            true,
            &|plan: &Plan, witness: &mut Witness| {
                let in_segment = |lane: &&Lane| lane.segment == segment;
                let mut lanes = of_weights(plan).flat_map(|packing| &packing.lanes);
                let lane = lanes.find(in_segment).unwrap();
                witness.blocks[lane.limbs[0].block][segment * plan.shape.data + lane.cells] ^= 1;
                repack(plan, witness);
            },
        );
        assert_eq!(result, set(&["copy"]), "segment {segment}");
    }
}

/// A few inputs in a range of 2^11, and many values that a table holds only if the inputs need none.
fn few_inputs() -> Model {
    let mut model = Model::new(42);
    let x = model.input(&[3], 11);
    let w = model.weight(&[40, 3], 10);
    let y = model.node(
        &[40],
        Op::Linear {
            x,
            w,
            bias: None,
            div: SCALE,
            clamp: None,
        },
    );
    model.visibilities.outputs = vec![Visibility::Private];
    model.finish(y)
}

#[test]
fn packed_values_leave_rows_to_others() {
    let mut model = few_inputs();
    let plan = model.plan(the_shape());
    let limbs = |id: usize| plan.homes[id].as_ref().map_or(0, |home| home.limbs.len());
    assert_eq!((limbs(0), limbs(2)), (2, 1));
    assert_eq!(cheat(&mut model, false, |_, _| {}), set(&[]));
}

/// Each limb of an input is bound by the statement.
#[test]
fn another_limb_of_an_input() {
    for limb in 0..2 {
        let result = cheat(&mut few_inputs(), false, |plan, witness| {
            let home = plan.homes[0].as_ref().unwrap();
            witness.blocks[home.limbs[limb].block][0] ^= 1;
            repack(plan, witness);
        });
        assert_eq!(result, set(&["copy"]), "limb {limb}");
    }
}
