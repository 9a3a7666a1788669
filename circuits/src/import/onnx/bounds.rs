//! Bounds of tensors while the weights are still real numbers: what tables and divisions are
//! chosen by. The bounds that count are those of `graph::range`, on the integers themselves; where
//! these here prove too narrow, a clamp before the table holds the argument.

use crate::graph::ops::{rd_wide, saturate};
use crate::graph::{Interval, Op, TensorId};
use crate::import::FloatModel;

/// Bounds every node from `*from` on, and advances it.
pub(super) fn settle(draft: &mut FloatModel, from: &mut usize) {
    while let Some(node) = draft.graph.nodes.get(*from) {
        let range = estimate(draft, &node.op);
        let output = node.output;
        if let Some(tensor) = draft.graph.tensors.get_mut(output.0) {
            tensor.range = range;
        }
        *from += 1;
    }
}

type Ends = (i128, i128);

fn unite(a: Ends, b: Ends) -> Ends {
    (a.0.min(b.0), a.1.max(b.1))
}

fn times(a: Ends, b: Ends) -> Ends {
    let product = |x: i128, y: i128| x.saturating_mul(y);
    let ends = [
        product(a.0, b.0),
        product(a.0, b.1),
        product(a.1, b.0),
        product(a.1, b.1),
    ];
    ends.into_iter()
        .fold((ends[0], ends[0]), |(lo, hi), v| (lo.min(v), hi.max(v)))
}

fn divided(a: Ends, by: i64) -> Ends {
    (rd_wide(a.0, by), rd_wide(a.1, by))
}

fn estimate(draft: &FloatModel, op: &Op) -> Interval {
    let of = |id: TensorId| -> Ends {
        let range = draft.graph.tensors.get(id.0).map(|t| t.range);
        range.map_or((0, 0), |r| (r.lo.into(), r.hi.into()))
    };
    let last = |id: TensorId| draft.shape(id).last().copied().unwrap_or(1) as i128;
    let values = |id: TensorId| draft.weights.get(&id).map_or(&[][..], Vec::as_slice);
    let div = op.divisor();
    let ends = match op {
        Op::Conv { x, w, bias, .. } | Op::Linear { x, w, bias, .. } => {
            // Padding puts zeros among the operands.
            let x = unite(of(*x), (0, 0));
            let channels = draft.shape(*w).first().copied().unwrap_or(1);
            products(draft, x, values(*w), channels, div, bias.map(values))
        }
        Op::Scale { x, w, bias, .. } => {
            let x = of(*x);
            match w.map(values) {
                Some(w) => products(draft, x, w, w.len(), div, bias.map(values)),
                None => {
                    let bias = bias.map_or(&[][..], values).iter();
                    let scale = draft.graph.scale as f64;
                    let (lo, hi) = bias.fold((f64::MAX, f64::MIN), |(lo, hi), &b| {
                        (lo.min(b * scale), hi.max(b * scale))
                    });
                    let whole = |v: f64| if v.abs() == f64::MAX { 0 } else { v as i128 };
                    (x.0 + whole(lo.floor()), x.1 + whole(hi.ceil()))
                }
            }
        }
        Op::Combine {
            terms, constant, ..
        } => {
            let start = (i128::from(*constant), i128::from(*constant));
            let sum = terms.iter().fold(start, |sum, (f, x)| {
                let part = times(of(*x), (i128::from(*f), i128::from(*f)));
                (sum.0.saturating_add(part.0), sum.1.saturating_add(part.1))
            });
            divided(sum, div)
        }
        Op::Mul { a, b, .. } => {
            let product = times(of(*a), of(*b));
            let lo = if a == b { product.0.max(0) } else { product.0 };
            divided((lo, product.1), div)
        }
        Op::MatMul { a, b, .. } => {
            let product = times(of(*a), of(*b));
            divided(times(product, (last(*a), last(*a))), div)
        }
        Op::Div { a, b, factor } => {
            let a = times(of(*a), (i128::from(*factor), i128::from(*factor)));
            let b = of(*b);
            unite(
                divided(a, saturate(b.0).max(1)),
                divided(a, saturate(b.1).max(1)),
            )
        }
        Op::Max { a, b } => {
            let (a, b) = (of(*a), of(*b));
            (a.0.max(b.0), a.1.max(b.1))
        }
        Op::Min { a, b } => {
            let (a, b) = (of(*a), of(*b));
            (a.0.min(b.0), a.1.min(b.1))
        }
        Op::Table { x, table } => image(draft, of(*x), *table),
        Op::ReduceSum { x, .. } => divided(times(of(*x), (last(*x), last(*x))), div),
        Op::AvgPool { x, .. } => unite(of(*x), (0, 0)),
        Op::MaxPool { x, .. }
        | Op::Reshape { x }
        | Op::Transpose { x, .. }
        | Op::Gather { x, .. } => of(*x),
        Op::Concat { xs, .. } => xs.iter().map(|&x| of(x)).reduce(unite).unwrap_or((0, 0)),
        Op::Constant { values, .. } => ends_of(values.iter().copied()),
        Op::Parameter { w } => {
            let scale = draft.graph.scale as f64;
            ends_of(values(*w).iter().map(|v| (v * scale).round() as i64))
        }
    };
    let clamp = |v: i128| {
        let v = saturate(v);
        op.clamp().map_or(v, |clamp| clamp.apply(v))
    };
    Interval {
        lo: clamp(ends.0),
        hi: clamp(ends.1),
    }
}

fn ends_of(values: impl Iterator<Item = i64>) -> Ends {
    values
        .map(|v| (i128::from(v), i128::from(v)))
        .reduce(unite)
        .unwrap_or((0, 0))
}

fn image(draft: &FloatModel, x: Ends, table: usize) -> Ends {
    let Some(table) = draft.graph.tables.get(table) else {
        return (0, 0);
    };
    let domain = table.domain();
    let at = |v: i128| usize::try_from(v.saturating_sub(domain.lo.into()).max(0)).unwrap_or(0);
    let until = at(x.1).saturating_add(1).min(table.values.len());
    let part = table.values.get(at(x.0).min(until)..until);
    ends_of(part.unwrap_or_default().iter().copied())
}

/// Sums of products with rows of real weights, each row for one channel of the output. A little
/// more than the exact bound: the weights will be rounded.
fn products(
    draft: &FloatModel,
    x: Ends,
    w: &[f64],
    channels: usize,
    div: i64,
    bias: Option<&[f64]>,
) -> Ends {
    let row = (w.len() / channels.max(1)).max(1);
    let (lo, hi) = (x.0 as f64, x.1 as f64);
    let top = lo.abs().max(hi.abs());
    let slack = row as f64 * top / (2.0 * div as f64) + 2.0;
    let scale = draft.graph.scale as f64;
    let one = |(c, row): (usize, &[f64])| {
        let up: f64 = row.iter().map(|w| w.max(0.0)).sum();
        let down: f64 = row.iter().map(|w| w.min(0.0)).sum();
        let offset = bias.and_then(|b| b.get(c)).copied().unwrap_or(0.0) * scale;
        let lo = up * lo + down * hi + offset - slack;
        let hi = up * x.1 as f64 + down * x.0 as f64 + offset + slack;
        (lo.floor() as i128, hi.ceil() as i128)
    };
    w.chunks(row)
        .enumerate()
        .map(one)
        .reduce(unite)
        .unwrap_or((0, 0))
}
