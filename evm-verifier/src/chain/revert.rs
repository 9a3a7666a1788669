//! Why a contract refused: revert data as text.

use ethers::abi::{Abi, ParamType, Token};
use revm::primitives::{hex, keccak256, Address};
use serde_json::Value;
use std::collections::BTreeMap;

/// `Error(string)`, from `require` with a text.
const ERROR: [u8; 4] = [0x08, 0xc3, 0x79, 0xa0];
/// `Panic(uint256)`, from arithmetic and the like.
const PANIC: [u8; 4] = [0x4e, 0x48, 0x7b, 0x71];
/// The longest argument that is shown in full.
const SHOWN: usize = 80;

/// How a contract refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Revert {
    /// What it returned with the revert.
    pub data: Vec<u8>,
    /// What the node says, or what [`Errors`] made of the data.
    pub message: String,
    /// The name of the error in the data, once [`Errors`] has found it.
    pub name: Option<String>,
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
        let message = match standard(&data) {
            Some(text) => text,
            None if data.is_empty() => format!("reverted without a reason ({message})"),
            None => format!("reverted with 0x{}", hex::encode(&data)),
        };
        Some(Self {
            data,
            message,
            name: None,
        })
    }

    pub(super) fn out_of_gas() -> Self {
        Self {
            data: Vec::new(),
            message: "it ran out of gas; raise --gas-limit".into(),
            name: None,
        }
    }

    pub(super) fn unknown() -> Self {
        Self {
            data: Vec::new(),
            message: "the same call succeeds now: the chain's state has changed since, or the gas limit was too low".into(),
            name: None,
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

/// The errors that contracts declare, with what their authors say about them.
#[derive(Clone, Debug, Default)]
pub struct Errors {
    known: BTreeMap<[u8; 4], Known>,
}

#[derive(Clone, Debug)]
struct Known {
    name: String,
    inputs: Vec<(String, ParamType)>,
    notice: Option<String>,
}

impl Errors {
    /// The errors in a contract's ABI, with the notices of its user documentation (solc's
    /// `userdoc`, or null).
    pub fn new(abi: &Value, userdoc: &Value) -> Result<Self, serde_json::Error> {
        let abi: Abi = serde_json::from_value(abi.clone())?;
        let mut known = BTreeMap::new();
        for error in abi.errors.values().flatten() {
            let types: Vec<String> = error
                .inputs
                .iter()
                .map(|input| input.kind.to_string())
                .collect();
            let signature = format!("{}({})", error.name, types.join(","));
            let notice = &userdoc["errors"][&signature][0]["notice"];
            let inputs = error.inputs.iter();
            known.insert(
                selector(&signature),
                Known {
                    name: error.name.clone(),
                    inputs: inputs
                        .map(|input| (input.name.clone(), input.kind.clone()))
                        .collect(),
                    notice: notice.as_str().map(str::to_owned),
                },
            );
        }
        Ok(Self { known })
    }

    /// Adds an error without fields, such as the generated verifiers have.
    pub fn with(mut self, name: &str, notice: &str) -> Self {
        self.known.insert(
            selector(&format!("{name}()")),
            Known {
                name: name.to_owned(),
                inputs: Vec::new(),
                notice: Some(notice.to_owned()),
            },
        );
        self
    }

    /// Says what a revert means, where its data is one of these errors.
    pub fn explain(&self, mut revert: Revert) -> Revert {
        if let Some((name, message)) = self.read(&revert.data) {
            revert.name = Some(name);
            revert.message = message;
        }
        revert
    }

    fn read(&self, data: &[u8]) -> Option<(String, String)> {
        let (selector, rest) = data.split_first_chunk::<4>()?;
        let known = self.known.get(selector)?;
        let kinds: Vec<ParamType> = known.inputs.iter().map(|(_, kind)| kind.clone()).collect();
        let values = ethers::abi::decode(&kinds, rest).ok()?;
        let fields: Vec<String> = known
            .inputs
            .iter()
            .zip(&values)
            .map(|((name, _), value)| {
                let value = self.show(value);
                if name.is_empty() {
                    value
                } else {
                    format!("{name} {value}")
                }
            })
            .collect();
        let call = format!("{}({})", known.name, fields.join(", "));
        let message = match &known.notice {
            Some(notice) => format!("{call}: {notice}"),
            None => call,
        };
        Some((known.name.clone(), message))
    }

    fn show(&self, value: &Token) -> String {
        match value {
            Token::Address(account) => Address::from(account.0).to_string(),
            Token::Uint(number) => number.to_string(),
            // A selector says why; its name says it better.
            Token::FixedBytes(bytes) => bytes
                .as_slice()
                .try_into()
                .ok()
                .and_then(|selector: [u8; 4]| self.known.get(&selector))
                .map_or_else(
                    || format!("0x{}", hex::encode(bytes)),
                    |known| known.name.clone(),
                ),
            other => {
                let text = other.to_string();
                let short: String = text.chars().take(SHOWN).collect();
                if short.len() < text.len() {
                    format!("{short}…")
                } else {
                    text
                }
            }
        }
    }
}

fn selector(signature: &str) -> [u8; 4] {
    let hash = keccak256(signature);
    let mut selector = [0; 4];
    selector.copy_from_slice(hash.get(..4).unwrap_or(&[0; 4]));
    selector
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn errors() -> Errors {
        let abi = json!([
            { "type": "error", "name": "ProofRejected", "inputs": [{ "name": "reason", "type": "bytes4" }] },
            { "type": "error", "name": "InputLength", "inputs": [
                { "name": "expected", "type": "uint256" }, { "name": "got", "type": "uint256" }] },
        ]);
        let userdoc = json!({ "errors": { "ProofRejected(bytes4)": [{ "notice": "The proof is not one." }] } });
        Errors::new(&abi, &userdoc)
            .unwrap()
            .with("InvalidProof", "The proof does not hold.")
    }

    fn revert(signature: &str, words: &[[u8; 32]]) -> Revert {
        let data = [&selector(signature)[..], &words.concat()].concat();
        let data = json!(format!("0x{}", hex::encode(data)));
        Revert::from_reply(3, "execution reverted", Some(&data)).unwrap()
    }

    #[test]
    fn custom_errors_are_read_with_their_notices() {
        let mut word = [0; 32];
        word[..4].copy_from_slice(&selector("InvalidProof()"));
        let revert_1 = errors().explain(revert("ProofRejected(bytes4)", &[word]));
        assert_eq!(revert_1.name.as_deref(), Some("ProofRejected"));
        assert_eq!(
            revert_1.message,
            "ProofRejected(reason InvalidProof): The proof is not one."
        );
        let mut words = [[0; 32]; 2];
        words[0][31] = 9;
        let lengths = errors().explain(revert("InputLength(uint256,uint256)", &words));
        assert_eq!(lengths.message, "InputLength(expected 9, got 0)");
        // Data that is cut short, and errors of other contracts, stay what they are.
        let short = errors().explain(revert("InputLength(uint256,uint256)", &words[..1]));
        assert!(short.message.starts_with("reverted with 0x"), "{short}");
        let other = errors().explain(revert("Other()", &[]));
        assert_eq!(other.name, None);
    }

    #[test]
    fn only_failed_executions_are_reverts() {
        assert_eq!(Revert::from_reply(-32601, "method not found", None), None);
        let out = Revert::from_reply(-32000, "out of gas: gas required exceeds: 1", None).unwrap();
        assert!(out.data.is_empty());
        let nested = json!({ "x": { "data": "0x4e487b71" } });
        let found = Revert::from_reply(-32000, "execution reverted", Some(&nested)).unwrap();
        assert_eq!(found.data, PANIC);
    }
}
