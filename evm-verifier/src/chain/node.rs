//! What can be read from a node.

use super::{address, is_local, number, rpc::Http, Address, ChainError, Revert, B256, U256};
use ethers::{
    providers::{Middleware, Provider, ProviderError},
    types::{
        transaction::eip2718::TypedTransaction, BlockNumber, Bytes, Eip1559TransactionRequest, H160,
    },
};
use futures_executor::block_on;
use std::future::Future;

/// A node of a known chain.
pub struct Node {
    pub(super) provider: Provider<Http>,
    chain_id: u64,
}

/// What a contract does when it is called.
#[derive(Debug)]
pub enum Verdict {
    /// It returns this.
    Returned(Vec<u8>),
    /// It reverts, or runs out of gas.
    Reverted(Revert),
}

/// What an indexed field of an event must be.
pub type Topic = Option<B256>;

/// An event that a contract emitted.
#[derive(Clone, Debug)]
pub struct Log {
    /// The contract.
    pub address: Address,
    /// The event and its indexed fields.
    pub topics: Vec<B256>,
    /// Its other fields.
    pub data: Vec<u8>,
    /// The transaction, where the event is in a block.
    pub transaction: Option<B256>,
    /// The block.
    pub block: Option<u64>,
}

impl Node {
    /// Connects to the node at a URL, and fails if it is of another chain than expected.
    pub fn connect(url: &str, expected: Option<u64>) -> Result<Self, ChainError> {
        let http = Http::new(url).map_err(|reason| ChainError::Url { reason })?;
        let provider = Provider::new(http);
        let mut node = Self {
            provider,
            chain_id: 0,
        };
        let id = node.ask("eth_chainId", node.provider.get_chainid())?;
        node.chain_id = u64::try_from(number(id))
            .map_err(|_| node.error("eth_chainId", "a number above 2^64".into()))?;
        match expected {
            Some(expected) if expected != node.chain_id => Err(ChainError::WrongChain {
                node: node.place().to_owned(),
                expected,
                got: node.chain_id,
            }),
            _ => Ok(node),
        }
    }

    /// Its chain.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// Whether its chain is a known local one.
    pub fn is_local(&self) -> bool {
        is_local(self.chain_id)
    }

    /// Scheme, host and port.
    pub fn place(&self) -> &str {
        self.provider.as_ref().place()
    }

    /// Whether the connection is neither encrypted nor on this machine.
    pub fn is_exposed(&self) -> bool {
        self.provider.as_ref().is_exposed()
    }

    /// The node's name for itself.
    pub fn client(&self) -> Result<String, ChainError> {
        self.ask("web3_clientVersion", self.provider.client_version())
    }

    /// The newest block.
    pub fn block_number(&self) -> Result<u64, ChainError> {
        let number = self.ask("eth_blockNumber", self.provider.get_block_number())?;
        Ok(number.as_u64())
    }

    /// The code at an address; empty if there is none.
    pub fn code(&self, at: Address) -> Result<Vec<u8>, ChainError> {
        let code = self.ask("eth_getCode", self.provider.get_code(foreign(at), None))?;
        Ok(code.to_vec())
    }

    /// An account's balance in wei.
    pub fn balance(&self, of: Address) -> Result<U256, ChainError> {
        let balance = self.provider.get_balance(foreign(of), None);
        Ok(number(self.ask("eth_getBalance", balance)?))
    }

    /// The number of an account's transactions: those in blocks, or with those that wait as well.
    pub fn nonce(&self, of: Address, pending: bool) -> Result<u64, ChainError> {
        let block = if pending {
            BlockNumber::Pending
        } else {
            BlockNumber::Latest
        };
        let count = self
            .provider
            .get_transaction_count(foreign(of), Some(block.into()));
        let count = number(self.ask("eth_getTransactionCount", count)?);
        u64::try_from(count)
            .map_err(|_| self.error("eth_getTransactionCount", "a number above 2^64".into()))
    }

    /// Calls a contract without a transaction, with as much gas as a transaction could have.
    pub fn call(
        &self,
        from: Option<Address>,
        to: Address,
        data: &[u8],
    ) -> Result<Verdict, ChainError> {
        let mut tx = Eip1559TransactionRequest::new()
            .to(foreign(to))
            .data(data.to_vec())
            .gas(crate::exec::MAX_TX_GAS);
        if let Some(from) = from {
            tx = tx.from(foreign(from));
        }
        self.call_typed(&TypedTransaction::Eip1559(tx), None)
    }

    pub(super) fn call_typed(
        &self,
        tx: &TypedTransaction,
        block: Option<u64>,
    ) -> Result<Verdict, ChainError> {
        match block_on(self.provider.call(tx, block.map(Into::into))) {
            Ok(data) => Ok(Verdict::Returned(data.to_vec())),
            Err(error) => Ok(Verdict::Reverted(self.revert("eth_call", error)?)),
        }
    }

    /// Asks the node.
    pub(super) fn ask<T>(
        &self,
        method: &'static str,
        request: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ChainError> {
        self.ask_or_error(method, request)
            .map_err(|(error, _)| error)
    }

    /// Asks the node. With an error it says whether the node answered, if only that it won't.
    pub(super) fn ask_or_error<T>(
        &self,
        method: &'static str,
        request: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, (ChainError, bool)> {
        use ethers::providers::RpcError;
        block_on(request).map_err(|error| {
            let answered = error.as_error_response().is_some();
            (self.error(method, error.to_string()), answered)
        })
    }

    pub(super) fn error(&self, method: &'static str, reason: String) -> ChainError {
        ChainError::Node {
            node: self.place().to_owned(),
            method,
            reason,
        }
    }

    /// The revert that an error stands for, if it stands for one.
    pub(super) fn revert(
        &self,
        method: &'static str,
        error: ProviderError,
    ) -> Result<Revert, ChainError> {
        use ethers::providers::RpcError;
        error
            .as_error_response()
            .and_then(|response| {
                Revert::from_reply(response.code, &response.message, response.data.as_ref())
            })
            .ok_or_else(|| self.error(method, error.to_string()))
    }
}

/// One of our addresses as ethers'.
pub(super) fn foreign(address: Address) -> H160 {
    H160(address.into_array())
}

impl From<ethers::types::Log> for Log {
    fn from(log: ethers::types::Log) -> Self {
        let data: Bytes = log.data;
        Self {
            address: address(log.address),
            topics: log.topics.iter().map(|topic| B256::from(topic.0)).collect(),
            data: data.to_vec(),
            transaction: log.transaction_hash.map(|hash| B256::from(hash.0)),
            block: log.block_number.map(|number| number.as_u64()),
        }
    }
}
