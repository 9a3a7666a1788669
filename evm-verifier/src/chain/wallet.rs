//! Who signs: a private key that never leaves this file.
//!
//! No error, `Debug` or log carries the key or a part of it, not even of a malformed one.

use super::{address, ChainError};
use ethers::{
    signers::{LocalWallet, Signer},
    types::{transaction::eip2718::TypedTransaction, Bytes},
};
use revm::primitives::Address;
use serde::Deserialize;
use std::path::Path;
use zeroize::Zeroizing;
use zkml_files::read_bounded;

/// Largest keystore file that is read.
const MAX_KEYSTORE: u64 = 1 << 16;
/// Most memory that scrypt may ask for: four times the usual.
const MAX_SCRYPT_BYTES: u64 = 1 << 30;
/// Most rounds of PBKDF2.
const MAX_ROUNDS: u64 = 10_000_000;

/// A private key.
pub struct Wallet(LocalWallet);

impl std::fmt::Debug for Wallet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wallet({})", self.address())
    }
}

impl Wallet {
    /// The key written as 64 hexadecimal digits, with or without 0x. `origin` says in an error where
    /// the text came from.
    pub fn from_hex(text: &str, origin: &str) -> Result<Self, ChainError> {
        let bad = |reason: String| ChainError::Key {
            origin: origin.to_owned(),
            reason,
        };
        let digits = text.trim();
        let digits = digits
            .strip_prefix("0x")
            .or_else(|| digits.strip_prefix("0X"))
            .unwrap_or(digits);
        let count = digits.chars().count();
        if count != 64 {
            return Err(bad(format!(
                "expected 64 hexadecimal digits, got {count} characters"
            )));
        }
        let mut key = Zeroizing::new([0u8; 32]);
        for (byte, pair) in key.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            for digit in pair {
                let digit = char::from(*digit).to_digit(16);
                let digit = digit.and_then(|digit| u8::try_from(digit).ok());
                *byte = *byte << 4
                    | digit.ok_or_else(|| bad("not all of it are hexadecimal digits".into()))?;
            }
        }
        // ethers' error says nothing about the key, but neither is it worth relying upon.
        LocalWallet::from_bytes(key.as_slice())
            .map(Self)
            .map_err(|_| bad("zero, or not below the order of secp256k1".into()))
    }

    /// The key in a keystore file (Web3 Secret Storage, version 3), as geth and foundry write it.
    pub fn from_keystore(path: &Path, password: &str) -> Result<Self, ChainError> {
        check_keystore(path)?;
        LocalWallet::decrypt_keystore(path, password)
            .map(Self)
            .map_err(|error| {
                // The library's other errors quote the file.
                let reason = match error.to_string().contains("Mac Mismatch") {
                    true => "the password is not that of the keystore",
                    false => {
                        "expected a keystore of version 3, got numbers or digits that are not one's"
                    }
                };
                key_error(path, reason.to_owned())
            })
    }

    /// The account.
    pub fn address(&self) -> Address {
        address(self.0.address())
    }

    /// The signed transaction, as it is sent.
    pub(super) fn sign(&self, tx: &TypedTransaction) -> Result<Bytes, ChainError> {
        let signature = self.0.sign_transaction_sync(tx);
        let signature = signature.map_err(|_| ChainError::Key {
            origin: "the wallet".into(),
            reason: "it could not sign the transaction".into(),
        })?;
        Ok(tx.rlp_signed(&signature))
    }
}

fn key_error(path: &Path, reason: String) -> ChainError {
    ChainError::Key {
        origin: path.display().to_string(),
        reason,
    }
}

/// Fails if the file would make the library that opens it panic, or ask for memory without bound.
fn check_keystore(path: &Path) -> Result<(), ChainError> {
    let text = read_bounded(path, MAX_KEYSTORE)
        .map_err(|error| key_error(path, format!("keystore: {error}")))?;
    let keystore: Keystore = serde_json::from_slice(&text).map_err(|error| {
        // serde_json quotes what it found; where it stands is enough.
        let (line, column) = (error.line(), error.column());
        key_error(
            path,
            format!("expected a keystore of version 3 (JSON): line {line}, column {column}"),
        )
    })?;
    keystore
        .check()
        .map_err(|reason| key_error(path, format!("keystore: {reason}")))
}

#[derive(Deserialize)]
struct Keystore {
    version: u64,
    crypto: Crypto,
}

#[derive(Deserialize)]
struct Crypto {
    cipher: String,
    cipherparams: CipherParams,
    ciphertext: String,
    kdfparams: KdfParams,
}

#[derive(Deserialize)]
struct CipherParams {
    iv: String,
}

#[derive(Deserialize)]
struct KdfParams {
    dklen: u64,
    n: Option<u64>,
    r: Option<u64>,
    p: Option<u64>,
    c: Option<u64>,
}

impl Keystore {
    fn check(&self) -> Result<(), String> {
        let crypto = &self.crypto;
        let kdf = &crypto.kdfparams;
        let expect = |what: &str, good: bool| {
            if good {
                Ok(())
            } else {
                Err(format!("expected {what}"))
            }
        };
        expect("version 3", self.version == 3)?;
        expect("cipher aes-128-ctr", crypto.cipher == "aes-128-ctr")?;
        expect("an iv of 16 bytes", crypto.cipherparams.iv.len() == 32)?;
        expect("a key of 32 bytes", crypto.ciphertext.len() == 64)?;
        expect("dklen 32", kdf.dklen == 32)?;
        match (kdf.n, kdf.r, kdf.p, kdf.c) {
            (Some(n), Some(r), Some(p), None) => {
                let memory = n.checked_mul(r).and_then(|blocks| blocks.checked_mul(128));
                expect(
                    "scrypt parameters of at most 1 GiB",
                    n.is_power_of_two()
                        && n > 1
                        && (1..=16).contains(&p)
                        && r > 0
                        && memory.is_some_and(|bytes| bytes <= MAX_SCRYPT_BYTES),
                )
            }
            (None, None, None, Some(c)) => expect(
                "at most ten million rounds of PBKDF2",
                (1..=MAX_ROUNDS).contains(&c),
            ),
            _ => expect("parameters of scrypt or PBKDF2", false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first of anvil's accounts; everybody knows it.
    const KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

    #[test]
    fn keys_are_read_and_not_shown() {
        for text in [KEY.into(), format!("0x{KEY}"), format!(" 0X{KEY}\n")] {
            let wallet = Wallet::from_hex(&text, "test").unwrap();
            let account = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
            assert_eq!(wallet.address().to_string(), account);
            assert_eq!(format!("{wallet:?}"), format!("Wallet({account})"));
        }
        let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
        let zero = "0".repeat(64);
        let letters = KEY.replace('a', "g");
        for bad in [
            "",
            "0x",
            &KEY[1..],
            &zero,
            order,
            &letters,
            &format!("{KEY}0"),
            &"é".repeat(64),
            &"é".repeat(32),
        ] {
            let error = Wallet::from_hex(bad, "$KEY").unwrap_err().to_string();
            assert!(error.starts_with("$KEY: "), "{error}");
            assert!(bad.len() < 10 || !error.contains(&bad[..8]), "{error}");
        }
    }

    #[test]
    fn keystores_are_opened_by_their_password_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keystore.json");
        // PBKDF2 with few rounds, from the definition of the format: scrypt's would take seconds.
        let good = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},
            "ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2",
            "kdfparams":{"c":262144,"dklen":32,"prf":"hmac-sha256","salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
            "mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},
            "id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;
        std::fs::write(&path, good).unwrap();
        let wallet = Wallet::from_keystore(&path, "testpassword").unwrap();
        assert_eq!(
            wallet.address().to_string().to_lowercase(),
            "0x008aeeda4d805471df9b2a5b0f38a0c3bcba786b"
        );
        Wallet::from_keystore(&path, "wrong").unwrap_err();
        for (from, to) in [
            ("\"dklen\":32", "\"dklen\":16"),
            ("\"dklen\":32", "\"dklen\":200"),
            ("6087dab2", "6087da"),
            ("aes-128-ctr", "rot13"),
            ("\"c\":262144", "\"c\":4000000000"),
            ("\"c\":262144", "\"n\":4294967296,\"r\":8,\"p\":1"),
            ("\"c\":262144", "\"n\":3,\"r\":8,\"p\":1"),
            // The library reads these by itself.
            ("\"c\":262144", "\"c\":\"5318b4d5\""),
            ("\"mac\":\"517ead92", "\"mac\":\"517ead9x"),
            ("\"salt\":\"ae3cd4e7", "\"salt\":\"ae3cd4e7zz"),
            ("\"version\":3", "\"version\":1"),
            ("{\"crypto\"", "{"),
        ] {
            std::fs::write(&path, good.replace(from, to)).unwrap();
            let error = Wallet::from_keystore(&path, "testpassword").unwrap_err();
            let text = error.to_string();
            for secret in ["5318b4d5", "517ead92", "ae3cd4e7", "testpassword"] {
                assert!(!text.contains(secret), "{text}");
            }
        }
        Wallet::from_keystore(&folder.path().join("none"), "x").unwrap_err();
    }
}
