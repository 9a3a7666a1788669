//! Elementwise operators: on constants, on tensors, and on one of each.

use super::{Importer, OnnxNode, Value};
use crate::graph::{Clamp, Op};
use crate::import::lower::{broadcast, Constant};
use crate::import::ImportError;
use crate::quantise::quantise;

/// Stands for −∞ as a lower bound: below every activation.
const UNBOUNDED: i64 = -(1 << 42);

impl Importer {
    pub(super) fn elementwise(&mut self, node: &OnnxNode) -> Result<Value, ImportError> {
        let (a, b) = (self.value(node, 0)?.clone(), self.value(node, 1)?.clone());
        match (a, b) {
            (Value::Constant(a), Value::Constant(b)) => fold(node, &a, &b).map(Value::Constant),
            (Value::Data(a, shape), Value::Data(b, other)) => {
                if shape != other {
                    return Err(node.bad(
                        "input 1",
                        format!("shape {shape:?}"),
                        format!("{other:?}"),
                    ));
                }
                let div = self.draft.graph.scale;
                let op = match node.kind() {
                    "Add" => Op::sum(vec![(1, a), (1, b)], None),
                    "Sub" => Op::sum(vec![(1, a), (-1, b)], None),
                    "Mul" => Op::Mul {
                        a,
                        b,
                        div,
                        clamp: None,
                    },
                    _ => {
                        return Err(node.bad("input 1", "a constant divisor", "a computed tensor"))
                    }
                };
                let y = self.draft.node(&node.name, op)?;
                self.define(node, y, shape)
            }
            (Value::Data(x, shape), Value::Constant(mut constant)) => {
                let values = &mut constant.1;
                match node.kind() {
                    "Sub" => values.iter_mut().for_each(|v| *v = -*v),
                    "Div" => values.iter_mut().for_each(|v| *v = v.recip()),
                    _ => {}
                }
                let product = matches!(node.kind(), "Mul" | "Div");
                self.with_constant(node, x, shape, &constant, product)
            }
            (Value::Constant(constant), Value::Data(x, shape)) => match node.kind() {
                "Add" => self.with_constant(node, x, shape, &constant, false),
                "Mul" => self.with_constant(node, x, shape, &constant, true),
                "Sub" => {
                    // c − x = −x + c. The factor is −1 exactly: its divisor is 1.
                    let minus = (vec![], vec![-1.0]);
                    let name = format!("{}/minus", node.name);
                    let x = self
                        .draft
                        .broadcast_scale(&name, x, Some(&minus), None, 1, None)?;
                    self.with_constant(node, x, shape, &constant, false)
                }
                _ => Err(node.bad("input 1", "a constant divisor", "a computed tensor")),
            },
        }
    }

    fn with_constant(
        &mut self,
        node: &OnnxNode,
        x: crate::graph::TensorId,
        shape: Vec<usize>,
        constant: &Constant<f64>,
        product: bool,
    ) -> Result<Value, ImportError> {
        let scale = self.draft.graph.scale;
        let (w, bias, div) = match product {
            true => (Some(constant), None, precise_divisor(scale, &constant.1)),
            false => (None, Some(constant), 1),
        };
        let y = self
            .draft
            .broadcast_scale(&node.name, x, w, bias, div, None)?;
        // More dimensions in the constant add dimensions of 1 in front.
        let extra = constant.0.len().saturating_sub(shape.len());
        let shape = std::iter::repeat_n(1, extra).chain(shape).collect();
        self.define(node, y, shape)
    }

    pub(super) fn clamp(&mut self, node: &OnnxNode) -> Result<Value, ImportError> {
        let (x, shape) = self.data(node, 0)?;
        let clamp = match node.kind() {
            "Relu" => Some(Clamp::RELU),
            _ => self.clip_bounds(node)?,
        };
        let y = match clamp {
            None => x,
            Some(clamp) => self.draft.node(&node.name, Op::clamped(x, clamp))?,
        };
        self.define(node, y, shape)
    }

    /// Bounds as inputs (since operator set 11) or attributes, at the graph's scale.
    fn clip_bounds(&self, node: &OnnxNode) -> Result<Option<Clamp>, ImportError> {
        let scale = self.draft.graph.scale;
        let bound = |at: usize, name: &str| -> Result<Option<f64>, ImportError> {
            match self.optional_constant(node, at)? {
                None => Ok(node.attribute(name).map(|a| f64::from(a.f))),
                Some((_, values)) => match values.as_slice() {
                    &[one] => Ok(Some(one)),
                    _ => Err(node.bad(&format!("input {at}"), "one value", values.len())),
                },
            }
        };
        let (min, max) = (bound(1, "min")?, bound(2, "max")?);
        if min.is_some_and(f64::is_nan) || max.is_some_and(f64::is_nan) {
            return Err(node.bad("bounds", "numbers", "NaN"));
        }
        // A bound beyond every activation is none.
        let lo = min.and_then(|v| quantise(v, scale));
        let hi = max.and_then(|v| quantise(v, scale));
        let beyond = |v: Option<f64>, sign: f64| v.is_some_and(|v| v * sign > 0.0);
        if (lo.is_none() && beyond(min, 1.0)) || (hi.is_none() && beyond(max, -1.0)) {
            return Err(node.bad(
                "bounds",
                "bounds below 2^40 in size",
                format!("{min:?}, {max:?}"),
            ));
        }
        match (lo, hi) {
            (None, None) => Ok(None),
            (Some(lo), Some(hi)) if hi < lo => {
                Err(node.bad("bounds", "min, then max", format!("{lo} > {hi}")))
            }
            (lo, hi) => Ok(Some(Clamp {
                lo: lo.unwrap_or(UNBOUNDED),
                hi,
            })),
        }
    }
}

/// The scale, or the least power-of-two multiple of it at which the factors keep about as many
/// bits as a factor of 1/4 has at the scale: small factors would round to nothing.
pub(super) fn precise_divisor(scale: i64, factors: &[f64]) -> i64 {
    let top = factors.iter().fold(0.0f64, |top, v| top.max(v.abs()));
    let enough = |bits: &u32| top * (1u64 << bits) as f64 >= 0.25;
    let bits = if top > 0.0 {
        (0..20).find(enough).unwrap_or(20)
    } else {
        0
    };
    scale << bits
}

/// Both operands known.
fn fold(
    node: &OnnxNode,
    a: &Constant<f64>,
    b: &Constant<f64>,
) -> Result<Constant<f64>, ImportError> {
    let shape = if a.0.len() < b.0.len() || a.1.len() < b.1.len() {
        &b.0
    } else {
        &a.0
    };
    let (Some(x), Some(y)) = (broadcast(shape, a), broadcast(shape, b)) else {
        return Err(node.bad(
            "input 1",
            format!("a shape that broadcasts to {shape:?}"),
            format!("{:?}", b.0),
        ));
    };
    let one = |(x, y): (f64, f64)| match node.kind() {
        "Add" => x + y,
        "Sub" => x - y,
        "Mul" => x * y,
        _ => x / y,
    };
    Ok((shape.clone(), x.into_iter().zip(y).map(one).collect()))
}
