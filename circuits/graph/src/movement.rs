//! Operations that only move elements: which element of which operand each result is.

use super::Op;

/// For each element of the result, in row-major order, `(operand, element)`; `None` for an
/// operation that computes. `shapes` are those of [`Op::data_operands`], checked before.
pub fn sources(op: &Op, shapes: &[&[usize]]) -> Option<Vec<(usize, usize)>> {
    let first = shapes.first().copied().unwrap_or_default();
    let of_first = |elements: Vec<usize>| elements.into_iter().map(|e| (0, e)).collect();
    Some(match op {
        Op::Reshape { .. } => of_first((0..first.iter().product()).collect()),
        Op::Transpose { perm, .. } => of_first(transposed_indices(first, perm)),
        Op::Gather { axis, indices, .. } => {
            let size = first.get(*axis).copied()?;
            let inner: usize = first.iter().skip(axis + 1).product();
            let outer: usize = first.iter().take(*axis).product();
            let row = |o: usize, i: usize| {
                let start = (o * size + i) * inner;
                start..start + inner
            };
            let rows = (0..outer).flat_map(|o| indices.iter().map(move |&i| (o, i)));
            of_first(rows.flat_map(|(o, i)| row(o, i)).collect())
        }
        Op::Concat { axis, .. } => {
            let outer: usize = first.iter().take(*axis).product();
            let part = |shape: &[usize]| shape.iter().skip(*axis).product::<usize>();
            (0..outer)
                .flat_map(|o| {
                    shapes.iter().enumerate().flat_map(move |(operand, shape)| {
                        let run = part(shape);
                        (o * run..(o + 1) * run).map(move |e| (operand, e))
                    })
                })
                .collect()
        }
        Op::Conv { .. }
        | Op::Linear { .. }
        | Op::Scale { .. }
        | Op::Combine { .. }
        | Op::Mul { .. }
        | Op::MatMul { .. }
        | Op::Div { .. }
        | Op::Max { .. }
        | Op::Min { .. }
        | Op::Wrap { .. }
        | Op::Check { .. }
        | Op::Table { .. }
        | Op::ReduceSum { .. }
        | Op::AvgPool { .. }
        | Op::MaxPool { .. }
        | Op::Constant { .. }
        | Op::Parameter { .. } => return None,
    })
}

/// For each element of the transposed tensor, its index in the source.
pub fn transposed_indices(shape: &[usize], perm: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for d in (1..shape.len()).rev() {
        strides[d - 1] = strides[d].saturating_mul(shape[d]);
    }
    let axes: Vec<(usize, usize)> = perm
        .iter()
        .filter_map(|&p| Some((*shape.get(p)?, *strides.get(p)?)))
        .collect();
    let mut indices = vec![0usize];
    for &(size, stride) in &axes {
        indices = indices
            .iter()
            .flat_map(|&base| (0..size).map(move |i| base + i * stride))
            .collect();
    }
    indices
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TensorId;

    #[test]
    fn gather_and_concat() {
        let x = TensorId(0);
        let gather = |axis, indices: &[usize]| Op::Gather {
            x,
            axis,
            indices: indices.to_vec(),
        };
        let only = |op: &Op, shape: &[usize]| -> Vec<usize> {
            sources(op, &[shape])
                .unwrap()
                .into_iter()
                .map(|s| s.1)
                .collect()
        };
        assert_eq!(only(&gather(1, &[2, 0]), &[2, 3]), [2, 0, 5, 3]);
        assert_eq!(only(&gather(0, &[1, 1]), &[2, 3]), [3, 4, 5, 3, 4, 5]);
        let concat = Op::Concat {
            xs: vec![x, x],
            axis: 1,
        };
        let shapes: [&[usize]; 2] = [&[2, 1], &[2, 2]];
        assert_eq!(
            sources(&concat, &shapes).unwrap(),
            [(0, 0), (1, 0), (1, 1), (0, 1), (1, 2), (1, 3)]
        );
    }
}
