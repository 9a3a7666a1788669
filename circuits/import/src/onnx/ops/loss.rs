//! Losses.

use super::{Handler, Importer, OnnxNode, Results};
use crate::onnx::value::{Array, Type, Value};
use crate::ImportError;

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "NegativeLogLikelihoodLoss" => likelihood,
        "SoftmaxCrossEntropyLoss" => cross_entropy,
        _ => return None,
    })
}

fn likelihood(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    Ok(vec![importer.picked_loss(node, &x)?])
}

fn cross_entropy(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let rows = importer.axis_last(&x, 1)?;
    let logs = importer.log_softmax_last(&rows)?;
    let logs = importer.last_to(&logs, 1)?;
    Ok(vec![importer.picked_loss(node, &logs)?, logs])
}

impl Importer {
    /// `−w[t]·x[n, t, …]` for each target, and their weighted mean or sum.
    fn picked_loss(&mut self, node: &OnnxNode, x: &Value) -> Result<Value, ImportError> {
        let target = self.input(node, 1)?;
        let classes = x.size(1);
        let one = |v: f64| Array::scalar(v, Type::INDEX).into();
        // The classes at the end.
        let rows = self.axis_last(x, 1)?;
        let ignored = match node.attribute("ignore_index") {
            None => None,
            Some(ignored) => {
                let is = self.equal(&target, &one(ignored.i as f64))?;
                Some(self.not(&is)?)
            }
        };
        // What is ignored may be no class.
        let class = match &ignored {
            None => target.clone(),
            Some(kept) => self.mul(&target, kept)?.typed(target.ty()),
        };
        let class = self.indexed(&class, classes)?;
        let chosen = self.one_hot(&class, classes)?;
        let product = self.mul(&chosen, &rows)?;
        let loss = self.sum_last(&product, 1)?;
        let mut weight = match self.maybe(node, 2)? {
            None => None,
            Some(w) => {
                let product = self.mul(&chosen, &w)?;
                Some(self.sum_last(&product, 1)?)
            }
        };
        if let Some(kept) = ignored {
            weight = Some(match weight {
                None => kept,
                Some(weight) => self.mul(&kept, &weight)?,
            });
        }
        let loss = self.neg(&loss)?.typed(Type::Real);
        let loss = match &weight {
            Some(weight) => self.mul(&loss, weight)?.typed(Type::Real),
            None => loss,
        };
        let axes: Vec<usize> = (0..loss.rank()).collect();
        match node.text("reduction", "mean").as_str() {
            "none" => Ok(loss),
            "sum" => self.sum_over(&loss, &axes, false, false),
            _ => match weight {
                None => self.sum_over(&loss, &axes, false, true),
                Some(weight) => {
                    let total = self.sum_over(&loss, &axes, false, false)?;
                    let by = self.expand(&weight, loss.shape())?;
                    let by = self.sum_over(&by, &axes, false, false)?;
                    self.div(&total, &by.typed(Type::Real))
                }
            },
        }
    }
}
