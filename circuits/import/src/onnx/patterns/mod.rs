//! What a file spells out in elementwise nodes and means: activations and layer normalisation. One operator
//! costs less than a dozen, and is more precise.
//!
//! Spellings differ in the order of factors, in what is divided or raised to a power, in what is computed
//! twice. So a chain is not compared with a shape: it is a known function if it has that function's values,
//! to within single precision.

mod activation;
mod chain;
mod normal;
#[cfg(test)]
mod tests;

use super::schema::{GraphProto, NodeProto};
use chain::{Budget, Chains};
use std::collections::{BTreeSet, HashMap, HashSet};

/// What a chain means.
struct Spelling {
    /// The operators.
    nodes: Vec<NodeProto>,
    /// The constants that it was told by, which the operators have instead of reading them.
    told_by: Vec<String>,
}

/// Replaces the last node of each spelling by what it means, and drops nodes that nothing reads any more. In branches
/// as well. Returns the names of the constants that spellings were told by.
pub(super) fn name_spellings(graph: &mut GraphProto) -> BTreeSet<String> {
    let budget = Budget::of(graph);
    name_within(graph, &budget)
}

fn name_within(graph: &mut GraphProto, budget: &Budget) -> BTreeSet<String> {
    let attributes = graph.node.iter_mut().flat_map(|node| &mut node.attribute);
    let branches = attributes.filter_map(|attribute| attribute.g.as_deref_mut());
    let mut told_by: BTreeSet<String> = branches
        .flat_map(|branch| name_within(branch, budget))
        .collect();
    let mut found: HashMap<usize, Vec<NodeProto>> = HashMap::new();
    let mut chains = Chains::new(graph, budget);
    for at in (0..graph.node.len()).take_while(|_| !budget.is_spent()) {
        let named = activation::named(&chains, at).or_else(|| normal::named(&chains, at));
        if let Some(spelling) = named {
            chains.end_at(at);
            found.insert(at, spelling.nodes);
            told_by.extend(spelling.told_by);
        }
    }
    if found.is_empty() {
        return told_by;
    }
    let nodes = std::mem::take(&mut graph.node);
    let replaced = nodes.into_iter().enumerate();
    let replaced = replaced.flat_map(|(at, node)| found.remove(&at).unwrap_or_else(|| vec![node]));
    let mut nodes: Vec<NodeProto> = replaced.collect();
    let outputs = graph.output.iter().map(|info| &info.name);
    let mut read: HashSet<String> = outputs.cloned().collect();
    while let Some(node) = nodes.pop() {
        if node.output.iter().any(|name| read.contains(name)) {
            read.extend(node.input.iter().cloned());
            graph.node.push(node);
        }
    }
    graph.node.reverse();
    told_by
}
