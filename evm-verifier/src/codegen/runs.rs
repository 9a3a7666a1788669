//! Stretches of calldata, copied to memory and checked there by two functions.
//!
//! snark-verifier reads word by word, with code for each. What it reads one after another, to places one after
//! another, is one stretch here.

use crate::{
    calldata::WORD,
    yul::{Expr, Op, Statement},
};

/// What a stretch of calldata has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    Scalars,
    Points,
}

/// A stretch of calldata that is copied to memory and checked there.
pub(super) struct Run {
    pub what: Read,
    /// Address.
    pub to: usize,
    /// Offset in calldata.
    pub from: usize,
    /// Bytes.
    pub length: usize,
}

impl Run {
    /// The run with the next one at its end, if the two are one.
    pub(super) fn extended(&self, next: &Run) -> Option<Run> {
        let ends = [self.to, self.from].map(|start| start.saturating_add(self.length));
        (self.what == next.what && ends == [next.to, next.from]).then_some(Run {
            length: self.length.saturating_add(next.length),
            ..*self
        })
    }

    pub(super) fn code(&self) -> Vec<Statement> {
        let (mut start, end) = (self.to, self.to.saturating_add(self.length));
        let stretch = [self.to, self.from, self.length].map(Expr::number);
        let mut out = vec![Statement::Do(Op::CallDataCopy, stretch.to_vec())];
        let function = match self.what {
            Read::Points => Op::Points,
            Read::Scalars => {
                // The loop takes four at a time.
                while end.saturating_sub(start) % 0x80 != 0 {
                    let below = Expr::Call(Op::Lt, vec![Expr::load(start), Expr::order()]);
                    out.push(also(below));
                    start = start.saturating_add(WORD);
                }
                Op::Scalars
            }
        };
        if start < end {
            let all = Expr::Call(function, [start, end].map(Expr::number).to_vec());
            out.push(also(all));
        }
        out
    }
}

/// `success := and(condition, success)`.
fn also(condition: Expr) -> Statement {
    let both = Expr::Call(Op::And, vec![condition, Expr::name("success")]);
    Statement::Set("success".to_string(), both)
}

/// Whether a statement is `success := and(validate_ec_point(x, y), success)`: how each point is checked.
pub(super) fn checks_point(statement: &Statement) -> bool {
    let coordinates = ["x", "y"].map(Expr::name).to_vec();
    *statement == also(Expr::Call(Op::ValidatePoint, coordinates))
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

/// The read that a statement is.
pub(super) fn read(statement: &Statement) -> Option<Run> {
    if let Some((to, value)) = statement.stored() {
        let Expr::Call(Op::Mod, arguments) = value else {
            return None;
        };
        let [word, modulus] = &arguments[..] else {
            return None;
        };
        return (*modulus == Expr::order()).then_some(Run {
            what: Read::Scalars,
            to,
            from: offset(word)?,
            length: 0x20,
        });
    }
    let Statement::Block(block) = statement else {
        return None;
    };
    let [Statement::Let(x, Some(from)), store_x, Statement::Let(y, Some(from_y)), store_y, check] =
        &block[..]
    else {
        return None;
    };
    let (from, (to, stored_x)) = (offset(from)?, store_x.stored()?);
    let (to_y, stored_y) = store_y.stored()?;
    let next = [from, to].map(|at| at.saturating_add(WORD));
    let whole = [offset(from_y)?, to_y] == next;
    let named = (x.as_str(), y.as_str()) == ("x", "y")
        && (stored_x, stored_y) == (&Expr::name("x"), &Expr::name("y"));
    (whole && named && checks_point(check)).then_some(Run {
        what: Read::Points,
        to,
        from,
        length: 0x40,
    })
}

/// The offset of `calldataload(OFFSET)`.
fn offset(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Call(Op::CallDataLoad, at) => at.first()?.as_usize(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yul::parse;

    #[test]
    fn reads_are_recognised() {
        let found = |text: &str| read(&parse(text).unwrap()[0]).map(|run| (run.to, run.from));
        let scalar = "mstore(0xa0, mod(calldataload(0x20), f_q))";
        assert_eq!(found(scalar), Some((0xa0, 0x20)));
        let point = "{ let x := calldataload(0x40) mstore(0x80, x)
            let y := calldataload(0x60) mstore(0xa0, y)
            success := and(validate_ec_point(x, y), success) }";
        assert_eq!(found(point), Some((0x80, 0x40)));
        for (text, from, to) in [
            (scalar, "calldataload", "mload"),
            (scalar, "f_q", "f_p"),
            (point, "0x60", "0x80"),
            (point, "0xa0, y", "0xa0, x"),
            (point, "0xa0", "0xc0"),
            (point, "(x, y)", "(y, x)"),
        ] {
            assert_eq!(found(&text.replace(from, to)), None, "{to}");
        }
    }

    fn run(length: usize) -> Run {
        Run {
            what: Read::Scalars,
            to: 0x80,
            from: 0x40,
            length,
        }
    }

    #[test]
    fn every_word_of_a_run_is_checked_once() {
        assert_eq!(
            run(0xa0).code(),
            parse(
                "calldatacopy(0x80, 0x40, 0xa0)
                 success := and(lt(mload(0x80), f_q), success)
                 success := and(scalars(0xa0, 0x120), success)",
            )
            .unwrap()
        );
        assert_eq!(run(0x60).code().len(), 4);
        assert_eq!(
            run(0x80).code()[1..],
            parse("success := and(scalars(0x80, 0x100), success)").unwrap()[..]
        );
    }

    #[test]
    fn only_what_follows_in_memory_and_calldata_extends_a_run() {
        let next = |what, to, from| Run {
            what,
            to,
            from,
            length: 0x20,
        };
        let extended = |next: Run| run(0x20).extended(&next).map(|run| run.length);
        assert_eq!(extended(next(Read::Scalars, 0xa0, 0x60)), Some(0x40));
        assert_eq!(extended(next(Read::Points, 0xa0, 0x60)), None);
        assert_eq!(extended(next(Read::Scalars, 0xc0, 0x60)), None);
        assert_eq!(extended(next(Read::Scalars, 0xa0, 0x80)), None);
    }
}
