//! Outputs of arithmetic: rounding, bias, clamp and range checks.
//!
//! For an accumulator `a`, divisor `b` and bias `β`, `rd(a, b) + β = p` is the identity
//! `f·a + h = D·(p − β) + rem`, `rem ∈ [0, D)`, with `(f, h, D) = (1, b/2, b)` for even `b` and
//! `(2, b, 2b)` for odd `b`. `p = lo + A ∓ G`: kept value and excess of the clamp.

use super::{
    block::{BlockId, Gate, Geometry, Range},
    bounds::{span, Declared},
    builder::Builder,
    home::{Home, Limb},
    matrix::Matrix,
    needed::Needed,
    LayoutError,
};
use zkml_graph::Clamp;

/// `coefficient · (offset + Σ limbs)`, cell by cell.
#[derive(Clone, Debug)]
pub struct Term {
    /// Factor.
    pub coefficient: i64,
    /// Limbs of the value.
    pub limbs: Vec<Limb>,
    /// Offset of the value.
    pub offset: i64,
}

/// Which index of a cell names its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// The segment; there may be several for each channel, all channels first.
    Segment,
    /// The cell (flat position).
    Cell,
}

/// One tap of a convolution.
#[derive(Clone, Copy, Debug)]
pub struct Tap {
    /// Index in the list of planes.
    pub plane: usize,
    /// Output position minus input position.
    pub shift: usize,
    /// Segment of the weight matrix.
    pub segment: usize,
}

/// Cells that are added to others.
#[derive(Clone, Copy, Debug)]
pub struct Shift {
    /// First cell of what is added.
    pub from: usize,
    /// Where it is added.
    pub to: usize,
}

/// What is accumulated before rounding. Laid out like the output's blocks.
#[derive(Clone, Debug)]
pub enum Accumulator {
    /// `acc[o][q] = Σ_taps W[segment][o]·X[plane][q − shift]`.
    Conv {
        /// Input limbs and offset.
        x: Term,
        /// First cell of each plane.
        planes: Vec<usize>,
        /// Cells of an input plane.
        cells: usize,
        /// Taps, phase by phase of the outputs.
        taps: Vec<Vec<Tap>>,
        /// Weights.
        matrix: Matrix,
    },
    /// `acc[c][q] = Σ_taps W[segment][c]·X[plane_c][q − shift]`; `plane` counts within a channel.
    Depthwise {
        /// Input limbs and offset.
        x: Term,
        /// First cell of each plane, channel by channel.
        planes: Vec<usize>,
        /// Cells of an input plane.
        cells: usize,
        /// Taps of one channel, phase by phase of the outputs.
        taps: Vec<Vec<Tap>>,
        /// Weights.
        matrix: Matrix,
    },
    /// Sums of shifted planes.
    Shifted {
        /// Input.
        x: Term,
        /// Cells of a plane.
        cells: usize,
        /// The planes added, and where.
        shifts: Vec<Shift>,
    },
    /// `acc[n] = Σ_k W[k][n]·x_k`.
    Linear {
        /// Input.
        x: Home,
        /// Weights.
        matrix: Matrix,
    },
    /// `acc = w·x`, one factor a channel.
    Scale {
        /// Input.
        x: Term,
        /// Weights; segment 0 holds the factors.
        matrix: Matrix,
        /// Where the channel index is.
        axis: Axis,
    },
    /// `acc = a·b`, elementwise.
    Product {
        /// First factor.
        a: Term,
        /// Second factor.
        b: Term,
    },
    /// `acc[q] = Σ_s x[s][q]`: the sum of the segments.
    Segments {
        /// Summed.
        x: Term,
    },
    /// `acc[b·rows + i][j] = Σ_k a[b·depth + k][i]·b[b·depth + k][j]`, segments first.
    MatMul {
        /// Left operand, one segment for each `b, k`.
        a: Home,
        /// Right operand, one segment for each `b, k`.
        b: Home,
        /// Summands.
        depth: usize,
        /// Segments of the result for each `b`.
        rows: usize,
    },
    /// `acc = Σ terms + constant`, elementwise.
    Sum {
        /// Summands.
        terms: Vec<Term>,
        /// Added to every cell.
        constant: i128,
    },
}

/// The clamp's excess.
#[derive(Clone, Debug)]
pub enum Excess {
    /// No clamp.
    None,
    /// A one- or two-sided clamp.
    Clamped {
        /// Limbs of the excess's magnitude.
        limbs: Vec<Limb>,
        /// Bounds.
        clamp: Clamp,
    },
}

/// Where a result goes, and how it gets its final value.
#[derive(Clone, Debug)]
pub struct Emit {
    /// Geometry of all blocks.
    pub geometry: Geometry,
    /// Factor of the accumulator.
    pub factor: i128,
    /// Added before dividing.
    pub half: i128,
    /// Divisor.
    pub divisor: i128,
    /// Bias: matrix, segment, axis.
    pub bias: Option<(Matrix, usize, Axis)>,
    /// Limbs of the kept value.
    pub kept: Vec<Limb>,
    /// Offset of the kept value.
    pub offset: i64,
    /// The clamp.
    pub excess: Excess,
    /// Limbs of the remainder.
    pub remainder: Vec<Limb>,
}

impl Emit {
    /// `p − offset` as a combination of block folds.
    pub fn folds(&self) -> Vec<(i128, BlockId)> {
        let signed = |limbs: &[Limb], sign: i128| -> Vec<(i128, BlockId)> {
            limbs
                .iter()
                .map(|limb| (sign * i128::from(limb.base), limb.block))
                .collect()
        };
        let mut folds = signed(&self.kept, 1);
        if let Excess::Clamped { limbs, .. } = &self.excess {
            folds.extend(signed(limbs, -1));
        }
        folds
    }

    /// The output's home, elements at `positions`.
    pub fn home(&self, positions: Vec<usize>) -> Home {
        Home {
            limbs: self.kept.clone(),
            offset: self.offset,
            geometry: self.geometry,
            positions,
            filled: false,
        }
    }
}

/// What an output looks like before its blocks are made.
pub struct Output {
    /// Geometry.
    pub geometry: Geometry,
    /// Divisor of the accumulator (1: exact).
    pub div: i64,
    /// Interval before the clamp that is declared for every cell.
    pub pre: Declared,
    /// Clamp.
    pub clamp: Option<Clamp>,
    /// Bias.
    pub bias: Option<(Matrix, usize, Axis)>,
    /// The kept value is packed into words: its range must be a known power of two.
    pub packed: bool,
}

impl Builder<'_> {
    /// Makes the blocks of an output.
    pub fn emit(&mut self, output: Output) -> Result<Emit, LayoutError> {
        let Output {
            geometry,
            div,
            pre,
            clamp,
            bias,
            packed,
        } = output;
        let (factor, half, divisor) = match i128::from(div) {
            1 => (1, 0, 1),
            even if even % 2 == 0 => (1, even / 2, even),
            odd => (2, odd, 2 * odd),
        };
        let (kept, offset, excess) = match self.needed(pre, clamp, packed) {
            Needed::Nothing => {
                let limbs = self.limbs("output", pre.values(), packed, geometry)?;
                (limbs, pre.least(), Excess::None)
            }
            Needed::Exact(sizes) => {
                let limbs = self.limbs_of(&sizes, geometry);
                (limbs, pre.least(), Excess::None)
            }
            Needed::Gate(clamp) => {
                let below = pre.below(clamp.lo);
                let (kept, limbs) = match clamp.hi {
                    Some(hi) => {
                        let excess = below.max(pre.above(hi));
                        self.two_sided(span(clamp.lo, hi), excess, geometry)?
                    }
                    None => self.one_sided(pre.above(clamp.lo), below, packed, geometry)?,
                };
                (kept, clamp.lo, Excess::Clamped { limbs, clamp })
            }
        };
        let remainder = if divisor == 1 {
            Vec::new()
        } else {
            let values =
                u64::try_from(divisor).map_err(|_| self.too_wide("remainder", u64::MAX))?;
            self.exact_limbs("remainder", values, geometry)?
        };
        Ok(Emit {
            geometry,
            factor,
            half,
            divisor,
            bias,
            kept,
            offset,
            excess,
            remainder,
        })
    }

    pub(super) fn two_sided(
        &mut self,
        values: u64,
        excess: u64,
        geometry: Geometry,
    ) -> Result<(Vec<Limb>, Vec<Limb>), LayoutError> {
        if values > self.single_limit() {
            return Err(self.too_wide("clamp", values));
        }
        // Without a cap there is no gate: a clamp to one value is a constant.
        let cap = values.saturating_sub(1);
        if cap == 0 {
            return Err(self.unsupported("a clamp to one value", "use a constant"));
        }
        let wide = excess >= self.loose() || self.shape.shares_caps();
        let kept = self.block(geometry, Range::Exact(values));
        let low = self.excess_block(geometry, excess, wide)?;
        self.gate(low, Gate::TwoSided { cap, wide });
        let mut group = vec![kept, low];
        let mut limbs = vec![Limb {
            block: low,
            base: 1,
        }];
        if wide {
            let high = self.high_block(geometry, excess)?;
            group.push(high);
            limbs.push(self.high_limb(high));
        }
        self.group(group);
        Ok((
            vec![Limb {
                block: kept,
                base: 1,
            }],
            limbs,
        ))
    }

    fn one_sided(
        &mut self,
        above: u64,
        below: u64,
        packed: bool,
        geometry: Geometry,
    ) -> Result<(Vec<Limb>, Vec<Limb>), LayoutError> {
        let single = if packed {
            self.single_limit()
        } else {
            self.loose()
        };
        let wide = above >= single || below >= self.loose();
        if !wide {
            let range = match packed {
                true => Range::Exact(above.saturating_add(1).next_power_of_two()),
                false => Range::AtLeast(above.saturating_add(1)),
            };
            let kept = self.block(geometry, range);
            let low = self.excess_block(geometry, below, false)?;
            self.gate(low, Gate::OneSided { wide: false });
            self.group(vec![kept, low]);
            let one = |block| vec![Limb { block, base: 1 }];
            return Ok((one(kept), one(low)));
        }
        let kept = self.block(geometry, Range::Exact(self.shape.limb_base()));
        let low = self.excess_block(geometry, below, true)?;
        let high = self.high_block(geometry, below)?;
        let kept_high = if packed {
            let rows = self.high_rows(above).next_power_of_two();
            if rows > self.single_limit() {
                return Err(self.too_wide("output", rows));
            }
            self.block(geometry, Range::Exact(rows))
        } else {
            self.high_block(geometry, above)?
        };
        self.gate(low, Gate::OneSided { wide: true });
        self.group(vec![kept, low, high, kept_high]);
        let pair = |low, high| {
            vec![
                Limb {
                    block: low,
                    base: 1,
                },
                high,
            ]
        };
        Ok((
            pair(kept, self.high_limb(kept_high)),
            pair(low, self.high_limb(high)),
        ))
    }

    fn high_limb(&self, block: BlockId) -> Limb {
        Limb {
            block,
            base: self.shape.limb_base(),
        }
    }

    fn excess_block(
        &mut self,
        geometry: Geometry,
        excess: u64,
        wide: bool,
    ) -> Result<BlockId, LayoutError> {
        let range = if wide {
            Range::Exact(self.shape.limb_base())
        } else {
            Range::AtLeast(excess.saturating_add(1))
        };
        Ok(self.block(geometry, range))
    }

    /// Values of the high limb of numbers up to `value`.
    pub fn high_rows(&self, value: u64) -> u64 {
        (value >> self.shape.limb_bits).saturating_add(1)
    }

    fn high_block(&mut self, geometry: Geometry, value: u64) -> Result<BlockId, LayoutError> {
        let rows = self.high_rows(value);
        if rows > self.loose() {
            return Err(self.too_wide("value", rows));
        }
        Ok(self.block(geometry, Range::AtLeast(rows)))
    }

    /// Blocks for a value in `[0, values)`; with `packed`, powers of two exactly.
    pub fn limbs(
        &mut self,
        what: &'static str,
        values: u64,
        packed: bool,
        geometry: Geometry,
    ) -> Result<Vec<Limb>, LayoutError> {
        let values = if packed {
            values.next_power_of_two()
        } else {
            values
        };
        let single = if packed {
            self.exact_limit(values)
        } else {
            self.loose()
        };
        let mut limbs = Vec::new();
        let (mut base, mut rest) = (1u64, values);
        while rest > single {
            let block = self.block(geometry, Range::Exact(self.shape.limb_base()));
            limbs.push(Limb { block, base });
            base = base
                .checked_mul(self.shape.limb_base())
                .ok_or_else(|| self.too_wide(what, values))?;
            rest = rest.div_ceil(self.shape.limb_base());
        }
        let range = if packed {
            Range::Exact(rest)
        } else {
            Range::AtLeast(rest)
        };
        let block = self.block(geometry, range);
        limbs.push(Limb { block, base });
        Ok(limbs)
    }

    /// Blocks for a value in `[0, values)` exactly: `values` must factor into table sizes.
    fn exact_limbs(
        &mut self,
        what: &'static str,
        values: u64,
        geometry: Geometry,
    ) -> Result<Vec<Limb>, LayoutError> {
        let limit = self.single_limit();
        let (mut limbs, mut base, mut rest) = (Vec::new(), 1u64, values);
        while rest > limit {
            let low = 1u64 << rest.trailing_zeros().min(self.shape.limb_bits);
            if low == 1 {
                return Err(self.too_wide(what, rest));
            }
            let block = self.block(geometry, Range::Exact(low));
            limbs.push(Limb { block, base });
            // What is taken off `rest` is put on `base`: their product stays `values`.
            (base, rest) = (base.saturating_mul(low), rest >> low.trailing_zeros());
        }
        let block = self.block(geometry, Range::Exact(rest));
        limbs.push(Limb { block, base });
        Ok(limbs)
    }
}
