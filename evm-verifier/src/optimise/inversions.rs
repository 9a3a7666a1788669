//! One modular exponentiation in place of two, since each costs as much as 200 multiplications.
//!
//! 1/a and 1/b are b·(1/ab) and a·(1/ab). What b is computed from is moved to before the first inversion; where
//! anything in between could tell the difference, all stays as it is. Either base is zero for no proof but with
//! the probability that a hash hits a given value; then both texts go on with zeros, and other ones.

use crate::calldata::WORD;
use crate::yul::{flow::accesses, parse, Expr, NotUnderstood, Op, Precompile, Statement};
use std::collections::HashSet;

/// Statements that store the input of an exponentiation: three lengths, base, exponent, modulus.
const INPUTS: usize = 6;

/// Joins the second inversion with the first.
pub(super) fn join(statements: Vec<Statement>) -> Result<Vec<Statement>, NotUnderstood> {
    Ok(joined(&statements)?.unwrap_or(statements))
}

/// An exponentiation: the number of its statement, its base, and where its result is.
struct Inversion {
    at: usize,
    base: Expr,
    output: usize,
}

impl Inversion {
    fn at(statements: &[Statement], at: usize) -> Option<Self> {
        let Precompile {
            address: 5,
            input: (from, _),
            output: (output, _),
        } = statements.get(at)?.called()?
        else {
            return None;
        };
        let inputs = statements.get(at.checked_sub(INPUTS)?..at)?;
        let values: Vec<&Expr> = (0..)
            .zip(inputs)
            .map_while(|(i, input)| {
                let (at, value) = input.stored()?;
                (at == WORD.saturating_mul(i).saturating_add(from)).then_some(value)
            })
            .collect();
        let base = match values[..] {
            [_, _, _, base, _, _] => base.clone(),
            _ => return None,
        };
        Some(Self { at, base, output })
    }
}

/// A statement, or a block, and the words that it reads and writes.
struct Unit<'a> {
    statement: &'a Statement,
    reads: HashSet<usize>,
    writes: HashSet<usize>,
}

/// The units of some statements; none if one of them does more than reading and writing words.
fn units(statements: &[Statement]) -> Result<Option<Vec<Unit<'_>>>, NotUnderstood> {
    let mut units = Vec::with_capacity(statements.len());
    for statement in statements {
        let mut unit = Unit {
            statement,
            reads: HashSet::new(),
            writes: HashSet::new(),
        };
        let simple = match statement {
            Statement::Do(Op::MStore, _) | Statement::Comment(_) => true,
            Statement::Block(block) => block.iter().all(|inner| {
                let variable = matches!(inner, Statement::Let(..) | Statement::Set(..));
                variable || inner.stored().is_some()
            }),
            _ => false,
        };
        for access in accesses(std::slice::from_ref(statement))?
            .into_iter()
            .flatten()
        {
            match access.op {
                Op::MLoad => unit.reads.insert(access.at),
                Op::MStore => unit.writes.insert(access.at),
                _ => return Ok(None),
            };
        }
        if !simple {
            return Ok(None);
        }
        units.push(unit);
    }
    Ok(Some(units))
}

fn joined(statements: &[Statement]) -> Result<Option<Vec<Statement>>, NotUnderstood> {
    let mut found = (0..statements.len()).filter_map(|at| Inversion::at(statements, at));
    let (Some(first), Some(second)) = (found.next(), found.next()) else {
        return Ok(None);
    };
    let Some(factor) = second.base.loaded() else {
        return Ok(None);
    };
    let part = |range: std::ops::Range<usize>| statements.get(range).unwrap_or_default();
    let [begin, next] = [&first, &second].map(|one| one.at.saturating_sub(INPUTS));
    let inputs = part(begin..first.at);
    let between = units(part(first.at.saturating_add(1)..next))?;
    let (Some(between), Some(input_units)) = (between, units(inputs)?) else {
        return Ok(None);
    };
    let mut needed = HashSet::from([factor]);
    let (mut moved, mut staying): (Vec<Unit>, Vec<Unit>) = (Vec::new(), Vec::new());
    let free = |before: &Unit, moved: &[Unit]| {
        moved.iter().all(|unit| {
            before.writes.is_disjoint(&unit.reads)
                && before.writes.is_disjoint(&unit.writes)
                && before.reads.is_disjoint(&unit.writes)
        })
    };
    for unit in between.into_iter().rev() {
        if !unit.writes.is_disjoint(&needed) {
            needed.extend(&unit.reads);
            moved.push(unit);
        } else if free(&unit, &moved) {
            staying.push(unit);
        } else {
            return Ok(None);
        }
    }
    let inputs_stay = input_units.iter().all(|unit| free(unit, &moved));
    if !inputs_stay || needed.contains(&first.output) {
        return Ok(None);
    }
    let of = |units: Vec<Unit>| -> Vec<Statement> {
        units
            .iter()
            .rev()
            .map(|unit| unit.statement.clone())
            .collect()
    };
    let mut out = part(0..begin).to_vec();
    out.extend(of(moved));
    for (i, input) in inputs.iter().enumerate() {
        out.push(match input.stored() {
            Some((at, base)) if i == 3 => {
                Statement::store(at, Expr::product(base.clone(), Expr::load(factor)))
            }
            _ => input.clone(),
        });
    }
    out.extend(statements.get(first.at).cloned());
    out.extend(parse(&format!(
        "{{
         let both := mload({:#x})
         mstore({:#x}, mulmod(both, mload({factor:#x}), f_q))
         mstore({:#x}, mulmod(both, {}, f_q))
         }}",
        first.output, first.output, second.output, first.base
    ))?);
    out.extend(of(staying));
    out.extend_from_slice(part(second.at.saturating_add(1)..statements.len()));
    Ok(Some(out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimise::tree;

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
        let out = join(tree(&text)).unwrap();
        assert_eq!(out.iter().filter(|s| s.called().is_some()).count(), 1);
        let expected = "mstore(0x720, mulmod(mload(0x80), 3, f_q))".to_string()
            + &inversion("mulmod(mload(0x100), mload(0x720), f_q)", 0x200, 0x2c0)
            + "{ let both := mload(0x2c0)
                 mstore(0x2c0, mulmod(both, mload(0x720), f_q))
                 mstore(0x8c0, mulmod(both, mload(0x100), f_q)) }
               mstore(0x700, addmod(mload(0x2c0), 1, f_q))
               mstore(0x900, mload(0x8c0))";
        assert_eq!(out, tree(&expected));
    }

    #[test]
    fn what_depends_on_the_first_inversion_is_not_joined_with_it() {
        for between in [
            "mstore(0x720, mulmod(mload(0x2c0), 3, f_q))\n",
            "mstore(0x700, mulmod(mload(0x2c0), 3, f_q))\nmstore(0x720, mload(0x700))\n",
            "success := and(eq(staticcall(gas(), 0x6, 0x700, 0x80, 0x700, 0x40), 1), success)\n",
            "mstore(0x720, keccak256(0x2c0, 32))\n",
            "mstore8(0x720, 1)\n",
        ] {
            let text = inversion("mload(0x100)", 0x200, 0x2c0)
                + between
                + &inversion("mload(0x720)", 0x800, 0x8c0);
            assert_eq!(join(tree(&text)).unwrap(), tree(&text));
        }
    }
}
