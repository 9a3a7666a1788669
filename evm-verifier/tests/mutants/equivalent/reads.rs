//! What nothing reads.

use crate::mutation::{walk, Change, Mutation};
use std::collections::{BTreeMap, BTreeSet};
use zkml_evm_verifier::yul::{flow::accesses, Expr, Op, Statement};

/// Whether a statement is in a function that is not called, or declares a variable that is not read.
pub fn unused(text: &[Statement], number: usize) -> bool {
    let mut called = BTreeSet::new();
    let mut named = BTreeSet::new();
    walk(text, &mut |block, at| {
        for expr in block[at].expressions() {
            expr.walk(&mut |part| match part {
                Expr::Call(op, _) => {
                    called.insert(op.signature().0);
                }
                Expr::Name(name) => {
                    named.insert(name.clone());
                }
                Expr::Number(_) => {}
            });
        }
    });
    let (mut at, mut found) = (0, false);
    for statement in text {
        let first = at;
        let mut declares = false;
        walk(std::slice::from_ref(statement), &mut |block, i| {
            if at == number {
                declares = matches!(&block[i], Statement::Let(name, _) if !named.contains(name));
            }
            at += 1;
        });
        let idle = match statement {
            Statement::Function(op, ..) => !called.contains(op.signature().0),
            _ => false,
        };
        found |= (first..at).contains(&number) && (idle || declares);
    }
    found
}

/// For each statement of the body, which statement wrote each byte that it reads, and which byte of what that wrote.
pub fn flow(
    text: &[Statement],
    renumbered: impl Fn(usize) -> usize,
) -> Option<BTreeMap<usize, Vec<(usize, usize)>>> {
    let function = |statement: &&Statement| matches!(statement, Statement::Function(..));
    let head = text
        .iter()
        .rposition(|s| function(&s))
        .map_or(0, |at| at + 1);
    let mut wrote = BTreeMap::new();
    let mut reads: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
    for (i, accesses) in accesses(text.get(head..)?).ok()?.into_iter().enumerate() {
        let number = renumbered(i);
        for access in accesses {
            for (offset, byte) in (access.at..access.at + access.length).enumerate() {
                if access.write {
                    wrote.insert(byte, (number, offset));
                } else {
                    let writer = *wrote.get(&byte)?;
                    reads.entry(number).or_default().push(writer);
                }
            }
        }
    }
    Some(reads)
}

/// Whether a changed length or address, or a missing store, is seen by no read.
pub fn same_flow(text: &[Statement], mutant: &[Statement], mutation: &Mutation) -> bool {
    let (mut number, mut body, mut place) = (0, 0, None);
    let (mut store, mut copied) = (false, false);
    walk(text, &mut |block, at| {
        if matches!(block[at], Statement::Function(..)) {
            body = number + 1;
            walk(std::slice::from_ref(&block[at]), &mut |_, _| body += 1);
            body -= 1;
        }
        if number == mutation.statement {
            place = number.checked_sub(body);
            store = matches!(block[at], Statement::Do(..));
            copied = matches!(block[at], Statement::Do(Op::CallDataCopy, _));
        }
        number += 1;
    });
    let Some(place) = place.filter(|_| store) else {
        return false;
    };
    let dropped = mutation.change == Change::Drop;
    if !dropped && !matches!(mutation.change, Change::Replace(_, Expr::Number(_))) {
        return false;
    }
    let after = flow(mutant, |i| if dropped && i >= place { i + 1 } else { i });
    let (Some(before), Some(after)) = (flow(text, |i| i), after) else {
        return false;
    };
    // What the statement itself reads is its own affair only if nothing reads what it writes.
    let others = |flow: &BTreeMap<usize, Vec<(usize, usize)>>| {
        let kept = flow.iter().filter(|(number, _)| **number != place);
        kept.map(|(number, reads)| (*number, reads.clone()))
            .collect::<Vec<_>>()
    };
    let read = |(_, reads): &(usize, Vec<(usize, usize)>)| reads.iter().any(|(by, _)| *by == place);
    // What is copied to a place of calldata does not depend on how much is.
    let copies = copied && matches!(mutation.change, Change::Replace(2, _));
    let (before, after) = (others(&before), others(&after));
    before == after && (copies || !before.iter().any(read))
}
