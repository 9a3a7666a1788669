//! Weight matrices: rows of weights in segments, committed to by C.
//!
//! A weight has one home, its cells where it was laid out first, and C commits to those. Where another layer
//! reads it in another arrangement its cells are copies: W is the same W whoever reads it. Tensors that share
//! a matrix are stored alike, and so are those that share one with them, for cells to be copied as they are.

use super::{
    block::{Cell, Variable},
    builder::{Builder, Segments},
    home::Limb,
    matrix::{Matrix, WeightHome},
    program::Operand,
    repairs::{undone, Repair},
    size::Size,
    statement::Statement,
    LayoutError, Step,
};
use zkml_graph::{Interval, TensorId};

impl Builder<'_> {
    /// Lays out `segments` of weights, zero where there is none, and marks those for C that have no cells yet.
    pub fn weights(&mut self, segments: Segments) -> Result<Matrix, LayoutError> {
        // Runs of a batch read the same weights.
        if let Some(matrix) = self.matrices.get(&segments) {
            return Ok(matrix.clone());
        }
        let matrix = self.lay_weights(&segments)?;
        self.matrices.insert(segments, matrix.clone());
        Ok(matrix)
    }

    fn lay_weights(
        &mut self,
        segments: &[Vec<Option<(TensorId, usize)>>],
    ) -> Result<Matrix, LayoutError> {
        let any = segments.iter().flatten().flatten().next();
        let range = any.map_or(Interval { lo: -1, hi: 0 }, |(id, _)| self.weight_range(*id));
        let last = |segment: &Vec<Option<_>>| segment.iter().rposition(Option::is_some);
        // As many as up to an index of a slice.
        let channels = segments.iter().filter_map(last).max();
        let channels = channels.map_or(0, |c| c.saturating_add(1));
        let geometry = self.geometry(segments.len(), channels, Variable::Channel)?;
        let values = super::bounds::span(range.lo, range.hi);
        let limbs = self.limbs("weight", values, true, geometry)?;
        let mut elements = Vec::with_capacity(geometry.cells());
        let (mut pads, mut copies) = (Vec::new(), Vec::new());
        // Segments that are nothing but copies are in C already.
        let mut fresh = vec![false; segments.len()];
        for (s, segment) in segments.iter().enumerate() {
            for o in 0..geometry.width() {
                let at = elements.len();
                let mut weight = segment.get(o).copied().flatten();
                match weight {
                    // A padding weight is zero: it would be a channel of its own otherwise.
                    None => pads.push(at),
                    Some((id, element)) => match self.weight_home(id, element, &limbs, at)? {
                        None => fresh[s] = true,
                        Some(known) => {
                            copies.extend(known);
                            weight = None;
                        }
                    },
                }
                elements.push(weight);
            }
        }
        self.steps.push(Step::Given {
            limbs: limbs.clone(),
            offset: range.lo,
            elements,
        });
        if !copies.is_empty() {
            self.steps.push(Step::Gather { copies });
        }
        self.fix_zero(&limbs, range.lo, &pads)?;
        let zero = range.lo.unsigned_abs();
        let lanes: Vec<_> = self
            .lanes(&limbs, geometry.segments, channels, zero)?
            .filter(|lane| fresh[lane.segment])
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
    pub fn commit_weights(&mut self) -> Result<(), LayoutError> {
        for (rows, mut lanes) in std::mem::take(&mut self.committed) {
            lanes.sort_by_key(|lane| std::cmp::Reverse(lane.cells));
            self.pack(lanes, rows, Variable::Channel, Statement::MODEL)?;
        }
        Ok(())
    }

    /// The interval that a weight tensor is stored in.
    pub fn weight_range(&self, id: TensorId) -> Interval {
        let range = self.stored_ranges.get(id.0).copied();
        range.unwrap_or(Interval { lo: -1, hi: 0 })
    }

    /// Where a weight that is to stand at `at` has its cells already: `(copy, home)` of each limb. If it has
    /// none, these become its home.
    fn weight_home(
        &mut self,
        id: TensorId,
        element: usize,
        limbs: &[Limb],
        at: usize,
    ) -> Result<Option<Vec<(Cell, Cell)>>, LayoutError> {
        let missing = || LayoutError::Graph(format!("tensor {} has no element {element}", id.0));
        let count = self
            .graph
            .tensors
            .get(id.0)
            .and_then(|t| Size::product(t.shape.iter().copied()).known());
        let homes = self.weight_homes.get_mut(id.0).ok_or_else(missing)?;
        let tied = !undone(Repair::Sharing);
        let known = homes
            .iter()
            .filter(|_| tied)
            .find_map(|home| Some((home, (*home.places.get(element)?)?)));
        if let Some((home, place)) = known {
            let alike = |(a, b): (&Limb, &Limb)| a.base == b.base;
            if home.limbs.len() != limbs.len() || !home.limbs.iter().zip(limbs).all(alike) {
                return Err(LayoutError::Graph(format!(
                    "tensor {} is stored in two forms",
                    id.0
                )));
            }
            let cell = |limb: &Limb, index| Cell {
                block: limb.block,
                index,
            };
            let pairs = limbs.iter().zip(&home.limbs);
            let copies = pairs.map(|(to, from)| (cell(to, at), cell(from, place)));
            return Ok(Some(copies.collect()));
        }
        let own = homes.iter_mut().find(|home| home.limbs == limbs);
        let home = match own {
            Some(home) => home,
            None => {
                homes.push(WeightHome {
                    limbs: limbs.to_vec(),
                    places: vec![None; count.unwrap_or(0)],
                });
                homes.last_mut().ok_or_else(missing)?
            }
        };
        *home.places.get_mut(element).ok_or_else(missing)? = Some(at);
        Ok(None)
    }

    /// Fold of a segment, with the offset.
    pub fn weight_fold(&mut self, matrix: &Matrix, segment: usize) -> Operand {
        let ones = self.ones(Variable::Channel, matrix.geometry.width());
        self.value(
            &matrix.limbs,
            matrix.offset.into(),
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
    pub fn weight_cell(
        &mut self,
        matrix: &Matrix,
        segment: usize,
        channel: usize,
    ) -> Result<Operand, LayoutError> {
        let one = self.one();
        let index = matrix.geometry.at(segment, channel).get()?;
        Ok(self.value(
            &matrix.limbs,
            matrix.offset.into(),
            |block| Operand::Cell { block, index },
            one,
        ))
    }
}
