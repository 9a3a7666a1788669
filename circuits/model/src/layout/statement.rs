//! What a layout states: words, messages for the hash, instances.

use super::{form::Form, home::Limb};
use crate::hash::Domain;

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

/// One packed segment.
#[derive(Clone, Debug)]
pub struct Lane {
    /// Limbs of the packed value.
    pub limbs: Vec<Limb>,
    /// Segment of the limbs' blocks.
    pub segment: usize,
    /// Bits that its cells take in a word.
    pub bits: u32,
    /// First cells that words hold.
    pub cells: usize,
    /// What the cells after them hold.
    pub pad: u64,
}

/// A group of segments packed into words: as many as the segment with the most cells has.
#[derive(Clone, Debug)]
pub struct Packing {
    /// Segments, in the order of their bits from the lowest.
    pub lanes: Vec<Lane>,
    /// Rows of each segment.
    pub rows: usize,
    /// First word.
    pub first_word: usize,
    /// Words.
    pub words: usize,
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

/// Words, messages and instances of a layout.
#[derive(Clone, Debug, Default)]
pub struct Statement {
    /// Place of each word.
    pub words: Vec<Place>,
    /// Packed blocks.
    pub packings: Vec<Packing>,
    /// Messages; the first is the model's.
    pub messages: Vec<Message>,
    /// Instances, inputs and outputs.
    pub form: Form,
}

impl Statement {
    /// The model's message.
    pub const MODEL: usize = 0;

    /// An empty statement: commitment and context.
    pub fn new() -> Self {
        Self {
            messages: vec![Message {
                domain: Domain::Model,
                words: 1,
                digest: Form::COMMITMENT,
            }],
            ..Self::default()
        }
    }
}
