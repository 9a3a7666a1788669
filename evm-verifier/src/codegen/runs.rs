//! Stretches of calldata, copied to memory and checked there by two functions.
//!
//! snark-verifier reads word by word, with code for each. What it reads one after another, to places one after
//! another, is one stretch here.

use crate::optimise::number;

/// How each point is checked.
pub(super) const POINT_CHECK: &str = "success := and(validate_ec_point(x, y), success)";

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
        let adjacent = (self.to + self.length, self.from + self.length) == (next.to, next.from);
        (self.what == next.what && adjacent).then_some(Run {
            length: self.length + next.length,
            ..*self
        })
    }

    pub(super) fn code(&self) -> Vec<String> {
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
pub(super) fn read(lines: &[&str]) -> Option<(Run, usize)> {
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

/// Memory address and calldata offset of `mstore(A, mod(calldataload(B), f_q))`.
fn scalar_load(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix("mstore(")?.strip_suffix("), f_q))")?;
    rest.split_once(", mod(calldataload(")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalar_loads_are_recognised() {
        let line = "mstore(0xa0, mod(calldataload(0x20), f_q))";
        assert_eq!(scalar_load(line), Some(("0xa0", "0x20")));
        assert_eq!(scalar_load("mstore(0xa0, mod(mload(0x20), f_q))"), None);
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
            [
                "calldatacopy(0x80, 0x40, 0xa0)",
                "success := and(lt(mload(0x80), f_q), success)",
                "success := and(scalars(0xa0, 0x120), success)",
            ]
        );
        assert_eq!(run(0x60).code().len(), 4);
        assert_eq!(
            run(0x80).code()[1..],
            ["success := and(scalars(0x80, 0x100), success)"]
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
