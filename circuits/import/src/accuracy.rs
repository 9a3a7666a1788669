//! How well the integers do: the quantised model beside the real one, on samples.

use crate::quantise;
use crate::{Exact, ImportError};
use rayon::prelude::*;
use thiserror::Error;
use zkml_graph::exec::{self, ExecError};
use zkml_graph::real::{self, RealWeights};
use zkml_graph::{Graph, TensorId, Weights};

/// A model in integers and in real numbers: one graph, two sets of weights.
#[derive(Clone, Copy)]
pub struct Pair<'m> {
    /// The graph.
    pub graph: &'m Graph,
    /// Integer weights.
    pub weights: &'m Weights,
    /// The weights that they were rounded from.
    pub real: &'m RealWeights,
    /// The file in floating point, where the format has that, and the units of a real number of its
    /// first output. Without it the real model is the graph, whose tables are interpolated.
    pub exact: Option<(&'m Exact, f64)>,
}

/// Why a model could not be evaluated.
#[derive(Debug, Error)]
pub enum EvaluateError {
    /// In integers, or the graph in real numbers.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// In floating point.
    #[error(transparent)]
    Exact(#[from] ImportError),
}

/// The outputs of both on one sample, in integer units.
struct Outcome {
    quantised: Vec<i64>,
    real: Vec<f64>,
}

/// Totals over samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Accuracy {
    /// Samples.
    pub samples: usize,
    /// Samples that the real model classifies as labelled.
    pub real: usize,
    /// Samples that the integers classify as labelled.
    pub quantised: usize,
    /// Samples on which both name the same class.
    pub agree: usize,
    /// Largest difference of an output, as a real number.
    pub worst: f64,
}

/// Ranges and errors of one tensor, as real numbers.
#[derive(Clone, Debug)]
pub struct TensorError {
    /// The tensor.
    pub tensor: TensorId,
    /// Smallest and largest value seen.
    pub seen: (f64, f64),
    /// Root of the mean squared difference.
    pub error: f64,
    /// Largest difference.
    pub worst: f64,
}

impl Pair<'_> {
    /// Classifies every sample twice. The model has one input, and the class is the largest element of
    /// its first output.
    pub fn accuracy(
        &self,
        samples: &[&[f64]],
        labels: &[usize],
        done: impl Fn() + Sync,
    ) -> Result<Accuracy, EvaluateError> {
        let one = |(sample, label): (&&[f64], &usize)| {
            let Outcome { quantised, real } = self.run(sample)?;
            let (a, b) = (largest(&quantised), largest(&real));
            done();
            Ok(Accuracy {
                samples: 1,
                real: usize::from(b == *label),
                quantised: usize::from(a == *label),
                agree: usize::from(a == b),
                worst: self.difference(&quantised, &real),
            })
        };
        let none = Accuracy::default();
        samples
            .par_iter()
            .zip(labels)
            .map(one)
            .try_reduce(|| none, |a, b| Ok(a.and(b)))
    }

    fn difference(&self, quantised: &[i64], real: &[f64]) -> f64 {
        let each = quantised.iter().zip(real);
        let worst = each.map(|(a, b)| (*a as f64 - b).abs()).fold(0.0, f64::max);
        worst / self.graph.scale as f64
    }

    fn inputs(&self, sample: &[f64]) -> (Vec<Vec<i64>>, Vec<Vec<f64>>) {
        let scale = self.graph.scale;
        let range = self.graph.inputs.first();
        let range = range
            .and_then(|id| self.graph.tensors.get(id.0))
            .map(|t| t.range);
        let integer = |v: &f64| {
            let v = quantise(*v, scale).unwrap_or(0);
            range.map_or(v, |r| v.clamp(r.lo, r.hi))
        };
        let units = sample.iter().map(|v| v * scale as f64).collect();
        (vec![sample.iter().map(integer).collect()], vec![units])
    }

    fn run(&self, sample: &[f64]) -> Result<Outcome, EvaluateError> {
        let (integers, units) = self.inputs(sample);
        let trace = exec::run(self.graph, self.weights, &integers)?;
        let first = self.graph.outputs.first();
        let output = first.map_or(0, |id| id.0);
        let real = match self.exact {
            Some((exact, unit)) => {
                let first = exact.run(&[sample.to_vec()])?.into_iter().next();
                let values = first.unwrap_or_default().into_iter();
                values.map(|v| v * unit).collect()
            }
            None => {
                let values = real::run(self.graph, self.real, &units).map_err(ExecError::from)?;
                values.into_iter().nth(output).flatten().unwrap_or_default()
            }
        };
        Ok(Outcome {
            quantised: trace.into_iter().nth(output).flatten().unwrap_or_default(),
            real,
        })
    }

    /// Ranges and errors of every computed tensor over samples, in the order of the nodes.
    pub fn errors(&self, samples: &[&[f64]]) -> Result<Vec<TensorError>, ExecError> {
        let mut totals: Vec<(TensorError, f64, usize)> = self
            .graph
            .nodes
            .iter()
            .map(|node| {
                let error = TensorError {
                    tensor: node.output,
                    seen: (f64::INFINITY, f64::NEG_INFINITY),
                    error: 0.0,
                    worst: 0.0,
                };
                (error, 0.0, 0)
            })
            .collect();
        let scale = self.graph.scale as f64;
        for sample in samples {
            let (integers, units) = self.inputs(sample);
            let trace = exec::run(self.graph, self.weights, &integers)?;
            let exact = real::run(self.graph, self.real, &units)?;
            for (error, squares, count) in &mut totals {
                let id = error.tensor.0;
                let pair = (trace.get(id), exact.get(id));
                let (Some(Some(a)), Some(Some(b))) = pair else {
                    continue;
                };
                for (a, b) in a.iter().zip(b) {
                    let (a, b) = (*a as f64 / scale, b / scale);
                    error.seen = (error.seen.0.min(b), error.seen.1.max(b));
                    error.worst = error.worst.max((a - b).abs());
                    *squares += (a - b) * (a - b);
                    *count += 1;
                }
            }
        }
        let finish = |(mut error, squares, count): (TensorError, f64, usize)| {
            error.error = (squares / count.max(1) as f64).sqrt();
            error
        };
        Ok(totals.into_iter().map(finish).collect())
    }
}

impl Accuracy {
    fn and(self, other: Self) -> Self {
        Self {
            samples: self.samples + other.samples,
            real: self.real + other.real,
            quantised: self.quantised + other.quantised,
            agree: self.agree + other.agree,
            worst: self.worst.max(other.worst),
        }
    }
}

/// Index of the largest value, the first of equals.
fn largest<T: PartialOrd>(values: &[T]) -> usize {
    let mut best = 0;
    for (i, value) in values.iter().enumerate() {
        if values.get(best).is_some_and(|known| value > known) {
            best = i;
        }
    }
    best
}
