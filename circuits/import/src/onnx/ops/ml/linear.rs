//! Scaling and linear models.

use super::scores::{Labels, Post};
use super::{Handler, Importer, OnnxNode, Results};
use crate::onnx::value::{Array, Data, Type, Value};
use crate::ImportError;
use zkml_graph::Op;

type One = Result<Value, ImportError>;

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "Scaler" => scaler,
        "Normalizer" => normalizer,
        "Binarizer" => binarizer,
        "Imputer" => imputer,
        "LinearClassifier" => classifier,
        "LinearRegressor" => regressor,
        _ => return None,
    })
}

/// `(x − offset)·scale`, as `x·scale − offset·scale`.
fn scaler(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let scale = importer.per_feature(node, "scale", &x)?;
    let offset = importer.per_feature(node, "offset", &x)?;
    let shift = importer.mul(&offset, &scale)?;
    let y = importer.mul(&x, &scale)?;
    let y = importer.sub(&y, &shift)?;
    Ok(vec![y.typed(Type::Real)])
}

/// Rows divided by their largest element, by the sum of sizes, or by the root of the sum of squares. What these are
/// 0 for stays as it is.
fn normalizer(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.rows(node, 0)?.typed(Type::Real);
    let y = match node.text("norm", "MAX").as_str() {
        "MAX" => {
            let most = importer.extremum_over(&x, &[1], true, true)?;
            let none = importer.is_zero(&most)?.typed(Type::Real);
            let divisor = importer.add(&most, &none)?;
            importer.div(&x, &divisor)?
        }
        "L1" => {
            let size = importer.abs(&x)?;
            let total = importer.sum_over(&size, &[1], true, false)?;
            importer.share(&x, &total)?
        }
        "L2" => {
            let total = importer.fine_squares(&x)?;
            let length = importer.root(&total)?;
            importer.share(&x, &length)?
        }
        other => return Err(node.bad("attribute 'norm'", "MAX, L1 or L2", other)),
    };
    Ok(vec![y])
}

fn binarizer(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let above = importer.exceeds(&x, node.float("threshold", 0.0))?;
    Ok(vec![above.typed(x.ty())])
}

/// Numbers that stand for missing ones are replaced; NaN, which is no fixed-point number, never comes.
fn imputer(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let (attribute, missing) = match x.ty().is_real() {
        true => {
            let missing = node.float("replaced_value_float", f32::NAN);
            ("imputed_value_floats", missing)
        }
        false => {
            let missing = node.int("replaced_value_int64", 0) as f64;
            ("imputed_value_int64s", missing)
        }
    };
    if missing.is_nan() {
        return Ok(vec![x]);
    }
    let imputed = importer.per_feature(node, attribute, &x)?;
    let missing = Array::scalar(missing, x.ty()).into();
    let found = importer.equal(&x, &missing)?;
    Ok(vec![importer.choose(&found, &imputed, &x)?])
}

/// Label and scores. Of two classes one score suffices.
fn classifier(importer: &mut Importer, node: &OnnxNode) -> Results {
    let labels = Labels::of(node, "classlabels_ints")?;
    let post = Post::of(node)?;
    let scores = importer.linear(node, None)?;
    let computed = scores.size(1);
    if computed == 1 && labels.count() == 2 {
        let positive = importer.greater(&scores, &Value::int(0), false)?;
        let rows = scores.size(0);
        let positive = importer.reshape_to(&positive, vec![rows])?;
        let label = importer.labelled(&positive, &labels)?;
        return Ok(vec![label, importer.both_scores(&scores, post, true)?]);
    }
    if computed != labels.count() || computed < 2 {
        let expected = format!("scores for {} classes", labels.count());
        return Err(node.bad("coefficients", expected, format!("those of {computed}")));
    }
    let label = importer.best_label(&scores, &labels)?;
    Ok(vec![label, importer.transformed(&scores, post)?])
}

fn regressor(importer: &mut Importer, node: &OnnxNode) -> Results {
    let targets = usize::try_from(node.int("targets", 1)).unwrap_or(0);
    let y = importer.linear(node, Some(targets))?;
    // onnxruntime transforms several targets only.
    let post = match (Post::of(node)?, targets) {
        (Post::None, _) => Post::None,
        (post, 2..) => post,
        (_, _) => {
            return Err(node.bad(
                "attribute 'post_transform'",
                "NONE for one target",
                "another",
            ))
        }
    };
    Ok(vec![importer.transformed(&y, post)?])
}

impl Importer {
    /// Learned numbers, one for each feature along the last dimension of `x`, or one for all.
    fn per_feature(&mut self, node: &OnnxNode, attribute: &str, x: &Value) -> One {
        let features = x.shape().last().copied().unwrap_or(1);
        let integers = node.integers(attribute);
        let (values, ty) = match integers {
            [] => (node.reals(attribute)?, Type::Real),
            some => (some.iter().map(|&v| v as f64).collect(), x.ty()),
        };
        if values.len() != 1 && values.len() != features {
            let expected = format!("1 or {features} numbers");
            return Err(node.bad(&format!("attribute '{attribute}'"), expected, values.len()));
        }
        let array = Array::public(vec![values.len()], values, ty);
        Ok(self.learned(node, attribute, array)?.into())
    }

    /// `x·coefficientsᵀ + intercepts`: `[N, targets]`, as many as there are intercepts where none are named.
    fn linear(&mut self, node: &OnnxNode, targets: Option<usize>) -> One {
        let x = self.rows(node, 0)?;
        let features = x.size(1);
        let intercepts = node.reals("intercepts")?;
        let targets = targets.unwrap_or(intercepts.len());
        let coefficients = node.reals("coefficients")?;
        if targets == 0 || targets.checked_mul(features) != Some(coefficients.len()) {
            let expected =
                format!("{targets} (one for each intercept or target) times {features} features");
            return Err(node.bad("attribute 'coefficients'", expected, coefficients.len()));
        }
        let w = Array::public(vec![targets, features], coefficients, Type::Real);
        let w = self.learned(node, "coefficients", w)?.into();
        let w = self.permuted(&w, &[1, 0])?;
        let y = self.matmul_of(&x, &w)?;
        if intercepts.is_empty() {
            return Ok(y);
        }
        if intercepts.len() != targets {
            return Err(node.bad(
                "attribute 'intercepts'",
                targets.to_string(),
                intercepts.len(),
            ));
        }
        let b = Array::public(vec![targets], intercepts, Type::Real);
        let b = self.learned(node, "intercepts", b)?.into();
        self.add(&y, &b)
    }

    /// `x / whole` for `whole ≥ |x|`: within ±1, and 0 where the whole is.
    fn share(&mut self, x: &Value, whole: &Value) -> One {
        if let (Value::Constant(x), Value::Constant(whole)) = (x, whole) {
            let quotient = |x: f64, whole: f64| if whole == 0.0 { x } else { x / whole };
            return self.fold_pair(x, whole, Type::Real, quotient);
        }
        let y = self.div(x, whole)?;
        self.clamped(&y, Some(-1.0), Some(1.0))
    }

    /// The sum of squares of each row, `[N, 1]`, finely: its root is taken.
    fn fine_squares(&mut self, x: &Value) -> One {
        const FINER: i64 = 64;
        let square = match x {
            Value::Constant(_) => self.mul(x, x)?,
            Value::Data(data) => {
                let data = self.at_scale(data, data.scale.max(self.scale()))?;
                let div = match data.scale % FINER {
                    0 => data.scale / FINER,
                    _ => 1,
                };
                let (a, b, clamp) = (data.id, data.id, None);
                let id = self.op(Op::Mul { a, b, div, clamp })?;
                let scale = data.scale.saturating_mul(data.scale) / div.max(1);
                Data { id, scale, ..data }.into()
            }
        };
        self.sum_over(&square, &[1], true, false)
    }
}
