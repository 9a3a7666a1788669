//! What a layer asks for: cells, words of the hash, tables, operations on scalars.

use super::{limbs, packed, whole, Amount, Bits};
use crate::layout::Shape;

/// Cells that are like one another: segments of some length.
#[derive(Clone, Copy, Debug)]
struct Run {
    segments: Amount,
    length: Amount,
    holds: Holds,
}

/// What cells hold, `n` for each element.
#[derive(Clone, Copy, Debug)]
pub(super) enum Holds {
    /// Weights.
    Weights,
    /// Values of the width of an activation.
    Values(Amount),
    /// Values between 0 and 6.
    Six(Amount),
    /// Products of all limbs of two values: copies of both.
    Products,
    /// Remainders of a division by the scale.
    Remainders,
    /// Numbers that fit one look-up.
    Small(Amount),
}

/// What a layer takes.
#[derive(Clone, Debug, Default)]
pub(super) struct Demand {
    pub weights: Amount,
    pub multiply_adds: Amount,
    /// Cells of the scalar program.
    pub scalars: Amount,
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
    pub fn cells(&self, shape: &Shape, bits: Bits) -> Amount {
        let one = |run: &Run| {
            let each = match run.holds {
                Holds::Weights => limbs(bits.weight, shape),
                Holds::Values(n) => n * limbs(bits.value, shape),
                Holds::Six(n) => n * limbs(bits.scale.saturating_add(3), shape),
                Holds::Products => {
                    let values = limbs(bits.value, shape);
                    values * values * 2
                }
                Holds::Remainders => limbs(bits.scale, shape),
                Holds::Small(n) => n,
            };
            run.segments * whole(run.length, shape) * each
        };
        self.runs.iter().map(one).sum()
    }

    /// Words of the hash of the weights.
    pub fn words(&self, shape: &Shape, bits: Bits) -> Amount {
        let weights = |run: &&Run| matches!(run.holds, Holds::Weights);
        let one = |run: &Run| packed(run.segments, whole(run.length, shape), bits);
        self.runs.iter().filter(weights).map(one).sum()
    }

    /// The tables that it reads, with the bits of their arguments.
    pub fn tables(&self, bits: Bits) -> Option<(&'static str, u32)> {
        self.function.map(|function| match function {
            Function::Short(name, reach) => {
                let logarithm = (f64::from(bits.scale) * reach).max(1.0).log2().ceil();
                let argument = bits.scale.saturating_add(logarithm as u32);
                (name, argument.saturating_add(1))
            }
            // Exponentials of many arguments are products of two tables.
            Function::Halves(name) => {
                let all = bits.scale.saturating_add(bits.scale.ilog2());
                let all = all.saturating_add(2);
                (name, if all > 15 { all.div_ceil(2) } else { all })
            }
            Function::Long(name) => (name, bits.value.min(20)),
        })
    }

    pub fn run(&mut self, segments: Amount, length: Amount, holds: Holds) {
        self.runs.push(Run {
            segments,
            length,
            holds,
        });
    }

    /// Whether something of it is more than is reckoned with.
    pub fn is_beyond(&self) -> bool {
        let held = |run: &Run| match run.holds {
            Holds::Values(n) | Holds::Six(n) | Holds::Small(n) => n,
            Holds::Weights | Holds::Products | Holds::Remainders => Amount::ONE,
        };
        let runs = self.runs.iter();
        let cells: Amount = runs.map(|run| run.segments * run.length * held(run)).sum();
        [cells, self.weights, self.multiply_adds, self.scalars]
            .into_iter()
            .any(Amount::is_beyond)
    }

    /// The result of sums of products that are divided by the scale; a clamp adds what it cuts off.
    pub fn rounded(&mut self, segments: Amount, length: Amount, activation: i64) {
        self.kept(segments, length, activation);
        self.run(segments, length, Holds::Remainders);
    }

    pub fn kept(&mut self, segments: Amount, length: Amount, activation: i64) {
        let values = Amount::from(if activation == 1 { 2u64 } else { 1 });
        self.run(segments, length, Holds::Values(values));
        if activation == 3 {
            self.run(segments, length, Holds::Six(Amount::ONE));
        }
    }

    pub fn looked_up(&mut self, count: Amount, function: Function) {
        // The argument clamped to the domain, the two joined, the value.
        self.run(Amount::ONE, count, Holds::Values(3u64.into()));
        self.run(Amount::ONE, count, Holds::Small(Amount::ONE));
        self.function = Some(function);
    }
}
