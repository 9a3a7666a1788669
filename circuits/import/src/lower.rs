//! Shapes that the graph's operations do not have, brought to those that they have.

use super::made::Learned;
use super::{Draft, ImportError};
use zkml_graph::ops::elements;
use zkml_graph::{Clamp, Op, TensorId, Window};

/// Largest constant that is expanded over a tensor.
const MAX_EXPANDED: usize = 1 << 22;

/// A constant of the source file: shape and values.
pub(super) type Constant<W> = (Vec<usize>, Vec<W>);

/// Over which dimensions of `shape` a constant of shape `constant` varies.
fn varying(shape: &[usize], constant: &[usize]) -> Option<Vec<usize>> {
    let extra = constant.len().saturating_sub(shape.len());
    let (ones, constant) = constant.split_at_checked(extra)?;
    if ones.iter().any(|&d| d != 1) {
        return None;
    }
    let offset = shape.len() - constant.len();
    let mut axes = Vec::new();
    for (i, &d) in constant.iter().enumerate() {
        match shape.get(offset + i) {
            _ if d == 1 => {}
            Some(&size) if size == d => axes.push(offset + i),
            _ => return None,
        }
    }
    Some(axes)
}

/// The values of a constant broadcast to `shape`.
pub(super) fn broadcast<W: Copy>(shape: &[usize], constant: &Constant<W>) -> Option<Vec<W>> {
    let axes = varying(shape, &constant.0)?;
    let count = elements(shape)?;
    let mut strides = vec![0usize; shape.len()];
    let mut stride = 1usize;
    for &axis in axes.iter().rev() {
        *strides.get_mut(axis)? = stride;
        stride *= shape.get(axis)?;
    }
    let at = |mut i: usize| {
        let mut source = 0;
        for (&size, &stride) in shape.iter().zip(&strides).rev() {
            source += i % size * stride;
            i /= size;
        }
        constant.1.get(source).copied()
    };
    (0..count).map(at).collect()
}

impl<W: Copy> Draft<W> {
    /// `Scale` of `x` whose weights are `[c]`, from constants of 1 or `c` values.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn per_channel_op(
        &mut self,
        name: &str,
        x: TensorId,
        c: usize,
        w: Option<&Learned<W>>,
        bias: Option<&Learned<W>>,
        div: i64,
        clamp: Option<Clamp>,
    ) -> Result<Op, ImportError> {
        let mut weight = |what: &str, learned: Option<&Learned<W>>| {
            let Some(Learned { numbers, made }) = learned else {
                return Ok(None);
            };
            let (shape, values) = numbers;
            let values = match values.as_slice() {
                &[one] => vec![one; c],
                all if all.len() == c => all.to_vec(),
                _ => {
                    let place = format!("node '{name}': {what}");
                    let got = format!("{shape:?}");
                    return Err(ImportError::malformed(
                        place,
                        format!("1 or {c} values"),
                        got,
                    ));
                }
            };
            self.tied_weight(&format!("{name}/{what}"), made.clone(), vec![c], || values)
                .map(Some)
        };
        let (w, bias) = (weight("factors", w)?, weight("bias", bias)?);
        Ok(Op::Scale {
            x,
            w,
            bias,
            div,
            clamp,
        })
    }

    /// `x·w / div + bias` with one of the constants given, broadcast over `x`.
    pub(super) fn broadcast_scale(
        &mut self,
        name: &str,
        x: TensorId,
        w: Option<&Learned<W>>,
        bias: Option<&Learned<W>>,
        div: i64,
        clamp: Option<Clamp>,
    ) -> Result<TensorId, ImportError> {
        let shape = self.shape(x).to_vec();
        let Some(Learned {
            numbers: constant, ..
        }) = w.or(bias)
        else {
            return Ok(x);
        };
        let Some(axes) = varying(&shape, &constant.0) else {
            let place = format!("node '{name}': constant");
            let expected = format!("a shape that broadcasts to {shape:?}");
            return Err(ImportError::malformed(
                place,
                expected,
                format!("{:?}", constant.0),
            ));
        };
        // Brings the dimension that varies to the front, where `Scale` wants it.
        let mut front: Vec<usize> = (0..shape.len()).collect();
        let (c, moved, flat) = match axes.as_slice() {
            [] => {
                let flat = vec![1, elements(&shape).unwrap_or(0)];
                (1, self.reshape(&format!("{name}/flat"), x, flat)?, true)
            }
            &[0] => (shape.first().copied().unwrap_or(1), x, false),
            &[axis] => {
                let moved = front.remove(axis);
                front.insert(0, moved);
                let x = self.transpose(&format!("{name}/front"), x, front.clone())?;
                (self.shape(x).first().copied().unwrap_or(1), x, false)
            }
            _ => {
                let count = elements(&shape).unwrap_or(0);
                if count > MAX_EXPANDED {
                    let place = format!("node '{name}': constant over several dimensions");
                    let expected = format!("at most {MAX_EXPANDED} elements");
                    return Err(ImportError::malformed(place, expected, count));
                }
                (
                    count,
                    self.reshape(&format!("{name}/flat"), x, vec![count])?,
                    true,
                )
            }
        };
        let expand = |learned: &Learned<W>| match axes.as_slice() {
            [] | [_] => {
                let values = learned.numbers.1.clone();
                learned.arranged(&[], (vec![c], values))
            }
            _ => {
                let values = broadcast(&shape, &learned.numbers).unwrap_or_default();
                learned.arranged(&shape, (vec![c], values))
            }
        };
        let (w, bias) = (w.map(expand), bias.map(expand));
        let op = self.per_channel_op(name, moved, c, w.as_ref(), bias.as_ref(), div, clamp)?;
        let y = self.node(name, op)?;
        if flat {
            return self.reshape(&format!("{name}/shape"), y, shape);
        }
        let mut back = vec![0usize; front.len()];
        for (i, &p) in front.iter().enumerate() {
            if let Some(slot) = back.get_mut(p) {
                *slot = i;
            }
        }
        if back.iter().copied().eq(0..shape.len()) {
            return Ok(y);
        }
        self.transpose(&format!("{name}/back"), y, back)
    }

    /// `x·Wᵀ`, rounded, plus bias, over the last dimension of `x`; `w` is `[N, K]`.
    pub(super) fn matmul(
        &mut self,
        name: &str,
        x: TensorId,
        w: TensorId,
        bias: Option<TensorId>,
        div: i64,
        clamp: Option<Clamp>,
    ) -> Result<TensorId, ImportError> {
        let mut shape = self.shape(x).to_vec();
        let Some(k) = shape.pop() else {
            let place = format!("node '{name}': input");
            return Err(ImportError::malformed(
                place,
                "at least one dimension",
                "a scalar",
            ));
        };
        let rows = elements(&shape).unwrap_or(0);
        let &[n, columns] = self.shape(w) else {
            let got = format!("{:?}", self.shape(w));
            return Err(ImportError::malformed(
                format!("node '{name}': weights"),
                "two dimensions",
                got,
            ));
        };
        if columns != k {
            let place = format!("node '{name}': columns of the weights");
            return Err(ImportError::malformed(place, k.to_string(), columns));
        }
        shape.push(n);
        if rows == 1 {
            let x = self.reshape(&format!("{name}/in"), x, vec![k])?;
            let y = self.node(
                name,
                Op::Linear {
                    x,
                    w,
                    bias,
                    div,
                    clamp,
                },
            )?;
            return self.reshape(&format!("{name}/out"), y, shape);
        }
        // Rows are the pixels of an image with K channels, and the product a 1×1 convolution.
        let x = self.reshape(&format!("{name}/rows"), x, vec![rows, k])?;
        let x = self.transpose(&format!("{name}/columns"), x, vec![1, 0])?;
        let x = self.reshape(&format!("{name}/in"), x, vec![k, rows, 1])?;
        if let Some(tensor) = self.graph.tensors.get_mut(w.0) {
            tensor.shape = vec![n, k, 1, 1];
        }
        let window = Window {
            kernel: [1, 1],
            stride: [1, 1],
            pads: [0; 4],
        };
        let y = self.node(
            name,
            Op::Conv {
                x,
                w,
                bias,
                window,
                groups: 1,
                div,
                clamp,
            },
        )?;
        let y = self.reshape(&format!("{name}/product"), y, vec![n, rows])?;
        let y = self.transpose(&format!("{name}/back"), y, vec![1, 0])?;
        self.reshape(&format!("{name}/out"), y, shape)
    }
}
