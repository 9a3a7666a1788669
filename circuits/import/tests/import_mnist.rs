//! zkml's MNIST model: the known answer, and the ONNX twin within the rounding error that its
//! arithmetic allows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

use std::path::{Path, PathBuf};
use zkml_graph::exec::{outputs, run};
use zkml_graph::{Clamp, Graph, Op, TensorId, Weights};
use zkml_import::inputs;
use zkml_import::{load, load_float, FloatModel, ImportOptions, Layout};

const ANSWER: [i64; 10] = [
    -5312, -8056, -8186, -1669, -4260, 6614, -5131, -6862, -3047, -805,
];

/// The folder of shared test data, if it is there.
fn shared(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("ZKML_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let path = root.join("data").join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is absent", path.display());
    None
}

#[test]
fn msgpack_gives_the_known_answer_bit_for_bit() {
    let Some(folder) = shared("zkml/mnist") else {
        return;
    };
    let model = load(&folder.join("model.msgpack"), &ImportOptions::default()).unwrap();
    assert_eq!(model.graph.scale, 512);
    assert_eq!(model.source.inputs[0].shape, [1, 28, 28, 1]);
    assert_eq!(model.source.inputs[0].layout, Layout::ChannelsLast);
    let input = model.graph.inputs[0];
    assert_eq!(model.graph.tensors[input.0].shape, [28, 28, 1]);
    // One channel: nothing moves, so no transpose is left.
    assert!(model
        .graph
        .nodes
        .iter()
        .all(|n| !matches!(n.op, Op::Transpose { .. })));
    let weights: usize = model.weights.values().map(Vec::len).sum();
    assert_eq!(weights, 6742);
    let values = inputs::load(&folder.join("inp.msgpack"), &model.graph, &model.source).unwrap();
    let trace = run(&model.graph, &model.weights, &values).unwrap();
    assert_eq!(outputs(&model.graph, &trace), [ANSWER]);
}

#[test]
fn a_model_without_weights_is_refused() {
    let Some(folder) = shared("zkml/mnist") else {
        return;
    };
    let error = load(&folder.join("config.msgpack"), &ImportOptions::default()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("config.msgpack") && text.contains("weights"),
        "{text}"
    );
}

#[test]
fn configurations_have_all_layers_but_no_weights() {
    for name in ["twitter/config.msgpack", "nlp/gpt-2/config.msgpack"] {
        let Some(path) = shared(&format!("zkml/{name}")) else {
            return;
        };
        let text = load(&path, &ImportOptions::default())
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("expected weights (zkml's config files have none; `zkml inspect"),
            "{text}"
        );
    }
}

/// Real values, how far `integer / scale` can be from them, and how far it would be expected to
/// be (one standard deviation, squared).
#[derive(Clone)]
struct Approximate {
    real: Vec<f64>,
    error: Vec<f64>,
    variance: Vec<f64>,
}

/// Evaluates a float graph, and bounds the integer graph's error on the same input.
///
/// With `s` the scale, let `δw = |integer/div − w|` for a factor (known, at most `1/(2·div)`) and
/// `δb` alike for an offset; `rd` adds at most `1/(2s)`. A sum of products is then off by at most
/// `Σ ((|w| + δw)·e + δw·|x|) + δb + 1/(2s)`, an average by the mean of `e` plus `1/(2s)`, and a
/// clamp at exact bounds enlarges no error. That holds always, and grows with the product of the
/// layers' absolute row sums. With roundings that are independent and uniform, of variance
/// `1/(12s²)`, the variances add up instead: `Σ w²·v + 1/(12s²)`.
struct Bound<'a> {
    model: &'a FloatModel,
    integers: &'a Weights,
    values: Vec<Option<Approximate>>,
}

type Sum = (f64, f64, f64);

impl Bound<'_> {
    /// Real weights, each with the distance of its integer.
    fn weights(&self, id: Option<TensorId>, div: i64) -> Vec<(f64, f64)> {
        let Some(id) = id else { return Vec::new() };
        let pairs = self.model.weights[&id].iter().zip(&self.integers[&id]);
        pairs
            .map(|(&w, &n)| (w, (n as f64 / div as f64 - w).abs()))
            .collect()
    }

    fn scale(&self) -> f64 {
        self.model.graph.scale as f64
    }

    /// `Σ w·x` over pairs of a weight and an element, rounded, plus an offset.
    fn sum(
        &self,
        x: &Approximate,
        pairs: impl Iterator<Item = ((f64, f64), usize)>,
        offset: Option<(f64, f64)>,
    ) -> Sum {
        let (offset, delta) = offset.unwrap_or_default();
        let (mut real, mut error) = (offset, delta + 0.5 / self.scale());
        let mut variance = delta * delta + 1.0 / (12.0 * self.scale() * self.scale());
        for ((w, delta), i) in pairs {
            let off = delta * x.real[i].abs();
            real += w * x.real[i];
            error += (w.abs() + delta) * x.error[i] + off;
            variance += w * w * x.variance[i] + off * off;
        }
        (real, error, variance)
    }

    fn node(&self, op: &Op, out: &[usize]) -> Approximate {
        let x = self.values[op.data_operands()[0].0].as_ref().unwrap();
        let shape = &self.model.graph.tensors[op.data_operands()[0].0].shape;
        let plane = out.iter().skip(1).product::<usize>();
        let all = 0..out.iter().product::<usize>();
        let scale = self.model.graph.scale;
        let sums: Vec<Sum> = match op {
            Op::Reshape { .. } => return x.clone(),
            Op::Conv {
                w,
                bias,
                window,
                groups: 1,
                div,
                ..
            } => {
                assert_eq!(window.pads, [0; 4]);
                let [kh, kw] = window.kernel;
                let (w, bias) = (self.weights(Some(*w), *div), self.weights(*bias, scale));
                let taps = shape[0] * kh * kw;
                all.map(|i| {
                    let (o, y, x0) = (i / plane, i % plane / out[2], i % out[2]);
                    let pairs = (0..taps).map(|t| {
                        let (c, dy, dx) = (t / (kh * kw), t / kw % kh, t % kw);
                        let at = (c * shape[1] + y + dy) * shape[2] + x0 + dx;
                        (w[o * taps + t], at)
                    });
                    self.sum(x, pairs, bias.get(o).copied())
                })
                .collect()
            }
            Op::Linear { w, bias, div, .. } => {
                let (w, bias) = (self.weights(Some(*w), *div), self.weights(*bias, scale));
                let k = shape[0];
                let w = &w;
                let row = |n: usize| (0..k).map(move |i| (w[n * k + i], i));
                all.map(|n| self.sum(x, row(n), bias.get(n).copied()))
                    .collect()
            }
            Op::Scale { w, bias, div, .. } => {
                let (w, bias) = (self.weights(*w, *div), self.weights(*bias, scale));
                let one = |i: usize| {
                    let pair = std::iter::once((w[i / plane], i));
                    self.sum(x, pair, bias.get(i / plane).copied())
                };
                all.map(one).collect()
            }
            Op::AvgPool { window, .. } => {
                let ([kh, kw], [sh, sw]) = (window.kernel, window.stride);
                let n = (kh * kw) as f64;
                all.map(|i| {
                    let (c, y, x0) = (i / plane, i % plane / out[2], i % out[2]);
                    let taps = (0..kh * kw)
                        .map(|t| (c * shape[1] + y * sh + t / kw) * shape[2] + x0 * sw + t % kw);
                    self.sum(x, taps.map(|at| ((1.0 / n, 0.0), at)), None)
                })
                .collect()
            }
            other => panic!("{other:?} is not in this model"),
        };
        let clamp = |v: f64| match op.clamp() {
            None => v,
            Some(Clamp { lo, hi }) => {
                let top = hi.map_or(f64::INFINITY, |hi| hi as f64 / self.scale());
                v.clamp(lo as f64 / self.scale(), top)
            }
        };
        Approximate {
            real: sums.iter().map(|sum| clamp(sum.0)).collect(),
            error: sums.iter().map(|sum| sum.1).collect(),
            variance: sums.iter().map(|sum| sum.2).collect(),
        }
    }
}

fn evaluate(model: &FloatModel, integers: &Weights, input: &[i64]) -> Approximate {
    let graph = &model.graph;
    let mut bound = Bound {
        model,
        integers,
        values: vec![None; graph.tensors.len()],
    };
    let zero = vec![0.0; input.len()];
    let real = input
        .iter()
        .map(|&v| v as f64 / graph.scale as f64)
        .collect();
    bound.values[graph.inputs[0].0] = Some(Approximate {
        real,
        error: zero.clone(),
        variance: zero,
    });
    for node in &graph.nodes {
        let value = bound.node(&node.op, &graph.tensors[node.output.0].shape);
        bound.values[node.output.0] = Some(value);
    }
    bound.values[graph.outputs[0].0].take().unwrap()
}

fn logits(graph: &Graph, weights: &Weights, input: Vec<i64>) -> Vec<i64> {
    let trace = run(graph, weights, &[input]).unwrap();
    outputs(graph, &trace).remove(0)
}

fn class<T: PartialOrd>(logits: &[T]) -> usize {
    (0..logits.len())
        .reduce(|best, i| if logits[i] > logits[best] { i } else { best })
        .unwrap()
}

#[test]
fn onnx_agrees_within_the_derived_rounding_error() {
    let Some(folder) = shared("zkml/mnist") else {
        return;
    };
    let path = folder.join("model.onnx");
    for scale in [512, 1 << 12, 1 << 16] {
        let options = ImportOptions {
            scale: Some(scale),
            input_range: None,
            ..ImportOptions::default()
        };
        let model = load(&path, &options).unwrap();
        let float = load_float(&path, &options).unwrap();
        let input = inputs::load(&folder.join("inp.msgpack"), &model.graph, &model.source);
        // The file's integers are at scale 512.
        let input: Vec<i64> = input
            .unwrap()
            .remove(0)
            .into_iter()
            .map(|v| v * (scale / 512))
            .collect();
        let expected = evaluate(&float, &model.weights, &input);
        let got = logits(&model.graph, &model.weights, input);
        let worst = expected.error.iter().copied().fold(0.0, f64::max);
        let mut off = 0.0f64;
        let deviation = expected.variance.iter().copied().fold(0.0, f64::max).sqrt();
        for (i, &g) in got.iter().enumerate() {
            let distance = (g as f64 / scale as f64 - expected.real[i]).abs();
            let (bound, likely) = (expected.error[i], 4.0 * expected.variance[i].sqrt());
            assert!(distance <= bound, "{distance} > {bound} at scale {scale}");
            assert!(distance <= likely, "{distance} > {likely} at scale {scale}");
            off = off.max(distance);
        }
        println!(
            "scale {scale}: off by at most {off:.5}; bound {worst:.5}, deviation {deviation:.5}"
        );
        assert_eq!(class(&got), 5);
        assert_eq!(class(&expected.real), 5);
        if scale == 512 {
            // Its weights are those of the .msgpack, and so is the arithmetic.
            assert_eq!(got, ANSWER);
        }
    }
}
