//! Requests over HTTP and HTTPS.
//!
//! ethers' own HTTP client speaks TLS only with versions of rustls that carry advisories; this one
//! is ureq with the current rustls. It keeps the URL, which often holds an API key, out of every error, and follows no
//! redirect: what is sent goes where the user said.

use std::time::Duration;
use ureq::{http::Uri, Agent};

/// A connection to one server.
pub(crate) struct Client {
    agent: Agent,
    url: String,
    /// What of the URL may be shown.
    place: String,
}

/// How much of a server is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// From the name's look-up to the reply's last byte.
    pub time: Duration,
    /// The longest reply that is read.
    pub bytes: u64,
}

/// What a server replied.
pub(crate) struct Reply {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("place", &self.place)
            .finish()
    }
}

impl Client {
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
        })
    }

    /// Scheme, host and port.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Whether the URL has a query, which is where keys stand in URLs.
    pub fn has_query(&self) -> bool {
        self.url.contains(['?', '#'])
    }

    /// Whether the server is on this machine.
    pub fn is_local(&self) -> bool {
        let uri: Result<Uri, _> = self.place.parse();
        uri.is_ok_and(|uri| is_loopback(uri.host().unwrap_or_default()))
    }

    /// Whether what is sent and received can be read and changed on the way.
    pub fn is_exposed(&self) -> bool {
        self.place.starts_with("http://") && !self.is_local()
    }

    /// Sends a body to the URL, with `rest` after it.
    pub fn post(
        &self,
        rest: &str,
        content_type: &str,
        body: &str,
        limits: Limits,
    ) -> Result<Reply, String> {
        let request = self.agent.post(self.at(rest));
        let request = request.header("content-type", content_type);
        let request = request.config().timeout_global(Some(limits.time)).build();
        self.reply(request.send(body), limits)
    }

    /// Asks for what is at the URL, with `rest` after it.
    pub fn get(&self, rest: &str, limits: Limits) -> Result<Reply, String> {
        let request = self.agent.get(self.at(rest));
        let request = request.config().timeout_global(Some(limits.time)).build();
        self.reply(request.call(), limits)
    }

    fn at(&self, rest: &str) -> String {
        match rest {
            "" => self.url.clone(),
            _ => format!("{}{rest}", self.url.trim_end_matches('/')),
        }
    }

    fn reply(
        &self,
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
        limits: Limits,
    ) -> Result<Reply, String> {
        let hidden = |error: ureq::Error| in_words(&error).replace(&self.url, &self.place);
        let mut response = response.map_err(hidden)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config();
        let body = body.limit(limits.bytes).read_to_vec().map_err(hidden)?;
        Ok(Reply { status, body })
    }
}

/// What went wrong on the way. What TLS says of a first reply that is none of its own helps nobody.
fn in_words(error: &ureq::Error) -> String {
    let said = error.to_string();
    match error {
        ureq::Error::Timeout(_) => "it did not answer in time".to_owned(),
        _ if said.contains("InvalidContentType") => {
            "the URL says https, and what the server answers is no TLS: it may speak plain HTTP"
                .to_owned()
        }
        _ => said,
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
        let client = Client::new("https://mainnet.example:8545/v3/0123secret?key=secret").unwrap();
        assert_eq!(client.place(), "https://mainnet.example:8545");
        assert!(!format!("{client:?}").contains("secret"));
        for bad in ["", "localhost:8545", "ws://x", "https://", "http://u:p@x/"] {
            assert!(Client::new(bad).is_err(), "{bad}");
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
            assert_eq!(Client::new(url).unwrap().is_exposed(), exposed, "{url}");
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
        let client = Client::new(&format!("https://127.0.0.1:{port}/secret")).unwrap();
        let limits = Limits {
            time: Duration::from_secs(30),
            bytes: 1,
        };
        let error = client.post("", "text/plain", "", limits).err().unwrap();
        answer.join().unwrap();
        assert!(error.contains("the URL says https"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
