//! A text that every optimiser of solc can compile: what it says stays the same, and is hidden from them in part.
//!
//! solc's optimiser follows what memory holds. Where a word is loaded that was stored before, it keeps the value on
//! the stack instead, or computes it anew; of a verifier's hundreds of words no stack holds so many, and it ends
//! with "Stack too deep". A store to an address that it does not know ends what it knows of all of memory. So some
//! addresses are counted from the length of calldata, which is one number once it has been checked:
//!
//! * every store after which [`WORDS`] words would be known goes to such an address;
//! * whether the proof is well formed so far is taken through memory after each loop that checks it, or all loops'
//!   answers would stay on the stack until the last one;
//! * the order is loaded from memory, or it would stand in the code 32 bytes long wherever it is needed.
//!
//! Word 0 is written before all else: some settings load constants through it, and save what stands there first, which
//! [`crate::unwritten`] would take for a fault.
//!
//! [`reveal`] takes all of it back, and [`super::generate`] compares what is left with what was hidden.

use crate::yul::{Expr, Op, Statement};
use revm::primitives::U256;

/// Words of memory that an optimiser may know at a time. Fewer cost gas, five for each store that hides its address;
/// more do not fit on the stack of every compiler.
const WORDS: usize = 5;
/// Where generated code has its memory; what is below is for the moment.
const FIRST: usize = 0x80;
/// The name of the scalar field's order.
const MODULUS: &str = "f_q";
/// A word that nothing else uses before the verdict.
const ORDER: usize = 0;
/// Another.
const SUCCESS: usize = 0x20;

/// The address, counted from the length of calldata.
fn hidden(at: usize, length: usize) -> Expr {
    let (op, distance) = match at.checked_sub(length) {
        Some(above) => (Op::Add, above),
        None => (Op::Sub, length.saturating_sub(at)),
    };
    let size = Expr::Call(Op::CallDataSize, vec![]);
    Expr::Call(op, vec![size, Expr::number(distance)])
}

/// Hides what the optimiser should not know, where calldata has so many bytes.
pub(super) fn conceal(statements: Vec<Statement>, length: usize) -> Vec<Statement> {
    let mut known = Vec::new();
    let mut out = vec![word_written()];
    out.extend(concealed(statements, length, &mut known));
    out
}

/// `mstore(0, 0)`.
fn word_written() -> Statement {
    Statement::store(ORDER, Expr::number(0))
}

/// `known` are the addresses whose words an optimiser knows.
fn concealed(statements: Vec<Statement>, length: usize, known: &mut Vec<usize>) -> Vec<Statement> {
    let mut out = Vec::with_capacity(statements.len());
    for mut statement in statements {
        if let Some(order) = order(&statement) {
            out.extend(order_from_memory(order));
            continue;
        }
        follow(&mut statement, length, known);
        for block in statement.blocks_mut() {
            *block = concealed(std::mem::take(block), length, known);
        }
        let checked = checks_loop(&statement);
        out.push(statement);
        if checked {
            out.extend(success_through_memory(length));
            known.clear();
        }
    }
    out
}

/// Counts what is known after a statement; its store goes to a hidden address if that is too much.
fn follow(statement: &mut Statement, length: usize, known: &mut Vec<usize>) {
    let mut after = known.clone();
    let mut calls = false;
    for expr in statement.expressions() {
        expr.walk(&mut |part| {
            after.extend(part.loaded());
            calls |= matches!(part, Expr::Call(Op::StaticCall, _));
        });
    }
    after.extend(statement.stored().map(|(at, _)| at));
    after.sort_unstable();
    after.dedup();
    let copies = matches!(statement, Statement::Do(Op::CallDataCopy, _));
    *known = after;
    if calls || copies || matches!(statement, Statement::For(..)) {
        known.clear();
        return;
    }
    if known.len() <= WORDS {
        return;
    }
    if let Statement::Do(Op::MStore, arguments) = statement {
        let address = arguments.first_mut();
        let at = address.as_ref().and_then(|address| address.as_usize());
        if let (Some(address), Some(at)) = (address, at.filter(|at| *at >= FIRST)) {
            *address = hidden(at, length);
            known.clear();
        }
    }
}

/// The order in `let f_q := ORDER`.
fn order(statement: &Statement) -> Option<U256> {
    match statement {
        Statement::Let(name, Some(Expr::Number(order))) if name == MODULUS => Some(*order),
        _ => None,
    }
}

/// `mstore(returndatasize(), ORDER) let f_q := mload(0)`: nothing was called, so that nothing was returned.
fn order_from_memory(order: U256) -> [Statement; 2] {
    let nothing = Expr::Call(Op::ReturnDataSize, vec![]);
    [
        Statement::Do(Op::MStore, vec![nothing, Expr::Number(order)]),
        Statement::Let(MODULUS.to_string(), Some(Expr::load(ORDER))),
    ]
}

/// Whether a statement is `success := and(LOOP(from, to), success)`.
fn checks_loop(statement: &Statement) -> bool {
    let Statement::Set(name, Expr::Call(Op::And, both)) = statement else {
        return false;
    };
    let by_loop = matches!(both.first(), Some(Expr::Call(Op::Points | Op::Scalars, _)));
    name == "success" && by_loop
}

/// `mstore(WORD, success) success := mload(WORD)`, the first address hidden.
fn success_through_memory(length: usize) -> [Statement; 2] {
    let value = Expr::name("success");
    [
        Statement::Do(Op::MStore, vec![hidden(SUCCESS, length), value]),
        Statement::Set("success".to_string(), Expr::load(SUCCESS)),
    ]
}

/// Takes back all that [`conceal`] does.
pub(super) fn reveal(mut statements: Vec<Statement>, length: usize) -> Vec<Statement> {
    if statements.first() == Some(&word_written()) {
        statements.remove(0);
    }
    revealed(statements, length)
}

fn revealed(statements: Vec<Statement>, length: usize) -> Vec<Statement> {
    let mut out: Vec<Statement> = Vec::with_capacity(statements.len());
    for mut statement in statements {
        for block in statement.blocks_mut() {
            *block = revealed(std::mem::take(block), length);
        }
        let stored = out.last().and_then(|last| match last {
            Statement::Do(Op::MStore, arguments) => match &arguments[..] {
                [_, Expr::Number(order)] => Some(*order),
                _ => None,
            },
            _ => None,
        });
        let pair = [out.last().cloned(), Some(statement.clone())];
        if let Some(order) = stored.filter(|order| pair == order_from_memory(*order).map(Some)) {
            out.pop();
            let order = Some(Expr::Number(order));
            out.push(Statement::Let(MODULUS.to_string(), order));
        } else if pair == success_through_memory(length).map(Some) {
            out.pop();
        } else {
            out.push(statement);
        }
    }
    out.iter_mut()
        .for_each(|statement| shown(statement, length));
    out
}

/// Writes the addresses of a statement as numbers again, not those in its blocks.
fn shown(statement: &mut Statement, length: usize) {
    let number = |part: &Expr| {
        let Expr::Call(op, arguments) = part else {
            return None;
        };
        let [Expr::Call(Op::CallDataSize, _), distance] = &arguments[..] else {
            return None;
        };
        let at = match op {
            Op::Add => length.checked_add(distance.as_usize()?),
            Op::Sub => length.checked_sub(distance.as_usize()?),
            _ => None,
        };
        at.map(Expr::number)
    };
    for expr in statement.expressions_mut() {
        expr.replace(&mut |part| number(part));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yul::{parse, run::run};

    /// Ten words, each the sum of two before it, and a point that is checked.
    fn text() -> Vec<Statement> {
        let sums: String = (0..8)
            .map(|i| {
                let [a, b, to] = [0, 1, 2].map(|j| 0x80 + 0x20 * (i + j));
                format!("mstore({to:#x}, addmod(mload({a:#x}), mload({b:#x}), f_q))\n")
            })
            .collect();
        parse(&format!(
            "let success := 1
             let f_q := 101
             function points(from, to) -> valid {{ valid := lt(mload(from), to) }}
             calldatacopy(0x80, 0, 0x40)
             success := and(points(0x80, 0xc0), success)
             {sums}
             {{ let v := mload(0x100) mstore(0x200, v) }}
             mstore(0x0, add(mload(0x200), mload(0x180)))
             return(0x0, 0x20)"
        ))
        .unwrap()
    }

    #[test]
    fn what_is_hidden_is_found_again_and_does_the_same() {
        let hidden = conceal(text(), 0x100);
        let printed: String = hidden.iter().map(|line| format!("{line}\n")).collect();
        assert!(printed.contains("mstore(returndatasize(), 0x65)\nlet f_q := mload(0x0)"));
        assert!(
            printed.contains("mstore(sub(calldatasize(), 0xe0), success)\nsuccess := mload(0x20)")
        );
        // On both sides of the length, and no store of the last word that is for the verdict.
        assert!(
            printed.contains("mstore(add(calldatasize(), 0x"),
            "{printed}"
        );
        assert!(printed.contains("mstore(0x0, add("), "{printed}");
        assert_eq!(parse(&printed).unwrap(), hidden);
        assert_eq!(reveal(hidden.clone(), 0x100), text());
        let calldata: Vec<u8> = (0..=255).collect();
        assert_eq!(run(&hidden, &calldata), run(&text(), &calldata));
        // With another length of calldata all would go wrong, which is checked first.
        assert_ne!(
            run(&hidden, &calldata[..0xe0]),
            run(&text(), &calldata[..0xe0])
        );
    }

    #[test]
    fn what_was_not_hidden_here_stays() {
        for (from, to) in [
            ("mload(0x0)", "mload(0x20)"),
            ("let f_q", "let f_p"),
            ("success := mload(0x20)", "success := mload(0x0)"),
            (
                "calldatasize(), 0xe0), success",
                "calldatasize(), 0xc0), success",
            ),
            ("add(calldatasize()", "sub(calldatasize()"),
            ("returndatasize()", "calldatasize()"),
        ] {
            let hidden = conceal(text(), 0x100);
            let printed: String = hidden.iter().map(|line| format!("{line}\n")).collect();
            let changed = printed.replacen(from, to, 1);
            assert_ne!(changed, printed, "{from}");
            assert_ne!(reveal(parse(&changed).unwrap(), 0x100), text(), "{from}");
        }
    }
}
