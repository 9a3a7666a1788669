//! The generator's lines read one by one: what must be there, and the checks that it lacks.

use super::{expect, CodegenError, Failure};
use crate::{calldata::Layout, optimise::number};

/// The lines of the assembly's constants and functions, and of the verification itself, without what
/// stands around them.
pub(super) fn entry<'a>(
    lines: &'a [&'a str],
) -> Result<(&'a [&'a str], &'a [&'a str]), CodegenError> {
    const BEFORE: [&str; 10] = [
        "// SPDX-License-Identifier: MIT",
        "pragma solidity 0.8.19;",
        "contract Halo2Verifier {",
        "fallback(bytes calldata) external returns (bytes memory) {",
        "assembly (\"memory-safe\") {",
        "// Enforce that Solidity memory layout is respected",
        "let data := mload(0x40)",
        "if iszero(eq(data, 0x80)) {",
        "revert(0, 0)",
        "}",
    ];
    const AFTER: [&str; 7] = [
        "// Revert if anything fails",
        "if iszero(success) { revert(0, 0) }",
        "// Return empty bytes on success",
        "return(0, 0)",
        "}",
        "}",
        "}",
    ];
    let matching = |found: &[&str], known: &[&str]| {
        let pairs = found.iter().zip(known);
        pairs.filter(|(found, known)| found == known).count()
    };
    let inner = lines.len().saturating_sub(BEFORE.len() + AFTER.len());
    let (before, rest) = lines.split_at(BEFORE.len().min(lines.len()));
    let (inner, after) = rest.split_at(inner.min(rest.len()));
    expect(
        "lines at the start",
        BEFORE.len(),
        matching(before, &BEFORE),
    )?;
    expect("lines at the end", AFTER.len(), matching(after, &AFTER))?;
    let first = inner
        .iter()
        .position(|line| line.contains("calldataload("))
        .unwrap_or(0);
    // A point is read in a block of its own, a scalar is not.
    let first = match first.checked_sub(1).and_then(|at| inner.get(at)) {
        Some(&"{") => first - 1,
        _ => first,
    };
    Ok(inner.split_at(first))
}

/// What was rewritten, to be compared with what the verifying key says.
#[derive(Default)]
struct Count {
    scalars: usize,
    points: usize,
    pairings: usize,
    reductions: usize,
    /// Bytes of calldata read, in order and without a gap.
    bytes: usize,
}

impl Count {
    fn check(&self, layout: Layout, accumulators: usize) -> Result<(), CodegenError> {
        let scalars = layout.instances + layout.evaluations;
        expect("scalars read from calldata", scalars, self.scalars)?;
        // An accumulator is two points.
        let points = layout.points + 2 * accumulators;
        expect("points that are checked", points, self.points)?;
        expect("bytes read from calldata", layout.bytes(), self.bytes)?;
        expect("pairings", 1, self.pairings)?;
        expect("reductions of calldata", 0, self.reductions)
    }
}

/// How each point is checked.
const POINT_CHECK: &str = "success := and(validate_ec_point(x, y), success)";

/// What a stretch of calldata has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Read {
    Scalars,
    Points,
}

/// A stretch of calldata that is copied to memory and checked there.
struct Run {
    what: Read,
    /// Address.
    to: usize,
    /// Offset in calldata.
    from: usize,
    /// Bytes.
    length: usize,
}

impl Run {
    /// The run with the next one at its end, if the two are one.
    fn extended(&self, next: &Run) -> Option<Run> {
        let adjacent = (self.to + self.length, self.from + self.length) == (next.to, next.from);
        (self.what == next.what && adjacent).then_some(Run {
            length: self.length + next.length,
            ..*self
        })
    }

    fn code(&self) -> Vec<String> {
        let (mut start, end) = (self.to, self.to + self.length);
        let mut out = vec![format!(
            "calldatacopy({:#x}, {:#x}, {:#x})",
            self.to, self.from, self.length
        )];
        let function = match self.what {
            Read::Points => "points",
            Read::Scalars => {
                // The loop takes four at a time.
                while (end - start) % 0x80 != 0 {
                    out.push(format!(
                        "success := and(lt(mload({start:#x}), f_q), success)"
                    ));
                    start += 0x20;
                }
                "scalars"
            }
        };
        if start < end {
            out.push(format!(
                "success := and({function}({start:#x}, {end:#x}), success)"
            ));
        }
        out
    }
}

/// The functions that check runs, in memory from one address to another.
pub(super) const FUNCTIONS: &str = "\
// Whether all scalars are below the order; there is a multiple of four.
function scalars(from, to) -> valid {
let order := 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001
valid := 1
for { } lt(from, to) { from := add(from, 0x80) } {
let first := and(lt(mload(from), order), lt(mload(add(from, 0x20)), order))
let second := and(lt(mload(add(from, 0x40)), order), lt(mload(add(from, 0x60)), order))
valid := and(valid, and(first, second))
}
}
// Whether all points have coordinates below p and lie on the curve, y² = x³ + 3; (0, 0) does not.
function points(from, to) -> valid {
let p := 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47
valid := 1
for { } lt(from, to) { from := add(from, 0x40) } {
let x := mload(from)
let y := mload(add(from, 0x20))
valid := and(valid, and(lt(x, p), lt(y, p)))
valid := and(valid, eq(mulmod(y, y, p), addmod(mulmod(x, mulmod(x, x, p), p), 3, p)))
}
}";

/// The read at the start of the lines, and how many lines it takes.
fn read(lines: &[&str]) -> Option<(Run, usize)> {
    if let Some((to, from)) = lines.first().and_then(|line| scalar_load(line)) {
        let run = Run {
            what: Read::Scalars,
            to: number(to)?,
            from: number(from)?,
            length: 0x20,
        };
        return Some((run, 1));
    }
    let [open, x, store_x, y, store_y, check, close] = lines.first_chunk::<7>()?;
    let offset = |line: &str, name| {
        let rest = line.strip_prefix(&format!("let {name} := calldataload("))?;
        number(rest.strip_suffix(')')?)
    };
    let address = |line: &str, name| {
        let rest = line.strip_prefix("mstore(")?;
        number(rest.strip_suffix(&format!(", {name})"))?)
    };
    let (from, to) = (offset(x, "x")?, address(store_x, "x")?);
    let whole = offset(y, "y")? == from + 0x20 && address(store_y, "y")? == to + 0x20;
    let block = (*open, *check, *close) == ("{", POINT_CHECK, "}");
    let run = Run {
        what: Read::Points,
        to,
        from,
        length: 0x40,
    };
    (whole && block).then_some((run, 7))
}

/// The verification with the checks that it lacks and its verdict.
pub(super) fn complete(
    lines: &[&str],
    layout: Layout,
    accumulators: usize,
) -> Result<Vec<String>, CodegenError> {
    let mut count = Count::default();
    let mut out: Vec<String> = Vec::with_capacity(lines.len());
    let mut checked = 0;
    let mut pending: Option<Run> = None;
    let mut rest = lines;
    while let Some(line) = rest.first() {
        let next = read(rest);
        let taken = next.as_ref().map_or(1, |(_, taken)| *taken);
        rest = rest.get(taken..).unwrap_or_default();
        if let Some((run, _)) = next {
            match run.what {
                Read::Scalars => count.scalars += 1,
                Read::Points => count.points += 1,
            }
            if run.from == count.bytes {
                count.bytes += run.length;
            }
            pending = match pending.as_ref().map(|before| before.extended(&run)) {
                Some(Some(longer)) => Some(longer),
                _ => {
                    out.extend(pending.iter().flat_map(Run::code));
                    Some(run)
                }
            };
            continue;
        }
        if let Some(run) = pending.take() {
            out.extend(run.code());
            checked = out.len();
        }
        if let Some(result) = pairing_result(line) {
            count.pairings += 1;
            out.push(format!("let paired := eq(mload({result}), 1)"));
        } else {
            count.reductions += line.matches("mod(calldataload(").count();
            out.push(line.to_string());
            if *line == POINT_CHECK {
                count.points += 1;
                // Its block ends with the next line.
                checked = out.len() + 1;
            }
        }
    }
    count.check(layout, accumulators)?;
    let checked = checked.min(out.len());
    let fail_unless =
        |what: &str, failure: Failure| format!("if iszero({what}) {{\n{}\n}}", failure.revert());
    let mut body = out.split_off(checked);
    let malformed = fail_unless("success", Failure::Malformed);
    out.extend(malformed.lines().map(str::to_string));
    out.append(&mut body);
    let end = [
        fail_unless("success", Failure::Precompile),
        fail_unless("paired", Failure::Invalid),
        "mstore(0, 1)\nreturn(0, 0x20)".to_string(),
    ];
    out.extend(end.iter().flat_map(|text| text.lines()).map(str::to_string));
    Ok(out)
}

/// The address in `success := and(eq(mload(A), 1), success)`.
fn pairing_result(line: &str) -> Option<&str> {
    line.strip_prefix("success := and(eq(mload(")?
        .strip_suffix("), 1), success)")
}

/// Memory address and calldata offset of `mstore(A, mod(calldataload(B), f_q))`.
fn scalar_load(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix("mstore(")?.strip_suffix("), f_q))")?;
    rest.split_once(", mod(calldataload(")
}
