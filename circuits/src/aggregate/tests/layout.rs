//! The laid-out circuit, constraint by constraint: for each of its gates, its lookup, and each class of
//! its copy constraints, a witness that only this one rejects.
//!
//! The cells are those of a product and of a scalar's digits, laid out in a pair of gate columns and a
//! single one, which are all the kinds of gate columns that there are.

use crate::aggregate::{
    circuit::{AggregationCircuit, AggregationConfig},
    columns::breaks,
    curve::Curve,
    digits::decompose,
    field::{Factor, Term},
    range::RangeCheck,
    AggregateError, AggregationShape,
};
use snark_verifier::halo2_base::{
    gates::flex_gate::threads::SinglePhaseCoreManager,
    halo2_proofs::{
        arithmetic::Field,
        circuit::{Layouter, SimpleFloorPlanner, Value},
        dev::{MockProver, VerifyFailure},
        halo2curves::bn256::{Fq, Fr},
        plonk::{Circuit, ConstraintSystem, Error},
    },
    AssignedValue,
};

const SHAPE: AggregationShape = AggregationShape { k: 19, columns: 3 };
/// Rows of a gate column that the cells are laid out in.
const ROWS: usize = 2400;
/// The range column comes after the gate columns.
const RANGE: usize = SHAPE.columns;
const SCALAR: u64 = 0x1234_5678_9abc_def1;

/// The circuit with some advice cells set otherwise: column, row, value.
struct Tampered {
    circuit: AggregationCircuit,
    cells: Vec<(usize, usize, Fr)>,
}

impl Circuit<Fr> for Tampered {
    type Config = AggregationConfig;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = AggregationShape;

    fn params(&self) -> AggregationShape {
        self.circuit.shape
    }

    fn without_witnesses(&self) -> Self {
        unreachable!()
    }

    fn configure(_: &mut ConstraintSystem<Fr>) -> AggregationConfig {
        unreachable!()
    }

    fn configure_with_params(
        meta: &mut ConstraintSystem<Fr>,
        shape: AggregationShape,
    ) -> AggregationConfig {
        AggregationCircuit::configure_with_params(meta, shape)
    }

    fn synthesize(
        &self,
        config: AggregationConfig,
        mut layouter: impl Layouter<Fr>,
    ) -> Result<(), Error> {
        let columns = config.advice();
        self.circuit
            .synthesize(config, layouter.namespace(|| "honest"))?;
        layouter.assign_region(
            || "tampered",
            |mut region| {
                for (column, row, value) in &self.cells {
                    region.assign_advice(columns[*column], *row, Value::known(*value));
                }
                Ok(())
            },
        )
    }
}

/// The honest cells and where they are.
struct Piece {
    values: Vec<Fr>,
    breaks: Vec<usize>,
    checks: Vec<RangeCheck>,
    exposed: AssignedValue<Fr>,
}

fn honest() -> (Piece, AggregationCircuit) {
    let curve = Curve::default();
    let mut pool = SinglePhaseCoreManager::new(false, Default::default());
    let ctx = pool.main();
    let scalar = ctx.load_constant(Fr::from(SCALAR));
    decompose(ctx, scalar);
    let field = &curve.arithmetic;
    let [x, y, z] = [7, 9, 63].map(|value| field.witness(ctx, &Fq::from(value)));
    let minus = Factor::Constant(-1);
    field.assert_zero(ctx, &[Term::Product(&x, &y), Term::Scaled(minus, &z)]);
    // A cell that nothing depends on.
    let exposed = ctx.load_witness(Fr::from(77));
    let mut breaks = breaks(ctx, ROWS);
    breaks.push(ctx.advice.len() - 1);
    assert_eq!(breaks.len() + 1, SHAPE.columns);
    let values = ctx.advice.iter().map(|cell| cell.evaluate()).collect();
    let checks = curve.arithmetic.ranges.take();
    let piece = Piece {
        values,
        breaks: breaks.clone(),
        checks: checks.clone(),
        exposed,
    };
    let circuit = AggregationCircuit::of_cells(SHAPE, pool, checks, vec![exposed], breaks);
    (piece, circuit)
}

impl Piece {
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
}

/// What rejects a witness, each once: `gate N`, `lookup`, `copy of COLUMN`.
fn rejections(
    circuit: AggregationCircuit,
    cells: Vec<(usize, usize, Fr)>,
    public: Fr,
) -> Vec<String> {
    let tampered = Tampered { circuit, cells };
    let prover = MockProver::run(SHAPE.k, &tampered, vec![vec![public]]).unwrap();
    let rows = 0..2 * ROWS;
    let mut names: Vec<String> = match prover.verify_at_rows(rows.clone(), rows) {
        Ok(()) => Vec::new(),
        Err(failures) => failures.iter().map(name).collect(),
    };
    names.sort();
    names.dedup();
    names
}

fn name(failure: &VerifyFailure) -> String {
    match failure {
        VerifyFailure::ConstraintNotSatisfied { constraint, .. } => {
            // `Constraint 0 in gate 2 ('a + b·c = d')`
            let text = constraint.to_string();
            let gate = text
                .split("gate ")
                .nth(1)
                .and_then(|rest| rest.split(' ').next());
            format!("gate {}", gate.unwrap_or("?"))
        }
        VerifyFailure::Lookup { name, .. } => format!("lookup {name}"),
        VerifyFailure::Permutation { column, .. } => format!("copy {column}"),
        other => format!("{other}"),
    }
}

/// Tampers with the honest witness; what rejects it.
fn tamper(change: impl FnOnce(&Piece) -> Vec<(usize, usize, Fr)>) -> Vec<String> {
    let (piece, circuit) = honest();
    let cells = change(&piece);
    rejections(circuit, cells, *piece.exposed.value())
}

#[test]
fn the_honest_witness_is_accepted() {
    assert!(tamper(|_| Vec::new()).is_empty());
}

#[test]
fn each_gate_is_needed() {
    let (piece, _) = honest();
    // A partial sum of a chain is in gates only: look for one in each of the first two columns.
    let cells = super::cells::Cells::new(&honest_pool(), piece.checks.clone());
    for column in 0..2 {
        let cell = (0..piece.values.len() - 1)
            .find(|cell| {
                let (at, row) = piece.place(*cell);
                at == column && row > 8 && cells.only_in_gates(*cell)
            })
            .unwrap();
        let rejected = tamper(|piece| vec![piece.set(cell, piece.values[cell] + Fr::ONE)]);
        assert_eq!(rejected, [format!("gate {column}")]);
    }
}

/// The third column is a single one: as many cells again, to have gates there.
#[test]
fn the_gate_of_a_single_column_is_needed() {
    let mut pool = SinglePhaseCoreManager::new(false, Default::default());
    let ctx = pool.main();
    for scalar in 0..3 {
        let scalar = ctx.load_constant(Fr::from(SCALAR + scalar));
        decompose(ctx, scalar);
    }
    let last = ctx.advice.len() / 3;
    let breaks = [last, 2 * last].to_vec();
    let values: Vec<Fr> = ctx.advice.iter().map(|cell| cell.evaluate()).collect();
    let exposed = ctx.load_witness(Fr::from(77));
    // The sum of the third scalar's first digit, which only its copy's copies know: a gate alone.
    let cells = super::cells::Cells::new(&pool, Vec::new());
    let cell = (2 * last + 8..values.len()).find(|cell| cells.only_in_gates(*cell));
    let cell = cell.unwrap();
    let circuit = AggregationCircuit::of_cells(SHAPE, pool, Vec::new(), vec![exposed], breaks);
    let change = vec![(2, cell - 2 * last, values[cell] + Fr::ONE)];
    assert_eq!(rejections(circuit, change, Fr::from(77)), ["gate 2"]);
}

fn honest_pool() -> SinglePhaseCoreManager<Fr> {
    honest().1.into_cells().0
}

/// Rows of the range column at which checks start.
fn starts(checks: &[RangeCheck]) -> Vec<usize> {
    let mut row = 0;
    let rows = |bits: u32| crate::aggregate::range::rows(bits);
    checks
        .iter()
        .map(|(_, bits)| {
            let start = row;
            row += rows(*bits);
            start
        })
        .collect()
}

#[test]
fn the_range_lookup_is_needed() {
    // A quotient that does not fit the value.
    let rejected = tamper(|piece| {
        let row = starts(&piece.checks)[1];
        vec![(RANGE, row + 1, Fr::from(1))]
    });
    assert_eq!(rejected, ["lookup range"]);
    // Quotients of the field, as for a value out of range: what ends the chain rejects them.
    let rejected = tamper(|piece| {
        let row = starts(&piece.checks)[0];
        let value = *piece.checks[0].0.value();
        let mut quotient = value;
        let mut cells = Vec::new();
        for (i, link) in [18, 18, 18, 14].into_iter().enumerate() {
            // A remainder of 1, whatever the value's.
            quotient = (quotient - Fr::ONE) * Fr::from(1 << link).invert().unwrap();
            cells.push((RANGE, row + 1 + i, quotient));
        }
        cells
    });
    assert_eq!(rejected, ["lookup range"]);
}

#[test]
fn copies_of_each_kind_are_needed() {
    // A bit's copies, which satisfy its gate with another value.
    let rejected = tamper(|piece| {
        // Constant, digit: sign 4 cells, then [0, e, e, e].
        let bit = piece.values[1 + 4 + 1];
        let five = Fr::from(5);
        vec![piece.set(1 + 4 + 2, five), piece.set(1 + 4 + 3, bit * five)]
    });
    assert_eq!(rejected, ["copy Column('Advice', 0)"], "cell and cell");
    // A constant of the gate that ends the digits, with the result that it then has.
    let digits = 1 + 64 * 42 + 4 + 63 * 7 + 4;
    let rejected = tamper(|piece| {
        let [sum, scalar] = [4, 3].map(|i| piece.values[digits - i]);
        vec![
            piece.set(digits - 2, Fr::from(2)),
            piece.set(digits - 1, sum + scalar.double()),
        ]
    });
    assert_only_copies(&rejected, "cell and constant");
    // The last cell, which is repeated at the top of the next column.
    let rejected = tamper(|_| vec![(2, 0, Fr::from(78))]);
    assert_only_copies(&rejected, "break");
    // A chain of quotients that is in range, of another value.
    let rejected = tamper(|piece| {
        let row = starts(&piece.checks)[0];
        vec![(RANGE, row, Fr::from(8))]
    });
    assert_only_copies(&rejected, "range check");
    // Another public value.
    let (_, circuit) = honest();
    let rejected = rejections(circuit, Vec::new(), Fr::from(78));
    assert_only_copies(&rejected, "public value");
}

/// Both ends of a broken copy are reported.
fn assert_only_copies(rejected: &[String], what: &str) {
    let copies = rejected.iter().filter(|name| name.starts_with("copy"));
    assert!(
        !rejected.is_empty() && copies.count() == rejected.len(),
        "{what}: {rejected:?}"
    );
}

/// halo2 does not check, in release builds, that a row is usable.
#[test]
fn range_rows_that_do_not_fit_are_an_error() {
    let (srs, snarks) = super::two_snarks();
    let generator = super::deciding_key(&srs.params).svk().g;
    let many = vec![snarks[0].clone(); 16];
    let shape = AggregationShape { k: 19, columns: 64 };
    let error = AggregationCircuit::build(generator, &many, &[], shape, None);
    let Err(AggregateError::Misfit { what, .. }) = error else {
        panic!("16 proofs fit 2^19 range rows");
    };
    assert!(what.contains("range rows"), "{what}");
}
