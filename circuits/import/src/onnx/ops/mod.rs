//! ONNX's operators, by family: each is composed of the importer's few primitives, which fold
//! what is known and add to the graph what is not.

pub(super) mod activation;
mod conv;
mod einsum;
mod elementwise;
mod generate;
mod index;
mod integer;
mod loss;
mod ml;
mod movement;
mod normal;
mod pool;
mod qlinear;
mod quant;
mod rank;
mod recurrent;
mod reduction;
mod resize;
mod scatter;
mod shape;

use super::link::is_standard;
pub(super) use ml::DOMAIN as ML_DOMAIN;

use super::value::Value;
use super::{Importer, OnnxNode};
use crate::ImportError;

/// The results of a node.
type Results = Result<Vec<Value>, ImportError>;

/// Lowers a node.
type Handler = fn(&mut Importer, &OnnxNode) -> Results;

/// What lowers an operator of a domain; `None` for one that is not supported.
pub(super) fn handler(domain: &str, operator: &str) -> Option<Handler> {
    match domain {
        _ if is_standard(domain) => standard(operator),
        qlinear::DOMAIN => qlinear::contributed(operator),
        ml::DOMAIN => ml::handler(operator),
        _ => None,
    }
}

fn standard(operator: &str) -> Option<Handler> {
    elementwise::handler(operator)
        .or_else(|| activation::handler(operator))
        .or_else(|| shape::handler(operator))
        .or_else(|| movement::handler(operator))
        .or_else(|| index::handler(operator))
        .or_else(|| scatter::handler(operator))
        .or_else(|| rank::handler(operator))
        .or_else(|| reduction::handler(operator))
        .or_else(|| normal::handler(operator))
        .or_else(|| conv::handler(operator))
        .or_else(|| einsum::handler(operator))
        .or_else(|| pool::handler(operator))
        .or_else(|| resize::handler(operator))
        .or_else(|| recurrent::handler(operator))
        .or_else(|| quant::handler(operator))
        .or_else(|| qlinear::handler(operator))
        .or_else(|| integer::handler(operator))
        .or_else(|| loss::handler(operator))
        .or_else(|| generate::handler(operator))
}
