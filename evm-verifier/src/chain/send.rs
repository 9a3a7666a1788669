//! Transactions: what they would cost, signed, sent, waited for.

use super::{
    address, back,
    fees::{Fees, Offer},
    node::{foreign, Log},
    number, Address, ChainError, Node, Revert, Verdict, Wallet, B256, U256,
};
use ethers::{
    providers::{Middleware, ProviderError, RpcError},
    types::{
        transaction::eip2718::TypedTransaction, Bytes, Eip1559TransactionRequest,
        TransactionReceipt, H256,
    },
};
use futures_executor::block_on;
use revm::primitives::keccak256;
use std::time::{Duration, Instant};

/// What to do on the chain.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// The contract to call; `None` creates one.
    pub to: Option<Address>,
    /// Calldata, or creation code.
    pub data: Vec<u8>,
    /// Gas that it takes in our own EVM, with which the node's estimate is compared.
    pub gas: u64,
}

/// A transaction ready to be signed, with what it costs.
#[derive(Clone, Debug)]
pub struct Quote {
    /// What it does.
    pub transaction: Transaction,
    /// Who pays.
    pub from: Address,
    /// Its number among the account's transactions.
    pub nonce: u64,
    /// Transactions of the account that wait before it.
    pub waiting: u64,
    /// Gas that the node expects it to need.
    pub estimate: u64,
    /// Most gas.
    pub gas_limit: u64,
    /// Fees.
    pub fees: Fees,
    /// The account's balance.
    pub balance: U256,
}

impl Quote {
    /// The most that it can cost, in wei.
    pub fn at_most(&self) -> U256 {
        U256::from(self.gas_limit).saturating_mul(U256::from(self.fees.max))
    }

    /// The contract that it creates, if it does.
    pub fn creates(&self) -> Option<Address> {
        match self.transaction.to {
            Some(_) => None,
            None => Some(self.from.create(self.nonce)),
        }
    }

    /// What it costs if the base fee stays, in wei.
    pub fn expected(&self) -> U256 {
        let price = self.fees.base.saturating_add(self.fees.priority);
        U256::from(self.estimate).saturating_mul(U256::from(price.min(self.fees.max)))
    }
}

/// A signed transaction. Its hash and, if it creates a contract, the contract's address are known
/// before it is sent, so that they can be written down first.
#[derive(Clone, Debug)]
pub struct Signed {
    raw: Bytes,
    /// Its hash.
    pub hash: B256,
    /// The contract that it creates.
    pub creates: Option<Address>,
}

/// What became of a transaction.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The transaction.
    pub hash: B256,
    /// The block that it is in.
    pub block: u64,
    /// Gas used.
    pub gas_used: u64,
    /// What was paid for each unit of gas, in wei.
    pub gas_price: U256,
    /// Blocks from its own on, itself included.
    pub confirmations: u64,
    /// Events.
    pub logs: Vec<Log>,
}

/// How long to wait for a transaction.
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    /// Blocks from its own on, at least 1.
    pub confirmations: u64,
    /// The longest that is waited.
    pub timeout: Duration,
    /// Time between two questions.
    pub interval: Duration,
}

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// In no block.
    Waiting,
    /// In a block, with so many confirmations.
    Included(u64),
}

impl Node {
    /// Gas that the node expects a transaction to need, or why it would fail.
    pub fn estimate(&self, from: Address, tx: &Transaction) -> Result<u64, ChainError> {
        let typed = TypedTransaction::Eip1559(self.request(from, tx.to, &tx.data));
        match block_on(self.provider.estimate_gas(&typed, None)) {
            Ok(gas) => u64::try_from(number(gas))
                .map_err(|_| self.error("eth_estimateGas", "a number above 2^64".into())),
            Err(error) => Err(ChainError::Refused(self.revert("eth_estimateGas", error)?)),
        }
    }

    /// Completes a transaction and says what it costs. The account's balance is not yet compared.
    ///
    /// # Errors
    /// If it may cost more than is offered.
    pub fn quote(
        &self,
        from: Address,
        transaction: Transaction,
        offer: &Offer,
    ) -> Result<Quote, ChainError> {
        let settled = self.nonce(from, false)?;
        let next = self.nonce(from, true)?;
        let estimate = self.estimate(from, &transaction)?;
        let quote = Quote {
            from,
            nonce: offer.nonce.unwrap_or(next),
            waiting: next.saturating_sub(settled),
            estimate,
            gas_limit: self.gas_limit(estimate, transaction.gas, offer)?,
            fees: self.fees(offer)?,
            balance: self.balance(from)?,
            transaction,
        };
        if quote.at_most() > offer.max_cost {
            return Err(ChainError::Cost {
                cost: quote.at_most(),
                gas: quote.gas_limit,
                fee: quote.fees.max,
                most: offer.max_cost,
            });
        }
        Ok(quote)
    }

    /// Signs a transaction as quoted; nothing is sent.
    pub fn sign(&self, wallet: &Wallet, quote: &Quote) -> Result<Signed, ChainError> {
        if quote.balance < quote.at_most() {
            return Err(ChainError::Funds {
                account: quote.from,
                chain: self.chain_id(),
                has: quote.balance,
                needs: quote.at_most(),
            });
        }
        let raw = wallet.sign(&self.complete(quote))?;
        Ok(Signed {
            hash: keccak256(&raw),
            raw,
            creates: quote.creates(),
        })
    }

    /// A transaction as quoted without a signature, as those take it that sign elsewhere: EIP-2718's type and
    /// EIP-1559's fields.
    pub fn unsigned(&self, quote: &Quote) -> Vec<u8> {
        self.complete(quote).rlp().to_vec()
    }

    fn complete(&self, quote: &Quote) -> TypedTransaction {
        let request = self
            .request(quote.from, quote.transaction.to, &quote.transaction.data)
            .nonce(quote.nonce)
            .gas(quote.gas_limit)
            .max_fee_per_gas(back(U256::from(quote.fees.max)))
            .max_priority_fee_per_gas(back(U256::from(quote.fees.priority)));
        TypedTransaction::Eip1559(request)
    }

    /// Sends a signed transaction. To send it again does no harm. [`ChainError::NotTaken`] if the node refuses it; after
    /// any other error it may have been taken.
    pub fn send(&self, signed: &Signed) -> Result<(), ChainError> {
        let result = block_on(self.provider.send_raw_transaction(signed.raw.clone()));
        let Err(error) = result else {
            return Ok(());
        };
        let known = |error: &ProviderError| {
            error
                .as_error_response()
                .is_some_and(|reply| reply.message.to_lowercase().contains("already known"))
        };
        // The node may have it although the answer was lost.
        let known = known(&error) || self.knows(signed.hash).unwrap_or(false);
        match error.as_error_response() {
            _ if known => Ok(()),
            Some(reply) => Err(ChainError::NotTaken {
                node: self.place().to_owned(),
                reason: advise(&reply.message),
            }),
            None => Err(self.error("eth_sendRawTransaction", error.to_string())),
        }
    }

    /// Whether the node has a transaction, in a block or waiting.
    pub fn knows(&self, hash: B256) -> Result<bool, ChainError> {
        let transaction = self.provider.get_transaction(H256(hash.0));
        Ok(self.ask("eth_getTransactionByHash", transaction)?.is_some())
    }

    /// Waits until a transaction is in a block that is deep enough.
    pub fn wait(
        &self,
        hash: B256,
        wait: &Wait,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<Receipt, ChainError> {
        let start = Instant::now();
        let wanted = wait.confirmations.max(1);
        loop {
            // It is sent: a node that doesn't answer now may answer later.
            let seen = self.receipt(hash);
            let got = match &seen {
                Ok(Some(receipt)) => receipt.confirmations,
                _ => 0,
            };
            match seen {
                Ok(Some(receipt)) if got >= wanted => return Ok(receipt),
                Err(error @ ChainError::Failed { .. }) => return Err(error),
                _ if start.elapsed() >= wait.timeout => {
                    let note = match seen {
                        Ok(None) if matches!(self.knows(hash), Ok(false)) => {
                            ", and the node has forgotten it".into()
                        }
                        Ok(_) => String::new(),
                        Err(error) => format!(" ({error})"),
                    };
                    return Err(ChainError::Timeout {
                        hash,
                        got,
                        wanted,
                        seconds: wait.timeout.as_secs(),
                        note,
                    });
                }
                Ok(Some(_)) => tell(Progress::Included(got)),
                _ => tell(Progress::Waiting),
            }
            std::thread::sleep(wait.interval);
        }
    }

    /// The receipt of a transaction, if it is in a block of the node's chain.
    pub fn receipt(&self, hash: B256) -> Result<Option<Receipt>, ChainError> {
        let method = "eth_getTransactionReceipt";
        let receipt = self.provider.get_transaction_receipt(H256(hash.0));
        let Some(receipt) = self.ask(method, receipt)? else {
            return Ok(None);
        };
        let Some(block) = receipt.block_number.map(|number| number.as_u64()) else {
            return Ok(None);
        };
        if receipt.status.is_some_and(|status| status.is_zero()) {
            return Err(ChainError::Failed {
                hash,
                block,
                source: self.reason(&receipt, block)?,
            });
        }
        let newest = self.block_number()?;
        let gas_used = receipt.gas_used.map(number);
        let gas_used = gas_used.and_then(|gas| u64::try_from(gas).ok());
        Ok(Some(Receipt {
            hash,
            block,
            gas_used: gas_used.ok_or_else(|| self.error(method, "no gasUsed".into()))?,
            gas_price: receipt.effective_gas_price.map(number).unwrap_or_default(),
            confirmations: newest.saturating_add(1).saturating_sub(block),
            logs: receipt.logs.into_iter().map(Log::from).collect(),
        }))
    }

    /// Why a transaction failed: what it does when it is run again on the state after its block.
    fn reason(&self, receipt: &TransactionReceipt, block: u64) -> Result<Revert, ChainError> {
        let sent = self.provider.get_transaction(receipt.transaction_hash);
        let Some(sent) = self.ask("eth_getTransactionByHash", sent)? else {
            return Ok(Revert::unknown());
        };
        let used_all = receipt.gas_used.is_some_and(|used| used == sent.gas);
        let (from, to) = (address(receipt.from), receipt.to.map(address));
        let request = self.request(from, to, &sent.input).gas(sent.gas);
        match self.call_typed(&TypedTransaction::Eip1559(request), Some(block))? {
            Verdict::Reverted(revert) => Ok(revert),
            Verdict::Returned(_) if used_all => Ok(Revert::out_of_gas()),
            Verdict::Returned(_) => Ok(Revert::unknown()),
        }
    }

    fn request(
        &self,
        from: Address,
        to: Option<Address>,
        data: &[u8],
    ) -> Eip1559TransactionRequest {
        let request = Eip1559TransactionRequest::new()
            .from(foreign(from))
            .chain_id(self.chain_id())
            .data(data.to_vec());
        match to {
            Some(to) => request.to(foreign(to)),
            None => request,
        }
    }
}

/// What to do about an error that nodes give.
fn advise(message: &str) -> String {
    let lower = message.to_lowercase();
    let advice = if lower.contains("nonce too low") {
        "; another transaction of the account was sent meanwhile: run the command again"
    } else if lower.contains("underpriced") {
        "; a waiting transaction has this nonce: raise --max-fee and --priority-fee to replace it, or wait"
    } else if lower.contains("insufficient funds") {
        "; the account needs more ether"
    } else {
        ""
    };
    format!("{message}{advice}")
}
