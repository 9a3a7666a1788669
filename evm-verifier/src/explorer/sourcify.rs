//! Sourcify's API of version 2: <https://docs.sourcify.dev/docs/api/>.
//!
//! A contract is posted to `/v2/verify/CHAIN/ADDRESS`, which gives the number of a job; `/v2/verify/JOB` says what came
//! of it.

use super::{Deadline, ExplorerError, Judgement, Patience, Request, Server};
use serde::Deserialize;
use serde_json::{json, Value};

/// Its name.
pub(super) const NAME: &str = "Sourcify";
/// Where it is.
pub const URL: &str = "https://sourcify.dev/server";
/// Most characters of a job's number.
const MAX_JOB: usize = 64;
/// The codes of errors that say that the code is another: the source was compiled and compared.
const OTHER_CODE: [&str; 3] = [
    "no_match",
    "bytecode_length_mismatch",
    "extra_file_input_bug",
];
/// The code of the error that says that nothing is left to do.
const ALREADY: &str = "already_verified";

/// Sourcify at a URL.
pub struct Sourcify {
    pub(super) server: Server,
}

/// A job that was taken.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Taken {
    verification_id: String,
}

/// Why something was not done.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fault {
    custom_code: String,
    message: String,
}

/// A job.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    is_job_completed: bool,
    error: Option<Fault>,
    contract: Option<Contract>,
}

/// What is known of a contract.
#[derive(Deserialize)]
struct Contract {
    #[serde(rename = "match")]
    quality: Option<String>,
}

impl Sourcify {
    pub(super) fn new(url: &str) -> Result<Self, ExplorerError> {
        let server = Server::new(NAME, URL, url, Default::default())?;
        Ok(Self { server })
    }

    pub(super) fn verify(
        &self,
        request: &Request<'_>,
        patience: Patience,
    ) -> Result<Judgement, ExplorerError> {
        let deadline = Deadline::new(patience);
        let submitted = self.submit(request, &deadline)?;
        self.server
            .wait(submitted, &deadline, |job| self.judgement(job, &deadline))
    }

    /// The number of the job, or a judgement that needs none.
    fn submit(
        &self,
        request: &Request<'_>,
        deadline: &Deadline,
    ) -> Result<Result<String, Judgement>, ExplorerError> {
        const STEP: &str = "submitting the source";
        let source = request.source;
        let input: Value = serde_json::from_str(&source.input).map_err(|error| {
            self.server
                .failed(STEP, format!("the compiler's input: {error}"))
        })?;
        let body = json!({
            "stdJsonInput": input,
            "compilerVersion": source.compiler,
            "contractIdentifier": source.name,
        });
        let path = format!("/v2/verify/{}/{}", request.chain_id, request.address);
        let reply = self.server.ask(STEP, deadline, |client, limits| {
            client.post(&path, "application/json", &body.to_string(), limits)
        })?;
        if let Ok(Taken { verification_id }) = serde_json::from_slice(&reply.body) {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            let length = 1..=MAX_JOB;
            if length.contains(&verification_id.len()) && verification_id.bytes().all(plain) {
                return Ok(Ok(verification_id));
            }
        }
        match serde_json::from_slice(&reply.body) {
            Ok(fault) => self.fault(STEP, fault).map(Err),
            Err(_) => Err(self.unexpected(STEP, reply.status, "a verificationId")),
        }
    }

    /// What came of a job; none while it runs.
    fn judgement(
        &self,
        job: &str,
        deadline: &Deadline,
    ) -> Result<Option<Judgement>, ExplorerError> {
        const STEP: &str = "asking for the judgement";
        let path = format!("/v2/verify/{job}");
        let reply = self
            .server
            .ask(STEP, deadline, |client, limits| client.get(&path, limits))?;
        let Ok(job) = serde_json::from_slice::<Job>(&reply.body) else {
            return match serde_json::from_slice(&reply.body) {
                Ok(fault) => self.fault(STEP, fault).map(Some),
                Err(_) => Err(self.unexpected(STEP, reply.status, "isJobCompleted")),
            };
        };
        if !job.is_job_completed {
            return Ok(None);
        }
        if let Some(fault) = job.error {
            return self.fault(STEP, fault).map(Some);
        }
        match job
            .contract
            .and_then(|contract| contract.quality)
            .as_deref()
        {
            Some("exact_match") => Ok(Some(Judgement::Verified(
                "exact match: code and metadata".to_owned(),
            ))),
            Some("match") => Ok(Some(Judgement::Verified(
                "match: the code, which has no metadata's hash or another".to_owned(),
            ))),
            _ => Err(self.unexpected(STEP, reply.status, "a match or an error")),
        }
    }

    /// The judgement that an error is, if it is one.
    fn fault(&self, step: &'static str, fault: Fault) -> Result<Judgement, ExplorerError> {
        let said = format!("{}: {}", fault.custom_code, fault.message);
        match fault.custom_code.as_str() {
            ALREADY => Ok(Judgement::Already(self.server.shown(&fault.message))),
            code if OTHER_CODE.contains(&code) => Ok(Judgement::Mismatch(self.server.shown(&said))),
            _ => Err(self.server.failed(step, said)),
        }
    }

    fn unexpected(&self, step: &'static str, status: u16, expected: &str) -> ExplorerError {
        let reason = format!("expected {expected} in JSON, got something else (HTTP status {status}); is it Sourcify's address, such as {URL}?");
        self.server.failed(step, reason)
    }
}
