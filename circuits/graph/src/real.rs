//! The graph in real arithmetic: what its integers approximate.
//!
//! Values are in the integers' units, but nothing is rounded: a quotient is exact, weights may be any
//! real numbers, and a function is read between its entries by linear interpolation. The distance
//! from [`super::exec`] is the error of quantisation.

use super::movement::sources;
use super::ops::{elements, GraphError};
use super::{Graph, Node, Op, Table, TensorId, Window};
use std::collections::BTreeMap;

/// Real weights in integer units: `w·div` for factors, `bias·scale` for offsets.
pub type RealWeights = BTreeMap<TensorId, Vec<f64>>;

/// Runs the graph; the values of every tensor, as [`super::exec::run`] gives them.
pub fn run(
    graph: &Graph,
    weights: &RealWeights,
    inputs: &[Vec<f64>],
) -> Result<Vec<Option<Vec<f64>>>, GraphError> {
    graph.validate()?;
    let mut trace: Vec<Option<Vec<f64>>> = vec![None; graph.tensors.len()];
    for (id, values) in graph.inputs.iter().zip(inputs) {
        if let Some(slot) = trace.get_mut(id.0) {
            *slot = Some(values.clone());
        }
    }
    for node in &graph.nodes {
        let values = Reader {
            graph,
            weights,
            node,
            trace: &trace,
        }
        .values()?;
        let clamp = node.op.clamp();
        let clamped = |v: f64| match clamp {
            None => v,
            Some(c) => {
                let v = v.max(c.lo as f64);
                c.hi.map_or(v, |hi| v.min(hi as f64))
            }
        };
        if let Some(slot) = trace.get_mut(node.output.0) {
            *slot = Some(values.into_iter().map(clamped).collect());
        }
    }
    Ok(trace)
}

struct Reader<'a> {
    graph: &'a Graph,
    weights: &'a RealWeights,
    node: &'a Node,
    trace: &'a [Option<Vec<f64>>],
}

impl<'a> Reader<'a> {
    fn read(&self, id: TensorId) -> Result<&'a [f64], GraphError> {
        let tensor = self.graph.tensor(id, &self.node.name)?;
        let computed = self.trace.get(id.0).and_then(Option::as_deref);
        let expected = elements(&tensor.shape);
        computed
            .or_else(|| self.weights.get(&id).map(Vec::as_slice))
            .filter(|values| Some(values.len()) == expected)
            .ok_or_else(|| GraphError::Order {
                place: format!("node '{}'", self.node.name),
                tensor: tensor.name.clone(),
                problem: "read before it is known",
            })
    }

    fn shape(&self, id: TensorId) -> Result<&'a [usize], GraphError> {
        Ok(&self.graph.tensor(id, &self.node.name)?.shape)
    }

    /// Values before the clamp.
    fn values(&self) -> Result<Vec<f64>, GraphError> {
        let op = &self.node.op;
        let div = op.divisor() as f64;
        let output = self.shape(self.node.output)?;
        let plane = output.iter().skip(1).product::<usize>().max(1);
        let offset =
            |bias: &Option<TensorId>| -> Result<Box<dyn Fn(usize) -> f64 + 'a>, GraphError> {
                Ok(match bias {
                    None => Box::new(|_| 0.0),
                    Some(id) => {
                        let bias = self.read(*id)?;
                        Box::new(move |i| bias.get(i / plane).copied().unwrap_or(0.0))
                    }
                })
            };
        let pairs = |a: &TensorId, b: &TensorId, f: fn(f64, f64) -> f64| {
            let (a, b) = (self.read(*a)?, self.read(*b)?);
            Ok::<_, GraphError>(
                a.iter()
                    .zip(b)
                    .map(|(a, b)| f(*a, *b))
                    .collect::<Vec<f64>>(),
            )
        };
        Ok(match op {
            Op::Conv {
                x,
                w,
                bias,
                window,
                groups,
                ..
            } => {
                let offset = offset(bias)?;
                let sums = conv(
                    self.read(*x)?,
                    self.shape(*x)?,
                    self.read(*w)?,
                    window,
                    *groups,
                );
                let each = sums.into_iter().enumerate();
                each.map(|(i, sum)| sum / div + offset(i)).collect()
            }
            Op::Linear { x, w, bias, .. } => {
                let (x, offset) = (self.read(*x)?, offset(bias)?);
                let rows = self.read(*w)?.chunks(x.len().max(1)).enumerate();
                rows.map(|(i, row)| dot(row, x) / div + offset(i)).collect()
            }
            Op::Scale { x, w, bias, .. } => {
                let offset = offset(bias)?;
                let w = w.map(|w| self.read(w)).transpose()?;
                let factor = |i: usize| w.map_or(1.0, |w| w.get(i / plane).copied().unwrap_or(0.0));
                let each = self.read(*x)?.iter().enumerate();
                each.map(|(i, v)| v * factor(i) / div + offset(i)).collect()
            }
            Op::Combine {
                terms, constant, ..
            } => {
                let mut sums = vec![*constant as f64; output.iter().product()];
                for (factor, x) in terms {
                    for (sum, v) in sums.iter_mut().zip(self.read(*x)?) {
                        *sum += *factor as f64 * v;
                    }
                }
                sums.into_iter().map(|sum| sum / div).collect()
            }
            Op::Mul { a, b, .. } => {
                let products = pairs(a, b, |a, b| a * b)?;
                products.into_iter().map(|v| v / div).collect()
            }
            Op::Div { a, b, factor } => {
                let quotients = pairs(a, b, |a, b| a / b)?;
                let factor = *factor as f64;
                quotients.into_iter().map(|v| v * factor).collect()
            }
            Op::Max { a, b } => pairs(a, b, f64::max)?,
            Op::Min { a, b } => pairs(a, b, f64::min)?,
            Op::MatMul { a, b, .. } => match (self.shape(*a)?, self.shape(*b)?) {
                ([.., m, k], [.., n]) => {
                    let sums = products(self.read(*a)?, self.read(*b)?, [*m, *k, *n]);
                    sums.into_iter().map(|v| v / div).collect()
                }
                _ => Vec::new(),
            },
            Op::Wrap { x, bits, signed } => {
                let type_ = Op::residues(*bits, *signed);
                let (lo, size) = (type_.lo as f64, (*bits as f64).exp2());
                let wrap = |v: &f64| v - size * ((v - lo) / size).floor();
                self.read(*x)?.iter().map(wrap).collect()
            }
            Op::Check { x, .. } => self.read(*x)?.to_vec(),
            Op::Table { x, table } => {
                let table = self.graph.table(*table, &self.node.name)?;
                let x = self.read(*x)?;
                x.iter().map(|v| interpolate(table, *v)).collect()
            }
            Op::ReduceSum { x, .. } => {
                let length = self.shape(*x)?.last().copied().unwrap_or(1).max(1);
                let rows = self.read(*x)?.chunks(length);
                rows.map(|row| row.iter().sum::<f64>() / div).collect()
            }
            Op::AvgPool { x, window } => {
                let taps = taps(self.shape(*x)?, window);
                let x = self.read(*x)?;
                let sum = |taps: &Vec<usize>| taps.iter().filter_map(|i| x.get(*i)).sum::<f64>();
                taps.iter().map(|taps| sum(taps) / div).collect()
            }
            Op::MaxPool { x, window } => {
                let taps = taps(self.shape(*x)?, window);
                let x = self.read(*x)?;
                let values = |taps: &Vec<usize>| -> f64 {
                    let all = taps.iter().filter_map(|i| x.get(*i)).copied();
                    all.fold(f64::NEG_INFINITY, f64::max)
                };
                taps.iter().map(values).collect()
            }
            Op::Constant { values, .. } => values.iter().map(|v| *v as f64).collect(),
            Op::Parameter { w } => self.read(*w)?.to_vec(),
            Op::Reshape { .. } | Op::Transpose { .. } | Op::Gather { .. } | Op::Concat { .. } => {
                let operands = op.data_operands();
                let shapes = operands.iter().map(|id| self.shape(*id));
                let shapes = shapes.collect::<Result<Vec<_>, _>>()?;
                let values = operands.iter().map(|id| self.read(*id));
                let values = values.collect::<Result<Vec<_>, _>>()?;
                let moved = sources(op, &shapes).unwrap_or_default();
                let at = |(operand, e): (usize, usize)| values.get(operand)?.get(e).copied();
                moved.into_iter().filter_map(at).collect()
            }
        })
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The image elements under each window; padding is left out.
fn taps(shape: &[usize], window: &Window) -> Vec<Vec<usize>> {
    let &[channels, height, width] = shape else {
        return Vec::new();
    };
    let [out_height, out_width] = window.output(height, width).unwrap_or([0, 0]);
    let [top, left, ..] = window.pads;
    let mut all = Vec::with_capacity(channels * out_height * out_width);
    for c in 0..channels {
        for (oy, ox) in (0..out_height).flat_map(|y| (0..out_width).map(move |x| (y, x))) {
            let mut taps = Vec::with_capacity(window.area());
            for (i, j) in
                (0..window.kernel[0]).flat_map(|i| (0..window.kernel[1]).map(move |j| (i, j)))
            {
                let y = (oy * window.stride[0] + i).checked_sub(top);
                let x = (ox * window.stride[1] + j).checked_sub(left);
                if let (Some(y), Some(x)) = (y, x) {
                    if y < height && x < width {
                        taps.push((c * height + y) * width + x);
                    }
                }
            }
            all.push(taps);
        }
    }
    all
}

/// `Σ w·x` for `w: [O, C/groups, kh, kw]`: one tap of the kernel after the other.
fn conv(x: &[f64], shape: &[usize], w: &[f64], window: &Window, groups: usize) -> Vec<f64> {
    let &[channels, height, width] = shape else {
        return Vec::new();
    };
    let [out_height, out_width] = window.output(height, width).unwrap_or([0, 0]);
    let [kh, kw] = window.kernel;
    let [top, left, ..] = window.pads;
    let depth = channels / groups.max(1);
    let kernel = (depth * kh * kw).max(1);
    let outputs = w.len() / kernel;
    let per_group = (outputs / groups.max(1)).max(1);
    let mut sums = vec![0.0; outputs * out_height * out_width];
    for (at, &weight) in w.iter().enumerate() {
        let (o, tap) = (at / kernel, at % kernel);
        let c = o / per_group * depth + tap / (kh * kw);
        let (i, j) = (tap / kw % kh, tap % kw);
        for oy in 0..out_height {
            let Some(y) = (oy * window.stride[0] + i)
                .checked_sub(top)
                .filter(|y| *y < height)
            else {
                continue;
            };
            let (row, line) = ((c * height + y) * width, (o * out_height + oy) * out_width);
            for ox in 0..out_width {
                let column = (ox * window.stride[1] + j).checked_sub(left);
                let Some(column) = column.filter(|column| *column < width) else {
                    continue;
                };
                if let (Some(sum), Some(v)) = (sums.get_mut(line + ox), x.get(row + column)) {
                    *sum += weight * v;
                }
            }
        }
    }
    sums
}

fn products(a: &[f64], b: &[f64], [m, k, n]: [usize; 3]) -> Vec<f64> {
    let batches = a.chunks((m * k).max(1)).zip(b.chunks((k * n).max(1)));
    batches
        .flat_map(|(a, b)| {
            a.chunks(k.max(1)).flat_map(move |row| {
                let mut sums = vec![0.0; n];
                for (factor, line) in row.iter().zip(b.chunks(n.max(1))) {
                    for (sum, v) in sums.iter_mut().zip(line) {
                        *sum += factor * v;
                    }
                }
                sums
            })
        })
        .collect()
}

/// Between the entries; the last one beyond the ends.
fn interpolate(table: &Table, x: f64) -> f64 {
    let domain = table.domain();
    let x = x.clamp(domain.lo as f64, domain.hi as f64);
    let below = x.floor();
    let entry = |x: f64| {
        let y = table.get(x as i64).or_else(|| table.get(domain.hi));
        y.unwrap_or(0) as f64
    };
    entry(below) + (x - below) * (entry(below + 1.0) - entry(below))
}
