//! Words: packed public values, and messages for the hash.
//!
//! Segments of `m` cells are packed *across* segments: word `i` of a group of segments is
//! `Σ_j 2^(b_0 + … + b_(j−1))·cell(segment j, i)`, `b_j` the bits of segment `j`. So the fold of
//! the words equals a short combination of folds that exist anyway. Cells are in tables of
//! known size, so a word has one decoding only. Cells that pad segments to whole rows are constants, and in
//! no word unless a longer segment shares it.
//!
//! A tensor that is exposed lies so that a word holds consecutive elements, the first in its
//! highest bits ([`word_major`]): a contract then packs what is consecutive in its calldata.

use std::{
    num::NonZeroU64,
    ops::{Add, Mul},
};

use halo2_proofs::{arithmetic::Field, halo2curves::bn256::Fr};

use super::{
    block::{BlockId, Geometry, Variable},
    builder::Builder,
    form::{per_word, Encoding, Exposed, WORD_BITS},
    home::Limb,
    program::Operand,
    repairs::{undone, Repair},
    size::size,
    statement::{Lane, Message, Packing, Place},
    LayoutError,
};
use zkml_graph::{Interval, TensorId, Visibility};

/// Position of each element in a block of segments of `width` cells whose words hold consecutive
/// elements: element `i·S + t` is in cell `i` of segment `S − 1 − t`, of `S` segments.
pub fn word_major(elements: usize, width: usize) -> impl Iterator<Item = usize> {
    let firsts = (0..elements).step_by(width.max(1));
    // The place of a cell of a block, which is in memory.
    let cell = |i: usize| move |first: usize| first.saturating_add(i);
    (0..width)
        .flat_map(move |i| firsts.clone().rev().map(cell(i)))
        .take(elements)
}

/// The element in each cell of such a block ([`Builder::packed_geometry`]); none in those that pad the last words.
pub fn word_major_cells(elements: usize, geometry: &Geometry) -> Vec<Option<usize>> {
    let mut cells = vec![None; geometry.cells()];
    for (element, position) in word_major(elements, geometry.width()).enumerate() {
        cells[position] = Some(element);
    }
    cells
}

/// 2^bits.
fn shifted(bits: u32) -> Fr {
    match 1u64.checked_shl(bits) {
        Some(power) => Fr::from(power),
        None => Fr::from(2).pow_vartime([u64::from(bits)]),
    }
}

impl Builder<'_> {
    /// Bits that the value of limbs takes in a word.
    pub fn packed_bits(&self, limbs: &[Limb]) -> Result<u32, LayoutError> {
        let zeros = self.largest(limbs)?.leading_zeros();
        Ok(i128::BITS.saturating_sub(zeros).max(1))
    }

    /// The segments of a block as lanes: of each the first `cells`, the others hold `pad`.
    pub fn lanes(
        &self,
        limbs: &[Limb],
        segments: usize,
        cells: usize,
        pad: u64,
    ) -> Result<impl Iterator<Item = Lane>, LayoutError> {
        let bits = self.packed_bits(limbs)?;
        let limbs = limbs.to_vec();
        Ok((0..segments).map(move |segment| Lane {
            limbs: limbs.clone(),
            segment,
            bits,
            cells,
            pad,
        }))
    }

    /// Packs lanes of `rows` rows each into a message, as many to a word as fit.
    pub fn pack(
        &mut self,
        lanes: Vec<Lane>,
        rows: usize,
        variable: Variable,
        message: usize,
    ) -> Result<(), LayoutError> {
        let mut group: Vec<Lane> = Vec::new();
        for lane in lanes {
            let bits = group.iter().chain([&lane]).map(|lane| lane.bits);
            // A sum that saturates is more than a word has.
            if bits.fold(0, u32::saturating_add) > WORD_BITS && !group.is_empty() {
                let full = std::mem::take(&mut group);
                let end = self.end_of(message);
                self.pack_group(full, rows, variable, end)?;
            }
            group.push(lane);
        }
        if !group.is_empty() {
            let end = self.end_of(message);
            self.pack_group(group, rows, variable, end)?;
        }
        Ok(())
    }

    /// The place after the last word of a message.
    fn end_of(&self, message: usize) -> Place {
        let index = self.statement.messages[message].words;
        Place::Message { message, index }
    }

    /// Packs lanes into words, the first of them at this place.
    fn pack_group(
        &mut self,
        lanes: Vec<Lane>,
        rows: usize,
        variable: Variable,
        first: Place,
    ) -> Result<(), LayoutError> {
        let width = (size(rows) * self.shape.data).get()?;
        // Beyond that a word would have two decodings.
        let bits = lanes.iter().map(|lane| lane.bits);
        let bits = bits.fold(0, u32::saturating_add);
        if bits > WORD_BITS {
            return Err(self.unsupported(
                format!("words of {bits} bits"),
                "a word holds 253 bits; use smaller ranges",
            ));
        }
        let words = lanes.iter().map(|lane| lane.cells).max().unwrap_or(0);
        let first_word = self.statement.words.len();
        let from = match first {
            Place::Instance(first) => first,
            Place::Message { index, .. } => index,
        };
        let end = (size(from) + words).get()?;
        if let Place::Message { message, .. } = first {
            self.statement.messages[message].words = end;
        }
        let places = &mut self.statement.words;
        places.extend((from..end).map(|index| match first {
            Place::Instance(_) => Place::Instance(index),
            Place::Message { message, .. } => Place::Message { message, index },
        }));
        let all = first_word..places.len();
        let challenge = self.challenge(variable);
        let mut left = self.horner(challenge, all.map(Operand::Word));
        if let Some(after @ 1..) = width.checked_sub(words) {
            // The cells after those of words hold constants.
            let shift = self.power(variable, after);
            left = self.mul(left, shift);
            let pads = lanes.iter().rev().fold(Fr::ZERO, |higher, lane| {
                higher.mul(shifted(lane.bits)).add(Fr::from(lane.pad))
            });
            let pads = self.constant(pads);
            let ones = self.ones(variable, after);
            left = self.program.mul_add(pads, ones, left);
        }
        let one = self.one();
        let mut right = None;
        for lane in lanes.iter().rev() {
            let segment = lane.segment;
            let value = self.value(
                &lane.limbs,
                0,
                |block| Operand::Fold { block, segment },
                one,
            );
            right = Some(match right {
                None => value,
                Some(higher) => {
                    let shift = self.constant(shifted(lane.bits));
                    self.program.mul_add(higher, shift, value)
                }
            });
        }
        if let Some(right) = right {
            self.program.assert_equal(left, right);
        }
        self.statement.packings.push(Packing {
            lanes,
            rows,
            first_word,
            words,
        });
        Ok(())
    }

    /// Exposes a tensor whose home is packed ([`Builder::is_packed`]). Its declared range must be within what
    /// words hold: two tensors of that range then have different words.
    pub fn expose(
        &mut self,
        tensor: TensorId,
        visibility: Visibility,
        limbs: &[Limb],
        offset: i64,
        geometry: Geometry,
    ) -> Result<Exposed, LayoutError> {
        let range = self.graph.tensors[tensor.0].range;
        let stated = visibility != Visibility::Private;
        if stated && !self.in_words(range, offset, limbs)? {
            return Err(self.unsupported(
                format!(
                    "values in [{}, {}] in words of {} bits from {offset} on",
                    range.lo,
                    range.hi,
                    self.packed_bits(limbs)?
                ),
                "declare a range that its words hold",
            ));
        }
        let encoding = Encoding {
            lo: offset,
            bits: self.packed_bits(limbs)?,
            words: geometry.width(),
        };
        let encoding = stated.then_some(encoding);
        let form = &mut self.statement.form;
        let exposed = form.next(self.graph, tensor, visibility, encoding)?;
        let Some(instance) = exposed.instance else {
            return Ok(exposed);
        };
        let first = match (exposed.message, exposed.domain()) {
            (Some(message), Some(domain)) => {
                // The salt is before the words.
                self.statement.messages.push(Message {
                    domain,
                    words: 1,
                    digest: instance,
                });
                Place::Message { message, index: 1 }
            }
            _ => Place::Instance(instance),
        };
        let lanes = self.lanes(limbs, geometry.segments, geometry.width(), 0)?;
        let lanes = lanes.collect();
        self.pack_group(lanes, geometry.rows, geometry.variable, first)?;
        Ok(exposed)
    }

    /// Whether all of a range, and the zero or the offset that stands for no element, is in the bits that
    /// these limbs take in a word.
    pub fn in_words(
        &self,
        range: Interval,
        offset: i64,
        limbs: &[Limb],
    ) -> Result<bool, LayoutError> {
        if undone(Repair::Words) {
            return Ok(true);
        }
        let above = (1i128 << self.packed_bits(limbs)?.min(WORD_BITS.min(126))) - 1;
        let most = i128::from(range.hi.max(0)) - i128::from(offset);
        Ok(offset <= range.lo && most <= above)
    }

    /// Geometry of a tensor of `elements` values of `bits` bits that will be packed: as many
    /// segments as a word has elements, so that the words are one segment long.
    pub fn packed_geometry(
        &self,
        elements: usize,
        bits: u32,
        variable: Variable,
    ) -> Result<Geometry, LayoutError> {
        let columns = self.shape.data;
        let rows = size(elements).div_ceil(size(per_word(bits)) * columns);
        let rows = size(rows.get()?.max(1));
        let segments = size(elements).div_ceil(rows * columns);
        Geometry::new(segments, rows, columns, variable)
    }

    /// Bits of a value in `[lo, hi]` once it is packed.
    pub fn bits_of(lo: i64, hi: i64) -> u32 {
        let values = super::bounds::span(lo, hi);
        values.next_power_of_two().trailing_zeros().max(1)
    }

    /// What limbs of this offset hold for `value`.
    pub fn digits(&self, value: i64, offset: i64, limbs: &[Limb]) -> Result<Vec<u64>, LayoutError> {
        let stored = i128::from(value) - i128::from(offset);
        let mut rest = u64::try_from(stored).map_err(|_| {
            self.unsupported(
                format!("{value} in a tensor of values from {offset} on"),
                "use ranges that hold the constants beside them",
            )
        })?;
        let mut digits = vec![0u64; limbs.len()];
        for (digit, limb) in digits.iter_mut().zip(limbs).rev() {
            let base = NonZeroU64::new(limb.base)
                .ok_or_else(|| LayoutError::Graph("a limb without a base".into()))?;
            (*digit, rest) = (rest / base, rest % base);
        }
        Ok(digits)
    }

    /// The stored limbs that mean zero at `positions` become constants.
    pub fn fix_zero(
        &mut self,
        limbs: &[Limb],
        offset: i64,
        positions: &[usize],
    ) -> Result<(), LayoutError> {
        if positions.is_empty() {
            return Ok(());
        }
        if !self.held(offset, limbs)?.contains(0) {
            return Err(self.unsupported(
                "padding a tensor whose range excludes zero",
                "pad before the activation",
            ));
        }
        let values = self.digits(0, offset, limbs)?;
        let cells = limbs
            .iter()
            .zip(values)
            .flat_map(|(limb, value)| {
                positions.iter().map(move |&index| {
                    (
                        super::block::Cell {
                            block: limb.block,
                            index,
                        },
                        value,
                    )
                })
            })
            .collect();
        self.steps.push(super::Step::Fixed { cells });
        Ok(())
    }

    /// A block's total fold: segments in order, combined with the channel variable. Where the
    /// segments are folded along it themselves they continue each other as one run: were the
    /// variable used across them as well, cells of two segments would share a power, and a
    /// prover could shift values between them.
    pub fn total(&mut self, block: BlockId) -> Operand {
        let geometry = self.blocks[block].geometry;
        match geometry.variable {
            Variable::Channel => self.flat(block),
            Variable::Position => {
                let channel = self.challenge(Variable::Channel);
                self.horner(
                    channel,
                    (0..geometry.segments).map(|segment| Operand::Fold { block, segment }),
                )
            }
        }
    }
}
