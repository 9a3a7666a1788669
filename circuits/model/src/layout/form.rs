//! What of a layout its statements show: all that a verifier needs of it, so that it need not lay anything out.
//!
//! A layout decides how the elements of inputs and outputs stand in words ([`Encoding`]); where the words stand follows.
//! So `config.json` has the encodings, and the key of a configuration is made of a layout that has the same
//! ([`crate::prove::Architecture::plan`]).

use std::ops::{Add, Mul, Sub};

use halo2_proofs::{arithmetic::Field, halo2curves::bn256::Fr};
use serde::{Deserialize, Serialize};

use super::{
    program::signed,
    repairs::{undone, Repair},
    LayoutError, Shape, Visibilities,
};
use crate::hash::Domain;
use zkml_graph::{ops::elements, Graph, Interval, TensorId, Visibility};

/// Bits of a word: `2^253` is the largest power of two below the field's modulus, so every
/// packing below it is a distinct field element.
pub const WORD_BITS: u32 = 253;

/// How the elements of a tensor stand in words: consecutive ones in each, the first in its highest bits
/// (`docs/statement.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encoding {
    /// What is subtracted from an element before it is packed.
    pub lo: i64,
    /// Bits of an element.
    pub bits: u32,
    /// Words of the tensor.
    pub words: usize,
}

/// The encodings of a model's inputs and outputs; none where a tensor is private.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encodings {
    /// Of each input.
    pub inputs: Vec<Option<Encoding>>,
    /// Of each output.
    pub outputs: Vec<Option<Encoding>>,
}

/// How an input or output appears in the statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposed {
    /// The tensor.
    pub tensor: TensorId,
    /// Its elements.
    pub elements: usize,
    /// Its declared range.
    pub range: Interval,
    /// Its visibility.
    pub visibility: Visibility,
    /// How it is packed, if it is public or hashed.
    pub encoding: Option<Encoding>,
    /// Its first instance, if any.
    pub instance: Option<usize>,
    /// The message that its digest is of, if it is hashed.
    pub message: Option<usize>,
}

/// What a model's statements consist of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// Number of instances.
    pub instances: usize,
    /// Messages that are hashed, the model's among them.
    pub messages: usize,
    /// Inputs, in order.
    pub inputs: Vec<Exposed>,
    /// Outputs, in order.
    pub outputs: Vec<Exposed>,
}

impl Form {
    /// Instance of the model commitment.
    pub const COMMITMENT: usize = 0;
    /// Instance of the context word.
    pub const CONTEXT: usize = 1;

    /// Commitment and context alone.
    pub fn new() -> Self {
        Self {
            instances: 2,
            messages: 1,
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// The form of a model's statements in a circuit of this shape, by the encodings that a file has.
    ///
    /// # Errors
    /// Where an encoding is missing, cannot hold the tensor's declared range, or has another number of words than a
    /// layout would give it.
    pub fn of(
        graph: &Graph,
        visibilities: &Visibilities,
        encodings: &Encodings,
        shape: &Shape,
    ) -> Result<Self, LayoutError> {
        let mut form = Self::new();
        let shown = |at| visibilities.input(at);
        form.inputs = form.all("inputs", graph, (&graph.inputs, &encodings.inputs), &shown)?;
        let shown = |at| visibilities.output(at);
        form.outputs = form.all(
            "outputs",
            graph,
            (&graph.outputs, &encodings.outputs),
            &shown,
        )?;
        let mut all = form.inputs.iter().chain(&form.outputs);
        all.try_for_each(|exposed| exposed.check(graph, shape))?;
        let available = shape.usable_rows().saturating_sub(1);
        if form.instances > available {
            return Err(LayoutError::Words {
                place: "statement".to_owned(),
                expected: format!("at most {available} public values, as the shape has rows"),
                got: form.instances.to_string(),
            });
        }
        Ok(form)
    }

    fn all(
        &mut self,
        kind: &str,
        graph: &Graph,
        (tensors, encodings): (&[TensorId], &[Option<Encoding>]),
        visibility: &dyn Fn(usize) -> Visibility,
    ) -> Result<Vec<Exposed>, LayoutError> {
        if tensors.len() != encodings.len() {
            return Err(LayoutError::Words {
                place: format!("words.{kind}"),
                expected: format!("{}, as the graph has {kind}", tensors.len()),
                got: encodings.len().to_string(),
            });
        }
        let pairs = tensors.iter().zip(encodings).enumerate();
        pairs
            .map(|(at, (tensor, encoding))| self.next(graph, *tensor, visibility(at), *encoding))
            .collect()
    }

    /// The next tensor of the statement, after those so far.
    pub fn next(
        &mut self,
        graph: &Graph,
        tensor: TensorId,
        visibility: Visibility,
        encoding: Option<Encoding>,
    ) -> Result<Exposed, LayoutError> {
        let declared = graph.tensors.get(tensor.0);
        let declared =
            declared.ok_or_else(|| LayoutError::Graph(format!("no tensor {}", tensor.0)))?;
        let stated = visibility != Visibility::Private;
        let (first, hashed) = (self.instances, visibility == Visibility::Hashed);
        let exposed = Exposed {
            tensor,
            elements: elements(&declared.shape).unwrap_or(0),
            range: declared.range,
            visibility,
            encoding,
            instance: stated.then_some(first),
            message: hashed.then_some(self.messages),
        };
        // What saturates is more than any shape has rows for, and refused.
        if hashed {
            self.messages = self.messages.saturating_add(1);
        }
        let words = encoding.map_or(0, |encoding| encoding.words);
        let words = if hashed { 1 } else { words };
        self.instances = first.saturating_add(words);
        Ok(exposed)
    }

    /// What a file has of it.
    pub fn encodings(&self) -> Encodings {
        let of = |all: &[Exposed]| all.iter().map(|exposed| exposed.encoding).collect();
        Encodings {
            inputs: of(&self.inputs),
            outputs: of(&self.outputs),
        }
    }
}

impl Default for Form {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoding {
    /// The element that fills up the words: 0 where that is one that they hold, else the least. The contract has the
    /// same (`contracts/src/lib/Packing.sol`).
    pub fn pad(&self) -> i64 {
        match self.holds(0) {
            true => 0,
            false => self.lo,
        }
    }

    /// Whether words hold this value.
    pub fn holds(&self, value: i64) -> bool {
        let stored = i128::from(value).saturating_sub(self.lo.into());
        let values = 1i128.checked_shl(self.bits.min(126)).unwrap_or(i128::MAX);
        (0..values).contains(&stored)
    }
}

impl Exposed {
    /// Elements that a word holds.
    pub fn elements_per_word(&self) -> usize {
        let words = self.encoding.map_or(1, |encoding| encoding.words);
        self.elements.div_ceil(words.max(1))
    }

    /// What a digest of it is for.
    pub fn domain(&self) -> Option<Domain> {
        let message = u32::try_from(self.message?).ok()?;
        Some(Domain::Tensor(message))
    }

    /// The words that its values pack to; none of a private tensor. Values are within what words hold.
    pub fn pack(&self, values: &[i64]) -> Vec<Fr> {
        let Some(encoding) = self.encoding else {
            return Vec::new();
        };
        let per_word = self.elements_per_word();
        let shift = Fr::from(2).pow_vartime([u64::from(encoding.bits)]);
        let [lo, pad] = [encoding.lo, encoding.pad()].map(signed);
        let mut values = values.iter().map(|value| signed(*value)).fuse();
        (0..encoding.words)
            .map(|_| {
                (0..per_word).fold(Fr::ZERO, |higher, _| {
                    let value = values.next().unwrap_or(pad);
                    higher.mul(shift).add(value.sub(lo))
                })
            })
            .collect()
    }

    /// Whether it is encoded, and as a layout of the shape would have it.
    fn check(&self, graph: &Graph, shape: &Shape) -> Result<(), LayoutError> {
        let name = graph.tensors.get(self.tensor.0).map(|tensor| &tensor.name);
        let wrong = |expected: String, got: String| LayoutError::Words {
            place: format!(
                "words of tensor {} ({})",
                self.tensor.0,
                name.map_or("", |name| name)
            ),
            expected,
            got,
        };
        let encoding = match (self.visibility, self.encoding) {
            (Visibility::Private, None) => return Ok(()),
            (Visibility::Public | Visibility::Hashed, Some(encoding)) => encoding,
            (Visibility::Private, Some(_)) => {
                return Err(wrong("none, as it is private".into(), "an encoding".into()))
            }
            (Visibility::Public | Visibility::Hashed, None) => {
                return Err(wrong("an encoding".into(), "none".into()))
            }
        };
        let Encoding { lo, bits, words } = encoding;
        // The rows of a segment are whole, so there may be a few more words than elements.
        let most = self.elements.saturating_add(shape.data);
        let fit = (1..=most).contains(&words)
            && (1..=WORD_BITS).contains(&bits)
            && self.elements_per_word() <= per_word(bits);
        if !fit {
            return Err(wrong(
                format!(
                    "up to {most} words that hold {} elements in 253 bits each",
                    self.elements
                ),
                format!("{words} words, elements of {bits} bits"),
            ));
        }
        let ends = [self.range.lo, self.range.hi];
        if !ends.iter().all(|end| encoding.holds(*end)) && !undone(Repair::Words) {
            return Err(wrong(
                format!(
                    "an encoding that holds [{}, {}]",
                    self.range.lo, self.range.hi
                ),
                format!("{bits} bits from {lo} on"),
            ));
        }
        Ok(())
    }
}

/// Values of so many bits that a word holds: one at least.
pub fn per_word(bits: u32) -> usize {
    WORD_BITS
        .checked_div(bits)
        .map_or(1, |values| values.max(1) as usize)
}
