//! Bounds, lengths and truths that a change leaves as they are.

use super::order::lowers;
use crate::mutation::{walk, Change, Mutation};
use revm::primitives::U256;
use std::collections::BTreeSet;
use zkml_evm_verifier::yul::{Expr, Op, Statement};

/// `lt(x, p)` where p itself is let through.
pub fn allows_p(old: &Expr, with: &Expr) -> bool {
    let modulus = crate::mutation::FIELDS[1];
    let is_modulus = |expr: &Expr| match expr {
        Expr::Number(value) => *value == modulus,
        // The name of the constant in `points`.
        Expr::Name(name) => name == "p",
        Expr::Call(..) => false,
    };
    match (old, with) {
        (Expr::Call(Op::Lt, sides), Expr::Call(Op::IsZero, _)) => {
            let greater = Expr::Call(Op::Lt, sides.iter().rev().cloned().collect());
            let allowed = Expr::Call(Op::IsZero, vec![greater]);
            sides.last().is_some_and(is_modulus) && *with == allowed
        }
        (Expr::Number(old), Expr::Number(new)) => {
            *old == modulus && *new == modulus + U256::from(1)
        }
        _ => false,
    }
}

/// Whether a larger number stands for the length of a precompiled contract's output, or of the exponentiation's input.
pub fn longer(nodes: &[&Expr], node: usize, with: &Expr) -> bool {
    let (Some(Expr::Number(old)), Expr::Number(new)) = (nodes.get(node), with) else {
        return false;
    };
    let calls = nodes
        .iter()
        .enumerate()
        .filter_map(|(at, part)| match part {
            Expr::Call(Op::StaticCall, arguments) => Some((at, arguments)),
            _ => None,
        });
    // Gas, address, input and output follow, each one node.
    calls.into_iter().any(|(at, arguments)| {
        let exponentiation = arguments.get(1).and_then(Expr::as_usize) == Some(5);
        new > old && (node == at + 6 || (exponentiation && node == at + 4))
    })
}

/// Whether a loop to this end takes as many turns: one among statements, or that of a function.
pub fn same_turns(statement: &Statement, nodes: &[&Expr], node: usize, with: &Expr) -> bool {
    let (Some(old), Some(new)) = (
        nodes.get(node).and_then(|old| old.as_usize()),
        with.as_usize(),
    ) else {
        return false;
    };
    let same = |from: usize, step: usize| {
        let turns = |to: usize| to.saturating_sub(from).div_ceil(step);
        turns(old) == turns(new)
    };
    match statement {
        Statement::For(start, Expr::Call(Op::Lt, _), step, _) => match (&start[..], &step[..]) {
            ([Statement::Let(_, Some(from))], [Statement::Set(_, Expr::Call(Op::Add, step))]) => {
                let step = step.last().and_then(Expr::as_usize);
                let from = from.as_usize();
                from.zip(step).is_some_and(|(from, step)| same(from, step))
            }
            _ => false,
        },
        // The function, then where its loop starts, then where it ends.
        _ => match node.checked_sub(2).and_then(|call| nodes.get(call)) {
            Some(Expr::Call(op @ (Op::Points | Op::Scalars), range)) => {
                let step = if *op == Op::Points { 0x40 } else { 0x80 };
                let from = range.first().and_then(Expr::as_usize);
                from.is_some_and(|from| same(from, step))
            }
            _ => false,
        },
    }
}

/// The word that is bounded by `success := and(lt(mload(ADDRESS), BOUND), success)`, and the bound.
pub fn bounded(statement: &Statement) -> Option<(usize, &Expr)> {
    let Statement::Set(_, Expr::Call(Op::And, both)) = statement else {
        return None;
    };
    let (Some(Expr::Call(Op::Lt, sides)), Some("success")) = (both.first(), lowers(statement))
    else {
        return None;
    };
    match &sides[..] {
        [word, bound] => Some((word.loaded()?, bound)),
        _ => None,
    }
}

/// The power of two that a limb is bounded by.
pub fn bits(bound: &Expr) -> Option<usize> {
    match bound {
        Expr::Call(Op::Shl, arguments) => match &arguments[..] {
            [bits, Expr::Number(one)] if *one == U256::from(1) => bits.as_usize(),
            _ => None,
        },
        Expr::Number(_) | Expr::Name(_) | Expr::Call(..) => None,
    }
}

/// Bits of a coordinate's limbs below the highest; and the bits that p is below.
const LOWER: usize = 172;
const COORDINATE: usize = 254;

/// Whether a highest limb gets fewer bits, of which a coordinate below p needs no more.
pub fn loose(statement: &Statement, old: &Expr, with: &Expr) -> bool {
    let found = bounded(statement).and_then(|(_, bound)| bits(bound));
    let highest = found.filter(|bits| LOWER + bits > COORDINATE);
    let (old, new) = (old.as_usize(), with.as_usize());
    highest.is_some()
        && old == highest
        && new.is_some_and(|new| new < highest.unwrap_or(0) && LOWER + new >= COORDINATE)
}

/// Whether a word's bound by the order is left out or weakened, or is that of another word, where the word is below 2^86
/// anyway, and the other is bounded too.
pub fn implied(text: &[Statement], mutation: &Mutation) -> bool {
    let (mut number, mut changed, mut below) = (0, None, BTreeSet::new());
    let mut limbs = BTreeSet::new();
    walk(text, &mut |block, at| {
        if let Some((word, bound)) = bounded(&block[at]) {
            if number == mutation.statement {
                changed = Some((word, bound));
            } else if *bound == Expr::order() {
                below.insert(word);
            } else if bits(bound).is_some_and(|bits| bits <= 86) {
                limbs.insert(word);
            }
        }
        number += 1;
    });
    let Some((word, bound)) = changed.filter(|(_, bound)| **bound == Expr::order()) else {
        return false;
    };
    // `and(lt(mload(word), f_q), success)`: the conjunction, what is compared, the load, its address, the order.
    let holds = match &mutation.change {
        Change::Drop => true,
        Change::Replace(0, with) => *with == Expr::name("success"),
        Change::Replace(1, Expr::Number(one)) => *one == U256::from(1),
        Change::Replace(1, Expr::Call(Op::IsZero, inner)) => {
            inner[..] == [Expr::Call(Op::Lt, vec![bound.clone(), Expr::load(word)])]
        }
        Change::Replace(2, Expr::Number(small)) => *small == U256::from(word),
        // A byte further, it is below 2^94 between two limbs.
        Change::Replace(3, other) => other.as_usize().is_some_and(|other| {
            below.contains(&other)
                || limbs.contains(&other)
                || (other == word + 1 && limbs.contains(&(word + 0x20)))
        }),
        Change::Replace(4, with) => *with == Expr::name("f_p"),
        Change::Swap | Change::Exchange(_) | Change::Replace(..) => false,
    };
    holds && limbs.contains(&word)
}

/// Whether the change leaves out `success` where it was checked since it was set.
pub fn checked(text: &[Statement], mutation: &Mutation) -> bool {
    let (mut number, mut known, mut found) = (0, false, false);
    walk(text, &mut |block, at| {
        let statement = &block[at];
        if number == mutation.statement && known && lowers(statement) == Some("success") {
            let one = Expr::number(1);
            found = match (&mutation.change, statement) {
                (Change::Replace(0, with), Statement::Set(_, Expr::Call(_, both))) => {
                    both.first() == Some(with)
                }
                (Change::Replace(_, with), _) => *with == one,
                _ => false,
            };
        }
        match statement {
            Statement::Set(name, _) if name == "success" => known = false,
            Statement::Let(name, Some(value)) if name == "success" => {
                known = *value == Expr::number(1)
            }
            Statement::If(Expr::Call(Op::IsZero, truth), _)
                if truth[..] == [Expr::name("success")] =>
            {
                known = true;
            }
            _ => {}
        }
        number += 1;
    });
    found
}
