//! The generator's lines read one by one: what must be there, and the checks that it lacks.

use super::{
    expect,
    runs::{read, Read, Run, POINT_CHECK},
    CodegenError, Failure,
};
use crate::calldata::Layout;

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
            // An account without code succeeds and returns nothing.
            out.push(format!(
                "let paired := and(eq(returndatasize(), 0x20), eq(mload({result}), 1))"
            ));
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
