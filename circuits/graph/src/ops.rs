//! What each operation reads, the shape that it gives, and rounding.

mod bounds;
mod validate;

use super::{Clamp, Graph, Interval, Op, Table, Tensor, TensorId, Window};
use thiserror::Error;

/// Largest number of elements of one tensor.
pub const MAX_ELEMENTS: usize = 1 << 26;

/// Largest number of elements of an input or activation.
pub const MAX_DATA_ELEMENTS: usize = 1 << 22;

/// Largest number of elements of all tensors of a graph together.
pub const MAX_TOTAL_ELEMENTS: usize = 1 << 28;

/// The largest scale.
pub const MAX_SCALE: i64 = 1 << 40;

/// A graph that breaks one of the rules on [`Op`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GraphError {
    /// A tensor id beyond the tensor list.
    #[error("{place}: tensor {id} does not exist, the graph has {count} tensors")]
    UnknownTensor {
        /// Node or list that names it.
        place: String,
        /// The id.
        id: usize,
        /// Number of tensors.
        count: usize,
    },
    /// A tensor that is read before it is computed, or computed twice.
    #[error("{place}: tensor '{tensor}' is {problem}")]
    Order {
        /// Node or list that names it.
        place: String,
        /// The tensor.
        tensor: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A shape that the operation cannot have.
    #[error("node '{node}': {what}: expected {expected}, got {got}")]
    Shape {
        /// Node name.
        node: String,
        /// Which operand or attribute.
        what: String,
        /// What would fit.
        expected: String,
        /// What there is.
        got: String,
    },
    /// A tensor, alone, that is out of bounds.
    #[error("tensor '{tensor}': {problem}")]
    Tensor {
        /// Tensor name.
        tensor: String,
        /// What is wrong.
        problem: String,
    },
}

/// `rd(a, b) = floor((2a + b) / (2b))`: `a / b` to nearest, ties toward +∞.
///
/// `b` must be positive ([`Graph::validate`] sees to it); anything less counts as 1.
pub fn rd_wide(a: i128, b: i64) -> i128 {
    let b = b.max(1);
    if let Ok(a) = i64::try_from(a) {
        // The common case: 128-bit division is many times slower.
        let (q, r) = (a.div_euclid(b), a.rem_euclid(b));
        return i128::from(q) + i128::from(r >= b - r);
    }
    let b = i128::from(b);
    let (q, r) = (a.div_euclid(b), a.rem_euclid(b));
    // 2r >= b, written so that it cannot overflow.
    q + i128::from(r >= b - r)
}

/// [`rd_wide`] for quotients that fit; others saturate.
pub fn rd(a: i128, b: i64) -> i64 {
    saturate(rd_wide(a, b))
}

pub(crate) fn saturate(v: i128) -> i64 {
    i64::try_from(v).unwrap_or(if v < 0 { i64::MIN } else { i64::MAX })
}

/// Number of elements of a shape; `None` past [`MAX_ELEMENTS`].
pub fn elements(shape: &[usize]) -> Option<usize> {
    let n = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
    (n <= MAX_ELEMENTS).then_some(n)
}

impl Clamp {
    /// `max(v, 0)`.
    pub const RELU: Clamp = Clamp { lo: 0, hi: None };

    /// The clamped value.
    pub fn apply(self, v: i64) -> i64 {
        let v = v.max(self.lo);
        self.hi.map_or(v, |hi| v.min(hi))
    }
}

impl Interval {
    /// Whether `v` lies in it.
    pub fn contains(self, v: i64) -> bool {
        self.lo <= v && v <= self.hi
    }

    /// The interval of one value.
    pub fn point(v: i64) -> Interval {
        Interval { lo: v, hi: v }
    }

    /// The smallest interval that holds both.
    pub fn union(self, other: Interval) -> Interval {
        Interval {
            lo: self.lo.min(other.lo),
            hi: self.hi.max(other.hi),
        }
    }

    /// The signed integers of `bits` bits.
    pub fn signed(bits: u32) -> Interval {
        let half = 1i64 << bits.clamp(1, 62).saturating_sub(1);
        Interval {
            lo: -half,
            hi: half - 1,
        }
    }
}

impl Window {
    /// The same windows, with stride 1 in directions in which there is one: `[height, width]` of them.
    pub fn reduced(self, windows: [usize; 2]) -> Window {
        let mut reduced = self;
        for (stride, windows) in reduced.stride.iter_mut().zip(windows) {
            if windows == 1 {
                *stride = 1;
            }
        }
        reduced
    }

    /// Height and width of the result on an image of `height` × `width`; `None` when the window
    /// does not fit or its geometry is void.
    pub fn output(&self, height: usize, width: usize) -> Option<[usize; 2]> {
        let [top, left, bottom, right] = self.pads;
        let side = |size: usize, low: usize, high: usize, kernel: usize, stride: usize| {
            let padded = size.checked_add(low)?.checked_add(high)?;
            if kernel == 0 || stride == 0 || size == 0 {
                return None;
            }
            Some(padded.checked_sub(kernel)? / stride + 1)
        };
        Some([
            side(height, top, bottom, self.kernel[0], self.stride[0])?,
            side(width, left, right, self.kernel[1], self.stride[1])?,
        ])
    }

    /// What a sum of windows is divided by for their average.
    pub fn divisor(&self) -> i64 {
        i64::try_from(self.area()).unwrap_or(i64::MAX)
    }

    /// Kernel height × width.
    pub fn area(&self) -> usize {
        self.kernel[0].saturating_mul(self.kernel[1])
    }
}

impl Op {
    /// `clamp(x)`.
    pub fn clamped(x: TensorId, clamp: Clamp) -> Op {
        Op::sum(vec![(1, x)], Some(clamp))
    }

    /// `clamp(Σ factor·x)`, exactly.
    pub fn sum(terms: Vec<(i64, TensorId)>, clamp: Option<Clamp>) -> Op {
        Op::Combine {
            terms,
            constant: 0,
            div: 1,
            clamp,
        }
    }

    /// The operand, if all that the operation does is to clamp it.
    pub fn only_clamps(&self) -> Option<(TensorId, Clamp)> {
        match self {
            Op::Combine {
                terms,
                constant: 0,
                div: 1,
                clamp: Some(clamp),
            } => match terms.as_slice() {
                [(1, x)] => Some((*x, *clamp)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Name as `inspect` prints it.
    pub fn kind(&self) -> &'static str {
        match self {
            Op::Conv { groups: 1, .. } => "Conv",
            Op::Conv { .. } => "DepthwiseConv",
            Op::Linear { .. } => "Linear",
            Op::Scale { .. } => "Scale",
            Op::Combine { terms, clamp, .. } if terms.len() == 1 && clamp.is_some() => "Clamp",
            Op::Combine { .. } => "Combine",
            Op::Mul { .. } => "Mul",
            Op::MatMul { .. } => "MatMul",
            Op::Div { .. } => "Div",
            Op::Max { .. } => "Max",
            Op::Min { .. } => "Min",
            Op::Wrap { .. } => "Wrap",
            Op::Check { .. } => "Check",
            Op::Table { .. } => "Table",
            Op::ReduceSum { .. } => "ReduceSum",
            Op::AvgPool { .. } => "AvgPool",
            Op::MaxPool { .. } => "MaxPool",
            Op::Reshape { .. } => "Reshape",
            Op::Transpose { .. } => "Transpose",
            Op::Gather { .. } => "Gather",
            Op::Concat { .. } => "Concat",
            Op::Constant { .. } => "Constant",
            Op::Parameter { .. } => "Parameter",
        }
    }

    /// The operands that are computed or supplied.
    pub fn data_operands(&self) -> Vec<TensorId> {
        match self {
            Op::Combine { terms, .. } => terms.iter().map(|(_, x)| *x).collect(),
            Op::Mul { a, b, .. }
            | Op::MatMul { a, b, .. }
            | Op::Div { a, b, .. }
            | Op::Max { a, b }
            | Op::Min { a, b } => vec![*a, *b],
            Op::Conv { x, .. }
            | Op::Linear { x, .. }
            | Op::Scale { x, .. }
            | Op::Wrap { x, .. }
            | Op::Check { x, .. }
            | Op::Table { x, .. }
            | Op::ReduceSum { x, .. }
            | Op::AvgPool { x, .. }
            | Op::MaxPool { x, .. }
            | Op::Reshape { x }
            | Op::Transpose { x, .. }
            | Op::Gather { x, .. } => vec![*x],
            Op::Concat { xs, .. } => xs.clone(),
            Op::Constant { .. } | Op::Parameter { .. } => Vec::new(),
        }
    }

    /// The operands that are part of the model: factors, then offsets.
    pub fn weight_operands(&self) -> Vec<TensorId> {
        match *self {
            Op::Conv { w, bias, .. } | Op::Linear { w, bias, .. } => {
                std::iter::once(w).chain(bias).collect()
            }
            Op::Scale { w, bias, .. } => w.into_iter().chain(bias).collect(),
            Op::Parameter { w } => vec![w],
            _ => Vec::new(),
        }
    }

    /// All operands.
    pub fn operands(&self) -> Vec<TensorId> {
        let mut all = self.data_operands();
        all.extend(self.weight_operands());
        all
    }

    /// Applies `f` to every tensor id that an operation reads.
    pub fn map_operands(&mut self, f: impl Fn(TensorId) -> TensorId) {
        let each = |id: &mut TensorId| *id = f(*id);
        match self {
            Op::Conv { x, w, bias, .. } | Op::Linear { x, w, bias, .. } => {
                [x, w].into_iter().chain(bias).for_each(each);
            }
            Op::Scale { x, w, bias, .. } => {
                std::iter::once(x).chain(w).chain(bias).for_each(each);
            }
            Op::Combine { terms, .. } => terms.iter_mut().map(|(_, x)| x).for_each(each),
            Op::Mul { a, b, .. }
            | Op::MatMul { a, b, .. }
            | Op::Div { a, b, .. }
            | Op::Max { a, b }
            | Op::Min { a, b } => [a, b].into_iter().for_each(each),
            Op::Concat { xs, .. } => xs.iter_mut().for_each(each),
            Op::Parameter { w: x }
            | Op::Wrap { x, .. }
            | Op::Check { x, .. }
            | Op::Table { x, .. }
            | Op::ReduceSum { x, .. }
            | Op::AvgPool { x, .. }
            | Op::MaxPool { x, .. }
            | Op::Reshape { x }
            | Op::Transpose { x, .. }
            | Op::Gather { x, .. } => each(x),
            Op::Constant { .. } => {}
        }
    }

    /// The fused activation, if any.
    pub fn clamp(&self) -> Option<Clamp> {
        match *self {
            Op::Conv { clamp, .. }
            | Op::Linear { clamp, .. }
            | Op::Scale { clamp, .. }
            | Op::Combine { clamp, .. }
            | Op::Mul { clamp, .. }
            | Op::MatMul { clamp, .. } => clamp,
            Op::Div { .. }
            | Op::Max { .. }
            | Op::Min { .. }
            | Op::Wrap { .. }
            | Op::Check { .. }
            | Op::Table { .. }
            | Op::ReduceSum { .. }
            | Op::AvgPool { .. }
            | Op::MaxPool { .. }
            | Op::Reshape { .. }
            | Op::Transpose { .. }
            | Op::Gather { .. }
            | Op::Concat { .. }
            | Op::Constant { .. }
            | Op::Parameter { .. } => None,
        }
    }

    /// The values of the integer type of `bits` bits.
    pub fn residues(bits: u32, signed: bool) -> Interval {
        let values = 1i64 << bits.min(62);
        let lo = if signed { -(values / 2) } else { 0 };
        Interval {
            lo,
            hi: lo + values - 1,
        }
    }

    /// The same operation without its clamp.
    pub fn without_clamp(&self) -> Op {
        let mut op = self.clone();
        match &mut op {
            Op::Conv { clamp, .. }
            | Op::Linear { clamp, .. }
            | Op::Scale { clamp, .. }
            | Op::Combine { clamp, .. }
            | Op::Mul { clamp, .. }
            | Op::MatMul { clamp, .. } => *clamp = None,
            Op::Div { .. }
            | Op::Max { .. }
            | Op::Min { .. }
            | Op::Wrap { .. }
            | Op::Check { .. }
            | Op::Table { .. }
            | Op::ReduceSum { .. }
            | Op::AvgPool { .. }
            | Op::MaxPool { .. }
            | Op::Reshape { .. }
            | Op::Transpose { .. }
            | Op::Gather { .. }
            | Op::Concat { .. }
            | Op::Constant { .. }
            | Op::Parameter { .. } => {}
        }
        op
    }

    /// The divisor of the accumulator: 1 where there is none.
    pub fn divisor(&self) -> i64 {
        match self {
            Op::Conv { div, .. }
            | Op::Linear { div, .. }
            | Op::Scale { div, .. }
            | Op::Combine { div, .. }
            | Op::Mul { div, .. }
            | Op::MatMul { div, .. }
            | Op::ReduceSum { div, .. } => *div,
            Op::AvgPool { window, .. } => window.divisor(),
            _ => 1,
        }
    }
}

impl Graph {
    /// A function, or an error that says who asked for it.
    pub fn table(&self, index: usize, node: &str) -> Result<&Table, GraphError> {
        self.tables.get(index).ok_or_else(|| GraphError::Shape {
            node: node.to_owned(),
            what: "table".to_owned(),
            expected: format!("one of {}", self.tables.len()),
            got: index.to_string(),
        })
    }

    /// A tensor, or an error that says who asked for it.
    pub fn tensor(&self, id: TensorId, place: &str) -> Result<&Tensor, GraphError> {
        self.tensors
            .get(id.0)
            .ok_or_else(|| GraphError::UnknownTensor {
                place: place.to_owned(),
                id: id.0,
                count: self.tensors.len(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_to_nearest_ties_up() {
        for b in 1..20i64 {
            for a in -200..200i128 {
                let wide = i128::from(b);
                let expected = (2 * a + wide).div_euclid(2 * wide);
                assert_eq!(rd_wide(a, b), expected, "rd({a}, {b})");
            }
        }
        assert_eq!(rd(-3, 2), -1);
        assert_eq!(rd(3, 2), 2);
        assert_eq!(rd(i128::MAX, 1), i64::MAX);
        assert_eq!(rd(i128::MIN, 1), i64::MIN);
        assert_eq!(rd(7, 0), 7);
    }

    #[test]
    fn windows() {
        let w = Window {
            kernel: [3, 3],
            stride: [2, 1],
            pads: [1, 0, 1, 0],
        };
        assert_eq!(w.output(8, 8), Some([4, 6]));
        assert_eq!(w.output(1, 2), None);
        let void = Window {
            kernel: [3, 3],
            stride: [0, 1],
            pads: [0; 4],
        };
        assert_eq!(void.output(8, 8), None);
        let huge = Window {
            kernel: [1, 1],
            stride: [1, 1],
            pads: [usize::MAX, 0, 1, 0],
        };
        assert_eq!(huge.output(8, 8), None);
    }
}
