//! Arithmetic, comparisons and booleans, element by element.

use super::{Handler, Importer, OnnxNode, Results};
use crate::onnx::logic::Rounding;
use crate::onnx::value::{Array, Data, Type, Value};
use crate::ImportError;
use zkml_graph::{Clamp, Defined, Op};

/// Largest whole exponent that is a product.
const MAX_POWER: f64 = 8.0;

/// The largest bound of Clip that only keeps what is divided by, or a logarithm's argument, away from 0: 2⁻⁹.
const LARGEST_EPSILON: f64 = 0.001_953_125;

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "Add" | "Sub" | "Mul" | "Div" | "Mod" | "And" | "Or" | "Xor" | "Equal" | "Greater"
        | "Less" | "GreaterOrEqual" | "LessOrEqual" => binary,
        "Sum" | "Mean" | "Max" | "Min" => variadic,
        "Neg" | "Abs" | "Sign" | "Floor" | "Ceil" | "Round" | "Not" | "IsNaN" | "IsInf" => unary,
        "Identity" | "Dropout" => identity,
        "Cast" | "CastLike" => cast,
        "Where" => choose,
        "Clip" => clip,
        "Pow" => power,
        _ => return None,
    })
}

fn binary(importer: &mut Importer, node: &OnnxNode) -> Results {
    let (a, b) = (importer.input(node, 0)?, importer.input(node, 1)?);
    let (a, b) = importer.on_axis(node, a, b)?;
    let value = match node.kind() {
        "Add" => importer.add(&a, &b),
        "Sub" => importer.sub(&a, &b),
        "Mul" => importer.mul(&a, &b),
        "Div" => importer.div(&a, &b),
        "Mod" => importer.remainder(&a, &b, node.int("fmod", 0) != 0),
        "And" => importer.and(&a, &b),
        "Or" => importer.or(&a, &b),
        "Xor" => importer.xor(&a, &b),
        "Equal" => importer.equal(&a, &b),
        "Greater" => importer.greater(&a, &b, false),
        "Less" => importer.greater(&b, &a, false),
        "GreaterOrEqual" => importer.greater(&a, &b, true),
        _ => importer.greater(&b, &a, true),
    };
    Ok(vec![value?])
}

fn variadic(importer: &mut Importer, node: &OnnxNode) -> Results {
    let inputs = importer.inputs(node)?;
    let Some((first, rest)) = inputs.split_first() else {
        return Err(node.bad("inputs", "at least one", "none"));
    };
    let value = match node.kind() {
        "Max" | "Min" => {
            let mut best = first.clone();
            for other in rest {
                best = importer.extremum(&best, other, node.kind() == "Max")?;
            }
            best
        }
        _ => {
            let terms: Vec<(i64, &Value)> = inputs.iter().map(|v| (1, v)).collect();
            let sum = importer.sum(&terms)?;
            match node.kind() {
                "Mean" => importer.times(&sum, 1.0 / inputs.len() as f64)?,
                _ => sum,
            }
        }
    };
    Ok(vec![value])
}

fn unary(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let value = match node.kind() {
        "Neg" => importer.neg(&x),
        "Abs" => importer.abs(&x),
        "Sign" => importer.sign(&x),
        "Floor" => importer.rounded(&x, Rounding::Floor),
        "Ceil" => importer.rounded(&x, Rounding::Ceil),
        "Round" => importer.rounded(&x, Rounding::Nearest),
        "Not" => importer.not(&x),
        // No integer stands for either.
        _ => match &x {
            Value::Constant(array) => {
                let nan = node.kind() == "IsNaN";
                let (above, below) = (
                    node.int("detect_positive", 1) != 0,
                    node.int("detect_negative", 1) != 0,
                );
                let infinite = |v: f64| v.is_infinite() && if v > 0.0 { above } else { below };
                importer.fold(array, Type::Bool, |v| {
                    f64::from(u8::from(if nan { v.is_nan() } else { infinite(v) }))
                })
            }
            Value::Data(_) => importer.filled(x.shape(), 0.0, Type::Bool),
        },
    };
    Ok(vec![value?])
}

/// The first operand; a mask of ones where one is asked for.
fn identity(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    if node.kind() == "Dropout" {
        let training = importer.maybe_number(node, 2)?.unwrap_or(0.0) != 0.0;
        let ratio = importer
            .maybe_number(node, 1)?
            .unwrap_or_else(|| node.float("ratio", 0.5));
        if training && ratio != 0.0 {
            return Err(node.bad("input 2 (training_mode)", "false", "true"));
        }
    }
    let mut values = vec![x];
    if node.wants(1) {
        let shape = values
            .first()
            .map(|x| x.shape().to_vec())
            .unwrap_or_default();
        values.push(importer.filled(&shape, 1.0, Type::Bool)?);
    }
    Ok(values)
}

fn cast(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let to = match node.kind() {
        "CastLike" => importer.input(node, 1)?.ty(),
        _ => {
            let code = node.int("to", 0);
            i32::try_from(code).ok().and_then(Type::of).ok_or_else(|| {
                let expected = "numbers (no strings, no 8-bit floating point)";
                node.bad("attribute 'to'", expected, code)
            })?
        }
    };
    Ok(vec![importer.cast(&x, to)?])
}

fn choose(importer: &mut Importer, node: &OnnxNode) -> Results {
    let condition = importer.input(node, 0)?;
    let (a, b) = (importer.input(node, 1)?, importer.input(node, 2)?);
    Ok(vec![importer.choose(&condition, &a, &b)?])
}

/// A bound of Clip.
enum Bound {
    /// Public, or none.
    Number(Option<f64>),
    /// Computed, or a weight.
    Tensor(Value),
}

/// Bounds as inputs (since operator set 11) or attributes.
fn clip(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let low = bound(importer, node, 1, "min")?;
    let high = bound(importer, node, 2, "max")?;
    // In this order: where the bounds have changed places, all is the upper one.
    let y = match (&low, &high) {
        (Bound::Tensor(low), _) => importer.extremum(&x, low, true)?,
        (Bound::Number(lo), Bound::Number(hi)) => importer.clamped(&x, *lo, *hi)?,
        (Bound::Number(lo), Bound::Tensor(_)) => importer.clamped(&x, *lo, None)?,
    };
    Ok(vec![match (&low, &high) {
        (_, Bound::Tensor(high)) => importer.extremum(&y, high, false)?,
        (Bound::Tensor(_), Bound::Number(hi)) => importer.clamped(&y, None, *hi)?,
        (Bound::Number(_), Bound::Number(_)) => y,
    }])
}

/// Initialisers that are whole, infinite or an ε say what is computed, as attributes do, and the graph has them. Others may
/// have been learned: they stay weights.
fn bound(
    importer: &mut Importer,
    node: &OnnxNode,
    at: usize,
    name: &str,
) -> Result<Bound, ImportError> {
    let plain = |v: f64| !v.is_finite() || v.fract() == 0.0 || v.abs() <= LARGEST_EPSILON;
    Ok(match importer.maybe(node, at)? {
        None => Bound::Number(node.attribute(name).map(|a| f64::from(a.f))),
        Some(value @ Value::Data(_)) => Bound::Tensor(value),
        Some(Value::Constant(array)) => match &*array.values {
            &[v] if !array.is_public() && !plain(v) => Bound::Tensor(array.into()),
            _ => Bound::Number(importer.maybe_number(node, at)?),
        },
    })
}

fn power(importer: &mut Importer, node: &OnnxNode) -> Results {
    let (x, y) = (importer.input(node, 0)?, importer.input(node, 1)?);
    let (x, y) = importer.on_axis(node, x, y)?;
    Ok(vec![importer.power(&x, &y)?])
}

impl Importer {
    /// Before operator set 7, the second operand's place was an attribute.
    fn on_axis(
        &mut self,
        node: &OnnxNode,
        a: Value,
        b: Value,
    ) -> Result<(Value, Value), ImportError> {
        let Some(axis) = node.attribute("axis").filter(|_| self.opset < 7) else {
            return Ok((a, b));
        };
        let axis = node.axis(axis.i, a.rank())?;
        let after = a.rank().saturating_sub(axis + b.rank());
        let shape = [b.shape(), &vec![1; after]].concat();
        let b = self.reshape_to(&b, shape)?;
        Ok((a, b))
    }

    /// `x^y`: products for small whole exponents, a table for one other exponent, and else
    /// `exp(y·ln x)`, for x > 0.
    pub(in crate::onnx) fn power(&mut self, x: &Value, y: &Value) -> Result<Value, ImportError> {
        let ty = x.ty();
        match (x, y) {
            (Value::Constant(a), Value::Constant(b)) => self.fold_pair(a, b, ty, f64::powf),
            (_, Value::Constant(exponents)) => {
                // Squares, roots and their like are what is computed; other exponents are learned.
                let plain = |v: &f64| *v == 0.5 || (v.fract() == 0.0 && v.abs() <= MAX_POWER);
                let structural = exponents.values.iter().all(plain);
                self.disclose(exponents, "the exponent", structural);
                let (shape, own) = exponents.pair();
                let exponents = Array::public(shape, own, exponents.ty);
                let mut found: Vec<f64> = exponents.values.to_vec();
                found.sort_by(f64::total_cmp);
                found.dedup();
                if found.len() > 8 {
                    let got = found.len();
                    return Err(self.bad("exponents", "at most 8 different ones", got));
                }
                let Some((&first, rest)) = found.split_first() else {
                    return Ok(x.clone());
                };
                let mut result = self.power_of(x, first)?;
                for &exponent in rest {
                    let other = self.power_of(x, exponent)?;
                    let is = self.fold(&exponents, Type::Bool, |v| {
                        f64::from(u8::from(v == exponent))
                    })?;
                    result = self.choose(&is, &other, &result)?;
                }
                let shape = self.common_shape(&[x, y])?;
                Ok(self.expand(&result, &shape)?.typed(ty))
            }
            // By a logarithm, which is not exact.
            _ if !ty.is_real() => Err(self.bad(
                "exponent",
                "a constant, where the base has integers",
                "a computed tensor",
            )),
            _ => self.computed_power(x, y),
        }
    }

    /// `exp(y·ln x)`; of 0 to the power of what is not negative, 1 or 0. What is negative has powers only where
    /// exponents are whole, which is not known here.
    fn computed_power(&mut self, x: &Value, y: &Value) -> Result<Value, ImportError> {
        let by_logarithm = |importer: &mut Self, x: &Value| {
            let logarithm = importer.logarithm(x)?;
            let product = importer.mul(y, &logarithm)?;
            importer.exponential(&product)
        };
        let base = match x {
            Value::Data(data) if self.is_strict() && self.range(data.id).lo <= 0 => {
                self.checked(data, 0, None, Defined::Root)?
            }
            _ => return by_logarithm(self, x),
        };
        let zero = self.is_zero(&base.clone().into())?;
        let exponent = self.mul(&zero, y)?;
        let exponent = match &exponent {
            Value::Data(data) => self.checked(data, 0, None, Defined::Quotient)?.into(),
            Value::Constant(_) => exponent,
        };
        let least = self.op(Op::clamped(base.id, Clamp { lo: 1, hi: None }))?;
        let positive = Data { id: least, ..base };
        let power = by_logarithm(self, &positive.into())?;
        let one = self.is_zero(&exponent)?.typed(Type::Real);
        self.choose(&zero, &one, &power)
    }

    fn power_of(&mut self, x: &Value, exponent: f64) -> Result<Value, ImportError> {
        if exponent == 0.0 {
            return self.filled(x.shape(), 1.0, x.ty());
        }
        // What is cut to an integer must be exact.
        if exponent.fract() != 0.0 && !x.ty().is_real() {
            let expected = "a whole number, where the base has integers";
            return Err(self.bad("exponent", expected, "another"));
        }
        if exponent == 0.5 {
            return self.root(x);
        }
        if exponent.fract() != 0.0 || exponent.abs() > MAX_POWER {
            return self.power_table(x, exponent);
        }
        // Square and multiply.
        let mut left = exponent.abs() as u32;
        let mut base = x.clone();
        let mut product: Option<Value> = None;
        while left > 0 {
            if left & 1 == 1 {
                product = Some(match product {
                    None => base.clone(),
                    Some(before) => self.mul(&before, &base)?,
                });
            }
            left >>= 1;
            if left > 0 {
                base = self.mul(&base, &base)?;
            }
        }
        let product = product.unwrap_or(base);
        if exponent < 0.0 {
            return self.div(&Value::real(1.0), &product);
        }
        Ok(product)
    }
}
