//! Partial rounds with one witness cell each.
//!
//! Between partial rounds the state evolves as `s' = M(s + δ·e₀) + c`, where `x = s₀` is the
//! S-box input and `δ = x⁵ − x`. The state is not witnessed: being observable through `x`
//! (`O` with rows `e₀ᵀMⁱ` is invertible), it is a linear function of the last `t` S-box inputs
//! and outputs. So each `x` is a linear combination of earlier ones:
//!
//! * entry: the first `t` inputs, from the last full state's S-box outputs;
//! * middle: `x(j+t)` from the `t` inputs and outputs before it;
//! * exit: the whole state that enters the next full round, from the last `t`.
//!
//! Constants are affine terms: they follow from one concrete trace.

use halo2_proofs::{arithmetic::Field, halo2curves::bn256::Fr};

use super::Poseidon;

/// A value as a linear combination of S-box inputs and outputs at earlier positions.
///
/// Position 0 is the oldest. The additive constant is not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Coefficients of S-box inputs.
    pub inputs: Vec<Fr>,
    /// Coefficients of S-box outputs.
    pub outputs: Vec<Fr>,
}

/// The three kinds of relation of one permutation.
#[derive(Clone, Debug)]
pub struct Recurrence {
    /// For each of the first `t` partial inputs: coefficients over positions
    /// `[t outputs of the last full state, then the earlier partial ones]`.
    pub entry: Vec<Relation>,
    /// `x(j+t)` over positions `j..j+t`.
    pub middle: Relation,
    /// Each lane of the state after the partial rounds, over the last `t` positions.
    pub exit: Vec<Relation>,
}

type Matrix = Vec<Vec<Fr>>;

impl Recurrence {
    /// Derives the relations; `None` if the state is not observable (never for these matrices).
    pub fn new(poseidon: &Poseidon) -> Option<Self> {
        let t = poseidon.width();
        let mut powers = vec![identity(t)];
        for i in 0..t {
            powers.push(multiply(&powers[i], poseidon.mds()));
        }
        // impulse[m] = e₀ᵀ Mᵐ e₀: how δ, m steps earlier, shows in x.
        let impulse: Vec<Fr> = powers.iter().map(|power| power[0][0]).collect();
        let observe: Matrix = powers[..t].iter().map(|power| power[0].clone()).collect();
        let recover = invert(observe)?;

        let exit = (0..t)
            .map(|lane| {
                let state_row = row_times(&powers[t][lane], &recover);
                through_state(&state_row, &impulse, |l| powers[t - l][lane][0])
            })
            .collect();
        let middle_row = row_times(&powers[t][0], &recover);
        let middle = through_state(&middle_row, &impulse, |l| impulse[t - l]);

        let entry = (0..t)
            .map(|i| {
                // x_i = e₀ᵀ Mⁱ s₁ + Σ_{l<i} impulse[i-l] δ_l with s₁ = M·y.
                let mut relation = Relation {
                    inputs: vec![Fr::ZERO; t + i],
                    outputs: powers[i + 1][0].clone(),
                };
                for l in 0..i {
                    relation.inputs[t + l] = -impulse[i - l];
                    relation.outputs.push(impulse[i - l]);
                }
                relation
            })
            .collect();
        Some(Self {
            entry,
            middle,
            exit,
        })
    }
}

/// Composes `row · s(j) + Σ_l late(l) δ(j+l)`, with the state recovered from inputs and δ.
fn through_state(row: &[Fr], impulse: &[Fr], late: impl Fn(usize) -> Fr) -> Relation {
    let t = row.len();
    let mut inputs = row.to_vec();
    let mut outputs = vec![Fr::ZERO; t];
    for l in 0..t {
        let early: Fr = (l + 1..t).map(|i| row[i] * impulse[i - l]).sum();
        let delta = late(l) - early;
        outputs[l] += delta;
        inputs[l] -= delta;
    }
    Relation { inputs, outputs }
}

fn identity(t: usize) -> Matrix {
    (0..t)
        .map(|i| (0..t).map(|j| Fr::from(u64::from(i == j))).collect())
        .collect()
}

fn row_times(row: &[Fr], matrix: &[Vec<Fr>]) -> Vec<Fr> {
    (0..matrix.len())
        .map(|j| row.iter().zip(matrix).map(|(a, b)| *a * b[j]).sum())
        .collect()
}

fn multiply(a: &[Vec<Fr>], b: &[Vec<Fr>]) -> Matrix {
    a.iter().map(|row| row_times(row, b)).collect()
}

/// Gauss–Jordan elimination.
fn invert(mut matrix: Matrix) -> Option<Matrix> {
    let t = matrix.len();
    let mut inverse = identity(t);
    for column in 0..t {
        let pivot = (column..t).find(|&row| !bool::from(matrix[row][column].is_zero()))?;
        matrix.swap(column, pivot);
        inverse.swap(column, pivot);
        let scale = Option::<Fr>::from(matrix[column][column].invert())?;
        matrix[column].iter_mut().for_each(|cell| *cell *= scale);
        inverse[column].iter_mut().for_each(|cell| *cell *= scale);
        for row in (0..t).filter(|&row| row != column) {
            let factor = matrix[row][column];
            for j in 0..t {
                let (a, b) = (matrix[column][j], inverse[column][j]);
                matrix[row][j] -= factor * a;
                inverse[row][j] -= factor * b;
            }
        }
    }
    Some(inverse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::quintic;

    fn apply(relation: &Relation, inputs: &[Fr]) -> Fr {
        let linear = |coefficients: &[Fr], values: Vec<Fr>| -> Fr {
            coefficients.iter().zip(values).map(|(a, b)| *a * b).sum()
        };
        let outputs = inputs.iter().map(|x| quintic(*x)).collect();
        linear(&relation.inputs, inputs.to_vec()) + linear(&relation.outputs, outputs)
    }

    /// Every relation holds, up to the same constant, on two unrelated traces.
    #[test]
    fn relations_hold_on_any_trace() {
        for width in Poseidon::WIDTHS {
            let poseidon = Poseidon::new(width).unwrap();
            let recurrence = Recurrence::new(&poseidon).unwrap();
            let constants = |seed: u64| -> Vec<Fr> {
                let trace =
                    poseidon.trace((0..width as u64).map(|i| Fr::from(seed + i * i)).collect());
                let full = &trace.first[3];
                let entries = recurrence.entry.iter().enumerate().map(|(i, relation)| {
                    let inputs = [full.as_slice(), &trace.partial[..i]].concat();
                    trace.partial[i] - apply(relation, &inputs)
                });
                let middles = (width..poseidon.partial_rounds()).map(|j| {
                    trace.partial[j] - apply(&recurrence.middle, &trace.partial[j - width..j])
                });
                let tail = &trace.partial[poseidon.partial_rounds() - width..];
                let exits = recurrence
                    .exit
                    .iter()
                    .enumerate()
                    .map(|(lane, relation)| trace.last[0][lane] - apply(relation, tail));
                entries.chain(middles).chain(exits).collect()
            };
            assert_eq!(constants(3), constants(1 << 40));
        }
    }
}
