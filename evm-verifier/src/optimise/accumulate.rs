//! Terms of sums of points, added in place.

use super::text::{call, hidden_regions, load, loads, store, uses, Call};
use std::collections::HashMap;

/// Multiplies and adds each term of a sum in place.
///
/// The pattern, with the sum at A:
/// `P ← x, y, s; P ← P·s` and `Q ← A, P; Q ← A + P` become, with the sum at Q₀,
/// `Q₀ + 64 ← x, y, s; Q₀ + 64 ← …; Q₀ ← …`, where Q₀ is the Q of the sum's first term. What lies behind
/// Q₀ is the next term's place, which is no longer used.
pub(super) fn accumulate(lines: Vec<String>) -> Vec<String> {
    const TERM: usize = 9;
    let used = uses(&lines);
    let hidden = hidden_regions(&lines);
    let mut out = Vec::with_capacity(lines.len());
    let mut renamed: HashMap<usize, usize> = HashMap::new();
    let mut rest = lines.as_slice();
    while let Some(first) = rest.first() {
        match rest
            .first_chunk::<TERM>()
            .and_then(|term| match_term(term, &used, &hidden))
        {
            Some(term) => {
                let base = continued(&term, &renamed, &used).unwrap_or(term.to);
                if base == term.to {
                    for offset in [0, 0x20] {
                        let line = format!(
                            "mstore({:#x}, mload({:#x}))",
                            base + offset,
                            term.sum + offset
                        );
                        out.push(rename(&line, &renamed));
                    }
                }
                for (i, value) in term.values.iter().enumerate() {
                    let line = format!("mstore({:#x}, {value})", base + 0x40 + 0x20 * i);
                    out.push(rename(&line, &renamed));
                }
                let point = base + 0x40;
                for (precompile, from, length) in [(7, point, 0x60), (6, base, 0x80)] {
                    out.push(format!(
                        "success := and(eq(staticcall(gas(), {precompile:#x}, {from:#x}, \
                         {length:#x}, {from:#x}, 0x40), 1), success)"
                    ));
                }
                renamed.insert(term.to, base);
                renamed.insert(term.to + 0x20, base + 0x20);
                rest = rest.get(TERM..).unwrap_or_default();
            }
            None => {
                out.push(rename(first, &renamed));
                rest = rest.get(1..).unwrap_or_default();
            }
        }
    }
    out
}

/// Where the sum that a term adds to stands, if the term may be added there: nothing else needs that
/// sum, and the factor's place behind it is the term's own.
fn continued(
    term: &SumTerm,
    renamed: &HashMap<usize, usize>,
    used: &HashMap<usize, usize>,
) -> Option<usize> {
    let base = *renamed.get(&term.sum)?;
    let once = [term.sum, term.sum + 0x20]
        .iter()
        .all(|at| used.get(at) == Some(&1));
    let behind = term.sum != base || term.from == base + 0x80;
    (once && behind).then_some(base)
}

struct SumTerm {
    /// The point's coordinates and its factor.
    values: [String; 3],
    /// Where the product was computed.
    from: usize,
    /// Where the sum stood.
    sum: usize,
    /// Where the new sum is to stand.
    to: usize,
}

/// Matches the nine lines of a term; its intermediate results must not be used by anything else.
fn match_term(
    lines: &[String; 9],
    used: &HashMap<usize, usize>,
    hidden: &[(usize, usize)],
) -> Option<SumTerm> {
    let stores: Vec<(usize, &str)> = [0, 1, 2, 4, 5, 6, 7]
        .iter()
        .map(|i| lines.get(*i).and_then(|line| store(line)))
        .collect::<Option<_>>()?;
    let [(p, x), (p1, y), (p2, s), (q, a), (q1, a1), (q2, m), (q3, m1)] = stores[..] else {
        return None;
    };
    let (multiply, add) = (call(&lines[3])?, call(&lines[8])?);
    let sum = load(a)?;
    let chained = p1 == p + 0x20
        && p2 == p + 0x40
        && (q1, q2, q3) == (q + 0x20, q + 0x40, q + 0x60)
        && load(a1)? == sum + 0x20
        && (load(m)?, load(m1)?) == (p, p1)
        && multiply
            == Call {
                precompile: 7,
                input: (p, 0x60),
                output: (p, 0x40),
            }
        && add
            == Call {
                precompile: 6,
                input: (q, 0x80),
                output: (q, 0x40),
            };
    // The new term's values are read before its place is written, and nothing else reads the place.
    let private = [p, p1].iter().all(|at| used.get(at) == Some(&1))
        && [p2, q2, q3].iter().all(|at| !used.contains_key(at));
    let outside = loads(&format!("{x} {y} {s}"))
        .iter()
        .all(|at| *at < p.min(q));
    // Input and output of its own call are all that reads or writes either place unseen.
    let alone = |from: usize, to: usize| {
        hidden
            .iter()
            .filter(|(start, end)| *start < to && from < *end)
            .count()
            == 2
    };
    (chained && private && outside && alone(p, p + 0x60) && alone(q, q + 0x80)).then(|| SumTerm {
        values: [x, y, s].map(str::to_string),
        from: p,
        sum,
        to: q,
    })
}

fn rename(line: &str, renamed: &HashMap<usize, usize>) -> String {
    let mut line = line.to_string();
    for at in loads(&line) {
        if let Some(to) = renamed.get(&at) {
            line = line.replace(&format!("mload({at:#x})"), &format!("mload({to:#x})"));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimise::text::lines;

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
        let out = accumulate(lines(&text));
        assert_eq!(out.len(), 2 + 2 * 5 + 1);
        assert_eq!(out.last().unwrap(), "mstore(0x800, mload(0x460))");
        assert_eq!(out[7], "mstore(0x4a0, mload(0x180))");
        assert!(out[11].contains("0x6, 0x460, 0x80, 0x460, 0x40"));
    }
}
