//! What a proof shows of its polynomials, their values at the SRS's secret and where constraints read them, says
//! nothing: it is a function of full rank of random rows.

use halo2_proofs::{
    arithmetic::Field,
    halo2curves::bn256::{Fr, G1Affine},
    plonk::{Advice, Column, ConstraintSystem, ProvingKey},
};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use snark_verifier::loader::native::NativeLoader;
use snark_verifier_sdk::halo2::{PoseidonTranscript, POSEIDON_SPEC};
use std::collections::BTreeSet;

use super::{cells::everything, fixtures::*, forge::Real};
use crate::{
    circuit::{Columns, ModelCircuit, Purpose},
    layout::Shape,
};
use zkml_plonk::{commit, evaluate, CommitKey, Committed, Prepared};

/// The rank of a matrix.
fn rank(mut rows: Vec<Vec<Fr>>) -> usize {
    let width = rows.first().map_or(0, Vec::len);
    eliminate(&mut rows, width)
}

/// Brings a matrix to echelon form in its first `width` columns; returns how many rows are not zero there.
fn eliminate(rows: &mut [Vec<Fr>], width: usize) -> usize {
    let mut found = 0;
    for column in 0..width {
        let Some(pivot) = (found..rows.len()).find(|&r| rows[r][column] != Fr::ZERO) else {
            continue;
        };
        rows.swap(found, pivot);
        let (done, rest) = rows.split_at_mut(found + 1);
        let pivot = &done[found];
        let inverse = pivot[column].invert().unwrap();
        for row in rest {
            let factor = row[column] * inverse;
            let pairs = row.iter_mut().zip(pivot);
            pairs.for_each(|(v, p)| *v -= factor * p);
        }
        found += 1;
    }
    found
}

/// Random rows of one column, values that a proof shows of it, and the quotient's pieces.
#[derive(Debug, PartialEq, Eq)]
struct Measured {
    column: usize,
    rows: usize,
    shown: usize,
    pieces: usize,
}

/// What is committed to in a proof, by its own prover.
struct Made {
    pk: ProvingKey<G1Affine>,
    prepared: Prepared,
    committed: Committed,
}

fn make(mut model: Model, shape: Shape) -> Made {
    let plan = model.plan(shape);
    let inputs = model.random_input();
    let witness = model.witness(&plan, &inputs);
    let Real { srs, pk } = Real::new(&plan);
    let prepared = Prepared::new(&pk);
    let instances = witness.instances.clone();
    let circuit = ModelCircuit::with_witness(plan, witness, Purpose::Proof);
    let mut transcript =
        PoseidonTranscript::<NativeLoader, Vec<u8>>::from_spec(vec![], POSEIDON_SPEC.clone());
    let random = ChaCha20Rng::seed_from_u64(8);
    let committed = commit(
        &CommitKey::new(&srs.params).unwrap(),
        &pk,
        &prepared,
        &circuit,
        &[&instances],
        random,
        &mut transcript,
    )
    .unwrap();
    Made {
        pk,
        prepared,
        committed,
    }
}

/// The polynomials that are 1 on one of the last rows.
fn units(prepared: &Prepared, count: usize) -> Vec<Vec<Fr>> {
    let n = prepared.domain.rows();
    let unit = |row: usize| {
        let mut values = vec![Fr::ZERO; n];
        values[row] = Fr::ONE;
        prepared.domain.interpolate(&mut values);
        values
    };
    (n - count..n).map(unit).collect()
}

/// In which columns the quotient's pieces are affine, and with the column's own values of full rank, in the random
/// rows. All columns and products are of full rank on their own.
fn measure(model: Model, shape: Shape) -> Vec<Measured> {
    let Made {
        pk,
        prepared,
        mut committed,
    } = make(model, shape);
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let cs = pk.get_vk().cs();
    let (n, omega) = (prepared.domain.rows(), prepared.domain.omega);
    let [secret, x] = [(); 2].map(|()| Fr::random(&mut rng));
    let rotated = |rotation: i64| x * omega.pow_vartime([rotation.rem_euclid(n as i64) as u64]);
    let blinding = cs.blinding_factors();
    let random_rows = |count: usize| units(&prepared, count);

    // A product is opened at x and after it, and all but the last after the usable rows too.
    let last = -(blinding as i64 + 1);
    let points = [secret, x, rotated(1), rotated(last)];
    let values = |basis: &Vec<Fr>| points.map(|point| evaluate(basis, point)).to_vec();
    let rows = random_rows(blinding);
    assert_eq!(rank(rows.iter().map(values).collect()), points.len());

    let rows = random_rows(blinding + 1);
    let mut found = Vec::new();
    for column in 0..committed.advice.len() {
        let queries = cs.advice_queries().iter();
        let queries = queries.filter(|(advice, _)| advice.index() == column);
        let rotations: BTreeSet<i64> = queries.map(|(_, r)| i64::from(r.0)).collect();
        let points: Vec<Fr> = rotations.into_iter().map(rotated).collect();
        let points = [vec![secret], points].concat();
        let own: Vec<Vec<Fr>> = rows
            .iter()
            .map(|basis| points.iter().map(|point| evaluate(basis, *point)).collect())
            .collect();
        assert_eq!(rank(own), points.len(), "column {column}");
        assert!(points.len() + 2 <= rows.len(), "column {column}");

        // What is shown of the column and of the quotient when these rows have one more.
        let mut shown = |changed: &[usize]| -> Vec<Fr> {
            let before = committed.advice[column].clone();
            for row in changed {
                let pairs = committed.advice[column].iter_mut().zip(&rows[*row]);
                pairs.for_each(|(v, one)| *v += one);
            }
            let pieces = committed.numerator(&pk).quotient(&prepared).unwrap();
            let polynomial = std::mem::replace(&mut committed.advice[column], before);
            let own = points.iter().map(|point| evaluate(&polynomial, *point));
            own.chain(pieces.iter().map(|piece| evaluate(piece, secret)))
                .collect()
        };
        let base = shown(&[]);
        let mut step = |changed: &[usize]| -> Vec<Fr> {
            let after = shown(changed);
            after
                .iter()
                .zip(&base)
                .map(|(after, before)| after - before)
                .collect()
        };
        let (one, two, both) = (step(&[0]), step(&[1]), step(&[0, 1]));
        let twice = step(&[0, 0]);
        let affine =
            (0..base.len()).all(|i| both[i] == one[i] + two[i] && twice[i] == one[i] + one[i]);
        if !affine {
            continue;
        }
        let steps = (0..rows.len()).map(|row| step(&[row])).collect();
        if rank(steps) == base.len() {
            found.push(Measured {
                column,
                rows: rows.len(),
                shown: points.len(),
                pieces: base.len() - points.len(),
            });
        }
    }
    found
}

/// docs/security.md#blinding rests on one such column in each canonical circuit: `running`, or where there is one data
/// column `fold`. Stacked ones have none: their columns are multiplied with themselves. There it rests on the grand
/// product.
#[test]
fn pieces_of_the_quotient_are_blinded() {
    for shape in [
        shape(12, 5, 3),
        shape(12, 2, 5),
        shape(12, 8, 9),
        shape(13, 1, 3),
    ] {
        let found = measure(everything(), shape);
        println!("{shape:?}: {found:?}");
        let columns = Columns::new(&mut ConstraintSystem::default(), &shape);
        let carries = |column: Column<Advice>| found.iter().any(|one| one.column == column.index());
        // With one data column the sum of the look-ups does not reach the last piece.
        assert_eq!(carries(columns.running), shape.data > 1, "{shape:?}");
        if shape.data == 1 {
            assert!(carries(columns.fold), "{shape:?}");
        }
        for column in found {
            assert_eq!(column.pieces, 4);
            assert!(column.shown + column.pieces <= column.rows);
        }
    }
}

/// Vectors that span what a matrix, given by its columns, takes to zero.
fn kernel(columns: &[Vec<Fr>]) -> Vec<Vec<Fr>> {
    // Each column beside its own unit vector; what becomes zero on the left is in the kernel on the right.
    let width = columns.first().map_or(0, Vec::len);
    let beside = |(at, column): (usize, &Vec<Fr>)| {
        let units = (0..columns.len()).map(|i| Fr::from(u64::from(i == at)));
        column.iter().copied().chain(units).collect()
    };
    let mut rows: Vec<Vec<Fr>> = columns.iter().enumerate().map(beside).collect();
    let found = eliminate(&mut rows, width);
    let left = rows.into_iter().skip(found);
    left.map(|row| row[width..].to_vec()).collect()
}

/// The grand product z of a stacked circuit and the four pieces h of the quotient, in its b random rows c, all else
/// fixed. z enters one constraint with its square, ℓ_last·(z² − z); all others are affine in it. ℓ_last·z² has
/// three factors, so that over the vanishing polynomial it reaches h₀ and h₁ alone:
///
/// 1. z(s), z(x), z(ωx), h₂(s) and h₃(s) are affine in c;
/// 2. h(s) = Σ s^(nk)·h_k(s) is so where z(s) is fixed;
/// 3. where all six are fixed, h₁(s) is a polynomial of degree 2 whose quadratic part is not degenerate: it takes
///    each value equally often, but for one part in r.
///
/// Together: what is shown of z and h is within 2/r of uniform.
#[test]
fn pieces_of_the_quotient_are_blinded_in_stacked_circuits() {
    for shape in [
        stacked(13),
        Shape {
            hash_width: 5,
            ..stacked(13)
        },
    ] {
        let Made {
            pk,
            prepared,
            mut committed,
        } = make(everything(), shape);
        assert_eq!(committed.products.len(), 1);
        let rows = units(&prepared, pk.get_vk().cs().blinding_factors());
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let [secret, x] = [(); 2].map(|()| Fr::random(&mut rng));
        let n = prepared.domain.rows() as u64;
        let points = [secret, x, x * prepared.domain.omega];

        // z(s), z(x), z(ωx), h₂(s), h₃(s), h(s), h₁(s) less what they are with the first random rows.
        let mut shown = |c: &[Fr]| -> Vec<Fr> {
            let before = committed.products[0].clone();
            for (row, c) in rows.iter().zip(c) {
                let pairs = committed.products[0].iter_mut().zip(row);
                pairs.for_each(|(v, one)| *v += *c * one);
            }
            let pieces = committed.numerator(&pk).quotient(&prepared).unwrap();
            let z = std::mem::replace(&mut committed.products[0], before);
            let h: Vec<Fr> = pieces.iter().map(|piece| evaluate(piece, secret)).collect();
            assert_eq!(h.len(), 4);
            let step = secret.pow_vartime([n]);
            let all = h.iter().rev().fold(Fr::ZERO, |sum, h| sum * step + h);
            let z = points.iter().map(|point| evaluate(&z, *point));
            z.chain([h[2], h[3], all, h[1]]).collect()
        };
        let base = shown(&[]);
        let mut by = |c: &[Fr]| -> Vec<Fr> {
            let pairs = shown(c).into_iter().zip(&base);
            pairs.map(|(after, before)| after - before).collect()
        };
        let sum =
            |a: &[Fr], b: &[Fr]| -> Vec<Fr> { a.iter().zip(b).map(|(a, b)| *a + b).collect() };
        let random: Vec<Vec<Fr>> = (0..2)
            .map(|_| rows.iter().map(|_| Fr::random(&mut rng)).collect())
            .collect();
        let two = [by(&random[0]), by(&random[1])];
        let both = by(&sum(&random[0], &random[1]));
        assert_eq!(both[..5], sum(&two[0], &two[1])[..5], "affine");

        let unit = |i: usize| -> Vec<Fr> {
            let one = |row| Fr::from(u64::from(row == i));
            (0..rows.len()).map(one).collect()
        };
        let steps: Vec<Vec<Fr>> = (0..rows.len()).map(|i| by(&unit(i))).collect();
        let five: Vec<Vec<Fr>> = steps.iter().map(|step| step[..5].to_vec()).collect();
        assert_eq!(rank(five.clone()), 5);
        let within = kernel(&five);
        assert_eq!(within.len(), rows.len() - 5);

        // Where five are fixed the sixth is affine as well.
        let sixth: Vec<Vec<Fr>> = within.iter().map(|c| vec![by(c)[5]]).collect();
        let both = by(&sum(&within[0], &within[1]))[5];
        assert_eq!(both, sixth[0][0] + sixth[1][0]);
        assert_eq!(rank(sixth.clone()), 1);
        let within: Vec<Vec<Fr>> = kernel(&sixth)
            .into_iter()
            .map(|of| {
                let zero = vec![Fr::ZERO; rows.len()];
                let terms = of.iter().zip(&within);
                terms.fold(zero, |all, (factor, c)| {
                    let scaled: Vec<Fr> = c.iter().map(|c| *factor * c).collect();
                    sum(&all, &scaled)
                })
            })
            .collect();
        assert_eq!(within.len(), rows.len() - 6);

        // The form B of the quadratic part: q(a + b) − q(a) − q(b).
        let [a, b] = [&within[0], &within[1]];
        let own = by(a);
        assert!(own[..6].iter().all(|v| *v == Fr::ZERO));
        let mut form = |a: &[Fr], b: &[Fr]| by(&sum(a, b))[6] - by(a)[6] - by(b)[6];
        let (aa, ab, bb) = (form(a, a), form(a, b), form(b, b));
        let determinant = aa * bb - ab.square();
        println!(
            "{shape:?}: {} random rows, determinant {determinant:?}",
            rows.len()
        );
        assert_ne!(determinant, Fr::ZERO);
    }
}
