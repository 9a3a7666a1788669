//! The generator's statements read one by one: what must be there, and the checks that it lacks.

use super::{
    expect,
    runs::{checks_point, read, Read, Run},
    CodegenError, Failure,
};
use crate::{
    calldata::Layout,
    yul::{each, parse, Expr, NotUnderstood, Op, Statement},
};

/// The statements of the assembly's constants and functions, and of the verification itself, without what
/// stands around them.
pub(super) fn entry(lines: &[&str]) -> Result<(Vec<Statement>, Vec<Statement>), CodegenError> {
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
    let inner = lines
        .len()
        .saturating_sub(BEFORE.len())
        .saturating_sub(AFTER.len());
    let (before, rest) = lines.split_at(BEFORE.len().min(lines.len()));
    let (inner, after) = rest.split_at(inner.min(rest.len()));
    expect(
        "lines at the start",
        BEFORE.len(),
        matching(before, &BEFORE),
    )?;
    expect("lines at the end", AFTER.len(), matching(after, &AFTER))?;
    let mut statements = parse(&inner.join("\n"))?;
    let constant =
        |statement: &Statement| matches!(statement, Statement::Let(..) | Statement::Function(..));
    let first = statements.iter().position(|statement| !constant(statement));
    let body = statements.split_off(first.unwrap_or(statements.len()));
    Ok((statements, body))
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
        let scalars = layout.instances.saturating_add(layout.evaluations);
        expect("scalars read from calldata", scalars, self.scalars)?;
        // An accumulator is two points.
        let points = layout.points.saturating_add(accumulators.saturating_mul(2));
        expect("points that are checked", points, self.points)?;
        expect("bytes read from calldata", layout.bytes(), self.bytes)?;
        expect("pairings", 1, self.pairings)?;
        expect("reductions of calldata", 0, self.reductions)
    }
}

/// The verification with the checks that it lacks and its verdict.
pub(super) fn complete(
    statements: &[Statement],
    layout: Layout,
    accumulators: usize,
) -> Result<Vec<Statement>, CodegenError> {
    let mut count = Count::default();
    let mut out: Vec<Statement> = Vec::with_capacity(statements.len());
    let mut checked = 0;
    let mut pending: Option<Run> = None;
    for statement in statements {
        if let Some(run) = read(statement) {
            let of = match run.what {
                Read::Scalars => &mut count.scalars,
                Read::Points => &mut count.points,
            };
            *of = of.saturating_add(1);
            if run.from == count.bytes {
                count.bytes = count.bytes.saturating_add(run.length);
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
        if let Some(result) = pairing_result(statement) {
            count.pairings = count.pairings.saturating_add(1);
            // An account without code succeeds and returns nothing.
            out.extend(parse(&format!(
                "let paired := and(eq(returndatasize(), 0x20), eq(mload({result:#x}), 1))"
            ))?);
            continue;
        }
        let mut points = 0usize;
        each(std::slice::from_ref(statement), &mut |inner, _| {
            points = points.saturating_add(usize::from(checks_point(inner)));
            let from_calldata = |part: &Expr| matches!(part, Expr::Call(Op::CallDataLoad, _));
            let reads = inner
                .expressions()
                .iter()
                .any(|expr| expr.any(from_calldata));
            count.reductions = count.reductions.saturating_add(usize::from(reads));
        });
        out.push(statement.clone());
        if points > 0 {
            count.points = count.points.saturating_add(points);
            checked = out.len();
        }
    }
    count.check(layout, accumulators)?;
    let mut body = out.split_off(checked);
    out.extend(fail_unless("success", Failure::Malformed)?);
    out.append(&mut body);
    out.extend(fail_unless("success", Failure::Precompile)?);
    out.extend(fail_unless("paired", Failure::Invalid)?);
    out.extend(parse("mstore(0, 1) return(0, 0x20)")?);
    Ok(out)
}

/// Reverts unless a variable is true.
fn fail_unless(variable: &str, failure: Failure) -> Result<Vec<Statement>, NotUnderstood> {
    parse(&format!("if iszero({variable}) {{ {} }}", failure.revert()))
}

/// The address in `success := and(eq(mload(A), 1), success)`.
fn pairing_result(statement: &Statement) -> Option<usize> {
    let Statement::Set(_, Expr::Call(Op::And, both)) = statement else {
        return None;
    };
    let [Expr::Call(Op::Eq, sides), Expr::Name(_)] = &both[..] else {
        return None;
    };
    sides.first()?.loaded()
}
