//! Attacks that once worked: statements that are false about a configuration, which a verifier who derives
//! everything from it accepted. Each fails without the repair that it is about. What constraints say of a witness
//! is confirmed by the prover and the verifier themselves, once for each attack.

use std::{collections::BTreeMap, sync::Arc};

use halo2_proofs::halo2curves::bn256::Fr;

use super::{
    enemy::{architecture, give, stated, Attack},
    fixtures::*,
};
use crate::{
    circuit::{
        witness::{fill, plan_words},
        Witness,
    },
    layout::{
        repairs::{without, Repair},
        Plan, Shape, Step, Visibilities,
    },
    prove::{argument, Architecture, Keys, Proof, Statement, Transcript},
};
use zkml_graph::{range, Clamp, Interval, Op, TensorId, Visibility};
use zkml_srs::Srs;

type Blocks = Vec<Vec<u64>>;
/// Values of a tensor for the step that asks for the n-th time.
type Given<'a> = dyn Fn(usize, TensorId) -> Option<Vec<i64>> + 'a;

/// Fills cells step by step with `given`; `cheat` may change cells after each step. Where a value is in no table
/// the cells stay as they are.
fn forged(plan: &Plan, given: &Given<'_>, cheat: &dyn Fn(&Step, &mut Blocks)) -> Witness {
    let cells = |b: &crate::layout::Block| vec![0; b.rows() * plan.shape.data];
    let mut blocks: Blocks = plan.blocks.iter().map(cells).collect();
    let mut asked = 0;
    for step in &plan.steps {
        let mut owned: BTreeMap<TensorId, Vec<i64>> = BTreeMap::new();
        if let Step::Given { elements, .. } = step {
            for (id, _) in elements.iter().flatten() {
                owned
                    .entry(*id)
                    .or_insert_with(|| given(asked, *id).unwrap());
            }
            asked += 1;
        }
        let values = |id: TensorId| owned.get(&id).map(Vec::as_slice);
        match step {
            Step::Given { .. } => give(plan, &mut blocks, step, &values),
            _ => drop(fill(plan, &mut blocks, step, &|n| n.to_string(), &values)),
        }
        cheat(step, &mut blocks);
    }
    let words = plan_words(plan, &blocks);
    let salts = (0..plan.statement.messages.len() as u64)
        .map(|i| Fr::from(1000 + i))
        .collect();
    Witness::finish(plan, blocks, words, salts, Fr::from(9)).unwrap()
}

/// Whether no constraint rejects such a witness, and it states what is false.
fn lies(
    model: &Model,
    shape: Shape,
    given: &Given<'_>,
    cheat: &dyn Fn(&Step, &mut Blocks),
) -> bool {
    let architecture = architecture(model, shape);
    let Ok(plan) = architecture.plan() else {
        return false;
    };
    let attack = Attack::new(&architecture, &plan);
    let witness = forged(&plan, given, cheat);
    attack.checker.broken(&witness).is_none() && attack.lie(&witness).is_some()
}

/// Whether a verifier who derives the key from the configuration accepts a proof of what is false, made from
/// such a witness.
fn is_accepted(
    model: &Model,
    shape: Shape,
    given: &Given<'_>,
    cheat: &dyn Fn(&Step, &mut Blocks),
) -> bool {
    let architecture = architecture(model, shape);
    let Ok(plan) = architecture.plan() else {
        return false;
    };
    let witness = forged(&plan, given, cheat);
    let lie = Attack::new(&architecture, &plan).lie(&witness);
    let statement = lie.and_then(|lie| lie.statement);
    statement.is_some_and(|statement| verifies(&architecture, &plan, witness, statement))
}

/// The real prover, which takes any witness, and the real verifier, which has nothing but the configuration.
fn verifies(
    architecture: &Architecture,
    plan: &Arc<Plan>,
    witness: Witness,
    statement: Statement,
) -> bool {
    let srs = Srs::development_from_seed(plan.shape.k, [3; 32], &|_, _| ()).unwrap();
    let keys = Keys::new(plan, &srs).unwrap();
    let (transcript, witness) = (Transcript::Poseidon, Arc::new(witness));
    let (pk, prepared) = (&keys.pk, &keys.prepared);
    let made = argument::create(&srs.params, pk, prepared, plan, witness, transcript);
    let proof = Proof {
        verifying_key: keys.digest(),
        transcript,
        statement,
        argument: made.unwrap(),
    };
    let derived = architecture.plan().unwrap();
    let again = Keys::new(&derived, &srs).unwrap();
    let vk = again.pk.get_vk();
    proof
        .verify(&architecture.form().unwrap(), &srs, vk)
        .is_ok()
}

/// An attack that works without a rule, and with it does not.
struct Needed {
    repair: Repair,
    lied: bool,
    proven: bool,
}

impl Needed {
    fn of(repair: Repair) -> Self {
        Self {
            repair,
            lied: false,
            proven: false,
        }
    }

    fn fails(
        &mut self,
        model: &Model,
        shape: Shape,
        given: &Given<'_>,
        cheat: &dyn Fn(&Step, &mut Blocks),
    ) {
        assert!(!lies(model, shape, given, cheat));
        let lied = without(self.repair, || lies(model, shape, given, cheat));
        self.lied |= lied;
        if lied && !self.proven {
            let accepted = || is_accepted(model, shape, given, cheat);
            self.proven = without(self.repair, accepted);
            assert!(self.proven, "{:?} is undone: rejected", self.repair);
            assert!(!accepted(), "{:?} is kept: accepted", self.repair);
        }
    }

    fn check(&self) {
        assert!(
            self.lied && self.proven,
            "{:?} is undone, and nothing false is stated",
            self.repair
        );
    }
}

/// Inputs and weights of the model that follow the rules are proven.
fn is_proven(model: &mut Model, shape: Shape) {
    let plan = model.plan(shape);
    let inputs = model.random_input();
    let witness = model.witness(&plan, &inputs);
    let architecture = architecture(model, shape);
    let attack = Attack::new(&architecture, &plan);
    assert_eq!(attack.checker.broken(&witness), None);
    assert_eq!(attack.lie(&witness), None);
}

fn honestly(_: &Step, _: &mut Blocks) {}

fn linear(x: TensorId, w: TensorId, clamp: Option<Clamp>) -> Op {
    Op::Linear {
        x,
        w,
        bias: None,
        div: SCALE,
        clamp,
    }
}

/// The clamp that the honest weights do not reach; other weights in their range do.
#[test]
fn clamp_left_out() {
    let mut needed = Needed::of(Repair::Clamps);
    for hi in [127, 200] {
        let bounds = Clamp {
            lo: -128,
            hi: Some(hi),
        };
        let mut model = Model::new(5);
        let x = model.input(&[8], 6);
        let w = model.weight(&[8, 8], 3);
        // Of each row one weight is large.
        let honest = (0..64)
            .map(|i| if i % 9 == 0 { 60 } else { 1 })
            .collect::<Vec<i64>>();
        model.graph.tensors[w.0].range = range::weight_range(&honest);
        model.weights.insert(w, honest);
        let h = model.node(&[8], linear(x, w, Some(bounds)));
        let v = model.weight(&[2, 8], 3);
        model.graph.tensors[v.0].range = range::weight_range(&[16]);
        model.weights.insert(v, vec![16; 16]);
        let y = model.node(&[2], linear(h, v, None));
        let mut model = model.finish(y);
        is_proven(&mut model, the_shape());
        let evil: Vec<i64> = (0..64).map(|i| if i < 8 { 63 } else { 0 }).collect();
        let given = |_: usize, id: TensorId| match id {
            _ if id == x => Some(vec![31; 8]),
            _ if id == w => Some(evil.clone()),
            _ => Some(vec![16; 16]),
        };
        needed.fails(&model, the_shape(), &given, &honestly);
    }
    needed.check();
}

/// One weight tensor that layers read in two arrangements is one tensor.
#[test]
fn shared_weights() {
    let mut needed = Needed::of(Repair::Sharing);
    let mut model = Model::new(6);
    let x = model.input(&[6], 7);
    let w = model.weight(&[4, 6], 20);
    let first = model.node(&[4], linear(x, w, None));
    let second = model.node(&[4], linear(x, w, None));
    let second = model.node(&[4], Op::Reshape { x: second });
    // A third reader, with a bias of another width.
    let bias = Some(model.weight(&[4], 3000));
    let third = model.node(
        &[4],
        Op::Linear {
            x,
            w,
            bias,
            div: SCALE,
            clamp: None,
        },
    );
    model.graph.outputs.extend([first, third]);
    let mut model = model.finish(second);
    is_proven(&mut model, the_shape());
    let input = model.random_input().remove(0);
    let honest = model.weights.clone();
    for one in 0..24 {
        // Each reader that is given weights gets others, and each copy is another.
        let given = |asked: usize, id: TensorId| match honest.get(&id) {
            None => Some(input.clone()),
            Some(known) if asked <= 1 => Some(known.clone()),
            Some(known) => Some(known.iter().map(|v| -v / 2).collect()),
        };
        let plan = model.plan(the_shape());
        let cells: usize = plan.blocks.len();
        let cheat = |step: &Step, blocks: &mut Blocks| {
            if let Step::Gather { copies } = step {
                let weights = copies.len() == 24 && copies.iter().all(|(to, _)| to.block < cells);
                if let Some((to, _)) = copies.get(one).filter(|_| weights) {
                    blocks[to.block][to.index] ^= 1;
                }
            }
        };
        needed.fails(&model, the_shape(), &given, &cheat);
    }
    needed.check();
}

/// Factors and offsets that are one tensor.
#[test]
fn weights_shared_by_one_layer() {
    let mut needed = Needed::of(Repair::Sharing);
    let mut model = Model::new(12);
    let x = model.input(&[4, 2], 7);
    let w = model.weight(&[4], 20);
    let op = Op::Scale {
        x,
        w: Some(w),
        bias: Some(w),
        div: SCALE,
        clamp: None,
    };
    let y = model.node(&[4, 2], op);
    let mut model = model.finish(y);
    is_proven(&mut model, the_shape());
    let plan = model.plan(the_shape());
    let copied = |step: &&Step| matches!(step, Step::Gather { copies } if copies.len() == 4);
    assert!(plan.steps.iter().any(|step| copied(&step)));
    let input = model.random_input().remove(0);
    let weights = model.weights.clone();
    let given = |_: usize, id: TensorId| weights.get(&id).cloned().or(Some(input.clone()));
    let cheat = |step: &Step, blocks: &mut Blocks| match step {
        Step::Gather { copies } if copies.len() == 4 => {
            let (to, _) = copies[0];
            blocks[to.block][to.index] ^= 1;
        }
        Step::Given {
            limbs, elements, ..
        } => {
            let mut places = (0..elements.len()).filter(|i| elements[*i] == Some((w, 0)));
            if let Some(second) = places.nth(1) {
                blocks[limbs[0].block][second] ^= 1;
            }
        }
        _ => {}
    };
    needed.fails(&model, the_shape(), &given, &cheat);
    needed.check();
}

/// Two tensors of the declared range have different words: an output's range may not exceed what words hold.
#[test]
fn range_wider_than_words() {
    let mut needed = Needed::of(Repair::Words);
    // Up to far, also from where words begin on, and from lower.
    for (lo, hi) in [(0, 1 << 30), (0, 1 << 15), (1 << 15, 1 << 15)] {
        let mut model = Model::new(7);
        let x = model.input(&[6], 7);
        let w = model.weight(&[4, 6], 20);
        let y = model.node(&[4], linear(x, w, None));
        let mut model = model.finish(y);
        let range = &mut model.graph.tensors[y.0].range;
        *range = Interval {
            lo: range.lo - lo,
            hi,
        };
        let input = model.random_input().remove(0);
        let weights = model.weights.clone();
        let given = |_: usize, id: TensorId| weights.get(&id).cloned().or(Some(input.clone()));
        needed.fails(&model, shape(12, 2, 3), &given, &honestly);
    }
    needed.check();
}

/// A range without zero: where a word has no element stands zero, which must fit it.
#[test]
fn pads_beyond_the_range() {
    let mut model = Model::new(13);
    let x = model.input(&[9], 4);
    model.graph.tensors[x.0].range = Interval { lo: -8, hi: -1 };
    let y = model.node(&[9], Op::sum(vec![(1, x)], None));
    let mut model = model.finish(y);
    is_proven(&mut model, the_shape());
    let given = |_: usize, _: TensorId| Some(vec![-5; 9]);
    assert!(!lies(&model, the_shape(), &given, &honestly));
    // Another pad: the words would be those of no tensor.
    let cheat = |step: &Step, blocks: &mut Blocks| {
        if let Step::Given {
            limbs, elements, ..
        } = step
        {
            for (at, _) in elements.iter().enumerate().filter(|(_, e)| e.is_none()) {
                blocks[limbs[0].block][at] = 0;
            }
        }
    };
    assert!(!lies(&model, the_shape(), &given, &cheat));
}

/// The constant of a sum takes more than 64 bits.
#[test]
fn offset_wraps() {
    let mut needed = Needed::of(Repair::Constants);
    let mut model = Model::new(8);
    let x = model.input(&[4], 41);
    let op = Op::Combine {
        terms: vec![(1 << 20, x); 16],
        constant: 0,
        div: 1 << 30,
        clamp: None,
    };
    let y = model.node(&[4], op);
    let mut model = model.finish(y);
    is_proven(&mut model, the_shape());
    let given = |_: usize, _: TensorId| Some(vec![-64, -128, -6400, -1 << 40]);
    // As the identity would have it: (Σ + 2^64)/2^30.
    let cheat = |step: &Step, blocks: &mut Blocks| {
        let Step::Compute { emit, .. } = step else {
            return;
        };
        for i in 0..blocks[emit.kept[0].block].len() {
            let value = |l: &crate::layout::Limb| l.base * blocks[l.block][i];
            let mut rest = emit.kept.iter().map(value).sum::<u64>() + (1 << 34);
            for limb in emit.kept.iter().rev() {
                blocks[limb.block][i] = rest / limb.base;
                rest %= limb.base;
            }
        }
    };
    needed.fails(&model, the_shape(), &given, &cheat);
    needed.check();
}

/// A clamp far from all that is declared: what is brought near to it is split at Λ, also if it needs one limb.
#[test]
fn clamp_far_away() {
    let mut needed = Needed::of(Repair::Limbs);
    let lo = 1 << 26;
    let bounds = Clamp {
        lo,
        hi: Some(lo + 50),
    };
    let mut model = Model::new(14);
    let x = model.input(&[8], 7);
    let w = model.weight(&[8, 8], 100);
    let h = model.node(&[8], linear(x, w, None));
    let y = model.node(&[8], Op::clamped(h, bounds));
    let mut model = model.finish(y);
    is_proven(&mut model, the_shape());
    for weight in (-120..120).step_by(20) {
        let given = |_: usize, id: TensorId| match id {
            _ if id == x => Some(vec![63; 8]),
            _ => Some(vec![weight; 64]),
        };
        needed.fails(&model, the_shape(), &given, &honestly);
    }
    needed.check();
}

/// The cells after a hashed tensor's elements are constants: a digest is that of a tensor.
#[test]
fn hashed_pads() {
    let mut needed = Needed::of(Repair::Pads);
    let mut model = Model::new(9);
    let x = model.input(&[7], 7);
    let w = model.weight(&[4, 7], 20);
    let y = model.node(&[4], linear(x, w, None));
    let mut model = model.finish(y);
    for output in [Visibility::Public, Visibility::Hashed] {
        model.visibilities = Visibilities {
            inputs: vec![Visibility::Hashed],
            outputs: vec![output],
        };
        is_proven(&mut model, the_shape());
        let input = model.random_input().remove(0);
        let weights = model.weights.clone();
        let given = |_: usize, id: TensorId| weights.get(&id).cloned().or(Some(input.clone()));
        // Also where they are fixed.
        let pads = |step: &Step, blocks: &mut Blocks| match step {
            Step::Given {
                limbs, elements, ..
            } if elements[0].is_some_and(|e| e.0 == x) => {
                for (i, _) in elements.iter().enumerate().filter(|(_, e)| e.is_none()) {
                    blocks[limbs[0].block][i] = 5;
                }
            }
            Step::Fixed { cells } if cells.iter().all(|(cell, _)| cell.block == 2) => {
                for (cell, _) in cells {
                    blocks[cell.block][cell.index] = 5;
                }
            }
            _ => {}
        };
        needed.fails(&model, the_shape(), &given, &pads);
    }
    needed.check();
}

/// A clamp to one value, of sums and of products, in the middle of a graph and at its end.
#[test]
fn clamp_to_one_value() {
    for value in [-3, 0, 3] {
        for at_the_end in [true, false] {
            let bounds = Clamp {
                lo: value,
                hi: Some(value),
            };
            let mut model = Model::new(10);
            let x = model.input(&[8], 7);
            let w = model.weight(&[8, 8], 20);
            let sum = model.node(&[8], Op::clamped(x, bounds));
            let mut y = model.node(&[8], linear(sum, w, Some(bounds)));
            if !at_the_end {
                y = model.node(&[8], Op::sum(vec![(1, y), (2, x), (-1, sum)], None));
            }
            let mut model = model.finish(y);
            is_proven(&mut model, the_shape());
            if value > 0 {
                let architecture = architecture(&model, the_shape());
                let plan = architecture.plan().unwrap();
                let inputs = model.random_input();
                let witness = Witness::clone(&model.witness(&plan, &inputs));
                let attack = Attack::new(&architecture, &plan);
                let values = attack.all_values(&witness).unwrap();
                let statement = attack.statement(&witness, &values).unwrap();
                assert!(verifies(&architecture, &plan, witness, statement));
            }
        }
    }
}

/// The bounds next to each other, whose gate has the largest inverse.
#[test]
fn clamp_to_two_values() {
    let mut model = Model::new(10);
    let x = model.input(&[8], 7);
    let y = model.node(&[8], Op::clamped(x, Clamp { lo: 3, hi: Some(4) }));
    is_proven(&mut model.finish(y), the_shape());
}

/// A constant beside a tensor that is declared from very low bounds on keeps its sign.
#[test]
fn constant_that_changes_its_sign() {
    for lo in [i64::MIN, -(1 << 40), 6] {
        let mut model = Model::new(11);
        let x = model.input(&[2], 7);
        let numbers = Op::Constant {
            shape: vec![2],
            values: vec![5, 5],
        };
        let five = model.node(&[2], numbers);
        let z = model.node(&[2], Op::sum(vec![(1, x)], None));
        let xs = vec![z, five];
        let y = model.node(&[4], Op::Concat { xs, axis: 0 });
        let y = model.node(&[4], Op::sum(vec![(1, y)], None));
        let mut model = model.finish(y);
        let declared = Interval { lo, hi: 100 };
        model.graph.nodes[1].pre = declared;
        model.graph.tensors[z.0].range = declared;
        let given = |_: usize, _: TensorId| Some(vec![7, -9]);
        assert!(!lies(&model, the_shape(), &given, &honestly));
    }
}

/// What is stated is what the cells hold.
#[test]
fn stated_values_are_those_of_the_executor() {
    let mut model = classifier(3, relu6());
    let plan = model.plan(the_shape());
    let inputs = model.random_input();
    let witness = model.witness(&plan, &inputs);
    let trace = zkml_graph::exec::run(&model.graph, &model.weights, &inputs).unwrap();
    let id = model.graph.outputs[0].0;
    let expected = trace[id].iter().flatten().map(|v| i128::from(*v));
    let home = plan.homes[id].as_ref().unwrap();
    assert!(stated(home, &witness).into_iter().eq(expected));
}
