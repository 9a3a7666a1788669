//! `If`: the branch that is taken, where the file alone decides; both, of which inputs choose, where they do.

use super::link::BRANCHES;
use super::schema::{GraphProto, NodeProto};
use super::value::{Type, Value};
use super::{check_supported, readable, Importer, OnnxNode};
use crate::ImportError;
use zkml_graph::Op;

/// The branch of a node.
fn branch(node: &mut OnnxNode, name: &str) -> Result<GraphProto, ImportError> {
    let mut attributes = node.proto.attribute.iter_mut();
    let found = attributes.find(|a| a.name == name).and_then(|a| a.g.take());
    let Some(graph) = found else {
        return Err(node.bad(&format!("attribute '{name}'"), "a graph", "nothing"));
    };
    if graph.output.len() != node.proto.output.len() {
        let expected = format!("{} outputs", node.proto.output.len());
        return Err(node.bad(&format!("attribute '{name}'"), expected, graph.output.len()));
    }
    Ok(*graph)
}

impl Importer {
    /// Lowers an `If`, whose inputs after the condition are what its branches read.
    pub(super) fn conditional(&mut self, mut node: OnnxNode) -> Result<(), ImportError> {
        self.enter(&node)?;
        let [then, otherwise] = BRANCHES.map(|name| branch(&mut node, name));
        let (then, otherwise) = (then?, otherwise?);
        let condition = self.input(&node, 0)?;
        if condition.ty() != Type::Bool || condition.count() != 1 {
            let got = format!("{} of shape {:?}", condition.ty().name(), condition.shape());
            return Err(node.bad("input 0", "one boolean", got));
        }
        let Value::Constant(known) = &condition else {
            return self.either(&node, &condition, then, otherwise);
        };
        self.disclose_choice(known, "the condition");
        let taken = match known.values.first() {
            Some(&truth) if truth != 0.0 => then,
            _ => otherwise,
        };
        let results = self.taken(taken)?;
        for (result, output) in results.into_iter().zip(&node.proto.output) {
            if !output.is_empty() {
                self.lower(&OnnxNode::new(NodeProto {
                    input: vec![result],
                    output: vec![output.clone()],
                    name: node.name.clone(),
                    op_type: "Identity".to_owned(),
                    ..Default::default()
                }))?;
            }
        }
        Ok(())
    }

    /// Lowers a branch; the names of its outputs.
    fn taken(&mut self, branch: GraphProto) -> Result<Vec<String>, ImportError> {
        check_supported(&branch)?;
        self.read_too(readable(&branch))?;
        let GraphProto { node, output, .. } = branch;
        self.lower_all(node)?;
        Ok(output.into_iter().map(|info| info.name).collect())
    }

    /// Both branches, and a choice between their outputs. What the other branch computes must not be in the way: it is
    /// defined whatever its operands are.
    fn either(
        &mut self,
        node: &OnnxNode,
        condition: &Value,
        then: GraphProto,
        otherwise: GraphProto,
    ) -> Result<(), ImportError> {
        let before = self.draft.graph.nodes.len();
        let (then, otherwise) = (self.taken(then)?, self.taken(otherwise)?);
        let mut made = self.draft.graph.nodes.iter().skip(before);
        let checked = made.find_map(|inner| match inner.op {
            Op::Check { lo, hi, why, .. } => Some((&inner.name, why.asks(lo, hi))),
            _ => None,
        });
        if let Some((inner, asks)) = checked {
            let expected = "operators that are defined on all that their operands may be (the condition is computed from inputs, so both branches are)";
            let got = format!("node '{inner}', which takes {asks}");
            return Err(node.bad("branches", expected, got));
        }
        self.enter(node)?;
        let condition = self.reshape_to(condition, vec![])?;
        for ((a, b), output) in then.iter().zip(&otherwise).zip(&node.proto.output) {
            if [a, b].into_iter().any(|name| self.far.contains_key(name)) {
                return Err(self.too_far());
            }
            let ends = (self.values.get(a).cloned(), self.values.get(b).cloned());
            let (Some(first), Some(second)) = ends else {
                return Err(node.bad(
                    "branches",
                    "outputs with values",
                    format!("'{a}' and '{b}'"),
                ));
            };
            let says =
                |value: &Value| format!("{} of shape {:?}", value.ty().name(), value.shape());
            if (first.ty(), first.shape()) != (second.ty(), second.shape()) {
                let expected =
                    "outputs of one type and shape (the condition is computed from inputs)";
                let got = format!("'{a}', {}, and '{b}', {}", says(&first), says(&second));
                return Err(node.bad("branches", expected, got));
            }
            if !output.is_empty() {
                let chosen = self.choose(&condition, &first, &second)?;
                self.assign(node, output, chosen)?;
            }
        }
        Ok(())
    }
}
