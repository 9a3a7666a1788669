//! What a value is after each operator: a number of its element type, and a number at all.
//!
//! Operators compute with exact integers. Where the bounds of a result leave its type, the result wraps
//! around as the type's arithmetic does; where they do not, nothing is added. Where an operator is not
//! defined on all that an operand may be, the operand is checked ([`Op::Check`]).

use super::value::{Array, Data, Type, Value};
use super::{Importer, OnnxNode};
use crate::ImportError;
use zkml_graph::{Defined, Interval, Op};

/// Integers from here on have no exact place among the numbers that are folded.
const EXACT: f64 = (1u64 << 53) as f64;

/// Bounds of what a graph holds, in bits.
const HELD: u32 = zkml_graph::range::MAX_ACTIVATION_BITS;

impl Importer {
    /// A node's result, as its type holds it.
    pub(super) fn settled(&mut self, node: &OnnxNode, value: Value) -> Result<Value, ImportError> {
        let Type::Int { bits, signed } = value.ty() else {
            return Ok(value);
        };
        match value {
            Value::Constant(array) => self.settled_numbers(node, array, bits, signed),
            Value::Data(data) => {
                // What was averaged or divided is cut to an integer.
                let whole = self.rounded(&data.into(), super::logic::Rounding::Truncate)?;
                let data = self.data(&whole)?;
                Ok(self.wrapped(&data, bits, signed)?.into())
            }
        }
    }

    fn wrapped(&mut self, data: &Data, bits: u32, signed: bool) -> Result<Data, ImportError> {
        if bits > 32 {
            // Nothing is held that 63 bits do not.
            return match signed {
                true => Ok(data.clone()),
                false => self.checked(data, 0, None, Defined::Cast),
            };
        }
        let held = Op::residues(bits, signed);
        if self.surely(data, held) {
            return Ok(data.clone());
        }
        let range = self.range(data.id);
        let limit = 1i64 << HELD;
        if range.lo < -limit || range.hi >= limit {
            let expected = format!(
                "values within ±2^{HELD} to take modulo 2^{bits} ({})",
                data.ty.name()
            );
            return Err(self.bad("result", expected, format!("[{}, {}]", range.lo, range.hi)));
        }
        let x = data.id;
        let id = self.op(Op::Wrap { x, bits, signed })?;
        Ok(Data { id, ..data.clone() })
    }

    /// Whether values are in an interval, whatever inputs hold.
    fn surely(&mut self, data: &Data, held: Interval) -> bool {
        let range = self.range(data.id);
        held.lo <= range.lo && range.hi <= held.hi
    }

    /// The same numbers, of which there are none outside of `[lo, hi]`.
    pub(super) fn checked(
        &mut self,
        data: &Data,
        lo: i64,
        hi: Option<i64>,
        why: Defined,
    ) -> Result<Data, ImportError> {
        let held = Interval {
            lo,
            hi: hi.unwrap_or(i64::MAX),
        };
        if self.surely(data, held) {
            return Ok(data.clone());
        }
        let x = data.id;
        let id = self.op(Op::Check { x, lo, hi, why })?;
        Ok(Data { id, ..data.clone() })
    }

    /// Whether the operator under import is one that the model calls on operands which may be anything:
    /// normalisations and their like divide by what is not 0.
    pub(super) fn is_strict(&self) -> bool {
        self.strict
    }

    /// Indices into a dimension, which may count from its end.
    pub(super) fn indexed(&mut self, index: &Value, size: usize) -> Result<Value, ImportError> {
        let top = i64::try_from(size).unwrap_or(i64::MAX);
        match index {
            Value::Constant(array) => {
                let known = self.positions(array, size)?;
                let values = known.into_iter().map(|i| i as f64).collect();
                let (shape, ty) = (array.shape.clone(), array.ty);
                Ok(Array::new(shape, values, ty, array.origins.clone()).into())
            }
            Value::Data(data) => {
                let inside = self.checked(data, -top, Some(top - 1), Defined::Index)?;
                self.counted_from_start(&inside.into(), size)
            }
        }
    }

    fn settled_numbers(
        &mut self,
        node: &OnnxNode,
        array: Array,
        bits: u32,
        signed: bool,
    ) -> Result<Value, ImportError> {
        let ty = array.ty;
        if let Some(at) = array.values.iter().position(|v| !v.is_finite()) {
            let expected = format!("{} numbers", ty.name());
            let got = format!("none at element {at}, where the operator is not defined");
            return Err(self.bad("result", expected, got));
        }
        let held = ty.bounds().unwrap_or_default();
        let far = |v: &f64| match bits {
            64.. => v.abs() > EXACT || (*v < 0.0 && !signed),
            _ => v.abs() >= EXACT,
        };
        // What was read from the file is passed on; what is computed from it is not exact.
        let read = |far: f64| bits >= 64 && (signed || far > 0.0) && self.is_read(node, far);
        let mut values = array.values.iter().copied();
        if let Some(far) = values.find(|v| far(v) && !read(*v)) {
            let expected = format!("{} numbers below 2^53 in size", ty.name());
            return Err(self.bad("result", expected, format!("{far:e}")));
        }
        let fits = |v: &f64| v.fract() == 0.0 && (bits >= 64 || (held.0 <= *v && *v <= held.1));
        if array.values.iter().all(fits) {
            return Ok(array.into());
        }
        let (lo, size) = (Op::residues(bits, signed).lo as f64, f64::from(bits).exp2());
        self.fold(&array, ty, |v| match bits {
            64.. => v.trunc(),
            _ => (v.trunc() - lo).rem_euclid(size) + lo,
        })
    }

    /// Whether an operand has this number.
    fn is_read(&self, node: &OnnxNode, number: f64) -> bool {
        if node.kind() == "ConstantOfShape" {
            return true;
        }
        let known = |name: &String| match self.values.get(name) {
            Some(Value::Constant(array)) => array.values.contains(&number),
            _ => false,
        };
        node.proto.input.is_empty() || node.proto.input.iter().any(known)
    }
}
