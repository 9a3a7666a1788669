//! An EVM in which a precompiled contract does not do what it should.

use revm::{
    context::{result::ExecutionResult, Cfg, TxEnv},
    context_interface::ContextTr,
    database::InMemoryDB,
    handler::{EthPrecompiles, PrecompileProvider},
    interpreter::{CallInputs, Gas, InstructionResult, InterpreterResult},
    primitives::{hardfork::SpecId, Address, AddressSet, Bytes, TxKind},
    state::{AccountInfo, Bytecode},
    Context, ExecuteEvm, MainBuilder, MainContext,
};

/// What a precompiled contract does instead.
#[derive(Clone, Copy, Debug)]
pub enum Instead {
    /// What it should.
    Nothing,
    /// It fails, and burns what gas it has.
    Fails,
    /// It succeeds, and returns nothing: an account without code.
    Empty,
    /// It succeeds, and returns zeros.
    Zeros,
    /// It succeeds, and returns what it should without the last byte.
    Short,
}

struct Broken {
    whole: EthPrecompiles,
    address: Address,
    instead: Instead,
}

impl<CTX: ContextTr> PrecompileProvider<CTX> for Broken {
    type Output = InterpreterResult;

    fn set_spec(&mut self, spec: <CTX::Cfg as Cfg>::Spec) -> bool {
        <EthPrecompiles as PrecompileProvider<CTX>>::set_spec(&mut self.whole, spec)
    }

    fn run(
        &mut self,
        context: &mut CTX,
        inputs: &CallInputs,
    ) -> Result<Option<InterpreterResult>, String> {
        let result = self.whole.run(context, inputs)?;
        if inputs.bytecode_address != self.address {
            return Ok(result);
        }
        Ok(result.map(|mut result| {
            let length = result.output.len();
            let output = match self.instead {
                Instead::Nothing => return result,
                Instead::Fails => {
                    let gas = Gas::new_spent_with_reservoir(inputs.gas_limit, 0);
                    let failure = InstructionResult::PrecompileError;
                    return InterpreterResult::new(failure, Bytes::new(), gas);
                }
                Instead::Empty => Vec::new(),
                Instead::Zeros => vec![0; length],
                Instead::Short => result.output[..length.saturating_sub(1)].to_vec(),
            };
            result.output = output.into();
            result
        }))
    }

    fn warm_addresses(&self) -> &AddressSet {
        self.whole.warm_addresses()
    }
}

/// Whether a contract accepts, where the precompiled contract of this number does something else.
pub fn accepts(code: &[u8], calldata: &[u8], number: u8, instead: Instead) -> bool {
    let contract = Address::with_last_byte(0xcc);
    let mut db = InMemoryDB::default();
    let code = Bytecode::new_raw(Bytes::copy_from_slice(code));
    db.insert_account_info(contract, AccountInfo::default().with_code(code));
    let precompiles = Broken {
        whole: EthPrecompiles::new(SpecId::OSAKA),
        address: Address::with_last_byte(number),
        instead,
    };
    let mut evm = Context::mainnet()
        .with_db(db)
        .modify_cfg_chained(|cfg| cfg.set_spec_and_mainnet_gas_params(SpecId::OSAKA))
        .build_mainnet()
        .with_precompiles(precompiles);
    let result = evm.transact(TxEnv {
        kind: TxKind::Call(contract),
        data: Bytes::copy_from_slice(calldata),
        gas_limit: zkml_evm_verifier::exec::MAX_TX_GAS,
        ..Default::default()
    });
    matches!(result.unwrap().result, ExecutionResult::Success { .. })
}
