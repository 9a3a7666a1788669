//! Each operation against a reference written another way: index by index, with the definition
//! of rounding as it stands in the documentation.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

use proptest::prelude::*;
use zkml_graph::exec::{outputs, run};
use zkml_graph::range::{propagate, weight_range};
use zkml_graph::{Clamp, Graph, Interval, Node, Op, Role, Tensor, TensorId, Weights, Window};

const RANGE: Interval = Interval { lo: -512, hi: 511 };
const X: TensorId = TensorId(0);
const Y: TensorId = TensorId(1);

/// `floor((2a + b) / (2b))`.
fn rd(a: i128, b: i128) -> i128 {
    (2 * a + b).div_euclid(2 * b)
}

fn clamped(v: i128, clamp: Option<Clamp>) -> i64 {
    let v = i64::try_from(v).unwrap();
    match clamp {
        Some(Clamp { lo, .. }) if v < lo => lo,
        Some(Clamp { hi: Some(hi), .. }) if v > hi => hi,
        _ => v,
    }
}

/// A graph of one node on inputs of the given shapes (tensors 0, 1 …); the weights follow.
struct Case {
    graph: Graph,
    weights: Weights,
}

impl Case {
    fn new(inputs: &[&[usize]], weights: &[(&[usize], &[i64])], out: &[usize], op: Op) -> Case {
        let tensor = |shape: &[usize], role, range| Tensor {
            name: "t".to_owned(),
            shape: shape.to_vec(),
            role,
            range,
        };
        let mut tensors: Vec<Tensor> = inputs
            .iter()
            .map(|s| tensor(s, Role::Input, RANGE))
            .collect();
        let mut values = Weights::new();
        for (shape, data) in weights {
            values.insert(TensorId(tensors.len()), data.to_vec());
            tensors.push(tensor(shape, Role::Weight, weight_range(data)));
        }
        let output = TensorId(tensors.len());
        let pre = Interval { lo: 0, hi: 0 };
        tensors.push(tensor(out, Role::Activation, pre));
        let graph = Graph {
            scale: 16,
            tensors,
            nodes: vec![Node {
                name: "node".to_owned(),
                op,
                output,
                pre,
            }],
            inputs: (0..inputs.len()).map(TensorId).collect(),
            outputs: vec![output],
            tables: Vec::new(),
        };
        Case {
            graph,
            weights: values,
        }
    }

    /// Bounds the graph and runs it: the executor itself checks that every value lies within the
    /// propagated interval.
    fn run(mut self, inputs: &[Vec<i64>]) -> Vec<i64> {
        propagate(&mut self.graph, &self.weights).unwrap();
        let trace = run(&self.graph, &self.weights, inputs).unwrap();
        outputs(&self.graph, &trace).remove(0)
    }
}

fn values(n: usize) -> impl Strategy<Value = Vec<i64>> {
    let extreme = prop_oneof![Just(-512i64), Just(511), -512i64..512];
    prop::collection::vec(extreme, n)
}

fn clamp() -> impl Strategy<Value = Option<Clamp>> {
    prop_oneof![
        Just(None),
        Just(Some(Clamp { lo: 0, hi: None })),
        (-300i64..300, 0i64..300).prop_map(|(lo, n)| Some(Clamp {
            lo,
            hi: Some(lo + n)
        })),
    ]
}

#[derive(Clone, Debug)]
struct Geometry {
    c: usize,
    o: usize,
    h: usize,
    w: usize,
    window: Window,
    div: i64,
    clamp: Option<Clamp>,
}

impl Geometry {
    /// By counting the positions at which a window fits.
    fn out(&self) -> [usize; 2] {
        let [t, l, b, r] = self.window.pads;
        let fits = |size: usize, k: usize, s: usize| {
            (0..size).step_by(s).filter(|p| p + k <= size).count()
        };
        [
            fits(self.h + t + b, self.window.kernel[0], self.window.stride[0]),
            fits(self.w + l + r, self.window.kernel[1], self.window.stride[1]),
        ]
    }

    /// The image's value under tap `(i, j)` of output `(y, x)`; `None` in the padding.
    fn tap(&self, image: &[i64], c: usize, at: [usize; 2], tap: [usize; 2]) -> Option<i64> {
        let y = (at[0] * self.window.stride[0] + tap[0]).checked_sub(self.window.pads[0])?;
        let x = (at[1] * self.window.stride[1] + tap[1]).checked_sub(self.window.pads[1])?;
        (y < self.h && x < self.w).then(|| image[c * self.h * self.w + y * self.w + x])
    }

    fn each_output(
        &self,
        channels: usize,
        mut value: impl FnMut(usize, [usize; 2]) -> i64,
    ) -> Vec<i64> {
        let [oh, ow] = self.out();
        let mut all = Vec::new();
        for c in 0..channels {
            for y in 0..oh {
                for x in 0..ow {
                    all.push(value(c, [y, x]));
                }
            }
        }
        all
    }
}

/// `pool`: padding below the kernel's size.
fn geometry(pool: bool) -> impl Strategy<Value = Geometry> {
    (1usize..4, 1usize..4, 1usize..4, 1usize..4)
        .prop_flat_map(move |(c, o, kh, kw)| {
            let (ph, pw) = if pool { (kh, kw) } else { (4, 4) };
            let pads = [0..ph, 0..pw, 0..ph, 0..pw];
            let size = (kh..kh + 6, kw..kw + 6, 1usize..4, 1usize..4);
            (Just((c, o, kh, kw)), size, pads, 1i64..40, clamp())
        })
        .prop_map(|((c, o, kh, kw), (h, w, sh, sw), pads, div, clamp)| {
            let window = Window {
                kernel: [kh, kw],
                stride: [sh, sw],
                pads,
            };
            Geometry {
                c,
                o,
                h,
                w,
                window,
                div,
                clamp,
            }
        })
}

fn with_data(pool: bool) -> impl Strategy<Value = (Geometry, Vec<i64>, Vec<i64>, Vec<i64>)> {
    geometry(pool).prop_flat_map(|g| {
        let taps = g.o * g.c * g.window.kernel[0] * g.window.kernel[1];
        let image = values(g.c * g.h * g.w);
        let (kernels, bias) = (values(taps), values(g.o * g.c));
        (Just(g), image, kernels, bias)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn convolution((g, image, kernels, bias) in with_data(false), with_bias: bool) {
        let [kh, kw] = g.window.kernel;
        let expected = g.each_output(g.o, |o, at| {
            let mut sum = 0i128;
            for c in 0..g.c {
                for i in 0..kh {
                    for j in 0..kw {
                        let w = kernels[((o * g.c + c) * kh + i) * kw + j];
                        sum += i128::from(w) * i128::from(g.tap(&image, c, at, [i, j]).unwrap_or(0));
                    }
                }
            }
            let offset = if with_bias { bias[o] } else { 0 };
            clamped(rd(sum, g.div.into()) + i128::from(offset), g.clamp)
        });
        let [oh, ow] = g.out();
        let op = Op::Conv {
            x: X, w: Y, bias: with_bias.then_some(TensorId(2)), window: g.window, groups: 1,
            div: g.div, clamp: g.clamp,
        };
        let case = Case::new(
            &[&[g.c, g.h, g.w]],
            &[(&[g.o, g.c, kh, kw], &kernels), (&[g.o], &bias[..g.o])],
            &[g.o, oh, ow],
            op,
        );
        prop_assert_eq!(case.run(&[image]), expected);
    }

    #[test]
    fn depthwise_convolution((g, image, kernels, bias) in with_data(false)) {
        // `o` kernels for each channel.
        let [kh, kw] = g.window.kernel;
        let outputs = g.c * g.o;
        let expected = g.each_output(outputs, |o, at| {
            let taps = (0..kh).flat_map(|i| (0..kw).map(move |j| [i, j]));
            let sum: i128 = taps
                .map(|[i, j]| {
                    let x = g.tap(&image, o / g.o, at, [i, j]).unwrap_or(0);
                    i128::from(kernels[o * kh * kw + i * kw + j]) * i128::from(x)
                })
                .sum();
            clamped(rd(sum, g.div.into()) + i128::from(bias[o]), g.clamp)
        });
        let [oh, ow] = g.out();
        let op = Op::Conv {
            x: X, w: Y, bias: Some(TensorId(2)), window: g.window, groups: g.c, div: g.div,
            clamp: g.clamp,
        };
        let case = Case::new(
            &[&[g.c, g.h, g.w]],
            &[(&[outputs, 1, kh, kw], &kernels), (&[outputs], &bias)],
            &[outputs, oh, ow],
            op,
        );
        prop_assert_eq!(case.run(&[image]), expected);
    }

    #[test]
    fn pooling((g, image, ..) in with_data(true)) {
        let [kh, kw] = g.window.kernel;
        let taps: Vec<[usize; 2]> = (0..kh * kw).map(|t| [t / kw, t % kw]).collect();
        let average = g.each_output(g.c, |c, at| {
            let sum: i128 = taps.iter().filter_map(|&t| g.tap(&image, c, at, t)).map(i128::from).sum();
            clamped(rd(sum, (kh * kw) as i128), None)
        });
        let max = g.each_output(g.c, |c, at| {
            taps.iter().filter_map(|&t| g.tap(&image, c, at, t)).max().unwrap()
        });
        let [oh, ow] = g.out();
        let case = |op| Case::new(&[&[g.c, g.h, g.w]], &[], &[g.c, oh, ow], op);
        let window = g.window;
        prop_assert_eq!(case(Op::AvgPool { x: X, window }).run(std::slice::from_ref(&image)), average);
        prop_assert_eq!(case(Op::MaxPool { x: X, window }).run(&[image]), max);
    }

    #[test]
    fn linear(
        (x, w, bias) in (1usize..9, 1usize..9)
            .prop_flat_map(|(k, n)| (values(k), values(k * n), values(n))),
        div in 1i64..40, clamp in clamp(),
    ) {
        let (k, n) = (x.len(), bias.len());
        let expected: Vec<i64> = (0..n)
            .map(|i| {
                let sum: i128 = (0..k).map(|j| i128::from(w[i * k + j] * x[j])).sum();
                clamped(rd(sum, div.into()) + i128::from(bias[i]), clamp)
            })
            .collect();
        let op = Op::Linear { x: X, w: Y, bias: Some(TensorId(2)), div, clamp };
        let case = Case::new(&[&[k]], &[(&[n, k], &w), (&[n], &bias)], &[n], op);
        prop_assert_eq!(case.run(&[x]), expected);
    }

    #[test]
    fn scale(
        (x, w, bias, c) in (1usize..5, 1usize..9)
            .prop_flat_map(|(c, n)| (values(c * n), values(c), values(c), Just(c))),
        div in 1i64..40, clamp in clamp(), factors: bool,
    ) {
        let n = x.len() / c;
        let expected: Vec<i64> = (0..x.len())
            .map(|i| {
                let v = i128::from(x[i]);
                let v = if factors { rd(v * i128::from(w[i / n]), div.into()) } else { v };
                clamped(v + i128::from(bias[i / n]), clamp)
            })
            .collect();
        let op = Op::Scale {
            x: X, w: factors.then_some(Y), bias: Some(TensorId(2)),
            div: if factors { div } else { 1 }, clamp,
        };
        let case = Case::new(&[&[c, n]], &[(&[c], &w), (&[c], &bias)], &[c, n], op);
        prop_assert_eq!(case.run(&[x]), expected);
    }

    #[test]
    fn elementwise(
        (a, b) in (1usize..12).prop_flat_map(|n| (values(n), values(n))),
        ca in -3i64..4, cb in -3i64..4, div in 1i64..40, clamp in clamp(),
    ) {
        let n = a.len();
        let pairs = || a.iter().zip(&b).map(|(&a, &b)| (i128::from(a), i128::from(b)));
        let run = |op| Case::new(&[&[n], &[n]], &[], &[n], op).run(&[a.clone(), b.clone()]);
        let sum: Vec<i64> =
            pairs().map(|(a, b)| clamped(a * i128::from(ca) + b * i128::from(cb), clamp)).collect();
        prop_assert_eq!(run(Op::sum(vec![(ca, X), (cb, Y)], clamp)), sum);
        let product: Vec<i64> = pairs().map(|(a, b)| clamped(rd(a * b, div.into()), clamp)).collect();
        prop_assert_eq!(run(Op::Mul { a: X, b: Y, div, clamp }), product);
        let square: Vec<i64> = pairs().map(|(a, _)| clamped(rd(a * a, div.into()), clamp)).collect();
        prop_assert_eq!(run(Op::Mul { a: X, b: X, div, clamp }), square);
        if let Some(c) = clamp {
            let only: Vec<i64> = pairs().map(|(a, _)| clamped(a, clamp)).collect();
            prop_assert_eq!(run(Op::clamped(X, c)), only);
        }
    }

    #[test]
    fn transpose(
        (shape, x, perm) in prop::collection::vec(1usize..5, 1..5).prop_flat_map(|shape| {
            let n = shape.iter().product();
            let perm = Just((0..shape.len()).collect::<Vec<_>>()).prop_shuffle();
            (Just(shape), values(n), perm)
        }),
    ) {
        let out: Vec<usize> = perm.iter().map(|&p| shape[p]).collect();
        // From the other side: where each source element goes.
        let mut expected = vec![0; x.len()];
        for (i, &v) in x.iter().enumerate() {
            let mut rest = i;
            let mut index = vec![0; shape.len()];
            for d in (0..shape.len()).rev() {
                index[d] = rest % shape[d];
                rest /= shape[d];
            }
            let to = perm.iter().zip(&out).fold(0, |to, (&p, &size)| to * size + index[p]);
            expected[to] = v;
        }
        let case = Case::new(&[&shape], &[], &out, Op::Transpose { x: X, perm });
        prop_assert_eq!(case.run(std::slice::from_ref(&x)), expected);
        let flat = Case::new(&[&shape], &[], &[x.len()], Op::Reshape { x: X });
        prop_assert_eq!(flat.run(std::slice::from_ref(&x)), x);
    }

    #[test]
    fn quotients_and_extrema(
        (a, b) in (1usize..12).prop_flat_map(|n| {
            (values(n), prop::collection::vec(1i64..900, n))
        }),
        factor in 1i64..50,
    ) {
        let n = a.len();
        let run = |op| {
            let mut case = Case::new(&[&[n], &[n]], &[], &[n], op);
            let y = case.graph.inputs[1];
            case.graph.tensors[y.0].range = Interval { lo: 1, hi: 1023 };
            case.run(&[a.clone(), b.clone()])
        };
        // To nearest, ties up: y is the only integer with -b < 2(a·f - y·b) + ... that is
        // 2·y·b - b <= 2·a·f < 2·y·b + b.
        let quotients = run(Op::Div { a: X, b: Y, factor });
        for ((&a, &b), &y) in a.iter().zip(&b).zip(&quotients) {
            prop_assert!(2 * y * b - b <= 2 * a * factor && 2 * a * factor < 2 * y * b + b);
        }
        let larger = run(Op::Max { a: X, b: Y });
        let smaller = run(Op::Min { a: X, b: Y });
        for i in 0..n {
            prop_assert!(larger[i] >= a[i] && larger[i] >= b[i]);
            prop_assert_eq!(larger[i] + smaller[i], a[i] + b[i]);
            prop_assert!(larger[i] == a[i] || larger[i] == b[i]);
        }
    }

    #[test]
    fn matrix_products(
        (batch, m, k, n) in (1usize..3, 1usize..5, 1usize..5, 1usize..5),
        seed in values(200), div in 1i64..40, clamp in clamp(),
    ) {
        let a: Vec<i64> = seed.iter().copied().cycle().take(batch * m * k).collect();
        let b: Vec<i64> = seed.iter().rev().copied().cycle().take(batch * k * n).collect();
        let mut expected = Vec::new();
        for (q, i, j) in (0..batch).flat_map(|q| (0..m).flat_map(move |i| (0..n).map(move |j| (q, i, j)))) {
            let sum: i128 = (0..k)
                .map(|l| i128::from(a[(q * m + i) * k + l]) * i128::from(b[(q * k + l) * n + j]))
                .sum();
            expected.push(clamped(rd(sum, div.into()), clamp));
        }
        let op = Op::MatMul { a: X, b: Y, div, clamp };
        let case = Case::new(&[&[batch, m, k], &[batch, k, n]], &[], &[batch, m, n], op);
        prop_assert_eq!(case.run(&[a, b]), expected);
    }

    #[test]
    fn sums_and_combinations(
        (rows, length) in (1usize..5, 1usize..6), seed in values(30),
        factor in -9i64..10, constant in -500i64..500, div in 1i64..40,
    ) {
        let x: Vec<i64> = seed[..rows * length].to_vec();
        let sums: Vec<i64> = (0..rows)
            .map(|r| {
                let sum: i128 = (0..length).map(|l| i128::from(x[r * length + l])).sum();
                rd(sum, div.into()) as i64
            })
            .collect();
        let case = Case::new(&[&[rows, length]], &[], &[rows], Op::ReduceSum { x: X, div });
        prop_assert_eq!(case.run(std::slice::from_ref(&x)), sums);
        let combined: Vec<i64> = x
            .iter()
            .map(|&v| rd(i128::from(v * factor + constant), div.into()) as i64)
            .collect();
        let op = Op::Combine { terms: vec![(factor, X)], constant, div, clamp: None };
        let n = x.len();
        prop_assert_eq!(Case::new(&[&[n]], &[], &[n], op).run(&[x]), combined);
    }

    #[test]
    fn tables_and_moves(x in values(6), picks in prop::collection::vec(0usize..3, 1..6)) {
        let f = |v: i64| (v * v) % 1001 - 3 * v;
        let mut case = Case::new(&[&[6]], &[], &[6], Op::Table { x: X, table: 0 });
        let domain = case.graph.tensors[0].range;
        case.graph.tables = vec![zkml_graph::Table {
            name: "f".to_owned(),
            lo: domain.lo,
            values: (domain.lo..=domain.hi).map(f).collect(),
        }];
        let expected: Vec<i64> = x.iter().map(|v| f(*v)).collect();
        prop_assert_eq!(case.run(std::slice::from_ref(&x)), expected);
        // [2, 3] along its last dimension.
        let gathered: Vec<i64> =
            (0..2).flat_map(|r| picks.iter().map(move |p| (r, *p))).map(|(r, p)| x[r * 3 + p]).collect();
        let count = picks.len();
        let op = Op::Gather { x: X, axis: 1, indices: picks };
        let case = Case::new(&[&[2, 3]], &[], &[2, count], op);
        prop_assert_eq!(case.run(std::slice::from_ref(&x)), gathered);
        let op = Op::Concat { xs: vec![X, X], axis: 1 };
        let twice: Vec<i64> = x.chunks(3).flat_map(|row| [row, row].concat()).collect();
        prop_assert_eq!(Case::new(&[&[2, 3]], &[], &[2, 6], op).run(&[x]), twice);
    }
}
