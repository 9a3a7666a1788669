//! Runs the tree, and writes down what a verdict rests on: what is hashed, what precompiled contracts are given, and
//! how it ends.
//!
//! It shares nothing with solc or an EVM but the precompiled contracts (revm's), and is stricter: memory that was
//! not written in this very run cannot be read.

use super::{Expr, Op, Statement};
use revm::{
    precompile::{bn254, modexp},
    primitives::{keccak256, U256},
};
use std::collections::HashMap;

/// More memory than any verifier has.
const MAX_MEMORY: usize = 1 << 20;
/// More statements than any verifier runs.
const MAX_STEPS: usize = 1 << 22;

/// A call of a precompiled contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// Its address.
    pub address: u64,
    /// What it was given.
    pub input: Vec<u8>,
}

/// How a run ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It returned this.
    Returned(Vec<u8>),
    /// It reverted with this.
    Reverted(Vec<u8>),
}

/// What a verdict rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The input of each hash, in order.
    pub hashes: Vec<Vec<u8>>,
    /// The calls of precompiled contracts, in order.
    pub calls: Vec<Called>,
    /// How it ended.
    pub ending: Ending,
}

/// Why a run was broken off.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// Memory was read that this run had not written.
    #[error("memory at {at:#x} is read and was never written: {statement}")]
    Unwritten {
        /// The first such byte.
        at: usize,
        /// The statement.
        statement: String,
    },
    /// The text is not such as the interpreter runs.
    #[error("{what}: {statement}")]
    Stuck {
        /// What is wrong.
        what: &'static str,
        /// The statement.
        statement: String,
    },
}

/// What precompiled contracts do: from address, input and gas to what they return, or none if they fail; nothing if
/// there is no such contract.
pub type Precompiles<'a> = dyn Fn(u64, &[u8], U256) -> Option<Option<Vec<u8>>> + 'a;

/// Runs statements on calldata.
///
/// # Errors
/// If memory is read that was not written, a name is not known, or the run does not end.
pub fn run(statements: &[Statement], calldata: &[u8]) -> Result<Trace, RunError> {
    start(statements, calldata, &precompile, true)
}

/// Runs statements on calldata among other precompiled contracts. Memory that was not written is zero, as in an EVM.
///
/// # Errors
/// If a name is not known, or the run does not end.
pub fn run_among(
    statements: &[Statement],
    calldata: &[u8],
    precompiles: &Precompiles<'_>,
) -> Result<Trace, RunError> {
    start(statements, calldata, precompiles, false)
}

fn start(
    statements: &[Statement],
    calldata: &[u8],
    precompiles: &Precompiles<'_>,
    strict: bool,
) -> Result<Trace, RunError> {
    let mut machine = Machine {
        calldata,
        precompiles,
        strict,
        memory: Vec::new(),
        written: Vec::new(),
        variables: Vec::new(),
        functions: HashMap::new(),
        returned: 0,
        hashes: Vec::new(),
        calls: Vec::new(),
        steps: 0,
    };
    let ending = match machine.block(statements) {
        Ok(()) => Ending::Returned(Vec::new()),
        Err(Stop::End(ending)) => ending,
        Err(Stop::Error(error)) => return Err(error),
    };
    Ok(Trace {
        hashes: machine.hashes,
        calls: machine.calls,
        ending,
    })
}

/// Why no further statement runs.
enum Stop {
    End(Ending),
    Error(RunError),
}

struct Machine<'a> {
    calldata: &'a [u8],
    precompiles: &'a Precompiles<'a>,
    /// Whether memory must have been written to be read.
    strict: bool,
    memory: Vec<u8>,
    /// For each byte of memory, whether this run wrote it.
    written: Vec<bool>,
    /// The variables in sight, the innermost last.
    variables: Vec<(&'a str, U256)>,
    functions: HashMap<Op, (&'a [String], &'a str, &'a [Statement])>,
    /// Bytes that the last call returned.
    returned: usize,
    hashes: Vec<Vec<u8>>,
    calls: Vec<Called>,
    steps: usize,
}

fn stuck(what: &'static str, at: &impl ToString) -> Stop {
    let statement = at.to_string().chars().take(200).collect();
    Stop::Error(RunError::Stuck { what, statement })
}

impl<'a> Machine<'a> {
    /// Runs a block; its variables end with it.
    fn block(&mut self, block: &'a [Statement]) -> Result<(), Stop> {
        let outside = self.variables.len();
        for statement in block {
            self.statement(statement)?;
        }
        self.variables.truncate(outside);
        Ok(())
    }

    /// Counts a statement or a turn of a loop.
    fn step(&mut self, statement: &Statement) -> Result<(), Stop> {
        self.steps = self.steps.saturating_add(1);
        if self.steps > MAX_STEPS {
            return Err(stuck("it does not end", statement));
        }
        Ok(())
    }

    fn statement(&mut self, statement: &'a Statement) -> Result<(), Stop> {
        self.step(statement)?;
        match statement {
            Statement::Comment(_) => {}
            Statement::Let(name, value) => {
                let value = match value {
                    Some(value) => self.value(value)?,
                    None => U256::ZERO,
                };
                self.variables.push((name, value));
            }
            Statement::Set(name, value) => {
                let value = self.value(value)?;
                let mut known = self.variables.iter_mut().rev();
                let Some(variable) = known.find(|(known, _)| known == name) else {
                    return Err(stuck("an unknown variable", statement));
                };
                variable.1 = value;
            }
            Statement::Do(op, arguments) => {
                if self.call(*op, arguments)?.is_some() {
                    return Err(stuck("a value without a use", statement));
                }
            }
            Statement::If(condition, block) => {
                if !self.value(condition)?.is_zero() {
                    self.block(block)?;
                }
            }
            Statement::For(start, condition, step, body) => {
                let outside = self.variables.len();
                for statement in start {
                    self.statement(statement)?;
                }
                while !self.value(condition)?.is_zero() {
                    self.step(statement)?;
                    self.block(body)?;
                    self.block(step)?;
                }
                self.variables.truncate(outside);
            }
            Statement::Block(block) => self.block(block)?,
            Statement::Function(op, parameters, result, body) => {
                self.functions.insert(*op, (parameters, result, body));
            }
        }
        Ok(())
    }

    fn value(&mut self, expr: &'a Expr) -> Result<U256, Stop> {
        match expr {
            Expr::Number(value) => Ok(*value),
            Expr::Name(name) => {
                let mut known = self.variables.iter().rev();
                let found = known.find(|(known, _)| known == name);
                found
                    .map(|(_, value)| *value)
                    .ok_or_else(|| stuck("an unknown variable", expr))
            }
            Expr::Call(op, arguments) => self
                .call(*op, arguments)?
                .ok_or_else(|| stuck("an instruction without a value", expr)),
        }
    }

    /// What an instruction gives; none if it has no value.
    fn call(&mut self, op: Op, arguments: &'a [Expr]) -> Result<Option<U256>, Stop> {
        let mut values = [U256::ZERO; 6];
        for (argument, value) in arguments.iter().zip(&mut values).rev() {
            *value = self.value(argument)?;
        }
        let [a, b, c, d, e, f] = values;
        let truth = |truth: bool| Some(U256::from(truth));
        let place = || Expr::Call(op, arguments.to_vec());
        Ok(match op {
            Op::Add => Some(a.wrapping_add(b)),
            Op::Sub => Some(a.wrapping_sub(b)),
            Op::AddMod => Some(a.add_mod(b, c)),
            Op::MulMod => Some(a.mul_mod(b, c)),
            Op::Mod => Some(a.checked_rem(b).unwrap_or(b)),
            Op::And => Some(a & b),
            Op::Shl => Some(match usize::try_from(a) {
                Ok(bits) if bits < 256 => b.wrapping_shl(bits),
                _ => U256::ZERO,
            }),
            Op::Eq => truth(a == b),
            Op::Lt => truth(a < b),
            Op::IsZero => truth(a.is_zero()),
            // More than any verifier needs.
            Op::Gas => Some(U256::from(u64::MAX)),
            Op::CallDataSize => Some(U256::from(self.calldata.len())),
            Op::ReturnDataSize => Some(U256::from(self.returned)),
            Op::CallDataLoad => {
                let word = self
                    .called_with(a, U256::from(0x20))
                    .ok_or_else(|| stuck("too long", &place()))?;
                Some(U256::from_be_slice(&word))
            }
            Op::CallDataCopy => {
                let data = self
                    .called_with(b, c)
                    .ok_or_else(|| stuck("too long", &place()))?;
                self.write(a, &data, &place)?;
                None
            }
            Op::MLoad => {
                let word = self.read(a, U256::from(0x20), &place)?;
                Some(U256::from_be_slice(&word))
            }
            Op::MStore => {
                self.write(a, &b.to_be_bytes::<32>(), &place)?;
                None
            }
            Op::MStore8 => {
                self.write(a, &[b.byte(0)], &place)?;
                None
            }
            Op::Keccak256 => {
                let input = self.read(a, b, &place)?;
                let hash = keccak256(&input);
                self.hashes.push(input);
                Some(U256::from_be_bytes(hash.0))
            }
            Op::StaticCall => {
                let address =
                    u64::try_from(b).map_err(|_| stuck("no precompiled contract", &place()))?;
                let input = self.read(c, d, &place)?;
                let output = (self.precompiles)(address, &input, a)
                    .ok_or_else(|| stuck("no precompiled contract", &place()))?;
                self.calls.push(Called { address, input });
                self.returned = output.as_ref().map_or(0, Vec::len);
                if let Some(bytes) = &output {
                    let room = usize::try_from(f).unwrap_or(usize::MAX);
                    let kept = bytes.get(..room.min(bytes.len())).unwrap_or_default();
                    self.write(e, kept, &place)?;
                }
                truth(output.is_some())
            }
            Op::Return => return Err(Stop::End(Ending::Returned(self.read(a, b, &place)?))),
            Op::Revert => return Err(Stop::End(Ending::Reverted(self.read(a, b, &place)?))),
            Op::Points | Op::Scalars | Op::ValidatePoint => {
                let found = self.functions.get(&op).copied();
                let (parameters, result, body) =
                    found.ok_or_else(|| stuck("an unknown function", &place()))?;
                // A function sees its parameters and nothing else.
                let outside = std::mem::take(&mut self.variables);
                let given = parameters.iter().map(String::as_str).zip(values);
                self.variables = given.chain([(result, U256::ZERO)]).collect();
                self.block(body)?;
                let value = self.variables.last().map(|(_, value)| *value);
                self.variables = outside;
                value
            }
        })
    }

    /// Calldata, with zeros behind its end.
    fn called_with(&self, at: U256, length: U256) -> Option<Vec<u8>> {
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= MAX_MEMORY)?;
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let mut data: Vec<u8> = self
            .calldata
            .iter()
            .skip(at)
            .take(length)
            .copied()
            .collect();
        data.resize(length, 0);
        Some(data)
    }

    fn region(
        &mut self,
        at: U256,
        length: U256,
        place: &impl Fn() -> Expr,
    ) -> Result<std::ops::Range<usize>, Stop> {
        let small = |value| {
            usize::try_from(value)
                .ok()
                .filter(|value| *value <= MAX_MEMORY)
        };
        let (Some(at), Some(length)) = (small(at), small(length)) else {
            return Err(stuck("memory far out", &place()));
        };
        let end = at.saturating_add(length);
        if self.memory.len() < end {
            self.memory.resize(end, 0);
            self.written.resize(end, false);
        }
        Ok(at..end)
    }

    fn read(&mut self, at: U256, length: U256, place: &impl Fn() -> Expr) -> Result<Vec<u8>, Stop> {
        let region = self.region(at, length, place)?;
        let written = self.written.get(region.clone()).unwrap_or_default();
        match written.iter().position(|written| self.strict && !written) {
            None => Ok(self.memory.get(region).unwrap_or_default().to_vec()),
            Some(offset) => Err(Stop::Error(RunError::Unwritten {
                at: region.start.saturating_add(offset),
                statement: place().to_string(),
            })),
        }
    }

    fn write(&mut self, at: U256, data: &[u8], place: &impl Fn() -> Expr) -> Result<(), Stop> {
        let region = self.region(at, U256::from(data.len()), place)?;
        if let Some(memory) = self.memory.get_mut(region.clone()) {
            memory.copy_from_slice(data);
        }
        if let Some(written) = self.written.get_mut(region) {
            written.fill(true);
        }
        Ok(())
    }
}

/// What the precompiled contracts do that zkml's verifiers use.
pub fn precompile(address: u64, input: &[u8], gas: U256) -> Option<Option<Vec<u8>>> {
    let gas = u64::try_from(gas).unwrap_or(u64::MAX);
    let result = match address {
        5 => modexp::osaka_run(input, gas),
        6 => bn254::run_add(input, bn254::add::ISTANBUL_ADD_GAS_COST, gas),
        7 => bn254::run_mul(input, bn254::mul::ISTANBUL_MUL_GAS_COST, gas),
        8 => bn254::run_pair(
            input,
            bn254::pair::ISTANBUL_PAIR_PER_POINT,
            bn254::pair::ISTANBUL_PAIR_BASE,
            gas,
        ),
        _ => return None,
    };
    Some(result.ok().map(|output| output.bytes.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yul::parse;

    fn ending(text: &str, calldata: &[u8]) -> Result<Ending, RunError> {
        run(&parse(text).unwrap(), calldata).map(|trace| trace.ending)
    }

    fn word(value: u64) -> Ending {
        Ending::Returned(U256::from(value).to_be_bytes::<32>().to_vec())
    }

    #[test]
    fn instructions_do_what_the_evm_does() {
        for (value, expected) in [
            ("addmod(5, 9, 7)", 0),
            ("mulmod(5, 9, 7)", 3),
            ("mulmod(5, 9, 0)", 0),
            ("mod(9, 0)", 0),
            ("mod(9, 7)", 2),
            ("sub(9, 7)", 2),
            ("iszero(sub(0, add(sub(0, 1), 1)))", 1),
            ("and(12, 6)", 4),
            ("shl(3, 1)", 8),
            ("shl(256, 1)", 0),
            ("lt(1, 2)", 1),
            ("eq(1, 2)", 0),
            ("calldatasize()", 3),
            ("shl(8, eq(calldataload(0), shl(232, 0x010203)))", 256),
            ("calldataload(3)", 0),
        ] {
            let text = format!("mstore(0, {value}) return(0, 0x20)");
            assert_eq!(ending(&text, &[1, 2, 3]), Ok(word(expected)), "{value}");
        }
    }

    #[test]
    fn blocks_loops_and_functions_have_variables_of_their_own() {
        let text = "
            function scalars(from, to) -> valid {
                valid := 0
                for { let at := from } lt(at, to) { at := add(at, 1) } { valid := add(valid, 2) }
            }
            let x := 1
            { let x := 2 x := 3 }
            mstore8(0, 9)
            mstore(0x20, add(x, scalars(2, 5)))
            return(0x20, 0x20)";
        assert_eq!(ending(text, &[]), Ok(word(7)));
        for bad in [
            "x := 1",
            "mstore(0, x)",
            "{ let x := 1 } mstore(0, x)",
            "for { } 1 { } { }",
        ] {
            assert!(ending(bad, &[]).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_was_not_written_is_not_read() {
        for bad in [
            "mstore(0, mload(0x20))",
            "mstore(0, 1) mstore(0x20, keccak256(0, 33))",
            "mstore(0, 1) return(0, 33)",
            "let s := staticcall(gas(), 6, 0, 0x80, 0, 0x40)",
            // Precompile 6 fails and writes nothing.
            "mstore(0, 1) mstore(0x20, 1) mstore(0x40, 1) mstore(0x60, 1)
             let s := staticcall(gas(), 6, 0, 0x80, 0x80, 0x40) mstore(0, mload(0x80))",
        ] {
            let error = ending(bad, &[]).unwrap_err();
            assert!(
                matches!(error, RunError::Unwritten { .. }),
                "{bad}: {error}"
            );
        }
    }

    #[test]
    fn calls_may_go_wrong() {
        let text = "mstore(0, 1) mstore(0x20, 2) mstore(0x40, 1) mstore(0x60, 2)
            let s := staticcall(GAS, 6, 0, 0x80, 0x80, 0x40)
            mstore(0, add(shl(8, s), returndatasize()))
            mstore(0, add(mload(0), and(0, mload(0x80))))
            return(0, 0x20)";
        let ending = |gas, precompiles: &Precompiles<'_>| {
            let program = parse(&text.replace("GAS", gas)).unwrap();
            run_among(&program, &[], precompiles).map(|trace| trace.ending)
        };
        assert_eq!(ending("gas()", &precompile), Ok(word(0x140)));
        assert_eq!(ending("150", &precompile), Ok(word(0x140)));
        assert_eq!(ending("149", &precompile), Ok(word(0)));
        assert_eq!(ending("gas()", &|_, _, _| Some(None)), Ok(word(0)));
        assert_eq!(
            ending("gas()", &|_, _, _| Some(Some(vec![]))),
            Ok(word(0x100))
        );
        assert!(ending("gas()", &|_, _, _| None).is_err());
    }

    #[test]
    fn the_trace_has_what_is_hashed_and_called() {
        // The generator twice.
        let text = "mstore(0, 1) mstore(0x20, 2) mstore(0x40, 1) mstore(0x60, 2)
            let s := staticcall(gas(), 6, 0, 0x80, 0x80, 0x40)
            mstore(0, keccak256(0x80, 0x40))
            mstore(0, and(s, eq(returndatasize(), 0x40)))
            return(0, 0x20)";
        let trace = run(&parse(text).unwrap(), &[]).unwrap();
        assert_eq!(trace.ending, word(1));
        assert_eq!((trace.calls.len(), trace.calls[0].address), (1, 6));
        assert_eq!(trace.calls[0].input.len(), 0x80);
        assert_eq!(trace.hashes[0][..2], [0x03, 0x06]);
    }
}
