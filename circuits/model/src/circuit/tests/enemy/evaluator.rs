//! The operations as `graph::Op` documents them, element by element, over unbounded integers. Nothing is taken
//! from the executor.

use std::collections::BTreeMap;

use num_bigint::{BigInt, Sign};

use zkml_graph::{Clamp, Graph, Node, Op, TensorId, Window};

pub type Values = Vec<BigInt>;
pub type Tensors = BTreeMap<TensorId, Values>;

/// The outputs; `None` where an operation is not defined on its operands.
pub fn outputs(graph: &Graph, weights: &Tensors, inputs: &[Values]) -> Option<Vec<Values>> {
    let mut known = weights.clone();
    known.extend(graph.inputs.iter().copied().zip(inputs.iter().cloned()));
    for node in &graph.nodes {
        let values = evaluate(graph, &known, node)?;
        let clamp = node.op.clamp();
        let values = values.into_iter().map(|v| clamped(v, clamp)).collect();
        known.insert(node.output, values);
    }
    graph
        .outputs
        .iter()
        .map(|id| known.get(id).cloned())
        .collect()
}

fn clamped(v: BigInt, clamp: Option<Clamp>) -> BigInt {
    let Some(Clamp { lo, hi }) = clamp else {
        return v;
    };
    let v = v.max(lo.into());
    match hi {
        Some(hi) => v.min(hi.into()),
        None => v,
    }
}

/// `floor((2a + b)/(2b))`.
fn rounded(a: BigInt, b: &BigInt) -> BigInt {
    let two = BigInt::from(2);
    let (n, d): (BigInt, BigInt) = (a * &two + b, b * &two);
    let (q, r) = (&n / &d, &n % &d);
    match r.sign() {
        Sign::Minus => q - 1,
        Sign::NoSign | Sign::Plus => q,
    }
}

fn evaluate(graph: &Graph, known: &Tensors, node: &Node) -> Option<Values> {
    let shape = |id: &TensorId| graph.tensors[id.0].shape.as_slice();
    let values = |id: &TensorId| known.get(id);
    let out = shape(&node.output);
    let count: usize = out.iter().product();
    let plane: usize = out.iter().skip(1).product();
    let offset = |bias: &Option<TensorId>, e: usize| match bias {
        Some(bias) => Some(values(bias)?[e / plane].clone()),
        None => Some(BigInt::from(0)),
    };
    let each = |f: &dyn Fn(usize) -> Option<BigInt>| (0..count).map(f).collect::<Option<Values>>();
    let div = |d: i64| BigInt::from(d);
    match &node.op {
        Op::Conv {
            x,
            w,
            bias,
            window,
            groups,
            div: d,
            ..
        } => {
            let (image, kernels) = (values(x)?, values(w)?);
            let (xs, depth) = (shape(x), shape(w)[1]);
            let per_group = out[0] / groups;
            each(&|e| {
                let (o, y, x) = (e / (out[1] * out[2]), e / out[2] % out[1], e % out[2]);
                let mut sum = BigInt::from(0);
                for (t, from) in taps(window, [y, x], [xs[1], xs[2]]) {
                    for c in 0..depth {
                        let channel = o / per_group * depth + c;
                        let weight = &kernels[(o * depth + c) * window.area() + t];
                        sum += weight * &image[channel * xs[1] * xs[2] + from];
                    }
                }
                Some(rounded(sum, &div(*d)) + offset(bias, e)?)
            })
        }
        Op::Linear {
            x, w, bias, div: d, ..
        } => {
            let (x, w) = (values(x)?, values(w)?);
            each(&|e| {
                let row = &w[e * x.len()..(e + 1) * x.len()];
                let sum = row.iter().zip(x).map(|(w, x)| w * x).sum();
                Some(rounded(sum, &div(*d)) + offset(bias, e)?)
            })
        }
        Op::Scale {
            x, w, bias, div: d, ..
        } => {
            let x = values(x)?;
            each(&|e| {
                let factor = match w {
                    Some(w) => values(w)?[e / plane].clone(),
                    None => BigInt::from(1),
                };
                Some(rounded(&x[e] * factor, &div(*d)) + offset(bias, e)?)
            })
        }
        Op::Combine {
            terms,
            constant,
            div: d,
            ..
        } => each(&|e| {
            let mut sum = BigInt::from(*constant);
            for (factor, x) in terms {
                sum += BigInt::from(*factor) * &values(x)?[e];
            }
            Some(rounded(sum, &div(*d)))
        }),
        Op::Mul { a, b, div: d, .. } => {
            let (a, b) = (values(a)?, values(b)?);
            each(&|e| Some(rounded(&a[e] * &b[e], &div(*d))))
        }
        Op::MatMul { a, b, div: d, .. } => {
            let depth = *shape(a).last()?;
            let (m, n) = (out[out.len() - 2], out[out.len() - 1]);
            let (a, b) = (values(a)?, values(b)?);
            each(&|e| {
                let (batch, i, j) = (e / (m * n), e / n % m, e % n);
                let product =
                    |k: usize| &a[(batch * m + i) * depth + k] * &b[(batch * depth + k) * n + j];
                Some(rounded((0..depth).map(product).sum(), &div(*d)))
            })
        }
        Op::Div { a, b, factor } => {
            let (a, b) = (values(a)?, values(b)?);
            each(&|e| {
                let positive = b[e].sign() == Sign::Plus;
                positive.then(|| rounded(&a[e] * BigInt::from(*factor), &b[e]))
            })
        }
        Op::Max { a, b } => {
            let (a, b) = (values(a)?, values(b)?);
            each(&|e| Some(a[e].clone().max(b[e].clone())))
        }
        Op::Min { a, b } => {
            let (a, b) = (values(a)?, values(b)?);
            each(&|e| Some(a[e].clone().min(b[e].clone())))
        }
        Op::Wrap { x, bits, signed } => {
            let (x, size) = (values(x)?, BigInt::from(1u64 << bits));
            let lo = if *signed {
                -BigInt::from(1i64 << (bits - 1))
            } else {
                BigInt::from(0)
            };
            each(&|e| Some(((&x[e] - &lo) % &size + &size) % &size + &lo))
        }
        Op::Check { x, lo, hi, .. } => {
            let x = values(x)?;
            each(&|e| {
                let inside =
                    x[e] >= BigInt::from(*lo) && hi.is_none_or(|hi| x[e] <= BigInt::from(hi));
                inside.then(|| x[e].clone())
            })
        }
        Op::Table { x, table } => {
            let (x, table) = (values(x)?, &graph.tables[*table]);
            each(&|e| {
                let at = usize::try_from(&x[e] - BigInt::from(table.lo)).ok()?;
                table.values.get(at).map(|v| BigInt::from(*v))
            })
        }
        Op::ReduceSum { x, div: d } => {
            let length = *shape(x).last()?;
            let x = values(x)?;
            each(&|e| {
                Some(rounded(
                    x[e * length..(e + 1) * length].iter().sum(),
                    &div(*d),
                ))
            })
        }
        Op::AvgPool { x, window } | Op::MaxPool { x, window } => {
            let (image, xs) = (values(x)?, shape(x));
            each(&|e| {
                let (c, y, x) = (e / (out[1] * out[2]), e / out[2] % out[1], e % out[2]);
                let pixels = taps(window, [y, x], [xs[1], xs[2]])
                    .into_iter()
                    .map(|(_, from)| &image[c * xs[1] * xs[2] + from]);
                match node.op {
                    Op::MaxPool { .. } => pixels.max().cloned(),
                    _ => Some(rounded(pixels.sum(), &BigInt::from(window.area()))),
                }
            })
        }
        Op::Reshape { x } => values(x).cloned(),
        Op::Transpose { x, perm } => {
            let (x, xs) = (values(x)?, shape(x));
            each(&|e| {
                let to = unravel(e, out);
                let mut from = vec![0; to.len()];
                perm.iter().zip(to).for_each(|(p, i)| from[*p] = i);
                Some(x[ravel(&from, xs)].clone())
            })
        }
        Op::Gather { x, axis, indices } => {
            let (x, xs) = (values(x)?, shape(x));
            each(&|e| {
                let mut from = unravel(e, out);
                from[*axis] = indices[from[*axis]];
                Some(x[ravel(&from, xs)].clone())
            })
        }
        Op::Concat { xs, axis } => each(&|e| {
            let mut from = unravel(e, out);
            for x in xs {
                let own = shape(x);
                match from[*axis].checked_sub(own[*axis]) {
                    Some(rest) => from[*axis] = rest,
                    None => return Some(values(x)?[ravel(&from, own)].clone()),
                }
            }
            None
        }),
        Op::Constant { values, .. } => Some(values.iter().map(|v| BigInt::from(*v)).collect()),
        Op::Parameter { w } => values(w).cloned(),
    }
}

/// The taps of a window that are in the image, and the pixel under each.
fn taps(window: &Window, at: [usize; 2], size: [usize; 2]) -> Vec<(usize, usize)> {
    let [kh, kw] = window.kernel;
    let [top, left, ..] = window.pads;
    (0..kh * kw)
        .filter_map(|t| {
            let y = (at[0] * window.stride[0] + t / kw).checked_sub(top)?;
            let x = (at[1] * window.stride[1] + t % kw).checked_sub(left)?;
            (y < size[0] && x < size[1]).then_some((t, y * size[1] + x))
        })
        .collect()
}

fn unravel(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (i, size) in index.iter_mut().zip(shape).rev() {
        (*i, flat) = (flat % size, flat / size);
    }
    index
}

fn ravel(index: &[usize], shape: &[usize]) -> usize {
    index
        .iter()
        .zip(shape)
        .fold(0, |flat, (i, size)| flat * size + i)
}
