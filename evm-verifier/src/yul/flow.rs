//! Which statement reads what which other wrote, in code that runs from the first line to the last.

use super::{access::of_statement, each, Access, NotUnderstood, Op, Statement};
use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

/// Who loads and stores each word.
#[derive(Default)]
pub struct Flow {
    /// How often each address is loaded.
    pub loads: HashMap<usize, usize>,
    /// The statements that write each word, by their number in [`each`]'s order.
    pub stores: HashMap<usize, Vec<usize>>,
    /// Memory that is accessed other than by a load or a store of a word.
    pub hidden: Vec<Range<usize>>,
}

impl Flow {
    /// Follows all statements.
    ///
    /// # Errors
    /// As [`accesses`].
    pub fn of(statements: &[Statement]) -> Result<Self, NotUnderstood> {
        let mut flow = Flow::default();
        let all = accesses(statements)?;
        let mut at = 0usize;
        each(statements, &mut |statement, _| {
            let expressions = statement.expressions();
            for expr in &expressions {
                expr.walk(&mut |part| {
                    if let Some(at) = part.loaded() {
                        let loads: &mut usize = flow.loads.entry(at).or_insert(0);
                        *loads = loads.saturating_add(1);
                    }
                });
            }
            for access in all.get(at).into_iter().flatten() {
                if access.write {
                    for word in access.words() {
                        flow.stores.entry(word).or_default().push(at);
                    }
                }
                if !matches!(access.op, Op::MLoad | Op::MStore) {
                    flow.hidden.push(access.bytes());
                }
            }
            at = at.saturating_add(1);
        });
        Ok(flow)
    }

    /// Whether something but a load or a store of a word accesses it.
    pub fn is_hidden(&self, at: usize) -> bool {
        self.hidden.iter().any(|region| region.contains(&at))
    }

    /// How often a word is written.
    pub fn written(&self, at: usize) -> usize {
        self.stores.get(&at).map_or(0, Vec::len)
    }
}

impl Access {
    /// Its bytes.
    pub fn bytes(&self) -> Range<usize> {
        self.at..self.at.saturating_add(self.length)
    }

    /// The words that it touches, by their addresses.
    pub fn words(&self) -> impl Iterator<Item = usize> {
        self.bytes().step_by(0x20)
    }
}

/// The accesses of each statement, in the order of [`each`]; of what fails, none, since nothing comes after it.
///
/// # Errors
/// If an address is no constant, a loop accesses memory, or a branch goes on.
pub fn accesses(statements: &[Statement]) -> Result<Vec<Vec<Access>>, NotUnderstood> {
    fn inner(
        statements: &[Statement],
        leaving: bool,
        out: &mut Vec<Vec<Access>>,
    ) -> Result<(), NotUnderstood> {
        for statement in statements {
            let here = of_statement(statement)?;
            out.push(if leaving { vec![] } else { here });
            match statement {
                Statement::Block(block) => inner(block, leaving, out)?,
                Statement::If(_, block) => {
                    if !matches!(block.last(), Some(Statement::Do(Op::Revert, _))) {
                        let what = "a branch that does not revert";
                        return Err(NotUnderstood::new(what, statement));
                    }
                    inner(block, true, out)?;
                }
                Statement::For(..) => {
                    let first = out.len().saturating_sub(1);
                    for block in statement.blocks() {
                        inner(block, leaving, out)?;
                    }
                    if out.iter().skip(first).any(|accesses| !accesses.is_empty()) {
                        let what = "a loop that accesses memory";
                        return Err(NotUnderstood::new(what, statement));
                    }
                }
                Statement::Function(..) => {
                    let what = "a function among the statements";
                    return Err(NotUnderstood::new(what, statement));
                }
                Statement::Comment(_)
                | Statement::Let(..)
                | Statement::Set(..)
                | Statement::Do(..) => {}
            }
        }
        Ok(())
    }
    let mut out = Vec::new();
    inner(statements, false, &mut out)?;
    Ok(out)
}

/// Checks that in both lists, whose statements are the same but for their addresses, each byte that is read was
/// written by the same statement: no place is shared by two words that are needed at one time, and nothing is read
/// that was not written.
///
/// # Errors
/// Names the first statement that reads something else.
pub fn same(before: &[Statement], after: &[Statement]) -> Result<(), NotUnderstood> {
    let (before_flow, after_flow) = (accesses(before)?, accesses(after)?);
    let mut texts = Vec::new();
    each(after, &mut |statement, _| texts.push(statement));
    let wrong = |at: usize, what| match texts.get(at) {
        Some(statement) => NotUnderstood::new(what, statement),
        None => NotUnderstood::new(what, &"the end"),
    };
    if before_flow.len() != after_flow.len() {
        return Err(wrong(usize::MAX, "another number of statements"));
    }
    // The statement that wrote each byte last, and which of the bytes that it wrote.
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    for (i, (before, after)) in before_flow.iter().zip(&after_flow).enumerate() {
        if before.len() != after.len() {
            return Err(wrong(i, "another number of accesses"));
        }
        for (before, after) in before.iter().zip(after) {
            if (before.length, before.write) != (after.length, after.write) {
                return Err(wrong(i, "another access"));
            }
            for (offset, (from, to)) in before.bytes().zip(after.bytes()).enumerate() {
                if before.write {
                    old.insert(from, (i, offset));
                    new.insert(to, (i, offset));
                } else if !old.contains_key(&from) {
                    return Err(wrong(i, "memory is read that nothing wrote"));
                } else if old.get(&from) != new.get(&to) {
                    return Err(wrong(i, "memory is read that another statement wrote"));
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yul::parse;

    #[test]
    fn a_read_of_another_write_is_found() {
        let text = "mstore(0x1000, 1)
            mstore(0x1020, 2)
            mstore8(0x1040, 1)
            mstore(0x2000, keccak256(0x1000, 65))
            mstore(0x2020, mload(0x2000))
            return(0x2020, 32)";
        let before = parse(text).unwrap();
        let check = |text: String| same(&before, &parse(&text).unwrap());
        check(text.to_string()).unwrap();
        check(text.replace("0x2020", "0x1000")).unwrap();
        check(text.replace("0x20", "0x50").replace("32", "0x20")).unwrap();
        for (from, to) in [
            // Two words in one place, a hash that was forgotten, one that was moved alone, a byte too.
            ("mstore(0x1020", "mstore(0x1000"),
            ("keccak256(0x1000", "keccak256(0x3000"),
            ("mstore(0x1000", "mstore(0x100"),
            ("mstore8(0x1040", "mstore8(0x1060"),
            ("mload(0x2000)", "mload(0x1000)"),
            ("keccak256(0x1000, 65)", "keccak256(0x1000, 64)"),
        ] {
            assert!(check(text.replace(from, to)).is_err(), "{from} {to}");
        }
        let unwritten = parse("mstore(0x20, mload(0x40))").unwrap();
        assert!(same(&unwritten, &unwritten).is_err());
    }

    #[test]
    fn loops_and_branches_that_are_not_understood_are_refused() {
        for bad in [
            "for { } lt(a, 3) { } { mstore(0, 1) }",
            "if a { mstore(0, 1) }",
            "function points(from, to) -> valid { }",
        ] {
            assert!(accesses(&parse(bad).unwrap()).is_err(), "{bad}");
        }
    }
}
