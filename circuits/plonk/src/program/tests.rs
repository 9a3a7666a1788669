//! The compiled gates against halo2's own evaluation.

use super::*;
use halo2_proofs::plonk::{Circuit, ConstraintSystem};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use zkml_model::{
    circuit::{ModelCircuit, Params},
    layout::{Clamps, Shape},
};

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

/// Sums of more terms than are added without a reduction, and products of unreduced values, with the
/// largest values.
#[test]
fn long_sums_and_products_are_the_same_in_vectors() {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    // What is one less than the modulus in memory.
    let largest = -Fr::from(2).pow_vartime([256]).invert().unwrap();
    let random: Vec<Fr> = (0..2 * ROWS).map(|_| Fr::random(&mut rng)).collect();
    let data = [
        vec![-Fr::ONE; 2 * ROWS],
        vec![largest; 2 * ROWS],
        random,
        vec![Fr::ZERO; 2 * ROWS],
    ];
    let columns = |query: Query| &data[query.column][..];
    let kinds = [
        Coefficient::One,
        Coefficient::MinusOne,
        Coefficient::Other(Fr::random(&mut rng)),
        Coefficient::Other(largest),
    ];
    for kind in kinds {
        for count in [0, 1, 2, 3, 4, 5, 29, 30, 31, 100] {
            for products in [0, 1, 3] {
                let mut instructions: Vec<Instruction> = (0..data.len())
                    .map(|column| {
                        let query = Query {
                            kind: Kind::Advice,
                            column,
                            rotation: 1,
                        };
                        Instruction::Load(query, 1 + column)
                    })
                    .collect();
                let terms: Vec<_> = (0..count).map(|i| (1 + i % data.len(), kind)).collect();
                instructions.push(Instruction::Combine(terms, largest, 5));
                for _ in 0..products {
                    instructions.push(Instruction::Multiply(5, 2, 6));
                    instructions.push(Instruction::Multiply(6, 5, 5));
                    instructions.push(Instruction::Combine(
                        (0..count).map(|i| (5 + i % 2, kind)).collect(),
                        Fr::ZERO,
                        5,
                    ));
                }
                instructions.push(Instruction::Combine(vec![(5, kind)], Fr::ZERO, 0));
                let mut program = Program {
                    ifma: Ifma::detect(),
                    instructions,
                    registers: 7,
                };
                let values = program.column(2 * ROWS, &columns);
                program.ifma = None;
                assert_eq!(
                    program.column(2 * ROWS, &columns),
                    values,
                    "{kind:?} {count}"
                );
            }
        }
    }
}
