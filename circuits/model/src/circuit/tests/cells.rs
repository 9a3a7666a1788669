//! Every advice cell, changed alone in five ways: something rejects each change, but for cells that nothing reads.

use std::collections::BTreeSet;

use halo2_proofs::plonk::ConstraintSystem;

use super::fixtures::*;
use crate::{
    circuit::{Columns, ModelCircuit, Purpose},
    layout::{Plan, Shape},
    testing::grid::Grid,
};
use zkml_graph::{Clamp, Op, Table};

/// All operations that have cells of their own, and all gates.
pub fn everything() -> Model {
    let mut model = Model::new(51);
    let x = model.input(&[2, 4, 4], 7);
    model.graph.tables = vec![Table {
        name: "f".into(),
        lo: -80,
        values: (-80..=80).map(|x: i64| (x * x) % 37 - x).collect(),
    }];
    let clamp = relu6();
    let w = model.weight(&[2, 2, 1, 1], 30);
    let conv = Op::Conv {
        x,
        w,
        bias: None,
        window: window(1, 1, 0),
        groups: 1,
        div: SCALE,
        clamp,
    };
    let x = model.node(&[2, 4, 4], conv);
    let window = window(2, 2, 0);
    let max = model.node(&[2, 2, 2], Op::MaxPool { x, window });
    let mean = model.node(&[2, 2, 2], Op::AvgPool { x, window });
    let [a, mean] = [max, mean].map(|x| model.node(&[8], Op::Reshape { x }));
    let product = Op::Mul {
        a,
        b: mean,
        div: 7,
        clamp: relu(),
    };
    let a = model.node(&[8], product);
    let above = Op::Combine {
        terms: vec![(1, mean)],
        constant: 3,
        div: 1,
        clamp: Some(Clamp { lo: 1, hi: Some(9) }),
    };
    let b = model.node(&[8], above);
    let a = model.node(&[8], Op::Div { a, b, factor: 1 });
    let a = model.node(&[8], Op::Min { a, b });
    let a = model.node(&[8], Op::Table { x: a, table: 0 });
    let [a, b] =
        [(a, [2, 4]), (mean, [4, 2])].map(|(x, shape)| model.node(&shape, Op::Reshape { x }));
    let matmul = Op::MatMul {
        a,
        b,
        div: 3,
        clamp: None,
    };
    let x = model.node(&[2, 2], matmul);
    let x = model.node(&[2], Op::ReduceSum { x, div: 2 });
    let w = model.weight(&[3, 2], 30);
    let linear = Op::Linear {
        x,
        w,
        bias: None,
        div: SCALE,
        clamp: None,
    };
    let y = model.node(&[3], linear);
    model.finish(y)
}

/// Cells that nothing reads: rows that no part uses, and the last, which is no part's.
fn unread(plan: &Plan) -> BTreeSet<(usize, usize)> {
    let columns = Columns::new(&mut ConstraintSystem::default(), &plan.shape);
    let (rows, last) = (plan.rows, plan.shape.usable_rows() - 1);
    let after_program = rows.scalar + plan.program.cells().1;
    let first_constant = rows.constant + 1 - plan.program.constants.len();
    let scalar = columns.scalar.index();
    let mut unread: BTreeSet<_> = (after_program..first_constant)
        .map(|row| (scalar, row))
        .collect();
    if plan.shape.stacked {
        unread.insert((scalar, last));
        let data = columns.data[0].index();
        // The running sum ends here.
        unread.insert((data, rows.summed));
        let after_hash = rows.hash + plan.usage.hash_rows..=last;
        unread.extend(after_hash.flat_map(|row| [(data, row), (columns.running.index(), row)]));
    } else {
        let all = 0..=columns.running.index();
        let others = all.filter(|column| *column != columns.running.index());
        unread.extend(others.map(|column| (column, last)));
    }
    unread
}

pub fn every_cell_is_read(model: Model, shape: Shape) {
    let mut model = hashed(model.on(shape));
    let plan = model.plan(shape);
    let inputs = model.random_input();
    let witness = model.witness(&plan, &inputs);
    let circuit = ModelCircuit::with_witness(plan.clone(), witness.clone(), Purpose::Constraints);
    let mut grid = Grid::new(shape.k, &circuit, &witness.instances);
    grid.assert_satisfied();
    let (tried, free) = grid.free_cells();
    assert!(tried > 4 * (grid.columns() * grid.usable() - free.len()));
    assert_eq!(free.into_iter().collect::<BTreeSet<_>>(), unread(&plan));
}

#[test]
fn every_cell_of_canonical_circuits() {
    for shape in [the_shape(), shape(13, 2, 5), shape(14, 1, 3)] {
        for model in [everything(), classifier(12, relu6())] {
            let lean = leanest(&hashed(model.clone()), shape);
            for shape in [shape, lean] {
                every_cell_is_read(model.clone(), shape);
            }
        }
    }
}

#[test]
fn every_cell_of_stacked_circuits() {
    for model in [everything(), classifier(12, relu6())] {
        every_cell_is_read(model, stacked(14));
    }
}
