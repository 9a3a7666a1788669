//! One modular exponentiation in place of two, since each costs as much as 200 multiplications.
//!
//! 1/a and 1/b are b·(1/ab) and a·(1/ab). What b is computed from is moved to before the first inversion; where
//! anything in between could tell the difference, all stays as it is.

use super::text::{call, load, loads, store, Call};
use std::collections::HashSet;

/// Lines that store the input of an exponentiation: three lengths, base, exponent, modulus.
const INPUTS: usize = 6;

/// Joins the second inversion with the first.
pub(super) fn join(lines: Vec<String>) -> Vec<String> {
    joined(&lines).unwrap_or(lines)
}

/// An exponentiation: the line of its call, its base, and where its result is.
struct Inversion {
    line: usize,
    base: String,
    output: usize,
}

impl Inversion {
    fn at(lines: &[String], line: usize) -> Option<Self> {
        let Call {
            precompile: 5,
            input: (from, _),
            output: (output, _),
        } = call(lines.get(line)?)?
        else {
            return None;
        };
        let inputs = lines.get(line.checked_sub(INPUTS)?..line)?;
        let values: Vec<&str> = (0..)
            .zip(inputs)
            .map_while(|(i, input)| {
                let (at, value) = store(input)?;
                (at == from + 0x20 * i).then_some(value)
            })
            .collect();
        let base = match values[..] {
            [_, _, _, base, _, _] => base.to_string(),
            _ => return None,
        };
        Some(Self { line, base, output })
    }
}

/// A line, or a block, and the addresses that it reads and writes.
struct Unit<'a> {
    lines: &'a [String],
    reads: HashSet<usize>,
    writes: HashSet<usize>,
}

/// The units of some lines; none if one of them does more than reading and writing words.
fn units(mut lines: &[String]) -> Option<Vec<Unit<'_>>> {
    let mut units = Vec::new();
    while let Some(first) = lines.first() {
        let length = match first.as_str() {
            "{" => 1 + lines.iter().position(|line| line == "}")?,
            _ => 1,
        };
        let (unit, rest) = lines.split_at_checked(length)?;
        let words = |line: &String| {
            let known = ["{", "}", "let ", "prod :=", "inv :=", "v :=", "result :="];
            store(line).is_some() || known.iter().any(|start| line.starts_with(start))
        };
        if !unit.iter().all(words) || unit.iter().any(|line| line.contains("call")) {
            return None;
        }
        units.push(Unit {
            lines: unit,
            reads: unit.iter().flat_map(|line| loads(line)).collect(),
            writes: unit
                .iter()
                .filter_map(|line| Some(store(line)?.0))
                .collect(),
        });
        lines = rest;
    }
    Some(units)
}

fn joined(lines: &[String]) -> Option<Vec<String>> {
    let mut found = (0..lines.len()).filter_map(|line| Inversion::at(lines, line));
    let (first, second) = (found.next()?, found.next()?);
    let factor = load(&second.base)?;
    let between = lines.get(first.line + 1..second.line - INPUTS)?;
    let inputs = lines.get(first.line - INPUTS..first.line)?;
    let mut needed = HashSet::from([factor]);
    let (mut moved, mut staying): (Vec<Unit>, Vec<Unit>) = (Vec::new(), Vec::new());
    let free = |before: &Unit, moved: &[Unit]| {
        moved.iter().all(|unit| {
            before.writes.is_disjoint(&unit.reads)
                && before.writes.is_disjoint(&unit.writes)
                && before.reads.is_disjoint(&unit.writes)
        })
    };
    for unit in units(between)?.into_iter().rev() {
        if !unit.writes.is_disjoint(&needed) {
            needed.extend(&unit.reads);
            moved.push(unit);
        } else if free(&unit, &moved) {
            staying.push(unit);
        } else {
            return None;
        }
    }
    let inputs_stay = units(inputs)?.iter().all(|unit| free(unit, &moved));
    if !inputs_stay || needed.contains(&first.output) {
        return None;
    }
    let mut out = lines.get(..first.line - INPUTS)?.to_vec();
    out.extend(moved.iter().rev().flat_map(|unit| unit.lines).cloned());
    for (i, line) in inputs.iter().enumerate() {
        out.push(match store(line) {
            Some((at, base)) if i == 3 => {
                format!("mstore({at:#x}, mulmod({base}, mload({factor:#x}), f_q))")
            }
            _ => line.clone(),
        });
    }
    out.push(lines.get(first.line)?.clone());
    let apart = format!(
        "{{\n\
         let both := mload({:#x})\n\
         mstore({:#x}, mulmod(both, mload({factor:#x}), f_q))\n\
         mstore({:#x}, mulmod(both, {}, f_q))\n\
         }}",
        first.output, first.output, second.output, first.base
    );
    out.extend(apart.lines().map(str::to_string));
    out.extend(staying.iter().rev().flat_map(|unit| unit.lines).cloned());
    out.extend_from_slice(lines.get(second.line + 1..)?);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimise::text::lines;

    fn inversion(base: &str, input: usize, output: usize) -> String {
        let value = |i| if i == 3 { base } else { "32" };
        let stores: String = (0..6)
            .map(|i| format!("mstore({:#x}, {})\n", input + 0x20 * i, value(i)))
            .collect();
        format!("{stores}success := and(eq(staticcall(gas(), 0x5, {input:#x}, 0xc0, {output:#x}, 0x20), 1), success)\n")
    }

    #[test]
    fn two_inversions_become_one() {
        let between = "mstore(0x700, addmod(mload(0x2c0), 1, f_q))\nmstore(0x720, mulmod(mload(0x80), 3, f_q))\n";
        let text = inversion("mload(0x100)", 0x200, 0x2c0)
            + between
            + &inversion("mload(0x720)", 0x800, 0x8c0)
            + "mstore(0x900, mload(0x8c0))";
        let out = join(lines(&text));
        assert_eq!(out.iter().filter(|line| call(line).is_some()).count(), 1);
        assert_eq!(out[0], "mstore(0x720, mulmod(mload(0x80), 3, f_q))");
        assert_eq!(
            out[4],
            "mstore(0x260, mulmod(mload(0x100), mload(0x720), f_q))"
        );
        let end = "mstore(0x2c0, mulmod(both, mload(0x720), f_q))
                   mstore(0x8c0, mulmod(both, mload(0x100), f_q))
                   }
                   mstore(0x700, addmod(mload(0x2c0), 1, f_q))
                   mstore(0x900, mload(0x8c0))";
        assert_eq!(out[out.len() - 5..], lines(end));
    }

    #[test]
    fn what_depends_on_the_first_inversion_is_not_joined_with_it() {
        for between in [
            "mstore(0x720, mulmod(mload(0x2c0), 3, f_q))\n",
            "mstore(0x700, mulmod(mload(0x2c0), 3, f_q))\nmstore(0x720, mload(0x700))\n",
            "success := and(eq(staticcall(gas(), 0x6, 0x700, 0x80, 0x700, 0x40), 1), success)\n",
        ] {
            let text = inversion("mload(0x100)", 0x200, 0x2c0)
                + between
                + &inversion("mload(0x720)", 0x800, 0x8c0);
            assert_eq!(join(lines(&text)), lines(&text));
        }
    }
}
