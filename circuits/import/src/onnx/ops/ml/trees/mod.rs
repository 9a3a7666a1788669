//! Ensembles of trees.

mod choice;
mod ensemble;
mod levels;
mod walk;

use super::scores::{Labels, Post};
use super::{Handler, Importer, OnnxNode, Results};
use crate::onnx::value::{Array, Type, Value};
use crate::ImportError;
use ensemble::{Aggregate, Ensemble, Node, Spelled};
use std::collections::HashSet;
use walk::Names;

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "TreeEnsembleClassifier" => classifier,
        "TreeEnsembleRegressor" => regressor,
        "TreeEnsemble" => ensemble,
        _ => return None,
    })
}

const CLASSES: Names = Names {
    values: "nodes_values",
    weights: "class_weights",
};

fn classifier(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.rows(node, 0)?;
    let (labels, post) = (Labels::of(node, "classlabels_int64s")?, Post::of(node)?);
    let mut trees = Ensemble::read(node, "class", labels.count(), x.size(1))?;
    let bases = node.reals("base_values")?;
    if labels.count() == 2 {
        if trees.weighs(1) || bases.len() > 1 {
            let expected =
                "weights of class 0 only, as of two classes one score suffices, and one base value";
            return Err(node.bad("attribute 'class_ids'", expected, "more"));
        }
        trees.targets = 1;
        let score = importer.ensemble(node, &x, &trees, CLASSES)?;
        let score = importer.with_bases(node, &score, bases)?;
        // The score is a share if no weight is negative.
        let share = trees.weights().all(|weight| weight >= 0.0);
        let learned = format!("{}.{}", node.name, CLASSES.weights);
        let mut all = importer.draft.initialisers.iter_mut();
        if let Some(one) = all.find(|one| one.name == learned) {
            let what = "whether one is negative, which says at which score the label changes";
            one.disclose(what.to_owned(), true);
        }
        let positive = importer.exceeds(&score, if share { 0.5 } else { 0.0 })?;
        let positive = importer.reshape_to(&positive, vec![x.size(0)])?;
        let label = importer.labelled(&positive, &labels)?;
        return Ok(vec![label, importer.both_scores(&score, post, share)?]);
    }
    // onnxruntime passes over classes without a weight.
    if labels.count() == 1 || !(0..labels.count()).all(|class| trees.always_weighs(class)) {
        let expected = "two classes or more, each with a weight whatever the input";
        return Err(node.bad("attribute 'class_ids'", expected, "a class without"));
    }
    let scores = importer.ensemble(node, &x, &trees, CLASSES)?;
    let scores = importer.with_bases(node, &scores, bases)?;
    let label = importer.best_label(&scores, &labels)?;
    Ok(vec![label, importer.transformed(&scores, post)?])
}

fn regressor(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.rows(node, 0)?;
    let targets = usize::try_from(node.int("n_targets", 1)).unwrap_or(0);
    let trees = Ensemble::read(node, "target", targets, x.size(1))?;
    let names = Names {
        values: "nodes_values",
        weights: "target_weights",
    };
    importer.regressed(node, &x, &trees, names, Post::of(node)?)
}

/// The operator of version 5: leaves are apart from nodes.
fn ensemble(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.rows(node, 0)?;
    let trees = Ensemble::numbered(node, x.size(1))?;
    let post = match node.int("post_transform", 0) {
        0 => Post::None,
        1 => Post::Softmax,
        2 => Post::Logistic,
        other => {
            let expected = "0, 1 or 2 (NONE, SOFTMAX, LOGISTIC)";
            return Err(node.bad("attribute 'post_transform'", expected, other));
        }
    };
    let names = Names {
        values: "nodes_splits",
        weights: "leaf_weights",
    };
    importer.regressed(node, &x, &trees, names, post)
}

impl Importer {
    fn regressed(
        &mut self,
        node: &OnnxNode,
        x: &Value,
        trees: &Ensemble,
        names: Names,
        post: Post,
    ) -> Results {
        let extremum = matches!(trees.aggregate, Aggregate::Min | Aggregate::Max);
        if extremum && !(0..trees.targets).all(|target| trees.weighs_once(target)) {
            let expected =
                "one weight of each leaf for each target, where the least or the largest counts";
            return Err(node.bad("weights of leaves", expected, "others"));
        }
        // onnxruntime transforms several targets only.
        if post != Post::None && trees.targets == 1 {
            let expected = "NONE for one target";
            return Err(node.bad("attribute 'post_transform'", expected, "another"));
        }
        let bases = node.reals("base_values")?;
        // And adds no base to a target without one.
        if !bases.is_empty() && !(0..trees.targets).all(|target| trees.always_weighs(target)) {
            let expected =
                "targets that all have a weight whatever the input, where there are base values";
            return Err(node.bad("weights of leaves", expected, "a target without"));
        }
        let y = self.ensemble(node, x, trees, names)?;
        let y = self.with_bases(node, &y, bases)?;
        Ok(vec![self.transformed(&y, post)?])
    }

    /// Scores and the base of each.
    fn with_bases(
        &mut self,
        node: &OnnxNode,
        scores: &Value,
        bases: Vec<f64>,
    ) -> Result<Value, ImportError> {
        if bases.is_empty() {
            return Ok(scores.clone());
        }
        if bases.len() != scores.size(1) {
            let expected = format!("{} numbers", scores.size(1));
            return Err(node.bad("attribute 'base_values'", expected, bases.len()));
        }
        let bases = Array::public(vec![bases.len()], bases, Type::Real);
        let bases = self.learned(node, "base_values", bases)?;
        self.add(scores, &bases.into())
    }
}

impl Ensemble {
    /// What the attributes of version 5 say.
    fn numbered(node: &OnnxNode, features: usize) -> Result<Ensemble, ImportError> {
        const MODES: [&str; 6] = [
            "BRANCH_LEQ",
            "BRANCH_LT",
            "BRANCH_GTE",
            "BRANCH_GT",
            "BRANCH_EQ",
            "BRANCH_NEQ",
        ];
        let missing = |name: &str| node.bad(&format!("attribute '{name}'"), "numbers", "nothing");
        let list = |name: &str| node.tensor(name)?.ok_or_else(|| missing(name));
        let (modes, values) = (list("nodes_modes")?, list("nodes_splits")?);
        let weights = list("leaf_weights")?;
        let count = modes.values.len();
        let integers = |name: &str| match node.integers(name) {
            list if list.len() == count => Ok(list),
            list => {
                let what = format!("attribute '{name}'");
                Err(node.bad(
                    &what,
                    format!("{count} entries, one for each node"),
                    list.len(),
                ))
            }
        };
        let feature = integers("nodes_featureids")?;
        let ways = [
            (integers("nodes_truenodeids")?, integers("nodes_trueleafs")?),
            (
                integers("nodes_falsenodeids")?,
                integers("nodes_falseleafs")?,
            ),
        ];
        let ids = node.integers("leaf_targetids");
        let targets = usize::try_from(node.int("n_targets", 1)).unwrap_or(0);
        let fits = ids
            .iter()
            .all(|&id| usize::try_from(id).is_ok_and(|id| id < targets));
        if ids.len() != weights.values.len() || !fits || values.values.len() != count {
            let expected = format!("lists of one length, with targets below {targets}");
            return Err(node.bad("nodes and leaves", expected, "others"));
        }
        // Leaves come after nodes.
        let child = |at: usize, way: usize| -> Result<usize, ImportError> {
            let found = ways.get(way).and_then(|(to, leaf)| {
                let to = usize::try_from(*to.get(at)?).ok()?;
                match leaf.get(at)? {
                    0 => (to < count).then_some(to),
                    _ => (to < ids.len()).then_some(count + to),
                }
            });
            found.ok_or_else(|| {
                node.bad(&format!("node {at}"), "children that there are", "another")
            })
        };
        let mut nodes = Vec::with_capacity(count + ids.len());
        let splits = modes.values.iter().zip(values.values.iter()).zip(feature);
        for (at, ((&mode, &value), &feature)) in splits.enumerate() {
            let known = MODES.get(mode as usize).ok_or_else(|| {
                let expected = "0 to 5 (sets of members are not supported)";
                node.bad("attribute 'nodes_modes'", expected, mode)
            })?;
            let spelled = Spelled {
                mode: known,
                feature,
                value,
                children: [child(at, 0)?, child(at, 1)?],
            };
            nodes.push(Node::split(node, features, spelled)?);
        }
        let leaves = ids.iter().zip(weights.values.iter());
        nodes
            .extend(leaves.map(|(&id, &weight)| {
                Node::Leaf(vec![(usize::try_from(id).unwrap_or(0), weight)])
            }));
        let roots = node.integers("tree_roots").iter();
        let roots: Option<Vec<usize>> = roots
            .map(|&root| usize::try_from(root).ok().filter(|r| *r < count))
            .collect();
        let unknown = || node.bad("attribute 'tree_roots'", "nodes", "others");
        let aggregate = match node.int("aggregate_function", 1) {
            0 => Aggregate::Average,
            1 => Aggregate::Sum,
            2 => Aggregate::Min,
            3 => Aggregate::Max,
            other => return Err(node.bad("attribute 'aggregate_function'", "0 to 3", other)),
        };
        Ensemble::new(node, nodes, roots.ok_or_else(unknown)?, targets, aggregate)
    }

    fn leaves(&self) -> impl Iterator<Item = &Vec<(usize, f64)>> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Leaf(weights) => Some(weights),
            Node::Split { .. } => None,
        })
    }

    /// Whether any leaf weighs a target.
    fn weighs(&self, target: usize) -> bool {
        self.leaves().flatten().any(|(t, _)| *t == target)
    }

    /// Whether each leaf weighs a target once.
    fn weighs_once(&self, target: usize) -> bool {
        let once =
            |leaf: &Vec<(usize, f64)>| leaf.iter().filter(|(t, _)| *t == target).count() == 1;
        self.leaves().all(once)
    }

    /// Whether a tree weighs a target at each of its leaves.
    fn always_weighs(&self, target: usize) -> bool {
        self.roots.iter().any(|&root| {
            let (mut open, mut seen) = (vec![root], HashSet::new());
            while let Some(place) = open.pop() {
                if !seen.insert(place) {
                    continue;
                }
                match self.nodes.get(place) {
                    Some(Node::Leaf(weights)) if weights.iter().any(|(t, _)| *t == target) => {}
                    Some(Node::Split { children, .. }) => open.extend(children),
                    Some(Node::Leaf(_)) | None => return false,
                }
            }
            true
        })
    }
}
