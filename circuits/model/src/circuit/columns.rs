//! The columns of a circuit. They depend on the [`Shape`] only, never on the model.
//!
//! In a stacked circuit several parts share a column, on different rows (see [`crate::layout::Rows`]): then several
//! fields here are the same column.

use halo2_proofs::{
    halo2curves::bn256::Fr,
    plonk::{
        Advice, Challenge, Column, ConstraintSystem, FirstPhase, Fixed, Instance, SecondPhase,
    },
};

use crate::layout::Shape;

/// What a row is for, in the `section` column. In a canonical circuit every usable row but the last is `Data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Data cells that are folded and looked up.
    Data = 1,
    /// Table entries and their multiplicities.
    Table = 2,
    /// S-boxes.
    Hash = 3,
}

/// All columns and challenges.
///
/// Phase 1 holds everything that the challenges must not depend on; phase 2 what is computed
/// with them.
#[derive(Clone, Debug)]
pub struct Columns {
    /// Phase 1. Home cells of every tensor element: range-checked, non-negative.
    pub data: Vec<Column<Advice>>,
    /// Phase 1. How often each table row is looked up.
    pub multiplicity: Column<Advice>,
    /// Phase 1. Poseidon S-box inputs `x` (and the words that replace rate lanes).
    pub sbox: Column<Advice>,
    /// Phase 1; in a stacked circuit phase 2. `x²`.
    pub square: Column<Advice>,
    /// Phase 2. Folds of the data rows.
    pub fold: Column<Advice>,
    /// Phase 2. The scalar program: `a·b + c = d` in four consecutive cells.
    pub scalar: Column<Advice>,
    /// Phase 2. Sums of three reciprocals each.
    pub helpers: Vec<Column<Advice>>,
    /// Phase 2. Running sum of the look-up argument.
    pub running: Column<Advice>,
    /// The statement.
    pub instance: Column<Instance>,

    /// What the row is for (`Section`).
    pub section: Column<Fixed>,
    /// Whether parts share columns.
    pub stacked: bool,
    /// Variable of the row's fold: 0 is `position`, 1 is `channel`.
    pub variable: Column<Fixed>,
    /// 1 if the fold continues from the previous row of the same slot.
    pub carry: Column<Fixed>,
    /// 2/cap of a two-sided clamp on the row of its excess; 0 elsewhere.
    pub cap: Option<Column<Fixed>>,
    /// The same, where the excess has a second limb.
    pub cap_wide: Option<Column<Fixed>>,
    /// One-sided clamp: 1 with single limbs, 2 with two limbs each.
    pub relu: Option<Column<Fixed>>,
    /// 1 where what is folded is the product with the cells of the row before.
    pub product: Option<Column<Fixed>>,
    /// Tag of the table that the row's data cells belong to.
    pub tag: Column<Fixed>,
    /// Table values.
    pub table_value: Column<Fixed>,
    /// Table tags.
    pub table_tag: Column<Fixed>,
    /// 1: the scalar gate starts here; 2: the scalar cell is the row's constant.
    pub scalar_kind: Column<Fixed>,
    /// Constants of the scalar program and of Poseidon rounds (on different rows).
    pub constant: Column<Fixed>,
    /// Poseidon: 1 full round, 2 partial round.
    pub round: Column<Fixed>,
    /// Poseidon: 1 entry into the partial rounds, 2 exit from them.
    pub border: Column<Fixed>,

    /// Variable of folds along positions.
    pub position: Challenge,
    /// Variable of folds along channels.
    pub channel: Challenge,
    /// Where the look-up argument is evaluated.
    pub pole: Challenge,
    /// Mixes a tag into a look-up.
    pub mix: Challenge,
}

impl Columns {
    /// Data columns whose reciprocals the running sum takes up itself.
    pub const DIRECT: usize = 2;
    /// Data columns per helper: degree 5 with the selector.
    pub const PER_HELPER: usize = 3;

    /// Helper columns for `data` data columns.
    pub fn helpers_for(data: usize) -> usize {
        data.saturating_sub(Self::DIRECT).div_ceil(Self::PER_HELPER)
    }

    /// Allocates the columns.
    pub fn new(meta: &mut ConstraintSystem<Fr>, shape: &Shape) -> Self {
        let data: Vec<_> = (0..shape.data)
            .map(|_| meta.advice_column_in(FirstPhase))
            .collect();
        let shared = data.first().copied().filter(|_| shape.stacked);
        let multiplicity = shared.unwrap_or_else(|| meta.advice_column_in(FirstPhase));
        let sbox = shared.unwrap_or_else(|| meta.advice_column_in(FirstPhase));
        let square = (!shape.stacked).then(|| meta.advice_column_in(FirstPhase));
        // All challenges are drawn after phase 1: operands and results are committed by then.
        let [position, channel, pole, mix] =
            [(); 4].map(|()| meta.challenge_usable_after(FirstPhase));
        let fold = meta.advice_column_in(SecondPhase);
        let scalar = match shape.stacked {
            true => fold,
            false => meta.advice_column_in(SecondPhase),
        };
        let helpers = (0..Self::helpers_for(shape.data))
            .map(|_| meta.advice_column_in(SecondPhase))
            .collect();
        let running = meta.advice_column_in(SecondPhase);
        // What squares are is decided by the S-box inputs, so they may come after the challenges.
        let square = square.unwrap_or(running);
        let instance = meta.instance_column();
        for column in data.iter().chain([&sbox, &fold, &scalar]) {
            meta.enable_equality(*column);
        }
        meta.enable_equality(instance);
        let clamps = shape.clamps;
        let cap = clamps.two_sided.then(|| meta.fixed_column());
        let section = meta.fixed_column();
        let tag = meta.fixed_column();
        let constant = meta.fixed_column();
        let (table_value, table_tag) = match shape.stacked {
            true => (constant, tag),
            false => (meta.fixed_column(), meta.fixed_column()),
        };
        Self {
            data,
            multiplicity,
            sbox,
            square,
            fold,
            scalar,
            helpers,
            running,
            instance,
            section,
            stacked: shape.stacked,
            variable: meta.fixed_column(),
            carry: meta.fixed_column(),
            cap,
            cap_wide: match shape.shares_caps() {
                true => cap,
                false => (clamps.two_sided && clamps.wide).then(|| meta.fixed_column()),
            },
            relu: clamps.one_sided.then(|| meta.fixed_column()),
            product: clamps.product.then(|| meta.fixed_column()),
            tag,
            table_value,
            table_tag,
            scalar_kind: meta.fixed_column(),
            constant,
            round: meta.fixed_column(),
            border: meta.fixed_column(),
            position,
            channel,
            pole,
            mix,
        }
    }
}
