//! For each constraint a witness that breaks it and nothing else.

use std::sync::Arc;

use halo2_proofs::halo2curves::bn256::Fr;

use super::{
    cheat::{set, At, Prover},
    clamps, lookups,
    mutant::{Copy, Removed},
    rehash::{rehash, Wrong},
};
use crate::{
    circuit::{
        fixed::fold_row,
        tests::{
            cheats::{forged, is_compute, joined, product},
            fixtures::{classifier, relu6, Model},
            reject::{linear, linear_of},
            Override,
        },
        Witness,
    },
    hash::Poseidon,
    layout::{permutation_rows, program::Operand, Emit, Gate, Place, Plan, Shape, Step, SLOTS},
};

/// A forged witness.
pub struct Forgery {
    /// What is forged.
    pub how: String,
    pub plan: Arc<Plan>,
    pub witness: Arc<Witness>,
    /// Cells that are not what the prover's own program computes.
    pub cells: Vec<Override>,
    /// The same for the circuit without the constraint, where the look-up columns differ.
    pub relaxed: Option<Vec<Override>>,
    /// In the circuit without a table this stands in place of the last table row: tag and value.
    pub entry: Option<(usize, u64)>,
}

impl Forgery {
    pub fn new(how: impl Into<String>, (plan, witness): (Arc<Plan>, Arc<Witness>)) -> Self {
        Self {
            how: how.into(),
            plan,
            witness,
            cells: Vec::new(),
            relaxed: None,
            entry: None,
        }
    }

    pub fn with(self, cells: Vec<Override>) -> Self {
        Self { cells, ..self }
    }
}

/// The forged witnesses for a constraint: none, if there is nobody who wrote one.
pub fn forgeries(removed: &Removed, shape: Shape) -> Vec<Forgery> {
    match removed {
        Removed::Polynomial {
            name, polynomial, ..
        } => polynomials(name, *polynomial, shape),
        Removed::Copy(class) => vec![copy(*class, shape)],
        Removed::Table(tag) => lookups::outside_the_table(*tag, shape)
            .into_iter()
            .collect(),
        Removed::Function => vec![lookups::another_value(shape)],
        Removed::Tags => vec![lookups::table_of_another_tag(shape)],
    }
}

fn polynomials(name: &str, polynomial: usize, shape: Shape) -> Vec<Forgery> {
    let t = shape.hash_width;
    match name {
        "fold" => [
            ("fold", linear(2), Gate::None),
            ("fold of a clamp's excess", clamps::two_sided(), clamps::CAP),
            (
                "fold of a wide clamp's excess",
                clamps::wide_two_sided(),
                clamps::CAP_WIDE,
            ),
            ("fold of products", product(1), Gate::Product),
        ]
        .into_iter()
        .filter(|(_, _, gate)| shape.allow(*gate))
        .map(|(how, model, gate)| fold(how, model.on(shape), gate))
        .collect(),
        "clamp two-sided" => vec![clamps::inside_the_bounds(polynomial, shape)],
        "clamp two-sided, high limb" => {
            vec![clamps::high_limb_inside_the_bounds(polynomial, shape)]
        }
        "clamp one-sided" => vec![clamps::both_parts(
            polynomial / 2,
            polynomial % 2 == 1,
            shape,
        )],
        "lookup helper" => vec![lookups::helper(shape)],
        "lookup sum" | "lookup cell" => vec![lookups::sum(shape)],
        "lookup entry" => vec![lookups::entry(shape)],
        "lookup border" => vec![lookups::border(polynomial == 0, shape)],
        "scalar" => vec![identity("result of an operation", shape, |plan| {
            (0..plan.program.ops.len()).map(At::Result).collect()
        })],
        "scalar constant" => vec![identity("constant", shape, |plan| {
            // Constants that no data cell is tied to.
            let fixed = plan.steps.iter().flat_map(|step| match step {
                Step::Fixed { cells } => cells.as_slice(),
                _ => &[],
            });
            let fixed: Vec<Fr> = fixed.map(|(_, value)| Fr::from(*value)).collect();
            let constants = plan.program.constants.iter().enumerate();
            constants
                .filter(|(_, value)| !fixed.contains(value))
                .map(|(i, _)| At::Constant(i))
                .collect()
        })],
        "poseidon square" => vec![hash("square", shape, |_, start| Wrong::Square(start + 5))],
        // Width 3: four full states, 57 partial inputs, four full states, the output.
        "poseidon full round" => vec![hash("state of a full round", shape, move |_, start| {
            Wrong::Input(start + t + polynomial)
        })],
        "poseidon entry" => vec![hash(
            "input of a first partial round",
            shape,
            move |_, start| Wrong::Input(start + 4 * t + polynomial),
        )],
        "poseidon partial round" => {
            vec![hash("input of a partial round", shape, move |_, start| {
                Wrong::Input(start + 5 * t + 7)
            })]
        }
        "poseidon exit" => vec![hash(
            "state after the partial rounds",
            shape,
            move |plan, start| {
                let poseidon = Poseidon::new(plan.shape.hash_width).unwrap();
                Wrong::Input(start + permutation_rows(&poseidon) - 5 * t + polynomial)
            },
        )],
        _ => Vec::new(),
    }
}

fn copy(class: Copy, shape: Shape) -> Forgery {
    match class {
        Copy::OperandFold => identity("operand that is no fold", shape, |plan| {
            operands(plan, |operand| matches!(operand, Operand::Fold { .. }))
        }),
        Copy::OperandCell => identity("operand that is no cell", shape, |plan| {
            operands(plan, |operand| matches!(operand, Operand::Cell { .. }))
        }),
        Copy::OperandConstant => identity("operand that is no constant", shape, |plan| {
            operands(plan, |operand| matches!(operand, Operand::Constant(_)))
        }),
        Copy::OperandResult => identity("operand that is no result", shape, |plan| {
            operands(plan, |operand| matches!(operand, Operand::Result(_)))
        }),
        Copy::OperandInstanceWord => word("public word", shape, |place| {
            matches!(place, Place::Instance(_))
        }),
        Copy::OperandMessageWord => word("hashed word", shape, |place| {
            matches!(place, Place::Message { .. })
        }),
        Copy::Identity => Forgery::new("another output", another_output(&mut linear(2).on(shape))),
        Copy::Gather => Forgery::new(
            "copied element",
            forged(
                &mut joined().on(shape),
                |step| matches!(step, Step::Gather { copies } if !copies.is_empty()),
                |_, blocks, step| {
                    let Step::Gather { copies } = step else {
                        panic!()
                    };
                    let (to, _) = copies[0];
                    blocks[to.block][to.index] ^= 1;
                },
            ),
        ),
        Copy::FixedCell => Forgery::new(
            "constant element",
            forged(
                &mut joined().on(shape),
                // The first two blocks are the challenges'.
                |step| matches!(step, Step::Fixed { cells } if cells[0].0.block > 1),
                |_, blocks, step| {
                    let Step::Fixed { cells } = step else {
                        panic!()
                    };
                    let (cell, _) = cells[0];
                    blocks[cell.block][cell.index] ^= 1;
                },
            ),
        ),
        Copy::HashCapacity => hash("initial capacity", shape, |_, start| Wrong::Input(start)),
        Copy::HashChain => hash("capacity of the next permutation", shape, |plan, start| {
            let poseidon = Poseidon::new(plan.shape.hash_width).unwrap();
            Wrong::Input(start + permutation_rows(&poseidon))
        }),
        // A model whose words do not fill the last permutation.
        Copy::HashPadding => hash_of(linear(2).on(shape), "padding", |plan, start| {
            let message = &plan.statement.messages[0];
            let poseidon = Poseidon::new(plan.shape.hash_width).unwrap();
            let (words, rate) = (message.words, poseidon.rate());
            assert_ne!(words % rate, 0, "a message with padding");
            Wrong::Input(start + words / rate * permutation_rows(&poseidon) + 1 + words % rate)
        }),
        Copy::Digest => {
            let (plan, witness) = honest(&mut linear(2).on(shape));
            let mut witness = Witness::clone(&witness);
            witness.instances[plan.statement.messages[0].digest] += Fr::one();
            Forgery::new("another digest", (plan, Arc::new(witness)))
        }
    }
}

pub fn honest(model: &mut Model) -> (Arc<Plan>, Arc<Witness>) {
    let plan = model.plan(model.shape);
    let inputs = model.random_input();
    let witness = model.witness(&plan, &inputs);
    (plan, witness)
}

/// A witness with other data cells after the first computation; everything after follows.
pub fn with_cells(
    model: &mut Model,
    change: impl Fn(&Plan, &mut [Vec<u64>], &Emit),
) -> (Arc<Plan>, Arc<Witness>) {
    forged(model, is_compute, |plan, blocks, step| {
        let Step::Compute { emit, .. } = step else {
            panic!()
        };
        change(plan, blocks, emit);
    })
}

/// The first element that may be another, of those first computed, is one more.
fn another_output(model: &mut Model) -> (Arc<Plan>, Arc<Witness>) {
    with_cells(model, |plan, blocks, emit| {
        let kept = emit.kept[0].block;
        let most = plan.blocks[kept].range.size() - 1;
        let clamped = clamps::excess(emit);
        let cell = (0..blocks[kept].len()).find(|&i| {
            let inside = clamped.is_none_or(|e| blocks[e][i] == 0 && blocks[kept][i] > 0);
            inside && blocks[kept][i] + 1 < most
        });
        blocks[kept][cell.unwrap()] += 1;
    })
}

/// Another output, and one value of phase 2 that makes up for it.
fn identity(how: &str, shape: Shape, candidates: impl Fn(&Plan) -> Vec<At>) -> Forgery {
    making_up(how, another_output(&mut linear(2).on(shape)), candidates)
}

fn making_up(
    how: &str,
    (plan, witness): (Arc<Plan>, Arc<Witness>),
    candidates: impl Fn(&Plan) -> Vec<At>,
) -> Forgery {
    let mut prover = Prover::new(&plan, &witness);
    assert!(!prover.identities_hold(), "{how}: something is wrong");
    let mut candidates = candidates(&plan).into_iter();
    let cells = candidates.find_map(|at| prover.solve(at));
    Forgery::new(how, (plan, witness)).with(cells.expect(how))
}

/// A fold of a block with a gate makes up for another output.
fn fold(how: &str, mut model: Model, gate: Gate) -> Forgery {
    making_up(how, another_output(&mut model), |plan| {
        let blocks = plan.blocks.iter().filter(|block| block.gate == gate);
        blocks
            .flat_map(|block| {
                let segments = block.rows() / block.geometry.rows;
                (0..segments).map(|segment| At::Fold(fold_row(block, segment)))
            })
            // MockProver cannot report a failing gate that reads rows before the first.
            .filter(|at| !matches!(at, At::Fold(row) if *row < SLOTS))
            .collect()
    })
}

/// All operands of a kind, but those that are the result just computed.
fn operands(plan: &Plan, kind: impl Fn(&Operand) -> bool) -> Vec<At> {
    let ops = plan.program.ops.iter().enumerate();
    ops.flat_map(|(i, op)| {
        let chained = i > 0 && op.a == Operand::Result(i - 1);
        [op.a, op.b, op.c]
            .into_iter()
            .enumerate()
            .skip(usize::from(chained))
            .filter(|(_, operand)| kind(operand))
            .map(move |(at, _)| At::Operand(i, at))
            .collect::<Vec<_>>()
    })
    .collect()
}

/// A word that does not pack the cells, read as if it did.
fn word(how: &str, shape: Shape, kind: impl Fn(&Place) -> bool) -> Forgery {
    // Of one word alone no operation would read it.
    let (plan, honest) = honest(&mut linear_of(60, 2).on(shape));
    let changed = plan.statement.words.iter().position(kind).unwrap();
    let mut words = honest.words.clone();
    words[changed] += Fr::one();
    let (blocks, salts) = (honest.blocks.clone(), honest.salts.clone());
    let witness = Witness::finish(&plan, blocks, words, salts, Fr::from(9)).unwrap();
    making_up(how, (plan, Arc::new(witness)), |plan| {
        operands(plan, |operand| *operand == Operand::Word(changed))
    })
}

/// A cell of the first message's hash columns, and a digest to fit.
fn hash(how: &str, shape: Shape, wrong: impl Fn(&Plan, usize) -> Wrong) -> Forgery {
    hash_of(classifier(20, relu6()).on(shape), how, wrong)
}

fn hash_of(mut model: Model, how: &str, wrong: impl Fn(&Plan, usize) -> Wrong) -> Forgery {
    let shape = model.shape;
    let (plan, honest) = honest(&mut model);
    let wrong = wrong(&plan, 0);
    let (witness, squares) = rehash(&plan, &honest, wrong);
    assert_ne!(witness.instances, honest.instances);
    let cells = match wrong {
        Wrong::Square(row) => {
            let at = plan.rows.hash + row;
            vec![set(u8::from(shape.stacked), |c| c.square, at, squares[row])]
        }
        Wrong::Input(_) => Vec::new(),
    };
    Forgery::new(how, (plan, Arc::new(witness))).with(cells)
}
