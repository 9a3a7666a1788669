//! One graph for several inputs, which share the weights.
//!
//! Inputs and outputs get a first dimension, the batch. Where all operations allow it (`batch/stack.rs`)
//! images stand below one another in one tall image, so that each operation is there once; else the
//! nodes are repeated for each input. Either way each output depends on its own input alone.

mod stack;

use super::{Graph, Node, Op, Role, Tensor, TensorId};

/// Most inputs of one proof.
pub const MAX_BATCH: usize = 1 << 12;

impl Graph {
    /// The graph that runs this one on `count` inputs. Ranges of what is computed are to be
    /// propagated again.
    pub fn batched(&self, count: usize) -> Graph {
        if count <= 1 {
            return self.clone();
        }
        stack::stacked(self, count).unwrap_or_else(|| self.repeated(count))
    }

    fn repeated(&self, count: usize) -> Graph {
        let mut draft = Draft::new(self, count);
        let mut outputs: Vec<Vec<TensorId>> = vec![Vec::with_capacity(count); self.outputs.len()];
        for run in 0..count {
            let mut ids: Vec<TensorId> = (0..self.tensors.len()).map(TensorId).collect();
            for &id in &self.inputs {
                let tensor = draft.tensor(id);
                let (name, shape) = (tensor.name.clone(), self.shape_of(id));
                let one = draft.node(
                    format!("{name}#{run}"),
                    Op::Gather {
                        x: id,
                        axis: 0,
                        indices: vec![run],
                    },
                    [&[1], shape.as_slice()].concat(),
                );
                let own = draft.node(format!("{name}#{run}"), Op::Reshape { x: one }, shape);
                set(&mut ids, id, own);
            }
            for node in &self.nodes {
                let mut op = node.op.clone();
                op.map_operands(|id| ids.get(id.0).copied().unwrap_or(id));
                let shape = self.shape_of(node.output);
                let own = draft.node(format!("{}#{run}", node.name), op, shape);
                set(&mut ids, node.output, own);
            }
            for (all, &id) in outputs.iter_mut().zip(&self.outputs) {
                let own = ids.get(id.0).copied().unwrap_or(id);
                let shape = [&[1], self.shape_of(id).as_slice()].concat();
                all.push(draft.node(format!("output#{run}"), Op::Reshape { x: own }, shape));
            }
        }
        for (xs, &id) in outputs.into_iter().zip(&self.outputs) {
            let shape = [&[count], self.shape_of(id).as_slice()].concat();
            let name = draft.tensor(id).name.clone();
            let output = draft.node(name, Op::Concat { xs, axis: 0 }, shape);
            draft.graph.outputs.push(output);
        }
        draft.graph
    }

    fn shape_of(&self, id: TensorId) -> Vec<usize> {
        self.tensors
            .get(id.0)
            .map_or_else(Vec::new, |t| t.shape.clone())
    }
}

fn set(ids: &mut [TensorId], at: TensorId, to: TensorId) {
    if let Some(slot) = ids.get_mut(at.0) {
        *slot = to;
    }
}

/// A batch in the making. Tensors of the single graph keep their ids: weights as they are, inputs with
/// the batch in front, and the others, which nothing reads, as before.
struct Draft {
    graph: Graph,
}

impl Draft {
    fn new(single: &Graph, count: usize) -> Self {
        let mut graph = Graph {
            nodes: Vec::new(),
            outputs: Vec::new(),
            ..single.clone()
        };
        for id in &single.inputs {
            if let Some(tensor) = graph.tensors.get_mut(id.0) {
                tensor.shape.insert(0, count);
            }
        }
        Self { graph }
    }

    fn tensor(&self, id: TensorId) -> Tensor {
        let none = || Tensor {
            name: String::new(),
            shape: Vec::new(),
            role: Role::Activation,
            range: super::Interval { lo: 0, hi: 0 },
        };
        self.graph.tensors.get(id.0).cloned().unwrap_or_else(none)
    }

    fn node(&mut self, name: String, op: Op, shape: Vec<usize>) -> TensorId {
        let output = TensorId(self.graph.tensors.len());
        let zero = super::Interval { lo: 0, hi: 0 };
        self.graph.tensors.push(Tensor {
            name: name.clone(),
            shape,
            role: Role::Activation,
            range: zero,
        });
        self.graph.nodes.push(Node {
            name,
            op,
            output,
            pre: zero,
        });
        output
    }
}
