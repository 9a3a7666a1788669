//! The enemy's test: whatever graph, ranges and weights an enemy chooses, and however it fills the cells, what
//! the constraints let it state is what the graph says.
//!
//! `ZKML_ENEMY_GRAPHS` graphs are tried (the first ones of a fixed sequence), and a line of JSON is printed.

mod aggregated;
mod check;
mod evaluator;
mod game;
pub mod graphs;
mod prover;
mod statement;

use std::sync::Arc;

use rayon::prelude::*;

use super::{fixtures::*, reject::failures};
use crate::{
    circuit::{ModelCircuit, Purpose},
    layout::repairs::{without, Repair},
};
use aggregated::aggregated;
use check::Checker;
use game::{Game, Outcome};
pub use prover::give;
pub use statement::{architecture, packing, stated, Attack};
use zkml_graph::{Interval, Role};

/// How many graphs are tried unless asked otherwise.
const GRAPHS: u64 = 300;
/// How many seeds pass at most until a rule that is not kept shows.
const SEARCHED: u64 = 20_000;

/// What the enemy's witnesses are checked with is what the circuit checks.
#[test]
fn the_check_is_the_circuit() {
    let (mut accepted, mut rejected) = (0, 0);
    for mut game in (0..40).filter_map(Game::new).take(8) {
        for (trick, witness) in game.forged() {
            let broken = Checker::new(&game.plan).broken(&witness);
            let instances = witness.instances.clone();
            let plan = game.plan.clone();
            let k = plan.shape.k;
            let circuit = ModelCircuit::with_witness(plan, Arc::new(witness), Purpose::Constraints);
            let failing = failures(&circuit, k, instances);
            assert_eq!(
                broken.is_some(),
                !failing.is_empty(),
                "{trick:?}: {broken:?}, {failing:?}"
            );
            match broken {
                None => accepted += 1,
                Some(_) => rejected += 1,
            }
        }
    }
    assert!(accepted > 5 && rejected > 5, "{accepted} and {rejected}");
}

/// The enemy finds each rule that is not kept, from seeds on that are kept here.
#[test]
fn rules_are_needed() {
    for (repair, first) in [
        (Repair::Clamps, 8400),
        (Repair::Sharing, 200),
        (Repair::Words, 2049),
        (Repair::Limbs, 1497),
        (Repair::Constants, graphs::LARGE + 4900),
        (Repair::Pads, 0),
    ] {
        let lies = |seed: u64| {
            // The layout alone, which no other thread's work comes into.
            let game = without(repair, || Game::new(seed));
            game.map(|mut game| game.attack().false_statements > 0)
        };
        let seeds = (first..first + SEARCHED).into_par_iter();
        let found = seeds.find_first(|seed| lies(*seed) == Some(true));
        println!("{repair:?}: {found:?}");
        assert!(
            found.is_some(),
            "{repair:?} is undone, and nothing false is stated"
        );
    }
}

/// Intervals that 64 bits hardly hold.
#[test]
fn far_ranges_are_refused() {
    let far = [
        (i64::MIN, i64::MAX),
        (-(1 << 40) - 1, 0),
        (0, 1 << 40),
        (i64::MAX, i64::MAX),
        (3, 2),
    ];
    for (lo, hi) in far {
        let declared = Interval { lo, hi };
        let good = classifier(4, relu6());
        for id in 0..good.graph.tensors.len() {
            let mut model = good.clone();
            let weight = model.graph.tensors[id].role == Role::Weight;
            model.graph.tensors[id].range = declared;
            let refused = architecture(&model, the_shape()).plan().is_err();
            assert!(
                refused || (weight && lo.abs_diff(hi) < 1 << 41),
                "tensor {id}: {declared:?}"
            );
        }
        for node in 0..good.graph.nodes.len() {
            let mut model = good.clone();
            model.graph.nodes[node].pre = declared;
            let refused = architecture(&model, the_shape()).plan();
            let text = refused.map(|_| ()).unwrap_err().to_string();
            assert!(text.contains(&format!("'n{node}'")), "{text}");
        }
    }
}

#[test]
fn no_false_statement() {
    let asked = std::env::var("ZKML_ENEMY_GRAPHS").ok();
    let graphs = asked.map_or(GRAPHS, |n| {
        n.parse().expect("ZKML_ENEMY_GRAPHS is a number")
    });
    let mut total = Outcome::default();
    let mut seed = 0;
    // Seeds without a layout are skipped.
    while total.graphs < graphs {
        let until = seed + (graphs - total.graphs).min(1000);
        let each = (seed..until).into_par_iter().map(|seed| {
            let batch = (seed % 4 == 1).then(|| Game::of_batch(seed, 2 + (seed / 4 % 3) as usize));
            let large = (seed % 4 == 3).then(|| Game::new(graphs::LARGE + seed));
            let games = [Some(Game::new(seed)), batch, large];
            let games = games.into_iter().flatten().flatten();
            let played = games.map(Game::play).fold(Outcome::default(), Outcome::and);
            match seed % 4 == 2 {
                true => played.and(aggregated(seed)),
                false => played,
            }
        });
        total = total.and(each.reduce(Outcome::default, Outcome::and));
        seed = until;
    }
    println!(
        "enemy: {{\"graphs\":{},\"seeds\":{seed},\"batches\":{},\"aggregated\":{},\"accepted\":{},\"false_statements\":{},\"unsat\":{}}}",
        total.graphs, total.batches, total.aggregated, total.accepted, total.false_statements, total.unsat
    );
    assert!(total.batches > 0 && total.aggregated > 0, "{total:?}");
    assert_eq!((total.false_statements, total.unsat), (0, 0));
    assert!(total.accepted >= total.graphs, "the enemy finds witnesses");
}
