//! Results that are used once, computed where they are used.

use super::text::{depths, hidden_regions, loads, store, store_lines, uses};
use std::collections::{HashMap, HashSet};

/// The most stack slots that an inlined expression may need: the EVM reaches 16, and a few are
/// taken by the variables around it.
pub(super) const MAX_STACK: usize = 10;

/// Computes each result that is used once where it is used.
pub(super) fn inline(lines: Vec<String>) -> Vec<String> {
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
pub(super) fn stack(value: &str) -> usize {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimise::text::lines;

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
}
