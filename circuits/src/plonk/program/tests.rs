//! The compiled gates against halo2's own evaluation.

use super::*;
use crate::{
    circuit::{ModelCircuit, Params},
    layout::{Clamps, Shape},
};
use halo2_proofs::plonk::{Circuit, ConstraintSystem};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

/// The model circuit's gates at one row, by halo2's own evaluation and by the program.
#[test]
fn it_computes_the_gates() {
    for (data, hash_width) in [(2, 3), (5, 3), (8, 5)] {
        let mut meta = ConstraintSystem::default();
        let shape = Shape {
            k: 10,
            data,
            hash_width,
            limb_bits: 8,
            clamps: Clamps::ALL,
            stacked: false,
        };
        ModelCircuit::configure_with_params(&mut meta, Params(shape));
        let mut rng = ChaCha20Rng::seed_from_u64(data as u64);
        // Not a multiple of the rows computed together.
        let rows = 8 * ROWS + 5;
        let mut random = |count: usize| -> Vec<Vec<Fr>> {
            let mut column = || (0..rows).map(|_| Fr::random(&mut rng)).collect();
            (0..count).map(|_| column()).collect()
        };
        let fixed = random(meta.num_fixed_columns());
        let advice = random(meta.num_advice_columns());
        let challenges = random(1)[0][..meta.num_challenges()].to_vec();
        let polynomials: Vec<_> = meta.gates().iter().flat_map(|g| g.polynomials()).collect();
        let weights = random(1)[0][..polynomials.len().min(rows)].to_vec();
        let column = |query: Query| match query.kind {
            Kind::Fixed => &fixed[query.column][..],
            Kind::Advice => &advice[query.column],
            Kind::Instance => unreachable!("no gate reads the instance"),
        };
        let mut program = Program::new(polynomials.iter().copied(), &challenges, &weights).unwrap();
        let values = program.column(rows, &column);
        program.ifma = None;
        assert_eq!(program.column(rows, &column), values, "one by one");
        for row in [0, 1, ROWS, rows - 3, rows - 1] {
            let expected: Fr = polynomials
                .iter()
                .zip(&weights)
                .map(|(polynomial, weight)| {
                    let value = polynomial.evaluate(
                        &|constant| constant,
                        &|_| unreachable!("no selectors"),
                        &|q| fixed[q.column_index()][rotated(row, q.rotation().0, rows)],
                        &|q| advice[q.column_index()][rotated(row, q.rotation().0, rows)],
                        &|_| unreachable!("no gate reads the instance"),
                        &|challenge| challenges[challenge.index()],
                        &|a| -a,
                        &|a, b| a + b,
                        &|a, b| a * b,
                        &|a, factor| a * factor,
                    );
                    value * weight
                })
                .sum();
            assert_eq!(values[row], expected, "{data} columns, row {row}");
        }
    }
}

/// More terms than are added without a reduction, with the largest values.
#[test]
fn long_sums_are_the_same_in_vectors() {
    let Some(ifma) = Ifma::detect() else { return };
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let mut registers = vec![[-Fr::ONE; ROWS]; 3];
    registers.push(std::array::from_fn(|_| Fr::random(&mut rng)));
    // What is one less than the modulus in memory.
    let largest = -Fr::from(2).pow_vartime([256]).invert().unwrap();
    registers.push([largest; ROWS]);
    let kinds = [
        Coefficient::One,
        Coefficient::MinusOne,
        Coefficient::Other(Fr::random(&mut rng)),
        Coefficient::Other(largest),
    ];
    for kind in kinds {
        for count in [0, 1, 29, 30, 31, 100] {
            let terms: Vec<_> = (0..count).map(|i| (i % registers.len(), kind)).collect();
            assert_eq!(
                ifma.combine(&registers, &terms, &largest),
                combine(&registers, &terms, &largest)
            );
        }
    }
    for b in &registers {
        assert_eq!(ifma.multiply(&registers[3], b), multiply(&registers[3], b));
    }
}
