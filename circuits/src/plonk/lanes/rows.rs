//! Sums and products over columns: a program's instructions, and powers of a shift.

use halo2_proofs::{arithmetic::Field, halo2curves::bn256::Fr};

use super::{element::Lanes, Ifma};
use crate::plonk::program::{Coefficient, Register, ROWS};

/// So many terms of less than 2p each are added before a reduction, which takes up to 64p.
const LAZY: usize = 30;

impl Ifma {
    /// The products of all rows.
    pub(in crate::plonk) fn multiply(self, a: &[Fr; ROWS], b: &[Fr; ROWS]) -> [Fr; ROWS] {
        // SAFETY: there is an `Ifma`, so the processor has the instructions.
        unsafe { multiply(a, b) }
    }

    /// constant + Σ coefficient·register on all rows.
    pub(in crate::plonk) fn combine(
        self,
        registers: &[[Fr; ROWS]],
        terms: &[(Register, Coefficient)],
        constant: &Fr,
    ) -> [Fr; ROWS] {
        // SAFETY: there is an `Ifma`, so the processor has the instructions.
        unsafe { combine(registers, terms, constant) }
    }

    /// values[i] ·= first·base^i, for whole vectors of values.
    pub(in crate::plonk) fn scale_by_powers(self, values: &mut [[Fr; 8]], first: Fr, base: Fr) {
        // SAFETY: there is an `Ifma`, so the processor has the instructions.
        unsafe { scale_by_powers(values, first, base) }
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn multiply(a: &[Fr; ROWS], b: &[Fr; ROWS]) -> [Fr; ROWS] {
    let mut products = [Fr::default(); ROWS];
    let factors = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    for (product, (a, b)) in products.as_chunks_mut::<8>().0.iter_mut().zip(factors) {
        let factor = Lanes::load(a).shifted();
        factor.times(&Lanes::load(b)).store(product);
    }
    products
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn combine(
    registers: &[[Fr; ROWS]],
    terms: &[(Register, Coefficient)],
    constant: &Fr,
) -> [Fr; ROWS] {
    let mut sums = [Lanes::splat(constant); ROWS / 8];
    for terms in terms.chunks(LAZY) {
        for (register, coefficient) in terms {
            let blocks = registers[*register].as_chunks::<8>().0;
            let blocks = sums.iter_mut().zip(blocks);
            match coefficient {
                Coefficient::One => {
                    blocks.for_each(|(sum, block)| *sum = sum.plus(&Lanes::load(block)));
                }
                Coefficient::MinusOne => {
                    blocks.for_each(|(sum, block)| *sum = sum.minus_plus::<1>(&Lanes::load(block)));
                }
                Coefficient::Other(factor) => {
                    let factor = Lanes::splat(factor).shifted();
                    blocks.for_each(|(sum, block)| {
                        *sum = sum.plus(&Lanes::load(block).times(&factor));
                    });
                }
            }
        }
        for sum in &mut sums {
            *sum = sum.reduced();
        }
    }
    let mut values = [Fr::default(); ROWS];
    for (values, sum) in values.as_chunks_mut::<8>().0.iter_mut().zip(sums) {
        sum.store(values);
    }
    values
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn scale_by_powers(values: &mut [[Fr; 8]], first: Fr, base: Fr) {
    let mut powers = [first; 8];
    for i in 1..8 {
        powers[i] = powers[i - 1] * base;
    }
    let mut powers = Lanes::load(&powers).shifted();
    let step = Lanes::splat(&base.pow_vartime([8])).shifted();
    for values in values {
        Lanes::load(values).times(&powers).store(values);
        powers = powers.times(&step).carried();
    }
}
