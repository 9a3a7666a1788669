//! GELU in both forms, and x·sigmoid(x).

use super::super::erf::erf;
use super::super::schema::{AttributeProto, NodeProto};
use super::chain::{Chains, Trial};
use super::Spelling;
use std::f64::consts::{PI, SQRT_2};

/// Values are compared at these multiples of [`STEP`], from −8 to 8.
const STEPS: std::ops::RangeInclusive<i32> = -46..=46;
const STEP: f64 = 0.173;
/// How far apart they may be.
const NEAR: f64 = 1e-5;

type Function = fn(f64) -> f64;

/// Name of the operator, its form, and the function.
pub(super) const KNOWN: [(&str, &str, Function); 3] = [
    ("Gelu", "none", |v| 0.5 * v * (1.0 + erf(v / SQRT_2))),
    ("Gelu", "tanh", |v| {
        0.5 * v * (1.0 + ((2.0 / PI).sqrt() * (v + 0.044_715 * v * v * v)).tanh())
    }),
    ("Swish", "", |v| v / (1.0 + (-v).exp())),
];

/// The operator that node `at` ends the spelling of.
pub(super) fn named(chains: &Chains, at: usize) -> Option<Spelling> {
    let last = chains.node(at).filter(|node| node.op_type == "Mul")?;
    let output = last.output.first()?;
    let all: Vec<f64> = STEPS.map(|i| f64::from(i) * STEP).collect();
    for x in chains.before(at) {
        let same = |f: Function, arguments: &[f64]| {
            let mut trial = Trial::new(chains, x, arguments);
            let row = trial.row(output).filter(|_| trial.factors.is_empty())?;
            let near = |(v, y): (&f64, f64)| (y - f(*v)).abs() <= NEAR;
            let same = arguments.iter().zip(row).all(near);
            same.then(|| trial.constants())
        };
        // At one argument first: most chains are none of these functions.
        let known = KNOWN.iter().find_map(|(operator, form, f)| {
            let told_by = same(*f, &[1.0]).and_then(|_| same(*f, &all))?;
            Some((operator, form, told_by))
        });
        if let Some((operator, form, told_by)) = known {
            let approximate = AttributeProto {
                name: "approximate".to_owned(),
                s: form.as_bytes().to_vec(),
                ..Default::default()
            };
            let node = NodeProto {
                input: vec![x.to_owned()],
                op_type: (*operator).to_owned(),
                attribute: vec![approximate],
                ..last.clone()
            };
            return Some(Spelling {
                nodes: vec![node],
                told_by,
            });
        }
    }
    None
}
