//! How a command ends: exit codes and error messages.

use crate::ui::Ui;
use serde_json::{json, Value};
use std::{any::Any, process::ExitCode};
use zkml_circuits::{
    aggregate::AggregateError,
    prove::{ProveError, Rejected},
};
use zkml_evm_verifier::check::CheckError;

const ERROR: u8 = 1;
const REJECTED: u8 = 3;

/// A proof that is sound or not, but not for what was asked.
#[derive(Debug)]
pub struct Refused(pub String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "proof rejected: {}", self.0)
    }
}

impl std::error::Error for Refused {}

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
    let rejected = is_rejection(&error);
    let (status, code) = if rejected {
        ("rejected", REJECTED)
    } else {
        ("error", ERROR)
    };
    let lines = messages(&error);
    ui.error(&lines);
    // stdout may be what failed; the message is on stderr then.
    let _ = ui.object(&with_head(
        command,
        status,
        json!({ "error": lines.join(": ") }),
    ));
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
        let text = cause.to_string();
        if !lines.last().is_some_and(|last| last.contains(&text)) {
            lines.push(text);
        }
    }
    lines
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
    fn causes_are_not_repeated() {
        let result: Result<(), _> = Err(std::io::Error::other("full"));
        let error = result
            .context("a.zkml: full")
            .context("writing")
            .unwrap_err();
        assert_eq!(messages(&error), ["writing", "a.zkml: full"]);
    }
}
