//! Rewrites of the generated assembly that leave out work, not checks.
//!
//! The generator stores every intermediate result at an address of its own and loads it back.
//!
//! * [`inversions`]: two modular exponentiations are one.
//! * [`simplify`]: factors of one, terms of zero and copies are left out; a sum is one expression; differences
//!   that are known already are not computed anew.
//! * [`accumulate`]: each term of a sum of points is multiplied and added in one place, where the sum
//!   already stands, instead of being copied to new memory for each of the two calls.
//! * [`inline`]: a result that is loaded once is computed where it is used, if nothing that it reads is
//!   written in between.
//! * [`memory`]: what is no longer needed leaves its place to what comes next.
//!
//! All go by what [`crate::yul`] says that a statement reads and writes; what it cannot say is an error. Each
//! contract that comes of them is compared with the text that they started from ([`crate::validate`]).

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod accumulate;
mod inline;
mod inversions;
mod memory;
mod simplify;

use crate::yul::{Expr, NotUnderstood, Op, Statement};

/// Rewrites the statements of one assembly block. What stands below `scratch` in memory stays where it is.
///
/// # Errors
/// If a statement accesses memory in a way that is not understood.
pub fn optimise(
    statements: Vec<Statement>,
    scratch: usize,
) -> Result<Vec<Statement>, NotUnderstood> {
    let statements = simplify::simplify(inversions::join(statements)?)?;
    let statements = inline::inline(accumulate::accumulate(statements)?)?;
    let mut statements = memory::compact(statements, scratch)?;
    statements.iter_mut().for_each(verdict);
    Ok(statements)
}

/// Takes the return value of a call as it is: it is 0 or 1.
fn verdict(statement: &mut Statement) {
    if statement.called().is_none() {
        return;
    }
    for expr in statement.expressions_mut() {
        expr.replace(&mut |part| match part {
            Expr::Call(Op::Eq, sides) => sides.first().cloned(),
            _ => None,
        });
    }
}

/// Statements of a test's text.
#[cfg(test)]
fn tree(text: &str) -> Vec<Statement> {
    crate::yul::parse(text).unwrap()
}
