//! An Ethereum node: read from it, sign for it, send to it. The only module that knows ethers.
//!
//! What goes in and out is plain: addresses, hashes and numbers as in [`crate::exec`], bytes, and
//! the types of this module. Everything blocks, and every request has a time limit.
//!
//! A node is believed about the state of its chain, since nothing else could be asked, but its
//! replies are data from outside: no reply makes this module panic, and no error shows more of a
//! URL than scheme, host and port, or anything of a key.

mod node;
mod revert;
mod rpc;
mod send;
mod wallet;

pub use node::{Log, Node, Topic, Verdict};
pub use revert::Revert;
pub use revm::primitives::{keccak256, Address, B256, U256};
pub use send::{Fees, Offer, Progress, Quote, Receipt, Signed, Transaction, Wait};
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
