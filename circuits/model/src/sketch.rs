//! What a proof of a model would take, from the shapes of its layers alone: for zkml's files without
//! weights, and for models that are too large to lay out.
//!
//! Nothing is laid out. Each layer's cells follow from its shapes by the rules of the layout
//! (docs/performance.md), and what only weights can say is assumed: weights lie in [−1, 1), and every
//! activation takes as many bits as zkml's table has rows (the file's `k`).

#![deny(clippy::arithmetic_side_effects)]

mod demand;
mod rules;
#[cfg(test)]
mod tests;

use crate::{
    hash::Poseidon,
    layout::{permutation_rows, Clamps, Shape, SLOTS, WORD_BITS},
    planner::{amount::Amount, Cost, DATA_COLUMNS, MAX_K},
};
use demand::Demand;
use rules::Tracker;
use serde::Serialize;
use zkml_import::{ImportError, LayerShape, Shapes};

/// Largest k that is thought of: that of the largest public ceremonies.
const LARGEST_K: u32 = 28;

/// A plan without weights.
#[derive(Clone, Debug, Serialize)]
pub struct Sketch {
    /// Fixed-point scale.
    pub scale: i64,
    /// Bits that a weight is assumed to take.
    pub weight_bits: u32,
    /// Bits that an activation is assumed to take.
    pub activation_bits: u32,
    /// Weights of all layers.
    pub weights: u64,
    /// Multiplications of a run.
    pub multiply_adds: u64,
    /// Each layer.
    pub layers: Vec<Layer>,
    /// Shape of the cheapest circuit that holds it all.
    pub shape: Shape,
    /// Whether that is one that this program can make.
    pub fits: bool,
    /// What is used of it.
    pub usage: Usage,
    /// Predicted cost of a proof.
    pub cost: Cost,
    /// Predicted memory of a proof, in bytes.
    pub memory_bytes: u64,
}

/// A layer.
#[derive(Clone, Debug, Serialize)]
pub struct Layer {
    /// Kind and number.
    pub name: String,
    /// Kind.
    pub kind: String,
    /// Shape of its first output.
    pub to: Vec<usize>,
    /// Weights that no layer before it has.
    pub weights: u64,
    /// Multiplications.
    pub multiply_adds: u64,
    /// Data cells, weights included.
    pub cells: u64,
}

/// Rows and cells.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Usage {
    /// Data cells.
    pub data_cells: u64,
    /// Cells of the scalar program.
    pub scalar_cells: u64,
    /// Rows of the hash of the weights.
    pub hash_rows: u64,
    /// Rows of tables.
    pub table_rows: u64,
}

/// What is assumed of numbers.
#[derive(Clone, Copy, Debug)]
struct Bits {
    weight: u32,
    value: u32,
    /// Of a remainder of a division by the scale.
    scale: u32,
}

/// A hash: words and rows of a permutation.
struct Hash {
    width: usize,
    rate: Amount,
    rows: Amount,
}

impl Hash {
    /// All that there are. Their constants take a while to make.
    fn all() -> Vec<Self> {
        let known = Poseidon::WIDTHS.into_iter().filter_map(Poseidon::new);
        let one = |poseidon: Poseidon| Hash {
            width: poseidon.width(),
            rate: poseidon.rate().into(),
            rows: permutation_rows(&poseidon).into(),
        };
        known.map(one).collect()
    }
}

impl Sketch {
    /// The plan of the cheapest shape, whether or not this program can make it.
    pub fn of(shapes: &Shapes) -> Result<Self, ImportError> {
        let above = shapes.scale.max(1).saturating_sub(1);
        let scale_bits = i64::BITS.saturating_sub(above.leading_zeros());
        let bits = Bits {
            weight: scale_bits.saturating_add(1),
            value: shapes.k,
            scale: scale_bits,
        };
        let mut tracker = Tracker::default();
        let mut demands: Vec<Demand> = Vec::with_capacity(shapes.layers.len());
        for layer in &shapes.layers {
            let demand = tracker.demand(layer);
            if demand.is_beyond() {
                let place = format!("layer '{}'", layer.name);
                let expected = "sizes that 56 bits hold";
                return Err(ImportError::malformed(place, expected, "larger ones"));
            }
            demands.push(demand);
        }
        let hashes = Hash::all();
        let mut found: Vec<(Shape, Usage)> = candidates(demands.iter().any(|d| d.product))
            .filter_map(|shape| Some((shape, usage(&demands, &shape, bits, &hashes)?)))
            .collect();
        let key = |(shape, _): &(Shape, Usage)| {
            let seconds = Cost::of(shape).prove_cpu_s;
            (shape.k > MAX_K, (seconds * 1e6) as u64)
        };
        found.sort_by_key(key);
        let Some(&(shape, usage)) = found.first() else {
            let expected = format!("a model that 2^{LARGEST_K} rows can hold");
            return Err(ImportError::malformed("layers", expected, "a larger one"));
        };
        let layer = |(layer, demand): (&LayerShape, &Demand)| Layer {
            name: layer.name.clone(),
            kind: layer.kind.clone(),
            to: layer.outputs.first().cloned().unwrap_or_default(),
            weights: demand.weights.get(),
            multiply_adds: demand.multiply_adds.get(),
            cells: demand.cells(&shape, bits).get(),
        };
        let all = |of: fn(&Demand) -> Amount| demands.iter().map(of).sum::<Amount>().get();
        Ok(Self {
            scale: shapes.scale,
            weight_bits: bits.weight,
            activation_bits: bits.value,
            weights: all(|demand| demand.weights),
            multiply_adds: all(|demand| demand.multiply_adds),
            layers: shapes.layers.iter().zip(&demands).map(layer).collect(),
            shape,
            fits: shape.k <= MAX_K,
            usage,
            cost: Cost::of(&shape),
            memory_bytes: memory(&shape),
        })
    }
}

/// Memory of a proof: fitted to three (docs/performance.md).
pub fn memory(shape: &Shape) -> u64 {
    let row = Amount::from(3_310u64) + Amount::from(shape.data) * 242;
    let rows = 1u64.checked_shl(shape.k).unwrap_or(u64::MAX);
    (row * rows + Amount::from(50_000_000u64)).get()
}

fn candidates(products: bool) -> impl Iterator<Item = Shape> {
    let clamps = if products {
        Clamps::ALL
    } else {
        Clamps::CLAMPS
    };
    (10..=LARGEST_K)
        .flat_map(move |k| {
            DATA_COLUMNS.into_iter().flat_map(move |data| {
                Poseidon::WIDTHS.into_iter().map(move |hash_width| Shape {
                    stacked: false,
                    k,
                    data,
                    hash_width,
                    limb_bits: k.saturating_sub(2),
                    clamps,
                })
            })
        })
        .filter(|shape| Cost::of(shape).is_small())
}

/// What the layers take of a shape; `None` if it is too small.
fn usage(demands: &[Demand], shape: &Shape, bits: Bits, hashes: &[Hash]) -> Option<Usage> {
    let rows = shape.usable_rows() as u64;
    let hash = hashes.iter().find(|hash| hash.width == shape.hash_width)?;
    let words: Amount = demands.iter().map(|d| d.words(shape, bits)).sum();
    let mut functions: Vec<(&str, u32)> = demands.iter().flat_map(|d| d.tables(bits)).collect();
    functions.sort_unstable();
    functions.dedup();
    let exact = [bits.weight, bits.scale].map(|bits| 1u64 << bits.min(shape.limb_bits));
    let tables = functions.iter().map(|(_, bits)| 1u64 << bits);
    let usage = Usage {
        data_cells: demands
            .iter()
            .map(|d| d.cells(shape, bits))
            .sum::<Amount>()
            .get(),
        scalar_cells: demands.iter().map(|d| d.scalars).sum::<Amount>().get(),
        hash_rows: (words.in_parts_of(hash.rate) * hash.rows).get(),
        table_rows: {
            let all = tables.chain(exact).map(Amount::from);
            (all.sum::<Amount>() + Amount::from(shape.limb_base())).get()
        },
    };
    let slots = Amount::from(shape.slot_rows()) * Amount::from(SLOTS);
    let places = (slots * Amount::from(shape.data)).get();
    let fits = usage.data_cells <= places
        && usage.scalar_cells <= rows
        && usage.hash_rows <= rows
        && usage.table_rows <= rows;
    fits.then_some(usage)
}

/// Lookups of a value of some bits.
fn limbs(bits: u32, shape: &Shape) -> Amount {
    if bits < shape.k {
        return Amount::ONE;
    }
    u64::from(bits.div_ceil(shape.limb_bits)).into()
}

/// Words that so many segments of weights take.
fn packed(segments: Amount, cells: Amount, bits: Bits) -> Amount {
    let in_a_word = u64::from(WORD_BITS).checked_div(bits.weight.into());
    segments.in_parts_of(in_a_word.unwrap_or(1).into()) * cells
}

/// Cells of a segment in whole rows.
fn whole(cells: Amount, shape: &Shape) -> Amount {
    let width = shape.data.into();
    cells.in_parts_of(width).max(Amount::ONE) * width
}
