//! Services that compile a contract's source again, compare, and show it: Sourcify, and Etherscan and those that speak
//! its protocol.
//!
//! What a service says is data from outside: its replies are bounded in time and size, what is shown of them is one
//! line, and no error shows more of a URL than scheme, host and port, or anything of an API key.

mod etherscan;
mod sourcify;

use crate::{
    chain::Address,
    http::{Client, Limits, Reply},
};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

pub use etherscan::URL as ETHERSCAN;
pub use sourcify::URL as SOURCIFY;

/// The longest that one request may take: a service may compile before it answers.
const TIMEOUT: Duration = Duration::from_secs(60);
/// A request that is begun may take so long, whatever is left of one's patience.
const LEAST: Duration = Duration::from_secs(5);
/// The longest reply that is read. A mismatch may quote two contracts' code in hexadecimal.
const MAX_REPLY: u64 = 1 << 20;
/// Characters of a service's own words that are shown.
const SHOWN: usize = 300;

/// What a contract was compiled of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What the compiler was given: solc's standard JSON.
    pub input: String,
    /// The compiler's version with its commit, such as `0.8.30+commit.73712a01`.
    pub compiler: String,
    /// File and name of the contract, such as `ZkmlVerifier.sol:ZkmlVerifier`.
    pub name: String,
}

/// A contract whose source is to be verified. It has no constructor arguments: none of zkml's has.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its chain.
    pub chain_id: u64,
    /// Its address.
    pub address: Address,
    /// What it was compiled of.
    pub source: &'a Source,
}

/// How a service judges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It compiled the source, and found the code that is on the chain.
    Verified(String),
    /// It had done so before.
    Already(String),
    /// It found other code. Why, in its words.
    Mismatch(String),
}

/// How long a judgement is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// In all.
    pub timeout: Duration,
    /// Between two questions.
    pub interval: Duration,
}

/// Why there is no judgement.
#[derive(Debug, thiserror::Error)]
pub enum ExplorerError {
    /// The URL cannot be used. It is not shown: it may hold an API key.
    #[error("the URL of {service} cannot be used: {reason}; expected one such as {example}")]
    Url {
        /// The service.
        service: &'static str,
        /// What is wrong with it.
        reason: &'static str,
        /// A good one.
        example: &'static str,
    },
    /// The API key is none.
    #[error("the API key of Etherscan: expected letters, digits, - and _, at most {most}; what it is instead is not shown")]
    Key {
        /// Most characters.
        most: usize,
    },
    /// The service did not answer, or not as one does, or that it will not.
    #[error("{place}: {step}: {reason}")]
    Service {
        /// Scheme, host and port.
        place: String,
        /// What was asked.
        step: &'static str,
        /// What came instead.
        reason: String,
    },
    /// The service has not judged in time.
    #[error(
        "{place} has not judged after {seconds} s; it may still: run the same command again to ask"
    )]
    Timeout {
        /// Scheme, host and port.
        place: String,
        /// Time waited.
        seconds: u64,
    },
}

/// A service.
pub enum Explorer {
    /// Sourcify, by its API of version 2.
    Sourcify(sourcify::Sourcify),
    /// Etherscan, or one that speaks its API of version 2.
    Etherscan(etherscan::Etherscan),
}

impl Explorer {
    /// Sourcify at a URL; nothing is sent yet.
    ///
    /// # Errors
    /// If the URL cannot be used.
    pub fn sourcify(url: &str) -> Result<Self, ExplorerError> {
        sourcify::Sourcify::new(url).map(Self::Sourcify)
    }

    /// Etherscan at a URL; nothing is sent yet.
    ///
    /// # Errors
    /// If URL or key cannot be used, or if the key could be read on the way.
    pub fn etherscan(url: &str, key: Zeroizing<String>) -> Result<Self, ExplorerError> {
        etherscan::Etherscan::new(url, key).map(Self::Etherscan)
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sourcify(_) => sourcify::NAME,
            Self::Etherscan(_) => etherscan::NAME,
        }
    }

    /// Scheme, host and port.
    pub fn place(&self) -> &str {
        self.server().client.place()
    }

    /// Whether what is sent and received can be changed on the way.
    pub fn is_exposed(&self) -> bool {
        self.server().client.is_exposed()
    }

    /// Whether it is on this machine.
    pub fn is_local(&self) -> bool {
        self.server().client.is_local()
    }

    fn server(&self) -> &Server {
        match self {
            Self::Sourcify(sourcify) => &sourcify.server,
            Self::Etherscan(etherscan) => &etherscan.server,
        }
    }

    /// Has a contract's source verified, and waits for the judgement.
    ///
    /// # Errors
    /// If there is no judgement.
    pub fn verify(
        &self,
        request: &Request<'_>,
        patience: Patience,
    ) -> Result<Judgement, ExplorerError> {
        match self {
            Self::Sourcify(sourcify) => sourcify.verify(request, patience),
            Self::Etherscan(etherscan) => etherscan.verify(request, patience),
        }
    }
}

/// The server of a service.
struct Server {
    client: Client,
    /// What is never shown; empty where there is no secret.
    secret: Zeroizing<String>,
}

impl Server {
    fn new(
        service: &'static str,
        example: &'static str,
        url: &str,
        secret: Zeroizing<String>,
    ) -> Result<Self, ExplorerError> {
        let wrong = |reason| ExplorerError::Url {
            service,
            reason,
            example,
        };
        let client = Client::new(url).map_err(wrong)?;
        if client.has_query() {
            return Err(wrong(
                "it has a query, which is where keys stand; command lines are seen by other users",
            ));
        }
        if !secret.is_empty() && client.is_exposed() {
            return Err(wrong("the API key would go there unencrypted"));
        }
        Ok(Self { client, secret })
    }

    fn failed(&self, step: &'static str, reason: impl Into<String>) -> ExplorerError {
        ExplorerError::Service {
            place: self.client.place().to_owned(),
            step,
            reason: self.shown(&reason.into()),
        }
    }

    /// Words from outside as one short line, without the secret.
    fn shown(&self, text: &str) -> String {
        let text = match self.secret.as_str() {
            "" => text.to_owned(),
            secret => text.replace(secret, "…"),
        };
        let line: String = text.chars().take(SHOWN).collect();
        line.replace(char::is_control, " ")
    }

    /// What the server replies to one request.
    fn ask(
        &self,
        step: &'static str,
        deadline: &Deadline,
        send: impl FnOnce(&Client, Limits) -> Result<Reply, String>,
    ) -> Result<Reply, ExplorerError> {
        let limits = Limits {
            time: deadline.left().clamp(LEAST, TIMEOUT),
            bytes: MAX_REPLY,
        };
        send(&self.client, limits).map_err(|reason| self.failed(step, reason))
    }

    /// Asks for the judgement on a job until there is one, where submitting has not brought one already.
    fn wait(
        &self,
        submitted: Result<String, Judgement>,
        deadline: &Deadline,
        ask: impl Fn(&str) -> Result<Option<Judgement>, ExplorerError>,
    ) -> Result<Judgement, ExplorerError> {
        let job = match submitted {
            Ok(job) => job,
            Err(already) => return Ok(already),
        };
        loop {
            if let Some(answer) = ask(&job)? {
                return Ok(answer);
            }
            if deadline.left() <= deadline.patience.interval {
                return Err(ExplorerError::Timeout {
                    place: self.client.place().to_owned(),
                    seconds: deadline.patience.timeout.as_secs(),
                });
            }
            std::thread::sleep(deadline.patience.interval);
        }
    }
}

/// The end of one's patience.
struct Deadline {
    start: Instant,
    patience: Patience,
}

impl Deadline {
    fn new(patience: Patience) -> Self {
        Self {
            start: Instant::now(),
            patience,
        }
    }

    fn left(&self) -> Duration {
        self.patience.timeout.saturating_sub(self.start.elapsed())
    }
}
