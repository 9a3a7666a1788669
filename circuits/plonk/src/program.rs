//! The gates of a constraint system as one straight-line program over rows.
//!
//! What is computed for each row is Σᵢ yⁱ·gateᵢ. Challenges and powers of y are constants by then,
//! so the sum is arranged by what depends on fixed columns only: Σ_F F·(Σ c·m), F a product of fixed
//! queries, m a product of others. Gates that share a selector become one linear combination, in
//! which like products merge: a matrix of a hash's linear layer costs as much as one of its rows.
//! Equal subexpressions are computed once.

mod registers;

use std::collections::{BTreeMap, HashMap};

use halo2_proofs::{arithmetic::Field, halo2curves::bn256::Fr, plonk::Expression};
use rayon::prelude::*;

use super::instruction::{load, rotated, Coefficient, Instruction, Kind, Query, Register, ROWS};
use super::lanes::{self, Ifma};
use registers::Allocator;

/// Rows of one task.
pub const TASK: usize = 32 * ROWS;

type NodeId = usize;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Node {
    Query(Query),
    Product(NodeId, NodeId),
    /// Sum of nodes with coefficients, and a constant.
    Sum(Vec<(NodeId, Fr)>, Fr),
}

/// constant + Σ coefficient·node.
#[derive(Clone, Debug, Default)]
struct Linear {
    constant: Fr,
    terms: BTreeMap<NodeId, Fr>,
}

impl Linear {
    fn constant(constant: Fr) -> Self {
        Self {
            constant,
            terms: BTreeMap::new(),
        }
    }

    fn of(node: NodeId) -> Self {
        Self {
            constant: Fr::ZERO,
            terms: BTreeMap::from([(node, Fr::ONE)]),
        }
    }

    fn add(&mut self, other: &Linear, factor: Fr) {
        self.constant += other.constant * factor;
        for (node, coefficient) in &other.terms {
            self.add_term(*node, *coefficient * factor);
        }
    }

    fn add_term(&mut self, node: NodeId, coefficient: Fr) {
        let sum = self.terms.entry(node).or_insert(Fr::ZERO);
        *sum += coefficient;
        if *sum == Fr::ZERO {
            self.terms.remove(&node);
        }
    }
}

/// Builds nodes, each once.
struct Graph<'a> {
    challenges: &'a [Fr],
    nodes: Vec<Node>,
    known: HashMap<Node, NodeId>,
    /// Whether a node depends on fixed columns only.
    fixed: Vec<bool>,
}

impl Graph<'_> {
    fn intern(&mut self, node: Node) -> NodeId {
        if let Some(id) = self.known.get(&node) {
            return *id;
        }
        let fixed = match &node {
            Node::Query(query) => query.kind == Kind::Fixed,
            Node::Product(a, b) => self.fixed[*a] && self.fixed[*b],
            Node::Sum(terms, _) => terms.iter().all(|(term, _)| self.fixed[*term]),
        };
        self.nodes.push(node.clone());
        self.fixed.push(fixed);
        let id = self.nodes.len() - 1;
        self.known.insert(node, id);
        id
    }

    fn query(&mut self, kind: Kind, column: usize, rotation: i32) -> Linear {
        let query = Query {
            kind,
            column,
            rotation,
        };
        Linear::of(self.intern(Node::Query(query)))
    }

    /// `None` for a selector: none is left in a proving key.
    fn linear(&mut self, expression: &Expression<Fr>) -> Option<Linear> {
        Some(match expression {
            Expression::Constant(value) => Linear::constant(*value),
            Expression::Selector(_) => return None,
            Expression::Fixed(q) => self.query(Kind::Fixed, q.column_index(), q.rotation().0),
            Expression::Advice(q) => self.query(Kind::Advice, q.column_index(), q.rotation().0),
            Expression::Instance(q) => self.query(Kind::Instance, q.column_index(), q.rotation().0),
            Expression::Challenge(challenge) => {
                Linear::constant(*self.challenges.get(challenge.index())?)
            }
            Expression::Negated(inner) => {
                let mut sum = Linear::default();
                sum.add(&self.linear(inner)?, -Fr::ONE);
                sum
            }
            Expression::Scaled(inner, factor) => {
                let mut sum = Linear::default();
                sum.add(&self.linear(inner)?, *factor);
                sum
            }
            Expression::Sum(left, right) => {
                let mut sum = self.linear(left)?;
                sum.add(&self.linear(right)?, Fr::ONE);
                sum
            }
            Expression::Product(..) => self.product(expression)?,
        })
    }

    fn product(&mut self, expression: &Expression<Fr>) -> Option<Linear> {
        let mut factors = Vec::new();
        flatten(expression, &mut factors);
        let (mut coefficient, mut fixed, mut others) = (Fr::ONE, Vec::new(), Vec::new());
        for factor in factors {
            let linear = self.linear(factor)?;
            let (scale, node) = self.node(linear);
            coefficient *= scale;
            match node {
                Some(node) if self.fixed[node] => fixed.push(node),
                Some(node) => others.push(node),
                None => {}
            }
        }
        let fixed = self.multiply(fixed);
        let others = self.multiply(others);
        let node = match (fixed, others) {
            (Some(fixed), Some(others)) => self.intern(Node::Product(fixed, others)),
            (Some(node), None) | (None, Some(node)) => node,
            (None, None) => return Some(Linear::constant(coefficient)),
        };
        let mut product = Linear::default();
        product.add_term(node, coefficient);
        Some(product)
    }

    /// Queries first and in order, so that products of cells are shared; then what is left.
    fn multiply(&mut self, mut factors: Vec<NodeId>) -> Option<NodeId> {
        factors.sort_by_key(|id| (!matches!(self.nodes[*id], Node::Query(_)), *id));
        factors
            .into_iter()
            .reduce(|product, factor| self.intern(Node::Product(product, factor)))
    }

    /// Its fixed terms, if there are any beside others, as one node: many sums share them.
    fn fixed_apart(&mut self, mut linear: Linear) -> Linear {
        let (fixed, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
            linear.terms.iter().partition(|(id, _)| self.fixed[**id]);
        if fixed.is_empty() || others.is_empty() {
            return linear;
        }
        let apart = self.intern(Node::Sum(fixed.into_iter().collect(), linear.constant));
        linear = Linear {
            constant: Fr::ZERO,
            terms: others,
        };
        linear.add_term(apart, Fr::ONE);
        linear
    }

    /// A linear combination as coefficient and node; no node for a constant.
    fn node(&mut self, linear: Linear) -> (Fr, Option<NodeId>) {
        let linear = self.fixed_apart(linear);
        if linear.terms.is_empty() {
            return (linear.constant, None);
        }
        if let (1, true, Some((node, coefficient))) = (
            linear.terms.len(),
            linear.constant == Fr::ZERO,
            linear.terms.iter().next(),
        ) {
            return (*coefficient, Some(*node));
        }
        let terms = linear.terms.into_iter().collect();
        let node = self.intern(Node::Sum(terms, linear.constant));
        (Fr::ONE, Some(node))
    }

    /// A sum's or another node's terms.
    fn terms(&self, node: NodeId) -> Linear {
        match &self.nodes[node] {
            Node::Sum(terms, constant) => Linear {
                constant: *constant,
                terms: terms.iter().copied().collect(),
            },
            _ => Linear::of(node),
        }
    }
}

fn flatten<'e>(expression: &'e Expression<Fr>, factors: &mut Vec<&'e Expression<Fr>>) {
    match expression {
        Expression::Product(left, right) => {
            flatten(left, factors);
            flatten(right, factors);
        }
        other => factors.push(other),
    }
}

/// Registers of either kind.
enum Registers {
    Plain(Vec<[Fr; ROWS]>),
    Vector(lanes::Registers),
}

/// The program. Its result is in register 0.
#[derive(Clone, Debug)]
pub struct Program {
    ifma: Option<Ifma>,
    instructions: Vec<Instruction>,
    registers: usize,
}

impl Program {
    /// The program for Σᵢ weights[i]·expressions[i].
    ///
    /// `None` if an expression has a selector, or a challenge without a value.
    pub fn new<'e>(
        expressions: impl IntoIterator<Item = &'e Expression<Fr>>,
        challenges: &[Fr],
        weights: &[Fr],
    ) -> Option<Self> {
        let mut graph = Graph {
            challenges,
            nodes: Vec::new(),
            known: HashMap::new(),
            fixed: Vec::new(),
        };
        // By fixed factor; `None` is the factor 1.
        let mut groups: BTreeMap<Option<NodeId>, Linear> = BTreeMap::new();
        for (expression, weight) in expressions.into_iter().zip(weights) {
            let linear = graph.linear(expression)?;
            let free = groups.entry(None).or_default();
            free.constant += linear.constant * weight;
            for (node, coefficient) in &linear.terms {
                let (factor, rest) = match graph.nodes[*node] {
                    Node::Product(a, b) if graph.fixed[a] && !graph.fixed[b] => (Some(a), b),
                    _ => (None, *node),
                };
                let rest = graph.terms(rest);
                let group = groups.entry(factor).or_default();
                group.add(&rest, *coefficient * weight);
            }
        }
        let mut total = Linear::default();
        for (factor, sum) in groups {
            match factor {
                None => total.add(&sum, Fr::ONE),
                Some(factor) => {
                    let (coefficient, node) = graph.node(sum);
                    match node {
                        None => total.add_term(factor, coefficient),
                        Some(node) => {
                            let product = graph.intern(Node::Product(factor, node));
                            total.add_term(product, coefficient);
                        }
                    }
                }
            }
        }
        Some(Allocator::run(&graph.nodes, &total))
    }

    fn registers(&self) -> Registers {
        let vector = |ifma| lanes::Registers::new(ifma, self.registers);
        match self.ifma.and_then(vector) {
            Some(vector) => Registers::Vector(vector),
            None => Registers::Plain(vec![[Fr::ZERO; ROWS]; self.registers]),
        }
    }

    /// The program for Σᵢ base^(m−1−i)·expressions[i], for m expressions.
    pub fn folded(expressions: &[Expression<Fr>], challenges: &[Fr], base: Fr) -> Option<Self> {
        let mut weights = vec![Fr::ONE; expressions.len()];
        for i in (1..weights.len()).rev() {
            weights[i - 1] = weights[i] * base;
        }
        Self::new(expressions, challenges, &weights)
    }

    /// Runs the program for all rows of `columns`, from row `first` on.
    fn fill<'c>(
        &self,
        registers: &mut Registers,
        columns: &impl Fn(Query) -> &'c [Fr],
        first: usize,
        out: &mut [Fr],
    ) {
        for (c, chunk) in out.chunks_mut(ROWS).enumerate() {
            let first = first + c * ROWS;
            let mut result = [Fr::ZERO; ROWS];
            match registers {
                Registers::Vector(registers) => {
                    registers.run(&self.instructions, columns, first, &mut result);
                }
                Registers::Plain(registers) => {
                    let load = |query: Query, to: &mut [Fr; ROWS]| {
                        let column = columns(query);
                        load(to, column, rotated(first, query.rotation, column.len()));
                    };
                    result = *self.run(registers, load);
                }
            }
            chunk.copy_from_slice(&result[..chunk.len()]);
        }
    }

    /// The program's values on all rows.
    pub fn column<'c>(
        &self,
        rows: usize,
        columns: &(impl Fn(Query) -> &'c [Fr] + Sync),
    ) -> Vec<Fr> {
        let mut values = vec![Fr::ZERO; rows];
        values.par_chunks_mut(TASK).enumerate().for_each_init(
            || self.registers(),
            |registers, (task, values)| self.fill(registers, columns, task * TASK, values),
        );
        values
    }

    /// Runs the program; `load` fills a register with the values of a query.
    fn run<'r>(
        &self,
        registers: &'r mut [[Fr; ROWS]],
        mut load: impl FnMut(Query, &mut [Fr; ROWS]),
    ) -> &'r [Fr; ROWS] {
        for instruction in &self.instructions {
            match instruction {
                Instruction::Load(query, to) => load(*query, &mut registers[*to]),
                Instruction::Multiply(a, b, to) => {
                    registers[*to] = multiply(&registers[*a], &registers[*b]);
                }
                Instruction::Combine(terms, constant, to) => {
                    registers[*to] = combine(registers, terms, constant);
                }
            }
        }
        &registers[0]
    }
}

/// The products of all rows.
fn multiply(a: &[Fr; ROWS], b: &[Fr; ROWS]) -> [Fr; ROWS] {
    let mut products = [Fr::ZERO; ROWS];
    for (product, (left, right)) in products.iter_mut().zip(a.iter().zip(b)) {
        *product = *left * right;
    }
    products
}

/// constant + Σ coefficient·register on all rows.
fn combine(
    registers: &[[Fr; ROWS]],
    terms: &[(Register, Coefficient)],
    constant: &Fr,
) -> [Fr; ROWS] {
    let mut sum = [*constant; ROWS];
    for (register, coefficient) in terms {
        let values = sum.iter_mut().zip(&registers[*register]);
        match coefficient {
            Coefficient::One => values.for_each(|(s, v)| *s += v),
            Coefficient::MinusOne => values.for_each(|(s, v)| *s -= v),
            Coefficient::Other(c) => values.for_each(|(s, v)| *s += v * c),
        }
    }
    sum
}

#[cfg(test)]
mod tests;
