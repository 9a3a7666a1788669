//! Which of a file's values are positive in real arithmetic, whatever their integers: an exponential that
//! rounds to 0 is none, nor is a variance with an ε. Divisions by these, and logarithms of these, are defined;
//! all else is checked.

use super::value::Value;
use super::{Importer, OnnxNode};

/// What is known of all elements, as real numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sign {
    Any,
    NotNegative,
    Positive,
}

impl Importer {
    fn sign_of(&mut self, node: &OnnxNode, at: usize) -> Sign {
        let Some(name) = node.proto.input.get(at) else {
            return Sign::Any;
        };
        let known = self.signs.get(name).copied().unwrap_or(Sign::Any);
        let own = match self.values.get(name).cloned() {
            Some(Value::Constant(array)) => {
                let least = array.values.iter().copied().fold(f64::INFINITY, f64::min);
                match least {
                    least if least > 0.0 => Sign::Positive,
                    least if least >= 0.0 => Sign::NotNegative,
                    _ => Sign::Any,
                }
            }
            Some(Value::Data(data)) if self.range(data.id).lo >= 0 => Sign::NotNegative,
            _ => Sign::Any,
        };
        known.max(own)
    }

    /// Whether a node is defined on all that its operands may be, so that nothing is to be checked.
    pub(super) fn is_defined(&mut self, node: &OnnxNode) -> bool {
        match node.kind() {
            "Div" | "Mod" => {
                let real = self.maybe(node, 1).ok().flatten();
                let real = real.is_some_and(|b| b.ty().is_real());
                real && self.sign_of(node, 1) == Sign::Positive
            }
            "Reciprocal" | "Log" | "Pow" | "ReduceLogSum" => {
                self.sign_of(node, 0) == Sign::Positive
            }
            "Sqrt" => self.sign_of(node, 0) >= Sign::NotNegative,
            "Asin" | "Acos" | "Acosh" | "Atanh" | "BitShift" => false,
            // The rest divides by what it has made itself.
            _ => true,
        }
    }

    /// Notes what is known of a node's results.
    pub(super) fn note_signs(&mut self, node: &OnnxNode) {
        let sign = match node.kind() {
            "Exp" | "Sigmoid" | "Softplus" | "Softmax" | "Cosh" => Sign::Positive,
            "Relu" | "Abs" | "ReduceL1" | "ReduceL2" | "ReduceSumSquare" => Sign::NotNegative,
            "Mul" if node.proto.input.first() == node.proto.input.get(1) => Sign::NotNegative,
            "Pow" => {
                let exponent = self.maybe(node, 1).ok().flatten();
                let even = match exponent {
                    Some(Value::Constant(array)) => array.values.iter().all(|v| v % 2.0 == 0.0),
                    _ => false,
                };
                let base = self.sign_of(node, 0);
                if even {
                    base.max(Sign::NotNegative)
                } else {
                    base
                }
            }
            "Add" | "Sum" => {
                // One positive summand suffices where none is negative.
                let each = (0..node.proto.input.len()).map(|at| self.sign_of(node, at));
                let each: Vec<Sign> = each.collect();
                let least = each.iter().copied().min().unwrap_or(Sign::Any);
                match least {
                    Sign::Any => Sign::Any,
                    _ => each.into_iter().max().unwrap_or(Sign::Any),
                }
            }
            "Mul" | "Div" | "Min" | "Concat" | "Mean" => {
                let each = (0..node.proto.input.len()).map(|at| self.sign_of(node, at));
                each.min().unwrap_or(Sign::Any)
            }
            "Max" => {
                let each = (0..node.proto.input.len()).map(|at| self.sign_of(node, at));
                each.max().unwrap_or(Sign::Any)
            }
            "Where" => self.sign_of(node, 1).min(self.sign_of(node, 2)),
            "Clip" => {
                let own = self.sign_of(node, 0);
                let least = node.attribute("min").map(|a| f64::from(a.f));
                match node.proto.input.get(1).map(String::as_str) {
                    None | Some("") if least.is_some_and(|v| v > 0.0) => Sign::Positive,
                    None | Some("") => own,
                    Some(_) => own.max(self.sign_of(node, 1)),
                }
            }
            "Sqrt" | "Reciprocal" | "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin"
            | "AveragePool" | "GlobalAveragePool" | "Identity" | "Dropout" | "Reshape"
            | "Flatten" | "Transpose" | "Squeeze" | "Unsqueeze" | "Expand" | "Slice" | "Gather"
            | "Tile" | "Split" => self.sign_of(node, 0),
            _ => Sign::Any,
        };
        if sign == Sign::Any {
            return;
        }
        for name in &node.proto.output {
            self.signs.insert(name.clone(), sign);
        }
    }
}
