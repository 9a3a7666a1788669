//! Copies: the exception, where a consumer needs another arrangement of cells.

use super::{cell, Builder, Home, LayoutError, Limb, Step};
use crate::layout::{
    block::{Geometry, Range, Variable},
    bounds::span,
    form::per_word,
    pack::{word_major, word_major_cells},
    size::size,
};
use zkml_graph::TensorId;

impl Builder<'_> {
    /// Copies elements of `home` to new blocks of `geometry`: cell `i` gets element
    /// `elements[i]`, or zero where `None` and `zero_pads`.
    pub fn gather(
        &mut self,
        home: &Home,
        geometry: Geometry,
        elements: &[Option<usize>],
        zero_pads: bool,
    ) -> Result<Home, LayoutError> {
        let limbs: Vec<Limb> = home
            .limbs
            .iter()
            .map(|limb| Limb {
                block: self.block(geometry, self.blocks[limb.block].range),
                base: limb.base,
            })
            .collect();
        let copies = home
            .limbs
            .iter()
            .zip(&limbs)
            .flat_map(|(from, to)| {
                elements.iter().enumerate().filter_map(move |(i, element)| {
                    element.map(|e| (cell(to, i), cell(from, home.positions[e])))
                })
            })
            .collect();
        self.steps.push(Step::Gather { copies });
        if zero_pads {
            let pads: Vec<usize> = (0..geometry.cells())
                .filter(|&i| elements.get(i).copied().flatten().is_none())
                .collect();
            self.fix_zero(&limbs, home.offset, &pads)?;
        }
        let last = elements.iter().flatten().max();
        let mut positions = vec![0; last.map_or(Ok(0), |e| (size(*e) + 1).get())?];
        for (i, element) in elements.iter().enumerate() {
            if let Some(e) = element {
                positions[*e] = i;
            }
        }
        Ok(Home {
            limbs,
            offset: home.offset,
            geometry,
            positions,
            filled: false,
        })
    }

    /// Copies a home so that every cell of its blocks holds an element's value, in dense blocks.
    pub fn filled(&mut self, home: Home) -> Result<Home, LayoutError> {
        if home.is_full() {
            return Ok(home);
        }
        let count = home.positions.len();
        let geometry = self.geometry(1, count, Variable::Position)?;
        self.fill(&home, geometry, &(0..count).collect::<Vec<_>>())
    }

    /// Copies a home to blocks of another: elements at the same positions, the last one repeated.
    pub fn filled_like(&mut self, home: &Home, like: &Home) -> Result<Home, LayoutError> {
        self.fill(home, like.geometry, &like.positions)
    }

    fn fill(
        &mut self,
        home: &Home,
        geometry: Geometry,
        positions: &[usize],
    ) -> Result<Home, LayoutError> {
        let mut elements = vec![None; geometry.cells()];
        for (element, &position) in positions.iter().enumerate() {
            elements[position] = Some(element);
        }
        let (own, after) = elements.split_at_mut(positions.len());
        after.fill(own.last().copied().flatten());
        let mut filled = self.gather(home, geometry, &elements, false)?;
        filled.positions = positions.to_vec();
        filled.filled = true;
        Ok(filled)
    }

    /// Whether a home can be packed as it is: word by word, in tables of known size.
    pub fn is_packed(&self, home: &Home) -> Result<bool, LayoutError> {
        let exact = home
            .limbs
            .iter()
            .all(|limb| matches!(self.blocks[limb.block].range, Range::Exact(_)));
        let per_word = per_word(self.packed_bits(&home.limbs)?);
        let (elements, width) = (home.positions.len(), home.geometry.width());
        let segments = elements.div_ceil(width);
        Ok(exact
            && segments <= per_word
            && home.geometry.segments == segments
            && (elements == home.geometry.cells() || self.pads_are_zero(home))
            && word_major(elements, width).eq(home.positions.iter().copied()))
    }

    /// Whether cells without an element are known to hold zero, as a packer has them.
    fn pads_are_zero(&self, home: &Home) -> bool {
        let block = home.limbs.first().map(|limb| limb.block);
        let mut padded = self.zero_padded.iter();
        padded.any(|(known, elements)| Some(*known) == block && *elements == home.positions.len())
    }

    /// Copies a tensor to blocks that can be packed. The copied cells are looked up in tables of
    /// exactly the tensor's width.
    pub fn gather_packed(&mut self, id: TensorId, home: &Home) -> Result<Home, LayoutError> {
        let range = self.graph.tensors[id.0].range;
        let elements = home.positions.len();
        // The stored form is kept, so the width is that of the source's limbs. Zero pads.
        let top = home.limbs.last().map_or(1, |limb| limb.base);
        let values = span(home.offset, range.hi.max(0))
            .div_ceil(top)
            .next_power_of_two();
        if values > self.single_limit() {
            return Err(self.too_wide("output", values));
        }
        let largest = self.interval("an output", 0, i128::from(top) * i128::from(values) - 1)?;
        let bits = Self::bits_of(0, largest.hi);
        let geometry = self.packed_geometry(elements, bits, Variable::Channel)?;
        let cells = word_major_cells(elements, &geometry);
        let packed = self.gather(home, geometry, &cells, false)?;
        let next = packed.limbs.iter().skip(1).map(Some).chain([None]);
        for (limb, next) in packed.limbs.iter().zip(next) {
            let size = match next {
                None => values,
                Some(next) => next.base.checked_div(limb.base).unwrap_or(0),
            };
            self.blocks[limb.block].range = Range::Exact(size);
        }
        // Cells without elements stand for zero, or for the offset where zero cannot be stored.
        let pads: Vec<usize> = (0..cells.len()).filter(|&i| cells[i].is_none()).collect();
        self.fix_zero(&packed.limbs, home.offset.min(0), &pads)?;
        Ok(packed)
    }
}
