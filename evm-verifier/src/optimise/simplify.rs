//! Arithmetic that the generator writes although it has no effect, or has been done before.

use super::{
    inline::{stack, MAX_STACK},
    text::{hidden_regions, load, loads, store, store_lines, uses},
};
use revm::primitives::U256;
use std::collections::HashMap;

/// All of it, and then the results that nothing uses any more.
pub(super) fn simplify(lines: Vec<String>) -> Vec<String> {
    let lines = differences(sums(lines));
    prune(copies(lines.iter().map(|line| neutral(line)).collect()))
}

/// A sum that is written as a block with a variable, as one expression.
fn sums(lines: Vec<String>) -> Vec<String> {
    let mut out = Vec::with_capacity(lines.len());
    let mut rest = lines.as_slice();
    while let Some(line) = rest.first() {
        let taken = match sum(rest) {
            Some((sum, taken)) => {
                out.push(sum);
                taken
            }
            None => {
                out.push(line.clone());
                1
            }
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    out
}

/// The sum whose block starts the lines, and how many lines it takes.
fn sum(lines: &[String]) -> Option<(String, usize)> {
    (lines.first()? == "{").then_some(())?;
    let mut value = lines.get(1)?.strip_prefix("let result := ")?.to_string();
    for (i, line) in lines.iter().enumerate().skip(2) {
        if let Some(term) = line.strip_prefix("result := addmod(") {
            let term = term.strip_suffix(", result, f_q)")?;
            value = format!("addmod({term}, {value}, f_q)");
        } else {
            let (at, stored) = store(line)?;
            let whole = stored == "result" && lines.get(i + 1)? == "}";
            return (whole && stack(&value) <= MAX_STACK)
                .then(|| (format!("mstore({at:#x}, {value})"), i + 2));
        }
    }
    None
}

/// `t·z' − z·(t·w)` as `t·(z' − z·w)`, where the latter difference is known: a denominator of the opening.
fn differences(lines: Vec<String>) -> Vec<String> {
    let stores = store_lines(&lines);
    let once = |at: &usize| stores.get(at).is_some_and(|lines| lines.len() == 1);
    // t·w by address, and z' − z·w by its operands.
    let mut products: HashMap<usize, (usize, String)> = HashMap::new();
    let mut known: HashMap<(usize, usize, String), usize> = HashMap::new();
    let mut out = Vec::with_capacity(lines.len());
    for line in lines {
        let Some((at, value)) = store(&line) else {
            out.push(line);
            continue;
        };
        if let Some((factor, constant)) = product(value).filter(|_| once(&at)) {
            products.insert(at, (factor, constant.to_string()));
        } else if let Some((minuend, subtrahend)) = difference(value) {
            if let Some((z, w)) = products.get(&subtrahend).filter(|_| once(&at)) {
                known.insert((minuend, *z, w.clone()), at);
            }
        } else if let Some((t, minuend, z, tw)) = weight(value) {
            let same = products.get(&tw).filter(|(factor, _)| *factor == t);
            let found = same.and_then(|(_, w)| known.get(&(minuend, z, w.clone())));
            if let (Some(found), true) = (found, once(&t)) {
                out.push(format!(
                    "mstore({at:#x}, mulmod(mload({t:#x}), mload({found:#x}), f_q))"
                ));
                continue;
            }
        }
        out.push(line);
    }
    out
}

/// Address and constant of `mulmod(mload(A), CONSTANT, f_q)`.
fn product(value: &str) -> Option<(usize, &str)> {
    let (a, constant) = value
        .strip_prefix("mulmod(")?
        .strip_suffix(", f_q)")?
        .split_once(", ")?;
    constant.parse::<U256>().ok()?;
    Some((load(a)?, constant))
}

/// Addresses of `addmod(mload(A), sub(f_q, mload(B)), f_q)`.
fn difference(value: &str) -> Option<(usize, usize)> {
    let (a, b) = value
        .strip_prefix("addmod(")?
        .strip_suffix("), f_q)")?
        .split_once(", sub(f_q, ")?;
    Some((load(a)?, load(b)?))
}

/// (T, M, Z, P) of `addmod(mulmod(mload(Z), sub(f_q, mload(P)), f_q), mulmod(mload(M), mload(T), f_q), f_q)`.
fn weight(value: &str) -> Option<(usize, usize, usize, usize)> {
    let (left, right) = value
        .strip_prefix("addmod(mulmod(")?
        .strip_suffix(", f_q), f_q)")?
        .split_once("), f_q), mulmod(")?;
    let (z, p) = left.split_once(", sub(f_q, ")?;
    let (m, t) = right.split_once(", ")?;
    Some((load(t)?, load(m)?, load(z)?, load(p)?))
}

/// The line without factors of one, terms of zero and products with zero.
///
/// What remains may be the order in place of zero, after `sub(f_q, 0)`: all that reads it reduces it.
fn neutral(line: &str) -> String {
    let Some((at, value)) = store(line) else {
        return line.to_string();
    };
    let parts = |rest: &str| -> Option<(String, String)> {
        let (a, b) = rest.strip_suffix(", f_q)")?.split_once(", ")?;
        // Operands of the generator's lines: constants, loads, or negated loads.
        let (a, b) = match a.strip_prefix("sub(") {
            Some(_) => rest
                .strip_suffix(", f_q)")?
                .split_once("), ")
                .map(|(a, b)| (format!("{a})"), b))?,
            None => (a.to_string(), b),
        };
        Some((a, b.to_string()))
    };
    let simple = if let Some((a, b)) = value.strip_prefix("mulmod(").and_then(parts) {
        match (a.as_str(), b.as_str()) {
            ("0", _) | (_, "0") => Some("0".to_string()),
            ("1", _) => Some(b),
            (_, "1") => Some(a),
            _ => None,
        }
    } else if let Some((a, b)) = value.strip_prefix("addmod(").and_then(parts) {
        match (a.as_str(), b.as_str()) {
            ("0", _) => Some(b),
            (_, "0") => Some(a),
            _ => None,
        }
    } else {
        None
    };
    match simple {
        Some(simple) if balanced(&simple) => format!("mstore({at:#x}, {simple})"),
        _ => line.to_string(),
    }
}

/// Whether each parenthesis closes within the text: it is a whole expression.
fn balanced(text: &str) -> bool {
    let mut depth = 0i32;
    text.chars().all(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth >= 0
    }) && depth == 0
}

/// Reads an original where its copy was read, if neither changes.
fn copies(lines: Vec<String>) -> Vec<String> {
    let stores = store_lines(&lines);
    let hidden = hidden_regions(&lines);
    let fixed = |at: usize| {
        let once = stores.get(&at).is_none_or(|lines| lines.len() == 1);
        once && !hidden.iter().any(|(from, to)| (*from..*to).contains(&at))
    };
    // What was read from calldata and hashed is in such a region and never changes again.
    let unchanged = |at: usize| stores.get(&at).is_none_or(|lines| lines.len() == 1);
    let mut originals: HashMap<usize, String> = HashMap::new();
    let mut out = Vec::with_capacity(lines.len());
    for line in &lines {
        let mut text = line.clone();
        for at in loads(line) {
            if let Some(original) = originals.get(&at) {
                text = text.replace(&format!("mload({at:#x})"), original);
            }
        }
        if let Some((at, value)) = store(&text) {
            let constant = value == "0" || value == "1";
            if fixed(at) && (constant || load(value).is_some_and(unchanged)) {
                originals.insert(at, value.to_string());
                continue;
            }
        }
        out.push(text);
    }
    // A copy that became plain can make another plain.
    if originals.is_empty() {
        out
    } else {
        copies(out.iter().map(|line| neutral(line)).collect())
    }
}

/// Leaves out results that nothing reads.
fn prune(mut lines: Vec<String>) -> Vec<String> {
    loop {
        let used = uses(&lines);
        let hidden = hidden_regions(&lines);
        let before = lines.len();
        lines.retain(|line| {
            let Some((at, value)) = store(line).filter(|(_, value)| value.contains("f_q")) else {
                return true;
            };
            let read = hidden.iter().any(|(from, to)| (*from..*to).contains(&at));
            read || used.contains_key(&at) || value == "f_q"
        });
        if lines.len() == before {
            return lines;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimise::text::lines;

    #[test]
    fn a_sum_becomes_an_expression() {
        let text = lines(
            "{
             let result := mulmod(mload(0x80), 3, f_q)
             result := addmod(mload(0xa0), result, f_q)
             mstore(256, result)
             }",
        );
        let expected = ["mstore(0x100, addmod(mload(0xa0), mulmod(mload(0x80), 3, f_q), f_q))"];
        assert_eq!(sums(text), expected);
        // Too deep for the stack.
        let mut long = vec!["{".to_string(), "let result := mload(0x80)".to_string()];
        long.extend(vec![
            "result := addmod(mload(0xa0), result, f_q)".to_string();
            20
        ]);
        long.extend(["mstore(256, result)".to_string(), "}".to_string()]);
        assert_eq!(sums(long.clone()), long);
    }

    /// z' at 0x80, z at 0xa0, t at 0xc0; w is 5.
    fn weight_of(constant: u64) -> Vec<String> {
        lines(&format!(
            "mstore(0x100, mulmod(mload(0xa0), 5, f_q))
             mstore(0x120, addmod(mload(0x80), sub(f_q, mload(0x100)), f_q))
             mstore(0xc0, mulmod(7, mload(0xa0), f_q))
             mstore(0x140, mulmod(mload(0xc0), {constant}, f_q))
             mstore(0x160, addmod(mulmod(mload(0xa0), sub(f_q, mload(0x140)), f_q), mulmod(mload(0x80), mload(0xc0), f_q), f_q))"
        ))
    }

    #[test]
    fn a_known_difference_is_used_again() {
        let out = differences(weight_of(5));
        assert_eq!(
            out[4],
            "mstore(0x160, mulmod(mload(0xc0), mload(0x120), f_q))"
        );
        assert_eq!(out[..4], weight_of(5)[..4]);
        assert_eq!(differences(weight_of(6)), weight_of(6));
        // The difference is overwritten.
        let mut text = weight_of(5);
        text.insert(4, "mstore(0x120, 1)".to_string());
        assert_eq!(differences(text.clone()), text);
    }

    #[test]
    fn ones_and_zeros_have_no_effect() {
        for (from, to) in [
            ("mulmod(mload(0x80), 1, f_q)", "mload(0x80)"),
            ("mulmod(1, mload(0x80), f_q)", "mload(0x80)"),
            (
                "mulmod(sub(f_q, mload(0x80)), 1, f_q)",
                "sub(f_q, mload(0x80))",
            ),
            ("addmod(0, mload(0x80), f_q)", "mload(0x80)"),
            ("mulmod(mload(0x80), 0, f_q)", "0"),
            (
                "mulmod(mload(0x80), 10, f_q)",
                "mulmod(mload(0x80), 10, f_q)",
            ),
            ("addmod(1, mload(0x80), f_q)", "addmod(1, mload(0x80), f_q)"),
            (
                "mulmod(addmod(mload(0x80), 3, f_q), 1, f_q)",
                "mulmod(addmod(mload(0x80), 3, f_q), 1, f_q)",
            ),
        ] {
            let line = format!("mstore(0x100, {from})");
            assert_eq!(neutral(&line), format!("mstore(0x100, {to})"));
        }
    }

    #[test]
    fn copies_are_not_made_unless_one_of_the_two_changes() {
        let text = "mstore(0x100, mload(0x80))
                    mstore(0x120, addmod(mload(0x100), 1, f_q))";
        assert_eq!(
            copies(lines(text)),
            ["mstore(0x120, addmod(mload(0x80), 1, f_q))"]
        );
        for other in [
            "mstore(0x100, 5)",
            "mstore(0x80, 5)\nmstore(0x80, 6)",
            "success := and(eq(staticcall(gas(), 0x7, 0x100, 0x60, 0x200, 0x40), 1), success)",
        ] {
            let text = lines(&format!("{text}\n{other}"));
            assert_eq!(copies(text.clone()), text);
        }
    }

    #[test]
    fn results_that_nothing_reads_are_left_out() {
        let text = lines(
            "mstore(0x100, mulmod(mload(0x80), 3, f_q))
             mstore(0x120, mulmod(mload(0x100), 3, f_q))
             mstore(0x140, mulmod(mload(0x80), 3, f_q))
             mstore(0x160, keccak256(0x140, 0x20))",
        );
        assert_eq!(prune(text.clone()), text[2..]);
    }
}
