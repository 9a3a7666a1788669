//! Forged clamps: kept value and excess that the layer's identity cannot tell from the right ones.

use std::sync::Arc;

use super::forgery::{with_cells, Forgery};
use crate::{
    circuit::{
        tests::fixtures::{conv, relu, relu6, window, Model, SCALE},
        Witness,
    },
    layout::{Emit, Excess, Gate, Plan, Shape},
};
use zkml_graph::{range, Clamp, Op};

const BOUND: i64 = 6 * SCALE;
pub const CAP: Gate = Gate::TwoSided {
    cap: BOUND as u64,
    wide: false,
};
pub const CAP_WIDE: Gate = Gate::TwoSided {
    cap: BOUND as u64,
    wide: true,
};

fn model(clamp: Option<Clamp>, divisor: i64) -> Model {
    let mut model = conv(13, 2, 6, window(3, 1, 0), 1, clamp);
    for node in &mut model.graph.nodes {
        if let Op::Conv { div, .. } = &mut node.op {
            *div = divisor;
        }
    }
    range::propagate(&mut model.graph, &model.weights).unwrap();
    model
}

pub fn two_sided() -> Model {
    model(relu6(), SCALE)
}

/// A smaller divisor: an excess too large for one limb.
pub fn wide_two_sided() -> Model {
    model(relu6(), 2)
}

/// The excess's low limb.
pub fn excess(emit: &Emit) -> Option<usize> {
    match &emit.excess {
        Excess::Clamped { limbs, .. } => Some(limbs[0].block),
        Excess::None => None,
    }
}

/// Another kept value A inside the bounds, with an excess G ≠ 0 for which A − G·(1 − 2A/cap) is
/// what it was.
pub fn inside_the_bounds(column: usize, shape: Shape) -> Forgery {
    let forged = two_sided_with(two_sided().on(shape), column, |_| 1, 0);
    Forgery::new(format!("excess inside the bounds, column {column}"), forged)
}

/// The same with an excess whose low limb is zero.
pub fn high_limb_inside_the_bounds(column: usize, shape: Shape) -> Forgery {
    let base = |plan: &Plan| plan.shape.limb_base() as i64;
    let forged = two_sided_with(wide_two_sided().on(shape), column, base, 1);
    Forgery::new(
        format!("high limb of an excess inside the bounds, column {column}"),
        forged,
    )
}

/// Sets all limbs of an excess but one to zero, and that one, of base `base`, to what fits another kept
/// value.
fn two_sided_with(
    mut model: Model,
    column: usize,
    base: impl Fn(&Plan) -> i64,
    limb: usize,
) -> (Arc<Plan>, Arc<Witness>) {
    with_cells(&mut model, |plan, blocks, emit| {
        let Excess::Clamped { limbs, .. } = &emit.excess else {
            panic!("no clamp")
        };
        let kept = emit.kept[0].block;
        let size = plan.blocks[limbs[limb].block].range.size() as i64;
        let base = base(plan);
        let cells = (column..blocks[kept].len()).step_by(plan.shape.data);
        let forged = cells.into_iter().find_map(|cell| {
            let at = blocks[kept][cell] as i64;
            let excess = limbs.iter().map(|l| l.base * blocks[l.block][cell]);
            let excess = excess.sum::<u64>() as i64;
            let before = if at == 0 { -excess } else { at + excess };
            (1..BOUND).find_map(|other| {
                let (left, unit) = ((other - before) * BOUND, base * (BOUND - 2 * other));
                let digit = (unit != 0 && left % unit == 0).then(|| left / unit)?;
                (1..size).contains(&digit).then_some((cell, other, digit))
            })
        });
        let (cell, other, digit) = forged.expect("a cell that can be forged");
        for l in limbs {
            blocks[l.block][cell] = 0;
        }
        blocks[limbs[limb].block][cell] = digit as u64;
        blocks[kept][cell] = other as u64;
    })
}

/// Kept part and excess of a one-sided clamp both a unit more.
pub fn both_parts(column: usize, wide: bool, shape: Shape) -> Forgery {
    let mut model = model(relu(), if wide { 2 } else { SCALE }).on(shape);
    let forged = with_cells(&mut model, |plan, blocks, emit| {
        let (kept, excess) = (emit.kept[0].block, excess(emit).unwrap());
        assert_eq!(plan.blocks[excess].gate, Gate::OneSided { wide });
        let mut cells = (column..blocks[kept].len()).step_by(plan.shape.data);
        let small = |block: &[u64], cell: usize| block[cell] < 100;
        let cell = cells.find(|&i| small(&blocks[kept], i) && small(&blocks[excess], i));
        let cell = cell.expect("a cell of small parts");
        blocks[kept][cell] += 1;
        blocks[excess][cell] += 1;
    });
    let limbs = if wide { "of two limbs" } else { "of one limb" };
    Forgery::new(
        format!("kept value and excess {limbs} both more, column {column}"),
        forged,
    )
}
