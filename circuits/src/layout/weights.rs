//! Weight matrices: rows of weights in segments, committed to by C.

use super::{
    block::{Geometry, Variable},
    builder::Builder,
    home::Limb,
    pack::Statement,
    program::Operand,
    LayoutError, Step,
};
use crate::graph::{Interval, TensorId};

/// Weights laid out as segments (one per input term) of channels.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// Limbs of the stored value.
    pub limbs: Vec<Limb>,
    /// Offset of the stored value.
    pub offset: i64,
    /// Geometry: folded along channels.
    pub geometry: Geometry,
    /// Channels up to the last that has weights; the rest of a segment is zero.
    pub channels: usize,
}

impl Builder<'_> {
    /// Lays out `segments` of weights with values in `range`, zero where there is none, and marks
    /// them for C; once.
    pub fn weights(
        &mut self,
        segments: &[Vec<Option<(TensorId, usize)>>],
        range: Interval,
    ) -> Result<Matrix, LayoutError> {
        // Runs of a batch read the same weights.
        let laid = self
            .matrices
            .iter()
            .find(|laid| laid.0 == segments && laid.1 == range);
        if let Some((_, _, matrix)) = laid {
            return Ok(matrix.clone());
        }
        let matrix = self.lay_weights(segments, range)?;
        self.matrices
            .push((segments.to_vec(), range, matrix.clone()));
        Ok(matrix)
    }

    fn lay_weights(
        &mut self,
        segments: &[Vec<Option<(TensorId, usize)>>],
        range: Interval,
    ) -> Result<Matrix, LayoutError> {
        let last = |segment: &Vec<Option<_>>| segment.iter().rposition(Option::is_some);
        let channels = segments.iter().filter_map(last).max().map_or(0, |c| c + 1);
        let geometry = Geometry {
            segments: segments.len(),
            rows: self.rows_for(channels),
            variable: Variable::Channel,
        };
        let values = super::emit::span(range.lo, range.hi);
        let limbs = self.limbs("weight", values, true, geometry)?;
        let width = geometry.rows * self.shape.data;
        let mut elements = Vec::with_capacity(width * segments.len());
        let mut pads = Vec::new();
        for segment in segments {
            for o in 0..width {
                let weight = segment.get(o).copied().flatten();
                if weight.is_none() {
                    // A padding weight is zero: it would be a channel of its own otherwise.
                    pads.push(elements.len());
                }
                elements.push(weight);
            }
        }
        self.steps.push(Step::Given {
            limbs: limbs.clone(),
            offset: range.lo,
            elements,
        });
        self.fix_zero(&limbs, range.lo, &pads)?;
        let zero = range.lo.unsigned_abs();
        let lanes: Vec<_> = self
            .lanes(&limbs, geometry.segments, channels, zero)
            .collect();
        self.committed
            .entry(geometry.rows)
            .or_default()
            .extend(lanes);
        Ok(Matrix {
            limbs,
            offset: range.lo,
            geometry,
            channels,
        })
    }

    /// Packs all weights into the model's message: segments of as many rows share words, whatever
    /// layer they belong to, the longest first.
    pub fn commit_weights(&mut self) {
        for (rows, mut lanes) in std::mem::take(&mut self.committed) {
            lanes.sort_by_key(|lane| std::cmp::Reverse(lane.cells));
            self.pack(lanes, rows, Variable::Channel, Some(Statement::MODEL));
        }
    }

    /// The smallest interval of committed width that holds all of `tensors`.
    pub fn weight_range(&self, tensors: &[TensorId]) -> Interval {
        let widest = tensors
            .iter()
            .map(|id| self.graph.tensors[id.0].range)
            .fold(Interval { lo: -1, hi: 0 }, Interval::union);
        let mut bound = 1i64;
        while widest.lo < -bound || widest.hi >= bound {
            // A validated graph has ranges of 62 bits, so this ends.
            bound *= 2;
        }
        Interval {
            lo: -bound,
            hi: bound - 1,
        }
    }

    /// Fold of a segment, with the offset.
    pub fn weight_fold(&mut self, matrix: &Matrix, segment: usize) -> Operand {
        let ones = self.ones(Variable::Channel, matrix.geometry.rows * self.shape.data);
        self.value(
            &matrix.limbs,
            matrix.offset,
            |block| Operand::Fold { block, segment },
            ones,
        )
    }

    /// Fold of a segment, without the offset.
    pub fn weight_fold_raw(&mut self, matrix: &Matrix, segment: usize) -> Operand {
        let one = self.one();
        self.value(
            &matrix.limbs,
            0,
            |block| Operand::Fold { block, segment },
            one,
        )
    }

    /// One weight.
    pub fn weight_cell(&mut self, matrix: &Matrix, segment: usize, channel: usize) -> Operand {
        let one = self.one();
        let index = segment * matrix.geometry.rows * self.shape.data + channel;
        self.value(
            &matrix.limbs,
            matrix.offset,
            |block| Operand::Cell { block, index },
            one,
        )
    }
}
