//! Softmax and normalisation.

use super::{Handler, Importer, OnnxNode, Results};
use crate::onnx::curve::{Curve, Tail};
use crate::onnx::value::{Array, Data, Type, Value};
use crate::ImportError;
use zkml_graph::Op;

/// Exponentials and deviations are held this many times finer than the graph's numbers.
const FINER: i64 = 16;

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "Softmax" | "LogSoftmax" => softmax,
        "BatchNormalization" => batch,
        "LayerNormalization" => layer,
        "InstanceNormalization" | "GroupNormalization" => group,
        "MeanVarianceNormalization" => mean_variance,
        "LpNormalization" => unit,
        "LRN" => local_response,
        _ => return None,
    })
}

fn softmax(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let (rows, axis) = importer.rows_from(node, &x)?;
    let y = match node.kind() {
        "Softmax" => importer.softmax_last(&rows)?,
        _ => importer.log_softmax_last(&rows)?,
    };
    Ok(vec![importer.rows_back(&y, &x, axis)?])
}

/// `y = x·γ/√(σ² + ε) + (β − μ·γ/√(σ² + ε))`, folded into what comes before where possible.
fn batch(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    if node.int("training_mode", 0) != 0 {
        return Err(node.bad("attribute 'training_mode'", "0", 1));
    }
    let channels = x.size(1);
    let parts = (1..5)
        .map(|at| importer.input(node, at))
        .collect::<Result<Vec<_>, _>>()?;
    for (at, part) in parts.iter().enumerate() {
        if part.shape() != [channels] {
            let what = format!("input {}", at + 1);
            return Err(node.bad(
                &what,
                format!("{channels} values"),
                format!("{:?}", part.shape()),
            ));
        }
    }
    let epsilon = node.float("epsilon", 1e-5);
    let ([gamma, beta, mean, variance], _) = parts
        .split_first_chunk::<4>()
        .ok_or_else(|| node.bad("inputs", "five", parts.len()))?;
    if let (
        Value::Data(x),
        Value::Constant(gamma),
        Value::Constant(beta),
        Value::Constant(mean),
        Value::Constant(variance),
    ) = (&x, gamma, beta, mean, variance)
    {
        let known = [gamma, beta, mean, variance];
        return Ok(vec![importer.known_batch(x, known, epsilon)?]);
    }
    let deviation = importer.deviation(variance, epsilon)?;
    let mut shape = vec![1; x.rank().saturating_sub(1)];
    if let Some(slot) = shape.first_mut() {
        *slot = channels;
    }
    let per_channel = [gamma, beta, mean, &deviation]
        .into_iter()
        .map(|v| importer.reshape_to(v, shape.clone()))
        .collect::<Result<Vec<_>, _>>()?;
    let [gamma, beta, mean, deviation] = per_channel.as_slice() else {
        return Err(node.bad("inputs", "five", per_channel.len()));
    };
    let centred = importer.sub(&x, mean)?;
    let y = importer.div(&centred, deviation)?;
    let y = importer.mul(&y, gamma)?;
    Ok(vec![importer.add(&y, beta)?])
}

fn layer(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let axis = node.axis(node.int("axis", -1), x.rank())?;
    let axes: Vec<usize> = (axis..x.rank()).collect();
    let (y, mean, deviation) = importer.standardised(&x, &axes, node.float("epsilon", 1e-5))?;
    let scale = importer.input(node, 1)?;
    let mut y = importer.mul(&y, &scale)?;
    if let Some(bias) = importer.maybe(node, 2)? {
        y = importer.add(&y, &bias)?;
    }
    let mut values = vec![y, mean];
    if node.wants(2) {
        values.push(importer.div(&Value::real(1.0), &deviation)?);
    }
    Ok(values)
}

/// Instance normalisation is group normalisation with a group for each channel.
fn group(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let channels = x.size(1);
    let instance = node.kind() == "InstanceNormalization";
    let groups = match instance {
        true => channels,
        false => usize::try_from(node.int("num_groups", 0)).unwrap_or(0),
    };
    if groups == 0 || channels % groups != 0 || x.rank() < 3 {
        let expected = format!("a divisor of {channels} channels");
        return Err(node.bad("attribute 'num_groups'", expected, groups));
    }
    let (scale, bias) = (importer.input(node, 1)?, importer.input(node, 2)?);
    let rest = x.count() / (x.size(0) * groups).max(1);
    let grouped = importer.reshape_to(&x, vec![x.size(0), groups, rest])?;
    let (y, _, _) = importer.standardised(&grouped, &[2], node.float("epsilon", 1e-5))?;
    // Before operator set 21, group normalisation's factors are one for each group.
    let y = importer.reshape_to(
        &y,
        vec![
            x.size(0),
            scale.count(),
            x.count() / (x.size(0) * scale.count()).max(1),
        ],
    )?;
    let scale = importer.reshape_to(&scale, vec![scale.count(), 1])?;
    let bias = importer.reshape_to(&bias, vec![bias.count(), 1])?;
    let y = importer.mul(&y, &scale)?;
    let y = importer.add(&y, &bias)?;
    Ok(vec![importer.reshape_to(&y, x.shape().to_vec())?])
}

/// A spelled-out normalisation has an `epsilon` of its own; the operator's is 10⁻⁹.
fn mean_variance(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let axes = node
        .attribute("axes")
        .map_or(vec![0, 2, 3], |a| a.ints.clone());
    let axes = importer.axes_of(node, Some(axes), x.rank())?;
    Ok(vec![
        importer
            .standardised(&x, &axes, node.float("epsilon", 1e-9))?
            .0,
    ])
}

/// Division by the sum of sizes, or by the root of the sum of squares.
fn unit(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let axis = node.axis(node.int("axis", -1), x.rank())?;
    let length = match node.int("p", 2) {
        1 => {
            let size = importer.abs(&x)?;
            importer.sum_over(&size, &[axis], true, false)?
        }
        2 => {
            let square = importer.mul(&x, &x)?;
            let total = importer.sum_over(&square, &[axis], true, false)?;
            importer.root(&total)?
        }
        p => return Err(node.bad("attribute 'p'", "1 or 2", p)),
    };
    Ok(vec![importer.div(&x, &length)?])
}

/// `x / (bias + alpha/size · Σ x²)^beta`, the sum over neighbouring channels.
fn local_response(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let channels = x.size(1);
    let size = usize::try_from(node.int("size", 1)).unwrap_or(0);
    if size % 2 == 0 {
        return Err(node.bad("attribute 'size'", "an odd number", size));
    }
    let square = importer.mul(&x, &x)?;
    let rows = importer.axis_last(&square, 1)?;
    let near = |c: usize| c.saturating_sub((size - 1) / 2)..(c + size / 2 + 1).min(channels);
    let mut mask = vec![0.0; channels * channels];
    for c in 0..channels {
        for other in near(c) {
            if let Some(slot) = mask.get_mut(other * channels + c) {
                *slot = 1.0;
            }
        }
    }
    let mask = Array::public(vec![channels, channels], mask, Type::INDEX).into();
    let flat = importer.reshape_to(&rows, vec![x.count() / channels.max(1), channels])?;
    let sums = importer.matmul_of(&flat, &mask)?;
    let sums = importer.reshape_to(&sums, rows.shape().to_vec())?;
    let sums = importer.last_to(&sums, 1)?;
    let (alpha, beta) = (
        node.float("alpha", 1e-4) / size as f64,
        node.float("beta", 0.75),
    );
    let bias = node.float("bias", 1.0);
    let f = move |v: f64| (bias + alpha * v).powf(-beta);
    let curve = Curve::new(format!("({bias} + {alpha}x)^-{beta}"), &f);
    let factor = importer.map(&sums, &curve.tails(Tail::Flat(0.0), Tail::Open))?;
    Ok(vec![importer.mul(&x, &factor)?])
}

impl Importer {
    /// `exp(x − max)` finely, and the maximum and the sum with the last dimension as 1.
    pub(super) fn exponentials(
        &mut self,
        x: &Value,
    ) -> Result<(Value, (Value, Value)), ImportError> {
        let axis = x.rank().saturating_sub(1);
        let best = self.extremum_last(x, true)?;
        let best = self.unmasked(&best)?;
        let best = self.unsqueezed_at(&best, axis)?;
        let below = self.sub(x, &best)?;
        let fine = self.scale().saturating_mul(FINER);
        let fade = (fine as f64).ln() + 1.0;
        let curve = Curve::new("exp", &f64::exp).tails(Tail::Flat(-fade), Tail::Flat(0.0));
        let e = self.map_at(&below, &curve, fine)?;
        let total = self.sum_last(&e, 1)?;
        // One of them is exp(0) = 1, which bounds alone do not know.
        let total = self.clamped(&total, Some(1.0), None)?;
        let total = self.unsqueezed_at(&total, axis)?;
        Ok((e, (best, total)))
    }

    pub(super) fn softmax_last(&mut self, x: &Value) -> Result<Value, ImportError> {
        let (e, (_, total)) = self.exponentials(x)?;
        self.div(&e, &total)
    }

    pub(super) fn log_softmax_last(&mut self, x: &Value) -> Result<Value, ImportError> {
        let (_, (best, total)) = self.exponentials(x)?;
        let total = match &total {
            Value::Data(data) => self.at_scale(data, self.scale())?.into(),
            Value::Constant(_) => total,
        };
        let log = self.logarithm(&total)?;
        self.sum(&[(1, x), (-1, &best), (-1, &log)])
    }

    /// `√(variance + ε)`, finely.
    fn deviation(&mut self, variance: &Value, epsilon: f64) -> Result<Value, ImportError> {
        let f = move |v: f64| (v.max(0.0) + epsilon).sqrt();
        let curve = Curve::new(format!("sqrt(x + {epsilon})"), &f);
        let fine = self.scale().saturating_mul(FINER);
        self.map_at(variance, &curve.tails(Tail::Flat(0.0), Tail::Open), fine)
    }

    /// `(x − mean) / √(variance + ε)` over some dimensions; the mean and the root as well.
    fn standardised(
        &mut self,
        x: &Value,
        axes: &[usize],
        epsilon: f64,
    ) -> Result<(Value, Value, Value), ImportError> {
        let mean = self.sum_over(x, axes, true, true)?;
        let centred = self.sub(x, &mean)?;
        let square = self.mul(&centred, &centred)?;
        let variance = self.sum_over(&square, axes, true, true)?;
        let deviation = self.deviation(&variance, epsilon)?;
        let y = self.div(&centred, &deviation)?;
        Ok((y, mean, deviation))
    }

    /// Batch normalisation with known parameters: one factor and one offset for each channel.
    fn known_batch(
        &mut self,
        x: &Data,
        [gamma, beta, mean, variance]: [&Array; 4],
        epsilon: f64,
    ) -> Result<Value, ImportError> {
        let x = self.at_scale(x, self.scale())?;
        let pairs = gamma.values.iter().zip(variance.values.iter());
        let factors: Vec<f64> = pairs.map(|(g, v)| g / (v + epsilon).sqrt()).collect();
        let moved = beta.values.iter().zip(mean.values.iter()).zip(&factors);
        let offsets: Vec<f64> = moved.map(|((b, m), f)| b - m * f).collect();
        let div = self.precise_divisor(&factors, 0);
        let channels = factors.len();
        let batch = x.shape.first().copied().unwrap_or(1);
        let how = epsilon.to_bits() as usize;
        let made = self.made("factors", &[gamma, variance], &[how]);
        let w = Some(self.tied_weight(made, "factors", vec![channels], || factors)?);
        let made = self.made("bias", &[gamma, beta, mean, variance], &[how]);
        let bias = Some(self.tied_weight(made, "bias", vec![channels], || offsets)?);
        let mut samples = Vec::new();
        for n in 0..batch {
            let sample = self.slice(&x.clone().into(), 0, n, 1)?;
            let sample = self.data(&sample)?;
            // Channels first, as the graph's tensor has them without its batch.
            let op = Op::Scale {
                x: sample.id,
                w,
                bias,
                div,
                clamp: None,
            };
            let y = self.op(op)?;
            samples.push(self.wrap(y, sample.shape, Type::Real, x.scale)?.into());
        }
        self.joined(&samples, 0)
    }
}
