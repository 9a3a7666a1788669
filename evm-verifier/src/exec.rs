//! A local EVM: deploy a contract, call it, account for the gas.
//!
//! The limits that decide on the main network hold here as well: code size (EIP-170, EIP-3860),
//! and from Osaka on the gas limit of a transaction (EIP-7825).

use crate::{
    calldata::count_bytes,
    codegen::Failure,
    yul::run::{Called, Ending, Trace},
};
use revm::{
    bytecode::opcode,
    context::{
        result::{EVMError, ExecutionResult, Output},
        TxEnv,
    },
    database::InMemoryDB,
    handler::MainnetContext,
    inspector::{InspectCommitEvm, Inspector},
    interpreter::{
        interpreter_types::{Jumps, MemoryTr},
        CallInputs, CallOutcome as EvmCallOutcome, Interpreter,
    },
    primitives::{hardfork::SpecId, Address, Bytes, Log, TxKind, U256},
    state::Bytecode,
    Context, Database, MainBuilder, MainContext,
};

/// EIP-7825: the most gas that one transaction may ask for, from Osaka on.
pub const MAX_TX_GAS: u64 = 16_777_216;
/// What a verifier returns for a proof that verifies: the word 1.
pub const ACCEPTED: [u8; 32] = {
    let mut word = [0; 32];
    word[31] = 1;
    word
};
/// What every transaction costs before its calldata.
const BASE_GAS: u64 = 21_000;
/// The precompiled contract with the highest number, of those at small addresses.
const LAST_PRECOMPILE: U256 = U256::from_limbs([0x11, 0, 0, 0]);

/// What can go wrong in the local EVM, a rejected proof not among it.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The transaction is not valid, whatever the contract does.
    #[error("{what} under {fork}: the transaction is invalid: {reason}")]
    Invalid {
        /// Deployment or call.
        what: &'static str,
        /// The rules that refused it.
        fork: Fork,
        /// The EVM's reason.
        reason: String,
    },
    /// The deployment did not end in a contract.
    #[error(
        "deployment under {fork} failed: {reason} (runtime limit 24576 bytes, gas limit {limit})"
    )]
    Deployment {
        /// The rules it ran under.
        fork: Fork,
        /// How it ended.
        reason: String,
        /// Gas that it was given.
        limit: u64,
    },
    /// There is nothing to call.
    #[error("there is no contract at {address} under {fork}: a call would succeed and mean nothing; deploy the verifier first")]
    NoCode {
        /// The address.
        address: String,
        /// The rules.
        fork: Fork,
    },
}

/// Rules of the EVM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fork {
    /// The rules of May 2025.
    Prague,
    /// The rules of December 2025: dearer modular exponentiation, capped transactions.
    Osaka,
}

impl Fork {
    /// Both, the older first.
    pub const ALL: [Fork; 2] = [Fork::Prague, Fork::Osaka];

    fn spec(self) -> SpecId {
        match self {
            Fork::Prague => SpecId::PRAGUE,
            Fork::Osaka => SpecId::OSAKA,
        }
    }
}

impl std::fmt::Display for Fork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Fork::Prague => "Prague",
            Fork::Osaka => "Osaka",
        })
    }
}

/// Gas of one transaction, and where it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Gas {
    /// What the receipt says.
    pub total: u64,
    /// The price of a transaction as such.
    pub base: u64,
    /// The price of its calldata.
    pub calldata: u64,
    /// What the precompiled contracts took: curve operations, pairing, modular exponentiation.
    pub precompiles: u64,
    /// What the contract spent itself.
    pub execution: u64,
}

/// A contract in the local EVM.
#[derive(Clone, Copy, Debug)]
pub struct Deployment {
    /// Its address.
    pub address: Address,
    /// Bytes of its code.
    pub runtime_bytes: usize,
    /// Gas that the deployment used.
    pub gas: u64,
}

/// How a call ended.
#[derive(Clone, Debug)]
pub struct CallOutcome {
    /// Whether the contract returned.
    pub returned: bool,
    /// Whether it returned the word 1, and so the proof verified.
    pub accepted: bool,
    /// Gas of the transaction.
    pub gas: Gas,
    /// `returned`, `reverted` with the error if it is a verifier's, or the EVM's reason to halt.
    pub ending: String,
    /// What it returned or reverted with.
    pub output: Vec<u8>,
    /// Its events.
    pub logs: Vec<Log>,
}

/// A transaction to a contract.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Its sender.
    pub from: Address,
    /// The contract.
    pub to: Address,
    /// What it pays, in wei.
    pub value: u64,
    /// Its data.
    pub calldata: &'a [u8],
    /// Its gas limit.
    pub gas: u64,
}

/// A chain of one's own.
#[derive(Clone, Debug)]
pub struct Chain {
    fork: Fork,
    db: InMemoryDB,
    timestamp: u64,
}

impl Chain {
    /// An empty chain with the rules of `fork`.
    pub fn new(fork: Fork) -> Self {
        Self {
            fork,
            db: InMemoryDB::default(),
            timestamp: 1,
        }
    }

    /// Deploys a contract.
    pub fn deploy(&mut self, creation: &[u8]) -> Result<Deployment, ExecError> {
        let (result, _) = self.transact(
            "deployment",
            TxEnv {
                caller: Address::ZERO,
                kind: TxKind::Create,
                data: Bytes::copy_from_slice(creation),
                gas_limit: MAX_TX_GAS,
                ..Default::default()
            },
        )?;
        let failed = |reason: String| ExecError::Deployment {
            fork: self.fork,
            reason,
            limit: MAX_TX_GAS,
        };
        let gas = result.tx_gas_used();
        match result {
            ExecutionResult::Success {
                output: Output::Create(code, Some(address)),
                ..
            } => Ok(Deployment {
                address,
                runtime_bytes: code.len(),
                gas,
            }),
            ExecutionResult::Success { .. } => Err(failed("it created no contract".to_string())),
            ExecutionResult::Revert { .. } => Err(failed("it reverted".to_string())),
            ExecutionResult::Halt { reason, .. } => Err(failed(format!("{reason:?}"))),
        }
    }

    /// Calls a contract with all the gas that a transaction may have.
    pub fn call(&mut self, address: Address, calldata: &[u8]) -> Result<CallOutcome, ExecError> {
        self.call_with_gas(address, calldata, MAX_TX_GAS)
    }

    /// Calls a contract with a gas limit.
    pub fn call_with_gas(
        &mut self,
        address: Address,
        calldata: &[u8],
        limit: u64,
    ) -> Result<CallOutcome, ExecError> {
        self.send(&Call {
            from: Address::ZERO,
            to: address,
            value: 0,
            calldata,
            gas: limit,
        })
    }

    /// Sends a transaction to a contract.
    pub fn send(&mut self, call: &Call<'_>) -> Result<CallOutcome, ExecError> {
        let has_code = match self.db.basic(call.to) {
            Ok(account) => account.is_some_and(|account| !account.is_empty_code_hash()),
            Err(never) => match never {},
        };
        if !has_code {
            return Err(ExecError::NoCode {
                address: call.to.to_string(),
                fork: self.fork,
            });
        }
        let (result, precompiles) = self.transact(
            "call",
            TxEnv {
                caller: call.from,
                kind: TxKind::Call(call.to),
                value: U256::from(call.value),
                data: Bytes::copy_from_slice(call.calldata),
                gas_limit: call.gas,
                ..Default::default()
            },
        )?;
        let (returned, ending) = match &result {
            ExecutionResult::Success { .. } => (true, "returned".to_string()),
            ExecutionResult::Revert { output, .. } => (
                false,
                match Failure::of(output) {
                    Some(failure) => format!("reverted: {}", failure.name()),
                    None => "reverted".to_string(),
                },
            ),
            ExecutionResult::Halt { reason, .. } => (false, format!("halted: {reason:?}")),
        };
        let output = result.output().map(|bytes| bytes.to_vec());
        let output = output.unwrap_or_default();
        let spent = result.gas().total_gas_spent();
        let gas = account_for(result.tx_gas_used(), spent, call.calldata, precompiles);
        Ok(CallOutcome {
            returned,
            accepted: returned && output == ACCEPTED,
            gas,
            ending,
            output,
            logs: result.into_logs(),
        })
    }

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

    /// The balance of an account.
    pub fn balance(&mut self, address: Address) -> U256 {
        match self.db.basic(address) {
            Ok(account) => account.map_or(U256::ZERO, |account| account.balance),
            Err(never) => match never {},
        }
    }

    /// A word of a contract's storage.
    pub fn storage(&mut self, address: Address, slot: u64) -> U256 {
        match self.db.storage(address, U256::from(slot)) {
            Ok(word) => word,
            Err(never) => match never {},
        }
    }

    /// Gives an account a balance.
    pub fn set_balance(&mut self, address: Address, balance: U256) {
        let mut account = match self.db.basic(address) {
            Ok(account) => account.unwrap_or_default(),
            Err(never) => match never {},
        };
        account.balance = balance;
        self.db.insert_account_info(address, account);
    }

    /// Puts code at an address, whatever was there; none takes it away.
    pub fn set_code(&mut self, address: Address, code: &[u8]) {
        let mut account = match self.db.basic(address) {
            Ok(account) => account.unwrap_or_default(),
            Err(never) => match never {},
        };
        account.set_code(Bytecode::new_raw(Bytes::copy_from_slice(code)));
        self.db.insert_account_info(address, account);
    }

    /// Sets the time of the blocks that follow, in seconds.
    pub fn set_time(&mut self, timestamp: u64) {
        self.timestamp = timestamp;
    }

    /// Runs a transaction; the second part is the gas that precompiled contracts took.
    fn transact(
        &mut self,
        what: &'static str,
        tx: TxEnv,
    ) -> Result<(ExecutionResult, u64), ExecError> {
        let (result, gas) = self.inspect(what, tx, PrecompileGas(0))?;
        Ok((result, gas.0))
    }

    /// Runs a transaction under an inspector.
    pub(crate) fn inspect<I>(
        &mut self,
        what: &'static str,
        mut tx: TxEnv,
        inspector: I,
    ) -> Result<(ExecutionResult, I), ExecError>
    where
        I: for<'a> Inspector<MainnetContext<&'a mut InMemoryDB>>,
    {
        tx.nonce = match self.db.basic(tx.caller) {
            Ok(account) => account.map_or(0, |account| account.nonce),
            Err(never) => match never {},
        };
        let (spec, timestamp) = (self.fork.spec(), self.timestamp);
        let mut evm = Context::mainnet()
            .with_db(&mut self.db)
            .modify_cfg_chained(|cfg| cfg.set_spec_and_mainnet_gas_params(spec))
            .modify_block_chained(|block| block.timestamp = U256::from(timestamp))
            .build_mainnet_with_inspector(inspector);
        let result = evm.inspect_tx_commit(tx);
        let inspector = evm.inspector;
        match result {
            Ok(result) => Ok((result, inspector)),
            Err(error) => Err(ExecError::Invalid {
                what,
                fork: self.fork,
                reason: match error {
                    EVMError::Transaction(reason) => reason.to_string(),
                    other => format!("{other:?}"),
                },
            }),
        }
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

/// Adds up the gas of calls to precompiled contracts.
struct PrecompileGas(u64);

impl<CTX> Inspector<CTX> for PrecompileGas {
    fn call_end(&mut self, _: &mut CTX, inputs: &CallInputs, outcome: &mut EvmCallOutcome) {
        let number = U256::from_be_bytes(inputs.bytecode_address.into_word().0);
        if number > U256::ZERO && number <= LAST_PRECOMPILE {
            self.0 += outcome.gas().total_gas_spent();
        }
    }
}

/// Splits the gas of a call. Where the calldata floor of EIP-7623 decides the total, the parts add up
/// to less than it.
fn account_for(total: u64, spent: u64, calldata: &[u8], precompiles: u64) -> Gas {
    let (zeros, others) = count_bytes(calldata);
    let calldata = 4 * zeros as u64 + 16 * others as u64;
    let execution = spent.saturating_sub(BASE_GAS + calldata + precompiles);
    Gas {
        total,
        base: BASE_GAS,
        calldata,
        precompiles,
        execution,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creation code that returns `runtime`.
    fn creation(runtime: &[u8]) -> Vec<u8> {
        let size = (runtime.len() as u32).to_be_bytes();
        // PUSH4 size, DUP1, PUSH1 13, PUSH0, CODECOPY, PUSH0, RETURN, padded to 13 bytes.
        let mut code = vec![0x63, size[0], size[1], size[2], size[3]];
        code.extend([0x80, 0x60, 13, 0x5f, 0x39, 0x5f, 0xf3, 0x00]);
        code.extend(runtime);
        code
    }

    #[test]
    fn no_code_is_an_error_and_not_a_success() {
        let mut chain = Chain::new(Fork::Osaka);
        let error = chain.call(Address::with_last_byte(99), &[]).unwrap_err();
        assert!(matches!(error, ExecError::NoCode { .. }), "{error}");
    }

    #[test]
    fn calls_end_as_the_contract_ends_them() {
        for fork in Fork::ALL {
            let mut chain = Chain::new(fork);
            // PUSH0 PUSH0 RETURN, and PUSH0 PUSH0 REVERT.
            let good = chain.deploy(&creation(&[0x5f, 0x5f, 0xf3])).unwrap();
            let bad = chain.deploy(&creation(&[0x5f, 0x5f, 0xfd])).unwrap();
            assert_ne!(good.address, bad.address);
            assert_eq!(good.runtime_bytes, 3);
            let outcome = chain.call(good.address, &[0, 1]).unwrap();
            // It returned, but not what a verifier returns.
            assert!(outcome.returned && !outcome.accepted);
            assert_eq!(outcome.gas.calldata, 20);
            assert!(!chain.call(bad.address, &[]).unwrap().returned);
            // PUSH1 1, PUSH0, MSTORE, PUSH1 32, PUSH0, RETURN.
            let one = [0x60, 1, 0x5f, 0x52, 0x60, 32, 0x5f, 0xf3];
            let one = chain.deploy(&creation(&one)).unwrap();
            assert!(chain.call(one.address, &[]).unwrap().accepted);
        }
    }

    #[test]
    fn the_gas_of_precompiles_is_told_apart() {
        // STATICCALL(gas, 4, 0, 64, 0, 64): the identity, 15 + 3 gas a word; then ADD on the curve at 6.
        let identity = [0x60, 64, 0x5f, 0x60, 64, 0x5f, 0x60, 4, 0x5a, 0xfa, 0x50];
        let addition = [0x60, 64, 0x5f, 0x60, 128, 0x5f, 0x60, 6, 0x5a, 0xfa, 0x50];
        let code = [&identity[..], &addition, &[0x5f, 0x5f, 0xf3]].concat();
        for fork in Fork::ALL {
            let mut chain = Chain::new(fork);
            let contract = chain.deploy(&creation(&code)).unwrap();
            let gas = chain.call(contract.address, &[1]).unwrap().gas;
            assert_eq!(gas.precompiles, 15 + 2 * 3 + 150);
            let parts = gas.base + gas.calldata + gas.precompiles + gas.execution;
            assert_eq!(gas.total, parts);
        }
    }

    #[test]
    fn limits_hold() {
        for fork in Fork::ALL {
            let mut chain = Chain::new(fork);
            let error = chain
                .deploy(&creation(&vec![0; 24_577]))
                .unwrap_err()
                .to_string();
            assert!(error.contains("CreateContractSizeLimit"), "{error}");
            chain.deploy(&creation(&vec![0; 24_576])).unwrap();
            let error = chain.deploy(&creation(&vec![0; 49_153])).unwrap_err();
            assert!(
                matches!(
                    error,
                    ExecError::Invalid {
                        what: "deployment",
                        ..
                    }
                ),
                "{error}"
            );
        }
        let mut chain = Chain::new(Fork::Osaka);
        let contract = chain.deploy(&creation(&[0x5f, 0x5f, 0xf3])).unwrap();
        let error = chain
            .call_with_gas(contract.address, &[], MAX_TX_GAS + 1)
            .unwrap_err();
        assert!(
            matches!(error, ExecError::Invalid { what: "call", .. }),
            "{error}"
        );
    }
}
