//! Which bytecode reads memory that it never wrote: what advisory [`ADVISORY`] is about, told from the code alone.
//!
//! The code is run on zeros, as many as it wants, and led to its verdict: where one side of a branch can only revert, the
//! other is taken, and every call succeeds. How many it wants is what it compares the length of calldata with: addresses
//! may be counted from there. A verifier's path to its pairing does not depend on what it is given, so what it
//! hashes and calls with lies at the addresses of every run. That holds for what zkml wrote. Other code may do something
//! else on other calldata, and say yes whatever its pairing says: of that, one run tells nothing.

use crate::{
    creation::NO_PROGRAM,
    exec::{Chain, ExecError, Fork, MAX_TX_GAS},
};
use revm::{
    bytecode::opcode,
    context::TxEnv,
    inspector::Inspector,
    interpreter::{
        interpreter_types::{Jumps, MemoryTr},
        CallInputs, CallOutcome, Gas, InstructionResult, Interpreter, InterpreterResult,
    },
    primitives::{Address, Bytes, TxKind, U256},
};

/// The advisory on contracts whose hash reads what nothing wrote.
pub const ADVISORY: &str = "ZKML-2026-001";
/// Memory that is followed, in bytes: more than a transaction can pay for.
const MEMORY: usize = 4 << 20;
/// Address of the precompiled contract for pairings.
const PAIRING: usize = 8;
/// Bytes of calldata that no verifier takes.
const NO_LENGTH: usize = 7919;
/// More bytes of calldata than any verifier takes, and less than a transaction can pay for.
const MAX_CALLDATA: usize = 1 << 19;
/// Instructions after a branch within which a revert is looked for.
const LOOK_AHEAD: usize = 64;

/// What bytecode reads on the way to its verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Reads {
    /// Hashes on the way.
    pub hashes: usize,
    /// Calls on the way.
    pub calls: usize,
    /// Whether one of them is a pairing: whether the code is a verifier at all.
    pub pairing: bool,
    /// Memory that is read, and that nothing wrote before.
    pub unwritten: Vec<Unwritten>,
    /// What each pairing is given. Points of the proof stand in it as the run on zeros has them; what the code
    /// itself puts there is as in every run.
    #[serde(skip)]
    pub pairings: Vec<Vec<u8>>,
}

/// Memory that is read and was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Unwritten {
    /// Where in the code it is read.
    pub instruction: usize,
    /// What reads it.
    pub by: Reader,
    /// Its address.
    pub at: usize,
    /// Its length in bytes.
    pub bytes: usize,
}

/// What reads memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reader {
    /// A hash.
    Hash,
    /// A call.
    Call,
    /// A load of a word.
    Load,
}

/// What runtime bytecode reads on the way to its verdict.
///
/// # Errors
/// If the local EVM cannot run it: there is no code.
pub fn reads(code: &[u8]) -> Result<Reads, ExecError> {
    // It halts at once. The local EVM takes it for a delegation (EIP-7702), and panics where it is none.
    if code.starts_with(&[NO_PROGRAM]) {
        return Ok(Reads::default());
    }
    let address = Address::with_last_byte(0xff);
    let mut chain = Chain::new(Fork::Prague);
    chain.set_code(address, code);
    if code.is_empty() {
        return Err(ExecError::NoCode {
            address: address.to_string(),
            fork: Fork::Prague,
        });
    }
    let mut led = |calldata: usize| {
        let tx = TxEnv {
            kind: TxKind::Call(address),
            gas_limit: MAX_TX_GAS,
            data: vec![0; calldata].into(),
            ..Default::default()
        };
        let guide = Guide {
            code,
            entered: false,
            length: None,
            written: Vec::new(),
            reads: Reads::default(),
        };
        let (_, guide) = chain.inspect("call", tx, guide)?;
        Ok::<_, ExecError>(guide)
    };
    let length = led(NO_LENGTH)?.length.unwrap_or_default();
    Ok(led(length)?.reads)
}

/// Leads a run to its verdict, and follows what is written.
struct Guide<'a> {
    code: &'a [u8],
    /// Whether the code itself has been called.
    entered: bool,
    /// What the length of calldata is compared with first, where that is [`NO_LENGTH`].
    length: Option<usize>,
    /// For each byte of memory, whether something wrote it.
    written: Vec<bool>,
    reads: Reads,
}

impl Guide<'_> {
    fn write(&mut self, at: usize, bytes: usize) {
        let end = at.saturating_add(bytes);
        if bytes == 0 || end > MEMORY {
            return;
        }
        if self.written.len() < end {
            self.written.resize(end, false);
        }
        if let Some(range) = self.written.get_mut(at..end) {
            range.fill(true);
        }
    }

    fn read(&mut self, instruction: usize, by: Reader, at: usize, bytes: usize) {
        let end = at.saturating_add(bytes).min(MEMORY);
        let missing = |at: &usize| !self.written.get(*at).copied().unwrap_or(false);
        let mut from = at;
        while let Some(first) = (from..end).find(missing) {
            let bytes = (first..end).take_while(missing).count();
            from = first + bytes;
            self.reads.unwritten.push(Unwritten {
                instruction,
                by,
                at: first,
                bytes,
            });
        }
    }

    /// Whether code from `at` on reverts without a choice.
    fn reverts(&self, mut at: usize) -> bool {
        let mut pushed = None;
        for _ in 0..LOOK_AHEAD {
            let Some(&op) = self.code.get(at) else {
                return false;
            };
            let last = pushed.take();
            at += 1;
            match op {
                opcode::REVERT | opcode::INVALID => return true,
                opcode::JUMPI | opcode::STOP | opcode::RETURN | opcode::SELFDESTRUCT => {
                    return false
                }
                opcode::JUMP => match last {
                    Some(target) => at = target,
                    None => return false,
                },
                opcode::PUSH0..=opcode::PUSH32 => {
                    let width = usize::from(op - opcode::PUSH0);
                    let value = self.code.get(at..at + width).unwrap_or_default();
                    pushed = usize::try_from(U256::from_be_slice(value)).ok();
                    at += width;
                }
                _ => {}
            }
        }
        false
    }

    /// Takes the side of a branch that does not revert, if the other does.
    fn choose(&self, interpreter: &mut Interpreter, target: usize) {
        let (jumps, falls) = (
            self.reverts(target),
            self.reverts(interpreter.bytecode.pc() + 1),
        );
        if jumps != falls {
            // There are two operands, or the instruction fails by itself.
            let _ = interpreter.stack.set(1, U256::from(u8::from(falls)));
        }
    }
}

impl<CTX> Inspector<CTX> for Guide<'_> {
    fn step(&mut self, interpreter: &mut Interpreter, _: &mut CTX) {
        let operand = |place: usize| {
            let word = interpreter.stack.peek(place).unwrap_or_default();
            usize::try_from(word).unwrap_or(usize::MAX)
        };
        let memory = |at: usize, bytes: usize| {
            let known = MemoryTr::size(&interpreter.memory);
            let (start, end) = (at.min(known), at.saturating_add(bytes).min(known));
            interpreter.memory.slice(start..end).to_vec()
        };
        let place = interpreter.bytecode.pc();
        match interpreter.bytecode.opcode() {
            opcode::MLOAD => self.read(place, Reader::Load, operand(0), 0x20),
            opcode::MSTORE => self.write(operand(0), 0x20),
            opcode::MSTORE8 => self.write(operand(0), 1),
            opcode::CALLDATACOPY | opcode::CODECOPY | opcode::RETURNDATACOPY | opcode::MCOPY => {
                self.write(operand(0), operand(2));
            }
            opcode::EXTCODECOPY => self.write(operand(1), operand(3)),
            opcode::KECCAK256 => {
                self.reads.hashes += 1;
                self.read(place, Reader::Hash, operand(0), operand(1));
            }
            opcode::STATICCALL | opcode::DELEGATECALL => {
                self.reads.calls += 1;
                if operand(1) == PAIRING {
                    self.reads.pairing = true;
                    self.reads.pairings.push(memory(operand(2), operand(3)));
                }
                self.read(place, Reader::Call, operand(2), operand(3));
            }
            opcode::CALL | opcode::CALLCODE => {
                self.reads.calls += 1;
                if operand(1) == PAIRING {
                    self.reads.pairing = true;
                    self.reads.pairings.push(memory(operand(3), operand(4)));
                }
                self.read(place, Reader::Call, operand(3), operand(4));
            }
            opcode::EQ | opcode::SUB | opcode::XOR => {
                let expected = match (operand(0), operand(1)) {
                    (NO_LENGTH, other) | (other, NO_LENGTH) => Some(other),
                    _ => None,
                };
                self.length = self
                    .length
                    .or(expected.filter(|length| *length <= MAX_CALLDATA));
            }
            opcode::JUMPI => {
                let target = operand(0);
                self.choose(interpreter, target);
            }
            _ => {}
        }
    }

    fn call(&mut self, _: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        if !std::mem::replace(&mut self.entered, true) {
            return None;
        }
        let place = inputs.return_memory_offset.clone();
        self.write(place.start, place.len());
        // The word 1, which is the pairing's yes.
        let mut output = vec![0; place.len()];
        if let Some(last) = output.last_mut() {
            *last = 1;
        }
        let result = InterpreterResult {
            result: InstructionResult::Return,
            output: Bytes::from(output),
            gas: Gas::new(inputs.gas_limit),
        };
        Some(CallOutcome::new(result, place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_of_what_nothing_wrote_is_found() {
        // MSTORE(0, 1), then KECCAK256 of 64 bytes from 0; and of the 32 that were written.
        let hash = |bytes: u8| [0x60, 1, 0x5f, 0x52, 0x60, bytes, 0x5f, 0x20, 0x00];
        let found = reads(&hash(64)).unwrap();
        let expected = Unwritten {
            instruction: 7,
            by: Reader::Hash,
            at: 0x20,
            bytes: 0x20,
        };
        assert_eq!((found.hashes, found.unwritten), (1, vec![expected]));
        assert!(reads(&hash(32)).unwrap().unwritten.is_empty());
        assert!(reads(&[]).is_err());
        for none in [&[0xef][..], &[0xef, 1, 0]] {
            assert_eq!(reads(none).unwrap(), Reads::default());
        }
    }

    #[test]
    fn a_run_is_led_past_what_reverts() {
        // If calldatasize is not 1, revert; the pairing of 32 bytes that nothing wrote.
        let pairing = [
            0x60, 0x20, 0x5f, 0x60, 0x20, 0x5f, 0x60, 8, 0x5a, 0xfa, 0x00,
        ];
        let falls = [0x60, 1, 0x36, 0x14, 0x60, 10, 0x57, 0x5f, 0x5f, 0xfd, 0x5b];
        let jumps = [0x60, 1, 0x36, 0x18, 0x60, 19, 0x57];
        let reverts = [0x5b, 0x5f, 0x5f, 0xfd];
        let after = [&falls[..], &pairing].concat();
        let before = [&jumps[..], &pairing, &[0x00], &reverts].concat();
        for code in [after, before] {
            let found = reads(&code).unwrap();
            assert!(found.pairing, "{found:?}");
            assert_eq!(found.unwritten.len(), 1);
        }
    }

    #[test]
    fn addresses_may_be_counted_from_the_length_of_calldata() {
        // If calldatasize is not 32, revert; a store at calldatasize − 32; the pairing of 32 bytes from 0.
        let check = [0x60, 32, 0x36, 0x14, 0x60, 10, 0x57, 0x5f, 0x5f, 0xfd, 0x5b];
        let store = |distance| [0x60, 1, 0x60, distance, 0x36, 0x03, 0x52];
        let pairing = [
            0x60, 0x20, 0x5f, 0x60, 0x20, 0x5f, 0x60, 8, 0x5a, 0xfa, 0x00,
        ];
        let found = |distance| reads(&[&check[..], &store(distance), &pairing].concat()).unwrap();
        assert!(found(32).pairing);
        assert!(found(32).unwritten.is_empty());
        assert_eq!(found(31).unwritten.len(), 1);
    }
}
