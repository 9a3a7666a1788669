//! JSON-RPC over HTTP and HTTPS, as the transport of ethers' provider.

use crate::http::{Client, Limits};
use ethers::providers::{JsonRpcClient, JsonRpcError, ProviderError, RpcError};
use serde::{de::DeserializeOwned, Serialize};
use serde_json::{json, Map, Value};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// A receipt or a contract's code is far below.
const LIMITS: Limits = Limits {
    time: Duration::from_secs(30),
    bytes: 16 << 20,
};

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
#[derive(Debug)]
pub(super) struct Http {
    client: Client,
    id: AtomicU64,
}

impl Http {
    /// A client for a URL; nothing is sent yet. The error says what is wrong with the URL.
    pub fn new(url: &str) -> Result<Self, &'static str> {
        Ok(Self {
            client: Client::new(url)?,
            id: AtomicU64::new(1),
        })
    }

    /// Scheme, host and port.
    pub fn place(&self) -> &str {
        self.client.place()
    }

    /// Whether what is sent and received can be read and changed on the way.
    pub fn is_exposed(&self) -> bool {
        self.client.is_exposed()
    }

    fn post(&self, body: &Value) -> Result<Map<String, Value>, HttpError> {
        let reply = self
            .client
            .post("", "application/json", &body.to_string(), LIMITS)
            .map_err(HttpError::Transport)?;
        match serde_json::from_slice(&reply.body) {
            Ok(Value::Object(reply))
                if reply.contains_key("result") || reply.contains_key("error") =>
            {
                Ok(reply)
            }
            _ if !(200..300).contains(&reply.status) => Err(HttpError::Transport(format!(
                "HTTP status {} where a JSON-RPC reply was expected (is the URL, with its API key, right?)",
                reply.status
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
