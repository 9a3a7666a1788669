//! A node of one's own.

#![allow(clippy::expect_used, clippy::panic)]

use super::Zkml;
use serde_json::{json, Value};
use std::{
    fs::File,
    io::{Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use zkml_evm_verifier::anvil::find_anvil;

/// Private keys of anvil's first accounts. Everybody knows them, and no output of zkml may have them.
pub const KEYS: [&str; 2] = [
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
];

/// A node that is stopped when it goes out of scope.
pub struct Anvil {
    child: Child,
    port: u16,
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Anvil {
    /// Starts one on a free port.
    pub fn start(more: &[&str]) -> Self {
        let program = find_anvil().unwrap_or_else(|reason| panic!("{reason}"));
        let log = tempfile::NamedTempFile::new().expect("a log file");
        let out = File::create(log.path()).expect("a log file");
        let child = Command::new(&program.path)
            .args(["--port", "0", "--hardfork", "prague", "--threads", "1"])
            .args(more)
            .stdin(Stdio::null())
            .stderr(out.try_clone().expect("a log file"))
            .stdout(out)
            .spawn()
            .expect("anvil starts");
        let mut anvil = Self { child, port: 0 };
        let start = Instant::now();
        while anvil.port == 0 {
            let text = std::fs::read_to_string(log.path()).expect("anvil's log");
            let ended = anvil.child.try_wait().expect("anvil's state");
            assert!(
                ended.is_none() && start.elapsed() < Duration::from_secs(60),
                "anvil does not start: {text}"
            );
            let port = text.split_once("Listening on 127.0.0.1:");
            let port = port.and_then(|(_, rest)| rest.split_once('\n'));
            match port.map(|(port, _)| port.trim().parse()) {
                Some(port) => anvil.port = port.expect("a port"),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        anvil
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// zkml with this node and the first account's key in its environment.
    pub fn zkml(&self) -> Zkml {
        Zkml::new()
            .env("ETH_RPC_URL", &self.url())
            .env("ZKML_PRIVATE_KEY", &format!("0x{}", KEYS[0]))
    }

    /// Asks the node, without the code that is under test.
    pub fn rpc(&self, method: &str, params: Value) -> Value {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let body = body.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        write!(
            stream,
            "POST / HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("a request");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("a reply");
        let (_, reply) = text.split_once("\r\n\r\n").expect("a body");
        let mut reply: Value = serde_json::from_str(reply).expect("JSON");
        assert!(reply.get("error").is_none(), "{method}: {reply}");
        reply["result"].take()
    }

    /// The newest block.
    pub fn block(&self) -> Value {
        self.rpc("eth_blockNumber", json!([]))
    }

    /// Sends from an account of the node's own; returns the receipt.
    pub fn send(&self, transaction: &Value) -> Value {
        let hash = self.rpc("eth_sendTransaction", json!([transaction]));
        // The node answers before the block is there.
        for _ in 0..200 {
            let receipt = self.rpc("eth_getTransactionReceipt", json!([hash]));
            if !receipt.is_null() {
                return receipt;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("no receipt of {hash}");
    }

    /// Gas that a transaction used, and its data.
    pub fn transaction(&self, hash: &str) -> (u64, Vec<u8>) {
        let receipt = self.rpc("eth_getTransactionReceipt", json!([hash]));
        let gas = receipt["gasUsed"].as_str().expect("gasUsed");
        let gas = u64::from_str_radix(gas.trim_start_matches("0x"), 16).expect("gas");
        let sent = self.rpc("eth_getTransactionByHash", json!([hash]));
        (gas, unhex(sent["input"].as_str().expect("input")))
    }
}

/// Bytes from hexadecimal digits.
pub fn unhex(text: &str) -> Vec<u8> {
    let digits = text.strip_prefix("0x").expect("0x");
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal");
    (0..digits.len()).step_by(2).map(byte).collect()
}
