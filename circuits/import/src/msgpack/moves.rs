//! Layers that only move elements, and the shapes that others ask for.

use super::place::Place;
use super::Importer;
use crate::ImportError;
use zkml_graph::movement::transposed_indices;
use zkml_graph::{Op, TensorId};

type Result<T> = std::result::Result<T, ImportError>;

impl Importer {
    pub(super) fn moved(&mut self, place: &Place<'_>) -> Result<TensorId> {
        let name = &place.name;
        let params = &place.layer.params;
        let kind = place.layer.layer_type.as_str();
        if matches!(kind, "Concatenation" | "Pack") {
            let mut xs = Vec::with_capacity(place.layer.inp_idxes.len());
            for &idx in &place.layer.inp_idxes {
                xs.push(self.in_file_shape(idx, name)?);
            }
            let rank = xs.first().map_or(0, |x| self.draft.shape(*x).len());
            if kind == "Concatenation" {
                let axis = self.axis(place, 0, rank)?;
                return self.draft.node(name, Op::Concat { xs, axis });
            }
            let axis = self.axis(place, 0, rank + 1)?;
            for x in &mut xs {
                let mut shape = self.draft.shape(*x).to_vec();
                shape.insert(axis, 1);
                *x = self.draft.reshape(&format!("{name}/new"), *x, shape)?;
            }
            return self.draft.node(name, Op::Concat { xs, axis });
        }
        let x = self.in_file_shape(place.input(0)?, name)?;
        let shape = self.draft.shape(x).to_vec();
        let out = self.out_shape(place)?;
        let sizes = |values: &[i64]| -> Option<Vec<usize>> {
            values.iter().map(|&v| usize::try_from(v).ok()).collect()
        };
        let bad = |expected: &str| {
            let place = format!("{name}: params");
            ImportError::malformed(place, expected, format!("{params:?}"))
        };
        match kind {
            "Broadcast" => self.spread(name, x, &out),
            // Of TFLite: a dimension, then what to take of it.
            "Gather" => {
                let axis = self.axis(place, 0, shape.len())?;
                let indices = params.get(1..).and_then(sizes);
                let indices = indices.ok_or_else(|| bad("a dimension, then indices"))?;
                self.draft.gather(name, x, axis, indices)
            }
            "ResizeNN" => {
                let mut y = x;
                for (axis, (&from, &to)) in shape.iter().zip(&out).enumerate() {
                    if from != to {
                        let indices = (0..to).map(|i| i * from / to).collect();
                        y = self.draft.gather(name, y, axis, indices)?;
                    }
                }
                Ok(y)
            }
            "Rotate" => {
                let axes = sizes(params).ok_or_else(|| bad("dimensions to reverse"))?;
                let mut y = x;
                for axis in axes {
                    let size = shape
                        .get(axis)
                        .ok_or_else(|| bad("dimensions to reverse"))?;
                    let indices = (0..*size).rev().collect();
                    y = self.draft.gather(name, y, axis, indices)?;
                }
                Ok(y)
            }
            "Slice" => {
                let all = sizes(params).filter(|all| all.len() == 2 * shape.len());
                let all = all.ok_or_else(|| bad("a start, then a size, for each dimension"))?;
                let (starts, lengths) = all.split_at(shape.len());
                let mut y = x;
                for (axis, (&start, &length)) in starts.iter().zip(lengths).enumerate() {
                    let size = shape.get(axis).copied().unwrap_or(0);
                    if (start, length) != (0, size) {
                        let end = start.checked_add(length).filter(|end| *end <= size);
                        let end = end.ok_or_else(|| bad("starts and sizes inside the tensor"))?;
                        let indices = (start..end).collect();
                        y = self.draft.gather(name, y, axis, indices)?;
                    }
                }
                Ok(y)
            }
            // Pad: low and high for each dimension.
            _ => {
                let pads = sizes(params).filter(|pads| pads.len() == 2 * shape.len());
                let pads = pads.ok_or_else(|| bad("two paddings for each dimension"))?;
                let mut y = x;
                for (axis, pad) in pads.chunks(2).enumerate() {
                    // Before there are so many zeros.
                    let padded = pad.iter().copied().fold(0, usize::saturating_add);
                    let padded = shape.get(axis).map(|size| padded.saturating_add(*size));
                    if padded != out.get(axis).copied() {
                        return Err(bad("what makes the output's shape of the input's"));
                    }
                    let mut xs = vec![y];
                    for (at, &size) in pad.iter().enumerate().filter(|(_, size)| **size > 0) {
                        let mut shape = self.draft.shape(y).to_vec();
                        if let Some(slot) = shape.get_mut(axis) {
                            *slot = size;
                        }
                        let zeros = self.zeros(name, shape)?;
                        xs.insert(if at == 0 { 0 } else { xs.len() }, zeros);
                    }
                    if xs.len() > 1 {
                        y = self.draft.node(name, Op::Concat { xs, axis })?;
                    }
                }
                Ok(y)
            }
        }
    }

    /// The parts of a tensor, one for each output.
    pub(super) fn split(&mut self, place: &Place<'_>) -> Result<Vec<TensorId>> {
        let name = &place.name;
        // The axis is the first input in the file, and a parameter.
        let x = self.in_file_shape(place.input(1)?, name)?;
        let shape = self.draft.shape(x).to_vec();
        let axis = self.axis(place, 0, shape.len())?;
        let parts = place.layer.out_idxes.len();
        let size = shape.get(axis).copied().unwrap_or(0);
        if parts == 0 || size % parts != 0 {
            let expected = format!("a number that divides {size}");
            let place = format!("{name}: outputs");
            return Err(ImportError::malformed(place, expected, parts));
        }
        let length = size / parts;
        (0..parts)
            .map(|part| {
                let indices = (part * length..(part + 1) * length).collect();
                self.draft.node(name, Op::Gather { x, axis, indices })
            })
            .collect()
    }

    fn zeros(&mut self, name: &str, shape: Vec<usize>) -> Result<TensorId> {
        let values = vec![0; zkml_graph::ops::elements(&shape).unwrap_or(0)];
        self.draft
            .node(&format!("{name}/zeros"), Op::Constant { shape, values })
    }

    /// Broadcasts, as NumPy does.
    pub(super) fn spread(&mut self, name: &str, x: TensorId, shape: &[usize]) -> Result<TensorId> {
        let mut own = self.draft.shape(x).to_vec();
        let missing = shape.len().saturating_sub(own.len());
        own.splice(0..0, std::iter::repeat_n(1, missing));
        let mut y = self
            .draft
            .reshape(&format!("{name}/rank"), x, own.clone())?;
        for (axis, (&from, &to)) in own.iter().zip(shape).enumerate() {
            if from == 1 && to > 1 {
                let indices = vec![0; to];
                y = self.draft.gather(name, y, axis, indices)?;
            }
        }
        if self.draft.shape(y) != shape {
            let expected = format!("a shape that broadcasts to {shape:?}");
            return Err(ImportError::malformed(name, expected, format!("{own:?}")));
        }
        Ok(y)
    }

    /// The first output's shape in the file.
    fn out_shape(&self, place: &Place<'_>) -> Result<Vec<usize>> {
        let shape = place
            .layer
            .out_shapes
            .first()
            .map_or(&[][..], Vec::as_slice);
        super::checked_shape(shape, &place.name)
    }
}

/// The permutation of `Transpose`: the shape, then the permutation; of `Permute` alone.
pub(super) fn permutation(params: &[i64], rank: usize) -> Option<Vec<usize>> {
    let perm = match params.len() == 2 * rank {
        true => params.get(rank..)?,
        false => params,
    };
    let perm: Option<Vec<usize>> = perm.iter().map(|&p| usize::try_from(p).ok()).collect();
    let perm = perm?;
    let fits = transposed_indices(&vec![1; rank], &perm).len() == 1 && perm.len() == rank;
    fits.then_some(perm)
}
