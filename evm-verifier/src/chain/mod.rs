//! An Ethereum node: read from it, sign for it, send to it. The only module that knows ethers.
//!
//! What goes in and out is plain: addresses, hashes and numbers as in [`crate::exec`], bytes, and
//! the types of this module. Everything blocks, and every request has a time limit.
//!
//! A node is believed about the state of its chain, since nothing else could be asked, but its
//! replies are data from outside: no reply makes this module panic, and no error shows more of a
//! URL than scheme, host and port, or anything of a key.

mod data_fee;
mod events;
mod fees;
mod node;
mod revert;
mod rpc;
mod send;
mod wallet;

pub use data_fee::DataFee;
pub use fees::{Fees, Offer, MAX_COST, MAX_TIP};
pub use node::{Log, Node, Topic, Verdict};
pub use revert::Revert;
pub use revm::primitives::{keccak256, Address, B256, U256};
pub use send::{Progress, Quote, Receipt, Signed, Transaction, Wait};
pub use wallet::Wallet;

/// Chain ids of development nodes: anvil and hardhat, geth's development mode and ganache.
const LOCAL: [u64; 2] = [31_337, 1_337];

/// Whether a chain is one of the known local ones, which hold nothing of value.
pub fn is_local(chain_id: u64) -> bool {
    LOCAL.contains(&chain_id)
}

/// Why something could not be read from a chain or sent to it.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The URL cannot be used. It is not shown: it may hold an API key.
    #[error("the node's URL cannot be used: {reason}; expected one such as http://127.0.0.1:8545")]
    Url {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The node did not answer, or not as a node does.
    #[error("{node}: {method}: {reason}")]
    Node {
        /// Scheme, host and port.
        node: String,
        /// What was asked.
        method: &'static str,
        /// What came instead of an answer.
        reason: String,
    },
    /// The node is of another chain.
    #[error("{node} is a node of chain {got}, expected chain {expected}; nothing was sent")]
    WrongChain {
        /// Scheme, host and port.
        node: String,
        /// The chain asked for.
        expected: u64,
        /// The node's chain.
        got: u64,
    },
    /// The private key or its file cannot be used.
    #[error("{origin}: not a usable private key: {reason}")]
    Key {
        /// Where it was to come from.
        origin: String,
        /// What is wrong, without the key.
        reason: String,
    },
    /// The account cannot pay.
    #[error("account {account} has {has} wei, and the transaction may cost {needs} wei; send it ether on chain {chain}, or wait for lower fees")]
    Funds {
        /// The account.
        account: Address,
        /// The chain.
        chain: u64,
        /// Its balance.
        has: U256,
        /// Gas limit times maximal fee.
        needs: U256,
    },
    /// The chain's transactions have no EIP-1559 fees.
    #[error("{node}: its blocks have no base fee (EIP-1559), which zkml needs to offer a fee")]
    NoBaseFee {
        /// Scheme, host and port.
        node: String,
    },
    /// The node names a tip that nobody should pay unasked.
    #[error("{node} names a tip of {tip} wei for a unit of gas (eth_feeHistory, eth_maxPriorityFeePerGas), more than the {most} wei of --max-tip; nothing was sent. Compare with another node: if the chain asks for so much, raise --max-tip, or say the tip with --priority-fee")]
    Tip {
        /// Scheme, host and port.
        node: String,
        /// What it names, in wei.
        tip: u128,
        /// The limit.
        most: u128,
    },
    /// The node asks for much more gas than the transaction takes.
    #[error("{node} estimates {estimate} gas (eth_estimateGas), and the same transaction takes {own} in zkml's own EVM; nothing was sent. Where the chain counts gas in another way (Arbitrum: for data, too), say the limit with --gas-limit")]
    Gas {
        /// Scheme, host and port.
        node: String,
        /// The node's estimate.
        estimate: u64,
        /// Our own.
        own: u64,
    },
    /// The transaction may cost more than the user allows.
    #[error("the transaction may cost {cost} wei ({gas} gas at {fee} wei), more than the {most} wei of --max-cost; nothing was sent. Compare with another node, and raise --max-cost, or wait for lower fees")]
    Cost {
        /// Gas limit times fee.
        cost: U256,
        /// Gas limit.
        gas: u64,
        /// Most fee for a unit of gas, in wei.
        fee: u128,
        /// The limit.
        most: U256,
    },
    /// The node refuses a transaction, and has not taken it.
    #[error("{node}: eth_sendRawTransaction: {reason}")]
    NotTaken {
        /// Scheme, host and port.
        node: String,
        /// Why.
        reason: String,
    },
    /// A transaction was included, and had no effect.
    #[error("transaction {hash} failed in block {block}")]
    Failed {
        /// The transaction.
        hash: B256,
        /// Its block.
        block: u64,
        /// Why, as far as a second run of it tells.
        #[source]
        source: Revert,
    },
    /// The contract refuses the transaction, which therefore was not sent.
    #[error("the contract refuses it; nothing was sent")]
    Refused(#[source] Revert),
    /// A transaction is not yet included, or not yet deep enough.
    #[error("transaction {hash} has {got} of {wanted} confirmations after {seconds} s{note}; it may still come: run the same command again to go on waiting")]
    Timeout {
        /// The transaction.
        hash: B256,
        /// Confirmations at the end.
        got: u64,
        /// Confirmations asked for.
        wanted: u64,
        /// Time waited.
        seconds: u64,
        /// What is known of it.
        note: String,
    },
}

impl ChainError {
    /// Whether a transaction had no effect, and never will have.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::NotTaken { .. } | Self::Failed { .. })
    }
}

/// An ethers address as one of ours.
fn address(from: ethers::types::H160) -> Address {
    Address::from(from.0)
}

/// An ethers number as one of ours.
fn number(from: ethers::types::U256) -> U256 {
    U256::from_limbs(from.0)
}

/// One of our numbers as ethers'.
fn back(from: U256) -> ethers::types::U256 {
    ethers::types::U256(from.into_limbs())
}
