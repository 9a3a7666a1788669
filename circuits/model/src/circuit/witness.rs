//! The phase-1 witness: every data cell, words, hash cells, multiplicities.

use halo2_proofs::{
    arithmetic::Field,
    halo2curves::{bn256::Fr, ff::PrimeField},
};

use super::compute;
use crate::{
    hash::{Poseidon, Trace},
    layout::{Form, Lane, Limb, Packing, Place, Plan, Step},
};
use zkml_graph::TensorId;

/// Errors while filling the witness. None of them shows a value of the weights.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// A value does not fit its cells.
    #[error("node {node}: a value is outside the range that the keys were made for")]
    OutOfRange {
        /// Node name or tensor name.
        node: String,
    },
    /// A tensor's values are missing.
    #[error("no values for tensor {0}")]
    Missing(usize),
    /// The layout contradicts itself.
    #[error("inconsistent layout: {0}")]
    Layout(String),
}

/// Values of tensors by id; `None` where not needed.
pub type Values<'a> = dyn Fn(TensorId) -> Option<&'a [i64]> + 'a;

/// The phase-1 witness of a statement.
#[derive(Clone, Debug)]
pub struct Witness {
    /// Data cells by block.
    pub blocks: Vec<Vec<u64>>,
    /// Words.
    pub words: Vec<Fr>,
    /// Salt of each message.
    pub salts: Vec<Fr>,
    /// The statement.
    pub instances: Vec<Fr>,
    /// S-box inputs of the hash columns.
    pub sbox: Vec<Fr>,
}

impl Witness {
    /// Fills the witness from the values of inputs and weights.
    pub fn new(
        plan: &Plan,
        names: &dyn Fn(usize) -> String,
        values: &Values<'_>,
        salts: Vec<Fr>,
        context: Fr,
    ) -> Result<Self, WitnessError> {
        let mut blocks = empty(plan);
        for step in &plan.steps {
            fill(plan, &mut blocks, step, names, values)?;
        }
        let words = plan_words(plan, &blocks);
        Self::finish(plan, blocks, words, salts, context)
    }

    /// What a witness says of inputs and weights alone: words, messages and digests of these are right, those
    /// of what is computed are not.
    pub fn of_given(
        plan: &Plan,
        values: &Values<'_>,
        salts: Vec<Fr>,
        context: Fr,
    ) -> Result<Self, WitnessError> {
        let mut blocks = empty(plan);
        for step in &plan.steps {
            match step {
                Step::Given { .. } | Step::Gather { .. } | Step::Fixed { .. } => {
                    fill(plan, &mut blocks, step, &|_| String::new(), values)?;
                }
                Step::Compute { .. } | Step::Function { .. } | Step::Divide { .. } => {}
            }
        }
        let words = plan_words(plan, &blocks);
        Self::finish(plan, blocks, words, salts, context)
    }

    /// Completes a witness from data cells and words: messages, digests, instances.
    pub fn finish(
        plan: &Plan,
        blocks: Vec<Vec<u64>>,
        words: Vec<Fr>,
        salts: Vec<Fr>,
        context: Fr,
    ) -> Result<Self, WitnessError> {
        let poseidon = Poseidon::new(plan.shape.hash_width)
            .ok_or_else(|| WitnessError::Layout("unknown hash width".into()))?;
        if salts.len() != plan.statement.messages.len() {
            return Err(WitnessError::Layout("one salt per message".into()));
        }
        let mut instances = vec![Fr::zero(); plan.statement.form.instances];
        instances[Form::CONTEXT] = context;
        for (word, place) in words.iter().zip(&plan.statement.words) {
            if let Place::Instance(row) = place {
                instances[*row] = *word;
            }
        }
        let mut sbox = Vec::with_capacity(plan.usage.hash_rows);
        for (index, message) in plan.statement.messages.iter().enumerate() {
            let content = message_words(plan, index, &words, salts[index]);
            let mut capacity = message
                .domain
                .initial_capacity(content.len(), poseidon.width());
            let mut blocks = content.chunks(poseidon.rate()).peekable();
            while let Some(block) = blocks.next() {
                let trace = poseidon.trace(poseidon.enter(capacity, block));
                capacity = trace.output[0];
                lay_trace(&poseidon, &trace, blocks.peek().is_none(), &mut sbox);
            }
            instances[message.digest] = capacity;
        }
        Ok(Self {
            blocks,
            words,
            salts,
            instances,
            sbox,
        })
    }
}

/// Blocks without values.
fn empty(plan: &Plan) -> Vec<Vec<u64>> {
    let cells = plan.blocks.iter();
    cells
        .map(|block| vec![0; block.rows() * plan.shape.data])
        .collect()
}

/// Fills the cells of one step, those of the steps before being filled.
pub(super) fn fill(
    plan: &Plan,
    blocks: &mut [Vec<u64>],
    step: &Step,
    names: &dyn Fn(usize) -> String,
    values: &Values<'_>,
) -> Result<(), WitnessError> {
    let outside = |node: &usize| WitnessError::OutOfRange { node: names(*node) };
    match step {
        Step::Given {
            limbs,
            offset,
            elements,
        } => given(plan, blocks, limbs, *offset, elements, values)?,
        Step::Gather { copies } => {
            for (to, from) in copies {
                blocks[to.block][to.index] = blocks[from.block][from.index];
            }
        }
        Step::Fixed { cells } => {
            for (cell, value) in cells {
                blocks[cell.block][cell.index] = *value;
            }
        }
        Step::Compute {
            node,
            accumulator,
            emit,
        } => compute::run(plan, blocks, accumulator, emit).map_err(|()| outside(node))?,
        Step::Function { node, .. } => {
            compute::function(plan, blocks, step).ok_or_else(|| outside(node))?;
        }
        Step::Divide { node, .. } => {
            compute::divide(plan, blocks, step).ok_or_else(|| outside(node))?;
        }
    }
    Ok(())
}

/// The words of a message: salt, then those absorbed.
pub fn message_words(plan: &Plan, message: usize, words: &[Fr], salt: Fr) -> Vec<Fr> {
    let mut content = vec![salt];
    content.extend(
        plan.statement
            .words
            .iter()
            .zip(words)
            .filter(
                |(place, _)| matches!(place, Place::Message { message: m, .. } if *m == message),
            )
            .map(|(_, word)| *word),
    );
    content
}

/// A permutation's cells: the states, the partial inputs, and the state after. Unless it is
/// the message's last, the state after has the first round's constant in the capacity lane.
fn lay_trace(poseidon: &Poseidon, trace: &Trace, last: bool, sbox: &mut Vec<Fr>) {
    trace.first.iter().for_each(|state| sbox.extend(state));
    sbox.extend(&trace.partial);
    trace.last.iter().for_each(|state| sbox.extend(state));
    let mut output = trace.output.clone();
    if !last {
        output[0] += poseidon.round_constants(0)[0];
    }
    sbox.extend(output);
}

fn given(
    plan: &Plan,
    blocks: &mut [Vec<u64>],
    limbs: &[Limb],
    offset: i64,
    elements: &[Option<(TensorId, usize)>],
    values: &Values<'_>,
) -> Result<(), WitnessError> {
    let cells = limbs.first().map_or(0, |limb| blocks[limb.block].len());
    // Elements come in runs of one tensor.
    let mut known: Option<(TensorId, &[i64])> = None;
    let elements = elements.iter().copied().chain(std::iter::repeat(None));
    for (i, element) in elements.take(cells).enumerate() {
        let value = match element {
            None => 0i64.max(offset),
            Some((id, e)) => {
                let data = match known {
                    Some((known, data)) if known == id => data,
                    _ => values(id).ok_or(WitnessError::Missing(id.0))?,
                };
                known = Some((id, data));
                *data.get(e).ok_or(WitnessError::Missing(id.0))?
            }
        };
        let mut rest = i128::from(value) - i128::from(offset);
        for limb in limbs.iter().rev() {
            let size = plan.tables.size(plan.blocks[limb.block].range).unwrap_or(0);
            let digit = rest.div_euclid(i128::from(limb.base));
            rest -= digit * i128::from(limb.base);
            if !(0..i128::from(size)).contains(&digit) {
                return Err(WitnessError::OutOfRange {
                    node: "of an input or weight".into(),
                });
            }
            blocks[limb.block][i] = digit as u64;
        }
    }
    Ok(())
}

/// All words of a layout, from the data cells.
pub(crate) fn plan_words(plan: &Plan, blocks: &[Vec<u64>]) -> Vec<Fr> {
    let mut words = vec![Fr::zero(); plan.statement.words.len()];
    for packing in &plan.statement.packings {
        pack(packing, plan.shape.data, blocks, &mut words);
    }
    words
}

fn pack(packing: &Packing, columns: usize, blocks: &[Vec<u64>], words: &mut [Fr]) {
    let width = packing.rows * columns;
    for i in 0..packing.words {
        words[packing.first_word + i] = join(packing, |lane| {
            let at = lane.segment * width + i;
            let stored = lane
                .limbs
                .iter()
                .map(|limb| u128::from(limb.base) * u128::from(blocks[limb.block][at]));
            Fr::from_u128(stored.sum())
        });
    }
}

/// `Σ_j 2^(b_0 + … + b_(j−1))·cell_j`.
fn join(packing: &Packing, cell: impl Fn(&Lane) -> Fr) -> Fr {
    packing.lanes.iter().rev().fold(Fr::zero(), |higher, lane| {
        higher * Fr::from(2).pow_vartime([u64::from(lane.bits)]) + cell(lane)
    })
}
