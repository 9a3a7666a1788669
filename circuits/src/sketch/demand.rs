//! What a layer asks for: cells, words of the hash, tables, operations on scalars.

use super::{limbs, packed, whole, Bits};
use crate::layout::Shape;

/// Cells that are like one another: segments of some length.
#[derive(Clone, Copy, Debug)]
struct Run {
    segments: u64,
    length: usize,
    holds: Holds,
}

/// What cells hold, `n` for each element.
#[derive(Clone, Copy, Debug)]
pub(super) enum Holds {
    /// Weights.
    Weights,
    /// Values of the width of an activation.
    Values(u64),
    /// Values between 0 and 6.
    Six(u64),
    /// Products of all limbs of two values: copies of both.
    Products,
    /// Remainders of a division by the scale.
    Remainders,
    /// Numbers that fit one look-up.
    Small(u64),
}

/// What a layer takes.
#[derive(Clone, Debug, Default)]
pub(super) struct Demand {
    pub weights: usize,
    pub multiply_adds: u64,
    /// Cells of the scalar program.
    pub scalars: u64,
    /// Whether cells are multiplied.
    pub product: bool,
    runs: Vec<Run>,
    pub function: Option<Function>,
}

/// A table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Function {
    /// Of arguments up to this number times the logarithm of the scale.
    Short(&'static str, f64),
    /// A product of two.
    Halves(&'static str),
    /// Of all that an argument can be, as far as importers go.
    Long(&'static str),
}

impl Demand {
    pub fn cells(&self, shape: &Shape, bits: Bits) -> u64 {
        let one = |run: &Run| {
            let each = match run.holds {
                Holds::Weights => limbs(bits.weight, shape),
                Holds::Values(n) => n * limbs(bits.value, shape),
                Holds::Six(n) => n * limbs(bits.scale + 3, shape),
                Holds::Products => 2 * limbs(bits.value, shape).pow(2),
                Holds::Remainders => limbs(bits.scale, shape),
                Holds::Small(n) => n,
            };
            run.segments * whole(run.length, shape) * each
        };
        self.runs.iter().map(one).sum()
    }

    /// Words of the hash of the weights.
    pub fn words(&self, shape: &Shape, bits: Bits) -> u64 {
        let weights = |run: &&Run| matches!(run.holds, Holds::Weights);
        let one = |run: &Run| packed(run.segments, whole(run.length, shape), bits);
        self.runs.iter().filter(weights).map(one).sum()
    }

    /// The tables that it reads, with the bits of their arguments.
    pub fn tables(&self, bits: Bits) -> Option<(&'static str, u32)> {
        self.function.map(|function| match function {
            Function::Short(name, reach) => {
                let logarithm = (f64::from(bits.scale) * reach).max(1.0).log2().ceil();
                (name, bits.scale + 1 + logarithm as u32)
            }
            // Exponentials of many arguments are products of two tables.
            Function::Halves(name) => {
                let all = bits.scale + 2 + bits.scale.ilog2();
                (name, if all > 15 { all.div_ceil(2) } else { all })
            }
            Function::Long(name) => (name, bits.value.min(20)),
        })
    }

    pub fn run(&mut self, segments: usize, length: usize, holds: Holds) {
        let segments = segments as u64;
        self.runs.push(Run {
            segments,
            length,
            holds,
        });
    }

    /// The result of sums of products that are divided by the scale; a clamp adds what it cuts off.
    pub fn rounded(&mut self, segments: usize, length: usize, activation: i64) {
        self.kept(segments, length, activation);
        self.run(segments, length, Holds::Remainders);
    }

    pub fn kept(&mut self, segments: usize, length: usize, activation: i64) {
        let values = if activation == 1 { 2 } else { 1 };
        self.run(segments, length, Holds::Values(values));
        if activation == 3 {
            self.run(segments, length, Holds::Six(1));
        }
    }

    pub fn looked_up(&mut self, count: usize, function: Function) {
        // The argument clamped to the domain, the two joined, the value.
        self.run(1, count, Holds::Values(3));
        self.run(1, count, Holds::Small(1));
        self.function = Some(function);
    }
}
