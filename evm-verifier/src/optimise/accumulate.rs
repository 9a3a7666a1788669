//! Terms of sums of points, added in place.

use crate::calldata::WORD;
use crate::yul::{flow::Flow, retain, Expr, NotUnderstood, Precompile, Statement};
use std::collections::HashMap;

/// Statements of a term.
const TERM: usize = 9;

/// Multiplies and adds each term of a sum in place.
///
/// The pattern, with the sum at A:
/// `P ← x, y, s; P ← P·s` and `Q ← A, P; Q ← A + P` become, with the sum at Q₀,
/// `Q₀ + 64 ← x, y, s; Q₀ + 64 ← …; Q₀ ← …`, where Q₀ is the Q of the sum's first term. What lies behind
/// Q₀ is the next term's place, which is no longer used.
pub(super) fn accumulate(statements: Vec<Statement>) -> Result<Vec<Statement>, NotUnderstood> {
    let flow = Flow::of(&statements)?;
    let mut out: Vec<Statement> = Vec::with_capacity(statements.len());
    let mut renamed: HashMap<usize, usize> = HashMap::new();
    let mut rest = statements.as_slice();
    while let Some((first, after)) = rest.split_first() {
        let found = rest.split_first_chunk::<TERM>();
        let term = found.and_then(|(term, after)| Some((match_term(term, &flow)?, after)));
        let Some((term, after)) = term else {
            out.push(rename(first.clone(), &renamed));
            rest = after;
            continue;
        };
        let base = continued(&term, &renamed, &flow).unwrap_or(term.to);
        if base == term.to {
            for [to, from] in [[base, term.sum], [base, term.sum].map(next)] {
                let copy = Statement::store(to, Expr::load(from));
                out.push(rename(copy, &renamed));
            }
        }
        let factor = next(next(base));
        let mut at = factor;
        for value in term.values {
            out.push(rename(Statement::store(at, value), &renamed));
            at = next(at);
        }
        for (address, from, length) in [(7, factor, 0x60), (6, base, 0x80)] {
            let call = Precompile {
                address,
                input: (from, length),
                output: (from, 0x40),
            };
            out.push(call.statement());
        }
        renamed.insert(term.to, base);
        renamed.insert(next(term.to), next(base));
        rest = after;
    }
    Ok(out)
}

/// The next word's address.
fn next(at: usize) -> usize {
    at.saturating_add(WORD)
}

/// Where the sum that a term adds to stands, if the term may be added there: nothing else needs that
/// sum, and the factor's place behind it is the term's own.
fn continued(term: &SumTerm, renamed: &HashMap<usize, usize>, flow: &Flow) -> Option<usize> {
    let base = *renamed.get(&term.sum)?;
    let once = [term.sum, next(term.sum)]
        .iter()
        .all(|at| flow.loads.get(at) == Some(&1));
    let behind = term.sum != base || term.from == base.saturating_add(0x80);
    (once && behind).then_some(base)
}

struct SumTerm {
    /// The point's coordinates and its factor.
    values: [Expr; 3],
    /// Where the product was computed.
    from: usize,
    /// Where the sum stood.
    sum: usize,
    /// Where the new sum is to stand.
    to: usize,
}

/// Matches the nine statements of a term; its intermediate results must not be used by anything else.
fn match_term(statements: &[Statement; TERM], flow: &Flow) -> Option<SumTerm> {
    let [x, y, s, multiply, a, a1, m, m1, add] = statements;
    let ((p, x), (p1, y), (p2, s)) = (x.stored()?, y.stored()?, s.stored()?);
    let ((q, a), (q1, a1)) = (a.stored()?, a1.stored()?);
    let ((q2, m), (q3, m1)) = (m.stored()?, m1.stored()?);
    let sum = a.loaded()?;
    let in_place = |address, at, length| Precompile {
        address,
        input: (at, length),
        output: (at, 0x40),
    };
    let chained = (p1, p2) == (next(p), next(p1))
        && (q1, q2, q3) == (next(q), next(q1), next(q2))
        && a1.loaded()? == next(sum)
        && (m.loaded()?, m1.loaded()?) == (p, p1)
        && multiply.called()? == in_place(7, p, 0x60)
        && add.called()? == in_place(6, q, 0x80);
    // The new term's values are read before its place is written, and nothing else reads the place.
    let private = [p, p1].iter().all(|at| flow.loads.get(at) == Some(&1))
        && [p2, q2, q3].iter().all(|at| !flow.loads.contains_key(at));
    let outside = [x, y, s].iter().all(|value| {
        let inside = |part: &Expr| part.loaded().is_some_and(|at| at >= p.min(q));
        !value.any(inside)
    });
    // Input and output of its own call are all that reads or writes either place unseen.
    let alone = |from: usize, to: usize| {
        let touching = flow.hidden.iter();
        touching
            .filter(|region| region.start < to && from < region.end)
            .count()
            == 2
    };
    (chained && private && outside && alone(p, next(p2)) && alone(q, next(q3))).then(|| SumTerm {
        values: [x, y, s].map(Expr::clone),
        from: p,
        sum,
        to: q,
    })
}

/// The statement, with each sum that stands elsewhere now loaded from there.
fn rename(statement: Statement, renamed: &HashMap<usize, usize>) -> Statement {
    let mut one = vec![statement];
    retain(&mut one, false, &mut |statement, _| {
        for expr in statement.expressions_mut() {
            expr.replace(&mut |part| renamed.get(&part.loaded()?).copied().map(Expr::load));
        }
        true
    });
    one.remove(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimise::tree;

    #[test]
    fn terms_are_added_in_place() {
        let term = |p: usize, q: usize, sum: usize, point: usize| {
            format!(
                "mstore({p:#x}, mload({point:#x}))
                 mstore({:#x}, mload({:#x}))
                 mstore({:#x}, mload(0x90))
                 success := and(eq(staticcall(gas(), 0x7, {p:#x}, 0x60, {p:#x}, 0x40), 1), success)
                 mstore({q:#x}, mload({sum:#x}))
                 mstore({:#x}, mload({:#x}))
                 mstore({:#x}, mload({p:#x}))
                 mstore({:#x}, mload({:#x}))
                 success := and(eq(staticcall(gas(), 0x6, {q:#x}, 0x80, {q:#x}, 0x40), 1), success)\n",
                p + 0x20, point + 0x20, p + 0x40, q + 0x20, sum + 0x20, q + 0x40, q + 0x60, p + 0x20
            )
        };
        let text = term(0x400, 0x460, 0x100, 0x140)
            + &term(0x4e0, 0x540, 0x460, 0x180)
            + "mstore(0x800, mload(0x540))";
        let out = accumulate(tree(&text)).unwrap();
        assert_eq!(out.len(), 2 + 2 * 5 + 1);
        assert_eq!(out[12..], tree("mstore(0x800, mload(0x460))")[..]);
        assert_eq!(out[7..8], tree("mstore(0x4a0, mload(0x180))")[..]);
        let sum = out[11].called().unwrap();
        assert_eq!((sum.address, sum.input), (6, (0x460, 0x80)));
        // A hash of the product's place keeps it.
        let hashed = text.clone() + "mstore(0x820, keccak256(0x4e0, 0x40))";
        assert_eq!(accumulate(tree(&hashed)).unwrap().len(), 2 + 5 + 9 + 2);
    }
}
