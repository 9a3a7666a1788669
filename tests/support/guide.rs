//! The commands in a page of documentation.

#![allow(clippy::expect_used, clippy::panic)]

use std::{fs, path::Path};

/// A command of the documentation.
pub struct Step {
    pub place: String,
    pub arguments: Vec<String>,
    pub code: i32,
    pub output: Vec<String>,
}

/// How the commands of a block are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// One a line.
    Plain,
    /// After `$ `, each with its output.
    Console,
}

/// A command line's arguments and exit code; `None` if it is not of this program.
fn parse(line: &str) -> Option<(Vec<String>, i32)> {
    let (command, comment) = line.split_once(" #").unwrap_or((line, ""));
    let mut words = command.split_whitespace().map(str::to_owned);
    if words.next()? != "zkml" {
        return None;
    }
    let code = comment.trim().strip_prefix("exits ").map_or(0, |code| {
        code.trim()
            .parse()
            .unwrap_or_else(|_| panic!("exit code: {line}"))
    });
    Some((words.collect(), code))
}

/// The commands in those blocks of a page whose mark has a style.
pub fn steps(page: &Path, style: impl Fn(&str) -> Option<Style>) -> Vec<Step> {
    let text = fs::read_to_string(page).expect("a page");
    let name = page
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let mut steps: Vec<Step> = Vec::new();
    let mut block: Option<String> = None;
    for (number, line) in text.lines().enumerate() {
        if let Some(info) = line.strip_prefix("```") {
            block = match block {
                Some(_) => None,
                None => Some(info.trim().to_owned()),
            };
            continue;
        }
        let Some(style) = block.as_deref().and_then(&style) else {
            continue;
        };
        let command = match style {
            Style::Console => line.strip_prefix("$ "),
            Style::Plain => Some(line),
        };
        match command {
            Some(command) => {
                let place = format!("{name}, line {}: {command}", number + 1);
                let (arguments, code) =
                    parse(command).unwrap_or_else(|| panic!("not a zkml command: {place}"));
                steps.push(Step {
                    place,
                    arguments,
                    code,
                    output: Vec::new(),
                });
            }
            None => {
                let step = steps.last_mut().expect("a command before its output");
                step.output.push(line.to_owned());
            }
        }
    }
    assert!(block.is_none(), "{name}: a block is not closed");
    steps
}
