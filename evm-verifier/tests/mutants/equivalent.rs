//! Proofs that a mutant is the same verifier.
//!
//! Most are read off the text. [`Proof::Identity`] also rests on runs: what a text hands to hashes and calls is a rational
//! function of calldata and challenges. One that differs from another, of a degree far below r, has the same
//! value at a random input with a probability below 2^-200 (Schwartz and Zippel); the mutant has the same at two,
//! and at six that are not random.

mod bounds;
mod order;
mod reads;

use crate::mutation::{walk, Change, Mutation};
use bounds::{allows_p, checked, implied, longer, loose, same_turns};
use order::{apart, lowers, touched};
use reads::{same_flow, unused};
use zkml_evm_verifier::yul::{Expr, Op, Statement};

/// Why a mutant is the same verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// Two neighbours changed places, neither of which touches what the other needs.
    Order,
    /// Two neighbours changed places that lower the same truth.
    Conjunction,
    /// It stands in a function that nothing calls, or is a variable that nothing reads.
    Unused,
    /// Each byte that is read was written by the same statement as before.
    Flow,
    /// It asks for more bytes than the precompiled contract returns, or gives more than it reads.
    Length,
    /// The truth that is left out is 1: it was checked since it was set.
    Checked,
    /// A loop's end is another, and the loop takes as many turns.
    Turns,
    /// The word has a smaller bound beside the one that is changed.
    Implied,
    /// A highest limb may have fewer bits: with more, its coordinate is not below p.
    Loose,
    /// A coordinate may be p, which stands for 0: no point has that.
    NoZero,
    /// It computes the same function of calldata and challenges in another way.
    Identity,
}

/// The proof, if there is one, for a mutant that no input tells from the text.
pub fn proof(text: &[Statement], mutant: &[Statement], mutation: &Mutation) -> Option<Proof> {
    let (mut number, mut found) = (0, None);
    walk(text, &mut |block, at| {
        if number == mutation.statement {
            found = local(&block[at], block.get(at + 1), &mutation.change);
        }
        number += 1;
    });
    let unused = || unused(text, mutation.statement).then_some(Proof::Unused);
    let flow = || same_flow(text, mutant, mutation).then_some(Proof::Flow);
    let checked = || checked(text, mutation).then_some(Proof::Checked);
    let implied = || implied(text, mutation).then_some(Proof::Implied);
    // The weakest last.
    let strong = found.filter(|proof| *proof != Proof::Identity);
    strong
        .or_else(unused)
        .or_else(flow)
        .or_else(checked)
        .or_else(implied)
        .or(found)
}

/// What can be said of the changed statement alone, and the next.
fn local(statement: &Statement, next: Option<&Statement>, change: &Change) -> Option<Proof> {
    let arithmetic = is_arithmetic(statement);
    match change {
        Change::Swap => {
            let next = next?;
            let (a, b) = (touched(statement), touched(next));
            if apart(&a, &b, None) {
                return Some(Proof::Order);
            }
            let both = lowers(statement).filter(|truth| lowers(next) == Some(*truth));
            if both.is_some_and(|truth| apart(&a, &b, Some(truth))) {
                return Some(Proof::Conjunction);
            }
            (arithmetic && is_arithmetic(next)).then_some(Proof::Identity)
        }
        Change::Drop | Change::Exchange(Op::MStore8) => arithmetic.then_some(Proof::Identity),
        Change::Exchange(_) => None,
        Change::Replace(node, with) => {
            let mut nodes = Vec::new();
            for expr in statement.expressions() {
                expr.walk(&mut |part| nodes.push(part));
            }
            let old = nodes.get(*node)?;
            if allows_p(old, with) {
                return Some(Proof::NoZero);
            }
            if longer(&nodes, *node, with) {
                return Some(Proof::Length);
            }
            if loose(statement, old, with) {
                return Some(Proof::Loose);
            }
            if same_turns(statement, &nodes, *node, with) {
                return Some(Proof::Turns);
            }
            (arithmetic && is_ring(with)).then_some(Proof::Identity)
        }
    }
}

/// Whether an expression adds, multiplies, reduces and loads, and does nothing else.
fn is_ring(expr: &Expr) -> bool {
    !expr.any(|part| match part {
        Expr::Call(op, _) => !matches!(
            op,
            Op::Add | Op::AddMod | Op::MLoad | Op::Mod | Op::MulMod | Op::Sub
        ),
        Expr::Number(_) | Expr::Name(_) => false,
    })
}

fn is_arithmetic(statement: &Statement) -> bool {
    let kind = match statement {
        Statement::Let(..) | Statement::Set(..) | Statement::Do(Op::MStore, _) => true,
        Statement::Comment(_)
        | Statement::Do(..)
        | Statement::If(..)
        | Statement::For(..)
        | Statement::Block(_)
        | Statement::Function(..) => false,
    };
    kind && statement.expressions().into_iter().all(is_ring)
}
