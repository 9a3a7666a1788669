//! Words: packed public values, and messages for the hash.
//!
//! A block of `S` segments of `m` cells is packed *across* segments: word `i` of a group of up
//! to `p` segments is `Σ_j 2^(bits·j)·cell(segment j, i)`. So the fold of the words equals a
//! short combination of folds that exist anyway. Cells are in tables of known size, so a word
//! has one decoding only.

use halo2_proofs::{arithmetic::Field, halo2curves::bn256::Fr};

use super::{
    block::{BlockId, Geometry, Range, Variable},
    builder::Builder,
    home::Limb,
    program::Operand,
    LayoutError,
};
use crate::{
    graph::{TensorId, Visibility},
    hash::Domain,
};

/// Bits of a word: below the field's 253.6 and the byte boundary that contracts like.
pub const WORD_BITS: u32 = 248;

/// Where a word stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the statement.
    Instance(usize),
    /// Absorbed by a message.
    Message {
        /// Message.
        message: usize,
        /// Position in it.
        index: usize,
    },
}

/// A packed block.
#[derive(Clone, Debug)]
pub struct Packing {
    /// Limbs of the packed value.
    pub limbs: Vec<Limb>,
    /// Value is this plus the stored one.
    pub offset: i64,
    /// Bits per element.
    pub bits: u32,
    /// Elements per word.
    pub per_word: usize,
    /// First word.
    pub first_word: usize,
    /// Geometry of the blocks.
    pub geometry: Geometry,
}

/// A hashed message: a salt, then words.
#[derive(Clone, Debug)]
pub struct Message {
    /// Domain.
    pub domain: Domain,
    /// Words, salt included.
    pub words: usize,
    /// Instance that holds the digest.
    pub digest: usize,
}

/// How an input or output appears in the statement.
#[derive(Clone, Debug)]
pub struct Exposed {
    /// The tensor.
    pub tensor: TensorId,
    /// Its visibility.
    pub visibility: Visibility,
    /// Public: its packing (index). Hashed: its message.
    pub packing: Option<usize>,
    /// First instance, if any.
    pub instance: Option<usize>,
}

/// Words, messages and instances of a layout.
#[derive(Clone, Debug, Default)]
pub struct Statement {
    /// Place of each word.
    pub words: Vec<Place>,
    /// Packed blocks.
    pub packings: Vec<Packing>,
    /// Messages; the first is the model's.
    pub messages: Vec<Message>,
    /// Number of instances.
    pub instances: usize,
    /// Inputs, in order.
    pub inputs: Vec<Exposed>,
    /// Outputs, in order.
    pub outputs: Vec<Exposed>,
}

impl Statement {
    /// Instance of the model commitment.
    pub const COMMITMENT: usize = 0;
    /// Instance of the context word.
    pub const CONTEXT: usize = 1;
    /// The model's message.
    pub const MODEL: usize = 0;

    /// An empty statement: commitment and context.
    pub fn new() -> Self {
        Self {
            instances: 2,
            messages: vec![Message {
                domain: Domain::Model,
                words: 1,
                digest: Self::COMMITMENT,
            }],
            ..Self::default()
        }
    }
}

impl Builder<'_> {
    fn packed_bits(&self, limbs: &[Limb]) -> u32 {
        let largest: u128 = limbs
            .iter()
            .map(|limb| {
                let (Range::Exact(n) | Range::AtLeast(n)) = self.blocks[limb.block].range;
                u128::from(limb.base) * u128::from(n - 1)
            })
            .sum();
        (128 - largest.leading_zeros()).max(1)
    }

    /// Packs a weight block into the model's message.
    pub fn pack_weights(&mut self, limbs: &[Limb], offset: i64, geometry: Geometry) {
        self.pack(limbs, offset, geometry, Some(Statement::MODEL));
    }

    /// Packs a block into instances (`None`) or a message; returns the packing's index.
    fn pack(
        &mut self,
        limbs: &[Limb],
        offset: i64,
        geometry: Geometry,
        message: Option<usize>,
    ) -> usize {
        let bits = self.packed_bits(limbs);
        let per_word = (WORD_BITS / bits).max(1) as usize;
        let width = geometry.rows * self.shape.data;
        let groups = geometry.segments.div_ceil(per_word);
        let packing = Packing {
            limbs: limbs.to_vec(),
            offset,
            bits,
            per_word,
            first_word: self.statement.words.len(),
            geometry,
        };
        for _ in 0..groups * width {
            let place = match message {
                None => {
                    self.statement.instances += 1;
                    Place::Instance(self.statement.instances - 1)
                }
                Some(message) => {
                    let words = &mut self.statement.messages[message].words;
                    *words += 1;
                    Place::Message {
                        message,
                        index: *words - 1,
                    }
                }
            };
            self.statement.words.push(place);
        }
        let variable = self.challenge(geometry.variable);
        for group in 0..groups {
            let first = packing.first_word + group * width;
            let words = (first..first + width).map(Operand::Word);
            let left = self.horner(variable, words);
            let segments = (group * per_word..geometry.segments.min((group + 1) * per_word)).rev();
            let shift = self.constant(Fr::from(2).pow_vartime([u64::from(bits)]));
            let one = self.one();
            let values: Vec<Operand> = segments
                .map(|segment| {
                    self.value(limbs, 0, |block| Operand::Fold { block, segment }, one)
                })
                .collect();
            let right = self.horner(shift, values);
            self.program.assert_equal(left, right);
        }
        self.statement.packings.push(packing);
        self.statement.packings.len() - 1
    }

    /// Exposes a tensor whose home is packed and dense.
    pub fn expose(
        &mut self,
        tensor: TensorId,
        visibility: Visibility,
        limbs: &[Limb],
        offset: i64,
        geometry: Geometry,
    ) -> Exposed {
        let first = self.statement.instances;
        let packing = match visibility {
            Visibility::Private => None,
            Visibility::Public => Some(self.pack(limbs, offset, geometry, None)),
            Visibility::Hashed => {
                let message = self.statement.messages.len();
                self.statement.instances += 1;
                self.statement.messages.push(Message {
                    domain: Domain::Tensor(message as u32),
                    words: 1,
                    digest: first,
                });
                Some(self.pack(limbs, offset, geometry, Some(message)))
            }
        };
        Exposed {
            tensor,
            visibility,
            packing,
            instance: packing.is_some().then_some(first),
        }
    }

    /// Geometry of a dense tensor of `elements` values of `bits` bits that will be packed:
    /// as many segments as a word has elements, so that the words are one segment long.
    pub fn packed_geometry(&self, elements: usize, bits: u32, variable: Variable) -> Geometry {
        let per_word = (WORD_BITS / bits).max(1) as usize;
        let rows = elements
            .div_ceil(per_word * self.shape.data)
            .max(1);
        let width = rows * self.shape.data;
        Geometry {
            segments: elements.div_ceil(width),
            rows,
            variable,
        }
    }

    /// Bits of a value in `[lo, hi]` once it is packed.
    pub fn bits_of(lo: i64, hi: i64) -> u32 {
        let values = super::emit::span(lo, hi);
        64 - (values.next_power_of_two() - 1).leading_zeros().min(63)
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
        if offset > 0 {
            return Err(self.unsupported(
                "padding a tensor whose range excludes zero",
                "pad before the activation",
            ));
        }
        let mut rest = offset.unsigned_abs();
        let mut values = vec![0u64; limbs.len()];
        for (value, limb) in values.iter_mut().zip(limbs).rev() {
            *value = rest / limb.base;
            rest %= limb.base;
        }
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

    /// A block's total fold: segments in order, combined with the channel variable.
    pub fn total(&mut self, block: BlockId) -> Operand {
        let segments = self.blocks[block].geometry.segments;
        let channel = self.challenge(Variable::Channel);
        self.horner(
            channel,
            (0..segments).map(|segment| Operand::Fold { block, segment }),
        )
    }
}
