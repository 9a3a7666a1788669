//! Numbers farther out than a graph holds: the −∞ of masks, and what files write for it.
//!
//! Such a number has a stand-in, and the nodes that read it are those for which the stand-in does: what is added to
//! it leaves it far below everything else, and a softmax gives it nothing. Elsewhere the model is refused, so that no
//! stand-in is taken for a number. Bounds here are real numbers.

use super::value::{Array, Type, Value};
use super::{Importer, OnnxNode};
use crate::ImportError;
use zkml_graph::range::round_outward;
use zkml_graph::Defined;

/// What stands for numbers beyond every activation.
pub(super) const STAND_IN: f64 = (1u64 << 30) as f64;

/// Largest public number of a graph.
pub(super) const MAX_NUMBER: f64 = (1u64 << 40) as f64;

/// Of a tensor with stand-ins of what is far below.
#[derive(Clone, Copy, Debug)]
pub(super) struct Far {
    /// Stand-ins are at most −`by`, and what they stand for is no larger.
    by: f64,
    /// Where all other elements lie.
    rest: (f64, f64),
    /// Whether each row along the last dimension has one of these others.
    kept: bool,
    /// Whether all stand-ins are one number.
    level: bool,
    /// Size of the last dimension.
    last: usize,
}

impl Far {
    /// Whether stand-ins are further than `by` below all else, also when that is rounded outward.
    fn is_apart(&self, by: f64) -> bool {
        self.by + 2.0 * self.rest.0.min(0.0) > by + 1.0
    }
}

/// An operand.
struct Operand {
    far: Option<Far>,
    rest: (f64, f64),
    /// Of known numbers.
    known: Option<Array>,
    /// Whether a known number is far above.
    above: bool,
    last: usize,
}

impl Operand {
    /// No element is larger.
    fn most(&self) -> f64 {
        self.far.map_or(self.rest.1, |far| self.rest.1.max(-far.by))
    }
}

impl Importer {
    /// Whether a known number is as far out as stand-ins are for.
    fn is_far(&self, array: &Array, v: f64) -> bool {
        array.ty.is_real() && (v * self.natural(array.ty) as f64).abs() > MAX_NUMBER
    }

    fn operand(&mut self, node: &OnnxNode, at: usize) -> Result<Option<Operand>, ImportError> {
        let Some(value) = self.maybe(node, at)? else {
            return Ok(None);
        };
        let last = value.shape().last().copied().unwrap_or(1);
        let array = match value {
            Value::Data(data) => {
                let (range, unit) = (self.range(data.id), data.scale as f64);
                let name = node.proto.input.get(at).map_or("", String::as_str);
                let far = self.far.get(name).copied();
                let whole = (range.lo as f64 / unit, range.hi as f64 / unit);
                return Ok(Some(Operand {
                    far,
                    rest: far.map_or(whole, |far| far.rest),
                    known: None,
                    above: false,
                    last,
                }));
            }
            Value::Constant(array) => array,
        };
        let is_far = |v: &f64| self.is_far(&array, *v);
        let near = array.values.iter().copied().filter(|v| !is_far(v));
        let (lo, hi) = near.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| {
            (lo.min(v), hi.max(v))
        });
        let rest = if lo <= hi { (lo, hi) } else { (0.0, 0.0) };
        let below = array.values.iter().any(|v| is_far(v) && *v < 0.0);
        let kept = |row: &[f64]| row.iter().any(|v| !is_far(v));
        let far = below.then(|| Far {
            by: STAND_IN / self.natural(array.ty) as f64,
            rest,
            kept: array.values.chunks(last.max(1)).all(kept),
            level: {
                let mut all = array.values.iter().filter(|v| is_far(v));
                let one = all.next();
                all.all(|v| Some(v) == one)
            },
            last,
        });
        let above = array.values.iter().any(|v| is_far(v) && *v > 0.0);
        Ok(Some(Operand {
            far,
            rest,
            known: Some(array),
            above,
            last,
        }))
    }

    /// What is known of the stand-ins in a node's results; an error where an operand has some and the node is none
    /// that they do for. Notes as well whether constants of the node may get stand-ins.
    pub(super) fn far_before(&mut self, node: &OnnxNode) -> Result<Option<Far>, ImportError> {
        (self.stand_ins, self.unmasked) = (false, None);
        let mut operands = Vec::new();
        for at in 0..node.proto.input.len() {
            operands.extend(self.operand(node, at)?);
        }
        let far = |o: &Operand| o.far.is_some() || o.above;
        if !operands.iter().any(far) || operands.iter().all(|o| o.known.is_some()) {
            return Ok(None);
        }
        let result = self.far_through(node, &operands);
        // What is far in the file alone is refused where it becomes an integer.
        let computed = |o: &Operand| o.known.is_none() && o.far.is_some();
        match result {
            None if operands.iter().any(computed) => Err(self.too_far()),
            None => Ok(None),
            Some(far) => {
                self.stand_ins = true;
                Ok(far)
            }
        }
    }

    pub(super) fn too_far(&self) -> ImportError {
        let limit = MAX_NUMBER / self.scale() as f64;
        let expected = format!(
            "numbers of at most {limit:e} in size at scale {}, which fixed-point integers hold (the -inf of a mask may be added to what a softmax takes, chosen, compared or cut off)",
            self.scale()
        );
        let place = match self.draft.large.as_slice() {
            [] => "operand".to_owned(),
            large => format!("operand, from {}", large.join(" or ")),
        };
        self.bad(&place, expected, "a larger one")
    }

    /// `None` where stand-ins do not do.
    fn far_through(&mut self, node: &OnnxNode, operands: &[Operand]) -> Option<Option<Far>> {
        let first = operands.first()?;
        let far: Vec<Far> = operands.iter().filter_map(|o| o.far).collect();
        let others = || operands.iter().filter(|o| o.far.is_none());
        let above = operands.iter().any(|o| o.above);
        // The least that is certain, where elements come from any operand.
        let joined = || {
            let by = far.iter().map(|f| f.by).fold(f64::INFINITY, f64::min);
            let lo = operands.iter().map(|o| o.rest.0);
            let hi = operands.iter().map(|o| o.rest.1);
            Far {
                by,
                rest: (
                    lo.fold(f64::INFINITY, f64::min),
                    hi.fold(f64::NEG_INFINITY, f64::max),
                ),
                kept: false,
                level: far.iter().all(|f| f.level && f.by == by),
                last: 0,
            }
        };
        // Beyond where a function of exponentials is what it is at −∞.
        let faded = |least: f64| far.iter().all(|f| f.by > least);
        let fade = (self.scale() as f64 * 16.0).ln() + 2.0;
        match node.kind() {
            "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "Equal" => {
                let by = STAND_IN / self.scale() as f64;
                let by = far.iter().map(|f| f.by).fold(by, f64::min);
                let sides = operands
                    .iter()
                    .filter(|o| o.far.is_some() || o.above)
                    .count();
                let inside = |o: &Operand| o.rest.0 > -by && o.rest.1 < by;
                (sides == 1 && operands.iter().all(inside)).then_some(None)
            }
            "Shape" | "Size" => Some(None),
            _ if above => None,
            "Add" | "Sum" => added(&far, operands).map(Some),
            "Sub" if operands.get(1)?.far.is_none() => {
                let second = operands.get(1)?;
                let minus = Operand {
                    rest: (-second.rest.1, -second.rest.0),
                    known: None,
                    ..*second
                };
                let first = Operand {
                    known: None,
                    ..*first
                };
                added(&far, &[first, minus]).map(Some)
            }
            "Mul" | "Div" => {
                let masked = first.far?;
                let factors = operands.get(1).filter(|o| o.far.is_none())?.known.clone()?;
                let by = |v: &f64| match node.kind() {
                    "Mul" => *v,
                    _ => v.recip(),
                };
                let least = factors.values.iter().map(by).fold(f64::INFINITY, f64::min);
                let most = factors.values.iter().map(by).fold(0.0, f64::max);
                (least > 0.0 && most < MAX_NUMBER).then(|| {
                    Some(Far {
                        by: masked.by * least,
                        rest: (
                            (masked.rest.0 * least).min(masked.rest.0 * most),
                            (masked.rest.1 * least).max(masked.rest.1 * most),
                        ),
                        kept: masked.kept && operands.iter().all(|o| o.last <= masked.last),
                        level: masked.level && least == most,
                        ..masked
                    })
                })
            }
            "Identity" | "Dropout" => Some(first.far),
            "Cast" => matches!(node.int("to", 0), 1 | 10 | 11 | 16).then_some(first.far),
            "Where" if first.far.is_none() => Some(Some(Far {
                kept: far.len() == 1 && self.keeps(node),
                last: operands.iter().map(|o| o.last).max()?,
                ..self.chosen(&far, operands)?
            })),
            "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "Transpose" | "Expand" | "Slice"
            | "Gather" | "Split" | "Tile"
                if first.far.is_some() && far.len() == 1 =>
            {
                let masked = first.far?;
                Some(Some(Far {
                    kept: false,
                    last: 0,
                    ..masked
                }))
            }
            "Concat" => Some(Some(joined())),
            "Softmax" => {
                let masked = first.far?;
                let is_last = node.int("axis", if self.opset >= 13 { -1 } else { 1 });
                let rank = self.maybe(node, 0).ok()??.rank();
                let is_last = node.axis(is_last, rank).ok()? + 1 == rank;
                if !(masked.kept && is_last) {
                    self.unmasked = Some(masked.rest.0);
                }
                masked.is_apart(fade).then_some(None)
            }
            "ReduceMax" => {
                let masked = first.far?;
                self.unmasked = Some(masked.rest.0);
                (masked.is_apart(0.0) && far.len() == 1).then_some(None)
            }
            "ArgMax" => {
                let masked = first.far?;
                let rank = self.maybe(node, 0).ok()??.rank();
                let is_last = node.axis(node.int("axis", 0), rank).ok()? + 1 == rank;
                let certain = masked.level || (masked.kept && is_last);
                (certain && masked.is_apart(0.0)).then_some(None)
            }
            "Max" => {
                let by = joined().by;
                match others().count() {
                    0 => Some(Some(joined())),
                    _ => others().all(|o| o.rest.0 >= -by).then_some(None),
                }
            }
            "Min" => {
                let by = joined().by;
                others().all(|o| o.rest.0 >= -by).then(|| {
                    Some(Far {
                        level: false,
                        ..joined()
                    })
                })
            }
            "Relu" => faded(0.0).then_some(None),
            "Exp" | "Sigmoid" | "Softplus" => faded(fade).then_some(None),
            "Tanh" => faded(fade).then_some(None),
            _ => None,
        }
    }

    /// What a choice leaves, which takes whole elements.
    fn chosen(&self, far: &[Far], operands: &[Operand]) -> Option<Far> {
        let by = far.iter().map(|f| f.by).fold(f64::INFINITY, f64::min);
        let (_, values) = operands.split_first()?;
        let fold = |f: fn(f64, f64) -> f64, first: f64, of: fn(&Operand) -> f64| {
            values.iter().map(of).fold(first, f)
        };
        Some(Far {
            by,
            rest: (
                fold(f64::min, f64::INFINITY, |o| o.rest.0),
                fold(f64::max, f64::NEG_INFINITY, |o| o.rest.1),
            ),
            kept: false,
            level: far.iter().all(|f| f.level && f.by == by),
            last: 0,
        })
    }

    /// Whether a known choice between known and other numbers leaves something of each row.
    fn keeps(&mut self, node: &OnnxNode) -> bool {
        let read = |importer: &Self, at: usize| importer.maybe(node, at).ok().flatten();
        let (Some(Value::Constant(condition)), Some(a), Some(b)) =
            (read(self, 0), read(self, 1), read(self, 2))
        else {
            return false;
        };
        let condition_value = condition.clone().into();
        let Ok(shape) = self.common_shape(&[&condition_value, &a, &b]) else {
            return false;
        };
        // Stand-ins of one side: all of it counts as far.
        let is_far = |value: &Value| match value {
            Value::Constant(array) => array.values.iter().any(|&v| self.is_far(array, v)),
            Value::Data(_) => false,
        };
        let (first, second) = (is_far(&a), is_far(&b));
        let computed = |value: &Value| matches!(value, Value::Data(_));
        if first == second || !(computed(&a) || computed(&b)) {
            return false;
        }
        let Ok(condition) = self.spread(&condition, &shape) else {
            return false;
        };
        let last = shape.last().copied().unwrap_or(1).max(1);
        let mut rows = condition.values.chunks(last);
        rows.all(|row| row.iter().any(|&c| (c != 0.0) != first))
    }

    /// Checks that a maximum is that of an element which is no stand-in, where that is not certain.
    pub(super) fn unmasked(&mut self, best: &Value) -> Result<Value, ImportError> {
        let (Some(least), Value::Data(data)) = (self.unmasked, best) else {
            return Ok(best.clone());
        };
        // It may say something of weights: rounded outward, and declared.
        let least = round_outward((least * data.scale as f64).floor() as i64, 0);
        let least = self.bounds.declare(&mut self.draft, least).lo;
        Ok(self.checked(data, least, None, Defined::Mask)?.into())
    }

    /// Notes the stand-ins of a node's first result.
    pub(super) fn note_far(&mut self, node: &OnnxNode, far: Option<Far>) {
        self.stand_ins = false;
        let (Some(far), Some(name)) = (far, node.proto.output.first()) else {
            return;
        };
        let ty = self.values.get(name).map(Value::ty);
        if ty == Some(Type::Real) {
            for name in &node.proto.output {
                self.far.insert(name.clone(), far);
            }
        }
    }
}

/// The sum of operands, some of which have stand-ins.
fn added(far: &[Far], operands: &[Operand]) -> Option<Far> {
    let (lo, hi) = operands
        .iter()
        .fold((0.0, 0.0), |(lo, hi), o| (lo + o.rest.0, hi + o.most()));
    let by = |f: &Far| f.by - (hi - f.rest.1.max(-f.by));
    let by = far.iter().map(by).fold(f64::INFINITY, f64::min);
    let last = operands.iter().map(|o| o.last).max()?;
    (by > 0.0).then_some(Far {
        by,
        rest: (lo, hi),
        kept: matches!(far, [one] if one.kept && one.last == last),
        level: false,
        last,
    })
}
