//! How a command ends: exit codes and error messages.

use crate::{hex::hex, ui::Ui};
use serde_json::{json, Value};
use std::{any::Any, process::ExitCode};
use zkml_aggregation::AggregateError;
use zkml_evm_verifier::check::CheckError;
use zkml_model::prove::{ProveError, Rejected};

const ERROR: u8 = 1;
const REJECTED: u8 = 3;
const UNTRUSTED: u8 = 4;

/// A proof that is sound or not, but not for what was asked.
#[derive(Debug)]
pub struct Refused(pub String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "proof rejected: {}", self.0)
    }
}

impl std::error::Error for Refused {}

/// A proof or contract that is good, under an SRS that the user does not rely upon.
#[derive(Debug)]
pub struct Untrusted {
    what: &'static str,
    fingerprint: String,
    /// What the command would have said.
    fields: Value,
}

impl Untrusted {
    /// Of the SRS with this fingerprint; `what` says what is good.
    pub fn new(what: &'static str, fingerprint: &[u8; 32], fields: Value) -> Self {
        Self {
            what,
            fingerprint: hex(fingerprint),
            fields,
        }
    }
}

impl std::fmt::Display for Untrusted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "not relied upon: {}, but whoever made the SRS with fingerprint {} can forge proofs; it is of no ceremony that zkml knows. If you rely on it, say --trust-srs {} (for tests on one machine: --trust-srs development)",
            self.what, self.fingerprint, self.fingerprint
        )
    }
}

impl std::error::Error for Untrusted {}

/// A chain that has not what the files say.
#[derive(Debug)]
pub struct Mismatched {
    reason: String,
    /// What the command would have said.
    fields: Value,
}

impl Mismatched {
    /// What does not match.
    pub fn new(reason: String, fields: Value) -> Self {
        Self { reason, fields }
    }
}

impl std::fmt::Display for Mismatched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "does not match the files: {}", self.reason)
    }
}

impl std::error::Error for Mismatched {}

/// A contract that an advisory is about.
#[derive(Debug)]
pub struct Advised(pub String);

impl std::fmt::Display for Advised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "contract rejected: {}", self.0)
    }
}

impl std::error::Error for Advised {}

/// The error for a panic, which is a defect of this program.
pub fn internal(panic: &(dyn Any + Send)) -> anyhow::Error {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    anyhow::anyhow!("internal error, please report it: {text}")
}

/// Whether an error means that something was checked and found wanting.
pub fn is_rejection(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<Refused>()
            || cause.is::<Advised>()
            || cause.is::<Mismatched>()
            || cause.is::<Rejected>()
            || matches!(cause.downcast_ref(), Some(ProveError::Rejected(_)))
            || matches!(
                cause.downcast_ref(),
                Some(AggregateError::Rejected { .. } | AggregateError::OuterRejected { .. })
            )
            || matches!(
                cause.downcast_ref(),
                Some(CheckError::Rejected { .. } | CheckError::Unsound { .. })
            )
    })
}

/// Prints the result, or the error, and gives the exit code.
pub fn report(command: &str, result: anyhow::Result<Value>, ui: &Ui) -> ExitCode {
    let error = match result {
        Ok(value) => match ui.object(&with_head(command, "ok", value)) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => error,
        },
        Err(error) => error,
    };
    let untrusted: Option<&Untrusted> = error.downcast_ref();
    let (status, code) = match untrusted {
        Some(_) => ("untrusted", UNTRUSTED),
        None if is_rejection(&error) => ("rejected", REJECTED),
        None => ("error", ERROR),
    };
    let lines = messages(&error);
    ui.error(&lines);
    let mismatched: Option<&Mismatched> = error.downcast_ref();
    let mut fields = untrusted
        .map(|untrusted| untrusted.fields.clone())
        .or_else(|| mismatched.map(|mismatched| mismatched.fields.clone()))
        .unwrap_or_else(|| json!({}));
    if let Value::Object(fields) = &mut fields {
        fields.insert("error".into(), json!(lines.join(": ")));
    }
    // stdout may be what failed; the message is on stderr then.
    let _ = ui.object(&with_head(command, status, fields));
    ExitCode::from(code)
}

fn with_head(command: &str, status: &str, value: Value) -> Value {
    let mut object = json!({ "command": command, "status": status });
    if let (Value::Object(object), Value::Object(fields)) = (&mut object, value) {
        object.extend(fields);
    }
    object
}

/// The error and its causes, without those that the line before quotes already.
fn messages(error: &anyhow::Error) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = shortened(cause.to_string());
        if !lines.last().is_some_and(|last| last.contains(&text)) {
            lines.push(text);
        }
    }
    lines
}

/// Characters of a message's start and end that are shown: what it quotes may be megabytes out of a file.
const SHOWN: [usize; 2] = [1500, 500];

/// A message without its middle, if it is long.
fn shortened(text: String) -> String {
    let [start, end] = SHOWN;
    let count = text.chars().count();
    if count <= start + end {
        return text;
    }
    let head: String = text.chars().take(start).collect();
    let tail: String = text.chars().skip(count - end).collect();
    format!("{head} … ({} characters) … {tail}", count - start - end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn rejections_are_told_from_errors() {
        let rejected = || Rejected {
            reason: "no".into(),
        };
        assert!(is_rejection(&ProveError::from(rejected()).into()));
        assert!(is_rejection(
            &anyhow::Error::from(rejected()).context("p.zkml")
        ));
        assert!(is_rejection(&Refused("other input".into()).into()));
        assert!(is_rejection(&Advised("old".into()).into()));
        assert!(!is_rejection(&ProveError::Invalid("x".into()).into()));
        assert!(!is_rejection(&anyhow::anyhow!("x")));
    }

    #[test]
    fn what_a_file_says_is_not_echoed_whole() {
        let lines = messages(&anyhow::anyhow!("start {} end", "9".repeat(5_000_000)));
        let [line] = lines.as_slice() else {
            panic!("{} lines", lines.len());
        };
        assert!(line.starts_with("start 99") && line.ends_with("99 end"));
        assert!(line.chars().count() < 2100, "{}", line.len());
        assert_eq!(shortened("short".into()), "short");
    }

    #[test]
    fn causes_are_not_repeated() {
        let result: Result<(), _> = Err(std::io::Error::other("full"));
        let error = result
            .context("a.zkml: full")
            .context("writing")
            .unwrap_err();
        assert_eq!(messages(&error), ["writing", "a.zkml: full"]);
    }
}
