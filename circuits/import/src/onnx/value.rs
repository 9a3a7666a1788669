//! What a name in the file stands for: numbers that are known, or a tensor of the graph.

use super::origins::Origins;
use std::sync::Arc;
use zkml_graph::TensorId;

/// What an element is, as far as the graph's arithmetic cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// Any floating-point type.
    Real,
    /// Integers, at scale 1.
    Int {
        /// Width.
        bits: u32,
        /// Two's complement.
        signed: bool,
    },
    /// 0 or 1, at scale 1.
    Bool,
}

impl Type {
    /// Sizes, indices and counts.
    pub const INDEX: Type = Type::Int {
        bits: 64,
        signed: true,
    };

    /// The type for a code of `TensorProto.DataType`; `None` for what is not a number, and for
    /// eight-bit floating point, whose rounding the graph does not follow.
    pub fn of(code: i32) -> Option<Type> {
        let int = |bits, signed| Some(Type::Int { bits, signed });
        match code {
            1 | 10 | 11 | 16 => Some(Type::Real),
            2 => int(8, false),
            3 => int(8, true),
            4 => int(16, false),
            5 => int(16, true),
            6 => int(32, true),
            7 => int(64, true),
            9 => Some(Type::Bool),
            12 => int(32, false),
            13 => int(64, false),
            _ => None,
        }
    }

    /// Its name in Python.
    pub fn name(self) -> String {
        match self {
            Type::Real => "float".to_owned(),
            Type::Bool => "bool".to_owned(),
            Type::Int { bits, signed: true } => format!("int{bits}"),
            Type::Int { bits, .. } => format!("uint{bits}"),
        }
    }

    pub fn is_real(self) -> bool {
        self == Type::Real
    }

    /// Smallest and largest value, for integers.
    pub fn bounds(self) -> Option<(f64, f64)> {
        match self {
            Type::Real => None,
            Type::Bool => Some((0.0, 1.0)),
            Type::Int { bits, signed: true } => {
                let half = 2f64.powi(bits as i32 - 1);
                Some((-half, half - 1.0))
            }
            Type::Int { bits, .. } => Some((0.0, 2f64.powi(bits as i32) - 1.0)),
        }
    }

    /// The type of an arithmetic result.
    pub fn join(self, other: Type) -> Type {
        match (self, other) {
            (Type::Real, _) | (_, Type::Real) => Type::Real,
            (Type::Bool, other) => other,
            (this, _) => this,
        }
    }
}

/// Numbers that are known when the file is read.
#[derive(Clone, Debug)]
pub(super) struct Array {
    pub shape: Vec<usize>,
    /// Row-major.
    pub values: Arc<[f64]>,
    pub ty: Type,
    /// The initialisers that they are computed from.
    pub origins: Origins,
}

impl Array {
    pub fn new(shape: Vec<usize>, values: Vec<f64>, ty: Type, origins: Origins) -> Self {
        Array {
            shape,
            values: values.into(),
            ty,
            origins,
        }
    }

    /// Numbers of the architecture.
    pub fn public(shape: Vec<usize>, values: Vec<f64>, ty: Type) -> Self {
        Array::new(shape, values, ty, Origins::default())
    }

    /// Whether they are part of the architecture.
    pub fn is_public(&self) -> bool {
        self.origins.is_empty()
    }

    /// One public number.
    pub fn scalar(value: f64, ty: Type) -> Self {
        Array::public(vec![], vec![value], ty)
    }

    /// The values as integers, cut to what 64 bits hold.
    pub fn integers(&self) -> Vec<i64> {
        self.values.iter().map(|&v| v as i64).collect()
    }

    /// Shape and values, as the draft takes them.
    pub fn pair(&self) -> (Vec<usize>, Vec<f64>) {
        (self.shape.clone(), self.values.to_vec())
    }
}

/// A tensor that the graph computes or is given.
#[derive(Clone, Debug)]
pub(super) struct Data {
    /// The graph's tensor; its shape is [`inner`] of this one's.
    pub id: TensorId,
    /// Shape in the file.
    pub shape: Vec<usize>,
    pub ty: Type,
    /// A number is this many units of the graph's integers: the graph's scale, or a multiple of
    /// it, or 1 for integers (also where the file has cast them to floating point).
    pub scale: i64,
}

/// What a name stands for.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Known now.
    Constant(Array),
    /// Computed.
    Data(Data),
}

impl From<Array> for Value {
    fn from(array: Array) -> Self {
        Value::Constant(array)
    }
}

impl From<Data> for Value {
    fn from(data: Data) -> Self {
        Value::Data(data)
    }
}

impl Value {
    pub fn shape(&self) -> &[usize] {
        match self {
            Value::Constant(array) => &array.shape,
            Value::Data(data) => &data.shape,
        }
    }

    pub fn ty(&self) -> Type {
        match self {
            Value::Constant(array) => array.ty,
            Value::Data(data) => data.ty,
        }
    }

    pub fn rank(&self) -> usize {
        self.shape().len()
    }

    pub fn count(&self) -> usize {
        count(self.shape())
    }

    /// The size of a dimension; 1 past the last.
    pub fn size(&self, axis: usize) -> usize {
        self.shape().get(axis).copied().unwrap_or(1)
    }

    /// The same numbers under another type.
    pub fn typed(mut self, to: Type) -> Value {
        match &mut self {
            Value::Constant(array) => array.ty = to,
            Value::Data(data) => data.ty = to,
        }
        self
    }

    /// One public real number.
    pub fn real(value: f64) -> Value {
        Array::scalar(value, Type::Real).into()
    }

    /// One public integer.
    pub fn int(value: i64) -> Value {
        Array::scalar(value as f64, Type::INDEX).into()
    }

    /// `0, 1, …, n − 1`.
    pub fn ramp(n: usize) -> Value {
        let values = (0..n).map(|i| i as f64).collect();
        Array::public(vec![n], values, Type::INDEX).into()
    }
}

/// Number of elements.
pub(super) fn count(shape: &[usize]) -> usize {
    shape.iter().fold(1usize, |n, &d| n.saturating_mul(d))
}

/// The shape of the graph's tensor for a shape in the file: without a leading batch of 1.
pub(super) fn inner(shape: &[usize]) -> Vec<usize> {
    match shape {
        [] => vec![1],
        [1, rest @ ..] if !rest.is_empty() => rest.to_vec(),
        all => all.to_vec(),
    }
}

/// The shape that two shapes broadcast to.
pub(super) fn broadcast_shape(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |shape: &[usize], i: usize| {
        let missing = rank - shape.len();
        i.checked_sub(missing)
            .and_then(|i| shape.get(i))
            .copied()
            .unwrap_or(1)
    };
    let one = |i: usize| match (at(a, i), at(b, i)) {
        (x, y) if x == y => Some(x),
        (1, y) => Some(y),
        (x, 1) => Some(x),
        _ => None,
    };
    (0..rank).map(one).collect()
}

/// Row-major strides.
pub(super) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    let mut stride = 1usize;
    for (slot, &size) in strides.iter_mut().zip(shape).rev() {
        *slot = stride;
        stride = stride.saturating_mul(size);
    }
    strides
}

/// Calls `visit` with the coordinates of each element, in row-major order.
pub(super) fn coordinates(shape: &[usize], mut visit: impl FnMut(&[usize])) {
    let mut at = vec![0usize; shape.len()];
    for _ in 0..count(shape) {
        visit(&at);
        for (slot, &size) in at.iter_mut().zip(shape).rev() {
            *slot += 1;
            if *slot < size {
                break;
            }
            *slot = 0;
        }
    }
}
