//! Bounds of what one node computes.

use super::super::exec::checked_weights;
use super::super::movement::sources;
use super::super::ops::elements;
use super::super::{Graph, Node, Op, TensorId, Weights};
use super::known::Known;
use super::{channels, narrow, unite, Clamp, Interval, RangeError, MAX_ACCUMULATOR_BITS};
use std::borrow::Cow;

/// A node, and what is known of the tensors before it.
pub(super) struct Step<'a> {
    pub graph: &'a Graph,
    pub weights: &'a Weights,
    pub node: &'a Node,
    pub known: &'a [Vec<Known>],
}

impl Step<'_> {
    /// One interval for each channel.
    fn data(&self, id: TensorId) -> Result<Cow<'_, [Known]>, RangeError> {
        let known = self.known.get(id.0).map_or(&[][..], Vec::as_slice);
        Ok(match known {
            &[all] => vec![all; channels(self.shape(id)?)].into(),
            each => each.into(),
        })
    }

    /// The one interval that all channels share, if they do.
    fn shared(&self, id: TensorId) -> Option<Known> {
        match self.known.get(id.0).map(Vec::as_slice) {
            Some(&[all]) => Some(all),
            _ => None,
        }
    }

    fn shape(&self, id: TensorId) -> Result<&[usize], RangeError> {
        Ok(&self.graph.tensor(id, &self.node.name)?.shape)
    }

    fn range(&self, id: TensorId) -> Result<Interval, RangeError> {
        Ok(self.graph.tensor(id, &self.node.name)?.range)
    }

    fn weight(&self, id: TensorId) -> Result<&[i64], RangeError> {
        Ok(checked_weights(self.graph, self.weights, id)?)
    }

    /// The circuit's accumulators are bounded by the declared intervals of their operands alone:
    /// a dishonest prover is not held to the weights at hand.
    pub fn check_accumulator(&self) -> Result<(), RangeError> {
        let (terms, a, b) = match &self.node.op {
            Op::Conv { x, w, .. } => {
                let taps = self.shape(*w)?.iter().skip(1).product();
                (taps, self.range(*x)?, self.range(*w)?)
            }
            Op::Linear { x, w, .. } => (
                self.shape(*x)?.iter().product(),
                self.range(*x)?,
                self.range(*w)?,
            ),
            Op::Scale { x, w: Some(w), .. } => (1, self.range(*x)?, self.range(*w)?),
            Op::Mul { a, b, .. } => (1, self.range(*a)?, self.range(*b)?),
            Op::MatMul { a, b, .. } => {
                let terms = self.shape(*a)?.last().copied().unwrap_or(1);
                (terms, self.range(*a)?, self.range(*b)?)
            }
            Op::Div { a, factor, .. } => (1, self.range(*a)?, point_range(*factor)),
            Op::ReduceSum { x, .. } => {
                let terms = self.shape(*x)?.last().copied().unwrap_or(1);
                (terms, self.range(*x)?, point_range(1))
            }
            _ => return Ok(()),
        };
        let top = |v: Interval| u128::from(v.lo.unsigned_abs().max(v.hi.unsigned_abs()));
        let sum = top(a)
            .checked_mul(top(b))
            .and_then(|p| p.checked_mul(terms as u128));
        if sum.is_some_and(|sum| sum < 1 << MAX_ACCUMULATOR_BITS) {
            return Ok(());
        }
        Err(RangeError::Accumulator {
            node: self.node.name.clone(),
            terms,
            a,
            b,
        })
    }

    /// Intervals before the clamp, one for each channel of the output.
    pub fn before_clamp(&self) -> Result<Vec<Known>, RangeError> {
        let div = self.node.op.divisor();
        Ok(match &self.node.op {
            Op::Conv {
                x,
                w,
                bias,
                window,
                groups,
                ..
            } => {
                let padded = window.pads != [0; 4];
                let x: Vec<Known> = self.data(*x)?.iter().map(|v| v.with_zero(padded)).collect();
                self.products(&x, *w, window.area(), *groups, div, *bias)?
            }
            Op::Linear { x, w, bias, .. } => {
                self.products(&self.data(*x)?, *w, 1, 1, div, *bias)?
            }
            Op::Scale { x, w, bias, .. } => {
                let w = w.map(|w| self.weight(w)).transpose()?;
                let bias = bias.map(|b| self.weight(b)).transpose()?;
                let one = |(c, v): (usize, &Known)| {
                    let factor = w.and_then(|w| w.get(c)).copied().unwrap_or(1);
                    let offset = bias.and_then(|b| b.get(c)).copied().unwrap_or(0);
                    let product = v.product(Known::weight(factor)).divided(div);
                    product.plus(Known::weight(offset))
                };
                self.data(*x)?.iter().enumerate().map(one).collect()
            }
            Op::Combine {
                terms, constant, ..
            } => {
                let count = channels(self.shape(self.node.output)?);
                let mut sums = vec![Known::point(*constant); count];
                for (factor, x) in terms {
                    for (sum, v) in sums.iter_mut().zip(self.data(*x)?.iter()) {
                        *sum = sum.plus(v.times(*factor));
                    }
                }
                sums.into_iter().map(|sum| sum.divided(div)).collect()
            }
            Op::MatMul { a, b, .. } => {
                let length = self.shape(*a)?.last().copied().unwrap_or(1);
                let product = unite(&self.data(*a)?).product(unite(&self.data(*b)?));
                let sum = product.times(i64::try_from(length).unwrap_or(i64::MAX));
                vec![sum.divided(div)]
            }
            Op::Div { a, b, factor } => {
                let (a, b) = (unite(&self.data(*a)?), unite(&self.data(*b)?));
                let positive = Interval {
                    lo: 1,
                    hi: i64::MAX,
                };
                if !b.inside(positive) {
                    return Err(RangeError::Divisor {
                        node: self.node.name.clone(),
                        range: b.rounded(),
                    });
                }
                vec![a.times(*factor).over(b)]
            }
            Op::Max { a, b } => self.pairs(*a, *b, Known::max)?,
            Op::Min { a, b } => self.pairs(*a, *b, Known::min)?,
            Op::Wrap { bits, signed, .. } => vec![Known::of(Op::residues(*bits, *signed))],
            Op::Check { x, lo, hi, why } => {
                let x = unite(&self.data(*x)?);
                let within = x.within(*lo, *hi);
                let undefined = || RangeError::Undefined {
                    node: self.node.name.clone(),
                    range: x.rounded(),
                    expected: why.asks(*lo, *hi),
                };
                vec![within.ok_or_else(undefined)?]
            }
            Op::Table { x, table } => vec![self.image(unite(&self.data(*x)?), *table)?],
            Op::ReduceSum { x, .. } => {
                let length = self.shape(*x)?.last().copied().unwrap_or(1);
                let all = unite(&self.data(*x)?);
                let sum = all.times(i64::try_from(length).unwrap_or(i64::MAX));
                vec![sum.divided(div)]
            }
            Op::Constant { values, .. } => {
                let points: Vec<Known> = values.iter().map(|&v| Known::point(v)).collect();
                vec![unite(&points)]
            }
            Op::Parameter { w } => {
                let points = self.weight(*w)?.iter().map(|&v| Known::weight(v));
                let points: Vec<Known> = points.collect();
                vec![unite(&points)]
            }
            Op::Mul { a, b, .. } if a == b => {
                let one = |v: &Known| v.square().divided(div);
                self.data(*a)?.iter().map(one).collect()
            }
            Op::Mul { a, b, .. } => self.pairs(*a, *b, |a, b| a.product(b).divided(div))?,
            Op::AvgPool { x, window } => {
                let padded = window.pads != [0; 4];
                self.data(*x)?.iter().map(|v| v.with_zero(padded)).collect()
            }
            Op::MaxPool { x, .. } => self.data(*x)?.to_vec(),
            // Where all elements share one interval, moving them changes nothing.
            Op::Reshape { .. } | Op::Transpose { .. } | Op::Gather { .. } | Op::Concat { .. } => {
                let operands = self.node.op.data_operands();
                let shared: Vec<Known> = operands.iter().filter_map(|x| self.shared(*x)).collect();
                if shared.len() == operands.len() {
                    return Ok(vec![unite(&shared)]);
                }
                let each = operands
                    .iter()
                    .map(|x| self.spread(*x))
                    .collect::<Result<Vec<_>, _>>()?;
                let shapes = operands
                    .iter()
                    .map(|x| self.shape(*x))
                    .collect::<Result<Vec<_>, _>>()?;
                let moved = sources(&self.node.op, &shapes).unwrap_or_default();
                let at = |(operand, e): (usize, usize)| each.get(operand)?.get(e).copied();
                self.gather(moved.into_iter().filter_map(at))?
            }
        })
    }

    /// Intervals before the clamp of all cells, one for each channel of the output, in a step that knows the
    /// bounds of its operands' cells instead of their elements. `None` where cells without elements are
    /// copies or zero: the bounds of elements, and zero, then hold for all.
    pub fn of_cells(&self) -> Result<Option<Vec<Known>>, RangeError> {
        Ok(match &self.node.op {
            Op::Conv { .. }
            | Op::Scale { .. }
            | Op::Combine { .. }
            | Op::AvgPool { .. }
            | Op::Reshape { .. }
            | Op::Transpose { .. } => Some(self.before_clamp()?),
            // Elements that are left out stay where they are.
            Op::Gather { x, .. } => Some(vec![unite(&self.data(*x)?)]),
            Op::Linear { .. }
            | Op::MatMul { .. }
            | Op::Mul { .. }
            | Op::Div { .. }
            | Op::Max { .. }
            | Op::Min { .. }
            | Op::MaxPool { .. }
            | Op::Wrap { .. }
            | Op::Check { .. }
            | Op::Table { .. }
            | Op::ReduceSum { .. }
            | Op::Concat { .. }
            | Op::Constant { .. }
            | Op::Parameter { .. } => None,
        })
    }

    /// Bounds of what is computed from two tensors of one shape.
    fn pairs(
        &self,
        a: TensorId,
        b: TensorId,
        f: impl Fn(Known, Known) -> Known,
    ) -> Result<Vec<Known>, RangeError> {
        let (a, b) = (self.data(a)?, self.data(b)?);
        Ok(a.iter().zip(b.iter()).map(|(a, b)| f(*a, *b)).collect())
    }

    /// The values of a table on an interval, which must lie in its domain.
    fn image(&self, x: Known, table: usize) -> Result<Known, RangeError> {
        let table = self.graph.table(table, &self.node.name)?;
        let domain = table.domain();
        if !x.inside(domain) {
            return Err(RangeError::Domain {
                node: self.node.name.clone(),
                range: x.rounded(),
                domain,
            });
        }
        Ok(x.image(table.lo, &table.values))
    }

    /// Sums of products with kernels `[outputs, channels / groups, taps]`.
    fn products(
        &self,
        x: &[Known],
        w: TensorId,
        taps: usize,
        groups: usize,
        div: i64,
        bias: Option<TensorId>,
    ) -> Result<Vec<Known>, RangeError> {
        let depth = parts(x.len(), groups);
        let outputs = channels(self.shape(w)?);
        let per_group = parts(outputs, groups).max(1);
        let kernels = self.weight(w)?.chunks(depth.saturating_mul(taps).max(1));
        let bias = bias.map(|b| self.weight(b)).transpose()?;
        let one = |(o, kernel): (usize, &[i64])| {
            let from = parts(o, per_group).saturating_mul(depth);
            let group = x.get(from..from.saturating_add(depth)).unwrap_or(&[]);
            let terms = group.iter().zip(kernel.chunks(taps.max(1))).map(|(x, w)| {
                let part =
                    |sign: fn(i64) -> i64| w.iter().map(|&w| i128::from(sign(w))).sum::<i128>();
                let (up, down) = (part(|w| w.max(0)), part(|w| w.min(0)));
                x.weighted(up, down)
            });
            let sum = terms.fold(Known::ZERO, Known::plus);
            let offset = bias.and_then(|b| b.get(o)).copied().unwrap_or(0);
            sum.divided(div).plus(Known::weight(offset))
        };
        Ok(kernels.enumerate().map(one).collect())
    }

    /// One interval for each element.
    fn spread(&self, id: TensorId) -> Result<Vec<Known>, RangeError> {
        let shape = self.shape(id)?;
        let plane = parts(elements(shape).unwrap_or(0), channels(shape));
        Ok(self
            .data(id)?
            .iter()
            .flat_map(|&v| std::iter::repeat_n(v, plane))
            .collect())
    }

    /// The inverse of [`Step::spread`], for the output's shape.
    fn gather(&self, elements: impl Iterator<Item = Known>) -> Result<Vec<Known>, RangeError> {
        let all: Vec<Known> = elements.collect();
        let count = channels(self.shape(self.node.output)?);
        Ok(all
            .chunks(parts(all.len(), count).max(1))
            .map(unite)
            .collect())
    }

    /// What the graph records: the interval before the clamp, of `cells` where they are computed on, and the
    /// output's range.
    pub fn stored(
        &self,
        before: &[Known],
        cells: &[Known],
    ) -> Result<(Interval, Interval), RangeError> {
        let exact = unite(before);
        let place = format!("node '{}'", self.node.name);
        narrow(&place, exact)?;
        // What only moves elements keeps its operand's range, so that cells can be shared.
        let inherited = match &self.node.op {
            Op::Reshape { x }
            | Op::Transpose { x, .. }
            | Op::Gather { x, .. }
            | Op::MaxPool { x, .. } => Some(self.range(*x)?),
            // What is public needs no rounding. Zero is there for padding.
            Op::Constant { .. } => Some(exact.with_zero(true).declared()),
            // The cells hold what the operation admits and no more.
            Op::Wrap { bits, signed, .. } => Some(Op::residues(*bits, *signed)),
            Op::Check { x, lo, hi, .. } => {
                let range = self.range(*x)?;
                let hi = hi.map_or(range.hi, |hi| hi.min(range.hi));
                Some(Interval {
                    lo: *lo,
                    hi: hi.max(*lo),
                })
            }
            Op::Table { x, table } => {
                // Zero is in the argument's range for padding only, where the table has no value for it.
                let (range, domain) = (self.range(*x)?, self.graph.table(*table, &place)?.domain());
                let inside = Interval {
                    lo: range.lo.max(domain.lo),
                    hi: range.hi.min(domain.hi),
                };
                let image = self.image(Known::of(inside), *table)?.with_zero(true);
                narrow(&place, image)?;
                Some(image.declared())
            }
            Op::AvgPool { x, window } => {
                let range = self.range(*x)?;
                let padded = window.pads != [0; 4];
                let (lo, hi) = (range.lo.min(0), range.hi.max(0));
                Some(if padded { Interval { lo, hi } } else { range })
            }
            op => match op.only_clamps() {
                Some((x, clamp)) => {
                    return Ok((self.range(x)?, after_clamp(exact, clamp)));
                }
                None => None,
            },
        };
        if let Some(range) = inherited {
            return Ok((range, range));
        }
        let all = match &self.node.op {
            Op::Conv { .. } | Op::Scale { .. } => exact.union(unite(cells)),
            // The layout bounds the cells of other operations.
            _ => exact,
        };
        narrow(&place, all)?;
        let pre = all.rounded();
        narrow(&place, Known::of(pre))?;
        match self.node.op.clamp() {
            None => Ok((pre, pre)),
            Some(clamp) => Ok((pre, after_clamp(exact, clamp))),
        }
    }
}

/// How many of `all` each of so many parts has.
fn parts(all: usize, count: usize) -> usize {
    all.checked_div(count).unwrap_or(all)
}

/// The range after a clamp: rounded outward, no further than the clamp's own bounds.
fn after_clamp(exact: Known, clamp: Clamp) -> Interval {
    let rounded = exact.clamped(Some(clamp)).rounded();
    Interval {
        lo: rounded.lo.max(clamp.lo),
        hi: rounded.hi.min(clamp.hi.unwrap_or(i64::MAX)),
    }
}

fn point_range(v: i64) -> Interval {
    Interval { lo: v, hi: v }
}
