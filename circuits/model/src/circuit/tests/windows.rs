//! Average pools that are sums of shifted planes, over convolutions laid out in phases.

use super::{
    cells::every_cell_is_read,
    fixtures::*,
    forge::real_cheats,
    reject::{cheat_in, set},
};
use crate::{
    circuit::Witness,
    layout::{Accumulator, Emit, LayoutError, Plan, Step},
};
use zkml_graph::{range, Op, TensorId, Window};

/// `[1, side, side]` → four channels by a convolution → average pool.
fn pooled(seed: u64, side: usize, window: Window, pool: Window) -> Model {
    let mut model = Model::new(seed);
    let x = model.input(&[1, side, side], 7);
    let y = convolved(&mut model, x, [1, 4], window, 1);
    averaged(model, y, pool)
}

fn convolved(
    model: &mut Model,
    x: TensorId,
    [channels, outputs]: [usize; 2],
    window: Window,
    groups: usize,
) -> TensorId {
    let shape = model.graph.tensors[x.0].shape.clone();
    let [kh, kw] = window.kernel;
    let w = model.weight(&[outputs, channels / groups, kh, kw], 40);
    let bias = Some(model.weight(&[outputs], 50));
    let [height, width] = window.output(shape[1], shape[2]).unwrap();
    let conv = Op::Conv {
        x,
        w,
        bias,
        window,
        groups,
        div: SCALE,
        clamp: relu6(),
    };
    model.node(&[outputs, height, width], conv)
}

fn averaged(mut model: Model, x: TensorId, window: Window) -> Model {
    let shape = model.graph.tensors[x.0].shape.clone();
    let [height, width] = window.output(shape[1], shape[2]).unwrap();
    let y = model.node(&[shape[0], height, width], Op::AvgPool { x, window });
    model.finish(y)
}

fn shifted_sums(plan: &Plan) -> Vec<&Emit> {
    let steps = plan.steps.iter().filter_map(|step| match step {
        Step::Compute {
            accumulator, emit, ..
        } if matches!(accumulator.as_ref(), Accumulator::Shifted { .. }) => Some(emit.as_ref()),
        _ => None,
    });
    steps.collect()
}

#[test]
fn windows_are_sums_of_planes() {
    let uneven = Window {
        kernel: [3, 3],
        stride: [2, 1],
        pads: [1, 0, 0, 1],
    };
    let tall = Window {
        kernel: [3, 2],
        stride: [2, 1],
        pads: [0; 4],
    };
    for (side, conv, pool) in [
        (30, window(3, 1, 0), window(2, 2, 0)),
        (30, window(3, 1, 1), window(2, 2, 0)),
        (51, window(3, 2, 1), window(3, 2, 0)),
        // Windows that overlap.
        (40, uneven, tall),
        (30, window(3, 1, 0), window(3, 2, 0)),
        (30, window(3, 1, 0), window(3, 1, 0)),
    ] {
        let mut model = pooled(31, side, conv, pool);
        for shape in [shape(14, 2, 3), shape(13, 5, 3), stacked(16)] {
            let plan = model.plan(shape);
            assert_eq!(shifted_sums(&plan).len(), 1, "{:?}", plan.reports);
            model.mock(shape).assert_satisfied();
        }
    }
}

/// A convolution of each channel by itself.
#[test]
fn depthwise() {
    let mut model = Model::new(37);
    let x = model.input(&[2, 40, 40], 7);
    let y = convolved(&mut model, x, [2, 2], window(3, 1, 0), 2);
    let mut model = averaged(model, y, window(2, 2, 0));
    let plan = model.plan(shape(14, 2, 3));
    assert_eq!(shifted_sums(&plan).len(), 1, "{:?}", plan.reports);
    model.mock(shape(14, 2, 3)).assert_satisfied();
}

/// Images of a batch stand in one, and the pool reads past the rows between them.
#[test]
fn batches() {
    let one = pooled(32, 30, window(3, 1, 0), window(2, 2, 0));
    let mut batch = one.clone();
    batch.graph = one.graph.batched(3);
    range::propagate(&mut batch.graph, &batch.weights).unwrap();
    let shape = shape(14, 5, 3);
    assert_eq!(shifted_sums(&batch.plan(shape)).len(), 1);
    batch.mock(shape).assert_satisfied();
}

/// Where distances differ, or copies take fewer cells, taps are copied.
#[test]
fn other_windows_are_copied() {
    let padded = pooled(33, 30, window(3, 1, 0), window(2, 2, 1));
    let global = pooled(33, 30, window(3, 1, 0), window(28, 28, 0));
    for mut model in [padded, global] {
        let shape = shape(14, 2, 3);
        assert!(shifted_sums(&model.plan(shape)).is_empty());
        model.mock(shape).assert_satisfied();
    }
}

/// A remainder that is another, at an output and where nobody reads it: the identity is one over all cells.
#[test]
fn sum_that_is_none() {
    let mut model = pooled(34, 30, window(3, 1, 0), window(2, 2, 0));
    for shape in [shape(14, 2, 3), stacked(15)] {
        for read in [true, false] {
            let result = cheat_in(
                shape,
                &mut model,
                true,
                &|plan: &Plan, witness: &mut Witness| {
                    let emit = shifted_sums(plan)[0];
                    let rest = &mut witness.blocks[emit.remainder[0].block];
                    // The first windows begin some cells after the first; remainders are below four.
                    let at = if read { rest.len() / 2 } else { 0 };
                    rest[at] ^= 1;
                },
            );
            assert_eq!(result, set(&["copy"]));
        }
    }
}

#[test]
fn every_cell() {
    let model = pooled(35, 30, window(3, 1, 0), window(2, 2, 0));
    for shape in [shape(14, 2, 5), stacked(15)] {
        every_cell_is_read(model.clone(), shape);
    }
}

#[test]
fn real_proofs_of_cheats_are_rejected() {
    let model = pooled(36, 30, window(3, 1, 0), window(2, 2, 0));
    real_cheats(model, shape(14, 2, 3));
}

/// Graphs with so many taps are refused before they are laid out; the layout does not rely on it. Were their number
/// to wrap there would be none, and a pool would be zero whatever it reads.
#[test]
fn taps_that_64_bits_do_not_count() {
    let side = 1usize << (usize::BITS / 2);
    let window = Window {
        kernel: [side; 2],
        stride: [1, 1],
        pads: [side - 1, side - 1, 0, 0],
    };
    for op in [
        |x, window| Op::MaxPool { x, window },
        |x, window| Op::AvgPool { x, window },
    ] {
        let mut model = Model::new(69);
        let x = model.input(&[1, 1, 1], 7);
        let y = model.node(&[1, 1, 1], op(x, window));
        model.graph.outputs.push(y);
        match Plan::new(&model.graph, &model.visibilities, the_shape()) {
            Err(LayoutError::Size { node }) => assert_eq!(node, "n0"),
            other => panic!("{other:?}"),
        }
    }
}
