//! TensorFlow Lite's operators: their numbers, and what is read of them.

use super::names::operator_name;
use super::schema::Model;
use crate::ImportError;

/// An operator that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Add,
    AveragePool,
    BatchMatMul,
    BroadcastTo,
    Concatenation,
    Conv,
    DepthwiseConv,
    Div,
    ExpandDims,
    FullyConnected,
    Gather,
    Logistic,
    MaxPool,
    Mean,
    Mul,
    Pack,
    Pad,
    Pow,
    Relu,
    Relu6,
    Reshape,
    ResizeNearest,
    Rsqrt,
    Slice,
    Softmax,
    Split,
    SplitV,
    Sqrt,
    Square,
    SquaredDifference,
    Squeeze,
    StridedSlice,
    Sub,
    Tanh,
    Transpose,
    Unpack,
}

/// Number, newest version whose definition is known here, and kind of the options (0 for none that
/// are read).
const SUPPORTED: [(Kind, i32, i32, u8); 36] = [
    (Kind::Add, 0, 5, 11),
    (Kind::AveragePool, 1, 3, 5),
    (Kind::BatchMatMul, 126, 4, 101),
    (Kind::BroadcastTo, 130, 3, 0),
    (Kind::Concatenation, 2, 4, 10),
    (Kind::Conv, 3, 7, 1),
    (Kind::DepthwiseConv, 4, 7, 2),
    (Kind::Div, 42, 2, 29),
    (Kind::ExpandDims, 70, 1, 0),
    (Kind::FullyConnected, 9, 10, 8),
    (Kind::Gather, 36, 6, 23),
    (Kind::Logistic, 14, 3, 0),
    (Kind::MaxPool, 17, 3, 5),
    (Kind::Mean, 40, 3, 27),
    (Kind::Mul, 18, 7, 21),
    (Kind::Pack, 83, 4, 59),
    (Kind::Pad, 34, 4, 0),
    (Kind::Pow, 78, 1, 0),
    (Kind::Relu, 19, 3, 0),
    (Kind::Relu6, 21, 3, 0),
    (Kind::Reshape, 22, 1, 0),
    (Kind::ResizeNearest, 97, 4, 74),
    (Kind::Rsqrt, 76, 2, 0),
    (Kind::Slice, 65, 6, 0),
    (Kind::Softmax, 25, 3, 9),
    (Kind::Split, 49, 4, 0),
    (Kind::SplitV, 102, 2, 0),
    (Kind::Sqrt, 75, 1, 0),
    (Kind::Square, 92, 1, 0),
    (Kind::SquaredDifference, 99, 2, 0),
    (Kind::Squeeze, 43, 2, 0),
    (Kind::StridedSlice, 45, 8, 32),
    (Kind::Sub, 41, 5, 28),
    (Kind::Tanh, 28, 3, 0),
    (Kind::Transpose, 39, 6, 0),
    (Kind::Unpack, 88, 4, 64),
];

/// What each operator is; or one error for all that are not read.
pub(super) fn kinds(model: &Model<'_>) -> Result<Vec<Kind>, ImportError> {
    let (mut kinds, mut unknown) = (Vec::new(), Vec::new());
    for (at, operator) in model.operators.iter().enumerate() {
        let known = SUPPORTED.iter().find(|known| known.1 == operator.code);
        let name = operator_name(operator.code);
        match known {
            Some(&(kind, _, newest, options)) if (1..=newest).contains(&operator.version) => {
                // Options of another kind would be read as what they are not.
                if options != 0 && ![0, options].contains(&operator.options_type) {
                    let place = format!("operator {at} ({name}): builtin_options_type");
                    let (expected, got) = (options.to_string(), operator.options_type);
                    return Err(ImportError::malformed(place, expected, got));
                }
                kinds.push(kind);
            }
            Some(&(_, _, newest, _)) => unknown.push((
                format!(
                    "{name} of version {} (read up to {newest})",
                    operator.version
                ),
                format!("operator {at}"),
            )),
            None => unknown.push((name, format!("operator {at}"))),
        }
    }
    if unknown.is_empty() {
        return Ok(kinds);
    }
    Err(ImportError::unsupported(&unknown))
}
