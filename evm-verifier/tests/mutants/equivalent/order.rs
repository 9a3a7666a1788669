//! Statements that may stand in either order.

use std::collections::BTreeSet;
use zkml_evm_verifier::yul::{access::of_statement, Expr, Op, Statement};

/// The truth that a statement lowers: v in `v := and(…, v)`, and in a block whose only such statements these are.
pub fn lowers(statement: &Statement) -> Option<&str> {
    let (name, both) = match statement {
        Statement::Set(name, Expr::Call(Op::And, both)) => (name, both),
        Statement::Block(block) => {
            let own = |name: &str| {
                let mut all = block.iter();
                all.any(|one| matches!(one, Statement::Let(found, _) if found == name))
            };
            let outer = |one: &&Statement| matches!(one, Statement::Set(name, _) if !own(name));
            let mut set = block.iter().filter(outer);
            let truth = set.next().and_then(lowers)?;
            return set.all(|one| lowers(one) == Some(truth)).then_some(truth);
        }
        _ => return None,
    };
    let own = |side: &Expr| matches!(side, Expr::Name(found) if found == name);
    both.iter().any(own).then_some(name)
}

/// What a statement touches.
#[derive(Default)]
pub struct Touched {
    /// Bytes of memory that are read, and that are written.
    read: BTreeSet<usize>,
    written: BTreeSet<usize>,
    /// Whether it reads or writes memory at an address that is not known.
    reads_anywhere: bool,
    writes_anywhere: bool,
    /// Variables that are used, and that are set or declared.
    used: BTreeSet<String>,
    set: BTreeSet<String>,
    hashes: bool,
    calls: bool,
    /// Whether it asks what the last call returned.
    asks: bool,
    /// Whether it may end the run.
    ends: bool,
}

pub fn touched(statement: &Statement) -> Touched {
    let mut out = Touched::default();
    touch(statement, &mut out);
    out
}

pub fn touch(statement: &Statement, out: &mut Touched) {
    if let Statement::Block(block) = statement {
        let (used, set) = (std::mem::take(&mut out.used), std::mem::take(&mut out.set));
        block.iter().for_each(|inner| touch(inner, out));
        // Its variables end with it.
        for inner in block {
            if let Statement::Let(name, _) = inner {
                out.used.remove(name);
                out.set.remove(name);
            }
        }
        out.used.extend(used);
        out.set.extend(set);
        return;
    }
    match of_statement(statement) {
        Ok(accesses) => {
            for access in accesses {
                let bytes = access.at..access.at + access.length;
                if access.write {
                    out.written.extend(bytes);
                } else {
                    out.read.extend(bytes);
                }
            }
        }
        Err(_) => {
            out.reads_anywhere = true;
            out.writes_anywhere |= matches!(statement, Statement::Do(..));
        }
    }
    for expr in statement.expressions() {
        expr.walk(&mut |part| match part {
            Expr::Name(name) => {
                out.used.insert(name.clone());
            }
            Expr::Call(Op::Keccak256, _) => out.hashes = true,
            Expr::Call(Op::StaticCall, _) => out.calls = true,
            Expr::Call(Op::ReturnDataSize, _) => out.asks = true,
            Expr::Call(..) | Expr::Number(_) => {}
        });
    }
    match statement {
        Statement::Let(name, _) | Statement::Set(name, _) => {
            out.set.insert(name.clone());
        }
        Statement::Do(Op::Return | Op::Revert, _) => out.ends = true,
        // A branch that stores what it reverts with, and does: nothing of it is seen if it is not taken.
        Statement::If(_, block) if block.iter().all(|one| matches!(one, Statement::Do(..))) => {
            out.ends = true;
            return;
        }
        Statement::If(..) | Statement::For(..) | Statement::Function(..) => out.ends = true,
        Statement::Comment(_) | Statement::Block(_) | Statement::Do(..) => {}
    }
    for block in statement.blocks() {
        block.iter().for_each(|inner| touch(inner, out));
    }
}

/// Whether two statements may stand in either order; but for a truth that both lower.
pub fn apart(a: &Touched, b: &Touched, truth: Option<&str>) -> bool {
    let shared = |a: &BTreeSet<String>, b: &BTreeSet<String>| {
        a.intersection(b).any(|name| truth != Some(name.as_str()))
    };
    let writes = |t: &Touched| t.writes_anywhere || !t.written.is_empty();
    let one_way = |a: &Touched, b: &Touched| {
        a.written.is_disjoint(&b.written)
            && a.written.is_disjoint(&b.read)
            && !(writes(a) && (b.reads_anywhere || b.writes_anywhere))
            && !shared(&a.set, &b.set)
            && !shared(&a.set, &b.used)
            && !(a.calls && (b.calls || b.asks || b.ends))
            && !(a.hashes && (b.hashes || b.ends))
            && !(a.ends && b.ends)
    };
    one_way(a, b) && one_way(b, a)
}
