//! What is offered for a transaction: fees and gas out of a node's replies, and the most that these can come to.
//!
//! The base fee is the chain's: who signs for more than it pays no more. The tip is paid as it is offered, and a node
//! that names one may be the one that earns it. So a tip is the least that two of the node's methods name, and never
//! above a limit; no more is signed for a transaction than another limit; and gas is compared with that of our own EVM.

use super::{number, ChainError, Node, U256};
use ethers::{
    providers::{Middleware, ProviderError, RpcError},
    types::{BlockNumber, U256 as Number},
};
use futures_executor::block_on;
use std::future::Future;

/// Blocks whose tips are looked at.
const HISTORY: u64 = 10;
/// The percentile of the tips in a block that is offered.
const PERCENTILE: f64 = 50.0;
/// Largest tip in wei that a node can name, unless the user says otherwise: 5 gwei.
pub const MAX_TIP: u128 = 5_000_000_000;
/// The most that a transaction may cost in wei, unless the user says otherwise: 0.2 ether.
pub const MAX_COST: u128 = 200_000_000_000_000_000;
/// How many times the newest block's base fee the next one's can be: EIP-1559 allows 9/8 a block, and a block or two
/// may come between two questions.
const MAX_RISE: u128 = 2;
/// Gas that a node may ask for beyond twice that of our own EVM.
const SPARE_GAS: u64 = 100_000;

/// EIP-1559 fees, in wei for each unit of gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    /// The next block's base fee, as the node foresees it.
    pub base: u128,
    /// The most that is paid in all.
    pub max: u128,
    /// The tip.
    pub priority: u128,
}

/// What the user has decided about a transaction; the rest is found out.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// Most fee in wei for each unit of gas.
    pub max_fee: Option<u128>,
    /// Tip in wei for each unit of gas.
    pub priority_fee: Option<u128>,
    /// Most gas.
    pub gas_limit: Option<u64>,
    /// Number of the transaction among the account's.
    pub nonce: Option<u64>,
    /// Largest tip in wei that is taken from a node.
    pub max_tip: u128,
    /// The most in wei that the transaction may cost: gas limit times fee.
    pub max_cost: U256,
}

impl Default for Offer {
    fn default() -> Self {
        Self {
            max_fee: None,
            priority_fee: None,
            gas_limit: None,
            nonce: None,
            max_tip: MAX_TIP,
            max_cost: U256::from(MAX_COST),
        }
    }
}

impl Node {
    /// The fees of a transaction sent now: twice the base fee, which lasts for at least five full
    /// blocks, and a usual tip.
    ///
    /// # Errors
    /// If the node names a tip above the limit, or contradicts itself.
    pub fn fees(&self, offer: &Offer) -> Result<Fees, ChainError> {
        let history = self
            .provider
            .fee_history(HISTORY, BlockNumber::Latest, &[PERCENTILE]);
        let history = self.ask("eth_feeHistory", history)?;
        let base = history.base_fee_per_gas.last().copied();
        let base = base.and_then(small).ok_or_else(|| self.no_base_fee())?;
        let header = self.base_fee()?;
        if offer.max_fee.is_none() && base > header.saturating_mul(MAX_RISE).max(1) {
            return Err(self.error(
                "eth_feeHistory",
                format!("the next block's base fee is to be {base} wei, and the newest block's is {header} (eth_getBlockByNumber): no chain's rises so fast; ask another node, or say the most to pay with --max-fee"),
            ));
        }
        let priority = match offer.priority_fee {
            Some(tip) => tip,
            None => self.tip(&history.reward, offer.max_tip)?,
        };
        let max = offer
            .max_fee
            .unwrap_or_else(|| base.saturating_mul(2).saturating_add(priority));
        Ok(Fees {
            base,
            max,
            priority: priority.min(max),
        })
    }

    /// The smaller of the median of recent tips and the one that the node suggests, where it does.
    fn tip(&self, rewards: &[Vec<Number>], most: u128) -> Result<u128, ChainError> {
        let mut tips: Vec<u128> = rewards
            .iter()
            .filter_map(|block| block.first().copied())
            .map(|tip| small(tip).unwrap_or(u128::MAX))
            .filter(|tip| *tip > 0)
            .collect();
        tips.sort_unstable();
        let recent = tips.get(tips.len() / 2).copied().unwrap_or(1);
        let method = "eth_maxPriorityFeePerGas";
        let suggested = self
            .optional::<Number>(self.provider.request(method, ()))
            .map_err(|error| self.error(method, error.to_string()))?;
        let suggested = suggested.map(|tip| small(tip).unwrap_or(u128::MAX));
        let tip = suggested.map_or(recent, |suggested| suggested.min(recent));
        if tip > most {
            return Err(ChainError::Tip {
                node: self.place().to_owned(),
                tip,
                most,
            });
        }
        Ok(tip)
    }

    /// The base fee in the newest block's header.
    fn base_fee(&self) -> Result<u128, ChainError> {
        let block = self.provider.get_block(BlockNumber::Latest);
        let block = self.ask("eth_getBlockByNumber", block)?;
        let base = block.and_then(|block| block.base_fee_per_gas);
        base.and_then(small).ok_or_else(|| self.no_base_fee())
    }

    fn no_base_fee(&self) -> ChainError {
        ChainError::NoBaseFee {
            node: self.place().to_owned(),
        }
    }

    /// An answer; none if the node answers that it has none, as it does where it lacks the method.
    fn optional<T>(
        &self,
        request: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<Option<T>, ProviderError> {
        match block_on(request) {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.as_error_response().is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The gas limit: a tenth above the node's estimate, since the state may change until it is included. Unused gas
    /// is not paid, but a contract can burn all that it gets.
    pub(super) fn gas_limit(
        &self,
        estimate: u64,
        own: u64,
        offer: &Offer,
    ) -> Result<u64, ChainError> {
        if let Some(limit) = offer.gas_limit {
            return Ok(limit);
        }
        if estimate > own.saturating_mul(2).saturating_add(SPARE_GAS) {
            return Err(ChainError::Gas {
                node: self.place().to_owned(),
                estimate,
                own,
            });
        }
        let most = crate::exec::MAX_TX_GAS.max(estimate);
        Ok(estimate.saturating_add(estimate / 10).min(most))
    }
}

/// A number of wei, if it is one that somebody could have.
fn small(fee: Number) -> Option<u128> {
    u128::try_from(number(fee)).ok()
}
