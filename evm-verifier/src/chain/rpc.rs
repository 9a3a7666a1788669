//! JSON-RPC over HTTP and HTTPS, as the transport of ethers' provider.
//!
//! ethers' own HTTP client speaks TLS only with versions of rustls that carry advisories; this one
//! is ureq with the current rustls. It also keeps the URL, which often holds an API key, out of
//! every error.

use ethers::providers::{JsonRpcClient, JsonRpcError, ProviderError, RpcError};
use serde::{de::DeserializeOwned, Serialize};
use serde_json::{json, Map, Value};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use ureq::{http::Uri, Agent};

/// The longest that one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest reply that is read; a receipt or a contract's code is far below.
const MAX_REPLY: u64 = 16 << 20;

/// Why a request has no result.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    /// Nobody answered, or not in HTTP.
    #[error("{0}")]
    Transport(String),
    /// The answer is not JSON-RPC, or not of the expected form.
    #[error("{what}: {source}")]
    Reply {
        /// What was wrong.
        what: &'static str,
        /// The parser's reason.
        source: serde_json::Error,
    },
    /// The node answered with an error.
    #[error("{}", .0.message)]
    Rpc(JsonRpcError),
}

impl RpcError for HttpError {
    fn as_error_response(&self) -> Option<&JsonRpcError> {
        match self {
            Self::Rpc(error) => Some(error),
            _ => None,
        }
    }

    fn as_serde_error(&self) -> Option<&serde_json::Error> {
        match self {
            Self::Reply { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<HttpError> for ProviderError {
    fn from(error: HttpError) -> Self {
        Self::JsonRpcClientError(Box::new(error))
    }
}

/// A connection to one node.
pub(super) struct Http {
    agent: Agent,
    url: String,
    /// What of the URL may be shown.
    place: String,
    id: AtomicU64,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").field("place", &self.place).finish()
    }
}

impl Http {
    /// A client for a URL; nothing is sent yet. The error says what is wrong with the URL.
    pub fn new(url: &str) -> Result<Self, &'static str> {
        let uri: Uri = url.parse().map_err(|_| "it is not a URL")?;
        let scheme = uri.scheme_str().unwrap_or_default();
        if !["http", "https"].contains(&scheme) {
            return Err("it does not start with http:// or https://");
        }
        let authority = uri.authority().ok_or("it names no host")?;
        if authority.as_str().contains('@') {
            return Err("a user name and password in the URL are not supported");
        }
        let host = authority.host();
        let mut config = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            // Nodes answer JSON-RPC errors with all kinds of status.
            .http_status_as_error(false)
            .max_redirects(0);
        if is_loopback(host) {
            config = config.proxy(None);
        }
        Ok(Self {
            agent: config.build().into(),
            place: format!("{scheme}://{authority}"),
            url: url.to_owned(),
            id: AtomicU64::new(1),
        })
    }

    /// Scheme, host and port.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Whether what is sent and received can be read and changed on the way.
    pub fn is_exposed(&self) -> bool {
        let rest = self.place.strip_prefix("http://");
        rest.is_some_and(|authority| {
            let host = authority.parse().map(|uri: Uri| {
                let host = uri.host().unwrap_or_default();
                is_loopback(host)
            });
            !host.unwrap_or(false)
        })
    }

    fn post(&self, body: &Value) -> Result<Map<String, Value>, HttpError> {
        let hidden = |text: String| text.replace(&self.url, &self.place);
        let transport = |error: ureq::Error| HttpError::Transport(hidden(in_words(&error)));
        let mut response = self
            .agent
            .post(&self.url)
            .header("content-type", "application/json")
            .send(body.to_string())
            .map_err(transport)?;
        let status = response.status();
        let text = response
            .body_mut()
            .with_config()
            .limit(MAX_REPLY)
            .read_to_vec()
            .map_err(transport)?;
        match serde_json::from_slice(&text) {
            Ok(Value::Object(reply))
                if reply.contains_key("result") || reply.contains_key("error") =>
            {
                Ok(reply)
            }
            _ if !status.is_success() => Err(HttpError::Transport(format!(
                "HTTP status {status} where a JSON-RPC reply was expected (is the URL, with its API key, right?)"
            ))),
            Err(source) => Err(HttpError::Reply {
                what: "the reply is not JSON",
                source,
            }),
            Ok(_) => Err(HttpError::Transport(
                "the reply is not JSON-RPC: expected an object with 'result' or 'error'".into(),
            )),
        }
    }
}

/// What went wrong on the way. What TLS says of a first reply that is none of its own helps nobody.
fn in_words(error: &ureq::Error) -> String {
    let said = error.to_string();
    match said.contains("InvalidContentType") {
        true => {
            "the URL says https, and what the server answers is no TLS: it may speak plain HTTP"
                .to_owned()
        }
        false => said,
    }
}

#[async_trait::async_trait]
impl JsonRpcClient for Http {
    type Error = HttpError;

    // It blocks: the command line does one thing at a time, and has no executor to hold up.
    async fn request<T, R>(&self, method: &str, params: T) -> Result<R, HttpError>
    where
        T: std::fmt::Debug + Serialize + Send + Sync,
        R: DeserializeOwned + Send,
    {
        let malformed = |what| move |source| HttpError::Reply { what, source };
        let mut params = serde_json::to_value(params).map_err(malformed("the request"))?;
        if params.is_null() {
            params = json!([]);
        }
        let id = self.id.fetch_add(1, Ordering::Relaxed);
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let mut reply = self.post(&body)?;
        // Of an error the request's id may not be known to the node (JSON-RPC 2.0, section 5): it is null then.
        let got = reply.get("id").unwrap_or(&Value::Null);
        let failed = reply.get("error").is_some_and(|error| !error.is_null());
        if *got != json!(id) && !(failed && got.is_null()) {
            let got: String = got.to_string().chars().take(40).collect();
            return Err(HttpError::Transport(format!(
                "the reply is to another request: expected id {id}, got {}",
                got.replace(char::is_control, " ")
            )));
        }
        match reply.remove("error") {
            None | Some(Value::Null) => {
                let result = reply.remove("result").unwrap_or_default();
                serde_json::from_value(result)
                    .map_err(malformed("the reply has not the expected form"))
            }
            Some(error) => {
                let mut error: JsonRpcError =
                    serde_json::from_value(error).map_err(malformed("the reply's error"))?;
                // It ends up on a terminal.
                error.message = error.message.replace(char::is_control, " ");
                Err(HttpError::Rpc(error))
            }
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost"
        || bare
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_checked_and_their_secrets_hidden() {
        let http = Http::new("https://mainnet.example:8545/v3/0123secret?key=secret").unwrap();
        assert_eq!(http.place(), "https://mainnet.example:8545");
        assert!(!format!("{http:?}").contains("secret"));
        for bad in ["", "localhost:8545", "ws://x", "https://", "http://u:p@x/"] {
            assert!(Http::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_plain_http_to_elsewhere_is_exposed() {
        for (url, exposed) in [
            ("http://127.0.0.1:8545", false),
            ("http://localhost", false),
            ("http://[::1]:1/", false),
            ("https://node.example", false),
            ("http://node.example/x", true),
            ("http://10.0.0.1:8545", true),
        ] {
            assert_eq!(Http::new(url).unwrap().is_exposed(), exposed, "{url}");
        }
    }

    #[test]
    fn a_server_without_tls_is_named_so() {
        use std::io::{Read, Write};
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let answer = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        });
        let http = Http::new(&format!("https://127.0.0.1:{port}/secret")).unwrap();
        let error = http.post(&json!({})).unwrap_err().to_string();
        answer.join().unwrap();
        assert!(error.contains("the URL says https"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
