//! A transaction, from its price to its receipt.

use super::{
    amount::{ether, gwei},
    args::{KeyArgs, SendArgs},
    refusal::explain,
};
use crate::{hex::hex, ui::Ui, values::grouped};
use anyhow::{bail, Result};
use serde_json::{json, Value};
use zkml_evm_verifier::chain::{
    Address, Node, Progress, Quote, Receipt, Signed, Transaction, Wallet, B256, U256,
};

/// Who sends, where, and how.
pub struct Sender<'a> {
    /// The node.
    pub node: &'a Node,
    /// Transactions of this run before the next one that the node doesn't know, since they are signed elsewhere.
    pub ahead: u64,
    signer: Signer,
    args: &'a SendArgs,
    ui: &'a Ui,
}

/// Who signs.
enum Signer {
    /// This program, with a key.
    Key(Wallet),
    /// Somebody else, for this account.
    Elsewhere(Address),
}

/// What was done.
pub enum Sent {
    /// Nothing: a dry run.
    Dry(Quote),
    /// Nothing: the transaction, of these bytes, is to be signed elsewhere.
    Unsigned(Quote, Vec<u8>),
    /// The transaction is on the chain.
    Done(Quote, Receipt),
}

/// What becomes of a transaction, for those that keep a record of it.
pub enum Fate<'a> {
    /// It is about to be sent.
    Signed(&'a Signed),
    /// It has no effect, and never will have.
    Void,
}

impl<'a> Sender<'a> {
    /// Takes the key, and checks that the chain is known to be the one that is meant.
    pub fn new(
        node: &'a Node,
        key: &KeyArgs,
        args: &'a SendArgs,
        chain_named: bool,
        ui: &'a Ui,
    ) -> Result<Self> {
        let sends = !args.dry_run && args.unsigned.is_none();
        if args.yes && sends && !chain_named && !node.is_local() {
            bail!(
                "{} is of chain {}, which is not a local one: with --yes, say that it is meant with --chain-id {}",
                node.place(),
                node.chain_id(),
                node.chain_id()
            );
        }
        Ok(Self {
            signer: match args.unsigned {
                Some(account) => Signer::Elsewhere(account),
                None => Signer::Key(key.wallet(ui)?),
            },
            node,
            ahead: 0,
            args,
            ui,
        })
    }

    /// The account.
    pub fn account(&self) -> Address {
        match &self.signer {
            Signer::Key(wallet) => wallet.address(),
            Signer::Elsewhere(account) => *account,
        }
    }

    /// Shows a transaction's price, asks, signs, tells `keep` what is to be sent, sends it, and waits.
    pub fn send(
        &self,
        what: &str,
        transaction: Transaction,
        keep: &mut dyn FnMut(Fate<'_>) -> Result<()>,
    ) -> Result<Sent> {
        let offer = self.args.offer();
        let quote = self.node.quote(self.account(), transaction, &offer);
        let mut quote = quote.map_err(explain)?;
        quote.nonce = quote.nonce.saturating_add(self.ahead);
        self.show(what, &quote)?;
        if quote.waiting > 0 && offer.nonce.is_none() {
            bail!(
                "{} transaction(s) of {} wait in the node's pool, perhaps of an earlier run of this command; wait for them, or give --nonce {} to come after them (--nonce {} replaces the first)",
                quote.waiting,
                quote.from,
                quote.nonce,
                quote.nonce.saturating_sub(quote.waiting)
            );
        }
        if self.args.dry_run {
            self.ui.show("Dry run: nothing was signed or sent.")?;
            return Ok(Sent::Dry(quote));
        }
        let wallet = match &self.signer {
            Signer::Key(wallet) => wallet,
            Signer::Elsewhere(_) => {
                let bytes = self.node.unsigned(&quote);
                self.ui.show("Not signed, and not sent. To be signed:")?;
                self.ui.show(format_args!("0x{}", hex(&bytes)))?;
                return Ok(Sent::Unsigned(quote, bytes));
            }
        };
        // Fails where the account cannot pay, before anybody is asked.
        let signed = self.node.sign(wallet, &quote)?;
        self.confirm(&quote)?;
        keep(Fate::Signed(&signed))?;
        if let Err(error) = self.node.send(&signed) {
            if error.is_final() {
                keep(Fate::Void)?;
            }
            return Err(error.into());
        }
        self.ui
            .show(format_args!("transaction         {}", signed.hash))?;
        let receipt = self.wait(signed.hash, keep)?;
        Ok(Sent::Done(quote, receipt))
    }

    /// Waits for a transaction.
    pub fn wait(
        &self,
        hash: B256,
        keep: &mut dyn FnMut(Fate<'_>) -> Result<()>,
    ) -> Result<Receipt> {
        let wait = self.args.wait(self.node);
        let wanted = wait.confirmations;
        let waiting = self.ui.stages("Waiting for the transaction", None, |say| {
            self.node.wait(hash, &wait, &mut |progress| match progress {
                Progress::Waiting => say("in no block yet"),
                Progress::Included(got) => say(&format!("{got} of {wanted} confirmations")),
            })
        });
        let receipt = match waiting.value {
            Ok(receipt) => receipt,
            Err(error) => {
                if error.is_final() {
                    keep(Fate::Void)?;
                }
                return Err(explain(error));
            }
        };
        self.ui.show(format_args!(
            "included            block {}, {} gas, {} ether",
            receipt.block,
            grouped(receipt.gas_used),
            ether(
                receipt
                    .gas_price
                    .saturating_mul(U256::from(receipt.gas_used))
            )
        ))?;
        Ok(receipt)
    }

    fn show(&self, what: &str, quote: &Quote) -> Result<()> {
        let ui = self.ui;
        ui.show(format_args!("{what} on chain {}", self.node.chain_id()))?;
        ui.show(format_args!(
            "from                {} (nonce {}, {} ether)",
            quote.from,
            quote.nonce,
            ether(quote.balance)
        ))?;
        say_price(quote, ui)
    }

    fn confirm(&self, quote: &Quote) -> Result<()> {
        if self.args.yes {
            return Ok(());
        }
        let question = format!(
            "Send it on chain {}, for at most {} ether? [y/N] ",
            self.node.chain_id(),
            ether(quote.at_most())
        );
        match self.ui.ask(&question)?.trim() {
            "y" | "Y" | "yes" => Ok(()),
            _ => bail!("not confirmed; nothing was sent"),
        }
    }
}

/// Prints what a transaction costs.
pub fn say_price(quote: &Quote, ui: &Ui) -> Result<()> {
    let fees = quote.fees;
    ui.show(format_args!(
        "gas                 {} (limit {})",
        grouped(quote.estimate),
        grouped(quote.gas_limit)
    ))?;
    ui.show(format_args!(
        "fee per gas         at most {} gwei, of it tip {}; base fee now {}",
        gwei(fees.max),
        gwei(fees.priority),
        gwei(fees.base)
    ))?;
    ui.show(format_args!(
        "cost                about {} ether, at most {}",
        ether(quote.expected()),
        ether(quote.at_most())
    ))
}

/// What a transaction costs, as JSON. Amounts are in wei, as text: they may be above 2^53.
pub fn price_json(quote: &Quote) -> Value {
    json!({
        "from": quote.from,
        "nonce": quote.nonce,
        "gas_estimate": quote.estimate,
        "gas_limit": quote.gas_limit,
        "base_fee_wei": quote.fees.base.to_string(),
        "max_fee_wei": quote.fees.max.to_string(),
        "priority_fee_wei": quote.fees.priority.to_string(),
        "expected_wei": quote.expected().to_string(),
        "at_most_wei": quote.at_most().to_string(),
    })
}

/// A transaction as Ethereum's JSON-RPC has them, which is what wallets take.
fn unsigned_json(quote: &Quote, chain_id: u64) -> Value {
    json!({
        "type": "0x2",
        "chainId": format!("{chain_id:#x}"),
        "from": quote.from,
        "nonce": format!("{:#x}", quote.nonce),
        "to": quote.transaction.to,
        "value": "0x0",
        "data": format!("0x{}", hex(&quote.transaction.data)),
        "gas": format!("{:#x}", quote.gas_limit),
        "maxFeePerGas": format!("{:#x}", quote.fees.max),
        "maxPriorityFeePerGas": format!("{:#x}", quote.fees.priority),
        "accessList": [],
    })
}

/// What was done, as JSON.
pub fn sent_json(sent: &Sent, chain_id: u64) -> Value {
    match sent {
        Sent::Dry(quote) => json!({ "sent": false, "price": price_json(quote) }),
        Sent::Unsigned(quote, bytes) => json!({
            "sent": false,
            "price": price_json(quote),
            "unsigned": unsigned_json(quote, chain_id),
            "rlp": format!("0x{}", hex(bytes)),
            "creates": quote.creates(),
        }),
        Sent::Done(quote, receipt) => json!({
            "sent": true,
            "price": price_json(quote),
            "transaction": receipt.hash,
            "block": receipt.block,
            "confirmations": receipt.confirmations,
            "gas_used": receipt.gas_used,
            "gas_price_wei": receipt.gas_price.to_string(),
        }),
    }
}
