//! The laid-out circuit, constraint by constraint: for each of its gates, its look-up, and each class of
//! its copies, witnesses that only this one rejects. [`super::soundness`] tries them.
//!
//! The cells are those of a product and of a scalar's digits, laid out in a pair of gate columns and a
//! single one, which are all the kinds of gate columns that there are; public values are those of a whole
//! verification.

use super::{
    cells::Cells,
    deciding_key,
    soundness::{
        mutant::{Copy, Mutant, Removed},
        Forgery,
    },
    two_snarks,
};
use crate::{
    circuit::AggregationCircuit,
    columns::breaks,
    curve::Curve,
    digits::decompose,
    field::{Factor, Term},
    range::{rows, RangeCheck},
    AggregateError, AggregationShape,
};
use snark_verifier::halo2_base::{
    gates::flex_gate::threads::SinglePhaseCoreManager,
    halo2_proofs::{
        arithmetic::Field,
        halo2curves::bn256::{Fq, Fr},
    },
};

pub const SHAPE: AggregationShape = AggregationShape { k: 19, columns: 3 };
/// Rows of a gate column that the cells are laid out in.
const ROWS: usize = 2400;
/// The range column comes after the gate columns.
const RANGE: usize = SHAPE.columns;
const SCALAR: u64 = 0x1234_5678_9abc_def1;

/// The honest cells and where they are.
struct Piece {
    values: Vec<Fr>,
    breaks: Vec<usize>,
    checks: Vec<RangeCheck>,
    circuit: AggregationCircuit,
}

impl Piece {
    fn new(pool: SinglePhaseCoreManager<Fr>, checks: Vec<RangeCheck>, breaks: Vec<usize>) -> Self {
        assert_eq!(breaks.len() + 1, SHAPE.columns);
        let cells = pool.threads[0].advice.iter();
        Self {
            values: cells.map(|cell| cell.evaluate()).collect(),
            breaks: breaks.clone(),
            checks: checks.clone(),
            circuit: AggregationCircuit::of_cells(SHAPE, pool, checks, Vec::new(), breaks),
        }
    }

    /// Column and row of a virtual cell; of a repeated cell, the first.
    fn place(&self, cell: usize) -> (usize, usize) {
        let column = self.breaks.iter().filter(|end| **end < cell).count();
        let start = column.checked_sub(1).map_or(0, |i| self.breaks[i]);
        (column, cell - start)
    }

    fn set(&self, cell: usize, value: Fr) -> (usize, usize, Fr) {
        let (column, row) = self.place(cell);
        (column, row, value)
    }

    /// The piece with some cells set otherwise.
    fn forged(self, how: &str, cells: Vec<(usize, usize, Fr)>) -> Forgery {
        Forgery {
            how: how.into(),
            rows: 2 * ROWS,
            mutant: Mutant {
                circuit: self.circuit,
                cells,
                public: Vec::new(),
                removed: Removed::Nothing,
            },
        }
    }
}

/// A scalar's digits and a product.
fn honest() -> Piece {
    let curve = Curve::default();
    let mut pool = SinglePhaseCoreManager::new(false, Default::default());
    let ctx = pool.main();
    let scalar = ctx.load_constant(Fr::from(SCALAR));
    decompose(ctx, scalar);
    let field = &curve.arithmetic;
    let [x, y, z] = [7, 9, 63].map(|value| field.witness(ctx, &Fq::from(value)));
    let minus = Factor::Constant(-1);
    field.assert_zero(ctx, &[Term::Product(&x, &y), Term::Scaled(minus, &z)]);
    // A cell that nothing depends on ends the list, and is repeated.
    ctx.load_witness(Fr::from(77));
    let mut breaks = breaks(ctx, ROWS);
    breaks.push(ctx.advice.len() - 1);
    Piece::new(pool, curve.arithmetic.ranges.take(), breaks)
}

/// Digits of three scalars, so that each column has gates.
fn digits() -> (Piece, Cells) {
    let mut pool = SinglePhaseCoreManager::new(false, Default::default());
    let ctx = pool.main();
    for scalar in 0..3 {
        let scalar = ctx.load_constant(Fr::from(SCALAR + scalar));
        decompose(ctx, scalar);
    }
    let breaks = breaks(ctx, ctx.advice.len() / 3 + 8);
    let cells = Cells::new(&pool, Vec::new());
    (Piece::new(pool, Vec::new(), breaks), cells)
}

/// Witnesses that only the gate of this column rejects.
pub fn gate(column: usize) -> Vec<Forgery> {
    let (piece, cells) = digits();
    // A partial sum of a chain is in gates only.
    let mut candidates = (0..piece.values.len() - 1).filter(|cell| cells.only_in_gates(*cell));
    let cell = candidates.find(|cell| {
        let (at, row) = piece.place(*cell);
        at == column && row > 8
    });
    let cell = cell.unwrap();
    let change = piece.set(cell, piece.values[cell] + Fr::ONE);
    vec![piece.forged("result of a gate", vec![change])]
}

/// Rows of the range column at which checks start.
fn starts(checks: &[RangeCheck]) -> Vec<usize> {
    let mut row = 0;
    let mut next = |bits: u32| {
        let start = row;
        row += rows(bits);
        start
    };
    checks.iter().map(|(_, bits)| next(*bits)).collect()
}

/// Witnesses that only the look-up rejects.
pub fn lookup() -> Vec<Forgery> {
    let piece = honest();
    let row = starts(&piece.checks)[1];
    let quotient = piece.forged(
        "quotient that does not fit the value",
        vec![(RANGE, row + 1, Fr::ONE)],
    );
    // Quotients of the field, as for a value out of range: what ends the chain rejects them.
    let piece = honest();
    let row = starts(&piece.checks)[0];
    let mut quotient_of = *piece.checks[0].0.value();
    let mut chain = Vec::new();
    for (i, link) in [18, 18, 18, 14].into_iter().enumerate() {
        // A remainder of 1, whatever the value's.
        quotient_of = (quotient_of - Fr::ONE) * Fr::from(1 << link).invert().unwrap();
        chain.push((RANGE, row + 1 + i, quotient_of));
    }
    vec![
        quotient,
        piece.forged("quotients of the field, the last one too large", chain),
    ]
}

/// Witnesses that only the copies of a class reject.
pub fn copies(class: Copy) -> Vec<Forgery> {
    let piece = honest();
    let forgery = match class {
        Copy::Operand => {
            // Constant, digit: sign 4 cells, then [0, e, e, e]: a bit's copies, which satisfy its gate with
            // another value.
            let bit = piece.values[1 + 4 + 1];
            let five = Fr::from(5);
            let cells = vec![piece.set(1 + 4 + 2, five), piece.set(1 + 4 + 3, bit * five)];
            piece.forged("operands that are not what they copy", cells)
        }
        Copy::Constant => {
            // A constant of the gate that ends the digits, with the result that it then has.
            let digits = 1 + 64 * 42 + 4 + 63 * 7 + 4;
            let [sum, scalar] = [4, 3].map(|i| piece.values[digits - i]);
            let cells = vec![
                piece.set(digits - 2, Fr::from(2)),
                piece.set(digits - 1, sum + scalar.double()),
            ];
            piece.forged("another constant", cells)
        }
        Copy::Break => piece.forged("another value at the top of a column", {
            vec![(2, 0, Fr::from(78))]
        }),
        Copy::Range => {
            let row = starts(&piece.checks)[0];
            let cells = vec![(RANGE, row, Fr::from(8))];
            piece.forged("quotients in range, of another value", cells)
        }
        Copy::Accumulator | Copy::Digest | Copy::Statement => return public_values(class),
    };
    vec![forgery]
}

/// A whole verification of one proof, each public value of the class another.
fn public_values(class: Copy) -> Vec<Forgery> {
    let (srs, snarks) = two_snarks();
    let generator = deciding_key(&srs.params).svk().g;
    let build = || {
        let snark = std::slice::from_ref(&snarks[0]);
        AggregationCircuit::build(generator, snark, &[], SHAPE, None).unwrap()
    };
    let honest = build().instances();
    let mut rows = (0..honest.len()).filter(|row| Copy::of_instance(*row) == class);
    let first = rows.next().unwrap();
    // Each alone is refused by the whole circuit: see `each_public_value_is_bound`.
    let last = rows.next_back().unwrap_or(first);
    let mut public = honest;
    (first..=last).for_each(|row| public[row] += Fr::ONE);
    vec![Forgery {
        how: "other public values".into(),
        rows: (1 << SHAPE.k) - 64,
        mutant: Mutant {
            circuit: build(),
            cells: Vec::new(),
            public,
            removed: Removed::Nothing,
        },
    }]
}

#[test]
fn the_honest_witness_is_accepted() {
    for piece in [honest(), digits().0] {
        let forgery = piece.forged("nothing", Vec::new());
        assert!(forgery.mutant.rejections(forgery.rows).is_empty());
    }
}

/// halo2 does not check, in release builds, that a row is usable.
#[test]
fn range_rows_that_do_not_fit_are_an_error() {
    let (srs, snarks) = two_snarks();
    let generator = deciding_key(&srs.params).svk().g;
    let many = vec![snarks[0].clone(); 16];
    let shape = AggregationShape { k: 19, columns: 64 };
    let error = AggregationCircuit::build(generator, &many, &[], shape, None);
    let Err(AggregateError::Misfit { what, .. }) = error else {
        panic!("16 proofs fit 2^19 range rows");
    };
    assert!(what.contains("range rows"), "{what}");
}
