//! What each instruction reads and writes of memory.

use super::{Expr, NotUnderstood, Op, Statement};

/// Memory that an instruction reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Its first byte.
    pub at: usize,
    /// Bytes.
    pub length: usize,
    /// Whether it is written.
    pub write: bool,
    /// The instruction.
    pub op: Op,
}

/// How long an access is.
#[derive(Clone, Copy)]
enum Length {
    /// So many bytes.
    Bytes(usize),
    /// As many bytes as that argument says.
    Argument(usize),
    /// Up to the address that is that argument.
    Until(usize),
}

/// Each access of an instruction in the order in which it happens: whether it writes, which argument is the address,
/// and the length.
const fn places(op: Op) -> &'static [(bool, usize, Length)] {
    use Length::{Argument, Bytes, Until};
    match op {
        Op::MLoad => &[(false, 0, Bytes(0x20))],
        Op::MStore => &[(true, 0, Bytes(0x20))],
        Op::MStore8 => &[(true, 0, Bytes(1))],
        Op::Keccak256 | Op::Return | Op::Revert => &[(false, 0, Argument(1))],
        Op::CallDataCopy => &[(true, 0, Argument(2))],
        Op::StaticCall => &[(false, 2, Argument(3)), (true, 4, Argument(5))],
        Op::Points | Op::Scalars => &[(false, 0, Until(1))],
        Op::Add
        | Op::AddMod
        | Op::And
        | Op::CallDataLoad
        | Op::CallDataSize
        | Op::Eq
        | Op::Gas
        | Op::IsZero
        | Op::Lt
        | Op::Mod
        | Op::MulMod
        | Op::ReturnDataSize
        | Op::Shl
        | Op::Sub
        | Op::ValidatePoint => &[],
    }
}

/// Beyond this no verifier's memory reaches.
const MAX_ADDRESS: usize = 1 << 24;

/// What an instruction with these arguments accesses, not counting its arguments' own accesses.
///
/// # Errors
/// If an address or a length is no constant.
fn of(op: Op, arguments: &[Expr]) -> Result<Vec<Access>, NotUnderstood> {
    let number = |argument: usize| {
        let value = arguments.get(argument).and_then(Expr::as_usize);
        value.filter(|value| *value <= MAX_ADDRESS).ok_or_else(|| {
            let call = Expr::Call(op, arguments.to_vec());
            NotUnderstood::new("an address of memory that is not a small constant", &call)
        })
    };
    let access = |&(write, address, length): &(bool, usize, Length)| {
        let at = number(address)?;
        let length = match length {
            Length::Bytes(length) => length,
            Length::Argument(argument) => number(argument)?,
            Length::Until(argument) => number(argument)?.checked_sub(at).ok_or_else(|| {
                let call = Expr::Call(op, arguments.to_vec());
                NotUnderstood::new("memory that ends before it starts", &call)
            })?,
        };
        Ok(Access {
            at,
            length,
            write,
            op,
        })
    };
    places(op).iter().map(access).collect()
}

/// All accesses of a statement, without those in its blocks, in an order in which they may happen: arguments first.
///
/// # Errors
/// If an address or a length is no constant.
pub fn of_statement(statement: &Statement) -> Result<Vec<Access>, NotUnderstood> {
    fn inner(expr: &Expr, out: &mut Vec<Access>) -> Result<(), NotUnderstood> {
        if let Expr::Call(op, arguments) = expr {
            // The EVM computes the last argument first.
            for argument in arguments.iter().rev() {
                inner(argument, out)?;
            }
            out.extend(of(*op, arguments)?);
        }
        Ok(())
    }
    let mut out = Vec::new();
    for expr in statement.expressions().into_iter().rev() {
        inner(expr, &mut out)?;
    }
    if let Statement::Do(op, arguments) = statement {
        out.extend(of(*op, arguments)?);
    }
    Ok(out)
}

/// Moves all that a statement accesses, what is in its blocks too.
pub fn relocate(statement: &mut Statement, moved: &impl Fn(usize) -> usize) {
    fn arguments(op: Op, arguments: &mut [Expr], moved: &impl Fn(usize) -> usize) {
        for (_, address, length) in places(op) {
            let at = arguments.get(*address).and_then(Expr::as_usize);
            let Some(at) = at else { continue };
            if let Length::Until(end) = length {
                // The end is not in the region; it moves with the start.
                if let Some(to) = arguments.get_mut(*end) {
                    let length = to.as_usize().unwrap_or(at).saturating_sub(at);
                    *to = Expr::number(moved(at).saturating_add(length));
                }
            }
            if let Some(argument) = arguments.get_mut(*address) {
                *argument = Expr::number(moved(at));
            }
        }
    }
    fn inner(expr: &mut Expr, moved: &impl Fn(usize) -> usize) {
        if let Expr::Call(op, parts) = expr {
            parts.iter_mut().for_each(|part| inner(part, moved));
            arguments(*op, parts, moved);
        }
    }
    for expr in statement.expressions_mut() {
        inner(expr, moved);
    }
    if let Statement::Do(op, parts) = statement {
        arguments(*op, parts, moved);
    }
    for block in statement.blocks_mut() {
        for statement in block {
            relocate(statement, moved);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yul::parse;

    fn accesses(text: &str) -> Result<Vec<(usize, usize, bool)>, NotUnderstood> {
        let statements = parse(text)?;
        let all = of_statement(&statements[0])?;
        Ok(all.iter().map(|a| (a.at, a.length, a.write)).collect())
    }

    #[test]
    fn every_access_is_seen() {
        for (text, expected) in [
            (
                "mstore(0x80, mload(0x20))",
                vec![(0x20, 32, false), (0x80, 32, true)],
            ),
            ("mstore8(0x80, 1)", vec![(0x80, 1, true)]),
            ("x := keccak256(0x80, 33)", vec![(0x80, 33, false)]),
            (
                "success := and(eq(staticcall(gas(), 0x7, 0x300, 0x60, 0x400, 0x40), 1), success)",
                vec![(0x300, 0x60, false), (0x400, 0x40, true)],
            ),
            (
                "success := and(points(0x80, 0x100), success)",
                vec![(0x80, 0x80, false)],
            ),
            ("calldatacopy(0x80, 0, 0x40)", vec![(0x80, 0x40, true)]),
            ("return(0, 0x20)", vec![(0, 0x20, false)]),
            ("revert(28, 4)", vec![(28, 4, false)]),
        ] {
            assert_eq!(accesses(text).unwrap(), expected, "{text}");
        }
        for bad in [
            "mstore(add(x, 0x20), 1)",
            "x := keccak256(0x80, y)",
            "success := and(points(0x80, 0x60), success)",
            "mstore(0x80, mload(x))",
        ] {
            assert!(accesses(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_access_is_moved() {
        let text = "mstore(0x80, mload(0x80))
            mstore8(0x80, keccak256(0x80, 0x20))
            calldatacopy(0x80, 0x80, 0x80)
            success := and(scalars(0x80, 0x100), success)
            success := and(eq(staticcall(0x80, 0x80, 0x80, 0x20, 0x80, 0x20), 1), success)";
        let expected = "mstore(0x200, mload(0x200))
            mstore8(0x200, keccak256(0x200, 0x20))
            calldatacopy(0x200, 0x80, 0x80)
            success := and(scalars(0x200, 0x280), success)
            success := and(eq(staticcall(0x80, 0x80, 0x200, 0x20, 0x200, 0x20), 1), success)";
        let mut block = [Statement::Block(parse(text).unwrap())];
        relocate(&mut block[0], &|at| if at == 0x80 { 0x200 } else { at });
        assert_eq!(block, [Statement::Block(parse(expected).unwrap())]);
    }
}
