//! A node that lies: it stands before an honest one, and answers some requests itself.

#![allow(clippy::expect_used, clippy::panic)]

use super::{
    anvil::{Anvil, KEYS},
    listener::Listener,
    Zkml,
};
use serde_json::{json, Value};
use std::{
    io::{Read, Write},
    net::TcpStream,
};

/// What is answered.
pub enum Answer {
    /// What the honest node says.
    Honest,
    /// This result.
    Result(Value),
    /// This error.
    Error(Value),
    /// This reply, with whatever id it has.
    Whole(Value),
    /// What no node says.
    Garbage,
}

/// A request's method and parameters, answered.
type Lie = dyn FnMut(&str, &Value) -> Answer + Send;

/// The node that lies.
pub struct Proxy(Listener);

impl Proxy {
    pub fn start(
        anvil: &Anvil,
        mut lie: impl FnMut(&str, &Value) -> Answer + Send + 'static,
    ) -> Self {
        let honest = anvil.port();
        Self(Listener::start(move |mut stream| {
            let Some(request) = body(&mut stream) else {
                return;
            };
            let reply = reply(honest, &request, &mut lie);
            // Whoever asked may be gone.
            let _ = write!(
                stream,
                "HTTP/1.1 {}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{reply}",
                if reply.starts_with('{') { "200 OK" } else { "502 Bad Gateway" },
                reply.len()
            );
        }))
    }

    pub fn url(&self) -> String {
        self.0.url()
    }

    /// zkml with this node and the first account's key in its environment.
    pub fn zkml(&self) -> Zkml {
        Zkml::new()
            .env("ETH_RPC_URL", &self.url())
            .env("ZKML_PRIVATE_KEY", &format!("0x{}", KEYS[0]))
    }
}

fn reply(honest: u16, request: &str, lie: &mut Lie) -> String {
    let asked: Value = serde_json::from_str(request).expect("a request");
    let method = asked["method"].as_str().expect("a method");
    let with = |field: &str, value: Value| {
        json!({ "jsonrpc": "2.0", "id": asked["id"], field: value }).to_string()
    };
    match lie(method, &asked["params"]) {
        Answer::Honest => forwarded(honest, request),
        Answer::Result(value) => with("result", value),
        Answer::Error(value) => with("error", value),
        Answer::Whole(value) => value.to_string(),
        Answer::Garbage => "<html>".to_owned(),
    }
}

fn forwarded(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the honest node");
    write!(
        stream,
        "POST / HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{request}",
        request.len()
    )
    .expect("a request");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("a reply");
    let (_, reply) = text.split_once("\r\n\r\n").expect("a body");
    reply.to_owned()
}

/// The body of an HTTP request; none if the connection ends before.
fn body(stream: &mut TcpStream) -> Option<String> {
    let (mut bytes, mut part) = (Vec::new(), [0; 65536]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let (_, length) = head.split_once("content-length:").expect("a length");
            let length: usize = length.lines().next()?.trim().parse().expect("a length");
            if body.len() >= length {
                return Some(body.to_owned());
            }
        }
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&part[..count]),
        }
    }
}
