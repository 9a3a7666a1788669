//! The custom gates. `docs/circuit.md` has the constraint table; names agree.
//!
//! Every polynomial is zero on the blinding rows through a fixed column, and has degree ≤ 5.

use halo2_proofs::{
    halo2curves::bn256::Fr,
    plonk::{ConstraintSystem, Expression, VirtualCells},
    poly::Rotation,
};

use super::columns::{Columns, Section};
use crate::{
    hash::{Poseidon, Recurrence, Relation},
    layout::{Shape, SLOTS},
};

type Expr = Expression<Fr>;

fn constant(value: u64) -> Expr {
    Expression::Constant(Fr::from(value))
}

/// Horner: the first expression gets the highest power.
fn horner(init: Expr, variable: &Expr, cells: impl IntoIterator<Item = Expr>) -> Expr {
    cells
        .into_iter()
        .fold(init, |sum, cell| sum * variable.clone() + cell)
}

/// 1 on the rows of a section, 0 on the others.
fn rows_of(
    meta: &mut VirtualCells<'_, Fr>,
    columns: &Columns,
    section: Section,
    at: Rotation,
) -> Expr {
    let here = meta.query_fixed(columns.section, at);
    if !columns.stacked {
        return here;
    }
    let own = section as u64;
    let others = (0..=3u64).filter(|other| *other != own);
    let scale: Fr = others
        .clone()
        .map(|other| Fr::from(own) - Fr::from(other))
        .product();
    let zero_elsewhere = others
        .map(|other| match other {
            0 => here.clone(),
            other => here.clone() - constant(other),
        })
        .reduce(|product, factor| product * factor);
    match (zero_elsewhere, Option::<Fr>::from(scale.invert())) {
        (Some(product), Some(inverse)) => product * inverse,
        // Sections are three different numbers, none of them zero.
        _ => constant(0),
    }
}

fn power(variable: &Expr, exponent: usize) -> Expr {
    (1..exponent).fold(variable.clone(), |product, _| product * variable.clone())
}

/// The rows of a clamp group, seen from slot 1. A row is queried where a gate reads it.
#[derive(Clone, Copy)]
enum Part {
    Kept = -1,
    Excess = 0,
    ExcessHigh = 1,
    KeptHigh = 2,
}

fn row(meta: &mut VirtualCells<'_, Fr>, columns: &Columns, part: Part) -> Vec<Expr> {
    let at = Rotation(part as i32);
    let data = columns.data.iter();
    data.map(|column| meta.query_advice(*column, at)).collect()
}

/// Declares all gates.
pub fn configure(
    meta: &mut ConstraintSystem<Fr>,
    columns: &Columns,
    shape: &Shape,
    poseidon: &Poseidon,
    recurrence: &Recurrence,
) {
    fold(meta, columns, shape);
    clamp(meta, columns, shape);
    lookup(meta, columns);
    scalar(meta, columns);
    permutation(meta, columns, poseidon, recurrence);
}

/// `fold = carry·fold₋₄·z^w + Σ_j cell_j·z^(w−1−j)`, z the row's variable; on the row of a
/// two-sided clamp's excess the cells are `G − κ·A·G − Λκ'·A·G'`, on that of second factors `B` the
/// products `A·B`.
fn fold(meta: &mut ConstraintSystem<Fr>, columns: &Columns, shape: &Shape) {
    meta.create_gate("fold", |meta| {
        let excess = row(meta, columns, Part::Excess);
        let data = rows_of(meta, columns, Section::Data, Rotation::cur());
        let variable = meta.query_fixed(columns.variable, Rotation::cur());
        let carry = meta.query_fixed(columns.carry, Rotation::cur());
        let now = meta.query_advice(columns.fold, Rotation::cur());
        let before = meta.query_advice(columns.fold, Rotation(-(SLOTS as i32)));
        let position = meta.query_challenge(columns.position);
        let channel = meta.query_challenge(columns.channel);
        let width = excess.len();

        // Along the row's variable: a linear blend of the two, chosen by a fixed 0 or 1.
        let along = |cells: Vec<Expr>| {
            let positions = horner(constant(0), &position, cells.iter().cloned());
            let channels = horner(constant(0), &channel, cells);
            positions.clone() + variable.clone() * (channels - positions)
        };
        let linear = along(excess.clone());
        let step = power(&position, width);
        let step_channel = power(&channel, width);
        let carried = carry * before * (step.clone() + variable.clone() * (step_channel - step));
        // Nothing is carried to rows that are not folded.
        let mut fold = data * (now - linear) - carried;
        if let Some(cap) = columns.cap {
            let cap = meta.query_fixed(cap, Rotation::cur());
            let kept = row(meta, columns, Part::Kept);
            fold = fold + cap * along(products(&kept, &excess));
        }
        if let Some(cap) = columns.cap_wide {
            let cap = constant(shape.limb_base()) * meta.query_fixed(cap, Rotation::cur());
            let kept = row(meta, columns, Part::Kept);
            let high = row(meta, columns, Part::ExcessHigh);
            fold = fold + cap * along(products(&kept, &high));
        }
        if let Some(product) = columns.product {
            let product = meta.query_fixed(product, Rotation::cur());
            let first = row(meta, columns, Part::Kept);
            let plain = along(excess.clone());
            fold = fold + product * (plain - along(products(&first, &excess)));
        }
        vec![fold]
    });
}

fn products(left: &[Expr], right: &[Expr]) -> Vec<Expr> {
    let pairs = left.iter().zip(right);
    pairs.map(|(a, b)| a.clone() * b.clone()).collect()
}

/// Clamps. Two-sided: excess only at a bound, `κ(κA − 2)·A·G = 0`, limb by limb. One-sided:
/// `A·G = 0`. Excess and kept value are non-negative by their tables.
fn clamp(meta: &mut ConstraintSystem<Fr>, columns: &Columns, shape: &Shape) {
    for (name, column, part) in [
        ("clamp two-sided", columns.cap, Part::Excess),
        (
            "clamp two-sided, high limb",
            columns.cap_wide,
            Part::ExcessHigh,
        ),
    ] {
        let Some(column) = column else { continue };
        meta.create_gate(name, |meta| {
            let kept = row(meta, columns, Part::Kept);
            let excess = row(meta, columns, part);
            let cap = meta.query_fixed(column, Rotation::cur());
            let pairs = kept.into_iter().zip(excess);
            pairs
                .map(|(kept, excess)| {
                    let inside = cap.clone() * kept.clone() - constant(2);
                    cap.clone() * inside * kept * excess
                })
                .collect::<Vec<_>>()
        });
    }
    let Some(relu) = columns.relu else { return };
    meta.create_gate("clamp one-sided", |meta| {
        let kept = row(meta, columns, Part::Kept);
        let excess = row(meta, columns, Part::Excess);
        let relu = meta.query_fixed(relu, Rotation::cur());
        if !shape.clamps.wide {
            let products = products(&kept, &excess).into_iter();
            return products.map(|product| relu.clone() * product).collect();
        }
        let kept_high = row(meta, columns, Part::KeptHigh);
        let excess_high = row(meta, columns, Part::ExcessHigh);
        let limb = constant(shape.limb_base());
        let single = relu.clone() * (constant(2) - relu.clone());
        let double = relu.clone() * (relu - constant(1));
        (0..kept.len())
            .flat_map(|j| {
                let (kept, excess) = (kept[j].clone(), excess[j].clone());
                let kept_wide = kept.clone() + limb.clone() * kept_high[j].clone();
                let excess_wide = excess.clone() + limb.clone() * excess_high[j].clone();
                [
                    single.clone() * kept * excess,
                    double.clone() * kept_wide * excess_wide,
                ]
            })
            .collect::<Vec<_>>()
    });
}

/// LogUp: `Σ 1/(pole − cell) = Σ multiplicity/(pole − entry)`, cell and entry with their tags.
fn lookup(meta: &mut ConstraintSystem<Fr>, columns: &Columns) {
    if columns.stacked {
        return stacked_lookup(meta, columns);
    }
    let denominators = |meta: &mut VirtualCells<'_, Fr>, range: &[_]| -> Vec<Expr> {
        let tag = meta.query_fixed(columns.tag, Rotation::cur());
        let pole = meta.query_challenge(columns.pole);
        let mix = meta.query_challenge(columns.mix);
        range
            .iter()
            .map(|column| {
                let cell = meta.query_advice(*column, Rotation::cur());
                pole.clone() - cell - mix.clone() * tag.clone()
            })
            .collect()
    };
    let direct = columns.data.len().min(Columns::DIRECT);

    for (helper, chunk) in columns
        .helpers
        .iter()
        .zip(columns.data[direct..].chunks(Columns::PER_HELPER))
    {
        meta.create_gate("lookup helper", |meta| {
            let active = meta.query_fixed(columns.section, Rotation::cur());
            let helper = meta.query_advice(*helper, Rotation::cur());
            let denominators = denominators(meta, chunk);
            let (product, sum) = reciprocals(&denominators);
            vec![active * (helper * product - sum)]
        });
    }

    meta.create_gate("lookup sum", |meta| {
        let active = meta.query_fixed(columns.section, Rotation::cur());
        let pole = meta.query_challenge(columns.pole);
        let mix = meta.query_challenge(columns.mix);
        let entry = meta.query_fixed(columns.table_value, Rotation::cur())
            + mix * meta.query_fixed(columns.table_tag, Rotation::cur());
        let table = pole - entry;
        let multiplicity = meta.query_advice(columns.multiplicity, Rotation::cur());
        let now = meta.query_advice(columns.running, Rotation::cur());
        let next = meta.query_advice(columns.running, Rotation::next());
        let helpers = columns
            .helpers
            .iter()
            .map(|helper| meta.query_advice(*helper, Rotation::cur()))
            .fold(constant(0), |sum, helper| sum + helper);
        let denominators = denominators(meta, &columns.data[..direct]);
        let (product, sum) = reciprocals(&denominators);
        let grown = next - now - helpers;
        vec![
            active
                * (grown * product.clone() * table.clone() - sum * table + multiplicity * product),
        ]
    });

    meta.create_gate("lookup border", |meta| {
        let active = meta.query_fixed(columns.section, Rotation::cur());
        let before = meta.query_fixed(columns.section, Rotation::prev());
        let now = meta.query_advice(columns.running, Rotation::cur());
        vec![
            active.clone() * (constant(1) - before.clone()) * now.clone(),
            (constant(1) - active) * before * now,
        ]
    });
}

/// The same where the tables stand below the data: the sum takes up first `1/(pole − cell)`, then
/// `−multiplicity/(pole − entry)`, each with its tag.
fn stacked_lookup(meta: &mut ConstraintSystem<Fr>, columns: &Columns) {
    let grown = |meta: &mut VirtualCells<'_, Fr>| {
        let now = meta.query_advice(columns.running, Rotation::cur());
        meta.query_advice(columns.running, Rotation::next()) - now
    };
    let denominator = |meta: &mut VirtualCells<'_, Fr>, value: Expr| {
        let tag = meta.query_fixed(columns.tag, Rotation::cur());
        meta.query_challenge(columns.pole) - value - meta.query_challenge(columns.mix) * tag
    };
    meta.create_gate("lookup cell", |meta| {
        let data = rows_of(meta, columns, Section::Data, Rotation::cur());
        let cells: Vec<_> = columns
            .data
            .iter()
            .map(|column| meta.query_advice(*column, Rotation::cur()))
            .collect();
        let denominators: Vec<_> = cells
            .into_iter()
            .map(|cell| denominator(meta, cell))
            .collect();
        let (product, sum) = reciprocals(&denominators);
        vec![data * (grown(meta) * product - sum)]
    });
    meta.create_gate("lookup entry", |meta| {
        let table = rows_of(meta, columns, Section::Table, Rotation::cur());
        let multiplicity = meta.query_advice(columns.multiplicity, Rotation::cur());
        let value = meta.query_fixed(columns.table_value, Rotation::cur());
        let denominator = denominator(meta, value);
        vec![table * (grown(meta) * denominator + multiplicity)]
    });
    meta.create_gate("lookup border", |meta| {
        let here = meta.query_fixed(columns.section, Rotation::cur());
        let above = meta.query_fixed(columns.section, Rotation::prev());
        let data = rows_of(meta, columns, Section::Data, Rotation::cur());
        let table_above = rows_of(meta, columns, Section::Table, Rotation::prev());
        let now = meta.query_advice(columns.running, Rotation::cur());
        let behind = constant(Section::Table as u64) - here;
        vec![
            // Above data there is nothing, or more of it.
            data * (constant(Section::Data as u64) - above) * now.clone(),
            table_above * behind * now,
        ]
    });
}

/// `(Π d, Σ_i Π_{j≠i} d_j)`: `Σ 1/d = sum/product`.
fn reciprocals(denominators: &[Expr]) -> (Expr, Expr) {
    denominators
        .iter()
        .fold((constant(1), constant(0)), |(product, sum), d| {
            (product.clone() * d.clone(), sum * d.clone() + product)
        })
}

/// The scalar program's gate and its constants.
fn scalar(meta: &mut ConstraintSystem<Fr>, columns: &Columns) {
    meta.create_gate("scalar", |meta| {
        let kind = meta.query_fixed(columns.scalar_kind, Rotation::cur());
        let [a, b, c, d] = [0, 1, 2, 3].map(|i| meta.query_advice(columns.scalar, Rotation(i)));
        vec![kind.clone() * (constant(2) - kind) * (a * b + c - d)]
    });
    meta.create_gate("scalar constant", |meta| {
        let kind = meta.query_fixed(columns.scalar_kind, Rotation::cur());
        let value = meta.query_fixed(columns.constant, Rotation::cur());
        let cell = meta.query_advice(columns.scalar, Rotation::cur());
        vec![kind.clone() * (kind - constant(1)) * (cell - value)]
    });
}

/// Poseidon: S-boxes, full rounds, and partial rounds as a recurrence (see [`Recurrence`]).
fn permutation(
    meta: &mut ConstraintSystem<Fr>,
    columns: &Columns,
    poseidon: &Poseidon,
    recurrence: &Recurrence,
) {
    let t = poseidon.width() as i32;
    meta.create_gate("poseidon square", |meta| {
        let hash = rows_of(meta, columns, Section::Hash, Rotation::cur());
        let input = meta.query_advice(columns.sbox, Rotation::cur());
        let square = meta.query_advice(columns.square, Rotation::cur());
        vec![hash * (square - input.clone() * input)]
    });

    let input =
        |meta: &mut VirtualCells<'_, Fr>, at: i32| meta.query_advice(columns.sbox, Rotation(at));
    let output = |meta: &mut VirtualCells<'_, Fr>, at: i32| {
        let input = meta.query_advice(columns.sbox, Rotation(at));
        let square = meta.query_advice(columns.square, Rotation(at));
        square.clone() * square * input
    };
    // Position 0 of a relation is `t` rows above the gate's row.
    let combine = |meta: &mut VirtualCells<'_, Fr>, relation: &Relation| {
        let mut sum = constant(0);
        for (position, coefficient) in (-t..).zip(&relation.inputs) {
            if *coefficient != Fr::zero() {
                sum = sum + input(meta, position) * *coefficient;
            }
        }
        for (position, coefficient) in (-t..).zip(&relation.outputs) {
            sum = sum + output(meta, position) * *coefficient;
        }
        sum
    };
    let relations = |meta: &mut VirtualCells<'_, Fr>, selected: Expr, rows: &[Relation]| {
        (0..)
            .zip(rows)
            .map(|(at, relation)| {
                let offset = meta.query_fixed(columns.constant, Rotation(at));
                selected.clone() * (input(meta, at) - combine(meta, relation) - offset)
            })
            .collect::<Vec<_>>()
    };

    let full: Vec<Relation> = poseidon
        .mds()
        .iter()
        .map(|row| Relation {
            inputs: Vec::new(),
            outputs: row.clone(),
        })
        .collect();
    meta.create_gate("poseidon full round", |meta| {
        let round = meta.query_fixed(columns.round, Rotation::cur());
        let selected = round.clone() * (constant(2) - round);
        relations(meta, selected, &full)
    });
    meta.create_gate("poseidon partial round", |meta| {
        let round = meta.query_fixed(columns.round, Rotation::cur());
        let selected = round.clone() * (round - constant(1));
        relations(meta, selected, std::slice::from_ref(&recurrence.middle))
    });
    meta.create_gate("poseidon entry", |meta| {
        let border = meta.query_fixed(columns.border, Rotation::cur());
        let selected = border.clone() * (constant(2) - border);
        relations(meta, selected, &recurrence.entry)
    });
    meta.create_gate("poseidon exit", |meta| {
        let border = meta.query_fixed(columns.border, Rotation::cur());
        let selected = border.clone() * (border - constant(1));
        relations(meta, selected, &recurrence.exit)
    });
}
