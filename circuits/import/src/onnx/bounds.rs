//! Bounds of tensors while the weights are still real numbers: what tables and divisions are chosen by.
//! The graph is public, so all that it is chosen by is public too: where weights are read, their bound is
//! rounded outward and *declared*, and what follows from it is computed from what is declared. The bounds
//! that count are those of `graph::range`, on the integers themselves; where these here prove too narrow, a
//! clamp before the table holds the argument.

use crate::FloatModel;
use std::collections::HashMap;
use zkml_graph::range::Known;
use zkml_graph::{Interval, Op, TensorId};

/// What the weights say beyond what is declared: the next declared bound follows from it, so that what is lost
/// by rounding does not add up.
#[derive(Default)]
pub(super) struct Bounds {
    exact: HashMap<TensorId, Known>,
    /// What the cells of inputs hold, whatever the witness.
    held: HashMap<TensorId, Interval>,
    /// Nodes of the draft that are bounded.
    nodes: usize,
    /// What to declare instead of what the weights say, in order: the architecture is then that of another
    /// model, whose clamps hold what is beyond its bounds.
    pub(super) given: std::vec::IntoIter<Interval>,
}

impl Bounds {
    /// Bounds the nodes that are new.
    pub(super) fn settle(&mut self, draft: &mut FloatModel) {
        while let Some(node) = draft.graph.nodes.get(self.nodes) {
            let (op, output) = (&node.op, node.output);
            let declared = |id: TensorId| {
                let tensor = draft.graph.tensors.get(id.0).map(|t| t.range);
                let held = self.held.get(&id).copied().or(tensor);
                held.map_or(Known::ZERO, Known::of)
            };
            let exact = |id: TensorId| self.exact.get(&id).copied().unwrap_or_else(|| declared(id));
            let bound = estimate(draft, op, &exact);
            let weighted = op.operands().len() > op.data_operands().len();
            let public = match weighted {
                true => Known::of(bound.wider().declared()),
                false => estimate(draft, op, &declared),
            };
            let mut range = public.clamped(op.clamp()).declared();
            self.exact.insert(output, bound.clamped(op.clamp()));
            if weighted {
                range = self.declare(draft, range);
            }
            if let Some(tensor) = draft.graph.tensors.get_mut(output.0) {
                tensor.range = range;
            }
            self.nodes += 1;
        }
    }
}

impl Bounds {
    /// Notes an input, and all that its cells can hold: as many bits as its range has with the zeros that pad it.
    /// A hashed or private one may go beyond its range, and what is said of a file holds for it too.
    pub(super) fn input(&mut self, id: TensorId, range: Interval) {
        let span = range.hi.max(0).abs_diff(range.lo);
        let bits = u64::BITS - span.leading_zeros();
        let most = i128::from(range.lo) + (1i128 << bits) - 1;
        let hi = i64::try_from(most).unwrap_or(i64::MAX);
        self.held.insert(id, Interval { hi, ..range });
    }

    /// What the cells of an input hold; none of other tensors.
    pub(super) fn held(&self, id: TensorId) -> Option<Interval> {
        self.held.get(&id).copied()
    }

    /// Notes a bound that the architecture may be chosen by, and returns it.
    pub(super) fn declare(&mut self, draft: &mut FloatModel, bound: Interval) -> Interval {
        let bound = self.given.next().unwrap_or(bound);
        draft.declared.push(bound);
        bound
    }
}

/// Bounds before the clamp.
fn estimate(draft: &FloatModel, op: &Op, of: &dyn Fn(TensorId) -> Known) -> Known {
    let last = |id: TensorId| draft.shape(id).last().map_or(1, |&n| n as i64);
    let values = |id: TensorId| draft.weights.get(&id).map_or(&[][..], Vec::as_slice);
    let unite = |all: &mut dyn Iterator<Item = Known>| all.reduce(Known::union);
    let div = op.divisor();
    let bound = match op {
        Op::Conv { x, w, bias, .. } | Op::Linear { x, w, bias, .. } => {
            // Padding puts zeros among the operands.
            let x = of(*x).with_zero(true);
            let channels = draft.shape(*w).first().copied().unwrap_or(1);
            products(draft, x, values(*w), channels, div, bias.map(values))
        }
        Op::Scale {
            x,
            w: Some(w),
            bias,
            ..
        } => {
            let w = values(*w);
            products(draft, of(*x), w, w.len(), div, bias.map(values))
        }
        Op::Scale {
            x, w: None, bias, ..
        } => {
            let offsets = bias.map_or(&[][..], values).iter();
            let offsets = unite(&mut offsets.map(|&b| unit(draft, b)));
            Some(of(*x).plus(offsets.unwrap_or(Known::ZERO)))
        }
        Op::Combine {
            terms, constant, ..
        } => {
            let sum = terms.iter().fold(Known::point(*constant), |sum, (f, x)| {
                sum.plus(of(*x).times(*f))
            });
            Some(sum.divided(div))
        }
        Op::Mul { a, b, .. } if a == b => Some(of(*a).square().divided(div)),
        Op::Mul { a, b, .. } => Some(of(*a).product(of(*b)).divided(div)),
        Op::MatMul { a, b, .. } => Some(of(*a).product(of(*b)).times(last(*a)).divided(div)),
        Op::Div { a, b, factor } => Some(of(*a).times(*factor).over(of(*b))),
        Op::Max { a, b } => Some(of(*a).max(of(*b))),
        Op::Min { a, b } => Some(of(*a).min(of(*b))),
        Op::Wrap { bits, signed, .. } => Some(Known::of(Op::residues(*bits, *signed))),
        Op::Check { x, lo, hi, .. } => Some(of(*x).within(*lo, *hi).unwrap_or(Known::point(*lo))),
        Op::Table { x, table } => {
            let table = draft.graph.tables.get(*table);
            table.map(|table| of(*x).image(table.lo, &table.values))
        }
        Op::ReduceSum { x, .. } => Some(of(*x).times(last(*x)).divided(div)),
        Op::AvgPool { x, .. } => Some(of(*x).with_zero(true)),
        Op::MaxPool { x, .. }
        | Op::Reshape { x }
        | Op::Transpose { x, .. }
        | Op::Gather { x, .. } => Some(of(*x)),
        Op::Concat { xs, .. } => unite(&mut xs.iter().map(|&x| of(x))),
        Op::Constant { values, .. } => unite(&mut values.iter().map(|&v| Known::point(v))),
        Op::Parameter { w } => unite(&mut values(*w).iter().map(|&v| unit(draft, v))),
    };
    bound.unwrap_or(Known::ZERO)
}

/// A real weight in the graph's units.
fn unit(draft: &FloatModel, v: f64) -> Known {
    let units = v * draft.graph.scale as f64;
    Known::weights(units.floor() as i128, units.ceil() as i128)
}

/// Sums of products with rows of real weights, each row for one channel of the output.
fn products(
    draft: &FloatModel,
    x: Known,
    w: &[f64],
    channels: usize,
    div: i64,
    bias: Option<&[f64]>,
) -> Option<Known> {
    let length = (w.len() / channels.max(1)).max(1);
    let scale = draft.graph.scale as f64;
    let one = |(c, row): (usize, &[f64])| {
        let up: f64 = row.iter().map(|w| w.max(0.0)).sum();
        let down: f64 = row.iter().map(|w| w.min(0.0)).sum();
        let offset = bias.and_then(|b| b.get(c)).copied().unwrap_or(0.0) * scale;
        x.weighted_real((up, down), offset, length, div)
    };
    let rows = w.chunks(length).enumerate();
    rows.map(one).reduce(Known::union)
}
