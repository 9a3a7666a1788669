//! Real weights to integers.
//!
//! A factor `w` of a product that is divided by `div` becomes `round(w·div)`, an offset
//! `round(b·scale)`: half away from zero. (What was TFLite is rounded half to even, as zkml's converter
//! does.)

use super::{
    draft::FloatModel,
    error::ImportError,
    model::Model,
    numbers::{quantise, unfit},
    vanished::largest_lost,
};
use std::collections::BTreeMap;
use zkml_graph::real::RealWeights;
use zkml_graph::{Op, TensorId};

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
