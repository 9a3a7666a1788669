//! A service that verifies sources, as far as a test wants it to.

#![allow(clippy::expect_used, clippy::panic)]

use super::listener::Listener;
use serde_json::Value;
use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{Arc, Mutex},
};

/// What was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub content_type: String,
    pub body: String,
}

/// What is answered.
pub enum Reply {
    /// A status and an object.
    Json(u16, Value),
    /// A status and something else.
    Text(u16, &'static str),
    /// More than anybody would read.
    Endless,
    /// Nothing, ever.
    Silence,
}

/// The service.
pub struct Explorer {
    server: Listener,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Explorer {
    pub fn start(mut answer: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let kept = Arc::clone(&asked);
        // Connections that nothing is said on.
        let mut silent = Vec::new();
        let server = Listener::start(move |mut stream| {
            let Some(question) = question(&mut stream) else {
                return;
            };
            kept.lock().expect("the questions").push(question.clone());
            // Whoever asked may be gone.
            let _ = match answer(&question) {
                Reply::Json(status, value) => whole(&mut stream, status, &value.to_string()),
                Reply::Text(status, text) => whole(&mut stream, status, text),
                Reply::Endless => endless(&mut stream),
                Reply::Silence => {
                    silent.push(stream);
                    Ok(())
                }
            };
        });
        Self { server, asked }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url())
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("the questions").clone()
    }
}

fn whole(stream: &mut TcpStream, status: u16, body: &str) -> std::io::Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} Said\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

fn endless(stream: &mut TcpStream) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{{\"")?;
    loop {
        stream.write_all(&[b'a'; 1 << 16])?;
    }
}

/// A whole request; none if the connection ends before.
fn question(stream: &mut TcpStream) -> Option<Asked> {
    let (mut bytes, mut part) = (Vec::new(), [0; 1 << 16]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let field = |name: &str| {
                head.lines().find_map(|line| {
                    let (field, value) = line.split_once(": ")?;
                    field.eq_ignore_ascii_case(name).then(|| value.to_owned())
                })
            };
            let length = field("content-length").map_or(0, |text| text.parse().expect("a length"));
            if body.len() >= length {
                let mut words = head.split(' ').map(str::to_owned);
                return Some(Asked {
                    method: words.next()?,
                    target: words.next()?,
                    content_type: field("content-type").unwrap_or_default(),
                    body: body.to_owned(),
                });
            }
        }
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&part[..count]),
        }
    }
}
