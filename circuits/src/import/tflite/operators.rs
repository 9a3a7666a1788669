//! TensorFlow Lite's operators: their numbers, and what is read of them.

use super::schema::Model;
use crate::import::ImportError;

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

/// Operators by number.
const NAMES: &str = "\
    ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE \
    EMBEDDING_LOOKUP FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D \
    LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6 \
    RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM \
    EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND \
    TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN \
    EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM ARG_MAX \
    MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV \
    SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW ARG_MIN FAKE_QUANT \
    REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV \
    REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU \
    SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK ELU \
    REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE \
    NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM BATCH_MATMUL \
    PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG REAL COMPLEX_ABS \
    HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE VAR_HANDLE \
    READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM \
    MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX \
    UNSORTED_SEGMENT_SUM ATAN2 UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT";

/// Types of elements by number.
const TYPES: &str = "FLOAT32 FLOAT16 INT32 UINT8 INT64 STRING BOOL INT16 COMPLEX64 INT8 FLOAT64 \
    COMPLEX128 UINT64 RESOURCE VARIANT UINT32 UINT16 INT4 BFLOAT16";

/// What an operator is called.
pub(super) fn operator_name(code: i32) -> String {
    named(NAMES, code).unwrap_or_else(|| format!("operator number {code}"))
}

/// What a type of elements is called.
pub(super) fn type_name(ty: u8) -> String {
    named(TYPES, i32::from(ty)).unwrap_or_else(|| format!("type number {ty}"))
}

fn named(names: &str, number: i32) -> Option<String> {
    let at = usize::try_from(number).ok()?;
    names.split_whitespace().nth(at).map(str::to_owned)
}

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
