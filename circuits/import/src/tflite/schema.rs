//! The part of TensorFlow Lite's schema (version 3) that is read.

use super::flatbuffer::{Buffer, Table};
use super::names::{operator_name, type_name};
use crate::ImportError;
use std::borrow::Cow;

type Result<T> = std::result::Result<T, ImportError>;

/// What a file starts with, after the offset of its root.
pub(super) const IDENTIFIER: &[u8] = b"TFL3";
/// Most tensors, operators and buffers of a model.
const MAX_PARTS: usize = 1 << 14;
/// Most inputs or outputs of an operator.
const MAX_OPERANDS: usize = 1 << 10;
/// Most dimensions of a tensor.
const MAX_RANK: usize = 8;

/// The numbers of `TensorType` that are read.
pub(super) const FLOAT32: u8 = 0;
const INT32: u8 = 2;
const INT64: u8 = 4;

/// A tensor's declaration.
pub(super) struct Tensor {
    pub name: String,
    pub shape: Vec<i64>,
    /// Number in the enumeration `TensorType`.
    pub ty: u8,
    buffer: usize,
    /// Stored without its zeros.
    sparse: bool,
    /// Shape with −1 where a size is not fixed; may be absent.
    signature: Vec<i64>,
}

/// A node.
pub(super) struct Operator<'a> {
    pub code: i32,
    pub version: i32,
    pub inputs: Vec<i64>,
    pub outputs: Vec<i64>,
    /// Number of the options' kind in the union `BuiltinOptions`, 0 for none.
    pub options_type: u8,
    pub options: Option<Table<'a>>,
}

/// A model of one graph.
pub(super) struct Model<'a> {
    pub tensors: Vec<Tensor>,
    pub operators: Vec<Operator<'a>>,
    pub inputs: Vec<i64>,
    pub outputs: Vec<i64>,
    file: &'a [u8],
    buffers: Vec<Table<'a>>,
}

impl<'a> Model<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Self> {
        if bytes.get(4..8) != Some(IDENTIFIER) {
            let got = "a file without its identifier TFL3";
            return Err(ImportError::malformed("flatbuffer", "a TFLite model", got));
        }
        let root = Buffer::root(bytes)?;
        let version = root.u32(0)?;
        if version != 3 {
            return Err(ImportError::malformed("schema version", "3", version));
        }
        let codes = root.vector(1)?.tables("operator codes", MAX_PARTS)?;
        let codes = codes.into_iter().map(code).collect::<Result<Vec<_>>>()?;
        let graphs = root.vector(2)?.tables("subgraphs", MAX_PARTS)?;
        let [graph] = graphs.as_slice() else {
            let got = graphs.len();
            return Err(ImportError::malformed("subgraphs", "one", got));
        };
        let tensors = graph.vector(0)?.tables("tensors", MAX_PARTS)?;
        let operators = graph.vector(3)?.tables("operators", MAX_PARTS)?;
        let operators = operators.into_iter().enumerate();
        Ok(Model {
            tensors: tensors.into_iter().map(tensor).collect::<Result<_>>()?,
            operators: operators
                .map(|(at, table)| operator(at, table, &codes))
                .collect::<Result<_>>()?,
            inputs: graph.vector(1)?.integers("inputs", MAX_OPERANDS)?,
            outputs: graph.vector(2)?.integers("outputs", MAX_OPERANDS)?,
            file: bytes,
            buffers: root.vector(4)?.tables("buffers", 2 * MAX_PARTS)?,
        })
    }

    /// Bytes of the file.
    pub fn size(&self) -> usize {
        self.file.len()
    }

    /// A tensor by its number.
    pub fn tensor(&self, index: i64, place: &str) -> Result<&Tensor> {
        let found = usize::try_from(index).ok();
        let found = found.and_then(|at| self.tensors.get(at));
        found.ok_or_else(|| {
            let expected = format!("one of {} tensors", self.tensors.len());
            ImportError::malformed(place, expected, format!("tensor {index}"))
        })
    }

    /// The bytes of a tensor's values; none where it is computed.
    fn content(&self, tensor: &Tensor) -> Result<&'a [u8]> {
        let place = format!("tensor '{}'", tensor.name);
        let Some(buffer) = self.buffers.get(tensor.buffer) else {
            let expected = format!("one of {} buffers", self.buffers.len());
            return Err(ImportError::malformed(place, expected, tensor.buffer));
        };
        // Beyond two gigabytes values lie behind the flatbuffer.
        let (offset, size) = (buffer.u64(1)?, buffer.u64(2)?);
        if offset > 1 {
            let range = usize::try_from(offset).ok().zip(usize::try_from(size).ok());
            let range = range.and_then(|(from, size)| Some(from..from.checked_add(size)?));
            return range.and_then(|range| self.file.get(range)).ok_or_else(|| {
                let got = format!("{size} bytes from byte {offset} on");
                ImportError::malformed(place, "values inside the file", got)
            });
        }
        buffer.vector(0)?.bytes()
    }

    /// Whether a tensor's values are in the file.
    pub fn is_constant(&self, tensor: &Tensor) -> Result<bool> {
        Ok(!self.content(tensor)?.is_empty())
    }

    /// Values of 32-bit floating point, as many as the shape has.
    pub fn reals(&self, tensor: &Tensor, place: &str) -> Result<Vec<f64>> {
        tensor.expect(place, &[FLOAT32], "FLOAT32")?;
        let words = self.values(tensor, place, 4)?.chunks_exact(4);
        let one = |word: &[u8]| match *word {
            [a, b, c, d] => f64::from(f32::from_le_bytes([a, b, c, d])),
            _ => 0.0,
        };
        Ok(words.map(one).collect())
    }

    /// Values of 32 or 64-bit integers: axes, shapes, indices.
    pub fn integers(&self, tensor: &Tensor, place: &str) -> Result<Vec<i64>> {
        tensor.expect(place, &[INT32, INT64], "INT32 or INT64")?;
        let width = if tensor.ty == INT64 { 8 } else { 4 };
        let words = self.values(tensor, place, width)?.chunks_exact(width);
        let one = |word: &[u8]| match *word {
            [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
            [a, b, c, d, e, f, g, h] => i64::from_le_bytes([a, b, c, d, e, f, g, h]),
            _ => 0,
        };
        Ok(words.map(one).collect())
    }

    fn values(&self, tensor: &Tensor, place: &str, width: usize) -> Result<&'a [u8]> {
        let bytes = self.content(tensor)?;
        let shape = tensor.checked_shape(place)?;
        let count: usize = shape.iter().product();
        if tensor.sparse || bytes.len() != count * width {
            let place = format!("{place}: tensor '{}'", tensor.name);
            let expected = format!("{count} constant values of {width} bytes");
            let got: Cow<str> = match (tensor.sparse, bytes.len()) {
                (true, _) => "a sparse tensor".into(),
                (_, 0) => "a tensor that is computed".into(),
                (_, n) => format!("{n} bytes").into(),
            };
            return Err(ImportError::malformed(place, expected, got));
        }
        Ok(bytes)
    }
}

impl Tensor {
    /// Checks the type.
    pub fn expect(&self, place: &str, types: &[u8], names: &str) -> Result<()> {
        if types.contains(&self.ty) {
            return Ok(());
        }
        let place = format!("{place}: tensor '{}'", self.name);
        let expected = format!("{names} (quantised and half-precision models are not read)");
        Err(ImportError::malformed(place, expected, type_name(self.ty)))
    }

    /// The shape, if every size is fixed; a batch that is not is 1.
    pub fn checked_shape(&self, place: &str) -> Result<Vec<usize>> {
        let place = format!("{place}: tensor '{}'", self.name);
        let open = self.signature.iter().zip(&self.shape).skip(1);
        if open.into_iter().any(|(&signed, &size)| signed != size) {
            let got = format!("{:?}", self.signature);
            let expected = "fixed sizes but for the batch";
            return Err(ImportError::malformed(place, expected, got));
        }
        crate::msgpack::checked_shape(&self.shape, &place)
    }
}

/// Code and version of an operator.
fn code(table: Table<'_>) -> Result<(i32, i32)> {
    // A byte was too small: newer files have the number in a field of its own.
    let old = i8::from_le_bytes([table.byte(0)?]);
    Ok((table.i32(3, 0)?.max(i32::from(old)), table.i32(2, 1)?))
}

fn tensor(table: Table<'_>) -> Result<Tensor> {
    let buffer = usize::try_from(table.u32(2)?).unwrap_or(usize::MAX);
    let name = table.text(3)?;
    if table.flag(5)? {
        let place = format!("tensor '{name}'");
        return Err(ImportError::malformed(
            place,
            "a tensor without state",
            "a variable",
        ));
    }
    Ok(Tensor {
        shape: table.vector(0)?.integers("dimensions", MAX_RANK)?,
        ty: table.byte(1)?,
        buffer,
        sparse: table.has(6)?,
        signature: table.vector(7)?.integers("dimensions", MAX_RANK)?,
        name,
    })
}

fn operator<'a>(at: usize, table: Table<'a>, codes: &[(i32, i32)]) -> Result<Operator<'a>> {
    let index = table.u32(0)?;
    let known = usize::try_from(index).ok().and_then(|i| codes.get(i));
    let &(code, version) = known.ok_or_else(|| {
        let expected = format!("one of {} operator codes", codes.len());
        ImportError::malformed(format!("operator {at}"), expected, index)
    })?;
    let mut inputs = table.vector(1)?.integers("inputs", MAX_OPERANDS)?;
    // What is left out at the end.
    while inputs.last() == Some(&-1) {
        inputs.pop();
    }
    let place = format!("operator {at} ({})", operator_name(code));
    if inputs.contains(&-1) {
        let expected = "all operands but the last";
        return Err(ImportError::malformed(place, expected, "one left out"));
    }
    Ok(Operator {
        code,
        version,
        inputs,
        outputs: table.vector(2)?.integers("outputs", MAX_OPERANDS)?,
        options_type: table.byte(3)?,
        options: table.table(4)?,
    })
}
