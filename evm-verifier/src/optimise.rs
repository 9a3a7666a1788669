//! Two rewrites of the generated assembly that leave out work, not checks.
//!
//! The generator stores every intermediate result at an address of its own and loads it back.
//!
//! * [`inline`]: a result that is loaded once is computed where it is used, if nothing that it reads is
//!   written in between.
//! * [`accumulate`]: each term of a sum of points is multiplied and added in one place, where the sum
//!   already stands, instead of being copied to new memory for each of the two calls.
//!
//! Both go by addresses that are written in full in the text. A line that is not understood is
//! left alone and counts as a use of every address in it.

use std::collections::{HashMap, HashSet};

/// The most stack slots that an inlined expression may need: the EVM reaches 16, and a few are
/// taken by the variables around it.
const MAX_STACK: usize = 10;

/// Rewrites the lines of one assembly block.
pub fn optimise(lines: Vec<String>) -> Vec<String> {
    inline(accumulate(lines))
}

/// `mstore(ADDRESS, VALUE)`.
fn store(line: &str) -> Option<(usize, &str)> {
    let (address, value) = line
        .strip_prefix("mstore(")?
        .strip_suffix(')')?
        .split_once(", ")?;
    Some((number(address)?, value))
}

/// The address of `mload(ADDRESS)`.
fn load(text: &str) -> Option<usize> {
    number(text.strip_prefix("mload(")?.strip_suffix(')')?)
}

/// A call of a precompile.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Call {
    precompile: usize,
    /// Address and length of its input.
    input: (usize, usize),
    /// Address and length of its output.
    output: (usize, usize),
}

/// `success := and(eq(staticcall(gas(), PRECOMPILE, IN, LENGTH, OUT, LENGTH), 1), success)`.
fn call(line: &str) -> Option<Call> {
    let rest = line.strip_prefix("success := and(eq(staticcall(gas(), ")?;
    let numbers = rest.strip_suffix("), 1), success)")?;
    let numbers: Vec<usize> = numbers.split(", ").map(number).collect::<Option<_>>()?;
    match numbers[..] {
        [precompile, from, length, to, out] => Some(Call {
            precompile,
            input: (from, length),
            output: (to, out),
        }),
        _ => None,
    }
}

fn number(text: &str) -> Option<usize> {
    match text.strip_prefix("0x") {
        Some(hex) if hex.len() <= 8 => usize::from_str_radix(hex, 16).ok(),
        None if text.len() <= 9 => text.parse().ok(),
        _ => None,
    }
}

/// The addresses that a text loads from, in order.
fn loads(text: &str) -> Vec<usize> {
    text.match_indices("mload(")
        .filter_map(|(at, found)| {
            let rest = text.get(at + found.len()..)?;
            number(rest.get(..rest.find(')')?)?)
        })
        .collect()
}

/// Multiplies and adds each term of a sum in place.
///
/// The pattern, with the sum at A:
/// `P ← x, y, s; P ← P·s` and `Q ← A, P; Q ← A + P` become, with the sum at Q₀,
/// `Q₀ + 64 ← x, y, s; Q₀ + 64 ← …; Q₀ ← …`, where Q₀ is the Q of the sum's first term. What lies behind
/// Q₀ is the next term's place, which is no longer used.
fn accumulate(lines: Vec<String>) -> Vec<String> {
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

/// How often each address is loaded.
fn uses(lines: &[String]) -> HashMap<usize, usize> {
    let mut uses = HashMap::new();
    for at in lines.iter().flat_map(|line| loads(line)) {
        *uses.entry(at).or_insert(0) += 1;
    }
    uses
}

/// Computes each result that is used once where it is used.
fn inline(lines: Vec<String>) -> Vec<String> {
    let used = uses(&lines);
    let stores = store_lines(&lines);
    let hidden = hidden_regions(&lines);
    let in_block = depths(&lines);
    // The expression of each candidate, by address, and the line that it stands on.
    let mut pending: HashMap<usize, (usize, String)> = HashMap::new();
    let mut dropped = HashSet::new();
    let mut out: Vec<String> = Vec::with_capacity(lines.len());
    for (i, line) in lines.iter().enumerate() {
        let mut text = line.clone();
        for at in loads(line) {
            let Some((defined, value)) = pending.get(&at) else {
                continue;
            };
            let load = format!("mload({at:#x})");
            let inlined = text.replacen(&load, value, 1);
            // What the value reads must not have been written since.
            let written = |at: &usize| {
                stores
                    .get(at)
                    .is_some_and(|lines| lines.iter().any(|l| l > defined && *l <= i))
            };
            if stack(expression(&inlined)) <= MAX_STACK && !loads(value).iter().any(written) {
                dropped.insert(*defined);
                text = inlined;
            }
        }
        if let Some((at, value)) = store(&text) {
            let once = used.get(&at) == Some(&1) && stores.get(&at).is_some_and(|l| l.len() == 1);
            let free = !hidden.iter().any(|(from, to)| (*from..*to).contains(&at));
            if once && free && in_block.get(i) == Some(&0) && is_pure(value) {
                pending.insert(at, (i, value.to_string()));
            }
        }
        out.push(text);
    }
    let kept = out
        .into_iter()
        .enumerate()
        .filter(|(i, _)| !dropped.contains(i));
    kept.map(|(_, line)| line).collect()
}

/// The part of a line that is one expression: what is assigned or stored.
fn expression(line: &str) -> &str {
    store(line)
        .map(|(_, value)| value)
        .or_else(|| line.split_once(":= ").map(|(_, value)| value))
        .unwrap_or(line)
}

/// Arithmetic on loads and constants: no calls, no variables but the modulus.
fn is_pure(value: &str) -> bool {
    let words = value.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| !word.is_empty()).all(|word| {
        matches!(word, "addmod" | "mulmod" | "sub" | "mload" | "f_q")
            || word.starts_with(|c: char| c.is_ascii_digit())
    }) && value.contains("mod(")
}

/// Stack slots that an expression needs, its arguments being computed from the last to the first.
fn stack(value: &str) -> usize {
    let Some((_, arguments)) = value.split_once('(') else {
        return 1;
    };
    let arguments = arguments.strip_suffix(')').unwrap_or(arguments);
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0usize, 0);
    for (i, c) in arguments.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(arguments.get(start..i).unwrap_or_default().trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(arguments.get(start..).unwrap_or_default().trim());
    parts
        .iter()
        .rev()
        .enumerate()
        .map(|(held, part)| held + stack(part))
        .max()
        .unwrap_or(1)
}

/// The lines that store to each address, by `mstore` or as the output of a call.
fn store_lines(lines: &[String]) -> HashMap<usize, Vec<usize>> {
    let mut stores: HashMap<usize, Vec<usize>> = HashMap::new();
    for (i, line) in lines.iter().enumerate() {
        if let Some((at, _)) = store(line) {
            stores.entry(at).or_default().push(i);
        }
        if let Some(Call {
            output: (to, length),
            ..
        }) = call(line)
        {
            for at in (to..to + length).step_by(0x20) {
                stores.entry(at).or_default().push(i);
            }
        }
    }
    stores
}

/// Memory that is read other than by a load: input of calls and hashes, single bytes.
fn hidden_regions(lines: &[String]) -> Vec<(usize, usize)> {
    let mut regions = Vec::new();
    for line in lines {
        if let Some(Call {
            input: (from, length),
            output: (to, out),
            ..
        }) = call(line)
        {
            regions.extend([(from, from + length), (to, to + out)]);
        } else if let Some(at) = line.find("keccak256(") {
            let rest = line.get(at + "keccak256(".len()..).unwrap_or_default();
            let inner = rest.split(')').next().unwrap_or_default();
            let range = inner.split_once(", ");
            match range.and_then(|(from, length)| Some((number(from)?, number(length)?))) {
                Some((from, length)) => regions.push((from, from + length)),
                None => regions.push((0, usize::MAX)),
            }
        } else if line.contains("staticcall(") || line.contains("return(data") {
            regions.push((0, usize::MAX));
        } else if let Some(at) = line
            .strip_prefix("mstore8(")
            .and_then(|rest| rest.split(',').next())
        {
            let at = number(at).unwrap_or(0);
            regions.push((at.saturating_sub(0x1f), at + 1));
        }
    }
    regions
}

/// How deep in inner blocks each line stands, relative to the shallowest.
fn depths(lines: &[String]) -> Vec<usize> {
    let mut depth = 0usize;
    lines
        .iter()
        .map(|line| {
            let (opens, closes) = (line.matches('{').count(), line.matches('}').count());
            let here = depth;
            depth = (depth + opens).saturating_sub(closes);
            here.min(depth)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(|line| line.trim().to_string()).collect()
    }

    #[test]
    fn single_uses_are_inlined() {
        let out = inline(lines(
            "mstore(0x100, mulmod(mload(0x80), mload(0xa0), f_q))
             mstore(0x120, addmod(mload(0x100), 7, f_q))
             mstore(0x140, mulmod(mload(0x120), mload(0x120), f_q))
             mstore(0x160, mload(0x140))",
        ));
        assert_eq!(
            out,
            lines(
                "mstore(0x120, addmod(mulmod(mload(0x80), mload(0xa0), f_q), 7, f_q))
                 mstore(0x160, mulmod(mload(0x120), mload(0x120), f_q))"
            )
        );
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
             success := and(eq(staticcall(gas(), 0x5, 0xc0, 0xc0, 0x200, 0x20), 1), success)
             mstore(0x120, mload(0x100))",
            // Stored twice.
            "mstore(0x100, mulmod(mload(0x80), 3, f_q))
             mstore(256, mulmod(mload(0x80), 4, f_q))
             mstore(0x120, mload(0x100))",
        ] {
            assert_eq!(inline(lines(text)), lines(text));
        }
    }

    #[test]
    fn stack_slots_are_counted() {
        assert_eq!(stack("7"), 1);
        assert_eq!(stack("addmod(1, 2, f_q)"), 3);
        assert_eq!(stack("addmod(mulmod(1, 2, f_q), 2, f_q)"), 5);
        assert_eq!(stack("addmod(2, mulmod(1, 2, f_q), f_q)"), 4);
    }

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
