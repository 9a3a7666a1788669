//! Why a contract refused: what a node says about it, and what the contract returned.

use ethers::abi::{ParamType, Token};
use revm::primitives::hex;
use serde_json::Value;

/// `Error(string)`, from `require` with a text.
const ERROR: [u8; 4] = [0x08, 0xc3, 0x79, 0xa0];
/// `Panic(uint256)`, from arithmetic and the like.
const PANIC: [u8; 4] = [0x4e, 0x48, 0x7b, 0x71];

/// How a contract refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Revert {
    /// What it returned with the revert.
    pub data: Vec<u8>,
    /// What the node says, or what the data says where it is one of Solidity's own errors.
    pub message: String,
}

impl Revert {
    /// The revert that a node's error is about; `None` if it is about something else.
    pub(super) fn from_reply(code: i64, message: &str, data: Option<&Value>) -> Option<Self> {
        const EXECUTION: i64 = 3;
        const SIGNS: [&str; 6] = [
            "revert",
            "out of gas",
            "outofgas",
            "invalid opcode",
            "evm error",
            "gas required exceeds",
        ];
        let lower = message.to_lowercase();
        if code != EXECUTION && !SIGNS.iter().any(|sign| lower.contains(sign)) {
            return None;
        }
        let data = data.and_then(bytes).unwrap_or_default();
        let starved = lower.contains("gas") && data.is_empty();
        let message = match standard(&data) {
            Some(text) => text,
            None if starved => format!("it runs out of gas ({message})"),
            None if data.is_empty() => format!("reverted without a reason ({message})"),
            None => format!("reverted with 0x{}", hex::encode(&data)),
        };
        Some(Self { data, message })
    }

    pub(super) fn out_of_gas() -> Self {
        Self {
            data: Vec::new(),
            message: "it ran out of gas; raise --gas-limit".into(),
        }
    }

    pub(super) fn unknown() -> Self {
        Self {
            data: Vec::new(),
            message: "the same call succeeds now: the chain's state has changed since, or the gas limit was too low".into(),
        }
    }
}

/// The first bytes in hexadecimal in an error's `data`, which nodes nest differently.
fn bytes(data: &Value) -> Option<Vec<u8>> {
    match data {
        Value::String(text) => hex::decode(text.strip_prefix("0x")?).ok(),
        Value::Object(fields) => fields.values().find_map(bytes),
        _ => None,
    }
}

/// What Solidity's own errors say.
fn standard(data: &[u8]) -> Option<String> {
    let (selector, rest) = data.split_first_chunk::<4>()?;
    let decode = |kind| ethers::abi::decode(&[kind], rest).ok()?.into_iter().next();
    match *selector {
        ERROR => match decode(ParamType::String)? {
            Token::String(text) => Some(format!("reverted: {}", text.escape_debug())),
            _ => None,
        },
        PANIC => match decode(ParamType::Uint(256))? {
            Token::Uint(code) => Some(format!("reverted: Solidity's panic 0x{code:x}")),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_failed_executions_are_reverts() {
        assert_eq!(Revert::from_reply(-32601, "method not found", None), None);
        let out = Revert::from_reply(-32000, "out of gas: gas required exceeds: 1", None).unwrap();
        assert!(out.message.starts_with("it runs out of gas"), "{out}");
        let nested = json!({ "x": { "data": "0x4e487b71" } });
        let found = Revert::from_reply(-32000, "execution reverted", Some(&nested)).unwrap();
        assert_eq!(found.data, PANIC);
        let mut data = ERROR.to_vec();
        data.extend(ethers::abi::encode(&[Token::String("too\nlate".into())]));
        let data = json!(format!("0x{}", hex::encode(data)));
        let told = Revert::from_reply(3, "execution reverted", Some(&data)).unwrap();
        assert_eq!(told.message, "reverted: too\\nlate");
    }
}
