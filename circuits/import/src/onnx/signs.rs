//! Which of a file's values are positive in real arithmetic, whatever their integers: an exponential that
//! rounds to 0 is none, nor is a variance with an ε. Divisions by these, and logarithms of these, are defined;
//! all else is checked. So signs decide the graph, which is public: those of weights are not asked for. Only those of
//! initialisers with one element (an ε) are, and where one decides, the initialiser is listed as public.

use super::origins::Origins;
use super::value::{Array, Value};
use super::{Importer, OnnxNode};

/// What is known of all elements, as real numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sign {
    Any,
    NotNegative,
    Positive,
}

impl Sign {
    /// Of numbers of which this is the least.
    fn of(least: f64) -> Self {
        match least {
            least if least > 0.0 => Sign::Positive,
            least if least >= 0.0 => Sign::NotNegative,
            _ => Sign::Any,
        }
    }
}

/// What is known of the elements of a value, and the initialisers with whose signs it would be another.
#[derive(Clone, Debug)]
pub(super) struct Known {
    sign: Sign,
    by: Origins,
}

impl Known {
    /// What operators and declared bounds say.
    fn public(sign: Sign) -> Self {
        Known {
            sign,
            by: Origins::default(),
        }
    }

    fn is_public(&self, sign: Sign) -> bool {
        self.sign == sign && self.by.is_empty()
    }

    /// Of elements that are some from each.
    fn least(each: &[Known]) -> Self {
        if each.iter().any(|one| one.is_public(Sign::Any)) {
            return Known::public(Sign::Any);
        }
        let sign = each.iter().map(|one| one.sign).min();
        Known::of_all(each, sign)
    }

    /// Of elements of which all of this is known.
    fn most(each: &[Known]) -> Self {
        if each.iter().any(|one| one.is_public(Sign::Positive)) {
            return Known::public(Sign::Positive);
        }
        let sign = each.iter().map(|one| one.sign).max();
        Known::of_all(each, sign)
    }

    /// Of sums: one positive summand suffices where none is negative.
    fn sum(each: &[Known]) -> Self {
        let (least, most) = (Known::least(each), Known::most(each));
        match least.sign {
            Sign::Any => least,
            Sign::NotNegative | Sign::Positive => Known {
                sign: most.sign,
                by: least.by.and(&most.by),
            },
        }
    }

    fn of_all(each: &[Known], sign: Option<Sign>) -> Self {
        let by = each.iter().map(|one| one.by.clone());
        Known {
            sign: sign.unwrap_or(Sign::Any),
            by: by.reduce(|a, b| a.and(&b)).unwrap_or_default(),
        }
    }
}

impl Importer {
    fn sign_of(&mut self, node: &OnnxNode, at: usize) -> Known {
        let Some(name) = node.proto.input.get(at) else {
            return Known::public(Sign::Any);
        };
        let known = self.signs.get(name).cloned();
        let known = known.unwrap_or_else(|| Known::public(Sign::Any));
        let own = match self.values.get(name).cloned() {
            Some(Value::Constant(array)) => self.sign_of_numbers(&array),
            Some(Value::Data(data)) if self.range(data.id).lo >= 0 => {
                Known::public(Sign::NotNegative)
            }
            _ => Known::public(Sign::Any),
        };
        Known::most(&[known, own])
    }

    /// Of known numbers: of weights nothing, unless each is an initialiser of one element.
    fn sign_of_numbers(&self, array: &Array) -> Known {
        if !self.are_single(&array.origins) {
            return Known::public(Sign::Any);
        }
        let least = array.values.iter().copied().fold(f64::INFINITY, f64::min);
        let sign = Sign::of(least);
        Known {
            sign,
            by: array.origins.clone(),
        }
    }

    /// Whether an operand is known to be of this sign at least. What that rests on is public from now on.
    fn has_sign(&mut self, node: &OnnxNode, at: usize, least: Sign) -> bool {
        let known = self.sign_of(node, at);
        let operand = self.maybe(node, at).ok().flatten();
        // Of numbers no graph is made, but for divisors that quotients are multiplied by again.
        if node.kind() == "Mod" || matches!(operand, Some(Value::Data(_))) {
            self.disclose_origins(&known.by, &format!("the sign of input {at}"), true);
        }
        known.sign >= least
    }

    /// Whether a node is defined on all that its operands may be, so that nothing is to be checked.
    pub(super) fn is_defined(&mut self, node: &OnnxNode) -> bool {
        match node.kind() {
            "Div" | "Mod" => {
                let real = self.maybe(node, 1).ok().flatten();
                let real = real.is_some_and(|b| b.ty().is_real());
                real && self.has_sign(node, 1, Sign::Positive)
            }
            "Reciprocal" | "Log" | "Pow" | "ReduceLogSum" => self.has_sign(node, 0, Sign::Positive),
            "Sqrt" => self.has_sign(node, 0, Sign::NotNegative),
            "Asin" | "Acos" | "Acosh" | "Atanh" | "BitShift" => false,
            // The rest divides by what it has made itself.
            _ => true,
        }
    }

    /// Notes what is known of a node's results.
    pub(super) fn note_signs(&mut self, node: &OnnxNode) {
        let all = 0..node.proto.input.len();
        let mut each = |at: std::ops::Range<usize>| -> Vec<Known> {
            at.map(|at| self.sign_of(node, at)).collect()
        };
        let known = match node.kind() {
            "Exp" | "Sigmoid" | "Softplus" | "Softmax" | "Cosh" => Known::public(Sign::Positive),
            "Relu" | "Abs" | "ReduceL1" | "ReduceL2" | "ReduceSumSquare" => {
                Known::public(Sign::NotNegative)
            }
            "Mul" if node.proto.input.first() == node.proto.input.get(1) => {
                Known::public(Sign::NotNegative)
            }
            "Pow" => match self.is_even_power(node) {
                true => Known::most(&[self.sign_of(node, 0), Known::public(Sign::NotNegative)]),
                false => self.sign_of(node, 0),
            },
            "Add" | "Sum" => Known::sum(&each(all)),
            "Mul" | "Div" | "Min" | "Concat" | "Mean" => Known::least(&each(all)),
            "Max" => Known::most(&each(all)),
            "Where" => Known::least(&each(1..3)),
            // Where the bounds have changed places, all is the upper one.
            "Clip" => {
                let mut known = self.sign_of(node, 0);
                if let Some(low) = self.sign_of_bound(node, 1, "min") {
                    known = Known::most(&[known, low]);
                }
                match self.sign_of_bound(node, 2, "max") {
                    Some(high) => Known::least(&[known, high]),
                    None => known,
                }
            }
            "Sqrt" | "Reciprocal" | "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin"
            | "AveragePool" | "GlobalAveragePool" | "Identity" | "Dropout" | "Reshape"
            | "Flatten" | "Transpose" | "Squeeze" | "Unsqueeze" | "Expand" | "Slice" | "Gather"
            | "Tile" | "Split" => self.sign_of(node, 0),
            _ => Known::public(Sign::Any),
        };
        if known.is_public(Sign::Any) {
            return;
        }
        for name in &node.proto.output {
            self.signs.insert(name.clone(), known.clone());
        }
    }

    /// What is known of a bound of Clip: an input since operator set 11, or an attribute.
    fn sign_of_bound(&mut self, node: &OnnxNode, at: usize, name: &str) -> Option<Known> {
        if node
            .proto
            .input
            .get(at)
            .is_some_and(|name| !name.is_empty())
        {
            return Some(self.sign_of(node, at));
        }
        let attribute = node.attribute(name)?;
        Some(Known::public(Sign::of(attribute.f.into())))
    }

    /// Whether all exponents of a Pow are even. Where the base is computed they are public, whatever they are.
    fn is_even_power(&self, node: &OnnxNode) -> bool {
        let base = self.maybe(node, 0).ok().flatten();
        let exponent = self.maybe(node, 1).ok().flatten();
        match (base, exponent) {
            (Some(base), Some(Value::Constant(array))) => {
                let public = matches!(base, Value::Data(_)) || array.is_public();
                public && array.values.iter().all(|v| v % 2.0 == 0.0)
            }
            _ => false,
        }
    }
}
