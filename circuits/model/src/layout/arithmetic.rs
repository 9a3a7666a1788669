//! The vocabulary of identities: sums, products, powers and folds of operands.

use halo2_proofs::halo2curves::bn256::Fr;

use super::{
    block::{BlockId, Variable},
    builder::Builder,
    home::Limb,
    program::Operand,
    LayoutError,
};
use zkml_graph::Interval;

/// Values that limbs hold, so far as is known before tables are made, lie within ±2^62.
const MAX_HELD_BITS: u32 = 62;

impl Builder<'_> {
    /// A constant.
    pub fn constant(&mut self, value: Fr) -> Operand {
        self.program.constant(value)
    }

    /// A signed constant.
    pub fn integer(&mut self, value: i128) -> Operand {
        self.program.integer(value)
    }

    /// One.
    pub fn one(&mut self) -> Operand {
        self.integer(1)
    }

    /// Zero.
    pub fn zero(&mut self) -> Operand {
        self.integer(0)
    }

    /// A challenge.
    pub fn challenge(&self, variable: Variable) -> Operand {
        match variable {
            Variable::Position => self.challenges[0],
            Variable::Channel => self.challenges[1],
        }
    }

    /// `Σ_i values[i]·z^(len−1−i)`.
    pub fn horner(
        &mut self,
        variable: Operand,
        values: impl IntoIterator<Item = Operand>,
    ) -> Operand {
        let mut values = values.into_iter();
        let Some(first) = values.next() else {
            return self.zero();
        };
        values.fold(first, |sum, value| {
            self.program.mul_add(sum, variable, value)
        })
    }

    /// `a·b`.
    pub fn mul(&mut self, a: Operand, b: Operand) -> Operand {
        let zero = self.zero();
        self.program.mul_add(a, b, zero)
    }

    /// `Σ factor·value`.
    pub fn combine(&mut self, terms: impl IntoIterator<Item = (i128, Operand)>) -> Operand {
        let mut sum = None;
        for (factor, value) in terms {
            sum = match (sum, factor) {
                (sum, 0) => sum,
                (None, 1) => Some(value),
                (sum, factor) => {
                    let factor = self.integer(factor);
                    let rest = match sum {
                        Some(sum) => sum,
                        None => self.zero(),
                    };
                    Some(self.program.mul_add(value, factor, rest))
                }
            };
        }
        match sum {
            Some(sum) => sum,
            None => self.zero(),
        }
    }

    /// `Σ base·limb + offset·ones` where `limb` names each limb's operand.
    pub fn value(
        &mut self,
        limbs: &[Limb],
        offset: i128,
        limb: impl Fn(BlockId) -> Operand,
        ones: Operand,
    ) -> Operand {
        let terms: Vec<(i128, Operand)> = limbs
            .iter()
            .map(|l| (l.base.into(), limb(l.block)))
            .chain([(offset, ones)])
            .collect();
        self.combine(terms)
    }

    /// An interval of values that limbs can hold; an error about the node being lowered if there are none.
    pub fn interval(
        &self,
        what: &'static str,
        lo: i128,
        hi: i128,
    ) -> Result<Interval, LayoutError> {
        let limit = 1i128 << MAX_HELD_BITS;
        match (i64::try_from(lo), i64::try_from(hi)) {
            (Ok(low), Ok(high)) if -limit <= lo && hi <= limit => {
                Ok(Interval { lo: low, hi: high })
            }
            _ => Err(LayoutError::Overflow {
                node: self.node.clone(),
                what,
                lo,
                hi,
            }),
        }
    }

    /// The largest number that limbs are meant to store: what tables hold at least.
    pub fn largest(&self, limbs: &[Limb]) -> Result<i128, LayoutError> {
        let largest = limbs.iter().try_fold(0i128, |sum, limb| {
            let most = i128::from(self.blocks[limb.block].range.size()) - 1;
            sum.checked_add(most.checked_mul(limb.base.into())?)
        });
        largest.ok_or_else(|| self.too_wide("value", u64::MAX))
    }

    /// A constant of an identity that 128 bits hold; an error about the node being lowered if they do not.
    pub fn exactly(&self, constant: Option<i128>) -> Result<i128, LayoutError> {
        constant.ok_or_else(|| LayoutError::Constant {
            node: self.node.clone(),
        })
    }

    /// `z^exponent`.
    pub fn power(&mut self, variable: Variable, exponent: usize) -> Operand {
        match exponent {
            0 => return self.one(),
            1 => return self.challenge(variable),
            _ => {}
        }
        if let Some(known) = self.powers.get(&(variable, exponent)) {
            return *known;
        }
        let half = self.power(variable, exponent / 2);
        let mut result = self.mul(half, half);
        if exponent % 2 == 1 {
            let z = self.challenge(variable);
            result = self.mul(result, z);
        }
        self.powers.insert((variable, exponent), result);
        result
    }

    /// `1 + z + … + z^(count−1)`.
    pub fn ones(&mut self, variable: Variable, count: usize) -> Operand {
        match count {
            0 => return self.zero(),
            1 => return self.one(),
            _ => {}
        }
        if let Some(known) = self.ones.get(&(variable, count)) {
            return *known;
        }
        let half = self.ones(variable, count / 2);
        let step = self.power(variable, count / 2);
        let mut result = self.program.mul_add(half, step, half);
        if count % 2 == 1 {
            let z = self.challenge(variable);
            let one = self.one();
            result = self.program.mul_add(result, z, one);
        }
        self.ones.insert((variable, count), result);
        result
    }
}
