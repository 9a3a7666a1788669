//! Real weights to integers.
//!
//! A factor `w` of a product that is divided by `div` becomes `round(w·div)`, an offset
//! `round(b·scale)`: half away from zero. (What was TFLite is rounded half to even, as zkml's converter
//! does.)

use crate::graph::real::RealWeights;
use crate::graph::{Op, TensorId};
use crate::import::{largest_lost, FloatModel, ImportError, Model};
use std::collections::BTreeMap;

/// `round(value·scale)`, half away from zero; `None` where that is no number or beyond ±2^40.
pub fn quantise(value: f64, scale: i64) -> Option<i64> {
    let rounded = (value * scale as f64).round();
    (rounded.abs() <= (1u64 << 40) as f64).then_some(rounded as i64)
}

/// What is wrong with a number that [`quantise`] does not take. It may be a weight or an input, so the number itself
/// is not said.
pub fn unfit(value: f64) -> &'static str {
    match value {
        v if v.is_nan() => "NaN",
        v if v.is_infinite() => "an infinite one",
        _ => "a larger one",
    }
}

/// IEEE 754 binary16.
pub(crate) fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        e => (1024.0 + fraction) * 2f64.powi(e - 25),
    }
}

impl FloatModel {
    /// What each weight tensor is multiplied by: the divisor of its products, or the scale.
    fn factors(&self) -> Result<BTreeMap<TensorId, i64>, ImportError> {
        let mut factors: BTreeMap<TensorId, i64> = BTreeMap::new();
        for node in &self.graph.nodes {
            let (w, bias, div) = match &node.op {
                Op::Conv { w, bias, div, .. } | Op::Linear { w, bias, div, .. } => {
                    (Some(*w), *bias, *div)
                }
                Op::Scale { w, bias, div, .. } => (*w, *bias, *div),
                _ => continue,
            };
            let wanted = w
                .map(|w| (w, div))
                .into_iter()
                .chain(bias.map(|b| (b, self.graph.scale)));
            for (id, factor) in wanted {
                if *factors.entry(id).or_insert(factor) != factor {
                    let place = format!("node '{}': weights", node.name);
                    return Err(ImportError::malformed(place, "one scale", "two"));
                }
            }
        }
        Ok(factors)
    }

    /// The weights in the integers' units, not rounded.
    pub fn real_weights(&self) -> Result<RealWeights, ImportError> {
        let factors = self.factors()?;
        let one = |(id, values): (&TensorId, &Vec<f64>)| {
            let factor = factors.get(id).copied().unwrap_or(self.graph.scale) as f64;
            (*id, values.iter().map(|v| v * factor).collect())
        };
        Ok(self.weights.iter().map(one).collect())
    }

    /// The integer model.
    pub fn quantise(self) -> Result<Model, ImportError> {
        let factors = self.factors()?;
        let (mut weights, mut lost) = (BTreeMap::new(), BTreeMap::new());
        for (&id, values) in &self.weights {
            let factor = factors.get(&id).copied().unwrap_or(self.graph.scale);
            let mut integers = Vec::with_capacity(values.len());
            for (i, &value) in values.iter().enumerate() {
                let integer = quantise(value, factor).ok_or_else(|| {
                    let name = self.graph.tensor(id, "the weights").map_or("", |t| &t.name);
                    // The file's own words, where the number is one of the file.
                    let place = match self.large.as_slice() {
                        [] => format!("weights '{name}' element {i}"),
                        large => large.join(" or "),
                    };
                    let expected = format!("a number of at most 2^40 in size at scale {factor}");
                    ImportError::malformed(place, expected, unfit(value))
                })?;
                integers.push(integer);
            }
            let units = values.iter().map(|v| v * factor as f64);
            if let Some(largest) = largest_lost(units, &integers) {
                lost.insert(id, largest);
            }
            weights.insert(id, integers);
        }
        self.with_weights(weights).finish(&lost)
    }
}

#[cfg(test)]
mod tests {
    use super::quantise;

    #[test]
    fn halves_round_away_from_zero() {
        assert_eq!(quantise(0.5, 1), Some(1));
        assert_eq!(quantise(-0.5, 1), Some(-1));
        assert_eq!(quantise(2.499, 1), Some(2));
        assert_eq!(quantise(0.1, 512), Some(51));
        assert_eq!(quantise(f64::NAN, 512), None);
        assert_eq!(quantise(f64::INFINITY, 512), None);
        assert_eq!(quantise(1e30, 512), None);
    }
}
