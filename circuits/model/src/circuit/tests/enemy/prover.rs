//! A prover without scruples: it fills cells step by step as it likes, as long as look-ups may admit them, and
//! lets all later steps follow.

use std::collections::{BTreeMap, BTreeSet};

use halo2_proofs::{
    arithmetic::Field,
    halo2curves::{bn256::Fr, ff::PrimeField},
};
use num_bigint::BigUint;
use rand::Rng;
use rand_chacha::ChaCha20Rng;

use super::check::Checker;
use crate::{
    circuit::{
        witness::{fill, plan_words},
        Values, Witness,
    },
    layout::{Emit, Excess, Limb, Plan, Range, Step},
};
use zkml_graph::TensorId;

pub type Blocks = Vec<Vec<u64>>;

/// What the enemy does beside choosing weights and inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trick {
    /// Nothing: the values that the steps compute.
    Nothing,
    /// Cells that are given without an element hold anything.
    Pads,
    /// They all hold one and the same number.
    AlikePads,
    /// Each layer reads weights of its own.
    Copies,
    /// One step's cells are others, at random.
    Cells,
}

pub struct Enemy<'a> {
    pub plan: &'a Plan,
    pub rng: &'a mut ChaCha20Rng,
    /// The inputs of the statement.
    pub inputs: &'a BTreeMap<TensorId, Vec<i64>>,
    /// Elements of each weight tensor.
    pub weights: BTreeMap<TensorId, usize>,
}

/// The values that limbs can hold, the offset taken off.
fn room(plan: &Plan, limbs: &[Limb]) -> u64 {
    let most = |limb: &Limb| {
        let size = plan.tables.size(plan.blocks[limb.block].range).unwrap_or(1);
        limb.base.saturating_mul(size - 1)
    };
    limbs.iter().map(most).fold(0, u64::saturating_add)
}

pub fn read(limbs: &[Limb], blocks: &Blocks, at: usize) -> i128 {
    let cell = |limb: &Limb| i128::from(limb.base) * i128::from(blocks[limb.block][at]);
    limbs.iter().map(cell).sum()
}

/// Fills given cells: elements, and zeros, or what is stored as 0 where zero does not fit.
pub fn give(plan: &Plan, blocks: &mut Blocks, step: &Step, values: &Values<'_>) {
    let Step::Given {
        limbs,
        offset,
        elements,
    } = step
    else {
        return;
    };
    let most = i128::from(room(plan, limbs));
    let cells = blocks[limbs[0].block].len();
    let elements = elements.iter().copied().chain(std::iter::repeat(None));
    for (at, element) in elements.take(cells).enumerate() {
        let value = match element {
            Some((id, e)) => values(id).map_or(0, |known| i128::from(known[e])),
            None => i128::from(*offset).max(0),
        };
        let stored = value - i128::from(*offset);
        let fits = element.is_some() || stored <= most;
        put(limbs, blocks, at, if fits { stored } else { 0 });
    }
}

/// Writes one number into all cells that are given without an element.
fn alike_pads(step: &Step, blocks: &mut Blocks, value: u64) {
    if let Step::Given {
        limbs, elements, ..
    } = step
    {
        for (at, _) in elements.iter().enumerate().filter(|(_, e)| e.is_none()) {
            put(limbs, blocks, at, value.into());
        }
    }
}

/// Writes a value whatever tables there are; what is negative has no cells.
fn put(limbs: &[Limb], blocks: &mut Blocks, at: usize, value: i128) {
    let Ok(mut rest) = u64::try_from(value) else {
        return;
    };
    for limb in limbs.iter().rev() {
        blocks[limb.block][at] = rest / limb.base;
        rest %= limb.base;
    }
}

impl Enemy<'_> {
    /// Weights that the look-ups of their cells admit.
    fn weights(&mut self, limbs: &[Limb], offset: i64) -> BTreeMap<TensorId, Vec<i64>> {
        let most = room(self.plan, limbs).min(1 << 50) as i64;
        let small = most.min(self.rng.gen_range(1..300));
        let extreme = self.rng.gen_bool(0.2);
        let rng = &mut *self.rng;
        let mut draw = || match (extreme, rng.gen_range(0..4)) {
            (true, 0) => offset,
            (true, _) => offset + most,
            (false, 0) => offset + rng.gen_range(0..=most),
            (false, _) => (rng.gen_range(-small..=small)).clamp(offset, offset + most),
        };
        let each = |(id, count): (&TensorId, &usize)| (*id, (0..*count).map(|_| draw()).collect());
        self.weights.iter().map(each).collect()
    }

    /// Data cells; `None` where even the enemy finds none.
    pub fn fill(&mut self, trick: Trick) -> Option<Blocks> {
        let plan = self.plan;
        let cells = |b: &crate::layout::Block| vec![0; b.rows() * plan.shape.data];
        let mut blocks: Blocks = plan.blocks.iter().map(cells).collect();
        let mut weights = BTreeMap::new();
        let target = self.rng.gen_range(0..plan.steps.len());
        let alike = match trick {
            Trick::AlikePads => self.rng.gen_range(0..10),
            Trick::Nothing | Trick::Pads | Trick::Copies | Trick::Cells => 0,
        };
        for (i, step) in plan.steps.iter().enumerate() {
            if let Step::Given {
                limbs,
                offset,
                elements,
            } = step
            {
                let read: BTreeSet<TensorId> = elements.iter().flatten().map(|e| e.0).collect();
                let mut drawn = self.weights(limbs, *offset);
                drawn.retain(|id, _| read.contains(id));
                for (id, values) in drawn {
                    match trick {
                        Trick::Copies => drop(weights.insert(id, values)),
                        _ => drop(weights.entry(id).or_insert(values)),
                    }
                }
            }
            let values = |id: TensorId| {
                let given = self.inputs.get(&id).or_else(|| weights.get(&id));
                given.map(Vec::as_slice)
            };
            match step {
                Step::Given { .. } => give(plan, &mut blocks, step, &values),
                _ => fill(plan, &mut blocks, step, &|n| n.to_string(), &values).ok()?,
            }
            match trick {
                Trick::Nothing => {}
                Trick::Pads => self.pads(step, &mut blocks),
                Trick::AlikePads => alike_pads(step, &mut blocks, alike),
                Trick::Copies => self.uncopy(i, step, &mut blocks),
                Trick::Cells => {
                    if i == target {
                        self.change(step, &mut blocks);
                    }
                }
            }
        }
        Some(blocks)
    }

    fn pads(&mut self, step: &Step, blocks: &mut Blocks) {
        let Step::Given {
            limbs, elements, ..
        } = step
        else {
            return;
        };
        let most = room(self.plan, limbs);
        for (at, element) in elements.iter().enumerate() {
            if element.is_none() && self.rng.gen_bool(0.5) {
                let value = self.rng.gen_range(0..=most.min(9));
                put(limbs, blocks, at, value.into());
            }
        }
    }

    /// Copied weights are drawn anew as well.
    fn uncopy(&mut self, i: usize, step: &Step, blocks: &mut Blocks) {
        let before = i.checked_sub(1).map(|i| &self.plan.steps[i]);
        if let (Some(Step::Given { limbs, .. }), Step::Gather { copies }) = (before, step) {
            let most = room(self.plan, limbs).min(40);
            for (to, _) in copies {
                blocks[to.block][to.index] = self.rng.gen_range(0..=most);
            }
        }
    }

    fn change(&mut self, step: &Step, blocks: &mut Blocks) {
        let by = i128::from([1, -1, 2, -5, 1000][self.rng.gen_range(0..5)]);
        let kind = self.rng.gen_range(0..5);
        match step {
            Step::Given { limbs, .. } => {
                let at = self.cell(limbs, blocks);
                let value = self.rng.gen_range(0..=room(self.plan, limbs));
                put(limbs, blocks, at, value.into());
            }
            Step::Gather { copies } => {
                if let Some((to, _)) = copies.get(self.index(copies.len())) {
                    blocks[to.block][to.index] ^= 1;
                }
            }
            Step::Fixed { cells } => {
                if let Some((cell, _)) = cells.get(self.index(cells.len())) {
                    blocks[cell.block][cell.index] ^= 1;
                }
            }
            Step::Compute { emit, .. } => {
                let at = self.cell(&emit.kept, blocks);
                self.other_result(emit, blocks, at, by, kind);
            }
            Step::Function { x, y, joined, .. } => {
                let at = self.cell(y, blocks);
                let Range::Function(range) = self.plan.blocks[*joined].range else {
                    return;
                };
                let argument = read(&x.limbs, blocks, at) + if kind == 0 { by } else { 0 };
                let argument = u64::try_from(argument).unwrap_or(0);
                let before = i128::from(blocks[*joined][at] / range.stride);
                let entry = self.plan.tables.joined(Range::Function(range), argument);
                let (cell, above) = entry.unwrap_or((blocks[*joined][at] + range.stride, 1));
                blocks[*joined][at] = cell;
                let moved = read(y, blocks, at) + i128::from(above) - before;
                put(y, blocks, at, moved);
            }
            Step::Divide {
                b,
                y,
                remainder,
                complement,
                ..
            } => {
                let at = self.cell(y, blocks);
                let divisor = read(&b.limbs, blocks, at) + i128::from(b.offset);
                let moved = |limbs: &[Limb], blocks: &mut Blocks, by: i128| {
                    let value = read(limbs, blocks, at) + by;
                    put(limbs, blocks, at, value);
                };
                moved(y, blocks, -by);
                moved(remainder, blocks, 2 * by * divisor);
                moved(complement, blocks, -2 * by * divisor);
            }
        }
    }

    /// Another value and what makes up for it in the identity.
    fn other_result(&mut self, emit: &Emit, blocks: &mut Blocks, at: usize, by: i128, kind: u8) {
        let excess = match &emit.excess {
            Excess::None => None,
            Excess::Clamped { limbs, .. } => Some(limbs),
        };
        let kept = read(&emit.kept, blocks, at);
        match (kind, excess) {
            (0, Some(limbs)) => {
                let above = read(limbs, blocks, at);
                put(limbs, blocks, at, above + by);
                put(&emit.kept, blocks, at, kept + by);
            }
            (1, Some(limbs)) => {
                let above = read(limbs, blocks, at);
                put(limbs, blocks, at, 0);
                put(&emit.kept, blocks, at, kept + above);
            }
            (2, _) => {
                let value = self.rng.gen_range(0..=room(self.plan, &emit.kept));
                put(&emit.kept, blocks, at, value.into());
            }
            (3, _) => put(&emit.kept, blocks, at, kept + by),
            _ => {
                let rest = read(&emit.remainder, blocks, at);
                put(&emit.remainder, blocks, at, rest + by * emit.divisor);
                put(&emit.kept, blocks, at, kept - by);
            }
        }
    }

    fn index(&mut self, count: usize) -> usize {
        self.rng.gen_range(0..count.max(1))
    }

    fn cell(&mut self, limbs: &[Limb], blocks: &Blocks) -> usize {
        let count = limbs.first().map_or(1, |limb| blocks[limb.block].len());
        self.index(count)
    }

    /// The witness of these cells.
    pub fn finish(&self, blocks: Blocks) -> Witness {
        let words = plan_words(self.plan, &blocks);
        let salts = (0..self.plan.statement.messages.len() as u64)
            .map(|i| Fr::from(1000 + i))
            .collect();
        Witness::finish(self.plan, blocks, words, salts, Fr::from(9)).unwrap()
    }

    /// Where the steps' own values break an identity: all cells of one result moved by what it misses.
    pub fn shifted(&mut self, checker: &Checker<'_>, blocks: &Blocks) -> Option<Blocks> {
        let missing = checker.residuals(&self.finish(blocks.clone()));
        let wrong = missing.iter().position(|r| *r != Fr::ZERO)?;
        for step in &self.plan.steps {
            let Step::Compute { emit, .. } = step else {
                continue;
            };
            let low = emit.kept.first()?.block;
            let mut moved = blocks.clone();
            moved[low].iter_mut().for_each(|cell| *cell += 1);
            let unit = checker.residuals(&self.finish(moved))[wrong] - missing[wrong];
            let Some(inverse) = Option::<Fr>::from(unit.invert()) else {
                continue;
            };
            let Some(by) = small(-missing[wrong] * inverse) else {
                continue;
            };
            let mut shifted = blocks.clone();
            for at in 0..shifted[low].len() {
                let value = read(&emit.kept, &shifted, at) + by;
                put(&emit.kept, &mut shifted, at, value);
            }
            return Some(shifted);
        }
        None
    }
}

/// A field element as a small signed number, if it is one.
fn small(value: Fr) -> Option<i128> {
    let number = |v: Fr| i128::try_from(BigUint::from_bytes_le(v.to_repr().as_ref())).ok();
    let limit = |v: &i128| *v < 1 << 62;
    let positive = number(value).filter(limit);
    positive.or_else(|| number(-value).filter(limit).map(|v| -v))
}
