//! Functions of one number.

use super::{Handler, Importer, OnnxNode, Results};
use crate::onnx::curve::{Curve, Tail};
use crate::onnx::erf::erf;
use crate::onnx::value::{Type, Value};
use crate::ImportError;
use std::f64::consts::{PI, SQRT_2};
use zkml_graph::Defined;

type One = Result<Value, ImportError>;

/// Parameters where the node names none: alpha and beta (gamma for Selu).
fn defaults(operator: &str) -> Option<(f32, f32)> {
    Some(match operator {
        "LeakyRelu" => (0.01, 0.0),
        "Elu" | "Celu" | "ThresholdedRelu" | "Swish" => (1.0, 0.0),
        "Selu" => (1.673_263_2, 1.050_701),
        "HardSigmoid" => (0.2, 0.5),
        "Relu" | "Sigmoid" | "Tanh" | "Softplus" | "Softsign" | "HardSwish" | "Mish" | "Gelu"
        | "Erf" | "Exp" | "Log" | "Sqrt" | "Reciprocal" | "Sin" | "Cos" | "Tan" | "Asin"
        | "Acos" | "Atan" | "Sinh" | "Cosh" | "Asinh" | "Acosh" | "Atanh" => (0.0, 0.0),
        _ => return None,
    })
}

pub(super) fn handler(operator: &str) -> Option<Handler> {
    match operator {
        "PRelu" => Some(prelu),
        "Shrink" => Some(shrink),
        _ => defaults(operator).map(|_| activation as Handler),
    }
}

fn activation(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let (alpha, beta) = defaults(node.kind()).unwrap_or_default();
    let second = if node.kind() == "Selu" {
        "gamma"
    } else {
        "beta"
    };
    let alpha = node.float("alpha", alpha);
    let beta = node.float(second, beta);
    let tanh = node.text("approximate", "none") == "tanh";
    let name = if tanh { "GeluTanh" } else { node.kind() };
    Ok(vec![importer.activate(&x, name, alpha, beta)?])
}

fn prelu(importer: &mut Importer, node: &OnnxNode) -> Results {
    let (x, slope) = (importer.input(node, 0)?, importer.input(node, 1)?);
    let up = importer.clamped(&x, Some(0.0), None)?;
    let down = importer.clamped(&x, None, Some(0.0))?;
    let down = importer.mul(&down, &slope)?;
    Ok(vec![importer.add(&up, &down)?])
}

fn shrink(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let bias = Value::real(node.float("bias", 0.0));
    let (end, start) = (node.float("lambd", 0.5), -node.float("lambd", 0.5));
    let above = importer.greater(&x, &Value::real(end), false)?;
    let below = importer.greater(&Value::real(start), &x, false)?;
    let (lower, upper) = (importer.sub(&x, &bias)?, importer.add(&x, &bias)?);
    let (lower, upper) = (importer.mul(&above, &lower)?, importer.mul(&below, &upper)?);
    let y = importer.add(&lower, &upper)?;
    Ok(vec![y.typed(x.ty())])
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

impl Importer {
    /// An activation by its name in ONNX (RNNs name theirs so as well).
    pub(in crate::onnx) fn activate(
        &mut self,
        x: &Value,
        name: &str,
        alpha: f64,
        beta: f64,
    ) -> One {
        // Where exponentials fall below half a unit.
        let fade = (self.scale() as f64).ln() + 2.0;
        let open = |f: &dyn Fn(f64) -> f64, importer: &mut Self| {
            importer.map(x, &Curve::new(name.to_lowercase(), f))
        };
        match name {
            "Relu" => self.clamped(x, Some(0.0), None),
            "Affine" => {
                let y = self.times(x, alpha)?;
                self.add(&y, &Value::real(beta))
            }
            "LeakyRelu" => {
                let up = self.clamped(x, Some(0.0), None)?;
                let down = self.clamped(x, None, Some(0.0))?;
                let down = self.times(&down, alpha)?;
                self.add(&up, &down)
            }
            "ThresholdedRelu" => {
                let above = self.greater(x, &Value::real(alpha), false)?;
                Ok(self.mul(&above, x)?.typed(x.ty()))
            }
            "Elu" => self.exponential_unit(x, alpha, 1.0, 1.0),
            "Selu" => self.exponential_unit(x, alpha * beta, 1.0, beta),
            "Celu" => self.exponential_unit(x, alpha, alpha, 1.0),
            "HardSigmoid" => {
                let y = self.times(x, alpha)?;
                let y = self.add(&y, &Value::real(beta))?;
                self.clamped(&y, Some(0.0), Some(1.0))
            }
            "HardSwish" => {
                let gate = self.activate(x, "HardSigmoid", 1.0 / 6.0, 0.5)?;
                self.mul(x, &gate)
            }
            "Sigmoid" => self.saturating(x, name, &|v| 1.0 / (1.0 + (-v).exp()), fade),
            "Tanh" => self.saturating(x, name, &f64::tanh, fade / 2.0 + 1.0),
            "ScaledTanh" => {
                let y = self.times(x, beta)?;
                let y = self.activate(&y, "Tanh", 0.0, 0.0)?;
                self.times(&y, alpha)
            }
            "Erf" => self.saturating(x, name, &erf, 4.5),
            "Gelu" => self.hinged(x, name, &|v| 0.5 * v * (1.0 + erf(v / SQRT_2)), 6.0),
            "GeluTanh" => {
                let k = (2.0 / PI).sqrt();
                let f = move |v: f64| 0.5 * v * (1.0 + (k * (v + 0.044_715 * v * v * v)).tanh());
                self.hinged(x, name, &f, 6.0)
            }
            "Swish" if alpha > 0.0 => {
                let f = move |v: f64| v / (1.0 + (-alpha * v).exp());
                self.hinged(x, &format!("swish({alpha})"), &f, (fade + 3.0) / alpha)
            }
            "Softplus" => self.hinged(x, name, &softplus, fade),
            "Mish" => self.hinged(x, name, &|v| v * softplus(v).tanh(), fade + 3.0),
            "Softsign" => open(&|v| v / (1.0 + v.abs()), self),
            "Exp" => self.exponential(x),
            "Log" => self.logarithm(x),
            "Sqrt" => self.root(x),
            "Reciprocal" => self.div(&Value::real(1.0), x),
            "Sin" => open(&f64::sin, self),
            "Cos" => open(&f64::cos, self),
            "Tan" => open(&f64::tan, self),
            "Asin" | "Acos" => {
                let x = &self.argument(x, -1.0, Some(1.0), Defined::Inverse)?;
                let f = if name == "Asin" { f64::asin } else { f64::acos };
                self.saturating(x, name, &f, 1.0)
            }
            "Atan" => open(&f64::atan, self),
            "Sinh" => open(&f64::sinh, self),
            "Cosh" => open(&f64::cosh, self),
            "Asinh" => open(&f64::asinh, self),
            "Acosh" => {
                let x = self.argument(x, 1.0, None, Defined::Inverse)?;
                let curve = Curve::new("acosh", &f64::acosh).tails(Tail::Flat(1.0), Tail::Open);
                self.map(&x, &curve)
            }
            "Atanh" => {
                let end = 1.0 - 1.0 / self.scale() as f64;
                let x = &self.argument(x, -end, Some(end), Defined::Inverse)?;
                self.saturating(x, name, &f64::atanh, end)
            }
            other => Err(self.bad("activation", "one of ONNX's", other)),
        }
    }

    /// Constant beyond ±end.
    fn saturating(&mut self, x: &Value, name: &str, f: &dyn Fn(f64) -> f64, end: f64) -> One {
        let tails = (Tail::Flat(-end), Tail::Flat(end));
        self.map(
            x,
            &Curve::new(name.to_lowercase(), f).tails(tails.0, tails.1),
        )
    }

    /// 0 below −end, the identity above end.
    fn hinged(&mut self, x: &Value, name: &str, f: &dyn Fn(f64) -> f64, end: f64) -> One {
        let tails = (Tail::Flat(-end), Tail::Line(end, 1));
        self.map(
            x,
            &Curve::new(name.to_lowercase(), f).tails(tails.0, tails.1),
        )
    }

    /// `slope·x` above 0, `alpha·(exp(x / width) − 1)` below.
    fn exponential_unit(&mut self, x: &Value, alpha: f64, width: f64, slope: f64) -> One {
        if width <= 0.0 {
            return Err(self.bad("attribute 'alpha'", "more than 0", width));
        }
        let fade = ((self.scale() as f64).ln() + 2.0) * width;
        let f = move |v: f64| alpha * (v.min(0.0) / width).exp_m1();
        let curve = Curve::new(format!("exp({alpha}, {width})"), &f);
        let below = self.map(x, &curve.tails(Tail::Flat(-fade), Tail::Flat(0.0)))?;
        let above = self.clamped(x, Some(0.0), None)?;
        let above = self.times(&above, slope)?;
        self.add(&above, &below)
    }

    pub(in crate::onnx) fn exponential(&mut self, x: &Value) -> One {
        let scale = self.scale();
        let fade = (scale as f64).ln() + 1.0;
        // As large as an activation may be.
        let top = ((1u64 << 39) as f64 / scale as f64).ln();
        let curve = Curve::new("exp", &f64::exp).tails(Tail::Flat(-fade), Tail::Held(top));
        self.map(x, &curve)
    }

    /// Of what is below one unit: of one unit.
    pub(in crate::onnx) fn logarithm(&mut self, x: &Value) -> One {
        let unit = match x {
            Value::Data(data) => 1.0 / data.scale as f64,
            Value::Constant(_) => 0.0,
        };
        let x = self.argument(x, unit, None, Defined::Logarithm)?;
        let curve = Curve::new("log", &f64::ln).tails(Tail::Flat(unit), Tail::Open);
        self.map(&x, &curve)
    }

    pub(in crate::onnx) fn root(&mut self, x: &Value) -> One {
        let x = self.argument(x, 0.0, None, Defined::Root)?;
        let curve = Curve::new("sqrt", &f64::sqrt).tails(Tail::Flat(0.0), Tail::Open);
        let y = self.map(&x, &curve)?;
        Ok(y.typed(Type::Real))
    }

    /// `x^p` for one exponent that is no small whole number.
    pub(super) fn power_table(&mut self, x: &Value, p: f64) -> One {
        let f = move |v: f64| v.powf(p);
        let mut curve = Curve::new(format!("x^{p}"), &f);
        let mut x = x.clone();
        if p.fract() != 0.0 {
            let least = if p < 0.0 {
                1.0 / self.scale() as f64
            } else {
                0.0
            };
            x = self.argument(&x, least, None, Defined::Root)?;
            curve = curve.tails(Tail::Flat(least), Tail::Open);
        }
        self.map(&x, &curve)
    }

    /// An argument that the model calls a function with, which is defined from one number to another.
    fn argument(&mut self, x: &Value, lo: f64, hi: Option<f64>, why: Defined) -> One {
        let (Value::Data(data), true) = (x, self.is_strict()) else {
            return Ok(x.clone());
        };
        let unit = data.scale as f64;
        let hi = hi.map(|hi| (hi * unit).floor() as i64);
        Ok(self
            .checked(data, (lo * unit).ceil() as i64, hi, why)?
            .into())
    }
}
