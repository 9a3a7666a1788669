//! What chains that keep their data on another one take for it, beside or within the gas.
//!
//! OP-style chains (Optimism, Base, and others) have a contract that says the fee, which is paid beside the gas.
//! Arbitrum's nodes answer for a contract that says how much of the gas limit is for data. Both are asked, whatever the
//! chain's number: where there is none, a call returns nothing.

use super::{send::Transaction, Address, ChainError, Fees, Node, Quote, Verdict, U256};
use alloy_sol_types::{sol, SolCall};

/// OP-style chains' GasPriceOracle.
const ORACLE: Address = predeployed(&[0x42], 0x0f);
/// Arbitrum's NodeInterface.
const NODE_INTERFACE: Address = predeployed(&[], 0xc8);

sol! {
    #[allow(missing_docs)]
    function getL1Fee(bytes data) external view returns (uint256 fee);
    #[allow(missing_docs)]
    function gasEstimateL1Component(address to, bool contractCreation, bytes data)
        external
        payable
        returns (uint64 gas, uint256 baseFee, uint256 l1BaseFee);
}

/// An address of a first and a last byte.
const fn predeployed(first: &[u8], last: u8) -> Address {
    let mut bytes = [0; 20];
    if let [byte, ..] = first {
        bytes[0] = *byte;
    }
    bytes[19] = last;
    Address::new(bytes)
}

/// What a transaction's data costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataFee {
    /// So many wei, beside the gas (OP-style chains).
    Beside(U256),
    /// So much gas more (Arbitrum).
    Gas(u64),
}

impl Node {
    /// The fee for a transaction's data, where the chain takes one of its own.
    ///
    /// # Errors
    /// If the node doesn't answer, or the contract has another answer than a fee.
    pub fn data_fee(
        &self,
        transaction: &Transaction,
        fees: Fees,
    ) -> Result<Option<DataFee>, ChainError> {
        let call = getL1FeeCall {
            data: self.blank(transaction, fees).into(),
        };
        if let Some(answer) = self.returned(ORACLE, &call.abi_encode())? {
            let fee = getL1FeeCall::abi_decode_returns(&answer);
            return match fee {
                Ok(fee) => Ok(Some(DataFee::Beside(fee))),
                Err(_) => Err(self.error(
                    "eth_call",
                    format!("{ORACLE} does not say the fee for data"),
                )),
            };
        }
        let call = gasEstimateL1ComponentCall {
            to: transaction.to.unwrap_or_default(),
            contractCreation: transaction.to.is_none(),
            data: transaction.data.clone().into(),
        };
        let Some(answer) = self.returned(NODE_INTERFACE, &call.abi_encode())? else {
            return Ok(None);
        };
        match gasEstimateL1ComponentCall::abi_decode_returns(&answer) {
            Ok(answer) => Ok(Some(DataFee::Gas(answer.gas))),
            Err(_) => Err(self.error(
                "eth_call",
                format!("{NODE_INTERFACE} does not say the gas for data"),
            )),
        }
    }

    /// The transaction as it would be written down, unsigned: what the oracle takes.
    fn blank(&self, transaction: &Transaction, fees: Fees) -> Vec<u8> {
        self.unsigned(&Quote {
            transaction: transaction.clone(),
            from: Address::ZERO,
            nonce: 0,
            waiting: 0,
            estimate: transaction.gas,
            gas_limit: transaction.gas,
            fees,
            balance: U256::ZERO,
        })
    }

    /// What a contract returns; none if it reverts, or if there is none.
    fn returned(&self, of: Address, data: &[u8]) -> Result<Option<Vec<u8>>, ChainError> {
        match self.call(None, of, data)? {
            Verdict::Returned(data) if !data.is_empty() => Ok(Some(data)),
            Verdict::Returned(_) | Verdict::Reverted(_) => Ok(None),
        }
    }
}
