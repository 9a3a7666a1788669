//! Layer normalisation, `(x − μ)/√(σ² + ε)·γ + β` with mean and variance over some dimensions. PyTorch spells it in
//! this order, TensorFlow as `x·(γ/√(σ² + ε)) + (β − μ·(γ/√(σ² + ε)))`.

use super::super::schema::{AttributeProto, NodeProto};
use super::chain::{stand_in, Chains, Trial};
use super::Spelling;

/// Values are compared on rows with this shape: no two alike, neither symmetric nor about zero.
const ROW: [f64; 5] = [0.3, -1.1, 2.9, 0.8, -0.4];
/// How far apart they may be, relative to 1 + |y|.
const NEAR: f64 = 1e-5;

/// What the chain's constants of several elements do to the standardised row.
#[derive(Clone, Copy)]
enum Form {
    Plain,
    Scaled,
    Shifted,
    /// The first shifts and the second scales, or the other way.
    Both {
        scale: usize,
    },
}

impl Form {
    fn of(factors: usize) -> &'static [Form] {
        match factors {
            0 => &[Form::Plain],
            1 => &[Form::Scaled, Form::Shifted],
            2 => &[Form::Both { scale: 0 }, Form::Both { scale: 1 }],
            _ => &[],
        }
    }

    /// Which factor scales, and which shifts.
    fn parts(self) -> (Option<usize>, Option<usize>) {
        match self {
            Form::Plain => (None, None),
            Form::Scaled => (Some(0), None),
            Form::Shifted => (None, Some(0)),
            Form::Both { scale } => (Some(scale), Some(1 - scale)),
        }
    }

    /// The function at `row`.
    fn row(self, row: &[f64], epsilon: f64) -> Vec<f64> {
        let mean = |row: &[f64]| row.iter().sum::<f64>() / row.len() as f64;
        let mu = mean(row);
        let squares: Vec<f64> = row.iter().map(|v| (v - mu).powi(2)).collect();
        let deviation = (mean(&squares) + epsilon).sqrt();
        let (scale, shift) = self.parts();
        let one = |(i, v): (usize, &f64)| {
            let gamma = scale.map_or(1.0, |which| stand_in(which, i));
            let beta = shift.map_or(0.0, |which| stand_in(which, i));
            (v - mu) / deviation * gamma + beta
        };
        row.iter().enumerate().map(one).collect()
    }
}

/// The operators that node `at` ends the spelling of.
pub(super) fn named(chains: &Chains, at: usize) -> Option<Spelling> {
    let ends = |op: &str| matches!(op, "Div" | "Mul" | "Add" | "Sub");
    let last = chains.node(at).filter(|node| ends(&node.op_type))?;
    let output = last.output.first()?;
    for x in chains.before(at) {
        let mut trial = Trial::new(chains, x, &ROW);
        let Some(row) = trial.row(output) else {
            continue;
        };
        let Some(axes) = trial.axes.clone() else {
            continue;
        };
        let rows = |scale: f64| ROW.map(|v| v * scale);
        let same = |form: Form, epsilon: f64, scale: f64| {
            let row = Trial::new(chains, x, &rows(scale)).row(output);
            row.is_some_and(|row| near(&row, &form.row(&rows(scale), epsilon)))
        };
        for &form in Form::of(trial.factors.len()) {
            for &epsilon in trial.numbers.iter().filter(|e| (0.0..1.0).contains(*e)) {
                // Where the variance is about ε, and where ε is nothing beside it.
                let fits = near(&row, &form.row(&ROW, epsilon))
                    && same(form, epsilon, epsilon.sqrt())
                    && same(form, epsilon, 8.0);
                if fits {
                    return Some(Spelling {
                        nodes: operators(last, x, &axes, epsilon, (form, &trial.factors)),
                        told_by: trial.constants(),
                    });
                }
            }
        }
    }
    None
}

fn near(a: &[f64], b: &[f64]) -> bool {
    let pairs = a.iter().zip(b);
    pairs.fold(true, |all, (a, b)| {
        all && (a - b).abs() <= NEAR * (1.0 + b.abs())
    })
}

/// The standardisation, and a product and a sum where there are factors; the last is named as `last`.
fn operators(
    last: &NodeProto,
    x: &str,
    axes: &[i64],
    epsilon: f64,
    (form, factors): (Form, &[&str]),
) -> Vec<NodeProto> {
    let attribute = |name: &str| AttributeProto {
        name: name.to_owned(),
        ..Default::default()
    };
    let standardise = NodeProto {
        input: vec![x.to_owned()],
        op_type: "MeanVarianceNormalization".to_owned(),
        attribute: vec![
            AttributeProto {
                ints: axes.to_vec(),
                ..attribute("axes")
            },
            AttributeProto {
                f: epsilon as f32,
                ..attribute("epsilon")
            },
        ],
        ..last.clone()
    };
    let mut nodes = vec![standardise];
    let (scale, shift) = form.parts();
    for (op, which) in [("Mul", scale), ("Add", shift)] {
        let Some(factor) = which.and_then(|which| factors.get(which)) else {
            continue;
        };
        let Some(before) = nodes.last_mut() else {
            continue;
        };
        let between = format!("{}/before {op}", last.output.first().map_or("", |o| o));
        let inputs = vec![between.clone(), (*factor).to_owned()];
        before.output = vec![between];
        nodes.push(NodeProto {
            input: inputs,
            op_type: op.to_owned(),
            attribute: Vec::new(),
            ..last.clone()
        });
    }
    nodes
}
