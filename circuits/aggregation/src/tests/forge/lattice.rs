//! Small solutions of a linear equation modulo r, by a reduced basis of a lattice in three dimensions.

use super::{integer, r, residue};
use num_bigint::BigInt;
use snark_verifier::halo2_base::halo2_proofs::halo2curves::bn256::Fr;

type Vector = [BigInt; 3];

fn dot(a: &Vector, b: &Vector) -> BigInt {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn plus(a: &Vector, factor: &BigInt, b: &Vector) -> Vector {
    std::array::from_fn(|i| &a[i] + factor * &b[i])
}

fn determinant([a, b, c]: [&Vector; 3]) -> BigInt {
    let cross: Vector = std::array::from_fn(|i| {
        let (j, k) = ((i + 1) % 3, (i + 2) % 3);
        let (left, right): (BigInt, BigInt) = (&b[j] * &c[k], &b[k] * &c[j]);
        left - right
    });
    dot(a, &cross)
}

/// The integer nearest to a/b.
fn round(a: &BigInt, b: &BigInt) -> BigInt {
    let sign = BigInt::from(if *b < BigInt::default() { -1 } else { 1 });
    let (a, b): (BigInt, BigInt) = (a * &sign, b * &sign);
    let (above, whole): (BigInt, BigInt) = (&a * 2 + &b, b * 2);
    let rest: BigInt = residue(&above, &whole);
    let floor: BigInt = above - rest;
    floor / whole
}

/// Makes a basis' vectors short, each as long as no combination with the others is shorter.
fn reduce(basis: &mut [Vector; 3]) {
    let mut before = None;
    while before.as_ref() != Some(basis) {
        before = Some(basis.clone());
        for i in 0..3 {
            let (j, k) = ((i + 1) % 3, (i + 2) % 3);
            for other in [j, k] {
                let [a, b] = [i, other].map(|i| basis[i].clone());
                basis[i] = plus(&a, &-round(&dot(&a, &b), &dot(&b, &b)), &b);
            }
            for (s, t) in [(1, 1), (1, -1), (-1, 1), (-1, -1)] {
                let sum = plus(&basis[i], &s.into(), &basis[j]);
                let sum = plus(&sum, &t.into(), &basis[k]);
                if dot(&sum, &sum) < dot(&basis[i], &basis[i]) {
                    basis[i] = sum;
                }
            }
        }
    }
}

/// A solution of Σ factors·x = sum (mod r), with each x near `middle`.
pub fn near(factors: [Fr; 3], sum: Fr, middle: &BigInt) -> Vector {
    let last = factors[2].invert().unwrap();
    let number = |value: u8| BigInt::from(value);
    let mut basis = [
        [number(1), number(0), integer(-factors[0] * last)],
        [number(0), number(1), integer(-factors[1] * last)],
        [number(0), number(0), r()],
    ];
    reduce(&mut basis);
    let solution = [number(0), number(0), integer(sum * last)];
    let target = solution.clone().map(|x| middle - x);
    let [a, b, c] = &basis;
    let whole = determinant([a, b, c]);
    let parts = [[&target, b, c], [a, &target, c], [a, b, &target]];
    let coordinates = parts.map(|part| round(&determinant(part), &whole));
    let steps = coordinates.iter().zip(&basis);
    steps.fold(solution, |x, (times, vector)| plus(&x, times, vector))
}
