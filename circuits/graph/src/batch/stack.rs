//! Images of a batch below one another.
//!
//! A tensor `[C, H, W]` of each input becomes one `[C, T, W]`: row y of image b is row `b·S + y`, with
//! `S ≥ H`. Rows between images hold whatever the operations make of them; no row of an image depends
//! on them, because windows of an image's own outputs stay inside the image. A vector `[K]` becomes
//! `[K, B, 1]`, with one row for each input.

use super::{set, Draft};
use crate::{Graph, Op, TensorId, Window};

/// How the images stand.
#[derive(Clone, Copy, PartialEq)]
struct Stack {
    /// Rows from one image to the next.
    stride: usize,
    /// Rows of an image.
    height: usize,
}

struct Stacker<'g> {
    single: &'g Graph,
    count: usize,
    draft: Draft,
    /// The stacked tensor of each tensor.
    ids: Vec<TensorId>,
    stacks: Vec<Option<Stack>>,
}

/// The batch with every node once; `None` where an operation does not go with stacked images.
pub(super) fn stacked(single: &Graph, count: usize) -> Option<Graph> {
    let mut stacker = Stacker {
        single,
        count,
        draft: Draft::new(single, count),
        ids: (0..single.tensors.len()).map(TensorId).collect(),
        stacks: vec![None; single.tensors.len()],
    };
    for &id in &single.inputs {
        let flat = stacker.stack_input(id)?;
        stacker.define(id, flat.0, flat.1);
    }
    for node in &single.nodes {
        let (id, stack) = stacker.node(&node.name, &node.op, node.output)?;
        stacker.define(node.output, id, stack);
    }
    for &id in &single.outputs {
        let output = stacker.batch_output(id)?;
        stacker.draft.graph.outputs.push(output);
    }
    Some(stacker.draft.graph)
}

impl Stacker<'_> {
    fn define(&mut self, id: TensorId, stacked: TensorId, stack: Stack) {
        set(&mut self.ids, id, stacked);
        if let Some(slot) = self.stacks.get_mut(id.0) {
            *slot = Some(stack);
        }
    }

    /// Channels, rows and columns of one image; a vector has rows and columns of 1.
    fn image(&self, id: TensorId) -> Option<[usize; 3]> {
        match *self.single.shape_of(id).as_slice() {
            [c, h, w] => Some([c, h, w]),
            [k] => Some([k, 1, 1]),
            _ => None,
        }
    }

    fn read(&self, id: TensorId) -> Option<(TensorId, Stack)> {
        Some((*self.ids.get(id.0)?, (*self.stacks.get(id.0)?)?))
    }

    fn rows(&self, id: TensorId) -> usize {
        self.draft.tensor(id).shape.get(1).copied().unwrap_or(0)
    }

    /// `[B, C, H, W]` to `[C, B·H, W]`.
    fn stack_input(&mut self, id: TensorId) -> Option<(TensorId, Stack)> {
        let [c, h, w] = self.image(id)?;
        let name = self.draft.tensor(id).name;
        let parts = vec![self.count, c, h, w];
        let x = self.draft.node(name.clone(), Op::Reshape { x: id }, parts);
        let turned = vec![c, self.count, h, w];
        let perm = vec![1, 0, 2, 3];
        let x = self
            .draft
            .node(name.clone(), Op::Transpose { x, perm }, turned);
        let x = self
            .draft
            .node(name, Op::Reshape { x }, vec![c, self.count * h, w]);
        let stack = Stack {
            stride: h,
            height: h,
        };
        Some((x, stack))
    }

    /// Rows in their place: image after image without rows between.
    fn dense(&mut self, id: TensorId) -> Option<TensorId> {
        let (x, stack) = self.read(id)?;
        self.restack(x, stack, stack.height)
    }

    /// `rows` rows for each image; those beyond its own repeat its last.
    fn restack(&mut self, x: TensorId, stack: Stack, rows: usize) -> Option<TensorId> {
        let indices: Vec<usize> = (0..self.count)
            .flat_map(|b| {
                (0..rows).map(move |y| b * stack.stride + y.min(stack.height.saturating_sub(1)))
            })
            .collect();
        if indices.iter().copied().eq(0..self.rows(x)) {
            return Some(x);
        }
        let tensor = self.draft.tensor(x);
        let &[c, _, w] = tensor.shape.as_slice() else {
            return None;
        };
        let shape = vec![c, indices.len(), w];
        let op = Op::Gather {
            x,
            axis: 1,
            indices,
        };
        Some(self.draft.node(tensor.name, op, shape))
    }

    /// `[C, B·H, W]` to `[B, …]` with the single tensor's shape.
    fn batch_output(&mut self, id: TensorId) -> Option<TensorId> {
        let [c, h, w] = self.image(id)?;
        let x = self.dense(id)?;
        let name = self.single.tensors.get(id.0)?.name.clone();
        let parts = vec![c, self.count, h, w];
        let x = self.draft.node(name.clone(), Op::Reshape { x }, parts);
        let turned = vec![self.count, c, h, w];
        let perm = vec![1, 0, 2, 3];
        let x = self
            .draft
            .node(name.clone(), Op::Transpose { x, perm }, turned);
        let shape = [&[self.count], self.single.shape_of(id).as_slice()].concat();
        Some(self.draft.node(name, Op::Reshape { x }, shape))
    }

    fn node(&mut self, name: &str, op: &Op, output: TensorId) -> Option<(TensorId, Stack)> {
        match op {
            Op::Conv { x, window, .. } => self.windowed(name, op, *x, window, output),
            Op::AvgPool { x, window } | Op::MaxPool { x, window } => {
                self.windowed(name, op, *x, window, output)
            }
            Op::Linear {
                x,
                w,
                bias,
                div,
                clamp,
            } => {
                let x = self.dense(*x)?;
                let &[n, k] = self.single.shape_of(*w).as_slice() else {
                    return None;
                };
                // A matrix product is a convolution by one pixel.
                self.draft.graph.tensors.get_mut(w.0)?.shape = vec![n, k, 1, 1];
                let conv = Op::Conv {
                    x,
                    w: *w,
                    bias: *bias,
                    window: Window {
                        kernel: [1, 1],
                        stride: [1, 1],
                        pads: [0; 4],
                    },
                    groups: 1,
                    div: *div,
                    clamp: *clamp,
                };
                let y = self
                    .draft
                    .node(name.to_owned(), conv, vec![n, self.count, 1]);
                let stack = Stack {
                    stride: 1,
                    height: 1,
                };
                Some((y, stack))
            }
            Op::Scale { .. }
            | Op::Combine { .. }
            | Op::Mul { .. }
            | Op::Div { .. }
            | Op::Max { .. }
            | Op::Min { .. }
            | Op::Wrap { .. }
            | Op::Table { .. } => self.elementwise(name, op),
            Op::Reshape { x } => {
                let [c, h, w] = self.image(*x)?;
                let [to_c, to_h, to_w] = self.image(output)?;
                let x = self.dense(*x)?;
                let parts = vec![c, self.count, h, w];
                let x = self.draft.node(name.to_owned(), Op::Reshape { x }, parts);
                // The batch behind all elements, the new shape, and the batch back.
                let perm = vec![0, 2, 3, 1];
                let turned = vec![c, h, w, self.count];
                let x = self
                    .draft
                    .node(name.to_owned(), Op::Transpose { x, perm }, turned);
                let parts = vec![to_c, to_h, to_w, self.count];
                let x = self.draft.node(name.to_owned(), Op::Reshape { x }, parts);
                let perm = vec![0, 3, 1, 2];
                let turned = vec![to_c, self.count, to_h, to_w];
                let x = self
                    .draft
                    .node(name.to_owned(), Op::Transpose { x, perm }, turned);
                let shape = vec![to_c, self.count * to_h, to_w];
                let y = self.draft.node(name.to_owned(), Op::Reshape { x }, shape);
                let stack = Stack {
                    stride: to_h,
                    height: to_h,
                };
                Some((y, stack))
            }
            // Between images stand rows that are no results: those may be anything.
            Op::Check { .. }
            | Op::MatMul { .. }
            | Op::ReduceSum { .. }
            | Op::Transpose { .. }
            | Op::Gather { .. }
            | Op::Concat { .. }
            | Op::Constant { .. }
            | Op::Parameter { .. } => None,
        }
    }

    /// All operands stacked alike.
    fn elementwise(&mut self, name: &str, op: &Op) -> Option<(TensorId, Stack)> {
        let operands = op.data_operands();
        let (first, mut stack) = self.read(*operands.first()?)?;
        let alike = operands.iter().all(|x| {
            self.read(*x)
                .is_some_and(|(id, other)| other == stack && self.rows(id) == self.rows(first))
        });
        let mut read = Vec::with_capacity(operands.len());
        for x in &operands {
            let id = match alike {
                true => self.read(*x)?.0,
                false => self.dense(*x)?,
            };
            read.push((*x, id));
        }
        if !alike {
            stack.stride = stack.height;
        }
        let mut op = op.clone();
        op.map_operands(|id| {
            let known = read.iter().find(|(x, _)| *x == id);
            known.map_or(id, |(_, stacked)| *stacked)
        });
        let shape = self.draft.tensor(read.first()?.1).shape;
        Some((self.draft.node(name.to_owned(), op, shape), stack))
    }

    /// Convolutions and pools. Rows of padding are not made: those go the other way.
    fn windowed(
        &mut self,
        name: &str,
        op: &Op,
        input: TensorId,
        window: &Window,
        output: TensorId,
    ) -> Option<(TensorId, Stack)> {
        let [top, _, bottom, _] = window.pads;
        if top != 0 || bottom != 0 {
            return None;
        }
        let (mut x, mut stack) = self.read(input)?;
        let [channels, height, width] = self.image(output)?;
        let [step, kernel] = [window.stride[0], window.kernel[0]];
        if step > 1 {
            // Images start at a multiple of the step, and all their windows are inside.
            let used = (height - 1) * step + kernel;
            let rows = used.next_multiple_of(step);
            x = self.restack(x, stack, rows)?;
            stack.stride = rows;
        }
        let rows = (self.rows(x).checked_sub(kernel)?) / step + 1;
        let mut op = op.clone();
        op.map_operands(|id| if id == input { x } else { id });
        let y = self
            .draft
            .node(name.to_owned(), op, vec![channels, rows, width]);
        let stack = Stack {
            stride: stack.stride / step,
            height,
        };
        Some((y, stack))
    }
}

#[cfg(test)]
mod tests;
