//! The integer graph: what a model computes, in fixed-point arithmetic.
//!
//! One node, one operation, one integer semantics: the executor ([`exec`]) computes exactly
//! what is written on each [`Op`], and the circuit constrains exactly that. Rounding is
//! `rd(a, b) = floor((2a + b) / (2b))`: to nearest, ties toward +∞.
//!
//! Shapes carry no batch dimension. An image tensor is `[channels, height, width]`, a vector
//! `[n]`. A tensor's elements are in row-major order.

pub mod batch;
pub mod exec;
pub mod movement;
pub mod ops;
pub mod range;
pub mod real;

use serde::{Deserialize, Serialize};

/// A closed interval of integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Smallest value.
    pub lo: i64,
    /// Largest value.
    pub hi: i64,
}

/// Index of a tensor in [`Graph::tensors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TensorId(pub usize);

/// Where a tensor's values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Supplied by the caller for each inference.
    Input,
    /// Part of the model: known to the prover, committed to by C.
    Weight,
    /// Computed by a node.
    Activation,
}

/// Who sees an input or an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// In the clear in the statement (packed into field elements).
    #[default]
    Public,
    /// Only the prover knows it; nothing about it is in the statement.
    Private,
    /// The statement holds a salted Poseidon commitment to it.
    Hashed,
}

/// A tensor's declaration. Values live apart ([`Weights`], the executor's trace), so that a
/// graph is the architecture and nothing of the weights but their widths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tensor {
    /// Name in the source model, for messages.
    pub name: String,
    /// Row-major shape, without a batch dimension.
    pub shape: Vec<usize>,
    /// Where its values come from.
    pub role: Role,
    /// Every value lies in this interval. For weights: the committed width,
    /// `[-2^(b-1), 2^(b-1) - 1]`; for inputs: the declared range; for activations: propagated.
    pub range: Interval,
}

/// `clamp(v, lo, hi)`; `hi = None` is +∞ (ReLU).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clamp {
    /// Lower bound.
    pub lo: i64,
    /// Upper bound, if any.
    pub hi: Option<i64>,
}

/// Geometry of a two-dimensional window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride.
    pub stride: [usize; 2],
    /// Zero padding: top, left, bottom, right.
    pub pads: [usize; 4],
}

/// The operations. Closed: a new one must be met by every `match` in the crate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Op {
    /// `y[o] = clamp(rd(Σ_{c,i,j} w[o,c,i,j]·x[c, ..], div) + bias[o])`.
    /// `x: [C,H,W]`, `w: [O,C/groups,kh,kw]`, `bias: [O]`, `y: [O,H',W']`.
    Conv {
        /// Input image.
        x: TensorId,
        /// Kernels.
        w: TensorId,
        /// Per-channel bias, at the output's scale.
        bias: Option<TensorId>,
        /// Kernel, stride and padding.
        window: Window,
        /// 1, or C (depthwise).
        groups: usize,
        /// Divisor of the accumulator (the scale).
        div: i64,
        /// Fused activation.
        clamp: Option<Clamp>,
    },
    /// `y[n] = clamp(rd(Σ_k w[n,k]·x[k], div) + bias[n])`. `x: [K]`, `w: [N,K]`, `bias: [N]`.
    Linear {
        /// Input vector.
        x: TensorId,
        /// Weight matrix.
        w: TensorId,
        /// Bias, at the output's scale.
        bias: Option<TensorId>,
        /// Divisor of the accumulator (the scale).
        div: i64,
        /// Fused activation.
        clamp: Option<Clamp>,
    },
    /// Per-channel affine map: `y[c,..] = clamp(rd(x[c,..]·w[c], div) + bias[c])`.
    /// The channel is dimension 0 of `x`; `w, bias: [C]`. With `w` absent, `y = x + bias`.
    Scale {
        /// Input, channel first.
        x: TensorId,
        /// Factor per channel; `None` is 1 exactly (no rounding).
        w: Option<TensorId>,
        /// Offset per channel.
        bias: Option<TensorId>,
        /// Divisor (1 when `w` is `None`).
        div: i64,
        /// Fused activation.
        clamp: Option<Clamp>,
    },
    /// `y = clamp(rd(Σ factor·x + constant, div))` elementwise, with small public factors; all
    /// terms of one shape. One term, factor 1, is a clamp alone; two are a sum or difference.
    Combine {
        /// Factor and operand of each term; at least one.
        terms: Vec<(i64, TensorId)>,
        /// Added before dividing.
        constant: i64,
        /// Divisor.
        div: i64,
        /// Fused activation.
        clamp: Option<Clamp>,
    },
    /// `y = clamp(rd(a·b, div))` elementwise. Same shapes.
    Mul {
        /// First operand.
        a: TensorId,
        /// Second operand.
        b: TensorId,
        /// Divisor (the scale).
        div: i64,
        /// Fused activation.
        clamp: Option<Clamp>,
    },
    /// `y[b,i,j] = clamp(rd(Σ_k a[b,i,k]·b[b,k,j], div))`: products of two computed tensors.
    /// `a: [B…,M,K]`, `b: [B…,K,N]`, `y: [B…,M,N]`, the same batch dimensions, possibly none.
    MatMul {
        /// Left operand.
        a: TensorId,
        /// Right operand.
        b: TensorId,
        /// Divisor (the scale).
        div: i64,
        /// Fused activation.
        clamp: Option<Clamp>,
    },
    /// `y = rd(a·factor, b)` elementwise, `b ≥ 1`. Same shapes.
    Div {
        /// Dividend.
        a: TensorId,
        /// Divisor, at least 1 everywhere.
        b: TensorId,
        /// Factor of the dividend (the scale).
        factor: i64,
    },
    /// `y = max(a, b)` elementwise. Same shapes.
    Max {
        /// First operand.
        a: TensorId,
        /// Second operand.
        b: TensorId,
    },
    /// `y = min(a, b)` elementwise. Same shapes.
    Min {
        /// First operand.
        a: TensorId,
        /// Second operand.
        b: TensorId,
    },
    /// `y ≡ x` modulo `2^bits`, with `y` in [`Op::residues`]: what an integer type makes of `x`.
    Wrap {
        /// Input.
        x: TensorId,
        /// Width of the type, 1 to 32.
        bits: u32,
        /// Two's complement.
        signed: bool,
    },
    /// `y = x` where `lo ≤ x ≤ hi`; elsewhere the model is not defined, and there is no `y`.
    Check {
        /// Input.
        x: TensorId,
        /// Least value.
        lo: i64,
        /// Largest value, if any.
        hi: Option<i64>,
        /// What is defined there only, for messages.
        why: Defined,
    },
    /// `y = table[x]` elementwise, for `x` in the table's domain.
    Table {
        /// Input.
        x: TensorId,
        /// Index in [`Graph::tables`].
        table: usize,
    },
    /// `y[..] = rd(Σ_l x[..,l], div)`: over the last dimension, which goes.
    ReduceSum {
        /// Input, at least one dimension.
        x: TensorId,
        /// Divisor (the length for a mean).
        div: i64,
    },
    /// `y = rd(Σ window, kh·kw)`: padding counts as zeros in the sum and in the divisor.
    AvgPool {
        /// Input image.
        x: TensorId,
        /// Kernel, stride and padding.
        window: Window,
    },
    /// `y = max window`; padding never wins. Global pooling is a window of the image's size.
    MaxPool {
        /// Input image.
        x: TensorId,
        /// Kernel, stride and padding.
        window: Window,
    },
    /// Same elements in the same row-major order, another shape.
    Reshape {
        /// Input.
        x: TensorId,
    },
    /// `y` has shape `x.shape[perm[i]]`: dimension `i` of `y` is dimension `perm[i]` of `x`.
    Transpose {
        /// Input.
        x: TensorId,
        /// Permutation of the dimensions.
        perm: Vec<usize>,
    },
    /// `y[.., i, ..] = x[.., indices[i], ..]` along one dimension: slices, repetitions, reversals.
    Gather {
        /// Input.
        x: TensorId,
        /// The dimension.
        axis: usize,
        /// Source index of each index; not empty.
        indices: Vec<usize>,
    },
    /// The operands one after another along a dimension.
    Concat {
        /// Operands, at least one; of one shape but for the dimension.
        xs: Vec<TensorId>,
        /// The dimension.
        axis: usize,
    },
    /// Public numbers, part of the architecture.
    Constant {
        /// Shape.
        shape: Vec<usize>,
        /// Values, row-major.
        values: Vec<i64>,
    },
    /// A weight tensor as an operand of operations that read computed tensors.
    Parameter {
        /// The weights.
        w: TensorId,
    },
}

/// What is defined on part of the numbers only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Defined {
    /// A choice by index.
    Index,
    /// A quotient or a remainder.
    Quotient,
    /// A logarithm.
    Logarithm,
    /// A root, or a power that is no whole number.
    Root,
    /// An inverse of a function that does not reach everything.
    Inverse,
    /// A cast to an integer type.
    Cast,
    /// A shift of bits.
    Shift,
    /// A function's value as a number of the graph, which has bounds.
    Held {
        /// Integers that an argument of 1 is.
        unit: i64,
    },
    /// A row of which a mask leaves something.
    Mask,
    /// Places that are written.
    Once,
}

impl Defined {
    /// What is asked for, of integers from `lo` to `hi`.
    pub fn asks(self, lo: i64, hi: Option<i64>) -> String {
        let within = || match hi {
            Some(hi) => format!("in [{lo}, {hi}]"),
            None => format!("at least {lo}"),
        };
        match self {
            Defined::Index => format!("an index {}", within()),
            Defined::Quotient => "a divisor that is not 0".to_owned(),
            Defined::Logarithm => "a logarithm's argument above 0".to_owned(),
            Defined::Root => "a root's argument that is not negative".to_owned(),
            Defined::Inverse => "an argument that the function is defined for".to_owned(),
            Defined::Cast => format!("a number that the integer type holds, {}", within()),
            Defined::Shift => format!("a number of bits {}", within()),
            Defined::Held { unit } => {
                let number = |units: i64| units as f64 / unit.max(1) as f64;
                let end = hi.map_or("no end".to_owned(), |hi| number(hi).to_string());
                format!(
                    "an argument from {} to {end}, as the function's other values leave what fixed-point integers hold",
                    number(lo)
                )
            }
            Defined::Once => "indices none of which comes twice".to_owned(),
            Defined::Mask => "a row with an element that no mask hides".to_owned(),
        }
    }
}

/// A function on integers, by its values: public, part of the architecture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// What it approximates, for `inspect`.
    pub name: String,
    /// First argument.
    pub lo: i64,
    /// Values at `lo`, `lo + 1`, ….
    pub values: Vec<i64>,
}

impl Table {
    /// The arguments that it has values for.
    pub fn domain(&self) -> Interval {
        let len = i64::try_from(self.values.len()).unwrap_or(i64::MAX);
        Interval {
            lo: self.lo,
            hi: self.lo.saturating_add(len.saturating_sub(1)),
        }
    }

    /// The value at `x`.
    pub fn get(&self, x: i64) -> Option<i64> {
        let at = usize::try_from(x.checked_sub(self.lo)?).ok()?;
        self.values.get(at).copied()
    }
}

/// One computed tensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Name in the source model, for messages and `inspect`.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// The tensor it defines.
    pub output: TensorId,
    /// Interval of the value before the clamp (equal to the output's range without one).
    pub pre: Interval,
}

/// A model's architecture: tensors and nodes in topological order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Graph {
    /// The fixed-point scale: real value = integer / scale.
    pub scale: i64,
    /// All tensors.
    pub tensors: Vec<Tensor>,
    /// Nodes, each after the nodes whose outputs it reads.
    pub nodes: Vec<Node>,
    /// Input tensors, in the model's order.
    pub inputs: Vec<TensorId>,
    /// Output tensors, in the model's order.
    pub outputs: Vec<TensorId>,
    /// Functions that nodes look up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<Table>,
}

/// The model's integer weights, by tensor; the private half of a model.
pub type Weights = std::collections::BTreeMap<TensorId, Vec<i64>>;
