//! One graph out of a file: functions of the file stand in place of the nodes that call them, and what branches of an
//! `If` name has names that nothing else has.
//!
//! Afterwards a name means one value wherever it is read, initialisers are those of the graph, and an `If` lists what
//! its branches read from around it after its condition, so that who reads what is seen from inputs alone.

mod calls;
mod scope;

use super::attributes::OnnxNode;
use super::schema::{AttributeProto, FunctionProto, GraphProto, NodeProto, TensorProto};
use super::ImportError;
use prost::Message;
use scope::Scope;
use std::collections::{HashMap, HashSet};

/// Most branches and functions within each other.
const DEEPEST: usize = 64;

/// Bytes of nodes and names that functions and branches may be expanded to: so many, and this often the file's.
const EXPANDED: (usize, usize) = (1 << 22, 4);

/// What a name, a list or a node's other strings take beside their letters.
const OVERHEAD: usize = 64;

/// The operator that chooses between branches, and the attributes that have them.
pub(super) const IF: &str = "If";
pub(super) const BRANCHES: [&str; 2] = ["then_branch", "else_branch"];

/// A graph without functions.
#[derive(Clone)]
pub(super) struct Linked {
    pub graph: GraphProto,
    /// The operator set of the model.
    pub opset: i64,
    /// Operator sets of nodes, by their first outputs, that come of functions with another one than the model's.
    pub others: HashMap<String, i64>,
}

/// Whether operators of this domain are ONNX's own.
pub(super) fn is_standard(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

pub(super) fn is_if(node: &NodeProto) -> bool {
    node.op_type == IF && is_standard(&node.domain)
}

/// Domain, name and overload.
type Key = (String, String, String);

fn key(domain: &str, name: &str, overload: &str) -> Key {
    let domain = if is_standard(domain) { "" } else { domain };
    (domain.to_owned(), name.to_owned(), overload.to_owned())
}

struct Linker<'f> {
    functions: HashMap<Key, &'f FunctionProto>,
    opset: i64,
    others: HashMap<String, i64>,
    /// Names that have a meaning in the graph.
    taken: HashSet<String>,
    /// How many names had to be changed because they were taken.
    renamed: usize,
    /// Initialisers of branches.
    initialisers: Vec<TensorProto>,
    /// Functions that are being put in place, the innermost last.
    calls: Vec<Key>,
    /// Functions and branches around the node.
    depth: usize,
    spent: usize,
    most: usize,
}

/// The graph with the file's functions in place. `bytes`: size of the file.
pub(super) fn link(
    mut graph: GraphProto,
    functions: &[FunctionProto],
    opset: i64,
    bytes: usize,
) -> Result<Linked, ImportError> {
    let inputs = graph.input.iter().map(|info| info.name.clone());
    let outputs = graph.output.iter().map(|info| info.name.clone());
    let tensors = graph.initializer.iter().map(|tensor| tensor.name.clone());
    let given: Vec<String> = inputs.chain(tensors).collect();
    let nodes = graph.node.iter();
    let named = nodes.flat_map(|node| node.input.iter().chain(&node.output));
    let (least, each) = EXPANDED;
    let mut linker = Linker {
        functions: HashMap::new(),
        opset,
        others: HashMap::new(),
        taken: named.cloned().chain(outputs).chain(given.clone()).collect(),
        renamed: 0,
        initialisers: Vec::new(),
        calls: Vec::new(),
        depth: 0,
        spent: 0,
        most: bytes.saturating_mul(each).saturating_add(least),
    };
    for function in functions {
        let key = key(&function.domain, &function.name, &function.overload);
        if linker.functions.insert(key, function).is_some() {
            let got = format!("two '{}.{}'", function.domain, function.name);
            return Err(ImportError::malformed("functions", "each name once", got));
        }
    }
    let mut scope = Scope::top(given, opset);
    let mut linked = Vec::with_capacity(graph.node.len());
    for node in std::mem::take(&mut graph.node) {
        linker.node(node, &mut scope, &mut linked)?;
    }
    graph.node = linked;
    graph.initializer.append(&mut linker.initialisers);
    Ok(Linked {
        graph,
        opset,
        others: linker.others,
    })
}

impl Linker<'_> {
    /// Counts what is made, so that functions that call each other twice cannot ask for everything.
    fn charge(&mut self, bytes: usize) -> Result<(), ImportError> {
        self.spent = self.spent.saturating_add(bytes).saturating_add(OVERHEAD);
        if self.spent > self.most {
            let expected = format!(
                "calls and branches that expand to at most {} bytes, being of a file of its size",
                self.most
            );
            return Err(ImportError::malformed("functions", expected, "more"));
        }
        Ok(())
    }

    /// Runs `inside` one level further in.
    fn deeper<T>(
        &mut self,
        node: &OnnxNode,
        inside: impl FnOnce(&mut Self) -> Result<T, ImportError>,
    ) -> Result<T, ImportError> {
        if self.depth == DEEPEST {
            let expected = format!("at most {DEEPEST} of them within each other");
            return Err(node.bad("functions and branches", expected, "more"));
        }
        self.depth += 1;
        let result = inside(self)?;
        self.depth -= 1;
        Ok(result)
    }

    /// Adds a node, its names being those of the graph, or what it calls.
    fn node(
        &mut self,
        proto: NodeProto,
        scope: &mut Scope,
        into: &mut Vec<NodeProto>,
    ) -> Result<(), ImportError> {
        let mut node = OnnxNode::new(proto);
        if !scope.is_top() {
            node.name = format!("{}{}", scope.prefix, node.name);
            node.proto.name = node.name.clone();
            self.charge(node.proto.encoded_len())?;
        }
        scope.set_attributes(&mut node)?;
        for (at, name) in node.proto.input.iter_mut().enumerate() {
            *name = match scope.meaning(name) {
                Some(known) => known.to_owned(),
                // The importer says so, and of which node.
                None if scope.is_top() => continue,
                None => {
                    let place =
                        format!("node '{}' ({}), input {at}", node.name, node.proto.op_type);
                    let expected = "the name of an earlier value there or around it";
                    return Err(ImportError::malformed(place, expected, format!("'{name}'")));
                }
            };
        }
        if !self.functions.is_empty() {
            let NodeProto {
                domain,
                op_type,
                overload,
                ..
            } = &node.proto;
            let called = key(domain, op_type, overload);
            if let Some(function) = self.functions.get(&called).copied() {
                return self.call(&node, called, function, scope, into);
            }
        }
        if is_if(&node.proto) {
            self.branches(&mut node, scope)?;
        }
        self.name_outputs(&mut node, scope)?;
        if scope.opset != self.opset {
            let mut outputs = node.proto.output.iter().filter(|name| !name.is_empty());
            if let Some(first) = outputs.next() {
                self.others.insert(first.clone(), scope.opset);
            }
        }
        into.push(node.proto);
        Ok(())
    }

    fn name_outputs(&mut self, node: &mut OnnxNode, scope: &mut Scope) -> Result<(), ImportError> {
        let mut outputs = std::mem::take(&mut node.proto.output);
        for name in outputs.iter_mut().filter(|name| !name.is_empty()) {
            *name = self.define(scope, name)?;
        }
        node.proto.output = outputs;
        Ok(())
    }

    /// A name of the graph for one of a scope.
    fn define(&mut self, scope: &mut Scope, name: &str) -> Result<String, ImportError> {
        if scope.is_top() {
            scope.add(name, name.to_owned());
            return Ok(name.to_owned());
        }
        if scope.is_visible(name) {
            let place = format!("'{}{name}'", scope.prefix);
            let expected = "a name that nothing there or around it has";
            return Err(ImportError::malformed(
                place,
                expected,
                format!("'{name}' again"),
            ));
        }
        let unique = match scope.wanted(name) {
            Some(wanted) => wanted,
            None => self.fresh(format!("{}{name}", scope.prefix))?,
        };
        scope.add(name, unique.clone());
        Ok(unique)
    }

    fn fresh(&mut self, name: String) -> Result<String, ImportError> {
        self.charge(name.len())?;
        let mut unique = name.clone();
        while !self.taken.insert(unique.clone()) {
            self.renamed += 1;
            unique = format!("{name}#{}", self.renamed);
        }
        Ok(unique)
    }

    /// Links both branches, and adds what they read from around them to the inputs.
    fn branches(&mut self, node: &mut OnnxNode, scope: &Scope) -> Result<(), ImportError> {
        if node.proto.input.len() != 1 {
            return Err(node.bad("inputs", "one, the condition", node.proto.input.len()));
        }
        let mut attributes = std::mem::take(&mut node.proto.attribute);
        for AttributeProto { name, g, .. } in &mut attributes {
            let Some(graph) = g
                .as_deref_mut()
                .filter(|_| BRANCHES.contains(&name.as_str()))
            else {
                continue;
            };
            let own = std::mem::take(graph);
            let prefix = format!("{}/{name}/", node.name);
            *graph = self.deeper(node, |linker| linker.branch(own, prefix, scope))?;
            node.proto.input.extend(free(graph));
        }
        node.proto.attribute = attributes;
        Ok(())
    }

    fn branch(
        &mut self,
        mut graph: GraphProto,
        prefix: String,
        around: &Scope,
    ) -> Result<GraphProto, ImportError> {
        if let Some(input) = graph.input.first() {
            let got = format!("'{}'", input.name);
            return Err(ImportError::malformed(prefix + "inputs", "none", got));
        }
        let mut scope = around.inside(prefix);
        for mut tensor in graph.initializer {
            tensor.name = self.define(&mut scope, &tensor.name)?;
            self.initialisers.push(tensor);
        }
        let mut linked = Vec::new();
        for node in graph.node {
            self.node(node, &mut scope, &mut linked)?;
        }
        for info in &mut graph.output {
            let Some(name) = scope.meaning(&info.name).filter(|name| !name.is_empty()) else {
                let place = format!("{}outputs", scope.prefix);
                let expected = "the name of a value there or around it";
                let got = format!("'{}'", info.name);
                return Err(ImportError::malformed(place, expected, got));
            };
            info.name = name.to_owned();
        }
        Ok(GraphProto {
            node: linked,
            output: graph.output,
            ..Default::default()
        })
    }
}

/// What a branch reads and does not make, each once.
fn free(branch: &GraphProto) -> Vec<String> {
    let made = branch.node.iter().flat_map(|node| &node.output);
    let mut known: HashSet<&str> = made.map(String::as_str).collect();
    let outputs = branch.output.iter().map(|info| &info.name);
    let read = branch.node.iter().flat_map(|node| &node.input);
    read.chain(outputs)
        .filter(|name| !name.is_empty() && known.insert(name.as_str()))
        .cloned()
        .collect()
}
