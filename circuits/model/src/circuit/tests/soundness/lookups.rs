//! Cells outside their tables, and look-up columns that hide them.

use std::{cell::Cell, sync::Arc};

use halo2_proofs::{arithmetic::Field, halo2curves::bn256::Fr};

use super::forgery::{honest, Forgery};
use crate::{
    circuit::{
        fixed::data_rows,
        phase2::data_grid,
        tests::{
            cheats::{forged, function, stride},
            fixtures::{relu6, Model, SCALE},
            forge::{lookup_cells as cells, mock_challenges},
            lookup_columns::{lookup_columns, LookupColumns},
        },
        Columns, Witness,
    },
    layout::{Emit, Excess, Plan, Range, Shape, Step, Tables},
};
use zkml_graph::Op;

/// The model whose tables are tried: inputs in the table of limbs, a clamp that cuts off, remainders and
/// weights.
pub fn model() -> Model {
    let mut model = Model::new(20);
    let mut x = model.input(&[6], 10);
    for (inputs, clamp) in [(6, relu6()), (8, None)] {
        let w = model.weight(&[8, inputs], 20);
        let op = Op::Linear {
            x,
            w,
            bias: None,
            div: SCALE,
            clamp,
        };
        x = model.node(&[8], op);
    }
    model.finish(x)
}

/// How a step's cells leave the table of a tag.
fn cheat(plan: &Plan, blocks: &mut [Vec<u64>], step: &Step, tag: usize) -> bool {
    let tag_of = |block: usize| plan.tables.tag(plan.blocks[block].range);
    let size = plan.tables.entries().filter(|(t, _)| *t == tag).count() as u64;
    match step {
        // An input or weight beyond its range.
        Step::Given { limbs, .. } if tag_of(limbs[0].block) == Some(tag) => {
            blocks[limbs[0].block][0] = size;
            true
        }
        Step::Compute { emit, .. } if tag_of(emit.kept[0].block) == Some(tag) => {
            // A value beyond the cap is kept, instead of cut off.
            let (kept, Excess::Clamped { limbs, clamp }) = (emit.kept[0].block, &emit.excess)
            else {
                return false;
            };
            let cap = clamp.hi.map(|hi| (hi - clamp.lo) as u64);
            let total = |blocks: &[Vec<u64>], i: usize| -> u64 {
                limbs.iter().map(|l| l.base * blocks[l.block][i]).sum()
            };
            let mut cells = (2..blocks[kept].len()).step_by(plan.shape.data);
            let Some(cell) = cells.find(|&i| Some(blocks[kept][i]) == cap && total(blocks, i) > 0)
            else {
                return false;
            };
            blocks[kept][cell] += total(blocks, cell);
            limbs.iter().for_each(|l| blocks[l.block][cell] = 0);
            true
        }
        Step::Compute { emit, .. } if carries(plan, blocks, emit, tag) => true,
        Step::Compute { emit, .. } => {
            let (kept, rest) = (emit.kept[0].block, emit.remainder.first());
            // A quotient one less, the remainder a divisor more.
            let Some(rest) = rest.filter(|rest| tag_of(rest.block) == Some(tag)) else {
                return false;
            };
            let low = emit.remainder.len() == 1 && matches!(emit.excess, Excess::None);
            // Column 2: a helper takes it up.
            let mut cells = (2..blocks[kept].len()).step_by(plan.shape.data);
            let Some(cell) = cells.find(|&i| low && blocks[kept][i] > 1) else {
                return false;
            };
            blocks[kept][cell] -= 1;
            blocks[rest.block][cell] += emit.divisor as u64;
            true
        }
        _ => false,
    }
}

/// Lends a low limb of a value a unit of the next one.
fn carries(plan: &Plan, blocks: &mut [Vec<u64>], emit: &Emit, tag: usize) -> bool {
    let tag_of = |block: usize| plan.tables.tag(plan.blocks[block].range);
    let mut values = vec![&emit.kept, &emit.remainder];
    if let Excess::Clamped { limbs, .. } = &emit.excess {
        values.push(limbs);
    }
    for limbs in values {
        for pair in limbs.windows(2) {
            let [low, high] = [pair[0], pair[1]];
            let mut cells = (2..blocks[low.block].len()).step_by(plan.shape.data);
            let lends = cells.find(|&i| blocks[high.block][i] > 0);
            if let Some(cell) = lends.filter(|_| tag_of(low.block) == Some(tag)) {
                blocks[high.block][cell] -= 1;
                blocks[low.block][cell] += high.base / low.base;
                return true;
            }
        }
    }
    false
}

/// The model's witness in which the first cell that can leaves the table of a tag.
fn leaving(tag: usize, shape: Shape) -> Option<(Arc<Plan>, Arc<Witness>)> {
    let (plan, honest) = honest(&mut model().on(shape));
    let leaves = |step: &Step| cheat(&plan, &mut honest.blocks.clone(), step, tag);
    let first = plan.steps.iter().position(leaves)?;
    let place = Cell::new(0);
    let at = |_: &Step| place.replace(place.get() + 1) == first;
    let forged = forged(&mut model().on(shape), at, |plan, blocks, step| {
        cheat(plan, blocks, step, tag);
    });
    Some(forged)
}

/// The look-up columns, with another last table row.
fn columns(plan: &Plan, witness: &Witness, entry: Option<(usize, u64)>) -> LookupColumns {
    let [_, _, pole, mix] = mock_challenges();
    lookup_columns(plan, witness, (pole, mix), |tag| tag, entry)
}

/// The first cell outside its table: its place in the grid, its tag and value, which any other has too.
fn outside(plan: &Plan, witness: &Witness) -> (usize, (usize, u64)) {
    let rows = data_rows(plan);
    let grid = data_grid(plan, witness, rows.len());
    let index = plan.tables.index();
    let cells = grid.iter().enumerate();
    let mut outside = cells
        .map(|(at, cell)| (at, (rows[at / plan.shape.data].tag, *cell)))
        .filter(|(_, (tag, cell))| index.row(*tag, *cell).is_none());
    let first = outside.next().unwrap();
    assert!(outside.all(|(_, entry)| entry == first.1));
    first
}

/// A cell outside its table, which the circuit without the table has a row for.
fn beyond((plan, witness): (Arc<Plan>, Arc<Witness>)) -> Forgery {
    let (_, entry) = outside(&plan, &witness);
    let size = plan.tables.entries().filter(|(t, _)| *t == entry.0).count();
    let honest = columns(&plan, &witness, None);
    let relaxed = columns(&plan, &witness, Some(entry));
    let [honest, relaxed] = [honest, relaxed].map(|columns| cells(&plan, &columns));
    Forgery {
        relaxed: Some(relaxed),
        entry: Some(entry),
        ..Forgery::new(format!("cell beyond a table of {size}"), (plan, witness)).with(honest)
    }
}

/// A cell outside the table of a tag.
pub fn outside_the_table(tag: usize, shape: Shape) -> Option<Forgery> {
    leaving(tag, shape).map(beyond)
}

/// A value that a function does not have.
pub fn another_value(shape: Shape) -> Forgery {
    beyond(forged(
        &mut function().on(shape),
        |step| matches!(step, Step::Function { .. }),
        |plan, blocks, step| {
            let Step::Function { y, joined, .. } = step else {
                panic!()
            };
            blocks[y[0].block][3] += 1;
            blocks[*joined][3] += stride(plan, *joined);
        },
    ))
}

/// A cell that is in the table of another tag only.
pub fn table_of_another_tag(shape: Shape) -> Forgery {
    let (plan, witness) = outside_the_divisor(shape);
    let largest = largest_range(&plan.tables);
    let [_, _, pole, _] = mock_challenges();
    let relaxed = lookup_columns(&plan, &witness, (pole, Fr::ZERO), |_| largest, None);
    let honest = columns(&plan, &witness, None);
    let [honest, relaxed] = [honest, relaxed].map(|columns| cells(&plan, &columns));
    Forgery {
        relaxed: Some(relaxed),
        ..Forgery::new("cell in another's table", (plan, witness)).with(honest)
    }
}

/// The tag of the largest range.
fn largest_range(tables: &Tables) -> usize {
    let largest = tables.entries().max_by_key(|(_, value)| *value);
    largest.map_or(0, |(tag, _)| tag)
}

/// A remainder beyond its table.
fn outside_the_divisor(shape: Shape) -> (Arc<Plan>, Arc<Witness>) {
    let plan = model().plan(shape);
    let tag = plan.tables.tag(Range::Exact(SCALE as u64)).unwrap();
    leaving(tag, shape).unwrap()
}

/// What the forged cell adds to the sum is taken away by `hide`, which gets the cell's row.
fn hidden(how: &str, shape: Shape, hide: impl Fn(&mut LookupColumns, usize)) -> Forgery {
    let (plan, witness) = outside_the_divisor(shape);
    let mut columns = columns(&plan, &witness, None);
    let (outside, _) = outside(&plan, &witness);
    let helped = outside % plan.shape.data >= Columns::DIRECT;
    assert!(helped || shape.stacked, "a helper's");
    hide(&mut columns, outside / plan.shape.data);
    let cells = cells(&plan, &columns);
    Forgery::new(how, (plan, witness)).with(cells)
}

/// A helper that leaves the forged cell out.
pub fn helper(shape: Shape) -> Forgery {
    hidden("helper that leaves a cell out", shape, |columns, row| {
        columns.helper[row] -= columns.balance;
        subtract(columns, row + 1);
    })
}

/// A step of the running sum that leaves the forged cell out.
pub fn sum(shape: Shape) -> Forgery {
    hidden("sum that leaves a cell out", shape, |columns, row| {
        subtract(columns, row + 1);
    })
}

/// A step of the running sum beside a table row that takes away what a cell adds.
pub fn entry(shape: Shape) -> Forgery {
    let table = model().plan(shape).rows.table;
    hidden("sum that takes away too much", shape, |columns, _| {
        subtract(columns, table + 4);
    })
}

/// A sum that does not start or does not end at zero.
pub fn border(start: bool, shape: Shape) -> Forgery {
    if start {
        hidden("sum that does not start at zero", shape, |columns, _| {
            subtract(columns, 0);
        })
    } else {
        hidden("sum that does not end at zero", shape, |_, _| {})
    }
}

fn subtract(columns: &mut LookupColumns, from: usize) {
    for sum in &mut columns.running[from..] {
        *sum -= columns.balance;
    }
}
