//! A chain of one's own, and the gas of what happens on it.

use super::{Call, CallOutcome, Deployment, ExecError, Fork, Gas, ACCEPTED, MAX_TX_GAS};
use crate::{calldata::count_bytes, codegen::Failure};
use revm::{
    context::{
        result::{EVMError, ExecutionResult, Output},
        TxEnv,
    },
    database::InMemoryDB,
    handler::MainnetContext,
    inspector::{InspectCommitEvm, Inspector},
    interpreter::{CallInputs, CallOutcome as EvmCallOutcome},
    primitives::{Address, Bytes, TxKind, U256},
    state::Bytecode,
    Context, Database, MainBuilder, MainContext,
};

/// What every transaction costs before its calldata.
const BASE_GAS: u64 = 21_000;
/// The precompiled contract with the highest number, of those at small addresses.
const LAST_PRECOMPILE: U256 = U256::from_limbs([0x11, 0, 0, 0]);

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
