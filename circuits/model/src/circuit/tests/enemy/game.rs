//! One configuration and what the enemy tries with it.

use std::{collections::BTreeMap, sync::Arc};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

use super::super::fixtures::*;
use super::{
    check::Checker,
    graphs::{self, Declared},
    prover::{Enemy, Trick},
    statement::{architecture, Attack},
};
use crate::{
    circuit::Witness,
    layout::{LayoutError, Plan},
    prove::Architecture,
};
use zkml_graph::{exec, range, Graph, Role, TensorId};

const TRICKS: [Trick; 8] = [
    Trick::Nothing,
    Trick::Nothing,
    Trick::Pads,
    Trick::Copies,
    Trick::Cells,
    Trick::Cells,
    Trick::Cells,
    Trick::AlikePads,
];

/// A configuration that has a plan.
pub struct Game {
    seed: u64,
    declared: Declared,
    model: Model,
    /// Inferences of the circuit, and the graph of each.
    runs: usize,
    single: Graph,
    pub architecture: Architecture,
    pub plan: Arc<Plan>,
    rng: ChaCha20Rng,
}

/// What became of one graph.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// Layouts.
    pub graphs: u64,
    /// Those of several inferences.
    pub batches: u64,
    /// Lists of statements that are aggregated.
    pub aggregated: u64,
    /// Witnesses that all constraints accept.
    pub accepted: u64,
    /// Statements among them that are not what the graph says.
    pub false_statements: u64,
    /// Honest witnesses that break a constraint.
    pub unsat: u64,
}

impl Outcome {
    pub fn and(self, other: Self) -> Self {
        Self {
            graphs: self.graphs + other.graphs,
            batches: self.batches + other.batches,
            aggregated: self.aggregated + other.aggregated,
            accepted: self.accepted + other.accepted,
            false_statements: self.false_statements + other.false_statements,
            unsat: self.unsat + other.unsat,
        }
    }
}

impl Game {
    /// The configuration of a seed; `None` if it has no plan.
    pub fn new(seed: u64) -> Option<Self> {
        Self::of_batch(seed, 1)
    }

    /// The same graph for so many inputs in one circuit.
    pub fn of_batch(seed: u64, runs: usize) -> Option<Self> {
        let mut model = graphs::graph(seed)?;
        let single = model.graph.clone();
        if runs > 1 {
            model.graph = single.batched(runs);
            range::propagate(&mut model.graph, &model.weights).ok()?;
        }
        let mut rng = ChaCha20Rng::seed_from_u64(seed ^ 0x5eed);
        let shapes = [
            shape(10, 5, 3),
            shape(11, 2, 3),
            shape(9, 8, 3),
            stacked(12),
        ];
        let shape = shapes[rng.gen_range(0..shapes.len())];
        let all = [
            Declared::Honest,
            Declared::Loosened,
            Declared::Tightened,
            Declared::Nonsense,
        ];
        let declared = all[rng.gen_range(0..all.len())];
        graphs::declare(&mut model.graph, declared, &mut rng);
        let architecture = architecture(&model, shape);
        let plan = match architecture.plan() {
            Ok(plan) => plan,
            Err(error) => {
                // What setup writes is refused for lack of rows, tables or gates alone.
                let small = matches!(
                    Plan::new(&model.graph, &model.visibilities, shape),
                    Err(LayoutError::TooSmall { .. }
                        | LayoutError::RangeTooWide { .. }
                        | LayoutError::Unsupported { .. })
                );
                let explained = declared != Declared::Honest || small;
                assert!(explained, "seed {seed}: {error}");
                return None;
            }
        };
        Some(Self {
            seed,
            declared,
            model,
            runs,
            single,
            architecture,
            plan,
            rng,
        })
    }

    /// What is attacked.
    pub fn target(&self) -> Attack<'_> {
        Attack {
            runs: Some((&self.single, self.runs)),
            ..Attack::new(&self.architecture, &self.plan)
        }
    }

    /// A witness that follows all rules, if the configuration is what setup writes.
    pub fn honest(&mut self) -> Option<Arc<Witness>> {
        if self.declared != Declared::Honest {
            return None;
        }
        let inputs = self.model.random_input();
        exec::run(&self.model.graph, &self.model.weights, &inputs).ok()?;
        Some(self.model.witness(&self.plan, &inputs))
    }

    /// The enemy's witnesses, whether constraints accept them or not.
    pub fn forged(&mut self) -> Vec<(Trick, Witness)> {
        let checker = Checker::new(&self.plan);
        let graph = &self.model.graph;
        let weights = graph.tensors.iter().enumerate();
        let weights: BTreeMap<TensorId, usize> = weights
            .filter(|(_, tensor)| tensor.role == Role::Weight)
            .map(|(id, tensor)| (TensorId(id), tensor.shape.iter().product()))
            .collect();
        let (rng, large) = (&mut self.rng, self.seed >= graphs::LARGE);
        let mut forged = Vec::new();
        for trick in TRICKS {
            let inputs = graph.inputs.iter().map(|id| {
                let tensor = &graph.tensors[id.0];
                let count = tensor.shape.iter().product::<usize>();
                let (lo, hi) = (tensor.range.lo, tensor.range.hi);
                let small = rng.gen_bool(0.5);
                let draw = |_| match small {
                    true => rng.gen_range(-40..40).clamp(lo, hi),
                    // Far on one side: what makes up for a constant that wraps has room on the other.
                    false if large => rng.gen_range(lo..=hi.min(lo / 2).max(lo)),
                    false => rng.gen_range(lo..=hi),
                };
                (*id, (0..count).map(draw).collect())
            });
            let inputs = inputs.collect();
            let mut enemy = Enemy {
                plan: &self.plan,
                rng: &mut *rng,
                inputs: &inputs,
                weights: weights.clone(),
            };
            let Some(blocks) = enemy.fill(trick) else {
                continue;
            };
            let shifted = match trick {
                Trick::Nothing => enemy.shifted(&checker, &blocks),
                Trick::Pads | Trick::AlikePads | Trick::Copies | Trick::Cells => None,
            };
            forged.push((trick, enemy.finish(shifted.unwrap_or(blocks))));
        }
        forged
    }

    /// Plays it; what is false is printed.
    pub fn play(mut self) -> Outcome {
        let mut outcome = Outcome {
            graphs: 1,
            batches: u64::from(self.runs > 1),
            ..Outcome::default()
        };
        if let Some(witness) = self.honest() {
            if let Some(broken) = Checker::new(&self.plan).broken(&witness) {
                println!("seed {}: an honest witness breaks {broken}", self.seed);
                outcome.unsat += 1;
            }
        }
        outcome.and(self.attack())
    }

    /// The enemy's part of it.
    pub fn attack(&mut self) -> Outcome {
        let mut outcome = Outcome::default();
        let forged = self.forged();
        let (seed, declared, runs) = (self.seed, self.declared, self.runs);
        let attack = self.target();
        for (trick, witness) in forged {
            if attack.checker.broken(&witness).is_some() {
                continue;
            }
            outcome.accepted += 1;
            if let Some(lie) = attack.lie(&witness) {
                println!(
                    "seed {seed} × {runs}, {declared:?}, {trick:?}: {}",
                    lie.what
                );
                outcome.false_statements += 1;
            }
        }
        outcome
    }
}
