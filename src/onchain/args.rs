//! Options: which node, whose key, and how a transaction is sent.

use super::amount::{parse_ether, parse_gwei};
use crate::ui::Ui;
use anyhow::{bail, Context, Result};
use clap::Args;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use zeroize::Zeroizing;
use zkml_evm_verifier::chain::{Address, Node, Offer, Wait, Wallet, MAX_COST, MAX_TIP, U256};
use zkml_files::read_bounded;

/// The variable that has the node's URL.
const URL_VARIABLE: &str = "ETH_RPC_URL";
/// The variable that has the private key, unless another is named.
const KEY_VARIABLE: &str = "ZKML_PRIVATE_KEY";
/// Largest file of a secret that is read.
const MAX_SECRET: u64 = 1 << 12;
/// Time between two questions to a local node, and to another.
const INTERVALS: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(2)];

/// Which node.
#[derive(Args)]
pub struct NodeArgs {
    /// The node's JSON-RPC address, http:// or https:// [default: $ETH_RPC_URL]
    #[arg(long, value_name = "URL")]
    rpc_url: Option<String>,
    /// Fail unless the node is of this chain
    #[arg(long, value_name = "ID")]
    pub chain_id: Option<u64>,
}

impl NodeArgs {
    /// Whether a node was named.
    pub fn is_given(&self) -> bool {
        self.rpc_url.is_some() || std::env::var_os(URL_VARIABLE).is_some()
    }

    /// Connects.
    pub fn connect(&self, ui: &Ui) -> Result<Node> {
        let from_environment = || std::env::var(URL_VARIABLE).ok();
        let Some(url) = self.rpc_url.clone().or_else(from_environment) else {
            bail!("no node: give its address with --rpc-url URL or in ${URL_VARIABLE}");
        };
        let node = Node::connect(&url, self.chain_id)?;
        if node.is_exposed() {
            ui.note(format_args!(
                "warning: {} is neither encrypted nor on this machine: its answers may be forged on the way",
                node.place()
            ));
        }
        Ok(node)
    }
}

/// Whose key signs. It is never taken from the command line, which other users and the shell's
/// history see.
#[derive(Args)]
pub struct KeyArgs {
    /// Environment variable that has the private key [default: ZKML_PRIVATE_KEY]
    #[arg(long, value_name = "NAME", conflicts_with_all = ["keystore", "interactive"])]
    key_env: Option<String>,
    /// Keystore file (Web3 Secret Storage, as geth and `cast wallet` write it)
    #[arg(long, value_name = "FILE", conflicts_with = "interactive")]
    keystore: Option<PathBuf>,
    /// File with the keystore's password [default: ask for it]
    #[arg(long, value_name = "FILE", requires = "keystore")]
    password_file: Option<PathBuf>,
    /// Ask for the private key on the terminal, without showing it
    #[arg(long)]
    interactive: bool,
}

impl KeyArgs {
    /// The key.
    pub fn wallet(&self, ui: &Ui) -> Result<Wallet> {
        if let Some(path) = &self.keystore {
            let password = match &self.password_file {
                Some(file) => read_secret(file, "password", ui)?,
                None => ui.secret("Password of the keystore: ")?,
            };
            return Ok(Wallet::from_keystore(path, &password)?);
        }
        if self.interactive {
            let key = ui.secret("Private key: ")?;
            return Ok(Wallet::from_hex(&key, "the private key")?);
        }
        let name = self.key_env.as_deref().unwrap_or(KEY_VARIABLE);
        let digits = name.bytes().filter(u8::is_ascii_hexdigit).count();
        if digits > 40 || name.is_empty() || name.contains(['=', '\0']) {
            bail!("--key-env takes the name of a variable; what it was given is not shown, for it looks like the key itself, which never belongs on a command line");
        }
        match std::env::var(name).map(Zeroizing::new) {
            Ok(key) => Ok(Wallet::from_hex(&key, &format!("${name}"))?),
            Err(std::env::VarError::NotUnicode(_)) => bail!("${name}: not text"),
            Err(std::env::VarError::NotPresent) => bail!(
                "no private key: ${name} is not set; set it, or give --keystore FILE or --interactive"
            ),
        }
    }
}

/// A secret of one line in a file; `what` names it. Says so if others can read it.
///
/// # Errors
/// If the file cannot be read, or is no text.
pub fn read_secret(path: &Path, what: &str, ui: &Ui) -> Result<Zeroizing<String>> {
    if let Some(mode) = shown_to_others(path) {
        ui.note(format_args!(
            "warning: {}: other users of this machine can read this {what} (mode {mode:o}): chmod 600 it, and change the {what}",
            path.display()
        ));
    }
    let bytes = Zeroizing::new(read_bounded(path, MAX_SECRET)?);
    // What is no text is not shown: it may be the secret all the same.
    let text = std::str::from_utf8(&bytes).ok();
    let text = text.with_context(|| format!("{}: expected text", path.display()))?;
    let mut text = Zeroizing::new(text.to_owned());
    while text.ends_with(['\n', '\r']) {
        text.pop();
    }
    Ok(text)
}

/// The mode of a file that not only its owner can read.
fn shown_to_others(path: &Path) -> Option<u32> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
        // Pipes and devices, as of process substitution, are readable to nobody else whatever they say.
        let stored = path.is_file();
        (stored && mode & 0o044 != 0).then_some(mode)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

/// How a transaction is sent.
#[derive(Args)]
pub struct SendArgs {
    /// Send without asking; on a chain that is not a local one it needs --chain-id
    #[arg(short, long)]
    pub yes: bool,
    /// Do everything but sign and send: say what it would cost, and whether it would succeed
    #[arg(long)]
    pub dry_run: bool,
    /// Print the transaction without a signature, for this account to sign elsewhere: a hardware or multi-signature
    /// wallet. No key is asked for, and nothing is sent
    #[arg(long, value_name = "ACCOUNT", value_parser = parse_address, conflicts_with = "dry_run")]
    pub unsigned: Option<Address>,
    /// Blocks to wait for, the transaction's own included
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    confirmations: u64,
    /// Longest time to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    timeout: u64,
    /// Most to pay for a unit of gas, in gwei [default: twice the base fee, and the tip]
    #[arg(long, value_name = "GWEI", value_parser = parse_gwei)]
    max_fee: Option<u128>,
    /// Tip for a unit of gas, in gwei [default: the lower of what the node's blocks have and what it suggests]
    #[arg(long, value_name = "GWEI", value_parser = parse_gwei)]
    priority_fee: Option<u128>,
    /// Fail where the node asks for a higher tip for a unit of gas, in gwei [default: 5]
    #[arg(long, value_name = "GWEI", value_parser = parse_gwei, conflicts_with = "priority_fee")]
    max_tip: Option<u128>,
    /// Fail where a transaction may cost more, in ether [default: 0.2]
    #[arg(long, value_name = "ETHER", value_parser = parse_ether)]
    max_cost: Option<u128>,
    /// Most gas to use [default: the node's estimate and a tenth, if our own EVM needs as much or half of it]
    #[arg(long, value_name = "GAS")]
    gas_limit: Option<u64>,
    /// Number of the transaction among the account's [default: the next]
    #[arg(long, value_name = "N")]
    nonce: Option<u64>,
}

impl SendArgs {
    /// What was decided about fees.
    pub fn offer(&self) -> Offer {
        Offer {
            max_fee: self.max_fee,
            priority_fee: self.priority_fee,
            gas_limit: self.gas_limit,
            nonce: self.nonce,
            max_tip: self.max_tip.unwrap_or(MAX_TIP),
            max_cost: U256::from(self.max_cost.unwrap_or(MAX_COST)),
        }
    }

    /// How long to wait.
    pub fn wait(&self, node: &Node) -> Wait {
        let [local, other] = INTERVALS;
        Wait {
            confirmations: self.confirmations,
            timeout: Duration::from_secs(self.timeout),
            interval: if node.is_local() { local } else { other },
        }
    }
}

/// An address; mixed case must be its checksum. For clap.
pub fn parse_address(text: &str) -> Result<Address, String> {
    let expected = || format!("expected an address, 0x and 40 hexadecimal digits; got '{text}'");
    let address: Address = text.parse().map_err(|_| expected())?;
    let digits = text.strip_prefix("0x").ok_or_else(expected)?;
    let mixed = digits.bytes().any(|byte| byte.is_ascii_lowercase())
        && digits.bytes().any(|byte| byte.is_ascii_uppercase());
    if mixed && address.to_string() != text {
        return Err(format!(
            "'{text}' has a wrong checksum (EIP-55): a typing error?"
        ));
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_checked() {
        let good = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
        for text in [good.to_owned(), good.to_lowercase()] {
            assert_eq!(parse_address(&text).unwrap().to_string(), good);
        }
        for bad in [&good[2..], &good[..41], "0x", &good.replace("f39F", "F39F")] {
            assert!(parse_address(bad).is_err(), "{bad}");
        }
    }
}
