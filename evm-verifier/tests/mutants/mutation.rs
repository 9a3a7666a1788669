//! Each change of a text: each statement dropped, exchanged, or swapped with the next; each operand altered.

mod alternatives;

pub use alternatives::FIELDS;
use alternatives::{addresses, alternatives};
use zkml_evm_verifier::yul::{Expr, Op, Statement};

/// A change of one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutation {
    /// The number of the statement, in blocks and functions too, in the order in which they stand.
    pub statement: usize,
    /// What becomes of it.
    pub change: Change,
}

/// What becomes of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is not there; of `let x := …`, the value is not.
    Drop,
    /// It changes places with the next in its block.
    Swap,
    /// It is another instruction.
    Exchange(Op),
    /// An expression in it, by its number from the outside in, is another.
    Replace(usize, Expr),
}

/// The blocks in a statement, a function's too.
fn blocks(statement: &Statement) -> Vec<&[Statement]> {
    match statement {
        Statement::Function(_, _, _, body) => vec![body],
        other => other.blocks(),
    }
}

fn blocks_mut(statement: &mut Statement) -> Vec<&mut Vec<Statement>> {
    match statement {
        Statement::Function(_, _, _, body) => vec![body],
        other => other.blocks_mut(),
    }
}

/// Visits each statement, by its block and its place there.
pub fn walk<'a>(block: &'a [Statement], visit: &mut impl FnMut(&'a [Statement], usize)) {
    for (at, statement) in block.iter().enumerate() {
        visit(block, at);
        blocks(statement)
            .into_iter()
            .for_each(|inner| walk(inner, visit));
    }
}

/// All changes of a text.
pub fn all(text: &[Statement]) -> Vec<Mutation> {
    let (mut out, mut number) = (Vec::new(), 0);
    walk(text, &mut |block, at| {
        let changes = of_statement(&block[at], block.get(at + 1));
        out.extend(changes.into_iter().map(|change| Mutation {
            statement: number,
            change,
        }));
        number += 1;
    });
    out
}

fn of_statement(statement: &Statement, next: Option<&Statement>) -> Vec<Change> {
    let fixed = |s: &Statement| matches!(s, Statement::Comment(_) | Statement::Function(..));
    let mut out = Vec::new();
    if fixed(statement) {
        return out;
    }
    if !matches!(statement, Statement::Let(_, None)) {
        out.push(Change::Drop);
    }
    let other = |next: &Statement| !fixed(next) && next != statement && !declares(statement, next);
    if next.is_some_and(other) {
        out.push(Change::Swap);
    }
    let places = match statement {
        Statement::Do(op, _) => {
            out.extend(sibling(*op).map(Change::Exchange));
            addresses(*op)
        }
        _ => &[],
    };
    let mut node = 0;
    for (i, expr) in statement.expressions().into_iter().enumerate() {
        of_expression(expr, places.contains(&i), &mut node, &mut out);
    }
    out
}

/// Whether a statement declares a variable that the next one names: the other order is no text.
fn declares(statement: &Statement, next: &Statement) -> bool {
    let Statement::Let(declared, _) = statement else {
        return false;
    };
    let mut found = false;
    walk(std::slice::from_ref(next), &mut |block, at| {
        let inner = &block[at];
        found |= matches!(inner, Statement::Set(name, _) if name == declared);
        let named = |part: &Expr| matches!(part, Expr::Name(name) if name == declared);
        found |= inner.expressions().iter().any(|expr| expr.any(named));
    });
    found
}

/// The instruction that is mistaken for one without a value.
fn sibling(op: Op) -> Option<Op> {
    match op {
        Op::MStore => Some(Op::MStore8),
        Op::MStore8 => Some(Op::MStore),
        Op::Return => Some(Op::Revert),
        Op::Revert => Some(Op::Return),
        _ => None,
    }
}

fn of_expression(expr: &Expr, address: bool, node: &mut usize, out: &mut Vec<Change>) {
    let here = *node;
    let mut others = alternatives(expr, address);
    others.retain(|other| other != expr);
    for (i, other) in others.iter().enumerate() {
        if !others[..i].contains(other) {
            out.push(Change::Replace(here, other.clone()));
        }
    }
    *node += 1;
    if let Expr::Call(op, arguments) = expr {
        for (i, argument) in arguments.iter().enumerate() {
            of_expression(argument, addresses(*op).contains(&i), node, out);
        }
    }
}

/// A text with one change.
pub fn mutant(text: &[Statement], mutation: &Mutation) -> Vec<Statement> {
    let mut text = text.to_vec();
    change(&mut text, &mut mutation.statement.clone(), &mutation.change);
    text
}

/// Changes the statement that is so many further; whether it is in this block.
fn change(block: &mut Vec<Statement>, left: &mut usize, to: &Change) -> bool {
    let mut at = 0;
    while let Some(statement) = block.get_mut(at) {
        if *left == 0 {
            match to {
                Change::Drop => match statement {
                    Statement::Let(_, value) => *value = None,
                    _ => drop(block.remove(at)),
                },
                Change::Swap => block.swap(at, at + 1),
                Change::Exchange(op) => {
                    if let Statement::Do(found, _) = statement {
                        *found = *op;
                    }
                }
                Change::Replace(node, with) => altered(statement, *node, with),
            }
            return true;
        }
        *left -= 1;
        if blocks_mut(statement)
            .into_iter()
            .any(|inner| change(inner, left, to))
        {
            return true;
        }
        at += 1;
    }
    false
}

fn altered(statement: &mut Statement, mut node: usize, with: &Expr) {
    let mut expressions = statement.expressions_mut().into_iter();
    expressions.any(|expr| replace(expr, &mut node, with));
}

/// Replaces the expression that is so many further; whether it is in this one.
fn replace(expr: &mut Expr, left: &mut usize, with: &Expr) -> bool {
    if *left == 0 {
        *expr = with.clone();
        return true;
    }
    *left -= 1;
    match expr {
        Expr::Call(_, arguments) => arguments
            .iter_mut()
            .any(|argument| replace(argument, left, with)),
        Expr::Number(_) | Expr::Name(_) => false,
    }
}

/// The statement that a mutation changes, and what the change is.
pub fn describe(text: &[Statement], mutation: &Mutation) -> String {
    let (mut number, mut found) = (0, String::new());
    walk(text, &mut |block, at| {
        if number == mutation.statement {
            let line = |statement: &Statement| {
                let text = statement.to_string();
                text.lines().next().unwrap_or_default().to_string()
            };
            let what = match &mutation.change {
                Change::Drop => "dropped".to_string(),
                Change::Swap => format!("swapped with {}", line(&block[at + 1])),
                Change::Exchange(op) => format!("as {}", op.signature().0),
                Change::Replace(node, with) => {
                    let mut changed = block[at].clone();
                    altered(&mut changed, *node, with);
                    format!("as {}", line(&changed))
                }
            };
            found = format!("{}: {what}", line(&block[at]));
        }
        number += 1;
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use zkml_evm_verifier::yul::parse;

    #[test]
    fn each_statement_and_each_operand_is_changed() {
        let text = parse(
            "function points(from, to) -> valid { valid := lt(from, to) }
             { mstore(0x40, mulmod(mload(0x20), 3, f_q)) let x := 5 }
             if iszero(x) { revert(0x1c, 4) }",
        )
        .unwrap();
        let found = all(&text);
        let mutants: Vec<_> = found.iter().map(|m| mutant(&text, m)).collect();
        for (i, one) in mutants.iter().enumerate() {
            assert_ne!(*one, text, "{:?}", found[i]);
            assert!(!mutants[..i].contains(one), "{:?}", found[i]);
        }
        let line = |text: &[Statement]| {
            let lines: Vec<_> = text.iter().map(ToString::to_string).collect();
            lines
                .join(" ")
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        };
        let mutants: Vec<_> = mutants.iter().map(|one| line(one)).collect();
        for expected in [
            "lt(to, from)",
            "iszero(lt(to, from))",
            "mstore8(0x40",
            "mstore(0x60",
            "mstore(0x3f",
            "addmod(mload(0x20), 0x3, f_q)",
            "mulmod(mload(0x0), 0x3, f_q)",
            "mulmod(mload(0x20), 0x2, f_q)",
            "mulmod(mload(0x20), 0x3, f_p)",
            "mstore(0x40, mload(0x20))",
            "{ let x := 0x5 mstore(",
            "let x }",
            "let x := 0x6",
            "if x {",
            "return(0x1c, 0x4)",
            "revert(0x1c, 0x5)",
            "if iszero(x) { }",
        ] {
            let count = mutants.iter().filter(|one| one.contains(expected)).count();
            assert!(count >= 1, "{expected}: {mutants:#?}");
        }
    }
}
