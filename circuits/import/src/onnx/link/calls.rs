//! A function's body in place of the node that calls it.

use super::super::attributes::OnnxNode;
use super::super::schema::{AttributeProto, FunctionProto, NodeProto};
use super::super::{ops, standard_opset};
use super::scope::Scope;
use super::{ImportError, Key, Linker, OVERHEAD};
use prost::Message;
use std::collections::HashMap;

impl Linker<'_> {
    pub(super) fn call(
        &mut self,
        node: &OnnxNode,
        called: Key,
        function: &FunctionProto,
        scope: &mut Scope,
        into: &mut Vec<NodeProto>,
    ) -> Result<(), ImportError> {
        let names = function.input.iter().chain(&function.output);
        let names: usize = names.map(|name| name.len() + OVERHEAD).sum();
        let defaults = function.attribute_proto.iter().map(Message::encoded_len);
        self.charge(names + defaults.sum::<usize>())?;
        if super::is_standard(&called.0) || ops::handler(&called.0, &called.1).is_some() {
            let expected =
                "a function of a domain of its own (runtimes differ in which definition counts)";
            return Err(node.bad(
                "operator",
                expected,
                "one that is also defined outside of the file",
            ));
        }
        if self.calls.contains(&called) {
            return Err(node.bad("function", "one that does not call itself", "a recursion"));
        }
        let attributes = attributes(node, function)?;
        let inputs = inputs(node, function)?;
        let opset = standard_opset(&function.opset_import)?.unwrap_or(self.opset);
        // What the function makes has the call's names at once; what it passes on, or gives twice, is copied.
        let mut wanted: HashMap<String, String> = HashMap::new();
        let mut results = Vec::new();
        for (at, name) in node.proto.output.iter().enumerate() {
            let Some(own) = function.output.get(at) else {
                let expected = format!("at most {}", function.output.len());
                return Err(node.bad("outputs", expected, node.proto.output.len()));
            };
            if name.is_empty() {
                continue;
            }
            let name = self.define(scope, name)?;
            if !inputs.contains_key(own) {
                wanted.entry(own.clone()).or_insert_with(|| name.clone());
            }
            results.push((own, name));
        }
        let prefix = format!("{}/", node.name);
        let mut body = Scope::body(inputs, wanted, &attributes, prefix, opset);
        self.calls.push(called);
        self.deeper(node, |linker| {
            for inner in &function.node {
                linker.node(inner.clone(), &mut body, into)?;
            }
            Ok(())
        })?;
        self.calls.pop();
        for (own, name) in results {
            let made = body.meaning(own).filter(|made| !made.is_empty());
            let Some(made) = made else {
                let expected = format!("a value that function '{}' makes", function.name);
                return Err(node.bad("outputs", expected, format!("'{own}'")));
            };
            if made != name {
                into.push(NodeProto {
                    input: vec![made.to_owned()],
                    output: vec![name],
                    name: node.name.clone(),
                    op_type: "Identity".to_owned(),
                    ..Default::default()
                });
            }
        }
        Ok(())
    }
}

/// The call's attributes, and defaults for those that it leaves out.
fn attributes(
    node: &OnnxNode,
    function: &FunctionProto,
) -> Result<HashMap<String, AttributeProto>, ImportError> {
    let all = function.attribute_proto.iter().chain(&node.proto.attribute);
    if let Some(graph) = all.clone().find(|attribute| attribute.g.is_some()) {
        let what = format!("attribute '{}'", graph.name);
        return Err(node.bad(&what, "a value", "a graph"));
    }
    Ok(all.map(|a| (a.name.clone(), a.clone())).collect())
}

/// The graph's names of the function's inputs; empty for what the call leaves out.
fn inputs(
    node: &OnnxNode,
    function: &FunctionProto,
) -> Result<HashMap<String, String>, ImportError> {
    if node.proto.input.len() > function.input.len() {
        let expected = format!("at most {}", function.input.len());
        return Err(node.bad("inputs", expected, node.proto.input.len()));
    }
    let given = node.proto.input.iter().cloned();
    let given = given.chain(std::iter::repeat(String::new()));
    let inputs: HashMap<String, String> = function.input.iter().cloned().zip(given).collect();
    if inputs.len() != function.input.len() {
        let place = format!("function '{}', inputs", function.name);
        return Err(ImportError::malformed(place, "each name once", "one twice"));
    }
    Ok(inputs)
}
