//! Movement of elements, of known numbers and of the graph's tensors alike.

use super::origins::Origins;
use super::value::{broadcast_shape, coordinates, count, inner, strides, Array, Data, Type, Value};
use super::Importer;
use crate::lower::broadcast;
use crate::ImportError;
use zkml_graph::movement::sources;
use zkml_graph::{Op, TensorId};

type One = Result<Value, ImportError>;

impl Importer {
    pub(super) fn common_shape(&self, values: &[&Value]) -> Result<Vec<usize>, ImportError> {
        let mut shape = Vec::new();
        for value in values {
            shape = broadcast_shape(&shape, value.shape()).ok_or_else(|| {
                let expected = format!("shapes that broadcast, such as {shape:?}");
                self.bad("operands", expected, format!("{:?}", value.shape()))
            })?;
        }
        Ok(shape)
    }

    /// Known numbers broadcast to a shape.
    pub(super) fn spread(&mut self, array: &Array, shape: &[usize]) -> Result<Array, ImportError> {
        if array.shape == shape {
            return Ok(array.clone());
        }
        let same = count(shape) == array.values.len();
        if same && broadcast_shape(&array.shape, shape).as_deref() == Some(shape) {
            let shape = shape.to_vec();
            return Ok(Array {
                shape,
                ..array.clone()
            });
        }
        self.spend(count(shape))?;
        let values = broadcast(shape, &array.pair()).ok_or_else(|| {
            let expected = format!("a shape that broadcasts to {shape:?}");
            self.bad("operand", expected, format!("{:?}", array.shape))
        })?;
        Ok(Array {
            shape: shape.to_vec(),
            values: values.into(),
            ..array.clone()
        })
    }

    /// A tensor broadcast to a shape.
    pub(super) fn expanded(&mut self, data: &Data, shape: &[usize]) -> Result<Data, ImportError> {
        if data.shape == shape {
            return Ok(data.clone());
        }
        if broadcast_shape(&data.shape, shape).as_deref() != Some(shape) {
            let expected = format!("a shape that broadcasts to {shape:?}");
            return Err(self.bad("operand", expected, format!("{:?}", data.shape)));
        }
        let missing = shape.len() - data.shape.len();
        let mut from = [vec![1; missing], data.shape.clone()].concat();
        let mut id = data.id;
        if count(&from) == 1 && count(shape) != 1 {
            id = self.shaped(id, vec![1])?;
            id = self.gathered(id, 0, vec![0; count(shape)])?;
            return self.wrap(id, shape.to_vec(), data.ty, data.scale);
        }
        for (axis, &size) in shape.iter().enumerate() {
            let Some(own) = from.get_mut(axis).filter(|own| **own != size) else {
                continue;
            };
            *own = size;
            // A dimension of 1, which the graph's tensor is shaped to have.
            let mut before = from.clone();
            if let Some(slot) = before.get_mut(axis) {
                *slot = 1;
            }
            id = self.shaped(id, before)?;
            id = self.gathered(id, axis, vec![0; size])?;
        }
        self.wrap(id, shape.to_vec(), data.ty, data.scale)
    }

    fn gathered(
        &mut self,
        x: TensorId,
        axis: usize,
        indices: Vec<usize>,
    ) -> Result<TensorId, ImportError> {
        self.op(Op::Gather { x, axis, indices })
    }

    pub(super) fn expand(&mut self, value: &Value, shape: &[usize]) -> One {
        match value {
            Value::Constant(array) => Ok(self.spread(array, shape)?.into()),
            Value::Data(data) => Ok(self.expanded(data, shape)?.into()),
        }
    }

    pub(super) fn reshape_to(&mut self, value: &Value, shape: Vec<usize>) -> One {
        if count(&shape) != value.count() {
            let expected = format!("as many elements as {:?}", value.shape());
            return Err(self.bad("shape", expected, format!("{shape:?}")));
        }
        Ok(match value {
            Value::Constant(array) => Array {
                shape,
                ..array.clone()
            }
            .into(),
            Value::Data(data) => {
                let id = self.shaped(data.id, inner(&shape))?;
                Data {
                    id,
                    shape,
                    ..data.clone()
                }
                .into()
            }
        })
    }

    /// An operation that moves the elements of one operand, given with its full shape.
    fn moved(&mut self, value: &Value, shape: Vec<usize>, op: impl Fn(TensorId) -> Op) -> One {
        match value {
            Value::Constant(array) => {
                self.spend(count(&shape))?;
                let moved = sources(&op(TensorId(0)), &[&array.shape]).unwrap_or_default();
                let values = moved
                    .into_iter()
                    .filter_map(|(_, at)| array.values.get(at).copied())
                    .collect();
                Ok(Array {
                    shape,
                    values,
                    ..array.clone()
                }
                .into())
            }
            Value::Data(data) => {
                let id = self.full(data)?;
                let id = self.op(op(id))?;
                Ok(self.wrap(id, shape, data.ty, data.scale)?.into())
            }
        }
    }

    pub(super) fn permuted(&mut self, value: &Value, perm: &[usize]) -> One {
        if perm.iter().copied().eq(0..value.rank()) {
            return Ok(value.clone());
        }
        let shape: Vec<usize> = perm.iter().map(|&p| value.size(p)).collect();
        // The batch stays where it is: the graph's tensor does without.
        if let (Value::Data(data), Some((0, rest))) = (value, perm.split_first()) {
            if inner(&data.shape).len() < data.shape.len() {
                let perm = rest.iter().map(|&p| p - 1).collect();
                let id = self.op(Op::Transpose { x: data.id, perm })?;
                return Ok(self.wrap(id, shape, data.ty, data.scale)?.into());
            }
        }
        let turned = |importer: &mut Self| {
            let perm = perm.to_vec();
            importer.moved(value, shape, |x| Op::Transpose {
                x,
                perm: perm.clone(),
            })
        };
        match value {
            Value::Constant(array) if self.is_shared(array) => self.rearrange(array, perm, turned),
            _ => turned(self),
        }
    }

    /// Learned numbers that are moved in a way: the same for all nodes and steps that read them so.
    fn rearrange(
        &mut self,
        array: &Array,
        how: &[usize],
        moved: impl FnOnce(&mut Self) -> One,
    ) -> One {
        let place = array.values.as_ptr() as usize;
        let key = (place, [array.shape.as_slice(), how].concat());
        if let Some(known) = self.rearranged.get(&key) {
            return Ok(known.clone());
        }
        let moved = moved(self)?;
        self.read_numbers.push(array.values.clone());
        self.rearranged.insert(key, moved.clone());
        Ok(moved)
    }

    /// Takes `axis` to the end.
    pub(super) fn axis_last(&mut self, value: &Value, axis: usize) -> One {
        let perm: Vec<usize> = (0..value.rank())
            .filter(|&i| i != axis)
            .chain([axis])
            .collect();
        self.permuted(value, &perm)
    }

    /// Takes the last dimension to `axis`.
    pub(super) fn last_to(&mut self, value: &Value, axis: usize) -> One {
        let last = value.rank().saturating_sub(1);
        let mut perm: Vec<usize> = (0..last).collect();
        perm.insert(axis.min(last), last);
        self.permuted(value, &perm)
    }

    /// Elements along one dimension, by index.
    pub(super) fn take(&mut self, value: &Value, axis: usize, indices: Vec<usize>) -> One {
        let size = value.size(axis);
        if indices.iter().copied().eq(0..size) {
            return Ok(value.clone());
        }
        if axis >= value.rank() || indices.iter().any(|&i| i >= size) {
            let expected = format!(
                "below {size}, along dimension {axis} of {:?}",
                value.shape()
            );
            let worst = indices.iter().max().copied().unwrap_or(0);
            return Err(self.bad("index", expected, worst));
        }
        let mut shape = value.shape().to_vec();
        if let Some(slot) = shape.get_mut(axis) {
            *slot = indices.len();
        }
        if indices.is_empty() {
            return Ok(Array::public(shape, vec![], value.ty()).into());
        }
        self.moved(value, shape, |x| Op::Gather {
            x,
            axis,
            indices: indices.clone(),
        })
    }

    /// `len` elements from `start` along one dimension.
    pub(super) fn slice(&mut self, value: &Value, axis: usize, start: usize, len: usize) -> One {
        let cut = |importer: &mut Self| {
            importer.take(value, axis, (start..start.saturating_add(len)).collect())
        };
        match value {
            // No permutation ends so.
            Value::Constant(array) if !array.is_public() => {
                self.rearrange(array, &[axis, start, len, usize::MAX], cut)
            }
            _ => cut(self),
        }
    }

    /// The element at each of the row-major indices, in a new shape.
    pub(super) fn pick(&mut self, value: &Value, indices: Vec<usize>, shape: Vec<usize>) -> One {
        let flat = self.reshape_to(value, vec![value.count()])?;
        let taken = self.take(&flat, 0, indices)?;
        self.reshape_to(&taken, shape)
    }

    /// [`Importer::pick`] by a function from a result's coordinates to the source's.
    pub(super) fn pick_by(
        &mut self,
        value: &Value,
        shape: &[usize],
        source: impl Fn(&[usize]) -> Vec<usize>,
    ) -> One {
        self.spend(count(shape))?;
        let strides = strides(value.shape());
        let mut indices = Vec::with_capacity(count(shape));
        coordinates(shape, |at| {
            let from = source(at);
            indices.push(from.iter().zip(&strides).map(|(&i, &s)| i * s).sum());
        });
        self.pick(value, indices, shape.to_vec())
    }

    /// Values one after another along a dimension.
    pub(super) fn joined(&mut self, values: &[Value], axis: usize) -> One {
        let Some(first) = values.first() else {
            return Err(self.bad("operands", "at least one", "none"));
        };
        let mut shape = first.shape().to_vec();
        let fits = |v: &Value| {
            v.rank() == shape.len()
                && (0..shape.len()).all(|i| i == axis || v.size(i) == first.size(i))
        };
        if axis >= shape.len() || !values.iter().all(fits) {
            let got: Vec<&[usize]> = values.iter().map(|v| v.shape()).collect();
            let expected = format!("shapes that differ in dimension {axis} only");
            return Err(self.bad("operands", expected, format!("{got:?}")));
        }
        let mut parts: Vec<&Value> = values.iter().filter(|v| v.count() > 0).collect();
        match parts.as_slice() {
            // Zero-sized for another reason as well.
            [] => parts = values.iter().collect(),
            [one] => return Ok((*one).clone()),
            _ => {}
        }
        if let Some(slot) = shape.get_mut(axis) {
            *slot = parts.iter().map(|v| v.size(axis)).sum();
        }
        let ty = parts
            .iter()
            .map(|v| v.ty())
            .reduce(Type::join)
            .unwrap_or(Type::Real);
        let known: Option<Vec<&Array>> = parts
            .iter()
            .map(|v| match v {
                Value::Constant(array) => Some(array),
                Value::Data(_) => None,
            })
            .collect();
        let op = |xs: Vec<TensorId>| Op::Concat { xs, axis };
        if let Some(arrays) = known {
            self.spend(count(&shape))?;
            let shapes: Vec<&[usize]> = arrays.iter().map(|a| a.shape.as_slice()).collect();
            let ids = (0..arrays.len()).map(TensorId).collect();
            let moved = sources(&op(ids), &shapes).unwrap_or_default();
            let at = |(operand, at): (usize, usize)| arrays.get(operand)?.values.get(at).copied();
            let values = moved.into_iter().filter_map(at).collect();
            let origins = arrays.iter().map(|a| &a.origins);
            let origins = origins.fold(Origins::default(), |all, own| all.and(own));
            return Ok(Array::new(shape, values, ty, origins).into());
        }
        let data = parts
            .into_iter()
            .map(|v| self.data(v))
            .collect::<Result<Vec<Data>, _>>()?;
        let scale = data.iter().map(|d| d.scale).max().unwrap_or(1);
        let mut ids = Vec::with_capacity(data.len());
        for part in &data {
            let part = self.at_scale(part, scale)?;
            ids.push(self.full(&part)?);
        }
        let id = self.op(op(ids))?;
        Ok(self.wrap(id, shape, ty, scale)?.into())
    }
}
