//! One graph for several inputs: the activations are there once for each, the weights once for all.

use super::{Graph, Node, Role, TensorId};

/// Most inputs of one proof.
pub const MAX_BATCH: usize = 1 << 12;

impl Graph {
    /// The graph that runs this one on `count` inputs. Inputs and outputs are those of the first run,
    /// then those of the second, and so on; their names end in `#0`, `#1`, ….
    ///
    /// Nothing is computed across runs, so each output depends on its own input alone.
    pub fn batched(&self, count: usize) -> Graph {
        if count <= 1 {
            return self.clone();
        }
        let mut batch = Graph {
            tensors: self.tensors.clone(),
            nodes: Vec::with_capacity(self.nodes.len() * count),
            inputs: Vec::with_capacity(self.inputs.len() * count),
            outputs: Vec::with_capacity(self.outputs.len() * count),
            ..self.clone()
        };
        for run in 0..count {
            let mut ids: Vec<TensorId> = (0..self.tensors.len()).map(TensorId).collect();
            for (id, tensor) in self.tensors.iter().enumerate() {
                if tensor.role == Role::Weight {
                    continue;
                }
                let mut tensor = tensor.clone();
                tensor.name = format!("{}#{run}", tensor.name);
                match (run, batch.tensors.get_mut(id), ids.get_mut(id)) {
                    (0, Some(first), _) => *first = tensor,
                    (_, _, Some(slot)) => {
                        *slot = TensorId(batch.tensors.len());
                        batch.tensors.push(tensor);
                    }
                    _ => {}
                }
            }
            let renamed = |id: TensorId| ids.get(id.0).copied().unwrap_or(id);
            batch.nodes.extend(self.nodes.iter().map(|node| {
                let mut op = node.op.clone();
                op.map_operands(renamed);
                Node {
                    name: format!("{}#{run}", node.name),
                    op,
                    output: renamed(node.output),
                    pre: node.pre,
                }
            }));
            batch
                .inputs
                .extend(self.inputs.iter().copied().map(renamed));
            batch
                .outputs
                .extend(self.outputs.iter().copied().map(renamed));
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::{exec, range, Graph, Interval, Node, Op, Role, Tensor, TensorId, Weights};

    fn tensor(name: &str, shape: &[usize], role: Role) -> Tensor {
        Tensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            role,
            range: Interval { lo: -64, hi: 63 },
        }
    }

    #[test]
    fn runs_are_independent_and_share_their_weights() {
        let mut graph = Graph {
            scale: 1,
            tensors: vec![
                tensor("x", &[2], Role::Input),
                tensor("w", &[1, 2], Role::Weight),
                tensor("y", &[1], Role::Activation),
            ],
            nodes: vec![Node {
                name: "fc".to_owned(),
                op: Op::Linear {
                    x: TensorId(0),
                    w: TensorId(1),
                    bias: None,
                    div: 1,
                    clamp: None,
                },
                output: TensorId(2),
                pre: Interval { lo: 0, hi: 0 },
            }],
            inputs: vec![TensorId(0)],
            outputs: vec![TensorId(2)],
            tables: Vec::new(),
        };
        let weights = Weights::from([(TensorId(1), vec![3, -5])]);
        range::propagate(&mut graph, &weights).unwrap();
        let batch = graph.batched(3);
        assert_eq!(batch.tensors.len(), 7);
        assert_eq!(batch.tensors[batch.inputs[2].0].name, "x#2");
        let inputs = [vec![1, 1], vec![2, 0], vec![-1, 7]];
        let trace = exec::run(&batch, &weights, &inputs).unwrap();
        let together = exec::outputs(&batch, &trace);
        for (input, output) in inputs.iter().zip(together) {
            let alone = exec::run(&graph, &weights, std::slice::from_ref(input)).unwrap();
            assert_eq!(exec::outputs(&graph, &alone), [output]);
        }
    }
}
