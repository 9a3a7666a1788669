//! The layer between ONNX's operators and the graph: nodes with bounds, constants brought into
//! the graph, scales brought together.

use super::far::{MAX_NUMBER, STAND_IN};
use super::value::{count, inner, Array, Data, Type, Value};
use super::Importer;
use crate::draft::MAX_NODES;
use crate::made::Made;
use crate::{movement, ImportError};
use zkml_graph::ops::elements;
use zkml_graph::{Interval, Op, Table, TensorId};

impl Importer {
    /// An error about the node under import.
    pub(super) fn bad(
        &self,
        what: &str,
        expected: impl Into<String>,
        got: impl ToString,
    ) -> ImportError {
        let place = format!("node '{}' ({}), {what}", self.name, self.operator);
        ImportError::malformed(place, expected, got)
    }

    /// The graph's scale.
    pub(super) fn scale(&self) -> i64 {
        self.draft.graph.scale
    }

    /// Counts what is made, so that a small file cannot ask for everything.
    pub(super) fn spend(&mut self, elements: usize) -> Result<(), ImportError> {
        self.spent = self.spent.saturating_add(elements);
        let most = self.most;
        if self.spent > most || self.draft.graph.nodes.len() > MAX_NODES {
            let expected = format!(
                "a model that expands to at most {MAX_NODES} operations and, being of its size, {most} elements"
            );
            let got = format!(
                "{} operations and {} elements",
                self.draft.graph.nodes.len(),
                self.spent
            );
            return Err(self.bad("size", expected, got));
        }
        Ok(())
    }

    /// Adds an operation.
    pub(super) fn op(&mut self, op: Op) -> Result<TensorId, ImportError> {
        let shape = self.draft.graph.infer_shape(&self.name, &op)?;
        self.spend(count(&shape))?;
        let name = self.name.clone();
        self.draft.node(&name, op)
    }

    /// The same elements in another shape.
    pub(super) fn shaped(
        &mut self,
        id: TensorId,
        shape: Vec<usize>,
    ) -> Result<TensorId, ImportError> {
        let name = self.name.clone();
        self.draft.reshape(&name, id, shape)
    }

    /// A tensor of the graph, whatever its shape, as a value of the file.
    pub(super) fn wrap(
        &mut self,
        id: TensorId,
        shape: Vec<usize>,
        ty: Type,
        scale: i64,
    ) -> Result<Data, ImportError> {
        let id = self.shaped(id, inner(&shape))?;
        Ok(Data {
            id,
            shape,
            ty,
            scale,
        })
    }

    /// The graph's tensor with the shape of the file.
    pub(super) fn full(&mut self, data: &Data) -> Result<TensorId, ImportError> {
        self.shaped(data.id, data.shape.clone())
    }

    /// Declared bounds of a tensor's integers: what is chosen by them may be public.
    pub(super) fn range(&mut self, id: TensorId) -> Interval {
        self.bounds.settle(&mut self.draft);
        let unknown = Interval { lo: 0, hi: 0 };
        let known = || self.draft.graph.tensors.get(id.0).map(|t| t.range);
        self.bounds.held(id).or_else(known).unwrap_or(unknown)
    }

    /// The scale that numbers of a type have.
    pub(super) fn natural(&self, ty: Type) -> i64 {
        if ty.is_real() {
            self.scale()
        } else {
            1
        }
    }

    /// What weights are made of: arrays, and how. The numbers are kept, so that no others come to lie there.
    pub(super) fn made(&mut self, what: &'static str, from: &[&Array], how: &[usize]) -> Made {
        let place = |array: &&Array| {
            self.read_numbers.push(array.values.clone());
            array.values.as_ptr() as usize
        };
        let from = from.iter().map(place).collect();
        Made::of(what, from, how)
    }

    /// The tensor of weights that are made so, for all nodes and all steps of a recurrent one that read them.
    pub(super) fn tied_weight(
        &mut self,
        made: Made,
        what: &str,
        shape: Vec<usize>,
        values: impl FnOnce() -> Vec<f64>,
    ) -> Result<TensorId, ImportError> {
        let name = format!("{}/{what}", self.name);
        self.draft.tied_weight(&name, made, shape, values)
    }

    /// A value as a tensor of the graph: what is public as numbers, the rest as weights.
    pub(super) fn data(&mut self, value: &Value) -> Result<Data, ImportError> {
        let array = match value {
            Value::Data(data) => return Ok(data.clone()),
            Value::Constant(array) => array,
        };
        let scale = self.natural(array.ty);
        let shape = inner(&array.shape);
        if elements(&shape).is_none_or(|n| n == 0) {
            return Err(self.bad("operand", "some elements", format!("{:?}", array.shape)));
        }
        let unit = scale as f64;
        let near = |v: f64| near(v, unit);
        if array.ty.is_real() {
            if array.values.iter().any(|v| v.is_nan()) {
                return Err(self.bad("operand", "numbers", "NaN"));
            }
            let far = |v: &f64| (v * unit).abs() > MAX_NUMBER;
            if !self.stand_ins && array.values.iter().any(far) {
                return Err(self.too_far());
            }
        } else {
            // Only real numbers are far instead of exact: masks.
            let far = |v: &&f64| v.is_nan() || v.abs() > MAX_NUMBER;
            if let Some(far) = array.values.iter().find(far) {
                let expected = format!("{} numbers within ±2^40", array.ty.name());
                return Err(self.bad("operand", expected, format!("{far:e}")));
            }
        }
        let op = if array.is_public() {
            let values = array.values.iter().map(|&v| near(v).round() as i64);
            Op::Constant {
                shape,
                values: values.collect(),
            }
        } else {
            // Weights become integers at the graph's scale later.
            let own = self.scale() as f64;
            let made = self.made("parameter", &[array], &[scale as usize]);
            let values = || array.values.iter().map(|&v| near(v) / own).collect();
            let w = self.tied_weight(made, "parameter", shape, values)?;
            Op::Parameter { w }
        };
        let id = self.op(op)?;
        self.wrap(id, array.shape.clone(), array.ty, scale)
    }

    /// The same numbers at another scale: exact upward, rounded downward.
    pub(super) fn at_scale(&mut self, data: &Data, scale: i64) -> Result<Data, ImportError> {
        if data.scale == scale {
            return Ok(data.clone());
        }
        let (factor, div) = match data.scale < scale {
            true => (scale / data.scale.max(1), 1),
            false => (1, data.scale / scale.max(1)),
        };
        let id = self.op(Op::Combine {
            terms: vec![(factor, data.id)],
            constant: 0,
            div,
            clamp: None,
        })?;
        Ok(Data {
            id,
            scale,
            ..data.clone()
        })
    }

    /// Two values in the graph, at one scale and of one shape.
    pub(super) fn aligned(
        &mut self,
        a: &Value,
        b: &Value,
    ) -> Result<(Data, Data, Vec<usize>), ImportError> {
        let shape = self.common_shape(&[a, b])?;
        let (a, b) = (self.data(a)?, self.data(b)?);
        let scale = a.scale.max(b.scale);
        let (a, b) = (self.at_scale(&a, scale)?, self.at_scale(&b, scale)?);
        let (a, b) = (self.expanded(&a, &shape)?, self.expanded(&b, &shape)?);
        Ok((a, b, shape))
    }

    /// The table of a function on a domain at a scale: made once for each name, which says all of
    /// the function. Networks that unroll would otherwise make theirs at every step.
    pub(super) fn table_of(
        &mut self,
        name: &str,
        lo: i64,
        count: i64,
        scales: (i64, i64),
        value: impl Fn(i64) -> Result<i64, ImportError>,
    ) -> Result<usize, ImportError> {
        let key = (name.to_owned(), lo, count, scales);
        if let Some(&known) = self.tables.get(&key) {
            return Ok(known);
        }
        let values = (0..count).map(value).collect::<Result<Vec<_>, _>>()?;
        let name = name.to_owned();
        let index = self.table(Table { name, lo, values });
        self.tables.insert(key, index);
        Ok(index)
    }

    /// A function for [`Op::Table`]; equal ones are one.
    pub(super) fn table(&mut self, table: Table) -> usize {
        let tables = &mut self.draft.graph.tables;
        if let Some(at) = tables.iter().position(|known| *known == table) {
            return at;
        }
        tables.push(table);
        tables.len() - 1
    }

    /// Applies `f` to known numbers.
    pub(super) fn fold(
        &mut self,
        array: &Array,
        ty: Type,
        f: impl Fn(f64) -> f64,
    ) -> Result<Value, ImportError> {
        self.spend(array.values.len())?;
        let values = array.values.iter().map(|&v| f(v)).collect();
        Ok(Array {
            shape: array.shape.clone(),
            values,
            ty,
            origins: array.origins.clone(),
        }
        .into())
    }

    /// Applies `f` to known numbers, broadcast.
    pub(super) fn fold_pair(
        &mut self,
        a: &Array,
        b: &Array,
        ty: Type,
        f: impl Fn(f64, f64) -> f64,
    ) -> Result<Value, ImportError> {
        let shape = self.common_shape(&[&a.clone().into(), &b.clone().into()])?;
        self.spend(count(&shape))?;
        let (x, y) = (
            self.spread(a, &shape)?.values,
            self.spread(b, &shape)?.values,
        );
        let values = x.iter().zip(y.iter()).map(|(&x, &y)| f(x, y)).collect();
        let origins = a.origins.and(&b.origins);
        Ok(Array {
            shape,
            values,
            ty,
            origins,
        }
        .into())
    }
}

/// A number in units, or the stand-in for one that is too far out.
pub(super) fn near(v: f64, unit: f64) -> f64 {
    match v * unit {
        scaled if scaled.abs() > MAX_NUMBER => STAND_IN.copysign(scaled),
        scaled => scaled,
    }
}

/// Drops what moves nothing, and what nothing reads.
pub(super) fn tidy(draft: &mut crate::FloatModel) {
    movement::simplify(draft);
    movement::compact(draft);
}
