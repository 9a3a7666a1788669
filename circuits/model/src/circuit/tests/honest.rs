//! Honest witnesses are accepted, and hold what the executor computes.

use halo2_proofs::halo2curves::{bn256::G1Affine, group::prime::PrimeCurveAffine};

use super::{enemy::graphs, fixtures::*, forge::Real};
use crate::layout::Plan;
use zkml_graph::{Interval, Op, Window};
use zkml_plonk::Prepared;

#[test]
fn classifiers_of_every_shape() {
    for (k, data, hash) in [(12, 2, 3), (11, 5, 3), (11, 8, 5)] {
        for clamp in [None, relu(), relu6()] {
            classifier(1, clamp)
                .mock(shape(k, data, hash))
                .assert_satisfied();
        }
    }
}

/// Circuits without the gates that a model does without, also with one data column.
#[test]
fn leanest_circuits() {
    let columns = [None, relu(), relu6()].map(|clamp| {
        let used = [(13, 1), (12, 2), (11, 5)].map(|(k, data)| {
            let mut model = classifier(1, clamp);
            let lean = leanest(&model, shape(k, data, 3));
            model.mock(lean).assert_satisfied();
            lean.clamps.columns()
        });
        used.into_iter().min()
    });
    assert_eq!(columns[0], Some(0), "no clamp, no column");
    assert!(
        columns[1..].iter().all(|used| *used < Some(3)),
        "{columns:?}"
    );
}

/// Circuits whose parts share columns.
#[test]
fn stacked_circuits() {
    for clamp in [None, relu(), relu6()] {
        let mut model = hashed(classifier(1, clamp));
        model.mock(stacked(13)).assert_satisfied();
        let lean = leanest(&model, stacked(13));
        model.mock(lean).assert_satisfied();
    }
}

#[test]
fn hashed_tensors() {
    hashed(classifier(2, relu()))
        .mock(shape(12, 5, 3))
        .assert_satisfied();
}

#[test]
fn convolutions() {
    let padded = window(3, 1, 1);
    let strided = window(3, 2, 1);
    let odd = Window {
        kernel: [2, 3],
        stride: [2, 1],
        pads: [0, 1, 1, 0],
    };
    for (window, groups) in [
        (padded, 1),
        (strided, 1),
        (odd, 1),
        (padded, 2),
        (strided, 2),
    ] {
        for clamp in [relu6(), relu()] {
            conv(3, 2, 7, window, groups, clamp)
                .mock(shape(11, 5, 3))
                .assert_satisfied();
        }
    }
}

#[test]
fn pools_sums_and_clamps() {
    for (kernel, stride, pad) in [(2, 2, 0), (3, 2, 1), (6, 6, 0)] {
        for max in [false, true] {
            let mut model = Model::new(5);
            let x = model.input(&[2, 6, 6], 7);
            let window = window(kernel, stride, pad);
            let [h, w] = window.output(6, 6).unwrap();
            let op = if max {
                Op::MaxPool { x, window }
            } else {
                Op::AvgPool { x, window }
            };
            let y = model.node(&[2, h, w], op);
            let clamped = model.node(&[2, h, w], Op::clamped(y, relu6().unwrap()));
            let sum = model.node(&[2, h, w], Op::sum(vec![(1, y), (-1, clamped)], None));
            let turned = model.node(
                &[h, w, 2],
                Op::Transpose {
                    x: sum,
                    perm: vec![1, 2, 0],
                },
            );
            model
                .finish(turned)
                .mock(shape(11, 5, 3))
                .assert_satisfied();
        }
    }
}

/// The real prover, whose blinding rows and challenges MockProver does not have.
#[test]
fn real_proofs_verify() {
    use super::super::{ModelCircuit, Purpose};
    use crate::prove::{argument, Transcript};
    use std::sync::Arc;
    for clamp in [None, relu(), relu6()] {
        let mut model = classifier(1, clamp);
        let plan = model.plan(shape(12, 5, 3));
        let inputs = model.random_input();
        let witness = model.witness(&plan, &inputs);
        let srs = zkml_srs::Srs::development_from_seed(12, [1; 32], &|_, _| ()).unwrap();
        let pk = argument::keygen(&srs.params, &plan).unwrap();
        let proof = argument::create(
            &srs.params,
            &pk,
            &Prepared::new(&pk),
            &plan,
            witness.clone(),
            Transcript::Keccak,
        )
        .unwrap();
        argument::verify(
            &srs.params,
            pk.get_vk(),
            &witness.instances,
            &proof,
            Transcript::Keccak,
        )
        .unwrap();
        let _ = ModelCircuit::with_witness(plan, Arc::clone(&witness), Purpose::Proof);
    }
}

/// Key files and the aggregation circuit admit no identity among a key's commitments: of models that read one table
/// alone, too.
#[test]
fn no_column_of_a_key_is_all_zero() {
    let zero = |plan: &std::sync::Arc<Plan>| {
        let real = Real::new(plan);
        let vk = real.pk.get_vk();
        let all = vk.fixed_commitments().iter();
        let mut all = all.chain(vk.permutation().commitments());
        all.position(|point| bool::from(G1Affine::is_identity(point)))
    };
    for shape in [shape(10, 2, 3), shape(10, 5, 3), stacked(11)] {
        let limbs = 1 << shape.limb_bits;
        for size in [1, 2, 3, limbs - 1, limbs, limbs + 1, limbs * limbs] {
            let mut model = Model::new(7);
            let x = model.input(&[4], 8);
            model.graph.tensors[x.0].range = Interval {
                lo: 0,
                hi: size - 1,
            };
            let y = model.node(&[2, 2], Op::Reshape { x });
            let mut model = model.finish(y);
            let shape = leanest(&model, shape);
            assert_eq!(zero(&model.plan(shape)), None, "{size} of {shape:?}");
            model.mock(shape).assert_satisfied();
        }
    }
    let mut tried = 0;
    for seed in 0..150 {
        let Some(model) = graphs::graph(seed) else {
            continue;
        };
        for shape in [shape(10, 5, 3), stacked(12)] {
            let Ok(plan) = Plan::new(&model.graph, &model.visibilities, shape) else {
                continue;
            };
            assert_eq!(zero(&plan.into()), None, "graph {seed} of {shape:?}");
            tried += 1;
        }
    }
    assert!(tried > 40, "{tried}");
}
