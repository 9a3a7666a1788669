//! Tensors put together, public numbers, and weights that are read like computed tensors.

use std::collections::BTreeMap;

use super::{cell, term, Builder, Home, LayoutError};
use crate::layout::{
    block::{Cell, Range, Variable},
    bounds::{span, Declared},
    emit::Output,
    form::per_word,
    size::size,
    Accumulator, Step,
};
use zkml_graph::{Interval, Op, TensorId};

impl Builder<'_> {
    /// Lowers [`Op::Concat`]: operands are brought to one stored form and copied to one block; public
    /// numbers are fixed there.
    pub fn lower_concat(
        &mut self,
        node: usize,
        op: &Op,
        operands: &[TensorId],
        output: TensorId,
    ) -> Result<String, LayoutError> {
        let order = self.moved(op)?;
        let numbers: Vec<Option<Vec<i64>>> = operands
            .iter()
            .map(|x| self.constants[x.0].clone())
            .collect();
        if numbers.iter().all(Option::is_some) {
            let at = |(operand, e): &(usize, usize)| {
                let values = numbers[*operand].as_ref();
                values.map_or(0, |values| values[*e])
            };
            self.constants[output.0] = Some(order.iter().map(at).collect());
            return Ok("public numbers".into());
        }
        let mut homes: BTreeMap<usize, Home> = BTreeMap::new();
        for (i, x) in operands.iter().enumerate() {
            if numbers[i].is_none() {
                homes.insert(i, self.home(*x)?);
            }
        }
        let fixed: Vec<i64> = numbers.iter().flatten().flatten().copied().collect();
        if !self.one_form(&homes, &fixed)? {
            let mut all = fixed
                .iter()
                .map(|&v| Interval::point(v))
                .reduce(Interval::union);
            for home in homes.values() {
                let held = self.held(home.offset, &home.limbs)?;
                all = Some(all.map_or(held, |all| all.union(held)));
            }
            let all = all.unwrap_or(Interval::point(0));
            for home in homes.values_mut() {
                *home = self.restored(node, home, all)?;
            }
        }
        let (Some(first), Some(last)) = (homes.values().next().cloned(), order.last()) else {
            return Err(LayoutError::Graph("nothing to put together".into()));
        };
        let geometry = self.geometry(1, order.len(), Variable::Position)?;
        let mut limbs = first.limbs.clone();
        for (l, limb) in limbs.iter_mut().enumerate() {
            let ranges = homes
                .values()
                .map(|home| self.blocks[home.limbs[l].block].range);
            let range = ranges.reduce(wider).unwrap_or(Range::AtLeast(1));
            limb.block = self.block(geometry, range);
        }
        let (mut copies, mut cells) = (Vec::new(), Vec::new());
        // The last element fills its row.
        let sources = order.iter().chain(std::iter::repeat(last));
        for (at, &(operand, element)) in (0..geometry.cells()).zip(sources) {
            match (&numbers[operand], homes.get(&operand)) {
                (Some(values), _) => {
                    let digits = self.digits(values[element], first.offset, &limbs)?;
                    cells.extend(limbs.iter().zip(digits).map(|(l, d)| (cell(l, at), d)));
                }
                (None, Some(home)) => {
                    for (to, from) in limbs.iter().zip(&home.limbs) {
                        copies.push((cell(to, at), cell(from, home.positions[element])));
                    }
                }
                (None, None) => return Err(LayoutError::Graph("an operand without a home".into())),
            }
        }
        self.steps.push(Step::Gather { copies });
        self.steps.push(Step::Fixed { cells });
        self.homes[output.0] = Some(Home {
            limbs,
            offset: first.offset,
            geometry,
            positions: (0..order.len()).collect(),
            filled: true,
        });
        Ok(format!("{} tensors copied", operands.len()))
    }

    /// Whether the homes store values alike, and the numbers can be stored so.
    fn one_form(&self, homes: &BTreeMap<usize, Home>, fixed: &[i64]) -> Result<bool, LayoutError> {
        let Some(first) = homes.values().next() else {
            return Ok(true);
        };
        let alike = homes.values().all(|home| {
            home.offset == first.offset
                && home.limbs.len() == first.limbs.len()
                && home
                    .limbs
                    .iter()
                    .zip(&first.limbs)
                    .all(|(a, b)| a.base == b.base)
        });
        let held = self.held(first.offset, &first.limbs)?;
        Ok(alike && fixed.iter().all(|v| held.contains(*v)))
    }

    /// The same values, stored so that zero can be stored beside them.
    pub(super) fn storing_zero(&mut self, node: usize, home: Home) -> Result<Home, LayoutError> {
        let held = self.held(home.offset, &home.limbs)?;
        match held.contains(0) {
            true => Ok(home),
            false => self.restored(node, &home, held.union(Interval::point(0))),
        }
    }

    /// The same values stored for the interval `all`.
    pub(super) fn restored(
        &mut self,
        node: usize,
        home: &Home,
        all: Interval,
    ) -> Result<Home, LayoutError> {
        let emit = self.emit(Output {
            geometry: home.geometry,
            div: 1,
            pre: Declared::of(all),
            clamp: None,
            bias: None,
            packed: false,
        })?;
        let terms = vec![term(1, home)];
        self.assert_terms(&terms, 0, &emit)?;
        let restored = emit.home(home.positions.clone());
        self.steps.push(Step::Compute {
            node,
            accumulator: Box::new(Accumulator::Sum { terms, constant: 0 }),
            emit: Box::new(emit),
        });
        Ok(restored)
    }

    /// Public numbers in cells, tied to constants.
    pub fn lay_constant(&mut self, values: &[i64]) -> Result<Home, LayoutError> {
        let lo = values.iter().copied().min().unwrap_or(0).min(0);
        let hi = values.iter().copied().max().unwrap_or(0).max(0);
        let geometry = self.geometry(1, values.len(), Variable::Position)?;
        let limbs = self.limbs("constant", span(lo, hi), false, geometry)?;
        let mut cells: Vec<(Cell, u64)> = Vec::new();
        // The last number fills its row.
        let filled = values.iter().chain(values.last().into_iter().cycle());
        for (at, value) in (0..geometry.cells()).zip(filled) {
            let digits = self.digits(*value, lo, &limbs)?;
            cells.extend(limbs.iter().zip(digits).map(|(l, d)| (cell(l, at), d)));
        }
        self.steps.push(Step::Fixed { cells });
        Ok(Home {
            limbs,
            offset: lo,
            geometry,
            positions: (0..values.len()).collect(),
            filled: true,
        })
    }

    /// Lowers [`Op::Parameter`]: as many segments as share a word of the commitment.
    pub fn lower_parameter(
        &mut self,
        w: TensorId,
        output: TensorId,
    ) -> Result<String, LayoutError> {
        let elements = self.elements(w)?;
        let range = self.weight_range(w);
        let lanes = per_word(Self::bits_of(range.lo, range.hi));
        let rows = self.rows_for(elements.div_ceil(lanes));
        let width = (size(rows) * self.shape.data).get()?;
        let all: Vec<_> = (0..elements).map(|e| Some((w, e))).collect();
        let segments: Vec<_> = all.chunks(width).map(<[_]>::to_vec).collect();
        let matrix = self.weights(segments)?;
        self.homes[output.0] = Some(Home {
            limbs: matrix.limbs,
            offset: matrix.offset,
            geometry: matrix.geometry,
            positions: (0..elements).collect(),
            filled: false,
        });
        Ok("weights in cells".into())
    }
}

/// The range that holds both.
fn wider(a: Range, b: Range) -> Range {
    match a.size() >= b.size() {
        true if a == b => a,
        _ => Range::AtLeast(a.size().max(b.size())),
    }
}
