//! Trees, as the file has them.

use super::OnnxNode;
use crate::ImportError;
use std::collections::{HashMap, HashSet};

/// What a node asks of a feature, after which it goes to the first of its children, or else to the second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Test {
    /// `x ≤ value`.
    AtMost(f64),
    /// `x < value`.
    Below(f64),
    /// `x = value`.
    Equal(f64),
}

impl Test {
    /// Whether a number passes.
    pub fn holds(self, x: f64) -> bool {
        match self {
            Test::AtMost(value) => x <= value,
            Test::Below(value) => x < value,
            Test::Equal(value) => x == value,
        }
    }

    /// The integers that pass, of numbers that are `unit` integers each: from the first to the second. An integer
    /// passes if and only if the number that it is does.
    pub fn bounds(self, unit: f64) -> (f64, f64) {
        match self {
            Test::AtMost(value) => (f64::NEG_INFINITY, (value * unit).floor()),
            Test::Below(value) => (f64::NEG_INFINITY, (value * unit).ceil() - 1.0),
            Test::Equal(value) => ((value * unit).ceil(), (value * unit).floor()),
        }
    }
}

/// A node of a tree.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Split {
        feature: usize,
        test: Test,
        /// Places in the ensemble's list: where the test holds, and where it does not.
        children: [usize; 2],
    },
    /// A target and a weight each.
    Leaf(Vec<(usize, f64)>),
}

/// How the weights of all trees become one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

/// The trees of a node of the file.
#[derive(Debug)]
pub(super) struct Ensemble {
    pub nodes: Vec<Node>,
    /// Places of the trees' roots.
    pub roots: Vec<usize>,
    pub targets: usize,
    pub aggregate: Aggregate,
}

/// The branching of a node, by its name or number: a test of its value, and whether its children change places.
fn test(mode: &str, value: f64) -> Option<(Test, bool)> {
    Some(match mode {
        "BRANCH_LEQ" => (Test::AtMost(value), false),
        "BRANCH_LT" => (Test::Below(value), false),
        "BRANCH_GTE" => (Test::Below(value), true),
        "BRANCH_GT" => (Test::AtMost(value), true),
        "BRANCH_EQ" => (Test::Equal(value), false),
        "BRANCH_NEQ" => (Test::Equal(value), true),
        _ => return None,
    })
}

/// A split as the file spells it.
pub(super) struct Spelled<'a> {
    pub mode: &'a str,
    pub feature: i64,
    pub value: f64,
    pub children: [usize; 2],
}

impl Node {
    /// A split on one of so many features.
    pub fn split(node: &OnnxNode, features: usize, spelled: Spelled) -> Result<Node, ImportError> {
        let Spelled {
            mode,
            feature,
            value,
            mut children,
        } = spelled;
        let (test, exchanged) = test(mode, value).ok_or_else(|| {
            let expected = "BRANCH_LEQ, _LT, _GTE, _GT, _EQ, _NEQ or LEAF";
            node.bad("attribute 'nodes_modes'", expected, mode)
        })?;
        let known = usize::try_from(feature).ok().filter(|f| *f < features);
        let feature = known.ok_or_else(|| {
            let expected = format!("features from 0 to {}", features.saturating_sub(1));
            node.bad("attribute 'nodes_featureids'", expected, feature)
        })?;
        if exchanged {
            children.reverse();
        }
        Ok(Node::Split {
            feature,
            test,
            children,
        })
    }
}

impl Aggregate {
    fn named(node: &OnnxNode) -> Result<Aggregate, ImportError> {
        match node.text("aggregate_function", "SUM").as_str() {
            "SUM" => Ok(Aggregate::Sum),
            "AVERAGE" => Ok(Aggregate::Average),
            "MIN" => Ok(Aggregate::Min),
            "MAX" => Ok(Aggregate::Max),
            other => {
                let expected = "SUM, AVERAGE, MIN or MAX";
                Err(node.bad("attribute 'aggregate_function'", expected, other))
            }
        }
    }
}

impl Ensemble {
    /// What the attributes of versions 1 to 3 say. Leaves' weights stand in lists whose names begin with `leaf`:
    /// `class` or `target`.
    pub fn read(
        node: &OnnxNode,
        leaf: &str,
        targets: usize,
        features: usize,
    ) -> Result<Ensemble, ImportError> {
        let trees = node.integers("nodes_treeids");
        let list = |name: &str| same_length(node, name, node.integers(name), trees.len());
        let (ids, feature) = (list("nodes_nodeids")?, list("nodes_featureids")?);
        let (yes, no) = (list("nodes_truenodeids")?, list("nodes_falsenodeids")?);
        let modes = node.texts("nodes_modes");
        let modes = same_length(node, "nodes_modes", &modes, trees.len())?;
        let values = node.reals("nodes_values")?;
        let values = same_length(node, "nodes_values", &values, trees.len())?;
        let mut places: HashMap<(i64, i64), usize> = HashMap::new();
        for (place, (&tree, &id)) in trees.iter().zip(ids).enumerate() {
            if places.insert((tree, id), place).is_some() {
                let expected = format!("each node of tree {tree} once");
                return Err(node.bad("attribute 'nodes_nodeids'", expected, format!("{id} twice")));
            }
        }
        let place = |what: &str, tree: i64, id: i64| {
            let unknown = || {
                let what = format!("attribute '{what}'");
                node.bad(&what, format!("a node of tree {tree}"), id)
            };
            places.get(&(tree, id)).copied().ok_or_else(unknown)
        };
        let mut nodes = Vec::with_capacity(trees.len());
        let branches = trees.iter().zip(modes).zip(feature.iter().zip(values));
        for (((&tree, mode), (&feature, &value)), (&yes, &no)) in branches.zip(yes.iter().zip(no)) {
            if mode == "LEAF" {
                nodes.push(Node::Leaf(Vec::new()));
                continue;
            }
            let children = [
                place("nodes_truenodeids", tree, yes)?,
                place("nodes_falsenodeids", tree, no)?,
            ];
            let spelled = Spelled {
                mode,
                feature,
                value,
                children,
            };
            nodes.push(Node::split(node, features, spelled)?);
        }
        let name = |part: &str| format!("{leaf}_{part}");
        let weights = node.reals(&name("weights"))?;
        let list = |part: &str| {
            let name = name(part);
            same_length(node, &name, node.integers(&name), weights.len())
        };
        let (of, at, to) = (list("treeids")?, list("nodeids")?, list("ids")?);
        for ((&tree, &id), (&target, &weight)) in of.iter().zip(at).zip(to.iter().zip(&weights)) {
            let target = usize::try_from(target).ok().filter(|t| *t < targets);
            let target = target.ok_or_else(|| {
                let expected = format!("numbers below {targets}");
                node.bad(&format!("attribute '{}'", name("ids")), expected, "another")
            })?;
            match nodes.get_mut(place(&name("nodeids"), tree, id)?) {
                Some(Node::Leaf(weights)) => weights.push((target, weight)),
                _ => {
                    let what = format!("attribute '{}'", name("nodeids"));
                    return Err(node.bad(&what, "leaves", format!("node {id} of tree {tree}")));
                }
            }
        }
        // A tree starts at the first of its nodes.
        let mut roots: Vec<(i64, usize)> = Vec::new();
        for (place, &tree) in trees.iter().enumerate() {
            if roots.last().is_none_or(|(last, _)| *last != tree) {
                roots.push((tree, place));
            }
        }
        let roots = roots.into_iter().map(|(_, place)| place).collect();
        Ensemble::new(node, nodes, roots, targets, Aggregate::named(node)?)
    }

    /// Trees that have an end.
    pub fn new(
        node: &OnnxNode,
        nodes: Vec<Node>,
        roots: Vec<usize>,
        targets: usize,
        aggregate: Aggregate,
    ) -> Result<Ensemble, ImportError> {
        if roots.is_empty() || targets == 0 {
            return Err(node.bad("trees and targets", "at least one", "none"));
        }
        let children: HashSet<usize> = nodes.iter().flat_map(Node::children).collect();
        if let Some(root) = roots.iter().find(|root| children.contains(root)) {
            let expected = "roots that are no node's child (the first node of each tree)";
            return Err(node.bad("nodes", expected, format!("the one at {root}")));
        }
        let ensemble = Ensemble {
            nodes,
            roots,
            targets,
            aggregate,
        };
        match ensemble.has_end() {
            true => Ok(ensemble),
            false => Err(node.bad("nodes", "trees whose paths end at leaves", "a cycle")),
        }
    }

    /// Whether no path comes back to where it was: nodes without children are taken away until none is left.
    fn has_end(&self) -> bool {
        let mut parents: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        let mut open = vec![0usize; self.nodes.len()];
        for (place, node) in self.nodes.iter().enumerate() {
            for child in node.children() {
                if let (Some(of), Some(count)) = (parents.get_mut(child), open.get_mut(place)) {
                    of.push(place);
                    *count += 1;
                }
            }
        }
        let mut ended: Vec<usize> = (0..open.len())
            .filter(|&p| open.get(p) == Some(&0))
            .collect();
        let mut count = 0;
        while let Some(place) = ended.pop() {
            count += 1;
            for &parent in parents.get(place).into_iter().flatten() {
                if let Some(left) = open.get_mut(parent) {
                    *left -= 1;
                    if *left == 0 {
                        ended.push(parent);
                    }
                }
            }
        }
        count == self.nodes.len()
    }

    /// All leaves' weights.
    pub fn weights(&self) -> impl Iterator<Item = f64> + '_ {
        let leaves = self.nodes.iter().filter_map(|node| match node {
            Node::Leaf(weights) => Some(weights),
            Node::Split { .. } => None,
        });
        leaves.flatten().map(|(_, weight)| *weight)
    }

    /// The weights of the leaf that a row of numbers comes to in the tree with this root.
    pub fn leaf(&self, root: usize, row: &[f64]) -> &[(usize, f64)] {
        let mut at = root;
        loop {
            match self.nodes.get(at) {
                Some(Node::Split {
                    feature,
                    test,
                    children: [yes, no],
                }) => {
                    let x = row.get(*feature).copied().unwrap_or(f64::NAN);
                    at = if test.holds(x) { *yes } else { *no };
                }
                Some(Node::Leaf(weights)) => return weights,
                None => return &[],
            }
        }
    }
}

impl Node {
    pub fn children(&self) -> impl Iterator<Item = usize> {
        let children = match self {
            Node::Split { children, .. } => Some(*children),
            Node::Leaf(_) => None,
        };
        children.into_iter().flatten()
    }
}

fn same_length<'a, T>(
    node: &OnnxNode,
    name: &str,
    list: &'a [T],
    length: usize,
) -> Result<&'a [T], ImportError> {
    if list.len() == length {
        return Ok(list);
    }
    let what = format!("attribute '{name}'");
    Err(node.bad(
        &what,
        format!("{length} entries, as others have"),
        list.len(),
    ))
}
