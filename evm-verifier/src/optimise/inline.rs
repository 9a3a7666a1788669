//! Results that are used once, computed where they are used.

use crate::yul::{flow::Flow, retain, Expr, NotUnderstood, Op, Statement};
use std::collections::{HashMap, HashSet};

/// The most stack slots that an inlined expression may need: the EVM reaches 16, and a few are
/// taken by the variables around it.
pub(super) const MAX_STACK: usize = 10;

/// Computes each result that is used once where it is used.
pub(super) fn inline(mut statements: Vec<Statement>) -> Result<Vec<Statement>, NotUnderstood> {
    let flow = Flow::of(&statements)?;
    // The expression of each candidate, by address, and the number of its statement.
    let mut pending: HashMap<usize, (usize, Expr)> = HashMap::new();
    let mut dropped = HashSet::new();
    let mut i = 0;
    retain(&mut statements, false, &mut |statement, nested| {
        for expr in statement.expressions_mut() {
            let mut loads = Vec::new();
            expr.walk(&mut |part| loads.extend(part.loaded()));
            for at in loads {
                let Some((defined, value)) = pending.get(&at) else {
                    continue;
                };
                let mut inlined = expr.clone();
                inlined.replace(&mut |part| (part.loaded() == Some(at)).then(|| value.clone()));
                // What the value reads must not have been written since.
                let written = value.any(|part| {
                    let stores = part.loaded().and_then(|at| flow.stores.get(&at));
                    stores.is_some_and(|all| all.iter().any(|s| s > defined && *s <= i))
                });
                if stack(&inlined) <= MAX_STACK && !written {
                    dropped.insert(*defined);
                    *expr = inlined;
                }
            }
        }
        if let Some((at, value)) = statement.stored().filter(|_| !nested) {
            let once = flow.loads.get(&at) == Some(&1) && flow.written(at) == 1;
            if once && !flow.is_hidden(at) && is_pure(value) {
                pending.insert(at, (i, value.clone()));
            }
        }
        i = i.saturating_add(1);
        true
    });
    let mut all = 0..;
    retain(&mut statements, false, &mut |_, _| {
        all.next().is_none_or(|i| !dropped.contains(&i))
    });
    Ok(statements)
}

/// Arithmetic on loads and constants: no calls, no variables but the modulus.
fn is_pure(value: &Expr) -> bool {
    let arithmetic = |part: &Expr| match part {
        Expr::Number(_) => true,
        Expr::Name(name) => name == "f_q",
        Expr::Call(op, _) => matches!(op, Op::AddMod | Op::MulMod | Op::Sub | Op::MLoad),
    };
    let modular = |part: &Expr| matches!(part, Expr::Call(Op::AddMod | Op::MulMod, _));
    !value.any(|part| !arithmetic(part)) && value.any(modular)
}

/// Stack slots that an expression needs, its arguments being computed from the last to the first.
pub(super) fn stack(value: &Expr) -> usize {
    let Expr::Call(_, arguments) = value else {
        return 1;
    };
    let parts = arguments.iter().rev().enumerate();
    parts
        .map(|(held, part)| stack(part).saturating_add(held))
        .max()
        .unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimise::tree;

    #[test]
    fn single_uses_are_inlined() {
        let out = inline(tree(
            "mstore(0x100, mulmod(mload(0x80), mload(0xa0), f_q))
             mstore(0x120, addmod(mload(0x100), 7, f_q))
             { mstore(0x140, mulmod(mload(0x120), mload(0x120), f_q)) }
             mstore(0x160, mload(0x140))",
        ));
        let expected = "mstore(0x120, addmod(mulmod(mload(0x80), mload(0xa0), f_q), 7, f_q))
             { mstore(0x140, mulmod(mload(0x120), mload(0x120), f_q)) }
             mstore(0x160, mload(0x140))";
        assert_eq!(out, Ok(tree(expected)));
    }

    #[test]
    fn what_is_overwritten_hashed_or_passed_on_stays() {
        for text in [
            // 0x80 is written between definition and use.
            "mstore(0x100, mulmod(mload(0x80), 3, f_q))
             mstore(0x80, 1)
             mstore(0x120, mload(0x100))",
            "mstore(0x100, mulmod(mload(0x80), 3, f_q))
             mstore(0x180, keccak256(0xe0, 64))
             mstore(0x120, mload(0x100))",
            "mstore(0x100, mulmod(mload(0x80), 3, f_q))
             mstore8(0x100, 3)
             mstore(0x120, mload(0x100))",
            "mstore(0x100, mulmod(mload(0x80), 3, f_q))
             success := and(eq(staticcall(gas(), 0x5, 0xc0, 0xc0, 0x200, 0x20), 1), success)
             mstore(0x120, mload(0x100))",
            // Stored twice.
            "mstore(0x100, mulmod(mload(0x80), 3, f_q))
             mstore(256, mulmod(mload(0x80), 4, f_q))
             mstore(0x120, mload(0x100))",
        ] {
            assert_eq!(inline(tree(text)), Ok(tree(text)));
        }
    }

    #[test]
    fn stack_slots_are_counted() {
        let slots = |text: &str| match &tree(&format!("x := {text}"))[0] {
            Statement::Set(_, value) => stack(value),
            other => panic!("{other}"),
        };
        assert_eq!(slots("7"), 1);
        assert_eq!(slots("addmod(1, 2, f_q)"), 3);
        assert_eq!(slots("addmod(mulmod(1, 2, f_q), 2, f_q)"), 5);
        assert_eq!(slots("addmod(2, mulmod(1, 2, f_q), f_q)"), 4);
    }
}
