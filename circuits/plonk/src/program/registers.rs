//! The order of a program's steps, and the registers that they use.

use super::{Coefficient, Ifma, Instruction, Linear, Node, NodeId, Program, Register};

/// Orders the nodes that are needed, and gives each a register until its last use.
pub(super) struct Allocator<'g> {
    nodes: &'g [Node],
    uses: Vec<usize>,
    place: Vec<Option<Register>>,
    free: Vec<Register>,
    program: Program,
}

impl<'g> Allocator<'g> {
    pub fn run(nodes: &'g [Node], total: &Linear) -> Program {
        let mut needed: Vec<bool> = vec![false; nodes.len()];
        let mut uses = vec![0; nodes.len()];
        for node in total.terms.keys() {
            needed[*node] = true;
            uses[*node] += 1;
        }
        // Operands come before their nodes.
        for id in (0..nodes.len()).rev() {
            if needed[id] {
                for operand in operands(&nodes[id]) {
                    needed[operand] = true;
                    uses[operand] += 1;
                }
            }
        }
        let mut allocator = Self {
            nodes,
            uses,
            place: vec![None; nodes.len()],
            free: Vec::new(),
            // Register 0 is the result's.
            program: Program {
                ifma: Ifma::detect(),
                instructions: Vec::new(),
                registers: 1,
            },
        };
        let mut terms = Vec::new();
        for (node, coefficient) in &total.terms {
            let register = allocator.place(*node);
            terms.push((register, Coefficient::from(*coefficient)));
        }
        allocator
            .program
            .instructions
            .push(Instruction::Combine(terms, total.constant, 0));
        allocator.program
    }

    /// The register of a node, computed now if it is not yet.
    fn place(&mut self, id: NodeId) -> Register {
        if let Some(register) = self.place[id] {
            return register;
        }
        let nodes = self.nodes;
        let instruction = match &nodes[id] {
            Node::Query(query) => {
                let to = self.take();
                (Instruction::Load(*query, to), to)
            }
            Node::Product(a, b) => {
                let (left, right) = (self.place(*a), self.place(*b));
                self.release(*a);
                self.release(*b);
                let to = self.take();
                (Instruction::Multiply(left, right, to), to)
            }
            Node::Sum(terms, constant) => {
                let placed: Vec<_> = terms
                    .iter()
                    .map(|(term, c)| (self.place(*term), Coefficient::from(*c)))
                    .collect();
                for (term, _) in terms {
                    self.release(*term);
                }
                let to = self.take();
                (Instruction::Combine(placed, *constant, to), to)
            }
        };
        self.program.instructions.push(instruction.0);
        self.place[id] = Some(instruction.1);
        instruction.1
    }

    fn take(&mut self) -> Register {
        self.free.pop().unwrap_or_else(|| {
            self.program.registers += 1;
            self.program.registers - 1
        })
    }

    /// One use less; after the last one the register is free. Instructions read all operands of a
    /// row, or gather the whole sum, before they write.
    fn release(&mut self, id: NodeId) {
        self.uses[id] -= 1;
        if self.uses[id] == 0 {
            if let Some(register) = self.place[id] {
                self.free.push(register);
            }
        }
    }
}

fn operands(node: &Node) -> Vec<NodeId> {
    match node {
        Node::Query(_) => Vec::new(),
        Node::Product(a, b) => vec![*a, *b],
        Node::Sum(terms, _) => terms.iter().map(|(id, _)| *id).collect(),
    }
}
