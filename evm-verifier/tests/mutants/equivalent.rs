//! Proofs that a mutant is the same verifier.

use crate::mutation::{walk, Change, Mutation};
use std::collections::BTreeSet;
use zkml_evm_verifier::yul::{access::of_statement, Expr, Op, Statement};

/// Why a mutant is the same verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// Two neighbours that have no memory and no variable in common changed places.
    Independent,
}

/// Whether a proof needs no run: the mutant differs in an order only that nothing sees.
pub fn at_once(mutation: &Mutation) -> bool {
    mutation.change == Change::Swap
}

/// The proof, if there is one.
pub fn proof(text: &[Statement], mutation: &Mutation) -> Option<Proof> {
    let (mut number, mut found) = (0, None);
    walk(text, &mut |block, at| {
        if number == mutation.statement {
            found = match &mutation.change {
                Change::Swap => {
                    independent(&block[at], &block[at + 1]).then_some(Proof::Independent)
                }
                Change::Drop | Change::Exchange(_) | Change::Replace(..) => None,
            };
        }
        number += 1;
    });
    found
}

/// What a statement touches.
#[derive(Default)]
struct Touched {
    /// Bytes of memory that are read, and that are written.
    read: BTreeSet<usize>,
    written: BTreeSet<usize>,
    /// Variables that are used, and that are set or declared.
    used: BTreeSet<String>,
    set: BTreeSet<String>,
    /// Whether it may end the run, or calls.
    acts: bool,
}

fn touched(statement: &Statement) -> Option<Touched> {
    let mut out = Touched::default();
    touch(statement, &mut out)?;
    Some(out)
}

fn touch(statement: &Statement, out: &mut Touched) -> Option<()> {
    for access in of_statement(statement).ok()? {
        let bytes = access.at..access.at + access.length;
        if access.write {
            out.written.extend(bytes);
        } else {
            out.read.extend(bytes);
        }
    }
    for expr in statement.expressions() {
        expr.walk(&mut |part| match part {
            Expr::Name(name) => {
                out.used.insert(name.clone());
            }
            Expr::Call(op, _) => out.acts |= acts(*op),
            Expr::Number(_) => {}
        });
    }
    match statement {
        Statement::Let(name, _) | Statement::Set(name, _) => {
            out.set.insert(name.clone());
        }
        Statement::Do(op, _) => out.acts |= acts(*op),
        Statement::If(..) | Statement::For(..) | Statement::Function(..) => out.acts = true,
        Statement::Comment(_) | Statement::Block(_) => {}
    }
    for block in statement.blocks() {
        for inner in block {
            touch(inner, out)?;
        }
    }
    Some(())
}

/// Whether an instruction does more than compute and store.
fn acts(op: Op) -> bool {
    matches!(
        op,
        Op::Keccak256 | Op::Return | Op::ReturnDataSize | Op::Revert | Op::StaticCall
    )
}

fn independent(first: &Statement, second: &Statement) -> bool {
    let (Some(a), Some(b)) = (touched(first), touched(second)) else {
        return false;
    };
    let apart = |a: &Touched, b: &Touched| {
        a.written.is_disjoint(&b.written)
            && a.written.is_disjoint(&b.read)
            && a.set.is_disjoint(&b.set)
            && a.set.is_disjoint(&b.used)
    };
    apart(&a, &b) && apart(&b, &a) && !(a.acts && b.acts)
}
