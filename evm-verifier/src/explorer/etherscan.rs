//! Etherscan's API of version 2: <https://docs.etherscan.io/contract-verification/verify-with-api>.
//!
//! A contract is posted as a form to `?chainid=CHAIN&module=contract&action=verifysourcecode`, which gives the number of
//! a job; `checkverifystatus` says what came of it.

use super::{Deadline, ExplorerError, Judgement, Patience, Request, Server};
use crate::http::Reply;
use serde::Deserialize;
use zeroize::Zeroizing;

/// Its name.
pub(super) const NAME: &str = "Etherscan";
/// Where it is.
pub const URL: &str = "https://api.etherscan.io/v2/api";
/// Most characters of an API key, and of a job's number.
const MAX_WORD: usize = 128;

/// Etherscan at a URL.
pub struct Etherscan {
    pub(super) server: Server,
}

/// What it replies to everything.
#[derive(Deserialize)]
struct Answer {
    status: String,
    result: String,
}

impl Answer {
    fn is_good(&self) -> bool {
        self.status == "1"
    }

    /// Whether it has the words, however they are written.
    fn says(&self, words: &str) -> bool {
        self.result.to_ascii_lowercase().contains(words)
    }
}

impl Etherscan {
    pub(super) fn new(url: &str, key: Zeroizing<String>) -> Result<Self, ExplorerError> {
        if !is_word(&key) {
            return Err(ExplorerError::Key { most: MAX_WORD });
        }
        let server = Server::new(NAME, URL, url, key)?;
        Ok(Self { server })
    }

    pub(super) fn verify(
        &self,
        request: &Request<'_>,
        patience: Patience,
    ) -> Result<Judgement, ExplorerError> {
        let deadline = Deadline::new(patience);
        let submitted = self.submit(request, &deadline)?;
        self.server.wait(submitted, &deadline, |job| {
            self.judgement(request.chain_id, job, &deadline)
        })
    }

    /// The number of the job, or a judgement that needs none.
    fn submit(
        &self,
        request: &Request<'_>,
        deadline: &Deadline,
    ) -> Result<Result<String, Judgement>, ExplorerError> {
        const STEP: &str = "submitting the source";
        let source = request.source;
        let body = form(&[
            ("apikey", &self.server.secret),
            ("contractaddress", &request.address.to_string()),
            ("sourceCode", &source.input),
            ("codeformat", "solidity-standard-json-input"),
            ("contractname", &source.name),
            ("compilerversion", &format!("v{}", source.compiler)),
            // So it is spelled there.
            ("constructorArguements", ""),
        ]);
        let query = query(request.chain_id, "verifysourcecode");
        let reply = self.server.ask(STEP, deadline, |client, limits| {
            client.post(&query, "application/x-www-form-urlencoded", &body, limits)
        })?;
        let answer = self.answer(STEP, &reply)?;
        match answer.is_good() {
            true if is_word(&answer.result) => Ok(Ok(answer.result)),
            false if answer.says("already verified") => {
                Ok(Err(Judgement::Already(self.server.shown(&answer.result))))
            }
            _ => Err(self.server.failed(STEP, answer.result)),
        }
    }

    /// What came of a job; none while it runs.
    fn judgement(
        &self,
        chain: u64,
        job: &str,
        deadline: &Deadline,
    ) -> Result<Option<Judgement>, ExplorerError> {
        const STEP: &str = "asking for the judgement";
        let more = form(&[("guid", job), ("apikey", &self.server.secret)]);
        let query = format!("{}&{}", query(chain, "checkverifystatus"), more.as_str());
        let query = Zeroizing::new(query);
        let reply = self
            .server
            .ask(STEP, deadline, |client, limits| client.get(&query, limits))?;
        let answer = self.answer(STEP, &reply)?;
        let said = self.server.shown(&answer.result);
        if answer.says("pending") || answer.says("in progress") {
            Ok(None)
        } else if answer.says("already verified") {
            Ok(Some(Judgement::Already(said)))
        } else if answer.is_good() && answer.says("pass") {
            Ok(Some(Judgement::Verified(said)))
        } else if !answer.is_good() && answer.says("fail - unable to verify") {
            Ok(Some(Judgement::Mismatch(said)))
        } else {
            Err(self.server.failed(STEP, said))
        }
    }

    fn answer(&self, step: &'static str, reply: &Reply) -> Result<Answer, ExplorerError> {
        serde_json::from_slice(&reply.body).map_err(|_| {
            let status = reply.status;
            let reason = format!("expected status and result in JSON, got something else (HTTP status {status}); is it Etherscan's address, such as {URL}?");
            self.server.failed(step, reason)
        })
    }
}

fn query(chain: u64, action: &str) -> String {
    format!("?chainid={chain}&module=contract&action={action}")
}

/// Whether a text is one word of plain characters.
fn is_word(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=MAX_WORD).contains(&text.len()) && text.bytes().all(plain)
}

/// Fields as a form is sent: <https://url.spec.whatwg.org/#concept-urlencoded-serializer>, but for the blank, which is
/// written as any other byte.
fn form(fields: &[(&str, &str)]) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::new());
    for (name, value) in fields {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        for byte in value.bytes() {
            match byte {
                b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'.' | b'*' => {
                    out.push(char::from(byte));
                }
                other => out.push_str(&format!("%{other:02X}")),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_escaped() {
        let sent = form(&[("a", "{\"x\": 1+2&b=\u{e9}}"), ("empty", "")]);
        assert_eq!(
            sent.as_str(),
            "a=%7B%22x%22%3A%201%2B2%26b%3D%C3%A9%7D&empty="
        );
    }
}
