//! A local EVM: deploy a contract, call it, account for the gas.
//!
//! The limits that decide on the main network hold here as well: code size (EIP-170, EIP-3860),
//! and from Osaka on the gas limit of a transaction (EIP-7825).

mod chain;
mod trace;

pub use chain::Chain;

use revm::primitives::{hardfork::SpecId, Address, Log};

/// EIP-7825: the most gas that one transaction may ask for, from Osaka on.
pub const MAX_TX_GAS: u64 = 16_777_216;
/// What a verifier returns for a proof that verifies: the word 1.
pub const ACCEPTED: [u8; 32] = {
    let mut word = [0; 32];
    word[31] = 1;
    word
};

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
