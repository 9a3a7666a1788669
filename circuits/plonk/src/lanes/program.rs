//! A program's instructions, eight rows at a time. Registers stay in limbs between instructions; a bound of
//! each, in multiples of the modulus p, tells where a reduction is due.

use halo2_proofs::{arithmetic::Field, halo2curves::bn256::Fr};

use super::{element::Lanes, Ifma};
use crate::instruction::{load, rotated, Coefficient, Instruction, Query, Register, ROWS};

/// 16 times so many p are below 2^260, as a shifted factor must be.
const SHIFTED: u64 = 5;
/// Sums are reduced before they reach more p than that: [`Lanes::reduced`] takes up to 64. It is also less
/// than a shifted factor's product can reach, so no register holds more.
const SUM: u64 = 60;
/// Sums of fewer p are left as they are.
const SMALL: u64 = 4;

type Row = [Lanes<Fr>; ROWS / 8];

/// Registers: carried values below their bounds.
pub struct Registers {
    rows: Vec<Row>,
    bounds: Vec<u64>,
    ifma: Ifma,
}

impl Registers {
    /// So many registers.
    pub fn new(ifma: Ifma, count: usize) -> Option<Self> {
        // SAFETY: there is an `Ifma`, so the processor has the instructions.
        let zero = unsafe { Lanes::splat(&Fr::ZERO) };
        Some(Self {
            rows: vec![[zero; ROWS / 8]; count],
            bounds: vec![0; count],
            ifma,
        })
    }

    /// Runs a program on rows from `first` on; its result is in register 0.
    pub fn run<'c>(
        &mut self,
        instructions: &[Instruction],
        columns: &impl Fn(Query) -> &'c [Fr],
        first: usize,
        out: &mut [Fr; ROWS],
    ) {
        let _ = self.ifma;
        for instruction in instructions {
            // SAFETY: there is an `Ifma`, so the processor has the instructions.
            unsafe {
                match instruction {
                    Instruction::Load(query, to) => {
                        let column = columns(*query);
                        self.load(column, rotated(first, query.rotation, column.len()), *to);
                    }
                    Instruction::Multiply(a, b, to) => self.multiply(*a, *b, *to),
                    Instruction::Combine(terms, constant, to) => {
                        self.combine(terms, constant, *to);
                    }
                }
            }
        }
        // SAFETY: as before.
        unsafe { self.store(out) }
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    fn load(&mut self, column: &[Fr], first: usize, to: Register) {
        let mut around = [Fr::ZERO; ROWS];
        let values = match column.get(first..first + ROWS) {
            Some(values) => values,
            None => {
                load(&mut around, column, first);
                &around
            }
        };
        for (block, values) in self.rows[to].iter_mut().zip(values.as_chunks::<8>().0) {
            *block = Lanes::load(values);
        }
        self.bounds[to] = 1;
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    fn multiply(&mut self, a: Register, b: Register, to: Register) {
        // The smaller one is shifted.
        let (a, b) = if self.bounds[a] <= self.bounds[b] {
            (a, b)
        } else {
            (b, a)
        };
        let (left, right) = (&self.rows[a], &self.rows[b]);
        let mut products = *left;
        let mut bound = self.bounds[a];
        if bound > SHIFTED {
            products = products.map(|block| block.reduced());
            bound = 1;
        }
        for (product, right) in products.iter_mut().zip(right) {
            *product = product.shifted().times(right).carried();
        }
        self.bounds[to] = bound * self.bounds[b] * 16 / 84 + 2;
        self.rows[to] = products;
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    fn combine(&mut self, terms: &[(Register, Coefficient)], constant: &Fr, to: Register) {
        let mut sums = [Lanes::splat(constant); ROWS / 8];
        let mut bound = u64::from(*constant != Fr::ZERO);
        for (register, coefficient) in terms {
            let of_term = self.bounds[*register];
            let more = match coefficient {
                Coefficient::One | Coefficient::MinusOne => of_term,
                Coefficient::Other(_) => of_term * 16 / 84 + 2,
            };
            if bound + more > SUM {
                sums = sums.map(|sum| sum.reduced());
                bound = 1;
            }
            bound += more;
            let blocks = sums.iter_mut().zip(&self.rows[*register]);
            match coefficient {
                Coefficient::One => blocks.for_each(|(sum, block)| *sum = sum.plus(block)),
                Coefficient::MinusOne => {
                    blocks.for_each(|(sum, block)| *sum = sum.minus_within(block, of_term));
                }
                Coefficient::Other(factor) => {
                    let factor = Lanes::splat(factor).shifted();
                    blocks.for_each(|(sum, block)| *sum = sum.plus(&block.times(&factor)));
                }
            }
        }
        if bound > SMALL {
            sums = sums.map(|sum| sum.reduced());
            bound = 1;
        } else {
            sums = sums.map(|sum| sum.carried());
        }
        self.rows[to] = sums;
        self.bounds[to] = bound;
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    fn store(&self, out: &mut [Fr; ROWS]) {
        let blocks = out.as_chunks_mut::<8>().0.iter_mut();
        for (values, block) in blocks.zip(&self.rows[0]) {
            block.store(values);
        }
    }
}
