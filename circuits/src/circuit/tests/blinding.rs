//! What a proof shows of its polynomials, their values at the SRS's secret and where constraints read them, says
//! nothing: it is a function of full rank of random rows.

use halo2_proofs::{arithmetic::Field, halo2curves::bn256::Fr};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use snark_verifier::loader::native::NativeLoader;
use snark_verifier_sdk::halo2::{PoseidonTranscript, POSEIDON_SPEC};
use std::collections::BTreeSet;

use super::{cells::everything, fixtures::*, forge::Real};
use crate::{
    circuit::{ModelCircuit, Purpose},
    layout::Shape,
    plonk::{commit, evaluate, CommitKey, Prepared},
};

/// The rank of a matrix, row by row.
fn rank(mut rows: Vec<Vec<Fr>>) -> usize {
    let width = rows.first().map_or(0, Vec::len);
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
            row.iter_mut()
                .zip(pivot)
                .for_each(|(v, p)| *v -= factor * p);
        }
        found += 1;
    }
    found
}

/// Random rows of one column, values that a proof shows of it, and the quotient's pieces.
#[derive(Debug, PartialEq, Eq)]
struct Measured {
    rows: usize,
    shown: usize,
    pieces: usize,
}

/// In which columns the quotient's pieces are affine, and with the column's own values of full rank, in the random
/// rows. All columns and products are of full rank on their own.
fn measure(mut model: Model, shape: Shape) -> Vec<Measured> {
    let plan = model.plan(shape);
    let inputs = model.random_input();
    let witness = model.witness(&plan, &inputs);
    let Real { srs, pk } = Real::new(&plan);
    let prepared = Prepared::new(&pk);
    let instances = witness.instances.clone();
    let circuit = ModelCircuit::with_witness(plan, witness, Purpose::Proof);
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let mut transcript =
        PoseidonTranscript::<NativeLoader, Vec<u8>>::from_spec(vec![], POSEIDON_SPEC.clone());
    let random = ChaCha20Rng::seed_from_u64(8);
    let mut committed = commit(
        &CommitKey::new(&srs.params).unwrap(),
        &pk,
        &prepared,
        &circuit,
        &[&instances],
        random,
        &mut transcript,
    )
    .unwrap();
    let cs = pk.get_vk().cs();
    let (n, omega) = (prepared.domain.rows(), prepared.domain.omega);
    let [secret, x] = [(); 2].map(|()| Fr::random(&mut rng));
    let rotated = |rotation: i64| x * omega.pow_vartime([rotation.rem_euclid(n as i64) as u64]);
    // The polynomial that is 1 on one row.
    let unit = |row: usize| {
        let mut values = vec![Fr::ZERO; n];
        values[row] = Fr::ONE;
        prepared.domain.interpolate(&mut values);
        values
    };
    let blinding = cs.blinding_factors();
    let random_rows = |count: usize| (n - count..n).map(unit).collect::<Vec<_>>();

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
                rows: rows.len(),
                shown: points.len(),
                pieces: base.len() - points.len(),
            });
        }
    }
    found
}

/// docs/security.md#blinding rests on one such column in each kind of circuit.
#[test]
fn pieces_of_the_quotient_are_blinded() {
    for shape in [shape(12, 5, 3), shape(12, 2, 5), stacked(13)] {
        let found = measure(everything(), shape);
        println!("{shape:?}: {found:?}");
        assert!(!found.is_empty(), "{shape:?}");
        for column in found {
            assert_eq!(column.pieces, 4);
            assert!(column.shown + column.pieces <= column.rows);
        }
    }
}
