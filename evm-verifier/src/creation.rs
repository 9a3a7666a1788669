//! What a deployment leaves on a chain, told from what its transaction carries.
//!
//! What a deployment runs may leave one code on this chain and another on that. So it is run here, and may execute only
//! what comes out the same on every chain and at every block: no instruction that asks for anything but the code itself.

use crate::{
    compile::Bytecode,
    exec::{Chain, ExecError, Fork, MAX_TX_GAS},
};
use revm::{
    bytecode::opcode,
    context::{result::ExecutionResult, TxEnv},
    inspector::Inspector,
    interpreter::{interpreter_types::Jumps, Interpreter},
    primitives::{Address, TxKind},
};

/// First byte of what is no program (EIP-3541).
pub(crate) const NO_PROGRAM: u8 = 0xef;

/// Why a deployment may leave something else than what is said.
#[derive(Debug, thiserror::Error)]
pub enum CreationError {
    /// It asks for something that differs between chains.
    #[error("creation: expected what does not depend on the chain, got instruction {0:#04x}; make the contract again")]
    Depends(u8),
    /// It leaves another code, or none.
    #[error("creation: expected what leaves the {expected} bytes of runtime, got what leaves {got}; make the contract again")]
    Other {
        /// Bytes of the runtime.
        expected: usize,
        /// What it leaves instead.
        got: String,
    },
    /// The local EVM cannot run it.
    #[error(transparent)]
    Exec(#[from] ExecError),
}

/// Fails unless the deployment of a verifier leaves its runtime on every chain.
///
/// # Errors
/// If it leaves something else, or executes what a chain has a say in.
pub fn check(bytecode: &Bytecode) -> Result<(), CreationError> {
    let Bytecode {
        creation, runtime, ..
    } = bytecode;
    let other = |got: String| CreationError::Other {
        expected: runtime.len(),
        got,
    };
    if creation.first().is_none_or(|first| *first == NO_PROGRAM) {
        return Err(other("nothing".to_owned()));
    }
    // As a contract's own code: what a deployment executes is the same, without its limits of size, which are said where
    // they count.
    let address = Address::with_last_byte(0xff);
    let mut chain = Chain::new(Fork::Prague);
    chain.set_code(address, creation);
    let tx = TxEnv {
        kind: TxKind::Call(address),
        gas_limit: MAX_TX_GAS,
        ..Default::default()
    };
    let (result, watch) = chain.inspect("deployment", tx, Watch::default())?;
    if let Some(instruction) = watch.foreign {
        return Err(CreationError::Depends(instruction));
    }
    match result {
        ExecutionResult::Success { output, .. } if output.data().iter().eq(runtime) => Ok(()),
        ExecutionResult::Success { output, .. } => {
            Err(other(format!("{} others", output.data().len())))
        }
        ExecutionResult::Revert { .. } | ExecutionResult::Halt { .. } => {
            Err(other("nothing".to_owned()))
        }
    }
}

/// Looks for instructions that a chain has a say in.
#[derive(Default)]
struct Watch {
    foreign: Option<u8>,
}

/// Whether an instruction does the same on every chain, in a deployment that pays nothing.
fn is_same_everywhere(instruction: u8) -> bool {
    matches!(
        instruction,
        opcode::STOP..=opcode::SIGNEXTEND
            | opcode::LT..=opcode::SAR
            | opcode::CALLVALUE
            | opcode::CODESIZE
            | opcode::CODECOPY
            | opcode::POP..=opcode::MSTORE8
            | opcode::JUMP..=opcode::PC
            | opcode::JUMPDEST
            | opcode::PUSH0..=opcode::SWAP16
            | opcode::RETURN
            | opcode::REVERT
            | opcode::INVALID
    )
}

impl<CTX> Inspector<CTX> for Watch {
    fn step(&mut self, interpreter: &mut Interpreter, _: &mut CTX) {
        let instruction = interpreter.bytecode.opcode();
        if self.foreign.is_none() && !is_same_everywhere(instruction) {
            self.foreign = Some(instruction);
        }
    }
}
