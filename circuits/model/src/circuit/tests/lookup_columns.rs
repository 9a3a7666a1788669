//! The look-up columns of a witness, cell by cell, as the definition has them.

use halo2_proofs::{arithmetic::Field, halo2curves::bn256::Fr};

use crate::{
    circuit::{fixed::data_rows, phase2, Columns, Witness},
    layout::Plan,
};

/// The look-up argument's columns at given challenges, whether or not the sums agree.
pub struct LookupColumns {
    /// Multiplicities of the cells that are in their tables.
    pub counts: Vec<Fr>,
    /// The only helper column (five data columns).
    pub helper: Vec<Fr>,
    /// Running sum.
    pub running: Vec<Fr>,
    /// Its last value: what the cells outside their tables add.
    pub balance: Fr,
}

/// Computes the columns from `1/(pole − cell − mix·tag)` without looking anything up. `tag` replaces the tags of
/// data rows, and `entry`, tag and value, stands in place of the last table row.
pub fn lookup_columns(
    plan: &Plan,
    witness: &Witness,
    (pole, mix): (Fr, Fr),
    tag: impl Fn(usize) -> usize,
    entry: Option<(usize, u64)>,
) -> LookupColumns {
    let places = plan.rows;
    let direct = Columns::DIRECT.min(plan.shape.data);
    let rows = data_rows(plan);
    let width = plan.shape.data;
    let grid = phase2::data_grid(plan, witness, rows.len());
    let cell = |r: usize, j: usize| grid.get(r * width + j).copied().unwrap_or(0);
    let tag = |r: usize| tag(rows.get(r).map_or(0, |row| row.tag));
    let mut entries: Vec<(usize, u64)> = plan.tables.entries().collect();
    let last = entries.len() - 1;
    if let Some(entry) = entry {
        entries[last] = entry;
    }
    let mut counts = vec![0u64; entries.len()];
    let index = plan.tables.index();
    let inverse = |r: usize, j: usize| {
        let denominator = pole - Fr::from(cell(r, j)) - mix * Fr::from(tag(r) as u64);
        denominator.invert().unwrap()
    };
    for r in 0..places.data {
        for j in 0..width {
            let known = index.row(tag(r), cell(r, j));
            assert!(entry.is_none() || known != Some(last), "an entry in use");
            let added = (entry == Some((tag(r), cell(r, j)))).then_some(last);
            if let Some(at) = known.or(added) {
                counts[at] += 1;
            }
        }
    }
    let helper: Vec<Fr> = (0..places.data)
        .map(|r| (direct..width).map(|j| inverse(r, j)).sum())
        .collect();
    let mut running = vec![Fr::ZERO];
    for r in 0..places.summed {
        let mut sum = running[r];
        if r < places.data {
            sum += helper[r];
            for j in 0..direct {
                sum += inverse(r, j);
            }
        }
        let entry = r.checked_sub(places.table);
        let entry = entry.and_then(|at| counts.get(at).zip(entries.get(at)));
        if let Some((count, (tag, value))) = entry {
            let entry = pole - Fr::from(*value) - mix * Fr::from(*tag as u64);
            sum -= Fr::from(*count) * entry.invert().unwrap();
        }
        running.push(sum);
    }
    LookupColumns {
        counts: counts.into_iter().map(Fr::from).collect(),
        helper,
        balance: running[places.summed],
        running,
    }
}
