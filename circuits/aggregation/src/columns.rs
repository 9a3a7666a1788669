//! The gate columns: one long list of cells, laid out over one or more columns.
//!
//! A gate is `a + b·c = d` on four consecutive cells of one column. Where a column is full, its last cell is
//! repeated at the top of the next, so that a gate may start there. The repeated cells are the
//! layout's *breaks*; they depend on the circuit only and are part of its key.
//!
//! Two columns share one fixed column v of selectors, which saves the contract a commitment and the
//! prover its transforms. v = s₀ + 2·s₁, and the selectors are read off by interpolation on {0, 1, 2, 3}:
//!
//! | degree | constraint |
//! |--------|------------|
//! | 5 | (2/3)·v·(v − 2)·(v − 5/2) · (a + b·c − d) = 0 in the first column |
//! | 5 | −(1/3)·v·(v − 1)·(v − 7/2) · (a + b·c − d) = 0 in the second |
//! | 3 | v · (a + b·c − d) = 0 in a column without a partner |

use snark_verifier::halo2_base::{
    halo2_proofs::{
        arithmetic::Field,
        circuit::{Region, Value},
        halo2curves::bn256::Fr,
        plonk::{Advice, Column, ConstraintSystem, Expression, Fixed},
        poly::Rotation,
    },
    virtual_region::copy_constraints::SharedCopyConstraintManager,
    Context, ContextCell,
};

/// Cells of a gate.
const GATE: usize = 4;

/// The gate columns and their selectors.
#[derive(Clone, Debug)]
pub struct GateColumns {
    pub(super) values: Vec<Column<Advice>>,
    selectors: Vec<Column<Fixed>>,
}

impl GateColumns {
    /// Adds the columns and their gates.
    pub fn configure(meta: &mut ConstraintSystem<Fr>, count: usize) -> Self {
        let values: Vec<_> = (0..count).map(|_| meta.advice_column()).collect();
        let mut selectors = Vec::new();
        for pair in values.chunks(2) {
            let selector = meta.fixed_column();
            selectors.push(selector);
            for (i, &column) in pair.iter().enumerate() {
                meta.enable_equality(column);
                meta.create_gate("a + b·c = d", |meta| {
                    let v = meta.query_fixed(selector, Rotation::cur());
                    let on = if pair.len() == 1 { v } else { bit(v, i) };
                    let [a, b, c, d] =
                        [0, 1, 2, 3].map(|row| meta.query_advice(column, Rotation(row)));
                    vec![on * (a + b * c - d)]
                });
            }
        }
        Self { values, selectors }
    }

    /// Lays the cells out; with `copies`, for a key, the selectors as well.
    pub fn assign(
        &self,
        region: &mut Region<'_, Fr>,
        context: &Context<Fr>,
        breaks: &[usize],
        copies: Option<&SharedCopyConstraintManager<Fr>>,
    ) {
        let mut copies = copies.map(|copies| copies.lock().unwrap_or_else(|e| e.into_inner()));
        let (type_id, id) = context.tag();
        let mut selectors = vec![Vec::new(); self.selectors.len()];
        let mut start = 0;
        let mut last = None;
        for (c, &column) in self.values.iter().enumerate() {
            let end = breaks.get(c).copied();
            let stop = end.map_or(context.advice.len(), |end| end + 1);
            for i in start..stop {
                let Some(value) = context.advice.get(i) else {
                    break;
                };
                let row = i - start;
                let cell = region
                    .assign_advice(column, row, Value::known(value))
                    .cell();
                let Some(copies) = copies.as_mut() else {
                    continue;
                };
                match last.take() {
                    Some(earlier) => region.constrain_equal(cell, earlier),
                    None => {
                        copies
                            .assigned_advices
                            .insert(ContextCell::new(type_id, id, i), cell);
                    }
                }
                if end == Some(i) {
                    last = Some(cell);
                } else if context.selector.get(i) == Some(&true) {
                    let packed: &mut Vec<u64> = &mut selectors[c / 2];
                    if packed.len() <= row {
                        packed.resize(row + 1, 0);
                    }
                    packed[row] += 1 << (c % 2);
                }
            }
            match end {
                Some(end) => start = end,
                None => break,
            }
        }
        for (&column, packed) in self.selectors.iter().zip(&selectors) {
            for (row, &value) in packed.iter().enumerate().filter(|(_, value)| **value != 0) {
                region.assign_fixed(column, row, Fr::from(value));
            }
        }
    }
}

/// Where a layout of this context breaks, with so many rows in a column.
pub fn breaks(context: &Context<Fr>, rows: usize) -> Vec<usize> {
    let mut breaks = Vec::new();
    let mut row = 0;
    for i in 0..context.advice.len() {
        let gate = context.selector.get(i) == Some(&true);
        if (gate && row + GATE > rows) || row + 1 >= rows {
            breaks.push(i);
            row = 0;
        }
        row += 1;
    }
    breaks
}

/// The selector of the first or the second column of a pair.
fn bit(v: Expression<Fr>, i: usize) -> Expression<Fr> {
    let rational = |numerator: u64, denominator: u64| {
        let inverse = Option::from(Fr::from(denominator).invert()).unwrap_or(Fr::ZERO);
        Expression::Constant(Fr::from(numerator) * inverse)
    };
    if i == 0 {
        rational(2, 3) * v.clone() * (v.clone() - rational(2, 1)) * (v - rational(5, 2))
    } else {
        -(rational(1, 3) * v.clone() * (v.clone() - rational(1, 1)) * (v - rational(7, 2)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(i: usize, v: u64) -> Fr {
        bit(Expression::Constant(Fr::from(v)), i).evaluate(
            &|constant| constant,
            &|_| Fr::ZERO,
            &|_| Fr::ZERO,
            &|_| Fr::ZERO,
            &|_| Fr::ZERO,
            &|_| Fr::ZERO,
            &|a| -a,
            &|a, b| a + b,
            &|a, b| a * b,
            &|a, scalar| a * scalar,
        )
    }

    #[test]
    fn selectors_are_the_bits_of_their_column() {
        for v in 0..4 {
            for i in 0..2 {
                assert_eq!(evaluate(i, v), Fr::from(v >> i & 1), "bit {i} of {v}");
            }
        }
    }

    #[test]
    fn no_gate_crosses_a_break() {
        let mut context = Context::<Fr>::new(false, 0, "test", 0, Default::default());
        for _ in 0..50 {
            context.assign_region(
                [2u64, 3, 4, 14, 1, 5, 19]
                    .map(|v| snark_verifier::halo2_base::QuantumCell::Witness(Fr::from(v))),
                [0, 3],
            );
        }
        for rows in 8..40 {
            let breaks = breaks(&context, rows);
            let mut start = 0;
            let gates: Vec<usize> = (0..350).filter(|i| context.selector[*i]).collect();
            for &end in breaks.iter().chain([&349]) {
                assert!(end - start < rows, "{rows} rows, cells {start} to {end}");
                assert!(
                    gates.iter().all(|g| *g + 3 <= end || *g >= end),
                    "a gate crosses {end}"
                );
                start = end;
            }
        }
    }
}
