//! What a contract's verdict rests on: what it hashes, and what it calls other contracts with.

use super::{Chain, ExecError, MAX_TX_GAS};
use crate::yul::run::{Called, Ending, Trace};
use revm::{
    bytecode::opcode,
    context::{result::ExecutionResult, TxEnv},
    inspector::Inspector,
    interpreter::{
        interpreter_types::{Jumps, MemoryTr},
        Interpreter,
    },
    primitives::{Address, Bytes, TxKind},
};

impl Chain {
    /// Runs a contract as a call would, and writes down what its verdict rests on. Nothing of it stays.
    ///
    /// # Errors
    /// If the transaction is invalid.
    pub fn trace(&self, address: Address, calldata: &[u8]) -> Result<Trace, ExecError> {
        let mut chain = self.clone();
        let tx = TxEnv {
            kind: TxKind::Call(address),
            data: Bytes::copy_from_slice(calldata),
            gas_limit: MAX_TX_GAS,
            ..Default::default()
        };
        let (result, recorded) = chain.inspect("call", tx, Recorder::default())?;
        let output = result.output().map(|bytes| bytes.to_vec());
        let output = output.unwrap_or_default();
        Ok(Trace {
            hashes: recorded.hashes,
            calls: recorded.calls,
            ending: match result {
                ExecutionResult::Success { .. } => Ending::Returned(output),
                ExecutionResult::Revert { .. } | ExecutionResult::Halt { .. } => {
                    Ending::Reverted(output)
                }
            },
        })
    }
}

/// Writes down what is hashed and what contracts are called with.
#[derive(Default)]
struct Recorder {
    hashes: Vec<Vec<u8>>,
    calls: Vec<Called>,
}

impl<CTX> Inspector<CTX> for Recorder {
    fn step(&mut self, interpreter: &mut Interpreter, _: &mut CTX) {
        let operand = |place: usize| {
            let word = interpreter.stack.peek(place).unwrap_or_default();
            usize::try_from(word).unwrap_or(usize::MAX)
        };
        // Memory that was never reached is zero.
        let memory = |at: usize, length: usize| {
            let known = MemoryTr::size(&interpreter.memory);
            let (start, end) = (at.min(known), at.saturating_add(length).min(known));
            let mut bytes = interpreter.memory.slice(start..end).to_vec();
            bytes.resize(length.min(MAX_TX_GAS as usize), 0);
            bytes
        };
        match interpreter.bytecode.opcode() {
            opcode::KECCAK256 => self.hashes.push(memory(operand(0), operand(1))),
            opcode::STATICCALL => self.calls.push(Called {
                address: operand(1) as u64,
                input: memory(operand(2), operand(3)),
            }),
            _ => {}
        }
    }
}
