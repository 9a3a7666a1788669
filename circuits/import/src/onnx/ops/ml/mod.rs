//! Operators of `ai.onnx.ml`: what converters of scikit-learn, LightGBM and XGBoost write. What was learned stands in
//! their attributes, and is committed as initialisers are. What they compute is what onnxruntime does.

mod encode;
mod linear;
mod scores;
mod trees;

use super::{Handler, Importer, OnnxNode, Results};
use crate::onnx::tensor;
use crate::onnx::value::{Array, Type, Value};
use crate::ImportError;

/// The domain.
pub(in crate::onnx) const DOMAIN: &str = "ai.onnx.ml";

/// What lowers an operator of this domain.
pub(super) fn handler(operator: &str) -> Option<Handler> {
    linear::handler(operator)
        .or_else(|| encode::handler(operator))
        .or_else(|| trees::handler(operator))
}

impl OnnxNode {
    /// The numbers of an attribute: a list of 32-bit ones, or a tensor under `NAME_as_tensor`; empty where absent.
    fn reals(&self, name: &str) -> Result<Vec<f64>, ImportError> {
        let listed = self.attribute(name).filter(|a| !a.floats.is_empty());
        if let Some(attribute) = listed {
            return Ok(attribute.floats.iter().map(|&v| v.into()).collect());
        }
        let tensor = self.tensor(&format!("{name}_as_tensor"))?;
        Ok(tensor.map_or(Vec::new(), |array| array.values.to_vec()))
    }

    /// The integers of an attribute; empty where absent.
    fn integers(&self, name: &str) -> &[i64] {
        self.attribute(name).map_or(&[], |a| &a.ints)
    }

    /// A tensor that is an attribute.
    fn tensor(&self, name: &str) -> Result<Option<Array>, ImportError> {
        let found = self.attribute(name).and_then(|a| a.t.as_ref());
        let place = format!("{}.{name}", self.name);
        found.map(|t| tensor::constant(t, &place)).transpose()
    }
}

impl Importer {
    /// An operand as rows of features, `[N, F]`: one dimension is one row.
    fn rows(&mut self, node: &OnnxNode, at: usize) -> Result<Value, ImportError> {
        let x = self.input(node, at)?;
        match *x.shape() {
            [_, _] => Ok(x),
            [features] => self.reshape_to(&x, vec![1, features]),
            _ => {
                let got = format!("{:?}", x.shape());
                Err(node.bad(&format!("input {at}"), "rows of features, [N, F]", got))
            }
        }
    }

    /// Whether `x > bound`, exactly: of integers the bound is rounded toward −∞.
    fn exceeds(&mut self, x: &Value, bound: f64) -> Result<Value, ImportError> {
        let data = match x {
            Value::Constant(array) => {
                return self.fold(array, Type::Bool, |v| f64::from(u8::from(v > bound)));
            }
            Value::Data(data) => data.clone(),
        };
        let range = self.range(data.id);
        let units = (bound * data.scale as f64).floor();
        // Beyond all values, one bound is as good as another.
        let units = units.clamp(range.lo as f64 - 1.0, range.hi as f64) as i64;
        let whole = crate::onnx::value::Data {
            scale: 1,
            ty: Type::INDEX,
            ..data
        };
        self.greater(&whole.into(), &Value::int(units), false)
    }
}
