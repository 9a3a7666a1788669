//! Arithmetic that the generator writes although it has no effect, or has been done before.

use super::inline::{stack, MAX_STACK};
use crate::yul::{flow::Flow, retain, Expr, NotUnderstood, Op, Statement};
use revm::primitives::U256;
use std::collections::HashMap;

/// All of it, and then the results that nothing uses any more.
pub(super) fn simplify(mut statements: Vec<Statement>) -> Result<Vec<Statement>, NotUnderstood> {
    statements.iter_mut().for_each(sum);
    differences(&mut statements)?;
    retain(&mut statements, false, &mut |statement, _| {
        neutral(statement);
        true
    });
    copies(&mut statements)?;
    prune(&mut statements)?;
    Ok(statements)
}

/// A sum that is written as a block with a variable, as one expression.
fn sum(statement: &mut Statement) {
    let Statement::Block(block) = statement else {
        return;
    };
    let [Statement::Let(name, Some(first)), terms @ .., last] = &block[..] else {
        return;
    };
    let Some((at, Expr::Name(stored))) = last.stored() else {
        return;
    };
    let mut value = first.clone();
    for term in terms {
        let added = match term {
            Statement::Set(to, sum) if to == name => sum.modular(Op::AddMod),
            _ => None,
        };
        match added {
            Some((term, Expr::Name(before))) if before == name => {
                value = Expr::sum(term.clone(), value);
            }
            _ => return,
        }
    }
    if stored == name && stack(&value) <= MAX_STACK {
        *statement = Statement::store(at, value);
    }
}

/// `t·z' − z·(t·w)` as `t·(z' − z·w)`, where the latter difference is known: a denominator of the opening.
fn differences(statements: &mut [Statement]) -> Result<(), NotUnderstood> {
    let flow = Flow::of(statements)?;
    let once = |at: usize| flow.written(at) == 1;
    // t·w by address, and z' − z·w by its operands.
    let mut products: HashMap<usize, (usize, U256)> = HashMap::new();
    let mut known: HashMap<(usize, usize, U256), usize> = HashMap::new();
    for statement in statements {
        let Some((at, value)) = statement.stored() else {
            continue;
        };
        if let Some(product) = product(value).filter(|_| once(at)) {
            products.insert(at, product);
        } else if let Some((minuend, subtrahend)) = difference(value) {
            if let Some((z, w)) = products.get(&subtrahend).filter(|_| once(at)) {
                known.insert((minuend, *z, *w), at);
            }
        } else if let Some((t, minuend, z, tw)) = weight(value) {
            let same = products.get(&tw).filter(|(factor, _)| *factor == t);
            let found = same.and_then(|(_, w)| known.get(&(minuend, z, *w)));
            if let (Some(found), true) = (found, once(t)) {
                let product = Expr::product(Expr::load(t), Expr::load(*found));
                *statement = Statement::store(at, product);
            }
        }
    }
    Ok(())
}

/// Address and constant of `mulmod(mload(A), CONSTANT, f_q)`.
fn product(value: &Expr) -> Option<(usize, U256)> {
    match value.modular(Op::MulMod)? {
        (a, Expr::Number(constant)) => Some((a.loaded()?, *constant)),
        _ => None,
    }
}

/// Addresses of `addmod(mload(A), sub(f_q, mload(B)), f_q)`.
fn difference(value: &Expr) -> Option<(usize, usize)> {
    let (a, b) = value.modular(Op::AddMod)?;
    Some((a.loaded()?, b.negated()?.loaded()?))
}

/// (T, M, Z, P) of `addmod(mulmod(mload(Z), sub(f_q, mload(P)), f_q), mulmod(mload(M), mload(T), f_q), f_q)`.
fn weight(value: &Expr) -> Option<(usize, usize, usize, usize)> {
    let (left, right) = value.modular(Op::AddMod)?;
    let (z, p) = left.modular(Op::MulMod)?;
    let (m, t) = right.modular(Op::MulMod)?;
    let p = p.negated()?;
    Some((t.loaded()?, m.loaded()?, z.loaded()?, p.loaded()?))
}

/// The statement without factors of one, terms of zero and products with zero.
///
/// What remains may be the order in place of zero, after `sub(f_q, 0)`: all that reads it reduces it.
fn neutral(statement: &mut Statement) {
    let Some((at, value)) = statement.stored() else {
        return;
    };
    let is = |expr: &Expr, number: usize| *expr == Expr::number(number);
    let simple = if let Some((a, b)) = value.modular(Op::MulMod) {
        if is(a, 0) || is(b, 0) {
            Some(Expr::number(0))
        } else if is(a, 1) {
            Some(b.clone())
        } else {
            is(b, 1).then(|| a.clone())
        }
    } else if let Some((a, b)) = value.modular(Op::AddMod) {
        if is(a, 0) {
            Some(b.clone())
        } else {
            is(b, 0).then(|| a.clone())
        }
    } else {
        None
    };
    if let Some(simple) = simple {
        *statement = Statement::store(at, simple);
    }
}

/// Reads an original where its copy was read, if neither changes.
fn copies(statements: &mut Vec<Statement>) -> Result<(), NotUnderstood> {
    loop {
        let flow = Flow::of(statements)?;
        let fixed = |at: usize| flow.written(at) <= 1 && !flow.is_hidden(at);
        // What was read from calldata and hashed is hidden and never changes again.
        let unchanged = |at: usize| flow.written(at) <= 1;
        let mut originals: HashMap<usize, Expr> = HashMap::new();
        retain(statements, false, &mut |statement, _| {
            for expr in statement.expressions_mut() {
                expr.replace(&mut |part| originals.get(&part.loaded()?).cloned());
            }
            if let Some((at, value)) = statement.stored() {
                let constant = [Expr::number(0), Expr::number(1)].contains(value);
                if fixed(at) && (constant || value.loaded().is_some_and(unchanged)) {
                    originals.insert(at, value.clone());
                    return false;
                }
            }
            true
        });
        if originals.is_empty() {
            return Ok(());
        }
        // A copy that became plain can make another plain.
        retain(statements, false, &mut |statement, _| {
            neutral(statement);
            true
        });
    }
}

/// Leaves out results that nothing reads.
fn prune(statements: &mut Vec<Statement>) -> Result<(), NotUnderstood> {
    loop {
        let flow = Flow::of(statements)?;
        let mut pruned = false;
        retain(statements, false, &mut |statement, _| {
            let Some((at, value)) = statement.stored() else {
                return true;
            };
            let computed =
                !matches!(value, Expr::Name(_)) && value.any(|part| *part == Expr::order());
            let kept = !computed || flow.is_hidden(at) || flow.loads.contains_key(&at);
            pruned |= !kept;
            kept
        });
        if !pruned {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimise::tree;

    #[test]
    fn a_sum_becomes_an_expression() {
        let text = "{
             let result := mulmod(mload(0x80), 3, f_q)
             result := addmod(mload(0xa0), result, f_q)
             mstore(256, result)
             }";
        let expected = "mstore(0x100, addmod(mload(0xa0), mulmod(mload(0x80), 3, f_q), f_q))";
        let mut statement = tree(text).remove(0);
        sum(&mut statement);
        assert_eq!([statement], tree(expected)[..]);
        // Too deep for the stack, another variable, a sum of itself, and one that is stored otherwise.
        let long = "result := addmod(mload(0xa0), result, f_q)\n".repeat(20);
        let line = "result := addmod(mload(0xa0), result, f_q)";
        for other in [
            text.replace(line, &long),
            text.replace(line, "other := addmod(mload(0xa0), result, f_q)"),
            text.replace(line, "result := addmod(result, mload(0xa0), f_q)"),
            text.replace("256, result", "256, other"),
        ] {
            let mut statement = tree(&other).remove(0);
            sum(&mut statement);
            assert_eq!([statement], tree(&other)[..]);
        }
    }

    /// z' at 0x80, z at 0xa0, t at 0xc0; w is 5.
    fn weight_of(constant: u64) -> Vec<Statement> {
        tree(&format!(
            "mstore(0x100, mulmod(mload(0xa0), 5, f_q))
             mstore(0x120, addmod(mload(0x80), sub(f_q, mload(0x100)), f_q))
             mstore(0xc0, mulmod(7, mload(0xa0), f_q))
             mstore(0x140, mulmod(mload(0xc0), {constant}, f_q))
             mstore(0x160, addmod(mulmod(mload(0xa0), sub(f_q, mload(0x140)), f_q), mulmod(mload(0x80), mload(0xc0), f_q), f_q))"
        ))
    }

    #[test]
    fn a_known_difference_is_used_again() {
        let mut out = weight_of(5);
        differences(&mut out).unwrap();
        let known = tree("mstore(0x160, mulmod(mload(0xc0), mload(0x120), f_q))");
        assert_eq!(out[4..], known[..]);
        assert_eq!(out[..4], weight_of(5)[..4]);
        let mut other = weight_of(6);
        differences(&mut other).unwrap();
        assert_eq!(other, weight_of(6));
    }

    #[test]
    fn ones_and_zeros_have_no_effect() {
        for (from, to) in [
            ("mulmod(1, mload(0x80), f_q)", "mload(0x80)"),
            ("mulmod(mload(0x80), 1, f_q)", "mload(0x80)"),
            (
                "mulmod(sub(f_q, mload(0x80)), 1, f_q)",
                "sub(f_q, mload(0x80))",
            ),
            ("mulmod(mload(0x80), 0, f_q)", "0"),
            ("addmod(0, mload(0x80), f_q)", "mload(0x80)"),
            ("addmod(mload(0x80), 0, f_q)", "mload(0x80)"),
            ("addmod(mload(0x80), 1, f_q)", "addmod(mload(0x80), 1, f_q)"),
            ("mulmod(mload(0x80), 1, f_p)", "mulmod(mload(0x80), 1, f_p)"),
        ] {
            let mut statement = tree(&format!("mstore(0x100, {from})")).remove(0);
            neutral(&mut statement);
            assert_eq!([statement], tree(&format!("mstore(0x100, {to})"))[..]);
        }
    }

    #[test]
    fn copies_are_not_made_unless_one_of_the_two_changes() {
        let text = "mstore(0x100, mload(0x80))
                    mstore(0x120, addmod(mload(0x100), 1, f_q))";
        let mut out = tree(text);
        copies(&mut out).unwrap();
        assert_eq!(out, tree("mstore(0x120, addmod(mload(0x80), 1, f_q))"));
        for other in [
            "mstore(0x100, 5)",
            "mstore(0x80, 5) mstore(0x80, 6)",
            "mstore8(0x80, 5) mstore8(0x80, 6)",
            "mstore(0x140, keccak256(0x100, 32))",
            "success := and(eq(staticcall(gas(), 0x7, 0x100, 0x60, 0x200, 0x40), 1), success)",
        ] {
            let text = tree(&format!("{text} {other}"));
            let mut out = text.clone();
            copies(&mut out).unwrap();
            assert_eq!(out, text);
        }
    }

    #[test]
    fn results_that_nothing_reads_are_left_out() {
        let text = tree(
            "mstore(0x100, mulmod(mload(0x80), 3, f_q))
             mstore(0x120, mulmod(mload(0x100), 3, f_q))
             mstore(0x140, mulmod(mload(0x80), 3, f_q))
             mstore(0x160, keccak256(0x140, 0x20))",
        );
        let mut out = text.clone();
        prune(&mut out).unwrap();
        assert_eq!(out, text[2..]);
    }
}
