//! Ensembles of trees. Numbers that are expected are onnxruntime's, or those of the file's own trees in floating point.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use zkml_graph::range::{propagate, weight_range};

/// A tree: a split, or the number of a leaf.
#[derive(Clone, Debug)]
enum Tree {
    Split(&'static str, i64, f32, Box<[Tree; 2]>),
    Leaf,
}

const MODES: [&str; 6] = [
    "BRANCH_LEQ",
    "BRANCH_LT",
    "BRANCH_GTE",
    "BRANCH_GT",
    "BRANCH_EQ",
    "BRANCH_NEQ",
];

/// The attributes of an ensemble. Leaf number n of all weighs n for the first target and −n/2 for others.
fn forest(trees: &[Tree], leaf: &str, targets: i64) -> Vec<AttributeProto> {
    let mut lists: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let (mut modes, mut values, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for (t, tree) in trees.iter().enumerate() {
        // Breadth first, children at the end of what is known.
        let mut open = vec![tree];
        let mut at = 0;
        while let Some(&one) = open.get(at) {
            let mut put =
                |name: &str, value: i64| lists.entry(name.to_owned()).or_default().push(value);
            put("nodes_treeids", t as i64);
            put("nodes_nodeids", at as i64);
            let (mode, feature, value, children) = match one {
                Tree::Split(mode, feature, value, children) => {
                    open.extend(children.iter());
                    (*mode, *feature, *value, [open.len() - 2, open.len() - 1])
                }
                Tree::Leaf => ("LEAF", 0, 0.0, [0, 0]),
            };
            put("nodes_featureids", feature);
            put("nodes_truenodeids", children[0] as i64);
            put("nodes_falsenodeids", children[1] as i64);
            if mode == "LEAF" {
                let number = weights.len() as f32;
                for target in 0..targets {
                    put(&format!("{leaf}_treeids"), t as i64);
                    put(&format!("{leaf}_nodeids"), at as i64);
                    put(&format!("{leaf}_ids"), target);
                    weights.push(if target == 0 { number } else { -number / 2.0 });
                }
            }
            modes.push(mode);
            values.push(value);
            at += 1;
        }
    }
    let lists = lists.iter().map(|(name, list)| ints(name, list));
    let rest = [
        words("nodes_modes", &modes),
        reals("nodes_values", &values),
        reals(&format!("{leaf}_weights"), &weights),
    ];
    lists.chain(rest).collect()
}

pub(super) fn forest_of_two(leaf: &str) -> Vec<AttributeProto> {
    forest(&[split("BRANCH_LT", 0.5), Tree::Leaf], leaf, 1)
}

fn regressor(trees: &[Tree], features: i64, targets: i64, more: &[AttributeProto]) -> ModelProto {
    let mut attributes = forest(trees, "target", targets);
    attributes.push(int("n_targets", targets));
    attributes.extend_from_slice(more);
    ml("TreeEnsembleRegressor", features, &["y"], &attributes)
}

fn split(mode: &'static str, value: f32) -> Tree {
    Tree::Split(mode, 0, value, Box::new([Tree::Leaf, Tree::Leaf]))
}

#[test]
fn a_fixed_point_number_is_compared_as_the_number_that_it_is() {
    for mode in MODES {
        for value in [0.3, 0.25, -0.3, -0.25, 0.0, 1e6, -1e6, 3.0] {
            let proto = regressor(&[split(mode, value)], 1, 1, &[]);
            let model = load(&proto).unwrap();
            let bytes = proto.encode_to_vec();
            let near = (f64::from(value) * UNIT as f64).clamp(-1e5, 1e5) as i64;
            for x in near - 2..=near + 2 {
                let trace = run(&model.graph, &model.weights, &[vec![x]]).unwrap();
                let got = outputs(&model.graph, &trace).remove(0)[0] as f64 / UNIT as f64;
                let row = vec![x as f64 / UNIT as f64];
                let expected = evaluate_float(&bytes, &[row]).unwrap()[0][0];
                assert_eq!(got, expected, "{x} {mode} {value}");
            }
        }
    }
}

fn trees(depth: u32) -> impl Strategy<Value = Tree> {
    let number = prop_oneof![(-8i8..8).prop_map(|v| f32::from(v) / 2.0), -4.0f32..4.0];
    Just(Tree::Leaf).prop_recursive(depth, 64, 2, move |inner| {
        let mode = (0..MODES.len()).prop_map(|m| MODES[m]);
        let children = (inner.clone(), inner);
        (mode, 0..3i64, number.clone(), children).prop_map(|(mode, feature, value, (yes, no))| {
            Tree::Split(mode, feature, value, Box::new([yes, no]))
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn every_row_comes_to_its_leaves(
        all in prop::collection::vec(trees(6), 1..6),
        targets in 1..4i64,
        rows in prop::collection::vec([-9i8..9, -9i8..9, -9i8..9], 1..6),
        aggregate in 0..4usize,
    ) {
        let aggregate = ["SUM", "AVERAGE", "MIN", "MAX"][aggregate];
        let proto = regressor(&all, 3, targets, &[text("aggregate_function", aggregate)]);
        let (model, bytes) = (load(&proto).unwrap(), proto.encode_to_vec());
        for row in rows {
            let row = row.map(|v| f64::from(v) / 2.0);
            let got = ran(&model, &row);
            let expected = evaluate_float(&bytes, &[row.to_vec()]).unwrap();
            for (g, e) in got[0].iter().zip(&expected[0]) {
                prop_assert!((g - e).abs() < 4e-3, "{row:?}: {got:?}, expected {expected:?}");
            }
        }
    }
}

#[test]
fn classes_of_trees() {
    let two = |weights: &[f32], post: &str, labels: &[i64]| {
        let mut attributes = forest(&[split("BRANCH_LEQ", 0.0)], "class", 1);
        attributes.retain(|a| a.name != "class_weights");
        attributes.extend([
            reals("class_weights", weights),
            ints("classlabels_int64s", labels),
            text("post_transform", post),
        ]);
        ml("TreeEnsembleClassifier", 1, &["l", "p"], &attributes)
    };
    // Shares, then scores of any sign.
    right(
        &two(&[0.2, 0.9], "NONE", &[0, 1]),
        &[-1.],
        &[&[0.], &[0.8, 0.2]],
    );
    right(
        &two(&[0.2, 0.9], "LOGISTIC", &[3, 7]),
        &[-1.],
        &[&[3.], &[0.4502, 0.5498]],
    );
    right(
        &two(&[0.2, 0.9], "SOFTMAX", &[3, 7]),
        &[1.],
        &[&[7.], &[0.1, 0.9]],
    );
    right(
        &two(&[-0.4, 0.7], "NONE", &[0, 1]),
        &[-1.],
        &[&[0.], &[0.4, -0.4]],
    );
    right(
        &two(&[-0.4, 0.7], "LOGISTIC", &[0, 1]),
        &[1.],
        &[&[1.], &[0.3318, 0.6682]],
    );
    let mut based = two(&[-0.4, 0.7], "NONE", &[0, 1]);
    let graph = based.graph.as_mut().unwrap();
    graph.node[0].attribute.push(reals("base_values", &[0.1]));
    right(&based, &[-1.], &[&[0.], &[0.3, -0.3]]);
    // Three, of which the first has the largest weight where x > 0.
    let mut attributes = forest(&[split("BRANCH_LEQ", 0.0)], "class", 3);
    attributes.push(ints("classlabels_int64s", &[5, 6, 7]));
    let three = ml("TreeEnsembleClassifier", 1, &["l", "p"], &attributes);
    right(&three, &[-1.], &[&[5.], &[0., 0., 0.]]);
    right(&three, &[1.], &[&[5.], &[3., -1.5, -1.5]]);
    attributes.push(words("classlabels_strings", &["a", "b", "c"]));
    attributes.retain(|a| a.name != "classlabels_int64s");
    let named = ml("TreeEnsembleClassifier", 1, &["l", "p"], &attributes);
    right(&named, &[1.], &[&[0.], &[3., -1.5, -1.5]]);
}

/// What the trees ask, where they branch and what leaves weigh is not in the graph: only how many nodes there are at
/// each depth.
#[test]
fn trees_are_weights() {
    let nested = |outer: &'static str, value: f32, feature: i64, deep: usize| {
        let mut children = [Tree::Leaf, Tree::Leaf];
        children[deep] = Tree::Split(
            "BRANCH_LEQ",
            feature,
            -value,
            Box::new([Tree::Leaf, Tree::Leaf]),
        );
        Tree::Split(outer, 2 - feature, value, Box::new(children))
    };
    let graph = |trees: &[Tree]| {
        let model = load(&regressor(trees, 3, 1, &[])).unwrap();
        assert!(model.initialisers.iter().all(|i| i.words() == "committed"));
        assert!(model.vanished.is_empty(), "{:?}", model.vanished);
        let ops: Vec<String> = model
            .graph
            .nodes
            .iter()
            .map(|n| format!("{:?}", n.op))
            .collect();
        (ops, model.weights)
    };
    let plain = [
        nested("BRANCH_LEQ", 1.5, 0, 0),
        nested("BRANCH_LEQ", 1.25, 1, 1),
    ];
    let other = [
        nested("BRANCH_GT", -1.0, 1, 1),
        nested("BRANCH_LT", 1.125, 0, 1),
    ];
    let [(one, weights), (two, others)] = [graph(&plain), graph(&other)];
    assert_eq!(one, two);
    assert_ne!(weights, others);
}

/// An enemy's rows lead anywhere: beyond the next level there is nothing, in the executor as in the circuit, which
/// has no other values than its.
#[test]
fn rows_that_lead_beyond_the_next_level() {
    let tree = |v| {
        Tree::Split(
            "BRANCH_LEQ",
            0,
            v,
            Box::new([split("BRANCH_LEQ", -v), split("BRANCH_LEQ", v)]),
        )
    };
    let model = load(&regressor(&[tree(1.0), tree(2.0)], 1, 1, &[])).unwrap();
    for far in [-3, 7, 1000] {
        let mut weights = model.weights.clone();
        for values in weights.values_mut() {
            values.iter_mut().for_each(|v| *v = far.max(*v * far));
        }
        let mut graph = model.graph.clone();
        for (id, values) in &weights {
            graph.tensors[id.0].range = weight_range(values);
        }
        propagate(&mut graph, &weights).unwrap();
        run(&graph, &weights, &[vec![UNIT]]).unwrap();
    }
}

/// The operator of version 5: the example of its definition, but for one threshold.
#[test]
fn leaves_apart_from_nodes() {
    let tensor = |name: &str, t: TensorProto| AttributeProto {
        name: name.to_owned(),
        t: Some(t),
        ..Default::default()
    };
    let with = |modes: &[f32]| {
        let attributes = [
            tensor("nodes_modes", floats("", &[3], modes)),
            tensor("nodes_splits", floats("", &[3], &[3.25, 1.2, 4.2])),
            tensor(
                "leaf_weights",
                floats("", &[4], &[5.23, 12.12, -12.23, 7.21]),
            ),
            ints("leaf_targetids", &[0, 1, 0, 1]),
            ints("nodes_featureids", &[0, 0, 0]),
            ints("nodes_truenodeids", &[1, 0, 1]),
            ints("nodes_trueleafs", &[0, 1, 1]),
            ints("nodes_falsenodeids", &[2, 2, 3]),
            ints("nodes_falseleafs", &[0, 1, 1]),
            ints("tree_roots", &[0]),
            int("n_targets", 2),
        ];
        ml("TreeEnsemble", 2, &["y"], &attributes)
    };
    right(&with(&[0.; 3]), &[1.2, 3.4], &[&[5.23, 0.]]);
    right(&with(&[0.; 3]), &[-0.12, 1.66], &[&[5.23, 0.]]);
    right(&with(&[0.; 3]), &[4.14, 1.77], &[&[0., 12.12]]);
    assert!(refusal(&with(&[6., 0., 0.])).contains("sets of members are not supported"));
}

#[test]
fn ensembles_that_are_refused() {
    let with = |name: &str, change: &dyn Fn(&mut AttributeProto)| {
        let tree = Tree::Split(
            "BRANCH_LEQ",
            0,
            0.0,
            Box::new([split("BRANCH_LEQ", 1.0), Tree::Leaf]),
        );
        let mut proto = regressor(&[tree], 1, 1, &[text("aggregate_function", "SUM")]);
        let attributes = &mut proto.graph.as_mut().unwrap().node[0].attribute;
        change(attributes.iter_mut().find(|a| a.name == name).unwrap());
        refusal(&proto)
    };
    let cases = [
        (
            with("nodes_featureids", &|a| a.ints[0] = 1),
            "features from 0 to 0, got 1",
        ),
        (
            with("nodes_modes", &|a| a.strings[0] = b"BRANCH_MEMBER".to_vec()),
            "got BRANCH_MEMBER",
        ),
        (
            with("nodes_truenodeids", &|a| a.ints[0] = 9),
            "a node of tree 0, got 9",
        ),
        (
            with("nodes_falsenodeids", &|a| a.ints[1] = 1),
            "paths end at leaves, got a cycle",
        ),
        (
            with("nodes_truenodeids", &|a| a.ints[1] = 0),
            "no node's child",
        ),
        (
            with("nodes_nodeids", &|a| a.ints[1] = 0),
            "each node of tree 0 once, got 0 twice",
        ),
        (
            with("nodes_values", &|a| a.floats.truncate(4)),
            "5 entries, as others have, got 4",
        ),
        (
            with("nodes_values", &|a| a.floats[0] = f32::NAN),
            "y.nodes_values",
        ),
        (
            with("target_nodeids", &|a| a.ints[0] = 0),
            "leaves, got node 0 of tree 0",
        ),
        (with("target_ids", &|a| a.ints[0] = 1), "numbers below 1"),
        (
            with("aggregate_function", &|a| a.s = b"MEDIAN".to_vec()),
            "got MEDIAN",
        ),
    ];
    for (error, expected) in cases {
        assert!(error.contains(expected), "{error}: expected '{expected}'");
    }
    let mut attributes = forest(&[split("BRANCH_LEQ", 0.0)], "class", 2);
    attributes.push(ints("classlabels_int64s", &[0, 1]));
    let both = ml("TreeEnsembleClassifier", 1, &["l", "p"], &attributes);
    assert!(refusal(&both).contains("weights of class 0 only"));
    let set = OperatorSetIdProto {
        domain: DOMAIN.to_owned(),
        version: 6,
    };
    let mut newer = both;
    newer.opset_import.push(set);
    assert!(refusal(&newer).contains("version 5 or older of ai.onnx.ml, got 6"));
}
