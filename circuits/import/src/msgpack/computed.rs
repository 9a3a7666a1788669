//! Layers on computed tensors: broadcasting, products, quotients, functions, moves.
//!
//! zkml's shapes carry the batch; here tensors have the file's shape, and what the layers of images
//! keep without a batch is reshaped, which moves nothing.

use super::place::Place;
use super::{without_batch, Importer};
use crate::made::Made;
use crate::{Fate, ImportError, Initialiser};
use zkml_graph::{Clamp, Op, TensorId};

/// What a layer computes, in the file's shape.
type Result<T> = std::result::Result<T, ImportError>;

impl Importer {
    /// A layer whose result is built from the primitives of the graph.
    pub(super) fn computed(&mut self, place: &Place<'_>) -> Result<TensorId> {
        let scale = self.draft.graph.scale;
        let name = place.name.clone();
        match place.layer.layer_type.as_str() {
            "BatchMatMul" => self.batch_matmul(place),
            "Div" => {
                let x = self.in_file_shape(place.input(0)?, &name)?;
                let div = i64::try_from(place.size(0)?).unwrap_or(i64::MAX);
                self.combine(&name, vec![(1, x)], 0, div, None)
            }
            "DivVar" => {
                let [a, b] = self.pair(place)?;
                // zkml divides by positive numbers only; less counts as one.
                let b = self.at_least(&format!("{name}/divisor"), b, 1)?;
                let op = Op::Div {
                    a,
                    b,
                    factor: scale,
                };
                self.draft.node(&name, op)
            }
            "Mul" => {
                let [a, b] = self.pair(place)?;
                self.product(&name, a, b, scale)
            }
            "SquaredDifference" => {
                let [a, b] = self.pair(place)?;
                let difference = self.combine(&name, vec![(1, a), (-1, b)], 0, 1, None)?;
                self.product(&name, difference, difference, scale)
            }
            "Add" | "Sub" => {
                let [a, b] = self.pair(place)?;
                let (sign, clamp) = match place.layer.layer_type.as_str() {
                    "Add" => (1, place.activation(0, scale)?),
                    _ => (-1, None),
                };
                self.combine(&name, vec![(1, a), (sign, b)], 0, 1, clamp)
            }
            "Mean" => self.mean(place),
            "Softmax" => self.softmax(place),
            "MaskNegInf" => {
                let x = self.in_file_shape(place.input(0)?, &name)?;
                let mask = self.mask(place, &place.layer.params, x)?;
                self.masked(&name, x, &mask, -self.bound)
            }
            "Update" => {
                let [w, dw] = self.pair(place)?;
                let rate = place.param(0)?;
                // floor(v/s) = rd(2v − s, 2s).
                let terms = vec![(2 * scale, w), (rate.saturating_mul(-2), dw)];
                self.combine(&name, terms, -scale, 2 * scale, None)
            }
            "Logistic" | "Tanh" | "Sqrt" | "Rsqrt" | "Pow" | "Relu" | "ReLU" => {
                self.function(place)
            }
            _ => self.moved(place),
        }
    }

    fn batch_matmul(&mut self, place: &Place<'_>) -> Result<TensorId> {
        let name = &place.name;
        let a = self.in_file_shape(place.input(0)?, name)?;
        let b = self.in_file_shape(place.input(1)?, name)?;
        let turned = |at: usize| {
            place
                .layer
                .params
                .get(at)
                .is_some_and(|&adjoint| adjoint != 0)
        };
        let mut turn = |x: TensorId, turned: bool, side: &str| {
            let rank = self.draft.shape(x).len();
            if !turned || rank < 2 {
                return Ok(x);
            }
            let mut perm: Vec<usize> = (0..rank).collect();
            perm.swap(rank - 1, rank - 2);
            self.draft.transpose(&format!("{name}/{side}"), x, perm)
        };
        let (a, b) = (turn(a, turned(0), "left")?, turn(b, turned(1), "right")?);
        let div = self.draft.graph.scale;
        let op = Op::MatMul {
            a,
            b,
            div,
            clamp: None,
        };
        self.draft.node(name, op)
    }

    fn mean(&mut self, place: &Place<'_>) -> Result<TensorId> {
        let name = &place.name;
        let x = self.in_file_shape(place.input(0)?, name)?;
        let shape = self.draft.shape(x).to_vec();
        let axis = self.axis(place, 0, shape.len())?;
        let mut perm: Vec<usize> = (0..shape.len()).filter(|&d| d != axis).collect();
        perm.push(axis);
        let x = self.draft.transpose(&format!("{name}/last"), x, perm)?;
        let count = shape.get(axis).copied().unwrap_or(1);
        let op = Op::ReduceSum {
            x,
            div: i64::try_from(count).unwrap_or(i64::MAX),
        };
        self.draft.node(name, op)
    }

    /// `m = max; e = exp[x − m] at scale²; rd(e, rd(Σe, scale))`; masked elements are 0.
    fn softmax(&mut self, place: &Place<'_>) -> Result<TensorId> {
        let name = &place.name;
        let scale = self.draft.graph.scale;
        let x = self.in_file_shape(place.input(0)?, name)?;
        let shape = self.draft.shape(x).to_vec();
        let mask = match place.layer.mask.is_empty() {
            true => Vec::new(),
            false => self.mask(place, &place.layer.mask, x)?,
        };
        let x = match mask.is_empty() {
            true => x,
            false => self.masked(name, x, &mask, -self.bound)?,
        };
        let most = self.max_last(&format!("{name}/max"), x)?;
        let most = self.spread(&format!("{name}/max"), most, &shape)?;
        // m − x is never negative: the clamp states it.
        let below = self.combine(
            &format!("{name}/below"),
            vec![(1, most), (-1, x)],
            0,
            1,
            Some(Clamp::RELU),
        )?;
        let mut powers = self.exponentials(&format!("{name}/exp"), below, scale)?;
        if !mask.is_empty() {
            powers = self.masked(&format!("{name}/exp"), powers, &mask, 0)?;
        }
        let sum = self.draft.node(
            &format!("{name}/sum"),
            Op::ReduceSum {
                x: powers,
                div: scale,
            },
        )?;
        // The largest element alone is scale², so the sum is at least the scale.
        let sum = self.at_least(&format!("{name}/sum"), sum, 1)?;
        let mut column = shape.clone();
        if let Some(last) = column.last_mut() {
            *last = 1;
        }
        let sum = self.draft.reshape(&format!("{name}/sum"), sum, column)?;
        let sum = self.spread(&format!("{name}/sum"), sum, &shape)?;
        let op = Op::Div {
            a: powers,
            b: sum,
            factor: 1,
        };
        self.draft.node(name, op)
    }

    /// The maximum over the last dimension, which stays with size 1: by halves.
    fn max_last(&mut self, name: &str, mut x: TensorId) -> Result<TensorId> {
        loop {
            let shape = self.draft.shape(x).to_vec();
            let Some((axis, &length)) = shape.iter().enumerate().next_back() else {
                return Ok(x);
            };
            if length <= 1 {
                return Ok(x);
            }
            // Of an odd number the middle one is in both halves.
            let half = length.div_ceil(2);
            let mut part = |from: usize| {
                let indices = (from..from + half).collect();
                self.draft.node(name, Op::Gather { x, axis, indices })
            };
            let (a, b) = (part(0)?, part(length - half)?);
            x = self.draft.node(name, Op::Max { a, b })?;
        }
    }

    /// `MaskNegInf` and `Softmax` masks: rank, shape, then 0 or 1, broadcast over `x`.
    fn mask(&mut self, place: &Place<'_>, raw: &[i64], x: TensorId) -> Result<Vec<bool>> {
        let shape = self.draft.shape(x).to_vec();
        let bad = || {
            let at = format!("{}: mask", place.name);
            let expected = format!("rank, shape and values that broadcast to {shape:?}");
            ImportError::malformed(at, expected, format!("{} numbers", raw.len()))
        };
        let (&rank, rest) = raw.split_first().ok_or_else(bad)?;
        let rank = usize::try_from(rank).map_err(|_| bad())?;
        let (sizes, values) = rest.split_at_checked(rank).ok_or_else(bad)?;
        let sizes: Option<Vec<usize>> = sizes.iter().map(|&d| usize::try_from(d).ok()).collect();
        let constant = (sizes.ok_or_else(bad)?, values.to_vec());
        let all = crate::lower::broadcast(&shape, &constant).ok_or_else(bad)?;
        let mut mask = Initialiser {
            name: format!("{}/mask", place.name),
            fate: Fate::Unused,
        };
        let kind = &place.layer.layer_type;
        let what = format!("what layer '{}' ({kind}) leaves out", place.name);
        mask.disclose(what, true);
        self.draft.initialisers.push(mask);
        Ok(all.into_iter().map(|v| v == 1).collect())
    }

    /// `x`, with `value` where the mask is set.
    fn masked(&mut self, name: &str, x: TensorId, mask: &[bool], value: i64) -> Result<TensorId> {
        let shape = self.draft.shape(x).to_vec();
        let count = mask.len();
        let flat = self
            .draft
            .reshape(&format!("{name}/flat"), x, vec![count])?;
        let number = self.draft.node(
            &format!("{name}/value"),
            Op::Constant {
                shape: vec![1],
                values: vec![value],
            },
        )?;
        let both = Op::Concat {
            xs: vec![flat, number],
            axis: 0,
        };
        let both = self.draft.node(&format!("{name}/both"), both)?;
        let indices = mask
            .iter()
            .enumerate()
            .map(|(i, &masked)| if masked { count } else { i })
            .collect();
        let op = Op::Gather {
            x: both,
            axis: 0,
            indices,
        };
        let y = self.draft.node(&format!("{name}/masked"), op)?;
        self.draft.reshape(&format!("{name}/shape"), y, shape)
    }

    /// Both operands in their common shape.
    fn pair(&mut self, place: &Place<'_>) -> Result<[TensorId; 2]> {
        let name = &place.name;
        let a = self.in_file_shape(place.input(0)?, name)?;
        let b = self.in_file_shape(place.input(1)?, name)?;
        let (left, right) = (self.draft.shape(a), self.draft.shape(b));
        let rank = left.len().max(right.len());
        let size = |shape: &[usize], d: usize| match (d + shape.len()).checked_sub(rank) {
            Some(at) => shape.get(at).copied().unwrap_or(1),
            None => 1,
        };
        let common: Vec<usize> = (0..rank)
            .map(|d| size(left, d).max(size(right, d)))
            .collect();
        Ok([
            self.spread(&format!("{name}/left"), a, &common)?,
            self.spread(&format!("{name}/right"), b, &common)?,
        ])
    }

    pub(super) fn combine(
        &mut self,
        name: &str,
        terms: Vec<(i64, TensorId)>,
        constant: i64,
        div: i64,
        clamp: Option<Clamp>,
    ) -> Result<TensorId> {
        let op = Op::Combine {
            terms,
            constant,
            div,
            clamp,
        };
        self.draft.node(name, op)
    }

    pub(super) fn product(
        &mut self,
        name: &str,
        a: TensorId,
        b: TensorId,
        div: i64,
    ) -> Result<TensorId> {
        let op = Op::Mul {
            a,
            b,
            div,
            clamp: None,
        };
        self.draft.node(name, op)
    }

    pub(super) fn at_least(&mut self, name: &str, x: TensorId, lo: i64) -> Result<TensorId> {
        let clamp = Clamp { lo, hi: None };
        self.draft.node(name, Op::clamped(x, clamp))
    }

    pub(super) fn axis(&self, place: &Place<'_>, at: usize, rank: usize) -> Result<usize> {
        let value = place.param(at)?;
        let axis = if value < 0 {
            value + i64::try_from(rank).unwrap_or(0)
        } else {
            value
        };
        usize::try_from(axis)
            .ok()
            .filter(|&axis| axis < rank)
            .ok_or_else(|| place.bad_param(at, &format!("a dimension of {rank}"), value))
    }

    /// A computed tensor, or weights that are read like one, in the file's shape.
    pub(super) fn in_file_shape(&mut self, idx: i64, place: &str) -> Result<TensorId> {
        if self.weights.contains_key(&idx) {
            let (shape, values) = self.weight_values(idx, place)?;
            let (shape, values) = (shape.to_vec(), values.to_vec());
            let made = Made::of("parameter", vec![idx as usize], &[]);
            let name = format!("{place}/{idx}");
            let w = self.draft.tied_weight(&name, made, shape, || values)?;
            return self
                .draft
                .node(&format!("{place}/{idx}"), Op::Parameter { w });
        }
        let id = self.natural(idx, place)?;
        let shape = match self.shapes.get(&idx) {
            Some(shape) => shape.clone(),
            None => self.draft.shape(id).to_vec(),
        };
        self.draft.reshape(&format!("{place}/file"), id, shape)
    }

    /// The result without the batch, as layers of images keep tensors.
    pub(super) fn natural_of(&mut self, name: &str, id: TensorId) -> Result<TensorId> {
        let shape = without_batch(self.draft.shape(id).to_vec());
        self.draft.reshape(&format!("{name}/natural"), id, shape)
    }
}
